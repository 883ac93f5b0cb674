//! The catalog after applying the example's migrations equals the declaration: RLS, policies, grants, functions and roles.

use sqlx::PgConnection;
use tenant_runtime::{
    Tenancy as _,
    model::def::{ColumnDef, NO_ROLE, ScopeDef, TableDef},
    roles::Organizations,
};
use tenant_tests::{Database, TABLES, ask, connect, dedicated_server, migrate, run};

use super::sql_results::{Rows, rows, wanted};

fn db_role(role: &str) -> String {
    format!("{}{role}", Organizations::DEF.role_prefix)
}

const FUNCTION_OWNER: &str = "app_function_owner";
const SYSTEM: &str = "app_system";

fn is_tenant(def: &TableDef, column: &ColumnDef) -> bool {
    def.scope == ScopeDef::Tenant { column: column.name }
}

/// The commands with their minimum roles: on all rows of the tenant or, where stated, on the user's rows.
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

/// The columns of a table that the functions use, by command; DELETE has none.
fn function_owner_privileges(def: &TableDef) -> Vec<(&'static str, Vec<&'static str>)> {
    let inserted = || def.columns.iter().filter(|c| c.app_assigned && c.default.is_none()).map(|c| c.name).collect();
    match (def.membership, def.scope) {
        (Some(members), ScopeDef::Tenant { column }) => vec![
            ("SELECT", def.columns.iter().map(|column| column.name).collect()),
            ("INSERT", vec![column, members.user, members.role]),
            ("UPDATE", vec![members.role]),
            ("DELETE", vec![]),
        ],
        _ if def.invitation.is_some() => vec![
            ("SELECT", def.columns.iter().map(|column| column.name).collect()),
            ("INSERT", def.columns.iter().filter(|c| is_tenant(def, c) || c.app_assigned).map(|c| c.name).collect()),
            ("DELETE", vec![]),
        ],
        (_, ScopeDef::Tenant { column }) if def.change_log => {
            let filled = ["user_id", "role", "table_name", "row_key", "command", "before", "after"];
            vec![("INSERT", [column].into_iter().chain(filled).collect())]
        }
        _ if def.sign_up => vec![("SELECT", vec!["id", "email"]), ("INSERT", inserted())],
        _ if def.creator_role.is_some() => vec![("SELECT", vec!["id"]), ("INSERT", inserted())],
        _ => vec![],
    }
}

/// The columns that a command can use, each with its minimum role.
fn command_columns<'d>(
    def: &'d TableDef,
    command: &str,
) -> impl Iterator<Item = (&'d ColumnDef, Option<&'static str>)> {
    let from_context = |column: &ColumnDef| is_tenant(def, column) || def.owner == Some(column.name);
    let is_fixed = |column: &ColumnDef| matches!(def.scope, ScopeDef::Parent { column: parent, tenant } if [parent, tenant].contains(&column.name));
    let columns = def.columns.iter().filter_map(|column| match command {
        "SELECT" => Some((column, column.select)),
        "INSERT" => Some((column, column.insert)).filter(|_| from_context(column) || column.app_assigned),
        "UPDATE" => Some((column, column.update)).filter(|_| !from_context(column) && !is_fixed(column) && !column.id),
        _ => None,
    });
    columns.collect::<Vec<_>>().into_iter()
}

fn setting(name: &str) -> String {
    format!("(SELECT NULLIF(current_setting('{name}', true), '')::uuid)")
}

/// The expected tenant condition of a table.
fn tenant_predicate(def: &TableDef) -> String {
    let org = setting("app.organization_id");
    match def.scope {
        // All members see the parents of the example's rows.
        ScopeDef::Tenant { column } | ScopeDef::Parent { tenant: column, .. } => format!("{column} = {org}"),
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

/// The restrictive policy of a table, `tenant_isolation`.
fn tenant_isolation(def: &TableDef) -> String {
    let tenant_isolation = match def.scope {
        ScopeDef::Tenant { column } | ScopeDef::Parent { tenant: column, .. } => {
            format!("{column} = (SELECT app_auth.authorized_tenant_id())")
        }
        _ => tenant_predicate(def),
    };
    let definer = (!function_owner_privileges(def).is_empty())
        .then(|| format!("WHEN (SELECT current_user = '{FUNCTION_OWNER}') THEN true"));
    let system = (!def.system.is_empty())
        .then(|| format!("WHEN (SELECT current_user = '{SYSTEM}') THEN {}", system_predicate(def)));
    match definer.into_iter().chain(system).collect::<Vec<_>>().join(" ") {
        none if none.is_empty() => tenant_isolation,
        exceptions => format!("CASE {exceptions} ELSE {tenant_isolation} END"),
    }
}

/// The condition for the system role: rows of the tenant in the context or, without one, all rows.
fn system_predicate(def: &TableDef) -> String {
    let org = setting("app.organization_id");
    format!("((SELECT app_auth.is_system_context()) AND ({org} IS NULL OR {}))", tenant_predicate(def))
}

/// The conditions of a command: USING for existing rows, WITH CHECK for new ones.
fn conditions(def: &TableDef, command: &str, own_only: bool) -> (Option<String>, Option<String>) {
    let own = def.owner.map(|owner| format!("{owner} = {}", setting("app.user_id")));
    let visible = def.visibility.zip(own.as_ref()).map(|(column, own)| format!("({column} = 'team' OR {own})"));
    let all = |parts: [Option<String>; 3]| parts.into_iter().flatten().collect::<Vec<_>>().join(" AND ");
    let own_of = |needed: bool| own.clone().filter(|_| needed);
    let using = all([Some(tenant_predicate(def)), visible.clone(), own_of(own_only)]);
    let inserts = command == "INSERT";
    let check = all([Some(tenant_predicate(def)), visible.filter(|_| !inserts), own_of(own_only || inserts)]);
    ((!inserts).then_some(using), matches!(command, "INSERT" | "UPDATE").then_some(check))
}

/// Returns a condition on a table's rows as the server prints it, which differs from the source text.
async fn canonical_predicate(admin: &mut PgConnection, def: &TableDef, condition: Option<String>) -> String {
    let Some(condition) = condition else { return String::new() };
    let policy = format!("BEGIN; CREATE POLICY scratch ON {} USING ({condition})", def.name);
    run(admin, &policy).await.expect(&policy);
    let written = ask(admin, "SELECT qual FROM pg_policies WHERE policyname = 'scratch'").await;
    run(admin, "ROLLBACK").await.expect("undone");
    written
}

#[tokio::test]
async fn rls_is_enabled_and_forced_on_every_table() {
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
    let tables = tables.chain(["system_access_log".to_owned()]);
    assert_eq!(seen, wanted(tables.map(|table| format!("{table} true true app_schema_owner"))));
}

#[tokio::test]
async fn policies_match_declared_commands_and_tenant_isolation() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let sql = "SELECT format('%s %s %s %s %s USING %s CHECK %s', tablename, policyname, permissive, roles, cmd, qual,
                   with_check)
               FROM pg_policies WHERE schemaname <> 'pg_catalog'";
    let seen = rows(&mut admin, sql).await;
    let mut declared = Rows::new();
    for def in TABLES {
        let table = def.name.table;
        let predicate = canonical_predicate(&mut admin, def, Some(tenant_isolation(def))).await;
        declared
            .insert(format!("{table} tenant_isolation RESTRICTIVE {{public}} ALL USING {predicate} CHECK {predicate}"));
        for (command, role, own) in commands(def) {
            let (using, check) = conditions(def, command, own);
            let (using, check) =
                (canonical_predicate(&mut admin, def, using).await, canonical_predicate(&mut admin, def, check).await);
            let name = format!("{}{}", command.to_lowercase(), if own { "_own" } else { "" });
            declared.insert(format!(
                "{table} {name}_{role} PERMISSIVE {{{}}} {command} USING {using} CHECK {check}",
                db_role(role)
            ));
        }
        for (command, _) in function_owner_privileges(def) {
            let using = if command == "INSERT" { "" } else { "true" };
            let check = if matches!(command, "INSERT" | "UPDATE") { "true" } else { "" };
            let name = command.to_lowercase();
            declared.insert(format!(
                "{table} {name}_function_owner PERMISSIVE {{{FUNCTION_OWNER}}} {command} USING {using} CHECK {check}"
            ));
        }
        for name in def.system {
            let condition = canonical_predicate(&mut admin, def, Some(system_predicate(def))).await;
            let using = if *name == "insert" { "" } else { &condition };
            let check = if matches!(*name, "insert" | "update") { &condition } else { "" };
            let command = name.to_uppercase();
            declared
                .insert(format!("{table} {name}_system PERMISSIVE {{{SYSTEM}}} {command} USING {using} CHECK {check}"));
        }
    }
    declared.extend([
        format!("system_access_log select_function_owner PERMISSIVE {{{FUNCTION_OWNER}}} SELECT USING true CHECK "),
        format!("system_access_log insert_function_owner PERMISSIVE {{{FUNCTION_OWNER}}} INSERT USING  CHECK true"),
        format!("system_access_log delete_function_owner PERMISSIVE {{{FUNCTION_OWNER}}} DELETE USING true CHECK "),
    ]);
    assert_eq!(seen, declared);
}

#[tokio::test]
async fn grants_match_the_declarations() {
    let database = Database::create().await;
    // NULL means the built-in default. The owner's privileges are not compared: every owner has them.
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
            let columns = command_columns(def, command);
            declared.extend(
                columns.filter(|(_, own)| *own != Some(NO_ROLE)).map(|(column, own)| {
                    format!("{table}.{} {command} TO {}", column.name, db_role(own.unwrap_or(role)))
                }),
            );
            if command == "DELETE" {
                declared.insert(format!("{table} DELETE TO {}", db_role(role)));
            }
        }
        for name in def.system {
            let command = name.to_uppercase();
            let columns = command_columns(def, &command).filter(|(_, own)| *own != Some(NO_ROLE));
            declared.extend(columns.map(|(column, _)| format!("{table}.{} {command} TO {SYSTEM}", column.name)));
            if *name == "delete" {
                declared.insert(format!("{table} DELETE TO {SYSTEM}"));
            }
        }
        for (command, columns) in function_owner_privileges(def) {
            declared.extend(columns.iter().map(|column| format!("{table}.{column} {command} TO {FUNCTION_OWNER}")));
            if columns.is_empty() {
                declared.insert(format!("{table} {command} TO {FUNCTION_OWNER}"));
            }
        }
    }
    declared.extend(
        [".id SELECT", ".db_user SELECT", ".at SELECT", ".reason INSERT", " DELETE"]
            .map(|what| format!("system_access_log{what} TO {FUNCTION_OWNER}")),
    );
    assert_eq!(seen, declared);
}

#[tokio::test]
async fn auth_functions_are_security_definer_with_fixed_search_path() {
    let database = Database::create().await;
    let sql = "SELECT format('%s(%s) %s %s %s%s %s', proname, pg_get_function_identity_arguments(oid),
                   pg_get_userbyid(proowner), CASE WHEN prosecdef THEN 'definer' ELSE 'invoker' END, provolatile,
                   proparallel, proconfig)
               FROM pg_proc WHERE pronamespace IN ('app_auth'::regnamespace, 'app'::regnamespace) OR prosecdef";
    let seen = rows(&mut database.admin().await, sql).await;
    let declared = [
        ("accept_invitation(p_token bytea)", "vu"),
        ("is_system_context()", "ss"),
        ("authorized_tenant_id()", "ss"),
        ("add_member(p_user uuid, p_role text)", "vu"),
        ("begin_system_access(p_reason text)", "vu"),
        ("delete_system_access(p_older_than interval)", "vu"),
        ("change_member(p_user uuid, p_role text)", "vu"),
        ("create_tenant(p_name text)", "vu"),
        ("invite(p_email text, p_role text, p_token_hash bytea, p_seconds double precision)", "vu"),
        ("prevent_last_manager_removal()", "vu"),
        ("log_change()", "vu"),
        ("my_tenants()", "ss"),
        ("remove_member(p_user uuid)", "vu"),
        ("sign_up(p_email text, p_full_name text, p_password_hash text)", "vu"),
    ];
    let declared = declared.map(|(function, kind)| {
        let digits = if function == "log_change()" { ",extra_float_digits=1" } else { "" };
        let settings = format!("{{\"search_path=pg_catalog, pg_temp\",row_security=on{digits}}}");
        format!("{function} {FUNCTION_OWNER} definer {kind} {settings}")
    });
    assert_eq!(seen, wanted(declared));
}

#[tokio::test]
async fn execute_is_granted_to_named_roles_and_not_public() {
    let database = Database::create().await;
    // NULL would mean the built-in default, with which PUBLIC can execute every function.
    let sql = "SELECT format('%s TO %s%s', proname, COALESCE(pg_get_userbyid(NULLIF(acl.grantee, 0)), 'PUBLIC'),
                   CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' END)
               FROM pg_proc
               CROSS JOIN LATERAL aclexplode(COALESCE(proacl, acldefault('f', proowner))) AS acl
               WHERE pronamespace = 'app_auth'::regnamespace AND acl.grantee <> proowner";
    let seen = rows(&mut database.admin().await, sql).await;
    let members = TABLES.into_iter().find(|def| def.membership.is_some()).expect("a membership table");
    let (lowest, manager) = (db_role("viewer"), db_role(members.insert.expect("a role that manages members")));
    let declared = [
        format!("authorized_tenant_id TO {lowest}"),
        "authorized_tenant_id TO app_schema_owner".to_owned(),
        // Roles whose restrictive policy calls the function need EXECUTE on it.
        format!("authorized_tenant_id TO {SYSTEM}"),
        format!("is_system_context TO {lowest}"),
        "is_system_context TO app_schema_owner".to_owned(),
        format!("is_system_context TO {SYSTEM}"),
        format!("begin_system_access TO {SYSTEM}"),
        "delete_system_access TO app_schema_owner".to_owned(),
        format!("add_member TO {manager}"),
        format!("change_member TO {manager}"),
        "create_tenant TO app_no_tenant".to_owned(),
        "accept_invitation TO app_no_tenant".to_owned(),
        format!("invite TO {manager}"),
        "prevent_last_manager_removal TO app_schema_owner".to_owned(),
        "log_change TO app_schema_owner".to_owned(),
        "my_tenants TO app_no_tenant".to_owned(),
        // Every member can leave.
        format!("remove_member TO {lowest}"),
        "sign_up TO app_no_tenant".to_owned(),
    ];
    assert_eq!(seen, wanted(declared));
}

#[tokio::test]
async fn database_and_schema_privileges_exclude_public() {
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
        "app: USAGE TO app_function_owner",
        "app_auth: USAGE TO app_viewer",
        "app_auth: USAGE TO app_no_tenant",
        // Its triggers call a function in that schema.
        "app_auth: USAGE TO app_schema_owner",
        // PUBLIC has USAGE on the schema, since extensions are installed there, and cannot create objects in it.
        "public: USAGE TO PUBLIC",
        // Default privileges: objects that an owner creates later are accessible to that owner only.
        "default f 0: EXECUTE TO app_schema_owner",
        "default T 0: USAGE TO app_schema_owner",
        "default f 0: EXECUTE TO app_function_owner",
    ];
    assert_eq!(seen, wanted(declared));
}

#[tokio::test]
async fn default_privileges_of_the_schema_owner_exclude_other_roles() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let make = "SET ROLE app_schema_owner; CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
                CREATE TYPE app.t AS ENUM ('a'); RESET ROLE";
    run(&mut admin, make).await.expect("the owner can");
    let sql = "SELECT concat(has_function_privilege('app_admin', 'app.f()', 'EXECUTE'),
                   has_type_privilege('app_admin', 'app.t', 'USAGE'), has_function_privilege('public', 'app.f()', 'EXECUTE'))";
    assert_eq!(ask(&mut admin, sql).await, "fff");
}

#[tokio::test]
async fn role_attributes_and_memberships_match_the_declaration() {
    // A separate server, since parallel tests create logins that are members of these roles.
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
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
        "app_schema_owner limit -1 password false",
        "app_function_owner limit -1 password false",
        "app_no_tenant limit -1 password false",
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
        format!("app_service in app_no_tenant{login}"),
        format!("app_service in app_viewer{login}"),
        format!("app_service in app_member{login}"),
        format!("app_service in app_admin{login}"),
        format!("app_jobs in app_system{login}"),
    ];
    assert_eq!(seen, wanted(declared));
}

#[tokio::test]
async fn login_without_set_role_gets_permission_denied() {
    let database = Database::create().await;
    let mut app = connect(&database.app_url()).await;
    let mut told = Rows::new();
    for def in TABLES {
        let error = run(&mut app, &format!("SELECT FROM {}", def.name)).await.expect_err("no privilege");
        let error = error.into_database_error().expect("the server answers");
        told.insert(format!("{} {}", error.code().unwrap_or_default(), error.message()));
    }
    // Without USAGE on the schema the server does not reveal whether a table exists.
    assert_eq!(told, wanted(["42501 permission denied for schema app"]));
}
