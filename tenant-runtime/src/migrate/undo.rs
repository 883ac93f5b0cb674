//! `undo`: removes the newest generated migrations, with the snapshot before them from git.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    files,
    folder::{Folder, FolderError, SNAPSHOT},
    git::git,
};
use crate::{
    snapshot::{self, Snapshot},
    sql,
};

/// The newest migrations, which [`write`](Self::write) removes.
///
/// ```no_run
/// use tenant_runtime::migrate::{folder::Folder, undo::{UndoError, undo}};
///
/// # fn f() -> Result<(), UndoError> {
/// let folder = Folder::new("migrations");
/// let undone = undo(&folder)?;
/// println!("removes {}", undone.migrations.join(", "));
/// undone.write(&folder)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Undo {
    /// The migrations that are removed: names without `.up.sql`.
    pub migrations: Vec<String>,
    /// The version of the newest migration that is kept; 0 if none is kept.
    pub to: i64,
    files: Vec<String>,
    snapshot: Option<Snapshot>,
}

/// Finds the newest migrations: those that the preceding version of the snapshot in git does not list.
///
/// ```no_run
/// use tenant_runtime::migrate::{folder::Folder, undo::undo};
///
/// let undone = undo(&Folder::new("migrations"))?;
/// println!("revert to {} before the files are removed", undone.to);
/// # Ok::<(), tenant_runtime::migrate::undo::UndoError>(())
/// ```
///
/// # Errors
///
/// - [`UndoError::Folder`] if the folder cannot be read or does not match its snapshot.
/// - [`UndoError::Nothing`] if the folder has no migrations.
/// - [`UndoError::NoGit`] if the folder is not in a git repository, and [`UndoError::NoSnapshot`] if git has no preceding
///   snapshot.
/// - [`UndoError::HandWritten`] if one of the migrations is hand-written, and [`UndoError::Published`] if a remote branch has
///   one of them.
pub fn undo(folder: &Folder) -> Result<Undo, UndoError> {
    let contents = folder.contents()?;
    if let Some(name) = contents.by_hand.first() {
        return Err(UndoError::HandWritten { name: name.clone() });
    }
    if contents.snapshot.files.is_empty() {
        return Err(UndoError::Nothing);
    }
    let before = preceding(folder, &contents.snapshot)?;
    let kept = |name: &String| before.as_ref().is_some_and(|before| before.files.contains_key(name));
    let files: Vec<String> = contents.snapshot.files.keys().filter(|name| !kept(name)).cloned().collect();
    for name in &files {
        let is_generated = contents.files.migrations.iter().any(|names| {
            names.all().any(|file| file == name) && contents.files.texts[&names.up].contains(sql::SIGNATURE)
        });
        if !is_generated {
            return Err(UndoError::HandWritten { name: name.clone() });
        }
        if git(folder.path(), &["log", "--remotes", "--format=%H", "-1", "--", name]).is_none_or(|log| !log.is_empty())
        {
            return Err(UndoError::Published { name: name.clone() });
        }
    }
    let migrations: BTreeSet<_> = files.iter().map(|name| files::stem(name).to_owned()).collect();
    let to = before.iter().flat_map(|before| before.files.keys()).filter_map(|name| files::number(name)).max();
    Ok(Undo { migrations: migrations.into_iter().collect(), to: to.unwrap_or(0), files, snapshot: before })
}

/// Returns the newest snapshot in git that lists a part of the migrations; `None` if the first migrations are the newest ones.
fn preceding(folder: &Folder, current: &Snapshot) -> Result<Option<Snapshot>, UndoError> {
    let no_git = || UndoError::NoGit { path: folder.path().to_owned() };
    git(folder.path(), &["rev-parse", "--git-dir"]).ok_or_else(no_git)?;
    // Before the first commit, there is no log.
    let commits = git(folder.path(), &["log", "--format=%H", "--", SNAPSHOT]).unwrap_or_default();
    let mut is_first = true;
    for commit in commits.lines() {
        let text = git(folder.path(), &["show", &format!("{commit}:./{SNAPSHOT}")]);
        let Some(snapshot) = text.and_then(|text| snapshot::from_text(&text).ok()) else {
            is_first = false;
            continue;
        };
        let (before, now) = (&snapshot.files, &current.files);
        let contains = |all: &BTreeMap<String, String>, part: &BTreeMap<String, String>| {
            part.iter().all(|(name, hash)| all.get(name) == Some(hash))
        };
        if contains(now, before) && before.len() < now.len() {
            return Ok(Some(snapshot));
        }
        // The same migrations, or more of them, are not a step back.
        is_first &= contains(before, now);
    }
    if is_first { Ok(None) } else { Err(UndoError::NoSnapshot { path: folder.path().join(SNAPSHOT) }) }
}

impl Undo {
    /// Removes the files, and restores the snapshot.
    ///
    /// # Errors
    ///
    /// [`UndoError::Folder`] if a file cannot be written or removed.
    pub fn write(&self, folder: &Folder) -> Result<(), UndoError> {
        Ok(folder.remove(&self.files, self.snapshot.as_ref())?)
    }
}

/// The reason why no migration was removed.
///
/// ```no_run
/// use tenant_runtime::migrate::{folder::Folder, undo::{UndoError, undo}};
///
/// if let Err(UndoError::Published { name }) = undo(&Folder::new("migrations")) {
///     eprintln!("{name} is in a remote branch");
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There are no migrations.
    #[error("the folder has no migrations to undo\n  help: check the folder: `--dir FOLDER`")]
    Nothing,
    /// The folder is not in a git repository.
    #[error(
        "`{}` is not in a git repository, or git is not installed, so the snapshot before the newest migrations is unknown\n  help: \
         revert the migrations, and restore the folder from a backup", path.display()
    )]
    NoGit {
        /// The folder.
        path: std::path::PathBuf,
    },
    /// git has no snapshot with a part of the migrations.
    #[error(
        "git has no version of `{}` that lists only older migrations of this folder\n  help: revert the migrations, and restore the \
         folder from the commit before them: `git checkout COMMIT -- FOLDER`", path.display()
    )]
    NoSnapshot {
        /// The snapshot.
        path: std::path::PathBuf,
    },
    /// A migration is hand-written, and would be lost.
    #[error(
        "`{name}` is hand-written, and `undo` removes only generated migrations\n  help: move its files out of the folder after \
         `gen-migrations revert`, if it is recorded, restore `{SNAPSHOT}` from git, and add them again later"
    )]
    HandWritten {
        /// The file.
        name: String,
    },
    /// A remote branch has a migration, so it can be applied elsewhere.
    #[error(
        "`{name}` is in a remote branch, so other databases may have applied it\n  help: undo the change in a new migration: change \
         the models, and run `gen-migrations`"
    )]
    Published {
        /// The file.
        name: String,
    },
}
