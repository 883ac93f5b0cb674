//! Valid hand-written declarations, the base for tests that change one thing in them.

use tenant_runtime::{
    Tenancy as _,
    model::def::{
        ColumnDef, InvitationDef, LabelsDef, MembershipDef, NO_ROLE, OnDelete, ReferenceDef, RuleDef, ScopeDef,
        SqlType, TableDef, TableName, TenancyDef,
    },
    roles::Organizations,
};

/// A column with a name and a type only.
pub(super) const fn column(name: &'static str, ty: SqlType) -> ColumnDef {
    ColumnDef::blank(name, ty, false)
}

pub(super) const ID: ColumnDef = ColumnDef { id: true, app_assigned: false, ..column("id", SqlType::Uuid) };
pub(super) const ORG: ColumnDef = ColumnDef { app_assigned: false, ..column("organization_id", SqlType::Uuid) };
pub(super) const NAME: ColumnDef = column("name", SqlType::Text);
pub(super) const TITLE: ColumnDef = column("title", SqlType::Text);
/// The shipped tenancy, for tests that change one thing in it.
pub(super) const SHIPPED: TenancyDef = TenancyDef { roles: Organizations::DEF.roles, ..TenancyDef::blank() };

/// A valid table.
pub(super) fn projects() -> TableDef {
    TableDef {
        rust_name: "Project",
        file: "src/models.rs",
        line: 10,
        name: TableName { schema: "app", table: "projects" },
        scope: ScopeDef::Tenant { column: "organization_id" },
        select: Some("viewer"),
        insert: Some("member"),
        update: Some("member"),
        delete: Some("admin"),
        columns: &[ID, ORG, NAME],
        ..TableDef::blank(Organizations::DEF)
    }
}

/// Another valid table, with the given columns after its key and its tenant column.
pub(super) fn tasks(columns: impl IntoIterator<Item = ColumnDef>) -> TableDef {
    TableDef {
        rust_name: "Task",
        line: 20,
        name: TableName { schema: "app", table: "tasks" },
        columns: leak([ID, ORG].into_iter().chain(columns).collect::<Vec<_>>()),
        ..projects()
    }
}

pub(super) fn organizations() -> TableDef {
    TableDef {
        rust_name: "Organization",
        line: 30,
        name: TableName { schema: "app", table: "organizations" },
        scope: ScopeDef::Tenant { column: "id" },
        insert: None,
        delete: None,
        columns: &[ID, NAME],
        ..projects()
    }
}

/// A column of a task that refers to a table.
pub(super) fn refers(name: &'static str, table: &'static str, on_delete: OnDelete) -> ColumnDef {
    let table = TableName { schema: "app", table };
    ColumnDef { references: Some(ReferenceDef::new(table, on_delete)), ..column(name, SqlType::Uuid) }
}

pub(super) const ROLES: SqlType = SqlType::Labels(LabelsDef::of(&["viewer", "member", "admin"]));
pub(super) const MEMBERS: TableName = TableName { schema: "app", table: "members" };
pub(super) const USER: ColumnDef = ColumnDef { id: true, ..column("user_id", SqlType::Uuid) };
pub(super) const ORG_IN_KEY: ColumnDef = ColumnDef { id: true, ..ORG };
pub(super) const ROLE: ColumnDef = column("role", ROLES);
pub(super) const AUTHOR: ColumnDef = column("author_id", SqlType::Uuid);

/// The membership table.
pub(super) fn members(columns: impl IntoIterator<Item = ColumnDef>) -> TableDef {
    TableDef {
        rust_name: "OrgMember",
        line: 40,
        name: MEMBERS,
        membership: Some(MembershipDef { user: "user_id", role: "role" }),
        insert: Some("admin"),
        update: Some("admin"),
        columns: leak([ORG_IN_KEY].into_iter().chain(columns).collect::<Vec<_>>()),
        ..projects()
    }
}

/// The invitations table.
pub(super) fn invitations(columns: impl IntoIterator<Item = ColumnDef>) -> TableDef {
    let names = InvitationDef { email: "email", role: "role", token: "token", expires: "expires", by: "invited_by" };
    TableDef {
        rust_name: "Invitation",
        line: 80,
        name: TableName { schema: "app", table: "invitations" },
        invitation: Some(names),
        select: Some("admin"),
        insert: Some("admin"),
        update: None,
        columns: leak([ID, ORG].into_iter().chain(columns).collect::<Vec<_>>()),
        ..projects()
    }
}

/// The columns of an invitation.
pub(super) fn invitation_columns() -> [ColumnDef; 5] {
    [
        column("email", SqlType::Text),
        ROLE,
        ColumnDef { select: Some(NO_ROLE), ..column("token", SqlType::Bytea) },
        column("expires", SqlType::Timestamptz),
        column("invited_by", SqlType::Uuid),
    ]
}

/// Users; a tenant sees those that a table names.
pub(super) fn users(through: TableName) -> TableDef {
    TableDef {
        rust_name: "User",
        line: 50,
        name: TableName { schema: "app", table: "users" },
        scope: ScopeDef::Shared { through },
        insert: None,
        update: None,
        delete: None,
        columns: &[ID, NAME],
        ..projects()
    }
}

/// Remarks; the tenant of each is that of the parent row that a column names.
pub(super) fn remarks(column: ColumnDef) -> TableDef {
    TableDef {
        rust_name: "Remark",
        line: 60,
        name: TableName { schema: "app", table: "remarks" },
        scope: ScopeDef::Parent { column: column.name, tenant: "organization_id" },
        columns: leak(vec![ID, ORG, column, TITLE]),
        ..projects()
    }
}

/// Projects with a condition on the rows that are read.
pub(super) fn with_select_condition(condition: &'static str) -> Vec<TableDef> {
    let rules = leak(vec![RuleDef { command: "select", check: false, condition }]);
    let countries = TableDef {
        rust_name: "Country",
        line: 70,
        name: TableName { schema: "app", table: "countries" },
        scope: ScopeDef::Global,
        ..users(MEMBERS)
    };
    vec![TableDef { rules, ..projects() }, tasks([refers("project_id", "projects", OnDelete::NoAction)]), countries]
}

/// The projects, in another tenancy.
pub(super) fn of(tenancy: TenancyDef) -> Vec<TableDef> {
    vec![TableDef { tenancy: &leak(vec![tenancy])[0], ..projects() }]
}

pub(super) fn leak<T>(items: Vec<T>) -> &'static [T] {
    items.leak()
}

pub(super) const ROLES_WITH_SERVICE: &[tenant_runtime::model::def::RoleDef] = &[
    tenant_runtime::model::def::RoleDef { name: "viewer", includes: &[], renamed_from: None },
    tenant_runtime::model::def::RoleDef { name: "service", includes: &["viewer"], renamed_from: None },
];

pub(super) const ROLES_WITH_OWN: &[tenant_runtime::model::def::RoleDef] = &[
    tenant_runtime::model::def::RoleDef { name: "viewer", includes: &[], renamed_from: None },
    tenant_runtime::model::def::RoleDef { name: "own_viewer", includes: &["viewer"], renamed_from: None },
];
