//! The order of steps within a file, and of tables that refer to each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Stage, Step};
use crate::{
    diff::{Item, KeyKind},
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
        Action::Add(Item::Membership(_)) if is_first => Phase::MakeRoles,
        Action::Add(item) => made(item),
        Action::Drop(item) => dropped(item),
        Action::Alter { after: Item::Role { .. } | Item::Timeouts { .. } | Item::Pgaudit { .. }, .. } => {
            Phase::MakeRoles
        }
        Action::Alter { after: Item::Function { .. }, .. } => Phase::MakeFunctions,
        Action::Alter { after: Item::Policy { .. }, .. } => Phase::MakePolicies,
        Action::Alter { .. } => Phase::MakeColumns,
        Action::Rename { after: Item::Table { .. }, .. } => Phase::RenameTables,
        Action::Rename { after: Item::Column { .. }, .. } => Phase::RenameColumns,
        Action::Rename { .. } => Phase::RenameKeys,
        Action::Restate { now: false, .. } => Phase::BeforeRenaming,
        Action::Restate { now: true, .. } => Phase::MakePolicies,
        Action::Open { .. } => Phase::OpenTables,
        Action::Close { .. } => Phase::ClosePolicies,
        Action::AddUnchecked(Item::ForeignKey { .. }) => Phase::MakeForeignKeys,
        Action::AddUnchecked(_) | Action::Build(_) | Action::Unbuild(_) | Action::Attach(_) => Phase::MakeKeys,
        Action::Force { on: false, .. } => Phase::LiftForce,
        Action::Validate(_) | Action::Backfill { .. } | Action::Unfill { .. } => Phase::Judge,
        Action::DropUnchecked(_) => Phase::Tidy,
        Action::Force { on: true, .. } => Phase::RestoreForce,
    }
}

fn made(item: &Item) -> Phase {
    match item {
        Item::Role { .. }
        | Item::RequiredRoles { .. }
        | Item::Database { .. }
        | Item::Timeouts { .. }
        | Item::Pgaudit { .. } => Phase::MakeRoles,
        Item::Membership(_) => Phase::GiveMemberships,
        Item::Schema { .. } | Item::Defaults { .. } | Item::Usage { .. } => Phase::MakeSchemas,
        Item::Function { .. } => Phase::MakeFunctions,
        Item::Table { .. } => Phase::MakeTables,
        Item::Comment { .. } | Item::Partitions { .. } | Item::Column { .. } => Phase::MakeColumns,
        Item::Key { .. } | Item::Check { .. } => Phase::MakeKeys,
        Item::ForeignKey { .. } => Phase::MakeForeignKeys,
        Item::Policy { .. } | Item::Trigger { .. } => Phase::MakePolicies,
        Item::Grant { .. } | Item::Execute { .. } => Phase::Grant,
    }
}

fn dropped(item: &Item) -> Phase {
    match item {
        Item::Grant { .. } | Item::Execute { .. } => Phase::Revoke,
        // By itself it shows nothing, and on the way back the policies that ask a function need it.
        Item::Usage { .. } => Phase::RevokeUsage,
        Item::Membership(_) => Phase::TakeMemberships,
        Item::Policy { .. } | Item::Trigger { .. } => Phase::ClosePolicies,
        Item::ForeignKey { .. } => Phase::DropForeignKeys,
        Item::Table { .. } => Phase::DropTables,
        Item::Function { .. } => Phase::DropFunctions,
        Item::Key { .. } | Item::Check { .. } => Phase::DropKeys,
        Item::Comment { .. } | Item::Partitions { .. } | Item::Column { .. } => Phase::DropColumns,
        Item::Schema { .. } | Item::Defaults { .. } => Phase::DropSchemas,
        Item::Database { .. }
        | Item::Timeouts { .. }
        | Item::Pgaudit { .. }
        | Item::Role { .. }
        | Item::RequiredRoles { .. } => Phase::DropRoles,
    }
}

/// Orders tables so that each comes after those that it refers to; where they refer to each other in a circle, or to a key that
/// is not there yet, the foreign keys come last.
pub(super) fn making_tables(
    tables: &BTreeMap<QualifiedName, Table>,
    is_pending: &dyn Fn(&Item) -> bool,
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
        let item =
            |key: &_| Item::ForeignKey { table: name.clone(), key: Clone::clone(key), partitions: table.partitions };
        let (now, later): (Vec<_>, Vec<_>) =
            table.foreign_keys.iter().partition(|key| !waiting.contains(&key.target) && !is_pending(&item(key)));
        late.extend(later.into_iter().map(item).map(Action::Add));
        table.foreign_keys = now.into_iter().cloned().collect();
        actions.push(Action::Add(Item::Table { name: name.clone(), table: table.into() }));
    }
    actions.extend(late);
    let open =
        |(name, table): (&QualifiedName, &Table)| Action::Open { name: name.clone(), table: table.clone().into() };
    actions.extend(tables.iter().map(open));
    actions
}

/// Says whether a constraint or an index is one that is built while others write.
pub(super) fn is_built(item: &Item, partitions: Option<u16>) -> bool {
    matches!(item, Item::Key { kind: KeyKind::Unique | KeyKind::Index, .. }) && partitions.is_none()
}
