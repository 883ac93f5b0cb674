//! Turns changes into steps: the actions that make each change, with their files and their order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Action, Counter, Fill, Stage, Step,
    constraint_renames::ordered_constraint_renames,
    counters, enums,
    labels::LabelChange,
    order::{Phase, creating_tables, is_built, phase},
    tenant_columns::{TenantColumns, is_from_parent},
};
use crate::{
    analyze::expression_columns::{index_may_read, may_read},
    diff::{Change, SchemaObject},
    ident::Ident,
    model::{
        column_property::ColumnProperty,
        migration_hints::MigrationHints,
        schema::{Column, ColumnDefault, Deferral, Expression, Index, QualifiedName, Schema},
    },
};

/// Turns changes into steps.
pub(super) fn steps(
    changes: &[Change],
    renames: &[Change],
    restated: Vec<(SchemaObject, SchemaObject)>,
    labels: &[LabelChange],
    before: &Schema,
    after: &Schema,
    hints: &MigrationHints,
) -> Vec<Step> {
    let index = TableChanges::of(changes, labels, after);
    let mut builder = StepBuilder {
        changes,
        index,
        before,
        after,
        hints,
        steps: Vec::new(),
        tenant_columns: TenantColumns::default(),
    };
    builder.tables();
    for change in renames {
        builder.rename(change);
    }
    for change in ordered_constraint_renames(changes) {
        builder.rename(&change);
    }
    for change in changes {
        builder.change(change);
    }
    for action in std::mem::take(&mut builder.tenant_columns).in_order() {
        builder.push(Stage::Main, action);
    }
    for LabelChange { table, column, array, up, down, .. } in labels.iter().filter(|labels| !labels.up.is_empty()) {
        let has_triggers = builder.has_triggers(table);
        let (table, column, labels, undo) = (table.clone(), column.clone(), up.clone(), down.clone());
        builder.push(Stage::Main, Action::Relabel { table, column, array: *array, labels, undo, has_triggers });
    }
    for (before, now) in restated {
        let stays = now.table().is_some_and(|table| after.tables.contains_key(table));
        let is_kept = stays
            && !builder.index.of_table(now.table()).any(|change| match change {
                Change::Drop(item) | Change::Alter { before: item, .. } => *item == now,
                _ => false,
            });
        builder.push(Stage::Main, Action::Restate { policy: before, now: false });
        if is_kept {
            builder.push(Stage::Main, Action::Restate { policy: now, now: true });
        }
    }
    let is_first = *before == Schema::default();
    let mut steps = builder.steps;
    // If there are no indexes to build, the steps that would run after the index builds go into the first file.
    if !steps.iter().any(|step| step.stage == Stage::Index) {
        steps.iter_mut().filter(|step| step.stage == Stage::Attach).for_each(|step| step.stage = Stage::Main);
    }
    let order = |step: &Step| -> (Stage, Phase) { (step.stage, phase(step, is_first)) };
    steps.sort_by_key(order);
    steps
}

/// The changes by table, for the questions that the steps of a table ask about its other changes.
struct TableChanges<'a> {
    changes: BTreeMap<&'a QualifiedName, Vec<&'a Change>>,
    /// The unique constraints whose indexes are built concurrently, each as its table and its columns.
    built: BTreeSet<(&'a QualifiedName, &'a [Ident])>,
    /// The new names of constraints and indexes.
    renamed: BTreeSet<&'a Ident>,
    /// The enum columns whose earlier labels are all still declared.
    growing: BTreeSet<(&'a QualifiedName, &'a Ident)>,
}

impl<'a> TableChanges<'a> {
    fn of(changes: &'a [Change], labels: &'a [LabelChange], after: &Schema) -> Self {
        let growing = labels.iter().filter(|labels| labels.only_adds).map(|labels| (&labels.table, &labels.column));
        let mut index = Self {
            changes: BTreeMap::new(),
            built: BTreeSet::new(),
            renamed: BTreeSet::new(),
            growing: growing.collect(),
        };
        for change in changes {
            let (Change::Add(item)
            | Change::Drop(item)
            | Change::Alter { after: item, .. }
            | Change::Rename { after: item, .. }) = change;
            if let Some(table) = item.table() {
                index.changes.entry(table).or_default().push(change);
            }
            match change {
                Change::Add(item @ SchemaObject::Key { table, key, .. })
                    if is_built(item, partitions(after, table)) =>
                {
                    index.built.insert((table, &key.columns));
                }
                Change::Rename { after, .. } => index.renamed.extend(after.constraint()),
                _ => {}
            }
        }
        index
    }

    fn of_table(&self, table: Option<&QualifiedName>) -> impl Iterator<Item = &'a Change> {
        table.and_then(|table| self.changes.get(table)).into_iter().flatten().copied()
    }
}

fn partitions(schema: &Schema, table: &QualifiedName) -> Option<u16> {
    schema.tables.get(table).and_then(|table| table.partitions)
}

struct StepBuilder<'a> {
    changes: &'a [Change],
    index: TableChanges<'a>,
    before: &'a Schema,
    after: &'a Schema,
    hints: &'a MigrationHints,
    steps: Vec<Step>,
    tenant_columns: TenantColumns,
}

impl StepBuilder<'_> {
    fn push(&mut self, stage: Stage, action: Action) {
        self.steps.push(Step { stage, action });
    }

    /// Creates the new tables, and drops the removed tables by the reverse steps.
    fn tables(&mut self) {
        let (mut new, mut dropped) = (BTreeMap::new(), BTreeMap::new());
        for change in self.changes {
            match change {
                Change::Add(SchemaObject::Table { name, table }) => new.insert(name.clone(), Arc::clone(table)),
                Change::Drop(SchemaObject::Table { name, table }) => dropped.insert(name.clone(), Arc::clone(table)),
                _ => None,
            };
        }
        let is_pending = |item: &SchemaObject| self.is_pending(item);
        for action in creating_tables(&new, &is_pending) {
            let stage = match &action {
                Action::Add(key @ SchemaObject::ForeignKey { .. }) if self.is_pending(key) => Stage::Attach,
                _ => Stage::Main,
            };
            self.push(stage, action);
        }
        let dropping = creating_tables(&dropped, &|_| false);
        for action in dropping.iter().rev().filter_map(Action::undone) {
            self.push(Stage::Main, action);
        }
    }

    /// Returns whether a foreign key references a unique constraint whose index is built in a separate file.
    fn is_pending(&self, item: &SchemaObject) -> bool {
        let SchemaObject::ForeignKey { key, .. } = item else { return false };
        self.index.built.contains(&(&key.target, &key.target_columns[..]))
    }

    fn partitions(&self, table: &QualifiedName) -> Option<u16> {
        partitions(self.after, table)
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Add(SchemaObject::Table { .. }) | Change::Drop(SchemaObject::Table { .. }) => {}
            Change::Add(SchemaObject::Column { table, column }) if is_from_parent(self.after, table, column) => {
                self.tenant_columns.add(self.after, table, column, self.has_triggers(table));
            }
            Change::Add(SchemaObject::Column { table, column }) if column.counter().is_some() => {
                let actions =
                    self.counter(self.after, table, column, true).map(|counter| counters::adding(counter, column));
                actions.into_iter().flatten().for_each(|action| self.push(Stage::Main, action));
            }
            Change::Add(SchemaObject::Column { table, column }) => self.add_column(table, column),
            Change::Add(item @ (SchemaObject::Key { table, .. } | SchemaObject::Index { table, .. }))
                if is_built(item, self.partitions(table)) =>
            {
                self.push(Stage::Index, Action::Build(item.clone()));
                if let SchemaObject::Key { .. } = item {
                    self.push(Stage::Attach, Action::Attach(item.clone()));
                }
            }
            Change::Add(item @ SchemaObject::Check { table, check })
                if check.labels.as_ref().is_some_and(|labels| !self.only_adds_labels(table, &labels.column)) =>
            {
                // In the same file as the new labels: otherwise every UPDATE of a row with an earlier label would fail until the
                // last file.
                self.push(Stage::Main, Action::Add(item.clone()));
            }
            Change::Add(item @ SchemaObject::Check { .. }) => {
                self.push(Stage::Main, Action::AddUnchecked(item.clone()));
                self.push(Stage::Validate, Action::Validate(item.clone()));
            }
            Change::Add(item @ SchemaObject::ForeignKey { partitions, .. }) => self.add_foreign_key(item, *partitions),
            Change::Drop(item @ SchemaObject::Index { table, index }) => {
                self.push(self.dropping_index(table, index), Action::Drop(item.clone()));
            }
            Change::Drop(SchemaObject::Column { table, column }) if is_from_parent(self.before, table, column) => {
                self.tenant_columns.drop(self.before, table, column, self.has_triggers(table));
            }
            Change::Drop(SchemaObject::Column { table, column }) if column.counter().is_some() => {
                let actions =
                    self.counter(self.before, table, column, true).map(|counter| counters::dropping(counter, column));
                actions.into_iter().flatten().for_each(|action| self.push(Stage::Main, action));
            }
            Change::Drop(item @ SchemaObject::Column { table, column })
                if self.is_read_by_backfill(table, &column.name) =>
            {
                self.push(Stage::Validate, Action::Drop(item.clone()));
            }
            Change::Add(item) => self.push(Stage::Main, Action::Add(item.clone())),
            Change::Drop(item) => self.push(Stage::Main, Action::Drop(item.clone())),
            Change::Alter {
                before: SchemaObject::Column { column: before, .. },
                after: SchemaObject::Column { table, column },
            } => {
                self.alter_column(table, before, column);
            }
            Change::Alter { before: before @ SchemaObject::Enum { .. }, after } => {
                self.steps.extend(enums::steps(before, after, self.before, self.after));
            }
            Change::Alter { before, after } => {
                self.push(Stage::Main, Action::Alter { before: before.clone(), after: after.clone() });
            }
            Change::Rename { .. } => {}
        }
    }

    fn rename(&mut self, change: &Change) {
        if let Change::Rename { before, after } = change {
            self.push(Stage::Main, Action::Rename { before: before.clone(), after: after.clone() });
        }
    }

    fn only_adds_labels(&self, table: &QualifiedName, column: &Ident) -> bool {
        self.index.growing.contains(&(table, column))
    }

    /// Returns whether a table has triggers before or after the change.
    fn has_triggers(&self, table: &QualifiedName) -> bool {
        let schemas = [self.before, self.after].into_iter();
        schemas.filter_map(|schema| schema.tables.get(table)).any(|table| !table.triggers.is_empty())
    }

    /// Returns whether a foreign key of a column is checked at the end of the transaction.
    fn is_deferred(&self, table: &QualifiedName, column: &Ident) -> bool {
        let keys = self.after.tables.get(table).map(|table| table.foreign_keys.as_slice()).unwrap_or_default();
        keys.iter().any(|key| key.deferral == Deferral::InitiallyDeferred && key.columns.contains(column))
    }

    /// Returns whether the backfill of another column of the table reads a column, which must then
    /// be dropped after the backfill.
    fn is_read_by_backfill(&self, table: &QualifiedName, dropped: &Ident) -> bool {
        self.index.of_table(Some(table)).any(|change| match change {
            Change::Add(SchemaObject::Column { column, .. })
            | Change::Alter { after: SchemaObject::Column { column, .. }, .. }
                if !column.nullable =>
            {
                let with = self.hints.backfills.get(&(table.clone(), column.name.clone()));
                with.is_some_and(|with| may_read(with, dropped))
            }
            _ => false,
        })
    }

    /// Returns when to drop an index: after its replacement has been built, unless it has to be dropped earlier.
    fn dropping_index(&self, table: &QualifiedName, index: &Index) -> Stage {
        let mut replaced = false;
        // Rows that the new declaration allows could violate the old one.
        if index.is_enforced() || self.index.renamed.contains(&index.name) {
            return Stage::Main;
        }
        for change in self.index.of_table(Some(table)) {
            match change {
                Change::Add(item @ (SchemaObject::Key { .. } | SchemaObject::Index { .. })) => {
                    if item.constraint() == Some(&index.name) {
                        return Stage::Main;
                    }
                    replaced |= is_built(item, self.partitions(table));
                }
                Change::Drop(SchemaObject::Column { column, .. }) if index_may_read(index, &column.name) => {
                    return Stage::Main;
                }
                _ => {}
            }
        }
        if replaced { Stage::Attach } else { Stage::Main }
    }

    fn add_foreign_key(&mut self, item: &SchemaObject, partitions: Option<u16>) {
        let stage = if self.is_pending(item) { Stage::Attach } else { Stage::Main };
        // Before PostgreSQL 18 a partitioned table cannot have a foreign key that is NOT VALID.
        if partitions.is_some() {
            return self.push(stage, Action::Add(item.clone()));
        }
        self.push(stage, Action::AddUnchecked(item.clone()));
        self.push(Stage::Validate, Action::Validate(item.clone()));
    }

    fn add_column(&mut self, table: &QualifiedName, column: &Column) {
        let object = |column: Column| SchemaObject::Column { table: table.clone(), column };
        let with = self.hints.backfills.get(&(table.clone(), column.name.clone()));
        match with.filter(|_| !column.nullable && !column.is_identity()) {
            Some(with) => {
                // Without its default: the default would fill the existing rows.
                let empty = Column { nullable: true, default: None, ..column.clone() };
                self.push(Stage::Main, Action::Add(object(empty.clone())));
                if column.default.is_some() {
                    let after = object(Column { default: column.default.clone(), ..empty.clone() });
                    self.push(Stage::Main, Action::Alter { before: object(empty), after });
                }
                self.fill(table, column, with.clone());
            }
            // `validate` has refused a NOT NULL column without a value for existing rows.
            None => self.push(Stage::Main, Action::Add(object(column.clone()))),
        }
    }

    /// Fills a column where it is NULL, and sets NOT NULL.
    fn fill(&mut self, table: &QualifiedName, column: &Column, with: Expression) {
        let (has_triggers, is_deferred) = (self.has_triggers(table), self.is_deferred(table, &column.name));
        let (table, column) = (table.clone(), column.clone());
        self.push(
            Stage::Validate,
            Action::Backfill { table, column, with: Fill::Nulls(with), has_triggers, is_deferred },
        );
    }

    /// Changes one property of a column at a time. A default is dropped before the type changes, and set again
    /// afterwards.
    fn alter_column(&mut self, table: &QualifiedName, before: &Column, after: &Column) {
        let mut column = before.clone();
        if before.generated().is_some() && after.generated().is_none() {
            let plain = Column { default: None, ..column.clone() };
            self.alter_property(table, ColumnProperty::Default, &mut column, &plain);
        }
        let is_counted = ColumnProperty::Default.differs(before, after);
        if is_counted && let Some(counter) = self.counter(self.before, table, before, after.nullable) {
            column.default = None;
            column.nullable = after.nullable;
            self.push(Stage::Main, Action::Count { counter, now: false });
        }
        let starts = self.counter(self.after, table, after, before.nullable).filter(|_| is_counted);
        if starts.is_some() && column.default.is_some() {
            let plain = Column { default: None, ..column.clone() };
            self.alter_property(table, ColumnProperty::Default, &mut column, &plain);
        }
        let (before, after) = (&column.clone(), after);
        let is_retyped = ColumnProperty::Type.differs(before, after) && before.default.is_some();
        // An identity column and a counter have a default of any integer type.
        let are_identities = before.default == after.default && (before.is_identity() || before.counter().is_some());
        if is_retyped && !are_identities || before.is_identity() != after.is_identity() {
            let without = Column { default: None, ..column.clone() };
            self.alter_property(table, ColumnProperty::Default, &mut column, &without);
        }
        let is_from_parent = is_from_parent(self.after, table, after);
        for property in ColumnProperty::ALL {
            // The rows are numbered before NULL is refused.
            if starts.is_some() && [ColumnProperty::Default, ColumnProperty::Nullable].contains(&property) {
                continue;
            }
            if property == ColumnProperty::Nullable && before.nullable && is_from_parent {
                self.tenant_columns.fill(self.after, table, after, self.has_triggers(table));
                continue;
            }
            let with = value_for_nulls(self.hints, table, after);
            match with.filter(|_| property == ColumnProperty::Nullable && before.nullable && !after.nullable) {
                Some(with) => self.fill(table, after, with),
                None => self.alter_property(table, property, &mut column, after),
            }
        }
        if let Some(counter) = starts {
            self.push(Stage::Main, Action::Count { counter, now: true });
        }
    }

    fn counter(&self, schema: &Schema, table: &QualifiedName, column: &Column, nullable: bool) -> Option<Counter> {
        counters::counter(schema, table, column, nullable, self.has_triggers(table))
    }

    /// Gives a column a property of its other version, if the two versions differ in that property.
    fn alter_property(&mut self, table: &QualifiedName, property: ColumnProperty, column: &mut Column, to: &Column) {
        if property.differs(column, to) {
            let object = |column: &Column| SchemaObject::Column { table: table.clone(), column: column.clone() };
            let before = object(column);
            property.copy(to, column);
            self.push(Stage::Main, Action::Alter { before, after: object(column) });
        }
    }
}

/// Returns the expression that replaces NULL when a column becomes NOT NULL: its backfill, or its default.
fn value_for_nulls(hints: &MigrationHints, table: &QualifiedName, column: &Column) -> Option<Expression> {
    let default = match &column.default {
        Some(ColumnDefault::Expression(default)) => Some(default),
        _ => None,
    };
    hints.backfills.get(&(table.clone(), column.name.clone())).or(default).cloned()
}
