//! The SQL of the sequences that the functions use.

use crate::model::schema::QualifiedName;

/// The numbers that a connection takes at once, so that no two connections count through the same ones.
pub(crate) const CACHE: i64 = 65_536;

/// Creates a sequence. No role but its owner gets a privilege on it.
pub(super) fn create(name: &QualifiedName) -> String {
    format!(
        "
-- Each connection takes the next {CACHE} numbers for itself.
CREATE SEQUENCE {} AS bigint CACHE {CACHE};
",
        name.quoted()
    )
}

/// Sets the options of an existing sequence.
pub(crate) fn options(quoted: &str) -> String {
    format!(
        "ALTER SEQUENCE {quoted} AS bigint INCREMENT BY 1 NO MINVALUE NO MAXVALUE START WITH 1 CACHE {CACHE} NO CYCLE;\n\
         ALTER SEQUENCE {quoted} SET LOGGED;"
    )
}

pub(super) fn drop(name: &QualifiedName) -> String {
    format!("DROP SEQUENCE {};\n", name.quoted())
}
