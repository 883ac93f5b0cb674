//! Declarations written by the derive: `const` data about a table and its tenancy, not validated yet.
//!
//! The derive writes these values, rustc type-checks them, and `analyze` turns them into a schema or into findings.

pub use super::sql_type::SqlType;
use super::{compare::same, names};

/// The declaration of a tenancy: key types, settings and roles.
#[derive(Debug, PartialEq, Eq)]
pub struct TenancyDef {
    /// The schema of tables that do not name one.
    pub schema: &'static str,
    /// The prefix of every database role, such as `app_`.
    pub role_prefix: &'static str,
    /// The type of a tenant ID.
    pub key: SqlType,
    /// The type of a user ID.
    pub user: SqlType,
    /// The setting that holds the tenant ID, such as `app.organization_id`.
    pub tenant_setting: &'static str,
    /// The setting that holds the user ID, such as `app.user_id`.
    pub user_setting: &'static str,
    /// The connection limit of the app's login role.
    pub connection_limit: u16,
    /// The timeouts of the app's sessions.
    pub timeouts: TimeoutsDef,
    /// Whether the database roles are created outside the migrations, which then only check them.
    pub external_roles: bool,
    /// Whether each application role has a separate login role.
    pub login_per_role: bool,
    /// The statement classes that pgaudit logs in the database, such as `ddl, role, write`.
    pub pgaudit: Option<&'static str>,
    /// The roles, each after the roles that it includes.
    pub roles: &'static [RoleDef],
}

impl TenancyDef {
    /// A tenancy without roles and with `Uuid` keys: the base of other declarations.
    #[must_use]
    pub const fn blank() -> Self {
        Self {
            schema: "app",
            role_prefix: "app_",
            key: SqlType::Uuid,
            user: SqlType::Uuid,
            tenant_setting: "app.organization_id",
            user_setting: "app.user_id",
            connection_limit: 50,
            timeouts: TimeoutsDef::SHIPPED,
            external_roles: false,
            login_per_role: false,
            pgaudit: None,
            roles: &[],
        }
    }

    /// Returns the name of the setting that holds the ID of a cross-tenant access record.
    pub(crate) fn access_setting(&self) -> String {
        let first = self.tenant_setting.split('.').next().unwrap_or_default();
        format!("{first}.{}", names::SYSTEM_ACCESS_SETTING)
    }

    /// Reports whether a role includes another one, or is the same. A role includes only earlier roles, so the recursion ends.
    pub(crate) const fn includes(&self, role: &str, other: &str) -> bool {
        let Some(at) = self.place(role) else { return false };
        let below = self.roles[at].includes;
        let mut index = 0;
        while index < below.len() {
            if let Some(place) = self.place(below[index])
                && place < at
                && self.includes(below[index], other)
            {
                return true;
            }
            index += 1;
        }
        same(role, other)
    }

    const fn place(&self, role: &str) -> Option<usize> {
        let mut place = 0;
        while place < self.roles.len() {
            if same(self.roles[place].name, role) {
                return Some(place);
            }
            place += 1;
        }
        None
    }

    /// Returns the database role of a role name in an attribute.
    pub(crate) fn database_role(&self, role: &str) -> String {
        format!("{}{role}", self.role_prefix)
    }

    /// Returns the app's login role, or with a login per role the login role of `role`.
    pub(crate) fn login(&self, role: Option<&str>) -> String {
        match role.filter(|_| self.login_per_role) {
            Some(role) => self.database_role(&format!("{role}_{}", names::SERVICE)),
            None => self.database_role(names::SERVICE),
        }
    }

    /// Reports whether a login role belongs to the app or to its jobs.
    pub(crate) fn has_login(&self, login: &str) -> bool {
        let roles = self.roles.iter().map(|role| self.login(Some(role.name)));
        roles.chain([self.login(None), self.database_role(names::JOBS)]).any(|name| name == login)
    }
}

/// The timeouts of a login role's sessions, in seconds; 0 disables a timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutsDef {
    /// `statement_timeout`: the maximum duration of a statement.
    pub statement: u32,
    /// `lock_timeout`: the maximum wait for a lock.
    pub lock: u32,
    /// `idle_in_transaction_session_timeout`: the maximum idle time in an open transaction.
    pub idle_in_transaction: u32,
}

impl TimeoutsDef {
    /// The default timeouts.
    pub const SHIPPED: Self = Self { statement: 30, lock: 5, idle_in_transaction: 60 };
}

/// In place of a column's role: no role has the privilege.
pub const NO_ROLE: &str = "none";

/// The declaration of a role.
#[derive(Debug, PartialEq, Eq)]
pub struct RoleDef {
    /// The name in attributes, such as `viewer`.
    pub name: &'static str,
    /// The roles whose privileges this role inherits; each comes earlier in the list.
    pub includes: &'static [&'static str],
}

/// The qualified name of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema.
    pub schema: &'static str,
    /// The table.
    pub table: &'static str,
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// The declaration of a table, from a struct.
#[derive(Debug)]
pub struct TableDef {
    /// The struct's name.
    pub rust_name: &'static str,
    /// The source file of the struct, from `file!()`.
    pub file: &'static str,
    /// The line of the derive in that file.
    pub line: u32,
    /// The table's name.
    pub name: TableName,
    /// The struct's doc comment; it becomes the table's comment.
    pub doc: &'static str,
    /// The tenancy of the table.
    pub tenancy: &'static TenancyDef,
    /// How rows belong to tenants.
    pub scope: ScopeDef,
    /// The column with the ID of the user who owns the row; filled from the context.
    pub owner: Option<&'static str>,
    /// The visibility column: rows with the label `team` are visible to all members of the tenant, others only to their owner.
    pub visibility: Option<&'static str>,
    /// The columns of the membership table, if the table is one.
    pub membership: Option<MembershipDef>,
    /// The columns of the invitation table, if the table is one.
    pub invitation: Option<InvitationDef>,
    /// On the tenant table: the role of a user in a tenant that the user creates.
    pub creator_role: Option<&'static str>,
    /// On the user table: whether a new user can register, without a tenant.
    pub sign_up: bool,
    /// Whether the table is the change log, which triggers write to.
    pub change_log: bool,
    /// Whether a trigger writes the changes of rows to the change log.
    pub track_changes: bool,
    /// Additional policy conditions.
    pub rules: &'static [RuleDef],
    /// The previous name of the table, with its schema if that differs.
    pub renamed_from: Option<&'static str>,
    /// The number of hash partitions by tenant column; not partitioned if absent.
    pub partitions: Option<u16>,
    /// The minimum role for SELECT. If absent, the command is denied to all application roles.
    pub select: Option<&'static str>,
    /// The minimum role for INSERT.
    pub insert: Option<&'static str>,
    /// The minimum role for UPDATE.
    pub update: Option<&'static str>,
    /// The minimum role for DELETE.
    pub delete: Option<&'static str>,
    /// The minimum role for UPDATE of rows that the user owns.
    pub update_own: Option<&'static str>,
    /// The minimum role for DELETE of rows that the user owns.
    pub delete_own: Option<&'static str>,
    /// The commands that are allowed to the system role, by their attributes.
    pub system: &'static [&'static str],
    /// The columns in the order of the fields.
    pub columns: &'static [ColumnDef],
    /// Unique constraints over several columns.
    pub uniques: &'static [&'static [&'static str]],
    /// Indexes over several columns.
    pub indexes: &'static [&'static [&'static str]],
}

impl TableDef {
    /// A global table without columns and without privileges: the base of other declarations.
    #[must_use]
    pub const fn blank(tenancy: &'static TenancyDef) -> Self {
        Self {
            rust_name: "",
            file: "",
            line: 0,
            name: TableName { schema: "", table: "" },
            doc: "",
            tenancy,
            scope: ScopeDef::Global,
            owner: None,
            visibility: None,
            membership: None,
            invitation: None,
            creator_role: None,
            sign_up: false,
            change_log: false,
            track_changes: false,
            rules: &[],
            renamed_from: None,
            partitions: None,
            select: None,
            insert: None,
            update: None,
            delete: None,
            update_own: None,
            delete_own: None,
            system: &[],
            columns: &[],
            uniques: &[],
            indexes: &[],
        }
    }
}

/// How the rows of a table belong to tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeDef {
    /// Each row belongs to the tenant whose ID is in this column.
    Tenant {
        /// The tenant column.
        column: &'static str,
    },
    /// Each row belongs to the tenant of the row that this column references.
    Parent {
        /// The referencing column.
        column: &'static str,
    },
    /// The rows belong to no tenant. A tenant sees the rows that the membership table references for it.
    Shared {
        /// The membership table.
        through: TableName,
    },
    /// The rows belong to no tenant.
    Global,
}

/// The columns of a membership table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MembershipDef {
    /// The column with the user ID.
    pub user: &'static str,
    /// The column with the role, by its name in the tenancy.
    pub role: &'static str,
}

/// The columns of an invitation table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvitationDef {
    /// The column with the email address of the invited user; the user table has a column of the same name.
    pub email: &'static str,
    /// The column with the role, by its name in the tenancy.
    pub role: &'static str,
    /// The column with the SHA-256 hash of the token.
    pub token: &'static str,
    /// The column with the expiry time.
    pub expires: &'static str,
    /// The column with the ID of the inviting user.
    pub by: &'static str,
}

/// An additional policy condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleDef {
    /// The attribute of the command: `select`, `insert`, `update` or `delete`.
    pub command: &'static str,
    /// Whether it applies to new rows (`WITH CHECK`) or to existing rows (`USING`).
    pub check: bool,
    /// The condition, an SQL expression on the row's columns.
    pub condition: &'static str,
}

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
    /// Whether the application sets the value on insert; optional if there is a default.
    ///
    /// `false` for generated primary keys and for the tenant column, which is filled from the context.
    pub app_assigned: bool,
    /// The previous name of the column.
    pub renamed_from: Option<&'static str>,
    /// The SQL expression that fills existing rows when the column becomes NOT NULL.
    pub backfill: Option<&'static str>,
    /// The default, an SQL expression.
    pub default: Option<&'static str>,
    /// The foreign key.
    pub references: Option<ReferenceDef>,
    /// Whether the value is unique; on tenant tables, within the tenant.
    pub unique: bool,
    /// Whether the column is indexed; on tenant tables, after the tenant column.
    pub index: bool,
    /// A check constraint, an SQL expression.
    pub check: Option<&'static str>,
    /// The minimum role for SELECT of the column, if it differs from the table's; or [`NO_ROLE`].
    pub select: Option<&'static str>,
    /// The minimum role for INSERT of the column, if it differs from the table's; or [`NO_ROLE`].
    pub insert: Option<&'static str>,
    /// The minimum role for UPDATE of the column, if it differs from the table's; or [`NO_ROLE`].
    pub update: Option<&'static str>,
}

impl ColumnDef {
    /// A column with only a name and a type.
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
            references: None,
            unique: false,
            index: false,
            check: None,
            select: None,
            insert: None,
            update: None,
        }
    }
}

/// The declaration of a foreign key.
#[derive(Debug, Clone, Copy)]
pub struct ReferenceDef {
    /// The referenced table.
    pub table: TableName,
    /// The action when the referenced row is deleted.
    pub on_delete: OnDelete,
}

/// The action of a foreign key when the referenced row is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDelete {
    /// The deletion fails (`NO ACTION`).
    #[default]
    NoAction,
    /// The referring row is deleted as well (`CASCADE`).
    Cascade,
    /// The referencing column becomes NULL; the tenant column is kept (`SET NULL (column)`).
    SetNull,
}
