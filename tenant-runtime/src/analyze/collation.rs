//! Checks and lowers collations.

use super::{finding::Findings, ident};
use crate::model::{
    def::{ColumnDef, ScopeDef, SqlType, TableDef},
    schema::QualifiedName,
};

/// The schema of PostgreSQL's collations. Migrations read unqualified names only there.
const CATALOG: &str = "pg_catalog";
/// The name of the database's own collation, which the catalog does not list for a column.
const DEFAULT: &str = "default";

/// Lowers the collation of a column; `None` without one, or if it is invalid.
pub(super) fn collation(
    def: &TableDef,
    column: &ColumnDef,
    place: &str,
    findings: &mut Findings,
) -> Option<QualifiedName> {
    let text = column.collation?;
    let (schema, name) = text.split_once('.').unwrap_or((CATALOG, text));
    if !is_text(column.ty) {
        findings.error(
            place,
            format!("`collate = {text:?}` requires a column of a text type"),
            "remove `collate`; only texts have collations",
        );
    }
    if (schema, name) == (CATALOG, DEFAULT) {
        findings.error(
            place,
            "`collate = \"default\"` is the collation of the database, which columns have without `collate`",
            "remove `collate`, or write the name of a collation, such as `C` or `en-x-icu`",
        );
    }
    if let Some(what) = compared_by_policies(def, column) {
        findings.error(
            place,
            format!("`collate` is not allowed on {what} `{}`", column.name),
            "remove it: policies compare this column, and with some collations different texts are equal",
        );
    }
    let name = ident(name, "collate", place, findings)?;
    Some(QualifiedName { schema: ident(schema, "collate", place, findings)?, table: name })
}

/// Returns whether the values of a type are texts. The server knows the types that the attribute `sql_type` sets.
fn is_text(ty: SqlType) -> bool {
    match ty {
        SqlType::Text | SqlType::Labels(_) | SqlType::Custom(_) => true,
        SqlType::Array(element) => is_text(*element),
        _ => false,
    }
}

/// Returns what a column is if policies compare it with the context. With a nondeterministic collation, the IDs of two tenants
/// could be equal.
fn compared_by_policies(def: &TableDef, column: &ColumnDef) -> Option<&'static str> {
    let is_user = def.membership.is_some_and(|membership| membership.user == column.name);
    match def.scope {
        ScopeDef::Tenant { column: tenant } if tenant == column.name => Some("the tenant column"),
        _ if def.owner == Some(column.name) => Some("the owner column"),
        _ if is_user => Some("the user column"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::def::TenancyDef;

    static TENANCY: TenancyDef = TenancyDef::blank();

    #[test]
    fn a_collation_without_a_schema_is_one_of_postgresql() {
        let lowered = |text: &'static str| {
            let column = ColumnDef { collation: Some(text), ..ColumnDef::blank("name", SqlType::Text, false) };
            let def = TableDef::blank(&TENANCY);
            let mut findings = Findings::default();
            let found = collation(&def, &column, "", &mut findings).map(|name| name.quoted());
            (found, findings.has_errors())
        };
        assert_eq!(lowered("C"), (Some("pg_catalog.\"C\"".to_owned()), false));
        assert_eq!(lowered("app.By name"), (Some("app.\"By name\"".to_owned()), false));
        assert!(lowered("default").1);
    }
}
