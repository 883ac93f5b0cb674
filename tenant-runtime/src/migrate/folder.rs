//! The migrations folder: which files are there, and how new ones are written without leaving half of them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    model::schema::Schema,
    snapshot::{self, SnapshotError},
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
    /// When the folder or the snapshot cannot be read, or generated migrations are there without their snapshot.
    pub fn schema(&self) -> Result<Schema, FolderError> {
        let path = self.path.join(SNAPSHOT);
        match fs::read_to_string(&path) {
            Ok(text) => snapshot::from_text(&text).map_err(|source| FolderError::Snapshot { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Schema::default()),
            Err(source) => Err(FolderError::Read { path, source }),
        }
    }

    /// Lists the migrations by number, with the names of the files that do them.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn migrations(&self) -> Result<Vec<(i64, String)>, FolderError> {
        let mut migrations: Vec<_> = self
            .names()?
            .into_iter()
            .filter(|name| name.ends_with(".sql") && !name.ends_with(".down.sql"))
            // The rule by which sqlx takes a file for a migration.
            .filter_map(|name| Some((name.split_once('_')?.0.parse().ok()?, name)))
            .collect();
        migrations.sort();
        Ok(migrations)
    }

    fn names(&self) -> Result<Vec<String>, FolderError> {
        let unreadable = |source| FolderError::Read { path: self.path.clone(), source };
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(unreadable(source)),
        };
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        entries.map(name).collect::<io::Result<_>>().map_err(unreadable)
    }

    /// Writes the next migrations and the snapshot of what they lead to.
    ///
    /// Each file is written under a temporary name first and the snapshot is renamed last: when a run dies in between, the
    /// next one finds its own migrations again, byte for byte, and completes them.
    ///
    /// # Errors
    ///
    /// When a file cannot be written, or a generated migration is there that the snapshot does not know. What this call
    /// wrote is then removed again.
    pub fn write(&self, migrations: &[Migration], after: &Schema) -> Result<Written, FolderError> {
        let first = self.first_number(migrations)?;
        let snapshot = snapshot::to_text(after)
            .map_err(|source| FolderError::Snapshot { path: self.path.join(SNAPSHOT), source })?;
        let mut texts = Vec::new();
        for (version, migration) in (first..).zip(migrations) {
            texts.push((up_name(version, migration), migration.up.as_str()));
            texts.push((format!("{version:04}_{}.down.sql", migration.description), migration.down.as_str()));
        }
        texts.push((SNAPSHOT.to_owned(), snapshot.as_str()));

        let made_folder = !self.path.exists();
        let mut staged = Staged { files: Vec::new(), folder: made_folder.then(|| self.path.clone()) };
        fs::create_dir_all(&self.path).map_err(|source| FolderError::Write { path: self.path.clone(), source })?;
        self.sweep()?;
        for (name, text) in &texts {
            let path = self.path.join(name);
            let temporary = self.path.join(format!(".{name}.{}.tmp", std::process::id()));
            staged.files.push(temporary.clone());
            write_through(&temporary, text).map_err(|source| FolderError::Write { path, source })?;
        }
        let mut written = Written { files: Vec::new() };
        for (temporary, (name, text)) in staged.files.clone().into_iter().zip(&texts) {
            let path = self.path.join(name);
            fs::rename(temporary, &path).map_err(|source| FolderError::Write { path: path.clone(), source })?;
            written.files.push((path, text.lines().count()));
        }
        staged.folder = None;
        Ok(written)
    }

    /// Says which number the first of the migrations gets: the one that it has where an earlier run died while it wrote
    /// them, else the next.
    fn first_number(&self, migrations: &[Migration]) -> Result<i64, FolderError> {
        let existing = self.migrations()?;
        let Some((newest, newest_name)) = existing.last() else { return Ok(1) };
        let text = |name: &str| fs::read_to_string(self.path.join(name)).unwrap_or_default();
        for left in (1..=migrations.len().min(existing.len())).rev() {
            let tail = &existing[existing.len() - left..];
            let is_ours = |((version, name), migration): (&(i64, String), &Migration)| {
                *name == up_name(*version, migration) && text(name) == migration.up
            };
            if tail.iter().zip(migrations).all(is_ours) {
                return Ok(tail[0].0);
            }
        }
        let snapshot = self.path.join(SNAPSHOT);
        if text(newest_name).contains(sql::SIGNATURE) && !snapshot.exists() {
            return Err(FolderError::NoSnapshot { path: snapshot, migration: newest_name.clone() });
        }
        Ok(newest + 1)
    }

    /// Removes what a run that was killed left under temporary names.
    fn sweep(&self) -> Result<(), FolderError> {
        for name in self.names()? {
            let ours = name.starts_with('.') && (name.contains(".sql.") || name.contains(SNAPSHOT));
            if ours && name.ends_with(".tmp") {
                let path = self.path.join(name);
                fs::remove_file(&path).map_err(|source| FolderError::Write { path, source })?;
            }
        }
        Ok(())
    }
}

fn up_name(version: i64, migration: &Migration) -> String {
    format!("{version:04}_{}.up.sql", migration.description)
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
}
