//! The snapshot: the schema that all migrations together produce, and a list of those migrations, in a file next to
//! them.
//!
//! The file is text, so that changes can be reviewed: it has one item per line, in sorted order, and the same content
//! always gives the same bytes. The last lines list the files of all migrations with their hashes. Two branches that
//! each add a migration change the same lines, so version control reports a conflict. A checksum detects a snapshot
//! that was merged or edited.

mod column;
mod entry;
mod enum_type;
mod function;
mod index;
mod key;
mod layout;
mod policy;
mod role;
mod value;

use std::{
    collections::BTreeMap,
    io::{BufWriter, Write},
};

use serde::{Deserialize, Serialize as _};
use sha2::{Digest as _, Sha256};

use self::{entry::SnapshotFile, layout::OneItemPerLine};
use crate::hex::hex;
use crate::model::schema::Schema;

/// The format version that this version of the crate writes and reads.
const FORMAT: u32 = 4;

/// The schema that the migrations produce, and the migration files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The schema.
    pub schema: Schema,
    /// The names of the files, each with the [hash] of its content.
    pub files: BTreeMap<String, String>,
}

/// Writes a snapshot with one item per line, in sorted order; the same content always gives the same bytes.
///
/// # Errors
///
/// The error of the JSON writer, which does not occur for a schema that [`analyze`](crate::analyze) has returned.
pub fn to_text(snapshot: &Snapshot) -> Result<String, SnapshotError> {
    let mut text = Vec::new();
    layout(&SnapshotFile::from(snapshot), &mut text)?;
    let mut text = String::from_utf8(text).map_err(|error| SnapshotError::Content(error.to_string()))?;
    let checksum = hash(&text);
    // The checksum is the last value of the file, and is empty in the text that it covers.
    let end = text.rfind('"').unwrap_or_default();
    text.insert_str(end, &checksum);
    Ok(text)
}

/// Reads a snapshot.
///
/// # Errors
///
/// If the text is not a snapshot in this format, was merged or edited, or contains an invalid name, expression or kind.
pub fn from_text(text: &str) -> Result<Snapshot, SnapshotError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    if text.lines().any(|line| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ")) {
        return Err(SnapshotError::Merging);
    }
    let file = serde_json::from_str::<SnapshotFile>(text);
    // A file of another format can have other fields, so its format is the error.
    let format = match &file {
        Ok(file) => file.format,
        Err(_) => serde_json::from_str::<Version>(text)?.format,
    };
    if format != FORMAT {
        return Err(SnapshotError::Format { format });
    }
    let mut file = file?;
    // The checksum covers the content, not the bytes, because other tools can change line endings and whitespace.
    let written = std::mem::take(&mut file.checksum);
    let mut hasher = Sha256::new();
    layout(&file, &mut BufWriter::new(&mut hasher))?;
    if hex(&hasher.finalize()) != written {
        return Err(SnapshotError::Edited);
    }
    file.try_into()
}

/// Returns the SHA-256 hash of a string, in hexadecimal digits.
#[must_use]
pub fn hash(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn layout(file: &SnapshotFile, out: &mut impl Write) -> Result<(), SnapshotError> {
    file.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, OneItemPerLine::default()))?;
    // The writers above keep the bytes in memory.
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(|error| SnapshotError::Content(error.to_string()))
}

/// The reason why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A different version of the crate wrote the snapshot, in a different format.
    #[error(
        "it has format {format}, but this version reads format {FORMAT}\n  help: use the version of tenant-runtime that wrote it"
    )]
    Format {
        /// The format of the snapshot.
        format: u32,
    },
    /// The snapshot is not JSON, or has an unknown or missing field.
    #[error("it is not a snapshot: {0}\n  help: restore the file from version control")]
    Json(#[from] serde_json::Error),
    /// A name, an expression or a kind in the snapshot is invalid.
    #[error("it contains an invalid value: {0}\n  help: restore the file from version control")]
    Content(String),
    /// The snapshot contains the conflict markers of a merge.
    #[error(
        "it contains merge conflict markers: two branches added migrations\n  help: run `gen-migrations rebase`, which keeps \
         the other branch's migrations and generates this branch's again"
    )]
    Merging,
    /// The snapshot's checksum does not match its content.
    #[error(
        "its checksum does not match: the file was edited, or merged from two branches\n  help: restore the file from version \
         control, after a merge from the branch to keep, and run `gen-migrations rebase`"
    )]
    Edited,
}
