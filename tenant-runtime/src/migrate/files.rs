//! Lists the migration files of a folder by sqlx's rules. A file that sqlx would silently skip is an error.

use std::{collections::BTreeMap, ffi::OsString, fs, io, path::Path};

use sqlx::migrate::Migration;

/// A file with its name.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) migration: Migration,
}

/// The names of one migration's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) version: i64,
    /// The up file: `0002_x.up.sql`, or `0002_x.sql` for a migration without a down file.
    pub(crate) up: String,
    /// The down file: `0002_x.down.sql`.
    pub(crate) down: Option<String>,
}

impl Names {
    /// Returns the names of the files.
    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        [Some(&self.up), self.down.as_ref()].into_iter().flatten()
    }
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
    /// A number is 0, which stands for the state before the first migration.
    #[error(
        "`{name}` has the number 0, which `revert --to 0` uses for the state before the first migration\n  help: give it the next \
         number; the first migration has the number 1"
    )]
    Zero {
        /// The file.
        name: String,
    },
    /// A number is too large.
    #[error("the number of `{name}` is too large\n  help: give it the next number, such as 0002, or a timestamp")]
    TooLarge {
        /// The file.
        name: String,
    },
    /// The extension has capital letters, so sqlx skips the file.
    #[error(
        "`{name}` would never be applied: the ending is read only in lower case\n  help: rename it to `{}`",
        lower_ending(name)
    )]
    Ending {
        /// The file.
        name: String,
    },
    /// The name is not UTF-8.
    #[error(
        "the name of the file `{shown}` is not UTF-8\n  help: rename it with ASCII letters, such as to `0002_change.up.sql`"
    )]
    NameNotUtf8 {
        /// The name, in which invalid bytes are replaced.
        shown: String,
    },
    /// The text is not UTF-8.
    #[error(
        "`{name}` is not UTF-8: byte {byte} on line {line} is invalid\n  help: save it as UTF-8, such as with `iconv -f LATIN1 -t \
         UTF-8`"
    )]
    NotUtf8 {
        /// The file.
        name: String,
        /// The line.
        line: usize,
        /// The invalid byte, such as `0xE9`.
        byte: String,
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
    let mut names = raw_names(folder)?;
    // The names are sorted, so that of several errors, the same one is reported each time.
    names.sort();
    for name in names {
        let Some(name) = sql_name(name)? else { continue };
        let number = number(&name).ok_or_else(|| unnumbered(&name))?;
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

/// Returns the name of an SQL file; `None` for another file.
fn sql_name(name: OsString) -> Result<Option<String>, FilesError> {
    let shown = name.to_string_lossy().into_owned();
    // Temporary files of this program begin with a dot.
    if !shown.to_ascii_lowercase().ends_with(".sql") || shown.starts_with('.') {
        return Ok(None);
    }
    let name = name.into_string().map_err(|_| FilesError::NameNotUtf8 { shown })?;
    if lower_ending(&name) != name {
        return Err(FilesError::Ending { name });
    }
    Ok(Some(name))
}

/// Returns a name with its ending, such as `.up.sql`, in lower case.
fn lower_ending(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let ending = [".up.sql", ".down.sql", ".sql"].into_iter().find(|ending| lower.ends_with(ending));
    ending.map_or_else(|| name.to_owned(), |ending| format!("{}{ending}", &name[..name.len() - ending.len()]))
}

/// Returns the error about a name without a usable number.
fn unnumbered(name: &str) -> FilesError {
    let name = name.to_owned();
    let digits = name.split_once('_').map(|(digits, _)| digits).unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        FilesError::NoNumber { name }
    } else if digits.bytes().all(|byte| byte == b'0') {
        FilesError::Zero { name }
    } else {
        FilesError::TooLarge { name }
    }
}

/// Reads a file.
pub(crate) fn read(folder: &Path, name: &str) -> Result<String, FilesError> {
    String::from_utf8(fs::read(folder.join(name))?).map_err(|error| {
        let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        FilesError::NotUtf8 {
            name: name.to_owned(),
            line: bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1,
            byte: format!("0x{:02X}", bytes[at]),
        }
    })
}

/// Returns a text without byte order mark, with LF as line ending.
pub(crate) fn with_unix_lines(text: &str) -> String {
    text.trim_start_matches('\u{feff}').replace("\r\n", "\n")
}

/// Lists all files of a folder; none if the folder does not exist.
fn raw_names(folder: &Path) -> io::Result<Vec<OsString>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Lists the names of all files of a folder that are UTF-8; none if the folder does not exist.
#[cfg(feature = "generate")]
pub(crate) fn file_names(folder: &Path) -> io::Result<Vec<String>> {
    Ok(raw_names(folder)?.into_iter().filter_map(|name| name.into_string().ok()).collect())
}
