//! The tenant columns of tables with `parent`: the rows' parents determine the values, also in existing rows.

use super::{Action, Fill};
use crate::{
    diff::SchemaObject,
    model::schema::{Column, QualifiedName, Schema},
};

/// The actions on these columns, each list with the number of ancestors of a row; negative if the column is dropped.
#[derive(Default)]
pub(super) struct TenantColumns(Vec<(isize, Vec<Action>)>);

impl TenantColumns {
    /// Adds a column and fills it.
    pub(super) fn add(&mut self, after: &Schema, table: &QualifiedName, column: &Column, has_triggers: bool) {
        let fill = filling(after, table, column, has_triggers);
        self.0.extend(fill.map(|(ancestors, fill)| (ancestors, vec![Action::Add(empty(table, column)), fill])));
    }

    /// Fills an existing column that allows NULL.
    pub(super) fn fill(&mut self, after: &Schema, table: &QualifiedName, column: &Column, has_triggers: bool) {
        let fill = filling(after, table, column, has_triggers);
        self.0.extend(fill.map(|(ancestors, fill)| (ancestors, vec![fill])));
    }

    /// Drops a column; the down file fills it again.
    pub(super) fn drop(&mut self, before: &Schema, table: &QualifiedName, column: &Column, has_triggers: bool) {
        let fill = filling(before, table, column, has_triggers);
        let actions = |fill: Action| fill.undone().into_iter().chain([Action::Drop(empty(table, column))]).collect();
        self.0.extend(fill.map(|(ancestors, fill)| (-ancestors, actions(fill))));
    }

    /// Returns the actions in order: the column of a parent is filled before those of its children, up and down.
    pub(super) fn in_order(mut self) -> impl Iterator<Item = Action> {
        self.0.sort_by_key(|(order, _)| *order);
        self.0.into_iter().flat_map(|(_, actions)| actions)
    }
}

/// Returns whether a column is a tenant column whose values the parents of the rows determine.
pub(super) fn is_from_parent(schema: &Schema, table: &QualifiedName, column: &Column) -> bool {
    schema.tables.get(table).is_some_and(|table| table.is_from_parent(&column.name))
}

/// Returns the column as it is without values.
fn empty(table: &QualifiedName, column: &Column) -> SchemaObject {
    SchemaObject::Column { table: table.clone(), column: Column { nullable: true, ..column.clone() } }
}

/// Returns the action that fills a column, and the number of ancestors of a row.
fn filling(schema: &Schema, table: &QualifiedName, column: &Column, has_triggers: bool) -> Option<(isize, Action)> {
    let parent = |name: &QualifiedName| schema.tables.get(name)?.parent_key().cloned();
    let key = parent(table)?;
    let mut ancestors = vec![key.target.clone()];
    while let Some(next) = ancestors.last().and_then(parent).filter(|next| !ancestors.contains(&next.target)) {
        ancestors.push(next.target);
    }
    let (table, column, with) = (table.clone(), column.clone(), Fill::TenantOfParent(key));
    let fill = Action::Backfill { table, column, with, has_triggers, is_deferred: false };
    Some((isize::try_from(ancestors.len()).unwrap_or(isize::MAX), fill))
}
