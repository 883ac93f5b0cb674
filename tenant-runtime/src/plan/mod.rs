//! The plan: the changes as steps, in an order in which they can run, each with its reverse and its risk.

mod change_index;
mod constraint_renames;
mod counters;
mod data_loss;
mod dependents;
mod describe;
mod enums;
mod generated;
mod labels;
mod order;
mod refusal;
mod revoke_window;
mod risk;
mod steps;
mod tenant_columns;
mod type_change;
mod unsupported;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use self::change_index::ChangeIndex;
pub use self::{
    data_loss::UnconfirmedDataLoss,
    refusal::{Refusal, Refusals},
    risk::{Advisory, Risk},
};
use crate::{
    diff::{Change, Diff, SchemaObject, diff},
    ident::Ident,
    model::{
        migration_hints::{MembershipColumns, MigrationHints},
        schema::{Column, Expression, ForeignKey, QualifiedName, Schema, Table},
    },
};

/// Ordered steps from one schema to another.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) product: String,
    /// The role that owns the tables; `None` for an empty schema.
    pub(crate) owner: Option<Ident>,
    /// Whether the schema is empty before the plan.
    pub(crate) is_first: bool,
    /// The tables that already exist, under their new names: running sessions might use them.
    pub(crate) existing: BTreeSet<QualifiedName>,
    /// The schemas of the extensions, before or after the plan.
    pub(crate) extension_schemas: BTreeSet<Ident>,
    /// The enum types, before or after the plan, as SQL names them.
    pub(crate) enums: BTreeSet<String>,
    pub(crate) changes: Vec<Change>,
    /// The objects to be dropped that make room for a renamed object: each under its temporary name and under its own name.
    pub(crate) displaced: Vec<(SchemaObject, SchemaObject)>,
    /// The membership table of the later schema.
    pub(crate) membership: Option<MembershipColumns>,
    /// The tenant columns whose values the parents of the rows determine, before or after the plan. Dropping one loses no data.
    from_parents: BTreeSet<(QualifiedName, Ident)>,
    /// The tables with the last numbers of counters, before or after the plan. They are dropped and renamed with the columns that
    /// they count.
    last_numbers: BTreeSet<QualifiedName>,
    pub(crate) steps: Vec<Step>,
    index: ChangeIndex,
}

/// One step of a plan. A step can be undone, and while it runs, no row is readable by more roles
/// than before or after the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The file of the migration that contains the step.
    pub stage: Stage,
    /// The action.
    pub action: Action,
}

/// The files of a migration, in order. Most migrations have only the main file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// New labels of enum types, which no statement of the same transaction can use.
    Labels,
    /// Short steps.
    Main,
    /// CREATE INDEX CONCURRENTLY, which does not block writes and runs outside a transaction. One file for each index.
    Index,
    /// Steps that require the indexes of [`Index`](Self::Index).
    Attach,
    /// Steps that check existing rows against constraints that are `NOT VALID` until then and already enforced for new
    /// rows.
    Validate,
}

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Creates an object.
    Add(SchemaObject),
    /// Drops an object.
    Drop(SchemaObject),
    /// Alters an object.
    Alter {
        /// The object before the change.
        before: SchemaObject,
        /// The object after the change.
        after: SchemaObject,
    },
    /// Renames an object.
    Rename {
        /// The object under its old name.
        before: SchemaObject,
        /// The object under its new name.
        after: SchemaObject,
    },
    /// Gives the application roles access to a new table; creates the policies first and the grants last.
    Open {
        /// The table.
        name: QualifiedName,
        /// Its definition, with policies, triggers and grants.
        table: Arc<Table>,
    },
    /// Drops the policies of a table that is dropped later: the policies can depend on tables and
    /// functions that are dropped before that table.
    Close {
        /// The table.
        name: QualifiedName,
        /// Its definition, with policies.
        table: Arc<Table>,
    },
    /// Re-creates the expressions of a policy after a rename, up or down, because PostgreSQL keeps
    /// the old column name in some expressions.
    Restate {
        /// The policy, with the table and column names at that moment.
        policy: SchemaObject,
        /// Whether this step re-creates the expressions; otherwise the step that undoes this step does.
        now: bool,
    },
    /// Adds a check constraint or a foreign key as `NOT VALID`: the constraint applies to new rows, and existing rows
    /// are not read.
    AddUnchecked(SchemaObject),
    /// Drops a constraint that [`AddUnchecked`](Self::AddUnchecked) added.
    DropUnchecked(SchemaObject),
    /// Validates a constraint: reads the existing rows and fails if a row violates the constraint.
    Validate(SchemaObject),
    /// Builds an index concurrently, outside a transaction.
    Build(SchemaObject),
    /// Drops an index that [`Build`](Self::Build) has built, unless it was dropped with its constraint.
    Unbuild(SchemaObject),
    /// Makes a unique constraint from an index that [`Build`](Self::Build) has built.
    Attach(SchemaObject),
    /// Fills a column in the existing rows, and sets it NOT NULL.
    Backfill {
        /// The table.
        table: QualifiedName,
        /// The column after this step.
        column: Column,
        /// The values that fill the column.
        with: Fill,
        /// Whether the table has triggers, which must not run for this step.
        has_triggers: bool,
        /// Whether a foreign key of the column is checked at the end of the transaction.
        is_deferred: bool,
    },
    /// Changes the labels of existing rows.
    Relabel {
        /// The table.
        table: QualifiedName,
        /// The enum column.
        column: Ident,
        /// Whether the column contains arrays of labels.
        array: bool,
        /// The labels that change, each with its new text.
        labels: BTreeMap<String, String>,
        /// The labels that change when this step is undone.
        undo: BTreeMap<String, String>,
        /// Whether the table has triggers, which must not run for this step.
        has_triggers: bool,
    },
    /// Starts or ends numbering the rows of each tenant.
    Count {
        /// What is numbered.
        counter: Counter,
        /// Whether this step numbers the rows that have no number, and stores the last numbers; otherwise the step that undoes this
        /// step does.
        now: bool,
    },
    /// Allows NULL again in a column that [`Backfill`](Self::Backfill) has filled.
    Unfill {
        /// The table.
        table: QualifiedName,
        /// The column.
        column: Column,
        /// The values that filled the column.
        with: Fill,
        /// Whether the table has triggers.
        has_triggers: bool,
        /// Whether a foreign key of the column is checked at the end of the transaction.
        is_deferred: bool,
    },
}

/// A column that numbers the rows of each tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// The table.
    pub table: QualifiedName,
    /// The column.
    pub column: Ident,
    /// The tenant column.
    pub tenant: Ident,
    /// The columns of the primary key, which is the order of the rows that have no number.
    pub key: Vec<Ident>,
    /// The table with the last number of each tenant.
    pub last_numbers: QualifiedName,
    /// Whether the column allows NULL until the rows are numbered.
    pub nullable: bool,
    /// Whether the table has triggers, which must not run for this step.
    pub has_triggers: bool,
}

/// The values that fill a column in existing rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fill {
    /// An expression, in the rows in which the column is NULL.
    Nulls(Expression),
    /// The tenant of each row's parent, which this foreign key references.
    TenantOfParent(ForeignKey),
}

impl Action {
    /// Returns the action that undoes this action, if there is anything to undo.
    #[must_use]
    pub fn undone(&self) -> Option<Self> {
        Some(match self.clone() {
            // The roles are managed externally, so their earlier state cannot be checked.
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
            Self::Backfill { table, column, with, has_triggers, is_deferred } => {
                Self::Unfill { table, column, with, has_triggers, is_deferred }
            }
            Self::Unfill { table, column, with, has_triggers, is_deferred } => {
                Self::Backfill { table, column, with, has_triggers, is_deferred }
            }
            Self::Count { counter, now } => Self::Count { counter, now: !now },
            Self::Relabel { table, column, array, labels, undo, has_triggers } => {
                Self::Relabel { table, column, array, labels: undo, undo: labels, has_triggers }
            }
        })
    }

    /// Returns the object of the action; for a change, the object after the change.
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

    /// Returns the table that the action changes.
    #[must_use]
    pub fn table(&self) -> Option<&QualifiedName> {
        match self {
            Self::Open { name, .. } | Self::Close { name, .. } => Some(name),
            Self::Backfill { table, .. } | Self::Unfill { table, .. } | Self::Relabel { table, .. } => Some(table),
            Self::Count { counter, .. } => Some(&counter.table),
            other => other.item().and_then(SchemaObject::table),
        }
    }

    /// Returns the role that runs the action.
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
                    | SchemaObject::Pgaudit { .. }
                    | SchemaObject::ExtensionSchema { .. }
                    | SchemaObject::Extension { .. },
                ) => Actor::Administrator,
                Some(
                    SchemaObject::Schema { owner, .. }
                    | SchemaObject::Usage { owner, .. }
                    | SchemaObject::Defaults { creator: owner, .. }
                    | SchemaObject::Sequence { owner, .. }
                    | SchemaObject::Function { owner, .. }
                    | SchemaObject::Execute { owner, .. },
                ) => Actor::Role(owner),
                _ => Actor::Owner,
            },
        }
    }
}

/// The role that runs a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor<'a> {
    /// The role that applies the migration.
    Administrator,
    /// The role that owns the tables.
    Owner,
    /// A role that owns schemas or functions. The role creates these objects itself, because
    /// changing their owner later can require a superuser.
    Role(&'a Ident),
}

impl Plan {
    /// Returns the steps in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns the changes.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Returns whether the schema is empty before the plan.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// Returns whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Describes the changes, one line each; dropping and adding a constraint with another definition is one change.
    #[must_use]
    pub fn describe_changes(&self) -> Vec<String> {
        let texts = self.changes.iter().filter_map(|change| match change {
            Change::Drop(item) if self.redefines(item) => None,
            Change::Add(item) if self.redefines(item) => Some(format!("change {item}")),
            // The grants on a column end with the column.
            Change::Drop(item @ SchemaObject::Grant { .. }) if self.is_of_displaced(item) => None,
            Change::Drop(item) => Some(Change::Drop(self.under_own_name(item).clone()).to_string()),
            change => Some(change.to_string()),
        });
        let relabel = |step: &Step| match &step.action {
            Action::Relabel { table, column, labels, .. } => {
                Some(format!("change labels in `{table}.{column}`: {}", labels::shown(labels)))
            }
            _ => None,
        };
        texts.chain(self.steps.iter().filter_map(relabel)).collect()
    }

    /// Returns the risk of a step, if it is not safe.
    #[must_use]
    pub fn note(&self, action: &Action) -> Option<Advisory> {
        risk::advisory(self, action)
    }

    /// Returns the highest risk of all steps.
    #[must_use]
    pub fn risk(&self) -> Risk {
        let notes = self.steps.iter().filter_map(|step| self.note(&step.action));
        notes.map(|note| note.risk).max().unwrap_or(Risk::Safe)
    }
}

/// Plans the steps from one schema to another.
///
/// # Errors
///
/// If PostgreSQL cannot make a change without losing rows, or a change is ambiguous and the models do not resolve the
/// ambiguity.
pub fn plan(before: &Schema, after: &Schema, hints: &MigrationHints) -> Result<Plan, Refusals> {
    let diff = diff(before, after);
    let labels = labels::label_changes(&diff.renamed, after, hints);
    // Only an empty schema has no owner.
    let owner = after.owner().or(before.owner()).map(|owner| owner.name.clone());
    unsupported::validate(before, after, &diff, &labels, hints)?;
    let Diff { renamed, renames, displaced, changes, restated, .. } = diff;
    let all = dependents::recreate_dependents(changes.clone(), &renamed, after);
    let all = revoke_window::revoke_during_change(all, &renamed, after);
    let steps = steps::steps(&all, &renames, restated, &labels, &renamed, after, hints);
    let existing = renamed.tables.keys().filter(|name| after.tables.contains_key(*name)).cloned().collect();
    let membership = hints.membership.clone();
    let extension_schemas = before.extensions.values().chain(after.extensions.values()).cloned().collect();
    let enums = enums::names(before, after);
    let (product, is_first) = (after.product.clone(), *before == Schema::default());
    let index = ChangeIndex::of(&changes, &displaced, &steps);
    let schemas = [before, &renamed, after];
    let last_numbers = schemas.into_iter().flat_map(counters::last_numbers).cloned().collect();
    let tables = renamed.tables.iter().chain(&after.tables);
    let tenants = tables.filter_map(|(name, table)| Some((name.clone(), table.parent_key()?.columns.first()?.clone())));
    let from_parents = tenants.collect();
    Ok(Plan {
        product,
        owner,
        is_first,
        existing,
        extension_schemas,
        enums,
        changes,
        displaced,
        membership,
        from_parents,
        last_numbers,
        steps,
        index,
    })
}
