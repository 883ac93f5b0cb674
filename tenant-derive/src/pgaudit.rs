//! The `pgaudit` key of `tenancy!`: classes of statements to log.

use syn::LitStr;

use crate::{diag::Diag, name};

/// The classes that pgaudit supports.
const CLASSES: [&str; 8] = ["all", "ddl", "function", "misc", "misc_set", "read", "role", "write"];

/// Reads comma-separated classes, such as `ddl, role, write`; a `-` excludes a class.
pub(crate) fn classes(diag: &Diag, text: &LitStr) -> String {
    let value = text.value();
    for class in value.split(',').map(str::trim) {
        if !CLASSES.contains(&class.strip_prefix('-').unwrap_or(class)) {
            let near = name::nearest(&class.to_lowercase(), CLASSES).map(|near| format!("did you mean `{near}`? "));
            let known = CLASSES.map(|class| format!("`{class}`")).join(", ");
            let help = format!("{}valid classes are {known}, separated by commas", near.unwrap_or_default());
            diag.error(text, format!("unknown pgaudit class {class:?}"), help);
        }
    }
    value
}
