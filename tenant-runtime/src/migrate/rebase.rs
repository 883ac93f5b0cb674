//! `rebase`: after two branches added migrations, keeps those of the one and writes those of the other anew behind them.
//!
//! What to keep is read from the snapshot: it may be the other branch's already, or hold both sides of a merge, or git may
//! know both sides. Every migration that the kept snapshot does not list is this branch's own. Those that were generated are
//! generated again from the models; those written by hand get the numbers that follow.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    files::{self, Names},
    folder::{Folder, FolderError, SNAPSHOT, Written, named},
    generate::GenerateError,
};
use crate::{
    analyze::{Checked, check},
    plan::plan,
    registry::Models,
    snapshot::{self, Snapshot, SnapshotError},
    sql::{self, Migration},
};

/// What a rebase will do; nothing of it is done until [`write`](Self::write).
#[derive(Debug)]
pub struct Rebase {
    /// The generated migrations that go, since what they did is generated anew: names without `.up.sql`.
    pub replaced: Vec<String>,
    /// The migrations written by hand that get another number: the old name and the new one.
    pub renumbered: Vec<(String, String)>,
    /// The migrations that are generated, by name.
    pub generated: Vec<String>,
    /// The newest migration that stays, by name.
    pub onto: Option<String>,
    /// What the models mean.
    pub checked: Checked,
    files: Vec<(String, String)>,
    removed: Vec<String>,
    snapshot: Snapshot,
}

/// Finds out what is to be done so that this branch's migrations follow on the other branch's.
///
/// `own` names migrations that are this branch's, where that cannot be told from the state of the merge; `drops` names what the
/// new ones may lose.
///
/// # Errors
///
/// When the models have errors, the other branch's snapshot or files cannot be found, or there is no plan.
pub fn rebase(
    models: &Models,
    folder: &Folder,
    own: &[String],
    drops: &BTreeSet<String>,
) -> Result<Rebase, RebaseError> {
    let checked = check(models).map_err(GenerateError::from)?;
    let kept = kept(folder, own)?;
    let newest = kept.snapshot.files.keys().max_by_key(|name| files::number(name));
    let mut row = Row {
        next: newest.and_then(|name| files::number(name)).unwrap_or(0) + 1,
        files: restored(folder, &kept)?,
        renumbered: Vec::new(),
    };
    let onto = newest.map(|name| files::stem(name).to_owned());

    let listed = files::list_all(folder.path()).map_err(|source| folder.unlisted(source))?;
    let mut own = Vec::new();
    for names in listed.into_iter().filter(|names| !kept.snapshot.files.contains_key(&names.up)) {
        let (up, down) = (folder.text(&names.up)?, names.down.as_ref().map(|name| folder.text(name)).transpose()?);
        own.push(Own { generated: up.contains(sql::SIGNATURE), names, up, down });
    }
    // What was written by hand after a generated migration may need what that makes, and what stood before it may be needed
    // by it, so all that is generated takes the place of the first.
    let place = own.iter().position(|own| own.generated).unwrap_or(own.len());
    own[..place].iter().for_each(|own| row.push_by_hand(own));
    let plan = plan(&kept.snapshot.schema, &checked.schema, &checked.transition).map_err(GenerateError::from)?;
    // The other branch's models may not be here yet: what they declare must not be dropped as if it were not.
    plan.confirm(drops).map_err(GenerateError::from)?;
    let generated: Vec<String> = sql::migrations(&plan).iter().map(|migration| row.push(migration)).collect();
    own[place..].iter().filter(|own| !own.generated).for_each(|own| row.push_by_hand(own));

    let Row { files, renumbered, .. } = row;
    let mut snapshot = Snapshot { schema: checked.schema.clone(), files: kept.snapshot.files };
    snapshot.files.extend(files.iter().map(|(name, text)| (name.clone(), snapshot::hash(text))));
    let old = own.iter().flat_map(|own| [Some(&own.names.up), own.names.down.as_ref()]).flatten();
    let removed = old.filter(|old| !files.iter().any(|(name, _)| name == *old)).cloned().collect();
    let replaced = own.iter().filter(|own| own.generated).map(|own| files::stem(&own.names.up).to_owned()).collect();
    Ok(Rebase { replaced, renumbered, generated, onto, checked, files, removed, snapshot })
}

/// A migration of this branch.
#[derive(Debug)]
struct Own {
    names: Names,
    up: String,
    down: Option<String>,
    generated: bool,
}

/// The migrations as they follow on those that stay.
struct Row {
    next: i64,
    files: Vec<(String, String)>,
    renumbered: Vec<(String, String)>,
}

impl Row {
    /// Appends a generated migration, and returns its name.
    fn push(&mut self, migration: &Migration) -> String {
        let texts = named(self.next, migration);
        let name = files::stem(&texts[0].0).to_owned();
        self.files.extend(texts);
        self.next += 1;
        name
    }

    fn push_by_hand(&mut self, own: &Own) {
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

/// Returns the files that are to stay and are not here as the kept snapshot knows them, with the text that it knows.
fn restored(folder: &Folder, kept: &BaseSide) -> Result<Vec<(String, String)>, RebaseError> {
    let mut files = Vec::new();
    for (name, hash) in &kept.snapshot.files {
        let is_it = |text: &String| snapshot::hash(text) == *hash;
        if fs::read_to_string(folder.path().join(name)).is_ok_and(|text| is_it(&text)) {
            continue;
        }
        let theirs = kept.stage.and_then(|stage| git(folder.path(), &["show", &format!(":{stage}:./{name}")]));
        match theirs.filter(is_it) {
            Some(text) => files.push((name.clone(), text)),
            None => return Err(RebaseError::NotKept { name: name.clone() }),
        }
    }
    Ok(files)
}

impl Rebase {
    /// Says whether the files stay as they are; the snapshot may still have to be mended.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.replaced.is_empty() && self.renumbered.is_empty() && self.generated.is_empty()
    }

    /// Writes the new files, removes the replaced ones, and writes the snapshot last.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Folder) -> Result<Written, FolderError> {
        folder.commit(&self.files, &self.removed, &self.snapshot)
    }
}

/// The side of a merge that stays.
#[derive(Debug)]
struct BaseSide {
    snapshot: Snapshot,
    /// The number by which git knows the side, where it does.
    stage: Option<u8>,
}

fn kept(folder: &Folder, own: &[String]) -> Result<BaseSide, RebaseError> {
    let path = folder.path().join(SNAPSHOT);
    let text = fs::read_to_string(&path).map_err(|source| FolderError::Read { path: path.clone(), source })?;
    let unusable = match snapshot::from_text(&text) {
        Ok(snapshot) => return Ok(BaseSide { snapshot, stage: None }),
        Err(error @ (SnapshotError::Format { .. } | SnapshotError::Content(_))) => {
            return Err(folder.snapshot_error(error).into());
        }
        Err(error) => error,
    };
    // Where version control merged some of the lines by itself, the sides in the text are neither branch's snapshot.
    let from_git =
        || [2, 3].map(|stage| Some((Some(stage), git(folder.path(), &["show", &format!(":{stage}:./{SNAPSHOT}")])?)));
    let mut sides: Vec<BaseSide> = Vec::new();
    for (stage, text) in from_git().into_iter().chain(marked(&text).map(|side| Some((None, side?)))).flatten() {
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
        // While git merges, `ours` is the branch on which the person stands; while it rebases, it is the other one.
        _ if is_merging(folder.path()) => Ok(theirs),
        _ => Ok(ours),
    }
}

/// Reads both sides out of a text that holds the marks of a merge.
fn marked(text: &str) -> [Option<String>; 2] {
    #[derive(PartialEq)]
    enum In {
        Both,
        Ours,
        Base,
        Theirs,
    }
    let (mut ours, mut theirs, mut at) = (String::new(), String::new(), In::Both);
    for line in text.lines() {
        match line.get(..7) {
            Some("<<<<<<<") => at = In::Ours,
            Some("|||||||") => at = In::Base,
            Some("=======") => at = In::Theirs,
            Some(">>>>>>>") => at = In::Both,
            _ => {
                for (side, text) in [(In::Ours, &mut ours), (In::Theirs, &mut theirs)] {
                    if at == In::Both || at == side {
                        text.push_str(line);
                        text.push('\n');
                    }
                }
            }
        }
    }
    [Some(ours), Some(theirs)]
}

/// Says whether the person merges another branch into theirs, rather than moving theirs onto another.
fn is_merging(folder: &Path) -> bool {
    let Some(path) = git(folder, &["rev-parse", "--git-path", "MERGE_HEAD"]) else { return true };
    folder.join(path.trim_end()).exists()
}

/// Asks git, where it is there and the folder is in its keeping.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok()).flatten()
}

/// Says why nothing was rebased.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebaseError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Nothing can be generated.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The other branch's snapshot cannot be had.
    #[error(
        "cannot tell the sides of the merge in `{}`\n  help: put the file there as it is in the branch whose migrations are \
         to stay (`git checkout <branch> -- {}`), then run this again", path.display(), path.display()
    )]
    NoSides {
        /// The snapshot.
        path: PathBuf,
        /// What is wrong with it as it is.
        source: SnapshotError,
    },
    /// The names are not of one branch.
    #[error("`{names}` are not migrations that one of the two branches has and the other has not")]
    NotOfOneBranch {
        /// The names.
        names: String,
    },
    /// A file of the other branch is not there.
    #[error(
        "`{name}` is to stay, and is not here as the other branch has it\n  help: put it there from that branch \
         (`git checkout <branch> -- …`), then run this again"
    )]
    NotKept {
        /// The file.
        name: String,
    },
}
