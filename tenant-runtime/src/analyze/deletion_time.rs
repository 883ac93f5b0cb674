//! The conditions on the time of a deletion, from which the policies of tables that keep deleted rows are built.

use super::{column_ident, tenancy::Tenancy};
use crate::{
    ident::literal,
    model::{
        def::TableDef,
        names,
        schema::{Command, Condition, ConditionKind, Expression},
    },
};

/// The conditions on the time of the deletion.
pub(super) struct DeletionTime {
    not_deleted_before: Condition,
    pub(super) not_deleted: Condition,
    pub(super) deleted_now: Condition,
    pub(super) deleted: Condition,
    pub(super) deleted_shown: Condition,
}

impl DeletionTime {
    /// Returns the condition on existing rows.
    pub(super) fn using(&self, command: Command) -> Option<&Condition> {
        match command {
            // The SELECT policies apply to the new row of an UPDATE too, so they accept the rows that the transaction deletes.
            Command::Select => Some(&self.not_deleted_before),
            Command::Update => Some(&self.not_deleted),
            Command::Insert | Command::Delete => None,
        }
    }

    /// Returns the condition on new rows. No role can set the column on INSERT.
    pub(super) fn with_check(&self, command: Command) -> Option<&Condition> {
        (command == Command::Update).then_some(&self.not_deleted)
    }
}

/// Derives the conditions on the time of the deletion.
pub(super) fn conditions(def: &TableDef, tenancy: &Tenancy) -> Option<DeletionTime> {
    let column = column_ident(def.soft_delete?.column);
    let column = column.quoted();
    let condition = |kind, sql: String| Condition::new(kind, Expression::trusted(sql));
    let setting = literal(&tenancy.def.deleted_rows_setting());
    let shown = format!("(SELECT current_setting({setting}, true)) = {}", literal(names::DELETED_ROWS_SHOWN));
    Some(DeletionTime {
        not_deleted_before: condition(
            ConditionKind::NotDeletedBefore,
            format!("{column} IS NULL OR {column} = transaction_timestamp()"),
        ),
        not_deleted: condition(ConditionKind::NotDeleted, format!("{column} IS NULL")),
        deleted_now: condition(ConditionKind::DeletedNow, format!("{column} = transaction_timestamp()")),
        deleted: condition(ConditionKind::Deleted, format!("{column} IS NOT NULL")),
        deleted_shown: condition(ConditionKind::DeletedShown, format!("{column} IS NOT NULL AND {shown}")),
    })
}
