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

use crate::{
    analyze::{
        Known,
        auth_functions::Roles,
        finding::Findings,
        signed_conditions::{CURRENT_ROLE, ROLE_ARGUMENT, is_signed},
        tenancy::Tenancy,
    },
    ident::{Ident, literal},
    model::{
        names,
        schema::{Function, QualifiedName, Table},
        sqlstate::CONTEXT_NOT_SIGNED,
    },
};

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
        if let Some(guard) = guard(name.table.as_str(), function, tenancy) {
            function.body = with_first_statement(&function.body, &guard);
        }
    }
    let context = SignedContext { tenancy, roles, has_members, has_system: roles.system.is_some() };
    functions.extend(context.functions());
    for (name, table) in context.tables() {
        known.add_generated(tables, name, table, "for signed contexts", findings);
    }
}

/// Returns the statement with which a function begins: it ends the function unless the context is signed for a role that can
/// execute it. The server checks the privilege with the role at the beginning of the statement.
fn guard(name: &str, function: &Function, tenancy: &Tenancy) -> Option<String> {
    let unless = |role: &str, or: &str, otherwise: &str| {
        let signed = is_signed(role, tenancy);
        Some(format!("    IF NOT {signed}{or} THEN\n        {otherwise}\n    END IF;\n"))
    };
    // Triggers also fire for an administrator, and do not act for the user in the context.
    if function.returns.is_trigger() {
        return None;
    }
    match name {
        // Policies call these: administrators see no rows.
        names::AUTHORIZED_TENANT_ID => unless(ROLE_ARGUMENT, "", "RETURN NULL;"),
        names::IS_SYSTEM_CONTEXT => unless(CURRENT_ROLE, "", "RETURN false;"),
        // For administrators, as the schema owner.
        names::DELETE_SYSTEM_ACCESS => None,
        _ => {
            let or = format!(" OR {CURRENT_ROLE} NOT IN ({})", roles_with(&function.execute, tenancy));
            let raise = format!("RAISE EXCEPTION 'the context is not signed' USING ERRCODE = '{CONTEXT_NOT_SIGNED}';");
            unless(CURRENT_ROLE, &or, &raise)
        }
    }
}

/// Returns the roles in a list and the application roles that include them, as literals.
fn roles_with(granted: &[Ident], tenancy: &Tenancy) -> String {
    let roles = tenancy.application_roles.iter();
    let names: Vec<_> = roles.clone().filter(|(_, role)| granted.contains(role)).map(|(name, _)| *name).collect();
    let including = roles.filter(|(name, _)| names.iter().any(|needed| tenancy.includes(name, needed)));
    let others = granted.iter().filter(|role| !tenancy.application_roles.values().any(|other| other == *role));
    let all: BTreeSet<_> = including.map(|(_, role)| role).chain(others).collect();
    all.into_iter().map(|role| literal(role.as_str())).collect::<Vec<_>>().join(", ")
}

/// Inserts a statement after the first `BEGIN` of a body. A body without one becomes invalid: it must not run without the statement.
fn with_first_statement(body: &str, statement: &str) -> String {
    const BEGIN: &str = "BEGIN\n";
    let (declarations, statements) = body.split_once(BEGIN).unwrap_or(("", body));
    format!("{declarations}{BEGIN}{statement}{statements}")
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
            (names::STATEMENT_ROLE, self.statement_role()),
            (names::SET_CONTEXT_KEY, self.set_context_key()),
            (names::END_CONTEXT_KEY, self.end_context_key()),
        ];
        let of_tenant = [(names::CONTEXT_TENANT_ID, self.context_tenant_id())];
        let functions = functions.into_iter().chain(bound.into_iter().filter(|_| self.has_members));
        let functions = functions.chain(of_tenant.into_iter().filter(|_| !self.has_members));
        functions.map(|(name, function)| (self.tenancy.function(name), function)).collect()
    }
}
