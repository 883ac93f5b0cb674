//! Lists the migration files of a folder by sqlx's rules. A file that sqlx would silently skip is an error.

use std::{collections::BTreeMap, fs, io, path::Path};

/// The names of one migration's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) version: i64,
    /// The up file: `0002_x.up.sql`, or `0002_x.sql` for a migration without a down file.
    pub(crate) up: String,
    /// The down file: `0002_x.down.sql`.
    pub(crate) down: Option<String>,
}

/// Returns a file's name without `.up.sql`, `.down.sql` or `.sql`.
pub(crate) fn stem(name: &str) -> &str {
    let stem = name.strip_suffix(".sql").unwrap_or(name);
    stem.strip_suffix(".up").or_else(|| stem.strip_suffix(".down")).unwrap_or(stem)
}

/// Returns a migration's number.
pub(crate) fn number(name: &str) -> Option<i64> {
    name.split_once('_')?.0.parse().ok().filter(|number| *number > 0)
}

/// The reason why the files of a folder cannot be used as migrations.
///
/// ```
/// use tenant_runtime::migrate::FilesError;
///
/// let error = FilesError::NoNumber { name: "projects.sql".into() };
/// assert!(error.to_string().contains("0002_projects.sql"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// The folder cannot be listed.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// A name has no number.
    #[error(
        "`{name}` does not begin with a number and `_`, so it would never be applied\n  help: rename it, such as to \
         `0002_{name}`, or move it out of the folder"
    )]
    NoNumber {
        /// The file.
        name: String,
    },
    /// Two files have the same number.
    #[error(
        "`{one}` and `{other}` have the same number\n  help: if two branches added one each, run `gen-migrations rebase`; \
         otherwise give one of them the next number"
    )]
    SameNumber {
        /// One of the files.
        one: String,
        /// The other file.
        other: String,
    },
    /// A down file has no up file.
    #[error(
        "`{name}` is a down file without its up file `{stem}.up.sql`\n  help: restore the up file from version control, or \
         delete the down file",
        stem = stem(name)
    )]
    OnlyDown {
        /// The file.
        name: String,
    },
}

/// Lists the migrations of a folder by number; none if the folder does not exist.
pub(crate) fn list(folder: &Path) -> Result<Vec<Names>, FilesError> {
    let mut migrations: BTreeMap<i64, Names> = BTreeMap::new();
    for names in list_all(folder)? {
        let up = names.up.clone();
        if let Some(twin) = migrations.insert(names.version, names) {
            return Err(FilesError::SameNumber { one: twin.up, other: up });
        }
    }
    Ok(migrations.into_values().collect())
}

/// Lists the migrations of a folder by number and name, including those with the same number.
pub(crate) fn list_all(folder: &Path) -> Result<Vec<Names>, FilesError> {
    let (mut ups, mut downs) = (BTreeMap::new(), BTreeMap::new());
    let mut names = file_names(folder)?;
    // The names are sorted, so that of several errors, the same one is reported each time.
    names.sort();
    for name in names.into_iter().filter(|name| name.ends_with(".sql")) {
        let Some(number) = number(&name) else { return Err(FilesError::NoNumber { name }) };
        let files = if name.ends_with(".down.sql") { &mut downs } else { &mut ups };
        if let Some(other) = files.insert((number, stem(&name).to_owned()), name.clone()) {
            return Err(FilesError::SameNumber { one: other, other: name });
        }
    }
    let migrations = ups.into_iter().map(|(key, up)| Names { version: key.0, up, down: downs.remove(&key) }).collect();
    match downs.into_values().next() {
        Some(name) => Err(FilesError::OnlyDown { name }),
        None => Ok(migrations),
    }
}

/// Lists all files of a folder; none if the folder does not exist.
pub(crate) fn file_names(folder: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
