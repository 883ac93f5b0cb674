//! Mutation tests: `verify` detects every schema with one deliberate defect.

use tenant_runtime::{
    models,
    verify::{VerifyError, VerifyOptions, verify},
};
use tenant_tests::{TABLES, dedicated_server, migrate};

/// The title of a defect, and the statements that cause it.
type Mutation = (&'static str, &'static str);

const MUTATIONS: &[Mutation] = &[
    ("FORCE is off", "ALTER TABLE app.projects NO FORCE ROW LEVEL SECURITY"),
    (
        "FORCE is off on a partition",
        "ALTER TABLE app.events_p0 NO FORCE ROW LEVEL SECURITY; ALTER TABLE app.events_p1 NO FORCE ROW LEVEL SECURITY; ALTER TABLE app.events_p2 NO FORCE ROW LEVEL SECURITY; ALTER TABLE app.events_p3 NO FORCE ROW LEVEL SECURITY",
    ),
    ("RLS is disabled", "ALTER TABLE app.projects DISABLE ROW LEVEL SECURITY"),
    ("RLS is disabled on a shared table", "ALTER TABLE app.users DISABLE ROW LEVEL SECURITY"),
    ("a policy is missing", "DROP POLICY select_viewer ON app.tasks"),
    ("the restrictive policy is missing", "DROP POLICY tenant_isolation ON app.employees"),
    ("the restrictive policy is USING (true)", "ALTER POLICY tenant_isolation ON app.projects USING (true)"),
    (
        "both policies are USING (true)",
        "ALTER POLICY tenant_isolation ON app.projects USING (true); ALTER POLICY select_viewer ON app.projects USING (true)",
    ),
    (
        "the tenant policy is permissive",
        "DROP POLICY tenant_isolation ON app.tasks; CREATE POLICY tenant_isolation ON app.tasks USING (true) WITH CHECK (true)",
    ),
    (
        "WITH CHECK is true",
        "ALTER POLICY tenant_isolation ON app.events WITH CHECK (true); ALTER POLICY insert_member ON app.events WITH CHECK (true)",
    ),
    ("a policy is for another role", "ALTER POLICY update_member ON app.projects TO app_admin"),
    (
        "the visibility condition is missing",
        "ALTER POLICY select_viewer ON app.documents USING (organization_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))",
    ),
    (
        "rows can be inserted for any owner",
        "ALTER POLICY insert_member ON app.documents WITH CHECK (organization_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))",
    ),
    (
        "rows of other owners can be deleted",
        "ALTER POLICY delete_own_member ON app.documents USING (organization_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))",
    ),
    (
        "rows of other owners can be updated",
        "ALTER POLICY update_own_member ON app.comments USING (task_id IN (SELECT id FROM app.tasks)) WITH CHECK (true)",
    ),
    (
        "users of other tenants are visible",
        "ALTER POLICY tenant_isolation ON app.users USING (true); ALTER POLICY select_viewer ON app.users USING (true)",
    ),
    (
        "child rows are visible to every tenant",
        "ALTER POLICY tenant_isolation ON app.comments USING (true); ALTER POLICY select_viewer ON app.comments USING (true)",
    ),
    ("a column is granted more widely", "GRANT SELECT (salary) ON app.employees TO app_viewer"),
    ("a column of another command is granted", "GRANT UPDATE (salary) ON app.employees TO app_member"),
    ("the tenant column can be updated", "GRANT UPDATE (organization_id) ON app.projects TO app_member"),
    ("the key can be set", "GRANT INSERT (id) ON app.projects TO app_member"),
    ("the whole table is granted", "GRANT SELECT ON app.employees TO app_viewer"),
    ("DELETE is granted more widely", "GRANT DELETE ON app.projects TO app_member"),
    ("a grant is missing", "REVOKE UPDATE (name) ON app.projects FROM app_member"),
    ("TRUNCATE is granted", "GRANT TRUNCATE ON app.events TO app_member"),
    ("REFERENCES is granted", "GRANT REFERENCES ON app.projects TO app_viewer"),
    ("a grant has the grant option", "GRANT SELECT (name) ON app.projects TO app_viewer WITH GRANT OPTION"),
    (
        "the login has a direct grant",
        "GRANT USAGE ON SCHEMA app TO app_service; GRANT SELECT ON app.projects TO app_service",
    ),
    (
        "users without a tenant can read",
        "GRANT USAGE ON SCHEMA app TO app_no_tenant; GRANT SELECT ON app.users TO app_no_tenant",
    ),
    ("a partition is granted", "GRANT SELECT ON app.events_p0 TO app_member"),
    ("roles can create objects in the schema", "GRANT CREATE ON SCHEMA app TO app_member"),
    ("the schema cannot be used", "REVOKE USAGE ON SCHEMA app FROM app_viewer"),
    (
        "temporary tables can be created",
        "DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$",
    ),
    (
        "a foreign key omits the tenant",
        "ALTER TABLE app.tasks DROP CONSTRAINT tasks_organization_id_project_id_fkey, ADD FOREIGN KEY (project_id) REFERENCES app.projects (id) ON DELETE CASCADE",
    ),
    ("a foreign key is missing", "ALTER TABLE app.tasks DROP CONSTRAINT tasks_organization_id_project_id_fkey"),
    (
        "a deletion cascades instead of failing",
        "ALTER TABLE app.documents DROP CONSTRAINT documents_organization_id_created_by_fkey, ADD FOREIGN KEY (organization_id, created_by) REFERENCES app.org_members (organization_id, user_id) ON DELETE CASCADE",
    ),
    (
        "a deletion sets the tenant to NULL",
        "ALTER TABLE app.tasks DROP CONSTRAINT tasks_organization_id_assigned_to_fkey, ADD FOREIGN KEY (organization_id, assigned_to) REFERENCES app.org_members (organization_id, user_id) ON DELETE SET NULL",
    ),
    ("a unique constraint spans tenants", "ALTER TABLE app.employees ADD UNIQUE (email)"),
    (
        "a view runs as its owner",
        "CREATE VIEW app.names AS SELECT name FROM app.projects; GRANT SELECT ON app.names TO app_viewer",
    ),
    (
        "a copied table has no policies",
        "CREATE FUNCTION public.copy() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO public.copies VALUES (NEW.name); RETURN NEW; END $$; CREATE TABLE public.copies (name text); GRANT SELECT ON public.copies TO app_viewer; CREATE TRIGGER copy AFTER INSERT ON app.projects FOR EACH ROW EXECUTE FUNCTION public.copy()",
    ),
    ("the helper is IMMUTABLE", "ALTER FUNCTION app_auth.authorized_tenant_id() IMMUTABLE"),
    ("the helper runs as its caller", "ALTER FUNCTION app_auth.authorized_tenant_id() SECURITY INVOKER"),
    (
        "the helper ignores the role",
        "CREATE OR REPLACE FUNCTION app_auth.authorized_tenant_id() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN (SELECT DISTINCT m.organization_id FROM app.org_members AS m WHERE m.organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid AND m.user_id = NULLIF(current_setting('app.user_id', true), '')::uuid); END $$",
    ),
    (
        "the helper ignores the user",
        "CREATE OR REPLACE FUNCTION app_auth.authorized_tenant_id() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN (SELECT DISTINCT m.organization_id FROM app.org_members AS m WHERE m.organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid AND CASE current_setting('role') WHEN 'app_viewer' THEN true WHEN 'app_member' THEN m.role IN ('member', 'admin') WHEN 'app_admin' THEN m.role = 'admin' ELSE false END); END $$",
    ),
    ("PUBLIC can execute a function", "GRANT EXECUTE ON FUNCTION app_auth.add_member TO PUBLIC"),
    ("viewers can add members", "GRANT EXECUTE ON FUNCTION app_auth.add_member TO app_viewer"),
    (
        "a function is added to the schema",
        "CREATE FUNCTION app_auth.everything() RETURNS SETOF app.projects LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM app.projects'",
    ),
    (
        "a member function checks nothing",
        "CREATE OR REPLACE FUNCTION app_auth.add_member(p_user uuid, p_role text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ INSERT INTO app.org_members (organization_id, user_id, role) VALUES (current_setting('app.organization_id')::uuid, p_user, p_role) $$",
    ),
    (
        "the login inherits from its roles",
        "DO $$ BEGIN
             IF current_setting('server_version_num')::int >= 160000
             THEN EXECUTE 'GRANT app_admin TO app_service WITH INHERIT TRUE';
             ELSE ALTER ROLE app_service INHERIT;
             END IF;
         END $$",
    ),
    ("a role has BYPASSRLS", "ALTER ROLE app_viewer BYPASSRLS"),
    ("the login is a superuser", "ALTER ROLE app_service SUPERUSER"),
    ("the login can become the owner", "GRANT app_schema_owner TO app_service"),
    ("a role is a member of the function owner", "GRANT app_function_owner TO app_member"),
    ("a role reads all tables", "GRANT pg_read_all_data TO app_viewer"),
    ("the login cannot become a role", "REVOKE app_admin FROM app_service"),
    // The system role.
    (
        "jobs need no reason for a table",
        "ALTER POLICY tenant_isolation ON app.tasks USING (true); ALTER POLICY select_system ON app.tasks USING (true)",
    ),
    (
        "any log record is accepted",
        "CREATE OR REPLACE FUNCTION app_auth.is_system_context() RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN EXISTS (SELECT FROM app.system_access_log AS u WHERE u.id = NULLIF(current_setting('app.system_access', true), '')::uuid); END $$",
    ),
    (
        "an uncommitted log record is accepted",
        "CREATE OR REPLACE FUNCTION app_auth.is_system_context() RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN EXISTS (SELECT FROM app.system_access_log AS u WHERE u.id = NULLIF(current_setting('app.system_access', true), '')::uuid AND u.db_user = session_user); END $$",
    ),
    (
        "the log record is not checked",
        "CREATE OR REPLACE FUNCTION app_auth.is_system_context() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT NULLIF(current_setting('app.system_access', true), '') IS NOT NULL $$",
    ),
    (
        "a job in a tenant is not held to it",
        "ALTER POLICY tenant_isolation ON app.tasks USING (CASE WHEN current_user = 'app_system' THEN (SELECT app_auth.is_system_context()) ELSE organization_id = (SELECT app_auth.authorized_tenant_id()) END); ALTER POLICY select_system ON app.tasks USING ((SELECT app_auth.is_system_context()))",
    ),
    (
        "a job in a tenant adds to others",
        "ALTER POLICY tenant_isolation ON app.events WITH CHECK (CASE WHEN current_user = 'app_system' THEN (SELECT app_auth.is_system_context()) ELSE organization_id = (SELECT app_auth.authorized_tenant_id()) END); ALTER POLICY insert_system ON app.events WITH CHECK ((SELECT app_auth.is_system_context()))",
    ),
    ("a policy for jobs is gone", "DROP POLICY delete_system ON app.events"),
    ("jobs get a table that does not name them", "GRANT SELECT ON app.projects TO app_system"),
    ("jobs get a command that is not named", "GRANT DELETE ON app.tasks TO app_system"),
    ("jobs get the key", "GRANT UPDATE (organization_id) ON app.tasks TO app_system"),
    (
        "members can use the system context",
        "CREATE POLICY more ON app.tasks FOR SELECT TO app_viewer USING (app_auth.is_system_context()); ALTER POLICY tenant_isolation ON app.tasks USING (true)",
    ),
    ("the job login can become an admin", "GRANT app_admin TO app_jobs"),
    ("the job login can become the owner", "GRANT app_schema_owner TO app_jobs"),
    (
        "the job login inherits",
        "DO $$ BEGIN
             IF current_setting('server_version_num')::int >= 160000
             THEN EXECUTE 'GRANT app_system TO app_jobs WITH INHERIT TRUE';
             ELSE ALTER ROLE app_jobs INHERIT;
             END IF;
         END $$",
    ),
    ("the app login has cross-tenant access", "GRANT app_system TO app_service"),
    ("admins have cross-tenant access", "GRANT app_system TO app_admin"),
    ("the job login lacks cross-tenant access", "REVOKE app_system FROM app_jobs"),
    ("viewers can record reasons", "GRANT EXECUTE ON FUNCTION app_auth.begin_system_access TO app_viewer"),
    ("jobs cannot record reasons", "REVOKE EXECUTE ON FUNCTION app_auth.begin_system_access FROM app_system"),
    ("jobs delete records", "GRANT EXECUTE ON FUNCTION app_auth.delete_system_access TO app_system"),
    ("no record can be deleted", "REVOKE EXECUTE ON FUNCTION app_auth.delete_system_access FROM app_schema_owner"),
    ("admins read the reasons", "GRANT SELECT ON app.system_access_log TO app_admin"),
    ("jobs add records themselves", "GRANT INSERT (reason) ON app.system_access_log TO app_system"),
    (
        "jobs change their records",
        "GRANT SELECT, UPDATE ON app.system_access_log TO app_system; CREATE POLICY more ON app.system_access_log FOR UPDATE TO app_system USING (true)",
    ),
    ("the owner reads the reasons", "ALTER TABLE app.system_access_log NO FORCE ROW LEVEL SECURITY"),
    // Functions that must succeed.
    ("no user can sign up: EXECUTE is missing", "REVOKE EXECUTE ON FUNCTION app_auth.sign_up FROM app_no_tenant"),
    ("the key of a new tenant has no default", "ALTER TABLE app.organizations ALTER COLUMN id DROP DEFAULT"),
    // Invitations.
    ("viewers can invite", "GRANT EXECUTE ON FUNCTION app_auth.invite TO app_viewer"),
    ("jobs can accept invitations", "GRANT EXECUTE ON FUNCTION app_auth.accept_invitation TO app_system"),
];

/// A change of a function: a part of its body, and its replacement.
type FunctionMutation = (&'static str, &'static str, &'static str, &'static str);

const FUNCTION_MUTATIONS: &[FunctionMutation] = &[
    (
        "the email address is not checked",
        "accept_invitation",
        " AND lower(u.email::text COLLATE \"C\") = lower(i.email::text COLLATE \"C\")",
        "",
    ),
    ("an expired invitation is accepted", "accept_invitation", " AND i.expires_at > now()", ""),
    ("any token is accepted", "accept_invitation", "i.token_hash = sha256(p_token)", "p_token IS NOT NULL"),
    ("the token is compared without hashing", "accept_invitation", "sha256(p_token)", "p_token"),
    ("the inviter's role is not checked", "accept_invitation", " AND m.role IN ('admin')", ""),
    (
        "an accepted invitation is not deleted",
        "accept_invitation",
        "DELETE FROM app.invitations AS i WHERE",
        "PERFORM FROM app.invitations AS i WHERE",
    ),
    (
        "the invited role is not used",
        "accept_invitation",
        "(invited.tenant, caller, invited.member_role)",
        "(invited.tenant, caller, 'admin')",
    ),
    ("any member can invite", "invite", "caller_role NOT IN ('admin')", "false"),
    (
        "another member is recorded as inviter",
        "invite",
        "secs => p_seconds), caller)",
        "secs => p_seconds), (SELECT m.user_id FROM app.org_members AS m WHERE m.organization_id = tenant ORDER BY m.role DESC LIMIT 1))",
    ),
    ("the invitation has another role", "invite", "(tenant, p_email, p_role,", "(tenant, p_email, 'viewer',"),
    ("no tenant can be created", "create_tenant", "\nBEGIN\n", "\nBEGIN\n    RAISE unique_violation;\n"),
    (
        "a created tenant has no member",
        "create_tenant",
        "INSERT INTO app.org_members (organization_id, user_id, role) VALUES (new_tenant_id, caller, 'admin');",
        "",
    ),
    ("no user can sign up", "sign_up", "\nBEGIN\n", "\nBEGIN\n    RAISE 'closed';\n"),
    ("any user can be added", "add_member", "IF NOT FOUND THEN", "IF false THEN"),
    (
        "a member of any tenant can be added",
        "add_member",
        "ON own.organization_id = m.organization_id\n        WHERE",
        "ON true\n        WHERE",
    ),
    ("a fellow member of any tenant can be added", "add_member", "AND own.role IN ('admin')", ""),
    (
        "no user can be added",
        "add_member",
        "WHERE m.user_id = p_user AND own.user_id = caller",
        "WHERE m.user_id = p_user AND own.user_id = p_user AND own.user_id = caller",
    ),
    ("no member can be added", "add_member", "\nBEGIN\n", "\nBEGIN\n    RAISE unique_violation;\n"),
    ("no member can leave", "remove_member", "caller IS DISTINCT FROM p_user AND ", ""),
    (
        "an expired reason gives access",
        "is_system_context",
        "interval '28800 seconds' THEN",
        "interval '100 years' THEN",
    ),
    ("a short reason is enough", "begin_system_access", ">= 10", ">= 9"),
    (
        "a blank reason is enough",
        "begin_system_access",
        "btrim(p_reason, E' \\t\\n\\x0B\\f\\r')",
        "concat(p_reason, 'a reason')",
    ),
    ("white space is counted", "begin_system_access", "btrim(p_reason, E' \\t\\n\\x0B\\f\\r')", "p_reason"),
    ("no reason can be recorded", "begin_system_access", "IS NOT TRUE THEN", "IS NOT FALSE THEN"),
    (
        "recent records can be deleted",
        "delete_system_access",
        "(before <= now() - interval '90 days') IS NOT TRUE",
        "false",
    ),
    ("old records cannot be deleted", "delete_system_access", "WHERE u.at < before", "WHERE false"),
    (
        "younger records are deleted",
        "delete_system_access",
        "WHERE u.at < before",
        "WHERE u.at < before + interval '1 day'",
    ),
    (
        "the reason is not recorded",
        "begin_system_access",
        "INSERT INTO app.system_access_log (reason) VALUES (p_reason) RETURNING id INTO access_id",
        "access_id := gen_random_uuid()",
    ),
];

/// Returns the statements that replace a part of a function; they fail if the part is missing.
pub(super) fn replace_in_function(function: &str, piece: &str, instead: &str) -> String {
    format!(
        "DO $do$ DECLARE made text := pg_get_functiondef('app_auth.{function}'::regproc); BEGIN
             ASSERT strpos(made, $t${piece}$t$) > 0, 'the function does not contain the text';
             EXECUTE replace(made, $t${piece}$t$, $t${instead}$t$);
         END $do$"
    )
}

#[tokio::test]
async fn verify_detects_every_schema_mutation() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let url = server.admin_url();
    migrate(&url).await;
    let models = models![tenant_examples].only(TABLES);
    let clean = verify(&url, &models, &VerifyOptions::default()).await.expect("a report");
    assert!(clean.is_clean(), "{clean}");
    let whole = MUTATIONS.iter().map(|(what, statements)| (*what, (*statements).to_owned()));
    let bodies = FUNCTION_MUTATIONS
        .iter()
        .map(|(what, function, piece, instead)| (*what, replace_in_function(function, piece, instead)));
    let mutants: Vec<_> = whole.chain(bodies).collect();
    let (mut told, mut alive) = (Vec::new(), Vec::new());
    for (what, statements) in &mutants {
        // In the transaction of the verification, which is rolled back, so that each mutant starts from the same database.
        let options = VerifyOptions::default().until_first_violation().after(statements.as_str());
        let shown = match verify(&url, &models, &options).await {
            Ok(report) => report.violations.first().map(|first| format!("{}: {}", first.technique, first.meaning)),
            // A mutant in which no test rows can be generated is detected as well.
            Err(error @ VerifyError::Data { .. }) => error.to_string().lines().next().map(str::to_owned),
            Err(error) => panic!("{what}: {error}"),
        };
        if shown.is_none() {
            alive.push(*what);
        }
        told.push(format!("{what:42} {:8} {}", shown.as_ref().map_or("-", |_| "verify"), shown.unwrap_or_default()));
    }
    println!("{} mutants\n{:42} {:8} detected by\n{}", mutants.len(), "mutant", "killed", told.join("\n"));
    assert_eq!(alive, Vec::<&str>::new());
}
