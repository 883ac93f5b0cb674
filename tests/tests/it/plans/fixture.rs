//! A server that logs the plan of each statement, with the example's tables filled for a large and many small tenants.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
};

use sqlx::PgConnection;
use tenant_runtime::{
    InlineValues, SystemCtx, SystemDb, TenantCtx, TenantDb, TenantDbOptions,
    roles::{Admin, Organizations},
    server::Server,
};
use tenant_tests::{app_options, ask, connect, migrate, run, server_options};
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use uuid::Uuid;

/// The rows: a table `sizes` with one row for each tenant, then the rows of each table.
///
/// Triggers and foreign keys are switched off meanwhile. Until a commit is flushed, VACUUM cannot mark its rows as
/// visible to all, so it must not be asynchronous.
const FILL: &str = "
    SET auto_explain.log_min_duration = -1;
    SET session_replication_role = replica;
    SET synchronous_commit = on;
    CREATE FUNCTION pg_temp.key(text) RETURNS uuid LANGUAGE sql IMMUTABLE AS 'SELECT md5($1)::uuid';
    CREATE TEMPORARY TABLE sizes AS SELECT o, pg_temp.key('tenant ' || o) AS org, o = 1200 AS is_large
        FROM generate_series(0, 1200) AS o;
    INSERT INTO app.organizations (id, name) SELECT org, 'tenant ' || o FROM sizes;
    INSERT INTO app.users (id, email) SELECT pg_temp.key('user ' || o || ' ' || n), 'u' || o || '.' || n || '@example'
        FROM sizes, generate_series(1, CASE WHEN is_large THEN 400 ELSE 2 END) AS n;
    INSERT INTO app.org_members (organization_id, user_id, role)
        SELECT org, pg_temp.key('user ' || o || ' ' || n), CASE n WHEN 1 THEN 'admin' ELSE 'member' END
        FROM sizes, generate_series(1, CASE WHEN is_large THEN 400 ELSE 2 END) AS n;
    INSERT INTO app.invitations (organization_id, email, role, token_hash, expires_at, invited_by)
        SELECT org, n || '@example', 'viewer', sha256((o || ' ' || n)::bytea), now() + interval '1 day',
            pg_temp.key('user ' || o || ' 1')
        FROM sizes, generate_series(1, CASE WHEN is_large THEN 300 ELSE 3 END) AS n;
    INSERT INTO app.projects (id, organization_id, name, created_at)
        SELECT pg_temp.key('project ' || o || ' ' || n), org, 'project ' || n, now() - n * interval '1 hour'
        FROM sizes, generate_series(1, CASE WHEN is_large THEN 2000 ELSE 15 END) AS n;
    INSERT INTO app.tasks (id, organization_id, project_id, title, status, assigned_to)
        SELECT pg_temp.key('task ' || o || ' ' || n), org,
            pg_temp.key('project ' || o || ' ' || 1 + n % CASE WHEN is_large THEN 2000 ELSE 15 END), 'task ' || n,
            CASE n % 100 WHEN 0 THEN 'todo' WHEN 1 THEN 'in_progress' ELSE 'done' END,
            pg_temp.key('user ' || o || ' ' || 1 + n % CASE WHEN is_large THEN 400 ELSE 2 END)
        FROM sizes, generate_series(1, CASE WHEN is_large THEN 22000 ELSE 65 END) AS n;
    INSERT INTO app.comments (organization_id, task_id, written_by, body)
        SELECT org, pg_temp.key('task ' || o || ' ' || n), pg_temp.key('user ' || o || ' 1'), 'comment ' || n
        FROM sizes, generate_series(1, CASE WHEN is_large THEN 4000 ELSE 10 END) AS n;
    INSERT INTO app.documents (organization_id, title, created_by, visibility)
        SELECT org, 'document ' || n, pg_temp.key('user ' || o || ' 1'),
            CASE n % 5 WHEN 0 THEN 'private' ELSE 'team' END
        FROM sizes, generate_series(1, CASE WHEN is_large THEN 4000 ELSE 10 END) AS n;
    INSERT INTO app.employees (organization_id, name, email, salary)
        SELECT org, 'employee ' || n, n || '@example', n
        FROM sizes, generate_series(1, CASE WHEN is_large THEN 4000 ELSE 10 END) AS n;
    INSERT INTO app.events (organization_id, id, what)
        SELECT org, pg_temp.key('event ' || o || ' ' || n), 'event ' || n
        FROM sizes, generate_series(1, CASE WHEN is_large THEN 3000 ELSE 40 END) AS n;
    INSERT INTO app.changes (organization_id, role, table_name, row_key, command)
        SELECT org, 'app_admin', 'app.projects', n::text, 'insert'
        FROM sizes, generate_series(1, CASE WHEN is_large THEN 4000 ELSE 10 END) AS n;
    INSERT INTO app.system_access_log (reason) SELECT 'an earlier job ' || n FROM generate_series(1, 2000) AS n;
    SET session_replication_role = origin;
";

/// The number of the large tenant. Its rows follow those of all others, also in the order of identity keys.
const LARGE: u32 = 1200;

/// How the app sends the values of its statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Values are constants in the text.
    Constants,
    /// Values are bound, and the server plans each statement for its values.
    Bound,
    /// Values are bound, and the server uses plans that do not depend on them, as it may from the sixth run on.
    Generic,
    /// Values are constants, and parallel plans cost nothing extra.
    Parallel,
}

/// The server, with one database that the tests use one after another.
pub(super) struct Fixture {
    server: Server,
}

/// A tenant of the fixture with the keys of some of its rows.
#[derive(Debug, Clone)]
pub(super) struct Tenant {
    number: u32,
    pub(super) org: Uuid,
    pub(super) admin: Uuid,
    pub(super) member: Uuid,
    pub(super) project: Uuid,
    pub(super) tasks: Vec<Uuid>,
    pub(super) events: Vec<Uuid>,
}

impl Fixture {
    /// Starts the server at the first call. Returns `None` if the server cannot load auto_explain.
    pub(super) async fn lock() -> Option<MutexGuard<'static, Self>> {
        static FIXTURE: OnceCell<Option<Mutex<Fixture>>> = OnceCell::const_new();
        Some(FIXTURE.get_or_init(Self::start).await.as_ref()?.lock().await)
    }

    async fn start() -> Option<Mutex<Self>> {
        let mut options = server_options();
        for (name, value) in [
            ("shared_preload_libraries", "auto_explain"),
            ("auto_explain.log_min_duration", "0"),
            ("auto_explain.log_analyze", "on"),
            ("auto_explain.log_timing", "off"),
            ("auto_explain.log_verbose", "on"),
            ("auto_explain.log_nested_statements", "on"),
            ("auto_explain.log_format", "json"),
            ("log_line_prefix", ""),
            // Plans must not depend on when autovacuum runs, nor on the rows that ANALYZE happens to sample.
            ("autovacuum", "off"),
            ("default_statistics_target", "500"),
            ("max_parallel_workers_per_gather", "2"),
        ] {
            options.settings.push((name.into(), value.into()));
        }
        let server = match tokio::task::spawn_blocking(move || Server::start(&options)).await.expect("it ends") {
            Ok(server) => server,
            Err(error) if error.to_string().contains("auto_explain") => {
                eprintln!("SKIPPED: this server has no auto_explain, such as Debian's package postgresql-15 brings it");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        migrate(&server.admin_url()).await;
        let mut admin = connect(&server.admin_url()).await;
        run(&mut admin, FILL).await.expect("a superuser fills the tables");
        // Without VACUUM, index-only scans would have to read the tables.
        run(&mut admin, "VACUUM ANALYZE").await.expect("a superuser can");
        Some(Mutex::new(Self { server }))
    }

    /// Connects as the superuser, without logging plans.
    pub(super) async fn admin(&self) -> PgConnection {
        let mut admin = connect(&self.server.admin_url()).await;
        run(&mut admin, "SET auto_explain.log_min_duration = -1").await.expect("a superuser can");
        admin
    }

    /// Connects as the app, with one connection and additional settings.
    pub(super) async fn app(&self, form: Form, settings: &[&str]) -> TenantDb {
        let url = self.configured("app_service", form, settings).await;
        options(form).connect(&url).await.expect("the app connects")
    }

    /// Connects as the login of background jobs and records a reason.
    pub(super) async fn jobs(&self, form: Form) -> SystemCtx<Organizations> {
        let url = self.configured("app_jobs", form, &[]).await;
        let db = SystemDb::connect_with(&url, options(form)).await.expect("the jobs connect");
        db.begin_access("a test of the plans").await.expect("a reason")
    }

    /// Sets the settings of a login; returns its URL.
    async fn configured(&self, login: &str, form: Form, settings: &[&str]) -> String {
        let own = match form {
            Form::Constants => &[][..],
            Form::Bound => &["plan_cache_mode = force_custom_plan"][..],
            Form::Generic => &["plan_cache_mode = force_generic_plan"][..],
            Form::Parallel => &PARALLEL[..],
        };
        let mut admin = self.admin().await;
        run(&mut admin, &format!("ALTER ROLE {login} RESET ALL")).await.expect("a superuser can");
        for setting in own.iter().chain(settings) {
            run(&mut admin, &format!("ALTER ROLE {login} SET {setting}")).await.expect(setting);
        }
        self.server.url(login, "postgres")
    }

    /// Returns the bytes of the server's log after a position.
    pub(super) fn log(&self, from: u64) -> Vec<u8> {
        let mut file = File::open(self.server.socket_dir().join("log")).expect("the log");
        file.seek(SeekFrom::Start(from)).expect("a position in the log");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("the log");
        bytes
    }

    /// Returns the large tenant and a small one.
    pub(super) async fn tenants(&self) -> [Tenant; 2] {
        let mut admin = self.admin().await;
        [Tenant::read(&mut admin, LARGE).await, Tenant::read(&mut admin, 700).await]
    }
}

fn options(form: Form) -> TenantDbOptions {
    let values = match form {
        Form::Constants | Form::Parallel => InlineValues::All,
        Form::Bound | Form::Generic => InlineValues::None,
    };
    app_options().inline_values(values).max_connections(1)
}

/// The settings under which the planner prefers a parallel plan wherever one is possible.
pub(super) const PARALLEL: [&str; 4] = [
    "parallel_setup_cost = 0",
    "parallel_tuple_cost = 0",
    "min_parallel_table_scan_size = 0",
    "min_parallel_index_scan_size = 0",
];

impl Tenant {
    async fn read(admin: &mut PgConnection, number: u32) -> Self {
        let mut keys = Vec::new();
        let names = ["tenant {}", "user {} 1", "user {} 2", "project {} 1", "task {} 1", "task {} 2", "event {} 1"];
        for name in names.iter().copied().chain(["event {} 2"]) {
            let sql = format!("SELECT md5('{}')::uuid::text", name.replace("{}", &number.to_string()));
            keys.push(ask(admin, &sql).await.parse::<Uuid>().expect("a UUID"));
        }
        let [org, admin, member, project] = keys[..4].try_into().expect("four keys");
        Self { number, org, admin, member, project, tasks: keys[4..6].to_vec(), events: keys[6..].to_vec() }
    }

    pub(super) fn as_admin(&self) -> TenantCtx<Admin> {
        TenantCtx::assume_authorized(self.org, self.admin)
    }

    /// `large` or `small`.
    pub(super) fn size(&self) -> &'static str {
        if self.number == LARGE { "large" } else { "small" }
    }
}
