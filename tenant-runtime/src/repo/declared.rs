//! The declared commands of a table as a list of types. `__private` is the only path to them.

use super::{cmd, tenant_table::TenantTable};

/// An entry in the list of declared commands: the command is declared.
#[derive(Debug)]
pub enum Yes {}

/// In place of `insert`: a signed-in user can create a tenant.
#[derive(Debug)]
pub enum CreatesTenant {}

/// In place of `insert`: a user can sign up.
#[derive(Debug)]
pub enum SignsUp {}

/// In the list of commands for jobs: the table's rows are the tenants, and jobs can read them.
#[derive(Debug)]
pub enum TenantRows {}

/// In place of the list for a struct with errors, so that code that uses it causes no further errors.
#[derive(Debug)]
pub enum Everything {}

/// Selects the commands for jobs in a list.
#[derive(Debug)]
pub struct ByJobs<What>(std::marker::PhantomData<What>);

/// Implemented if the attributes of a table declare `What`.
///
/// The only impl is the blanket impl below, which reads the table's [`TenantTable::Declared`]: a second impl would conflict with
/// it, so code outside this crate cannot add an undeclared command.
#[diagnostic::on_unimplemented(
    message = "`#[tenant(…)]` on `{Self}` does not declare `{What}`",
    label = "not declared",
    note = "the derive implements the trait for each command that `#[tenant(…)]` declares; the trait cannot be implemented by hand"
)]
pub trait Declares<What> {}

#[diagnostic::do_not_recommend]
impl<T: TenantTable<Declared: Has<What>>, What> Declares<What> for T {}

/// Implemented if a list contains an entry: `(select, insert, update, delete, commands of jobs)`, or the list for jobs.
pub trait Has<What> {}

macro_rules! has {
    ($($what:ty: <$($other:ident),*> $list:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($other),*> Has<$what> for $list {}
    )*};
}

has! {
    cmd::Read: <I, U, D, J> (Yes, I, U, D, J);
    cmd::Insert: <S, U, D, J> (S, Yes, U, D, J);
    cmd::Manage: <S, U, D, J> (S, cmd::Manage, U, D, J);
    cmd::Invite: <S, U, D, J> (S, cmd::Invite, U, D, J);
    CreatesTenant: <S, U, D, J> (S, CreatesTenant, U, D, J);
    SignsUp: <S, U, D, J> (S, SignsUp, U, D, J);
    cmd::Update: <S, I, D, J> (S, I, Yes, D, J);
    cmd::Delete: <S, I, U, J> (S, I, U, Yes, J);
    cmd::Delete: <S, I, U, R, P, J> (S, I, U, (Yes, R, P), J);
    cmd::Restore: <S, I, U, D, P, J> (S, I, U, (D, Yes, P), J);
    cmd::Purge: <S, I, U, D, R, J> (S, I, U, (D, R, Yes), J);
    TenantRows: <S, I, U, D> (S, I, U, D, TenantRows);
}

#[diagnostic::do_not_recommend]
impl<S, I, U, D, J: Has<What>, What> Has<ByJobs<What>> for (S, I, U, D, J) {}

macro_rules! everything {
    ($($what:ty),*) => {$(
        #[diagnostic::do_not_recommend]
        impl Has<$what> for Everything {}
    )*};
}

everything!(
    cmd::Read,
    cmd::Insert,
    cmd::Manage,
    CreatesTenant,
    SignsUp,
    cmd::Update,
    cmd::Delete,
    cmd::Restore,
    cmd::Purge
);
