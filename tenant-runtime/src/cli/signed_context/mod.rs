//! The commands for signed contexts: the keys with which apps sign, and the logins that are bound to a context.

pub(super) mod bind;
pub(super) mod context_key;
mod key_source;
pub(super) mod unbind;

use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgTransaction};

use crate::{
    cli::{Failure, runtime::with_causes},
    db::{assert_sql_safe, connection_options, open_for_writing},
    error::{Error, server_error},
    ident::quoted,
    model::{def::TenancyDef, names},
    registry::Models,
};

/// The SQLSTATE of a missing privilege, also of SET ROLE to a role of which the login is not a member.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// The tenancy of the models, whose contexts are signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct SignedTenancy(&'static TenancyDef);

impl SignedTenancy {
    /// Returns the tenancy of the models; an error unless its contexts are signed.
    fn of(models: &Models) -> Result<Self, Failure> {
        let tenancy = models.tables().first().map(|def| def.tenancy).filter(|tenancy| tenancy.signed_context);
        tenancy.map(Self).ok_or_else(|| {
            Failure::Message(
                "this command requires signed contexts, which the tenancy does not declare\n  help: set `signed_context: \
                 true` in `tenancy!`, then generate and apply the migration"
                    .into(),
            )
        })
    }

    fn schema_owner(self) -> String {
        self.0.database_role(names::SCHEMA_OWNER)
    }

    fn function_owner(self) -> String {
        self.0.database_role(names::FUNCTION_OWNER)
    }

    /// Returns a generated function or table in SQL.
    fn function(self, name: &str) -> String {
        names::auth_object(self.0.schema, name)
    }

    fn table(self, name: &str) -> String {
        format!("{}.{name}", quoted(self.0.schema))
    }

    /// Returns the database role for a role of the tenancy, which can be named with or without the prefix.
    fn database_role(self, name: &str) -> Option<String> {
        let roles = self.0.roles.iter().map(|role| role.name);
        let mut roles = roles.map(|role| (role, self.0.database_role(role)));
        roles.find(|(role, database)| *role == name || database == name).map(|(_, database)| database)
    }

    /// Lists the database roles of the tenancy for messages.
    fn database_roles(self) -> String {
        let roles = self.0.roles.iter().map(|role| format!("`{}`", self.0.database_role(role.name)));
        roles.collect::<Vec<_>>().join(", ")
    }
}

/// A connection of an administrator to a database with signed contexts.
struct Administrator {
    connection: PgConnection,
}

impl Administrator {
    /// Connects, and checks that the migrations for signed contexts are applied.
    async fn connect(url: &str, tenancy: SignedTenancy) -> Result<Self, Failure> {
        // Statements can contain a password's verifier, which must not be logged.
        let options = connection_options(url).map_err(|error| message(&error))?.disable_statement_logging();
        let mut connection = open_for_writing(&options).await.map_err(|error| message(&error))?;
        let sql = "SELECT EXISTS (
                SELECT FROM pg_catalog.pg_proc AS f JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace
                WHERE n.nspname = $1 AND f.proname = $2
            )";
        let schema = names::auth_schema(tenancy.0.schema);
        let is_migrated = sqlx::query_scalar(sql).bind(schema.as_str()).bind(names::SET_CONTEXT_KEY);
        let is_migrated = is_migrated.fetch_one(&mut connection).await.map_err(database)?;
        match is_migrated {
            true => Ok(Self { connection }),
            false => Err(Failure::Message(format!(
                "the database has no signed contexts: the function `{schema}.{}` does not exist\n  help: apply the migrations with \
                 `gen-migrations apply`, or correct the database in the URL",
                names::SET_CONTEXT_KEY
            ))),
        }
    }

    /// Begins a transaction.
    async fn begin(&mut self) -> Result<PgTransaction<'_>, Failure> {
        let mut transaction = self.connection.begin().await.map_err(database)?;
        // Times without a zone are in UTC, whatever the database's setting.
        run(&mut transaction, "SET LOCAL timezone = 'UTC'; SET LOCAL search_path = pg_catalog, pg_temp").await?;
        Ok(transaction)
    }

    async fn close(self) {
        let _ = self.connection.close().await;
    }
}

/// Assumes one of the owner roles until the end of the transaction or [`reset_role`].
async fn set_role(transaction: &mut PgConnection, role: &str) -> Result<(), Failure> {
    let sql = format!("SET LOCAL ROLE {}", quoted(role));
    sqlx::raw_sql(assert_sql_safe(sql)).execute(transaction).await.map(drop).map_err(|error| {
        let is_denied = server_error(&error).is_some_and(|server| server.code() == INSUFFICIENT_PRIVILEGE);
        match is_denied {
            true => Failure::Message(format!(
                "the login in the URL cannot assume `{role}`; nothing was changed\n  help: use the URL of the administrator who \
                 applies the migrations, or of a superuser"
            )),
            false => database(error),
        }
    })
}

async fn reset_role(transaction: &mut PgConnection) -> Result<(), Failure> {
    run(transaction, "RESET ROLE").await
}

/// Runs statements that are built from quoted names and literals.
async fn run(transaction: &mut PgConnection, sql: &str) -> Result<(), Failure> {
    sqlx::raw_sql(assert_sql_safe(sql.to_owned())).execute(transaction).await.map(drop).map_err(database)
}

/// Returns whether a database error has one of these codes.
fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    server_error(error).is_some_and(|server| codes.contains(&server.code()))
}

fn database(error: sqlx::Error) -> Failure {
    let help = match has_code(&error, &[INSUFFICIENT_PRIVILEGE]) {
        true => "\n  help: use the URL of the administrator who applies the migrations, or of a superuser",
        false => "",
    };
    Failure::Message(format!("{}\n  nothing was changed{help}", with_causes(&Error::Database(error))))
}

fn message(error: &Error) -> Failure {
    Failure::Message(with_causes(error))
}
