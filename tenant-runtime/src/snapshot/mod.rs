//! The snapshot: the schema that all migrations together produce, and a list of those migrations, in a file next to
//! them.
//!
//! The file is text, so that changes can be reviewed: it has one item per line, in sorted order, and the same content
//! always gives the same bytes. The last lines list the files of all migrations with their hashes. Two branches that
//! each add a migration change the same lines, so version control reports a conflict. A checksum detects a snapshot
//! that was merged or edited.

mod entry;
mod function;
mod layout;
mod policy;
mod role;
mod value;

use std::collections::BTreeMap;

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
    let mut file = SnapshotFile::from(snapshot);
    file.checksum = hash(&layout(&file)?);
    layout(&file)
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
    let Version { format } = serde_json::from_str(text)?;
    if format != FORMAT {
        return Err(SnapshotError::Format { format });
    }
    let mut file: SnapshotFile = serde_json::from_str(text)?;
    // The checksum covers the content, not the bytes, because other tools can change line endings and whitespace.
    let written = std::mem::take(&mut file.checksum);
    if hash(&layout(&file)?) != written {
        return Err(SnapshotError::Edited);
    }
    file.try_into()
}

/// Returns the SHA-256 hash of a string, in hexadecimal digits.
#[must_use]
pub fn hash(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn layout(file: &SnapshotFile) -> Result<String, SnapshotError> {
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut text, OneItemPerLine::default());
    file.serialize(&mut writer)?;
    text.push(b'\n');
    String::from_utf8(text).map_err(|error| SnapshotError::Content(error.to_string()))
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
