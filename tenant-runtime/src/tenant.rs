//! Tenancies, roles as types, and the tenant context.

mod key;
pub(crate) mod lattice;

use std::{fmt, marker::PhantomData};

#[doc(hidden)]
pub use self::key::KeyNewtype;
pub use self::key::{ContextKey, TextKey, TextKeyError};
use self::lattice::{At, Declared, Is, Seal};
use crate::model::def::TenancyDef;

/// The tenant and user key types and the roles of an app.
///
/// The built-in one is [`roles::Organizations`](crate::roles::Organizations), with the roles `Viewer`, `Member` and `Admin`.
/// [`tenancy!`](crate::tenancy) declares others.
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
    /// For each role, in the order of the declaration, the roles that it includes, each at its place. This list is the only source of
    /// the roles and of their inclusions.
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
    /// The place of the role among the roles of its tenancy.
    #[doc(hidden)]
    type Place;
    /// The name of the role in attributes, such as `viewer`.
    const NAME: &'static str;
    /// The name of the role in the database, such as `app_viewer`.
    const DB_ROLE: &'static str;
}

/// The kind of the roles of tenant members.
#[derive(Debug)]
pub enum MemberRole {}

/// The kind of the role of cross-tenant jobs.
#[derive(Debug)]
pub enum JobRole {}

/// The role of cross-tenant jobs: on each table it can run the commands that `system(…)` names, and no others.
///
/// Its transactions come from a [`SystemCtx`](crate::SystemCtx), after a reason was recorded. The login role of the app cannot assume
/// it.
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
    const BYTES: &'static [u8] = b"system";
}

/// The database role for users without a tenant, such as `app_no_tenant`.
pub(crate) fn no_tenant_role<T: Tenancy>() -> &'static str {
    DerivedRoleName::<T, NoTenantSuffix>::NAME
}

struct NoTenantSuffix;

impl RoleSuffix for NoTenantSuffix {
    const BYTES: &'static [u8] = b"no_tenant";
}

/// The part after the prefix in the name of a role that the generator creates.
trait RoleSuffix {
    const BYTES: &'static [u8];
}

/// The name of a role that the generator creates, concatenated at compile time because pools and errors need a `&'static str`.
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

/// Implemented by `Lower` itself and by each role that includes it, and so has all of its privileges.
///
/// Sealed: the inclusions come from the declaration of the tenancy. The bound is not transitive in generic code: prefer concrete roles,
/// or bound the role by the commands that the code runs.
///
/// ```
/// # use tenant_runtime::{TenantCtx, roles::{Admin, Viewer}};
/// # let (organization, user) = (uuid::Uuid::nil(), uuid::Uuid::nil());
/// // `Admin: AtLeast<Viewer>`
/// let reader: TenantCtx<Viewer> = TenantCtx::<Admin>::assume_authorized(organization, user).narrow();
/// ```
#[diagnostic::on_unimplemented(
    message = "the role `{Self}` does not include the role `{Lower}`",
    label = "requires `{Lower}` or a higher role"
)]
pub trait AtLeast<Lower>: Role {
    #[doc(hidden)]
    const SEAL: Seal;
}

/// The list of `R` must contain `L` itself at the place that `L` names, so a forged place matches nothing.
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
pub type KeyOf<R> = <<R as Role>::Tenancy as Tenancy>::Key;
/// The type of a user ID in the tenancy of a role.
pub type UserOf<R> = <<R as Role>::Tenancy as Tenancy>::User;

/// The tenant and role a query runs as. Repository methods cannot be called without one.
///
/// It comes from [`Session::require`](crate::Session::require), which looked the membership up (axum's `Tenant` does so for a request),
/// or from a constructor in which the caller asserts it. It has no public fields, no `Default` and no `Deserialize`.
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
/// let forged = TenantCtx::<Member> { tenant_id: uuid::Uuid::nil(), user_id: None };
/// ```
pub struct TenantCtx<R: Role> {
    tenant_id: KeyOf<R>,
    user_id: Option<UserOf<R>>,
    role: PhantomData<fn() -> R>,
}

impl<R: Role> TenantCtx<R> {
    /// Creates a context. The *caller* asserts that the user is a member of the tenant with the role `R`.
    ///
    /// Call it with the claims of a verified token, never with a tenant ID that a client sent. If there is a membership table, the
    /// policies check the membership as well.
    ///
    /// ```
    /// # use tenant_runtime::{TenantCtx, roles::Admin};
    /// # let (organization, user) = (uuid::Uuid::nil(), uuid::Uuid::nil());
    /// let ctx = TenantCtx::<Admin>::assume_authorized(organization, user);
    /// ```
    #[must_use]
    pub fn assume_authorized(tenant_id: KeyOf<R>, user_id: UserOf<R>) -> Self {
        const { lattice::assert_of_members::<R>() }
        Self { tenant_id, user_id: Some(user_id), role: PhantomData }
    }

    /// Creates a context without a user, for jobs inside one tenant. The *caller* asserts that the job is authorized.
    ///
    /// If the tenancy has a membership table, such a context sees no tenant rows, because it has no user who could be a member. Use
    /// [`SystemDb`](crate::SystemDb) for jobs then.
    ///
    /// ```
    /// # use tenant_runtime::{TenantCtx, roles::Member};
    /// # let organization = uuid::Uuid::nil();
    /// let ctx = TenantCtx::<Member>::assume_authorized_job(organization);
    /// assert_eq!(ctx.user_id(), None);
    /// ```
    #[must_use]
    pub fn assume_authorized_job(tenant_id: KeyOf<R>) -> Self {
        const { lattice::assert_of_members::<R>() }
        Self { tenant_id, user_id: None, role: PhantomData }
    }

    /// Returns a context with a role that this one includes.
    ///
    /// ```
    /// # use tenant_runtime::{TenantCtx, roles::{Admin, Viewer}};
    /// # let (organization, user) = (uuid::Uuid::nil(), uuid::Uuid::nil());
    /// let admin = TenantCtx::<Admin>::assume_authorized(organization, user);
    /// let viewer: TenantCtx<Viewer> = admin.narrow();
    /// ```
    #[must_use]
    pub fn narrow<L>(&self) -> TenantCtx<L>
    where
        L: Role<Tenancy = R::Tenancy>,
        R: AtLeast<L>,
    {
        const { lattice::assert_of_members::<L>() }
        const { lattice::assert_includes::<R, L>() }
        TenantCtx { tenant_id: self.tenant_id.clone(), user_id: self.user_id.clone(), role: PhantomData }
    }

    /// Returns the name of the role, such as `member`, for decisions at run time.
    ///
    /// ```
    /// # use tenant_runtime::{TenantCtx, roles::Admin};
    /// # let (organization, user) = (uuid::Uuid::nil(), uuid::Uuid::nil());
    /// let ctx = TenantCtx::<Admin>::assume_authorized(organization, user);
    /// assert_eq!(ctx.role(), "admin");
    /// ```
    #[must_use]
    pub fn role(&self) -> &'static str {
        R::NAME
    }

    /// Returns the tenant ID.
    ///
    /// ```
    /// # use tenant_runtime::{TenantCtx, roles::Admin};
    /// # let (organization, user) = (uuid::Uuid::nil(), uuid::Uuid::nil());
    /// let ctx = TenantCtx::<Admin>::assume_authorized(organization, user);
    /// assert_eq!(ctx.tenant_id(), &organization);
    /// ```
    #[must_use]
    pub fn tenant_id(&self) -> &KeyOf<R> {
        &self.tenant_id
    }

    /// Returns the user ID; `None` for a job.
    ///
    /// ```
    /// # use tenant_runtime::{TenantCtx, roles::Admin};
    /// # let (organization, user) = (uuid::Uuid::nil(), uuid::Uuid::nil());
    /// let ctx = TenantCtx::<Admin>::assume_authorized(organization, user);
    /// assert_eq!(ctx.user_id(), Some(&user));
    /// ```
    #[must_use]
    pub fn user_id(&self) -> Option<&UserOf<R>> {
        self.user_id.as_ref()
    }
}

impl<T: Tenancy> TenantCtx<System<T>> {
    /// Creates the context of a transaction of the system role that is limited to one tenant.
    pub(crate) fn of_jobs(tenant_id: T::Key) -> Self {
        Self { tenant_id, user_id: None, role: PhantomData }
    }
}

impl<R: Role> Clone for TenantCtx<R> {
    fn clone(&self) -> Self {
        Self { tenant_id: self.tenant_id.clone(), user_id: self.user_id.clone(), role: PhantomData }
    }
}

impl<R: Role> fmt::Debug for TenantCtx<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantCtx")
            .field("role", &R::NAME)
            .field("tenant_id", &self.tenant_id)
            .field("user_id", &self.user_id)
            .finish()
    }
}
