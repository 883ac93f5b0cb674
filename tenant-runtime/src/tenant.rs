//! Who acts, and for which tenant: roles as types, tenancies, and the context token.

mod key;
pub(crate) mod lattice;

use std::{fmt, marker::PhantomData};

#[doc(hidden)]
pub use self::key::KeyNewtype;
pub use self::key::{ContextKey, TextKey, TextKeyError};
use self::lattice::{At, Declared, Is, Seal};
use crate::model::{def::TenancyDef, names};

/// Ties together the keys and the roles of a product.
///
/// `tenant_runtime::roles::Organizations` is the one that ships; its roles are `Viewer`, `Member` and `Admin`. Others are made by
/// [`tenancy!`](crate::tenancy).
pub trait Tenancy: Send + Sync + 'static {
    /// A tenant's key.
    type Key: ContextKey;
    /// A user's key.
    type User: ContextKey;
    /// For each role, in the order of the declaration, the roles that it includes, each at its place: which roles there are
    /// and what they include is read here alone.
    #[doc(hidden)]
    type Roles;
    /// The same as data, for the generator.
    const DEF: &'static TenancyDef;
}

/// A tenancy that says `login_per_role: true`.
#[diagnostic::on_unimplemented(
    message = "the roles of `{Self}` have no logins of their own",
    label = "there is one login for all of its roles",
    note = "say `login_per_role: true` in its `tenancy!`, and generate the migration; or leave out `.login_per_role(…)`"
)]
pub trait LoginPerRole: Tenancy {}

/// A role of a tenancy, as a type without values. [`tenancy!`](crate::tenancy) makes it.
///
/// Sealed: a type is a role only where the declaration of its tenancy lists it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a role",
    label = "not a role of a tenancy",
    note = "the shipped roles are `tenant_runtime::roles::{{Viewer, Member, Admin}}`"
)]
pub trait Role: Declared + Send + Sync + 'static {
    /// The tenancy that declares the role.
    type Tenancy: Tenancy;
    /// Whether members of a tenant have the role, [`MemberRole`], or jobs, [`JobRole`].
    type Kind;
    /// The role's place among the roles of its tenancy.
    #[doc(hidden)]
    type Place;
    /// The role's name in attributes, such as `viewer`.
    const NAME: &'static str;
    /// The role's name in the database, such as `app_viewer`.
    const DB_ROLE: &'static str;
}

/// The kind of the roles that members of a tenant have.
#[derive(Debug)]
pub enum MemberRole {}

/// The kind of the role that jobs have.
#[derive(Debug)]
pub enum JobRole {}

/// The role by which jobs cross tenants: on each table it may do what `system(…)` says there, and nothing else.
///
/// Its transactions come from a [`SystemCtx`](crate::SystemCtx), once a reason was recorded; the app's login cannot act in it.
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
    const NAME: &'static str = names::SYSTEM;
    const DB_ROLE: &'static str = DerivedRoleName::<T, SystemSuffix>::NAME;
}

struct SystemSuffix;

impl RoleSuffix for SystemSuffix {
    const BYTES: &'static [u8] = names::SYSTEM.as_bytes();
}

/// What follows on the prefix in the name of a role that the generator makes.
pub(crate) trait RoleSuffix {
    const BYTES: &'static [u8];
}

/// The name of a role that the generator makes, put together at compile time since pools and errors keep it.
pub(crate) struct DerivedRoleName<T, S>(PhantomData<(T, S)>);

impl<T: Tenancy, S: RoleSuffix> DerivedRoleName<T, S> {
    const BYTES: [u8; 256] = joined(T::DEF.role_prefix.as_bytes(), S::BYTES);
    pub(crate) const NAME: &'static str = {
        let (name, _) = Self::BYTES.split_at(T::DEF.role_prefix.len() + S::BYTES.len());
        match str::from_utf8(name) {
            Ok(name) => name,
            Err(_) => panic!("both parts are text"),
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

/// Holds when a role has all the rights of `Lower`, itself included.
///
/// Sealed: what a role includes is looked up in the declaration of its tenancy. It is not transitive in generic code: prefer
/// concrete roles, or bound the role by what the code does.
#[diagnostic::on_unimplemented(
    message = "the role `{Self}` does not include the role `{Lower}`",
    label = "this takes `{Lower}` or a role above it"
)]
pub trait AtLeast<Lower>: Role {
    #[doc(hidden)]
    const SEAL: Seal;
}

/// The list of `R`, at the place that `L` says, has to hold `L` itself, so a place that somebody made up finds nothing.
#[diagnostic::do_not_recommend]
impl<R, L> AtLeast<L> for R
where
    R: Role,
    L: Role<Tenancy = R::Tenancy>,
    <R::Tenancy as Tenancy>::Roles: At<R::Place, Entry: At<L::Place, Entry: Is<L>>>,
{
    const SEAL: Seal = Seal;
}

/// The tenant key type of a role's tenancy.
pub type KeyOf<R> = <<R as Role>::Tenancy as Tenancy>::Key;
/// The user key type of a role's tenancy.
pub type UserOf<R> = <<R as Role>::Tenancy as Tenancy>::User;

/// Says for which tenant and as which role queries run; without one, no query compiles.
///
/// It comes from [`Session::require`](crate::Session::require) where the membership was looked up, as axum's `Tenant` does for a
/// request, or from a constructor that says who vouches for it. It has no public fields, no `Default` and no `Deserialize`.
///
/// ```
/// # use tenant_runtime::{TenantCtx, roles::{Admin, Viewer}};
/// # let (organization, user) = (uuid::Uuid::nil(), uuid::Uuid::nil());
/// let ctx = TenantCtx::<Admin>::assume_authorized(organization, user);
/// let reader: TenantCtx<Viewer> = ctx.narrow();
/// assert_eq!((reader.role(), reader.tenant_id()), ("viewer", &organization));
/// ```
///
/// ```compile_fail
/// use tenant_runtime::{TenantCtx, roles::Member};
/// let forged = TenantCtx::<Member> { org: uuid::Uuid::nil(), user: None };
/// ```
pub struct TenantCtx<R: Role> {
    org: KeyOf<R>,
    user: Option<UserOf<R>>,
    role: PhantomData<fn() -> R>,
}

impl<R: Role> TenantCtx<R> {
    /// Makes a context for which the *caller* vouches: that this user acts for this organization in the role `R`.
    ///
    /// Call it with what a verified token says, never with an organization id that a client sent.
    #[must_use]
    pub fn assume_authorized(org: KeyOf<R>, user: UserOf<R>) -> Self {
        const { lattice::assert_of_members::<R>() }
        Self { org, user: Some(user), role: PhantomData }
    }

    /// Makes a context without a user, for jobs inside one tenant; the *caller* vouches for it.
    ///
    /// Where a membership table says who may act, nobody is no member, so such a context sees no rows: there, jobs are for
    /// [`SystemDb`](crate::SystemDb).
    #[must_use]
    pub fn assume_authorized_job(org: KeyOf<R>) -> Self {
        const { lattice::assert_of_members::<R>() }
        Self { org, user: None, role: PhantomData }
    }

    /// Narrows the context to a role that this one includes.
    #[must_use]
    pub fn narrow<L>(&self) -> TenantCtx<L>
    where
        L: Role<Tenancy = R::Tenancy>,
        R: AtLeast<L>,
    {
        const { lattice::assert_of_members::<L>() }
        const { lattice::assert_includes::<R, L>() }
        TenantCtx { org: self.org.clone(), user: self.user.clone(), role: PhantomData }
    }

    /// Returns the name of the role, such as `member`, for what is decided at run time.
    #[must_use]
    pub fn role(&self) -> &'static str {
        R::NAME
    }

    /// Returns the tenant's key.
    #[must_use]
    pub fn tenant_id(&self) -> &KeyOf<R> {
        &self.org
    }

    /// Returns the user's key, where a user acts.
    #[must_use]
    pub fn user_id(&self) -> Option<&UserOf<R>> {
        self.user.as_ref()
    }
}

impl<T: Tenancy> TenantCtx<System<T>> {
    /// Makes the context of a transaction in which the system role is held to one tenant.
    pub(crate) fn of_jobs(org: T::Key) -> Self {
        Self { org, user: None, role: PhantomData }
    }
}

impl<R: Role> Clone for TenantCtx<R> {
    fn clone(&self) -> Self {
        Self { org: self.org.clone(), user: self.user.clone(), role: PhantomData }
    }
}

impl<R: Role> fmt::Debug for TenantCtx<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantCtx").field("role", &R::NAME).field("org", &self.org).field("user", &self.user).finish()
    }
}
