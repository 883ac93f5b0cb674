//! Tenancies, roles as types, and the tenant context.

mod key;
pub(crate) mod lattice;

use std::{fmt, marker::PhantomData};

#[doc(hidden)]
pub use self::key::KeyNewtype;
pub(crate) use self::lattice::no_tenant_role;
pub use self::{
    key::{ContextKey, TextKey, TextKeyError},
    lattice::{AtLeast, JobRole, KeyOf, LoginPerRole, MemberRole, Role, System, Tenancy, UserOf},
};

/// The tenant and the role that a query runs with. Every repository method requires a context.
///
/// A context comes from [`Session::require`](crate::Session::require) after a lookup of the
/// membership (axum's `Tenant` does this for a request), or from a constructor with which the
/// caller asserts the permission. The type has no public fields, no `Default` and no `Deserialize`.
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
    /// Creates a context. The *caller* asserts that the user is a member of the tenant with the
    /// role `R`.
    ///
    /// Pass the claims of a verified token, never a tenant ID that a client sent. If there is a
    /// membership table, the policies check the membership as well.
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

    /// Creates a context without a user, for jobs inside one tenant. The *caller* asserts that the
    /// job is authorized.
    ///
    /// If the tenancy has a membership table, such a context sees no tenant rows, because it has no
    /// user who could be a member. In that case, use [`SystemDb`](crate::SystemDb) for jobs.
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

    /// Returns a context with a role that this context's role includes.
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
