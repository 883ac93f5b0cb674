//! The roles that work across tenants, for which the restrictive policy of a table has other conditions.

use super::{cross_tenant, membership::Membership, tenancy::Tenancy};
use crate::{
    ident::{Ident, literal},
    model::{
        def::TableDef,
        schema::{Condition, Expression},
    },
};

/// Returns the conditions for the two roles that work across tenants: the function owner, whose functions check the
/// rows, and the system role.
pub(super) fn exceptions<'t>(
    def: &TableDef,
    of_tenant: &Condition,
    membership: Option<&Membership>,
    tenancy: &'t Tenancy,
) -> Vec<(&'t Ident, Expression)> {
    let mut exceptions = Vec::new();
    if def.change_log || membership.is_some_and(|membership| membership.is_used_by_functions(def)) {
        exceptions.push((&tenancy.function_owner, Expression::trusted("true")));
    }
    if !def.system.is_empty() {
        exceptions.push((&tenancy.system, cross_tenant::condition(&of_tenant.sql, tenancy).sql));
    }
    exceptions
}

/// Adds the conditions for single roles to the restrictive policy's condition.
///
/// The result is a CASE, because its branches are evaluated in order: on the membership table, the condition calls a
/// function that reads the membership table. Each name is in a sub-select, so that it is looked up once per statement
/// and not once per row.
pub(super) fn with_exceptions(condition: Condition, exceptions: &[(&Ident, Expression)]) -> Condition {
    if exceptions.is_empty() {
        return condition;
    }
    let branches = exceptions
        .iter()
        .map(|(role, rows)| format!("WHEN (SELECT current_user = {}) THEN {rows} ", literal(role.as_str())))
        .collect::<String>();
    let sql = Expression::trusted(format!("CASE {branches}ELSE {} END", condition.sql));
    Condition::new(condition.kind, sql)
}
