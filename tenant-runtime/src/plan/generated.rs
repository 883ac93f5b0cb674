//! Generated columns that a migration drops and adds again: before version 17, PostgreSQL cannot change the expression of a
//! generated column, and no version can change the type of a column that such an expression reads.

use crate::{
    analyze::expression_columns::may_read,
    diff::{Change, SchemaObject},
    model::{
        column_property::ColumnProperty,
        schema::{Column, Grant, QualifiedName, Schema},
    },
};

/// A column that is dropped and added again, or that ceases to be generated: then it keeps its values, and only reverting the
/// migration drops and adds it.
pub(super) struct Replaced {
    pub(super) table: QualifiedName,
    pub(super) before: Column,
    after: Column,
}

/// Finds the columns to replace: those whose value is generated in another way, and generated columns that read a column that
/// PostgreSQL cannot change or drop meanwhile.
pub(super) fn replaced_columns(changes: &[Change], before: &Schema, after: &Schema) -> Vec<Replaced> {
    let mut replaced = Vec::new();
    for (name, table) in &before.tables {
        let Some(new) = after.tables.get(name) else { continue };
        for column in &table.columns {
            let Some(after) = new.columns.iter().find(|other| other.name == column.name) else { continue };
            if is_replaced(column, after) || reads_changed_column(changes, name, column) {
                replaced.push(Replaced { table: name.clone(), before: column.clone(), after: after.clone() });
            }
        }
    }
    replaced
}

/// Returns whether PostgreSQL cannot alter one version of a column to the other.
fn is_replaced(before: &Column, after: &Column) -> bool {
    let is_generated = before.generated().is_some() || after.generated().is_some();
    let properties = [ColumnProperty::Type, ColumnProperty::Sensitive, ColumnProperty::Default];
    is_generated && properties.into_iter().any(|property| property.differs(before, after))
}

/// Returns whether a generated column reads a column that is dropped, or whose type or statistics change.
fn reads_changed_column(changes: &[Change], table: &QualifiedName, column: &Column) -> bool {
    let Some(expression) = column.generated() else { return false };
    changes.iter().any(|change| match change {
        Change::Drop(SchemaObject::Column { table: of, column }) => of == table && may_read(expression, &column.name),
        Change::Alter {
            before: SchemaObject::Column { column: before, .. },
            after: SchemaObject::Column { table: of, column },
        } => {
            let properties = [ColumnProperty::Type, ColumnProperty::Sensitive];
            of == table
                && properties.into_iter().any(|property| property.differs(before, column))
                && may_read(expression, &column.name)
        }
        _ => false,
    })
}

impl Replaced {
    /// Returns the privileges on the column that stay, each as one grant.
    pub(super) fn grants(&self, before: &Schema, after: &Schema) -> Vec<SchemaObject> {
        let grants = |schema: &Schema| {
            let all = schema.tables.get(&self.table).map(|table| table.grants.clone()).unwrap_or_default();
            let own = all.into_iter().filter(|grant| grant.columns.contains(&self.before.name));
            own.map(|grant| Grant { columns: vec![self.before.name.clone()], ..grant }).collect::<Vec<_>>()
        };
        let after = grants(after);
        let kept = grants(before).into_iter().filter(|grant| after.contains(grant));
        kept.map(|grant| SchemaObject::Grant { table: self.table.clone(), grant }).collect()
    }

    /// Replaces the change of the column by dropping and adding it, unless it ceases to be generated.
    pub(super) fn replace_in(self, changes: &mut Vec<Change>) {
        if self.after.generated().is_none() {
            return;
        }
        let object = |column| SchemaObject::Column { table: self.table.clone(), column };
        let (before, after) = (object(self.before), object(self.after));
        let identity = before.identity();
        changes.retain(|change| match change {
            Change::Alter { before, .. } => before.identity() != identity,
            _ => true,
        });
        changes.extend([Change::Drop(before), Change::Add(after)]);
    }
}
