//! Checks and lowers the extensions.

use std::collections::BTreeMap;

use super::{finding::Findings, tenancy::Tenancy, unqualified_names};
use crate::{
    ident::Ident,
    model::{
        def::TenancyDef,
        schema::{Expression, Function, QualifiedName, Table},
    },
};

const HELP: &str = "write a schema that contains only extensions, such as `ext`; the migrations create it";

/// The types of widely used extensions.
const TYPES: [(&str, &[&str]); 7] = [
    ("citext", &["citext"]),
    ("cube", &["cube"]),
    ("hstore", &["hstore"]),
    ("ltree", &["ltree", "lquery", "ltxtquery"]),
    ("postgis", &["geometry", "geography"]),
    ("seg", &["seg"]),
    ("vector", &["vector", "halfvec", "sparsevec"]),
];

/// Reports a type of an extension whose schema is not that of a declared extension: statements would not find its operators.
pub(super) fn check_type(text: &str, ty: &Expression, tenancy: &TenancyDef, place: &str, findings: &mut Findings) {
    let Some((schema, name)) = unqualified_names::qualified_type(ty) else { return };
    let extension = TYPES.iter().find(|(_, names)| names.contains(&name.as_str())).map(|(extension, _)| extension);
    if let Some(extension) = extension.filter(|_| !tenancy.extension_schemas().contains(&schema.as_str())) {
        findings.warning(
            place,
            format!("`sql_type = {text:?}`: statements do not find the operators of this type, because no declared extension is in the \
                     schema `{schema}`"),
            format!("add `extensions: {{ {extension}: \"{schema}\" }}` to `tenancy!`"),
        );
    }
}

/// Lowers the extensions, each with its schema, and lets the functions find the operators of the extensions.
pub(super) fn extensions(
    tenancy: &Tenancy,
    tables: &BTreeMap<QualifiedName, Table>,
    functions: &mut BTreeMap<QualifiedName, Function>,
    findings: &mut Findings,
) -> BTreeMap<Ident, Ident> {
    let mut extensions = BTreeMap::new();
    for declared in tenancy.def.extensions {
        let mut ident = |what: &str, name: &str| {
            Ident::new(name)
                .map_err(|error| {
                    findings.error("", format!("{what} name: {error}"), "correct `extensions` in `tenancy!`")
                })
                .ok()
        };
        let (Some(name), Some(schema)) = (ident("extension", declared.name), ident("schema", declared.schema)) else {
            continue;
        };
        if schema.as_str().starts_with("pg_") || schema.as_str() == "information_schema" {
            findings.error("", format!("the schema `{schema}` of the extension `{name}` belongs to PostgreSQL"), HELP);
        }
        if tables.keys().chain(functions.keys()).any(|own| own.schema == schema) {
            let message =
                format!("the schema `{schema}` of the extension `{name}` contains tables or functions of the product");
            findings.error("", message, HELP);
        }
        if extensions.insert(name.clone(), schema).is_some() {
            findings.error("", format!("the extension `{name}` is declared twice"), "remove one of the two");
        }
    }
    let mut schemas: Vec<Ident> = extensions.values().cloned().collect();
    schemas.sort();
    schemas.dedup();
    for function in functions.values_mut() {
        function.extension_schemas.clone_from(&schemas);
    }
    extensions
}
