//! What a derive declares: plain `const` data about one table and its tenancy, not checked yet.
//!
//! Nothing here can fail and nothing is validated: the derive writes these values, rustc type-checks them, and `analyze` turns
//! them into a schema or into findings.

pub use super::sql_type::SqlType;
use super::{compare::same, names};

/// Declares a tenancy: keys, settings, roles and their order.
#[derive(Debug, PartialEq, Eq)]
pub struct TenancyDef {
    /// The default schema of the tables.
    pub schema: &'static str,
    /// The prefix of every database role, such as `app_`.
    pub role_prefix: &'static str,
    /// The type of a tenant's key.
    pub key: SqlType,
    /// The type of a user's key.
    pub user: SqlType,
    /// The setting with the tenant ID, such as `app.organization_id`.
    pub tenant_setting: &'static str,
    /// The setting with the user ID, such as `app.user_id`.
    pub user_setting: &'static str,
    /// The connection limit of the app's login role.
    pub connection_limit: u16,
    /// The timeouts of the app's sessions.
    pub timeouts: TimeoutsDef,
    /// Whether the database roles are created outside of the migrations, which then only check them.
    pub external_roles: bool,
    /// Whether each role has a separate login role.
    pub login_per_role: bool,
    /// The classes of statements that pgaudit logs, such as `ddl, role, write`.
    pub pgaudit: Option<&'static str>,
    /// The roles, each after those that it includes.
    pub roles: &'static [RoleDef],
}

impl TenancyDef {
    /// Declares a tenancy without roles and with `Uuid` keys, as a base for other declarations.
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

    /// Returns the setting that names the record with the reason of a cross-tenant job.
    pub(crate) fn access_setting(&self) -> String {
        let first = self.tenant_setting.split('.').next().unwrap_or_default();
        format!("{first}.{}", names::SYSTEM_ACCESS_SETTING)
    }

    /// Returns whether a role has the privileges of another, itself included. A role includes earlier ones only, so the recursion
    /// ends.
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

    /// Returns the database role of a declared role.
    pub(crate) fn database_role(&self, role: &str) -> String {
        format!("{}{role}", self.role_prefix)
    }

    /// Returns the app's login role, or that of one role where each has a separate one.
    pub(crate) fn login(&self, role: Option<&str>) -> String {
        match role.filter(|_| self.login_per_role) {
            Some(role) => self.database_role(&format!("{role}_{}", names::SERVICE)),
            None => self.database_role(names::SERVICE),
        }
    }

    /// Returns whether a login role is one of the tenancy: the app's, or that of cross-tenant jobs.
    pub(crate) fn has_login(&self, login: &str) -> bool {
        let roles = self.roles.iter().map(|role| self.login(Some(role.name)));
        roles.chain([self.login(None), self.database_role(names::JOBS)]).any(|own| own == login)
    }
}

/// Declares the timeouts of the app's sessions, in seconds; 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutsDef {
    /// `statement_timeout`.
    pub statement: u32,
    /// `lock_timeout`.
    pub lock: u32,
    /// `idle_in_transaction_session_timeout`.
    pub idle_in_transaction: u32,
}

impl TimeoutsDef {
    /// The defaults.
    pub const SHIPPED: Self = Self { statement: 30, lock: 5, idle_in_transaction: 60 };
}

/// In place of a column's role: no role has the privilege, not even the highest role of a tenant.
pub const NO_ROLE: &str = "none";

/// Declares one role of a tenancy.
#[derive(Debug, PartialEq, Eq)]
pub struct RoleDef {
    /// The name as attributes write it, such as `viewer`.
    pub name: &'static str,
    /// The roles whose privileges this one has as well; each is earlier in the list.
    pub includes: &'static [&'static str],
}

/// Names a table in its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema.
    pub schema: &'static str,
    /// The table in that schema.
    pub table: &'static str,
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// Declares one table, as the derive read it from a struct.
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
    /// The tenancy to which the table belongs.
    pub tenancy: &'static TenancyDef,
    /// Which tenants the rows belong to.
    pub scope: ScopeDef,
    /// The owner column: the user who owns the row. The context fills it on INSERT.
    pub owner: Option<&'static str>,
    /// The visibility column: all members of the tenant see a row with the label `team`, and only its owner another one.
    pub visibility: Option<&'static str>,
    /// The columns of the membership table, if it is that table.
    pub membership: Option<MembershipDef>,
    /// The columns of the invitations, if it is that table.
    pub invitation: Option<InvitationDef>,
    /// On the table of the tenants: the role of a user in a tenant that the user created.
    pub creator_role: Option<&'static str>,
    /// On the table of the users: whether a request without a tenant may add a user.
    pub sign_up: bool,
    /// Whether the table is the change log.
    pub change_log: bool,
    /// Whether a trigger writes the changes of rows to the change log.
    pub track_changes: bool,
    /// Further conditions on rows, as written in attributes.
    pub rules: &'static [RuleDef],
    /// The earlier name of the table, with its schema if that was different.
    pub renamed_from: Option<&'static str>,
    /// The number of hash partitions by the tenant column, if any.
    pub partitions: Option<u16>,
    /// The role with SELECT, by its name in the tenancy; none for no role.
    pub select: Option<&'static str>,
    /// The role with INSERT.
    pub insert: Option<&'static str>,
    /// The role with UPDATE on any row.
    pub update: Option<&'static str>,
    /// The role with DELETE on any row.
    pub delete: Option<&'static str>,
    /// The role with UPDATE on the user's own rows.
    pub update_own: Option<&'static str>,
    /// The role with DELETE on the user's own rows.
    pub delete_own: Option<&'static str>,
    /// The commands of the system role, by their attributes. The role exists where some table names a command.
    pub system: &'static [&'static str],
    /// The columns in the order of the fields.
    pub columns: &'static [ColumnDef],
    /// Unique constraints over several columns.
    pub uniques: &'static [&'static [&'static str]],
    /// Indexes over several columns.
    pub indexes: &'static [&'static [&'static str]],
}

impl TableDef {
    /// Declares a global table without columns and roles, as a base for other declarations.
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

/// Declares which tenants the rows of a table belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeDef {
    /// Each row belongs to the tenant that this column names.
    Tenant {
        /// The tenant column.
        column: &'static str,
    },
    /// Each row belongs to the tenant of the row that this column refers to.
    Parent {
        /// The referring column.
        column: &'static str,
    },
    /// The rows belong to no tenant; a tenant sees those that its membership table names.
    Shared {
        /// The membership table.
        through: TableName,
    },
    /// The rows belong to no tenant.
    Global,
}

/// Declares the membership table: the members of each tenant, with their roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MembershipDef {
    /// The column with the user's key.
    pub user: &'static str,
    /// The column with the role, by its name in the tenancy.
    pub role: &'static str,
}

/// Declares the table of invitations to a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvitationDef {
    /// The column with the invited address; the table of the users has a column of the same name.
    pub email: &'static str,
    /// The column with the role, by its name in the tenancy.
    pub role: &'static str,
    /// The column with the SHA-256 hash of the token.
    pub token: &'static str,
    /// The column with the time at which the invitation expires.
    pub expires: &'static str,
    /// The column with the key of the inviting user.
    pub by: &'static str,
}

/// Declares a condition on the rows of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleDef {
    /// The attribute of the command: `select`, `insert`, `update` or `delete`.
    pub command: &'static str,
    /// Whether it applies to new rows (`WITH CHECK`) rather than to existing ones (`USING`).
    pub check: bool,
    /// The condition, an SQL expression on the row's columns.
    pub condition: &'static str,
}

/// Declares one column.
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
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// Whether the column is (part of) the primary key.
    pub id: bool,
    /// Whether the app sets the value when it inserts a row; optional where there is a default.
    ///
    /// False for a key that the database generates and for the tenant column, which comes from the context.
    pub app_assigned: bool,
    /// The earlier name of the column.
    pub renamed_from: Option<&'static str>,
    /// The SQL expression that fills existing rows when the column becomes NOT NULL, as written in the attribute.
    pub backfill: Option<&'static str>,
    /// The default, an SQL expression as written in the attribute.
    pub default: Option<&'static str>,
    /// The reference to another table.
    pub references: Option<ReferenceDef>,
    /// Whether the value is unique, within the tenant on tenant tables.
    pub unique: bool,
    /// Whether the column is indexed, after the tenant column on tenant tables.
    pub index: bool,
    /// The condition of a check constraint, an SQL expression as written in the attribute.
    pub check: Option<&'static str>,
    /// The role that may read the column, if different from the table's; or [`NO_ROLE`].
    pub select: Option<&'static str>,
    /// The role that may set the column in an INSERT, if different from the table's; or [`NO_ROLE`].
    pub insert: Option<&'static str>,
    /// The role that may set the column in an UPDATE, if different from the table's; or [`NO_ROLE`].
    pub update: Option<&'static str>,
}

impl ColumnDef {
    /// Declares a column with a name and a type, as a base for other declarations.
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

/// Declares a foreign key.
#[derive(Debug, Clone, Copy)]
pub struct ReferenceDef {
    /// The referenced table.
    pub table: TableName,
    /// The effect of deleting the referenced row.
    pub on_delete: OnDelete,
}

/// The effect of deleting a referenced row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDelete {
    /// The deletion fails (`NO ACTION`).
    #[default]
    NoAction,
    /// The referring row is deleted as well (`CASCADE`).
    Cascade,
    /// The referring column becomes NULL; the tenant column keeps its value (`SET NULL (column)`).
    SetNull,
}
