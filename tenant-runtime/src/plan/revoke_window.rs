//! Revokes the grants of a table while several statements change its access, so that no session sees a mixed state.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    diff::{Change, SchemaObject},
    model::schema::{QualifiedName, Schema},
};

/// Revokes a table's grants first and restores them last if, in between, a mixture of old and new
/// definitions would control access to its rows. These definitions are its policies, the functions
/// and tables that the policies use, and role memberships.
///
/// If only one definition changes, there is no intermediate state.
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
    if memberships > 0 {
        // A table to be dropped still exists when a role becomes a member of another role.
        let dropped = before.tables.keys().filter(|name| !after.tables.contains_key(*name));
        changes.extend(dropped.flat_map(|name| grants(before, name)).map(Change::Drop));
    }
    let kept: Vec<_> = before.tables.keys().filter(|name| after.tables.contains_key(*name)).collect();
    if changed_policies.values().sum::<usize>() + memberships <= 1 || kept.is_empty() {
        return changes;
    }
    let uses = uses(before, after);
    let closed: BTreeSet<_> = kept
        .into_iter()
        .filter(|name| {
            let changed: usize = used_by(name, &uses).into_iter().filter_map(|name| changed_policies.get(name)).sum();
            changed > 0 && changed + memberships > 1
        })
        .cloned()
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

fn grants(schema: &Schema, name: &QualifiedName) -> Vec<SchemaObject> {
    let object = |grant: &_| SchemaObject::Grant { table: name.clone(), grant: Clone::clone(grant) };
    schema.tables[name].grants.iter().map(object).collect()
}

/// For each table and function, lists the tables and functions that its policies or its body mention before or after
/// the change.
fn uses<'s>(before: &'s Schema, after: &'s Schema) -> BTreeMap<&'s QualifiedName, BTreeSet<&'s QualifiedName>> {
    let schemas = [before, after];
    let tables = || schemas.into_iter().flat_map(|schema| &schema.tables);
    let functions = || schemas.into_iter().flat_map(|schema| &schema.functions);
    let names = tables().map(|(name, _)| name).chain(functions().map(|(name, _)| name));
    let names = NamesInText::of(names);
    let mut uses: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (name, table) in tables() {
        for policy in &table.policies {
            for condition in policy.conditions() {
                uses.entry(name).or_default().extend(names.in_text(condition.sql.as_str()));
            }
        }
    }
    for (name, function) in functions() {
        uses.entry(name).or_default().extend(names.in_text(&function.body));
    }
    uses
}

/// The names of tables and functions, as SQL text contains them.
struct NamesInText<'s> {
    plain: BTreeMap<String, &'s QualifiedName>,
    /// The names that contain a quoted identifier.
    quoted: Vec<(String, &'s QualifiedName)>,
}

impl<'s> NamesInText<'s> {
    fn of(names: impl Iterator<Item = &'s QualifiedName>) -> Self {
        let all: BTreeMap<String, &QualifiedName> = names.map(|name| (name.quoted(), name)).collect();
        let (quoted, plain): (Vec<_>, Vec<_>) = all.into_iter().partition(|(text, _)| text.contains('"'));
        Self { plain: plain.into_iter().collect(), quoted }
    }

    /// Finds the names that SQL text contains. A quoted name can contain any characters, so the text is searched for the
    /// whole name.
    fn in_text(&self, text: &str) -> BTreeSet<&'s QualifiedName> {
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'));
        let plain = words.filter_map(|word| self.plain.get(word)).copied();
        let quoted = self.quoted.iter().filter(|(quoted, _)| text.contains(quoted)).map(|(_, name)| *name);
        plain.chain(quoted).collect()
    }
}

/// Lists a table itself, and the tables and functions that it uses directly or indirectly.
fn used_by<'s>(
    table: &'s QualifiedName,
    uses: &BTreeMap<&'s QualifiedName, BTreeSet<&'s QualifiedName>>,
) -> BTreeSet<&'s QualifiedName> {
    let mut used = BTreeSet::from([table]);
    let mut next = vec![table];
    while let Some(name) = next.pop() {
        for other in uses.get(name).into_iter().flatten() {
            if used.insert(other) {
                next.push(other);
            }
        }
    }
    used
}
