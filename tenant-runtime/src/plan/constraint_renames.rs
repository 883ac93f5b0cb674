//! The order of the renames of constraints and indexes.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    diff::{Change, SchemaObject, in_order, temporary_name},
    ident::Ident,
};

/// Returns the renames of constraints and indexes one by one, in an order in which they can run.
pub(super) fn ordered_constraint_renames(changes: &[Change]) -> Vec<Change> {
    // Keys and indexes share the names of a schema, other constraints those of a table.
    let space = |item: &SchemaObject| -> Option<(Ident, Option<Ident>, Ident)> {
        let (table, name) = (item.table()?, item.constraint()?.clone());
        let own = (!matches!(item, SchemaObject::Key { .. } | SchemaObject::Index { .. })).then(|| table.table.clone());
        Some((table.schema.clone(), own, name))
    };
    let mut moves = BTreeMap::new();
    let mut items = BTreeMap::new();
    for change in changes {
        if let Change::Rename { before, after } = change
            && let (Some(from), Some(to)) = (space(before), space(after))
        {
            items.insert(from.clone(), before);
            moves.insert(from, to);
        }
    }
    let taken: BTreeSet<_> = moves.keys().cloned().collect();
    let reserved = moves.values().cloned().collect();
    let temporary = |(schema, own, name): &(Ident, Option<Ident>, Ident), number| {
        (schema.clone(), own.clone(), temporary_name(name, number))
    };
    let mut renames = Vec::new();
    for (from, to) in in_order(&moves, &taken, &reserved, temporary).steps {
        let Some(item) = items.remove(&from) else { continue };
        let (before, after) = (item.with_constraint_name(&from.2), item.with_constraint_name(&to.2));
        renames.push(Change::Rename { before, after });
        items.insert(to, item);
    }
    renames
}
