//! Runs git in the migrations folder.

use std::{path::Path, process::Command};

/// Runs git and returns its output; `None` if git is not installed or the folder is not in a repository.
pub(super) fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok()).flatten()
}
