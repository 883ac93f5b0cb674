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

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Known,
    auth_functions::Roles,
    finding::{Findings, place},
    tenancy::Tenancy,
};
use crate::{
    ident::{Ident, literal},
    model::{
        names,
        schema::{
            Check, Column, ColumnDefault, Command, Condition, ConditionKind, Expression, Function, Grant, Key, Policy,
            QualifiedName, Returns, Scope, Table,
        },
        sqlstate::CONTEXT_NOT_SIGNED,
    },
};

/// An expression for the server connection: the start of the server, the server process, and the sequence of its numbers. After a
/// restart, a restore or a failover, or for a new sequence, numbers can come again.
const SERVER: &str =
    "timestamptz_send(pg_postmaster_start_time()) || int4send(pg_backend_pid()) || int8send(numbers::oid::bigint)";

/// The length in bytes of the shortest and of the longest key.
pub(crate) const KEY_BYTES: [u8; 2] = [32, 64];

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
        // Policies call these: without a context there are no rows, for the schema owner too.
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

/// Returns a call of HMAC-SHA256 with the key in the row `k`.
fn hmac(message: &str) -> String {
    format!("sha256(k.outer_block || sha256(k.inner_block || {message}))")
}

impl SignedContext<'_> {
    /// The settings of a context, in the order in which the app signs them.
    fn settings(&self) -> Vec<String> {
        let def = self.tenancy.def;
        let access = self.has_system.then(|| def.access_setting());
        [def.tenant_setting.to_owned(), def.user_setting.to_owned()].into_iter().chain(access).collect()
    }

    fn table(&self, name: &str) -> QualifiedName {
        QualifiedName { schema: Ident::derived([self.tenancy.def.schema]), table: Ident::derived([name]) }
    }

    /// Returns the text whose HMAC is the seal, from the role and the values of the settings. Each value follows its
    /// length, so that no two contexts have the same text.
    fn sealed(&self, role: &str, values: &[String]) -> String {
        let parts = [role].into_iter().chain(values.iter().map(String::as_str));
        let parts = parts.map(|value| format!("length({value}), ':', {value}")).collect::<Vec<_>>().join(", ");
        format!("timestamptz_send(now()) || convert_to(concat({parts}), 'UTF8')")
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

    fn context_challenge(&self) -> Function {
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
            stable: false,
            exact_floats: false,
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

    fn set_context(&self) -> Function {
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
                      as text. If the signature is not valid, the error's detail is the next number, and its hint the server connection."
                .into(),
            arguments: [("p_key", "smallint"), ("p_signature", "text"), ("p_settings", "text"), ("p_numbered", "boolean")]
                .map(|(name, ty)| (Ident::derived([name]), Expression::trusted(ty)))
                .into(),
            returns: Returns::Void,
            stable: false,
            exact_floats: false,
            body: format!(
                "DECLARE
    numbers constant regclass := {numbers};
    -- Taken even if the signature is not valid, and a rollback does not give it back: so no signature is valid twice.
    number constant bigint := CASE WHEN p_numbered THEN nextval(numbers) END;
    server constant bytea := {SERVER};
    use constant bytea := server || COALESCE('N' || int8send(number), 'T' || timestamptz_send(now()));
    acting_role constant text := current_setting('role');
    settings text[];
    seal text;
BEGIN
    IF NOT EXISTS (
        SELECT FROM {keys} AS k
        WHERE k.id = p_key AND k.id > 0 AND k.not_after > now()
          AND (k.login IS NULL OR k.login = session_user)
          AND (k.roles IS NULL OR acting_role = ANY (k.roles))
          AND encode({signature}, 'hex') = p_signature
    ) THEN
        RAISE EXCEPTION 'the signature of the context is not valid: the key is not installed, has ended or is for another login or role, or the signature is for another use'
            USING ERRCODE = '{CONTEXT_NOT_SIGNED}', DETAIL = COALESCE((number + 1)::text, ''), HINT = encode(server, 'hex');
    END IF;
    settings := p_settings::text[];
    IF cardinality(settings) > {count} THEN
        RAISE EXCEPTION 'the context has more settings than this database: apply the migrations' USING ERRCODE = '{CONTEXT_NOT_SIGNED}';
    END IF;
    SELECT encode({sealed}, 'hex') INTO seal
        FROM {keys} AS k WHERE k.id = 0;
    IF seal IS NULL THEN
        RAISE EXCEPTION 'the database has no key for seals: install a context key' USING ERRCODE = '{CONTEXT_NOT_SIGNED}';
    END IF;
    PERFORM {set_all}, {set_seal};
END",
                signature = hmac("use || convert_to(concat(length(acting_role), ':', acting_role, p_settings), 'UTF8')"),
                sealed = hmac(&self.sealed("acting_role", &values)),
                set_all = set_all.join(", "),
                set_seal = set(&self.tenancy.def.seal_setting(), "seal"),
            ),
            execute: self.app_roles(),
        }
    }

    fn is_context_signed(&self) -> Function {
        let keys = self.table(names::CONTEXT_KEYS).quoted();
        let current = |name: &String| format!("COALESCE(current_setting({}, true), '')", literal(name));
        let values: Vec<_> = self.settings().iter().map(current).collect();
        let seal = literal(&self.tenancy.def.seal_setting());
        let bound = if self.has_members { self.bound_login() } else { "    RETURN false;".to_owned() };
        Function {
            comment:
                "Returns whether the app has signed the context of the transaction, or the login role is bound to it."
                    .into(),
            arguments: Vec::new(),
            returns: Returns::Value(Expression::trusted("boolean")),
            stable: true,
            exact_floats: false,
            body: format!(
                "DECLARE
    seal constant text := current_setting({seal}, true);
    acting_role constant text := current_setting('role');
BEGIN
    IF seal <> '' THEN
        RETURN EXISTS (
            SELECT FROM {keys} AS k
            WHERE k.id = 0 AND encode({sealed}, 'hex') = seal
        );
    END IF;
{bound}
END",
                sealed = hmac(&self.sealed("acting_role", &values)),
            ),
            execute: self.policy_roles(),
        }
    }

    fn context_user_id(&self) -> Function {
        let user = Expression::in_context(self.tenancy.def.user_setting, &self.tenancy.user_type);
        Function {
            comment: "Returns the ID of the user if the context is signed; otherwise NULL.".into(),
            arguments: Vec::new(),
            returns: Returns::Value(self.tenancy.user_type.clone()),
            stable: true,
            exact_floats: false,
            body: format!("BEGIN\n    RETURN {};\nEND", if_signed(&user, self.tenancy)),
            execute: self.policy_roles(),
        }
    }

    /// The roles whose statements evaluate policies: those of the app, and the schema owner.
    fn policy_roles(&self) -> Vec<Ident> {
        self.app_roles().into_iter().chain([self.roles.owner.clone()]).collect()
    }

    /// Returns the statement for a login that is bound to a context.
    fn bound_login(&self) -> String {
        let def = self.tenancy.def;
        format!(
            "    RETURN EXISTS (
        SELECT FROM {} AS b
        WHERE b.login = session_user AND b.role = acting_role
          AND b.tenant_id = {} AND b.user_id = {}
    );",
            self.table(names::BOUND_LOGINS).quoted(),
            Expression::in_context(def.tenant_setting, &self.tenancy.key_type),
            Expression::in_context(def.user_setting, &self.tenancy.user_type)
        )
    }

    fn set_context_key(&self) -> Function {
        let keys = self.table(names::CONTEXT_KEYS).quoted();
        let [least, most] = KEY_BYTES;
        let arguments = [
            ("p_id", "smallint"),
            ("p_key", "bytea"),
            ("p_login", "text"),
            ("p_roles", "text[]"),
            ("p_not_after", "timestamptz"),
        ];
        Function {
            comment: format!(
                "Installs or replaces a key with which an app signs contexts: its number, {least} to {most} random bytes, and the login role, \
                 the database roles and the time until which it is valid (NULL: all). Number 0 is the key for seals: the database makes it \
                 with the first key, and replaces it if p_id is 0 and p_key is NULL. For administrators, as {}.",
                self.roles.owner
            ),
            arguments: arguments.map(|(name, ty)| (Ident::derived([name]), Expression::trusted(ty))).into(),
            returns: Returns::Void,
            stable: false,
            exact_floats: false,
            body: format!(
                "DECLARE
    -- 244 random bits, from a generator for cryptographic keys.
    random_key constant bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    key bytea := p_key;
    inner_block bytea := decode(repeat('36', 64), 'hex');
    outer_block bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    IF p_id < 0 OR p_id IS NULL THEN
        RAISE EXCEPTION 'the number of a context key is at least 1' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF p_id = 0 AND (p_key IS NOT NULL OR p_login IS NOT NULL OR p_roles IS NOT NULL OR p_not_after IS NOT NULL) THEN
        RAISE EXCEPTION 'the key for seals is made by the database and is not limited' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF p_id > 0 AND (octet_length(p_key) BETWEEN {least} AND {most}) IS NOT TRUE THEN
        RAISE EXCEPTION 'a context key has {least} to {most} bytes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF p_id > 0 AND NOT EXISTS (SELECT FROM {keys} AS k WHERE k.id = 0) THEN
        PERFORM {this}(0::smallint, NULL, NULL, NULL, NULL);
    END IF;
    key := COALESCE(p_key, random_key);
    FOR place IN 0 .. octet_length(key) - 1 LOOP
        inner_block := set_byte(inner_block, place, get_byte(inner_block, place) # get_byte(key, place));
        outer_block := set_byte(outer_block, place, get_byte(outer_block, place) # get_byte(key, place));
    END LOOP;
    INSERT INTO {keys} AS k (id, inner_block, outer_block, login, roles, not_after)
    VALUES (p_id, inner_block, outer_block, p_login, p_roles, COALESCE(p_not_after, 'infinity'))
    ON CONFLICT ON CONSTRAINT {pkey} DO UPDATE SET inner_block = excluded.inner_block, outer_block = excluded.outer_block,
        login = excluded.login, roles = excluded.roles, not_after = excluded.not_after;
END",
                this = self.tenancy.function(names::SET_CONTEXT_KEY).quoted(),
                pkey = Ident::derived([names::CONTEXT_KEYS, "pkey"]).quoted(),
            ),
            execute: vec![self.roles.owner.clone()],
        }
    }

    fn end_context_key(&self) -> Function {
        let keys = self.table(names::CONTEXT_KEYS).quoted();
        Function {
            comment: format!(
                "Ends the validity of a context key at a time. Returns false if there is no such key. For administrators, as {}.",
                self.roles.owner
            ),
            arguments: [("p_id", "smallint"), ("p_not_after", "timestamptz")]
                .map(|(name, ty)| (Ident::derived([name]), Expression::trusted(ty)))
                .into(),
            returns: Returns::Value(Expression::trusted("boolean")),
            stable: false,
            exact_floats: false,
            body: format!(
                "BEGIN
    IF p_not_after IS NULL THEN
        RAISE EXCEPTION 'the end of a context key is a time' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE {keys} AS k SET not_after = p_not_after WHERE k.id = p_id AND k.id > 0;
    RETURN FOUND;
END"
            ),
            execute: vec![self.roles.owner.clone()],
        }
    }

    fn bind_login(&self) -> Function {
        let (key, user) = (&self.tenancy.key_type, &self.tenancy.user_type);
        let arguments = [
            ("p_login", Expression::trusted("text")),
            ("p_role", Expression::trusted("text")),
            ("p_tenant", key.clone()),
            ("p_user", user.clone()),
        ];
        let allowed = self.tenancy.application_roles.values().map(|role| literal(role.as_str())).collect::<Vec<_>>();
        Function {
            comment: format!(
                "Binds a login role to a tenant, a user and a database role: it needs no signature for this context, and has no other. For \
                 administrators, as {}.",
                self.roles.owner
            ),
            arguments: arguments.map(|(name, ty)| (Ident::derived([name]), ty)).into(),
            returns: Returns::Void,
            stable: false,
            exact_floats: false,
            body: format!(
                "BEGIN
    IF (p_role IN ({allowed})) IS NOT TRUE THEN
        RAISE EXCEPTION 'a login is bound to a role of the tenants' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO {bound} AS b (login, role, tenant_id, user_id) VALUES (p_login, p_role, p_tenant, p_user)
    ON CONFLICT ON CONSTRAINT {pkey} DO UPDATE SET role = excluded.role, tenant_id = excluded.tenant_id, user_id = excluded.user_id;
END",
                allowed = allowed.join(", "),
                bound = self.table(names::BOUND_LOGINS).quoted(),
                pkey = Ident::derived([names::BOUND_LOGINS, "pkey"]).quoted(),
            ),
            execute: vec![self.roles.owner.clone()],
        }
    }

    fn unbind_login(&self) -> Function {
        Function {
            comment: format!(
                "Removes the binding of a login role. Returns false if it is not bound. For administrators, as {}.",
                self.roles.owner
            ),
            arguments: vec![(Ident::derived(["p_login"]), Expression::trusted("text"))],
            returns: Returns::Value(Expression::trusted("boolean")),
            stable: false,
            exact_floats: false,
            body: format!(
                "BEGIN
    DELETE FROM {} AS b WHERE b.login = p_login;
    RETURN FOUND;
END",
                self.table(names::BOUND_LOGINS).quoted()
            ),
            execute: vec![self.roles.owner.clone()],
        }
    }

    fn tables(&self) -> Vec<(QualifiedName, Table)> {
        let bound = self.has_members.then(|| (names::BOUND_LOGINS, self.bound_logins()));
        let tables = [(names::CONTEXT_KEYS, self.context_keys())].into_iter().chain(bound);
        tables.map(|(name, table)| (self.table(name), table)).collect()
    }

    fn context_keys(&self) -> Table {
        let key = |name: &str, comment: &str| Column { sensitive: true, ..column(name, "bytea", comment) };
        let columns = vec![
            column(
                "id",
                "smallint",
                "Number of the key, which the app sends with a signature; 0 is the key for seals.",
            ),
            key("inner_block", "Inner block of HMAC-SHA256: the key, padded with zeros to 64 bytes, XOR 0x36."),
            key("outer_block", "Outer block of HMAC-SHA256: the key, padded with zeros to 64 bytes, XOR 0x5c."),
            Column {
                nullable: true,
                ..column("login", "text", "The only login role for which the key is valid; NULL: all.")
            },
            Column {
                nullable: true,
                ..column("roles", "text[]", "The only database roles for which the key is valid; NULL: all.")
            },
            Column {
                default: Some(ColumnDefault::Expression(Expression::trusted("'infinity'"))),
                ..column("not_after", "timestamptz", "Time at which the key ends.")
            },
        ];
        let checks = [
            ("id", "id >= 0"),
            ("inner_block", "octet_length(inner_block) = 64"),
            ("outer_block", "octet_length(outer_block) = 64"),
        ];
        let commands = [Command::Select, Command::Insert, Command::Update];
        self.internal_table(
            names::CONTEXT_KEYS,
            "Keys with which the app signs contexts, and the key with which the database seals them. Only functions read them; leave the \
             table out of dumps.",
            columns,
            &checks,
            &commands,
        )
    }

    fn bound_logins(&self) -> Table {
        let columns = vec![
            column("login", "text", "Login role."),
            column("role", "text", "Database role that the login assumes."),
            column("tenant_id", &self.tenancy.key_type.to_string(), "Tenant of the login."),
            column("user_id", &self.tenancy.user_type.to_string(), "User as whom the login acts."),
        ];
        let commands = Command::ALL;
        self.internal_table(
            names::BOUND_LOGINS,
            "Login roles that are bound to a tenant, a user and a role, for SQL that is not the app's.",
            columns,
            &[],
            &commands,
        )
    }

    /// Creates a table that only the functions use. The first column is the primary key.
    fn internal_table(
        &self,
        name: &str,
        comment: &str,
        columns: Vec<Column>,
        checks: &[(&str, &str)],
        commands: &[Command],
    ) -> Table {
        let owner = &self.tenancy.function_owner;
        let all: Vec<Ident> = columns.iter().map(|column| column.name.clone()).collect();
        let granted = |command: Command| match command {
            Command::Delete => Vec::new(),
            Command::Update => all[1..].to_vec(),
            Command::Select | Command::Insert => all.clone(),
        };
        let schema = names::auth_schema(self.tenancy.def.schema);
        let policy = |command: &Command| {
            let comment = format!("Lets the functions in {schema} {} rows.", command.keyword());
            Policy::of_function_owner(*command, owner, comment)
        };
        let check = |(of, condition): &(&str, &str)| Check {
            name: Ident::derived([name, of, "check"]),
            condition: Expression::trusted(*condition),
            labels: None,
        };
        Table {
            comment: comment.to_owned(),
            scope: Scope::Global,
            primary_key: Key { name: Ident::derived([name, "pkey"]), columns: vec![all[0].clone()] },
            uniques: Vec::new(),
            checks: checks.iter().map(check).collect(),
            foreign_keys: Vec::new(),
            indexes: Vec::new(),
            policies: commands.iter().map(policy).collect(),
            grants: commands
                .iter()
                .map(|command| Grant { command: *command, columns: granted(*command), role: owner.clone() })
                .collect(),
            triggers: Vec::new(),
            partitions: None,
            columns,
        }
    }
}

fn column(name: &str, ty: &str, comment: &str) -> Column {
    Column { comment: comment.to_owned(), ..Column::new(Ident::derived([name]), Expression::trusted(ty)) }
}
