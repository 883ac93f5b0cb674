//! From a token to a user: what an app supplies, so that a request says who it is from.

use std::error::Error as StdError;

use futures_core::future::BoxFuture;

use crate::tenant::Tenancy;

/// Says whose a bearer token is. The extractors trust it, so this is where signatures and dates are checked.
///
/// `tenant_runtime::axum::Jwt` (feature `jwt`) does it for JSON Web Tokens. One of your own, for sessions in a store:
///
/// ```
/// use tenant_runtime::{axum::{TokenError, TokenVerifier}, roles::Organizations};
/// use uuid::Uuid;
///
/// struct Sessions(std::collections::HashMap<String, Uuid>);
///
/// impl TokenVerifier<Organizations> for Sessions {
///     async fn verify(&self, token: &str) -> Result<Uuid, TokenError> {
///         self.0.get(token).copied().ok_or_else(|| TokenError::invalid("there is no such session"))
///     }
/// }
/// ```
pub trait TokenVerifier<T: Tenancy>: Send + Sync + 'static {
    /// Returns the user whose token it is.
    fn verify(&self, token: &str) -> impl Future<Output = Result<T::User, TokenError>> + Send;
}

/// Says why a token was not accepted; the client is told no more than the status.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token is not valid: 401.
    #[error("the token is not valid")]
    Invalid(#[source] Box<dyn StdError + Send + Sync>),
    /// The token could not be checked, as what it takes for that does not answer: 503.
    #[error("the token cannot be checked")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
}

impl TokenError {
    /// Makes an error of a token that is not valid.
    pub fn invalid(reason: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Invalid(reason.into())
    }

    /// Makes an error of a token that could not be checked.
    pub fn unavailable(reason: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Unavailable(reason.into())
    }
}

/// A [`TokenVerifier`] whose type is not known any more, so that extractors need not name it.
pub(super) trait AnyTokenVerifier<T: Tenancy>: Send + Sync {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<T::User, TokenError>>;
}

impl<T: Tenancy, V: TokenVerifier<T>> AnyTokenVerifier<T> for V {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<T::User, TokenError>> {
        Box::pin(TokenVerifier::verify(self, token))
    }
}
