//! Parsing connection URLs, opening single connections, and hints for connection errors.

use std::{io, str::FromStr as _};

use sqlx::{ConnectOptions as _, PgConnection, postgres::PgConnectOptions};

use super::{
    login_check::{app_logins, tenancies},
    pooler,
};
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
    if let Some(instead) = of_keywords(url) {
        let source = sqlx::Error::Configuration("the value is not a URL".into());
        return Err(invalid_url(&format!("it is written as keywords; write a URL: {instead}"), source));
    }
    if hides_login(url) {
        let source = sqlx::Error::Configuration("unexpected `@` after the login".into());
        let hint = format!(
            "the URL must have the form {FORM}; in a password, write `/` as `%2F`, `?` as `%3F`, `#` as `%23`, and `@` as `%40`"
        );
        return Err(invalid_url(&hint, source));
    }
    let options = PgConnectOptions::from_str(url).map_err(|source| {
        let hint = match has_bare_ipv6(url) {
            true => {
                "in a URL, an IPv6 address must be in brackets, as in `postgres://login:password@[::1]:5432/database`"
                    .to_owned()
            }
            false => format!("the URL must have the form {FORM}"),
        };
        invalid_url(&hint, source)
    })?;
    // A parameter such as `?host=::1` has no brackets, but sqlx requires them where it writes a URL.
    let host = options.get_host();
    if host.contains(':') && !host.starts_with('[') {
        let host = format!("[{host}]");
        return Ok(options.host(&host));
    }
    Ok(options)
}

/// Returns a URL without a password for connection keywords of libpq, such as `host=/tmp dbname=acme`.
fn of_keywords(text: &str) -> Option<String> {
    if text.contains("://") {
        return None;
    }
    let pairs: Vec<(&str, &str)> = text.split_whitespace().map_while(|word| word.split_once('=')).collect();
    let known = ["host", "hostaddr", "port", "dbname", "user", "password", "sslmode", "service"];
    if !pairs.first().is_some_and(|(name, _)| known.contains(name)) {
        return None;
    }
    let is_plain = |value: &&str| value.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    let value = |name: &str| {
        pairs.iter().find(|(found, _)| *found == name).map(|(_, value)| value.trim_matches('\'')).filter(is_plain)
    };
    let (login, database) = (value("user").unwrap_or("login"), value("dbname").unwrap_or("database"));
    let port = value("port").map_or_else(String::new, |port| format!(":{port}"));
    Some(match value("host").or(value("hostaddr")) {
        Some(folder) if folder.starts_with('/') => {
            format!("`postgres://{login}:password@localhost{port}/{database}?host={folder}`")
        }
        host => format!("`postgres://{login}:password@{}{port}/{database}`", host.unwrap_or("host")),
    })
}

/// Returns whether the host of a URL is an IPv6 address without brackets.
fn has_bare_ipv6(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    !host.contains('[') && host.matches(':').count() > 1
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
async fn renames_statements(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_prepared_statements \
               WHERE NOT from_sql AND pg_catalog.starts_with(name, 'sqlx_s_'))";
    sqlx::query_scalar(sql).persistent(true).fetch_one(connection).await
}

/// Returns the error about a pooler in transaction mode that does not keep prepared statements.
pub(super) fn no_prepared_statements(options: &PgConnectOptions, source: Option<sqlx::Error>) -> Error {
    let hint = "a pooler in transaction mode is between the app and the server, and does not support prepared statements; use \
                PgBouncer 1.21 or newer with `max_prepared_statements`, or call `TenantDbOptions::prepared_statements(false)`";
    let source = source.unwrap_or_else(|| sqlx::Error::Configuration("sessions share server connections".into()));
    Error::Connect { target: target(options), hint: hint.to_owned(), source }
}

/// Returns whether a pooler is between the app and the server, and the app must reset the server connection in each
/// transaction. A pooler that does not support prepared statements is an error.
pub(super) async fn is_pooled(connection: &mut PgConnection, options: &PgConnectOptions) -> Result<bool> {
    match renames_statements(connection).await {
        Ok(true) => Ok(true),
        Ok(false) if pooler::shares_connections(connection, options).await? => {
            Err(no_prepared_statements(options, None))
        }
        Ok(false) => Ok(false),
        Err(error) if is_of_statements(&error) => Err(no_prepared_statements(options, Some(error))),
        Err(error) => Err(error.into()),
    }
}

/// Returns whether a prepared statement is missing, or another session has prepared one of the same name.
fn is_of_statements(error: &sqlx::Error) -> bool {
    server_error(error).is_some_and(|server| ["26000", "42P05"].contains(&server.code()))
}

/// Returns the error of a failed connection, with a hint about the cause.
pub(super) fn failure(options: &PgConnectOptions, purpose: Purpose, source: sqlx::Error) -> Error {
    let server = server_error(&source).map(|server| (server.code().to_owned(), server.message().to_owned()));
    let hint = match (server, &source) {
        (Some((code, message)), _) if code == "08P01" && message.contains("startup parameter") => {
            startup_hint(&message, purpose)
        }
        (Some((code, _)), _) => server_hint(&code, options, purpose),
        (None, sqlx::Error::Io(error)) => io_hint(error.kind(), &address(options)),
        (None, sqlx::Error::Tls(_)) => {
            "TLS failed; enable the feature `tls`, or check the certificate of the server".to_owned()
        }
        (None, _) => "see the source of this error".to_owned(),
    };
    Error::Connect { target: target(options), hint, source }
}

/// Returns the hint for a pooler that refuses a parameter of the connection.
fn startup_hint(message: &str, purpose: Purpose) -> String {
    let parameter = message.rsplit(' ').next().unwrap_or_default();
    let what = format!("the pooler does not accept the startup parameter `{parameter}`");
    match purpose {
        Purpose::Administration => {
            format!("{what}; connect without the pooler: use the host and the port of PostgreSQL itself, often 5432")
        }
        Purpose::App => format!("{what}; add it to `ignore_startup_parameters` in the configuration of PgBouncer"),
    }
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
            "the URL names no database, and none has the name of the login, `{login}`; add the name of the database \
             to the URL, as in {FORM}"
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
    fn keywords_and_ipv6_addresses_without_brackets_are_answered_with_a_url() {
        let hint = |url: &str| options(url).map(|_| ()).map_err(|error| error.to_string()).expect_err(url);
        for (text, url) in [
            (
                "host=/run/pg dbname=acme user=boss password=s3cret",
                "`postgres://boss:password@localhost/acme?host=/run/pg`",
            ),
            ("dbname=acme host=db.example port=6432", "`postgres://login:password@db.example:6432/acme`"),
            ("postgres://boss:s3cret@::1/acme", "`postgres://login:password@[::1]:5432/database`"),
        ] {
            assert!(hint(text).contains(url) && !hint(text).contains("s3cret"), "{}", hint(text));
        }
        for url in ["postgres://boss@[::1]:6432/acme", "postgres://boss@localhost/acme?host=::1&port=6432"] {
            let options = options(url).expect(url);
            // Writing the URL panics if the address has no brackets.
            assert_eq!(options.to_url_lossy().port(), Some(6432));
            assert_eq!(target(&options), "`acme` at [::1]:6432 as `boss`");
        }
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
