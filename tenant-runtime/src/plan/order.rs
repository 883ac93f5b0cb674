//! The order of steps within a file, and of tables that reference each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Stage, Step};
use crate::{
    diff::{KeyKind, SchemaObject},
    model::schema::{QualifiedName, Table},
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
    DropColumns,
    MakeFunctions,
    MakeTables,
    MakeColumns,
    Relabel,
    MakeKeys,
    MakeForeignKeys,
    CheckRows,
    Finish,
    MakePolicies,
    OpenTables,
    Grant,
    RevokeUsage,
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
        Action::Alter { after: SchemaObject::Function { .. }, .. } => Phase::MakeFunctions,
        Action::Alter { after: SchemaObject::Policy { .. }, .. } => Phase::MakePolicies,
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
        SchemaObject::Schema { .. } | SchemaObject::Defaults { .. } | SchemaObject::Usage { .. } => Phase::MakeSchemas,
        SchemaObject::Function { .. } => Phase::MakeFunctions,
        SchemaObject::Table { .. } => Phase::MakeTables,
        SchemaObject::Comment { .. } | SchemaObject::Partitions { .. } | SchemaObject::Column { .. } => {
            Phase::MakeColumns
        }
        SchemaObject::Key { .. } | SchemaObject::Check { .. } => Phase::MakeKeys,
        SchemaObject::ForeignKey { .. } => Phase::MakeForeignKeys,
        SchemaObject::Policy { .. } | SchemaObject::Trigger { .. } => Phase::MakePolicies,
        SchemaObject::Grant { .. } | SchemaObject::Execute { .. } => Phase::Grant,
    }
}

fn phase_of_dropping(item: &SchemaObject) -> Phase {
    match item {
        SchemaObject::Grant { .. } | SchemaObject::Execute { .. } => Phase::Revoke,
        // USAGE alone gives access to no rows, and the down file requires it for policies that call a function.
        SchemaObject::Usage { .. } => Phase::RevokeUsage,
        SchemaObject::Membership(_) => Phase::RevokeMemberships,
        SchemaObject::Policy { .. } | SchemaObject::Trigger { .. } => Phase::ClosePolicies,
        SchemaObject::ForeignKey { .. } => Phase::DropForeignKeys,
        SchemaObject::Table { .. } => Phase::DropTables,
        SchemaObject::Function { .. } => Phase::DropFunctions,
        SchemaObject::Key { .. } | SchemaObject::Check { .. } => Phase::DropKeys,
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
    tables: &BTreeMap<QualifiedName, Table>,
    is_pending: &dyn Fn(&SchemaObject) -> bool,
) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut late = Vec::new();
    let mut waiting: BTreeSet<_> = tables.keys().collect();
    // Each pass picks a table whose referenced tables exist; in a cycle, it picks the first table.
    while let Some(first) = waiting.first().copied() {
        let is_ready = |name: &&QualifiedName| {
            tables[*name].foreign_keys.iter().all(|key| key.target == **name || !waiting.contains(&key.target))
        };
        let name = waiting.iter().copied().find(is_ready).unwrap_or(first);
        waiting.remove(name);
        let mut table = tables[name].clone();
        let item = |key: &_| SchemaObject::ForeignKey {
            table: name.clone(),
            key: Clone::clone(key),
            partitions: table.partitions,
        };
        let (now, later): (Vec<_>, Vec<_>) =
            table.foreign_keys.iter().partition(|key| !waiting.contains(&key.target) && !is_pending(&item(key)));
        late.extend(later.into_iter().map(item).map(Action::Add));
        table.foreign_keys = now.into_iter().cloned().collect();
        actions.push(Action::Add(SchemaObject::Table { name: name.clone(), table: table.into() }));
    }
    actions.extend(late);
    let open =
        |(name, table): (&QualifiedName, &Table)| Action::Open { name: name.clone(), table: table.clone().into() };
    actions.extend(tables.iter().map(open));
    actions
}

/// Returns whether a constraint or an index is built concurrently.
pub(super) fn is_built(item: &SchemaObject, partitions: Option<u16>) -> bool {
    matches!(item, SchemaObject::Key { kind: KeyKind::Unique | KeyKind::Index, .. }) && partitions.is_none()
}
