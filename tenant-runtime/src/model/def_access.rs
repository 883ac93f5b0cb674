//! Roles and columns of a declared table, by command.

use super::{
    command::Command,
    def::{ColumnDef, ScopeDef, TableDef},
};

impl TableDef {
    /// Returns the minimum role for a command on any row.
    pub(crate) fn role(&self, command: Command) -> Option<&'static str> {
        match command {
            Command::Select => self.select,
            Command::Insert => self.insert,
            Command::Update => self.update,
            Command::Delete => self.delete,
        }
    }

    /// Returns the minimum role for a command on rows that the user owns.
    pub(crate) fn own_role(&self, command: Command) -> Option<&'static str> {
        match command {
            Command::Select | Command::Insert => None,
            Command::Update => self.update_own,
            Command::Delete => self.delete_own,
        }
    }

    /// Returns whether the system role can run a command.
    pub(crate) fn allows_system(&self, command: Command) -> bool {
        self.system.contains(&command.attribute())
    }

    /// Returns whether an INSERT can set a column. An INSERT cannot set a key that the database
    /// generates: a chosen key would reveal whether another tenant has the same key.
    pub(crate) fn is_inserted(&self, column: &ColumnDef) -> bool {
        let is_tenant = self.scope == ScopeDef::Tenant { column: column.name };
        is_tenant || self.owner == Some(column.name) || column.app_assigned
    }

    /// Returns whether an UPDATE can change a column. An UPDATE can change neither the key nor the
    /// columns that assign a row to its tenant and its owner.
    pub(crate) fn is_changed(&self, column: &ColumnDef) -> bool {
        let of_tenant = match self.scope {
            ScopeDef::Tenant { column } | ScopeDef::Parent { column } => Some(column),
            ScopeDef::Shared { .. } | ScopeDef::Global => None,
        };
        of_tenant != Some(column.name) && self.owner != Some(column.name) && !column.id
    }
}

impl ColumnDef {
    /// Returns whether an INSERT can omit the column.
    pub(crate) fn may_be_left_out(&self) -> bool {
        self.nullable || self.default.is_some()
    }
}
