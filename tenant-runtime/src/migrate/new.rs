//! `new`: writes the up file and the down file of a hand-written migration as templates.

use super::{
    files,
    folder::{Folder, FolderError, Written},
};
use crate::{
    model::schema::{QualifiedName, Schema, Scope, Table},
    sql::CANNOT_BE_UNDONE,
};

/// Writes the files of a hand-written migration with the next number. `data` names a table whose rows the migration changes,
/// such as `app.projects`.
///
/// The next generation records the files in the snapshot, so they can be edited before.
///
/// ```no_run
/// use tenant_runtime::migrate::{folder::Folder, new::new};
///
/// let written = new(&Folder::new("migrations"), "fill_regions", Some("app.projects"))?;
/// for (path, _) in written.files {
///     println!("edit {}", path.display());
/// }
/// # Ok::<(), tenant_runtime::migrate::new::NewError>(())
/// ```
///
/// # Errors
///
/// - [`NewError::Name`] if the name has other characters than `a-z`, `0-9` and `_`, and [`NewError::Taken`] if a migration has
///   the name.
/// - [`NewError::NoMigration`] if no migration has created the schemas yet.
/// - [`NewError::NoSuchTable`] if no migration creates the table.
/// - [`NewError::Folder`] if the folder cannot be used, or a file cannot be written.
pub fn new(folder: &Folder, name: &str, data: Option<&str>) -> Result<Written, NewError> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || name.len() > 60 || !name.chars().all(is_word) {
        return Err(NewError::Name { name: name.to_owned() });
    }
    let contents = folder.contents()?;
    let mut stems = contents.files.migrations.iter().map(|names| files::stem(&names.up));
    if let Some(taken) = stems.find(|stem| stem.split_once('_').is_some_and(|(_, words)| words == name)) {
        return Err(NewError::Taken { name: name.to_owned(), taken: taken.to_owned() });
    }
    let schema = &contents.snapshot.schema;
    let Some(owner) = schema.owner() else { return Err(NewError::NoMigration) };
    let table = data.map(|data| find(schema, data)).transpose()?;
    let stem = format!("{:04}_{name}", contents.files.migrations.last().map_or(0, |names| names.version) + 1);
    let frame = |direction| frame(name, direction, &owner.name.quoted().to_string(), table);
    let written =
        [(format!("{stem}.up.sql"), frame(Direction::Up)), (format!("{stem}.down.sql"), frame(Direction::Down))];
    let mut out = folder.commit(&written, &[], &contents.snapshot)?;
    out.files.retain(|(path, _)| path.extension().is_some_and(|extension| extension == "sql"));
    Ok(out)
}

/// Finds a table of the snapshot by its name, with or without its schema.
fn find<'s>(schema: &'s Schema, name: &str) -> Result<(&'s QualifiedName, &'s Table), NewError> {
    let tables = || schema.tables().iter();
    let is_it = |table: &QualifiedName| table.to_string() == name || table.table.as_str() == name;
    let found: Vec<_> = tables().filter(|(table, _)| is_it(table)).collect();
    match found[..] {
        [(name, table)] => Ok((name, table)),
        _ => Err(NewError::NoSuchTable {
            name: name.to_owned(),
            tables: tables().map(|(table, _)| table.to_string()).collect::<Vec<_>>().join(", "),
        }),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// Writes a file without statements of its own.
fn frame(name: &str, direction: Direction, owner: &str, table: Option<(&QualifiedName, &Table)>) -> String {
    let mut out = match direction {
        Direction::Up => format!(
            "-- {name}: describe the change here.\n\
             -- The next run of gen-migrations records this file. Do not edit it after it has been applied to any database.\n"
        ),
        Direction::Down => format!(
            "{CANNOT_BE_UNDONE}its down file was not written yet\n\
             -- Replace the line above with the statements that revert {name}, or with the reason why that is impossible.\n"
        ),
    };
    out.push_str(&format!(
        "\n\
         -- The file runs in one transaction with row_security = off: a statement that policies would filter fails.\n\
         -- Fail instead of waiting for a lock: a waiting ALTER TABLE blocks all later queries on the table.\n\
         SET LOCAL lock_timeout = '5s';\n\
         -- The owner of the schemas and tables.\n\
         SET LOCAL ROLE {owner};\n"
    ));
    match table {
        Some((table, entry)) => out.push_str(&data(&table.quoted(), entry, direction)),
        None => out.push_str(
            "\n\
             -- To read or change rows, lift FORCE for the owner, here of app.projects:\n\
             -- ALTER TABLE app.projects NO FORCE ROW LEVEL SECURITY;\n\
             -- UPDATE app.projects SET …;\n\
             -- ALTER TABLE app.projects FORCE ROW LEVEL SECURITY;\n",
        ),
    }
    out.push_str("\n-- sqlx records the migration as the administrator.\nRESET ROLE;\n");
    out
}

/// Writes the frame of statements that change the rows of a table.
fn data(quoted: &str, table: &Table, direction: Direction) -> String {
    // The server assigns the values of identity columns and of generated columns.
    let written = table.columns.iter().filter(|column| !column.is_identity() && column.generated().is_none());
    let columns: Vec<_> = written.map(|column| column.name.quoted().to_string()).collect();
    let first = columns.first().map(String::as_str).unwrap_or_default();
    let example = match (&table.scope, direction) {
        (Scope::Global, Direction::Up) => {
            format!("-- INSERT INTO {quoted} ({}) VALUES\n--     (…)\n-- ON CONFLICT DO NOTHING;\n", columns.join(", "))
        }
        (Scope::Global, Direction::Down) => format!("-- DELETE FROM {quoted} WHERE {first} IN (…);\n"),
        _ => format!("-- UPDATE {quoted} SET … WHERE …;\n"),
    };
    format!(
        "\n\
         -- Policies of a table with FORCE ROW LEVEL SECURITY also apply to its owner. NO FORCE exempts only the owner.\n\
         ALTER TABLE {quoted} NO FORCE ROW LEVEL SECURITY;\n\
         \n\
         {example}\
         \n\
         -- Fire the deferred triggers now: ALTER TABLE fails while a table has pending trigger events.\n\
         SET CONSTRAINTS ALL IMMEDIATE;\n\
         ALTER TABLE {quoted} FORCE ROW LEVEL SECURITY;\n"
    )
}

/// The reason why no files were written.
///
/// ```no_run
/// use tenant_runtime::migrate::{folder::Folder, new::{NewError, new}};
///
/// if let Err(NewError::Taken { taken, .. }) = new(&Folder::new("migrations"), "fill_regions", None) {
///     eprintln!("see {taken}");
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NewError {
    /// The name cannot be part of a file name.
    #[error("`{name}` cannot be the name of a migration\n  help: use `a-z`, `0-9` and `_`, such as `fill_regions`")]
    Name {
        /// The name.
        name: String,
    },
    /// Another migration has the name.
    #[error(
        "the migration `{taken}` already has the name `{name}`\n  help: choose another name, such as `{name}_again`"
    )]
    Taken {
        /// The name.
        name: String,
        /// The other migration.
        taken: String,
    },
    /// There is no generated migration, so the roles and schemas do not exist.
    #[error("no migration creates the schemas and roles yet\n  help: run `gen-migrations` first")]
    NoMigration,
    /// No migration creates the table, or several schemas have one of the name.
    #[error("`{name}` is not one of the tables: {tables}\n  help: name one with its schema")]
    NoSuchTable {
        /// The name.
        name: String,
        /// The tables.
        tables: String,
    },
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
}
