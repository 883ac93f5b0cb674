//! The database schema as declared: validated and complete, with policies and grants.
//!
//! A [`Schema`] comes only from [`analyze`](crate::analyze) or from a snapshot. It contains no Rust types and no
//! attributes; every name in it is an [`Ident`] and every expression an [`Expression`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use super::{
    command::Command,
    def_column::{Deferral, OnUpdate},
    expression::Expression,
    index::{Index, IndexKey, IndexKind, IndexPart, Operator},
    migration_hints::Renames,
    pgaudit::LogClasses,
    policy::{Condition, ConditionKind, Policy, PolicyKind},
    qualified_name::QualifiedName,
    role::{Role, RoleKind},
};
use crate::ident::Ident;

/// The database schema as declared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    pub(crate) product: String,
    pub(crate) roles: Vec<Role>,
    /// Whether the roles are created outside the migrations.
    pub(crate) external_roles: bool,
    /// The classes of statements that pgaudit logs.
    pub(crate) pgaudit: Option<LogClasses>,
    pub(crate) schemas: Vec<Ident>,
    /// The extensions, each with its schema.
    pub(crate) extensions: BTreeMap<Ident, Ident>,
    /// The enum types.
    pub(crate) enums: BTreeMap<QualifiedName, EnumType>,
    /// The settings that policies and functions read, such as `app.organization_id`.
    pub(crate) context_settings: Vec<String>,
    pub(crate) functions: BTreeMap<QualifiedName, Function>,
    /// The sequences that the functions use, in the schema of the functions.
    pub(crate) sequences: BTreeSet<QualifiedName>,
    /// The tables are shared with the changes and steps of a migration, which contain whole tables.
    pub(crate) tables: BTreeMap<QualifiedName, Arc<Table>>,
    /// The previous names that the models declare.
    pub(crate) renames: Renames,
}

impl Schema {
    /// Returns the enum type of a column that has the type or an array of it.
    pub(crate) fn enum_of(&self, ty: &Expression) -> Option<&EnumType> {
        let element = ty.as_str().strip_suffix("[]").unwrap_or(ty.as_str());
        self.enums.iter().find(|(name, _)| name.quoted() == element).map(|(_, ty)| ty)
    }

    /// Returns the name of the product to which the roles belong.
    #[must_use]
    pub fn product(&self) -> &str {
        &self.product
    }

    /// Returns the roles: the owners, then each application role after the roles that it includes, then the login
    /// roles.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Returns the schemas, sorted.
    #[must_use]
    pub fn schemas(&self) -> &[Ident] {
        &self.schemas
    }

    /// Returns the functions by name. The schema of the functions is not in
    /// [`schemas`](Self::schemas), because the function owner owns it.
    #[must_use]
    pub fn functions(&self) -> &BTreeMap<QualifiedName, Function> {
        &self.functions
    }

    /// Returns the tables by name.
    #[must_use]
    pub fn tables(&self) -> &BTreeMap<QualifiedName, Arc<Table>> {
        &self.tables
    }

    /// Returns the schemas of the extensions, sorted.
    pub(crate) fn extension_schemas(&self) -> BTreeSet<&Ident> {
        self.extensions.values().collect()
    }

    /// Returns the schema owner; only the empty schema has none.
    pub(crate) fn owner(&self) -> Option<&Role> {
        self.roles.iter().find(|role| role.kind == RoleKind::SchemaOwner)
    }

    /// Returns the function owner, if there are functions.
    pub(crate) fn function_owner(&self) -> Option<&Role> {
        self.roles.iter().find(|role| role.kind == RoleKind::FunctionOwner)
    }

    /// Returns the role for users without a tenant, if there is one.
    pub(crate) fn no_tenant(&self) -> Option<&Role> {
        self.roles.iter().find(|role| role.kind == RoleKind::NoTenant)
    }

    /// Returns the role of cross-tenant jobs, if there is one.
    pub(crate) fn system(&self) -> Option<&Role> {
        self.roles.iter().find(|role| role.kind == RoleKind::System)
    }

    /// Returns the login roles: the app's login role, the login roles of single application roles, and the login role
    /// of cross-tenant jobs.
    pub(crate) fn logins(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter().filter(|role| role.kind.login().is_some())
    }

    /// Returns the application roles, each after the roles that it includes.
    pub(crate) fn application_roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter().filter(|role| matches!(role.kind, RoleKind::Application { .. }))
    }
}

/// A table with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The comment; empty if there is none.
    pub comment: String,
    /// How the rows of the table belong to tenants.
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
    /// The indexes, except those of keys; and the exclusion constraints.
    pub indexes: Vec<Index>,
    /// The policies. Row-level security is enabled and forced on every table.
    pub policies: Vec<Policy>,
    /// The grants.
    pub grants: Vec<Grant>,
    /// The triggers.
    pub triggers: Vec<Trigger>,
    /// The number of hash partitions by the tenant column; `None` for a table without partitions.
    pub partitions: Option<u16>,
}

/// An enum type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumType {
    /// The labels in their order.
    pub labels: Vec<String>,
    /// The roles with USAGE, which create functions with parameters of the type.
    pub users: Vec<Ident>,
}

/// A function in PL/pgSQL: SECURITY DEFINER, except for [`Returns::NewRow`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The comment.
    pub comment: String,
    /// The names and types of its arguments.
    pub arguments: Vec<(Ident, Expression)>,
    /// The result.
    pub returns: Returns,
    /// Whether the function only reads, and when it is called.
    pub volatility: Volatility,
    /// Whether the function writes all digits of floating-point numbers, even if its caller has set
    /// `extra_float_digits` to a lower value.
    pub exact_floats: bool,
    /// The schemas of extensions, in which the function finds operators on types of these extensions.
    pub extension_schemas: Vec<Ident>,
    /// The body, from `DECLARE` or `BEGIN` to `END`.
    pub body: String,
    /// The roles with EXECUTE, except the function owner.
    pub execute: Vec<Ident>,
}

impl Function {
    /// Returns whether the function runs with the privileges of its owner.
    pub(crate) fn is_security_definer(&self) -> bool {
        self.returns != Returns::NewRow
    }

    /// Returns the settings that are fixed for the function, regardless of its caller's settings.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        if !self.is_security_definer() {
            // It names its objects with their schema and reads no table.
            return Vec::new();
        }
        let mut settings = vec![
            ("search_path", search_path(&self.extension_schemas)),
            // Migrations run with `row_security = off`, and the function's tables have policies for its owner.
            ("row_security", "on".to_owned()),
        ];
        settings.extend(self.exact_floats.then(|| ("extra_float_digits", "1".to_owned())));
        settings
    }
}

/// Returns the `search_path` of migrations and functions, which qualify every name except those of operators.
pub(crate) fn search_path<'s>(extension_schemas: impl IntoIterator<Item = &'s Ident>) -> String {
    let extensions: String = extension_schemas.into_iter().map(|schema| format!("{}, ", schema.quoted())).collect();
    format!("pg_catalog, {extensions}pg_temp")
}

/// When the server calls a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volatility {
    /// When it plans a statement, whose plan contains the result.
    Immutable,
    /// Once for all rows of a statement: the function only reads.
    Stable,
    /// At each evaluation.
    Volatile,
}

impl Returns {
    /// Returns whether the function is a trigger function.
    pub(crate) fn is_trigger(&self) -> bool {
        matches!(self, Self::Trigger | Self::NewRow)
    }
}

/// The result of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returns {
    /// No result.
    Void,
    /// `trigger`.
    Trigger,
    /// `trigger`: the function sets columns of the new row and does nothing else, so it runs with the privileges of the
    /// statement (SECURITY INVOKER).
    NewRow,
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
    /// The function that the trigger calls.
    pub function: QualifiedName,
    /// When the trigger calls the function.
    pub kind: TriggerKind,
}

/// When a trigger calls its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerKind {
    /// At the end of the transaction, for each updated or deleted row: a constraint trigger.
    AtCommit,
    /// Before each update of a row: the function sets columns of the new row.
    BeforeUpdate,
    /// Before each row is inserted: the function sets columns of the new row.
    BeforeInsert,
    /// After each inserted, updated or deleted row.
    EachChange {
        /// The arguments of the function.
        arguments: Vec<String>,
    },
}

impl Table {
    /// Returns the tenant column, if there is one.
    #[must_use]
    pub fn tenant_column(&self) -> Option<&Ident> {
        match &self.scope {
            Scope::Tenant(column) => Some(column),
            Scope::Parent(_) => self.parent_key().and_then(|key| key.columns.first()),
            Scope::Shared | Scope::Global => None,
        }
    }

    /// Returns the foreign key to the parent, which consists of the tenant column and the referencing column. `None` also for
    /// a table in an old snapshot that has no tenant column.
    pub(crate) fn parent_key(&self) -> Option<&ForeignKey> {
        let Scope::Parent(column) = &self.scope else { return None };
        self.foreign_keys.iter().find(|key| matches!(&key.columns[..], [_, parent] if parent == column))
    }

    /// Returns whether a column is the tenant column that the struct of the table does not have: the parents of the rows determine
    /// its values.
    pub(crate) fn is_from_parent(&self, column: &Ident) -> bool {
        self.parent_key().is_some_and(|key| key.columns.first() == Some(column))
    }
}

/// How the rows of a table belong to tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The tenant that this column names.
    Tenant(Ident),
    /// The tenant of the row that this column references.
    Parent(Ident),
    /// No tenant; a tenant sees the rows that its memberships reference.
    Shared,
    /// No tenant.
    Global,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name.
    pub name: Ident,
    /// The comment; empty if there is none.
    pub comment: String,
    /// The type.
    pub ty: Expression,
    /// The collation; `None` for the collation of the type.
    pub collation: Option<QualifiedName>,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// The default.
    pub default: Option<ColumnDefault>,
    /// Whether PostgreSQL collects no planner statistics of the values.
    pub sensitive: bool,
}

/// The default of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnDefault {
    /// `GENERATED ALWAYS AS IDENTITY`: an INSERT cannot set the value.
    Identity,
    /// An expression.
    Expression(Expression),
    /// `GENERATED ALWAYS AS (…) STORED`: the expression on the other columns of the row from which the value is computed.
    Generated(Expression),
    /// The next number of the row's tenant, which a trigger takes from this table.
    Counter(QualifiedName),
}

/// The columns of a key, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name of the constraint.
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
    /// The labels, if this is the check of an enum column.
    pub labels: Option<LabelCheck>,
}

/// The labels that an enum column can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelCheck {
    /// The column.
    pub column: Ident,
    /// Whether the column contains arrays of labels.
    pub array: bool,
    /// The labels.
    pub labels: Vec<String>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The name.
    pub name: Ident,
    /// The referencing columns; the tenant column comes first if both tables have one.
    pub columns: Vec<Ident>,
    /// The referenced table.
    pub target: QualifiedName,
    /// The referenced columns.
    pub target_columns: Vec<Ident>,
    /// The effect of deleting the referenced row.
    pub on_delete: ForeignKeyAction,
    /// The effect of changing the referenced key.
    pub on_update: OnUpdate,
    /// When the foreign key is checked.
    pub deferral: Deferral,
}

/// The effect of deleting a row on the rows that reference it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForeignKeyAction {
    /// The deletion fails (`NO ACTION`).
    NoAction,
    /// The referencing rows are deleted as well (`CASCADE`).
    Cascade,
    /// These columns become NULL; the tenant column keeps its value (`SET NULL (column)`).
    SetNull(Vec<Ident>),
}

/// A privilege on a table, granted to a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The command.
    pub command: Command,
    /// The columns; empty for DELETE, which has no column privileges.
    pub columns: Vec<Ident>,
    /// The role.
    pub role: Ident,
}
