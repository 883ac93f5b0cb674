//! `rebase`: when two branches have added migrations, renumbers this branch's migrations to follow the other branch's.
//!
//! The migrations in the other branch's snapshot are kept. That snapshot is read from git's index, or from
//! the snapshot file, which can be the other branch's or contain both sides of a merge conflict. Every
//! migration that the other branch's snapshot does not list is from this branch: generated migrations are
//! generated again from the models, and hand-written migrations get the next numbers.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{
    files::{self, Names},
    folder::{Contents, Folder, FolderError, SNAPSHOT, Written, named},
    generate::GenerateError,
    git::git,
};
use crate::{
    analyze::{Checked, check},
    plan::plan,
    registry::Models,
    snapshot::{self, Snapshot, SnapshotError},
    sql::{self, Migration},
};

/// The planned changes of a rebase, which [`write`](Self::write) makes.
///
/// ```no_run
/// # use std::collections::BTreeSet;
/// # use tenant_runtime::{migrate::{folder::Folder, rebase::{RebaseError, rebase}}, models};
/// # fn f() -> Result<(), RebaseError> {
/// let folder = Folder::new("migrations");
/// let rebased = rebase(&models![], &folder, &[], &BTreeSet::new())?;
/// for (old, new) in &rebased.renumbered {
///     println!("{old} becomes {new}");
/// }
/// println!("{}", if rebased.is_nothing() { "no migration changes" } else { "migrations change" });
/// rebased.write(&folder)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Rebase {
    /// The generated migrations that are deleted and generated again: names without `.up.sql`.
    pub replaced: Vec<String>,
    /// The hand-written migrations that get a new number: the old name and the new name.
    pub renumbered: Vec<(String, String)>,
    /// The names of the newly generated migrations.
    pub generated: Vec<String>,
    /// The name of the newest migration that is kept.
    pub onto: Option<String>,
    /// The schema that the models declare.
    pub checked: Checked,
    files: Vec<(String, String)>,
    removed: Vec<String>,
    snapshot: Snapshot,
}

/// Plans a rebase, which renumbers this branch's migrations to follow the other branch's.
///
/// `own` names this branch's migrations, which is required if they cannot be determined from the merge; `drops`
/// confirms data loss in the newly generated migrations.
///
/// ```no_run
/// # use std::collections::BTreeSet;
/// # use tenant_runtime::{migrate::{folder::Folder, rebase::{RebaseError, rebase}}, models};
/// # fn f(folder: &Folder) -> Result<(), RebaseError> {
/// let own = ["0007_add_invoices".to_owned()];
/// let rebased = rebase(&models![], folder, &own, &BTreeSet::new())?;
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// - [`RebaseError::Generate`] if the models have errors, a change is unsupported or ambiguous, or a change would lose
///   data and `drops` does not confirm it.
/// - [`RebaseError::Folder`] if the folder or the snapshot cannot be read.
/// - [`RebaseError::NoSides`] if the two sides of the merge cannot be found, or [`RebaseError::NotKept`] if a file of
///   the other branch is missing or was edited.
/// - [`RebaseError::NotOfOneBranch`] if `own` does not name migrations of exactly one branch.
pub fn rebase(
    models: &Models,
    folder: &Folder,
    own: &[String],
    drops: &BTreeSet<String>,
) -> Result<Rebase, RebaseError> {
    let checked = check(models).map_err(GenerateError::from)?;
    let base = base_side(folder, own)?;
    let newest = base.snapshot.files.keys().max_by_key(|name| files::number(name));
    let mut numbered = Numbered {
        next: newest.and_then(|name| files::number(name)).unwrap_or(0) + 1,
        files: restored_files(folder, &base)?,
        renumbered: Vec::new(),
    };
    let onto = newest.map(|name| files::stem(name).to_owned());

    let own = branch_migrations(folder, &base)?;
    // A hand-written migration can depend on the generated migrations before it, and a generated migration on the
    // hand-written migrations before it. So all newly generated migrations go where the first generated migration was.
    let place = own.iter().position(|own| own.generated).unwrap_or(own.len());
    own[..place].iter().for_each(|own| numbered.push_by_hand(own));
    let plan = plan(&base.snapshot.schema, &checked.schema, &checked.hints).map_err(GenerateError::from)?;
    // The other branch's models might not be merged yet, so their tables and columns must not be dropped without
    // confirmation.
    plan.confirm(drops).map_err(GenerateError::from)?;
    let generated: Vec<String> = sql::migrations(&plan).iter().map(|migration| numbered.push(migration)).collect();
    own[place..].iter().filter(|own| !own.generated).for_each(|own| numbered.push_by_hand(own));

    let Numbered { files, renumbered, .. } = numbered;
    let mut snapshot = Snapshot { schema: checked.schema.clone(), files: base.snapshot.files };
    snapshot.files.extend(files.iter().map(|(name, text)| (name.clone(), snapshot::hash(text))));
    let old = own.iter().flat_map(|own| [Some(&own.names.up), own.names.down.as_ref()]).flatten();
    let removed = old.filter(|old| !files.iter().any(|(name, _)| name == *old)).cloned().collect();
    let replaced = own.iter().filter(|own| own.generated).map(|own| files::stem(&own.names.up).to_owned()).collect();
    Ok(Rebase { replaced, renumbered, generated, onto, checked, files, removed, snapshot })
}

/// Reads this branch's migrations, which are the migrations that the other branch's snapshot does not list.
fn branch_migrations(folder: &Folder, base: &BaseSide) -> Result<Vec<BranchMigration>, RebaseError> {
    let listed = files::list_all(folder.path()).map_err(|source| folder.unlisted(source))?;
    let mut own = Vec::new();
    for names in listed.into_iter().filter(|names| !base.snapshot.files.contains_key(&names.up)) {
        let (up, down) = (folder.text(&names.up)?, names.down.as_ref().map(|name| folder.text(name)).transpose()?);
        let generated = up.contains(sql::SIGNATURE);
        let texts = [Some((&names.up, &up)), names.down.as_ref().zip(down.as_ref())];
        // The rebase records hand-written files in the snapshot.
        let problem = texts.into_iter().flatten().find_map(|(name, text)| Contents::problem(name, text));
        if let Some(problem) = problem.filter(|_| !generated) {
            return Err(folder.problem(problem).into());
        }
        own.push(BranchMigration { generated, names, up, down });
    }
    Ok(own)
}

/// A migration of this branch.
#[derive(Debug)]
struct BranchMigration {
    names: Names,
    up: String,
    down: Option<String>,
    generated: bool,
}

/// The migrations that follow the kept migrations, with their numbers.
struct Numbered {
    next: i64,
    files: Vec<(String, String)>,
    renumbered: Vec<(String, String)>,
}

impl Numbered {
    /// Appends a generated migration, and returns its name.
    fn push(&mut self, migration: &Migration) -> String {
        let texts = named(self.next, migration);
        let name = files::stem(&texts[0].0).to_owned();
        self.files.extend(texts);
        self.next += 1;
        name
    }

    fn push_by_hand(&mut self, own: &BranchMigration) {
        let (_, words) = own.names.up.split_once('_').unwrap_or_default();
        let up = format!("{:04}_{words}", self.next);
        let (from, to) = (files::stem(&own.names.up), files::stem(&up));
        if from != to {
            self.renumbered.push((from.to_owned(), to.to_owned()));
        }
        self.files.extend(own.down.iter().map(|down| (format!("{to}.down.sql"), down.clone())));
        self.files.push((up, own.up.clone()));
        self.next += 1;
    }
}

/// Returns the kept files that are missing in the folder or differ from the kept snapshot, with
/// their contents from git.
fn restored_files(folder: &Folder, base: &BaseSide) -> Result<Vec<(String, String)>, RebaseError> {
    let mut files = Vec::new();
    for (name, hash) in &base.snapshot.files {
        let is_it = |text: &String| snapshot::hash(text) == *hash;
        if fs::read_to_string(folder.path().join(name)).is_ok_and(|text| is_it(&text)) {
            continue;
        }
        let theirs = base.stage.and_then(|stage| git(folder.path(), &["show", &format!(":{stage}:./{name}")]));
        match theirs.filter(is_it) {
            Some(text) => files.push((name.clone(), text)),
            None => return Err(RebaseError::NotKept { name: name.clone() }),
        }
    }
    Ok(files)
}

impl Rebase {
    /// Returns whether no migration changes. The snapshot might still have to be written.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.replaced.is_empty() && self.renumbered.is_empty() && self.generated.is_empty()
    }

    /// Writes the new files, removes the replaced files, and writes the snapshot last.
    ///
    /// ```no_run
    /// # use tenant_runtime::migrate::{folder::{Folder, FolderError}, rebase::Rebase};
    /// # fn f(rebased: Rebase, folder: &Folder) -> Result<(), FolderError> {
    /// let files = rebased.write(folder)?.files;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`FolderError::Write`] if a file cannot be written or removed; [`FolderError::Read`] if the folder cannot be listed.
    pub fn write(&self, folder: &Folder) -> Result<Written, FolderError> {
        folder.commit(&self.files, &self.removed, &self.snapshot)
    }
}

/// The side of a merge whose migrations are kept.
#[derive(Debug)]
struct BaseSide {
    snapshot: Snapshot,
    /// The side's stage in git's index, if the text is from git.
    stage: Option<u8>,
}

fn base_side(folder: &Folder, own: &[String]) -> Result<BaseSide, RebaseError> {
    let path = folder.path().join(SNAPSHOT);
    let text = fs::read_to_string(&path).map_err(|source| FolderError::Read { path: path.clone(), source })?;
    let unusable = match snapshot::from_text(&text) {
        Ok(snapshot) => return Ok(BaseSide { snapshot, stage: None }),
        Err(error @ (SnapshotError::Format { .. } | SnapshotError::Content(_))) => {
            return Err(folder.snapshot_error(error).into());
        }
        Err(error) => error,
    };
    // In the text of the snapshot file, the two sides can be mixed, because git resolves some lines
    // by itself. So the sides in git's index take precedence.
    let from_git =
        || [2, 3].map(|stage| Some((Some(stage), git(folder.path(), &["show", &format!(":{stage}:./{SNAPSHOT}")])?)));
    let mut sides: Vec<BaseSide> = Vec::new();
    for (stage, text) in from_git().into_iter().chain(conflict_sides(&text).map(|side| Some((None, side?)))).flatten() {
        if let Ok(snapshot) = snapshot::from_text(&text) {
            sides.push(BaseSide { snapshot, stage });
        }
        if sides.len() == 2 {
            break;
        }
    }
    let [ours, theirs] =
        <[BaseSide; 2]>::try_from(sides).map_err(|_| RebaseError::NoSides { path, source: unusable })?;
    let names_of = |side: &BaseSide| {
        let has = |name: &String| side.snapshot.files.keys().any(|file| file == name || files::stem(file) == name);
        !own.is_empty() && own.iter().all(has)
    };
    match (names_of(&ours), names_of(&theirs)) {
        (true, false) => Ok(theirs),
        (false, true) => Ok(ours),
        (false, false) if !own.is_empty() => Err(RebaseError::NotOfOneBranch { names: own.join(", ") }),
        // During a merge, git calls the checked-out branch `ours`; during a rebase, `ours` is the other branch.
        _ if is_merging(folder.path()) => Ok(theirs),
        _ => Ok(ours),
    }
}

/// The side to which a line of a file with conflict markers belongs.
#[derive(PartialEq)]
enum ConflictSide {
    Both,
    Ours,
    Base,
    Theirs,
}

/// Reads both sides of a file with conflict markers.
fn conflict_sides(text: &str) -> [Option<String>; 2] {
    let (mut ours, mut theirs, mut current) = (String::new(), String::new(), ConflictSide::Both);
    for line in text.lines() {
        match line.get(..7) {
            Some("<<<<<<<") => current = ConflictSide::Ours,
            Some("|||||||") => current = ConflictSide::Base,
            Some("=======") => current = ConflictSide::Theirs,
            Some(">>>>>>>") => current = ConflictSide::Both,
            _ => {
                for (side, text) in [(ConflictSide::Ours, &mut ours), (ConflictSide::Theirs, &mut theirs)] {
                    if current == ConflictSide::Both || current == side {
                        text.push_str(line);
                        text.push('\n');
                    }
                }
            }
        }
    }
    [Some(ours), Some(theirs)]
}

/// Returns whether git is merging another branch into this branch, rather than rebasing this branch onto another.
fn is_merging(folder: &Path) -> bool {
    let Some(path) = git(folder, &["rev-parse", "--git-path", "MERGE_HEAD"]) else { return true };
    folder.join(path.trim_end()).exists()
}

/// The reason why nothing was rebased.
///
/// ```no_run
/// # use std::collections::BTreeSet;
/// # use tenant_runtime::{migrate::{folder::Folder, rebase::{RebaseError, rebase}}, models};
/// let rebased = rebase(&models![], &Folder::new("migrations"), &[], &BTreeSet::new());
/// if let Err(RebaseError::NotKept { name }) = rebased {
///     eprintln!("restore {name} from the other branch");
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebaseError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// No migration can be generated.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The other branch's snapshot was not found.
    #[error(
        "cannot find the two sides of the merge in `{}`\n  help: restore the file from the branch whose migrations are kept \
         (`git checkout <branch> -- {}`), then run this command again", path.display(), path.display()
    )]
    NoSides {
        /// The snapshot.
        path: PathBuf,
        /// The error from reading the snapshot file as it is.
        source: SnapshotError,
    },
    /// The given names are not the migrations of exactly one branch.
    #[error(
        "cannot rebase {names}: exactly one of the two branches must have all of these migrations\n  help: name the \
         migrations that this branch added"
    )]
    NotOfOneBranch {
        /// The names.
        names: String,
    },
    /// A file of the other branch is missing or was edited.
    #[error(
        "`{name}` of the other branch is missing or was edited\n  help: restore it from that branch \
         (`git checkout <branch> -- …`), then run this command again"
    )]
    NotKept {
        /// The file.
        name: String,
    },
}
