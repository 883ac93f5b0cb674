//! Tries the next migrations on a temporary PostgreSQL before they are written: an error of an expression or a name shows at once.

use std::{
    env, fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::{Map, Value};
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{
    Failure,
    runtime::{block_on, with_causes},
};
use crate::{
    db::{connection_options, open_connection},
    error::{Error, MigrationError},
    migrate::{Migrations, folder::Folder, generate::Generated},
    model::schema::Schema,
    server::{Server, ServerOptions, Trial},
};

/// The result of a trial.
pub(super) enum TrialResult {
    /// The migrations were applied to a server with this name and version, over this number of generated rows.
    Passed { server: String, rows: i64 },
    /// A generated row violates a constraint or cannot be converted, which the rows of a real database might not.
    DependsOnRows { server: String, error: String },
    /// There was no trial, for this reason.
    Skipped(String),
}

/// Applies the folder's migrations and then the next ones to a temporary server, as an administrator who is not a superuser.
///
/// An error means that the next migrations cannot be applied to any database.
pub(super) fn try_migrations(generated: &Generated, folder: &Folder) -> Result<TrialResult, Failure> {
    if generated.checked.schema.external_roles {
        return Ok(TrialResult::Skipped("the roles are created outside the migrations".to_owned()));
    }
    match Server::start(&ServerOptions::default()) {
        Ok(server) => block_on(run(server, generated, folder))?,
        Err(error) => Ok(TrialResult::Skipped(error.to_string())),
    }
}

async fn run(server: Server, generated: &Generated, folder: &Folder) -> Result<TrialResult, Failure> {
    let fail = |error: Error| Failure::Message(format!("cannot try the migrations: {}", with_causes(&error)));
    let newest = folder.contents()?.files.migrations.iter().map(|names| names.version).max();
    let copy = CopiedFolder::of(folder, generated)
        .map_err(|error| Failure::Message(format!("cannot copy the migrations for their trial: {error}")))?;
    let migrations = Migrations::from_dir(&copy.0).await.map_err(fail)?;
    let trial = Trial::new(server).await.map_err(fail)?;
    let url = trial.administrator_url();
    if let Some(version) = newest
        && let Err(error) = migrations.apply_to(url, Some(version), &mut |_| {}).await
    {
        let why = format!("the earlier migrations cannot be applied to a temporary database: {}", with_causes(&error));
        return Ok(TrialResult::Skipped(why));
    }
    let rows = insert_rows(&trial.superuser_url(), &generated.checked.schema).await.map_err(fail)?;
    let server = trial.server().origin().to_owned();
    match migrations.apply(url, &mut |_| {}).await {
        Ok(_) => Ok(TrialResult::Passed { server, rows }),
        Err(error) if depends_on_rows(&error) => Ok(TrialResult::DependsOnRows { server, error: with_causes(&error) }),
        Err(error) => Err(Failure::Message(format!(
            "the next migrations fail on a temporary {server}, so nothing was written\n  {}\n  help: correct the attribute that \
             contains this SQL; to write the files anyway, re-run with `--no-trial`",
            with_causes(&error).replace('\n', "\n  ")
        ))),
    }
}

/// Inserts generated rows as the superuser, and returns their number.
async fn insert_rows(superuser_url: &str, after: &Schema) -> Result<i64, Error> {
    let mut superuser = open_connection(&connection_options(superuser_url)?).await?;
    let mut tx = superuser.begin().await?;
    let schemas: Vec<String> = after.schemas().iter().map(ToString::to_string).collect();
    sqlx::query("SELECT set_config('trial.schemas', $1::text, true), set_config('trial.labels', $2, true)")
        .bind(schemas)
        .bind(labels(after).to_string())
        .execute(&mut *tx)
        .await?;
    tx.execute(include_str!("trial_rows.sql")).await?;
    let rows = count(&mut tx).await?;
    tx.commit().await?;
    superuser.close().await?;
    Ok(rows)
}

/// Counts the rows that this transaction has inserted.
async fn count(connection: &mut PgConnection) -> Result<i64, Error> {
    let sql = "SELECT COALESCE(sum(n_tup_ins), 0)::bigint FROM pg_stat_xact_user_tables WHERE schemaname <> 'public'";
    Ok(sqlx::query_scalar(sql).fetch_one(connection).await?)
}

/// Returns the labels of each enum column.
fn labels(schema: &Schema) -> Value {
    let mut labels = Map::new();
    for (name, table) in schema.tables() {
        for check in table.checks.iter().filter_map(|check| check.labels.as_ref()) {
            labels.insert(format!("{name}.{}", check.column), check.labels.clone().into());
        }
    }
    Value::Object(labels)
}

/// Returns whether an error is about values: a constraint violation or a failed conversion.
fn depends_on_rows(error: &Error) -> bool {
    match error {
        Error::Migration(MigrationError::Failed { code, .. }) => code.starts_with("22") || code.starts_with("23"),
        _ => false,
    }
}

/// A copy of the migrations folder with the next migrations, removed at the end.
struct CopiedFolder(PathBuf);

impl CopiedFolder {
    fn of(folder: &Folder, generated: &Generated) -> std::io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let copy = Self(env::temp_dir().join(format!("tenant-trial-{}-{number}", std::process::id())));
        if copy.0.exists() {
            fs::remove_dir_all(&copy.0)?;
        }
        fs::create_dir(&copy.0)?;
        if folder.path().is_dir() {
            for entry in fs::read_dir(folder.path())? {
                let from = entry?.path();
                if let Some(name) = from.file_name().filter(|_| from.is_file()) {
                    fs::copy(&from, copy.0.join(name))?;
                }
            }
        }
        for (name, text) in &generated.files {
            fs::write(copy.0.join(name), text)?;
        }
        Ok(copy)
    }
}

impl Drop for CopiedFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
