//! The snapshot: the schema that the migrations so far amount to, and which migrations those are, as a file beside them.
//!
//! It is text that a person can read and merge: one item a line, sorted, the same bytes for the same content. The last
//! lines list the files of all migrations with their hashes. Two branches that both added one change the same lines, so
//! that version control calls it a conflict; and what a merge or a hand made of the file is told by its checksum.

mod entry;
mod function;
mod layout;
mod role;
mod value;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize as _};
use sha2::{Digest as _, Sha256};

use self::{entry::SnapshotFile, layout::OneItemPerLine};
use crate::model::schema::Schema;

/// The format that this version writes.
const FORMAT: u32 = 3;

/// The migrations so far: what they amount to, and which files they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The schema.
    pub schema: Schema,
    /// The files' names, each with the [hash] of its text.
    pub files: BTreeMap<String, String>,
}

/// Writes a snapshot; one item a line, sorted, the same bytes for the same content.
///
/// # Errors
///
/// Never for a schema that passed the check; the error of the JSON writer otherwise.
pub fn to_text(snapshot: &Snapshot) -> Result<String, SnapshotError> {
    let mut file = SnapshotFile::from(snapshot);
    file.checksum = hash(&layout(&file)?);
    layout(&file)
}

/// Reads a snapshot.
///
/// # Errors
///
/// When the text is not a snapshot of this format, was merged or edited, or holds a name or an expression that is none.
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
    // Over the content rather than the bytes: line ends and blanks may change on the way through other tools.
    let written = std::mem::take(&mut file.checksum);
    if hash(&layout(&file)?) != written {
        return Err(SnapshotError::Edited);
    }
    file.try_into()
}

/// Returns the SHA-256 hash of a text, in hexadecimal digits.
#[must_use]
pub fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn layout(file: &SnapshotFile) -> Result<String, SnapshotError> {
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut text, OneItemPerLine::default());
    file.serialize(&mut writer)?;
    text.push(b'\n');
    String::from_utf8(text).map_err(|error| SnapshotError::Content(error.to_string()))
}

/// Says why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It was written by a version with another format.
    #[error("it has format {format}, and this version reads format {FORMAT}; use the version that wrote it")]
    Format {
        /// The format that it has.
        format: u32,
    },
    /// It is not what this version writes.
    #[error("it is not a snapshot: {0}; take it from version control again")]
    Json(#[from] serde_json::Error),
    /// A name or an expression in it is none.
    #[error("it holds something that the generator never writes: {0}; take it from version control again")]
    Content(String),
    /// Version control left both sides of a merge in it.
    #[error(
        "it holds both sides of a merge: two branches added migrations\n  help: run `gen-migrations rebase`, which keeps the \
         other branch's migrations and writes this branch's anew"
    )]
    Merging,
    /// Something else than the generator wrote it.
    #[error(
        "its checksum does not hold, so it was edited, or merged from two branches\n  help: take it from version control \
         again, that of the branch to keep after a merge, and run `gen-migrations rebase`"
    )]
    Edited,
}
