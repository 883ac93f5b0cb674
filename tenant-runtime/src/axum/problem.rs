//! Errors as responses: problem details after RFC 9457 that tell the client nothing about the database.

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

/// An error as the client gets it: `application/problem+json` with a status and a sentence.
///
/// Made of an [`Error`] or of sqlx's by `?`, it names no table, no constraint, no role and no statement; these go into
/// the log, by `tracing`. A row of another tenant and an organization of which the user is no member are 404, as if they
/// did not exist.
///
/// | status | after |
/// |---|---|
/// | 400 | `InvalidCursor` |
/// | 401 | no token, or one that is not valid |
/// | 403 | `InsufficientRole`, `Forbidden` |
/// | 404 | `NotFound`, `NotAMember`, `NoInvitation` |
/// | 409 | `Conflict`, `ForeignKeyViolation`, `LastManager` |
/// | 422 | `CheckViolation`, and values that PostgreSQL cannot take |
/// | 503 | `Connect`, `PoolTimeout`, `TimedOut`, `Retryable` |
/// | 500 | all others |
#[derive(Debug, Clone)]
#[must_use = "a problem is to be returned as the response"]
pub struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    challenge: Option<&'static str>,
}

impl Problem {
    /// Makes a problem of the app's own. The detail goes to the client as it is.
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), challenge: None }
    }

    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Nobody is signed in, or the token is not valid; `challenge` says so as RFC 6750 asks for.
    pub(super) fn unauthorized(challenge: &'static str) -> Self {
        let detail = Cow::Borrowed("this takes a valid bearer token");
        Self { status: StatusCode::UNAUTHORIZED, detail, challenge: Some(challenge) }
    }

    /// Makes the problem of a row that is not there, or not for whoever asks: 404, as after `NotFound`.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no such thing here, or not for you")
    }

    pub(super) fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the service cannot answer at the moment; try again")
    }

    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong on our side")
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let problem = match &error {
            Error::NotFound { .. } | Error::NotAMember | Error::NoInvitation => Self::not_found(),
            Error::Forbidden { .. } | Error::InsufficientRole { .. } => {
                Self::new(StatusCode::FORBIDDEN, "your role does not allow this")
            }
            Error::InvalidCursor { .. } => {
                Self::new(StatusCode::BAD_REQUEST, "the cursor is none of this list; begin with the first page again")
            }
            Error::Unauthenticated { .. } => Self::unauthorized("Bearer"),
            Error::UniqueViolation { .. } => Self::new(StatusCode::CONFLICT, "there is one like this already"),
            Error::ForeignKeyViolation { .. } => {
                Self::new(StatusCode::CONFLICT, "this names something that is not there, or something else names it")
            }
            Error::LastManager => Self::new(StatusCode::CONFLICT, "somebody has to stay who manages the members"),
            Error::CheckViolation { .. } => unprocessable(),
            Error::Connect { .. } | Error::PoolTimeout { .. } | Error::TimedOut { .. } | Error::Retryable { .. } => {
                Self::unavailable()
            }
            Error::Database(error) => of_the_driver(error),
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
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "a value is not one that can be kept here")
}

fn of_the_driver(error: &sqlx::Error) -> Problem {
    match error {
        sqlx::Error::RowNotFound => Problem::not_found(),
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Problem::unavailable(),
        // Class 22: a text with a zero byte, a number out of range.
        error => match server_error(error).and_then(|server| server.code().get(..2)) {
            Some("22") => unprocessable(),
            Some("08" | "53" | "57") => Problem::unavailable(),
            _ => Problem::internal(),
        },
    }
}

/// Writes into the log what the client does not get.
pub(super) fn log(status: StatusCode, error: &(dyn StdError + 'static)) {
    let status = status.as_u16();
    match status {
        500.. => tracing::error!(status, error, "a request failed"),
        401 | 403 => tracing::info!(status, error, "a request was denied"),
        _ => tracing::debug!(status, error, "a request was not met"),
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
