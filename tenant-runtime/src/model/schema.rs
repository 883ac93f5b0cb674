//! The schema: what the database shall be, checked and complete, policies and grants included.
//!
//! A [`Schema`] is made by [`check`](crate::analyze) or read from a snapshot, and by nothing else. It knows no Rust types
//! and no attributes any more; every name in it is an [`Ident`] and every expression an [`Expression`].

use std::collections::BTreeMap;

pub use super::{
    command::Command,
    expression::Expression,
    pgaudit::LogClasses,
    policy::{Condition, ConditionKind, Policy, PolicyKind},
    role::{Role, RoleKind},
};
use crate::ident::Ident;

/// What the database shall be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    pub(crate) product: String,
    pub(crate) roles: Vec<Role>,
    /// Whether something else makes the roles.
    pub(crate) external_roles: bool,
    /// What pgaudit logs in the database.
    pub(crate) pgaudit: Option<LogClasses>,
    pub(crate) schemas: Vec<Ident>,
    /// The settings that policies and functions read, such as `app.organization_id`.
    pub(crate) context_settings: Vec<String>,
    pub(crate) functions: BTreeMap<QualifiedName, Function>,
    pub(crate) tables: BTreeMap<QualifiedName, Table>,
}

impl Schema {
    /// Returns the name of the product whose roles these are.
    #[must_use]
    pub fn product(&self) -> &str {
        &self.product
    }

    /// Returns the roles: the owner, then each tier after those that it includes, then the logins.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Returns the schemas, sorted.
    #[must_use]
    pub fn schemas(&self) -> &[Ident] {
        &self.schemas
    }

    /// Returns the functions by name. Their schema is not among [`schemas`](Self::schemas): the definer owns it.
    #[must_use]
    pub fn functions(&self) -> &BTreeMap<QualifiedName, Function> {
        &self.functions
    }

    /// Returns the tables by name.
    #[must_use]
    pub fn tables(&self) -> &BTreeMap<QualifiedName, Table> {
        &self.tables
    }

    /// Returns the role that owns everything; there is one in every schema but the empty one.
    pub(crate) fn owner(&self) -> Option<&Role> {
        self.roles.iter().find(|role| role.kind == RoleKind::SchemaOwner)
    }

    /// Returns the role that owns the functions, where there are any.
    pub(crate) fn function_owner(&self) -> Option<&Role> {
        self.roles.iter().find(|role| role.kind == RoleKind::FunctionOwner)
    }

    /// Returns the role of a user who acts in no tenant, where there is one.
    pub(crate) fn no_tenant(&self) -> Option<&Role> {
        self.roles.iter().find(|role| role.kind == RoleKind::NoTenant)
    }

    /// Returns the role that crosses tenants, where there is one.
    pub(crate) fn system(&self) -> Option<&Role> {
        self.roles.iter().find(|role| role.kind == RoleKind::System)
    }

    /// Returns the logins: the app's, those of single application_roles, and that of jobs that cross tenants.
    pub(crate) fn logins(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter().filter(|role| role.kind.login().is_some())
    }

    /// Returns the application_roles, each after those that it includes.
    pub(crate) fn application_roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter().filter(|role| matches!(role.kind, RoleKind::Application { .. }))
    }
}

/// The name of a table with its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QualifiedName {
    /// The schema.
    pub schema: Ident,
    /// The table.
    pub table: Ident,
}

impl QualifiedName {
    /// Returns the name as it stands in SQL.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("{}.{}", self.schema.quoted(), self.table.quoted())
    }
}

impl std::fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// A table with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The comment; empty for none.
    pub comment: String,
    /// Whose rows it holds.
    pub scope: Scope,
    /// The columns in their order.
    pub columns: Vec<Column>,
    /// The columns of the primary key.
    pub primary_key: Key,
    /// The unique constraints.
    pub uniques: Vec<Key>,
    /// The CHECK constraints.
    pub checks: Vec<Check>,
    /// The foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// The indexes, besides those of the constraints.
    pub indexes: Vec<Key>,
    /// The policies. Row level security is enabled and forced on every table.
    pub policies: Vec<Policy>,
    /// The grants.
    pub grants: Vec<Grant>,
    /// The triggers.
    pub triggers: Vec<Trigger>,
    /// Into how many partitions the table is hashed by its tenant column.
    pub partitions: Option<u16>,
}

/// A function in PL/pgSQL that runs as the definer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Says in words what it does.
    pub comment: String,
    /// The names and types of its arguments.
    pub arguments: Vec<(Ident, Expression)>,
    /// The type of what it returns.
    pub returns: Returns,
    /// Whether it only reads, so that a statement may call it once for all rows.
    pub stable: bool,
    /// Whether it sees all digits of a float, where its caller asks for fewer in what is written down.
    pub exact_floats: bool,
    /// What stands between `DECLARE` and the end.
    pub body: String,
    /// Who may call it, besides the definer.
    pub execute: Vec<Ident>,
}

impl Function {
    /// Returns the settings that hold within it, whatever its caller has set.
    pub(crate) fn settings(&self) -> &'static [(&'static str, &'static str)] {
        const NAMES: (&str, &str) = ("search_path", "pg_catalog, pg_temp");
        const DIGITS: (&str, &str) = ("extra_float_digits", "1");
        if self.exact_floats { &[NAMES, DIGITS] } else { &[NAMES] }
    }
}

/// What a function returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returns {
    /// Nothing.
    Void,
    /// What a trigger function returns.
    Trigger,
    /// A value of a type.
    Value(Expression),
    /// Rows with these columns.
    Rows(Vec<(Ident, Expression)>),
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The name.
    pub name: Ident,
    /// The function that it calls.
    pub function: QualifiedName,
    /// When it calls it.
    pub kind: TriggerKind,
}

/// Says when a trigger calls its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerKind {
    /// At the end of the transaction, for each row that was updated or deleted: a constraint.
    AtCommit,
    /// After each row that is inserted, updated or deleted.
    EachChange {
        /// What the function is told.
        arguments: Vec<String>,
    },
}

impl Table {
    /// Returns the tenant column, where there is one.
    #[must_use]
    pub fn tenant_column(&self) -> Option<&Ident> {
        match &self.scope {
            Scope::Tenant(column) => Some(column),
            _ => None,
        }
    }
}

/// Whose rows a table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of the tenants that this column names.
    Tenant(Ident),
    /// Those of the tenants of the rows that this column refers to.
    Parent(Ident),
    /// Nobody's, and a tenant sees those that its membership table names.
    Shared,
    /// Nobody's.
    Global,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name.
    pub name: Ident,
    /// The comment; empty for none.
    pub comment: String,
    /// The type.
    pub ty: Expression,
    /// Whether it takes NULL.
    pub nullable: bool,
    /// What fills it where an INSERT does not.
    pub default: Option<ColumnDefault>,
}

/// What fills a column where an INSERT does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnDefault {
    /// A number that the database counts up and that no INSERT may choose.
    Identity,
    /// An expression.
    Expression(Expression),
}

/// Columns that form a key or an index, under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name of the constraint or the index.
    pub name: Ident,
    /// The columns in their order.
    pub columns: Vec<Ident>,
}

/// A CHECK constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name.
    pub name: Ident,
    /// The condition.
    pub condition: Expression,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The name.
    pub name: Ident,
    /// The referring columns; the tenant column first where both tables have one.
    pub columns: Vec<Ident>,
    /// The table referred to.
    pub target: QualifiedName,
    /// The columns referred to.
    pub target_columns: Vec<Ident>,
    /// What a deletion there does here.
    pub on_delete: ForeignKeyAction,
}

/// What the deletion of a row does to the rows that refer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForeignKeyAction {
    /// It is refused.
    NoAction,
    /// They go as well.
    Cascade,
    /// This column of theirs becomes NULL; the tenant column stays.
    SetNull(Ident),
}

/// A privilege on a table, given to a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The command.
    pub command: Command,
    /// The columns; none for DELETE, which has none.
    pub columns: Vec<Ident>,
    /// The role.
    pub role: Ident,
}
