//! The order of steps within a file, and of tables that refer to each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Stage, Step};
use crate::{
    diff::{KeyKind, SchemaObject},
    model::schema::{QualifiedName, Table},
};

/// When a step's turn comes within its file.
///
/// What takes rights away comes before what gives them, so that at no moment a role has more than before or after; what goes
/// comes before what is made, and each thing after what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    MakeRoles,
    MakeSchemas,
    BeforeRenaming,
    RenameTables,
    RenameColumns,
    Revoke,
    TakeMemberships,
    GiveMemberships,
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
    MakeKeys,
    MakeForeignKeys,
    LiftForce,
    Judge,
    Tidy,
    RestoreForce,
    MakePolicies,
    OpenTables,
    Grant,
    RevokeUsage,
    DropSchemas,
    DropRoles,
}

/// Says when a step's turn comes.
pub(super) fn phase(step: &Step, is_first: bool) -> Phase {
    match &step.action {
        // A column that takes no NULL any more, once it is known that none is there.
        Action::Alter { .. } if step.stage == Stage::Validate => Phase::Tidy,
        // Where nothing was before, nothing has to be kept from anybody, and roles are best read in one place.
        Action::Add(SchemaObject::Membership(_)) if is_first => Phase::MakeRoles,
        Action::Add(item) => made(item),
        Action::Drop(item) => dropped(item),
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
        Action::AddUnchecked(SchemaObject::ForeignKey { .. }) => Phase::MakeForeignKeys,
        Action::AddUnchecked(_) | Action::Build(_) | Action::Unbuild(_) | Action::Attach(_) => Phase::MakeKeys,
        Action::Force { on: false, .. } => Phase::LiftForce,
        Action::Validate(_) | Action::Backfill { .. } | Action::Unfill { .. } => Phase::Judge,
        Action::DropUnchecked(_) => Phase::Tidy,
        Action::Force { on: true, .. } => Phase::RestoreForce,
    }
}

fn made(item: &SchemaObject) -> Phase {
    match item {
        SchemaObject::Role { .. }
        | SchemaObject::RequiredRoles { .. }
        | SchemaObject::Database { .. }
        | SchemaObject::Timeouts { .. }
        | SchemaObject::Pgaudit { .. } => Phase::MakeRoles,
        SchemaObject::Membership(_) => Phase::GiveMemberships,
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

fn dropped(item: &SchemaObject) -> Phase {
    match item {
        SchemaObject::Grant { .. } | SchemaObject::Execute { .. } => Phase::Revoke,
        // By itself it shows nothing, and on the way back the policies that ask a function need it.
        SchemaObject::Usage { .. } => Phase::RevokeUsage,
        SchemaObject::Membership(_) => Phase::TakeMemberships,
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

/// Orders tables so that each comes after those that it refers to; where they refer to each other in a circle, or to a key that
/// is not there yet, the foreign keys come last.
pub(super) fn making_tables(
    tables: &BTreeMap<QualifiedName, Table>,
    is_pending: &dyn Fn(&SchemaObject) -> bool,
) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut late = Vec::new();
    let mut waiting: BTreeSet<_> = tables.keys().collect();
    // Only those that others wait for are looked at again.
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

/// Says whether a constraint or an index is one that is built while others write.
pub(super) fn is_built(item: &SchemaObject, partitions: Option<u16>) -> bool {
    matches!(item, SchemaObject::Key { kind: KeyKind::Unique | KeyKind::Index, .. }) && partitions.is_none()
}
