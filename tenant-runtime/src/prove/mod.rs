//! The proof: a live database is attacked as every role, and does what the declaration says or not.
//!
//! Two tenants with members of each role are made up from the models, in a transaction that is rolled back. Then each role
//! tries each command on each table in each context, and whatever else could lead to rows; what comes of each try is held
//! against a reference that reads the declaration and nothing that was generated from it.

mod attack;
mod cast;
mod data;
mod difference;
mod doors;
mod invitations;
mod making;
mod members;
mod reference;
mod report;
mod rows;
mod session;
mod system;
mod values;
mod world;
mod writes;

use std::{collections::BTreeMap, time::Instant};

use futures_core::future::BoxFuture;

use self::{attack::Attack, cast::Cast, data::Maker, world::World};
pub use self::{difference::Difference, report::Report};
pub(crate) use self::{session::Session, world::row_id};
use crate::{
    check::{Findings, check},
    error::Error,
    matrix::Matrix,
    model::def::{TableDef, TenancyDef},
    registry::Models,
};

/// What a proof takes besides the models.
#[derive(Debug, Clone, Default)]
pub struct ProveOptions {
    supplied: data::Supplied,
    first_only: bool,
    after: String,
}

impl ProveOptions {
    /// Gives values for a column that cannot be made up, such as one that a check of an unusual kind judges.
    ///
    /// Where the column is unique, there should be a dozen of them.
    #[must_use]
    pub fn values<V: Into<String>>(mut self, table: &str, column: &str, values: impl IntoIterator<Item = V>) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.supplied.entry(table.to_owned()).or_default().insert(column.to_owned(), values);
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
    /// [`ProveError::Values`] when the text has another form.
    pub fn values_from_json(mut self, text: &str) -> Result<Self, ProveError> {
        let read: BTreeMap<String, BTreeMap<String, Vec<String>>> =
            serde_json::from_str(text).map_err(|error| ProveError::Values { reason: error.to_string() })?;
        for (table, columns) in read {
            self.supplied.entry(table).or_default().extend(columns);
        }
        Ok(self)
    }
}

/// Says why nothing was proved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
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

impl ProveError {
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
pub async fn prove(admin_url: &str, models: &Models, options: &ProveOptions) -> Result<Report, ProveError> {
    let start = Instant::now();
    let schema = check(models)?.schema;
    let Some(tenancy) = models.tables().first().map(|def| def.tenancy) else {
        return Err(ProveError::Values { reason: "there is no model".into() });
    };
    let cast = cast(tenancy, 0)?;
    let world = World { tenancy, tables: models.tables().to_vec(), rows: Vec::new() };
    let mut attack = Attack {
        session: Session::begin(admin_url, &options.after).await?,
        schema: &schema,
        tenancy,
        cast: &cast,
        world,
        maker: Maker::new(&schema, &options.supplied, &cast, 0),
        templates: BTreeMap::new(),
        first_only: options.first_only,
        differences: Vec::new(),
        given_up: Vec::new(),
    };
    let tried = attack.everything().await;
    let Attack { session, world, differences, given_up, .. } = attack;
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
        differences,
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
pub(crate) async fn make_tenants(url: &str, models: &Models, options: &ProveOptions) -> Result<Tenants, ProveError> {
    let schema = check(models)?.schema;
    let tenancy = models.tables().first().map(|def| def.tenancy);
    let tenancy = tenancy.ok_or_else(|| ProveError::Values { reason: "there is no model".into() })?;
    let cast = cast(tenancy, TO_STAY)?;
    let mut world = World { tenancy, tables: models.tables().to_vec(), rows: Vec::new() };
    let mut session = Session::begin(url, &options.after).await?;
    Maker::new(&schema, &options.supplied, &cast, TO_STAY).fill(&mut session, &mut world).await?;
    session.commit().await?;
    let user = |tenant| cast.members(tenant).filter(|(person, _)| person.roles.len() == 1);
    let users = |tenant| user(tenant).map(|(person, role)| (role, person.key.clone())).collect();
    let [a, b] = &cast.tenants;
    Ok([(a.clone(), users(0)), (b.clone(), users(1))])
}

fn cast(tenancy: &TenancyDef, from: u32) -> Result<Cast, ProveError> {
    let types = || format!("{:?} and {:?}", tenancy.key, tenancy.user);
    Cast::new(tenancy, from).ok_or_else(|| ProveError::Keys { types: types() })
}

/// A kind of attacks.
type Kind = for<'a> fn(&'a mut Attack<'_>) -> BoxFuture<'a, Result<(), ProveError>>;

impl Attack<'_> {
    async fn everything(&mut self) -> Result<(), ProveError> {
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
        self.first_only && !self.differences.is_empty()
    }
}
