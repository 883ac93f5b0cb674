//! What the catalog says after the example was applied: exactly what was declared, and not one privilege more.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection};
use tenant_runtime::{
    Tenancy as _,
    check::{Severity, check},
    ident::quoted,
    model::def::{ColumnDef, ScopeDef, SqlType, TableDef, TableName},
    roles::Organizations,
};
use tenant_tests::{Database, TABLES, ask, connect, migrate, own_server, run};

type Rows = BTreeSet<String>;

/// Reads rows of one text column.
async fn rows(connection: &mut PgConnection, sql: &str) -> Rows {
    let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(connection).await.expect(sql);
    rows.into_iter().collect()
}

fn wanted<T: Into<String>>(rows: impl IntoIterator<Item = T>) -> Rows {
    rows.into_iter().map(Into::into).collect()
}

fn tier(role: &str) -> String {
    format!("{}{role}", Organizations::DEF.role_prefix)
}

fn is_tenant(def: &TableDef, column: &ColumnDef) -> bool {
    def.scope == ScopeDef::Tenant { column: column.name }
}

fn commands(def: &TableDef) -> impl Iterator<Item = (&'static str, &'static str)> {
    let roles = [("SELECT", def.select), ("INSERT", def.insert), ("UPDATE", def.update), ("DELETE", def.delete)];
    roles.into_iter().filter_map(|(command, role)| Some((command, role?)))
}

#[tokio::test]
async fn row_security_is_enabled_and_forced_on_every_table() {
    let database = Database::create().await;
    let sql =
        "SELECT relname || ' ' || relrowsecurity || ' ' || relforcerowsecurity || ' ' || pg_get_userbyid(relowner)
               FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')";
    let seen = rows(&mut database.admin().await, sql).await;
    assert_eq!(seen, wanted(TABLES.map(|def| format!("{} true true app_owner", def.name.table))));
}

#[tokio::test]
async fn the_policies_are_one_for_each_declared_command_and_the_floor() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    // The server writes a predicate in words of its own, so it is asked how it writes the one that is meant.
    let scratch = "CREATE TABLE public.scratch (tenant uuid);
                   CREATE POLICY p ON public.scratch
                   USING (tenant = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))";
    run(&mut admin, scratch).await.expect("a superuser may");
    let predicate = ask(&mut admin, "SELECT qual FROM pg_policies WHERE tablename = 'scratch'").await;
    let sql = "SELECT format('%s %s %s %s %s USING %s CHECK %s', tablename, policyname, permissive, roles, cmd, qual,
                   with_check)
               FROM pg_policies WHERE schemaname = 'app'";
    let seen = rows(&mut admin, sql).await;
    let mut declared = Rows::new();
    for def in TABLES {
        let ScopeDef::Tenant { column } = def.scope else { continue };
        let (table, predicate) = (def.name.table, predicate.replace("tenant", column));
        declared.insert(format!("{table} tenant_floor RESTRICTIVE {{public}} ALL USING {predicate} CHECK {predicate}"));
        for (command, role) in commands(def) {
            let using = if command == "INSERT" { "" } else { &predicate };
            let check = if matches!(command, "INSERT" | "UPDATE") { &*predicate } else { "" };
            let name = command.to_lowercase();
            let role = tier(role);
            declared.insert(format!("{table} {name}_rows PERMISSIVE {{{role}}} {command} USING {using} CHECK {check}"));
        }
    }
    assert_eq!(seen, declared);
}

#[tokio::test]
async fn the_grants_are_the_declared_ones() {
    let database = Database::create().await;
    // NULL stands for the built-in default. The owner's own privileges are those of every owner.
    let sql = "SELECT format('%s%s %s TO %s%s', class.relname, '.' || item.attname, acl.privilege_type,
                   COALESCE(pg_get_userbyid(NULLIF(acl.grantee, 0)), 'PUBLIC'),
                   CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' END)
               FROM pg_class AS class
               CROSS JOIN LATERAL (
                   SELECT NULL::name, COALESCE(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", relowner))
                   UNION ALL SELECT attname, attacl FROM pg_attribute WHERE attrelid = class.oid
               ) AS item (attname, acl)
               CROSS JOIN LATERAL aclexplode(item.acl) AS acl
               WHERE class.relnamespace = 'app'::regnamespace AND class.relkind <> 'i' AND acl.grantee <> class.relowner";
    let seen = rows(&mut database.admin().await, sql).await;
    let mut declared = Rows::new();
    for def in TABLES {
        for (command, role) in commands(def) {
            let (table, role) = (def.name.table, tier(role));
            let columns = def.columns.iter().filter(|column| match command {
                "SELECT" => true,
                "INSERT" => is_tenant(def, column) || column.supplied,
                "UPDATE" => !is_tenant(def, column) && !column.id,
                _ => false,
            });
            declared.extend(columns.map(|column| format!("{table}.{} {command} TO {role}", column.name)));
            if command == "DELETE" {
                declared.insert(format!("{table} DELETE TO {role}"));
            }
        }
    }
    assert_eq!(seen, declared);
}

#[tokio::test]
async fn the_database_and_its_schemas_are_open_to_the_app_only() {
    let database = Database::create().await;
    let sql = "SELECT format('%s: %s TO %s%s', what, acl.privilege_type,
                   COALESCE(pg_get_userbyid(NULLIF(acl.grantee, 0)), 'PUBLIC'),
                   CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' END)
               FROM (
                   SELECT 'database', datacl, datdba FROM pg_database WHERE datname = current_database()
                   UNION ALL SELECT nspname, nspacl, nspowner FROM pg_namespace WHERE nspname IN ('app', 'public')
                   UNION ALL SELECT format('default %s %s', defaclobjtype, defaclnamespace), defaclacl, 0
                       FROM pg_default_acl WHERE defaclrole = 'app_owner'::regrole
               ) AS object (what, acl, owner)
               CROSS JOIN LATERAL aclexplode(object.acl) AS acl
               WHERE acl.grantee <> object.owner";
    let seen = rows(&mut database.admin().await, sql).await;
    let declared = [
        "database: CONNECT TO app_service",
        "app: USAGE TO app_viewer",
        // PUBLIC may see the schema, where extensions put what everybody uses, and make nothing in it.
        "public: USAGE TO PUBLIC",
        // What the owner will make is the owner's own.
        "default f 0: EXECUTE TO app_owner",
        "default T 0: USAGE TO app_owner",
    ];
    assert_eq!(seen, wanted(declared));
}

#[tokio::test]
async fn the_owner_makes_functions_and_types_that_nobody_else_may_use() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let make = "SET ROLE app_owner; CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
                CREATE TYPE app.t AS ENUM ('a'); RESET ROLE";
    run(&mut admin, make).await.expect("the owner may");
    let sql = "SELECT concat(has_function_privilege('app_admin', 'app.f()', 'EXECUTE'),
                   has_type_privilege('app_admin', 'app.t', 'USAGE'), has_function_privilege('public', 'app.f()', 'EXECUTE'))";
    assert_eq!(ask(&mut admin, sql).await, "fff");
}

#[tokio::test]
async fn the_roles_have_no_attribute_and_no_membership_but_their_own() {
    // Of its own, since tests beside this one make logins that are members of these roles.
    let server = tokio::task::spawn_blocking(own_server).await.expect("it starts");
    migrate(&server.admin_url()).await;
    let mut admin = connect(&server.admin_url()).await;
    let attributes = "SELECT concat_ws(' ', rolname, CASE WHEN rolcanlogin THEN 'LOGIN' END,
                          CASE WHEN NOT rolinherit THEN 'NOINHERIT' END, 'limit ' || rolconnlimit,
                          CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
                          CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
                          CASE WHEN rolreplication THEN 'REPLICATION' END, 'password ' || (rolpassword IS NOT NULL),
                          (SELECT setconfig FROM pg_db_role_setting WHERE setrole = role.oid))
                      FROM pg_authid AS role WHERE rolname NOT LIKE 'pg\\_%' AND rolname <> 'postgres'";
    let seen = rows(&mut admin, attributes).await;
    let declared = [
        "app_owner limit -1 password false",
        "app_viewer limit -1 password false",
        "app_member limit -1 password false",
        "app_admin limit -1 password false",
        "app_service LOGIN NOINHERIT limit 50 password false",
    ];
    assert_eq!(seen, wanted(declared));

    let has_options = server.version().major >= 16;
    let options = if has_options { "' inherit ' || inherit_option || ' set ' || set_option" } else { "''" };
    let memberships = format!(
        "SELECT format('%s in %s%s%s', pg_get_userbyid(member), pg_get_userbyid(roleid),
             CASE WHEN admin_option THEN ' with admin' END, {options})
         FROM pg_auth_members WHERE pg_get_userbyid(member) NOT LIKE 'pg\\_%'"
    );
    let seen = rows(&mut admin, &memberships).await;
    let (upward, login) = if has_options { (" inherit true set false", " inherit false set true") } else { ("", "") };
    let declared = [
        format!("app_member in app_viewer{upward}"),
        format!("app_admin in app_member{upward}"),
        format!("app_service in app_viewer{login}"),
        format!("app_service in app_member{login}"),
        format!("app_service in app_admin{login}"),
    ];
    assert_eq!(seen, wanted(declared));
}

#[tokio::test]
async fn the_login_without_a_role_is_told_that_permission_is_denied() {
    let database = Database::create().await;
    let mut app = connect(&database.app_url()).await;
    let mut told = Rows::new();
    for def in TABLES {
        let error = run(&mut app, &format!("SELECT FROM {}", def.name)).await.expect_err("no privilege");
        let error = error.into_database_error().expect("the server answers");
        told.insert(format!("{} {}", error.code().unwrap_or_default(), error.message()));
    }
    // Without USAGE on the schema the server does not even say whether there is such a table.
    assert_eq!(told, wanted(["42501 permission denied for schema app"]));
}

#[tokio::test]
async fn every_keyword_of_the_server_that_is_no_plain_name_is_quoted() {
    let database = Database::empty().await;
    let keywords = "SELECT word FROM pg_get_keywords() WHERE catcode <> 'U'";
    let bare: Vec<String> = rows(&mut database.admin().await, keywords)
        .await
        .into_iter()
        .filter(|word| quoted(word).to_string() != format!("\"{word}\""))
        .collect();
    assert_eq!(bare, Vec::<String>::new(), "add them to `KEYWORDS`");
}

#[tokio::test]
async fn names_are_quoted_as_the_server_quotes_them_and_come_back_unchanged() {
    let database = Database::empty().await;
    let mut admin = database.admin().await;
    let long = "x".repeat(63);
    let names = [
        "plain",
        "_x",
        "x1",
        "1x",
        "Project",
        "größe",
        "ÄÖ",
        "a b",
        " ",
        "a\"b",
        "\"",
        "\"\"",
        "a'b",
        "\\",
        "a\\nb",
        "a\nb",
        "a\tb",
        "x--y",
        "/*",
        "*/",
        ";",
        "$1",
        "$$",
        "x$y",
        "a.b",
        "%I",
        "{}",
        "🦀",
        "e\u{301}",
        "U&",
        "select",
        "user",
        "User",
        "json_table",
        "between",
        "name",
        "type",
        "role",
        "order",
        &long,
    ];
    for name in names {
        let ours = quoted(name).to_string();
        let theirs: String =
            sqlx::query_scalar("SELECT quote_ident($1)").bind(name).fetch_one(&mut admin).await.expect("reads");
        let row = sqlx::query(AssertSqlSafe(format!("SELECT 1 AS {ours}"))).fetch_one(&mut admin).await.expect(&ours);
        let came_back = sqlx::Column::name(&sqlx::Row::columns(&row)[0]).to_owned();
        // The server quotes the keywords of its own version only.
        let newer_keyword = ours == format!("\"{theirs}\"") && name == "json_table";
        assert!((ours == theirs || newer_keyword) && came_back == name, "{name:?}: {ours}, {theirs}, {came_back:?}");
    }
}

/// Says whether the check warns of an index on a column of the type.
fn warns_of_index(ty: SqlType) -> bool {
    let column = |name, ty, id, index| ColumnDef {
        field: name,
        name,
        doc: "",
        ty,
        nullable: false,
        id,
        supplied: true,
        default: None,
        references: None,
        unique: false,
        index,
        check: None,
    };
    let columns = [
        column("id", SqlType::Uuid, true, false),
        column("org", SqlType::Uuid, false, false),
        column("x", ty, false, true),
    ];
    let def = TableDef {
        rust_name: "T",
        file: "",
        line: 0,
        name: TableName { schema: "app", table: "ts" },
        doc: "",
        tenancy: Organizations::DEF,
        scope: ScopeDef::Tenant { column: "org" },
        select: Some("viewer"),
        insert: None,
        update: None,
        delete: None,
        columns: Box::leak(Box::new(columns)),
        uniques: &[],
        indexes: &[],
    };
    let models = tenant_runtime::models![].only([&*Box::leak(Box::new(def))]);
    let checked = check(&models).expect("the declaration is sound");
    let warnings = checked.warnings;
    warnings.as_slice().iter().any(|finding| finding.severity == Severity::Warning && finding.message.contains("index"))
}

#[tokio::test]
async fn the_types_whose_index_is_warned_of_are_those_whose_comparison_may_leak() {
    let database = Database::empty().await;
    let mut admin = database.admin().await;
    let types = [
        (SqlType::Bool, "boolean"),
        (SqlType::Int2, "smallint"),
        (SqlType::Int4, "integer"),
        (SqlType::Int8, "bigint"),
        (SqlType::Float4, "real"),
        (SqlType::Float8, "double precision"),
        (SqlType::Numeric, "numeric"),
        (SqlType::Text, "text"),
        (SqlType::Labels(&["a"]), "text"),
        (SqlType::Bytea, "bytea"),
        (SqlType::Uuid, "uuid"),
        (SqlType::Date, "date"),
        (SqlType::Time, "time"),
        (SqlType::Timestamp, "timestamp"),
        (SqlType::Timestamptz, "timestamptz"),
        (SqlType::Jsonb, "jsonb"),
    ];
    let mut wrong = Vec::new();
    for (ty, name) in types {
        let sql = format!(
            "SELECT proleakproof::text FROM pg_operator JOIN pg_proc ON pg_proc.oid = oprcode
             WHERE oprname = '=' AND oprleft = '{name}'::regtype AND oprright = oprleft"
        );
        let leakproof = ask(&mut admin, &sql).await == "true";
        if warns_of_index(ty) == leakproof {
            wrong.push(format!("{name}: leakproof {leakproof}"));
        }
    }
    let arrays = "SELECT proleakproof::text FROM pg_proc WHERE proname = 'array_eq'";
    assert_eq!(
        (wrong, warns_of_index(SqlType::Array(&SqlType::Int4)), ask(&mut admin, arrays).await),
        (vec![], true, "false".to_owned())
    );
}
