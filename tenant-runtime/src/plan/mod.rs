//! The plan: changes as steps in an order in which they can be made, each with its reverse, its grade and its cause.

mod data_loss;
mod dependents;
mod describe;
mod order;
mod revoke_window;
mod risk;
mod steps;
mod type_change;
mod unsupported;

use std::collections::BTreeSet;

pub use self::{
    data_loss::UnconfirmedDataLoss,
    risk::{Advisory, Risk},
    unsupported::{Refusal, Refusals},
};
use crate::{
    diff::{Change, Diff, SchemaObject, diff},
    ident::Ident,
    model::{
        migration_hints::MigrationHints,
        schema::{Column, Expression, QualifiedName, Schema, Table},
    },
};

/// Ordered steps from one schema to another.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) product: String,
    /// The role that owns the tables; none in an empty schema.
    pub(crate) owner: Option<Ident>,
    /// Whether there was nothing before.
    pub(crate) is_first: bool,
    /// The tables that were there before, under their names of now: others may be using them.
    pub(crate) existing: BTreeSet<QualifiedName>,
    pub(crate) changes: Vec<Change>,
    pub(crate) steps: Vec<Step>,
}

/// One step. It can be undone, and it leaves no row readable by more roles than before or after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// In which of the files it stands.
    pub stage: Stage,
    /// What it does.
    pub action: Action,
}

/// The files of a migration, in their order; most migrations need but the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Everything that takes but a moment.
    Main,
    /// Building an index while others write, outside of a transaction: a file each.
    Index,
    /// What needs those indexes.
    Attach,
    /// Reading all rows to see that they fulfil what new rows have to since [`Attach`](Self::Attach).
    Validate,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Makes something.
    Add(SchemaObject),
    /// Drops something.
    Drop(SchemaObject),
    /// Makes something another.
    Alter {
        /// As it was.
        before: SchemaObject,
        /// As it shall be.
        after: SchemaObject,
    },
    /// Gives something another name.
    Rename {
        /// As it was called.
        before: SchemaObject,
        /// As it shall be called.
        after: SchemaObject,
    },
    /// Lets the roles at a new table: policies first, grants last.
    Open {
        /// The table.
        name: QualifiedName,
        /// With its policies, triggers and grants.
        table: Box<Table>,
    },
    /// Takes the policies of a table away that is about to be dropped, since they may ask others that are dropped before.
    Close {
        /// The table.
        name: QualifiedName,
        /// With its policies.
        table: Box<Table>,
    },
    /// Says again what a policy says, for PostgreSQL to forget the old name of a column in it: after the renaming, whether up
    /// or down.
    Restate {
        /// The policy, under the names of that moment.
        policy: SchemaObject,
        /// Whether it is up to this step; else it is up to the one that undoes it.
        now: bool,
    },
    /// Adds a check or a foreign key that judges new rows alone, without reading those that are there.
    AddUnchecked(SchemaObject),
    /// Drops a constraint that [`AddUnchecked`](Self::AddUnchecked) made.
    DropUnchecked(SchemaObject),
    /// Reads the rows that are there, and takes the constraint for valid if they fulfil it.
    Validate(SchemaObject),
    /// Builds an index while others write. It goes on outside of a transaction.
    Build(SchemaObject),
    /// Drops an index that [`Build`](Self::Build) made, if a constraint has not taken it along.
    Unbuild(SchemaObject),
    /// Makes a unique constraint of an index that was built.
    Attach(SchemaObject),
    /// Binds the owner of a table by its policies, or lets the owner see all rows for a while: PostgreSQL reads them as the
    /// owner to validate a foreign key. The roles of the app stay under the policies throughout.
    Force {
        /// The table.
        table: QualifiedName,
        /// Whether it is bound.
        on: bool,
    },
    /// Fills a column in the rows that are there, and takes no NULL from then on.
    Backfill {
        /// The table.
        table: QualifiedName,
        /// The column, as it is then.
        column: Column,
        /// What fills it.
        with: Expression,
    },
    /// Takes NULL again in a column that [`Backfill`](Self::Backfill) filled.
    Unfill {
        /// The table.
        table: QualifiedName,
        /// The column.
        column: Column,
        /// What filled it.
        with: Expression,
    },
}

impl Action {
    /// Returns what undoes it; nothing where nothing is left to undo.
    #[must_use]
    pub fn undone(&self) -> Option<Self> {
        Some(match self.clone() {
            // Whoever makes the roles has gone on by then.
            Self::Drop(SchemaObject::RequiredRoles { .. }) => return None,
            Self::Add(item) => Self::Drop(item),
            Self::Drop(item) => Self::Add(item),
            Self::Alter { before, after } => Self::Alter { before: after, after: before },
            Self::Rename { before, after } => Self::Rename { before: after, after: before },
            Self::Open { name, table } => Self::Close { name, table },
            Self::Close { name, table } => Self::Open { name, table },
            Self::AddUnchecked(item) => Self::DropUnchecked(item),
            Self::DropUnchecked(item) => Self::AddUnchecked(item),
            Self::Validate(_) => return None,
            Self::Restate { policy, now } => Self::Restate { policy, now: !now },
            Self::Build(item) => Self::Unbuild(item),
            Self::Unbuild(item) => Self::Build(item),
            Self::Attach(item) => Self::Drop(item),
            Self::Force { table, on } => Self::Force { table, on: !on },
            Self::Backfill { table, column, with } => Self::Unfill { table, column, with },
            Self::Unfill { table, column, with } => Self::Backfill { table, column, with },
        })
    }

    /// Returns the thing of which it speaks; as it shall be, where it changes.
    #[must_use]
    pub fn item(&self) -> Option<&SchemaObject> {
        match self {
            Self::Add(item)
            | Self::Drop(item)
            | Self::Alter { after: item, .. }
            | Self::Rename { after: item, .. }
            | Self::AddUnchecked(item)
            | Self::DropUnchecked(item)
            | Self::Validate(item)
            | Self::Build(item)
            | Self::Unbuild(item)
            | Self::Restate { policy: item, .. }
            | Self::Attach(item) => Some(item),
            _ => None,
        }
    }

    /// Returns the table to which it is done.
    #[must_use]
    pub fn table(&self) -> Option<&QualifiedName> {
        match self {
            Self::Open { name, .. } | Self::Close { name, .. } => Some(name),
            Self::Force { table, .. } | Self::Backfill { table, .. } | Self::Unfill { table, .. } => Some(table),
            other => other.item().and_then(SchemaObject::table),
        }
    }

    /// Says who does it.
    #[must_use]
    pub fn actor(&self) -> Actor<'_> {
        match self {
            Self::Build(_) | Self::Unbuild(_) | Self::Add(SchemaObject::Schema { .. }) => Actor::Administrator,
            other => match other.item() {
                Some(
                    SchemaObject::Role { .. }
                    | SchemaObject::RequiredRoles { .. }
                    | SchemaObject::Membership(_)
                    | SchemaObject::Database { .. }
                    | SchemaObject::Timeouts { .. }
                    | SchemaObject::Pgaudit { .. },
                ) => Actor::Administrator,
                Some(
                    SchemaObject::Schema { owner, .. }
                    | SchemaObject::Usage { owner, .. }
                    | SchemaObject::Defaults { creator: owner, .. }
                    | SchemaObject::Function { owner, .. }
                    | SchemaObject::Execute { owner, .. },
                ) => Actor::Role(owner),
                _ => Actor::Owner,
            },
        }
    }
}

/// Who makes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor<'a> {
    /// The one who applies the migration.
    Administrator,
    /// The role that owns the tables.
    Owner,
    /// A role that owns schemas or functions. What it makes, it owns: giving things away takes a superuser.
    Role(&'a Ident),
}

impl Plan {
    /// Returns the steps in their order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns what changes.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Says whether there was nothing before.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// Says whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Says whether a thing is dropped and made again, so that what it rests on can change.
    pub(crate) fn makes_again(&self, item: &SchemaObject) -> bool {
        let identity = item.identity();
        let is_same = |other: &SchemaObject| other.identity() == identity;
        let actions = || self.steps.iter().map(|step| &step.action);
        actions().any(|action| matches!(action, Action::Drop(other) if is_same(other)))
            && actions()
                .any(|action| matches!(action, Action::Add(other) | Action::AddUnchecked(other) if is_same(other)))
    }

    /// Returns what there is to be said about a step before it runs.
    #[must_use]
    pub fn note(&self, action: &Action) -> Option<Advisory> {
        risk::note(self, action)
    }
}

/// Plans the way from one schema to another.
///
/// # Errors
///
/// Where PostgreSQL has no way that keeps the rows, or the way takes a decision that the models do not tell.
pub fn plan(before: &Schema, after: &Schema, transition: &MigrationHints) -> Result<Plan, Refusals> {
    let Diff { renamed, changes, restated, unclear } = diff(before, after, transition);
    // Where neither has an owner, neither has anything.
    let owner = after.owner().or(before.owner()).map(|owner| owner.name.clone());
    unsupported::judge(before, after, &renamed, &changes, &unclear, transition)?;
    let all = dependents::recreate_dependents(changes.clone(), &renamed, after);
    let all = revoke_window::revoke_during_change(all, &renamed, after);
    let steps = steps::steps(&all, restated, &renamed, after, transition);
    let existing = renamed.tables.keys().filter(|name| after.tables.contains_key(*name)).cloned().collect();
    let (product, is_first) = (after.product.clone(), *before == Schema::default());
    Ok(Plan { product, owner, is_first, existing, changes, steps })
}
