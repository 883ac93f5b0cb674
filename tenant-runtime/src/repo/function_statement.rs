//! Statements that call generated functions, and the statement that reads all tenant IDs.

use super::{
    sql_builder::SqlBuilder,
    value::{Use, Values},
};
use crate::{
    db::BoundStatement,
    ident::{Ident, quoted},
    model::{
        def::{TableDef, TenancyDef},
        names,
    },
    tenant::ContextKey,
};

/// Calls a function of the tenancy's auth schema with named arguments. `def` is the table of the columns among them.
pub(crate) fn call(
    tenancy: &TenancyDef,
    function: &str,
    def: Option<&'static TableDef>,
    values: Values,
) -> BoundStatement {
    let mut text = SqlBuilder::default();
    text.push(&format!("SELECT * FROM {}(", function_name(tenancy, function)));
    let parameter = |column: &&str| format!("{} => ", Ident::derived(["p", column]).quoted());
    let mut parameters = values.columns().iter().map(parameter).collect::<Vec<_>>().into_iter();
    let kinds = values.kinds(def);
    for (i, (value, kind)) in values.into_values().into_iter().zip(kinds).enumerate() {
        text.push(if i == 0 { "" } else { ", " });
        text.push(&parameters.next().unwrap_or_default());
        text.bind(&*value, kind, Use::Argument);
    }
    text.push(")");
    text.built()
}

/// Reads the memberships of the context's user: all memberships, or the membership in one tenant.
pub(crate) fn memberships(tenancy: &TenancyDef, of: Option<&impl ContextKey>) -> BoundStatement {
    let mut text = SqlBuilder::default();
    let (tenant, role) = (names::MY_TENANTS_TENANT, names::MY_TENANTS_ROLE);
    text.push(&format!("SELECT {tenant}, {role} FROM {}()", function_name(tenancy, names::MY_TENANTS)));
    if let Some(org) = of {
        text.push(&format!(" WHERE {tenant} = "));
        text.bind_next(org.clone());
    }
    text.built()
}

/// Reads all tenant IDs from the tenant table, in order.
pub(crate) fn keys(def: &TableDef) -> BoundStatement {
    let id = quoted(def.tenant_column().unwrap_or("id"));
    let mut text = SqlBuilder::default();
    text.push(&format!("SELECT {id} FROM {}.{} ORDER BY {id}", quoted(def.name.schema), quoted(def.name.table)));
    text.built()
}

fn function_name(tenancy: &TenancyDef, function: &str) -> String {
    names::auth_object(tenancy.schema, function)
}
