//! Extractors for axum: a tenant context for each request, from a verified token and the membership in the database.
//!
//! ```
//! use axum::{Router, extract::Path, routing::delete};
//! use tenant_runtime::{
//!     axum::{AuthState, Jwt, Problem, Tenant},
//!     prelude::*,
//!     roles::{Admin, Member, Viewer},
//! };
//! use uuid::Uuid;
//! # #[derive(Debug, Clone, Copy, TenantEnum)]
//! # enum MemberRole { Viewer, Member, Admin }
//! # #[derive(Debug, TenantTable)]
//! # #[tenant(global, select = "viewer")]
//! # struct User { id: Uuid }
//! # #[derive(Debug, TenantTable)]
//! # #[tenant(org = "organization_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
//! # #[tenant(membership(user = "user_id", role = "role"))]
//! # struct OrgMember {
//! #     #[tenant(id)]
//! #     organization_id: Uuid,
//! #     #[tenant(id, references = User)]
//! #     user_id: Uuid,
//! #     role: MemberRole,
//! # }
//! # #[derive(Debug, TenantTable)]
//! # #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
//! # struct Project { id: Uuid, organization_id: Uuid, name: String }
//!
//! // Runs for an admin of the organization in the path.
//! // Other members get 403, users without a membership 404, requests without a valid token 401.
//! async fn remove(tenant: Tenant<Admin>, Path((_, id)): Path<(Uuid, Uuid)>) -> Result<(), Problem> {
//!     Ok(Project::delete(&tenant, id).await?)
//! }
//!
//! fn app(db: TenantDb, tokens: Jwt) -> Router {
//!     Router::new()
//!         .route("/orgs/{org}/projects/{id}", delete(remove))
//!         .with_state(AuthState::new::<OrgMember>(db, tokens))
//! }
//! # fn main() {}
//! ```
//!
//! An app state that contains the [`AuthState`] and other values:
//!
//! ```
//! # use axum::extract::FromRef;
//! # use tenant_runtime::{axum::AuthState, roles::Organizations};
//! # #[derive(Clone)] struct Mailer;
//! #[derive(Clone)]
//! struct App {
//!     auth: AuthState<Organizations>,
//!     mailer: Mailer,
//! }
//!
//! // Or `#[derive(FromRef)]`, with axum's feature `macros`.
//! impl FromRef<App> for AuthState<Organizations> {
//!     fn from_ref(app: &App) -> Self {
//!         app.auth.clone()
//!     }
//! }
//! ```
//!
//! The tenant ID in the request is untrusted until the user's membership has been verified. The
//! policies check the membership again for each statement.

#[cfg(feature = "jwt")]
mod jwt;
mod problem;
mod token;

use std::{fmt, sync::Arc};

use ::axum::{
    extract::{FromRef, FromRequestParts, RawPathParams},
    http::{HeaderName, StatusCode, header::AUTHORIZATION, request::Parts},
};
use futures_core::future::BoxFuture;

#[cfg(feature = "jwt")]
pub use self::jwt::{Jwt, JwtError};
use self::token::AnyTokenVerifier;
pub use self::{
    problem::Problem,
    token::{TokenError, TokenVerifier},
};
use crate::{
    db::{Answer, Call, Scope, TenantDb, TenantTx},
    error::Result,
    repo::{executor::TenantExecutor, members::Membership},
    session::{Session, UserCtx, UserScope},
    tenant::{ContextKey, Role, Tenancy, TenantCtx},
};

/// The state of the extractors: the database, the token verifier, and the membership table.
///
/// Use it as the router's state, or as a part of that state through axum's `FromRef`. Cloning is cheap.
///
/// ```
/// # use tenant_runtime::{TenantDb, axum::{AuthState, Jwt}, repo::members::Membership, roles::Organizations};
/// # fn f<OrgMember: Membership<Tenancy = Organizations>>(db: TenantDb, tokens: Jwt) {
/// let auth: AuthState<Organizations> = AuthState::new::<OrgMember>(db, tokens);
/// let router: axum::Router = axum::Router::new().with_state(auth);
/// # }
/// ```
pub struct AuthState<T: Tenancy> {
    inner: Arc<Inner<T>>,
}

struct Inner<T: Tenancy> {
    db: TenantDb,
    verifier: Box<dyn AnyTokenVerifier<T>>,
    session: SessionLookup<T>,
    tenant_id: TenantIdSource,
}

/// The membership lookup; it is a function pointer, so that extractors need not name the table.
type SessionLookup<T> = for<'a> fn(&'a UserScope<T>, <T as Tenancy>::Key) -> BoxFuture<'a, Result<Session<T>>>;

/// The part of a request that names the tenant.
#[derive(Debug, Clone)]
enum TenantIdSource {
    Path(&'static str),
    Header(HeaderName),
}

impl<T: Tenancy> AuthState<T> {
    /// Creates the state with the membership table `M`, for routes that name the tenant as `{org}`
    /// in the path.
    ///
    /// ```
    /// # use tenant_runtime::{TenantDb, axum::{AuthState, Jwt}, repo::members::Membership, roles::Organizations};
    /// # fn f<OrgMember: Membership<Tenancy = Organizations>>(db: TenantDb, tokens: Jwt) {
    /// let auth = AuthState::new::<OrgMember>(db, tokens);
    /// # }
    /// ```
    #[must_use]
    pub fn new<M: Membership<Tenancy = T>>(db: TenantDb, verifier: impl TokenVerifier<T>) -> Self {
        Self::with::<M>(db, verifier, TenantIdSource::Path("org"))
    }

    /// Creates the state with the membership table `M`, for requests that name the tenant in a
    /// header.
    ///
    /// ```
    /// # use tenant_runtime::{TenantDb, axum::{AuthState, Jwt}, repo::members::Membership, roles::Organizations};
    /// # fn f<OrgMember: Membership<Tenancy = Organizations>>(db: TenantDb, tokens: Jwt) {
    /// let header = axum::http::HeaderName::from_static("x-organization");
    /// let auth = AuthState::by_header::<OrgMember>(db, tokens, header);
    /// # }
    /// ```
    #[must_use]
    pub fn by_header<M: Membership<Tenancy = T>>(
        db: TenantDb,
        verifier: impl TokenVerifier<T>,
        header: HeaderName,
    ) -> Self {
        Self::with::<M>(db, verifier, TenantIdSource::Header(header))
    }

    fn with<M>(db: TenantDb, verifier: impl TokenVerifier<T>, tenant_id: TenantIdSource) -> Self
    where
        M: Membership<Tenancy = T>,
    {
        let (verifier, session) = (Box::new(verifier), UserScope::session::<M> as SessionLookup<T>);
        Self { inner: Arc::new(Inner { db, verifier, session, tenant_id }) }
    }

    /// Returns the database.
    ///
    /// ```
    /// # fn f(auth: tenant_runtime::axum::AuthState<tenant_runtime::roles::Organizations>) {
    /// let pools = auth.db().pools();
    /// # }
    /// ```
    #[must_use]
    pub fn db(&self) -> &TenantDb {
        &self.inner.db
    }

    /// Verifies the bearer token and returns the scope of its user.
    async fn user_scope(&self, parts: &Parts) -> Result<UserScope<T>, Problem> {
        let token = bearer(parts).ok_or_else(|| Problem::unauthorized("Bearer"))?;
        match self.inner.verifier.verify(token).await {
            Ok(user) => Ok(self.inner.db.user_scope(&UserCtx::assume_authenticated(user))),
            Err(error) => {
                let problem = match &error {
                    TokenError::Invalid(_) => Problem::unauthorized("Bearer error=\"invalid_token\""),
                    TokenError::Unavailable(_) => Problem::unavailable(),
                };
                problem::log(problem.status(), &error);
                Err(problem)
            }
        }
    }

    /// Returns the tenant ID of the request. An invalid key in a path has the same result as a tenant that does not
    /// exist.
    async fn tenant_id(&self, parts: &mut Parts) -> Result<T::Key, Problem> {
        match &self.inner.tenant_id {
            TenantIdSource::Path(name) => {
                let parameters =
                    RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Problem::not_found())?;
                let Some((_, text)) = parameters.iter().find(|(parameter, _)| parameter == name) else {
                    tracing::error!("the handler extracts `Tenant`, but its route has no `{{{name}}}` in the path");
                    return Err(Problem::internal());
                };
                T::Key::read_text(text).ok_or_else(Problem::not_found)
            }
            TenantIdSource::Header(name) => {
                let tenant_id = single(parts, name).and_then(T::Key::read_text);
                let detail = || format!("the header `{name}` must contain exactly one valid ID");
                tenant_id.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, detail()))
            }
        }
    }
}

impl<T: Tenancy> Clone for AuthState<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: Tenancy> fmt::Debug for AuthState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("AuthState");
        f.field("db", &self.inner.db).field("tenant_id", &self.inner.tenant_id).finish_non_exhaustive()
    }
}

/// Returns the value of a header that occurs exactly once; with several values, the intended value would be
/// ambiguous.
fn single<'a>(parts: &'a Parts, name: &HeaderName) -> Option<&'a str> {
    let mut values = parts.headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Returns the token of `Authorization: Bearer …`.
fn bearer(parts: &Parts) -> Option<&str> {
    let (scheme, token) = single(parts, &AUTHORIZATION)?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The tenant context of a request: its user, the tenant that it names, and the role `R`.
///
/// As an extractor it responds with 401 if the request has no valid token, with 404 if the user is not a member of the
/// tenant, and with 403 if the member's role does not include `R`. Pass `&tenant` to repository methods; use
/// [`begin`](Self::begin) for several calls in one transaction.
///
/// ```
/// # use tenant_runtime::{axum::{Problem, Tenant}, roles::Member};
/// async fn rename(tenant: Tenant<Member>) -> Result<(), Problem> {
///     let mut tx = tenant.begin().await?;
///     sqlx::query("UPDATE app.projects SET name = 'a'").execute(&mut tx).await?;
///     Ok(tx.commit().await?)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Tenant<R: Role> {
    scope: Scope<R>,
    session: Session<R::Tenancy>,
}

impl<R: Role> Tenant<R> {
    /// Returns the context.
    ///
    /// ```
    /// # use tenant_runtime::{axum::Tenant, roles::Member};
    /// async fn handler(tenant: Tenant<Member>) -> String {
    ///     tenant.ctx().tenant_id().to_string()
    /// }
    /// ```
    #[must_use]
    pub fn ctx(&self) -> &TenantCtx<R> {
        self.scope.ctx()
    }

    /// Returns the session with the membership that was looked up in the database, for decisions at run time.
    ///
    /// ```
    /// # use tenant_runtime::{axum::Tenant, roles::Viewer};
    /// async fn handler(tenant: Tenant<Viewer>) -> String {
    ///     format!("signed in as {}", tenant.session().role())
    /// }
    /// ```
    #[must_use]
    pub fn session(&self) -> &Session<R::Tenancy> {
        &self.session
    }

    /// Begins a transaction in the context.
    ///
    /// ```
    /// # use tenant_runtime::{axum::{Problem, Tenant}, roles::Member};
    /// async fn handler(tenant: Tenant<Member>) -> Result<(), Problem> {
    ///     let tx = tenant.begin().await?;
    ///     Ok(tx.commit().await?)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`TenantDb::begin`].
    pub fn begin(&self) -> BoxFuture<'static, Result<TenantTx<R>>> {
        self.scope.begin()
    }
}

impl<S, R> FromRequestParts<S> for Tenant<R>
where
    S: Send + Sync,
    R: Role,
    AuthState<R::Tenancy>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let auth = AuthState::from_ref(state);
        let user_scope = auth.user_scope(parts).await?;
        let tenant_id = auth.tenant_id(parts).await?;
        let session = (auth.inner.session)(&user_scope, tenant_id).await?;
        let ctx = session.require::<R>()?;
        Ok(Self { scope: auth.db().scope(&ctx), session })
    }
}

impl<R: Role> TenantExecutor for &Tenant<R> {
    type Role = R;
    type Opened = TenantTx<R>;

    fn ctx(&self) -> &TenantCtx<R> {
        self.scope.ctx()
    }

    async fn call<T: Send>(self, call: Call, read: impl Fn(&Answer) -> Result<T> + Send + Sync) -> Result<T> {
        self.scope.run(&call, read).await
    }

    async fn open(self) -> Result<TenantTx<R>> {
        self.begin().await
    }
}

/// Extracts the operations of a signed-in user without a tenant, such as creating a tenant or listing
/// memberships.
///
/// Responds with 401 if the request has no valid token.
impl<S, T> FromRequestParts<S> for UserScope<T>
where
    S: Send + Sync,
    T: Tenancy,
    AuthState<T>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        AuthState::from_ref(state).user_scope(parts).await
    }
}
