//! Renames of the tables of counters, which follow the tables and columns that they count.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::permutation::resolve;
use crate::{
    ident::Ident,
    model::schema::{Column, ColumnDefault, QualifiedName, Schema},
};

/// Returns the renames of the tables of counters, from the old to the new name, given the renames of the declared tables.
pub(super) fn moves(
    before: &Schema,
    after: &Schema,
    tables: &BTreeMap<QualifiedName, QualifiedName>,
) -> BTreeMap<QualifiedName, QualifiedName> {
    let mut moves = BTreeMap::new();
    for (name, table) in &after.tables {
        let counted: Vec<_> = table.columns.iter().filter(|column| column.counter().is_some()).collect();
        let Some(was) = old_name(name, tables).filter(|_| !counted.is_empty()) else { continue };
        let Some(old) = before.tables.get(was) else { continue };
        let columns = column_moves(before, after, was, name);
        for column in counted {
            let old_column = old_name(&column.name, &columns);
            let found = old.columns.iter().find(|other| Some(&other.name) == old_column);
            if let (Some(from), Some(to)) = (found.and_then(Column::counter), column.counter())
                && from != to
            {
                moves.insert(from.clone(), to.clone());
            }
        }
    }
    moves
}

/// Returns the name that an object had before the renames; `None` if the object of that name has another name now.
fn old_name<'n, N: Ord>(name: &'n N, moves: &'n BTreeMap<N, N>) -> Option<&'n N> {
    let moved = moves.iter().find(|(_, to)| *to == name).map(|(from, _)| from);
    moved.or_else(|| Some(name).filter(|name| !moves.contains_key(name)))
}

/// Returns the renames of a table's columns that apply.
fn column_moves(
    before: &Schema,
    after: &Schema,
    old_name: &QualifiedName,
    name: &QualifiedName,
) -> BTreeMap<Ident, Ident> {
    let of = |schema: &Schema, table: &QualifiedName| -> BTreeMap<Ident, Ident> {
        let own = schema.renames.columns.iter().filter(|((of, _), _)| of == table);
        own.map(|((_, column), previous)| (column.clone(), previous.clone())).collect()
    };
    let columns = before.tables.get(old_name).map(|table| table.columns.as_slice()).unwrap_or_default();
    let taken: BTreeSet<_> = columns.iter().map(|column| column.name.clone()).collect();
    resolve(&taken, &of(after, name), &of(before, old_name)).moves
}

/// Renames the table of a counter in the column that it counts.
pub(super) fn rename(schema: &mut Schema, from: &QualifiedName, to: &QualifiedName) {
    for table in
        schema.tables.values_mut().filter(|table| table.columns.iter().any(|column| column.counter() == Some(from)))
    {
        let columns = Arc::make_mut(table).columns.iter_mut();
        columns
            .filter(|column| column.counter() == Some(from))
            .for_each(|column| column.default = Some(ColumnDefault::Counter(to.clone())));
    }
}
