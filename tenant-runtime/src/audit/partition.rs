//! Partitions: prepares the catalogs so that a difference in a table's layout is reported once, on the object where it
//! can be fixed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::catalog::{Catalog, Name, Object, State};

/// The table property that lists the partitions whose rows have to be moved as well.
pub(super) const PARTS: &str = "parts";

/// Prepares both catalogs for the comparison.
///
/// If the partitions differ from the declared ones, they become a property of the table, because
/// its rows have to be moved. A partition with an undeclared name gets a different `name` property.
/// A detached partition is not reported as a separate table with undeclared columns.
pub(super) fn prepare(expected: &mut Catalog, live: &mut Catalog) {
    let declared: Vec<(Name, Name)> =
        expected.facts.iter().filter_map(|(object, state)| Some((relation(object)?.clone(), parent(state)?))).collect();
    let tables = expected.facts.keys().filter_map(relation).cloned().collect::<BTreeSet<_>>();
    for table in tables {
        let object = Object::Relation(table.clone());
        let own: Vec<_> = declared.iter().filter(|(_, of)| *of == table).map(|(part, _)| part).collect();
        match live.facts.get(&object).map(|state| is_laid_out(&expected.facts[&object], state)) {
            // The fix that creates the table also creates its partitions.
            None => own.iter().for_each(|part| forget_missing(expected, live, part)),
            Some(true) => partitions(expected, live, &table, &own),
            Some(false) => forget(expected, live, &table, &own),
        }
    }
}

/// Returns whether a table is partitioned as declared.
fn is_laid_out(wanted: &State, live: &State) -> bool {
    ["kind", "partitioned_by"].iter().all(|property| wanted.get(*property) == live.get(*property))
}

/// Compares the partitions of a table that has the declared partition key.
fn partitions(expected: &mut Catalog, live: &mut Catalog, table: &Name, own: &[&Name]) {
    let bound = |state: &State| state.get("partition").cloned().unwrap_or_default();
    let is_of_table = |state: &State| parent(state).as_ref() == Some(table);
    let wanted: Vec<Value> =
        own.iter().map(|part| bound(&expected.facts[&Object::Relation((*part).clone())])).collect();
    let found = live.facts.iter().filter(|(_, state)| is_of_table(state) && !bound(state).is_null());
    let found: Vec<(Name, Value)> =
        found.filter_map(|(object, state)| Some((relation(object)?.clone(), bound(state)))).collect();
    if found.iter().any(|(_, bound)| !wanted.contains(bound)) {
        let object = Object::Relation(table.clone());
        let bounds = found.into_iter().map(|(_, bound)| bound).collect();
        for (catalog, bounds) in [(&mut *expected, wanted), (&mut *live, bounds)] {
            catalog.facts.entry(object.clone()).or_default().insert("partitions".to_owned(), Value::Array(bounds));
        }
        return forget(expected, live, table, own);
    }
    for (part, bound) in own.iter().zip(&wanted) {
        let object = Object::Relation((*part).clone());
        let other = found.iter().find(|(name, of)| of == bound && name.schema == part.schema && name != *part);
        match live.facts.get(&object).map(is_of_table) {
            Some(true) => {}
            // The partition was detached; its columns, keys and indexes are those of the partitioned table.
            Some(false) => live.facts.retain(|object, _| !is_shape_of(object, part)),
            None => {
                let Some((name, _)) = other else { continue };
                let Some(mut state) = live.facts.remove(&Object::Relation(name.clone())) else { continue };
                state.insert("name".to_owned(), name.name.clone().into());
                live.facts.insert(object.clone(), state);
                let wanted = expected.facts.entry(object).or_default();
                wanted.insert("name".to_owned(), part.name.clone().into());
            }
        }
    }
}

/// Removes the partitions from both catalogs and reports them with their table, because the table's
/// rows have to be moved before a partition can be created or dropped.
fn forget(expected: &mut Catalog, live: &mut Catalog, table: &Name, own: &[&Name]) {
    own.iter().for_each(|part| {
        expected.facts.remove(&Object::Relation((*part).clone()));
    });
    let is_part =
        |state: &State| parent(state).as_ref() == Some(table) && state.get("partition").is_some_and(Value::is_string);
    let parts = live.facts.iter().filter(|(_, state)| is_part(state)).filter_map(|(object, _)| relation(object));
    let parts: Vec<_> = parts.map(|part| Value::from([part.schema.as_str(), part.name.as_str()].as_slice())).collect();
    live.facts.retain(|object, state| relation(object).is_none() || !is_part(state));
    live.facts.entry(Object::Relation(table.clone())).or_default().insert(PARTS.to_owned(), parts.into());
}

fn forget_missing(expected: &mut Catalog, live: &Catalog, part: &Name) {
    let object = Object::Relation(part.clone());
    if !live.facts.contains_key(&object) {
        expected.facts.remove(&object);
    }
}

fn relation(object: &Object) -> Option<&Name> {
    match object {
        Object::Relation(name) => Some(name),
        _ => None,
    }
}

/// Returns the parent of a partition or of an inheritance child.
fn parent(state: &State) -> Option<Name> {
    serde_json::from_value(state.get("parents")?.get(0)?.clone()).ok()
}

fn is_shape_of(object: &Object, table: &Name) -> bool {
    matches!(object, Object::Column(of, _) | Object::Constraint(of, _) | Object::Index(of, _) if of == table)
}
