//! The table of applied migrations: its schema never depends on `search_path`, and a second table is reported.

use sqlx::{Connection as _, PgConnection, migrate::Migrator};
use tenant_runtime::{Error, MigrationError, Migrations, server::Trial};
use tenant_tests::{TempDir, ask, connect, dedicated_server, example_migrations_dir, run};

use super::messages::assert_message;

/// The tables of applied migrations with their number of rows.
const TABLES: &str = "SELECT coalesce(string_agg(relnamespace::regnamespace || ' ' || (xpath('/row/n/text()',
        query_to_xml(format('SELECT count(*) AS n FROM %s', oid::regclass), false, true, '')))[1]::text, ', ' ORDER BY relnamespace::regnamespace::text), 'none')
    FROM pg_class WHERE relname = '_sqlx_migrations' AND relkind = 'r'";

pub(super) async fn start() -> Trial {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("the server starts");
    Trial::new(server).await.expect("a database")
}

async fn superuser(trial: &Trial) -> PgConnection {
    connect(&trial.superuser_url()).await
}

/// Runs the first statement that a message names in backticks after `help:`.
async fn run_help(trial: &Trial, message: &str) {
    let (_, help) = message.split_once("help:").expect("a help line");
    let statement = help.split('`').nth(1).expect("a statement").to_owned();
    run(&mut superuser(trial).await, &statement).await.expect("the help is a statement");
}

#[tokio::test]
async fn search_path_does_not_choose_the_history_and_sqlx_adds_a_second_one() {
    let trial = start().await;
    let mut postgres = superuser(&trial).await;
    // The administrator is named like the product's schema, which comes first in each search_path.
    for sql in [
        "CREATE ROLE app LOGIN CREATEROLE CREATEDB",
        "CREATE DATABASE acme OWNER app",
        "ALTER DATABASE acme SET search_path = app, public",
        "ALTER ROLE app SET search_path = app",
    ] {
        run(&mut postgres, sql).await.expect(sql);
    }
    let url = trial.server().url("app", "acme");
    let migrations = Migrations::from_dir(example_migrations_dir()).await.expect("the example's migrations");
    let mut applied = Vec::new();
    for _ in 0..2 {
        applied.push(migrations.apply(&url, &mut |_| {}).await.expect("it applies").versions);
    }
    let mut app = connect(&url).await;
    assert_eq!((applied, ask(&mut app, TABLES).await.as_str()), (vec![vec![1], vec![]], "public 1"));

    // sqlx looks the table up through search_path: it creates an empty one, and fails on the first statement that it repeats.
    let sqlxs_own = Migrator::new(example_migrations_dir().as_path()).await.expect("sqlx accepts the folder");
    let repeated = sqlxs_own.run(&mut app).await.expect_err("the schemas exist").to_string();
    assert!(repeated.contains("schema \"app_auth\" already exists"), "{repeated}");
    // After an error, sqlx's connection still holds the lock.
    app.close().await.expect("it closes");
    assert_eq!(ask(&mut connect(&url).await, TABLES).await, "app 0, public 1");
    let said = migrations.apply(&url, &mut |_| {}).await.expect_err("there are two tables").to_string();
    assert_message("A table of applied migrations is in two schemas", &said);
    let statement = said.split('`').find(|part| part.starts_with("DROP TABLE")).expect("a statement");
    run(&mut connect(&url).await, statement).await.expect("the help is a statement");
    assert_eq!(migrations.apply(&url, &mut |_| {}).await.expect("one table is left").versions, Vec::<i64>::new());
}

#[tokio::test]
async fn history_in_another_schema_is_reported_and_not_applied_again() {
    let (trial, folder) = (start().await, TempDir::new());
    folder.write("0001_notes.sql", "CREATE TABLE public.notes (a int);");
    let read = || async { Migrations::from_dir(folder.path()).await.expect("the migrations of the test") };
    let url = trial.administrator_url();
    read().await.apply(url, &mut |_| {}).await.expect("it applies");
    let moved = "CREATE SCHEMA old; ALTER TABLE public._sqlx_migrations SET SCHEMA old";
    run(&mut connect(url).await, moved).await.expect("the administrator owns both");
    let named = read().await.history_table("old._sqlx_migrations").expect("a name");
    assert_eq!(named.apply(url, &mut |_| {}).await.expect("it is named").before, 1);
    let refused = [
        read().await.apply(url, &mut |_| {}).await.err(),
        read().await.status(url).await.err(),
        read().await.pending(url, None).await.err(),
        read().await.revert(url, Default::default(), &mut |_| {}).await.err(),
    ];
    let is_told =
        |error: &Option<Error>| matches!(error, Some(Error::Migration(MigrationError::HistoryElsewhere { .. })));
    assert!(refused.iter().all(is_told), "{refused:?}");
    let said = refused[0].as_ref().expect("refused").to_string();
    assert_message("A table of applied migrations is in another schema", &said);
    assert_eq!(ask(&mut superuser(&trial).await, TABLES).await, "old 1");
    run_help(&trial, &said).await;
    assert_eq!(read().await.apply(url, &mut |_| {}).await.expect("it is moved").before, 1);
}

#[tokio::test]
async fn embedded_migrator_can_name_the_schema_of_the_history() {
    let (trial, folder) = (start().await, TempDir::new());
    folder.write("0001_notes.sql", "CREATE TABLE public.notes (a int);");
    let url = trial.administrator_url();
    run(&mut connect(url).await, "CREATE SCHEMA \"Our schema\"").await.expect("the owner of the database");
    let mut migrator = Migrator::new(folder.path()).await.expect("sqlx accepts the folder");
    migrator.dangerous_set_table_name("\"Our schema\".\"done\"");
    let migrations = Migrations::embedded(&migrator).expect("distinct numbers");
    migrations.apply(url, &mut |_| {}).await.expect("it applies");
    let rows = "SELECT count(*)::text FROM \"Our schema\".done";
    assert_eq!(ask(&mut connect(url).await, rows).await, "1");
    migrator.run(&mut connect(url).await).await.expect("sqlx uses the same table");
    migrator.dangerous_set_table_name("a; DROP TABLE x");
    let said = Migrations::embedded(&migrator).expect_err("it is no name").to_string();
    assert!(said.contains("is not the name of a table"), "{said}");
}

#[tokio::test]
async fn files_run_with_pinned_settings() {
    let (trial, folder) = (start().await, TempDir::new());
    folder.write(
        "0001_settings.up.sql",
        "CREATE TABLE notes AS SELECT 'a\\b' AS text, current_setting('row_security') AS rls;",
    );
    folder.write("0002_reset.up.sql", "RESET search_path;\nRESET row_security;");
    folder.write("0003_again.up.sql", "INSERT INTO notes SELECT current_schema(), current_setting('row_security');");
    let url = trial.administrator_url();
    let mut postgres = superuser(&trial).await;
    for sql in [
        "ALTER DATABASE trial SET search_path = nowhere",
        "ALTER DATABASE trial SET standard_conforming_strings = off",
        "ALTER ROLE administrator SET row_security = on",
    ] {
        run(&mut postgres, sql).await.expect(sql);
    }
    let migrations = Migrations::from_dir(folder.path()).await.expect("the migrations of the test");
    migrations.apply(url, &mut |_| {}).await.expect("it applies");
    let rows = "SELECT string_agg(text || ' ' || rls, ', ') FROM public.notes";
    assert_eq!(ask(&mut connect(url).await, rows).await, "a\\b off, public off");
}
