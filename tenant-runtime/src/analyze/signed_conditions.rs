//! The conditions that a context is signed, for policies and function bodies.

use super::tenancy::Tenancy;
use crate::{
    ident::Ident,
    model::{
        names,
        schema::{Condition, ConditionKind, Expression},
    },
};

/// Returns the condition that the context is signed, for a table whose restrictive policy does not check it.
pub(super) fn condition(restrictive: Option<&Condition>, tenancy: &Tenancy) -> Option<Condition> {
    // The function in the condition on the membership checks the signature.
    let checked = [ConditionKind::Membership, ConditionKind::Tenant];
    let is_checked = restrictive.is_some_and(|condition| checked.contains(&condition.kind));
    let function = tenancy.function(names::IS_CONTEXT_SIGNED).quoted();
    let sql = Expression::trusted(format!("(SELECT {function}({}))", statement_role(tenancy)));
    let condition = Condition::new(ConditionKind::Signed, sql);
    Some(condition).filter(|_| tenancy.def.signed_context && !is_checked)
}

/// Returns the ID of the user in the context, for policies.
///
/// With signed contexts it is a function that checks the signature. PostgreSQL evaluates a sub-select of a policy when a row needs
/// it: a statement could change the setting after the restrictive policy was evaluated.
pub(super) fn user(tenancy: &Tenancy) -> Expression {
    match tenancy.def.signed_context {
        true => Expression::trusted(format!("{}()", tenancy.function(names::CONTEXT_USER_ID).quoted())),
        false => Expression::in_context(tenancy.def.user_setting, &tenancy.user_type),
    }
}

/// Returns the condition that a row belongs to the tenant in the context.
///
/// Without a membership table, the restrictive policy consists of it, so one function checks the signature and returns the
/// tenant: between two evaluations, a statement could change the setting.
pub(super) fn is_of_tenant(column: &Ident, has_members: bool, tenancy: &Tenancy) -> Expression {
    if has_members || !tenancy.def.signed_context {
        return Expression::is_in_context(column, tenancy.def.tenant_setting, &tenancy.key_type);
    }
    let function = tenancy.function(names::CONTEXT_TENANT_ID).quoted();
    Expression::trusted(format!("{} = (SELECT {function}({}))", column.quoted(), statement_role(tenancy)))
}

/// The argument of the functions in restrictive policies.
pub(super) const ROLE_ARGUMENT: &str = "p_role";

/// Returns the argument of the functions in restrictive policies: the role for which the server has planned the statement.
pub(super) fn role_argument() -> Vec<(Ident, Expression)> {
    vec![(Ident::derived([ROLE_ARGUMENT]), Expression::trusted("text"))]
}

/// Returns the role for which the server plans a statement, for restrictive policies; empty if contexts are not signed.
///
/// The server checks privileges and chooses policies with the role at the beginning of a statement. A statement or a cursor could
/// begin with another role, and assume the role of the signed context before its policies are evaluated.
pub(super) fn statement_role(tenancy: &Tenancy) -> String {
    match tenancy.def.signed_context {
        true => format!("{}()", tenancy.function(names::STATEMENT_ROLE).quoted()),
        false => String::new(),
    }
}

/// Returns an expression that is NULL unless the context is signed for a role.
pub(super) fn if_signed(role: &str, value: &Expression, tenancy: &Tenancy) -> Expression {
    match tenancy.def.signed_context {
        true => Expression::trusted(format!("CASE WHEN {} THEN {value} END", is_signed(role, tenancy))),
        false => value.clone(),
    }
}

/// The role of the transaction, in the body of a function.
pub(super) const CURRENT_ROLE: &str = "current_setting('role')";

/// Returns the condition that the context is signed for a role.
pub(super) fn is_signed(role: &str, tenancy: &Tenancy) -> String {
    format!("{}({role})", tenancy.function(names::IS_CONTEXT_SIGNED).quoted())
}
