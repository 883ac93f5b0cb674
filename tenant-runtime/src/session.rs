//! User contexts without a tenant, and sessions, which are memberships that were looked up in the database.

use std::fmt;

use futures_core::future::BoxFuture;
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    db::{Answer, BoundStatement, Call, TenantDb, each},
    error::{Attempt, Error, Result},
    model::{def::TableName, names},
    repo::{
        Values, call,
        derive_support::Labelled,
        invitations::{Invitation, InvitationToken},
        members::{CreateTenant, Membership, SignUp},
        memberships,
        tenant_table::TenantTable,
    },
    tenant::{ContextKey, Role, Tenancy, TenantCtx, no_tenant_role},
};

/// A signed-in user without a tenant, or an anonymous user.
///
/// Such a user has no privilege on any table; see [`TenantDb::user_scope`]. Like a [`TenantCtx`],
/// it has no public fields, no `Default` and no `Deserialize`.
///
/// ```
/// # use tenant_runtime::{UserCtx, roles::Organizations};
/// # let user = uuid::Uuid::nil();
/// let user_ctx = UserCtx::<Organizations>::assume_authenticated(user);
/// assert_eq!(user_ctx.user_id(), Some(&user));
/// ```
///
/// ```compile_fail
/// use tenant_runtime::{UserCtx, roles::Organizations};
/// let forged = UserCtx::<Organizations> { user_id: None };
/// ```
pub struct UserCtx<T: Tenancy> {
    user_id: Option<T::User>,
}

impl<T: Tenancy> UserCtx<T> {
    /// Creates a context for a signed-in user. The *caller* asserts that the request comes from
    /// this user.
    ///
    /// Pass the user ID from a verified token.
    ///
    /// ```
    /// # use tenant_runtime::{UserCtx, roles::Organizations};
    /// # let user = uuid::Uuid::nil();
    /// let user_ctx = UserCtx::<Organizations>::assume_authenticated(user);
    /// ```
    #[must_use]
    pub fn assume_authenticated(user_id: T::User) -> Self {
        Self { user_id: Some(user_id) }
    }

    /// Creates a context without a user, which can sign up.
    ///
    /// ```
    /// # use tenant_runtime::{UserCtx, roles::Organizations};
    /// assert_eq!(UserCtx::<Organizations>::anonymous().user_id(), None);
    /// ```
    #[must_use]
    pub fn anonymous() -> Self {
        Self { user_id: None }
    }

    /// Returns the user ID; `None` if the user is not signed in.
    ///
    /// ```
    /// # use tenant_runtime::{UserCtx, roles::Organizations};
    /// # let user = uuid::Uuid::nil();
    /// assert_eq!(UserCtx::<Organizations>::assume_authenticated(user).user_id(), Some(&user));
    /// ```
    #[must_use]
    pub fn user_id(&self) -> Option<&T::User> {
        self.user_id.as_ref()
    }
}

impl<T: Tenancy> Clone for UserCtx<T> {
    fn clone(&self) -> Self {
        Self { user_id: self.user_id.clone() }
    }
}

impl<T: Tenancy> fmt::Debug for UserCtx<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCtx").field("user_id", &self.user_id).finish()
    }
}

impl TenantDb {
    /// Returns a handle for the operations of a user without a tenant: listing memberships,
    /// starting a session, creating a tenant, accepting an invitation, signing up.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, repo::members::Membership, roles::*};
    /// # async fn f<OrgMember>(db: TenantDb, user: uuid::Uuid, org: uuid::Uuid) -> Result<()>
    /// # where OrgMember: Membership<Tenancy = Organizations> {
    /// let session = db.user_scope(&UserCtx::assume_authenticated(user)).session::<OrgMember>(org).await?;
    /// let ctx: TenantCtx<Member> = session.require()?;
    /// # Ok(()) }
    /// ```
    pub fn user_scope<T: Tenancy>(&self, user_ctx: &UserCtx<T>) -> UserScope<T> {
        UserScope { db: self.clone(), user_ctx: user_ctx.clone() }
    }
}

/// The IDs of a user's tenants, with the user's role in each.
pub type Memberships<M> = Vec<(<<M as TenantTable>::Tenancy as Tenancy>::Key, <M as Membership>::MemberRole)>;

/// A user context together with its database. Returned by [`TenantDb::user_scope`].
///
/// Each call runs as the database role for users without a tenant, such as `app_no_tenant`. That role has no
/// privilege on any table; it can only execute the functions that the declarations grant to it. Except for
/// the function that signs up users, these functions act for the user whose ID is in the settings.
///
/// ```no_run
/// # use tenant_runtime::{*, repo::members::Membership, roles::*};
/// # async fn f<OrgMember>(db: TenantDb, user: uuid::Uuid) -> Result<()>
/// # where OrgMember: Membership<Tenancy = Organizations> {
/// let scope: UserScope<Organizations> = db.user_scope(&UserCtx::assume_authenticated(user));
/// for (organization, _role) in scope.tenants::<OrgMember>().await? {
///     println!("member of {organization}");
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a user scope does nothing until one of its methods is awaited"]
pub struct UserScope<T: Tenancy> {
    db: TenantDb,
    user_ctx: UserCtx<T>,
}

impl<T: Tenancy> UserScope<T> {
    /// Returns the tenants of which the user is a member, with the user's role in each, ordered by
    /// tenant ID.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, repo::members::Membership, roles::*};
    /// # async fn f<OrgMember>(scope: UserScope<Organizations>) -> Result<()>
    /// # where OrgMember: Membership<Tenancy = Organizations> {
    /// let memberships = scope.tenants::<OrgMember>().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Unauthenticated`] for an anonymous user.
    /// - [`Error::NotMigrated`] if the database lacks the called function.
    /// - [`Error::RoleUnavailable`], [`Error::PoolTimeout`], [`Error::Connect`] or
    ///   [`Error::Database`] if no transaction can begin.
    pub fn tenants<M>(&self) -> BoxFuture<'_, Result<Memberships<M>>>
    where
        M: Membership<Tenancy = T>,
    {
        Box::pin(async move {
            self.require_user("listing tenants")?;
            let call = memberships(T::DEF, None::<&T::Key>).reads(attempt::<T>(M::TABLE_NAME, "read"));
            self.run(call, |answer| each(answer, |row| Ok((row.try_get(0)?, member_role::<M>(row)?)))).await
        })
    }

    /// Starts a session: looks up the user's membership in a tenant.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, repo::members::Membership, roles::*};
    /// # async fn f<OrgMember>(scope: UserScope<Organizations>, organization: uuid::Uuid) -> Result<()>
    /// # where OrgMember: Membership<Tenancy = Organizations> {
    /// let session = scope.session::<OrgMember>(organization).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::NotAMember`] if the user is not a member of the tenant.
    /// - [`Error::Unauthenticated`] for an anonymous user.
    /// - [`Error::NotMigrated`] if the database lacks the called function.
    /// - [`Error::RoleUnavailable`], [`Error::PoolTimeout`], [`Error::Connect`] or
    ///   [`Error::Database`] if no transaction can begin.
    pub fn session<M>(&self, tenant_id: T::Key) -> BoxFuture<'_, Result<Session<T>>>
    where
        M: Membership<Tenancy = T>,
    {
        Box::pin(async move {
            let user_id = self.require_user("starting a session")?.clone();
            let call = memberships(T::DEF, Some(&tenant_id)).reads(attempt::<T>(M::TABLE_NAME, "read"));
            let role = |answer: &Answer| {
                let label: &str = answer.rows.first().ok_or(Error::NotAMember)?.try_get(1)?;
                T::DEF.roles.iter().find(|role| role.name == label).map(|role| role.name).ok_or(Error::NotAMember)
            };
            Ok(Session { role: self.run(call, role).await?, tenant_id, user_id })
        })
    }

    /// Creates a tenant, with the user as its first member. Returns the tenant ID.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, repo::members::CreateTenant, roles::*};
    /// # async fn f<Organization: CreateTenant<Tenancy = Organizations>>(
    /// #     scope: UserScope<Organizations>,
    /// #     new: Organization::New,
    /// # ) -> Result<()> {
    /// let organization = scope.create_tenant::<Organization>(new).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::UniqueViolation`] or [`Error::CheckViolation`] for values that the table rejects.
    /// - [`Error::ForeignKeyViolation`] if the user does not exist.
    /// - [`Error::Unauthenticated`] for an anonymous user.
    /// - [`Error::NotMigrated`] if the database lacks the called function.
    /// - [`Error::RoleUnavailable`], [`Error::PoolTimeout`], [`Error::Connect`] or
    ///   [`Error::Database`] if no transaction can begin.
    pub fn create_tenant<O>(&self, new: O::New) -> BoxFuture<'_, Result<T::Key>>
    where
        O: CreateTenant<Tenancy = T>,
    {
        Box::pin(async move {
            self.require_user("creating a tenant")?;
            let mut values = Values::default();
            O::create_tenant_values(new, &mut values);
            let call = call(T::DEF, names::CREATE_TENANT, Some(O::TABLE), values);
            self.key(call, attempt::<T>(O::TABLE_NAME, "create a tenant in")).await
        })
    }

    /// Accepts an invitation: the user becomes a member of the tenant, with the invitation's role. Returns the tenant
    /// ID.
    ///
    /// The token must be valid, and the user's e-mail address must be the invited address. An invitation can be
    /// accepted only once.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, repo::invitations::Invitation as InvitationTable, roles::*};
    /// # async fn f<Invitation: InvitationTable<Tenancy = Organizations>>(
    /// #     scope: UserScope<Organizations>,
    /// #     token: InvitationToken,
    /// # ) -> Result<()> {
    /// let organization = scope.accept::<Invitation>(&token).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::NoInvitation`] if this user cannot accept an invitation with this token.
    /// - [`Error::Forbidden`] if the inviting member's role no longer includes the invitation's role.
    /// - [`Error::UniqueViolation`] if the user is already a member.
    /// - [`Error::Unauthenticated`] for an anonymous user.
    /// - [`Error::NotMigrated`] if the database lacks the called function.
    /// - [`Error::RoleUnavailable`], [`Error::PoolTimeout`], [`Error::Connect`] or
    ///   [`Error::Database`] if no transaction can begin.
    pub fn accept<I>(&self, token: &InvitationToken) -> BoxFuture<'_, Result<T::Key>>
    where
        I: Invitation<Tenancy = T>,
    {
        let mut values = Values::default();
        values.bind_secret(token.bytes());
        Box::pin(async move {
            self.require_user("accepting an invitation")?;
            let call = call(T::DEF, names::ACCEPT_INVITATION, None, values);
            self.key(call, attempt::<T>(I::TABLE_NAME, "accept an invitation from")).await
        })
    }

    /// Adds a user without a membership. Returns the user ID. This is the only call that an anonymous user can
    /// make.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, repo::members::SignUp, roles::*};
    /// # async fn f<User: SignUp<Tenancy = Organizations>>(db: TenantDb, new: User::New) -> Result<()> {
    /// let user = db.user_scope(&UserCtx::anonymous()).sign_up::<User>(new).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::UniqueViolation`] or [`Error::CheckViolation`] for values that the table rejects.
    /// - [`Error::NotMigrated`] if the database lacks the called function.
    /// - [`Error::RoleUnavailable`], [`Error::PoolTimeout`], [`Error::Connect`] or
    ///   [`Error::Database`] if no transaction can begin.
    pub fn sign_up<U>(&self, new: U::New) -> BoxFuture<'_, Result<T::User>>
    where
        U: SignUp<Tenancy = T>,
    {
        Box::pin(async move {
            let mut values = Values::default();
            U::sign_up_values(new, &mut values);
            let call = call(T::DEF, names::SIGN_UP, Some(U::TABLE), values);
            self.key(call, attempt::<T>(U::TABLE_NAME, "sign up in")).await
        })
    }

    fn require_user(&self, operation: &'static str) -> Result<&T::User> {
        self.user_ctx.user_id().ok_or(Error::Unauthenticated { operation })
    }

    /// Runs a function that returns a key.
    async fn key<K>(&self, call: BoundStatement, attempt: Attempt) -> Result<K>
    where
        K: ContextKey,
    {
        self.run(call.writes(attempt), |answer| Ok(answer.one()?.try_get(0)?)).await
    }

    async fn run<O>(&self, call: Call, read: impl Fn(&Answer) -> Result<O>) -> Result<O> {
        self.db.call_without_tenant::<T, O>(self.user_ctx.user_id(), &call, read).await
    }
}

fn attempt<T: Tenancy>(table: TableName, command: &'static str) -> Attempt {
    Attempt { table, command, role: no_tenant_role::<T>() }
}

fn member_role<M: Membership>(row: &PgRow) -> Result<M::MemberRole> {
    let label: &str = row.try_get(1)?;
    let unknown = || format!("`{label}` is not a label of the enum `{}`", M::MemberRole::NAME);
    Ok(M::MemberRole::from_label(label).ok_or_else(|| sqlx::Error::Decode(unknown().into()))?)
}

/// A user's membership in a tenant, looked up in the database. Returned by
/// [`UserScope::session`].
///
/// It contains the role at the time of the lookup. For each statement in a context from this session, the
/// policies check the membership again, so a session that is kept does not grant a role that has since been
/// removed.
///
/// ```no_run
/// # use tenant_runtime::{*, repo::members::Membership, roles::*};
/// # async fn f<OrgMember>(scope: UserScope<Organizations>, organization: uuid::Uuid) -> Result<()>
/// # where OrgMember: Membership<Tenancy = Organizations> {
/// let session: Session<Organizations> = scope.session::<OrgMember>(organization).await?;
/// let ctx: TenantCtx<Member> = session.require()?;
/// # Ok(()) }
/// ```
pub struct Session<T: Tenancy> {
    tenant_id: T::Key,
    user_id: T::User,
    role: &'static str,
}

impl<T: Tenancy> Session<T> {
    /// Returns the tenant ID.
    ///
    /// ```
    /// # fn f(session: tenant_runtime::Session<tenant_runtime::roles::Organizations>) {
    /// println!("organization {}", session.tenant_id());
    /// # }
    /// ```
    #[must_use]
    pub fn tenant_id(&self) -> &T::Key {
        &self.tenant_id
    }

    /// Returns the user ID.
    ///
    /// ```
    /// # fn f(session: tenant_runtime::Session<tenant_runtime::roles::Organizations>) {
    /// println!("user {}", session.user_id());
    /// # }
    /// ```
    #[must_use]
    pub fn user_id(&self) -> &T::User {
        &self.user_id
    }

    /// Returns the name of the member's role, such as `member`.
    ///
    /// ```
    /// # fn f(session: tenant_runtime::Session<tenant_runtime::roles::Organizations>) {
    /// let show_settings = session.role() == "admin";
    /// # }
    /// ```
    #[must_use]
    pub fn role(&self) -> &'static str {
        self.role
    }

    /// Returns a context with the required role, which the member's role must include.
    ///
    /// ```
    /// # use tenant_runtime::{*, roles::{Admin, Organizations}};
    /// # fn f(session: Session<Organizations>) -> Result<()> {
    /// let ctx: TenantCtx<Admin> = session.require()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::InsufficientRole`] if the member's role does not include the required role.
    pub fn require<R: Role<Tenancy = T>>(&self) -> Result<TenantCtx<R>> {
        if T::DEF.includes(self.role, R::NAME) {
            Ok(TenantCtx::assume_authorized(self.tenant_id.clone(), self.user_id.clone()))
        } else {
            Err(Error::InsufficientRole { role: self.role, required: R::NAME })
        }
    }
}

impl<T: Tenancy> Clone for Session<T> {
    fn clone(&self) -> Self {
        Self { tenant_id: self.tenant_id.clone(), user_id: self.user_id.clone(), role: self.role }
    }
}

impl<T: Tenancy> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Session");
        f.field("role", &self.role).field("tenant_id", &self.tenant_id).field("user_id", &self.user_id).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::{Admin, Member, Organizations, Viewer};

    fn session(role: &'static str) -> Session<Organizations> {
        Session { tenant_id: uuid::Uuid::from_u128(1), user_id: uuid::Uuid::from_u128(2), role }
    }

    #[test]
    fn session_require_accepts_included_roles_only() {
        assert!(session("admin").require::<Viewer>().is_ok() && session("member").require::<Member>().is_ok());
        let refused = session("member").require::<Admin>();
        assert!(matches!(refused, Err(Error::InsufficientRole { role: "member", required: "admin" })));
    }

    #[test]
    fn session_context_carries_its_user_and_tenant() {
        let ctx = session("viewer").require::<Viewer>().expect("the same role");
        assert_eq!((ctx.tenant_id().as_u128(), ctx.user_id().map(uuid::Uuid::as_u128)), (1, Some(2)));
    }

    #[test]
    fn unknown_member_role_satisfies_no_requirement() {
        assert!(session("owner").require::<Viewer>().is_err());
    }
}
