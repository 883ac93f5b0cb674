//! What the catalog says after the example was applied: exactly what was declared, and not one privilege more.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection};
use tenant_runtime::{
    Tenancy as _,
    model::def::{ColumnDef, NOBODY, ScopeDef, TableDef},
    roles::Organizations,
};
use tenant_tests::{Database, TABLES, ask, connect, migrate, own_server, run};

pub(super) type Rows = BTreeSet<String>;

/// Reads rows of one text column.
pub(super) async fn rows(connection: &mut PgConnection, sql: &str) -> Rows {
    let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(connection).await.expect(sql);
    rows.into_iter().collect()
}

pub(super) fn wanted<T: Into<String>>(rows: impl IntoIterator<Item = T>) -> Rows {
    rows.into_iter().map(Into::into).collect()
}

fn tier(role: &str) -> String {
    format!("{}{role}", Organizations::DEF.role_prefix)
}

const DEFINER: &str = "app_definer";
const SYSTEM: &str = "app_system";

fn is_tenant(def: &TableDef, column: &ColumnDef) -> bool {
    def.scope == ScopeDef::Tenant { column: column.name }
}

/// The commands with the roles that may give them: on all rows of the tenant, or, where it says so, on the user's own.
fn commands(def: &TableDef) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    let roles = [
        ("SELECT", def.select, false),
        ("INSERT", def.insert, false),
        ("UPDATE", def.update, false),
        ("UPDATE", def.update_own, true),
        ("DELETE", def.delete, false),
        ("DELETE", def.delete_own, true),
    ];
    // Members are changed by functions alone.
    let (members, invitations) = (def.membership.is_some(), def.invitation.is_some());
    roles
        .into_iter()
        .filter(move |(command, ..)| *command == "SELECT" || !members && (!invitations || *command == "DELETE"))
        .filter_map(|(command, role, own)| Some((command, role?, own)))
}

/// The columns that the functions touch on a table, by command; DELETE has none.
fn crossings(def: &TableDef) -> Vec<(&'static str, Vec<&'static str>)> {
    let inserted = || def.columns.iter().filter(|c| c.supplied && c.default.is_none()).map(|c| c.name).collect();
    match (def.membership, def.scope) {
        (Some(members), ScopeDef::Tenant { column }) => vec![
            ("SELECT", def.columns.iter().map(|column| column.name).collect()),
            ("INSERT", vec![column, members.user, members.role]),
            ("UPDATE", vec![members.role]),
            ("DELETE", vec![]),
        ],
        _ if def.invitation.is_some() => vec![
            ("SELECT", def.columns.iter().map(|column| column.name).collect()),
            ("INSERT", def.columns.iter().filter(|c| is_tenant(def, c) || c.supplied).map(|c| c.name).collect()),
            ("DELETE", vec![]),
        ],
        (_, ScopeDef::Tenant { column }) if def.change_log => {
            let filled = ["user_id", "role", "table_name", "row_key", "command", "before", "after"];
            vec![("INSERT", [column].into_iter().chain(filled).collect())]
        }
        _ if def.sign_up => vec![("SELECT", vec!["id", "email"]), ("INSERT", inserted())],
        _ if def.founder.is_some() => vec![("SELECT", vec!["id"]), ("INSERT", inserted())],
        _ => vec![],
    }
}

/// The columns that a command may touch at all, each with its own role.
fn touched<'d>(def: &'d TableDef, command: &str) -> impl Iterator<Item = (&'d ColumnDef, Option<&'static str>)> {
    let from_context = |column: &ColumnDef| is_tenant(def, column) || def.owner == Some(column.name);
    let of_parent = |column: &ColumnDef| def.scope == ScopeDef::Parent { column: column.name };
    let columns = def.columns.iter().filter_map(|column| match command {
        "SELECT" => Some((column, column.select)),
        "INSERT" => Some((column, column.insert)).filter(|_| from_context(column) || column.supplied),
        "UPDATE" => Some((column, column.update)).filter(|_| !from_context(column) && !of_parent(column) && !column.id),
        _ => None,
    });
    columns.collect::<Vec<_>>().into_iter()
}

fn setting(name: &str) -> String {
    format!("(SELECT NULLIF(current_setting('{name}', true), '')::uuid)")
}

/// The condition on the rows of a table's tenant, as the declaration means it.
fn of_tenant(def: &TableDef) -> String {
    let org = setting("app.organization_id");
    match def.scope {
        ScopeDef::Tenant { column } => format!("{column} = {org}"),
        ScopeDef::Parent { column } => {
            let reference = def.columns.iter().find(|c| c.name == column).and_then(|c| c.references).expect("a parent");
            let parent = TABLES.into_iter().find(|parent| parent.name == reference.table).expect("a table");
            let ScopeDef::Tenant { column: tenant } = parent.scope else { panic!("a tenant table") };
            format!("{column} IN (SELECT parent.id FROM {} AS parent WHERE parent.{tenant} = {org})", parent.name)
        }
        ScopeDef::Shared { through } => {
            let members = TABLES.into_iter().find(|members| members.name == through).expect("a table");
            let (Some(columns), ScopeDef::Tenant { column: tenant }) = (members.membership, members.scope) else {
                panic!("a membership table")
            };
            let user = columns.user;
            format!("id = ANY (ARRAY(SELECT m.{user} FROM {} AS m WHERE m.{tenant} = {org}))", members.name)
        }
        ScopeDef::Global => "true".to_owned(),
    }
}

/// The floor under all policies of a table.
fn floor(def: &TableDef) -> String {
    let floor = match def.scope {
        ScopeDef::Tenant { column } => format!("{column} = (SELECT app_auth.acting_tenant())"),
        _ => of_tenant(def),
    };
    let definer = (!crossings(def).is_empty()).then(|| format!("WHEN (SELECT current_user = '{DEFINER}') THEN true"));
    let system =
        (!def.system.is_empty()).then(|| format!("WHEN (SELECT current_user = '{SYSTEM}') THEN {}", reached(def)));
    match definer.into_iter().chain(system).collect::<Vec<_>>().join(" ") {
        none if none.is_empty() => floor,
        exceptions => format!("CASE {exceptions} ELSE {floor} END"),
    }
}

/// The rows that the system role reaches: those of the tenant in the context, or, without one, all.
fn reached(def: &TableDef) -> String {
    let org = setting("app.organization_id");
    format!("((SELECT app_auth.acting_system()) AND ({org} IS NULL OR {}))", of_tenant(def))
}

/// The conditions of a command, on rows that are there and on those to be.
fn conditions(def: &TableDef, command: &str, own_only: bool) -> (Option<String>, Option<String>) {
    let own = def.owner.map(|owner| format!("{owner} = {}", setting("app.user_id")));
    let visible = def.visibility.zip(own.as_ref()).map(|(column, own)| format!("({column} = 'team' OR {own})"));
    let all = |parts: [Option<String>; 3]| parts.into_iter().flatten().collect::<Vec<_>>().join(" AND ");
    let own_of = |needed: bool| own.clone().filter(|_| needed);
    let using = all([Some(of_tenant(def)), visible.clone(), own_of(own_only)]);
    let inserts = command == "INSERT";
    let check = all([Some(of_tenant(def)), visible.filter(|_| !inserts), own_of(own_only || inserts)]);
    ((!inserts).then_some(using), matches!(command, "INSERT" | "UPDATE").then_some(check))
}

/// Asks the server how it writes a condition on a table's rows: it has words of its own.
async fn rewritten(admin: &mut PgConnection, def: &TableDef, condition: Option<String>) -> String {
    let Some(condition) = condition else { return String::new() };
    let policy = format!("BEGIN; CREATE POLICY scratch ON {} USING ({condition})", def.name);
    run(admin, &policy).await.expect(&policy);
    let written = ask(admin, "SELECT qual FROM pg_policies WHERE policyname = 'scratch'").await;
    run(admin, "ROLLBACK").await.expect("undone");
    written
}

#[tokio::test]
async fn row_security_is_enabled_and_forced_on_every_table() {
    let database = Database::create().await;
    let sql =
        "SELECT relname || ' ' || relrowsecurity || ' ' || relforcerowsecurity || ' ' || pg_get_userbyid(relowner)
               FROM pg_class
               WHERE relnamespace IN ('app'::regnamespace, 'app_auth'::regnamespace) AND relkind IN ('r', 'p', 'v', 'm', 'f')";
    let seen = rows(&mut database.admin().await, sql).await;
    let partitions = TABLES
        .into_iter()
        .flat_map(|def| (0..def.partitions.unwrap_or(0)).map(move |number| format!("{}_p{number}", def.name.table)));
    let tables = TABLES.into_iter().map(|def| def.name.table.to_owned()).chain(partitions);
    let tables = tables.chain(["system_uses".to_owned()]);
    assert_eq!(seen, wanted(tables.map(|table| format!("{table} true true app_owner"))));
}

#[tokio::test]
async fn the_policies_are_one_for_each_declared_command_and_the_floor() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let sql = "SELECT format('%s %s %s %s %s USING %s CHECK %s', tablename, policyname, permissive, roles, cmd, qual,
                   with_check)
               FROM pg_policies WHERE schemaname <> 'pg_catalog'";
    let seen = rows(&mut admin, sql).await;
    let mut declared = Rows::new();
    for def in TABLES {
        let table = def.name.table;
        let predicate = rewritten(&mut admin, def, Some(floor(def))).await;
        declared.insert(format!("{table} tenant_floor RESTRICTIVE {{public}} ALL USING {predicate} CHECK {predicate}"));
        for (command, role, own) in commands(def) {
            let (using, check) = conditions(def, command, own);
            let (using, check) = (rewritten(&mut admin, def, using).await, rewritten(&mut admin, def, check).await);
            let name = format!("{}{}", command.to_lowercase(), if own { "_own" } else { "" });
            let role = tier(role);
            declared.insert(format!("{table} {name}_rows PERMISSIVE {{{role}}} {command} USING {using} CHECK {check}"));
        }
        for (command, _) in crossings(def) {
            let using = if command == "INSERT" { "" } else { "true" };
            let check = if matches!(command, "INSERT" | "UPDATE") { "true" } else { "" };
            let name = command.to_lowercase();
            declared.insert(format!(
                "{table} definer_{name} PERMISSIVE {{{DEFINER}}} {command} USING {using} CHECK {check}"
            ));
        }
        for name in def.system {
            let condition = rewritten(&mut admin, def, Some(reached(def))).await;
            let using = if *name == "insert" { "" } else { &condition };
            let check = if matches!(*name, "insert" | "update") { &condition } else { "" };
            let command = name.to_uppercase();
            declared
                .insert(format!("{table} system_{name} PERMISSIVE {{{SYSTEM}}} {command} USING {using} CHECK {check}"));
        }
    }
    declared.extend([
        format!("system_uses definer_select PERMISSIVE {{{DEFINER}}} SELECT USING true CHECK "),
        format!("system_uses definer_insert PERMISSIVE {{{DEFINER}}} INSERT USING  CHECK true"),
    ]);
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
        let table = def.name.table;
        for (command, role, _) in commands(def) {
            let columns = touched(def, command);
            declared.extend(
                columns
                    .filter(|(_, own)| *own != Some(NOBODY))
                    .map(|(column, own)| format!("{table}.{} {command} TO {}", column.name, tier(own.unwrap_or(role)))),
            );
            if command == "DELETE" {
                declared.insert(format!("{table} DELETE TO {}", tier(role)));
            }
        }
        for name in def.system {
            let command = name.to_uppercase();
            let columns = touched(def, &command).filter(|(_, own)| *own != Some(NOBODY));
            declared.extend(columns.map(|(column, _)| format!("{table}.{} {command} TO {SYSTEM}", column.name)));
            if *name == "delete" {
                declared.insert(format!("{table} DELETE TO {SYSTEM}"));
            }
        }
        for (command, columns) in crossings(def) {
            declared.extend(columns.iter().map(|column| format!("{table}.{column} {command} TO {DEFINER}")));
            if columns.is_empty() {
                declared.insert(format!("{table} {command} TO {DEFINER}"));
            }
        }
    }
    declared.extend(
        ["id SELECT", "db_user SELECT", "at SELECT", "reason INSERT"]
            .map(|what| format!("system_uses.{what} TO {DEFINER}")),
    );
    assert_eq!(seen, declared);
}

#[tokio::test]
async fn the_functions_run_as_the_definer_on_a_path_of_their_own() {
    let database = Database::create().await;
    let sql = "SELECT format('%s(%s) %s %s %s%s %s', proname, pg_get_function_identity_arguments(oid),
                   pg_get_userbyid(proowner), CASE WHEN prosecdef THEN 'definer' ELSE 'invoker' END, provolatile,
                   proparallel, proconfig)
               FROM pg_proc WHERE pronamespace IN ('app_auth'::regnamespace, 'app'::regnamespace) OR prosecdef";
    let seen = rows(&mut database.admin().await, sql).await;
    let declared = [
        ("accept_invitation(p_token bytea)", "vu"),
        ("acting_system()", "ss"),
        ("acting_tenant()", "ss"),
        ("add_member(p_user uuid, p_role text)", "vu"),
        ("begin_system(p_reason text)", "vu"),
        ("change_member(p_user uuid, p_role text)", "vu"),
        ("create_organization(p_name text)", "vu"),
        ("invite(p_email text, p_role text, p_token_hash bytea, p_seconds double precision)", "vu"),
        ("keep_manager()", "vu"),
        ("log_change()", "vu"),
        ("my_organizations()", "ss"),
        ("remove_member(p_user uuid)", "vu"),
        ("sign_up(p_email text, p_full_name text, p_password_hash text)", "vu"),
    ];
    let declared = declared.map(|(function, kind)| {
        let digits = if function == "log_change()" { ",extra_float_digits=1" } else { "" };
        format!("{function} {DEFINER} definer {kind} {{\"search_path=pg_catalog, pg_temp\"{digits}}}")
    });
    assert_eq!(seen, wanted(declared));
}

#[tokio::test]
async fn each_function_is_called_by_those_who_are_named_and_not_by_public() {
    let database = Database::create().await;
    // NULL would stand for the built-in default, by which PUBLIC may call every function.
    let sql = "SELECT format('%s TO %s%s', proname, COALESCE(pg_get_userbyid(NULLIF(acl.grantee, 0)), 'PUBLIC'),
                   CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' END)
               FROM pg_proc
               CROSS JOIN LATERAL aclexplode(COALESCE(proacl, acldefault('f', proowner))) AS acl
               WHERE pronamespace = 'app_auth'::regnamespace AND acl.grantee <> proowner";
    let seen = rows(&mut database.admin().await, sql).await;
    let members = TABLES.into_iter().find(|def| def.membership.is_some()).expect("a membership table");
    let (lowest, manager) = (tier("viewer"), tier(members.insert.expect("somebody manages")));
    let declared = [
        format!("acting_tenant TO {lowest}"),
        "acting_tenant TO app_owner".to_owned(),
        // Whose floor names it, calls it.
        format!("acting_tenant TO {SYSTEM}"),
        format!("acting_system TO {lowest}"),
        "acting_system TO app_owner".to_owned(),
        format!("acting_system TO {SYSTEM}"),
        format!("begin_system TO {SYSTEM}"),
        format!("add_member TO {manager}"),
        format!("change_member TO {manager}"),
        "create_organization TO app_visitor".to_owned(),
        "accept_invitation TO app_visitor".to_owned(),
        format!("invite TO {manager}"),
        "keep_manager TO app_owner".to_owned(),
        "log_change TO app_owner".to_owned(),
        "my_organizations TO app_visitor".to_owned(),
        // Whoever is a member may leave.
        format!("remove_member TO {lowest}"),
        "sign_up TO app_visitor".to_owned(),
    ];
    assert_eq!(seen, wanted(declared));
}

#[tokio::test]
async fn the_database_and_its_schemas_are_open_to_the_app_only() {
    let database = Database::create().await;
    let sql = "SELECT format('%s: %s TO %s%s', what, acl.privilege_type,
                   COALESCE(pg_get_userbyid(NULLIF(acl.grantee, 0)), 'PUBLIC'),
                   CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' END)
               FROM (
                   SELECT 'database', datacl, datdba FROM pg_database WHERE datname = current_database()
                   UNION ALL SELECT nspname, nspacl, nspowner FROM pg_namespace WHERE nspname IN ('app', 'app_auth', 'public')
                   UNION ALL SELECT format('default %s %s', defaclobjtype, defaclnamespace), defaclacl, 0
                       FROM pg_default_acl
               ) AS object (what, acl, owner)
               CROSS JOIN LATERAL aclexplode(object.acl) AS acl
               WHERE acl.grantee <> object.owner";
    let seen = rows(&mut database.admin().await, sql).await;
    let declared = [
        "database: CONNECT TO app_service",
        "database: CONNECT TO app_jobs",
        "app: USAGE TO app_viewer",
        "app: USAGE TO app_system",
        "app_auth: USAGE TO app_system",
        "app: USAGE TO app_definer",
        "app_auth: USAGE TO app_viewer",
        "app_auth: USAGE TO app_visitor",
        // Its triggers call a function there.
        "app_auth: USAGE TO app_owner",
        // PUBLIC may see the schema, where extensions put what everybody uses, and make nothing in it.
        "public: USAGE TO PUBLIC",
        // What an owner will make is that owner's own.
        "default f 0: EXECUTE TO app_owner",
        "default T 0: USAGE TO app_owner",
        "default f 0: EXECUTE TO app_definer",
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
        "app_definer limit -1 password false",
        "app_visitor limit -1 password false",
        "app_viewer limit -1 password false",
        "app_member limit -1 password false",
        "app_admin limit -1 password false",
        "app_system limit -1 password false",
        "app_jobs LOGIN NOINHERIT limit 10 password false \
         {statement_timeout=0s,lock_timeout=5s,idle_in_transaction_session_timeout=60s}",
        "app_service LOGIN NOINHERIT limit 50 password false \
         {statement_timeout=30s,lock_timeout=5s,idle_in_transaction_session_timeout=60s}",
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
        format!("app_service in app_visitor{login}"),
        format!("app_service in app_viewer{login}"),
        format!("app_service in app_member{login}"),
        format!("app_service in app_admin{login}"),
        format!("app_jobs in app_system{login}"),
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
