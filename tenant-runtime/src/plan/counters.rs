//! Columns that number the rows of each tenant: the migration that adds one numbers the existing rows, and stores the last numbers.

use super::{Action, Counter};
use crate::{
    diff::SchemaObject,
    model::schema::{Column, QualifiedName, Schema},
};

/// Returns the tables with the last numbers of a schema's counters.
pub(super) fn last_numbers(schema: &Schema) -> impl Iterator<Item = &QualifiedName> {
    schema.tables.values().flat_map(|table| &table.columns).filter_map(Column::counter)
}

/// Returns a counter of an existing table; `nullable` is whether the column allows NULL without it.
pub(super) fn counter(
    schema: &Schema,
    table: &QualifiedName,
    column: &Column,
    nullable: bool,
    has_triggers: bool,
) -> Option<Counter> {
    let found = schema.tables.get(table)?;
    Some(Counter {
        table: table.clone(),
        column: column.name.clone(),
        tenant: found.tenant_column()?.clone(),
        key: found.primary_key.columns.clone(),
        last_numbers: column.counter()?.clone(),
        nullable,
        has_triggers,
    })
}

/// Returns the actions that add a counter to a table with rows.
pub(super) fn adding(counter: Counter, column: &Column) -> [Action; 2] {
    [Action::Add(without_values(&counter, column)), Action::Count { counter, now: true }]
}

/// Returns the actions that drop a counter: the down file adds it and numbers the rows again.
pub(super) fn dropping(counter: Counter, column: &Column) -> [Action; 2] {
    let dropped = Action::Drop(without_values(&counter, column));
    [Action::Count { counter, now: false }, dropped]
}

/// Returns the column as it is without values.
fn without_values(counter: &Counter, column: &Column) -> SchemaObject {
    let column = Column { nullable: true, default: None, ..column.clone() };
    SchemaObject::Column { table: counter.table.clone(), column }
}
