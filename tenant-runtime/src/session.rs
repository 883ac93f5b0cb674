//! Before there is a context: a signed-in user without an organization, and a membership that was looked up.

use std::fmt;

use futures_core::future::BoxFuture;
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    db::{TenantDb, no_tenant_role},
    error::{Attempt, Error, Result},
    model::{def::TableName, names},
    repo::{
        BoundStatement, Values, call,
        derive_support::Labelled,
        invitations::{Invitation, InvitationToken},
        members::{CreateTenant, Membership, SignUp},
        memberships,
        table::TenantTable,
    },
    tenant::{ContextKey, Role, Tenancy, TenantCtx},
};

/// A signed-in user who acts for no organization, or somebody who is not signed in.
///
/// A visitor sees no table at all; see [`TenantDb::user_scope`]. Like a context it has no public fields, no `Default` and no
/// `Deserialize`.
///
/// ```compile_fail
/// use tenant_runtime::{UserCtx, roles::Organizations};
/// let forged = UserCtx::<Organizations> { user: None };
/// ```
pub struct UserCtx<T: Tenancy> {
    user: Option<T::User>,
}

impl<T: Tenancy> UserCtx<T> {
    /// Makes a visitor for whom the *caller* vouches: that it is this user who acts.
    ///
    /// Call it with what a verified token says.
    #[must_use]
    pub fn assume_authenticated(user: T::User) -> Self {
        Self { user: Some(user) }
    }

    /// Makes a visitor who is not signed in, and may sign up.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { user: None }
    }

    /// Returns the user's key, where one is signed in.
    #[must_use]
    pub fn user_id(&self) -> Option<&T::User> {
        self.user.as_ref()
    }
}

impl<T: Tenancy> Clone for UserCtx<T> {
    fn clone(&self) -> Self {
        Self { user: self.user.clone() }
    }
}

impl<T: Tenancy> fmt::Debug for UserCtx<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCtx").field("user", &self.user).finish()
    }
}

impl TenantDb {
    /// Returns what a visitor can do: look up the own memberships, begin a session, found an organization, sign up.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, repo::members::Membership, roles::*};
    /// # async fn f<OrgMember>(db: TenantDb, user: uuid::Uuid, org: uuid::Uuid) -> Result<()>
    /// # where OrgMember: Membership<Tenancy = Organizations> {
    /// let session = db.user_scope(&UserCtx::assume_authenticated(user)).session::<OrgMember>(org).await?;
    /// let ctx: TenantCtx<Member> = session.require()?;
    /// # Ok(()) }
    /// ```
    pub fn user_scope<T: Tenancy>(&self, visitor: &UserCtx<T>) -> UserScope<T> {
        UserScope { db: self.clone(), visitor: visitor.clone() }
    }
}

/// The tenants of a user by their keys, with what the user is in each.
pub type Memberships<M> = Vec<(<<M as TenantTable>::Tenancy as Tenancy>::Key, <M as Membership>::MemberRole)>;

/// A visitor together with the database. Made by [`TenantDb::user_scope`].
///
/// Each call runs as the visitors' database role, which has no privilege on any table: it may call the functions that
/// the declarations say, and these judge by the user in the settings.
#[derive(Debug, Clone)]
#[must_use = "a visit does nothing until one of its methods is awaited"]
pub struct UserScope<T: Tenancy> {
    db: TenantDb,
    visitor: UserCtx<T>,
}

impl<T: Tenancy> UserScope<T> {
    /// Reads of which organizations the user is a member, and as what, in the order of their keys.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`], [`Error::Database`], and those of beginning a transaction.
    pub fn tenants<M>(&self) -> BoxFuture<'_, Result<Memberships<M>>>
    where
        M: Membership<Tenancy = T>,
    {
        Box::pin(async move {
            self.signed_in("a membership")?;
            let rows = self.read(memberships(T::DEF, None::<&T::Key>), M::TABLE_NAME).await?;
            rows.iter().map(|row| Ok((row.try_get(0)?, member_role::<M>(row)?))).collect()
        })
    }

    /// Begins a session: looks up what the user is in an organization.
    ///
    /// # Errors
    ///
    /// [`Error::NotAMember`] where the user is no member there; else as [`organizations`](Self::tenants).
    pub fn session<M>(&self, org: T::Key) -> BoxFuture<'_, Result<Session<T>>>
    where
        M: Membership<Tenancy = T>,
    {
        Box::pin(async move {
            let user = self.signed_in("a session")?.clone();
            let rows = self.read(memberships(T::DEF, Some(&org)), M::TABLE_NAME).await?;
            let label: &str = rows.first().ok_or(Error::NotAMember)?.try_get(1)?;
            let role = T::DEF.roles.iter().find(|role| role.name == label).ok_or(Error::NotAMember)?;
            Ok(Session { org, user, role: role.name })
        })
    }

    /// Founds an organization, of which the user becomes the first member; returns its key.
    ///
    /// # Errors
    ///
    /// [`Error::UniqueViolation`], [`Error::CheckViolation`], [`Error::ForeignKeyViolation`] where there is no such user; else as
    /// [`organizations`](Self::tenants).
    pub fn create_tenant<O>(&self, new: O::New) -> BoxFuture<'_, Result<T::Key>>
    where
        O: CreateTenant<Tenancy = T>,
    {
        Box::pin(async move {
            self.signed_in("founding an organization")?;
            let mut values = Values::default();
            O::create_tenant_values(new, &mut values);
            self.key(names::CREATE_TENANT, values, attempt::<T>(O::TABLE_NAME, "found a row in")).await
        })
    }

    /// Takes an invitation: the user becomes a member of the organization, whose key is returned, as what the invitation says.
    ///
    /// It takes the token, and that the user's address is the one that was invited. An invitation can be taken once.
    ///
    /// # Errors
    ///
    /// [`Error::NoInvitation`] where there is none that this user can take, [`Error::UniqueViolation`] where the user is a member
    /// already; else as [`organizations`](Self::tenants).
    pub fn accept<I>(&self, token: &InvitationToken) -> BoxFuture<'_, Result<T::Key>>
    where
        I: Invitation<Tenancy = T>,
    {
        let mut values = Values::default();
        values.bind(token.bytes());
        Box::pin(async move {
            self.signed_in("an invitation")?;
            self.key(names::ACCEPT_INVITATION, values, attempt::<T>(I::TABLE_NAME, "take an invitation from")).await
        })
    }

    /// Adds a user, who is a member of no organization yet; returns the user's key. The one call that needs no user.
    ///
    /// # Errors
    ///
    /// [`Error::UniqueViolation`], [`Error::CheckViolation`], [`Error::Database`], and those of beginning a transaction.
    pub fn sign_up<U>(&self, new: U::New) -> BoxFuture<'_, Result<T::User>>
    where
        U: SignUp<Tenancy = T>,
    {
        Box::pin(async move {
            let mut values = Values::default();
            U::sign_up_values(new, &mut values);
            self.key(names::SIGN_UP, values, attempt::<T>(U::TABLE_NAME, "sign up in")).await
        })
    }

    fn signed_in(&self, what: &'static str) -> Result<&T::User> {
        self.visitor.user_id().ok_or(Error::Unauthenticated { what })
    }

    async fn read(&self, statement: BoundStatement, table: TableName) -> Result<Vec<PgRow>> {
        self.run(statement, attempt::<T>(table, "read"), false).await
    }

    /// Calls a function that makes a row and returns its key.
    async fn key<K>(&self, function: &str, values: Values, attempt: Attempt) -> Result<K>
    where
        K: ContextKey,
    {
        let rows = self.run(call(T::DEF, function, values), attempt, true).await?;
        Ok(rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?)
    }

    async fn run(&self, statement: BoundStatement, attempt: Attempt, writes: bool) -> Result<Vec<PgRow>> {
        let rows = self.db.as_user::<T>(self.visitor.user_id(), statement.into_query()?, writes).await;
        rows.map_err(|error| attempt.error(error))
    }
}

fn attempt<T: Tenancy>(table: TableName, command: &'static str) -> Attempt {
    Attempt { table, command, role: no_tenant_role::<T>() }
}

fn member_role<M: Membership>(row: &PgRow) -> Result<M::MemberRole> {
    let label: &str = row.try_get(1)?;
    let unknown = || format!("`{label}` is no label of the enum `{}`", M::MemberRole::NAME);
    Ok(M::MemberRole::from_label(label).ok_or_else(|| sqlx::Error::Decode(unknown().into()))?)
}

/// A user's membership in an organization, as it was looked up. Begun by [`UserScope::session`].
///
/// It is what the database said at that moment. The database asks again at each statement of a context that comes from
/// it, so a session that is kept gives no rights that were taken since.
pub struct Session<T: Tenancy> {
    org: T::Key,
    user: T::User,
    role: &'static str,
}

impl<T: Tenancy> Session<T> {
    /// Returns the organization's key.
    #[must_use]
    pub fn tenant_id(&self) -> &T::Key {
        &self.org
    }

    /// Returns the user's key.
    #[must_use]
    pub fn user_id(&self) -> &T::User {
        &self.user
    }

    /// Returns the name of the member's role, such as `member`.
    #[must_use]
    pub fn role(&self) -> &'static str {
        self.role
    }

    /// Makes a context in a role that the member's role includes.
    ///
    /// # Errors
    ///
    /// [`Error::InsufficientRole`] where it does not include that role.
    pub fn require<R: Role<Tenancy = T>>(&self) -> Result<TenantCtx<R>> {
        if T::DEF.includes(self.role, R::NAME) {
            Ok(TenantCtx::assume_authorized(self.org.clone(), self.user.clone()))
        } else {
            Err(Error::InsufficientRole { has: self.role, needs: R::NAME })
        }
    }
}

impl<T: Tenancy> Clone for Session<T> {
    fn clone(&self) -> Self {
        Self { org: self.org.clone(), user: self.user.clone(), role: self.role }
    }
}

impl<T: Tenancy> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Session");
        f.field("role", &self.role).field("org", &self.org).field("user", &self.user).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::{Admin, Member, Organizations, Viewer};

    fn session(role: &'static str) -> Session<Organizations> {
        Session { org: uuid::Uuid::from_u128(1), user: uuid::Uuid::from_u128(2), role }
    }

    #[test]
    fn session_require_accepts_included_roles_only() {
        assert!(session("admin").require::<Viewer>().is_ok() && session("member").require::<Member>().is_ok());
        let refused = session("member").require::<Admin>();
        assert!(matches!(refused, Err(Error::InsufficientRole { has: "member", needs: "admin" })));
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
