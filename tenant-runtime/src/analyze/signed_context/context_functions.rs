//! The functions that check a signature and set the context, and that policies and functions call to check the context.

use super::SignedContext;
use crate::{
    analyze::signed_conditions::{CURRENT_ROLE, ROLE_ARGUMENT, if_signed, role_argument},
    ident::{Ident, literal},
    model::{
        names,
        schema::{Expression, Function, Returns, Volatility},
        sqlstate::CONTEXT_NOT_SIGNED,
    },
};

/// An expression for the server connection: the start of the server, the server process, and the sequence of its numbers. After a
/// restart, a restore or a failover, or for a new sequence, numbers can come again.
const SERVER: &str =
    "timestamptz_send(pg_postmaster_start_time()) || int4send(pg_backend_pid()) || int8send(numbers::oid::bigint)";

/// Returns a call of HMAC-SHA256 with the key in a row.
fn hmac(row: &str, message: &str) -> String {
    format!("sha256({row}.outer_block || sha256({row}.inner_block || {message}))")
}

impl SignedContext<'_> {
    /// The settings of a context, in the order in which the app signs them.
    fn settings(&self) -> Vec<String> {
        let def = self.tenancy.def;
        let access = self.has_system.then(|| def.access_setting());
        [def.tenant_setting.to_owned(), def.user_setting.to_owned()].into_iter().chain(access).collect()
    }

    /// Returns the text whose HMAC is the seal, from the role and the values of the settings. Each value follows its
    /// length, so that no two contexts have the same text.
    fn sealed(&self, role: &str, values: &[String]) -> String {
        let parts = [role].into_iter().chain(values.iter().map(String::as_str));
        let parts = parts.map(|value| format!("length({value}), ':', {value}")).collect::<Vec<_>>().join(", ");
        format!("timestamptz_send(now()) || convert_to(concat({parts}), 'UTF8')")
    }

    pub(super) fn context_challenge(&self) -> Function {
        let numbers = literal(&self.tenancy.function(names::CONTEXT_NUMBERS).quoted());
        Function {
            comment: "Returns what the signature of the next context must include: the server connection, and its next number (NULL \
                      on a read-only server or in a read-only transaction) or the start of the transaction, in microseconds since \
                      2000-01-01."
                .into(),
            arguments: Vec::new(),
            returns: Returns::Rows(vec![
                (Ident::derived(["server"]), Expression::trusted("text")),
                (Ident::derived(["next_number"]), Expression::trusted("bigint")),
                (Ident::derived(["started"]), Expression::trusted("bigint")),
            ]),
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "DECLARE
    numbers constant regclass := {numbers};
BEGIN
    server := encode({SERVER}, 'hex');
    IF NOT (pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean) THEN
        next_number := nextval(numbers) + 1;
    END IF;
    started := (extract(epoch FROM now()) * 1000000)::bigint - 946684800000000;
    RETURN NEXT;
END"
            ),
            execute: self.app_roles(),
        }
    }

    pub(super) fn set_context(&self) -> Function {
        let settings = self.settings();
        let numbers = literal(&self.tenancy.function(names::CONTEXT_NUMBERS).quoted());
        let keys = self.table(names::CONTEXT_KEYS).quoted();
        let count = settings.len();
        let value = |place: usize| format!("COALESCE(settings[{place}], '')");
        let values: Vec<_> = (1..=count).map(value).collect();
        let set = |name: &str, value: &str| format!("set_config({}, {value}, true)", literal(name));
        let set_all: Vec<_> = settings.iter().zip(&values).map(|(name, value)| set(name, value)).collect();
        Function {
            comment: "Sets the context of the transaction if the app has signed it: an HMAC-SHA256 of the server connection, of its next \
                      number or the start of the transaction, of the role set by SET ROLE, and of p_settings, the array of the settings \
                      as text."
                .into(),
            arguments: [("p_key", "smallint"), ("p_signature", "text"), ("p_settings", "text"), ("p_numbered", "boolean")]
                .map(|(name, ty)| (Ident::derived([name]), Expression::trusted(ty)))
                .into(),
            returns: Returns::Void,
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            // One query: it runs for each transaction. Its result is computed only if all conditions hold.
            body: format!(
                "DECLARE
    numbers constant regclass := {numbers};
    -- Taken even if the signature is not valid, and a rollback does not give it back: so no signature is valid twice.
    number constant bigint := CASE WHEN p_numbered THEN nextval(numbers) END;
    acting_role constant text := current_setting('role');
    settings constant text[] := p_settings;
BEGIN
    PERFORM {set_all},
            {set_seal}
        FROM {keys} AS s, {keys} AS k
        WHERE s.id = 0 AND k.id = p_key AND k.id > 0 AND k.not_after > now()
          AND (k.login IS NULL OR k.login = session_user)
          AND (k.roles IS NULL OR acting_role = ANY (k.roles))
          AND cardinality(settings) <= {count}
          AND encode({signature}, 'hex') = p_signature;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the signature of the context is not valid: the key is not installed, has ended or is for another login or role, or the signature is for another use'
            USING ERRCODE = '{CONTEXT_NOT_SIGNED}';
    END IF;
END",
                signature = hmac(
                    "k",
                    &format!(
                        "{SERVER} || COALESCE('N' || int8send(number), 'T' || timestamptz_send(now())) \
                         || convert_to(concat(length(acting_role), ':', acting_role, p_settings), 'UTF8')"
                    )
                ),
                set_all = set_all.join(", "),
                set_seal = set(
                    &self.tenancy.def.seal_setting(),
                    &format!("encode({}, 'hex')", hmac("s", &self.sealed("acting_role", &values)))
                ),
            ),
            execute: self.app_roles(),
        }
    }

    pub(super) fn is_context_signed(&self) -> Function {
        let keys = self.table(names::CONTEXT_KEYS).quoted();
        // NULL is not the text of any signed value.
        let current = |name: &String| format!("current_setting({}, true)", literal(name));
        let values: Vec<_> = self.settings().iter().map(current).collect();
        let seal = literal(&self.tenancy.def.seal_setting());
        let bound = if self.has_members { self.bound_login() } else { String::new() };
        Function {
            comment: "Returns true if the app has signed the context of the transaction for a role, or the login role is bound to it; \
                      otherwise raises an error, or returns false to administrators."
                .into(),
            arguments: role_argument(),
            returns: Returns::Value(Expression::trusted("boolean")),
            volatility: Volatility::Stable,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "DECLARE
    seal constant text := current_setting({seal}, true);
BEGIN
    IF seal <> '' THEN
        IF EXISTS (
            SELECT FROM {keys} AS k
            WHERE k.id = 0 AND encode({sealed}, 'hex') = seal
        ) THEN
            RETURN true;
        END IF;
{bound}    END IF;
    -- An error, because a condition with NOT can be true if another table seems to have no rows.
    IF NOT pg_has_role(session_user, {owner}, 'MEMBER') THEN
        RAISE EXCEPTION 'the context is not signed' USING ERRCODE = '{CONTEXT_NOT_SIGNED}';
    END IF;
    RETURN false;
END",
                owner = literal(self.roles.owner.as_str()),
                sealed = hmac("k", &self.sealed(ROLE_ARGUMENT, &values)),
            ),
            execute: self.policy_roles(),
        }
    }

    pub(super) fn context_user_id(&self) -> Function {
        let user = Expression::in_context(self.tenancy.def.user_setting, &self.tenancy.user_type);
        Function {
            comment: "Returns the ID of the user if the context is signed; otherwise NULL.".into(),
            arguments: Vec::new(),
            returns: Returns::Value(self.tenancy.user_type.clone()),
            volatility: Volatility::Stable,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!("BEGIN\n    RETURN {};\nEND", if_signed(CURRENT_ROLE, &user, self.tenancy)),
            execute: self.policy_roles(),
        }
    }

    pub(super) fn context_tenant_id(&self) -> Function {
        let tenant = Expression::in_context(self.tenancy.def.tenant_setting, &self.tenancy.key_type);
        Function {
            comment: "Returns the ID of the tenant if the context is signed for a role; otherwise NULL.".into(),
            arguments: role_argument(),
            returns: Returns::Value(self.tenancy.key_type.clone()),
            volatility: Volatility::Stable,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!("BEGIN\n    RETURN {};\nEND", if_signed(ROLE_ARGUMENT, &tenant, self.tenancy)),
            execute: self.policy_roles(),
        }
    }

    /// The function is called when a statement is planned, as if its result never changed: a plan is for one role, and is made
    /// again for another role.
    pub(super) fn statement_role(&self) -> Function {
        Function {
            comment: "Returns the role for which the server plans a statement. IMMUTABLE, so the plan contains the role: a statement with \
                      row-level security is planned again for another role. Only for policies."
                .into(),
            arguments: Vec::new(),
            returns: Returns::Value(Expression::trusted("text")),
            volatility: Volatility::Immutable,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: "BEGIN\n    RETURN current_setting('role');\nEND".into(),
            execute: self.policy_roles(),
        }
    }

    /// The roles whose statements evaluate policies: those of the app, and the schema owner.
    fn policy_roles(&self) -> Vec<Ident> {
        self.app_roles().into_iter().chain([self.roles.owner.clone()]).collect()
    }

    /// Returns the branch for a login that is bound to a context.
    fn bound_login(&self) -> String {
        let def = self.tenancy.def;
        format!(
            "    ELSIF EXISTS (
        SELECT FROM {} AS b
        WHERE b.login = session_user AND b.login_oid = (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = session_user)
          AND b.role = {ROLE_ARGUMENT}
          AND b.tenant_id = {} AND b.user_id = {}
    ) THEN
        RETURN true;
",
            self.table(names::BOUND_LOGINS).quoted(),
            Expression::in_context(def.tenant_setting, &self.tenancy.key_type),
            Expression::in_context(def.user_setting, &self.tenancy.user_type)
        )
    }
}
