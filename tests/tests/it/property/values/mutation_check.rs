//! Runs faulty migrations in transactions that are rolled back, and counts which of them the comparison notices.

use std::{collections::BTreeMap, fmt};

use sqlx::{Connection as _, PgConnection};
use tenant_runtime::{
    analyze::{Checked, check},
    plan::plan,
    server::Server,
    sql::{self, Migration},
};
use tenant_tests::{connect, run};

use super::{
    super::{
        migrations::statements,
        random_declarations::{Random, leak},
    },
    changes,
    declare::declaration,
    first,
    model::{Rows, Version, migrated, reverted},
    mutants::{FAULTS, Statement, pick},
    observed::{compare, observe, predicted},
};

/// How many faults of a kind were tried, and how many of them were noticed.
#[derive(Default, Clone, Copy)]
pub(super) struct Count {
    pub(super) tried: u32,
    /// By a value that differs.
    pub(super) compared: u32,
    /// By a statement that fails.
    pub(super) failed: u32,
}

impl fmt::Debug for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tried, compared, failed } = self;
        write!(f, "{tried} tried, {compared} noticed by their values, {failed} by a failed statement")
    }
}

/// The counts of all kinds, by the kind.
pub(super) type Counts = BTreeMap<&'static str, Count>;

/// Tries the faults of each kind once on the first migration of a seed, up and down.
pub(super) async fn try_faults(server: &Server, seed: u64, counts: &mut Counts) {
    let mut random = Random::new(seed);
    let before = first::version(&mut random);
    let rows = first::rows(&before, &mut random);
    let (after, _) = changes::next(&before, super::MOST_CHANGES, &mut random);
    // Roles belong to the cluster, in which other threads try other seeds.
    let prefix = &**leak(format!("m{seed}_"));
    let checked = |old: Option<&Version>, version: &Version| -> Option<Checked> {
        let models = tenant_runtime::models![].only(declaration(prefix, old, version));
        check(&models).ok()
    };
    let (Some(one), Some(two)) = (checked(None, &before), checked(Some(&before), &after)) else { return };
    let first_plan = plan(&Default::default(), &one.schema, &Default::default()).expect("a plan from nothing");
    let Ok(plan) = plan(&one.schema, &two.schema, &two.hints) else { return };
    let migrations = sql::migrations(&plan);
    let database = format!("mutants_{seed}");
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, &format!("CREATE DATABASE {database} OWNER operator")).await.expect("a database");
    let mut connection = connect(&server.url("postgres", &database)).await;
    begin(&mut connection).await;
    let setup = first_plan_sql(&sql::migrations(&first_plan));
    run(&mut connection, &setup).await.expect("the first version");
    run(&mut connection, "RESET SESSION AUTHORIZATION").await.expect("reset");
    let inserts = format!("{}SET CONSTRAINTS ALL IMMEDIATE", first::inserts(&before, &rows));
    run(&mut connection, &inserts).await.expect("its rows");
    let mut trial = Trial { connection, before, after, rows, counts };
    trial.run(&migrations, &mut random).await;
    trial.connection.close().await.expect("closed");
    run(&mut admin, &format!("DROP DATABASE {database} WITH (FORCE)")).await.expect("dropped");
    admin.close().await.expect("closed");
}

fn first_plan_sql(migrations: &[Migration]) -> String {
    migrations.iter().map(|one| one.up.clone()).collect()
}

/// Begins a transaction as the administrator, who is no superuser.
async fn begin(connection: &mut PgConnection) {
    run(connection, "BEGIN; SET LOCAL SESSION AUTHORIZATION operator").await.expect("begun");
}

/// The statements of files as they run in one transaction.
fn statements_of<'m>(texts: impl Iterator<Item = &'m String>) -> Vec<Statement> {
    let one = |file, text: String| Statement { file, text: text.trim_start().replace(" CONCURRENTLY", "") };
    let numbered =
        texts.enumerate().flat_map(|(file, text)| statements(text).into_iter().map(move |text| one(file, text)));
    numbered.collect()
}

struct Trial<'c> {
    connection: PgConnection,
    before: Version,
    after: Version,
    rows: Rows,
    counts: &'c mut Counts,
}

enum Verdict {
    Right,
    Differs,
    Fails,
}

impl Trial<'_> {
    async fn run(&mut self, migrations: &[Migration], random: &mut Random) {
        let up = statements_of(migrations.iter().map(|one| &one.up));
        let down = statements_of(migrations.iter().rev().map(|one| &one.down));
        let rows = migrated(&self.rows, &self.before, &self.after);
        let (back, after, before) =
            (reverted(&rows, &self.before, &self.after), self.after.clone(), self.before.clone());
        if self.direction(&up, &after, &rows, random).await {
            self.set("SAVEPOINT down").await;
            self.apply(&up).await.expect("the migration ran before");
            self.direction(&down, &before, &back, random).await;
            self.set("ROLLBACK TO down").await;
        }
        self.set("ROLLBACK").await;
    }

    async fn set(&mut self, statement: &str) {
        run(&mut self.connection, statement).await.expect("a transaction");
    }

    async fn apply(&mut self, all: &[Statement]) -> sqlx::Result<u64> {
        let text: String = all.iter().map(|statement| statement.text.as_str()).collect();
        let text = format!("SET LOCAL SESSION AUTHORIZATION operator;\n{text};\nRESET SESSION AUTHORIZATION");
        run(&mut self.connection, &text).await
    }

    /// Tries each kind of fault in one direction; returns whether the migration without a fault is right.
    async fn direction(&mut self, all: &[Statement], version: &Version, rows: &Rows, random: &mut Random) -> bool {
        if !matches!(self.verdict(all, version, rows).await, Verdict::Right) {
            return false;
        }
        for (kind, fault) in FAULTS {
            let Some(mutant) = pick(*fault, all, random) else { continue };
            let verdict = self.verdict(&mutant, version, rows).await;
            let count = self.counts.entry(kind).or_default();
            count.tried += 1;
            match verdict {
                Verdict::Right => {}
                Verdict::Differs => count.compared += 1,
                Verdict::Fails => count.failed += 1,
            }
        }
        true
    }

    /// Runs statements, compares the values, and takes everything back.
    async fn verdict(&mut self, all: &[Statement], version: &Version, rows: &Rows) -> Verdict {
        self.set("SAVEPOINT trial").await;
        let verdict = match self.apply(all).await {
            Err(_) => Verdict::Fails,
            Ok(_) => match observe(&mut self.connection).await {
                Ok(found) if compare(&found, &predicted(version, rows)).is_ok() => Verdict::Right,
                _ => Verdict::Differs,
            },
        };
        self.set("ROLLBACK TO trial; RELEASE trial").await;
        verdict
    }
}
