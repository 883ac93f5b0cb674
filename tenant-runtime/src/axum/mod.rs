//! Extractors for axum: from a request to a tenant's context, by a verified token and a membership that was looked up.
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
//! // A viewer gets 403, a stranger 404, and who is not signed in 401.
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
//! A state of the app's own holds the gate beside other things:
//!
//! ```
//! # use axum::extract::FromRef;
//! # use tenant_runtime::{axum::AuthState, roles::Organizations};
//! # #[derive(Clone)] struct Mailer;
//! #[derive(Clone)]
//! struct App {
//!     gate: AuthState<Organizations>,
//!     mailer: Mailer,
//! }
//!
//! // Or `#[derive(FromRef)]`, with axum's feature `macros`.
//! impl FromRef<App> for AuthState<Organizations> {
//!     fn from_ref(app: &App) -> Self {
//!         app.gate.clone()
//!     }
//! }
//! ```
//!
//! The organization in a path or a header is a wish: it counts once the membership table says that the user belongs to
//! it, and as what. The database asks again at each statement.

#[cfg(feature = "jwt")]
mod jwt;
mod problem;
mod verify;

use std::{fmt, sync::Arc};

use ::axum::{
    extract::{FromRef, FromRequestParts, RawPathParams},
    http::{HeaderName, StatusCode, header::AUTHORIZATION, request::Parts},
};
use futures_core::future::BoxFuture;

#[cfg(feature = "jwt")]
pub use self::jwt::{Jwt, JwtError};
use self::verify::AnyTokenVerifier;
pub use self::{
    problem::Problem,
    verify::{TokenError, TokenVerifier},
};
use crate::{
    db::{Scope, TenantDb, TenantTx},
    error::Result,
    repo::{executor::TenantExecutor, members::Membership},
    session::{Session, UserCtx, UserScope},
    tenant::{ContextKey, Role, Tenancy, TenantCtx},
};

/// What requests pass on their way to a context: the database, the verifier of tokens, and the membership table.
///
/// It is the router's state, or a part of it by axum's `FromRef`. Cloning is cheap.
pub struct AuthState<T: Tenancy> {
    inner: Arc<Inner<T>>,
}

struct Inner<T: Tenancy> {
    db: TenantDb,
    verifier: Box<dyn AnyTokenVerifier<T>>,
    session: LookUp<T>,
    organization: Organization,
}

/// How a membership is looked up; a function, so that extractors need not name the table.
type LookUp<T> = for<'a> fn(&'a UserScope<T>, <T as Tenancy>::Key) -> BoxFuture<'a, Result<Session<T>>>;

/// Where a request names the organization.
#[derive(Debug, Clone)]
enum Organization {
    Path(&'static str),
    Header(HeaderName),
}

impl<T: Tenancy> AuthState<T> {
    /// Makes a gate that looks into the membership table `M`, for routes that name the organization as `{org}`.
    #[must_use]
    pub fn new<M: Membership<Tenancy = T>>(db: TenantDb, verifier: impl TokenVerifier<T>) -> Self {
        Self::with::<M>(db, verifier, Organization::Path("org"))
    }

    /// Makes a gate for requests that name the organization in a header.
    #[must_use]
    pub fn by_header<M: Membership<Tenancy = T>>(
        db: TenantDb,
        verifier: impl TokenVerifier<T>,
        header: HeaderName,
    ) -> Self {
        Self::with::<M>(db, verifier, Organization::Header(header))
    }

    fn with<M>(db: TenantDb, verifier: impl TokenVerifier<T>, organization: Organization) -> Self
    where
        M: Membership<Tenancy = T>,
    {
        let (verifier, session) = (Box::new(verifier), UserScope::session::<M> as LookUp<T>);
        Self { inner: Arc::new(Inner { db, verifier, session, organization }) }
    }

    /// Returns the database.
    #[must_use]
    pub fn db(&self) -> &TenantDb {
        &self.inner.db
    }

    /// Says who is signed in.
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

    /// Reads which organization the request names. What cannot be a key is in a path like one that does not exist.
    async fn organization(&self, parts: &mut Parts) -> Result<T::Key, Problem> {
        match &self.inner.organization {
            Organization::Path(name) => {
                let parameters =
                    RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Problem::not_found())?;
                let Some((_, text)) = parameters.iter().find(|(parameter, _)| parameter == name) else {
                    tracing::error!("the route takes a `Tenant` and has no `{{{name}}}` in its path");
                    return Err(Problem::internal());
                };
                T::Key::read_text(text).ok_or_else(Problem::not_found)
            }
            Organization::Header(name) => {
                let text = single(parts, name).and_then(T::Key::read_text);
                let wrong =
                    || Problem::new(StatusCode::BAD_REQUEST, format!("the header `{name}` takes one organization"));
                text.ok_or_else(wrong)
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
        f.field("db", &self.inner.db).field("organization", &self.inner.organization).finish_non_exhaustive()
    }
}

/// Returns the text of a header that stands there once; of two, nobody could say which one counts.
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

/// The context of a request: its user's, in the organization that it names, in the role `R`.
///
/// As an extractor it answers with 401 without a valid token, with 404 where the user is no member of the organization,
/// and with 403 where the member's role does not include `R`. `&tenant` is what repository methods take; for several
/// calls there is [`begin`](Self::begin).
#[derive(Debug, Clone)]
pub struct Tenant<R: Role> {
    scope: Scope<R>,
    session: Session<R::Tenancy>,
}

impl<R: Role> Tenant<R> {
    /// Returns the context.
    #[must_use]
    pub fn ctx(&self) -> &TenantCtx<R> {
        self.scope.ctx()
    }

    /// Returns the membership as it was looked up, for what is decided at run time.
    #[must_use]
    pub fn session(&self) -> &Session<R::Tenancy> {
        &self.session
    }

    /// Begins a transaction in the context.
    ///
    /// # Errors
    ///
    /// As [`TenantDb::begin`].
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
        let gate = AuthState::from_ref(state);
        let visit = gate.user_scope(parts).await?;
        let org = gate.organization(parts).await?;
        let session = (gate.inner.session)(&visit, org).await?;
        let ctx = session.require::<R>()?;
        Ok(Self { scope: gate.db().scope(&ctx), session })
    }
}

impl<R: Role> TenantExecutor for &Tenant<R> {
    type Role = R;
    type Opened = TenantTx<R>;

    async fn open(self) -> Result<TenantTx<R>> {
        self.begin().await
    }
}

/// Takes what a signed-in user can do without an organization: found one, or look up the own ones.
///
/// It answers with 401 without a valid token.
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
