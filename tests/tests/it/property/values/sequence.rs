//! Runs a sequence of versions on a server: generates, applies and reverts their migrations.

use std::{collections::BTreeSet, fmt::Write as _};

use sqlx::{Connection as _, PgConnection};
use tenant_runtime::{
    Error, MigrationError, Migrations,
    analyze::check,
    audit::audit,
    migrate::{Revert, folder::Folder, generate::generate},
    model::{def::TableDef, schema::Schema},
    server::Server,
};
use tenant_tests::{TempDir, connect, run as run_sql};

use super::{
    super::random_declarations::{Random, leak},
    changes,
    declare::declaration,
    first,
    model::{Rows, Version, dropped, holds_forbidden_null, holds_unknown_label, is_irreversible, migrated, reverted},
    observed::{compare, observe, predicted},
};

/// The number of versions in a sequence.
const VERSIONS: usize = 5;
/// The percentage of the versions between the first and the last whose schema is audited.
const AUDITED: usize = 10;

/// The result of a sequence that found no difference.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Whether the sequence was reverted to its first version.
    pub(super) reverted: bool,
    /// The kinds of the changes between its versions.
    pub(super) changes: Vec<&'static str>,
    /// The number of rows that were compared.
    pub(super) rows: usize,
}

/// A database and a migrations folder of one sequence.
struct Product {
    prefix: &'static str,
    admin_url: String,
    superuser: PgConnection,
    folder: TempDir,
}

/// A version with its tables, and the number of its last migration.
struct Past {
    version: Version,
    tables: Vec<&'static TableDef>,
    migration: i64,
}

/// What is told about a failure.
struct Story(String);

impl Story {
    fn add(&mut self, line: &str) {
        let _ = writeln!(self.0, "{line}");
    }

    fn of(&self, why: impl std::fmt::Display) -> String {
        format!("{}\n  {why}", self.0)
    }
}

/// Runs the sequence of a seed in a database, which it leaves empty; the error says what differs.
pub(super) async fn run(server: &Server, database: &str, seed: u64, most_changes: usize) -> Result<Outcome, String> {
    let superuser = connect(&server.url("postgres", database)).await;
    let (admin_url, prefix) = (server.url("operator", database), &**leak(format!("v{seed}_")));
    let mut product = Product { prefix, admin_url, superuser, folder: TempDir::new() };
    let outcome = product.walk(seed, most_changes).await;
    product.clear().await;
    outcome
}

fn schema(tables: &[&'static TableDef]) -> Result<Schema, String> {
    let models = tenant_runtime::models![].only(tables.iter().copied());
    Ok(check(&models).map_err(|findings| findings.to_string())?.schema)
}

impl Product {
    /// Drops everything that the migrations have created.
    async fn clear(mut self) {
        let text = format!(
            "DROP SCHEMA IF EXISTS app, app_auth CASCADE;
             DROP TABLE IF EXISTS _sqlx_migrations;
             DO $$ DECLARE name text; BEGIN
                 FOR name IN SELECT rolname FROM pg_roles WHERE starts_with(rolname, '{}') LOOP
                     EXECUTE format('DROP OWNED BY %I CASCADE', name); EXECUTE format('DROP ROLE %I', name);
                 END LOOP;
             END $$;",
            self.prefix
        );
        run_sql(&mut self.superuser, &text).await.expect("dropped");
        self.superuser.close().await.expect("closed");
    }

    /// Generates and applies a migration to a version; returns the number of its last file.
    async fn migrate(&mut self, tables: &[&'static TableDef], drops: &BTreeSet<String>) -> Result<i64, String> {
        let folder = Folder::new(self.folder.path());
        let files = self.folder.files();
        let models = tenant_runtime::models![].only(tables.iter().copied());
        let written = generate(&models, &folder).and_then(|generated| generated.write(&folder, drops));
        if let Err(error) = written {
            if self.folder.files() != files {
                return Err(format!("refused, but files were written: {error}"));
            }
            return Err(format!("not generated: {error}"));
        }
        let migrations = Migrations::from_dir(self.folder.path()).await.map_err(|error| error.to_string())?;
        migrations
            .apply(&self.admin_url, &mut |_| {})
            .await
            .map_err(|error| format!("not applied: {}", full(&error)))?;
        let again = generate(&models, &folder).map_err(|error| format!("not generated again: {error}"))?;
        if !again.is_nothing() {
            return Err(format!("the same models again leave something to do: {:?}", again.files));
        }
        let names = self.folder.names();
        let last = names.iter().filter_map(|name| number_of(name)).max();
        Ok(last.expect("a migration"))
    }

    /// Compares the values, and sometimes the schema; returns the number of rows.
    async fn check(
        &mut self,
        version: &Version,
        rows: &Rows,
        tables: &[&'static TableDef],
        is_audited: bool,
    ) -> Result<usize, String> {
        let found = observe(&mut self.superuser).await?;
        compare(&found, &predicted(version, rows))?;
        if !is_audited {
            return Ok(rows.values().map(Vec::len).sum());
        }
        let schema = schema(tables)?;
        let report = audit(&mut self.superuser, &schema).await.map_err(|error| error.to_string())?;
        let drift: Vec<_> = report.failing().filter(|finding| finding.code.starts_with("TA1")).collect();
        if !drift.is_empty() {
            return Err(format!("the values are right, but not the schema: {drift:#?}"));
        }
        Ok(rows.values().map(Vec::len).sum())
    }

    async fn walk(&mut self, seed: u64, most_changes: usize) -> Result<Outcome, String> {
        let mut random = Random::new(seed);
        let (mut story, mut outcome) = (Story(String::new()), Outcome::default());
        let mut version = first::version(&mut random);
        let mut rows = first::rows(&version, &mut random);
        let mut past = Vec::new();
        let tables = declaration(self.prefix, None, &version);
        let migration = self.migrate(&tables, &BTreeSet::new()).await.map_err(|why| format!("version 1: {why}"))?;
        run_sql(&mut self.superuser, &first::inserts(&version, &rows)).await.map_err(|error| error.to_string())?;
        outcome.rows += self.check(&version, &rows, &tables, false).await.map_err(|why| format!("version 1: {why}"))?;
        past.push(Past { version: version.clone(), tables, migration });
        for number in 2..=VERSIONS {
            let (after, made) = changes::next(&version, most_changes, &mut random);
            let (kinds, texts): (Vec<_>, Vec<_>) = made.into_iter().unzip();
            outcome.changes.extend(kinds);
            story.add(&format!("  version {number}: {}", texts.join("; ")));
            let tables = declaration(self.prefix, Some(&version), &after);
            let known = self.folder.names();
            let told = |story: &Story, product: &Self, why: String| {
                story.of(format!(
                    "{why}\n{}",
                    product.shown(|name, _| name.ends_with(".up.sql") && !known.iter().any(|old| old == name))
                ))
            };
            let migration = match self.migrate(&tables, &dropped(&version, &after)).await {
                Ok(migration) => migration,
                Err(why) => return Err(told(&story, self, why)),
            };
            rows = migrated(&rows, &version, &after);
            // An audit takes as long as the rest.
            let is_audited = number == VERSIONS || random.chance(AUDITED);
            let compared = self.check(&after, &rows, &tables, is_audited).await;
            outcome.rows += compared.map_err(|why| told(&story, self, why))?;
            version = after.clone();
            past.push(Past { version: after, tables, migration });
        }
        outcome.reverted = self.back(&past, rows, &mut outcome.rows, &mut random).await.map_err(|why| story.of(why))?;
        Ok(outcome)
    }

    /// Reverts version by version; returns whether it reached the first one.
    async fn back(
        &mut self,
        past: &[Past],
        mut rows: Rows,
        compared: &mut usize,
        random: &mut Random,
    ) -> Result<bool, String> {
        let migrations = Migrations::from_dir(self.folder.path()).await.map_err(|error| error.to_string())?;
        for (at, pair) in past.windows(2).enumerate().rev() {
            let [before, after] = pair else { continue };
            let revert = Revert { to: Some(before.migration), allow_data_loss: true };
            let done = migrations.revert(&self.admin_url, revert, &mut |_| {}).await;
            rows = reverted(&rows, &before.version, &after.version);
            let lost = is_irreversible(&before.version, &after.version);
            let (empty, unknown) =
                (holds_forbidden_null(&rows, &before.version), holds_unknown_label(&rows, &before.version));
            match done {
                Err(Error::Migration(MigrationError::Irreversible { .. })) if lost => return Ok(false),
                Err(Error::Migration(MigrationError::Failed { code, .. }))
                    if empty && code == "23502" || unknown && code == "23514" =>
                {
                    return Ok(false);
                }
                Err(error) => {
                    let range = before.migration + 1..=after.migration;
                    let files = self.shown(|name, number| name.ends_with(".down.sql") && range.contains(&number));
                    return Err(format!("not reverted to version {}: {}\n{files}", at + 1, full(&error)));
                }
                Ok(_) if lost || empty || unknown => {
                    return Err(format!("reverted to version {}, which lacks values", at + 1));
                }
                Ok(_) => {}
            }
            let compare = self.check(&before.version, &rows, &before.tables, at == 0 || random.chance(AUDITED)).await;
            *compared += compare.map_err(|why| format!("reverted to version {}: {why}", at + 1))?;
        }
        Ok(true)
    }

    /// Returns the statements of some files, chosen by their names and numbers.
    fn shown(&self, is_chosen: impl Fn(&str, i64) -> bool) -> String {
        let files = self.folder.files().into_iter();
        let new = files.filter(|(name, _)| number_of(name).is_some_and(|number| is_chosen(name, number)));
        let lines = |text: &str| {
            let is_shown = |line: &&str| !line.starts_with("--") && !line.is_empty() && !line.starts_with("SET LOCAL");
            text.lines().filter(is_shown).collect::<Vec<_>>().join("\n  ")
        };
        new.map(|(name, text)| format!("  == {name}\n  {}\n", lines(&text))).collect()
    }
}

/// Returns the number at the beginning of a migration's file name.
fn number_of(name: &str) -> Option<i64> {
    name.split_once('_')?.0.parse().ok()
}

fn full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
