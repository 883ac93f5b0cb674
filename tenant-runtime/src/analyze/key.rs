//! Checks and lowers primary keys, unique constraints, indexes and partitions, and their names.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    column_ident,
    finding::{Findings, field_place, place},
    id_columns, list,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, SqlType, TableDef},
        schema::{ColumnDefault, Key, QualifiedName, Table},
    },
};

/// Lowers the primary key.
pub(super) fn primary_key(def: &TableDef) -> Key {
    Key {
        name: Ident::derived([def.name.table, "pkey"]),
        columns: id_columns(def).into_iter().map(|column| column_ident(column.name)).collect(),
    }
}

/// Checks the number of hash partitions.
pub(super) fn partitions(def: &TableDef, tenant: Option<&ColumnDef>, findings: &mut Findings) -> Option<u16> {
    let count = def.partitions?;
    let of_tenant = tenant.is_some_and(|tenant| id_columns(def).iter().any(|id| id.name == tenant.name));
    if !(2..=1024).contains(&count) {
        findings.error(
            place(def),
            format!("`partition_by_hash = {count}` is out of range"),
            "use a number from 2 to 1024, preferably a power of two",
        );
    }
    if !of_tenant {
        findings.error(
            place(def),
            format!("the primary key of the partitioned table `{}` must include the tenant column", def.rust_name),
            "mark the tenant column with `#[tenant(id)]` as well: a unique constraint must include the partition key",
        );
    }
    Some(count)
}

/// Lowers the unique constraints. On tenant tables each starts with the tenant column; otherwise a
/// duplicate error would reveal values of other tenants.
pub(super) fn uniques(def: &TableDef, tenant: Option<&ColumnDef>, findings: &mut Findings) -> Vec<Key> {
    let single = def.columns.iter().filter(|column| column.unique).map(|column| vec![column.name]);
    let sets = def.uniques.iter().filter_map(|set| known_columns(def, set, findings));
    let keys = single.chain(sets).map(|columns| key(def, tenant, &columns, "key"));
    keys.collect()
}

/// Lowers the declared indexes.
pub(super) fn indexes(def: &TableDef, tenant: Option<&ColumnDef>, findings: &mut Findings) -> Vec<Key> {
    for column in def.columns.iter().filter(|column| column.index && !is_leakproof(column.ty)) {
        findings.warning(
            field_place(def, column),
            format!("row-level security prevents the use of the index on `{}`", column.name),
            "the `=` operator of this type is not marked LEAKPROOF, so PostgreSQL checks the policy on every row first; add a column of \
             a plain type (text, numbers, uuid, dates) that is computed from this one, and index that column",
        );
    }
    let single = def.columns.iter().filter(|column| column.index).map(|column| vec![column.name]);
    let sets = def.indexes.iter().filter_map(|set| known_columns(def, set, findings));
    let keys = single.chain(sets).map(|columns| key(def, tenant, &columns, "idx"));
    // Invitations are looked up without a tenant. The index is not unique: a duplicate error would reveal a token.
    let token = def.invitation.map(|invitation| key(def, None, &[invitation.token], "idx"));
    keys.chain(token).collect()
}

fn known_columns(def: &TableDef, set: &[&'static str], findings: &mut Findings) -> Option<Vec<&'static str>> {
    let unknown: Vec<_> = set.iter().filter(|name| !def.columns.iter().any(|column| column.name == **name)).collect();
    if unknown.is_empty() {
        return Some(set.to_vec());
    }
    findings.error(
        place(def),
        format!("`{}` has no column {}", def.rust_name, list(unknown.into_iter().copied())),
        format!("its columns are {}", list(def.columns.iter().map(|column| column.name))),
    );
    None
}

fn key(def: &TableDef, tenant: Option<&ColumnDef>, columns: &[&str], suffix: &str) -> Key {
    let tenant = tenant.map(|tenant| tenant.name).filter(|tenant| !columns.contains(tenant));
    let columns: Vec<&str> = tenant.into_iter().chain(columns.iter().copied()).collect();
    Key { name: key_name(def.name.table, columns.iter().copied(), suffix), columns: idents(columns) }
}

fn key_name<'a>(table: &'a str, columns: impl IntoIterator<Item = &'a str>, suffix: &'a str) -> Ident {
    Ident::derived([table].into_iter().chain(columns).chain([suffix]))
}

fn idents<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Ident> {
    names.into_iter().map(column_ident).collect()
}

/// Adds `UNIQUE (tenant, id)` to each tenant table: this constraint is the target of foreign keys
/// that include the tenant column, and its index serves pagination by ID. Unreferenced tables get
/// the constraint too, so that adding a reference later does not require building an index.
pub(super) fn add_tenant_keys(tables: &mut BTreeMap<QualifiedName, Table>) {
    for (name, table) in tables {
        let Some(tenant) = table.tenant_column() else { continue };
        let ids: Vec<_> = table.primary_key.columns.iter().filter(|column| *column != tenant).collect();
        let [id] = ids[..] else { continue };
        let columns = vec![tenant.clone(), id.clone()];
        if table.primary_key.columns != columns && !table.uniques.iter().any(|key| key.columns == columns) {
            let key = key_name(name.table.as_str(), columns.iter().map(Ident::as_str), "key");
            table.uniques.push(Key { name: key, columns });
        }
    }
}

/// Adds the indexes that no constraint provides: for pagination of a tenant's rows by ID, and for each foreign key,
/// because deleting a referenced row would otherwise scan the whole table.
pub(super) fn add_indexes(tables: &mut BTreeMap<QualifiedName, Table>) {
    for (name, table) in tables {
        let mut needed: Vec<Vec<Ident>> = table.foreign_keys.iter().map(|key| key.columns.clone()).collect();
        if let Some(tenant) = table.tenant_column() {
            let id = table.primary_key.columns.iter().filter(|column| *column != tenant);
            needed.push([tenant].into_iter().chain(id).cloned().collect());
        }
        // An index also serves each prefix of its columns, so the indexes with the most columns come first.
        needed.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        for columns in needed {
            let keys = [&table.primary_key].into_iter().chain(&table.uniques).chain(&table.indexes);
            if !keys.into_iter().any(|key| key.columns.starts_with(&columns)) {
                let index = key_name(name.table.as_str(), columns.iter().map(Ident::as_str), "idx");
                table.indexes.push(Key { name: index, columns });
            }
        }
        table.indexes.sort_by(|a, b| a.columns.cmp(&b.columns));
    }
}

/// Reports two relations of a schema, or two constraints of a table, with the same name.
pub(super) fn check_names(tables: &BTreeMap<QualifiedName, Table>, findings: &mut Findings) {
    let mut relations: BTreeMap<(&Ident, Ident), String> = BTreeMap::new();
    for (name, table) in tables {
        let keys = [&table.primary_key].into_iter().chain(&table.uniques).chain(&table.indexes);
        let identities = table
            .columns
            .iter()
            .filter(|column| column.default == Some(ColumnDefault::Identity))
            .map(|column| Ident::derived([name.table.as_str(), column.name.as_str(), "seq"]));
        let named = [(name.table.clone(), format!("the table `{name}`"))]
            .into_iter()
            .chain(keys.map(|key| (key.name.clone(), format!("a constraint or index of `{name}`"))))
            .chain(identities.map(|sequence| (sequence, format!("a sequence of `{name}`"))));
        for (relation, what) in named {
            if let Some(other) = relations.insert((&name.schema, relation.clone()), what.clone()) {
                let message = match what == other {
                    true => format!("{what} is declared twice: `{relation}`"),
                    false => format!("{what} and {other} would have the same name, `{relation}`"),
                };
                findings.error("", message, "rename a table or a column, or remove the duplicate `unique` or `index`");
            }
        }
        let constraints = table.checks.iter().map(|check| &check.name);
        let constraints = constraints.chain(table.foreign_keys.iter().map(|key| &key.name));
        let keys = [&table.primary_key].into_iter().chain(&table.uniques).map(|key| &key.name);
        let mut seen: BTreeSet<_> = keys.chain(table.triggers.iter().map(|trigger| &trigger.name)).collect();
        for constraint in constraints {
            if !seen.insert(constraint) {
                findings.error(
                    "",
                    format!("two constraints of `{name}` would have the same name, `{constraint}`"),
                    "set another name on a check of the struct, `#[tenant(check(name = \"…\", condition = \"…\"))]`, or rename a \
                     column: `#[tenant(column = \"…\")]`",
                );
            }
        }
    }
}

/// Returns whether a type's `=` operator is LEAKPROOF, so that PostgreSQL can use an index on the column before it
/// checks the policies.
fn is_leakproof(ty: SqlType) -> bool {
    !matches!(ty, SqlType::Numeric | SqlType::Jsonb | SqlType::Array(_) | SqlType::Custom(_))
}
