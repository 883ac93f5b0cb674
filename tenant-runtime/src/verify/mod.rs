//! The proof: a live database is attacked as every role, and does what the declaration says or not.
//!
//! Two tenants with members of each role are made up from the models, in a transaction that is rolled back. Then each role
//! tries each command on each table in each context, and whatever else could lead to rows; what comes of each try is held
//! against a reference that reads the declaration and nothing that was generated from it.

mod cross_tenant;
mod fixture;
mod invitations;
mod members;
mod oracle;
mod principals;
mod probe_privileges;
mod probe_reads;
mod probe_writes;
mod report;
mod row_data;
mod row_factory;
mod runner;
mod session;
mod values;
mod violation;

use std::{collections::BTreeMap, time::Instant};

use futures_core::future::BoxFuture;

use self::{fixture::Fixture, principals::Principals, row_data::RowFactory, runner::Runner};
pub(crate) use self::{fixture::row_id, session::Session};
pub use self::{report::Report, violation::Violation};
use crate::{
    analyze::{Findings, check},
    error::Error,
    matrix::Matrix,
    model::def::{TableDef, TenancyDef},
    registry::Models,
};

/// What a proof takes besides the models.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    app_assigned: row_data::Supplied,
    first_only: bool,
    after: String,
}

impl VerifyOptions {
    /// Gives values for a column that cannot be made up, such as one that a check of an unusual kind judges.
    ///
    /// Where the column is unique, there should be a dozen of them.
    #[must_use]
    pub fn values<V: Into<String>>(mut self, table: &str, column: &str, values: impl IntoIterator<Item = V>) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.app_assigned.entry(table.to_owned()).or_default().insert(column.to_owned(), values);
        self
    }

    /// Ends with the first kind of attack that shows a difference, where it is enough to know that there is one.
    #[must_use]
    pub fn until_first_difference(mut self) -> Self {
        self.first_only = true;
        self
    }

    /// Runs statements first, in the transaction that is rolled back: what would they open?
    ///
    /// They are sent as they stand, by the superuser whom the URL names. Statements that change tables lock them until the
    /// proof ends.
    #[must_use]
    pub fn after(mut self, statements: impl Into<String>) -> Self {
        self.after = statements.into();
        self
    }

    /// Reads such values from JSON: `{"app.accounts": {"iban": ["DE02…", "DE88…"]}}`.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Values`] when the text has another form.
    pub fn values_from_json(mut self, text: &str) -> Result<Self, VerifyError> {
        let read: BTreeMap<String, BTreeMap<String, Vec<String>>> =
            serde_json::from_str(text).map_err(|error| VerifyError::Values { reason: error.to_string() })?;
        for (table, columns) in read {
            self.app_assigned.entry(table).or_default().extend(columns);
        }
        Ok(self)
    }
}

/// Says why nothing was proved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The models have errors.
    #[error(transparent)]
    Models(#[from] Findings),
    /// Whoever connected cannot act as others.
    #[error(
        "`{user}` is no superuser, and a proof acts as the app's login and sees what that must not see\n  help: connect as a \
         superuser, or prove without a database URL, on a private PostgreSQL"
    )]
    NotSuperuser {
        /// The login.
        user: String,
    },
    /// A table is not there.
    #[error(
        "this database has no table `{table}` as it is declared\n  help: apply the migrations to it, and see that the URL names the \
         right database"
    )]
    NotMigrated {
        /// The table.
        table: String,
    },
    /// A row could not be made up.
    #[error(
        "cannot make up a row of `{table}`: {failure}\n  help: give values for {} in a file and name it with `--data`: {{\"{table}\": \
         {{\"{}\": [\"…\", \"…\"]}}}}",
        .column.as_deref().map_or_else(|| "the column".to_owned(), |column| format!("`{column}`")),
        .column.as_deref().unwrap_or("column")
    )]
    Data {
        /// The table.
        table: String,
        /// The column, where it is known.
        column: Option<String>,
        /// What the server said.
        failure: String,
    },
    /// Tables refer to each other so that none can have a first row.
    #[error(
        "no first row can be made up: {tables} refer to each other in a circle\n  help: make one of those fields an `Option`"
    )]
    Circle {
        /// The tables.
        tables: String,
    },
    /// The values that were given make no sense.
    #[error(
        "the values that were given cannot be read: {reason}\n  help: they should look like {{\"app.accounts\": {{\"iban\": [\"DE02…\"]}}}}"
    )]
    Values {
        /// What is wrong.
        reason: String,
    },
    /// The keys of the tenancy are of a type of which none can be made up.
    #[error("keys of tenants or users of the type {types} cannot be made up")]
    Keys {
        /// The types.
        types: String,
    },
    /// Anything else that went wrong on the way to the database, or in it.
    #[error(transparent)]
    Database(#[from] Error),
}

impl VerifyError {
    fn database(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }

    fn unknown(def: &TableDef) -> Self {
        Self::NotMigrated { table: def.name.to_string() }
    }
}

/// Attacks the database of a URL as every role, and tells what differs from the declaration.
///
/// Everything happens in one transaction that is rolled back; no row is left, also where the program is killed. Only
/// sequences go on. The URL must name a superuser.
///
/// # Errors
///
/// When the proof cannot be made; what it finds is no error but stands in the report.
pub async fn verify(admin_url: &str, models: &Models, options: &VerifyOptions) -> Result<Report, VerifyError> {
    let start = Instant::now();
    let schema = check(models)?.schema;
    let Some(tenancy) = models.tables().first().map(|def| def.tenancy) else {
        return Err(VerifyError::Values { reason: "there is no model".into() });
    };
    let cast = cast(tenancy, 0)?;
    let world = Fixture { tenancy, tables: models.tables().to_vec(), rows: Vec::new() };
    let mut attack = Runner {
        session: Session::begin(admin_url, &options.after).await?,
        schema: &schema,
        tenancy,
        cast: &cast,
        world,
        maker: RowFactory::new(&schema, &options.app_assigned, &cast, 0),
        templates: BTreeMap::new(),
        first_only: options.first_only,
        violations: Vec::new(),
        given_up: Vec::new(),
    };
    let tried = attack.everything().await;
    let Runner { session, world, violations, given_up, .. } = attack;
    let (probes, server) = (session.probes, session.server.clone());
    let ended = session.end().await;
    tried?;
    ended?;
    Ok(Report {
        matrix: Matrix::declared(models),
        role_prefix: tenancy.role_prefix,
        server,
        rows: world.rows.len(),
        probes,
        elapsed: start.elapsed(),
        violations,
        given_up,
    })
}

/// The keys of two tenants, each with those of a user of each role.
#[cfg(feature = "testing")]
pub(crate) type Tenants = [(String, BTreeMap<&'static str, String>); 2];

/// Where the keys begin of tenants that are made to stay: a proof beside them makes up its own.
#[cfg(feature = "testing")]
const TO_STAY: u32 = 1_000_000;

/// Makes two tenants up that stay, in a database that has nothing but the tables.
#[cfg(feature = "testing")]
pub(crate) async fn make_tenants(url: &str, models: &Models, options: &VerifyOptions) -> Result<Tenants, VerifyError> {
    let schema = check(models)?.schema;
    let tenancy = models.tables().first().map(|def| def.tenancy);
    let tenancy = tenancy.ok_or_else(|| VerifyError::Values { reason: "there is no model".into() })?;
    let cast = cast(tenancy, TO_STAY)?;
    let mut world = Fixture { tenancy, tables: models.tables().to_vec(), rows: Vec::new() };
    let mut session = Session::begin(url, &options.after).await?;
    RowFactory::new(&schema, &options.app_assigned, &cast, TO_STAY).fill(&mut session, &mut world).await?;
    session.commit().await?;
    let user = |tenant| cast.members(tenant).filter(|(person, _)| person.roles.len() == 1);
    let users = |tenant| user(tenant).map(|(person, role)| (role, person.key.clone())).collect();
    let [a, b] = &cast.tenants;
    Ok([(a.clone(), users(0)), (b.clone(), users(1))])
}

fn cast(tenancy: &TenancyDef, from: u32) -> Result<Principals, VerifyError> {
    let types = || format!("{:?} and {:?}", tenancy.key, tenancy.user);
    Principals::new(tenancy, from).ok_or_else(|| VerifyError::Keys { types: types() })
}

/// A kind of attacks.
type Kind = for<'a> fn(&'a mut Runner<'_>) -> BoxFuture<'a, Result<(), VerifyError>>;

impl Runner<'_> {
    async fn everything(&mut self) -> Result<(), VerifyError> {
        self.maker.fill(&mut self.session, &mut self.world).await?;
        self.make_templates().await?;
        // First of all: a setting that was made once in a session reads as empty ever after.
        self.without_settings().await?;
        let kinds: [Kind; 15] = [
            |attack| Box::pin(attack.columns()),
            |attack| Box::pin(attack.privileges()),
            |attack| Box::pin(attack.roles()),
            |attack| Box::pin(attack.functions()),
            |attack| Box::pin(attack.members_by_function()),
            |attack| Box::pin(attack.invitations()),
            |attack| Box::pin(attack.system_role()),
            |attack| Box::pin(attack.views()),
            |attack| Box::pin(attack.owner()),
            |attack| Box::pin(attack.partitions()),
            |attack| Box::pin(attack.malformed()),
            |attack| Box::pin(attack.prepared()),
            |attack| Box::pin(attack.savepoints()),
            |attack| Box::pin(attack.rows()),
            |attack| Box::pin(attack.cascades()),
        ];
        for kind in kinds {
            if !self.is_done() {
                kind(self).await?;
            }
        }
        self.session.undo().await
    }

    /// Says whether enough is known.
    fn is_done(&self) -> bool {
        self.first_only && !self.violations.is_empty()
    }
}
