//! The report of an audit, and the function that runs one.

use serde::Serialize;
use sqlx::{Connection as _, PgConnection};

use super::{
    bypass,
    canonical::Canonical,
    catalog::{Catalog, Object},
    compare::drift,
    finding::{self, Finding, Severity},
    fix::{FixWriter, comment_lines},
    inspect, inventory,
};
use crate::{
    db::{Inventory, fingerprint},
    error::{Error, server_error},
    model::schema::Schema,
    sql::part::PGAUDIT,
};

/// The result of an audit.
///
/// Its JSON form has the keys `findings` (each with `severity`, `code`, `object`, `what`, `why`, `fix`, `caution`), `accepted`, `facts`,
/// `fingerprint`, `server` and `database`.
///
/// ```no_run
/// # fn f(report: &tenant_runtime::audit::Report) {
/// println!("{} facts compared in {} on {}", report.facts, report.database, report.server);
/// if report.is_clean() {
///     println!("fingerprint: {}", report.fingerprint);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The findings, sorted by severity.
    pub findings: Vec<Finding>,
    /// The findings that a baseline accepts.
    pub accepted: Vec<Accepted>,
    /// The number of catalog facts that were compared.
    pub facts: usize,
    /// The fingerprint of the checked schemas, for [`TenantDbOptions::fingerprint`](crate::TenantDbOptions::fingerprint).
    pub fingerprint: String,
    /// The server, such as `PostgreSQL 15.18`.
    pub server: String,
    /// The database.
    pub database: String,
}

/// A finding that a baseline accepts.
///
/// ```no_run
/// # fn f(report: &tenant_runtime::audit::Report) {
/// for accepted in &report.accepted {
///     println!("{} of {}: {}", accepted.finding.code, accepted.finding.object, accepted.reason);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Accepted {
    /// The finding.
    pub finding: Finding,
    /// The reason in the baseline.
    pub reason: String,
}

impl Report {
    /// Returns whether the report contains no findings except notes.
    ///
    /// ```no_run
    /// # fn f(report: &tenant_runtime::audit::Report) {
    /// std::process::exit(if report.is_clean() { 0 } else { 1 });
    /// # }
    /// ```
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failing().next().is_none()
    }

    /// Returns the findings other than notes.
    ///
    /// ```no_run
    /// # fn f(report: &tenant_runtime::audit::Report) {
    /// let codes: Vec<&str> = report.failing().map(|finding| finding.code).collect();
    /// # }
    /// ```
    pub fn failing(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity != Severity::Note)
    }

    /// Returns whether all findings other than notes are about entries of the baseline that match
    /// no finding. The database then matches the declaration.
    ///
    /// ```no_run
    /// # fn f(report: &tenant_runtime::audit::Report) {
    /// assert!(report.is_clean() || report.has_only_stale_entries());
    /// # }
    /// ```
    #[must_use]
    pub fn has_only_stale_entries(&self) -> bool {
        !self.is_clean() && self.failing().all(|finding| finding.code == finding::STALE.code)
    }

    /// Returns the report as JSON.
    ///
    /// ```no_run
    /// # fn f(report: &tenant_runtime::audit::Report) {
    /// println!("{}", report.to_json());
    /// # }
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// The reason why an audit did not run. A database without a completed audit does not count as clean.
///
/// ```no_run
/// use sqlx::Connection as _;
/// use tenant_runtime::{analyze::check, audit::{AuditError, audit}, models};
///
/// # async fn f(admin_url: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let schema = check(&models![])?.schema;
/// let mut administrator = sqlx::PgConnection::connect(admin_url).await?;
/// match audit(&mut administrator, &schema).await {
///     Err(AuditError::NotAllowed { login, reason, .. }) => eprintln!("log in as another user than {login}: {reason}"),
///     report => println!("{}", report?),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The login lacks a privilege that the audit requires.
    #[error("the login `{login}` cannot audit `{database}`: {reason}\n  help: {help}")]
    NotAllowed {
        /// The login.
        login: String,
        /// The database.
        database: String,
        /// The missing privilege.
        reason: String,
        /// The next step.
        help: String,
    },
    /// The server is a standby, where temporary tables cannot be created.
    #[error(
        "the server is a standby, which cannot create the temporary tables that an audit requires\n  help: audit the \
         primary"
    )]
    Standby,
    /// None of the product's schemas exist.
    #[error(
        "database `{database}` has none of the product's schemas\n  help: apply the migrations, or correct the database name in the URL"
    )]
    NotMigrated {
        /// The database.
        database: String,
    },
    /// The server is older than PostgreSQL 15.
    #[error("PostgreSQL {major} is not supported\n  help: use PostgreSQL 15 or newer")]
    TooOld {
        /// The major version of the server.
        major: u32,
    },
    /// The connection or a query failed.
    #[error(transparent)]
    Database(#[from] Error),
}

impl From<sqlx::Error> for AuditError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Compares a database with the declared schema, and finds ways to bypass its policies.
///
/// The audit runs in one transaction, which is rolled back, and reads no rows of the app.
///
/// ```no_run
/// use sqlx::Connection as _;
/// use tenant_runtime::{analyze::check, audit::audit, models};
///
/// # async fn f(admin_url: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let schema = check(&models![])?.schema;
/// let mut administrator = sqlx::PgConnection::connect(admin_url).await?;
/// let report = audit(&mut administrator, &schema).await?;
/// report.failing().for_each(|finding| println!("{} {}", finding.code, finding.object));
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// - [`AuditError::NotAllowed`]: the login cannot read the catalog, create temporary tables, or use the product's schemas.
/// - [`AuditError::Standby`]: the server is a standby.
/// - [`AuditError::NotMigrated`]: the database has none of the product's schemas.
/// - [`AuditError::TooOld`]: the server is older than PostgreSQL 15.
/// - [`AuditError::Database`]: the connection or a query failed, or a row of the catalog is of an unknown kind.
pub async fn audit(connection: &mut PgConnection, schema: &Schema) -> Result<Report, AuditError> {
    let mut transaction = connection.begin().await?;
    let report = in_transaction(&mut transaction, schema).await;
    // If the rollback fails, the server rolls back when the session ends.
    let undone = transaction.rollback().await;
    let report = report?;
    undone?;
    Ok(report)
}

/// The manual steps for a declared expression that the server rejects.
const REFUSED: [&str; 2] = [
    "First fix the findings on the tables that the message names, such as a column with another name.",
    "If there are no such findings, the server lacks the type or function that the message names: install it, or \
     change the declaration and generate a migration.",
];

/// The manual steps to load pgaudit.
const LOADING: [&str; 3] = [
    "Install pgaudit on the server, such as Debian's package `postgresql-15-pgaudit`, or enable it at your provider.",
    "Add `pgaudit` to `shared_preload_libraries` in postgresql.conf, and restart the server.",
    "Run the audit again: it then checks whether the database sets `pgaudit.log` to the declared classes.",
];

async fn in_transaction(connection: &mut PgConnection, schema: &Schema) -> Result<Report, AuditError> {
    let version = connection.server_version_num().unwrap_or_default();
    if version < 150_000 {
        return Err(AuditError::TooOld { major: version / 10_000 });
    }
    inspect::begin(&mut *connection).await?;
    let session = Session::read(&mut *connection, schema).await?;
    let refused = |error: Error| session.refused(error);
    let live = inspect::read(&mut *connection, schema).await.map_err(refused)?;
    let canonical = Canonical::read(&mut *connection, schema).await.map_err(refused)?;
    let mut expected = Catalog::expected(schema, &canonical, version);
    expected.leave_out(&canonical.refused);
    if schema.pgaudit.is_some() && !session.has_pgaudit {
        expected.facts.remove(&Object::Setting { role: None, here: true, name: PGAUDIT.to_owned() });
    }
    let fix_writer =
        FixWriter { schema, version, database: session.database.clone(), context: schema.context_settings.clone() };
    let mut findings = drift(&expected, &live, &fix_writer)?;
    for (object, reason) in &canonical.refused {
        // A missing object has already been reported as missing.
        if live.get(object).is_some() {
            let what = format!("the server rejects the declaration: {reason}");
            findings.push(Finding::new(&finding::INCOMPARABLE, object, what, comment_lines(REFUSED)));
        }
    }
    if let Some(classes) = schema.pgaudit.as_ref().filter(|_| !session.has_pgaudit) {
        let what = format!("pgaudit is declared to log `{classes}`, but the server does not load it");
        findings.push(Finding::new(&finding::NO_LOG, "server", what, comment_lines(LOADING)));
    }
    let shipped = Inventory::read(&mut *connection, inventory::digest_of(version / 10_000)).await.map_err(refused)?;
    findings.extend(bypass::find(&mut *connection, schema, &fix_writer, &shipped).await.map_err(refused)?);
    findings.sort();
    findings.dedup();
    let fingerprint = fingerprint(connection, &inspect::owners(schema), &shipped).await?;
    Ok(Report {
        findings,
        accepted: Vec::new(),
        fingerprint,
        facts: live.facts.len(),
        server: session.server,
        database: session.database,
    })
}

/// The login, the database and the server of an audit.
struct Session {
    login: String,
    database: String,
    server: String,
    /// Whether the server loads pgaudit; pg_settings lists its settings only then.
    has_pgaudit: bool,
}

impl Session {
    async fn read(connection: &mut PgConnection, schema: &Schema) -> Result<Self, AuditError> {
        let (login, database, server, standby, temporary, has_pgaudit): (String, String, String, bool, bool, bool) =
            sqlx::query_as(
                "SELECT session_user::text, current_database()::text, current_setting('server_version'),
                 pg_is_in_recovery(), has_database_privilege(current_database(), 'TEMPORARY'),
                 EXISTS (SELECT FROM pg_settings WHERE name = $1)",
            )
            .bind(PGAUDIT)
            .fetch_one(&mut *connection)
            .await?;
        if standby {
            return Err(AuditError::Standby);
        }
        let server = format!("PostgreSQL {}", server.split_whitespace().next().unwrap_or_default());
        let session = Self { login, database, server, has_pgaudit };
        if !temporary {
            return Err(session.not_allowed(
                "it lacks the TEMPORARY privilege on the database; the audit needs it to compare expressions in temporary tables",
            ));
        }
        let schemas = inspect::schemas(schema);
        let there: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_namespace WHERE nspname = ANY ($1)")
            .bind(&schemas)
            .fetch_one(&mut *connection)
            .await?;
        if there == 0 {
            return Err(AuditError::NotMigrated { database: session.database });
        }
        let closed: Vec<String> = sqlx::query_scalar(
            "SELECT nspname::text FROM pg_namespace
             WHERE nspname = ANY ($1) AND NOT has_schema_privilege(oid, 'USAGE') ORDER BY nspname",
        )
        .bind(schemas)
        .fetch_all(&mut *connection)
        .await?;
        match closed.as_slice() {
            [] => Ok(session),
            names => Err(session.not_allowed(&format!("it lacks USAGE on these schemas: {}", names.join(", ")))),
        }
    }

    fn not_allowed(&self, reason: &str) -> AuditError {
        AuditError::NotAllowed {
            login: self.login.clone(),
            database: self.database.clone(),
            reason: reason.to_owned(),
            help: "audit as the login that applies the migrations, or as a superuser".to_owned(),
        }
    }

    /// Turns the server's permission error into [`AuditError::NotAllowed`].
    fn refused(&self, error: Error) -> AuditError {
        let source = match &error {
            Error::Forbidden { source, .. } | Error::Database(source) => Some(source),
            _ => None,
        };
        let server = source.and_then(server_error).filter(|server| server.code() == "42501");
        server
            .map(|server| server.message().to_owned())
            .map_or_else(|| AuditError::Database(error), |message| self.not_allowed(&message))
    }
}
