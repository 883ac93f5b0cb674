//! Tenancies, with their roles and inclusions as sealed types that code outside this crate cannot extend.
//!
//! A trait that other code can implement guarantees nothing: an app could implement it to claim that any
//! type is the role `admin`, or that a viewer includes it. But a type can have only one impl of
//! [`Tenancy`]. So `Tenancy::Roles` is the only source, and the properties that a role type claims are
//! looked up there.

use std::{fmt, marker::PhantomData};

use super::key::ContextKey;
use crate::model::{
    compare::{is_joined, same},
    def::TenancyDef,
    names::{self, RESERVED_ROLES},
};

/// The tenant and user key types and the roles of an app.
///
/// The built-in tenancy is [`roles::Organizations`](crate::roles::Organizations), with the
/// roles `Viewer`, `Member` and `Admin`. [`tenancy!`](crate::tenancy) declares other tenancies.
///
/// ```
/// # use tenant_runtime::{Tenancy, tenancy};
/// tenancy! { pub Clinics { key: i64, roles: { Staff, Doctor: Staff } } }
///
/// fn role_names<T: Tenancy>() -> Vec<&'static str> {
///     T::DEF.roles.iter().map(|role| role.name).collect()
/// }
/// assert_eq!(role_names::<Clinics>(), ["staff", "doctor"]);
/// ```
pub trait Tenancy: Send + Sync + 'static {
    /// The type of a tenant ID.
    type Key: ContextKey;
    /// The type of a user ID.
    type User: ContextKey;
    /// For each role, in declaration order, the roles that it includes, each at its position. This list is the only
    /// source of the roles and of their inclusions.
    #[doc(hidden)]
    type Roles;
    /// The declaration as data, for the generator.
    const DEF: &'static TenancyDef;
}

/// A tenancy with `login_per_role: true`.
///
/// ```
/// # use tenant_runtime::{TenantDb, tenancy};
/// tenancy! { pub Clinics { key: i64, login_per_role: true, roles: { Staff, Doctor: Staff } } }
///
/// let options = TenantDb::options().login_per_role::<Clinics>(|role| std::env::var(format!("URL_{role}")).ok());
/// ```
#[diagnostic::on_unimplemented(
    message = "the roles of `{Self}` have no separate logins",
    label = "one login serves all of its roles",
    note = "set `login_per_role: true` in its `tenancy!` and generate the migration, or remove `.login_per_role(…)`"
)]
pub trait LoginPerRole: Tenancy {}

/// A role of a tenancy, as a type without values. Declared by [`tenancy!`](crate::tenancy).
///
/// Sealed: a type is a role only if the declaration of its tenancy lists it.
///
/// ```
/// # use tenant_runtime::{Role, roles::Member};
/// assert_eq!((Member::NAME, Member::DB_ROLE), ("member", "app_member"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a role",
    label = "not a role of a tenancy",
    note = "the built-in roles are `tenant_runtime::roles::{{Viewer, Member, Admin}}`"
)]
pub trait Role: Declared + Send + Sync + 'static {
    /// The tenancy that declares the role.
    type Tenancy: Tenancy;
    /// [`MemberRole`] for a role of tenant members, [`JobRole`] for the system role.
    type Kind;
    /// The role's position among the roles of its tenancy.
    #[doc(hidden)]
    type Place;
    /// The name of the role in attributes, such as `viewer`.
    const NAME: &'static str;
    /// The name of the role in the database, such as `app_viewer`.
    const DB_ROLE: &'static str;
}

/// The kind of the roles of tenant members.
///
/// ```
/// # use tenant_runtime::{Role, TenantTx, tenant::MemberRole};
/// /// Logs an access by a member, and not one by a cross-tenant job.
/// fn log_access<R: Role<Kind = MemberRole>>(tx: &TenantTx<R>) {
///     println!("{} reads", tx.ctx().role());
/// }
/// ```
#[derive(Debug)]
pub enum MemberRole {}

/// The kind of the role of cross-tenant jobs.
///
/// ```
/// # use tenant_runtime::{Role, System, roles::Organizations, tenant::JobRole};
/// fn is_for_jobs<R: Role<Kind = JobRole>>() {}
/// is_for_jobs::<System<Organizations>>();
/// ```
#[derive(Debug)]
pub enum JobRole {}

/// The role of cross-tenant jobs: on each table it can run the
/// commands that `system(…)` names, and no other commands.
///
/// Its transactions come from a [`SystemCtx`](crate::SystemCtx), after a
/// reason has been recorded. The app's login role cannot assume this role.
///
/// ```
/// # use tenant_runtime::{System, TenantTx, roles::Organizations};
/// async fn archive(tx: &mut TenantTx<System<Organizations>>) -> sqlx::Result<()> {
///     sqlx::query("UPDATE app.projects SET archived = true").execute(tx).await?;
///     Ok(())
/// }
/// ```
pub struct System<T>(PhantomData<fn() -> T>);

impl<T> fmt::Debug for System<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("System")
    }
}

impl<T: Tenancy> Role for System<T> {
    type Tenancy = T;
    type Kind = JobRole;
    type Place = ();
    const NAME: &'static str = "system";
    const DB_ROLE: &'static str = DerivedRoleName::<T, SystemSuffix>::NAME;
}

struct SystemSuffix;

impl RoleSuffix for SystemSuffix {
    const BYTES: &'static [u8] = names::SYSTEM.as_bytes();
}

/// The database role for users without a tenant, such as `app_no_tenant`.
pub(crate) fn no_tenant_role<T: Tenancy>() -> &'static str {
    DerivedRoleName::<T, NoTenantSuffix>::NAME
}

struct NoTenantSuffix;

impl RoleSuffix for NoTenantSuffix {
    const BYTES: &'static [u8] = names::NO_TENANT.as_bytes();
}

/// The part after the prefix in the name of a generated role.
trait RoleSuffix {
    const BYTES: &'static [u8];
}

/// The name of a generated role, concatenated at compile time because pools and errors require a `&'static
/// str`.
struct DerivedRoleName<T, S>(PhantomData<(T, S)>);

impl<T: Tenancy, S: RoleSuffix> DerivedRoleName<T, S> {
    const BYTES: [u8; 256] = joined(T::DEF.role_prefix.as_bytes(), S::BYTES);
    const NAME: &'static str = {
        let (name, _) = Self::BYTES.split_at(T::DEF.role_prefix.len() + S::BYTES.len());
        match str::from_utf8(name) {
            Ok(name) => name,
            Err(_) => panic!("both parts are UTF-8"),
        }
    };
}

const fn joined(first: &[u8], second: &[u8]) -> [u8; 256] {
    let mut bytes = [0; 256];
    let mut at = 0;
    while at < first.len() + second.len() {
        bytes[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    bytes
}

/// Implemented by `Lower` itself and by each role that includes it and therefore has all of its
/// privileges.
///
/// Sealed: the tenancy declares the inclusions. In generic code, `R: AtLeast<Admin>` does not imply
/// `R: AtLeast<Viewer>`: add a [`May`](crate::repo::access::May) bound for each command that it runs.
///
/// ```
/// # use tenant_runtime::{TenantCtx, roles::{Admin, Viewer}};
/// # let (organization, user) = (uuid::Uuid::nil(), uuid::Uuid::nil());
/// // `Admin: AtLeast<Viewer>`
/// let reader: TenantCtx<Viewer> = TenantCtx::<Admin>::assume_authorized(organization, user).narrow();
/// ```
#[diagnostic::on_unimplemented(
    message = "the role `{Self}` does not include the role `{Lower}`",
    label = "requires `{Lower}` or a role that includes it"
)]
pub trait AtLeast<Lower>: Role {
    #[doc(hidden)]
    const SEAL: Seal;
}

/// The list of `R` must contain `L` itself at the position that `L` names, so a forged position matches
/// nothing.
#[diagnostic::do_not_recommend]
impl<R, L> AtLeast<L> for R
where
    R: Role,
    L: Role<Tenancy = R::Tenancy>,
    <R::Tenancy as Tenancy>::Roles: At<R::Place, Entry: At<L::Place, Entry: Is<L>>>,
{
    const SEAL: Seal = Seal;
}

/// The type of a tenant ID in the tenancy of a role.
///
/// ```
/// # use tenant_runtime::{roles::Member, tenant::KeyOf};
/// let organization: KeyOf<Member> = uuid::Uuid::nil();
/// ```
pub type KeyOf<R> = <<R as Role>::Tenancy as Tenancy>::Key;
/// The type of a user ID in the tenancy of a role.
///
/// ```
/// # use tenant_runtime::{roles::Member, tenant::UserOf};
/// let user: UserOf<Member> = uuid::Uuid::nil();
/// ```
pub type UserOf<R> = <<R as Role>::Tenancy as Tenancy>::User;

/// The first position in a list of types.
#[derive(Debug)]
pub enum First {}

/// The position after another position.
#[derive(Debug)]
pub struct Next<P>(PhantomData<P>);

/// The type of a constant in each sealed trait; code outside this crate cannot name it.
#[derive(Debug)]
pub struct Seal;

/// The entry at a position of a type list `(A, (B, ()))`.
pub trait At<Place> {
    type Entry;
}

#[diagnostic::do_not_recommend]
impl<Head, Tail> At<First> for (Head, Tail) {
    type Entry = Head;
}

#[diagnostic::do_not_recommend]
impl<Head, Tail: At<Place>, Place> At<Next<Place>> for (Head, Tail) {
    type Entry = Tail::Entry;
}

/// Implemented if two types are the same.
pub trait Is<T> {}

#[diagnostic::do_not_recommend]
impl<T> Is<T> for T {}

/// Implemented by the roles that their tenancy declares, and by the system role.
#[diagnostic::on_unimplemented(
    message = "the tenancy of `{Self}` does not declare this role",
    label = "not declared by `tenancy!`",
    note = "`tenancy!` declares the roles of a tenancy; `Role` cannot be implemented manually"
)]
pub trait Declared {
    /// Whether the role is for tenant members.
    const OF_MEMBERS: bool;
}

#[diagnostic::do_not_recommend]
impl<R: Role<Kind: DeclaredAs<R>>> Declared for R {
    const OF_MEMBERS: bool = <R::Kind as DeclaredAs<R>>::OF_MEMBERS;
}

/// Implements [`Declared`] for the kind that a role claims.
pub trait DeclaredAs<R> {
    const OF_MEMBERS: bool;
}

#[diagnostic::do_not_recommend]
impl<R: AtLeast<R>> DeclaredAs<R> for MemberRole {
    const OF_MEMBERS: bool = true;
}

#[diagnostic::do_not_recommend]
impl<T: Tenancy> DeclaredAs<System<T>> for JobRole {
    const OF_MEMBERS: bool = false;
}

/// Checks at compile time that a role's names are those in the declaration.
///
/// A manually implemented tenancy could give its roles any name, such as the schema
/// owner's.
pub(crate) const fn assert_names<R: Role>() {
    if !R::OF_MEMBERS {
        return;
    }
    let tenancy = <R::Tenancy as Tenancy>::DEF;
    assert!(tenancy.includes(R::NAME, R::NAME), "`NAME` must be the name of a role that the tenancy declares");
    let is_named = is_joined(R::DB_ROLE, tenancy.role_prefix, R::NAME);
    assert!(is_named, "`DB_ROLE` must be the role prefix of the tenancy, followed by `NAME`");
    let mut index = 0;
    while index < RESERVED_ROLES.len() {
        assert!(
            !same(R::NAME, RESERVED_ROLES[index]),
            "this name is reserved for a database role that the generator creates"
        );
        index += 1;
    }
}

/// Runs the check of [`assert_names`] at compile time, and checks that the
/// role is not the system role, whose contexts come only from `SystemDb`.
pub(super) const fn assert_of_members<R: Role>() {
    assert!(
        R::OF_MEMBERS,
        "a `TenantCtx` of the system role comes from `SystemDb` only, after a reason has been recorded"
    );
    assert_names::<R>();
}

/// Checks at compile time that, in the declaration, the role `R` includes the narrowed role `L`.
pub(super) const fn assert_includes<R: Role, L: Role>() {
    let tenancy = <R::Tenancy as Tenancy>::DEF;
    assert!(tenancy.includes(R::NAME, L::NAME), "the tenancy does not declare that the first role includes the second");
}
