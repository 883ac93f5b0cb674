//! Checks and lowers primary keys and partitions, adds the keys and indexes that every table needs, and checks the names.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    column_ident,
    finding::{Findings, place},
    id_columns,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, TableDef},
        schema::{ColumnDefault, Index, Key, QualifiedName, Table},
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
            match def.filled_tenant_column() {
                Some(_) => "replace `parent` by `org`, and mark the tenant column with `#[tenant(id)]`: a unique constraint must include \
                            the partition key",
                None => "mark the tenant column with `#[tenant(id)]` as well: a unique constraint must include the partition key",
            },
        );
    }
    Some(count)
}

pub(super) fn key_name<'a>(table: &'a str, columns: impl IntoIterator<Item = &'a str>, suffix: &'a str) -> Ident {
    Ident::derived([table].into_iter().chain(columns).chain([suffix]))
}

/// Adds `UNIQUE (tenant, id)` to each tenant table whose primary key lacks the tenant column: this constraint is the target of foreign keys
/// that include the tenant column, and its index serves pagination by ID. Unreferenced tables get
/// the constraint too, so that adding a reference later does not require building an index.
pub(super) fn add_tenant_keys(tables: &mut BTreeMap<QualifiedName, Table>) {
    for (name, table) in tables {
        let Some(tenant) = table.tenant_column() else { continue };
        let ids: Vec<_> = table.primary_key.columns.iter().filter(|column| *column != tenant).cloned().collect();
        if ids.is_empty() {
            continue;
        }
        let columns = [vec![tenant.clone()], ids].concat();
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
            let keys = [&table.primary_key].into_iter().chain(&table.uniques).map(|key| key.columns.iter().collect());
            let keys = keys.chain(table.indexes.iter().filter_map(Index::plain_columns));
            let serves =
                |key: Vec<&Ident>| key.len() >= columns.len() && columns.iter().eq(key.into_iter().take(columns.len()));
            if !keys.into_iter().any(serves) {
                let index = key_name(name.table.as_str(), columns.iter().map(Ident::as_str), "idx");
                table.indexes.push(Index::of_columns(index, columns));
            }
        }
        table.indexes.sort_by(|a, b| a.columns().cmp(b.columns()).then_with(|| a.name.cmp(&b.name)));
    }
}

/// Reports two relations of a schema, or two constraints of a table, with the same name.
pub(super) fn check_names(tables: &BTreeMap<QualifiedName, Table>, findings: &mut Findings) {
    let mut relations: BTreeMap<(&Ident, Ident), String> = BTreeMap::new();
    for (name, table) in tables {
        let keys = [&table.primary_key].into_iter().chain(&table.uniques).map(|key| &key.name);
        let keys = keys.chain(table.indexes.iter().map(|index| &index.name));
        let identities = table
            .columns
            .iter()
            .filter(|column| column.default == Some(ColumnDefault::Identity))
            .map(|column| Ident::derived([name.table.as_str(), column.name.as_str(), "seq"]));
        let named = [(name.table.clone(), format!("the table `{name}`"))]
            .into_iter()
            .chain(keys.map(|key| (key.clone(), format!("a constraint or index of `{name}`"))))
            .chain(identities.map(|sequence| (sequence, format!("a sequence of `{name}`"))));
        for (relation, what) in named {
            if let Some(other) = relations.insert((&name.schema, relation.clone()), what.clone()) {
                let message = match what == other {
                    true => format!("{what} is declared twice: `{relation}`"),
                    false => format!("{what} and {other} would have the same name, `{relation}`"),
                };
                findings.error("", message, "rename a table or a column, remove the duplicate `unique` or `index`, or set another name: `unique(…, name = \"…\")`");
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
