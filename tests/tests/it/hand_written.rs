//! Hand-written migrations: templates by `new`, rows that policies hide, seeds, and statements that are refused.

use std::collections::BTreeSet;

use tenant_runtime::{
    Error, MigrationError, Migrations, TenantTable,
    migrate::{
        folder::Folder,
        generate::generate,
        new::{NewError, new},
    },
    roles::Viewer,
    server::Trial,
};
use tenant_tests::{TempDir, Tenant, ask, connect, run};

use super::{
    command_line::{generated, on},
    history_table::start,
    messages::assert_message,
};

const FORCED: &str = "SELECT relforcerowsecurity::text FROM pg_class WHERE oid = 'app.projects'::regclass";

async fn apply(folder: &TempDir, trial: &Trial) -> Result<Vec<i64>, Error> {
    let migrations = Migrations::from_dir(folder.path()).await?;
    Ok(migrations.apply(trial.administrator_url(), &mut |_| {}).await?.versions)
}

async fn apply_error(folder: &TempDir, trial: &Trial) -> String {
    apply(folder, trial).await.expect_err("it should have failed").to_string()
}

/// A database with the example's first migration and the rows of a tenant.
async fn migrated() -> (TempDir, Trial) {
    let (folder, trial) = (generated(), start().await);
    apply(&folder, &trial).await.expect("the first migration");
    Tenant::new().seed(&mut connect(&trial.superuser_url()).await, "acme").await;
    (folder, trial)
}

#[tokio::test]
async fn new_writes_templates_that_fill_the_rows_of_all_tenants() {
    let (folder, trial) = migrated().await;
    let said = on(folder.path(), &["new", "fill_descriptions", "--data", "app.projects"]).expect_success();
    assert!(said.contains("0002_fill_descriptions.up.sql") && said.contains("next: write the SQL"), "{said}");
    let taken = on(folder.path(), &["new", "fill_descriptions"]).expect_failure();
    assert_message("A new migration has a name that is taken", &taken);
    let text = folder.files().remove("0002_fill_descriptions.up.sql").expect("the template");
    let update = "UPDATE app.projects SET description = name WHERE description IS NULL;";
    let filled = text.replace("-- UPDATE app.projects SET … WHERE …;", update);
    assert!(text != filled && text.contains("SET LOCAL ROLE app_schema_owner;"), "{text}");
    folder.write("0002_fill_descriptions.up.sql", &filled);
    let recorded = on(folder.path(), &[]).expect_success();
    let names = "0002_fill_descriptions.up.sql, 0002_fill_descriptions.down.sql";
    assert!(recorded.contains(&format!("recorded hand-written migrations in the snapshot: {names}")), "{recorded}");
    assert_eq!(apply(&folder, &trial).await.expect("it applies"), [2]);
    let mut postgres = connect(&trial.superuser_url()).await;
    let seen = (ask(&mut postgres, "SELECT description FROM app.projects").await, ask(&mut postgres, FORCED).await);
    assert_eq!(seen, ("first".to_owned(), "true".to_owned()));
    let migrations = Migrations::from_dir(folder.path()).await.expect("the folder");
    let kept = migrations.revert(trial.administrator_url(), Default::default(), &mut |_| {}).await;
    let kept = kept.expect_err("the down file has no statements yet").to_string();
    assert!(kept.contains("cannot be reverted: its down file was not written yet"), "{kept}");
}

#[test]
fn new_refuses_names_and_tables_that_do_not_exist() {
    let (empty, folder) = (TempDir::new(), generated());
    let before = folder.files();
    let of = |folder: &TempDir, name: &str, data: Option<&str>| new(&Folder::new(folder.path()), name, data).map(drop);
    for name in ["", "Fill", "fill rows", "../x", "x.up"] {
        assert!(matches!(of(&folder, name, None), Err(NewError::Name { .. })), "{name}");
    }
    assert!(matches!(of(&folder, "init", None), Err(NewError::Taken { .. })));
    assert!(matches!(of(&empty, "fill", None), Err(NewError::NoMigration)));
    let unknown = of(&folder, "fill", Some("app.nothing")).expect_err("there is no such table").to_string();
    assert!(unknown.starts_with("`app.nothing` is not one of the tables: app.changes, app.comments"), "{unknown}");
    assert_eq!((folder.files(), empty.names()), (before, Vec::new()));
}

/// A global table, which migrations fill.
#[derive(TenantTable)]
#[tenant(global, select = "viewer")]
#[expect(dead_code, reason = "the struct exists only for the SQL generated from it")]
struct SeededPlan {
    #[tenant(app_assigned)]
    id: i32,
    name: String,
}

#[tokio::test]
async fn seed_file_fills_a_global_table_and_can_run_twice() {
    let (dir, trial) = (TempDir::new(), start().await);
    let folder = Folder::new(dir.path());
    let models = tenant_runtime::models![].only([SeededPlan::TABLE]);
    let write = || generate(&models, &folder).expect("no errors").write(&folder, &BTreeSet::new()).expect("written");
    write();
    for seed in ["seed_plans", "seed_plans_again"] {
        new(&folder, seed, Some("seeded_plans")).expect("written");
    }
    let marks = [("INSERT INTO app.seeded_plans (id, name) VALUES", "(1, 'free'),\n    (2, 'paid')")];
    for file in ["0002_seed_plans.up.sql", "0003_seed_plans_again.up.sql"] {
        let mut text = dir.files().remove(file).expect("a template");
        for (insert, rows) in marks {
            text = text.replace(&format!("-- {insert}"), insert).replace("--     (…)", &format!("    {rows}"));
        }
        dir.write(file, &text.replace("-- ON CONFLICT DO NOTHING;", "ON CONFLICT DO NOTHING;"));
    }
    write();
    assert_eq!(apply(&dir, &trial).await.expect("it applies"), [1, 2, 3]);
    let rows = "SELECT string_agg(id || ' ' || name, ', ' ORDER BY id) FROM app.seeded_plans";
    assert_eq!(ask(&mut connect(&trial.superuser_url()).await, rows).await, "1 free, 2 paid");
}

#[tokio::test]
async fn statements_that_policies_would_filter_fail_instead_of_changing_nothing() {
    let (folder, trial) = migrated().await;
    let update = "UPDATE app.projects SET description = name;";
    let mut said = Vec::new();
    for text in [
        format!("SET LOCAL ROLE app_schema_owner;\n{update}\nRESET ROLE;\n"),
        update.to_owned(),
        format!("-- no-transaction\n{update}"),
        "DELETE FROM app.projects WHERE name = 'first';".to_owned(),
        "CREATE TABLE public.copy AS SELECT name FROM app.projects;".to_owned(),
    ] {
        folder.write("0002_fill.up.sql", &text);
        said.push(apply_error(&folder, &trial).await);
    }
    let is_told =
        |said: &String| said.contains("row-level security policy for table \"projects\"") && said.contains("NO FORCE");
    assert!(said.iter().all(is_told), "{said:#?}");
    assert_message("An update would skip the rows that policies hide", &said[0]);
    // A file that does not read tables with policies is not affected, and can end as another role.
    folder.write(
        "0002_fill.up.sql",
        "SET LOCAL ROLE app_schema_owner;\nCREATE TABLE app.other ();\nDROP TABLE app.other;",
    );
    assert_eq!(apply(&folder, &trial).await.expect("it applies"), [2]);
    folder.write("0003_vacuum.up.sql", "VACUUM app.projects;");
    assert_message("A statement cannot run in a transaction", &apply_error(&folder, &trial).await);
}

#[tokio::test]
async fn update_of_a_tracked_table_is_logged_although_row_security_is_off() {
    let (folder, trial) = migrated().await;
    on(folder.path(), &["new", "rename_employees", "--data", "employees"]).expect_success();
    let text = folder.files().remove("0002_rename_employees.up.sql").expect("the template");
    let update = "UPDATE app.employees SET name = 'Eva' WHERE name = 'Eve';";
    folder.write("0002_rename_employees.up.sql", &text.replace("-- UPDATE app.employees SET … WHERE …;", update));
    let mut postgres = connect(&trial.superuser_url()).await;
    let logged = "SELECT count(*)::text FROM app.changes WHERE table_name LIKE '%employees%'";
    let before = ask(&mut postgres, logged).await;
    assert_eq!(apply(&folder, &trial).await.expect("it applies"), [2]);
    let after = ask(&mut postgres, logged).await;
    assert_eq!(ask(&mut postgres, "SELECT name FROM app.employees").await, "Eva");
    assert_eq!(after.parse::<i32>().ok(), before.parse::<i32>().ok().map(|count| count + 1));
}

#[tokio::test]
async fn statements_that_outlive_a_file_are_refused_when_recorded_and_when_applied() {
    let (folder, trial) = migrated().await;
    let before = folder.files();
    for (situation, statement) in [
        ("A file contains COMMIT", "COMMIT;"),
        ("A file contains SET ROLE", "SET ROLE app_schema_owner;"),
        ("A file contains SET without LOCAL", "SET search_path = app;"),
        ("A file contains set_config that is not local", "SELECT set_config('search_path', 'app', false);"),
        ("A file contains COPY FROM STDIN", "COPY app.projects (id) FROM stdin;\n1\n\\.\n"),
        ("A file contains a command of psql", "\\i other.sql\n"),
    ] {
        let text = format!("-- A comment; COMMIT;\nCREATE TABLE public.half ();\n{statement}");
        folder.write("0002_wrong.up.sql", &text);
        let recorded = on(folder.path(), &[]).expect_failure();
        let applied = apply(&folder, &trial).await.expect_err("it is refused");
        let is_told = matches!(&applied, Error::Migration(MigrationError::RefusedStatement { line: 3, .. }));
        assert!(is_told && recorded.contains(&applied.to_string()), "{applied}\n{recorded}");
        assert_message(situation, &applied.to_string());
    }
    let left = "SELECT coalesce(to_regclass('public.half')::text, 'none')";
    assert_eq!(ask(&mut connect(&trial.superuser_url()).await, left).await, "none");
    std::fs::remove_file(folder.join("0002_wrong.up.sql")).expect("it is there");
    assert_eq!(folder.files(), before);
    // A down file and an edited file are checked too.
    folder.write("0002_right.up.sql", "CREATE TABLE public.right_ ();");
    folder.write("0002_right.down.sql", "DROP TABLE public.right_;");
    on(folder.path(), &[]).expect_success();
    apply(&folder, &trial).await.expect("it applies");
    folder.write("0002_right.down.sql", "ROLLBACK;");
    let rehashed = on(folder.path(), &["rehash", "0002_right"]).expect_failure();
    assert!(rehashed.contains("line 1: `ROLLBACK` is not allowed in a migration"), "{rehashed}");
    let migrations = Migrations::from_dir(folder.path()).await.expect("the folder");
    let reverted = migrations.revert(trial.administrator_url(), Default::default(), &mut |_| {}).await;
    assert!(matches!(reverted, Err(Error::Migration(MigrationError::RefusedStatement { .. }))), "{reverted:?}");
    run(&mut connect(trial.administrator_url()).await, "SELECT FROM public.right_").await.expect("it was not reverted");
}
