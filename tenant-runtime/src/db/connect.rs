//! Parsing connection URLs, opening single connections, and hints for connection errors.

use std::{io, str::FromStr as _};

use sqlx::{ConnectOptions as _, PgConnection, postgres::PgConnectOptions};

use crate::error::{Error, Result, server_error};

/// Parses a connection URL.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions> {
    if hides_login(url) {
        let source = sqlx::Error::Configuration("unexpected `@` after the login".into());
        let hint = "the URL must have the form `postgres://login:password@host:5432/database`; in a password, write `/` as `%2F`, \
                    `?` as `%3F`, `#` as `%23`, and `@` as `%40`";
        return Err(invalid_url(hint, source));
    }
    PgConnectOptions::from_str(url).map_err(|source| {
        invalid_url("the URL must have the form `postgres://login:password@host:5432/database`", source)
    })
}

fn invalid_url(hint: &str, source: sqlx::Error) -> Error {
    Error::Connect { target: "the database".to_owned(), hint: hint.to_owned(), source }
}

/// Returns whether the login and the password would be parsed as another part of the URL, such as
/// the database name, and would then appear in messages.
fn hides_login(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return url.contains('@') };
    let (authority, path_and_query) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = path_and_query.split(['?', '#']).next().unwrap_or_default();
    path.contains('@') || path_and_query.contains('@') && !authority.contains('@')
}

/// Opens a connection outside the pools.
pub(crate) async fn open(options: &PgConnectOptions) -> Result<PgConnection> {
    options.connect().await.map_err(|source| failure(options, source))
}

/// Returns whether a pooler between the app and the server renames prepared statements, as
/// PgBouncer does in transaction mode, where each transaction can run on another server connection.
///
/// The query is itself a prepared statement, so without a pooler it finds at least its own name.
pub(super) async fn renames_statements(connection: &mut PgConnection) -> Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_prepared_statements \
               WHERE NOT from_sql AND pg_catalog.starts_with(name, 'sqlx_s_'))";
    Ok(sqlx::query_scalar(sql).persistent(true).fetch_one(connection).await?)
}

/// Returns the error for a failed connection, with a hint about the cause.
pub(super) fn failure(options: &PgConnectOptions, source: sqlx::Error) -> Error {
    let (login, database) = (options.get_username(), options.get_database().unwrap_or(options.get_username()));
    let address = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let code = server_error(&source).map(|server| server.code().to_owned());
    let hint = match (code, &source) {
        (Some(code), _) => server_hint(&code, login, database),
        (None, sqlx::Error::Io(error)) => io_hint(error.kind(), &address),
        (None, sqlx::Error::Tls(_)) => {
            "TLS failed; enable the feature `tls`, or check the certificate of the server".to_owned()
        }
        (None, _) => "see the source of this error".to_owned(),
    };
    Error::Connect { target: format!("`{database}` at {address} as `{login}`"), hint, source }
}

/// Returns the hint for a server error, by its SQLSTATE.
fn server_hint(code: &str, login: &str, database: &str) -> String {
    match code {
        "28P01" => format!(
            "wrong password for `{login}`, or the login does not exist; apply the migrations, set a password with \
             `gen-migrations set-password`, and use it in the URL"
        ),
        "28000" => format!(
            "the server refused the login `{login}`: it does not exist (apply the migrations), it has no LOGIN attribute, or \
             `pg_hba.conf` has no entry for it; hosted servers require TLS (feature `tls`)"
        ),
        "3D000" => {
            format!("database `{database}` does not exist; run `createdb {database}`, then apply the migrations")
        }
        "42501" => format!(
            "`{login}` has no CONNECT privilege on `{database}`; apply the migrations, or run \
             `GRANT CONNECT ON DATABASE … TO …` as the owner of the database"
        ),
        "53300" => format!(
            "all connections of the server or of `{login}` are in use; reduce `max_connections`, or increase the \
             `CONNECTION LIMIT` of the login"
        ),
        "57P03" => "the server is starting up or shutting down; retry later".to_owned(),
        code => format!("the server refused the connection with SQLSTATE {code}"),
    }
}

/// Returns the hint for a network or operating system error.
fn io_hint(kind: io::ErrorKind, address: &str) -> String {
    match kind {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
            format!("no server listens at {address}; start PostgreSQL, or correct the host and the port")
        }
        io::ErrorKind::PermissionDenied => format!("permission denied for {address}"),
        _ => format!("the server at {address} is not reachable; check the host name and the network"),
    }
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
            let shown = options(url).map(|_| ()).map_err(|error| format!("{error} {error:?}"));
            assert!(shown.as_ref().is_err_and(|shown| !shown.contains("s3cret")), "{url}: {shown:?}");
        }
        for url in
            ["postgres://app:s3%2Fcret@h/x", "postgres://h/x?options=-crole%3Da", "postgres://a@h/x?host=/tmp&user=a@b"]
        {
            assert!(options(url).is_ok(), "{url}");
        }
    }
}
