//! Openings: objects through which the app could reach other rows, generated from the classes of objects and the ways
//! to reach them. The audit reports each, and the fingerprint changes.

use tenant_runtime::{
    audit::{Report, audit},
    migrate::folder::Folder,
    model::schema::Schema,
    server::Server,
};
use tenant_tests::{connect, dedicated_server, example_migrations_dir, migrate, run};

/// An opening: its name, and the SQL that makes it as a superuser.
struct Opening {
    name: String,
    sql: String,
}

fn opening(name: impl Into<String>, sql: impl Into<String>) -> Opening {
    Opening { name: name.into(), sql: sql.into() }
}

/// The bodies of functions that read what the app must not read, or that set what it must not set. `{f}` is the name.
const ROUTINES: [(&str, &str, &str); 6] = [
    (
        "definer function",
        "FUNCTION",
        "CREATE FUNCTION {f}(text) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM app.projects'",
    ),
    (
        "definer procedure",
        "PROCEDURE",
        "CREATE PROCEDURE {f}(text) LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM app.projects'",
    ),
    (
        "wrapper of set_config",
        "FUNCTION",
        "CREATE FUNCTION {f}(text) RETURNS text LANGUAGE sql AS 'SELECT set_config(''app.organization_id'', $1, true)'",
    ),
    (
        "set_config under another name",
        "FUNCTION",
        "CREATE FUNCTION {f}(text) RETURNS text LANGUAGE internal AS 'set_config_by_name'",
    ),
    (
        "C function",
        "FUNCTION",
        "CREATE FUNCTION {f}(text) RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'",
    ),
    (
        "function in plpgsql",
        "FUNCTION",
        "CREATE FUNCTION {f}(text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE $1; END'",
    ),
];

/// The ways to a routine. `{k}` is its keyword.
const ROUTINE_WAYS: [(&str, &str, &str); 9] = [
    ("that PUBLIC can call", "public.peek", ""),
    (
        "that a login can call",
        "public.peek",
        "REVOKE EXECUTE ON {k} {f}(text) FROM PUBLIC; GRANT EXECUTE ON {k} {f}(text) TO app_service",
    ),
    (
        "that a role can call",
        "public.peek",
        "REVOKE EXECUTE ON {k} {f}(text) FROM PUBLIC; GRANT EXECUTE ON {k} {f}(text) TO app_viewer",
    ),
    ("in another schema", "other.peek", "GRANT USAGE ON SCHEMA other TO app_no_tenant"),
    ("in a product's schema", "app.peek", "GRANT EXECUTE ON {k} {f}(text) TO app_viewer"),
    ("in information_schema", "information_schema.peek", ""),
    ("in pg_catalog", "pg_catalog.peek", ""),
    ("hidden in the extension of the server", "public.peek", "ALTER EXTENSION plpgsql ADD {k} {f}(text)"),
    ("hidden in pg_catalog and an extension", "pg_catalog.peek", "ALTER EXTENSION citext ADD {k} {f}(text)"),
];

/// Relations with rows that the app must not read. `{r}` is the name.
const RELATIONS: [(&str, &str, &str); 7] = [
    ("copy", "TABLE", "CREATE TABLE {r} AS SELECT * FROM app.projects"),
    ("view of statistics", "VIEW", "CREATE VIEW {r} AS SELECT starelid, stavalues1::text AS name FROM pg_statistic"),
    ("view of passwords", "VIEW", "CREATE VIEW {r} AS SELECT rolname::text AS name, rolpassword FROM pg_authid"),
    (
        "invoker's view",
        "VIEW",
        "CREATE VIEW {r} WITH (security_invoker = true) AS SELECT rolname::text AS name FROM pg_roles",
    ),
    (
        "materialized view",
        "MATERIALIZED VIEW",
        "CREATE MATERIALIZED VIEW {r} AS SELECT rolname::text AS name FROM pg_authid",
    ),
    (
        "foreign table",
        "FOREIGN TABLE",
        "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER loop FOREIGN DATA WRAPPER nothing;
        CREATE FOREIGN TABLE {r} (name text) SERVER loop",
    ),
    (
        "partitioned table",
        "TABLE",
        "CREATE TABLE {r} (name text) PARTITION BY LIST (name); CREATE TABLE other.part PARTITION OF {r} DEFAULT",
    ),
];

/// The ways to a relation. `{k}` is its keyword.
const RELATION_WAYS: [(&str, &str, &str); 6] = [
    ("that PUBLIC can read", "public.peek", "GRANT SELECT ON {r} TO PUBLIC"),
    ("that a login can read", "public.peek", "GRANT SELECT ON {r} TO app_service"),
    ("with a column that a role can read", "public.peek", "GRANT SELECT (name) ON {r} TO app_viewer"),
    ("in another schema", "other.peek", "GRANT USAGE ON SCHEMA other TO PUBLIC; GRANT SELECT ON {r} TO app_admin"),
    ("hidden in an extension", "public.peek", "GRANT SELECT ON {r} TO app_viewer; ALTER EXTENSION citext ADD {k} {r}"),
    ("that a role can write", "public.peek", "GRANT INSERT, DELETE ON {r} TO app_viewer"),
];

/// Ways to make the writes of an application role fire a trigger of another table.
const WRITES: [(&str, &str); 6] = [
    ("a table", "CREATE TABLE public.bait (name text); GRANT INSERT ON public.bait TO app_viewer; {t} public.bait"),
    ("a partition", "CREATE TABLE public.bait (name text) PARTITION BY LIST (name); GRANT INSERT ON public.bait TO app_viewer;
        CREATE TABLE other.part PARTITION OF public.bait DEFAULT; {t} other.part"),
    ("a child", "CREATE TABLE public.bait (name text); GRANT DELETE ON public.bait TO app_viewer;
        CREATE TABLE other.part () INHERITS (public.bait); {t} other.part"),
    ("a view's table", "CREATE TABLE other.part (name text); CREATE VIEW public.bait AS SELECT * FROM other.part;
        GRANT INSERT ON public.bait TO app_viewer; {t} other.part"),
    ("a rule's table", "CREATE TABLE other.part (name text); CREATE TABLE public.bait (name text); GRANT INSERT ON public.bait TO app_viewer;
        CREATE RULE copied AS ON INSERT TO public.bait DO ALSO INSERT INTO other.part VALUES (NEW.name); {t} other.part"),
    ("a table that a foreign key changes", "CREATE TABLE other.part (name uuid REFERENCES app.projects (id) ON DELETE CASCADE); {t} other.part"),
];

/// What a superuser can change in what the server ships, without a new object.
const SHIPPED: [(&str, &str); 16] = [
    ("replaced function", "CREATE OR REPLACE FUNCTION pg_catalog.array_append(anycompatiblearray, anycompatible) RETURNS anycompatiblearray LANGUAGE plpgsql AS 'BEGIN RETURN $1; END'"),
    ("function replaced by another internal one", "CREATE OR REPLACE FUNCTION pg_catalog.lower(text) RETURNS text LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'upper'"),
    ("definer function", "ALTER FUNCTION pg_catalog.pg_ls_dir(text) SECURITY DEFINER"),
    ("leakproof function", "ALTER FUNCTION pg_catalog.textlike(text, text) LEAKPROOF"),
    ("function with a setting", "ALTER FUNCTION pg_catalog.current_setting(text) SET row_security = off"),
    ("function of another owner", "ALTER FUNCTION pg_catalog.lower(text) OWNER TO app_schema_owner"),
    ("function with a support function", "ALTER FUNCTION pg_catalog.upper(text) SUPPORT pg_catalog.generate_series_int4_support"),
    ("granted function", "GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text) TO app_viewer"),
    ("granted catalog", "GRANT SELECT ON pg_catalog.pg_hba_file_rules TO PUBLIC"),
    ("granted column", "GRANT SELECT (subconninfo) ON pg_catalog.pg_subscription TO app_viewer"),
    ("replaced view", "SET allow_system_table_mods = on; CREATE OR REPLACE VIEW information_schema.enabled_roles AS SELECT rolname::information_schema.sql_identifier AS role_name FROM pg_authid"),
    ("operator with another function", "UPDATE pg_operator SET oprcode = 'pg_catalog.texticlike'::regproc WHERE oid = 'pg_catalog.~~(text,text)'::regoperator"),
    ("cast with another function", "UPDATE pg_cast SET castfunc = 0, castmethod = 'i' WHERE castsource = 'text'::regtype AND casttarget = 'xml'::regtype"),
    ("trusted language", "UPDATE pg_language SET lanpltrusted = true WHERE lanname = 'c'"),
    ("type with another input function", "UPDATE pg_type SET typinput = 'textin'::regproc WHERE typname = 'json'"),
    ("operator family with another function", "CREATE FUNCTION pg_catalog.same(text, integer) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
        ALTER OPERATOR FAMILY pg_catalog.text_ops USING btree ADD FUNCTION 1 (text, integer) pg_catalog.same(text, integer);
        ALTER EXTENSION citext ADD FUNCTION pg_catalog.same(text, integer)"),
];

/// Openings of extensions, of the product's schemas, and others without a second dimension.
const OTHERS: [(&str, &str); 23] = [
    (
        "collation of a product's schema hidden in an extension",
        "CREATE COLLATION app.other FROM \"C\"; ALTER EXTENSION citext ADD COLLATION app.other",
    ),
    (
        "foreign server hidden in an extension",
        "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER loop FOREIGN DATA WRAPPER nothing; ALTER EXTENSION citext ADD SERVER loop",
    ),
    (
        "grant hidden in an extension",
        "CREATE EXTENSION pgstattuple; ALTER EXTENSION pgstattuple DROP FUNCTION pgstattuple(text);
        GRANT EXECUTE ON FUNCTION pgstattuple(text) TO PUBLIC; ALTER EXTENSION pgstattuple ADD FUNCTION pgstattuple(text)",
    ),
    ("function of an extension replaced", "CREATE OR REPLACE FUNCTION public.citext_eq(citext, citext) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS 'SELECT true'"),
    ("function of an extension as definer", "ALTER FUNCTION public.regexp_matches(citext, citext) SECURITY DEFINER"),
    ("write-ahead log", "CREATE EXTENSION pg_walinspect; GRANT EXECUTE ON FUNCTION pg_get_wal_records_info(pg_lsn, pg_lsn) TO app_viewer"),
    ("pages of tables", "CREATE EXTENSION pgstattuple; GRANT EXECUTE ON FUNCTION pgstattuple(text) TO PUBLIC"),
    ("statistics of statements", "CREATE EXTENSION pg_buffercache; GRANT SELECT ON pg_buffercache TO app_service"),
    ("files", "CREATE EXTENSION file_fdw; GRANT USAGE ON FOREIGN DATA WRAPPER file_fdw TO app_viewer"),
    ("event trigger", "CREATE FUNCTION other.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION other.watch()"),
    ("event trigger hidden in an extension", "CREATE FUNCTION other.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION other.watch();
        ALTER EXTENSION plpgsql ADD EVENT TRIGGER watch; ALTER EXTENSION citext ADD FUNCTION other.watch()"),
    ("large object", "SELECT lo_create(424242); GRANT SELECT ON LARGE OBJECT 424242 TO PUBLIC"),
    ("sequence", "CREATE SEQUENCE public.counter; GRANT USAGE ON SEQUENCE public.counter TO app_member"),
    ("language", "CREATE TRUSTED LANGUAGE scripts HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler"),
    ("operator in a product's schema", "CREATE OPERATOR app.= (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.starts_with)"),
    ("statistics in a product's schema", "CREATE STATISTICS app.both ON organization_id, name FROM app.projects"),
    ("collation in a product's schema", "CREATE COLLATION app.other FROM \"C\""),
    ("cast hidden in an extension", "CREATE CAST (bytea AS text) WITHOUT FUNCTION; ALTER EXTENSION citext ADD CAST (bytea AS text)"),
    ("operator hidden in an extension", "CREATE FUNCTION other.same(uuid, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
        CREATE OPERATOR pg_catalog.= (LEFTARG = uuid, RIGHTARG = text, FUNCTION = other.same); ALTER EXTENSION citext ADD OPERATOR pg_catalog.= (uuid, text)"),
    ("view in pg_catalog", "SET allow_system_table_mods = on; CREATE VIEW pg_catalog.projects AS SELECT 1 AS id"),
    ("library in each session", "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET session_preload_libraries = ''auto_explain''', current_database()); END $$"),
    ("large objects without privileges", "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lo_compat_privileges = on', current_database()); END $$"),
    ("rule of a table that a role can write", "CREATE TABLE public.bait (name text); GRANT INSERT ON public.bait TO app_viewer;
        CREATE RULE copied AS ON INSERT TO public.bait DO ALSO NOTIFY inserted"),
];

/// Generates every opening.
fn openings() -> Vec<Opening> {
    let mut all = Vec::new();
    for (class, keyword, create) in ROUTINES {
        for (way, name, grant) in ROUTINE_WAYS {
            let sql = format!("{create}; {grant}").replace("{k}", keyword).replace("{f}", name);
            all.push(opening(format!("{class} {way}"), sql));
        }
    }
    for (class, keyword, create) in RELATIONS {
        for (way, name, grant) in RELATION_WAYS {
            if way == "that a role can write" && keyword != "TABLE" {
                continue;
            }
            let sql = format!("{create}; {grant}").replace("{k}", keyword).replace("{r}", name);
            all.push(opening(format!("{class} {way}"), sql));
        }
    }
    for (kind, definer) in [("definer", "SECURITY DEFINER"), ("invoker", "")] {
        for (way, sql) in WRITES {
            let function = format!(
                "CREATE FUNCTION other.note() RETURNS trigger LANGUAGE plpgsql {definer} AS 'BEGIN RETURN NEW; END'"
            );
            let trigger = "CREATE TRIGGER note BEFORE INSERT OR DELETE ON";
            let sql = format!("{function}; {sql} FOR EACH ROW EXECUTE FUNCTION other.note()").replace("{t}", trigger);
            all.push(opening(format!("{kind} trigger of {way}"), sql));
        }
    }
    all.extend(SHIPPED.map(|(name, sql)| opening(format!("built-in: {name}"), sql)));
    all.extend(OTHERS.map(|(name, sql)| opening(name, sql)));
    all
}

/// Makes an opening in a copy of the clean database, and audits the copy.
async fn with_opening(server: &Server, database: &str, sql: &str, schema: &Schema) -> Report {
    let mut postgres = connect(&server.admin_url()).await;
    run(&mut postgres, &format!("CREATE DATABASE {database} TEMPLATE clean")).await.expect("copied");
    let mut admin = connect(&server.url("postgres", database)).await;
    run(&mut admin, &format!("SET client_min_messages = error; {sql}; RESET ALL"))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let report = audit(&mut admin, schema).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    drop(admin);
    run(&mut postgres, &format!("DROP DATABASE {database} WITH (FORCE)")).await.expect("dropped");
    report
}

#[tokio::test]
async fn every_generated_opening_is_reported_and_changes_the_fingerprint() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    run(&mut connect(&server.admin_url()).await, "CREATE DATABASE clean").await.expect("made");
    migrate(&server.url("postgres", "clean")).await;
    run(&mut connect(&server.url("postgres", "clean")).await, "CREATE EXTENSION citext; CREATE SCHEMA other")
        .await
        .expect("made");
    let schema = Folder::new(example_migrations_dir()).schema().expect("the example's snapshot");
    let clean = with_opening(&server, "untouched", "SELECT", &schema).await;
    // A copy of a database has neither its settings nor its privileges, which the audit reports.
    let own = |report: &Report| -> Vec<(&'static str, String)> {
        report.failing().map(|finding| (finding.code, finding.object.clone())).collect()
    };
    let of_copy = own(&clean);
    assert!(of_copy.iter().all(|(code, _)| ["TA111", "TA112", "TA123"].contains(code)), "{clean}");
    // Each major version tries its share, unless all are asked for.
    let all = std::env::var_os("TENANT_TEST_LONG").is_some();
    let share = server.version().major as usize % 3;
    let openings: Vec<_> = openings().into_iter().enumerate().filter(|(at, _)| all || at % 3 == share).collect();
    let (mut found, mut wrong) = (0, Vec::new());
    for (at, Opening { name, sql }) in &openings {
        let report = with_opening(&server, &format!("opening_{at}"), sql, &schema).await;
        let reported = own(&report).into_iter().filter(|finding| !of_copy.contains(finding));
        let codes: Vec<_> = reported.map(|(code, _)| code).collect();
        println!("{:20} {name}", codes.join(" "));
        // The app can only see what is in its database, so that settings are left to the audit.
        let is_setting = codes == ["TA117"];
        match (codes.is_empty(), report.fingerprint == clean.fingerprint && !is_setting) {
            (true, _) => wrong.push(format!("{name}: not reported")),
            (_, true) => wrong.push(format!("{name}: reported as {codes:?}, with the same fingerprint")),
            _ => found += 1,
        }
    }
    println!("{found} of {} openings found", openings.len());
    assert!(wrong.is_empty() && openings.len() >= 40, "{} of {}:\n{}", wrong.len(), openings.len(), wrong.join("\n"));
}
