//! Closing tables: where more than one statement changes who sees a table, nobody does meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    diff::{Change, SchemaObject},
    model::schema::{QualifiedName, Schema},
};

/// Has the grants of a table revoked first and granted last, where its rows would be seen through a mixture of old and new
/// rules in between: its own policies, the functions and tables that they ask, and which role has the rights of which.
///
/// Where only one of them changes, there is no in-between.
pub(super) fn revoke_during_change(mut changes: Vec<Change>, before: &Schema, after: &Schema) -> Vec<Change> {
    let mut changed_policies: BTreeMap<QualifiedName, usize> = BTreeMap::new();
    let mut memberships = 0;
    for change in &changes {
        match change {
            Change::Alter {
                before: SchemaObject::Policy { policy: old, .. },
                after: SchemaObject::Policy { table, policy },
            } => {
                *changed_policies.entry(table.clone()).or_default() += usize::from(!old.is_equivalent(policy));
            }
            Change::Add(SchemaObject::Policy { table: name, .. } | SchemaObject::Function { name, .. })
            | Change::Drop(SchemaObject::Policy { table: name, .. } | SchemaObject::Function { name, .. })
            | Change::Alter { after: SchemaObject::Function { name, .. }, .. } => {
                *changed_policies.entry(name.clone()).or_default() += 1
            }
            Change::Add(SchemaObject::Membership(_)) | Change::Drop(SchemaObject::Membership(_)) => memberships = 1,
            _ => {}
        }
    }
    let grants = |schema: &Schema, name: &QualifiedName| -> Vec<SchemaObject> {
        let item = |grant: &_| SchemaObject::Grant { table: name.clone(), grant: Clone::clone(grant) };
        schema.tables[name].grants.iter().map(item).collect()
    };
    if memberships > 0 {
        // A table that goes is still there when a role gets the rights of another.
        let gone = before.tables.keys().filter(|name| !after.tables.contains_key(*name));
        changes.extend(gone.flat_map(|name| grants(before, name)).map(Change::Drop));
    }
    if changed_policies.values().sum::<usize>() + memberships <= 1 {
        return changes;
    }
    let asked = asked(before, after);
    let closed: BTreeSet<_> = before.tables.keys().filter(|name| after.tables.contains_key(*name)).cloned().collect();
    let closed: BTreeSet<_> = closed
        .into_iter()
        .filter(|name| {
            let changed: usize = reached(name, &asked).into_iter().filter_map(|name| changed_policies.get(name)).sum();
            changed > 0 && changed + memberships > 1
        })
        .collect();
    changes.retain(|change| match change {
        Change::Add(SchemaObject::Grant { table, .. }) | Change::Drop(SchemaObject::Grant { table, .. }) => {
            !closed.contains(table)
        }
        _ => true,
    });
    for name in &closed {
        changes.extend(grants(before, name).into_iter().map(Change::Drop));
        changes.extend(grants(after, name).into_iter().map(Change::Add));
    }
    changes
}

/// Lists for each table and function which others its policies or its body name, before or after.
fn asked<'s>(before: &'s Schema, after: &'s Schema) -> BTreeMap<&'s QualifiedName, BTreeSet<&'s QualifiedName>> {
    let schemas = [before, after];
    let tables = || schemas.into_iter().flat_map(|schema| &schema.tables);
    let functions = || schemas.into_iter().flat_map(|schema| &schema.functions);
    let names = tables().map(|(name, _)| name).chain(functions().map(|(name, _)| name));
    let names: BTreeMap<String, &QualifiedName> = names.map(|name| (name.quoted(), name)).collect();
    let odd: Vec<_> = names.iter().filter(|(quoted, _)| quoted.contains('"')).collect();
    let mut asked: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut read = |name, text: &str| {
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'));
        let found = words.filter_map(|word| names.get(word)).copied();
        let odd = odd.iter().filter(|(quoted, _)| text.contains(quoted.as_str())).map(|(_, name)| **name);
        asked.entry(name).or_default().extend(found.chain(odd));
    };
    for (name, table) in tables() {
        for policy in &table.policies {
            policy.conditions().for_each(|condition| read(name, condition.sql.as_str()));
        }
    }
    functions().for_each(|(name, function)| read(name, &function.body));
    asked
}

fn reached<'s>(
    from: &'s QualifiedName,
    asked: &BTreeMap<&'s QualifiedName, BTreeSet<&'s QualifiedName>>,
) -> BTreeSet<&'s QualifiedName> {
    let mut reached = BTreeSet::from([from]);
    let mut next = vec![from];
    while let Some(name) = next.pop() {
        for other in asked.get(name).into_iter().flatten() {
            if reached.insert(other) {
                next.push(other);
            }
        }
    }
    reached
}
