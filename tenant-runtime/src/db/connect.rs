//! Parsing connection URLs, opening single connections, and hints for connection errors.

use std::{io, str::FromStr as _};

use sqlx::{ConnectOptions as _, PgConnection, postgres::PgConnectOptions};

use super::login_check::{app_logins, tenancies};
use crate::error::{Error, Result, server_error};

/// The form of a connection URL, for messages.
const FORM: &str = "`postgres://login:password@host:5432/database`";

/// The purpose of a connection, which decides what to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Queries of the app.
    App,
    /// Migrations, audits and the like.
    Administration,
}

/// Parses a connection URL.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions> {
    if url.trim().is_empty() {
        let source = sqlx::Error::Configuration("empty URL".into());
        return Err(invalid_url(&format!("the database URL is empty; it must have the form {FORM}"), source));
    }
    if let Some(scheme) = other_scheme(url) {
        let source = sqlx::Error::Configuration("the URL is not a PostgreSQL URL".into());
        return Err(invalid_url(&format!("the URL begins with `{scheme}`, but must have the form {FORM}"), source));
    }
    if hides_login(url) {
        let source = sqlx::Error::Configuration("unexpected `@` after the login".into());
        let hint = format!(
            "the URL must have the form {FORM}; in a password, write `/` as `%2F`, `?` as `%3F`, `#` as `%23`, and `@` as `%40`"
        );
        return Err(invalid_url(&hint, source));
    }
    PgConnectOptions::from_str(url).map_err(|source| invalid_url(&format!("the URL must have the form {FORM}"), source))
}

/// Returns the scheme of a URL of another database or driver, such as `mysql://` or `jdbc:`.
fn other_scheme(url: &str) -> Option<String> {
    if url.starts_with("jdbc:") {
        return Some("jdbc:".to_owned());
    }
    let (scheme, _) = url.split_once("://")?;
    // Text with other characters is not a scheme, and can be part of a password.
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (is_scheme && !["postgres", "postgresql"].contains(&scheme)).then(|| format!("{scheme}://"))
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

/// Opens a connection of the app outside of the pools.
pub(super) async fn open(options: &PgConnectOptions) -> Result<PgConnection> {
    options.connect().await.map_err(|source| failure(options, Purpose::App, source))
}

/// Names the database, the address and the login of a connection: `` `acme` at localhost:5432 as `boss` ``.
pub(crate) fn target(options: &PgConnectOptions) -> String {
    let login = options.get_username();
    format!("`{}` at {} as `{login}`", options.get_database().unwrap_or(login), address(options))
}

fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
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

/// Returns the error of a failed connection, with a hint about the cause.
pub(super) fn failure(options: &PgConnectOptions, purpose: Purpose, source: sqlx::Error) -> Error {
    let code = server_error(&source).map(|server| server.code().to_owned());
    let hint = match (code, &source) {
        (Some(code), _) => server_hint(&code, options, purpose),
        (None, sqlx::Error::Io(error)) => io_hint(error.kind(), &address(options)),
        (None, sqlx::Error::Tls(_)) => {
            "TLS failed; enable the feature `tls`, or check the certificate of the server".to_owned()
        }
        (None, _) => "see the source of this error".to_owned(),
    };
    Error::Connect { target: target(options), hint, source }
}

/// Returns the hint for an error of the server by its SQLSTATE.
fn server_hint(code: &str, options: &PgConnectOptions, purpose: Purpose) -> String {
    let (login, database) = (options.get_username(), options.get_database().unwrap_or(options.get_username()));
    match code {
        "28P01" if options.to_url_lossy().password().is_none_or(str::is_empty) => format!(
            "the server requires a password for `{login}`, and the URL has none; add it to the URL, or set `PGPASSWORD` or a \
             password file"
        ),
        "28P01" => format!("wrong password for `{login}`, or the login does not exist; {}", login_help(login, purpose)),
        "28000" => format!(
            "the server refused the login `{login}`: it does not exist, it has no LOGIN attribute, or `pg_hba.conf` has no entry \
             for it; {}; hosted servers require TLS (feature `tls`)",
            login_help(login, purpose)
        ),
        "3D000" if options.get_database().is_none() => format!(
            "the URL names no database, and none has the name of the login, `{login}`; add its name to the URL, as in {FORM}"
        ),
        "3D000" => format!(
            "database `{database}` does not exist; create it as the administrator who applies the migrations (`createdb \
             {database}`), then apply them"
        ),
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

/// Returns the next step after a login was refused. Administrators cannot set their own passwords with `set-password`.
fn login_help(login: &str, purpose: Purpose) -> String {
    if purpose == Purpose::Administration {
        return format!(
            "correct the login and the password of the administrator in the URL: `{login}` has to exist on the server"
        );
    }
    let own = tenancies().into_iter().any(|tenancy| tenancy.has_login(login));
    match app_logins().filter(|_| !own) {
        Some(logins) => format!(
            "connect the app with its login role {logins}: apply the migrations, which create it, set its password with \
             `gen-migrations set-password`, and use it in the URL"
        ),
        None => {
            "apply the migrations, set a password with `gen-migrations set-password`, and use it in the URL".to_owned()
        }
    }
}

/// Returns the hint for an error of the network or the operating system.
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
    fn url_of_another_database_is_rejected_by_its_scheme() {
        for (url, scheme) in [
            ("mysql://app:s3cret@h/x", "`mysql://`"),
            ("jdbc:postgresql://h/x?user=app&password=s3cret", "`jdbc:`"),
            ("https://app:s3cret@h/x", "`https://`"),
            (" ", "the database URL is empty"),
        ] {
            let shown = options(url).map(|_| ()).map_err(|error| error.to_string());
            let told = |shown: &String| shown.contains(scheme) && shown.contains(FORM) && !shown.contains("s3cret");
            assert!(shown.as_ref().is_err_and(told), "{url}: {shown:?}");
        }
        assert!(options("postgresql://app:s3cret@h/x").is_ok());
    }

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
