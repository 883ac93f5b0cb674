//! Errors as HTTP responses: RFC 9457 problem details that disclose nothing about the database.

use std::{borrow::Cow, error::Error as StdError};

use ::axum::{
    body::Body,
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};

use crate::error::{Error, server_error};

/// An HTTP error response: `application/problem+json` (RFC 9457) with a status and a one-sentence detail.
///
/// `?` converts an [`Error`] or an sqlx error. The response names no table, constraint, role or
/// statement; these are logged with `tracing`. A row of another tenant, and a tenant of which the
/// user is not a member, result in 404, as if they did not exist.
///
/// ```
/// # use tenant_runtime::{Error, axum::Problem};
/// let problem = Problem::from(Error::NotAMember);
/// assert_eq!(problem.status(), axum::http::StatusCode::NOT_FOUND);
/// ```
///
/// | status | errors |
/// |---|---|
/// | 400 | `InvalidCursor`, `FilterTooDeep` |
/// | 401 | no valid token, `Unauthenticated` |
/// | 403 | `InsufficientRole`, `Forbidden` |
/// | 404 | `NotFound`, `NotAMember`, `NoInvitation` |
/// | 409 | `UniqueViolation`, `ForeignKeyViolation`, `LastManager` |
/// | 422 | `CheckViolation`, and values that PostgreSQL cannot represent |
/// | 503 | `Connect`, `PoolTimeout`, `TimedOut`, `Retryable`, and connection errors of the driver |
/// | 500 | all others |
#[derive(Debug, Clone)]
#[must_use = "a problem must be returned as the response"]
pub struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    challenge: Option<&'static str>,
}

impl Problem {
    /// Creates a problem. The detail is sent to the client unchanged.
    ///
    /// ```
    /// # use tenant_runtime::axum::Problem;
    /// let problem = Problem::new(axum::http::StatusCode::PAYMENT_REQUIRED, "the trial has ended");
    /// ```
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), challenge: None }
    }

    /// Returns the status.
    ///
    /// ```
    /// # use tenant_runtime::axum::Problem;
    /// assert_eq!(Problem::not_found().status().as_u16(), 404);
    /// ```
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Creates the problem for a missing or invalid token; `challenge` is the `WWW-Authenticate`
    /// header that RFC 6750 requires.
    pub(super) fn unauthorized(challenge: &'static str) -> Self {
        let detail = Cow::Borrowed("a valid bearer token is required");
        Self { status: StatusCode::UNAUTHORIZED, detail, challenge: Some(challenge) }
    }

    /// Creates the problem for a row that does not exist or is not visible: 404, as for
    /// [`Error::NotFound`].
    ///
    /// ```
    /// # use tenant_runtime::axum::Problem;
    /// fn found<T>(row: Option<T>) -> Result<T, Problem> {
    ///     row.ok_or_else(Problem::not_found)
    /// }
    /// ```
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not found, or not accessible to you")
    }

    pub(super) fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the service is temporarily unavailable; retry later")
    }

    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let problem = match &error {
            Error::NotFound { .. } | Error::NotAMember | Error::NoInvitation => Self::not_found(),
            Error::Forbidden { .. } | Error::InsufficientRole { .. } => {
                Self::new(StatusCode::FORBIDDEN, "your role does not allow this")
            }
            Error::ConsentRequired { .. } => Self::new(StatusCode::FORBIDDEN, "this user can only be invited"),
            Error::InvalidCursor { .. } => {
                Self::new(StatusCode::BAD_REQUEST, "invalid cursor; start again from the first page")
            }
            Error::FilterTooDeep { .. } => Self::new(StatusCode::BAD_REQUEST, "the filter nests too many conditions"),
            Error::Unauthenticated { .. } => Self::unauthorized("Bearer"),
            Error::UniqueViolation { .. } => {
                Self::new(StatusCode::CONFLICT, "a resource with these values already exists")
            }
            Error::ForeignKeyViolation { .. } => Self::new(
                StatusCode::CONFLICT,
                "a referenced resource does not exist, or this resource is still referenced",
            ),
            Error::LastManager => {
                Self::new(StatusCode::CONFLICT, "the last member who can manage members cannot be removed")
            }
            Error::CheckViolation { .. } => unprocessable(),
            Error::Connect { .. } | Error::PoolTimeout { .. } | Error::TimedOut { .. } | Error::Retryable { .. } => {
                Self::unavailable()
            }
            Error::Database(error) => from_driver(error),
            _ => Self::internal(),
        };
        log(problem.status, &error);
        problem
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Error::from(error).into()
    }
}

fn unprocessable() -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "a value is invalid")
}

fn from_driver(error: &sqlx::Error) -> Problem {
    match error {
        sqlx::Error::RowNotFound => Problem::not_found(),
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Problem::unavailable(),
        // Class 22 (data exceptions), such as text with a zero byte or a number out of range.
        error => match server_error(error).and_then(|server| server.code().get(..2)) {
            Some("22") => unprocessable(),
            Some("08" | "53" | "57") => Problem::unavailable(),
            _ => Problem::internal(),
        },
    }
}

/// Logs the details that are not sent to the client.
pub(super) fn log(status: StatusCode, error: &(dyn StdError + 'static)) {
    let status = status.as_u16();
    match status {
        500.. => tracing::error!(status, error, "request failed"),
        401 | 403 => tracing::info!(status, error, "request denied"),
        _ => tracing::debug!(status, error, "request rejected"),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
