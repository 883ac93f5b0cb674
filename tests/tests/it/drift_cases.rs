//! Changes of a database by hand, each with the codes under which the audit reports it.

/// A change of the database, with the expected codes.
pub(super) struct Drift {
    pub(super) codes: &'static [&'static str],
    /// The SQL that makes the change.
    pub(super) sql: &'static str,
    /// The SQL that cleans up after the fix, such as DROP ROLE.
    pub(super) after: &'static str,
    /// The first release that has it.
    pub(super) since: u32,
}

const fn drift(codes: &'static [&'static str], sql: &'static str) -> Drift {
    Drift { codes, sql, after: "", since: 15 }
}

impl Drift {
    const fn with_cleanup(self, after: &'static str) -> Self {
        Self { after, ..self }
    }

    const fn since(self, since: u32) -> Self {
        Self { since, ..self }
    }
}

/// Changes that a person at a console, or an attacker, might make.
pub(super) const DRIFTS: &[Drift] = &[
    // Roles.
    drift(&["TA101"], "ALTER ROLE app_service SUPERUSER"),
    drift(&["TA101"], "ALTER ROLE app_service BYPASSRLS"),
    drift(&["TA101"], "ALTER ROLE app_service INHERIT"),
    drift(&["TA101"], "ALTER ROLE app_admin LOGIN CREATEROLE"),
    drift(&["TA101"], "ALTER ROLE app_service CONNECTION LIMIT 500"),
    drift(&["TA101"], "COMMENT ON ROLE app_viewer IS 'another: bundles'"),
    drift(&["TA102"], "GRANT app_schema_owner TO app_service"),
    drift(&["TA102"], "GRANT app_no_tenant TO app_viewer"),
    drift(&["TA102"], "GRANT pg_read_all_data TO app_viewer"),
    drift(&["TA102"], "REVOKE app_viewer FROM app_service"),
    drift(&["TA102"], "GRANT app_member TO app_service WITH ADMIN OPTION"),
    drift(&["TA102"], "CREATE ROLE bypass BYPASSRLS; GRANT bypass TO app_service").with_cleanup("DROP ROLE bypass"),
    drift(&["TA117"], "ALTER ROLE app_service SET role = 'app_admin'"),
    drift(&["TA117"], "ALTER DATABASE postgres SET row_security = off"),
    drift(&["TA117"], "ALTER ROLE app_service IN DATABASE postgres SET search_path = public"),
    drift(&["TA117"], "ALTER ROLE ALL SET app.organization_id = '00000000-0000-0000-0000-000000000001'"),
    drift(&["TA117"], "ALTER DATABASE postgres SET standard_conforming_strings = off"),
    drift(&["TA123"], "ALTER ROLE app_service IN DATABASE postgres SET statement_timeout = 0"),
    drift(&["TA123"], "ALTER ROLE app_service IN DATABASE postgres RESET lock_timeout"),
    drift(&["TA123"], "ALTER ROLE app_admin SET work_mem = '1GB'"),
    // The database and its schemas.
    drift(&["TA111"], "GRANT CONNECT ON DATABASE postgres TO PUBLIC"),
    drift(&["TA111"], "GRANT TEMPORARY ON DATABASE postgres TO app_service"),
    drift(&["TA112"], "REVOKE CONNECT ON DATABASE postgres FROM app_service"),
    drift(&["TA111"], "GRANT CREATE ON SCHEMA public TO PUBLIC"),
    drift(&["TA111"], "GRANT CREATE ON SCHEMA app TO app_admin"),
    drift(&["TA111"], "GRANT USAGE ON SCHEMA app TO PUBLIC"),
    drift(&["TA111"], "GRANT CREATE ON SCHEMA pg_catalog TO app_viewer; GRANT CREATE ON SCHEMA information_schema TO PUBLIC"),
    drift(
        &["TA111", "TA218"],
        "DO $$ BEGIN EXECUTE format('GRANT SELECT ON %s TO app_viewer', (SELECT reltoastrelid::regclass FROM pg_class
             WHERE oid = 'app.projects'::regclass)); GRANT USAGE ON SCHEMA pg_toast TO app_viewer; END $$",
    ),
    drift(&["TA112"], "REVOKE USAGE ON SCHEMA app FROM app_viewer"),
    drift(&["TA103"], "ALTER SCHEMA app OWNER TO postgres"),
    drift(&["TA103"], "DROP SCHEMA app CASCADE"),
    drift(&["TA103", "TA110", "TA115"], "DROP SCHEMA app_auth CASCADE"),
    drift(&["TA116"], "ALTER DEFAULT PRIVILEGES FOR ROLE app_schema_owner IN SCHEMA app GRANT SELECT ON TABLES TO app_viewer"),
    drift(&["TA116"], "ALTER DEFAULT PRIVILEGES FOR ROLE app_function_owner GRANT EXECUTE ON ROUTINES TO PUBLIC"),
    drift(&["TA116"], "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON TABLES TO app_viewer"),
    // Tables.
    drift(&["TA105"], "ALTER TABLE app.tasks DISABLE ROW LEVEL SECURITY"),
    drift(&["TA105"], "ALTER TABLE app.events_p1 NO FORCE ROW LEVEL SECURITY"),
    drift(&["TA104"], "ALTER TABLE app.tasks OWNER TO postgres"),
    drift(&["TA104"], "ALTER TABLE app.comments SET UNLOGGED"),
    drift(&["TA104"], "REVOKE SELECT ON app.projects FROM app_schema_owner"),
    drift(&["TA104", "TA115"], "ALTER TABLE app.projects DISABLE TRIGGER ALL"),
    drift(&["TA104"], "CREATE TABLE public.every_task (); ALTER TABLE app.tasks INHERIT public.every_task").with_cleanup("DROP TABLE public.every_task"),
    drift(&["TA106"], "CREATE TABLE app.untracked (id integer PRIMARY KEY); GRANT ALL ON app.untracked TO PUBLIC"),
    drift(
        &["TA224"],
        "CREATE TABLE app.kept (x text); GRANT SELECT ON app.kept TO PUBLIC; ALTER EXTENSION plpgsql ADD TABLE app.kept",
    ),
    drift(&["TA106"], "CREATE VIEW app.mine WITH (security_invoker = true) AS SELECT id FROM app.projects"),
    drift(&["TA104"], "DROP TABLE app.comments"),
    drift(&["TA104"], "DROP TABLE app.events"),
    drift(&["TA104"], "DROP TABLE app.events_p1"),
    drift(&["TA104"], "ALTER TABLE app.events DETACH PARTITION app.events_p1"),
    drift(&["TA104"], "ALTER TABLE app.events_p1 RENAME TO \"ev.\"\"ents\""),
    drift(&["TA121"], "COMMENT ON TABLE app.tasks IS 'Everybody reads them.'"),
    drift(&["TA121"], "COMMENT ON POLICY select_viewer ON app.tasks IS NULL; COMMENT ON COLUMN app.tasks.title IS ''"),
    // Columns.
    drift(&["TA107"], "ALTER TABLE app.tasks ALTER COLUMN title DROP NOT NULL"),
    drift(&["TA107"], "ALTER TABLE app.tasks ALTER COLUMN status SET DEFAULT 'done'"),
    drift(&["TA107"], "ALTER TABLE app.tasks ALTER COLUMN created_at DROP DEFAULT"),
    drift(&["TA107"], "ALTER TABLE app.tasks ALTER COLUMN title TYPE varchar(20)"),
    drift(&["TA107"], "ALTER TABLE app.tasks ADD COLUMN extra text"),
    drift(&["TA107"], "ALTER TABLE app.tasks DROP COLUMN description"),
    drift(&["TA107"], "ALTER TABLE app.documents ALTER COLUMN id SET GENERATED BY DEFAULT"),
    drift(&["TA107"], "ALTER TABLE app.documents ALTER COLUMN id DROP IDENTITY"),
    drift(&["TA107"], "ALTER TABLE app.employees ALTER COLUMN salary SET STATISTICS -1; ANALYZE app.employees"),
    drift(&["TA107"], "ALTER TABLE app.projects ALTER COLUMN name SET STATISTICS 0"),
    drift(&["TA107", "TA227"], "CREATE STATISTICS app.bands ON (salary / 1000) FROM app.employees; ANALYZE app.employees"),
    drift(&["TA107"], "CREATE STATISTICS public.bands ON (salary / 1000) FROM app.employees"),
    // Keys and indexes.
    drift(&["TA108"], "ALTER TABLE app.tasks DROP CONSTRAINT tasks_organization_id_project_id_fkey"),
    drift(
        &["TA108"],
        "ALTER TABLE app.tasks DROP CONSTRAINT tasks_organization_id_project_id_fkey, ADD CONSTRAINT
             tasks_organization_id_project_id_fkey FOREIGN KEY (project_id) REFERENCES app.projects (id) ON DELETE CASCADE",
    ),
    drift(&["TA108"], "ALTER TABLE app.tasks ADD CONSTRAINT global UNIQUE (title)"),
    drift(&["TA108"], "ALTER TABLE app.tasks DROP CONSTRAINT tasks_status_label"),
    drift(
        &["TA108"],
        "ALTER TABLE app.tasks DROP CONSTRAINT tasks_status_label, ADD CONSTRAINT tasks_status_label CHECK (true) NOT VALID",
    ),
    drift(&["TA108"], "ALTER TABLE app.tasks ALTER CONSTRAINT tasks_organization_id_fkey DEFERRABLE"),
    drift(&["TA109"], "DROP INDEX app.tasks_organization_id_status_idx"),
    drift(&["TA109"], "CREATE UNIQUE INDEX tells ON app.projects (name)"),
    drift(
        &["TA109"],
        "DROP INDEX app.tasks_organization_id_status_idx;
         CREATE INDEX tasks_organization_id_status_idx ON app.tasks (organization_id, status DESC) WHERE status <> 'done'",
    ),
    drift(
        &["TA109"],
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.tasks_organization_id_status_idx'::regclass",
    ),
    // Policies and privileges.
    drift(&["TA110"], "DROP POLICY tenant_isolation ON app.projects"),
    drift(&["TA110"], "CREATE POLICY open ON app.projects USING (true)"),
    drift(&["TA110"], "ALTER POLICY tenant_isolation ON app.projects USING (true)"),
    drift(&["TA110"], "ALTER POLICY update_member ON app.projects WITH CHECK (true)"),
    drift(&["TA110"], "ALTER POLICY delete_admin ON app.projects TO app_viewer"),
    drift(&["TA110"], "CREATE POLICY open ON app.events_p0 FOR SELECT TO app_viewer USING (true)"),
    drift(&["TA111"], "GRANT TRUNCATE, TRIGGER, REFERENCES ON app.projects TO app_admin"),
    drift(&["TA111"], "GRANT SELECT (salary) ON app.employees TO app_viewer"),
    drift(&["TA111"], "GRANT SELECT ON app.events_p0 TO app_viewer"),
    drift(&["TA111"], "GRANT SELECT ON app.users TO PUBLIC"),
    drift(&["TA111"], "GRANT USAGE ON SEQUENCE app.documents_id_seq TO app_member"),
    drift(&["TA111"], "GRANT DELETE ON app.projects TO app_admin WITH GRANT OPTION"),
    drift(
        &["TA111"],
        "GRANT SELECT (name) ON app.projects TO app_viewer WITH GRANT OPTION; SET ROLE app_viewer;
         GRANT SELECT (name) ON app.projects TO app_no_tenant; RESET ROLE",
    ),
    drift(&["TA112"], "REVOKE DELETE ON app.projects FROM app_admin"),
    // Functions and triggers.
    drift(&["TA113"], "ALTER FUNCTION app_auth.authorized_tenant_id() IMMUTABLE"),
    drift(&["TA113"], "ALTER FUNCTION app_auth.authorized_tenant_id() LEAKPROOF"),
    drift(&["TA113"], "ALTER FUNCTION app_auth.authorized_tenant_id() SECURITY INVOKER"),
    drift(&["TA113"], "ALTER FUNCTION app_auth.authorized_tenant_id() RESET search_path"),
    drift(&["TA113"], "ALTER FUNCTION app_auth.authorized_tenant_id() OWNER TO postgres"),
    drift(
        &["TA113"],
        "CREATE OR REPLACE FUNCTION app_auth.authorized_tenant_id() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL SAFE
         SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
         'BEGIN RETURN NULLIF(current_setting(''app.organization_id'', true), '''')::uuid; END'",
    ),
    drift(&["TA113"], "ALTER FUNCTION app_auth.my_tenants() SUPPORT pg_catalog.generate_series_int4_support"),
    drift(&["TA113"], "DROP FUNCTION app_auth.sign_up"),
    drift(&["TA111"], "GRANT EXECUTE ON FUNCTION app_auth.add_member TO PUBLIC"),
    drift(&["TA114"], "CREATE FUNCTION app.helper() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    drift(&["TA204"], "CREATE FUNCTION app.helper() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"),
    drift(&["TA115"], "DROP TRIGGER prevent_last_manager_removal ON app.org_members"),
    drift(&["TA115"], "ALTER TABLE app.org_members DISABLE TRIGGER prevent_last_manager_removal"),
    drift(
        &["TA115"],
        "CREATE FUNCTION public.spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER spy AFTER INSERT ON app.projects FOR EACH ROW EXECUTE FUNCTION public.spy()",
    )
    .with_cleanup("DROP FUNCTION public.spy"),
    drift(
        &["TA104", "TA115"],
        "CREATE TRIGGER held AFTER INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app_auth.prevent_last_manager_removal();
         ALTER TABLE app.events_p0 DISABLE TRIGGER held",
    ),
    drift(&["TA118"], "CREATE RULE quiet AS ON DELETE TO app.projects DO INSTEAD NOTHING"),
    drift(&["TA118"], "CREATE TABLE public.bait (id uuid); CREATE RULE r AS ON INSERT TO public.bait DO ALSO DELETE FROM app.projects")
        .with_cleanup("DROP TABLE public.bait"),
    drift(&["TA119"], "CREATE SEQUENCE app.counter"),
    drift(&["TA120"], "CREATE TYPE app.colour AS ENUM ('red')"),
    // Features of later releases.
    drift(&["TA102"], "GRANT app_admin TO app_service WITH INHERIT TRUE").since(16),
    drift(&["TA102"], "GRANT app_viewer TO app_member WITH SET TRUE").since(16),
    drift(&["TA111"], "GRANT MAINTAIN ON app.projects TO app_admin").since(17),
    drift(&["TA108"], "ALTER TABLE app.tasks ALTER CONSTRAINT tasks_organization_id_fkey NOT ENFORCED").since(18),
    drift(
        &["TA107"],
        "ALTER TABLE app.tasks ALTER COLUMN title DROP NOT NULL, ADD CONSTRAINT later NOT NULL title NOT VALID",
    )
    .since(18),
    // Bypasses.
    drift(&["TA201"], "CREATE VIEW public.seen AS SELECT * FROM app.projects").with_cleanup("DROP VIEW public.seen"),
    drift(
        &["TA201"],
        "CREATE VIEW public.inner_view WITH (security_invoker = on) AS SELECT * FROM app.projects;
         CREATE VIEW public.outer_view AS SELECT * FROM public.inner_view",
    )
    .with_cleanup("DROP VIEW public.outer_view, public.inner_view"),
    drift(&["TA202"], "CREATE MATERIALIZED VIEW public.copied AS SELECT * FROM app.projects"),
    drift(
        &["TA203"],
        "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
         CREATE FOREIGN TABLE app.far (id uuid) SERVER elsewhere",
    )
    .with_cleanup("DROP FOREIGN DATA WRAPPER nothing CASCADE"),
    drift(
        &["TA203"],
        "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
         GRANT USAGE ON FOREIGN SERVER elsewhere TO app_viewer",
    )
    .with_cleanup("DROP FOREIGN DATA WRAPPER nothing CASCADE"),
    drift(
        &["TA203"],
        "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER loop FOREIGN DATA WRAPPER nothing;
         CREATE FOREIGN TABLE public.loop (name text) SERVER loop OPTIONS (schema_name 'app', table_name 'projects');
         GRANT SELECT (name) ON public.loop TO app_viewer; GRANT SELECT ON public.loop TO PUBLIC",
    )
    .with_cleanup("DROP FOREIGN DATA WRAPPER nothing CASCADE"),
    drift(&["TA203"], "CREATE FOREIGN DATA WRAPPER nothing; GRANT USAGE ON FOREIGN DATA WRAPPER nothing TO app_member")
        .with_cleanup("DROP FOREIGN DATA WRAPPER nothing"),
    drift(
        &["TA204", "TA225"],
        "CREATE TABLE public.bait (x text); GRANT INSERT (x) ON public.bait TO app_viewer;
         CREATE FUNCTION public.fill() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
             'BEGIN NEW.x := (SELECT string_agg(name, '','') FROM app.projects); RETURN NEW; END';
         REVOKE EXECUTE ON FUNCTION public.fill FROM PUBLIC;
         CREATE TRIGGER fill BEFORE INSERT ON public.bait FOR EACH ROW EXECUTE FUNCTION public.fill()",
    )
    .with_cleanup("DROP TABLE public.bait; DROP FUNCTION public.fill"),
    drift(
        &["TA204", "TA225"],
        "CREATE SCHEMA hidden; CREATE FUNCTION hidden.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS
             'SELECT count(*) FROM app.projects';
         CREATE VIEW public.peeks AS SELECT hidden.peek(); GRANT SELECT ON public.peeks TO app_viewer",
    )
    .with_cleanup("DROP SCHEMA hidden CASCADE"),
    drift(
        &["TA224"],
        "CREATE FUNCTION app.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM app.projects';
         GRANT EXECUTE ON FUNCTION app.peek TO PUBLIC; ALTER EXTENSION plpgsql ADD FUNCTION app.peek()",
    ),
    drift(
        &["TA204"],
        "CREATE ROLE reads IN ROLE pg_read_server_files; CREATE FUNCTION public.file() RETURNS text LANGUAGE sql
             SECURITY DEFINER AS 'SELECT pg_read_file(''PG_VERSION'')'; ALTER FUNCTION public.file() OWNER TO reads",
    )
    .with_cleanup("DROP FUNCTION public.file; DROP ROLE reads"),
    drift(
        &["TA204"],
        "CREATE FUNCTION public.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM app.projects'",
    )
    .with_cleanup("DROP FUNCTION public.peek"),
    drift(
        &["TA205"],
        "CREATE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION public.watch()",
    )
    .with_cleanup("DROP EVENT TRIGGER watch; DROP FUNCTION public.watch"),
    drift(&["TA206"], "CREATE TABLE public.child () INHERITS (app.projects)").with_cleanup("DROP TABLE public.child"),
    drift(&["TA207"], "CREATE PUBLICATION one FOR TABLE app.projects").with_cleanup("DROP PUBLICATION one"),
    drift(&["TA207"], "CREATE PUBLICATION whole FOR TABLES IN SCHEMA app").with_cleanup("DROP PUBLICATION whole"),
    drift(&["TA207"], "CREATE PUBLICATION every FOR ALL TABLES"),
    drift(
        &["TA220"],
        "CREATE SUBSCRIPTION one CONNECTION 'host=127.0.0.1 port=1' PUBLICATION one WITH (connect = false);
         INSERT INTO pg_subscription_rel SELECT oid, 'app.projects'::regclass, 'r', NULL FROM pg_subscription;
         ALTER SUBSCRIPTION one ENABLE",
    )
    .with_cleanup("ALTER SUBSCRIPTION one SET (slot_name = NONE); DROP SUBSCRIPTION one"),
    drift(&["TA208"], "CREATE ROLE people; CREATE ROLE ann LOGIN IN ROLE people; GRANT app_schema_owner TO people")
        .with_cleanup("DROP ROLE ann, people"),
    drift(&["TA208"], "CREATE ROLE bob LOGIN IN ROLE app_viewer").with_cleanup("DROP ROLE bob"),
    drift(&["TA209"], "CREATE ROLE root LOGIN SUPERUSER").with_cleanup("DROP ROLE root"),
    drift(&["TA209"], "CREATE ROLE backup LOGIN BYPASSRLS").with_cleanup("DROP ROLE backup"),
    drift(&["TA209"], "CREATE ROLE copier LOGIN REPLICATION").with_cleanup("DROP ROLE copier"),
    drift(&["TA209"], "CREATE ROLE passes BYPASSRLS; CREATE ROLE eve LOGIN NOINHERIT IN ROLE passes")
        .with_cleanup("DROP ROLE eve, passes"),
    drift(&["TA211"], "CREATE TABLE public.notes (id uuid REFERENCES app.projects (id))").with_cleanup("DROP TABLE public.notes"),
    drift(&["TA212", "TA226"], "CREATE FUNCTION public.leaky(integer) RETURNS integer LANGUAGE sql LEAKPROOF AS 'SELECT $1'")
        .with_cleanup("DROP FUNCTION public.leaky"),
    drift(&["TA214"], "CREATE FUNCTION public.raw() RETURNS integer LANGUAGE internal AS 'pg_backend_pid'")
        .with_cleanup("DROP FUNCTION public.raw"),
    drift(&["TA215"], "CREATE TABLE public.own (); ALTER TABLE public.own OWNER TO app_member").with_cleanup("DROP TABLE public.own"),
    drift(&["TA218"], "GRANT SELECT ON pg_statistic TO app_viewer"),
    drift(&["TA218"], "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO PUBLIC"),
    drift(&["TA218"], "GRANT SELECT (rolpassword) ON pg_authid TO app_viewer; GRANT SELECT (stavalues1) ON pg_statistic TO PUBLIC"),
    drift(
        &["TA221", "TA226"],
        "CREATE FUNCTION public.casts(text) RETURNS uuid LANGUAGE plpgsql AS 'BEGIN RETURN gen_random_uuid(); END';
         CREATE CAST (text AS uuid) WITH FUNCTION public.casts(text)",
    )
    .with_cleanup("DROP FUNCTION public.casts"),
    drift(&["TA222"], "GRANT ALL ON public._sqlx_migrations TO app_admin"),
    drift(
        &["TA222"],
        "CREATE SCHEMA past; CREATE TABLE past._sqlx_migrations (version bigint, success boolean);
         GRANT SELECT (version), UPDATE (success) ON past._sqlx_migrations TO PUBLIC",
    )
    .with_cleanup("DROP SCHEMA past CASCADE"),
    drift(&["TA221"], "CREATE FUNCTION pg_catalog.lower(uuid) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'"),
    drift(
        &["TA221", "TA226"],
        "CREATE FUNCTION public.equals(uuid, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE OPERATOR pg_catalog.= (LEFTARG = uuid, RIGHTARG = text, FUNCTION = public.equals)",
    )
    .with_cleanup("DROP FUNCTION public.equals"),
    drift(&["TA225"], "CREATE TABLE public.copied AS SELECT * FROM app.projects; GRANT SELECT (name) ON public.copied TO app_viewer")
        .with_cleanup("DROP TABLE public.copied"),
    drift(&["TA225"], "SELECT lo_create(4242); GRANT SELECT ON LARGE OBJECT 4242 TO PUBLIC").with_cleanup("SELECT lo_unlink(4242)"),
    drift(
        &["TA226"],
        "CREATE FUNCTION public.cfg(text) RETURNS text LANGUAGE sql AS 'SELECT set_config(''app.organization_id'', $1, true)'",
    )
    .with_cleanup("DROP FUNCTION public.cfg"),
    drift(&["TA227"], "CREATE STATISTICS app.both ON organization_id, name FROM app.projects"),
    drift(&["TA227"], "CREATE OPERATOR app.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.starts_with)"),
    drift(&["TA230"], "CREATE ROLE monitor LOGIN IN ROLE pg_monitor").with_cleanup("DROP ROLE monitor"),
    drift(&["TA230"], "CREATE ROLE reader LOGIN IN ROLE pg_read_all_data").with_cleanup("DROP ROLE reader"),
    drift(&["TA231"], "CREATE ROLE boss LOGIN; ALTER DATABASE postgres OWNER TO boss").with_cleanup("DROP ROLE boss"),
    drift(&["TA117"], "ALTER DATABASE postgres SET session_preload_libraries = 'auto_explain'"),
    drift(&["TA216"], "GRANT SET ON PARAMETER session_replication_role TO app_service"),
];
