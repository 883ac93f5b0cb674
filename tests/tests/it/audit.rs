//! The audit: comparison of the live catalog with the declaration, required privileges, report formats and baselines.

use serde_json::Value;
use sqlx::PgConnection;
use tenant_runtime::{
    Error, Migrations, TenantDb,
    analyze::check,
    audit::{AuditError, Baseline, Catalog, Report, audit},
    migrate::{folder::Folder, generate::generate},
    model::schema::Schema,
    server::Server,
};
use tenant_tests::{Database, TempDir, connect, dedicated_server, example_migrations_dir, migrate, run};

use super::{command_line::gen_migrations, golden};

fn example() -> Schema {
    Folder::new(example_migrations_dir()).schema().expect("the example's snapshot")
}

async fn catalog(database: &Database) -> Catalog {
    Catalog::read(&mut database.admin().await, &example()).await.expect("it can be read")
}

async fn report(url: &str) -> Report {
    audit(&mut connect(url).await, &example()).await.expect("an audit")
}

/// A separate server with the example: other tests create members of its roles, and roles belong to the whole server.
async fn server() -> Server {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    migrate(&server.admin_url()).await;
    server
}

/// The codes of the findings, without those about the server itself: its minor version and set_config.
pub(super) fn codes(report: &Report) -> Vec<&'static str> {
    let codes = report.findings.iter().map(|finding| finding.code);
    let mut codes: Vec<_> = codes.filter(|code| !["TA217", "TA219", "TA232"].contains(code)).collect();
    codes.sort_unstable();
    codes
}

/// Runs a statement, asserts that the audit reports these codes, and that the database is clean after the fixes.
pub(super) async fn assert_reported_and_fixed(admin: &mut PgConnection, schema: &Schema, sql: &str, expected: &[&str]) {
    run(admin, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let report = audit(admin, schema).await.expect("an audit");
    let mut found = codes(&report);
    found.dedup();
    assert_eq!(found, expected, "{sql}\n{report}");
    for finding in &report.findings {
        run(admin, &finding.fix).await.unwrap_or_else(|error| panic!("{sql}: {}: {error}", finding.fix));
    }
    let left = audit(admin, schema).await.expect("an audit");
    assert!(left.is_clean(), "{sql}\n{left}");
}

#[tokio::test]
async fn identical_migrations_produce_identical_catalogs() {
    let (one, other) = (Database::create().await, Database::create().await);
    run(&mut other.admin().await, "CREATE SCHEMA another; CREATE TABLE another.one (id integer)").await.expect("made");
    let (one, other) = (catalog(&one).await, catalog(&other).await);
    // As text, so that a failure can be read.
    assert_eq!(one.to_string(), other.to_string());
    assert!(one == other && one.facts().count() > 250);
}

#[tokio::test]
async fn catalog_change_is_one_changed_fact() {
    let database = Database::create().await;
    let before = catalog(&database).await;
    run(&mut database.admin().await, "ALTER TABLE app.tasks ALTER COLUMN title DROP NOT NULL").await.expect("done");
    let after = catalog(&database).await;
    let changed: Vec<_> = after.facts().filter(|(object, state)| before.get(object) != Some(state)).collect();
    let names: Vec<_> = changed.iter().map(|(object, _)| object.to_string()).collect();
    assert_eq!(names, ["column title of app.tasks"]);
}

#[tokio::test]
async fn audit_ignores_a_thousand_unrelated_tables() {
    let server = server().await;
    let url = server.admin_url();
    let before = report(&url).await;
    let others = "CREATE SCHEMA others; CREATE ROLE others_login LOGIN; CREATE ROLE others_group;
        GRANT others_group TO others_login; GRANT USAGE ON SCHEMA others TO PUBLIC;
        ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;
        DO $$ BEGIN
            FOR number IN 1..1000 LOOP
                EXECUTE format('CREATE TABLE others.t%s (id integer PRIMARY KEY, org integer REFERENCES others.t%s)', number,
                    greatest(number - 1, 1));
                EXECUTE format('GRANT ALL ON others.t%s TO others_group', number);
            END LOOP;
            CREATE VIEW others.v AS SELECT * FROM others.t1;
            CREATE FUNCTION others.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
            ALTER FUNCTION others.f() OWNER TO others_group;
            GRANT EXECUTE ON FUNCTION others.f TO others_group;
            CREATE PUBLICATION others_published FOR TABLE others.t1, others.t2;
        END $$";
    run(&mut connect(&url).await, others).await.expect("made");
    let after = report(&url).await;
    assert!(before.is_clean() && before.facts > 250, "{before:#?}");
    assert_eq!(after, before);

    // What the app's roles can reach is reported, many objects of one kind as one finding.
    let open = "GRANT SELECT ON ALL TABLES IN SCHEMA others TO PUBLIC; GRANT EXECUTE ON FUNCTION others.f TO PUBLIC";
    run(&mut connect(&url).await, open).await.expect("granted");
    let open = report(&url).await;
    let found: Vec<_> = open.failing().map(|finding| (finding.code, finding.object.as_str())).collect();
    assert_eq!(
        found,
        [
            ("TA225", "tables in schema others owned by postgres"),
            ("TA225", "view others.v"),
            ("TA226", "function others.f()"),
        ]
    );
    assert!(
        open.findings[0]
            .what
            .starts_with("1000 tables are not declared; privileges of PUBLIC: SELECT; the tables: others.t1, ")
    );
    assert_ne!(open.fingerprint, before.fingerprint);
}

#[tokio::test]
async fn golden_cases_pass_the_audit() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    let mut wrong = Vec::new();
    for (case, tables) in golden::cases() {
        // Roles belong to all databases of a server, and each case declares other roles.
        let name = format!("golden_{case}");
        run(&mut connect(&server.admin_url()).await, &format!("CREATE DATABASE {name}")).await.expect("made");
        let url = server.url("postgres", &name);
        run(&mut connect(&url).await, golden::prerequisites(case)).await.expect("a trusted extension");
        let models = tenant_runtime::models![].only(tables);
        let scratch = TempDir::new();
        let folder = Folder::new(scratch.path());
        generate(&models, &folder)
            .expect("migrations")
            .write(&folder, &std::collections::BTreeSet::new())
            .expect("written");
        let migrations = Migrations::from_dir(folder.path()).await.expect("they can be read");
        migrations.apply(&url, &mut |_| {}).await.expect("applied");
        let schema = check(&models).expect("it passes").schema;
        let mut admin = connect(&url).await;
        let report = audit(&mut admin, &schema).await.expect("an audit");
        if !report.is_clean() {
            wrong.push(format!("{case}: {:#?}", report.failing().collect::<Vec<_>>()));
        }
        let ours: Vec<_> = schema.roles().iter().map(|role| role.name.quoted().to_string()).collect();
        drop(admin);
        let mut postgres = connect(&server.admin_url()).await;
        run(&mut postgres, &format!("DROP DATABASE {name} WITH (FORCE)")).await.expect("dropped");
        run(&mut postgres, &format!("DROP ROLE {}", ours.join(", "))).await.expect("dropped");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn audit_by_a_non_superuser_administrator_is_clean() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    let mut postgres = connect(&server.admin_url()).await;
    run(&mut postgres, "CREATE ROLE boss LOGIN CREATEROLE CREATEDB").await.expect("made");
    run(&mut connect(&server.url("boss", "postgres")).await, "CREATE DATABASE acme").await.expect("made");
    let url = server.url("boss", "acme");
    migrate(&url).await;
    let by_boss = report(&url).await;
    // For other logins, the owner is a login that can disable RLS.
    let by_another = codes(&report(&server.url("postgres", "acme")).await);
    assert!(by_boss.is_clean(), "{by_boss:#?}");
    assert!(by_boss.findings.iter().any(|finding| finding.code == "TA232"), "{by_boss:#?}");
    assert!(by_another.contains(&"TA208"), "{by_another:?}");
}

#[tokio::test]
async fn audit_without_required_privileges_is_an_error() {
    let server = server().await;
    let mut postgres = connect(&server.admin_url()).await;
    run(&mut postgres, "CREATE ROLE guest LOGIN; GRANT CONNECT ON DATABASE postgres TO guest").await.expect("made");
    let mut said = Vec::new();
    let steps = [
        ("app_service", ""),
        ("guest", ""),
        ("guest", "GRANT TEMPORARY ON DATABASE postgres TO guest"),
        ("guest", "GRANT app_schema_owner TO guest; REVOKE SELECT ON pg_policy FROM PUBLIC"),
        ("guest", "GRANT SELECT ON pg_policy TO PUBLIC; GRANT CREATE ON DATABASE postgres TO guest"),
    ];
    for (login, before) in steps {
        run(&mut postgres, before).await.expect(before);
        let result = audit(&mut connect(&server.url(login, "postgres")).await, &example()).await;
        said.push(match result {
            Err(AuditError::NotAllowed { login, reason, .. }) => format!("{login}: {reason}"),
            Err(other) => panic!("{other}"),
            Ok(report) => format!("{login}: {}", if report.is_clean() { "clean" } else { "findings" }),
        });
    }
    assert_eq!(
        said,
        [
            "app_service: it lacks the TEMPORARY privilege on the database; the audit needs it to compare expressions in temporary tables",
            "guest: it lacks the TEMPORARY privilege on the database; the audit needs it to compare expressions in temporary tables",
            "guest: it lacks USAGE on these schemas: app, app_auth",
            "guest: permission denied for table pg_policy",
            // The owner of the tables can audit.
            "guest: clean",
        ]
    );
}

#[tokio::test]
async fn fixes_quote_unusual_names() {
    let server = server().await;
    let mut admin = connect(&server.admin_url()).await;
    let long = "ö".repeat(31) + "x";
    let odd = [r#"we"ird"#, "a.b", "Größe; DROP TABLE x", "line\nbreak", "it's", "$$", "select", long.as_str()];
    for name in odd {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let sql = format!(
            "CREATE ROLE {quoted} LOGIN; CREATE TABLE app.{quoted} ({quoted} integer);
             CREATE POLICY {quoted} ON app.tasks USING (true); ALTER TABLE app.tasks ADD COLUMN {quoted} text;
             GRANT SELECT ({quoted}) ON app.tasks TO {quoted}; GRANT app_viewer TO {quoted};
             GRANT CREATE ON SCHEMA app TO {quoted} WITH GRANT OPTION; CREATE INDEX {quoted}  ON app.projects (name, id);
             CREATE FUNCTION app.{quoted}({quoted} integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
             CREATE VIEW public.{quoted} AS SELECT * FROM app.projects;
             ALTER TABLE app.projects ADD CONSTRAINT {quoted} CHECK (true);
             ALTER TABLE public.{quoted} RENAME COLUMN name TO {quoted}"
        );
        // Index names share a namespace with tables, so the index gets another name.
        let sql = sql.replace(&format!("CREATE INDEX {quoted} "), &format!("CREATE INDEX {} ", quoted_with(name, 'i')));
        run(&mut admin, &sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let found = report(&server.admin_url()).await;
    let mut failed = Vec::new();
    for finding in found.failing() {
        if let Err(error) = run(&mut admin, &finding.fix).await {
            failed.push(format!("{}: {error}", finding.fix));
        }
    }
    let left = report(&server.admin_url()).await;
    assert_eq!(failed, Vec::<String>::new());
    assert!(found.failing().count() > 8 * odd.len() && left.is_clean(), "{left:#?}");
}

#[tokio::test]
async fn names_with_line_breaks_cannot_forge_report_lines() {
    let server = server().await;
    let mut admin = connect(&server.admin_url()).await;
    let role = "CREATE ROLE \"x\nclean: 9 facts compared\u{1b}[8m\" LOGIN IN ROLE app_viewer";
    run(&mut admin, role).await.expect("made");
    let found = report(&server.admin_url()).await;
    let (text, sql) = (found.to_string(), found.to_sql());
    let comments: Vec<_> = sql.lines().filter(|line| line.starts_with("-- TA208")).collect();
    assert!(!text.lines().any(|line| line.starts_with("clean")) && !text.contains('\u{1b}'), "{text}");
    assert!(comments.len() == 1 && comments[0].contains("is a member of app_viewer"), "{sql}");
}

/// A name like another one, of at most 63 bytes.
fn quoted_with(name: &str, last: char) -> String {
    let cut: String = name.chars().take(30).chain([last]).collect();
    format!("\"{}\"", cut.replace('"', "\"\""))
}

#[tokio::test]
async fn audit_output_formats_and_exit_codes() {
    let server = server().await;
    let (url, mut admin) = (server.admin_url(), connect(&server.admin_url()).await);
    let said = |more: &[&str]| gen_migrations(&[&["audit", "--database-url", &url], more].concat());
    let clean = said(&[]);
    assert!(clean.code == Some(0) && clean.out.contains("clean: "), "{clean:?}");
    let drift = "ALTER TABLE app.tasks DISABLE ROW LEVEL SECURITY; DROP FUNCTION app_auth.sign_up;
                 CREATE ROLE backup LOGIN BYPASSRLS";
    run(&mut admin, drift).await.expect("done");
    let table = said(&[]);
    let told = ["error TA105: table app.tasks", "fix: ALTER TABLE app.tasks ENABLE ROW", "2 errors, 1 warning"];
    assert!(table.code == Some(1) && told.iter().all(|text| table.out.contains(text)), "{table:?}");
    let read = |format: &str| serde_json::from_str::<Value>(&said(&["--format", format]).out).expect("JSON");
    let (json, sarif) = (read("json"), read("sarif"));
    let results = &sarif["runs"][0]["results"];
    assert_eq!(
        (&json["findings"][0]["code"], &results[0]["ruleId"], &results[0]["level"], &sarif["version"]),
        (&"TA105".into(), &"TA105".into(), &"error".into(), &"2.1.0".into())
    );
    let fixes = said(&["--format", "sql"]).out;
    run(&mut admin, &fixes).await.unwrap_or_else(|error| panic!("{fixes}: {error}"));
    let fixed = said(&[]);
    assert!(fixed.code == Some(0), "{fixed:?}");
}

#[tokio::test]
async fn fixes_that_delete_data_or_demote_an_administrator_are_commented_out() {
    let server = server().await;
    let (url, mut admin) = (server.admin_url(), connect(&server.admin_url()).await);
    let drift = "CREATE TABLE app.extra (); INSERT INTO app.extra DEFAULT VALUES; ALTER TABLE app.tasks ADD COLUMN zip text;
        CREATE ROLE boss LOGIN CREATEROLE; GRANT app_schema_owner TO boss; ALTER TABLE app.tasks NO FORCE ROW LEVEL SECURITY";
    run(&mut admin, drift).await.expect("done");
    let fixes = gen_migrations(&["audit", "--format", "sql", "--database-url", &url]).out;
    let text = gen_migrations(&["audit", "--database-url", &url]).out;
    run(&mut admin, &fixes).await.unwrap_or_else(|error| panic!("{fixes}: {error}"));
    let left = report(&url).await;
    let member = left.findings.iter().find(|finding| finding.code == "TA208").expect("boss is still a member");
    assert_eq!(
        codes(&left).into_iter().filter(|code| *code != "TA210").collect::<Vec<_>>(),
        ["TA106", "TA107", "TA208"]
    );
    for parts in [
        "-- Commented out: the fix deletes the rows of the table; if the rows are needed, declare the table instead.\n\
         -- DROP TABLE app.extra;\n",
        "-- Commented out: the fix deletes the values of the column; if the values are needed, declare the column instead.\n\
         -- ALTER TABLE app.tasks DROP COLUMN zip;\n",
        "-- Commented out: if boss is an administrator who applies the migrations, do not run the fix; accept this finding in the baseline instead.\n\
         -- REVOKE app_schema_owner FROM boss",
        "-- Commented out: fixing a note is optional.\n-- -- pg_dump calls set_config",
        "\nALTER TABLE app.tasks FORCE ROW LEVEL SECURITY;\n",
    ] {
        assert!(fixes.contains(parts), "{parts}: {fixes}");
    }
    assert!(text.contains("\n  caution: if boss is an administrator who applies the migrations"), "{text}");
    assert!(member.caution.is_some() && !member.fix.starts_with("--"), "{member:?}");
}

#[tokio::test]
async fn baseline_accepts_only_the_findings_it_lists() {
    let server = server().await;
    let (url, mut admin) = (server.admin_url(), connect(&server.admin_url()).await);
    let scratch = TempDir::new();
    let file = scratch.join("accepted.json");
    let file = file.to_str().expect("a path");
    let said = |more: &[&str]| gen_migrations(&[&["audit", "--database-url", &url], more].concat());
    run(&mut admin, "CREATE ROLE backup LOGIN BYPASSRLS").await.expect("made");
    let proposal = said(&["--format", "baseline"]).out;
    scratch.write("accepted.json", &proposal);
    let without_reason = said(&["--baseline", file]).expect_failure();
    scratch.write("accepted.json", &proposal.replace("\"reason\": \"\"", "\"reason\": \"the nightly dump\""));
    let accepted = said(&["--baseline", file]);
    run(&mut admin, "ALTER ROLE backup SUPERUSER").await.expect("done");
    let worse = said(&["--baseline", file, "--format", "json"]);
    run(&mut admin, "DROP ROLE backup").await.expect("done");
    let stale = said(&["--baseline", file]);
    let missing = said(&["--baseline", "/nowhere/accepted.json"]).expect_failure();
    assert!(
        without_reason.contains("the baseline accepts TA209 of `login backup` without a reason"),
        "{without_reason}"
    );
    assert!(accepted.code == Some(0) && accepted.out.contains("1 accepted"), "{accepted:?}");
    assert!(worse.code == Some(1) && worse.out.contains("SUPERUSER"), "{worse:?}");
    assert!(stale.code == Some(1) && stale.out.contains("TA124"), "{stale:?}");
    let told = "the database matches the models, but the baseline has entries without a finding: 1 warning";
    assert!(stale.err.contains(told), "{stale:?}");
    assert!(missing.contains("cannot read the baseline `/nowhere/accepted.json`"), "{missing}");
}

#[test]
fn malformed_baseline_is_rejected_with_its_expected_format() {
    let texts =
        ["", "{}", "[{}]", r#"[{"code": "TA1", "object": "x", "found": "y", "reason": "z", "until": "never"}]"#];
    let told = texts.map(|text| Baseline::parse(text).expect_err(text).to_string());
    assert!(
        told.iter().all(|text| text.contains("help: the baseline is a JSON array of objects with `code`")),
        "{told:#?}"
    );
}

#[test]
fn audit_without_a_database_url_audits_the_migrations_directory() {
    let said = gen_migrations(&["audit"]);
    assert!(said.code == Some(0) && said.out.contains("clean: "), "{said:?}");
}

#[tokio::test]
async fn audit_of_an_empty_database_fails() {
    let database = Database::empty().await;
    let said = gen_migrations(&["audit", "--database-url", &database.admin_url()]).expect_failure();
    assert!(
        said.contains("has none of the product's schemas") && said.contains("help: apply the migrations"),
        "{said}"
    );
}

#[tokio::test]
async fn audit_reports_expressions_the_server_cannot_compile() {
    let server = server().await;
    let (url, mut admin) = (server.admin_url(), connect(&server.admin_url()).await);
    // PostgreSQL renames the column in the policies of other tables too; the declaration has the old name.
    let rename = "ALTER TABLE app.org_members RENAME COLUMN user_id TO uid";
    run(&mut admin, rename).await.expect("renamed");
    let found = report(&url).await;
    run(&mut admin, "ALTER TABLE app.org_members RENAME COLUMN uid TO user_id").await.expect("renamed");
    let refused = found.failing().find(|finding| finding.object == "policy select_viewer of app.users");
    let refused = refused.map(|finding| (finding.code, finding.what.as_str()));
    assert_eq!(refused, Some(("TA122", "the server rejects the declaration: column m.user_id does not exist")));
    assert!(report(&url).await.is_clean());
}

#[tokio::test]
async fn fingerprint_mismatch_refuses_to_connect() {
    let server = server().await;
    let (url, mut admin) = (server.admin_url(), connect(&server.admin_url()).await);
    let fingerprint = report(&url).await.fingerprint;
    let app = server.url("app_service", "postgres");
    let connect = || TenantDb::options().fingerprint(fingerprint.clone()).connect(&app);
    let unchanged = connect().await.map(drop);
    // Session settings of the login or the database do not change the fingerprint, nor does the order of grants.
    let elsewhere = "ALTER DATABASE postgres SET quote_all_identifiers = on; CREATE TABLE public.other ();
        REVOKE SELECT (id, name) ON app.projects FROM app_viewer; GRANT SELECT (name, id) ON app.projects TO app_viewer;
        ALTER ROLE app_service SET search_path = app, app_auth";
    run(&mut admin, elsewhere).await.expect("done");
    let same = report(&url).await.fingerprint;
    run(&mut admin, "ALTER ROLE app_service RESET search_path").await.expect("done");
    let still = connect().await.map(drop);
    run(&mut admin, "ALTER POLICY select_viewer ON app.documents USING (true)").await.expect("done");
    let drifted = connect().await.map(drop);
    run(&mut admin, "ALTER POLICY select_viewer ON app.documents USING (false)").await.expect("done");
    let mut seen = vec![fingerprint.clone(), report(&url).await.fingerprint];
    // The objects that the policies depend on and a clean audit checks.
    for change in [
        "ALTER TABLE app.tasks DISABLE TRIGGER ALL",
        "GRANT app_admin TO app_no_tenant",
        "ALTER ROLE app_function_owner BYPASSRLS",
        "ALTER TABLE app.system_access_log ALTER COLUMN db_user SET DEFAULT 'app_jobs'",
        "CREATE UNIQUE INDEX tells ON app.projects (name)",
        "ALTER TABLE app.events DETACH PARTITION app.events_p1",
    ] {
        run(&mut admin, change).await.expect(change);
        let found = report(&url).await.fingerprint;
        assert!(!seen.contains(&found), "{change}");
        seen.push(found);
    }
    assert_eq!(same, fingerprint);
    assert!(unchanged.is_ok() && still.is_ok(), "{still:?}");
    assert!(
        matches!(&drifted, Err(Error::FingerprintMismatch { expected, .. }) if *expected == fingerprint),
        "{drifted:?}"
    );
}
