//! The snapshot: the schema that the migrations so far amount to, as a file beside them.
//!
//! It is text that a person can read and merge: one item a line, sorted, the same bytes for the same schema.

mod entry;
mod function;
mod layout;

use serde::{Deserialize, Serialize as _};

use self::{entry::SnapshotFile, layout::OneItemPerLine};
use crate::model::schema::Schema;

/// The format that this version writes.
const FORMAT: u32 = 1;

/// Writes a schema; one item a line, sorted, the same bytes for the same schema.
///
/// # Errors
///
/// Never for a schema that passed the check; the error of the JSON writer otherwise.
pub fn to_text(schema: &Schema) -> Result<String, SnapshotError> {
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut text, OneItemPerLine::default());
    SnapshotFile::from(schema).serialize(&mut writer)?;
    text.push(b'\n');
    String::from_utf8(text).map_err(|error| SnapshotError::Content(error.to_string()))
}

/// Reads a schema.
///
/// # Errors
///
/// When the text is not a snapshot of this format, or holds a name or an expression that is none.
pub fn from_text(text: &str) -> Result<Schema, SnapshotError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let Version { format } = serde_json::from_str(text)?;
    if format != FORMAT {
        return Err(SnapshotError::Format { format });
    }
    serde_json::from_str::<SnapshotFile>(text)?.try_into()
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
}
