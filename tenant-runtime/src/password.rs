//! Sets a login role's password through its SCRAM verifier, so that the server never receives the password.

use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

use crate::{
    db::{assert_sql_safe, connection_options, open_for_writing},
    error::Error,
    ident::{literal, quoted},
};

/// The minimum number of characters of a password.
const SHORTEST: usize = 12;

/// The reason why no password was set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("the password is empty")]
    Empty,
    #[error(
        "the password has {characters} characters, and the minimum is {SHORTEST}: brute force can find a short password from \
         the SCRAM verifier in a backup or a log\n  help: generate one, such as with `openssl rand -base64 24`"
    )]
    Short { characters: usize },
    #[error("the password contains a NUL character, which PostgreSQL does not accept")]
    Nul,
    #[error("role `{role}` does not exist; apply the migrations first")]
    NoSuchRole { role: String },
    #[error("`{role}` is a role without LOGIN, so a password has no effect")]
    NotALogin { role: String },
    #[error("`{role}` is a superuser; this command does not set passwords of superusers")]
    Superuser { role: String },
    #[error("cannot set the password of `{role}`")]
    Refused { role: String, source: sqlx::Error },
    #[error(transparent)]
    Connect(#[from] Error),
}

/// The SCRAM-SHA-256 verifier of a password, as a server stores it: the server checks passwords
/// with it, but it cannot itself be used to log in.
pub(crate) struct Verifier(String);

impl Verifier {
    /// Computes the verifier of a password, with a random salt.
    pub(crate) fn of(password: &str) -> Result<Self, PasswordError> {
        let characters = password.chars().count();
        match characters {
            0 => Err(PasswordError::Empty),
            _ if password.contains('\0') => Err(PasswordError::Nul),
            1..SHORTEST => Err(PasswordError::Short { characters }),
            _ => Ok(Self(postgres_protocol::password::scram_sha_256(password.as_bytes()))),
        }
    }

    /// Returns the verifier as a literal in SQL.
    pub(crate) fn literal(&self) -> String {
        literal(&self.0)
    }
}

/// Sets a login role's password through its verifier.
pub(crate) async fn set(url: &str, role: &str, verifier: &Verifier) -> Result<(), PasswordError> {
    // The statement contains the verifier, which must not be logged.
    let options = connection_options(url)?.disable_statement_logging();
    let mut connection = open_for_writing(&options).await?;
    let done = alter(&mut connection, role, verifier).await;
    let _ = connection.close().await;
    done
}

async fn alter(connection: &mut PgConnection, role: &str, verifier: &Verifier) -> Result<(), PasswordError> {
    let refused = |source| PasswordError::Refused { role: role.to_owned(), source };
    let sql = "SELECT rolcanlogin, rolsuper FROM pg_catalog.pg_roles WHERE rolname = $1";
    let found: Option<(bool, bool)> =
        sqlx::query_as(sql).bind(role).fetch_optional(&mut *connection).await.map_err(refused)?;
    match found {
        None => return Err(PasswordError::NoSuchRole { role: role.to_owned() }),
        Some((_, true)) => return Err(PasswordError::Superuser { role: role.to_owned() }),
        Some((false, _)) => return Err(PasswordError::NotALogin { role: role.to_owned() }),
        Some((true, false)) => {}
    }
    let sql = format!("ALTER ROLE {} PASSWORD {}", quoted(role), verifier.literal());
    sqlx::raw_sql(assert_sql_safe(sql)).execute(connection).await.map_err(refused)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scram_verifier_needs_no_quoting_and_hides_the_password() {
        let password = "it's a \\ long one";
        let verifier = Verifier::of(password).map(|verifier| verifier.0).expect("it is long enough");
        assert!(verifier.starts_with("SCRAM-SHA-256$4096:") && !verifier.contains(['\'', '\\', ' ']), "{verifier}");
    }

    #[test]
    fn scram_verifiers_of_the_same_password_differ() {
        let verifier = || Verifier::of("correct horse battery").map(|verifier| verifier.0).expect("long enough");
        assert_ne!(verifier(), verifier());
    }

    #[test]
    fn empty_short_and_nul_passwords_are_rejected() {
        assert!(matches!(Verifier::of(""), Err(PasswordError::Empty)));
        assert!(matches!(Verifier::of("elevenchars"), Err(PasswordError::Short { characters: 11 })));
        assert!(matches!(Verifier::of("a\0bcdefghijklmn"), Err(PasswordError::Nul)));
        assert!(Verifier::of("zwölf Zeiche").is_ok());
    }
}
