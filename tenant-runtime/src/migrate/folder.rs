//! The migrations folder: what is in it, whether that is in order, and how files are written without leaving half of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use super::files::{self, FilesError, Names};
use crate::{
    model::schema::Schema,
    snapshot::{self, Snapshot, SnapshotError},
    sql::{self, Migration},
};

/// The file beside the migrations that says what they amount to.
pub const SNAPSHOT: &str = "snapshot.json";

/// A folder of migrations in sqlx's format, with the snapshot beside them.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

/// The files that were written.
#[derive(Debug, Clone)]
pub struct Written {
    /// The paths with their number of lines, in the order in which a person reads them.
    pub files: Vec<(PathBuf, usize)>,
}

/// What is in a folder, held against its snapshot.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) snapshot: Snapshot,
    /// Every file of a migration with its text.
    pub(crate) texts: BTreeMap<String, String>,
    pub(crate) migrations: Vec<Names>,
    /// Files written by hand that the snapshot is to take in.
    pub(crate) by_hand: Vec<String>,
    /// Generated files that the snapshot does not know: a run died after it wrote them, or a merge brought them.
    unknown: Vec<String>,
    pub(crate) problems: Vec<Problem>,
}

impl Folder {
    /// Names a folder, which need not exist yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the schema that the migrations so far amount to; the empty one where there are none.
    ///
    /// # Errors
    ///
    /// When the folder or the snapshot cannot be read, or the files are not those that the snapshot was written for.
    pub fn schema(&self) -> Result<Schema, FolderError> {
        Ok(self.contents()?.snapshot.schema)
    }

    /// Reads the folder, which must be in order.
    pub(crate) fn contents(&self) -> Result<Contents, FolderError> {
        let contents = self.read()?;
        match contents.problems.is_empty() {
            true => Ok(contents),
            false => Err(FolderError::Problems { path: self.path.clone(), problems: Problems(contents.problems) }),
        }
    }

    /// Reads the folder with whatever is not in order.
    fn read(&self) -> Result<Contents, FolderError> {
        let migrations = files::list(&self.path).map_err(|source| self.unlisted(source))?;
        let names = migrations.iter().flat_map(|names| [Some(&names.up), names.down.as_ref()]).flatten();
        let texts = names.map(|name| Ok((name.clone(), self.text(name)?))).collect::<Result<_, FolderError>>()?;
        let snapshot = match fs::read_to_string(self.path.join(SNAPSHOT)) {
            Ok(text) => snapshot::from_text(&text).map_err(|source| self.snapshot_error(source))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Snapshot::default(),
            Err(source) => return Err(FolderError::Read { path: self.path.join(SNAPSHOT), source }),
        };
        Ok(Contents::compare(snapshot, migrations, texts))
    }

    pub(crate) fn text(&self, name: &str) -> Result<String, FolderError> {
        let path = self.path.join(name);
        fs::read_to_string(&path).map_err(|source| FolderError::Read { path, source })
    }

    pub(crate) fn snapshot_error(&self, source: SnapshotError) -> FolderError {
        FolderError::Snapshot { path: self.path.join(SNAPSHOT), source }
    }

    pub(crate) fn unlisted(&self, source: FilesError) -> FolderError {
        match source {
            FilesError::Read(source) => FolderError::Read { path: self.path.clone(), source },
            source => FolderError::Files { path: self.path.clone(), source },
        }
    }

    /// Writes the next migrations, and the snapshot of what they lead to, into which files written by hand are taken as well.
    ///
    /// Each file is written under a temporary name first and the snapshot is renamed last: when a run dies in between, the
    /// next one finds its own migrations again, byte for byte, and completes them.
    ///
    /// # Errors
    ///
    /// When a file cannot be written, or the folder is not in order. What this call wrote is then removed again.
    pub fn write(&self, migrations: &[Migration], after: &Schema) -> Result<Written, FolderError> {
        let contents = self.contents()?;
        let new = contents.named(migrations);
        self.check_unknown(&contents, &new)?;
        let mut snapshot = Snapshot { schema: after.clone(), files: contents.snapshot.files };
        let by_hand = contents.by_hand.iter().map(|name| (name, &contents.texts[name]));
        let all = by_hand.chain(new.iter().map(|(name, text)| (name, text)));
        snapshot.files.extend(all.map(|(name, text)| (name.clone(), snapshot::hash(text))));
        self.commit(&new, &[], &snapshot)
    }

    /// Takes into the snapshot what was edited on purpose; returns the files that were.
    ///
    /// # Errors
    ///
    /// When a name is not that of an edited file, or the snapshot cannot be written.
    pub fn record(&self, names: &[String]) -> Result<Vec<String>, FolderError> {
        let mut contents = self.read()?;
        let mut recorded = Vec::new();
        for name in names {
            let edited = contents.problems.iter().filter_map(|problem| match problem {
                Problem::Edited { name: edited } if edited == name || files::stem(edited) == name => Some(edited),
                _ => None,
            });
            let before = recorded.len();
            recorded.extend(edited.cloned());
            if recorded.len() == before {
                return Err(FolderError::NotEdited { name: name.clone() });
            }
        }
        for name in &recorded {
            contents.snapshot.files.insert(name.clone(), snapshot::hash(&contents.texts[name]));
        }
        self.commit(&[], &[], &contents.snapshot)?;
        Ok(recorded)
    }

    /// Says whether each generated file that the snapshot does not know is one that is about to be written again.
    pub(crate) fn check_unknown(&self, contents: &Contents, new: &[(String, String)]) -> Result<(), FolderError> {
        let is_new = |name: &&String| !new.iter().any(|(new, text)| *name == new && *text == contents.texts[*name]);
        let snapshot = self.path.join(SNAPSHOT);
        match contents.unknown.iter().find(is_new) {
            None => Ok(()),
            Some(name) if !snapshot.exists() => {
                Err(FolderError::NoSnapshot { path: snapshot, migration: name.clone() })
            }
            Some(name) => {
                let problems = Problems(vec![Problem::Unknown { name: name.clone() }]);
                Err(FolderError::Problems { path: self.path.clone(), problems })
            }
        }
    }

    /// Writes files and the snapshot, and removes others: all under temporary names first, the snapshot last.
    pub(crate) fn commit(
        &self,
        files: &[(String, String)],
        removed: &[String],
        snapshot: &Snapshot,
    ) -> Result<Written, FolderError> {
        let snapshot = snapshot::to_text(snapshot).map_err(|source| self.snapshot_error(source))?;
        let texts: Vec<_> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .chain([(SNAPSHOT, snapshot.as_str())])
            .collect();
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| FolderError::Write { path, source }
        };
        let made_folder = !self.path.exists();
        let mut staged = Staged { files: Vec::new(), folder: made_folder.then(|| self.path.clone()) };
        fs::create_dir_all(&self.path).map_err(failed(&self.path))?;
        self.sweep()?;
        for (name, text) in &texts {
            let temporary = self.path.join(format!(".{name}.{}.tmp", std::process::id()));
            staged.files.push(temporary.clone());
            write_through(&temporary, text).map_err(failed(&self.path.join(name)))?;
        }
        let mut written = Written { files: Vec::new() };
        for (temporary, (name, text)) in staged.files.clone().into_iter().zip(&texts) {
            let path = self.path.join(name);
            if *name == SNAPSHOT {
                for old in removed.iter().map(|name| self.path.join(name)) {
                    fs::remove_file(&old).map_err(failed(&old))?;
                }
            }
            fs::rename(temporary, &path).map_err(failed(&path))?;
            written.files.push((path, text.lines().count()));
        }
        staged.folder = None;
        Ok(written)
    }

    /// Removes what a run that was killed left under temporary names.
    fn sweep(&self) -> Result<(), FolderError> {
        let names = files::file_names(&self.path).map_err(|source| self.unlisted(source.into()))?;
        for name in names {
            let ours = name.starts_with('.') && (name.contains(".sql.") || name.contains(SNAPSHOT));
            if ours && name.ends_with(".tmp") {
                let path = self.path.join(name);
                fs::remove_file(&path).map_err(|source| FolderError::Write { path, source })?;
            }
        }
        Ok(())
    }
}

impl Contents {
    fn compare(snapshot: Snapshot, migrations: Vec<Names>, texts: BTreeMap<String, String>) -> Self {
        let recorded: BTreeSet<&str> = snapshot.files.keys().map(String::as_str).collect();
        let of_files = |names: &Names| recorded.contains(names.up.as_str()).then_some(names.version);
        let newest = migrations.iter().filter_map(of_files).max().unwrap_or(0);
        let (mut by_hand, mut unknown, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for (name, hash) in &snapshot.files {
            match texts.get(name) {
                None => problems.push(Problem::Missing { name: name.clone() }),
                Some(text) if snapshot::hash(text) != *hash => problems.push(Problem::Edited { name: name.clone() }),
                Some(_) => {}
            }
        }
        for names in &migrations {
            let generated = texts[&names.up].contains(sql::SIGNATURE);
            let new = [Some(&names.up), names.down.as_ref()].into_iter().flatten();
            let mut new = new.filter(|name| !recorded.contains(name.as_str())).cloned().peekable();
            if generated {
                unknown.extend(new);
            } else if names.version < newest && new.peek() == Some(&names.up) {
                problems.push(Problem::Late { name: names.up.clone(), newest });
            } else {
                by_hand.extend(new);
            }
        }
        Self { snapshot, texts, migrations, by_hand, unknown, problems }
    }

    /// Names the files of the next migrations, in the order in which they are written.
    pub(crate) fn named(&self, migrations: &[Migration]) -> Vec<(String, String)> {
        let known = self.migrations.iter().filter(|names| !self.unknown.contains(&names.up));
        let first = known.map(|names| names.version).max().unwrap_or(0) + 1;
        (first..).zip(migrations).flat_map(|(version, migration)| named(version, migration)).collect()
    }
}

/// Names the two files of a migration.
pub(crate) fn named(version: i64, migration: &Migration) -> [(String, String); 2] {
    let name = |direction: &str| format!("{version:04}_{}.{direction}.sql", migration.description);
    [(name("up"), migration.up.clone()), (name("down"), migration.down.clone())]
}

/// Removes what was staged, unless it was renamed; and the folder, if this run made it and it is empty.
struct Staged {
    files: Vec<PathBuf>,
    folder: Option<PathBuf>,
}

impl Drop for Staged {
    fn drop(&mut self) {
        for file in &self.files {
            // Gone already where the rename succeeded.
            let _ = fs::remove_file(file);
        }
        if let Some(folder) = &self.folder {
            let _ = fs::remove_dir(folder);
        }
    }
}

fn write_through(path: &Path, text: &str) -> io::Result<()> {
    use io::Write as _;
    let mut file = fs::File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// What is not in order in a folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A file is not what it was.
    #[error(
        "`{name}` is not what it was when the snapshot was written\n  help: take it from version control again; or, where the \
         change is meant and it has run nowhere yet, run `gen-migrations record {name}`"
    )]
    Edited {
        /// The file.
        name: String,
    },
    /// A file is gone.
    #[error(
        "`{name}` is gone, and the snapshot counts on it\n  help: take it from version control again; or, where it is not wanted \
         any more and has run nowhere yet, take the snapshot from before it, and run `gen-migrations rebase`"
    )]
    Missing {
        /// The file.
        name: String,
    },
    /// A file written by hand has a number below those that databases may have already.
    #[error(
        "`{name}` came after {newest:04}, so a database that has {newest:04} would not get it\n  help: give it the number \
         {:04}", newest + 1
    )]
    Late {
        /// The file.
        name: String,
        /// The newest migration of the snapshot.
        newest: i64,
    },
    /// A generated file came from elsewhere.
    #[error(
        "`{name}` was generated, and the snapshot does not know it\n  help: when two branches added migrations, run \
         `gen-migrations rebase`, which writes it anew; else delete it"
    )]
    Unknown {
        /// The file.
        name: String,
    },
}

/// Everything that is not in order.
#[derive(Debug)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Returns them one by one.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

/// Says what is wrong with a migrations folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A file or the folder cannot be read.
    #[error(
        "cannot read `{}`: {source}\n  help: see that its folder is one and may be read, or name another: --dir <FOLDER>",
        path.display()
    )]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or the folder cannot be written.
    #[error("cannot write `{}`: {source}\n  help: check the folder's permissions, or name another: --dir <FOLDER>", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The files cannot be migrations.
    #[error("cannot use the folder `{}`: {source}", path.display())]
    Files {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: FilesError,
    },
    /// The snapshot cannot be read.
    #[error("cannot use the snapshot `{}`: {source}", path.display())]
    Snapshot {
        /// Which.
        path: PathBuf,
        /// Why.
        source: SnapshotError,
    },
    /// A migration was generated, and its snapshot is not there.
    #[error(
        "`{migration}` was generated, but `{}` is not there to say what it leads to\n  help: take it from version control \
         again; or, if no migration has run anywhere, delete the generated files and start over",
        path.display()
    )]
    NoSnapshot {
        /// The snapshot's path.
        path: PathBuf,
        /// The newest migration.
        migration: String,
    },
    /// Files and snapshot do not belong together.
    #[error("the files in `{}` are not those that its snapshot was written for:{problems}", path.display())]
    Problems {
        /// The folder.
        path: PathBuf,
        /// What is not in order.
        problems: Problems,
    },
    /// A name is not that of an edited file.
    #[error(
        "`{name}` was not edited since the snapshot was written\n  help: name the files that the error message named"
    )]
    NotEdited {
        /// The name.
        name: String,
    },
}
