//! Rules about foreign keys: none reaches into another tenant, and none deletes more than its role may.

use super::{
    Known, column_ident,
    finding::{Findings, field_place},
    id_columns, row_id,
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, OnDelete, ReferenceDef, ScopeDef, TableDef},
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

/// What is wrong, and what to do.
type Wrong = (String, String);

fn foreign_key(
    def: &TableDef,
    tenant: Option<&ColumnDef>,
    column: &ColumnDef,
    reference: ReferenceDef,
    known: &Known,
    tenancy: &Tenancy,
) -> Result<ForeignKey, Wrong> {
    let Some((target_name, target)) = known.by_qualified_name.iter().find(|(_, target)| target.name == reference.table)
    else {
        return Err((
            format!("`{}` refers to `{}`, which is not among the tables of this run", column.name, reference.table),
            "name the crate that derives it in `models![…]`".into(),
        ));
    };
    let target_id = row_id(target).ok_or_else(|| {
        (format!("`{}` has no key to refer to", target.rust_name), "mark its key `#[tenant(id)]`".to_owned())
    })?;
    if target_id.ty != column.ty {
        return Err((
            format!("`{}` has another type than the key of `{}`", column.name, target.rust_name),
            "give both fields the same type".into(),
        ));
    }
    let is_tenant_column = tenant.is_some_and(|tenant| tenant.name == column.name);
    let (columns, target_columns) = match (tenant, target.scope) {
        // The tenant column may name the tenant's own row, in the table of tenants, and nothing else.
        (Some(_), ScopeDef::Tenant { column: root }) if root == target_id.name => {
            if !is_tenant_column {
                return Err((
                    format!("`{}` refers to `{}`, the table of the tenants themselves", column.name, target.rust_name),
                    "only the tenant column may: a row of one tenant cannot name another tenant".into(),
                ));
            }
            (vec![column.name], vec![target_id.name])
        }
        (Some(_), ScopeDef::Tenant { .. } | ScopeDef::Parent { .. }) if is_tenant_column => {
            return Err((
                format!("the tenant column refers to `{}`, which is not the table of the tenants", target.rust_name),
                "let it refer to the table whose `org` is its own key, or drop `references`".into(),
            ));
        }
        // With the tenant column on both sides no row can name, or learn of, a row of another tenant.
        (Some(tenant), ScopeDef::Tenant { column: target_tenant }) => {
            (vec![tenant.name, column.name], vec![target_tenant, target_id.name])
        }
        (_, ScopeDef::Global | ScopeDef::Shared { .. }) => (vec![column.name], vec![target_id.name]),
        // Two tenants may have rows of that key, and no foreign key refers to what is not unique.
        (None, ScopeDef::Tenant { .. })
            if def.scope == (ScopeDef::Parent { column: column.name }) && id_columns(target).len() > 1 =>
        {
            return Err((
                format!(
                    "the key of `{}`, by which `{}` knows its tenant, is one within a tenant only",
                    target.rust_name, def.rust_name
                ),
                format!("give `{}` an `org = \"…\"` of its own in place of `parent`", def.rust_name),
            ));
        }
        // The policies make sure that the parent is the tenant's.
        (None, ScopeDef::Tenant { .. }) if def.scope == (ScopeDef::Parent { column: column.name }) => {
            (vec![column.name], vec![target_id.name])
        }
        (_, ScopeDef::Parent { .. }) | (None, ScopeDef::Tenant { .. })
            if matches!(def.scope, ScopeDef::Parent { .. } | ScopeDef::Tenant { .. }) =>
        {
            return Err((
                format!("`{}` could name a row of `{}` that belongs to another tenant", column.name, target.rust_name),
                "a foreign key holds tenants apart by their column: give both structs `org = \"…\"`".into(),
            ));
        }
        (None, ScopeDef::Tenant { .. } | ScopeDef::Parent { .. }) | (Some(_), ScopeDef::Parent { .. }) => {
            return Err((
                format!("a global table refers to `{}`, whose rows belong to tenants", target.rust_name),
                "a row that all tenants see cannot name a row that one of them sees: make the table a tenant table"
                    .into(),
            ));
        }
    };
    let on_delete = match reference.on_delete {
        OnDelete::NoAction => ForeignKeyAction::NoAction,
        OnDelete::Cascade => {
            cascade_within_rights(def, target, tenancy)?;
            ForeignKeyAction::Cascade
        }
        OnDelete::SetNull if !column.nullable => {
            return Err((
                format!("`{}` cannot become NULL when the row that it names is deleted", column.name),
                "make the field an `Option`, or take `on_delete = \"cascade\"` or `\"refuse\"`".into(),
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
    })
}

/// PostgreSQL runs a cascade as the table's owner, past the privileges on the child: so whoever may delete the parent must
/// be someone who may delete the child too.
fn cascade_within_rights(def: &TableDef, target: &TableDef, tenancy: &Tenancy) -> Result<(), Wrong> {
    // Who may delete none but rows of its own deletes with them what hangs on them, whoever owns that.
    let may = |deleter: &str| def.delete.is_some_and(|needed| tenancy.includes(deleter, needed));
    let Some(deleter) = [target.delete, target.delete_own].into_iter().flatten().find(|deleter| !may(deleter)) else {
        return Ok(());
    };
    Err((
        format!(
            "deleting a `{}` as `{deleter}` would delete rows of `{}`, which `{deleter}` may not delete",
            target.rust_name, def.rust_name
        ),
        format!(
            "add `delete = \"{deleter}\"` (or a lower role) to `{}`, or take `on_delete = \"refuse\"`",
            def.rust_name
        ),
    ))
}
