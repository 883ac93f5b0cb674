//! The order of steps within a file, and of tables that reference each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Action, Fill, Stage, Step};
use crate::{
    diff::{KeyKind, SchemaObject},
    model::schema::{IndexKind, QualifiedName, Table},
};

/// The place of a step within its file.
///
/// Revoking comes before granting, so that at no time does a role have more privileges than before or after the
/// migration. Dropping comes before creating, and each object is created after the objects that it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    MakeRoles,
    MakeSchemas,
    BeforeRenaming,
    RenameTables,
    RenameColumns,
    Revoke,
    RevokeMemberships,
    GrantMemberships,
    ClosePolicies,
    DropForeignKeys,
    DropTables,
    DropFunctions,
    DropKeys,
    RenameKeys,
    DropGenerated,
    DropColumns,
    MakeTypes,
    MakeFunctions,
    MakeTables,
    MakeColumns,
    MakeGenerated,
    Relabel,
    FillTenants,
    StartCounters,
    MakeKeys,
    MakeForeignKeys,
    CheckRows,
    Finish,
    MakePolicies,
    OpenTables,
    Grant,
    RevokeUsage,
    DropTypes,
    DropSchemas,
    DropRoles,
}

/// Returns the place of a step within its file.
pub(super) fn phase(step: &Step, is_first: bool) -> Phase {
    match &step.action {
        // The dropped column is read by a backfill.
        Action::Drop(SchemaObject::Column { .. }) if step.stage == Stage::Validate => Phase::Finish,
        // In a first migration there are no rows to protect in the meantime, and roles are easier to review in one
        // place.
        Action::Add(SchemaObject::Membership(_)) if is_first => Phase::MakeRoles,
        Action::Add(item) => phase_of_creating(item),
        Action::Drop(item) => phase_of_dropping(item),
        Action::Alter {
            after: SchemaObject::Role { .. } | SchemaObject::Timeouts { .. } | SchemaObject::Pgaudit { .. },
            ..
        } => Phase::MakeRoles,
        Action::Alter { after: SchemaObject::ExtensionSchema { .. }, .. } => Phase::MakeSchemas,
        Action::Alter { after: SchemaObject::Enum { .. }, .. } => Phase::MakeTypes,
        Action::Alter { after: SchemaObject::Function { .. }, .. } => Phase::MakeFunctions,
        Action::Alter { after: SchemaObject::Policy { .. }, .. } => Phase::MakePolicies,
        Action::Alter { after: SchemaObject::ForeignKey { .. }, .. } => Phase::MakeForeignKeys,
        // Before the columns change that the expression reads.
        Action::Alter {
            before: SchemaObject::Column { column: before, .. },
            after: SchemaObject::Column { column, .. },
        } if before.generated().is_some() && column.generated().is_none() => Phase::DropGenerated,
        Action::Alter { .. } => Phase::MakeColumns,
        Action::Rename { after: SchemaObject::Table { .. }, .. } => Phase::RenameTables,
        Action::Rename { after: SchemaObject::Column { .. }, .. } => Phase::RenameColumns,
        Action::Rename { .. } => Phase::RenameKeys,
        Action::Restate { now: false, .. } => Phase::BeforeRenaming,
        Action::Restate { now: true, .. } => Phase::MakePolicies,
        Action::Open { .. } => Phase::OpenTables,
        Action::Close { .. } => Phase::ClosePolicies,
        Action::Relabel { .. } => Phase::Relabel,
        Action::AddUnchecked(SchemaObject::ForeignKey { .. }) => Phase::MakeForeignKeys,
        Action::AddUnchecked(_) | Action::Build(_) | Action::Unbuild(_) | Action::Attach(_) => Phase::MakeKeys,
        // The policies that compare the tenant column come later in the same file.
        Action::Backfill { with: Fill::TenantOfParent(_), .. } => Phase::FillTenants,
        Action::Unfill { with: Fill::TenantOfParent(_), .. } => Phase::DropColumns,
        Action::Count { now: true, .. } => Phase::StartCounters,
        // Before the counter's table is dropped: the down file creates the table first, and then stores the last numbers.
        Action::Count { now: false, .. } => Phase::DropForeignKeys,
        Action::Validate(_) | Action::Backfill { .. } | Action::Unfill { .. } => Phase::CheckRows,
        Action::DropUnchecked(_) => Phase::Finish,
    }
}

fn phase_of_creating(item: &SchemaObject) -> Phase {
    match item {
        SchemaObject::Role { .. }
        | SchemaObject::RequiredRoles { .. }
        | SchemaObject::Database { .. }
        | SchemaObject::Timeouts { .. }
        | SchemaObject::Pgaudit { .. } => Phase::MakeRoles,
        SchemaObject::Membership(_) => Phase::GrantMemberships,
        SchemaObject::ExtensionSchema { .. }
        | SchemaObject::Extension { .. }
        | SchemaObject::Schema { .. }
        | SchemaObject::Defaults { .. }
        | SchemaObject::Usage { .. } => Phase::MakeSchemas,
        SchemaObject::Enum { .. } => Phase::MakeTypes,
        SchemaObject::Sequence { .. } | SchemaObject::Function { .. } => Phase::MakeFunctions,
        SchemaObject::Table { .. } => Phase::MakeTables,
        SchemaObject::Column { column, .. } if column.generated().is_some() => Phase::MakeGenerated,
        SchemaObject::Comment { .. } | SchemaObject::Partitions { .. } | SchemaObject::Column { .. } => {
            Phase::MakeColumns
        }
        SchemaObject::Key { .. } | SchemaObject::Index { .. } | SchemaObject::Check { .. } => Phase::MakeKeys,
        SchemaObject::ForeignKey { .. } => Phase::MakeForeignKeys,
        SchemaObject::Policy { .. } | SchemaObject::Trigger { .. } => Phase::MakePolicies,
        SchemaObject::Grant { .. } | SchemaObject::Execute { .. } => Phase::Grant,
    }
}

fn phase_of_dropping(item: &SchemaObject) -> Phase {
    match item {
        SchemaObject::Grant { .. } | SchemaObject::Execute { .. } => Phase::Revoke,
        // USAGE alone gives access to no rows, and the down file requires it for policies that call a function.
        SchemaObject::Usage { .. } | SchemaObject::ExtensionSchema { .. } | SchemaObject::Extension { .. } => {
            Phase::RevokeUsage
        }
        SchemaObject::Membership(_) => Phase::RevokeMemberships,
        SchemaObject::Policy { .. } | SchemaObject::Trigger { .. } => Phase::ClosePolicies,
        SchemaObject::ForeignKey { .. } => Phase::DropForeignKeys,
        SchemaObject::Table { .. } => Phase::DropTables,
        SchemaObject::Sequence { .. } | SchemaObject::Function { .. } => Phase::DropFunctions,
        SchemaObject::Enum { .. } => Phase::DropTypes,
        SchemaObject::Key { .. } | SchemaObject::Index { .. } | SchemaObject::Check { .. } => Phase::DropKeys,
        SchemaObject::Column { column, .. } if column.generated().is_some() => Phase::DropGenerated,
        SchemaObject::Comment { .. } | SchemaObject::Partitions { .. } | SchemaObject::Column { .. } => {
            Phase::DropColumns
        }
        SchemaObject::Schema { .. } | SchemaObject::Defaults { .. } => Phase::DropSchemas,
        SchemaObject::Database { .. }
        | SchemaObject::Timeouts { .. }
        | SchemaObject::Pgaudit { .. }
        | SchemaObject::Role { .. }
        | SchemaObject::RequiredRoles { .. } => Phase::DropRoles,
    }
}

/// Orders new tables so that each comes after the tables that it references. Foreign keys that form
/// a cycle, and foreign keys that reference a key that is built later, are added last.
pub(super) fn creating_tables(
    tables: &BTreeMap<QualifiedName, Arc<Table>>,
    is_pending: &dyn Fn(&SchemaObject) -> bool,
) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut late = Vec::new();
    let mut waiting: BTreeSet<_> = tables.keys().collect();
    for name in in_reference_order(tables) {
        waiting.remove(name);
        let mut table = Arc::clone(&tables[name]);
        let item = |key: &_| SchemaObject::ForeignKey {
            table: name.clone(),
            key: Clone::clone(key),
            partitions: table.partitions,
        };
        let (now, later): (Vec<_>, Vec<_>) =
            table.foreign_keys.iter().partition(|key| !waiting.contains(&key.target) && !is_pending(&item(key)));
        if !later.is_empty() {
            late.extend(later.into_iter().map(item).map(Action::Add));
            let foreign_keys = now.into_iter().cloned().collect();
            table = Arc::new(Table { foreign_keys, ..Table::clone(&table) });
        }
        actions.push(Action::Add(SchemaObject::Table { name: name.clone(), table }));
    }
    actions.extend(late);
    let open =
        |(name, table): (&QualifiedName, &Arc<Table>)| Action::Open { name: name.clone(), table: Arc::clone(table) };
    actions.extend(tables.iter().map(open));
    actions
}

/// Sorts tables by name, but each after the tables that it references. In a cycle, the table with the first name comes first.
fn in_reference_order(tables: &BTreeMap<QualifiedName, Arc<Table>>) -> Vec<&QualifiedName> {
    // The tables that are not in the order yet, each with the tables of this map that it references.
    let mut waiting: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut referencing: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (name, table) in tables {
        let targets = table.foreign_keys.iter().map(|key| &key.target);
        let targets: BTreeSet<_> = targets.filter(|target| *target != name && tables.contains_key(target)).collect();
        targets.iter().for_each(|target| referencing.entry(*target).or_default().push(name));
        waiting.insert(name, targets);
    }
    let mut ready: BTreeSet<_> =
        waiting.iter().filter(|(_, targets)| targets.is_empty()).map(|(name, _)| *name).collect();
    let mut order = Vec::new();
    while let Some(name) = ready.pop_first().or_else(|| waiting.first_key_value().map(|(name, _)| *name)) {
        order.push(name);
        waiting.remove(name);
        for other in referencing.remove(name).into_iter().flatten() {
            if let Some(targets) = waiting.get_mut(other)
                && targets.remove(name)
                && targets.is_empty()
            {
                ready.insert(other);
            }
        }
    }
    order
}

/// Returns whether a constraint or an index is built concurrently.
pub(super) fn is_built(item: &SchemaObject, partitions: Option<u16>) -> bool {
    let is_built = match item {
        SchemaObject::Key { kind, .. } => *kind == KeyKind::Unique,
        SchemaObject::Index { index, .. } => index.kind != IndexKind::Exclusion,
        _ => false,
    };
    is_built && partitions.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ident::Ident,
        model::schema::{Deferral, ForeignKey, ForeignKeyAction, Key, OnUpdate, Scope},
    };

    fn name(text: &str) -> QualifiedName {
        QualifiedName { schema: Ident::derived(["app"]), table: Ident::derived([text]) }
    }

    /// Creates a table that references others.
    fn table(targets: &str) -> Table {
        let key = |target: &str| ForeignKey {
            name: Ident::derived([target, "fkey"]),
            columns: Vec::new(),
            target: name(target),
            target_columns: Vec::new(),
            on_delete: ForeignKeyAction::NoAction,
            on_update: OnUpdate::NoAction,
            deferral: Deferral::NotDeferrable,
        };
        Table {
            comment: String::new(),
            scope: Scope::Global,
            columns: Vec::new(),
            primary_key: Key { name: Ident::derived(["pkey"]), columns: Vec::new() },
            uniques: Vec::new(),
            checks: Vec::new(),
            foreign_keys: targets.split_whitespace().map(key).collect(),
            indexes: Vec::new(),
            policies: Vec::new(),
            grants: Vec::new(),
            triggers: Vec::new(),
            partitions: None,
        }
    }

    #[test]
    fn tables_are_sorted_by_name_and_after_the_tables_that_they_reference() {
        for (declared, expected) in [
            ("c; a: z; b; z: b", "b c z a"),
            ("a: a; b: elsewhere", "a b"),
            // No table of a cycle is ready, so the first one comes first.
            ("a: b; b: c; c: a; d: c", "a c b d"),
            ("d: e; e: d; a: b; b: a c; c", "c a b d e"),
            ("a: c c; b: a; c; d: b a", "c a b d"),
        ] {
            let tables = declared.split("; ").map(|table_and_targets| {
                let (own, targets) = table_and_targets.split_once(": ").unwrap_or((table_and_targets, ""));
                (name(own), Arc::new(table(targets)))
            });
            let tables = tables.collect();
            let order = in_reference_order(&tables).into_iter().map(|name| name.table.as_str());
            assert_eq!(order.collect::<Vec<_>>().join(" "), expected, "{declared}");
        }
    }
}
