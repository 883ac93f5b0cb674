//! The declaration of a column.

use super::{def_index::UniqueScope, sql_type::SqlType, table_name::TableName};

/// The value in place of a column's role if no role has the privilege.
pub const NO_ROLE: &str = "none";

/// The declaration of a column.
#[derive(Debug)]
pub struct ColumnDef {
    /// The field's name.
    pub field: &'static str,
    /// The column's name.
    pub name: &'static str,
    /// The field's doc comment; it becomes the column's comment.
    pub doc: &'static str,
    /// The column's type.
    pub ty: SqlType,
    /// Whether the column is nullable.
    pub nullable: bool,
    /// Whether the column is (part of) the primary key.
    pub id: bool,
    /// Whether the application sets the value on insert; setting it is optional if there is a default.
    ///
    /// `false` for generated primary keys and for the tenant column, which is filled from the context.
    pub app_assigned: bool,
    /// The previous name of the column.
    pub renamed_from: Option<&'static str>,
    /// The SQL expression that fills existing rows when the column becomes NOT NULL.
    pub backfill: Option<&'static str>,
    /// The default, an SQL expression.
    pub default: Option<&'static str>,
    /// The SQL expression from which the database computes the value (`GENERATED ALWAYS AS (…) STORED`).
    pub generated: Option<&'static str>,
    /// Whether the database sets the time of the transaction on INSERT and on UPDATE.
    pub updated_at: bool,
    /// Whether the database numbers the rows of each tenant on INSERT.
    pub counter: bool,
    /// The foreign key.
    pub references: Option<ReferenceDef>,
    /// The rows among which the value is unique, if it is.
    pub unique: Option<UniqueScope>,
    /// The collation, with its schema if that is not `pg_catalog`; `None` for the collation of the type.
    pub collation: Option<&'static str>,
    /// Whether the column is indexed; on tenant tables, after the tenant column.
    pub index: bool,
    /// A check constraint, an SQL expression.
    pub check: Option<&'static str>,
    /// Whether the Rust type reads the same value from PostgreSQL's text format as from the binary format.
    pub decodes_text: bool,
    /// Whether PostgreSQL collects no planner statistics of the values, which would reveal them in query plans.
    pub sensitive: bool,
    /// The minimum role for SELECT of the column, if it differs from the table's role; or [`NO_ROLE`].
    pub select: Option<&'static str>,
    /// The minimum role for INSERT of the column, if it differs from the table's role; or [`NO_ROLE`].
    pub insert: Option<&'static str>,
    /// The minimum role for UPDATE of the column, if it differs from the table's role; or [`NO_ROLE`].
    pub update: Option<&'static str>,
}

impl ColumnDef {
    /// Returns a column with only a name and a type.
    #[must_use]
    pub const fn blank(name: &'static str, ty: SqlType, nullable: bool) -> Self {
        Self {
            field: name,
            name,
            doc: "",
            ty,
            nullable,
            id: false,
            app_assigned: true,
            renamed_from: None,
            backfill: None,
            default: None,
            generated: None,
            updated_at: false,
            counter: false,
            references: None,
            unique: None,
            collation: None,
            index: false,
            check: None,
            decodes_text: false,
            sensitive: false,
            select: None,
            insert: None,
            update: None,
        }
    }
}

/// The declaration of a foreign key of several columns.
#[derive(Debug)]
pub struct ForeignKeyDef {
    /// The referencing columns without the tenant column, in the order of the key columns of the referenced table.
    pub columns: &'static [&'static str],
    /// The referenced table and the actions.
    pub reference: ReferenceDef,
}

/// The declaration of a foreign key.
#[derive(Debug, Clone, Copy)]
pub struct ReferenceDef {
    /// The referenced table.
    pub table: TableName,
    /// The action when the referenced row is deleted.
    pub on_delete: OnDelete,
    /// The action when the referenced key changes.
    pub on_update: OnUpdate,
    /// When the foreign key is checked.
    pub deferral: Deferral,
}

impl ReferenceDef {
    /// Returns a foreign key that is checked at the end of each statement and that refuses a change of the referenced key.
    #[must_use]
    pub const fn new(table: TableName, on_delete: OnDelete) -> Self {
        Self { table, on_delete, on_update: OnUpdate::NoAction, deferral: Deferral::NotDeferrable }
    }

    /// Sets the action when the referenced key changes.
    #[must_use]
    pub const fn on_update(mut self, action: OnUpdate) -> Self {
        self.on_update = action;
        self
    }

    /// Sets when the foreign key is checked.
    #[must_use]
    pub const fn deferral(mut self, deferral: Deferral) -> Self {
        self.deferral = deferral;
        self
    }
}

/// The action of a foreign key when the referenced key changes. No application role can change a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUpdate {
    /// The change fails while a row references the old key (`NO ACTION`).
    #[default]
    NoAction,
    /// The referencing rows get the new key (`CASCADE`).
    Cascade,
}

/// When a foreign key is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deferral {
    /// At the end of each statement.
    #[default]
    NotDeferrable,
    /// At the end of each statement, unless the transaction defers it with `SET CONSTRAINTS`.
    InitiallyImmediate,
    /// At the end of the transaction, unless the transaction changes that with `SET CONSTRAINTS`.
    InitiallyDeferred,
}

/// The action of a foreign key when the referenced row is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDelete {
    /// The deletion fails (`NO ACTION`).
    #[default]
    NoAction,
    /// The referencing row is deleted as well (`CASCADE`).
    Cascade,
    /// The referencing columns that are nullable become NULL; the tenant column is kept (`SET NULL (column)`).
    SetNull,
}
