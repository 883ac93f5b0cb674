//! The pinned inventory of what PostgreSQL and its extensions ship: it matches the servers, and a database with common
//! extensions passes the audit.

use std::collections::{BTreeMap, BTreeSet};
use std::{fs, path::PathBuf};

use sqlx::{PgConnection, Row as _};
use tenant_runtime::{
    audit::{Severity, audit},
    migrate::folder::Folder,
    server::{Server, ServerOptions},
    snapshot::hash,
};
use tenant_tests::{connect, dedicated_server, example_migrations_dir, migrate, run, server_options};

const QUERY: &str = include_str!("../../../tenant-runtime/src/db/inventory.sql");

/// The extensions whose versions are pinned: those that come with PostgreSQL, pgaudit and PostGIS.
const EXTENSIONS: [&str; 50] = [
    "adminpack",
    "amcheck",
    "autoinc",
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dblink",
    "dict_int",
    "dict_xsyn",
    "earthdistance",
    "file_fdw",
    "fuzzystrmatch",
    "hstore",
    "insert_username",
    "intagg",
    "intarray",
    "isn",
    "lo",
    "ltree",
    "moddatetime",
    "old_snapshot",
    "pageinspect",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_logicalinspect",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_surgery",
    "pg_trgm",
    "pg_visibility",
    "pg_walinspect",
    "pgaudit",
    "pgcrypto",
    "pgrowlocks",
    "pgstattuple",
    "plpgsql",
    "postgis",
    "postgres_fdw",
    "refint",
    "seg",
    "sslinfo",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
    "xml2",
];

/// Extensions with functions that reach other servers or files, which the audit reports even as shipped (TA213).
const CONNECTING: [&str; 2] = ["adminpack", "dblink"];

fn file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tenant-runtime/src/audit/inventory.txt"))
}

/// The objects of the server, each with the major versions that ship it, and those of each version of an extension.
#[derive(Default)]
struct Inventory {
    server: BTreeMap<String, BTreeSet<u32>>,
    extensions: BTreeMap<String, BTreeSet<String>>,
}

impl Inventory {
    fn read() -> Self {
        let mut inventory = Self::default();
        let mut title = String::new();
        for line in fs::read_to_string(file()).unwrap_or_default().lines() {
            if let Some(next) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                next.clone_into(&mut title);
            } else if !line.is_empty() && !line.starts_with('#') {
                match title.strip_prefix("PostgreSQL ") {
                    Some(majors) => inventory
                        .server
                        .entry(line.to_owned())
                        .or_default()
                        .extend(majors.split(' ').map(|major| major.parse::<u32>().expect("a number"))),
                    None => {
                        inventory.extensions.entry(title.clone()).or_default().insert(line.to_owned());
                    }
                }
            }
        }
        inventory
    }

    fn write(&self) {
        let mut sections: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for (line, majors) in self.server.iter().filter(|(_, majors)| !majors.is_empty()) {
            let majors = majors.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            sections.entry(format!("PostgreSQL {majors}")).or_default().insert(line);
        }
        for (origin, lines) in &self.extensions {
            sections.entry(origin.clone()).or_default().extend(lines.iter().map(String::as_str));
        }
        let mut text = "# What PostgreSQL and its extensions ship: class, name and hash of each definition, from inventory.sql.\n\
                        # Written by `TENANT_UPDATE_INVENTORY=1 cargo test --workspace --test it -- inventory`, once for each major version.\n"
            .to_owned();
        for (title, lines) in sections {
            text += &format!("\n[{title}]\n{}\n", lines.into_iter().collect::<Vec<_>>().join("\n"));
        }
        fs::write(file(), text).expect("written");
    }
}

/// Reads the objects of the server and those of its extensions.
async fn read(connection: &mut PgConnection) -> (BTreeSet<String>, BTreeMap<String, BTreeSet<String>>) {
    run(connection, "SET search_path = pg_catalog, pg_temp; SET jit = off").await.expect("set");
    let (mut server, mut extensions) = (BTreeSet::new(), BTreeMap::<String, BTreeSet<String>>::new());
    // No digest is expected, so that every object is listed.
    for row in sqlx::query(QUERY).bind("").persistent(false).fetch_all(connection).await.expect("the inventory") {
        let origin: Option<String> = row.get("origin");
        let [class, name, hash] = ["class", "name", "hash"].map(|column| row.get::<String, _>(column));
        if class == "digest" {
            continue;
        }
        let line = format!("{class} {name} {hash}");
        match origin {
            Some(origin) => extensions.entry(origin).or_default().insert(line),
            None => server.insert(line),
        };
    }
    (server, extensions)
}

/// Starts a server that can create every extension.
fn server_with_libraries() -> Server {
    let mut settings = server_options().settings;
    settings.push(("shared_preload_libraries".into(), "pgaudit".into()));
    let with_pgaudit = ServerOptions { settings, ..server_options() };
    Server::start(&with_pgaudit).unwrap_or_else(|_| dedicated_server())
}

/// Returns the pinned extensions that the server can install, with their versions.
async fn available(connection: &mut PgConnection, which: &str) -> Vec<(String, String)> {
    let sql = format!("SELECT name, version FROM pg_available_extension_versions WHERE {which} ORDER BY name, version");
    let rows: Vec<(String, String)> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(connection).await.expect("a list");
    // PostGIS also lists versions for its own updates, such as `3.3.2next`.
    let is_release = |version: &str| version.split('.').all(|part| part.parse::<u32>().is_ok());
    rows.into_iter().filter(|(name, version)| EXTENSIONS.contains(&name.as_str()) && is_release(version)).collect()
}

/// Writes what this major version ships into the inventory, and each version of each extension.
async fn update(server: &Server) {
    let mut inventory = Inventory::read();
    let major = server.version().major;
    let mut connection = connect(&server.admin_url()).await;
    let (shipped, own) = read(&mut connection).await;
    inventory.server.values_mut().for_each(|majors| {
        majors.remove(&major);
    });
    for line in shipped {
        inventory.server.entry(line).or_default().insert(major);
    }
    let mut found = vec![own];
    for (name, version) in available(&mut connection, "name <> 'plpgsql'").await {
        let create =
            format!("BEGIN; SET LOCAL search_path = public; CREATE EXTENSION \"{name}\" VERSION '{version}' CASCADE");
        match run(&mut connection, &create).await {
            Ok(_) => found.push(read(&mut connection).await.1),
            Err(error) => println!("{name} {version}: {error}"),
        }
        run(&mut connection, "ROLLBACK").await.expect("rolled back");
    }
    for (origin, lines) in found.into_iter().flatten() {
        inventory.extensions.entry(origin).or_default().extend(lines);
    }
    inventory.write();
}

#[tokio::test]
async fn inventory_matches_the_server_and_extensions_pass_the_audit() {
    let server = tokio::task::spawn_blocking(server_with_libraries).await.expect("it starts");
    if std::env::var_os("TENANT_UPDATE_INVENTORY").is_some() {
        return update(&server).await;
    }
    migrate(&server.admin_url()).await;
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, "CREATE SCHEMA \"Our extensions\"; GRANT USAGE ON SCHEMA \"Our extensions\" TO PUBLIC")
        .await
        .expect("made");
    let default =
        "(name, version) IN (SELECT name, default_version FROM pg_available_extensions) AND name <> 'plpgsql'";
    let mut created = Vec::new();
    for (at, (name, _)) in available(&mut admin, default).await.into_iter().enumerate() {
        // Every other extension goes into a schema whose name needs quotes.
        let schema = if at % 2 == 0 { "\"Our extensions\"" } else { "public" };
        match run(&mut admin, &format!("CREATE EXTENSION IF NOT EXISTS \"{name}\" SCHEMA {schema} CASCADE")).await {
            Ok(_) => created.push(name),
            // Those with a schema of their own, and those that the server has to load at its start.
            Err(_) => match run(&mut admin, &format!("CREATE EXTENSION \"{name}\" CASCADE")).await {
                Ok(_) => created.push(name),
                Err(error) => println!("{name} is not installed: {error}"),
            },
        }
    }
    assert!(created.len() > 40, "{created:?}");

    let schema = Folder::new(example_migrations_dir()).schema().expect("the example's snapshot");
    let report = audit(&mut admin, &schema).await.expect("an audit");
    let expected = |object: &str| CONNECTING.iter().any(|name| object.contains(name)) || object.contains(".pg_");
    let found: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.severity != Severity::Note)
        .filter(|finding| !(finding.code == "TA213" && expected(&finding.object)))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    let unchecked: Vec<_> = report.findings.iter().filter(|finding| finding.code == "TA229").collect();
    // pgaudit has a version of its own for each major version; not each of them is pinned.
    assert!(unchecked.iter().all(|finding| finding.object == "extension pgaudit"), "{unchecked:#?}");

    let inventory = Inventory::read();
    let major = server.version().major;
    let pinned = inventory.server.iter().filter(|(_, majors)| majors.contains(&major)).map(|(line, _)| line.clone());
    let pinned = pinned.collect::<BTreeSet<_>>();
    assert!(read(&mut admin).await.0 == pinned, "run it with TENANT_UPDATE_INVENTORY=1");

    // With the right digest, the objects of the server are not listed.
    let digest = hash(&pinned.into_iter().collect::<Vec<_>>().join("\n"));
    let sql = format!("SELECT count(*)::text FROM ({QUERY}) AS rows WHERE origin IS NULL");
    let listed: String =
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(digest).fetch_one(&mut admin).await.expect("a number");
    assert_eq!(listed, "1");
}

/// Of an extension that the inventory does not contain, a note says so, and what its script cannot have made is a finding.
#[tokio::test]
async fn unknown_extension_reports_what_its_script_cannot_have_made() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    migrate(&server.admin_url()).await;
    let mut admin = connect(&server.admin_url()).await;
    // citext under a version that the inventory does not contain.
    let unknown = "CREATE EXTENSION citext; UPDATE pg_extension SET extversion = '9.9' WHERE extname = 'citext'";
    run(&mut admin, unknown).await.expect("made");
    let schema = Folder::new(example_migrations_dir()).schema().expect("the example's snapshot");
    let clean = audit(&mut admin, &schema).await.expect("an audit");
    assert!(clean.is_clean() && clean.findings.iter().any(|finding| finding.code == "TA229"), "{clean}");
    let changes = [
        (
            "CREATE FUNCTION public.peek() RETURNS text LANGUAGE internal AS 'pgsql_version';
             ALTER EXTENSION citext ADD FUNCTION public.peek()",
            "ALTER EXTENSION citext DROP FUNCTION public.peek(); DROP FUNCTION public.peek()",
            "TA224",
        ),
        (
            "ALTER FUNCTION public.citext_eq(citext, citext) OWNER TO app_schema_owner",
            "ALTER FUNCTION public.citext_eq(citext, citext) OWNER TO postgres",
            "TA224",
        ),
        (
            "ALTER FUNCTION public.citext_eq(citext, citext) SECURITY DEFINER",
            "ALTER FUNCTION public.citext_eq(citext, citext) SECURITY INVOKER",
            "TA204",
        ),
    ];
    for (change, undo, code) in changes {
        run(&mut admin, change).await.expect(change);
        let report = audit(&mut admin, &schema).await.expect("an audit");
        let codes: Vec<_> = report.failing().map(|finding| finding.code).collect();
        assert_eq!(codes, [code], "{change}: {report}");
        assert_ne!(report.fingerprint, clean.fingerprint, "{change}");
        run(&mut admin, undo).await.expect(undo);
    }
}
