//! One test for each requirement of the two specification documents; `REQUIREMENTS.md` lists them.

use sqlx::AssertSqlSafe;
use tenant_examples::{
    Comment, CommentChanges, Document, Employee, EmployeeCard, MemberRole, NewComment, NewDocument, OrgMember, Project,
    Visibility,
};
use tenant_runtime::{
    Error, Members as _, Repository as _, TenantCtx, TenantDb, TenantTable as _, ViewRepository as _,
    analyze::check,
    model::def::{ColumnDef, TableDef},
    plan::plan,
    roles::{Admin, Viewer},
    server::Server,
};
use tenant_tests::{Database, ask, connect, dedicated_server, migrate, refusal, run, set_context_sql};
use uuid::Uuid;

use super::sql_results::{denied, sqlstate_or_rows};

async fn start_server() -> Server {
    tokio::task::spawn_blocking(dedicated_server).await.expect("it starts")
}

#[tokio::test]
async fn a01_app_login_has_connection_limit_no_privileges_and_no_password() {
    let database = Database::create().await;
    let sql = "SELECT concat_ws(' ', rolcanlogin, rolinherit, rolsuper OR rolcreatedb OR rolcreaterole OR rolbypassrls,
                   rolconnlimit, rolpassword IS NULL,
                   (SELECT count(*) FROM pg_auth_members WHERE admin_option AND member = role.oid))
               FROM pg_authid AS role WHERE rolname = 'app_service'";
    let login = ask(&mut database.admin().await, sql).await;
    let mut app = connect(&database.app_url()).await;
    let create = sqlstate_or_rows(&mut app, "CREATE ROLE mine").await;
    let read = sqlstate_or_rows(&mut app, "SELECT FROM app.projects").await;
    assert_eq!((login.as_str(), create, read), ("t f f 50 t 0", denied(), denied()));
}

#[tokio::test]
async fn a02_login_gains_privileges_only_by_set_role() {
    let server = start_server().await;
    migrate(&server.admin_url()).await;
    let mut app = connect(&server.url("app_service", "postgres")).await;
    let mut seen = Vec::new();
    for sql in
        ["SELECT FROM app.projects", "SET ROLE app_admin", "SELECT FROM app.projects", "SET ROLE app_schema_owner"]
    {
        seen.push(sqlstate_or_rows(&mut app, sql).await);
    }
    // A user who loses the membership loses the role.
    run(&mut connect(&server.admin_url()).await, "REVOKE app_admin FROM app_service").await.expect("a superuser can");
    run(&mut app, "RESET ROLE").await.expect("the login can run it");
    seen.push(sqlstate_or_rows(&mut app, "SET ROLE app_admin").await);
    assert_eq!(seen, [denied(), Ok(0), Ok(0), denied(), denied()]);
}

#[tokio::test]
async fn a03_connect_usage_and_select_are_each_required() {
    let layers = [
        ("REVOKE USAGE ON SCHEMA app FROM app_viewer", "GRANT USAGE ON SCHEMA app TO app_viewer"),
        ("REVOKE SELECT (name) ON app.projects FROM app_viewer", "GRANT SELECT (name) ON app.projects TO app_viewer"),
    ];
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let mut app = database.raw("app_viewer", database.acme.id, database.acme.viewer).await;
    let read = "SELECT name FROM app.projects";
    let mut seen = vec![sqlstate_or_rows(&mut app, read).await];
    for (revoke, grant) in layers {
        run(&mut admin, revoke).await.expect("a superuser can");
        seen.push(sqlstate_or_rows(&mut app, read).await);
        run(&mut admin, grant).await.expect("a superuser can");
    }
    let name = ask(&mut admin, "SELECT current_database()::text").await;
    run(&mut admin, &format!("REVOKE CONNECT ON DATABASE {name} FROM app_service")).await.expect("a superuser can");
    let connected = TenantDb::connect(&database.app_url()).await;
    assert!(matches!(connected, Err(Error::Connect { .. })), "{connected:?}");
    assert_eq!(seen, [Ok(1), denied(), denied()]);
}

#[tokio::test]
async fn a04_default_privileges_deny_new_objects() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    for (owner, schema) in [("app_schema_owner", "app"), ("app_function_owner", "app_auth")] {
        let make = format!(
            "SET ROLE {owner}; CREATE TABLE {schema}.later (id bigserial); CREATE TYPE {schema}.kind AS ENUM ('a');
             CREATE FUNCTION {schema}.later() RETURNS int LANGUAGE sql AS 'SELECT 1'; RESET ROLE"
        );
        run(&mut admin, &make).await.expect("an owner can");
    }
    let mut app = database.raw("app_admin", database.acme.id, database.acme.admin).await;
    let mut seen = Vec::new();
    for schema in ["app", "app_auth"] {
        for what in ["FROM {}.later", "nextval('{}.later_id_seq')", "{}.later()"] {
            seen.push(sqlstate_or_rows(&mut app, &format!("SELECT {}", what.replace("{}", schema))).await);
        }
    }
    assert_eq!(seen, vec![denied(); 6]);
}

#[tokio::test]
async fn a05_column_privilege_hides_salary_from_non_admins() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let cards = EmployeeCard::list(&db.scope(&acme.as_viewer())).await.expect("a viewer reads the others");
    let whole = Employee::list(&db.scope(&acme.as_admin())).await.expect("an admin reads all");
    let mut viewer = database.raw("app_viewer", acme.id, acme.viewer).await;
    let refused = sqlstate_or_rows(&mut viewer, "SELECT salary FROM app.employees").await;
    // A user who is not an admin of the tenant reads no salaries with the database role `app_admin`.
    let forged = db.scope(&TenantCtx::<Admin>::assume_authorized(acme.id, acme.viewer));
    let forged = Employee::list(&forged).await.expect("the role can ask").len();
    assert_eq!((cards[0].name.as_str(), whole[0].salary, refused, forged), ("Eve", 1, denied(), 0));
}

#[tokio::test]
async fn a06_execute_and_sequence_privileges_are_limited() {
    let database = Database::create().await;
    let acme = database.acme;
    let mut admin = database.raw("app_admin", acme.id, acme.admin).await;
    let employee = "INSERT INTO app.employees (organization_id, name, email, salary)
                    VALUES (current_setting('app.organization_id')::uuid, 'Ann', 'ann@acme', 1) RETURNING id";
    let counted = sqlstate_or_rows(&mut admin, employee).await;
    let taken = sqlstate_or_rows(&mut admin, "SELECT nextval('app.employees_id_seq')").await;
    let founded = sqlstate_or_rows(&mut admin, "SELECT app_auth.create_tenant('x')").await;
    let mut member = database.raw("app_member", acme.id, acme.member).await;
    let added = sqlstate_or_rows(&mut member, &format!("SELECT app_auth.add_member('{}', 'admin')", acme.member)).await;
    assert_eq!((counted, taken, founded, added), (Ok(1), denied(), denied(), denied()));
}

#[tokio::test]
async fn a07_public_has_no_connect_or_create_and_revoke_takes_effect() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let login = format!("public_{}", std::process::id());
    run(&mut admin, &format!("CREATE ROLE {login} LOGIN")).await.expect("a superuser can");
    let connected = TenantDb::connect(&database.url_of(&login)).await.is_ok();
    run(&mut admin, &format!("DROP ROLE {login}")).await.expect("a superuser can");
    let mut app = database.raw("app_admin", database.acme.id, database.acme.admin).await;
    let made = sqlstate_or_rows(&mut app, "CREATE TABLE public.mine ()").await;
    let temporary = sqlstate_or_rows(&mut app, "CREATE TEMPORARY TABLE mine ()").await;
    let delete = "DELETE FROM app.tasks";
    let before = sqlstate_or_rows(&mut app, delete).await;
    run(&mut admin, "REVOKE DELETE ON app.tasks FROM app_member").await.expect("a superuser can");
    let after = sqlstate_or_rows(&mut app, delete).await;
    assert_eq!((connected, made, temporary, before, after), (false, denied(), denied(), Ok(1), denied()));
}

#[tokio::test]
async fn a09_force_rls_binds_the_table_owner() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let open = "SELECT count(*)::text FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p')
                AND NOT (relrowsecurity AND relforcerowsecurity)";
    let open = ask(&mut admin, open).await;
    run(&mut admin, "SET ROLE app_schema_owner").await.expect("a superuser can");
    assert_eq!((open.as_str(), sqlstate_or_rows(&mut admin, "SELECT FROM app.projects").await), ("0", Ok(0)));
}

#[tokio::test]
async fn a10_update_cannot_move_a_row_to_another_tenant() {
    let database = Database::create().await;
    let (acme, globex) = (database.acme, database.globex);
    let mut app = database.raw("app_admin", acme.id, acme.admin).await;
    let moved = format!("UPDATE app.tasks SET organization_id = '{}'", globex.id);
    let by_grant = sqlstate_or_rows(&mut app, &moved).await;
    // Even with a privilege granted by mistake, the policy applies.
    let grant = "GRANT UPDATE (organization_id) ON app.tasks TO app_admin";
    run(&mut database.admin().await, grant).await.expect("a superuser can");
    let error = refusal(run(&mut app, &moved).await.expect_err("the policy holds"));
    let inserted = format!("INSERT INTO app.projects (organization_id, name) VALUES ('{}', 'x')", globex.id);
    assert_eq!((by_grant, sqlstate_or_rows(&mut app, &inserted).await), (denied(), denied()));
    assert!(error.1.contains("row-level security"), "{error:?}");
}

#[tokio::test]
async fn a11_tenant_setting_ends_with_the_transaction() {
    let database = Database::create().await;
    let acme = database.acme;
    let db = TenantDb::options().max_connections(1).connect(&database.app_url()).await.expect("connects");
    let mut seen = Vec::new();
    for ended in ["committed", "dropped"] {
        let mut tx = db.begin(&acme.as_viewer()).await.expect("begins");
        seen.push(Project::count(&mut tx).await.expect("reads"));
        match ended {
            "committed" => tx.commit().await.expect("commits"),
            _ => drop(tx),
        }
        let mut job = db.begin(&TenantCtx::<Viewer>::assume_authorized_job(Uuid::new_v4())).await.expect("begins");
        seen.push(Project::count(&mut job).await.expect("reads"));
    }
    let mut app = connect(&database.app_url()).await;
    let local = set_context_sql("app_viewer", acme.id, acme.viewer).replace("SET ", "SET LOCAL ");
    run(&mut app, &format!("BEGIN; {local}; COMMIT")).await.expect("a login can");
    let left = "SELECT concat(current_user, current_setting('app.organization_id'), current_setting('app.user_id'))";
    assert_eq!((seen, ask(&mut app, left).await.as_str()), (vec![1, 0, 1, 0], "app_service"));
}

#[tokio::test]
async fn a12_private_documents_are_visible_to_their_owner_only() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let author = db.scope(&acme.as_member());
    let new = NewDocument { title: "diary".into(), content: None, visibility: Some(Visibility::Private) };
    let diary = Document::insert(&author, new).await.expect("a member writes");
    let counts = (
        Document::count(&author).await.expect("reads"),
        Document::count(&db.scope(&acme.as_viewer())).await.expect("reads"),
        Document::count(&db.scope(&acme.as_admin())).await.expect("reads"),
    );
    let deleted = Document::delete(&db.scope(&acme.as_admin()), diary.id).await;
    assert!(matches!(deleted, Err(Error::NotFound { .. })), "an admin cannot see it either: {deleted:?}");
    assert_eq!((diary.created_by, counts), (acme.member, (2, 1, 1)));
}

#[test]
fn a13_policy_change_produces_alter_policy() {
    let schema = |def: TableDef| {
        let models = tenant_runtime::models![].only([&*Box::leak(Box::new(def))]);
        check(&models).unwrap_or_else(|findings| panic!("{findings}")).schema
    };
    let base = || {
        const COLUMNS: &[ColumnDef] = &[
            ColumnDef {
                id: true,
                app_assigned: false,
                ..ColumnDef::blank("id", <Uuid as tenant_runtime::PgColumn>::SQL, false)
            },
            ColumnDef {
                app_assigned: false,
                ..ColumnDef::blank("org", <Uuid as tenant_runtime::PgColumn>::SQL, false)
            },
        ];
        TableDef {
            rust_name: "Note",
            name: tenant_runtime::model::def::TableName { schema: "app", table: "notes" },
            scope: tenant_runtime::model::def::ScopeDef::Tenant { column: "org" },
            select: Some("viewer"),
            columns: COLUMNS,
            ..TableDef::blank(Project::TABLE.tenancy)
        }
    };
    let before = schema(base());
    let changed = plan(&before, &schema(TableDef { select: Some("member"), ..base() }), &Default::default());
    let same = plan(&before, &schema(base()), &Default::default()).expect("nothing to plan").is_empty();
    let sql = &tenant_runtime::sql::migrations(&changed.expect("a plan"))[0].up;
    assert!(same && sql.contains("ALTER POLICY select_viewer ON app.notes RENAME TO select_member;\nALTER POLICY select_member ON app.notes\n    TO app_member"), "{sql}");
}

#[tokio::test]
async fn a15_application_roles_have_no_truncate_references_or_grant_option() {
    let database = Database::create().await;
    let sql = "SELECT count(*)::text
               FROM pg_class AS class, unnest(ARRAY['app_viewer', 'app_member', 'app_admin', 'app_service']) AS role,
                   unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER', 'SELECT WITH GRANT OPTION',
                                'DELETE WITH GRANT OPTION']) AS privilege
               WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p')
                   AND has_table_privilege(role, class.oid, privilege)";
    let wrong = ask(&mut database.admin().await, sql).await;
    let mut app = database.raw("app_admin", database.acme.id, database.acme.admin).await;
    let truncated = sqlstate_or_rows(&mut app, "TRUNCATE app.tasks").await;
    // GRANT without the grant option changes nothing: the server only warns.
    let given = "GRANT SELECT (id), DELETE ON app.projects TO app_viewer";
    let _ = sqlstate_or_rows(&mut app, given).await;
    let still = "SELECT has_table_privilege('app_viewer', 'app.projects', 'DELETE')::text";
    assert_eq!(
        (wrong.as_str(), truncated, ask(&mut database.admin().await, still).await.as_str()),
        ("0", denied(), "false")
    );
}

#[tokio::test]
async fn b01_example_tables_have_keys_checks_and_defaults() {
    let database = Database::create().await;
    let acme = database.acme;
    let mut admin = database.admin().await;
    let task = |status: &str, project: Uuid| {
        format!(
            "INSERT INTO app.tasks (organization_id, project_id, title, status) VALUES ('{}', '{project}', 'x', {status})",
            acme.id
        )
    };
    let seen = [
        sqlstate_or_rows(&mut admin, &task("DEFAULT", acme.project)).await,
        sqlstate_or_rows(&mut admin, &task("'lost'", acme.project)).await,
        sqlstate_or_rows(&mut admin, &task("'done'", Uuid::new_v4())).await,
    ];
    let made =
        "SELECT count(*)::text FROM app.tasks WHERE status = 'todo' AND id IS NOT NULL AND created_at IS NOT NULL";
    assert_eq!(seen, [Ok(1), Err("23514".to_owned()), Err("23503".to_owned())]);
    assert_eq!(ask(&mut admin, made).await, "3");
}

#[tokio::test]
async fn b02_admin_includes_member_and_member_includes_viewer() {
    let database = Database::create().await;
    let acme = database.acme;
    let mut seen = Vec::new();
    for (role, user) in [("app_viewer", acme.viewer), ("app_member", acme.member), ("app_admin", acme.admin)] {
        let mut app = database.raw(role, acme.id, user).await;
        for sql in ["SELECT FROM app.projects", "UPDATE app.projects SET name = 'x'", "DELETE FROM app.projects"] {
            seen.push(sqlstate_or_rows(&mut app, sql).await);
        }
    }
    assert_eq!(seen[..3], [Ok(1), denied(), denied()]);
    assert_eq!(seen[3..], [Ok(1), Ok(1), denied(), Ok(1), Ok(1), Ok(1)]);
}

#[tokio::test]
async fn b03_tenant_function_is_stable_with_fixed_search_path() {
    let database = Database::create().await;
    let acme = database.acme;
    let acts = "SELECT coalesce(app_auth.authorized_tenant_id()::text, 'none')";
    let mut app = database.raw("app_member", acme.id, acme.member).await;
    let mut seen = vec![ask(&mut app, acts).await];
    for user in [acme.viewer, database.globex.member, Uuid::new_v4()] {
        run(&mut app, &set_context_sql("app_member", acme.id, user)).await.expect("a login can say so");
        seen.push(ask(&mut app, acts).await);
    }
    let kind = "SELECT concat_ws(' ', provolatile, proparallel, proconfig) FROM pg_proc WHERE proname = 'authorized_tenant_id'";
    let kind = ask(&mut database.admin().await, kind).await;
    assert_eq!(seen, [acme.id.to_string(), "none".into(), "none".into(), "none".into()]);
    assert_eq!(kind, "s s {\"search_path=pg_catalog, pg_temp\",row_security=on}");
}

#[tokio::test]
async fn b04_comment_inherits_the_tenant_of_its_task() {
    let database = Database::create().await;
    let (db, acme, globex) = (database.app().await, database.acme, database.globex);
    let member = db.scope(&acme.as_member());
    let new = |task_id| NewComment { task_id, body: "so".into() };
    let own = Comment::insert(&member, new(acme.task)).await.expect("a member writes");
    let smuggled = Comment::insert(&member, new(globex.task)).await;
    let seen = (
        Comment::count(&member).await.expect("reads"),
        Comment::find(&db.scope(&globex.as_admin()), own.id).await.expect("reads").is_some(),
    );
    // Composite foreign keys keep the task's tenant equal to the project's, and the comment's equal to the task's.
    let task = format!("UPDATE app.tasks SET organization_id = '{}' WHERE id = '{}'", globex.id, acme.task);
    assert_eq!(sqlstate_or_rows(&mut database.admin().await, &task).await, Err("23503".to_owned()));
    assert!(matches!(smuggled, Err(Error::ForeignKeyViolation { .. })), "{smuggled:?}");
    assert_eq!((own.written_by, seen), (acme.member, (2, false)));
}

#[tokio::test]
async fn b05_membership_is_looked_up_once_per_statement() {
    let database = Database::create().await;
    let acme = database.acme;
    let many = format!(
        "INSERT INTO app.projects (organization_id, name) SELECT '{}', 'x' FROM generate_series(1, 500)",
        acme.id
    );
    run(&mut database.admin().await, &many).await.expect("a superuser can");
    let mut app = database.raw("app_member", acme.id, acme.member).await;
    let plan: Vec<String> = sqlx::query_scalar("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT id FROM app.projects")
        .fetch_all(&mut app)
        .await
        .expect("the login can run it");
    let lookups: Vec<&String> = plan.iter().filter(|line| line.contains("Result (actual")).collect();
    let once = lookups.iter().all(|line| line.contains("loops=1"));
    let filter = plan.iter().any(|line| line.contains("authorized_tenant_id"));
    assert!(!lookups.is_empty() && once && !filter, "{plan:#?}");
    let demote = format!("UPDATE app.org_members SET role = 'viewer' WHERE user_id = '{}'", acme.member);
    run(&mut database.admin().await, &demote).await.expect("a superuser can");
    assert_eq!(sqlstate_or_rows(&mut app, "SELECT FROM app.projects").await, Ok(0));
}

#[tokio::test]
async fn b06_policies_differ_by_command_and_membership() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let remark = format!("SELECT id::text FROM app.comments WHERE task_id = '{}'", acme.task);
    let remark: Uuid = ask(&mut database.admin().await, &remark).await.parse().expect("a key");
    let changes = || CommentChanges { body: Some("because".into()) };
    // An admin can delete any comment, and can update only the admin's comments.
    let changed = Comment::update(&db.scope(&acme.as_admin()), remark, changes()).await;
    let own = Comment::update(&db.scope(&acme.as_member()), remark, changes()).await.expect("its author can");
    Comment::delete(&db.scope(&acme.as_admin()), remark).await.expect("an admin can");
    let claimed = db.scope(&TenantCtx::<Admin>::assume_authorized(acme.id, acme.viewer));
    let claimed = Project::delete(&claimed, acme.project).await;
    assert!(matches!((changed, claimed), (Err(Error::NotFound { .. }), Err(Error::NotFound { .. }))));
    assert_eq!(own.body, "because");
}

#[tokio::test]
async fn b07_only_admins_manage_members_and_the_last_admin_stays() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let admin = db.scope(&acme.as_admin());
    OrgMember::change_role(&admin, acme.viewer, MemberRole::Member).await.expect("an admin can");
    let last = OrgMember::remove_member(&admin, acme.admin).await;
    let mut member = database.raw("app_member", acme.id, acme.member).await;
    let raised =
        sqlstate_or_rows(&mut member, &format!("SELECT app_auth.change_member('{}', 'admin')", acme.member)).await;
    let removed = sqlstate_or_rows(&mut member, &format!("SELECT app_auth.remove_member('{}')", acme.viewer)).await;
    let by_hand = format!("DELETE FROM app.org_members WHERE user_id = '{}'", acme.admin);
    let by_hand = sqlstate_or_rows(&mut database.admin().await, &by_hand).await;
    assert!(matches!(last, Err(Error::LastManager)), "{last:?}");
    assert_eq!((raised, removed, by_hand), (denied(), denied(), Err("TT001".to_owned())));
}

#[tokio::test]
async fn b10_known_rls_pitfalls_are_closed() {
    let database = Database::create().await;
    let acme = database.acme;
    let mut admin = database.admin().await;
    // An additional policy, row_security switched off by the session, a missing context, and a temporary table that
    // could shadow a table in a SECURITY DEFINER function.
    run(&mut admin, "CREATE POLICY by_hand ON app.projects USING (true)").await.expect("a superuser can");
    let mut app = database.raw("app_admin", acme.id, acme.admin).await;
    let with_policy = sqlstate_or_rows(&mut app, "SELECT FROM app.projects").await;
    run(&mut app, "SET row_security = off").await.expect("the login can run it");
    let switched_off = sqlstate_or_rows(&mut app, "SELECT FROM app.projects").await;
    let mut app = connect(&database.app_url()).await;
    run(&mut app, "SET ROLE app_admin").await.expect("the login can");
    let left_out = sqlstate_or_rows(&mut app, "SELECT FROM app.projects").await;
    let name = ask(&mut admin, "SELECT current_database()::text").await;
    run(&mut admin, &format!("GRANT TEMPORARY ON DATABASE {name} TO app_viewer")).await.expect("a mistaken grant");
    let mut viewer = database.raw("app_viewer", acme.id, acme.viewer).await;
    let decoy = format!(
        "CREATE TEMPORARY TABLE org_members AS SELECT '{}'::uuid AS organization_id, '{}'::uuid AS user_id, 'admin' AS role;
         SET search_path = pg_temp, app; SET ROLE app_admin",
        acme.id, acme.viewer
    );
    run(&mut viewer, &decoy).await.expect("the grant is there");
    let climbed = sqlstate_or_rows(&mut viewer, "SELECT FROM app.employees").await;
    assert_eq!((with_policy, switched_off, left_out, climbed), (Ok(1), denied(), Ok(0), Ok(0)));
}

#[tokio::test]
async fn b12_personal_login_with_a_role_is_bound_by_membership() {
    let server = start_server().await;
    migrate(&server.admin_url()).await;
    let mut admin = connect(&server.admin_url()).await;
    let tenant = tenant_tests::Tenant::new();
    tenant.seed(&mut admin, "acme").await;
    run(&mut admin, "CREATE ROLE ann LOGIN; GRANT CONNECT ON DATABASE postgres TO ann; GRANT app_member TO ann")
        .await
        .expect("a superuser can");
    let mut ann = connect(&server.url("ann", "postgres")).await;
    let before = sqlstate_or_rows(&mut ann, "SELECT FROM app.projects").await;
    run(&mut ann, &set_context_sql("app_member", tenant.id, tenant.member)).await.expect("a member of the role");
    let seen = sqlstate_or_rows(&mut ann, "SELECT FROM app.projects").await;
    let climbed = sqlstate_or_rows(&mut ann, "SET ROLE app_admin").await;
    let members = "SELECT string_agg(member::regrole::text, ' ') FROM pg_auth_members
                   WHERE roleid = 'app_member'::regrole AND member <> 'app_admin'::regrole AND member <> 'app_service'::regrole";
    let members: String = sqlx::query_scalar(AssertSqlSafe(members)).fetch_one(&mut admin).await.expect("reads");
    assert_eq!((before, seen, climbed, members.as_str()), (Ok(0), Ok(1), denied(), "ann"));
}
