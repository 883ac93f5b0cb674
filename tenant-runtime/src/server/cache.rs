//! The cache directory of packaged servers.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::account::{Account, others_may_enter};
use super::error::ServerError;

/// Creates or finds the directory, owned by `uid` (the current user) and readable by `account`.
pub(super) fn root(uid: u32, account: Option<Account>) -> Result<PathBuf, ServerError> {
    let mut tried = Vec::new();
    for candidate in candidates(uid, account) {
        match vet(&candidate, uid, account) {
            Ok(()) => return Ok(candidate),
            Err(reason) => tried.push(format!("{}: {reason}", candidate.display())),
        }
    }
    Err(ServerError::NoCache { tried: tried.join("; ") })
}

/// Returns the possible directories, the user's cache directory first. The server's user usually cannot enter root's
/// home, so for root the system's cache is next; the temporary directory is for users without a home directory.
fn candidates(uid: u32, account: Option<Account>) -> Vec<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let user = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    let system = account.map(|_| PathBuf::from("/var/cache"));
    let temporary = env::temp_dir().join(format!("tenant-runtime-cache-{uid}"));
    user.into_iter()
        .chain(system)
        .map(|cache| cache.join("tenant-runtime"))
        .chain([temporary])
        .map(|folder| folder.join("postgres"))
        .collect()
}

fn vet(root: &Path, uid: u32, account: Option<Account>) -> Result<(), String> {
    let existing = root.ancestors().find(|dir| dir.exists()).unwrap_or(root);
    if account.is_some() && !others_may_enter(existing) {
        return Err("the server's user cannot enter this directory".into());
    }
    DirBuilder::new().recursive(true).mode(0o755).create(root).map_err(plain)?;
    // Programs from these directories are executed, so another user must neither have created the directories nor be
    // able to change them. In a world-writable directory, another user could have created them first.
    for dir in root.ancestors().take(2) {
        let found = fs::symlink_metadata(dir).map_err(plain)?;
        if !found.is_dir() || found.uid() != uid {
            return Err("not a directory that the current user owns".into());
        }
        if found.mode() & 0o022 != 0 {
            return Err("other users can write to this directory".into());
        }
    }
    Ok(())
}

/// Returns the system's message for an error, without the path; the caller adds the path.
fn plain(error: io::Error) -> String {
    error.to_string()
}
