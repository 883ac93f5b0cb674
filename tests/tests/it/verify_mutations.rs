//! Mutation tests: `verify` detects every schema with one deliberate defect.

use tenant_runtime::{
    models,
    verify::{VerifyError, VerifyOptions, verify},
};
use tenant_tests::{TABLES, dedicated_server, migrate};

/// What is wrong, and the statements that make it so.
type Mutation = (&'static str, &'static str);

const MUTATIONS: &[Mutation] = &[
    ("FORCE is off", "ALTER TABLE app.projects NO FORCE ROW LEVEL SECURITY"),
    (
        "FORCE is off on a partition",
        "ALTER TABLE app.events_p0 NO FORCE ROW LEVEL SECURITY; ALTER TABLE app.events_p1 NO FORCE ROW LEVEL SECURITY; ALTER TABLE app.events_p2 NO FORCE ROW LEVEL SECURITY; ALTER TABLE app.events_p3 NO FORCE ROW LEVEL SECURITY",
    ),
    ("row security is off", "ALTER TABLE app.projects DISABLE ROW LEVEL SECURITY"),
    ("row security is off on a shared table", "ALTER TABLE app.users DISABLE ROW LEVEL SECURITY"),
    ("a policy is gone", "DROP POLICY select_viewer ON app.tasks"),
    ("the floor is gone", "DROP POLICY tenant_isolation ON app.employees"),
    ("the floor is USING (true)", "ALTER POLICY tenant_isolation ON app.projects USING (true)"),
    (
        "floor and policy are USING (true)",
        "ALTER POLICY tenant_isolation ON app.projects USING (true); ALTER POLICY select_viewer ON app.projects USING (true)",
    ),
    (
        "the floor is permissive",
        "DROP POLICY tenant_isolation ON app.tasks; CREATE POLICY tenant_isolation ON app.tasks USING (true) WITH CHECK (true)",
    ),
    (
        "WITH CHECK is true",
        "ALTER POLICY tenant_isolation ON app.events WITH CHECK (true); ALTER POLICY insert_member ON app.events WITH CHECK (true)",
    ),
    ("a policy is for another role", "ALTER POLICY update_member ON app.projects TO app_admin"),
    (
        "what hides private rows is gone",
        "ALTER POLICY select_viewer ON app.documents USING (organization_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))",
    ),
    (
        "everybody writes in everybody's name",
        "ALTER POLICY insert_member ON app.documents WITH CHECK (organization_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))",
    ),
    (
        "others' rows may be deleted",
        "ALTER POLICY delete_own_member ON app.documents USING (organization_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))",
    ),
    (
        "others' rows may be updated",
        "ALTER POLICY update_own_member ON app.comments USING (task_id IN (SELECT id FROM app.tasks)) WITH CHECK (true)",
    ),
    (
        "users of other organizations are seen",
        "ALTER POLICY tenant_isolation ON app.users USING (true); ALTER POLICY select_viewer ON app.users USING (true)",
    ),
    (
        "a row with a parent is everybody's",
        "ALTER POLICY tenant_isolation ON app.comments USING (true); ALTER POLICY select_viewer ON app.comments USING (true)",
    ),
    ("a column is granted more widely", "GRANT SELECT (salary) ON app.employees TO app_viewer"),
    ("a column of another command is granted", "GRANT UPDATE (salary) ON app.employees TO app_member"),
    ("the tenant column may be updated", "GRANT UPDATE (organization_id) ON app.projects TO app_member"),
    ("the key may be chosen", "GRANT INSERT (id) ON app.projects TO app_member"),
    ("the whole table is granted", "GRANT SELECT ON app.employees TO app_viewer"),
    ("DELETE is granted more widely", "GRANT DELETE ON app.projects TO app_member"),
    ("a grant is gone", "REVOKE UPDATE (name) ON app.projects FROM app_member"),
    ("TRUNCATE is granted", "GRANT TRUNCATE ON app.events TO app_member"),
    ("REFERENCES is granted", "GRANT REFERENCES ON app.projects TO app_viewer"),
    ("a grant has the grant option", "GRANT SELECT (name) ON app.projects TO app_viewer WITH GRANT OPTION"),
    (
        "the login has a grant of its own",
        "GRANT USAGE ON SCHEMA app TO app_service; GRANT SELECT ON app.projects TO app_service",
    ),
    ("the visitor may read", "GRANT USAGE ON SCHEMA app TO app_no_tenant; GRANT SELECT ON app.users TO app_no_tenant"),
    ("a partition is granted", "GRANT SELECT ON app.events_p0 TO app_member"),
    ("the schema may be written to", "GRANT CREATE ON SCHEMA app TO app_member"),
    ("the schema cannot be used", "REVOKE USAGE ON SCHEMA app FROM app_viewer"),
    (
        "temporary tables may be made",
        "DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$",
    ),
    (
        "a foreign key is plain",
        "ALTER TABLE app.tasks DROP CONSTRAINT tasks_organization_id_project_id_fkey, ADD FOREIGN KEY (project_id) REFERENCES app.projects (id) ON DELETE CASCADE",
    ),
    ("a foreign key is gone", "ALTER TABLE app.tasks DROP CONSTRAINT tasks_organization_id_project_id_fkey"),
    (
        "a deletion cascades that is to be refused",
        "ALTER TABLE app.documents DROP CONSTRAINT documents_organization_id_created_by_fkey, ADD FOREIGN KEY (organization_id, created_by) REFERENCES app.org_members (organization_id, user_id) ON DELETE CASCADE",
    ),
    (
        "a deletion takes the tenant from rows",
        "ALTER TABLE app.tasks DROP CONSTRAINT tasks_organization_id_assigned_to_fkey, ADD FOREIGN KEY (organization_id, assigned_to) REFERENCES app.org_members (organization_id, user_id) ON DELETE SET NULL",
    ),
    ("a unique value tells of other tenants", "ALTER TABLE app.employees ADD UNIQUE (email)"),
    (
        "a view runs as its owner",
        "CREATE VIEW app.names AS SELECT name FROM app.projects; GRANT SELECT ON app.names TO app_viewer",
    ),
    (
        "a copy has no policies",
        "CREATE FUNCTION public.copy() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO public.copies VALUES (NEW.name); RETURN NEW; END $$; CREATE TABLE public.copies (name text); GRANT SELECT ON public.copies TO app_viewer; CREATE TRIGGER copy AFTER INSERT ON app.projects FOR EACH ROW EXECUTE FUNCTION public.copy()",
    ),
    ("the helper is IMMUTABLE", "ALTER FUNCTION app_auth.authorized_tenant_id() IMMUTABLE"),
    ("the helper runs as its caller", "ALTER FUNCTION app_auth.authorized_tenant_id() SECURITY INVOKER"),
    (
        "the helper forgets the role",
        "CREATE OR REPLACE FUNCTION app_auth.authorized_tenant_id() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN (SELECT DISTINCT m.organization_id FROM app.org_members AS m WHERE m.organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid AND m.user_id = NULLIF(current_setting('app.user_id', true), '')::uuid); END $$",
    ),
    (
        "the helper forgets the user",
        "CREATE OR REPLACE FUNCTION app_auth.authorized_tenant_id() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN (SELECT DISTINCT m.organization_id FROM app.org_members AS m WHERE m.organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid AND CASE current_setting('role') WHEN 'app_viewer' THEN true WHEN 'app_member' THEN m.role IN ('member', 'admin') WHEN 'app_admin' THEN m.role = 'admin' ELSE false END); END $$",
    ),
    ("PUBLIC may call a function", "GRANT EXECUTE ON FUNCTION app_auth.add_member TO PUBLIC"),
    ("members add members", "GRANT EXECUTE ON FUNCTION app_auth.add_member TO app_viewer"),
    (
        "a function is added to ours",
        "CREATE FUNCTION app_auth.everything() RETURNS SETOF app.projects LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM app.projects'",
    ),
    (
        "a function for members asks nothing",
        "CREATE OR REPLACE FUNCTION app_auth.add_member(p_user uuid, p_role text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ INSERT INTO app.org_members (organization_id, user_id, role) VALUES (current_setting('app.organization_id')::uuid, p_user, p_role) $$",
    ),
    (
        "the login inherits what its roles may",
        "DO $$ BEGIN
             IF current_setting('server_version_num')::int >= 160000
             THEN EXECUTE 'GRANT app_admin TO app_service WITH INHERIT TRUE';
             ELSE ALTER ROLE app_service INHERIT;
             END IF;
         END $$",
    ),
    ("a role has BYPASSRLS", "ALTER ROLE app_viewer BYPASSRLS"),
    ("the login is a superuser", "ALTER ROLE app_service SUPERUSER"),
    ("the login may become the owner", "GRANT app_schema_owner TO app_service"),
    ("a role is a member of the function owner", "GRANT app_function_owner TO app_member"),
    ("a role reads all tables", "GRANT pg_read_all_data TO app_viewer"),
    ("the login cannot become a role", "REVOKE app_admin FROM app_service"),
    // The system role.
    (
        "jobs need no reason for a table",
        "ALTER POLICY tenant_isolation ON app.tasks USING (true); ALTER POLICY select_system ON app.tasks USING (true)",
    ),
    (
        "any record is as good as one's own",
        "CREATE OR REPLACE FUNCTION app_auth.is_system_context() RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN EXISTS (SELECT FROM app.system_access_log AS u WHERE u.id = NULLIF(current_setting('app.system_access', true), '')::uuid); END $$",
    ),
    (
        "a record that can be rolled back is enough",
        "CREATE OR REPLACE FUNCTION app_auth.is_system_context() RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN EXISTS (SELECT FROM app.system_access_log AS u WHERE u.id = NULLIF(current_setting('app.system_access', true), '')::uuid AND u.db_user = session_user); END $$",
    ),
    (
        "no record is looked for",
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
        "a member may be what jobs are",
        "CREATE POLICY more ON app.tasks FOR SELECT TO app_viewer USING (app_auth.is_system_context()); ALTER POLICY tenant_isolation ON app.tasks USING (true)",
    ),
    ("the login of jobs may be a member", "GRANT app_admin TO app_jobs"),
    ("the login of jobs may be the owner", "GRANT app_schema_owner TO app_jobs"),
    (
        "the login of jobs inherits",
        "DO $$ BEGIN
             IF current_setting('server_version_num')::int >= 160000
             THEN EXECUTE 'GRANT app_system TO app_jobs WITH INHERIT TRUE';
             ELSE ALTER ROLE app_jobs INHERIT;
             END IF;
         END $$",
    ),
    ("the app's login may cross tenants", "GRANT app_system TO app_service"),
    ("a member may cross tenants", "GRANT app_system TO app_admin"),
    ("the login of jobs cannot cross tenants", "REVOKE app_system FROM app_jobs"),
    ("members record reasons", "GRANT EXECUTE ON FUNCTION app_auth.begin_system_access TO app_viewer"),
    ("jobs cannot record reasons", "REVOKE EXECUTE ON FUNCTION app_auth.begin_system_access FROM app_system"),
    ("a blank reason is enough", "ALTER TABLE app.system_access_log DROP CONSTRAINT system_uses_reason_check"),
    ("admins read the reasons", "GRANT SELECT ON app.system_access_log TO app_admin"),
    ("jobs add records themselves", "GRANT INSERT (reason) ON app.system_access_log TO app_system"),
    (
        "jobs change their records",
        "GRANT SELECT, UPDATE ON app.system_access_log TO app_system; CREATE POLICY more ON app.system_access_log FOR UPDATE TO app_system USING (true)",
    ),
    ("the owner reads the reasons", "ALTER TABLE app.system_access_log NO FORCE ROW LEVEL SECURITY"),
    // Invitations.
    ("members invite", "GRANT EXECUTE ON FUNCTION app_auth.invite TO app_viewer"),
    ("jobs take invitations", "GRANT EXECUTE ON FUNCTION app_auth.accept_invitation TO app_system"),
];

/// A change of a function: a part of its body, and its replacement.
type FunctionMutation = (&'static str, &'static str, &'static str, &'static str);

const FUNCTION_MUTATIONS: &[FunctionMutation] = &[
    ("whoever has the mail is let in", "accept_invitation", " AND lower(u.email::text) = lower(i.email::text)", ""),
    ("an expired invitation is taken", "accept_invitation", " AND i.expires_at > now()", ""),
    ("any token is the right one", "accept_invitation", "i.token_hash = sha256(p_token)", "p_token IS NOT NULL"),
    ("the hash is the token", "accept_invitation", "sha256(p_token)", "p_token"),
    ("who invited need not manage any more", "accept_invitation", " AND m.role IN ('admin')", ""),
    (
        "an invitation is left",
        "accept_invitation",
        "DELETE FROM app.invitations AS i WHERE",
        "PERFORM FROM app.invitations AS i WHERE",
    ),
    (
        "who is invited becomes more",
        "accept_invitation",
        "(invited.organization, caller, invited.member_role)",
        "(invited.organization, caller, 'admin')",
    ),
    ("whoever is a member invites", "invite", "caller_role NOT IN ('admin')", "false"),
    (
        "invitations are another's",
        "invite",
        "secs => p_seconds), caller)",
        "secs => p_seconds), (SELECT m.user_id FROM app.org_members AS m WHERE m.organization_id = tenant ORDER BY m.role DESC LIMIT 1))",
    ),
    ("invitations are into another role", "invite", "(tenant, p_email, p_role,", "(tenant, p_email, 'viewer',"),
    (
        "the reason is not recorded",
        "begin_system_access",
        "INSERT INTO app.system_access_log (reason) VALUES (p_reason) RETURNING id INTO made",
        "made := gen_random_uuid()",
    ),
];

/// Writes the statements that leave something out of a function, which fail where it is not there.
fn replace_in_function(function: &str, piece: &str, instead: &str) -> String {
    format!(
        "DO $do$ DECLARE made text := pg_get_functiondef('app_auth.{function}'::regproc); BEGIN
             ASSERT strpos(made, $t${piece}$t$) > 0, 'the function has no such text';
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
