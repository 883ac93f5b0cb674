//! From changes to steps: how each change is made, in which file, and in which order.

use std::collections::BTreeMap;

use super::{
    Action, Stage, Step,
    order::{Phase, is_built, making_tables, phase},
};
use crate::{
    diff::{Change, KeyKind, SchemaObject},
    ident::Ident,
    model::{
        migration_hints::MigrationHints,
        schema::{Check, Column, ColumnDefault, Expression, ForeignKey, QualifiedName, Schema, Table},
    },
};

/// Makes steps of changes.
pub(super) fn steps(
    changes: &[Change],
    restated: Vec<(SchemaObject, SchemaObject)>,
    before: &Schema,
    after: &Schema,
    transition: &MigrationHints,
) -> Vec<Step> {
    let mut draft = StepBuilder { changes, after, transition, steps: Vec::new(), lifted: BTreeMap::new() };
    draft.tables();
    for change in changes {
        draft.change(change);
    }
    for (before, now) in restated {
        let stays = now.table().is_some_and(|table| after.tables.contains_key(table));
        let is_kept = stays
            && !changes.iter().any(|change| match change {
                Change::Drop(item) | Change::Alter { before: item, .. } => *item == now,
                _ => false,
            });
        draft.push(Stage::Main, Action::Restate { policy: before, now: false });
        if is_kept {
            draft.push(Stage::Main, Action::Restate { policy: now, now: true });
        }
    }
    for (table, stage) in std::mem::take(&mut draft.lifted) {
        draft.push(stage, Action::Force { table: table.clone(), on: false });
        draft.push(Stage::Validate, Action::Force { table, on: true });
    }
    let is_first = *before == Schema::default();
    let mut steps = draft.steps;
    // Without indexes to wait for, what needs them goes into the first file.
    if !steps.iter().any(|step| step.stage == Stage::Index) {
        steps.iter_mut().filter(|step| step.stage == Stage::Attach).for_each(|step| step.stage = Stage::Main);
    }
    let turn = |step: &Step| -> (Stage, Phase) { (step.stage, phase(step, is_first)) };
    steps.sort_by_key(turn);
    steps
}

struct StepBuilder<'a> {
    changes: &'a [Change],
    after: &'a Schema,
    transition: &'a MigrationHints,
    steps: Vec<Step>,
    /// The tables whose owner has to see all rows, and from which file on.
    lifted: BTreeMap<QualifiedName, Stage>,
}

impl StepBuilder<'_> {
    fn push(&mut self, stage: Stage, action: Action) {
        self.steps.push(Step { stage, action });
    }

    /// Makes the new tables and drops those that are gone, which is the same backwards.
    fn tables(&mut self) {
        let (mut new, mut gone) = (BTreeMap::new(), BTreeMap::new());
        for change in self.changes {
            match change {
                Change::Add(SchemaObject::Table { name, table }) => new.insert(name.clone(), Table::clone(table)),
                Change::Drop(SchemaObject::Table { name, table }) => gone.insert(name.clone(), Table::clone(table)),
                _ => None,
            };
        }
        let is_pending = |item: &SchemaObject| self.is_pending(item);
        for action in making_tables(&new, &is_pending) {
            let stage = match &action {
                Action::Add(key @ SchemaObject::ForeignKey { .. }) if self.is_pending(key) => Stage::Attach,
                _ => Stage::Main,
            };
            self.push(stage, action);
        }
        let dropping = making_tables(&gone, &|_| false);
        for action in dropping.iter().rev().filter_map(Action::undone) {
            self.push(Stage::Main, action);
        }
    }

    /// Says whether a foreign key refers to a key that is built in a file of its own.
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

    /// An index goes when the one that takes its place is there, unless it is in the way before.
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
        // Before PostgreSQL 18 a partitioned table takes no foreign key that is not valid at once.
        if partitions.is_some() {
            return self.push(stage, Action::Add(item.clone()));
        }
        self.push(stage, Action::AddUnchecked(item.clone()));
        self.push(Stage::Validate, Action::Validate(item.clone()));
        for table in [table, &key.target] {
            let lifted = self.lifted.entry(table.clone()).or_insert(stage);
            *lifted = stage.min(*lifted);
        }
    }

    fn add_column(&mut self, table: &QualifiedName, column: &Column) {
        let add = |column: Column| Action::Add(SchemaObject::Column { table: table.clone(), column });
        if column.nullable || column.default.is_some() {
            return self.push(Stage::Main, add(column.clone()));
        }
        // The judge refused it where nothing fills it.
        self.push(Stage::Main, add(Column { nullable: true, ..column.clone() }));
        self.forbid_null(table, column);
    }

    /// Takes NULL no more, in such a way that reading the rows that are there keeps nobody waiting.
    fn forbid_null(&mut self, table: &QualifiedName, column: &Column) {
        let place = (table.clone(), column.name.clone());
        if let Some(with) = self.transition.backfills.get(&place) {
            self.lifted.insert(table.clone(), Stage::Main);
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

    /// Changes one side of a column at a time: what fills it goes before its type changes, and comes back after it.
    fn alter_column(&mut self, table: &QualifiedName, before: &Column, after: &Column) {
        let mut now = before.clone();
        let counted = |column: &Column| column.default == Some(ColumnDefault::Identity);
        let retyped = before.ty != after.ty && before.default.is_some() && !(counted(before) && counted(after));
        let mut to = |draft: &mut Self, next: Column| {
            if next != now {
                let item = |column| SchemaObject::Column { table: table.clone(), column };
                let (before, after) = (item(now.clone()), item(next.clone()));
                draft.push(Stage::Main, Action::Alter { before, after });
                now = next;
            }
            now.clone()
        };
        let mut next = before.clone();
        if retyped || counted(before) != counted(after) {
            next.default = None;
            next = to(self, next);
        }
        next.ty = after.ty.clone();
        next = to(self, next);
        next.default = after.default.clone();
        next = to(self, next);
        next.comment = after.comment.clone();
        next = to(self, next);
        if after.nullable {
            next.nullable = true;
            to(self, next);
        } else if before.nullable {
            self.forbid_null(table, after);
        }
    }
}
