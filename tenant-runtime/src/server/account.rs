//! The operating system user of a server: the current user, or an unprivileged user if the current user is root.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::error::ServerError;

/// The unprivileged user that runs the server in place of root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// Returns the account for the server; `None` if the current user is not root.
    ///
    /// `ours` is the metadata of a file that this process has just created, so the file's owner is
    /// the effective user; the standard library offers no other safe way to determine that user.
    pub(super) fn for_owner_of(ours: &fs::Metadata) -> Result<Option<Self>, ServerError> {
        if ours.uid() != 0 {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "_postgres", "nobody"]
            .into_iter()
            .find_map(|name| lookup(&passwd, name))
            .map(Some)
            .ok_or(ServerError::NoAccount)
    }
}

/// Sets the user and a clean environment for one of the server's commands.
///
/// The environment starts empty: `PG…` variables would change the server's behavior, and the processes of `nobody` can
/// read each other's environment, including secrets.
pub(super) fn prepare(command: &mut Command, account: Option<Account>) {
    command.env_clear();
    for name in ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    // The watchdog requires `rm` and `sleep`, regardless of the caller's PATH.
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(if path.is_empty() { "/usr/bin:/bin" } else { ":/usr/bin:/bin" });
    command.env("PATH", path).env("LC_ALL", "C").env("TZ", "UTC");
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
}

/// Returns whether users other than the owner can enter `folder` and its parents.
pub(super) fn others_may_enter(folder: &Path) -> bool {
    folder.ancestors().all(|dir| fs::metadata(dir).is_ok_and(|found| found.mode() & 0o001 != 0))
}

fn lookup(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = id(fields.nth(1)?)?;
        let gid = id(fields.next()?)?;
        (uid != 0).then_some(Account { uid, gid })
    })
}

/// Parses a user or group ID; macOS writes the ID of `nobody` as -2.
fn id(text: &str) -> Option<u32> {
    text.parse::<u32>().ok().or_else(|| text.parse::<i32>().ok().map(i32::cast_unsigned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_lookup_matches_the_whole_name_and_never_root() {
        let passwd = "root:x:0:0::/:\nnobody2:x:7:7::/:\nnobody:*:-2:-2::/:\npostgres:x:0:0::/:\n";
        assert_eq!(lookup(passwd, "nobody"), Some(Account { uid: u32::MAX - 1, gid: u32::MAX - 1 }));
        assert_eq!(lookup(passwd, "postgres"), None);
        assert_eq!(lookup(passwd, "nobod"), None);
    }
}
