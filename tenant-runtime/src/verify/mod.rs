//! Verification: exhaustive tests of a live database against the declared permissions.
//!
//! A verification generates two tenants with members of each role, in a transaction that is rolled back. As each role,
//! it runs each command on each table in each context, and also other kinds of statements that could access rows. An
//! oracle, which reads the declaration but no generated SQL, computes the expected outcome of each statement; a
//! different outcome is a [`Violation`].
//!
//! ```no_run
//! # async fn f(superuser_url: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use tenant_runtime::verify::{VerifyOptions, verify};
//!
//! let report = verify(superuser_url, &tenant_runtime::models![], &VerifyOptions::default()).await?;
//! assert!(report.is_clean(), "{report}");
//! # Ok(()) }
//! ```

mod catalog;
mod contexts;
mod cross_tenant;
mod fixture;
mod functions_succeed;
mod given;
mod invitations;
mod members;
mod oracle;
mod outcome;
mod patterns;
mod principals;
mod probe;
mod probes;
mod report;
mod row_data;
mod row_factory;
mod row_values;
mod runner;
mod sealing;
mod search;
mod session;
mod signing;
mod values;
mod violation;

use std::{collections::BTreeMap, time::Instant};

use futures_core::future::BoxFuture;

use self::{fixture::Fixture, principals::Principals, row_data::RowFactory, runner::Runner};
pub use self::{given::TestValue, report::Report, violation::Violation};
pub(crate) use self::{sealing::Sealing, session::Session};
use crate::{
    analyze::{Findings, check},
    error::{Error, server_error},
    matrix::Matrix,
    model::def::TableDef,
    registry::Models,
};

/// Options of [`verify`].
///
/// ```
/// use tenant_runtime::verify::VerifyOptions;
///
/// let options = VerifyOptions::default()
///     .values("app.accounts", "iban", ["DE02120300000000202051", "DE88100900001234567892"])
///     .until_first_violation();
/// ```
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    given_values: given::GivenValues,
    first_only: bool,
    after: String,
}

impl VerifyOptions {
    /// Sets values for a column whose values cannot be generated, such as a column with a complex check constraint.
    ///
    /// `None` is NULL. A unique column requires about a dozen values. Values of several columns are combined freely; for values
    /// that belong together, use [`rows`](Self::rows).
    #[must_use]
    pub fn values<V: Into<TestValue>>(
        mut self,
        table: &str,
        column: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.given_values.tables.entry(table.to_owned()).or_default().columns.insert(column.to_owned(), values);
        self
    }

    /// Adds rows of a table; each generated row takes the values of the next given row.
    ///
    /// The values of a row stay together. Columns that a row does not contain are generated. If a constraint rejects a
    /// row, such as a unique constraint, the next row is tried; after the last row, the first row is used again.
    ///
    /// ```
    /// use tenant_runtime::verify::VerifyOptions;
    ///
    /// let options = VerifyOptions::default().rows(
    ///     "app.accounts",
    ///     [[("kind", Some("bank")), ("iban", Some("DE02120300000000202051"))], [("kind", Some("cash")), ("iban", None)]],
    /// );
    /// ```
    #[must_use]
    pub fn rows<R, C, V>(mut self, table: &str, rows: impl IntoIterator<Item = R>) -> Self
    where
        R: IntoIterator<Item = (C, V)>,
        C: Into<String>,
        V: Into<TestValue>,
    {
        let row = |row: R| row.into_iter().map(|(column, value)| (column.into(), value.into())).collect();
        self.given_values.tables.entry(table.to_owned()).or_default().rows.extend(rows.into_iter().map(row));
        self
    }

    /// Stops after the first group of probes with a violation.
    #[must_use]
    pub fn until_first_violation(mut self) -> Self {
        self.first_only = true;
        self
    }

    /// Runs SQL first, in the transaction that is rolled back, to verify the database as it would be after that SQL.
    ///
    /// The SQL runs unchanged as the URL's superuser. Locks on changed tables are held until the verification ends.
    ///
    /// ```
    /// use tenant_runtime::verify::VerifyOptions;
    ///
    /// # let pending = String::new();
    /// // `pending` is the SQL of a migration that is not applied yet.
    /// let options = VerifyOptions::default().after(pending);
    /// ```
    #[must_use]
    pub fn after(mut self, statements: impl Into<String>) -> Self {
        self.after = statements.into();
        self
    }

    /// Adds values from JSON: for each table either values by column, or rows whose values stay together.
    ///
    /// Numbers and booleans are used as text; `null` is NULL.
    ///
    /// ```
    /// use tenant_runtime::verify::VerifyOptions;
    ///
    /// let options = VerifyOptions::default().values_from_json(
    ///     r#"{
    ///         "app.accounts": {"iban": ["DE02…", "DE88…", null]},
    ///         "app.prices": [{"kind": "fixed", "cents": 500}, {"kind": "free", "cents": null}]
    ///     }"#,
    /// )?;
    /// # Ok::<(), tenant_runtime::verify::VerifyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`VerifyError::Values`]: the JSON does not have this form.
    pub fn values_from_json(mut self, text: &str) -> Result<Self, VerifyError> {
        self.given_values.extend(given::GivenValues::from_json(text)?);
        Ok(self)
    }

    /// Returns a text that contains all options that affect the generated rows.
    #[cfg(feature = "testing")]
    pub(crate) fn identity(&self) -> String {
        format!("{:?} {}", self.given_values, self.after)
    }
}

/// The reason why a verification did not complete.
///
/// ```no_run
/// # async fn f(url: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use tenant_runtime::{models, verify::{VerifyError, VerifyOptions, verify}};
///
/// match verify(url, &models![], &VerifyOptions::default()).await {
///     Err(VerifyError::NotSuperuser { user }) => eprintln!("skipped: {user} is not a superuser"),
///     verified => println!("{}", verified?),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The models have errors.
    #[error(transparent)]
    Models(#[from] Findings),
    /// The login is not a superuser.
    #[error(
        "verify requires a superuser, and `{user}` is not one: only a superuser can run statements as each login \
         role (SET SESSION AUTHORIZATION), \
         insert test rows without RLS, and read the rows of both tenants to check the outcome\n  help: run `gen-migrations verify` without \
         `--database-url` and `DATABASE_URL`, which tests the migrations on a temporary PostgreSQL server, and run `gen-migrations audit` on this database; a hosted server \
         without superuser access supports `audit` but not `verify`"
    )]
    NotSuperuser {
        /// The login.
        user: String,
    },
    /// A declared table does not exist.
    #[error(
        "the database lacks the declared table `{table}`\n  help: apply the migrations, and check that the URL names the right database"
    )]
    NotMigrated {
        /// The table.
        table: String,
    },
    /// No test row can be generated.
    #[error("cannot generate a test row of `{table}`: {failure}\n  help: {}", given::help(table, columns))]
    Data {
        /// The table.
        table: String,
        /// The columns that the violated constraint reads, or the column without a value; empty if they are unknown.
        columns: Vec<String>,
        /// The server's message.
        failure: String,
    },
    /// A condition of a policy fails for a generated row.
    #[error(
        "the condition `{condition}` of `{table}` raises an error for a test row: {failure}\n  help: statements of \
         the app fail in the same way; \
         write a condition that raises no error for any value, or give rows for which the condition raises no error, \
         with `--data` or `VerifyOptions::rows`"
    )]
    Condition {
        /// The table.
        table: String,
        /// The condition, as in the attribute.
        condition: String,
        /// The server's message.
        failure: String,
    },
    /// Required references between tables form a cycle, so no first row can be inserted.
    #[error(
        "cannot generate a first row: {tables} reference each other in a cycle\n  help: make one of the referencing fields an `Option`"
    )]
    Circle {
        /// The tables.
        tables: String,
    },
    /// The given values do not have the expected form.
    #[error(
        "the given values cannot be read: {reason}\n  help: give values by column, {{\"app.accounts\": {{\"iban\": [\"DE02…\", null]}}}}, \
         or rows, {{\"app.accounts\": [{{\"iban\": \"DE02…\", \"kind\": null}}]}}; the expected form is one of these for each table"
    )]
    Values {
        /// The place in the JSON and its content, or the parse error.
        reason: String,
    },
    /// The given values name a table or a column that is not declared.
    #[error("the given values do not match the models: {what}\n  help: {help}")]
    UnknownName {
        /// The unknown name.
        what: String,
        /// The most similar name, or the known names.
        help: String,
    },
    /// Keys of the tenancy's types cannot be generated.
    #[error("cannot generate tenant or user keys of type {types}")]
    Keys {
        /// The types.
        types: String,
    },
    /// The server rejected a statement that is not a probe, such as a statement that reads the
    /// catalog or prepares the test rows.
    #[error(
        "the server rejected a statement of the verification: {failure}\n  statement: {statement}\n  help: if the \
         error is a lock or \
         statement timeout, run `verify` again when no migration runs; otherwise run `audit`, which compares the catalog with the \
         declaration"
    )]
    Statement {
        /// The beginning of the statement.
        statement: String,
        /// The server's message and its SQLSTATE.
        failure: String,
    },
    /// The connection failed.
    #[error(transparent)]
    Database(#[from] Error),
}

impl VerifyError {
    fn database(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }

    /// Creates the error for a statement that is not a probe.
    fn statement(statement: &str, error: sqlx::Error) -> Self {
        const SHOWN: usize = 400;
        let Some(server) = server_error(&error) else { return Self::database(error) };
        let failure = format!("{} (SQLSTATE {})", server.message(), server.code());
        let words = statement.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut statement: String = words.chars().take(SHOWN).collect();
        if statement.len() < words.len() {
            statement.push('…');
        }
        Self::Statement { statement, failure }
    }

    fn not_migrated(def: &TableDef) -> Self {
        Self::NotMigrated { table: def.name.to_string() }
    }
}

/// Tests the database at a URL as every role, and reports the violations of the declared permissions.
///
/// All statements run in one transaction that is rolled back, even if the process is killed. Only sequences advance.
/// The URL must name a superuser.
///
/// ```no_run
/// # async fn f(superuser_url: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use tenant_runtime::verify::{VerifyOptions, verify};
///
/// let report = verify(superuser_url, &tenant_runtime::models![], &VerifyOptions::default()).await?;
/// assert!(report.is_clean(), "{report}");
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// Violations are not errors; they are in the report.
///
/// - [`VerifyError::Models`]: the models have errors.
/// - [`VerifyError::NotSuperuser`]: the login is not a superuser.
/// - [`VerifyError::NotMigrated`]: a declared table does not exist.
/// - [`VerifyError::Data`]: no test row can be generated for a table.
/// - [`VerifyError::Condition`]: a condition of a policy fails for a test row.
/// - [`VerifyError::Circle`]: required references form a cycle.
/// - [`VerifyError::UnknownName`]: the given values name a table or a column that is not declared.
/// - [`VerifyError::Values`]: there is no model.
/// - [`VerifyError::Keys`]: keys of the tenancy's types cannot be generated.
/// - [`VerifyError::Statement`]: the server rejected a statement of the verification itself.
/// - [`VerifyError::Database`]: the connection failed.
pub async fn verify(admin_url: &str, models: &Models, options: &VerifyOptions) -> Result<Report, VerifyError> {
    let start = Instant::now();
    let schema = check(models)?.schema;
    let Some(tenancy) = models.tables().first().map(|def| def.tenancy) else {
        return Err(VerifyError::Values { reason: "there is no model".into() });
    };
    let fixture = Fixture::new(tenancy, models.tables());
    let principals = test_principals(&fixture, 0)?;
    let session = Session::begin(admin_url, &schema, &options.after).await?;
    let row_factory = RowFactory::new(&schema, &options.given_values, &principals, 0);
    let mut runner = Runner::new(session, &schema, fixture, row_factory, options.first_only);
    let result = runner.run_all().await;
    let Runner { session, fixture, violations, given_up, .. } = runner;
    let (probes, server) = (session.probes, session.server.clone());
    let ended = session.end().await;
    result?;
    ended?;
    Ok(Report {
        matrix: Matrix::declared(models),
        role_prefix: tenancy.role_prefix,
        server,
        rows: fixture.rows.len(),
        probes,
        elapsed: start.elapsed(),
        violations,
        given_up,
    })
}

/// The keys of two tenants, each with the key of one user for each role.
#[cfg(feature = "testing")]
pub(crate) type Tenants = [(String, BTreeMap<&'static str, String>); 2];

/// The first key of committed test tenants; a verification generates other keys.
#[cfg(feature = "testing")]
const PERSISTENT_KEYS: u32 = 1_000_000;

/// Generates and commits two tenants, in a database without rows.
#[cfg(feature = "testing")]
pub(crate) async fn make_tenants(url: &str, models: &Models, options: &VerifyOptions) -> Result<Tenants, VerifyError> {
    let schema = check(models)?.schema;
    let tenancy = models.tables().first().map(|def| def.tenancy);
    let tenancy = tenancy.ok_or_else(|| VerifyError::Values { reason: "there is no model".into() })?;
    let mut fixture = Fixture::new(tenancy, models.tables());
    let principals = test_principals(&fixture, PERSISTENT_KEYS)?;
    let mut session = Session::begin(url, &schema, &options.after).await?;
    RowFactory::new(&schema, &options.given_values, &principals, PERSISTENT_KEYS)
        .fill(&mut session, &mut fixture)
        .await?;
    session.commit().await?;
    let user = |tenant| principals.members(tenant).filter(|(person, _)| person.roles.len() == 1);
    let users = |tenant| user(tenant).map(|(person, role)| (role, person.key.clone())).collect();
    let [a, b] = &principals.tenants;
    Ok([(a.clone(), users(0)), (b.clone(), users(1))])
}

fn test_principals(fixture: &Fixture, from: u32) -> Result<Principals, VerifyError> {
    let tenancy = fixture.tenancy;
    let types = || format!("{:?} and {:?}", tenancy.key, tenancy.user);
    Principals::new(tenancy, fixture.membership(), from).ok_or_else(|| VerifyError::Keys { types: types() })
}

/// A group of probes.
type Group = for<'a> fn(&'a mut Runner<'_>) -> BoxFuture<'a, Result<(), VerifyError>>;

impl Runner<'_> {
    async fn run_all(&mut self) -> Result<(), VerifyError> {
        self.session.create_batch_function().await?;
        self.read_catalog().await?;
        self.session.check_foreign_keys_at_once(self.schema.schemas()).await?;
        if let Some(sealing) = &self.sealing {
            self.session.run(&sealing.create_key()).await?;
            self.session.keep().await?;
        }
        self.row_factory.fill(&mut self.session, &mut self.fixture).await?;
        self.make_templates().await?;
        // This group runs first, because a setting that was once set in a session reads as an empty string afterwards.
        self.without_settings().await?;
        let groups: [Group; 22] = [
            |runner| Box::pin(runner.columns()),
            |runner| Box::pin(runner.privileges()),
            |runner| Box::pin(runner.roles()),
            |runner| Box::pin(runner.functions()),
            |runner| Box::pin(runner.members_by_function()),
            |runner| Box::pin(runner.invitations()),
            |runner| Box::pin(runner.functions_succeed()),
            |runner| Box::pin(runner.signatures()),
            |runner| Box::pin(runner.counters()),
            |runner| Box::pin(runner.keys()),
            |runner| Box::pin(runner.unsigned_functions()),
            |runner| Box::pin(runner.bound_logins()),
            |runner| Box::pin(runner.changed_contexts()),
            |runner| Box::pin(runner.system_role()),
            |runner| Box::pin(runner.views()),
            |runner| Box::pin(runner.owner()),
            |runner| Box::pin(runner.partitions()),
            |runner| Box::pin(runner.malformed()),
            |runner| Box::pin(runner.prepared()),
            |runner| Box::pin(runner.savepoints()),
            |runner| Box::pin(runner.rows()),
            |runner| Box::pin(runner.cascades()),
        ];
        for group in groups {
            if !self.is_done() {
                group(self).await?;
            }
        }
        self.session.undo().await
    }

    /// Returns whether to stop because of a violation.
    fn is_done(&self) -> bool {
        self.first_only && !self.violations.is_empty()
    }
}
