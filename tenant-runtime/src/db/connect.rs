//! Opens single connections, and says in words why one could not be had.

use std::{io, str::FromStr as _};

use sqlx::{ConnectOptions as _, PgConnection, postgres::PgConnectOptions};

use crate::error::{Error, Result, server_error};

/// Reads a connection URL.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions> {
    let refused =
        |hint: &str, source| Error::Connect { target: "the database".to_owned(), hint: hint.to_owned(), source };
    if hides_login(url) {
        let source = sqlx::Error::Configuration("there is an `@` behind where the login stands".into());
        return Err(refused(
            "the URL should look like `postgres://login:password@host:5432/database`; write `/` in a password as `%2F`, `?` as \
             `%3F`, `#` as `%23`, and `@` as `%40`",
            source,
        ));
    }
    PgConnectOptions::from_str(url)
        .map_err(|source| refused("the URL should look like `postgres://login:password@host:5432/database`", source))
}

/// Says whether a login with its password would be taken for something else, such as the name of the database, and so be told.
fn hides_login(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return url.contains('@') };
    let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = behind.split(['?', '#']).next().unwrap_or_default();
    path.contains('@') || behind.contains('@') && !authority.contains('@')
}

/// Opens a connection that belongs to no pool.
pub(crate) async fn open(options: &PgConnectOptions) -> Result<PgConnection> {
    options.connect().await.map_err(|source| failure(options, source))
}

/// Says whether something between the app and the server gives prepared statements other names, as PgBouncer does in transaction
/// mode, where each transaction may run on another connection of the server.
///
/// The query is itself a prepared statement, so directly on the server it finds at least its own name.
pub(super) async fn renames_statements(connection: &mut PgConnection) -> Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_prepared_statements \
               WHERE NOT from_sql AND pg_catalog.starts_with(name, 'sqlx_s_'))";
    Ok(sqlx::query_scalar(sql).persistent(true).fetch_one(connection).await?)
}

/// Says why connecting failed.
pub(super) fn failure(options: &PgConnectOptions, source: sqlx::Error) -> Error {
    let (login, database) = (options.get_username(), options.get_database().unwrap_or(options.get_username()));
    let place = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let code = server_error(&source).map(|server| server.code().to_owned());
    let hint = match (code.as_deref(), &source) {
        (Some("28P01"), _) => format!(
            "the password of `{login}` is wrong, or there is no such login; apply the migrations, set a password with \
             `gen-migrations set-password`, and put it into the URL"
        ),
        (Some("28000"), _) => format!(
            "the server does not let `{login}` in: the login does not exist (apply the migrations), may not log in, or \
             `pg_hba.conf` has no line for it"
        ),
        (Some("3D000"), _) => format!("there is no database `{database}`; run `createdb {database}`, then migrate it"),
        (Some("42501"), _) => format!(
            "`{login}` may not connect to `{database}`; apply the migrations, or run \
             `GRANT CONNECT ON DATABASE … TO …` as its owner"
        ),
        (Some("53300"), _) => format!(
            "all connections of the server or of `{login}` are in use; lower `max_connections`, or raise the \
             login's `CONNECTION LIMIT`"
        ),
        (Some("57P03"), _) => "the server is starting up or shutting down; try again in a moment".to_owned(),
        (_, sqlx::Error::Io(error)) => match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                format!("no server listens at {place}; start PostgreSQL, or correct the host and the port")
            }
            io::ErrorKind::PermissionDenied => format!("this account may not open {place}"),
            _ => format!("the server at {place} cannot be reached; check the host's name and the network"),
        },
        (_, sqlx::Error::Tls(_)) => {
            "the server asks for TLS; turn on the feature `tls`, and check the certificate".to_owned()
        }
        (Some(code), _) => format!("the server refused it with SQLSTATE {code}"),
        _ => "see the source of this error".to_owned(),
    };
    Error::Connect { target: format!("`{database}` at {place} as `{login}`"), hint, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_url_error_does_not_show_the_password() {
        for url in [
            "postgres:/app:s3cret@h/x",
            "postgres:///app:s3cret@h/x",
            "postgres://app:12/s3cret@h/x",
            "postgres://app:12?s3cret@h/x",
            "postgres://app:12#s3cret@h/x",
            "postgres://app:a@b/s3cret@h/x",
            "postgres://app:s3cret@[h/x",
            "postgres://app:s3cret@h:99999/x",
        ] {
            let said = options(url).map(|_| ()).map_err(|error| format!("{error} {error:?}"));
            assert!(said.as_ref().is_err_and(|said| !said.contains("s3cret")), "{url}: {said:?}");
        }
        for url in
            ["postgres://app:s3%2Fcret@h/x", "postgres://h/x?options=-crole%3Da", "postgres://a@h/x?host=/tmp&user=a@b"]
        {
            assert!(options(url).is_ok(), "{url}");
        }
    }
}
