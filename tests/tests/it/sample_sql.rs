//! SQL for any table of the example, built from its declaration.

use tenant_runtime::model::def::{ColumnDef, ScopeDef, SqlType, TableDef};
use tenant_tests::Tenant;
use uuid::Uuid;

/// The column that determines the tenant of a row.
pub(super) fn tenant_column(def: &TableDef) -> &'static str {
    match def.scope {
        ScopeDef::Tenant { column } | ScopeDef::Parent { tenant: column, .. } => column,
        ScopeDef::Shared { .. } | ScopeDef::Global => "id",
    }
}

/// A condition on the rows of a tenant, for a role that bypasses RLS.
pub(super) fn tenant_condition(def: &TableDef, tenant: &Tenant) -> String {
    let (column, id) = (tenant_column(def), tenant.id);
    match def.scope {
        ScopeDef::Tenant { .. } | ScopeDef::Parent { .. } => format!("{column} = '{id}'"),
        ScopeDef::Shared { .. } => {
            format!("id IN (SELECT user_id FROM app.org_members WHERE organization_id = '{id}')")
        }
        ScopeDef::Global => "true".to_owned(),
    }
}

/// The same condition with literal values, since a subquery on another table would be subject to its policies.
pub(super) fn tenant_condition_of_values(def: &TableDef, tenant: &Tenant) -> String {
    let column = tenant_column(def);
    match def.scope {
        ScopeDef::Tenant { .. } | ScopeDef::Parent { .. } => format!("{column} = '{}'", tenant.id),
        ScopeDef::Shared { .. } => {
            format!("{column} IN ('{}', '{}', '{}')", tenant.admin, tenant.member, tenant.viewer)
        }
        ScopeDef::Global => "true".to_owned(),
    }
}

/// Returns whether a column is neither a key nor determines the tenant.
pub(super) fn is_plain(def: &TableDef, column: &ColumnDef) -> bool {
    let is_parent = matches!(def.scope, ScopeDef::Parent { column: parent, .. } if parent == column.name);
    !column.id && column.name != tenant_column(def) && !is_parent && def.owner != Some(column.name)
}

/// Returns an INSERT of the columns that an app sets, for a tenant and a user.
pub(super) fn insert(def: &TableDef, tenant: &Tenant, user: Uuid) -> String {
    let is_tenant = |column: &ColumnDef| def.scope == ScopeDef::Tenant { column: column.name };
    let value = |column: &ColumnDef| match (column.references.map(|reference| reference.table.table), column.ty) {
        _ if is_tenant(column) => format!("'{}'", tenant.id),
        _ if def.owner == Some(column.name) => format!("'{user}'"),
        (Some("users" | "org_members"), _) => format!("'{}'", tenant.member),
        (Some("projects"), _) => format!("'{}'", tenant.project),
        (Some("tasks"), _) => format!("'{}'", tenant.task),
        (None, SqlType::Labels(labels)) => format!("'{}'", labels.labels[0]),
        (None, SqlType::Text | SqlType::Uuid) => format!("'{}'", Uuid::new_v4()),
        (None, SqlType::Jsonb) => "'{}'".to_owned(),
        (None, SqlType::Bytea) => "'x'".to_owned(),
        (None, SqlType::Int8) => "1".to_owned(),
        (None, SqlType::Timestamptz) => "now()".to_owned(),
        (reference, ty) => panic!("teach this test a value for {} ({ty:?}, {reference:?})", column.name),
    };
    let given = || def.columns.iter().filter(|c| is_tenant(c) || c.app_assigned || def.owner == Some(c.name));
    let names = given().map(|column| column.name).collect::<Vec<_>>().join(", ");
    let values = given().map(value).collect::<Vec<_>>().join(", ");
    format!("INSERT INTO {} ({names}) VALUES ({values})", def.name)
}
