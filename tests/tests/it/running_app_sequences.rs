//! An app that reads and writes through `TenantDb` during random sequences of migrations of the columns that it does not use, in the
//! table that it uses: no call fails, and no value of those columns is lost.
//!
//! `TENANT_PROPERTY_SEED=7` repeats one sequence, and `TENANT_TEST_LONG=1` runs 200.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use tenant_runtime::{
    Migrations, SqlType, TenantDb, TenantTable as _,
    migrate::{folder::Folder, generate::generate},
    model::def::{ColumnDef, LabelsDef, TableDef},
};
use tenant_tests::{ask, connect, run};
use uuid::Uuid;

use super::{
    property::random_declarations::{Random, leak},
    running_app::{RunningApp, models, use_notes, v1},
};

/// A column that the app does not use.
#[derive(Debug, Clone, PartialEq)]
struct Extra {
    /// Identifies the column across its renames.
    id: usize,
    name: String,
    ty: SqlType,
    required: bool,
    indexed: bool,
}

const NAMES: [&str; 8] = ["end", "year", "alpha", "beta", "gamma", "delta", "select", "kind"];
const LABELS: SqlType = SqlType::Labels(LabelsDef::of(&["one", "two"]));
const TYPES: [SqlType; 4] = [SqlType::Text, SqlType::Int4, SqlType::Bool, LABELS];

/// The default of a type, and a value that is not the default.
fn values(ty: SqlType) -> [&'static str; 2] {
    match ty {
        SqlType::Int4 | SqlType::Int8 => ["0", "7"],
        SqlType::Bool => ["false", "true"],
        SqlType::Labels(_) => ["'one'", "'two'"],
        _ => ["''", "'it''s \\ end'"],
    }
}

impl Extra {
    fn column(&self, renamed_from: Option<&str>) -> ColumnDef {
        ColumnDef {
            renamed_from: renamed_from.map(|name| &**leak(name.to_owned())),
            default: self.required.then(|| values(self.ty)[0]),
            index: self.indexed,
            ..ColumnDef::blank(leak(self.name.clone()), self.ty, !self.required)
        }
    }
}

fn free_name(extras: &[Extra], random: &mut Random) -> Option<String> {
    let free: Vec<_> = NAMES.iter().filter(|name| extras.iter().all(|extra| extra.name != **name)).collect();
    (!free.is_empty()).then(|| (*random.pick(&free)).to_string())
}

/// Changes the columns; `next` is the next identity.
fn changed(extras: &[Extra], next: &mut usize, random: &mut Random) -> Vec<Extra> {
    let mut extras = extras.to_vec();
    for _ in 0..=random.below(2) {
        let at = (!extras.is_empty()).then(|| random.below(extras.len()));
        match (random.below(7), at) {
            (0, Some(at)) if extras.len() > 2 => {
                extras.remove(at);
            }
            // Renames in a cycle of all columns, which also exchanges two.
            (1 | 2, Some(_)) if extras.len() > 1 => {
                let mut names: Vec<_> = extras.iter().map(|extra| extra.name.clone()).collect();
                names.rotate_left(1);
                extras.iter_mut().zip(names).for_each(|(extra, name)| extra.name = name);
            }
            (3, Some(at)) => {
                if let Some(name) = free_name(&extras, random) {
                    extras[at].name = name;
                }
            }
            (4, Some(at)) if extras[at].ty == SqlType::Int4 => extras[at].ty = SqlType::Int8,
            (4, Some(at)) => extras[at].indexed = !extras[at].indexed,
            (5, Some(at)) => extras[at].required = !extras[at].required,
            _ => {
                if let Some(name) = free_name(&extras, random) {
                    let (ty, required) = (random.pick(&TYPES), random.chance(50));
                    extras.push(Extra { id: *next, name, ty, required, indexed: false });
                    *next += 1;
                }
            }
        }
    }
    extras
}

/// Declares the table of the app with the columns.
fn table(before: &[Extra], extras: &[Extra]) -> &'static TableDef {
    let column = |extra: &Extra| {
        let old = before.iter().find(|old| old.id == extra.id).filter(|old| old.name != extra.name);
        extra.column(old.map(|old| old.name.as_str()))
    };
    // The derived columns are constants of another table with the same fields.
    let own = v1::Note::TABLE.columns.iter().map(|column| ColumnDef {
        doc: column.doc,
        id: column.id,
        app_assigned: column.app_assigned,
        default: column.default,
        ..ColumnDef::blank(column.name, column.ty, column.nullable)
    });
    let columns: Vec<_> = own.chain(extras.iter().map(column)).collect();
    let TableDef { rust_name, name, tenancy, scope, select, insert, update, delete, .. } = *v1::Note::TABLE;
    leak(TableDef {
        rust_name,
        name,
        scope,
        select,
        insert,
        update,
        delete,
        columns: leak(columns),
        ..TableDef::blank(tenancy)
    })
}

/// The values of the row that the app does not touch, by the identity of their columns.
fn expected(before: &BTreeMap<usize, String>, extras: &[Extra]) -> BTreeMap<usize, String> {
    let value = |extra: &Extra| {
        let unquoted = |text: &str| text.trim_matches('\'').replace("''", "'");
        let kept = before.get(&extra.id).cloned().unwrap_or_else(|| "NULL".to_owned());
        let filled = if kept == "NULL" && extra.required { unquoted(values(extra.ty)[0]) } else { kept };
        (extra.id, filled)
    };
    extras.iter().map(value).collect()
}

async fn sequence(app: &RunningApp, seed: u64) {
    let mut random = Random::new(seed);
    let (mut extras, mut next) = (Vec::new(), 0);
    for _ in 0..3 {
        extras = changed(&extras, &mut next, &mut random);
    }
    let folder = Folder::new(app.folder.path());
    let mut superuser = connect(&app.server.url("postgres", "acme")).await;
    let row = Uuid::new_v4();
    let mut kept = BTreeMap::new();
    let mut before: Vec<Extra> = Vec::new();
    for version in 1..=4 {
        let dropped = before.iter().filter(|old| extras.iter().all(|extra| extra.id != old.id));
        let drops: BTreeSet<_> = dropped.map(|old| format!("app.notes.{}", old.name)).collect();
        let models = models(vec![table(&before, &extras)]);
        let generated = generate(&models, &folder).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        generated.write(&folder, &drops).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{before:?}\n{extras:?}"));
        let migrations = Migrations::from_dir(app.folder.path()).await.expect("read");
        migrations
            .apply(&app.server.url("operator", "acme"), &mut |_| {})
            .await
            .unwrap_or_else(|error| panic!("seed {seed}, version {version}: {error}\n{before:?}\n{extras:?}"));
        if version == 1 {
            let names: String = extras.iter().map(|extra| format!(", \"{}\"", extra.name)).collect();
            let items: String = extras.iter().map(|extra| format!(", {}", values(extra.ty)[1])).collect();
            let insert = format!(
                "INSERT INTO app.notes (id, org, title, state, amount{names}) VALUES ('{row}', '{row}', 'kept', 'open', 1{items})"
            );
            run(&mut superuser, &insert).await.expect("a row");
            kept = extras
                .iter()
                .map(|extra| (extra.id, values(extra.ty)[1].trim_matches('\'').replace("''", "'")))
                .collect();
        }
        kept = expected(&kept, &extras);
        for extra in &extras {
            let sql = format!("SELECT coalesce(\"{}\"::text, 'NULL') FROM app.notes WHERE id = '{row}'", extra.name);
            assert_eq!(ask(&mut superuser, &sql).await, kept[&extra.id], "seed {seed}, version {version}: {extra:?}");
        }
        before = extras;
        extras = changed(&before, &mut next, &mut random);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn app_goes_on_through_random_changes_of_columns_that_it_does_not_use() {
    let only = std::env::var("TENANT_PROPERTY_SEED").ok().and_then(|seed| seed.parse().ok());
    let last = if std::env::var_os("TENANT_TEST_LONG").is_some() { 200 } else { 8 };
    for seed in only.map_or(1..=last, |seed: u64| seed..=seed) {
        let app = RunningApp::start().await;
        app.migrate(vec![table(&[], &[])]).await;
        let url = app.server.url("app_service", "acme");
        let db = TenantDb::options().max_connections(4).connect(&url).await.expect("the app connects");
        let (stop, runs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let tasks: Vec<_> = [Uuid::new_v4(), Uuid::new_v4()]
            .map(|org| tokio::spawn(use_notes(db.clone(), org, Arc::clone(&stop), Arc::clone(&runs))))
            .into();
        sequence(&app, seed).await;
        let wanted = runs.load(Ordering::Relaxed) + 10;
        while runs.load(Ordering::Relaxed) < wanted {
            tokio::task::yield_now().await;
        }
        stop.store(true, Ordering::Relaxed);
        for task in tasks {
            assert_eq!(task.await.expect("the task ends"), Vec::<String>::new(), "seed {seed}");
        }
    }
}
