//! Statements that the filter accepts or refuses, including attempts to evade the lexer.

use super::*;
use crate::{roles::Organizations, tenant::Tenancy};

fn refused_word(sql: &str) -> Option<String> {
    refused(sql, Organizations::DEF, Allowed::default())
}

#[test]
fn transaction_control_and_session_settings_are_rejected() {
    for sql in [
        "COMMIT",
        "  commit ;",
        "end",
        "ROLLBACK TO SAVEPOINT a",
        "abort",
        "BEGIN",
        "START TRANSACTION",
        "savepoint a",
        "RELEASE a",
        "PREPARE TRANSACTION 'x'",
        "PREPARE /* */ transaction 'x'",
        "SELECT 1; COMMIT",
        "SELECT 1;;--\nCOMMIT",
        "/* a /* nested */ comment */ COMMIT",
        "-- a line\rCOMMIT",
        "\u{c}\u{b}COMMIT",
        "SET ROLE app_admin",
        "SET LOCAL ROLE app_admin",
        "set local \"role\" = 'app_admin'",
        "set local \"RoLe\" to app_admin",
        "SET LOCAL role = app_admin",
        "SET LOCAL role=app_admin",
        "RESET ROLE",
        "RESET ALL",
        "SET SESSION AUTHORIZATION DEFAULT",
        "SET LOCAL SESSION AUTHORIZATION x",
        "SET LOCAL session_authorization = x",
        "SET LOCAL app.organization_id = 'x'",
        "SET LOCAL APP . Organization_ID = 'x'",
        "SET LOCAL \"app\".\"organization_id\" TO 'x'",
        "SET LOCAL \"app.organization_id\" TO 'x'",
        "SET LOCAL app/**/.user_id = ''",
        "SET LOCAL app.other = 'x'",
        "SET app.organization_id = 'x'",
        "SET statement_timeout = 0",
        "SET SESSION statement_timeout = 0",
        "SET LOCAL search_path = evil",
        "SET LOCAL SCHEMA 'evil'",
        "SET LOCAL row_security = off",
        "SET LOCAL standard_conforming_strings = off",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "DISCARD ALL",
        "DO $$ BEGIN PERFORM 1; END $$",
        "ALTER ROLE app_service SET role = 'app_admin'",
        "LOAD 'x'",
        // These would make a read-only transaction writable.
        "SET TRANSACTION READ WRITE",
        "set transaction isolation level repeatable read, not deferrable, read/**/write",
        "SET LOCAL TRANSACTION READ WRITE",
        "set/**/local--\nTransaction isolation level read committed, read write",
        "SELECT 1; SET LOCAL TRANSACTION READ/* */WRITE",
        "SET SESSION TRANSACTION READ WRITE",
        "SET LOCAL SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET LOCAL transaction_read_only = off",
        "SET LOCAL \"transaction_read_only\" = off",
        "SET LOCAL \"Transaction_Read_Only\" TO DEFAULT",
        "SET LOCAL U&\"transaction\\005fread_only\" = off",
        "SET LOCAL default_transaction_read_only = off",
        "SET LOCAL \"DEFAULT_transaction_read_only\" TO off",
        // These would remain on the connection after the transaction.
        "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM projects",
        "declare cursor binary insensitive no scroll binary binary binary cursor/**/with hold for select 1",
        "LISTEN a",
        "PREPARE sqlx_s_9 AS SELECT 1",
        "DEALLOCATE ALL",
    ] {
        assert!(refused_word(sql).is_some(), "should be refused: {sql}");
    }
}

#[test]
fn set_config_and_functions_that_run_sql_text_are_rejected() {
    for sql in [
        "SELECT set_config('app.organization_id', $1, true)",
        "SELECT pg_catalog . SET_CONFIG ('a', 'b', true)",
        "SELECT \"set_config\"('a', 'b', true)",
        "SELECT U&\"set\\005fconfig\"('a', 'b', true)",
        "WITH x AS MATERIALIZED (SELECT/**/set_config('a', 'b', true)) SELECT 1 FROM x",
        "SELECT 1 FROM projects WHERE name = 'it''s' AND set_config('a', 'b', true) = ''",
        "SELECT query_to_xml('x', true, true, '')",
        "SELECT * FROM ts_stat('select to_tsvector(set_' || 'config(…))')",
        "SELECT pg_catalog.ts_rewrite('a', 'select …')",
        "SELECT * FROM crosstab3('select …')",
        "UPDATE pg_settings SET setting = 'x' WHERE name = 'app.organization_id'",
        "update pg_catalog.\"pg_settings\" set setting = 'x'",
        "PREPARE p AS SELECT set_config('a', 'b', true)",
    ] {
        assert!(refused_word(sql).is_some(), "should be refused: {sql}");
    }
}

const EXPLAINS: &[&str] = &[
    "EXPLAIN SELECT 1",
    "explain (ANALYZE, FORMAT JSON) UPDATE projects SET name = 'x'",
    "  -- a plan\n/* of */ EXPLAIN/**/ANALYZE VERBOSE DELETE FROM projects",
    "SELECT 1; EXPLAIN SELECT 1",
    "SELECT E'\\';'; EXPLAIN SELECT 1",
    "SET CONSTRAINTS ALL DEFERRED;;\tEXPLAIN DECLARE c CURSOR FOR SELECT 1",
    "(EXPLAIN SELECT 1)",
    // The server sends the plan, with its estimates, as a message.
    "SET LOCAL debug_print_plan = on",
    "SET LOCAL \"Debug_Print_Plan\" TO true",
    "SET LOCAL client_min_messages = 'log'",
    "SELECT 1; SET LOCAL client_min_messages TO log",
];

#[test]
fn explain_and_settings_that_print_plans_are_rejected_unless_allowed() {
    for sql in EXPLAINS {
        assert!(refused_word(sql).is_some(), "should be refused: {sql}");
        assert_eq!(refused(sql, Organizations::DEF, Allowed { explain: true }), None, "should run: {sql}");
    }
    for sql in [
        "SELECT query_to_xml('EXPLAIN SELECT 1', true, true, '')",
        "EXPLAIN SELECT set_config('app.organization_id', $1, true)",
        "EXPLAIN SELECT 1; COMMIT",
        "SET LOCAL app.organization_id = 'x'",
        "SET debug_print_plan = on",
    ] {
        assert!(refused(sql, Organizations::DEF, Allowed { explain: true }).is_some(), "should be refused: {sql}");
    }
}

#[test]
fn table_locks_are_rejected() {
    for sql in [
        "LOCK TABLE projects IN ACCESS EXCLUSIVE MODE",
        "lock projects",
        "/* */LOCK ONLY projects NOWAIT",
        "SELECT 1;LOCK TABLE projects IN ACCESS SHARE MODE",
    ] {
        assert_eq!(refused_word(sql).as_deref(), Some("LOCK"), "{sql}");
        assert!(refused(sql, Organizations::DEF, Allowed { explain: true }).is_some(), "should be refused: {sql}");
    }
}

#[test]
fn keywords_after_strings_and_comments_are_detected() {
    for sql in [
        // A backslash does not escape the quote of a plain string …
        r"SELECT '\'; COMMIT; --'",
        // … but it does in an escape string, even where the string continues on the next line.
        r"SELECT E'\\'; COMMIT; --'",
        "SELECT E'a'\n'\\''; COMMIT; --'",
        "SELECT e'a' -- comment\n'\\''; COMMIT; --'",
        // Without a line break, a second string does not continue the first one.
        "SELECT E'a' '\\'; COMMIT; --'",
        // A doubled quote inside an escape string.
        r"SELECT E'a''\''; COMMIT; --'",
        "SELECT $a$ $b$ $a$; COMMIT; SELECT $b$ $b$",
        "SELECT $1; COMMIT; SELECT $1",
        // The dollar sign is part of the name and begins no string.
        "SELECT a$b$ ; COMMIT; SELECT $b$ $b$",
        // A tag cannot begin with a digit, so this begins no string.
        "SELECT $1a$ ; COMMIT; SELECT $1a$",
        "SELECT \"a\"\"; \"; COMMIT; SELECT \"b\"",
        "SELECT \"a;\" ; COMMIT; --\"",
        "SELECT 1 -- ' \n; COMMIT; --'",
        "SELECT 1 /* ' */ ; COMMIT; --'",
        "SELECT 1 */* ' */ 1; COMMIT; --'",
        "SELECT b'0'; COMMIT; --'",
        "SELECT n'\\'; COMMIT; --'",
        "SELECT U&'\\'; COMMIT; --'",
        "SELECT 'é'; COMMIT",
        "(SELECT 1); COMMIT",
    ] {
        assert!(refused_word(sql).is_some(), "should be refused: {sql}");
    }
}

#[test]
fn ordinary_statements_are_accepted() {
    for sql in [
        "",
        ";",
        "SELECT 1",
        "(SELECT 1)",
        "SELECT 'COMMIT; ROLLBACK'",
        "SELECT 1 -- ; COMMIT",
        "SELECT 1 /* ; COMMIT /* ; COMMIT */ ; COMMIT */",
        "SELECT $$; COMMIT$$, $tag$; set_config $$ $tag$",
        "SELECT E'\\'; COMMIT; --'",
        "SELECT E'a'\n'\\'; COMMIT; --'",
        "SELECT \"commit\", \"begin;\" FROM projects",
        "SELECT CASE WHEN true THEN 1 END",
        "UPDATE projects SET name = $1 WHERE id = $2",
        "UPDATE projects SET role = 'admin'",
        "INSERT INTO projects (name) VALUES ($1) ON CONFLICT DO UPDATE SET name = excluded.name",
        "SELECT setting FROM pg_settings WHERE name = 'server_version'",
        "SELECT current_setting('app.organization_id', true)",
        "SET LOCAL statement_timeout = '5s'",
        "SET LOCAL lock_timeout TO 100",
        "SET LOCAL TIME ZONE 'UTC'",
        "SET TRANSACTION READ ONLY",
        "SET LOCAL TRANSACTION READ ONLY",
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY, DEFERRABLE",
        "SET CONSTRAINTS ALL DEFERRED",
        "DECLARE c CURSOR FOR WITH hold AS (SELECT 1) SELECT * FROM hold",
        "DECLARE c SCROLL CURSOR WITHOUT HOLD FOR SELECT 1",
        "NOTIFY a",
        "SELECT set_configuration FROM settings",
        "SELECT id FROM projects FOR UPDATE",
        "SELECT explain, lock FROM statements AS explain",
        "UPDATE projects SET lock = true, explain = 'x'",
        "SELECT 'EXPLAIN SELECT 1; LOCK projects'",
        "SELECT 'unterminated",
        "SELECT E'unterminated\\",
        "SELECT $a$unterminated",
        "SELECT \"",
        "/* unterminated",
        "SELECT 'ß' AS größe",
    ] {
        assert_eq!(refused_word(sql), None, "should run: {sql}");
    }
}

#[test]
fn rejection_names_the_keyword() {
    assert_eq!(refused_word("select 1; rollback").as_deref(), Some("ROLLBACK"));
    assert_eq!(refused_word("set local app.user_id = ''").as_deref(), Some("SET LOCAL app.user_id"));
}
