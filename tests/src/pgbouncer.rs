//! A PgBouncer for one test, in transaction mode, in front of the shared server.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use sqlx::{Connection as _, PgConnection};
use tenant_runtime::TenantDbOptions;

use crate::{Database, TempDir};

/// A running PgBouncer, which is stopped when the value is dropped.
#[derive(Debug)]
pub struct PgBouncer {
    child: Child,
    folder: TempDir,
    version: (u32, u32),
}

/// Finds the program: the path in `TENANT_TEST_PGBOUNCER`, or an installed PgBouncer.
fn program() -> Option<PathBuf> {
    let named = std::env::var_os("TENANT_TEST_PGBOUNCER").map(PathBuf::from);
    let installed = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"].map(PathBuf::from);
    named.or_else(|| installed.into_iter().find(|path| path.exists()))
}

/// Parses the first line of `--version`, such as `PgBouncer 1.24.1`.
fn version(program: &PathBuf) -> (u32, u32) {
    let output = Command::new(program).arg("--version").output().expect("PgBouncer says its version");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers = text.split_whitespace().nth(1).expect("a version").split('.').map(|part| part.parse());
    match numbers.take(2).collect::<Result<Vec<u32>, _>>().as_deref() {
        Ok([major, minor]) => (*major, *minor),
        _ => panic!("no version: {text}"),
    }
}

impl PgBouncer {
    /// Starts a PgBouncer with two connections for each login and database, which are fewer than the app's pools have,
    /// so that the transactions of all roles share them. Returns `None` if PgBouncer is not installed.
    pub async fn start(database: &Database) -> Option<Self> {
        Self::start_with(database, "extra_float_digits", true).await
    }

    /// Starts a PgBouncer with the startup parameters that it ignores, and with prepared statements if it supports them.
    pub async fn start_with(database: &Database, ignored: &str, prepared: bool) -> Option<Self> {
        let program = program()?;
        let version = if prepared { version(&program) } else { (1, 0) };
        let folder = TempDir::new();
        let server = database.server.socket_dir();
        let path = folder.path().display();
        folder.write("users", "\"app_service\" \"\"\n\"shop_service\" \"\"\n\"postgres\" \"\"\n");
        folder.write(
            "config",
            &format!(
                "[databases]\n* = host={server}\n[pgbouncer]\nlisten_port = 6432\nunix_socket_dir = {path}\n\
                 auth_type = trust\nauth_file = {path}/users\npool_mode = transaction\ndefault_pool_size = 2\n\
                 max_client_conn = 200\nignore_startup_parameters = {ignored}\n{prepared}",
                server = server.display(),
                prepared = match (version >= (1, 21), prepared) {
                    (true, _) => "max_prepared_statements = 100\n",
                    // The default since version 1.24 is 200.
                    (false, false) if self::version(&program) >= (1, 21) => "max_prepared_statements = 0\n",
                    _ => "",
                },
            ),
        );
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("a folder for any user");
        let mut command = Command::new(program);
        command.arg("-q").arg(folder.join("config")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Like PostgreSQL, PgBouncer refuses to run as root, so it runs as the server's user.
        let owner = fs::metadata(server).expect("the server's folder");
        if fs::metadata(folder.path()).expect("the folder").uid() == 0 {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let child = command.spawn().expect("PgBouncer starts");
        let bouncer = Self { child, folder, version };
        for _ in 0..500 {
            // The socket exists shortly before PgBouncer listens on it.
            let connected = PgConnection::connect(&bouncer.url(database)).await;
            if connected.is_ok() || connected.is_err_and(|error| error.as_database_error().is_some()) {
                return Some(bouncer);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("PgBouncer does not come up");
    }

    /// Returns the pooler option for this version; prepared statements are supported since version 1.21.
    pub fn options(&self) -> TenantDbOptions {
        crate::app_options().prepared_statements(self.version >= (1, 21))
    }

    /// Returns the URL with which the app's login connects to a database through this PgBouncer.
    #[must_use]
    pub fn url(&self, database: &Database) -> String {
        self.url_of("app_service", database)
    }

    /// Returns the URL with which a login connects to a database through this PgBouncer.
    #[must_use]
    pub fn url_of(&self, login: &str, database: &Database) -> String {
        let host = self.folder.path().to_string_lossy().replace('/', "%2F");
        format!("postgres://{login}@localhost/{}?host={host}&port=6432&sslmode=disable", database.name)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
