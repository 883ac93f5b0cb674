//! Turns changes into steps: the actions that make each change, with their files and their order.

use std::collections::BTreeMap;

use super::{
    Action, Stage, Step,
    dependents::mentions,
    order::{Phase, creating_tables, is_built, phase},
};
use crate::{
    diff::{Change, KeyKind, SchemaObject},
    ident::Ident,
    model::{
        column_property::ColumnProperty,
        migration_hints::MigrationHints,
        schema::{Check, Column, Expression, ForeignKey, QualifiedName, Schema, Table},
    },
};

/// Turns changes into steps.
pub(super) fn steps(
    changes: &[Change],
    restated: Vec<(SchemaObject, SchemaObject)>,
    before: &Schema,
    after: &Schema,
    hints: &MigrationHints,
) -> Vec<Step> {
    let mut builder = StepBuilder { changes, after, hints, steps: Vec::new(), force_lifted: BTreeMap::new() };
    builder.tables();
    for change in changes {
        builder.change(change);
    }
    for (before, now) in restated {
        let stays = now.table().is_some_and(|table| after.tables.contains_key(table));
        let is_kept = stays
            && !changes.iter().any(|change| match change {
                Change::Drop(item) | Change::Alter { before: item, .. } => *item == now,
                _ => false,
            });
        builder.push(Stage::Main, Action::Restate { policy: before, now: false });
        if is_kept {
            builder.push(Stage::Main, Action::Restate { policy: now, now: true });
        }
    }
    for (table, stage) in std::mem::take(&mut builder.force_lifted) {
        builder.push(stage, Action::Force { table: table.clone(), on: false });
        builder.push(Stage::Validate, Action::Force { table, on: true });
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

struct StepBuilder<'a> {
    changes: &'a [Change],
    after: &'a Schema,
    hints: &'a MigrationHints,
    steps: Vec<Step>,
    /// The tables on which FORCE ROW LEVEL SECURITY is turned off so that their owner sees all
    /// rows, each with the file that turns it off.
    force_lifted: BTreeMap<QualifiedName, Stage>,
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
                Change::Add(SchemaObject::Table { name, table }) => new.insert(name.clone(), Table::clone(table)),
                Change::Drop(SchemaObject::Table { name, table }) => dropped.insert(name.clone(), Table::clone(table)),
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
        self.changes.iter().any(|change| match change {
            Change::Add(item @ SchemaObject::Key { table, key: target, .. }) => {
                *table == key.target && target.columns == key.target_columns && is_built(item, self.partitions(table))
            }
            _ => false,
        })
    }

    fn partitions(&self, table: &QualifiedName) -> Option<u16> {
        self.after.tables.get(table).and_then(|table| table.partitions)
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Add(SchemaObject::Table { .. }) | Change::Drop(SchemaObject::Table { .. }) => {}
            Change::Add(SchemaObject::Column { table, column }) => self.add_column(table, column),
            Change::Add(item @ SchemaObject::Key { table, kind, .. }) if is_built(item, self.partitions(table)) => {
                self.push(Stage::Index, Action::Build(item.clone()));
                if *kind == KeyKind::Unique {
                    self.push(Stage::Attach, Action::Attach(item.clone()));
                }
            }
            Change::Add(item @ SchemaObject::Check { .. }) => {
                self.push(Stage::Main, Action::AddUnchecked(item.clone()));
                self.push(Stage::Validate, Action::Validate(item.clone()));
            }
            Change::Add(item @ SchemaObject::ForeignKey { table, key, partitions }) => {
                self.add_foreign_key(item, table, key, *partitions);
            }
            Change::Drop(item @ SchemaObject::Key { table, key, kind: KeyKind::Index }) => {
                self.push(self.dropping_index(table, &key.name, &key.columns), Action::Drop(item.clone()));
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
            Change::Alter { before, after } => {
                self.push(Stage::Main, Action::Alter { before: before.clone(), after: after.clone() });
            }
            Change::Rename { before, after } => {
                self.push(Stage::Main, Action::Rename { before: before.clone(), after: after.clone() });
            }
        }
    }

    /// Returns whether the backfill of another column of the table reads a column, which must then
    /// be dropped after the backfill.
    fn is_read_by_backfill(&self, table: &QualifiedName, dropped: &Ident) -> bool {
        self.changes.iter().any(|change| match change {
            Change::Add(SchemaObject::Column { table: of, column })
            | Change::Alter { after: SchemaObject::Column { table: of, column }, .. }
                if of == table && !column.nullable =>
            {
                let with = self.hints.backfills.get(&(of.clone(), column.name.clone()));
                with.is_some_and(|with| mentions(with.as_str(), &dropped.quoted().to_string()))
            }
            _ => false,
        })
    }

    /// Returns when to drop an index: after its replacement has been built, unless it has to be dropped earlier.
    fn dropping_index(&self, table: &QualifiedName, name: &Ident, columns: &[Ident]) -> Stage {
        let mut replaced = false;
        for change in self.changes {
            match change {
                Change::Add(item @ SchemaObject::Key { table: of, key, .. }) if of == table => {
                    if key.name == *name {
                        return Stage::Main;
                    }
                    replaced |= is_built(item, self.partitions(of));
                }
                Change::Drop(SchemaObject::Column { table: of, column })
                    if of == table && columns.contains(&column.name) =>
                {
                    return Stage::Main;
                }
                _ => {}
            }
        }
        if replaced { Stage::Attach } else { Stage::Main }
    }

    fn add_foreign_key(
        &mut self,
        item: &SchemaObject,
        table: &QualifiedName,
        key: &ForeignKey,
        partitions: Option<u16>,
    ) {
        let stage = if self.is_pending(item) { Stage::Attach } else { Stage::Main };
        // Before PostgreSQL 18 a partitioned table cannot have a foreign key that is NOT VALID.
        if partitions.is_some() {
            return self.push(stage, Action::Add(item.clone()));
        }
        self.push(stage, Action::AddUnchecked(item.clone()));
        self.push(Stage::Validate, Action::Validate(item.clone()));
        for table in [table, &key.target] {
            let from = self.force_lifted.entry(table.clone()).or_insert(stage);
            *from = stage.min(*from);
        }
    }

    fn add_column(&mut self, table: &QualifiedName, column: &Column) {
        let add = |column: Column| Action::Add(SchemaObject::Column { table: table.clone(), column });
        if column.nullable || column.default.is_some() {
            return self.push(Stage::Main, add(column.clone()));
        }
        // The column has a backfill; otherwise `validate` would have refused it.
        self.push(Stage::Main, add(Column { nullable: true, ..column.clone() }));
        self.forbid_null(table, column);
    }

    /// Sets NOT NULL, without a lock that blocks other sessions while the existing rows are read.
    fn forbid_null(&mut self, table: &QualifiedName, column: &Column) {
        let place = (table.clone(), column.name.clone());
        if let Some(with) = self.hints.backfills.get(&place) {
            self.force_lifted.insert(table.clone(), Stage::Main);
            let action = Action::Backfill { table: table.clone(), column: column.clone(), with: with.clone() };
            return self.push(Stage::Validate, action);
        }
        let helper = SchemaObject::Check {
            table: table.clone(),
            check: Check {
                name: Ident::derived([table.table.as_str(), column.name.as_str(), "is_there"]),
                condition: Expression::trusted(format!("{} IS NOT NULL", column.name.quoted())),
            },
        };
        let item = |column: Column| SchemaObject::Column { table: table.clone(), column };
        let before = item(Column { nullable: true, ..column.clone() });
        self.push(Stage::Main, Action::AddUnchecked(helper.clone()));
        self.push(Stage::Validate, Action::Validate(helper.clone()));
        self.push(Stage::Validate, Action::Alter { before, after: item(column.clone()) });
        self.push(Stage::Validate, Action::DropUnchecked(helper));
    }

    /// Changes one property of a column at a time. A default is dropped before the type changes, and set again
    /// afterwards.
    fn alter_column(&mut self, table: &QualifiedName, before: &Column, after: &Column) {
        let mut column = before.clone();
        let is_retyped = ColumnProperty::Type.differs(before, after) && before.default.is_some();
        let are_identities = before.is_identity() && after.is_identity();
        if is_retyped && !are_identities || before.is_identity() != after.is_identity() {
            let without = Column { default: None, ..column.clone() };
            self.alter_property(table, ColumnProperty::Default, &mut column, &without);
        }
        for property in ColumnProperty::ALL {
            if property == ColumnProperty::Nullable && before.nullable && !after.nullable {
                self.forbid_null(table, after);
            } else {
                self.alter_property(table, property, &mut column, after);
            }
        }
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
