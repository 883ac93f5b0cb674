//! The signed context: the database accepts tenant, user and role only with a signature of the app, so SQL that is injected
//! into a transaction cannot change them.
//!
//! The app signs with a key that the table `context_keys` has too. A signature is valid for one use: it includes the next
//! number that the server connection takes from a sequence, or the start time of its transaction. `set_context` checks it, sets
//! the settings of the context, and seals them with a key that only the database has. The seal includes the role and the
//! start of the transaction. Policies and functions act only while it matches the settings.
//!
//! The keys are stored as the two blocks of HMAC-SHA256 (RFC 2104): the key, padded with zeros to 64 bytes, XOR 0x36 and XOR
//! 0x5c. So a check takes two calls of `sha256`.

mod administration;
mod context_functions;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Known,
    auth_functions::Roles,
    finding::{Findings, place},
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        names,
        schema::{Condition, ConditionKind, Expression, Function, QualifiedName, Table},
        sqlstate::CONTEXT_NOT_SIGNED,
    },
};

/// Returns the condition that the context is signed, for a table whose restrictive policy does not check it.
pub(super) fn condition(restrictive: Option<&Condition>, tenancy: &Tenancy) -> Option<Condition> {
    // The function in the condition on the membership checks the signature.
    let is_checked = restrictive.is_some_and(|condition| condition.kind == ConditionKind::Membership);
    let function = tenancy.function(names::IS_CONTEXT_SIGNED).quoted();
    let condition = Condition::new(ConditionKind::Signed, Expression::trusted(format!("(SELECT {function}())")));
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

/// Returns an expression that is NULL unless the context is signed.
pub(super) fn if_signed(value: &Expression, tenancy: &Tenancy) -> Expression {
    match tenancy.def.signed_context {
        true => Expression::trusted(format!(
            "CASE WHEN {}() THEN {value} END",
            tenancy.function(names::IS_CONTEXT_SIGNED).quoted()
        )),
        false => value.clone(),
    }
}

/// Returns the sequences.
pub(super) fn sequences(tenancy: &Tenancy) -> BTreeSet<QualifiedName> {
    let numbers = tenancy.def.signed_context.then(|| tenancy.function(names::CONTEXT_NUMBERS));
    numbers.into_iter().collect()
}

/// Lets the functions act only in a signed context, and adds the functions and tables of signed contexts.
pub(super) fn add(
    functions: &mut BTreeMap<QualifiedName, Function>,
    tables: &mut BTreeMap<QualifiedName, Table>,
    known: &Known,
    has_members: bool,
    tenancy: &Tenancy,
    roles: &Roles<'_>,
    findings: &mut Findings,
) {
    if !tenancy.def.signed_context {
        return;
    }
    for (name, function) in functions.iter_mut() {
        if let Some(guard) = guard(name.table.as_str(), tenancy) {
            function.body = with_first_statement(&function.body, &guard);
        }
    }
    let context = SignedContext { tenancy, roles, has_members, has_system: roles.system.is_some() };
    functions.extend(context.functions());
    for (name, table) in context.tables() {
        if let Some(def) = known.by_qualified_name.get(&name) {
            findings.error(
                place(def),
                format!("the table name `{name}` is reserved: the generator creates this table for signed contexts"),
                "set another table name: `#[tenant(table = \"…\")]`",
            );
        }
        tables.insert(name, table);
    }
}

/// Returns the statement with which a function begins: it ends the function unless the context is signed.
fn guard(function: &str, tenancy: &Tenancy) -> Option<String> {
    let unless = |otherwise: &str| {
        let signed = tenancy.function(names::IS_CONTEXT_SIGNED).quoted();
        Some(format!("    IF NOT {signed}() THEN\n        {otherwise}\n    END IF;\n"))
    };
    match function {
        // Policies call these: administrators see no rows.
        names::AUTHORIZED_TENANT_ID => unless("RETURN NULL;"),
        names::IS_SYSTEM_CONTEXT => unless("RETURN false;"),
        // Triggers, which fire for an administrator too. They do not act for the user in the context.
        names::LOG_CHANGE | names::PREVENT_LAST_MANAGER_REMOVAL => None,
        // For administrators, as the schema owner.
        names::DELETE_SYSTEM_ACCESS => None,
        _ => unless(&format!("RAISE EXCEPTION 'the context is not signed' USING ERRCODE = '{CONTEXT_NOT_SIGNED}';")),
    }
}

/// Inserts a statement after the first `BEGIN` of a body.
fn with_first_statement(body: &str, statement: &str) -> String {
    const BEGIN: &str = "BEGIN\n";
    match body.split_once(BEGIN) {
        Some((declarations, statements)) => format!("{declarations}{BEGIN}{statement}{statements}"),
        None => body.to_owned(),
    }
}

struct SignedContext<'a> {
    tenancy: &'a Tenancy,
    roles: &'a Roles<'a>,
    has_members: bool,
    has_system: bool,
}

impl SignedContext<'_> {
    fn table(&self, name: &str) -> QualifiedName {
        QualifiedName { schema: Ident::derived([self.tenancy.def.schema]), table: Ident::derived([name]) }
    }

    /// The roles that the app's transactions can have.
    fn app_roles(&self) -> Vec<Ident> {
        let no_tenant = self.has_members.then(|| self.roles.no_tenant.clone());
        let system = self.roles.system.cloned();
        self.roles.lowest.iter().cloned().chain(no_tenant).chain(system).collect()
    }

    fn functions(&self) -> Vec<(QualifiedName, Function)> {
        let bound = [(names::BIND_LOGIN, self.bind_login()), (names::UNBIND_LOGIN, self.unbind_login())];
        let functions = [
            (names::CONTEXT_CHALLENGE, self.context_challenge()),
            (names::SET_CONTEXT, self.set_context()),
            (names::IS_CONTEXT_SIGNED, self.is_context_signed()),
            (names::CONTEXT_USER_ID, self.context_user_id()),
            (names::SET_CONTEXT_KEY, self.set_context_key()),
            (names::END_CONTEXT_KEY, self.end_context_key()),
        ];
        let functions = functions.into_iter().chain(bound.into_iter().filter(|_| self.has_members));
        functions.map(|(name, function)| (self.tenancy.function(name), function)).collect()
    }
}
