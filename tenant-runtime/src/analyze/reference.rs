//! Checks and lowers foreign keys: no foreign key can reference another tenant's rows, and no
//! cascade exceeds the privileges of a role.

use super::{
    Known, column_ident,
    finding::{Findings, field_place, place},
    list,
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, OnDelete, TableDef},
        def_access::Reference,
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
    check_listed(def, findings);
    let references = def.references().into_iter();
    references
        .filter_map(|reference| {
            let place = match reference.columns[..] {
                [column] => field_place(def, column),
                _ => place(def),
            };
            foreign_key(def, tenant, &reference, known, tenancy)
                .map_err(|(message, help)| findings.error(place, message, help))
                .ok()
        })
        .collect()
}

/// Checks the columns that `foreign_key(…)` lists.
fn check_listed(def: &TableDef, findings: &mut Findings) {
    for key in def.foreign_keys {
        for (at, name) in key.columns.iter().enumerate() {
            if !def.columns.iter().any(|column| column.name == *name) {
                findings.error(
                    place(def),
                    format!("`foreign_key(…)` of `{}` lists the column `{name}`, which does not exist", def.rust_name),
                    format!("its columns are {}", list(def.columns.iter().map(|column| column.name))),
                );
            } else if key.columns[..at].contains(name) || def.tenant_column() == Some(name) {
                findings.error(
                    place(def),
                    format!("`foreign_key(…)` of `{}` cannot list the column `{name}`", def.rust_name),
                    "list each column once, without the tenant column, which is part of every foreign key",
                );
            }
        }
    }
}

/// Returns the verb of a sentence about the referencing columns.
fn verb(columns: &[&ColumnDef]) -> &'static str {
    if columns.len() == 1 { "references" } else { "reference" }
}

/// The message and the help of an error.
type Invalid = (String, String);

fn foreign_key(
    def: &TableDef,
    tenant: Option<&ColumnDef>,
    reference: &Reference,
    known: &Known,
    tenancy: &Tenancy,
) -> Result<ForeignKey, Invalid> {
    let (own, to) = (&reference.columns, reference.to);
    let names = list(own.iter().map(|column| column.name));
    let Some((target_name, target)) = known.referenced(to) else {
        return Err((
            format!("{names} {} `{}`, which is not a registered table", verb(own), to.table),
            "name the crate of its struct in `models![…]`".into(),
        ));
    };
    let target_key = target.own_key();
    check_key(own, target, &target_key)?;
    let (columns, target_columns) = key_columns(tenant, own, target, &target_key)?;
    let nullable = || own.iter().filter(|column| column.nullable).map(|column| column.name);
    let idents = |names: &[&str]| names.iter().copied().map(column_ident).collect::<Vec<_>>();
    let on_delete = match to.on_delete {
        OnDelete::NoAction => ForeignKeyAction::NoAction,
        OnDelete::Cascade => {
            cascade_within_rights(def, target, tenancy)?;
            ForeignKeyAction::Cascade
        }
        OnDelete::SetNull if nullable().next().is_none() => {
            let are = if own.len() == 1 { "is" } else { "are" };
            return Err((
                format!("`on_delete = \"set_null\"` requires a nullable column, and {names} {are} NOT NULL"),
                "make the field an `Option`, or use `on_delete = \"cascade\"` or `\"no_action\"`".into(),
            ));
        }
        OnDelete::SetNull => ForeignKeyAction::SetNull(nullable().map(column_ident).collect()),
    };
    Ok(ForeignKey {
        name: Ident::derived([def.name.table].into_iter().chain(columns.iter().copied()).chain(["fkey"])),
        columns: idents(&columns),
        target: QualifiedName::clone(target_name),
        target_columns: idents(&target_columns),
        on_delete,
        on_update: to.on_update,
        deferral: to.deferral,
    })
}

/// Requires that the referencing columns have the number, the types and the collations of the key columns of the target.
fn check_key(own: &[&ColumnDef], target: &TableDef, target_key: &[&ColumnDef]) -> Result<(), Invalid> {
    let names = list(own.iter().map(|column| column.name));
    match (own, target_key) {
        (_, []) => {
            return Err((
                format!("`{}` has no primary key column", target.rust_name),
                "mark one field with `#[tenant(id)]`".to_owned(),
            ));
        }
        ([_], [_, _, ..]) => {
            return Err((
                format!("{names} references `{}`, whose primary key has several columns", target.rust_name),
                format!(
                    "replace `references` by `foreign_key(…, references = {})` on the struct, with a field for each of {}",
                    target.rust_name,
                    list(target_key.iter().map(|column| column.name))
                ),
            ));
        }
        _ if own.len() != target_key.len() => {
            return Err((
                format!(
                    "{names} cannot reference the primary key of `{}`, which consists of {}",
                    target.rust_name,
                    list(target_key.iter().map(|column| column.name))
                ),
                "list one field for each of these columns, in the same order; for a key of one column, write `references` on the field"
                    .to_owned(),
            ));
        }
        _ => {}
    }
    for (column, key) in own.iter().zip(target_key) {
        let of = match target_key {
            [_] => format!("the primary key of `{}`", target.rust_name),
            _ => format!("`{}` of `{}`", key.name, target.rust_name),
        };
        if key.ty != column.ty {
            return Err((
                format!("`{}` does not have the type of {of}", column.name),
                "give both fields the same type".into(),
            ));
        }
        if key.collation != column.collation {
            return Err((
                format!("`{}` does not have the collation of {of}", column.name),
                "give both fields the same `collate`: PostgreSQL cannot compare texts of different collations".into(),
            ));
        }
    }
    Ok(())
}

/// Returns the columns of a foreign key and the columns that they reference, with the tenant column
/// on both sides if both tables have one.
fn key_columns(
    tenant: Option<&ColumnDef>,
    own: &[&ColumnDef],
    target: &TableDef,
    target_key: &[&ColumnDef],
) -> Result<(Vec<&'static str>, Vec<&'static str>), Invalid> {
    let names = |columns: &[&ColumnDef]| columns.iter().map(|column| column.name).collect::<Vec<_>>();
    let is_tenant_column = tenant.is_some_and(|tenant| own.iter().any(|column| tenant.name == column.name));
    let Some(target_tenant) = target.tenant_column() else {
        // The rows of the target belong to no tenant.
        return Ok((names(own), names(target_key)));
    };
    let Some(tenant) = tenant else {
        return Err((
            format!("a global table references `{}`, whose rows belong to tenants", target.rust_name),
            "a row that all tenants can read cannot reference a row of one tenant: make the table a tenant table"
                .into(),
        ));
    };
    match (names(target_key) == [target_tenant], is_tenant_column) {
        // Only the tenant column can reference the tenant table, and it can reference no other table.
        (true, true) => Ok((names(own), names(target_key))),
        (true, false) => Err((
            format!("{} {} the tenant table `{}`", list(names(own)), verb(own), target.rust_name),
            "only the tenant column can reference it: a row of one tenant cannot reference another tenant".into(),
        )),
        (false, true) => Err((
            format!("the tenant column references `{}`, which is not the tenant table", target.rust_name),
            "reference the table whose `org` column is its primary key, or remove `references`".into(),
        )),
        // With the tenant column on both sides, a row cannot reference, or detect, a row of another tenant.
        (false, false) => {
            let with = |tenant, columns| [vec![tenant], columns].concat();
            Ok((with(tenant.name, names(own)), with(target_tenant, names(target_key))))
        }
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
