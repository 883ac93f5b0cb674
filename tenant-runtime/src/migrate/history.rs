//! The migrations that a database has applied: sqlx's table and lock, so that sqlx and this crate can be used together.

use std::time::Duration;

use sqlx::{
    Connection as _, Executor as _, PgConnection,
    migrate::{Migrate as _, MigrateError, Migration},
};

use crate::{
    db::{assert_sql_safe, connection_options, open_connection},
    error::{Error, MigrationError, Result, server_error},
    ident::quoted,
    registry::Registered,
};

/// A row of sqlx's table.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) version: i64,
    pub(super) description: String,
    pub(super) checksum: Vec<u8>,
    /// False while a migration runs outside a transaction, and after such a migration was interrupted.
    pub(super) success: bool,
    /// The time at which the migration started, in UTC.
    pub(super) applied_at: String,
    /// The duration of the migration in nanoseconds; negative if unknown.
    pub(super) execution_time: i64,
}

/// Opens a connection that the server closes soon after this process ends.
///
/// An application login is refused: it cannot read the migrations table, so it would seem that no migration has been
/// applied.
pub(super) async fn open(admin_url: &str) -> Result<PgConnection> {
    let options = connection_options(admin_url)?;
    let login = options.get_username();
    if inventory::iter::<Registered>().any(|registered| registered.0.tenancy.has_login(login)) {
        return Err(MigrationError::AppLogin { login: login.to_owned() }.into());
    }
    let mut connection = open_connection(&options).await?;
    // Without this setting, the server would finish a long statement and keep the lock. Some operating systems do not
    // support the setting.
    let _ = connection.execute("SET client_connection_check_interval = '1s'").await;
    Ok(connection)
}

/// What an administrator needs to apply a generated migration, read after a statement was denied.
#[derive(Debug, sqlx::FromRow)]
struct Needs {
    login: String,
    database: String,
    creates_roles: bool,
    owns_database: bool,
}

impl Needs {
    async fn read(connection: &mut PgConnection) -> sqlx::Result<Self> {
        let sql = "SELECT role.rolname::text AS login, database.datname::text AS database,
                       role.rolsuper OR role.rolcreaterole AS creates_roles,
                       pg_catalog.pg_has_role(role.oid, database.datdba, 'USAGE') AS owns_database
                   FROM pg_catalog.pg_roles AS role, pg_catalog.pg_database AS database
                   WHERE role.rolname = current_user AND database.datname = current_database()";
        sqlx::query_as(sql).persistent(false).fetch_one(connection).await
    }

    /// Names all missing privileges at once, each with the statement that grants it.
    fn help(&self, is_table: bool, table: &str) -> String {
        let (login, database) = (quoted(&self.login), quoted(&self.database));
        let missing = [
            (!self.owns_database)
                .then(|| format!("must own the database (`ALTER DATABASE {database} OWNER TO {login}`)")),
            (!self.creates_roles).then(|| format!("needs CREATEROLE (`ALTER ROLE {login} CREATEROLE`)")),
        ];
        let missing: Vec<_> = missing.into_iter().flatten().collect();
        let name = &self.login;
        match (missing.as_slice(), is_table) {
            (_, true) => format!(
                "use the login that applied the migrations; to read their status only, run \
                 `GRANT SELECT ON {table} TO {login}`"
            ),
            ([], false) => "use the login that applied the earlier migrations, or a superuser".to_owned(),
            (missing, false) => format!(
                "`{name}` {}; a superuser can run that, or use an administrator that has it",
                missing.join(" and ")
            ),
        }
    }
}

/// Adds the missing privileges of the login to an error that the server reports as "permission denied".
pub(super) async fn with_missing_privileges(connection: &mut PgConnection, table: &str, error: Error) -> Error {
    let denied = match &error {
        Error::Forbidden { source, .. } => server_error(source).map(|server| server.message().to_owned()),
        Error::Migration(MigrationError::Failed { code, .. }) if code == "42501" => Some(String::new()),
        _ => None,
    };
    let Some(reason) = denied else { return error };
    let Ok(needs) = Needs::read(connection).await else { return error };
    match error {
        Error::Migration(MigrationError::Failed { file, line, code, message }) => {
            let message = format!("{message}\nhelp: {}", needs.help(false, table));
            MigrationError::Failed { file, line, code, message }.into()
        }
        _ => {
            let help = needs.help(reason.contains(table), table);
            MigrationError::NotAllowed { login: needs.login, database: needs.database, reason, help }.into()
        }
    }
}

/// Waits for sqlx's lock.
///
/// This function polls: a session that blocks on a lock holds a snapshot, and CREATE INDEX CONCURRENTLY waits for all
/// snapshots, so the two sessions would deadlock.
pub(super) async fn lock(connection: &mut PgConnection) -> Result<()> {
    loop {
        connection.execute("SET lock_timeout = '200ms'").await?;
        let locked = connection.lock().await;
        connection.execute("RESET lock_timeout").await?;
        match locked {
            Err(MigrateError::Execute(error)) if code(&error) == Some("55P03") => pause(connection, 0.2).await?,
            locked => return locked.map_err(driver),
        }
    }
}

/// Waits for a random time of at most `most` seconds, so that conflicting sessions do not retry at the same time.
pub(super) async fn pause(connection: &mut PgConnection, most: f64) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_sleep($1 * random())").bind(most).execute(connection).await?;
    Ok(())
}

/// Reads the applied migrations by version on a connection that is then closed. The result is empty
/// if the table does not exist.
pub(super) async fn read(admin_url: &str, table: &str) -> Result<Vec<Row>> {
    let mut connection = open(admin_url).await?;
    let read = match rows(&mut connection, table).await {
        Ok(rows) => Ok(rows),
        Err(error) => Err(with_missing_privileges(&mut connection, table, error).await),
    };
    let _ = connection.close().await;
    read
}

/// Reads the applied migrations by version. The result is empty if the table does not exist.
pub(super) async fn rows(connection: &mut PgConnection, table: &str) -> Result<Vec<Row>> {
    let exists = sqlx::query_scalar::<_, bool>("SELECT to_regclass($1) IS NOT NULL");
    if !exists.bind(table).fetch_one(&mut *connection).await? {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as(assert_sql_safe(format!(
        "SELECT version, description, checksum, success, execution_time,
                to_char(installed_on AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS applied_at
         FROM {table} ORDER BY version"
    )));
    Ok(rows.fetch_all(connection).await?)
}

/// Records a migration as applied, or as started.
pub(super) async fn record(
    connection: &mut PgConnection,
    table: &str,
    migration: &Migration,
    success: bool,
) -> sqlx::Result<()> {
    sqlx::query(assert_sql_safe(format!(
        "INSERT INTO {table} (version, description, success, checksum, execution_time) VALUES ($1, $2, $3, $4, -1)
         ON CONFLICT (version) DO UPDATE SET success = excluded.success"
    )))
    .bind(migration.version)
    .bind(&*migration.description)
    .bind(success)
    .bind(&*migration.checksum)
    .execute(connection)
    .await?;
    Ok(())
}

/// Records that a migration has succeeded, and its duration.
pub(super) async fn finish(
    connection: &mut PgConnection,
    table: &str,
    version: i64,
    elapsed: Duration,
) -> sqlx::Result<()> {
    sqlx::query(assert_sql_safe(format!("UPDATE {table} SET success = true, execution_time = $1 WHERE version = $2")))
        .bind(i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX))
        .bind(version)
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes the record of a migration.
pub(super) async fn remove(connection: &mut PgConnection, table: &str, version: i64) -> sqlx::Result<()> {
    sqlx::query(assert_sql_safe(format!("DELETE FROM {table} WHERE version = $1")))
        .bind(version)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) fn code(error: &sqlx::Error) -> Option<&str> {
    server_error(error).map(|server| server.code())
}

pub(super) fn driver(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) => error.into(),
        error => Error::Database(error.into()),
    }
}
