//! What the derives alone write: `__private` is the only path to it, so no app writes it by mistake.

use super::{
    access::cmd,
    column::{Column, Key},
    table::{Select, TenantTable},
};

/// In the list of what a table declares: this command.
#[derive(Debug)]
pub enum Yes {}

/// In place of `insert`: a signed-in user may found one.
#[derive(Debug)]
pub enum Founding {}

/// In place of `insert`: a visitor may become one.
#[derive(Debug)]
pub enum SigningUp {}

/// In the list of what jobs may do: read the rows as the tenants.
#[derive(Debug)]
pub enum TenantRows {}

/// In place of the list: what a struct with mistakes declares, so that code which uses it adds no errors of its own.
#[derive(Debug)]
pub enum Everything {}

/// About a list: what of it jobs may do.
#[derive(Debug)]
pub struct ByJobs<What>(std::marker::PhantomData<What>);

/// Holds when the attributes of a table declare `What`.
///
/// Sealed, and looked up in the one impl of [`TenantTable`]: what is not declared cannot be added by another impl.
#[diagnostic::on_unimplemented(
    message = "`#[tenant(…)]` on `{Self}` does not declare this",
    label = "not declared",
    note = "the derive implements this trait as far as `#[tenant(…)]` says; it cannot be implemented by hand"
)]
pub trait Declares<What> {}

#[diagnostic::do_not_recommend]
impl<T: TenantTable<Declared: Has<What>>, What> Declares<What> for T {}

/// Holds when a list has an entry: `(select, insert, update, delete, what jobs may do)`, or that of jobs.
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
    Founding: <S, U, D, J> (S, Founding, U, D, J);
    SigningUp: <S, U, D, J> (S, SigningUp, U, D, J);
    cmd::Update: <S, I, D, J> (S, I, Yes, D, J);
    cmd::Delete: <S, I, U, J> (S, I, U, Yes, J);
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

everything!(cmd::Read, cmd::Insert, cmd::Manage, Founding, SigningUp, cmd::Update, cmd::Delete);

/// Implemented by the derive of a view, and by that alone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not derive `TenantView`",
    label = "not a view that was derived",
    note = "`#[derive(TenantView)]` implements this trait; it cannot be implemented by hand"
)]
pub trait Showing {}

/// A table is a view of itself.
#[diagnostic::do_not_recommend]
impl<T: Select> Showing for T {}

/// Names a column of a table, and who may use it.
#[must_use]
pub const fn named<T, V, A, P>(name: &'static str) -> Column<T, V, A, P> {
    Column::new(name)
}

/// Names a key of a table by its columns.
#[must_use]
pub const fn unique_by<T>(columns: &'static [&'static str]) -> Key<T> {
    Key::new(columns)
}
