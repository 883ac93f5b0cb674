//! Checks and lowers columns: names, types, defaults, tenant column and primary key.

use std::collections::BTreeSet;

use sqlparser::ast::Expr;

use super::{
    Known, collation, computed_column, counter, expression_columns, extensions,
    finding::{Findings, field_place, place},
    id_columns, ident, is_tenants_table, list,
    sql_expr::{self, Parsed},
    tenancy::Tenancy,
    unqualified_names,
};
use crate::model::{
    def::{ColumnDef, ScopeDef, SqlType, TableDef},
    schema::{Column, ColumnDefault, Expression},
};

/// The system columns of every table.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// Lowers the columns; `None` if the name or the type of a column is invalid.
pub(super) fn columns(def: &TableDef, tenancy: &Tenancy, findings: &mut Findings) -> Option<Vec<Column>> {
    let mut names = BTreeSet::new();
    let columns: Vec<_> = def
        .columns
        .iter()
        .filter_map(|column| {
            let place = field_place(def, column);
            let name = ident(column.name, "column", &place, findings)?;
            if !names.insert(column.name) {
                let (message, help) = same_name(def, column);
                findings.error(place, message, help);
                return None;
            }
            if SYSTEM_COLUMNS.contains(&column.name) {
                let message = format!("`{name}` is the name of a system column");
                findings.error(place, message, "give the column another name: `#[tenant(column = \"…\")]`");
                return None;
            }
            let ty = match column.ty {
                SqlType::Custom(text) => sql_expr::data_type(text)
                    .inspect(|ty| {
                        unqualified_names::check("sql_type", text, unqualified_names::in_type(ty), &place, findings);
                        extensions::check_type(text, ty, def.tenancy, &place, findings);
                        check_serial(text, &place, findings);
                    })
                    .map_err(|error| {
                        findings.error(
                            &place,
                            format!("`sql_type = {text:?}` {error}"),
                            "write a single SQL type, such as `numeric(10, 2)`",
                        );
                    })
                    .ok()?,
                ty => Expression::trusted(ty.name_in(def.tenancy.schema)),
            };
            let default = match column.is_computed() {
                true if column.counter => Some(counter::value(def, column, &place, findings)),
                true => computed_column::value(def, column, &place, findings),
                false => default(def, column, tenancy, &place, findings),
            };
            let collation = collation::collation(def, column, &place, findings);
            check_sensitive(def, column, &place, findings);
            let (comment, nullable, sensitive) = (column.doc.trim().to_owned(), column.nullable, column.sensitive);
            Some(Column { name, comment, ty, collation, nullable, default, sensitive })
        })
        .collect();
    (columns.len() == def.columns.len()).then_some(columns)
}

/// Describes a column name that occurs twice.
fn same_name(def: &TableDef, column: &ColumnDef) -> (String, &'static str) {
    let name = column.name;
    match def.parent_column().filter(|_| def.is_tenant_column(column)) {
        Some(parent) => (
            format!(
                "`{name}` is also the name of the tenant column, which `parent = \"{}\"` adds to the table",
                parent.field
            ),
            "give the field another column: `#[tenant(column = \"…\")]`; or, if the field holds the tenant ID, replace `parent` by \
             `org`",
        ),
        None => (
            format!("two fields map to the column `{name}`"),
            "give one of them another name: `#[tenant(column = \"…\")]`",
        ),
    }
}

/// Reports an abbreviation for an integer with a sequence: the sequence would not be declared.
fn check_serial(text: &str, place: &str, findings: &mut Findings) {
    let written = text.trim().trim_matches('"').to_ascii_lowercase();
    let ty = match written.as_str() {
        "smallserial" | "serial2" => "smallint",
        "serial" | "serial4" => "integer",
        "bigserial" | "serial8" => "bigint",
        _ => return,
    };
    findings.error(
        place,
        format!("`{written}` is not a type: it stands for `{ty}` with a sequence that is not declared"),
        format!("use `{ty}`; an integer key (`#[tenant(id)]`, without `sql_type`) is generated as an identity column"),
    );
}

/// Reports a tenant column without statistics: the policies compare it in every statement.
fn check_sensitive(def: &TableDef, column: &ColumnDef, place: &str, findings: &mut Findings) {
    if column.sensitive && def.is_tenant_column(column) {
        findings.error(
            place,
            format!("the tenant column `{}` cannot be `sensitive`: every plan depends on its statistics", column.name),
            "remove `sensitive`; set it on the columns whose values other tenants must not learn",
        );
    }
}

fn default(
    def: &TableDef,
    column: &ColumnDef,
    tenancy: &Tenancy,
    place: &str,
    findings: &mut Findings,
) -> Option<ColumnDefault> {
    if def.filled_tenant_column().is_some_and(|tenant| tenant.name == column.name) {
        let in_context = Expression::in_context(tenancy.def.tenant_setting, &tenancy.key_type);
        return Some(ColumnDefault::Expression(in_context));
    }
    match (column.default, column.ty) {
        (Some(text), ty) => match sql_expr::parsed(text) {
            Ok(Parsed { expression, tree }) => {
                check_default(text, &tree, ty, place, findings);
                let unqualified = unqualified_names::in_expression(&tree);
                unqualified_names::check("default", text, unqualified, place, findings);
                Some(ColumnDefault::Expression(expression))
            }
            Err(error) => {
                findings.error(place, format!("`default = {text:?}` {error}"), DEFAULT_HELP);
                None
            }
        },
        (None, SqlType::Uuid) if is_generated(def, column) => {
            Some(ColumnDefault::Expression(Expression::trusted("gen_random_uuid()")))
        }
        (None, SqlType::Int2 | SqlType::Int4 | SqlType::Int8) if is_generated(def, column) => {
            Some(ColumnDefault::Identity)
        }
        _ => None,
    }
}

const DEFAULT_HELP: &str =
    "write a single SQL expression, such as `now()`; put text in single quotes: `default = \"'todo'\"`";

/// Reports a default that PostgreSQL would reject, either when the column is created or at the first INSERT.
fn check_default(text: &str, default: &Expr, ty: SqlType, place: &str, findings: &mut Findings) {
    if let Some((_, column)) = expression_columns::columns(default).first() {
        let message = format!("`default = {text:?}` reads `{column}`, but a default cannot read columns");
        findings.error(place, message, DEFAULT_HELP);
    }
    if let (Some(labels), Some(label)) = (ty.labels(), expression_columns::string_constant(default))
        && !labels.labels.contains(&label.as_str())
    {
        let message = format!("`default = {text:?}` is not a label of the enum");
        findings.error(place, message, format!("its labels are {}", list(labels.labels.iter().copied())));
    }
}

/// Returns whether the database generates the column's values: the column is the whole primary key,
/// and its values have no other source.
fn is_generated(def: &TableDef, column: &ColumnDef) -> bool {
    // A primary key that is the tenant column gets its value from the context, or from the referenced tenant table.
    let from_context = def.is_tenant_column(column) && (def.insert.is_some() || column.references.is_some());
    column.id && !column.app_assigned && id_columns(def).len() == 1 && !from_context
}

/// Returns whether the database fills a column that an INSERT omits.
pub(super) fn is_filled_by_database(def: &TableDef, column: &ColumnDef) -> bool {
    let has_generator = matches!(column.ty, SqlType::Uuid | SqlType::Int2 | SqlType::Int4 | SqlType::Int8);
    column.may_be_left_out() || has_generator && is_generated(def, column)
}

/// Finds the tenant column: `Some(None)` if the table has none, `None` after an error.
#[expect(clippy::option_option, reason = "the outer `None` is an error, the inner one a table without a tenant column")]
pub(super) fn tenant(
    def: &'static TableDef,
    known: &Known,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Option<Option<&'static ColumnDef>> {
    let columns: &'static [ColumnDef] = def.columns;
    if let ScopeDef::Parent { column, .. } = def.scope {
        check_parent(def, column, known, findings)?;
    }
    let Some(name) = def.tenant_column() else { return Some(None) };
    let Some(column) = columns.iter().find(|column| column.name == name) else {
        findings.error(
            place(def),
            format!("the tenant column of `{}` is declared as `{name}`, but there is no such column", def.rust_name),
            format!("its columns are {}", list(def.columns.iter().map(|column| column.name))),
        );
        return None;
    };
    if column.nullable {
        findings.error(
            field_place(def, column),
            format!("a row with NULL in the tenant column `{name}` would belong to no tenant"),
            "use the key type itself instead of an `Option`, or make the table `global`",
        );
    }
    if column.ty != tenancy.def.key {
        findings.error(
            field_place(def, column),
            format!("the tenant column `{name}` does not have the type of the tenancy's key, {}", tenancy.key_type),
            "give the field the type of the tenancy's key",
        );
    }
    Some(Some(column))
}

/// Checks that each row of a table with `parent` has a parent, and gets its tenant from it; `None` if no tenant column can
/// be derived.
fn check_parent(def: &TableDef, column: &str, known: &Known, findings: &mut Findings) -> Option<()> {
    let found = def.parent_column();
    let target = found.and_then(|column| column.references).and_then(|reference| known.referenced(reference));
    let Some((_, target)) = target.filter(|(_, target)| target.tenant_column().is_some()) else {
        findings.error(
            place(def),
            format!(
                "`{}` gets its tenant from `{column}`, which does not reference a table with a tenant column",
                def.rust_name
            ),
            "add `references = …` to that field, with a struct that has `org = \"…\"` or `parent = \"…\"`",
        );
        return None;
    };
    if is_tenants_table(target) {
        findings.error(
            place(def),
            format!("`{}` gets its tenant from `{column}`, which references the tenant itself", def.rust_name),
            format!("replace `parent = \"{column}\"` by `org = \"{column}\"`"),
        );
        return None;
    }
    if found.is_some_and(|column| column.nullable) {
        findings.error(
            place(def),
            format!("a row of `{}` whose `{column}` is NULL would belong to no tenant", def.rust_name),
            "use the key type itself instead of an `Option`",
        );
    }
    Some(())
}

/// Checks the primary key; `None` if there is none.
pub(super) fn check_id(def: &TableDef, tenant: Option<&ColumnDef>, findings: &mut Findings) -> Option<()> {
    let ids = id_columns(def);
    if ids.is_empty() {
        findings.error(
            place(def),
            format!("`{}` has no primary key column", def.rust_name),
            "mark one field with `#[tenant(id)]`; for a primary key per tenant, mark the tenant column as well",
        );
        return None;
    }
    // The application assigns the values of such a key: without the tenant, a conflict would reveal another tenant's row.
    if let Some(tenant) = tenant.filter(|tenant| !tenant.id && ids.len() > 1) {
        findings.error(
            place(def),
            format!(
                "the primary key of `{}` has several columns, but not the tenant column `{}`",
                def.rust_name, tenant.name
            ),
            format!("mark `{}` with `#[tenant(id)]` as well", tenant.name),
        );
    }
    if let Some(column) = ids.iter().find(|column| column.nullable) {
        let message = format!("the primary key column `{}` is nullable", column.name);
        findings.error(field_place(def, column), message, "use the key type itself instead of an `Option`");
    }
    check_single_key(def, findings);
    Some(())
}

/// Requires a key of one column where a function or a policy identifies rows by it.
fn check_single_key(def: &TableDef, findings: &mut Findings) {
    let attribute = match () {
        () if def.invitation.is_some() => "invitation(…)",
        () if def.sign_up => "sign_up",
        () if matches!(def.scope, ScopeDef::Shared { .. }) => "visible_through",
        () => return,
    };
    if def.own_key().len() > 1 {
        findings.error(
            place(def),
            format!("`{attribute}` requires a primary key of one column, and that of `{}` has several", def.rust_name),
            "mark one field with `#[tenant(id)]`, and use `unique(…)` on the struct for the others",
        );
    }
}
