//! Finds the PostgreSQL servers installed on this machine.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The version of a PostgreSQL release.
///
/// ```
/// use tenant_runtime::server::Version;
///
/// let version = Version { major: 17, minor: 2 };
/// assert_eq!(version.to_string(), "17.2");
/// assert!(version < Version { major: 18, minor: 0 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The major version, such as 18.
    pub major: u32,
    /// The minor version; 0 for a beta or a development build.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// An installed server: its program directory and its version.
///
/// ```no_run
/// use tenant_runtime::server::find_installations;
///
/// let newest = find_installations().into_iter().max_by_key(|found| found.version());
/// if let Some(newest) = newest {
///     println!("{}", newest.bin_dir().display());
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    bin: PathBuf,
    version: Version,
}

impl Installation {
    /// Returns the directory that contains `postgres` and `initdb`.
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.bin
    }

    /// Returns the version that the server's `postgres` reports.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Runs the programs in `bin` to determine their version; `None` if they are missing or do not run.
    pub(super) fn probe(bin: &Path) -> Option<Self> {
        let bin = server_dir(bin)?;
        let output = Command::new(bin.join("postgres"))
            .arg("--version")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let version = parse_version(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { bin, version })
    }
}

impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL {} from {}", self.version, self.bin.display())
    }
}

/// Lists the installed PostgreSQL servers in order of preference.
///
/// Searches `PATH`, `pg_config --bindir`, and the directories of Debian, Red Hat, Homebrew and Postgres.app, newest
/// first.
///
/// ```no_run
/// for installation in tenant_runtime::server::find_installations() {
///     println!("{installation}");
/// }
/// ```
#[must_use]
pub fn find_installations() -> Vec<Installation> {
    installations().collect()
}

/// Iterates lazily over the servers of [`find_installations`], because the first one usually meets the requirements.
pub(super) fn installations() -> impl Iterator<Item = Installation> {
    let mut seen = Vec::new();
    path_dirs()
        .chain(std::iter::once_with(pg_config_dir).flatten())
        .chain(usual_dirs())
        .filter(move |bin| {
            let Some(resolved) = server_dir(bin) else {
                return false;
            };
            let new = !seen.contains(&resolved);
            if new {
                seen.push(resolved);
            }
            new
        })
        .filter_map(|bin| Installation::probe(&bin))
}

/// Returns the absolute directories in `PATH`; relative directories would depend on the working directory.
fn path_dirs() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = env::split_paths(&path).collect();
    dirs.into_iter().filter(|dir| dir.is_absolute())
}

fn pg_config_dir() -> Option<PathBuf> {
    let program = path_dirs().map(|dir| dir.join("pg_config")).find(|file| file.is_file())?;
    let output = Command::new(program).arg("--bindir").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let dir = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    dir.is_absolute().then_some(dir)
}

/// The directories that packagers use: a parent directory, and the prefix before the version in a child's name.
const USUAL: [(&str, &str); 6] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@"),
    ("/Applications/Postgres.app/Contents/Versions", ""),
];

fn usual_dirs() -> impl Iterator<Item = PathBuf> {
    USUAL.into_iter().flat_map(|(parent, prefix)| versioned(Path::new(parent), prefix))
}

/// Returns the `bin` directories below `parent` in children named `<prefix><number>`, newest first.
fn versioned(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let major = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, bin)| bin).collect()
}

/// Returns the directory of the server's programs after resolving symbolic links.
///
/// A server finds its share directory relative to its binary, and `initdb` runs the `postgres` next to it, so both must
/// resolve to the same directory. If they do not, as in a directory of links, the given directory is used.
fn server_dir(bin: &Path) -> Option<PathBuf> {
    let postgres = fs::canonicalize(bin.join("postgres")).ok()?;
    let initdb = fs::canonicalize(bin.join("initdb")).ok()?;
    let both_regular = postgres.is_file() && initdb.is_file();
    let plain_names = postgres.ends_with("postgres") && initdb.ends_with("initdb");
    match (postgres.parent(), initdb.parent()) {
        _ if !both_regular => None,
        (Some(one), Some(other)) if one == other && plain_names => Some(one.to_path_buf()),
        _ => Some(bin.to_path_buf()),
    }
}

/// Parses version texts such as `postgres (PostgreSQL) 15.18 (Debian …)`, `18beta1` and `19devel`.
fn parse_version(text: &str) -> Option<Version> {
    let (_, rest) = text.split_once("(PostgreSQL) ")?;
    let (major, rest) = leading_number(rest)?;
    let minor = rest.strip_prefix('.').and_then(leading_number);
    Some(Version { major, minor: minor.map_or(0, |(minor, _)| minor) })
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_version_is_parsed_from_release_beta_and_distro_output() {
        let read = |text: &str| parse_version(&format!("postgres (PostgreSQL) {text}\n"));
        let version = |major, minor| Some(Version { major, minor });
        assert_eq!(read("15.18 (Debian 15.18-0+deb12u1)"), version(15, 18));
        assert_eq!(read("18beta1"), version(18, 0));
        assert_eq!(read("19devel"), version(19, 0));
        assert_eq!(parse_version("no such thing"), None);
    }
}
