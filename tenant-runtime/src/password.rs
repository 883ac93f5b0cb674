//! The app login's password, of which the server gets a verifier only.

use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

use crate::{
    db::{connection_options, open_connection, trusted},
    error::Error,
    ident::{literal, quoted},
};

/// How many characters a password has at least.
const SHORTEST: usize = 12;

/// Says why no password was set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("the password is empty")]
    Empty,
    #[error(
        "the password has {characters} characters; take {SHORTEST} or more, such as those of `openssl rand -base64 24`: \
         whoever reads a verifier in a backup or a log can try short ones by the million"
    )]
    Short { characters: usize },
    #[error("the password holds a NUL character, which PostgreSQL does not take")]
    Nul,
    #[error("there is no role `{role}`; apply the migrations first")]
    NoSuchRole { role: String },
    #[error("`{role}` is a role and no login: nobody signs in as it, so it takes no password")]
    NotALogin { role: String },
    #[error("`{role}` is a superuser, and this sets passwords of the app's logins")]
    Superuser { role: String },
    #[error("cannot set the password of `{role}`")]
    Refused { role: String, source: sqlx::Error },
    #[error(transparent)]
    Connect(#[from] Error),
}

/// What a server keeps of a password: it can check one with it, and nobody can sign in with it.
pub(crate) struct Verifier(String);

impl Verifier {
    /// Makes the SCRAM-SHA-256 verifier of a password, with a salt of its own.
    pub(crate) fn of(password: &str) -> Result<Self, PasswordError> {
        let characters = password.chars().count();
        match characters {
            0 => Err(PasswordError::Empty),
            _ if password.contains('\0') => Err(PasswordError::Nul),
            1..SHORTEST => Err(PasswordError::Short { characters }),
            _ => Ok(Self(postgres_protocol::password::scram_sha_256(password.as_bytes()))),
        }
    }
}

/// Gives a login the password of which this is the verifier.
pub(crate) async fn set(url: &str, role: &str, verifier: &Verifier) -> Result<(), PasswordError> {
    // The statement holds the verifier, which belongs into no log of ours.
    let options = connection_options(url)?.disable_statement_logging();
    let mut connection = open_connection(&options).await?;
    let done = alter(&mut connection, role, verifier).await;
    let _ = connection.close().await;
    done
}

async fn alter(connection: &mut PgConnection, role: &str, verifier: &Verifier) -> Result<(), PasswordError> {
    let refused = |source| PasswordError::Refused { role: role.to_owned(), source };
    let sql = "SELECT rolcanlogin, rolsuper FROM pg_catalog.pg_roles WHERE rolname = $1";
    let found: Option<(bool, bool)> =
        sqlx::query_as(sql).bind(role).fetch_optional(&mut *connection).await.map_err(refused)?;
    let role_named = || role.to_owned();
    match found {
        None => return Err(PasswordError::NoSuchRole { role: role_named() }),
        Some((_, true)) => return Err(PasswordError::Superuser { role: role_named() }),
        Some((false, _)) => return Err(PasswordError::NotALogin { role: role_named() }),
        Some((true, false)) => {}
    }
    let sql = format!("ALTER ROLE {} PASSWORD {}", quoted(role), literal(&verifier.0));
    sqlx::raw_sql(trusted(sql)).execute(connection).await.map_err(refused)?;
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
