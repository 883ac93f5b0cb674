//! The reason why a question has no answer.

use crate::{analyze::Findings, verify::VerifyError};

/// The reason why a question has no answer.
///
/// ```
/// use tenant_runtime::{model::schema::Command, models, why::{Question, WhyError, why}};
///
/// match why(&models![], &Question::new("owner", "projects", Command::Delete)) {
///     Err(WhyError::Unknown { what, name, help }) => eprintln!("no {what} `{name}`; {help}"),
///     Err(error) => eprintln!("{error}"),
///     Ok(why) => println!("{why}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WhyError {
    /// The models have errors.
    #[error(transparent)]
    Models(#[from] Findings),
    /// The role, table or row does not exist.
    #[error("there is no {what} `{name}`\n  help: {help}")]
    Unknown {
        /// The kind: role, table or row.
        what: &'static str,
        /// The name or key in the question.
        name: String,
        /// The valid names.
        help: String,
    },
    /// The login is not a superuser, which the question about a row requires.
    #[error(
        "a question about a row (`--row`) requires a superuser, and `{login}` is not one: the conditions are evaluated as the role, \
         which may be unable to read the row\n  help: use the URL of a superuser, or ask without `--row`, which needs no database"
    )]
    NotSuperuser {
        /// The login.
        login: String,
    },
    /// A key is not a value of its column's type.
    #[error("`{option} {value}` is not a value of type {sql_type}: {reason}\n  help: {option} is {meaning}")]
    InvalidKey {
        /// The command-line option: `--row`, `--tenant` or `--user`.
        option: &'static str,
        /// The given text.
        value: String,
        /// The type of the keys.
        sql_type: String,
        /// The server's message.
        reason: String,
        /// The meaning of the key.
        meaning: &'static str,
    },
    /// The database could not be queried.
    #[error(transparent)]
    Database(VerifyError),
}

impl From<VerifyError> for WhyError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::NotSuperuser { user } => Self::NotSuperuser { login: user },
            error => Self::Database(error),
        }
    }
}
