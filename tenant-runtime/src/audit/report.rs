//! One audit: what was found in a database.

use serde::Serialize;
use sqlx::{Connection as _, PgConnection};

use super::{
    bypass,
    canonical::Canonical,
    catalog::{Catalog, Object},
    compare::drift,
    finding::{self, Finding, Severity},
    fix::{FixWriter, comment_lines},
    inspect,
};
use crate::{
    db::fingerprint,
    error::{Error, server_error},
    model::schema::Schema,
    sql::part::PGAUDIT,
};

/// What an audit found, the worst first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The findings.
    pub findings: Vec<Finding>,
    /// The findings that a baseline accepts.
    pub accepted: Vec<Accepted>,
    /// How many facts of the catalog were compared.
    pub facts: usize,
    /// What [`TenantDbOptions::fingerprint`](crate::TenantDbOptions::fingerprint) takes, for an app to refuse another state.
    pub fingerprint: String,
    /// Which server it was, such as `PostgreSQL 15.18`.
    pub server: String,
    /// Which database.
    pub database: String,
}

/// A finding that a baseline accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Accepted {
    /// The finding.
    pub finding: Finding,
    /// Why it was accepted.
    pub reason: String,
}

impl Report {
    /// Says whether nothing was found but what is good to know.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failing().next().is_none()
    }

    /// Returns the findings that keep the report from being clean.
    pub fn failing(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity != Severity::Note)
    }

    /// Writes the report as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// Says why there was no audit. A database that could not be audited is not clean.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The login may not do what an audit takes.
    #[error("the login `{login}` cannot audit `{database}`: {reason}\n  help: {help}")]
    NotAllowed {
        /// The login.
        login: String,
        /// The database.
        database: String,
        /// What is missing.
        reason: String,
        /// What to do.
        help: String,
    },
    /// The server is a standby, which makes no temporary tables.
    #[error("this server is a standby, and an audit compares by temporary tables\n  help: audit the primary")]
    Standby,
    /// None of the schemas is there.
    #[error(
        "`{database}` has none of the product's schemas\n  help: apply the migrations to it, or name the database that has them"
    )]
    NotMigrated {
        /// The database.
        database: String,
    },
    /// The server is older than what row security of this kind takes.
    #[error("the server is PostgreSQL {major}\n  help: use 15 or newer")]
    TooOld {
        /// Its major release.
        major: u32,
    },
    /// The database or the way to it failed.
    #[error(transparent)]
    Database(#[from] Error),
}

impl From<sqlx::Error> for AuditError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Holds a database against the schema that was declared, and looks for what leads around it.
///
/// It runs in one transaction, which is rolled back, and reads no row of the app's.
///
/// # Errors
///
/// [`AuditError::NotAllowed`] when the login may not do what it takes: read the catalog, make temporary tables, and use the
/// schemas as their owner does.
pub async fn audit(connection: &mut PgConnection, schema: &Schema) -> Result<Report, AuditError> {
    let mut transaction = connection.begin().await?;
    let report = in_transaction(&mut transaction, schema).await;
    // What could not be undone would be undone by the server, at the end of the session.
    let undone = transaction.rollback().await;
    let report = report?;
    undone?;
    Ok(report)
}

/// What to do where the server does not take what is declared.
const REFUSED: [&str; 2] = [
    "Mend first what is told of the tables that it names, such as a column that is called otherwise.",
    "Where nothing is, it names what the server does not have: declare it otherwise, and make a migration of that.",
];

/// How a server comes to log.
const LOADING: [&str; 3] = [
    "Install pgaudit on the server, such as Debian's package `postgresql-15-pgaudit`, or have your provider switch it on.",
    "Add it to `shared_preload_libraries` in postgresql.conf, and restart the server.",
    "Audit again: it tells whether the database sets what is to be logged.",
];

async fn in_transaction(connection: &mut PgConnection, schema: &Schema) -> Result<Report, AuditError> {
    let version = connection.server_version_num().unwrap_or_default();
    if version < 150_000 {
        return Err(AuditError::TooOld { major: version / 10_000 });
    }
    inspect::begin(&mut *connection).await?;
    let session = Session::ask(&mut *connection, schema).await?;
    let refused = |error: Error| session.refused(error);
    let live = inspect::read(&mut *connection, schema).await.map_err(refused)?;
    let canonical = Canonical::ask(&mut *connection, schema).await.map_err(refused)?;
    let mut expected = Catalog::expected(schema, &canonical, version);
    expected.leave_out(&canonical.refused);
    if schema.pgaudit.is_some() && !session.has_pgaudit {
        expected.facts.remove(&Object::Setting { role: None, here: true, name: PGAUDIT.to_owned() });
    }
    let fix_writer =
        FixWriter { schema, version, database: session.database.clone(), context: schema.context_settings.clone() };
    let mut findings = drift(&expected, &live, &fix_writer);
    for (object, reason) in &canonical.refused {
        // What is missing as a whole was told already.
        if live.get(object).is_some() {
            let what = format!("the server refuses what is declared: {reason}");
            findings.push(Finding::new(&finding::INCOMPARABLE, object, what, comment_lines(REFUSED)));
        }
    }
    if let Some(classes) = schema.pgaudit.as_ref().filter(|_| !session.has_pgaudit) {
        let what = format!("pgaudit shall log `{classes}`, and this server does not load it");
        findings.push(Finding::new(&finding::NO_LOG, "server", what, comment_lines(LOADING)));
    }
    findings.extend(bypass::look(&mut *connection, schema, &fix_writer).await.map_err(refused)?);
    findings.sort();
    findings.dedup();
    let fingerprint = fingerprint(connection, &inspect::owners(schema)).await?;
    Ok(Report {
        findings,
        accepted: Vec::new(),
        fingerprint,
        facts: live.facts.len(),
        server: session.server,
        database: session.database,
    })
}

/// Who audits what.
struct Session {
    login: String,
    database: String,
    server: String,
    /// Whether the server loads pgaudit: a setting of its name alone is hidden from this view.
    has_pgaudit: bool,
}

impl Session {
    async fn ask(connection: &mut PgConnection, schema: &Schema) -> Result<Self, AuditError> {
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
            return Err(
                session.not_allowed("it may make no temporary tables there, by which the server's words are compared")
            );
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
            names => Err(session.not_allowed(&format!("it may not use the schema {}", names.join(" and ")))),
        }
    }

    fn not_allowed(&self, reason: &str) -> AuditError {
        AuditError::NotAllowed {
            login: self.login.clone(),
            database: self.database.clone(),
            reason: reason.to_owned(),
            help: "audit as the one who applies the migrations, or as a superuser".to_owned(),
        }
    }

    /// Tells a login that may not read the catalog from everything else that can go wrong.
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
