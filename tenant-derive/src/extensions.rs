//! The `extensions` key of `tenancy!`: extensions and their schemas.

use syn::LitStr;

use crate::{diag::Diag, name};

/// Checks the names of the extensions and of their schemas. The generator checks that no schema belongs to the product.
pub(crate) fn check(diag: &Diag, list: &[(LitStr, LitStr)]) -> Vec<(String, String)> {
    for (index, (extension, schema)) in list.iter().enumerate() {
        let text = extension.value();
        if list[..index].iter().any(|(earlier, _)| earlier.value() == text) {
            diag.error(
                extension,
                format_args!("duplicate extension `{}`", name::shown(&text)),
                "remove one of the two",
            );
        }
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if let Some(problem) = name::problem(&text) {
            let help = "write the name as `CREATE EXTENSION` expects it, such as `citext`";
            diag.error(extension, format_args!("the extension name `{}` {problem}", name::shown(&text)), help);
        } else if !text.chars().all(is_plain) {
            let help = "write lower-case letters, digits, `_` and `-`, such as `citext` or `\"uuid-ossp\"`";
            diag.error(extension, format_args!("invalid extension name {text:?}"), help);
        }
        let text = schema.value();
        if let Some(problem) = name::problem(&text) {
            let help = "write a schema that contains only extensions, such as `ext`";
            diag.error(schema, format_args!("the schema name `{}` {problem}", name::shown(&text)), help);
        } else if text.starts_with("pg_") || text == "information_schema" {
            let help = "write a schema that contains only extensions, such as `ext`; the migrations create it";
            diag.error(schema, format_args!("the schema `{text}` belongs to PostgreSQL"), help);
        }
    }
    list.iter().map(|(extension, schema)| (extension.value(), schema.value())).collect()
}
