//! What pgaudit shall log, as `tenancy!` says it.

use syn::LitStr;

use crate::{diag::Diag, name};

/// The classes of statements that pgaudit knows.
const CLASSES: [&str; 8] = ["all", "ddl", "function", "misc", "misc_set", "read", "role", "write"];

/// Reads classes with commas between them, such as `ddl, role, write`; a `-` takes one out of those before it.
pub(crate) fn classes(diag: &Diag, text: &LitStr) -> String {
    let value = text.value();
    for class in value.split(',').map(str::trim) {
        if !CLASSES.contains(&class.strip_prefix('-').unwrap_or(class)) {
            let near = name::nearest(&class.to_lowercase(), CLASSES).map(|near| format!("did you mean `{near}`? "));
            let known = CLASSES.map(|class| format!("`{class}`")).join(", ");
            let help = format!("{}the classes are {known}, with commas between them", near.unwrap_or_default());
            diag.error(text, format!("pgaudit knows no class {class:?}"), help);
        }
    }
    value
}
