//! Shared test fixtures: one temporary PostgreSQL for the test run, and a separate database for each test.

pub mod benchmark;
#[cfg(doctest)]
mod guide;
pub mod pgbouncer;
pub mod proxy;

use std::{
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};
use tenant_examples::{
    Change, Comment, Document, Employee, Event, Invitation, OrgMember, Organization, Project, Task, User,
};
use tenant_runtime::{
    InlineValues, Migrations, TenantCtx, TenantDb, TenantDbOptions, TenantTable as _,
    model::def::TableDef,
    roles::{Admin, Member, Viewer},
    server::{Server, ServerOptions},
};
use uuid::Uuid;

use self::pgbouncer::PgBouncer;

/// The declarations of the example's tables. [`Database::create`] checks that none is missing here.
pub const TABLES: [&TableDef; 11] = [
    Organization::TABLE,
    User::TABLE,
    OrgMember::TABLE,
    Invitation::TABLE,
    Project::TABLE,
    Task::TABLE,
    Document::TABLE,
    Employee::TABLE,
    Comment::TABLE,
    Event::TABLE,
    Change::TABLE,
];

/// Returns the options with which this run starts its servers.
///
/// `TENANT_TEST_POSTGRES=17` selects a major release; `TENANT_TEST_PACKAGED=1` selects a packaged server even if a
/// server is installed.
#[must_use]
pub fn server_options() -> ServerOptions {
    let major = std::env::var("TENANT_TEST_POSTGRES").ok().map(|major| major.parse().expect("a number"));
    ServerOptions {
        major,
        installed: std::env::var_os("TENANT_TEST_PACKAGED").is_none(),
        fetch: true,
        settings: vec![("max_connections".into(), "300".into())],
        ..ServerOptions::default()
    }
}

/// Returns the app's options. `TENANT_TEST_INLINE_VALUES=all` writes all values of single calls into the text, `none` binds them.
pub fn app_options() -> TenantDbOptions {
    let values = match std::env::var("TENANT_TEST_INLINE_VALUES").as_deref() {
        Ok("all") => InlineValues::All,
        Ok("none") => InlineValues::None,
        Ok(other) => panic!("TENANT_TEST_INLINE_VALUES is `all` or `none`, not `{other}`"),
        Err(_) => InlineValues::default(),
    };
    TenantDb::options().inline_values(values)
}

/// Returns the server that all tests of this process share. It stops when the process exits.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&server_options()).expect("a private PostgreSQL"))
}

/// Starts a separate server for a test that changes roles.
#[must_use]
pub fn dedicated_server() -> Server {
    Server::start(&server_options()).expect("a private PostgreSQL")
}

/// Returns the example's migrations folder.
#[must_use]
pub fn example_migrations_dir() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/migrations"))
}

/// Connects to a URL.
pub async fn connect(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().expect("a URL");
    options.disable_statement_logging().connect().await.expect("a connection")
}

/// Runs a test's SQL text unchanged; returns the number of rows that the last statement read or wrote.
///
/// # Errors
///
/// The error of the server.
pub async fn run(connection: &mut PgConnection, sql: &str) -> sqlx::Result<u64> {
    Ok(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await?.rows_affected())
}

/// Reads one value with a test's SQL text; numbers and columns of type `name` must be cast to text.
pub async fn ask(connection: &mut PgConnection, sql: &str) -> String {
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await.expect(sql)
}

/// Returns the statements that set the role, the user and the tenant of a raw connection.
#[must_use]
pub fn set_context_sql(role: &str, org: Uuid, user: Uuid) -> String {
    format!("SET ROLE {role}; SET app.organization_id = '{org}'; SET app.user_id = '{user}'")
}

/// Returns the code and the message with which the server refused a statement.
///
/// # Panics
///
/// If the error is not an error of the server.
#[must_use]
pub fn refusal(error: sqlx::Error) -> (String, String) {
    let error = error.into_database_error().expect("the server answers");
    (error.code().unwrap_or_default().into_owned(), error.message().to_owned())
}

/// Applies the example's migrations.
pub async fn migrate(admin_url: &str) {
    let migrations = Migrations::from_dir(example_migrations_dir()).await.expect("the example's migrations");
    migrations.apply(admin_url, &mut |_| {}).await.expect("they apply");
}

/// The database of one test, with the example's tables and two tenants.
#[derive(Debug)]
pub struct Database {
    name: String,
    server: &'static Server,
    pooler: Option<PgBouncer>,
    /// The first tenant.
    pub acme: Tenant,
    /// The second tenant.
    pub globex: Tenant,
}

/// An organization with a member in each role, an invitation, a project, a task with a comment, a document, an employee
/// and an event.
#[derive(Debug, Clone, Copy)]
pub struct Tenant {
    /// The organization.
    pub id: Uuid,
    /// A user who is an admin of the tenant.
    pub admin: Uuid,
    /// A user who is a member of the tenant.
    pub member: Uuid,
    /// A user who is a viewer of the tenant.
    pub viewer: Uuid,
    /// A project.
    pub project: Uuid,
    /// A task of the project.
    pub task: Uuid,
}

impl Tenant {
    /// Generates the keys of a tenant that is not in the database yet.
    #[expect(clippy::new_without_default, reason = "each one is another")]
    #[must_use]
    pub fn new() -> Self {
        let [id, admin, member, viewer, project, task] = std::array::from_fn(|_| Uuid::new_v4());
        Self { id, admin, member, viewer, project, task }
    }

    /// Returns a context of the admin.
    #[must_use]
    pub fn as_admin(&self) -> TenantCtx<Admin> {
        TenantCtx::assume_authorized(self.id, self.admin)
    }

    /// Returns a context of the member.
    #[must_use]
    pub fn as_member(&self) -> TenantCtx<Member> {
        TenantCtx::assume_authorized(self.id, self.member)
    }

    /// Returns a context of the viewer.
    #[must_use]
    pub fn as_viewer(&self) -> TenantCtx<Viewer> {
        TenantCtx::assume_authorized(self.id, self.viewer)
    }

    /// Inserts the tenant and its rows, as the superuser.
    pub async fn seed(&self, admin: &mut PgConnection, name: &str) {
        let run = |sql: &'static str| sqlx::query(sql);
        run("INSERT INTO app.organizations (id, name) VALUES ($1, $2)")
            .bind(self.id)
            .bind(name)
            .execute(&mut *admin)
            .await
            .expect("an organization");
        for (user, role) in [(self.admin, "admin"), (self.member, "member"), (self.viewer, "viewer")] {
            run("INSERT INTO app.users (id, email) VALUES ($1, $2)")
                .bind(user)
                .bind(format!("{role}@{name}.example"))
                .execute(&mut *admin)
                .await
                .expect("a user");
            run("INSERT INTO app.org_members (organization_id, user_id, role) VALUES ($1, $2, $3)")
                .bind(self.id)
                .bind(user)
                .bind(role)
                .execute(&mut *admin)
                .await
                .expect("a member");
        }
        run("INSERT INTO app.invitations (organization_id, email, role, token_hash, expires_at, invited_by)
             VALUES ($1, 'guest@example', 'viewer', 'x', now() + interval '1 day', $2)")
        .bind(self.id)
        .bind(self.admin)
        .execute(&mut *admin)
        .await
        .expect("an invitation");
        run("INSERT INTO app.projects (id, organization_id, name) VALUES ($1, $2, 'first')")
            .bind(self.project)
            .bind(self.id)
            .execute(&mut *admin)
            .await
            .expect("a project");
        run("INSERT INTO app.tasks (id, organization_id, project_id, title, assigned_to) VALUES ($1, $2, $3, 'one', $4)")
            .bind(self.task)
            .bind(self.id)
            .bind(self.project)
            .bind(self.member)
            .execute(&mut *admin)
            .await
            .expect("a task");
        run("INSERT INTO app.documents (organization_id, title, created_by) VALUES ($1, 'plan', $2)")
            .bind(self.id)
            .bind(self.member)
            .execute(&mut *admin)
            .await
            .expect("a document");
        run("INSERT INTO app.employees (organization_id, name, email, salary) VALUES ($1, 'Eve', 'eve@example', 1)")
            .bind(self.id)
            .execute(&mut *admin)
            .await
            .expect("an employee");
        run("INSERT INTO app.comments (organization_id, task_id, written_by, body) VALUES ($1, $2, $3, 'why?')")
            .bind(self.id)
            .bind(self.task)
            .bind(self.member)
            .execute(&mut *admin)
            .await
            .expect("a comment");
        run("INSERT INTO app.events (organization_id, what) VALUES ($1, 'founded')")
            .bind(self.id)
            .execute(&mut *admin)
            .await
            .expect("an event");
    }

    /// Returns the user with this role in the tenant.
    ///
    /// # Panics
    ///
    /// If the role does not exist.
    #[must_use]
    pub fn user(&self, role: &str) -> Uuid {
        match role {
            "admin" => self.admin,
            "member" => self.member,
            "viewer" => self.viewer,
            _ => panic!("no role `{role}`"),
        }
    }
}

impl Database {
    /// Creates a database with the example's migrations and two tenants.
    pub async fn create() -> Self {
        let mut database = Self::empty().await;
        migrate(&database.admin_url()).await;
        let mut admin = database.admin().await;
        let count = "SELECT count(*)::text FROM pg_class
                     WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
                       AND relname <> 'system_access_log'";
        let tables = ask(&mut admin, count).await;
        assert_eq!(tables, TABLES.len().to_string(), "`TABLES` does not list all tables of the example");
        database.acme.seed(&mut admin, "acme").await;
        database.globex.seed(&mut admin, "globex").await;
        if std::env::var_os("TENANT_TEST_POOLED").is_some() {
            database.pooler = Some(PgBouncer::start(&database).await.expect("TENANT_TEST_POOLED requires a PgBouncer"));
        }
        database
    }

    /// Creates an empty database.
    pub async fn empty() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let server = tokio::task::spawn_blocking(server).await.expect("the server starts");
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut admin = connect(&server.admin_url()).await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut admin)
            .await
            .expect("a database");
        admin.close().await.expect("closed");
        Self { name, server, pooler: None, acme: Tenant::new(), globex: Tenant::new() }
    }

    /// Returns the name of the database.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// Returns the URL for a role.
    #[must_use]
    pub fn url_of(&self, role: &str) -> String {
        self.server.url(role, &self.name)
    }

    /// Returns the path of the server's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        let mut files = std::fs::read_dir(self.server.socket_dir()).expect("the server's folder").flatten();
        let is_socket = |name: &str| name.starts_with(".s.PGSQL.") && !name.ends_with(".lock");
        files.find(|file| file.file_name().to_str().is_some_and(is_socket)).expect("a socket").path()
    }

    /// Returns the URL for the superuser.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.url_of("postgres")
    }

    /// Returns the URL for the app's login.
    #[must_use]
    pub fn app_url(&self) -> String {
        self.url_of("app_service")
    }

    /// Connects as the superuser.
    pub async fn admin(&self) -> PgConnection {
        connect(&self.admin_url()).await
    }

    /// Opens a raw connection (without the library) as the app's login, and sets a role, a user and a tenant.
    pub async fn raw(&self, role: &str, org: Uuid, user: Uuid) -> PgConnection {
        let mut app = connect(&self.app_url()).await;
        run(&mut app, &set_context_sql(role, org, user)).await.expect("the login can become each role");
        app
    }

    /// Connects as the app does, or through a PgBouncer in transaction mode if `TENANT_TEST_POOLED` is set.
    pub async fn app(&self) -> TenantDb {
        let (options, url) = match &self.pooler {
            Some(pooler) => (pooler.options(), pooler.url(self)),
            None => (app_options(), self.app_url()),
        };
        options.max_connections(2).connect(&url).await.expect("the app connects")
    }
}

/// A test's folder, which is removed when the value is dropped.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Creates an empty folder.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("tenant-it-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a folder for the test");
        Self(path)
    }

    /// Returns a path in the folder.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.0
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.join(name), text).expect("a file of the test");
    }

    /// Returns the names of the files in the folder, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("the folder of the test");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Returns the files in the folder with their contents, by name.
    #[must_use]
    pub fn files(&self) -> std::collections::BTreeMap<String, String> {
        std::fs::read_dir(&self.0)
            .expect("the folder of the test")
            .map(|entry| entry.expect("a file"))
            .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
            .map(|(name, path)| (name, std::fs::read_to_string(path).expect("a text")))
            .collect()
    }
}

impl Default for TempDir {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
