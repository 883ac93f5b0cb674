//! Token verification: the trait that maps the bearer token of a request to its user.

use std::error::Error as StdError;

use futures_core::future::BoxFuture;

use crate::tenant::Tenancy;

/// Verifies bearer tokens and returns their user. The extractors trust the result, so signatures
/// and dates must be checked here.
///
/// `tenant_runtime::axum::Jwt` (feature `jwt`) implements this trait for JSON Web Tokens. A custom
/// verifier for sessions in a store:
///
/// ```
/// use tenant_runtime::{axum::{TokenError, TokenVerifier}, roles::Organizations};
/// use uuid::Uuid;
///
/// struct Sessions(std::collections::HashMap<String, Uuid>);
///
/// impl TokenVerifier<Organizations> for Sessions {
///     async fn verify(&self, token: &str) -> Result<Uuid, TokenError> {
///         self.0.get(token).copied().ok_or_else(|| TokenError::invalid("no such session"))
///     }
/// }
/// ```
pub trait TokenVerifier<T: Tenancy>: Send + Sync + 'static {
    /// Returns the user of a token.
    ///
    /// # Errors
    ///
    /// [`TokenError::Invalid`] for an invalid token; [`TokenError::Unavailable`] if the token
    /// cannot be verified at the moment.
    fn verify(&self, token: &str) -> impl Future<Output = Result<T::User, TokenError>> + Send;
}

/// The reason why a token was not accepted. The client receives only the status; the reason is
/// logged.
///
/// ```
/// # use tenant_runtime::axum::TokenError;
/// let error = TokenError::invalid("no such session");
/// assert!(matches!(error, TokenError::Invalid(_)));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token is invalid (401).
    #[error("the token is not valid")]
    Invalid(#[source] Box<dyn StdError + Send + Sync>),
    /// The token cannot be verified because a service that the verifier requires does not respond
    /// (503).
    #[error("the token cannot be verified")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
}

impl TokenError {
    /// Creates an error for an invalid token.
    ///
    /// ```
    /// let error = tenant_runtime::axum::TokenError::invalid("no such session");
    /// ```
    pub fn invalid(reason: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Invalid(reason.into())
    }

    /// Creates an error for a token that cannot be verified.
    ///
    /// ```
    /// let error = tenant_runtime::axum::TokenError::unavailable("the session store does not respond");
    /// ```
    pub fn unavailable(reason: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Unavailable(reason.into())
    }
}

/// A type-erased [`TokenVerifier`], so that extractors need not name its type.
pub(super) trait AnyTokenVerifier<T: Tenancy>: Send + Sync {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<T::User, TokenError>>;
}

impl<T: Tenancy, V: TokenVerifier<T>> AnyTokenVerifier<T> for V {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<T::User, TokenError>> {
        Box::pin(TokenVerifier::verify(self, token))
    }
}
