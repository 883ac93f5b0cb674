//! Roles and columns of a declared table, by command.

use super::{
    command::Command,
    def::{ColumnDef, ReferenceDef, ScopeDef, TableDef},
};

/// A foreign key of a declared table: of one field, or of several.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    /// The referencing columns without the tenant column, unless it is the only one.
    pub(crate) columns: Vec<&'static ColumnDef>,
    /// The referenced table and the actions.
    pub(crate) to: ReferenceDef,
}

impl Reference {
    /// Returns whether a row can reference no row: a foreign key with a NULL in one of its columns is not checked.
    pub(crate) fn is_nullable(&self) -> bool {
        self.columns.iter().any(|column| column.nullable)
    }
}

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

    /// Returns the foreign keys, first those of one field. A foreign key with an unknown column is left out: analysis reports it.
    pub(crate) fn references(&self) -> Vec<Reference> {
        let columns: &'static [ColumnDef] = self.columns;
        let named = |name: &&str| columns.iter().find(|column| column.name == *name);
        let single =
            columns.iter().filter_map(|column| Some(Reference { columns: vec![column], to: column.references? }));
        let several = self.foreign_keys.iter().filter_map(|key| {
            let columns = key.columns.iter().map(named).collect::<Option<Vec<_>>>()?;
            Some(Reference { columns, to: key.reference })
        });
        single.chain(several).collect()
    }

    /// Returns whether a foreign key contains a column.
    pub(crate) fn is_reference(&self, column: &ColumnDef) -> bool {
        column.references.is_some() || self.foreign_keys.iter().any(|key| key.columns.contains(&column.name))
    }

    /// Returns whether a column is the tenant column.
    pub(crate) fn is_tenant_column(&self, column: &ColumnDef) -> bool {
        self.tenant_column() == Some(column.name)
    }

    /// Returns the column that references the row's parent.
    pub(crate) fn parent_column(&self) -> Option<&'static ColumnDef> {
        let ScopeDef::Parent { column, .. } = self.scope else { return None };
        let columns: &'static [ColumnDef] = self.columns;
        columns.iter().find(|candidate| candidate.name == column)
    }

    /// Returns whether an INSERT of an application role can set a column. An INSERT cannot set a key that the database
    /// generates: a chosen key would reveal whether another tenant has the same key.
    pub(crate) fn is_inserted(&self, column: &ColumnDef) -> bool {
        let is_from_context = self.inserted_tenant_column() == Some(column.name) || self.owner == Some(column.name);
        is_from_context || column.app_assigned
    }

    /// Returns whether an INSERT of the system role can set a column. Without a tenant in the context, the database cannot fill
    /// the tenant column.
    pub(crate) fn is_inserted_by_system(&self, column: &ColumnDef) -> bool {
        self.is_inserted(column) || self.is_tenant_column(column)
    }

    /// Returns whether a column keeps its value for the lifetime of the row: the key, and the columns that assign a row to its
    /// tenant and its owner.
    pub(crate) fn is_fixed(&self, column: &ColumnDef) -> bool {
        let is_parent = matches!(self.scope, ScopeDef::Parent { column: parent, .. } if parent == column.name);
        self.is_tenant_column(column) || is_parent || self.owner == Some(column.name) || column.id
    }

    /// Returns whether an UPDATE can change a column.
    pub(crate) fn is_changed(&self, column: &ColumnDef) -> bool {
        !self.is_fixed(column) && !column.is_computed() && !self.is_deletion_time(column)
    }

    /// Returns whether a column contains the time of the deletion.
    pub(crate) fn is_deletion_time(&self, column: &ColumnDef) -> bool {
        self.soft_delete.is_some_and(|soft| soft.column == column.name)
    }

    /// Returns the roles that can remove rows of the table: any row, and rows that the user owns.
    pub(crate) fn removers(&self) -> [Option<&'static str>; 2] {
        match self.soft_delete {
            Some(soft) => [soft.purge, None],
            None => [self.delete, self.delete_own],
        }
    }

    /// Returns the roles that can set the time of the deletion, by deleting or restoring a row.
    pub(crate) fn deletion_time_setters(&self) -> impl Iterator<Item = &'static str> {
        self.soft_delete.into_iter().flat_map(|soft| [self.delete_own, self.delete, soft.restore]).flatten()
    }
}

impl ColumnDef {
    /// Returns whether an INSERT can omit the column.
    pub(crate) fn may_be_left_out(&self) -> bool {
        self.nullable || self.default.is_some() || self.is_computed()
    }

    /// Returns whether the database sets the value of every row, so that no statement can set it.
    pub(crate) fn is_computed(&self) -> bool {
        self.generated.is_some() || self.updated_at || self.counter
    }
}
