//! Rules about keys and indexes: what is unique, what is indexed, and what they are called.

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

/// Judges into how many partitions a table is hashed.
pub(super) fn partitions(def: &TableDef, tenant: Option<&ColumnDef>, findings: &mut Findings) -> Option<u16> {
    let count = def.partitions?;
    let of_tenant = tenant.is_some_and(|tenant| id_columns(def).iter().any(|id| id.name == tenant.name));
    if !(2..=1024).contains(&count) {
        findings.error(
            place(def),
            format!("`partition_by_hash = {count}` makes no sense"),
            "take 2 to 1024, best a power of two",
        );
    }
    if !of_tenant {
        findings.error(
            place(def),
            format!("the key of `{}` must hold its tenant column, by which it is partitioned", def.rust_name),
            "mark the tenant column `#[tenant(id)]` beside the key: PostgreSQL keeps no key unique across partitions",
        );
    }
    Some(count)
}

/// Lowers the unique constraints; on tenant tables each starts with the tenant column, or it would tell what others have.
pub(super) fn uniques(def: &TableDef, tenant: Option<&ColumnDef>, findings: &mut Findings) -> Vec<Key> {
    let single = def.columns.iter().filter(|column| column.unique).map(|column| vec![column.name]);
    let sets = def.uniques.iter().filter_map(|set| known_columns(def, set, findings));
    let keys = single.chain(sets).map(|columns| key(def, tenant, &columns, "key"));
    keys.collect()
}

/// Lowers the indexes that were asked for.
pub(super) fn indexes(def: &TableDef, tenant: Option<&ColumnDef>, findings: &mut Findings) -> Vec<Key> {
    for column in def.columns.iter().filter(|column| column.index && !is_leakproof(column.ty)) {
        findings.warning(
            field_place(def, column),
            format!("row level security keeps the index on `{}` from being used", column.name),
            "the `=` of this type is not marked LEAKPROOF, so PostgreSQL checks the policy on every row first; index a \
             column of a plain type (text, numbers, uuid, dates) that is computed from it",
        );
    }
    let single = def.columns.iter().filter(|column| column.index).map(|column| vec![column.name]);
    let sets = def.indexes.iter().filter_map(|set| known_columns(def, set, findings));
    let keys = single.chain(sets).map(|columns| key(def, tenant, &columns, "idx"));
    // Whoever takes an invitation names no tenant. The index is not unique, so it tells nobody that a token is there.
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

/// Adds `UNIQUE (tenant, id)` to each table of tenants' rows: it lists them in the order of their ids, and a foreign key that
/// cannot leave the tenant refers to it. A table to which nothing refers yet has it too, or the first that does would have to
/// wait for an index to be built.
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

/// Adds the indexes that no key serves already: for listing a tenant's rows in the order of their ids, and for each foreign
/// key, without which deleting a row elsewhere reads the whole table.
pub(super) fn add_indexes(tables: &mut BTreeMap<QualifiedName, Table>) {
    for (name, table) in tables {
        let mut wanted: Vec<Vec<Ident>> = table.foreign_keys.iter().map(|key| key.columns.clone()).collect();
        if let Some(tenant) = table.tenant_column() {
            let id = table.primary_key.columns.iter().filter(|column| *column != tenant);
            wanted.push([tenant].into_iter().chain(id).cloned().collect());
        }
        // A longer index serves a shorter wish, so the longest are looked at first.
        wanted.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        for columns in wanted {
            let keys = [&table.primary_key].into_iter().chain(&table.uniques).chain(&table.indexes);
            if !keys.into_iter().any(|key| key.columns.starts_with(&columns)) {
                let index = key_name(name.table.as_str(), columns.iter().map(Ident::as_str), "idx");
                table.indexes.push(Key { name: index, columns });
            }
        }
        table.indexes.sort_by(|a, b| a.columns.cmp(&b.columns));
    }
}

/// Refuses two relations, or two constraints of a table, of one name.
pub(super) fn check_names(tables: &BTreeMap<QualifiedName, Table>, findings: &mut Findings) {
    let mut relations: BTreeMap<(&Ident, Ident), String> = BTreeMap::new();
    for (name, table) in tables {
        let keys = [&table.primary_key].into_iter().chain(&table.uniques).chain(&table.indexes);
        let identities = table
            .columns
            .iter()
            .filter(|column| column.default == Some(ColumnDefault::Identity))
            .map(|column| Ident::derived([name.table.as_str(), column.name.as_str(), "seq"]));
        let own = [(name.table.clone(), format!("the table `{name}`"))]
            .into_iter()
            .chain(keys.map(|key| (key.name.clone(), format!("a key or index of `{name}`"))))
            .chain(identities.map(|sequence| (sequence, format!("a sequence of `{name}`"))));
        for (relation, what) in own {
            if let Some(other) = relations.insert((&name.schema, relation.clone()), what.clone()) {
                let message = match what == other {
                    true => format!("{what} would be there twice: `{relation}`"),
                    false => format!("{what} and {other} would both be called `{relation}`"),
                };
                findings.error(
                    "",
                    message,
                    "rename a table or a column, or leave out a `unique` or `index` that stands twice",
                );
            }
        }
        let constraints = table.checks.iter().map(|check| &check.name);
        let constraints = constraints.chain(table.foreign_keys.iter().map(|key| &key.name));
        let mut seen = BTreeSet::new();
        for constraint in constraints {
            if !seen.insert(constraint) {
                findings.error(
                    "",
                    format!("two constraints of `{name}` would both be called `{constraint}`"),
                    "rename a column: `#[tenant(column = \"…\")]`",
                );
            }
        }
    }
}

/// Says whether the `=` of a type may look at rows before the policy has judged them.
fn is_leakproof(ty: SqlType) -> bool {
    !matches!(ty, SqlType::Numeric | SqlType::Jsonb | SqlType::Array(_) | SqlType::Custom(_))
}
