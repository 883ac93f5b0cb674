//! The migrations folder: reads it, compares it with its snapshot, and writes files so that no file is left incomplete.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

pub use super::folder_error::{FolderError, Problem, Problems};
use super::{
    files::{self, FilesError, Names},
    statement_check,
};
use crate::{
    model::schema::Schema,
    snapshot::{self, Snapshot, SnapshotError},
    sql::{self, Migration},
};

/// The file next to the migrations that contains the resulting schema and the hash of each migration file.
pub const SNAPSHOT: &str = "snapshot.json";

/// A folder of migrations in sqlx's format, with their snapshot.
///
/// ```no_run
/// use tenant_runtime::migrate::folder::Folder;
///
/// let folder = Folder::new("migrations");
/// let tables = folder.schema()?.tables().len();
/// println!("the migrations in {} create {tables} tables", folder.path().display());
/// # Ok::<(), tenant_runtime::migrate::folder::FolderError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

/// The files that were written.
#[derive(Debug, Clone)]
pub struct Written {
    /// The paths, each with its number of lines, in reading order.
    pub files: Vec<(PathBuf, usize)>,
}

/// The files of a folder.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) migrations: Vec<Names>,
    /// Every migration file with its text.
    pub(crate) texts: BTreeMap<String, String>,
    /// The text of the snapshot, if there is one.
    snapshot: Option<String>,
}

/// The contents of a folder, compared with its snapshot.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) snapshot: Snapshot,
    pub(crate) files: Files,
    /// Hand-written files that the snapshot does not list yet.
    pub(crate) by_hand: Vec<String>,
    /// Generated files that the snapshot does not list, because a run was killed after it wrote them, or because a
    /// merge added them.
    unknown: Vec<String>,
    pub(crate) problems: Vec<Problem>,
}

impl Folder {
    /// Creates a handle for the folder at a path. The folder does not have to exist yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the schema that results from the migrations; it is empty if there are no migrations.
    ///
    /// # Errors
    ///
    /// - [`FolderError::Read`] if the folder or a file cannot be read.
    /// - [`FolderError::Files`] if the files cannot be migrations, or [`FolderError::Snapshot`] if the snapshot is not valid.
    /// - [`FolderError::Problems`] if the files do not match the snapshot.
    pub fn schema(&self) -> Result<Schema, FolderError> {
        Ok(self.contents()?.snapshot.schema)
    }

    /// Reads the folder. Files that do not match the snapshot are an error.
    pub(crate) fn contents(&self) -> Result<Contents, FolderError> {
        let contents = self.read()?;
        match contents.problems.is_empty() {
            true => Ok(contents),
            false => Err(FolderError::Problems { path: self.path.clone(), problems: Problems(contents.problems) }),
        }
    }

    /// Reads the folder, with the files that do not match the snapshot.
    fn read(&self) -> Result<Contents, FolderError> {
        let migrations = files::list(&self.path).map_err(|source| self.unlisted(source))?;
        let names = migrations.iter().flat_map(Names::all);
        let texts = names.map(|name| Ok((name.clone(), self.text(name)?))).collect::<Result<_, FolderError>>()?;
        let (snapshot, text) = match fs::read_to_string(self.path.join(SNAPSHOT)) {
            Ok(text) => (snapshot::from_text(&text).map_err(|source| self.snapshot_error(source))?, Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Snapshot::default(), None),
            Err(source) => return Err(FolderError::Read { path: self.path.join(SNAPSHOT), source }),
        };
        Ok(Contents::compare(snapshot, Files { migrations, texts, snapshot: text }))
    }

    /// Returns whether the folder still has these files.
    fn still_has(&self, files: &Files) -> bool {
        let is_unchanged =
            |name: &str, text: &str| fs::read(self.path.join(name)).is_ok_and(|now| now == text.as_bytes());
        files::list(&self.path).is_ok_and(|migrations| migrations == files.migrations)
            && files.texts.iter().all(|(name, text)| is_unchanged(name, text))
            && match &files.snapshot {
                Some(text) => is_unchanged(SNAPSHOT, text),
                None => matches!(self.path.join(SNAPSHOT).try_exists(), Ok(false)),
            }
    }

    pub(crate) fn text(&self, name: &str) -> Result<String, FolderError> {
        files::read(&self.path, name).map_err(|source| match source {
            FilesError::Read(source) => FolderError::Read { path: self.path.join(name), source },
            source => self.unlisted(source),
        })
    }

    pub(crate) fn snapshot_error(&self, source: SnapshotError) -> FolderError {
        FolderError::Snapshot { path: self.path.join(SNAPSHOT), source }
    }

    /// Returns the error about one file.
    pub(crate) fn problem(&self, problem: Problem) -> FolderError {
        FolderError::Problems { path: self.path.clone(), problems: Problems(vec![problem]) }
    }

    pub(crate) fn unlisted(&self, source: FilesError) -> FolderError {
        match source {
            FilesError::Read(source) => FolderError::Read { path: self.path.clone(), source },
            source => FolderError::Files { path: self.path.clone(), source },
        }
    }

    /// Writes the next migrations and the snapshot, in which hand-written files are recorded as well.
    ///
    /// Each file is first written under a temporary name, and the snapshot is renamed last: if a run is killed before
    /// that rename, the next run generates the same migrations, byte for byte, and writes the missing files.
    ///
    /// # Errors
    ///
    /// - [`FolderError::Write`] if a file cannot be written. Temporary files are removed in any case.
    /// - [`FolderError::NoSnapshot`] if a migration was generated and its snapshot is missing.
    /// - The errors of [`schema`](Self::schema).
    pub fn write(&self, migrations: &[Migration], after: &Schema) -> Result<Written, FolderError> {
        let contents = self.contents()?;
        self.write_named(&contents, &contents.named(migrations), after)
    }

    /// Writes the next migrations as [`write`](Self::write) does. If the folder still has the contents for which `files` were named,
    /// its snapshot is not parsed again.
    pub(crate) fn write_after(
        &self,
        contents: &Contents,
        files: &[(String, String)],
        migrations: &[Migration],
        after: &Schema,
    ) -> Result<Written, FolderError> {
        match self.still_has(&contents.files) {
            true => self.write_named(contents, files, after),
            false => self.write(migrations, after),
        }
    }

    fn write_named(
        &self,
        contents: &Contents,
        new: &[(String, String)],
        after: &Schema,
    ) -> Result<Written, FolderError> {
        self.check_unknown(contents, new)?;
        let mut snapshot = Snapshot { schema: after.clone(), files: contents.snapshot.files.clone() };
        let by_hand = contents.by_hand.iter().map(|name| (name, &contents.files.texts[name]));
        let all = by_hand.chain(new.iter().map(|(name, text)| (name, text)));
        snapshot.files.extend(all.map(|(name, text)| (name.clone(), snapshot::hash(text))));
        self.commit(new, &[], &snapshot)
    }

    /// Records the new hashes of edited files in the snapshot, and returns the file names.
    ///
    /// ```no_run
    /// # fn f(folder: &tenant_runtime::migrate::folder::Folder) -> Result<(), tenant_runtime::migrate::folder::FolderError> {
    /// let rehashed = folder.rehash(&["0002_add_tasks".into()])?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`FolderError::NotEdited`] if a name is not the name of an edited file.
    /// - [`FolderError::Write`] if the snapshot cannot be written.
    /// - [`FolderError::NoSuchFile`] if a name is not the name of a file.
    /// - [`FolderError::Read`], [`FolderError::Files`] and [`FolderError::Snapshot`] as for [`schema`](Self::schema).
    pub fn rehash(&self, names: &[String]) -> Result<Vec<String>, FolderError> {
        let mut contents = self.read()?;
        let mut rehashed = Vec::new();
        for name in names {
            if !self.path.join(name).exists() && !contents.files.texts.keys().any(|file| files::stem(file) == name) {
                return Err(FolderError::NoSuchFile { name: name.clone(), path: self.path.clone() });
            }
            let edited = contents.problems.iter().filter_map(|problem| match problem {
                Problem::Edited { name: edited } if edited == name || files::stem(edited) == name => Some(edited),
                _ => None,
            });
            let before = rehashed.len();
            for edited in edited {
                if let Some(problem) = Contents::problem(edited, &contents.files.texts[edited]) {
                    return Err(self.problem(problem));
                }
                rehashed.push(edited.clone());
            }
            if rehashed.len() == before {
                return Err(FolderError::NotEdited { name: name.clone() });
            }
        }
        for name in &rehashed {
            contents.snapshot.files.insert(name.clone(), snapshot::hash(&contents.files.texts[name]));
        }
        self.commit(&[], &[], &contents.snapshot)?;
        Ok(rehashed)
    }

    /// Checks that each generated file that the snapshot does not list is about to be written again.
    pub(crate) fn check_unknown(&self, contents: &Contents, new: &[(String, String)]) -> Result<(), FolderError> {
        let is_new =
            |name: &&String| !new.iter().any(|(new, text)| *name == new && *text == contents.files.texts[*name]);
        let snapshot = self.path.join(SNAPSHOT);
        match contents.unknown.iter().find(is_new) {
            None => Ok(()),
            Some(name) if !snapshot.exists() => {
                Err(FolderError::NoSnapshot { path: snapshot, migration: name.clone() })
            }
            Some(name) => Err(self.problem(Problem::Unknown { name: name.clone() })),
        }
    }

    /// Writes files and the snapshot, and removes other files. All files are first written under temporary names; the
    /// snapshot is renamed last.
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

    /// Removes migration files. The snapshot becomes the given one; without one, it is removed too.
    pub(crate) fn remove(&self, removed: &[String], snapshot: Option<&Snapshot>) -> Result<(), FolderError> {
        if let Some(snapshot) = snapshot {
            return self.commit(&[], removed, snapshot).map(drop);
        }
        for name in removed.iter().map(String::as_str).chain([SNAPSHOT]) {
            let path = self.path.join(name);
            fs::remove_file(&path).map_err(|source| FolderError::Write { path, source })?;
        }
        Ok(())
    }

    /// Removes the temporary files that a killed run has left.
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
    fn compare(snapshot: Snapshot, files: Files) -> Self {
        let Files { migrations, texts, .. } = &files;
        let recorded: BTreeSet<&str> = snapshot.files.keys().map(String::as_str).collect();
        let of_files = |names: &Names| recorded.contains(names.up.as_str()).then_some(names.version);
        let newest = migrations.iter().filter_map(of_files).max().unwrap_or(0);
        let (mut by_hand, mut unknown, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for (name, hash) in &snapshot.files {
            match texts.get(name) {
                None => problems.push(Problem::Missing { name: name.clone() }),
                Some(text) if snapshot::hash(text) == *hash => {}
                Some(text) if snapshot::hash(&files::with_unix_lines(text)) == *hash => {
                    problems.push(Problem::LineEndings { name: name.clone() });
                }
                Some(_) => problems.push(Problem::Edited { name: name.clone() }),
            }
        }
        for names in migrations {
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
        problems.extend(by_hand.iter().filter_map(|name| Self::problem(name, &texts[name])));
        Self { snapshot, files, by_hand, unknown, problems }
    }

    /// Returns why a hand-written file cannot be recorded in the snapshot.
    pub(crate) fn problem(name: &str, text: &str) -> Option<Problem> {
        let name = name.to_owned();
        if let Some(refused) = statement_check::refused(text) {
            return Some(Problem::Statement { name, refused });
        }
        text.contains("\r\n").then_some(Problem::LineEndings { name })
    }

    /// Describes the gaps that hand-written files leave in the numbers. Timestamps, as sqlx writes them, have gaps by nature.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let pairs = self.files.migrations.windows(2).filter(|pair| {
            self.by_hand.contains(&pair[1].up) && (pair[0].version + 2..1_000_000).contains(&pair[1].version)
        });
        let gap = |pair: &[Names]| {
            let (after, name) = (pair[0].version, &pair[1].up);
            format!(
                "`{name}` leaves a gap after number {after:04}: a file that is added later with a number in it is refused"
            )
        };
        pairs.map(gap).collect()
    }

    /// Names the files of the next migrations, in the order in which they are written.
    pub(crate) fn named(&self, migrations: &[Migration]) -> Vec<(String, String)> {
        let known = self.files.migrations.iter().filter(|names| !self.unknown.contains(&names.up));
        let first = known.map(|names| names.version).max().unwrap_or(0) + 1;
        (first..).zip(migrations).flat_map(|(version, migration)| named(version, migration)).collect()
    }
}

/// Names the two files of a migration.
pub(crate) fn named(version: i64, migration: &Migration) -> [(String, String); 2] {
    let name = |direction: &str| format!("{version:04}_{}.{direction}.sql", migration.description);
    [(name("up"), migration.up.clone()), (name("down"), migration.down.clone())]
}

/// On drop, removes the temporary files that were not renamed, and the folder if this run created it and it is empty.
struct Staged {
    files: Vec<PathBuf>,
    folder: Option<PathBuf>,
}

impl Drop for Staged {
    fn drop(&mut self) {
        for file in &self.files {
            // If the file has been renamed, this removal fails, as intended.
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
