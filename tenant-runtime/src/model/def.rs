//! What a derive declares: plain `const` data about one table and its tenancy, not checked yet.
//!
//! Nothing here can fail and nothing is validated: the derive writes these values, rustc type-checks
//! them, and `check` turns them into a schema or into findings.

pub use super::sql_type::SqlType;
use super::{compare::same, names};

/// Declares how a product keeps its tenants apart: keys, settings, roles and their order.
#[derive(Debug, PartialEq, Eq)]
pub struct TenancyDef {
    /// The schema that holds the tables which name none.
    pub schema: &'static str,
    /// The prefix of every database role, such as `app_`.
    pub role_prefix: &'static str,
    /// The type of a tenant's key.
    pub key: SqlType,
    /// The type of a user's key.
    pub user: SqlType,
    /// The setting that carries the tenant's key, such as `app.organization_id`.
    pub tenant_setting: &'static str,
    /// The setting that carries the user's key, such as `app.user_id`.
    pub user_setting: &'static str,
    /// How many connections the app's login may hold at once.
    pub connection_limit: u16,
    /// How long the app's sessions may hold the server up.
    pub timeouts: TimeoutsDef,
    /// Whether something else makes the database roles, so that the migrations only make sure of them.
    pub external_roles: bool,
    /// Whether each role has a login of its own.
    pub login_per_role: bool,
    /// What pgaudit logs in the database, such as `ddl, role, write`.
    pub pgaudit: Option<&'static str>,
    /// The roles, each after those that it includes.
    pub roles: &'static [RoleDef],
}

impl TenancyDef {
    /// Declares a tenancy without roles, over `Uuid` keys: what the other declarations begin from.
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

    /// Names the setting by which the system role names its record of why.
    pub(crate) fn access_setting(&self) -> String {
        let first = self.tenant_setting.split('.').next().unwrap_or_default();
        format!("{first}.{}", names::SYSTEM_ACCESS_SETTING)
    }

    /// Says whether a role has the rights of another, itself included. A role includes earlier ones only, so this comes to
    /// an end.
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

    /// Returns the database role of a role as attributes name it.
    pub(crate) fn database_role(&self, role: &str) -> String {
        format!("{}{role}", self.role_prefix)
    }

    /// Returns the app's login; that of one role where each has its own.
    pub(crate) fn login(&self, role: Option<&str>) -> String {
        match role.filter(|_| self.login_per_role) {
            Some(role) => self.database_role(&format!("{role}_{}", names::SERVICE)),
            None => self.database_role(names::SERVICE),
        }
    }

    /// Says whether a login is the app's, or that of jobs.
    pub(crate) fn has_login(&self, login: &str) -> bool {
        let roles = self.roles.iter().map(|role| self.login(Some(role.name)));
        roles.chain([self.login(None), self.database_role(names::JOBS)]).any(|own| own == login)
    }
}

/// Declares how long a session of the app's login may hold the server up, in seconds; 0 is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutsDef {
    /// How long one statement may run.
    pub statement: u32,
    /// How long a statement may wait for a lock.
    pub lock: u32,
    /// How long a transaction may stay open while nothing runs in it.
    pub idle_in_transaction: u32,
}

impl TimeoutsDef {
    /// What a tenancy has that says nothing of them.
    pub const SHIPPED: Self = Self { statement: 30, lock: 5, idle_in_transaction: 60 };
}

/// In place of a column's role: nobody may, not even the highest role of a tenant.
pub const NO_ROLE: &str = "none";

/// Declares one role of a tenancy.
#[derive(Debug, PartialEq, Eq)]
pub struct RoleDef {
    /// The name as attributes write it, such as `viewer`.
    pub name: &'static str,
    /// The roles whose rights this one has as well; each stands earlier in the list.
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
    /// The source file of the struct, as `file!()` says it.
    pub file: &'static str,
    /// The line of the derive in that file.
    pub line: u32,
    /// The table's name.
    pub name: TableName,
    /// The struct's doc comment; it becomes the table's comment.
    pub doc: &'static str,
    /// The tenancy to which the table belongs.
    pub tenancy: &'static TenancyDef,
    /// Whose rows the table holds.
    pub scope: ScopeDef,
    /// The user column that says whose row it is; the context fills it.
    pub owner: Option<&'static str>,
    /// The column that says who in the tenant sees a row: with the label `team` everybody, else its owner alone.
    pub visibility: Option<&'static str>,
    /// What makes the table the one that says who is a member of a tenant.
    pub membership: Option<MembershipDef>,
    /// What makes the table the one of those who were asked to become members.
    pub invitation: Option<InvitationDef>,
    /// On the table of the tenants themselves: the role that a user gets in a tenant which that user founds.
    pub creator_role: Option<&'static str>,
    /// On the table of the users: whether a visitor may add a row, being a new user.
    pub sign_up: bool,
    /// Whether a trigger writes here what changes in the audited tables.
    pub change_log: bool,
    /// Whether each change of a row is written to the change log.
    pub track_changes: bool,
    /// Conditions besides the tenant's, as attributes say them.
    pub rules: &'static [RuleDef],
    /// What the table was called before, with its schema where that was another.
    pub renamed_from: Option<&'static str>,
    /// Into how many partitions the table is hashed by its tenant column; one table where absent.
    pub partitions: Option<u16>,
    /// The role that may read rows, by its name in the tenancy; nobody where absent.
    pub select: Option<&'static str>,
    /// The role that may insert rows.
    pub insert: Option<&'static str>,
    /// The role that may update rows.
    pub update: Option<&'static str>,
    /// The role that may delete rows.
    pub delete: Option<&'static str>,
    /// The role that may update rows of its own, besides the one that may update any.
    pub update_own: Option<&'static str>,
    /// The role that may delete rows of its own, besides the one that may delete any.
    pub delete_own: Option<&'static str>,
    /// The commands that the system role may run, by their attributes; it exists where some table names one.
    pub system: &'static [&'static str],
    /// The columns in the order of the fields.
    pub columns: &'static [ColumnDef],
    /// Sets of columns that are unique together, besides those of single columns.
    pub uniques: &'static [&'static [&'static str]],
    /// Indexes over several columns, besides those of single columns.
    pub indexes: &'static [&'static [&'static str]],
}

impl TableDef {
    /// Declares a global table without columns, which no role may use: what the other declarations begin from.
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

/// Says whose rows a table holds.
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
    /// The rows belong to no tenant, and a tenant sees those that its membership table names.
    Shared {
        /// The membership table.
        through: TableName,
    },
    /// The rows belong to no tenant.
    Global,
}

/// Declares that a table says who is a member of a tenant, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MembershipDef {
    /// The column with the user's key.
    pub user: &'static str,
    /// The column with the role, by its name in the tenancy.
    pub role: &'static str,
}

/// Declares that a table holds invitations: who was asked to become a member of a tenant, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvitationDef {
    /// The column with the address of who is asked; the table of the users has one of the same name.
    pub email: &'static str,
    /// The column with the role, by its name in the tenancy.
    pub role: &'static str,
    /// The column with the SHA-256 hash of the token.
    pub token: &'static str,
    /// The column with the time from which on nobody can accept it.
    pub expires: &'static str,
    /// The column with the key of the user who asked.
    pub by: &'static str,
}

/// Declares a condition on the rows of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleDef {
    /// The attribute of the command: `select`, `insert`, `update` or `delete`.
    pub command: &'static str,
    /// Whether it judges new rows (`WITH CHECK`) rather than those that are there (`USING`).
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
    /// Whether the column takes NULL.
    pub nullable: bool,
    /// Whether the column is (part of) the primary key.
    pub id: bool,
    /// Whether the app gives the value when it inserts a row, as a must or, where there is a default, as a may.
    ///
    /// It never gives that of a key which the database makes, and that of the tenant column comes from the context.
    pub app_assigned: bool,
    /// What the column was called before.
    pub renamed_from: Option<&'static str>,
    /// What fills the column in rows that are there when it stops taking NULL, an SQL expression as the attribute says it.
    pub backfill: Option<&'static str>,
    /// The default, an SQL expression as the attribute says it.
    pub default: Option<&'static str>,
    /// The row of another table that the column names.
    pub references: Option<ReferenceDef>,
    /// Whether the value is unique, within the tenant on tenant tables.
    pub unique: bool,
    /// Whether the column is indexed, after the tenant column on tenant tables.
    pub index: bool,
    /// A condition on the row, an SQL expression as the attribute says it.
    pub check: Option<&'static str>,
    /// The role that may read the column, where it takes another than the table's; or [`NO_ROLE`].
    pub select: Option<&'static str>,
    /// The role that may write the column in an INSERT, where it takes another than the table's; or [`NO_ROLE`].
    pub insert: Option<&'static str>,
    /// The role that may write the column in an UPDATE, where it takes another than the table's; or [`NO_ROLE`].
    pub update: Option<&'static str>,
}

impl ColumnDef {
    /// Declares a column that has nothing but a name and a type.
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
    /// The table that is referred to.
    pub table: TableName,
    /// What happens to the row when the one it names is deleted.
    pub on_delete: OnDelete,
}

/// Says what happens to a row when the row that it names is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDelete {
    /// The deletion is refused (`NO ACTION`).
    #[default]
    NoAction,
    /// The row is deleted as well (`CASCADE`).
    Cascade,
    /// The naming column becomes NULL; the tenant column stays (`SET NULL (column)`).
    SetNull,
}
