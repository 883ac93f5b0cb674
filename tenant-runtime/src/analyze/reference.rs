//! Checks and lowers foreign keys: no foreign key can reference another tenant's rows, and no
//! cascade exceeds the privileges of a role.

use super::{
    Known, column_ident,
    finding::{Findings, field_place},
    row_id,
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, OnDelete, ReferenceDef, TableDef},
        schema::{ForeignKey, ForeignKeyAction, QualifiedName},
    },
};

/// Lowers the references of a table.
pub(super) fn foreign_keys(
    def: &TableDef,
    tenant: Option<&ColumnDef>,
    known: &Known,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Vec<ForeignKey> {
    let references = def.columns.iter().filter_map(|column| Some((column, column.references?)));
    references
        .filter_map(|(column, reference)| {
            foreign_key(def, tenant, column, reference, known, tenancy)
                .map_err(|(message, help)| findings.error(field_place(def, column), message, help))
                .ok()
        })
        .collect()
}

/// The message and the help of an error.
type Invalid = (String, String);

fn foreign_key(
    def: &TableDef,
    tenant: Option<&ColumnDef>,
    column: &ColumnDef,
    reference: ReferenceDef,
    known: &Known,
    tenancy: &Tenancy,
) -> Result<ForeignKey, Invalid> {
    let Some((target_name, target)) = known.referenced(reference) else {
        return Err((
            format!("`{}` references `{}`, which is not a registered table", column.name, reference.table),
            "name the crate of its struct in `models![…]`".into(),
        ));
    };
    let target_id = row_id(target).ok_or_else(|| {
        (format!("`{}` has no primary key column", target.rust_name), "mark one field with `#[tenant(id)]`".to_owned())
    })?;
    if target_id.ty != column.ty {
        return Err((
            format!("`{}` does not have the type of the primary key of `{}`", column.name, target.rust_name),
            "give both fields the same type".into(),
        ));
    }
    if target_id.collation != column.collation {
        return Err((
            format!("`{}` does not have the collation of the primary key of `{}`", column.name, target.rust_name),
            "give both fields the same `collate`: PostgreSQL cannot compare texts of different collations".into(),
        ));
    }
    let (columns, target_columns) = key_columns(tenant, column, target, target_id)?;
    let on_delete = match reference.on_delete {
        OnDelete::NoAction => ForeignKeyAction::NoAction,
        OnDelete::Cascade => {
            cascade_within_rights(def, target, tenancy)?;
            ForeignKeyAction::Cascade
        }
        OnDelete::SetNull if !column.nullable => {
            return Err((
                format!("`on_delete = \"set_null\"` requires a nullable column, and `{}` is NOT NULL", column.name),
                "make the field an `Option`, or use `on_delete = \"cascade\"` or `\"no_action\"`".into(),
            ));
        }
        OnDelete::SetNull => ForeignKeyAction::SetNull(column_ident(column.name)),
    };
    let idents = |names: &[&str]| names.iter().copied().map(column_ident).collect();
    Ok(ForeignKey {
        name: Ident::derived([def.name.table].into_iter().chain(columns.iter().copied()).chain(["fkey"])),
        columns: idents(&columns),
        target: QualifiedName::clone(target_name),
        target_columns: idents(&target_columns),
        on_delete,
        on_update: reference.on_update,
        deferral: reference.deferral,
    })
}

/// Returns the columns of a foreign key and the columns that they reference, with the tenant column
/// on both sides if both tables have one.
fn key_columns(
    tenant: Option<&ColumnDef>,
    column: &ColumnDef,
    target: &TableDef,
    target_id: &ColumnDef,
) -> Result<(Vec<&'static str>, Vec<&'static str>), Invalid> {
    let is_tenant_column = tenant.is_some_and(|tenant| tenant.name == column.name);
    let Some(target_tenant) = target.tenant_column() else {
        // The rows of the target belong to no tenant.
        return Ok((vec![column.name], vec![target_id.name]));
    };
    let Some(tenant) = tenant else {
        return Err((
            format!("a global table references `{}`, whose rows belong to tenants", target.rust_name),
            "a row that all tenants can read cannot reference a row of one tenant: make the table a tenant table"
                .into(),
        ));
    };
    match (target_tenant == target_id.name, is_tenant_column) {
        // Only the tenant column can reference the tenant table, and it can reference no other table.
        (true, true) => Ok((vec![column.name], vec![target_id.name])),
        (true, false) => Err((
            format!("`{}` references the tenant table `{}`", column.name, target.rust_name),
            "only the tenant column can reference it: a row of one tenant cannot reference another tenant".into(),
        )),
        (false, true) => Err((
            format!("the tenant column references `{}`, which is not the tenant table", target.rust_name),
            "reference the table whose `org` column is its primary key, or remove `references`".into(),
        )),
        // With the tenant column on both sides, a row cannot reference, or detect, a row of another tenant.
        (false, false) => Ok((vec![tenant.name, column.name], vec![target_tenant, target_id.name])),
    }
}

/// Requires that each role that can delete from the parent table can also delete from the child table:
/// PostgreSQL runs a cascade as the table owner, without checking the role's privileges on the child table.
///
/// The child's conditions (`using(delete)`, `visibility`, `owner`) do not restrict the cascade: a child row is part of
/// its parent row.
fn cascade_within_rights(def: &TableDef, target: &TableDef, tenancy: &Tenancy) -> Result<(), Invalid> {
    let is_system = |def: &TableDef| def.system.contains(&"delete");
    // The system role cannot have `delete` on the membership table, whose rows are deleted with the tenant.
    if is_system(target) && !is_system(def) && def.membership.is_none() {
        return Err((
            format!(
                "deleting from `{}` as the system role cascades to `{}`, on which the system role has no `delete`",
                target.rust_name, def.rust_name
            ),
            format!("add `delete` to `system(…)` on `{}`, or use `on_delete = \"no_action\"`", def.rust_name),
        ));
    }
    // `delete_own` on the child is not enough: the cascade deletes child rows of every owner.
    let [any, _] = def.removers();
    let can_delete = |role: &str| any.is_some_and(|required| tenancy.includes(role, required));
    let Some(deleter) = target.removers().into_iter().flatten().find(|role| !can_delete(role)) else {
        return Ok(());
    };
    // A deletion that keeps the row does not cascade.
    let verb = if target.soft_delete.is_some() { "purging" } else { "deleting" };
    let needed = if def.soft_delete.is_some() { "purge" } else { "delete" };
    Err((
        format!(
            "{verb} from `{}` as `{deleter}` cascades to `{}`, on which `{deleter}` has no `{needed}`",
            target.rust_name, def.rust_name
        ),
        format!(
            "add `{needed} = \"{deleter}\"` (or a role that it includes) to `{}`, or use `on_delete = \"no_action\"`",
            def.rust_name
        ),
    ))
}
