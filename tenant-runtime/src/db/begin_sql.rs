//! The SQL that sets a context, begins transactions and savepoints, and resets connections.

use std::time::Duration;

use sqlx::SqlStr;

use super::{
    built_sql::assert_sql_safe, message::Message, session_context::SessionContext, signing_key::Signature,
    tx_options::TxOptions,
};
use crate::{
    ident::{literal, quoted},
    model::{def::TenancyDef, names},
};

/// Resets the session user and the settings of a connection. Both come before the context, which they would undo.
///
/// They are left out behind a connection pooler: `RESET ALL` would also undo the settings that the pooler keeps for its client.
const RESET: [&str; 2] = ["SET SESSION AUTHORIZATION DEFAULT", "RESET ALL"];

/// Removes the session state that outlives a transaction, except settings, prepared statements, the last values of sequences, and
/// advisory locks, which [`UNLOCK`] releases.
const DISCARD: [&str; 3] = ["CLOSE ALL", "UNLISTEN *", "DISCARD TEMP"];

/// Removes the last values of sequences. Left out where contexts are signed: each connection has taken numbers for signatures.
const DISCARD_SEQUENCES: &str = "DISCARD SEQUENCES";

/// Releases the advisory locks.
const UNLOCK: &str = "SELECT pg_catalog.pg_advisory_unlock_all()";

/// An expression that raises an error if an SQL command has prepared a statement on the connection: a later transaction could
/// run that statement under the name of one that sqlx prepared. `from_sql` is false for all statements that sqlx prepares.
///
/// Every name is qualified and no operator is used, so the session's search path has no effect. The error is raised by
/// a cast that only a superuser could replace.
const CHECK_NO_SQL_PREPARED: &str = "CAST(CASE WHEN EXISTS (\
     SELECT FROM pg_catalog.pg_prepared_statement() WHERE from_sql\
     ) THEN 'SQL has prepared a statement on this connection' ELSE '0' END AS pg_catalog.int4)";

/// The SQLSTATE of a failed cast, as in [`CHECK_NO_SQL_PREPARED`].
pub(super) const FAILED_CAST: &str = "22P02";

/// The settings that the text format of values depends on, as sqlx sets them when it connects; for the transaction only, because
/// a connection pooler or a function can have changed them.
const TEXT_FORMAT: [&str; 5] = [
    "SET LOCAL client_encoding = 'UTF8'",
    "SET LOCAL DateStyle = 'ISO, MDY'",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL extra_float_digits = 2",
];

/// What a message does after it has set the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit<'a> {
    /// Runs one statement and commits it.
    Call(&'a str),
    /// Begins a transaction, and runs its first statement if there is one.
    Begin(TxOptions, Option<&'a str>),
    /// Begins a transaction, runs one statement and commits.
    BeginAndCommit(TxOptions, &'a str),
}

impl Unit<'_> {
    /// Returns the options of the transaction.
    fn options(self) -> TxOptions {
        match self {
            Self::Call(_) => TxOptions::default(),
            Self::Begin(options, _) | Self::BeginAndCommit(options, _) => options,
        }
    }
}

/// Returns the message that sets a context and then does the work of `unit`, in one round trip.
///
/// The first commands reset what an earlier call can have left on the connection. The settings of the context come before
/// `BEGIN`: they carry over into the transaction, and if setting one fails, the connection remains idle and clean. After `BEGIN`,
/// a failure would leave an aborted transaction. All settings are written, even empty ones, so that no previous value remains.
///
/// The commands that need a snapshot follow `BEGIN`, which sets the isolation level. They include the query after which
/// PostgreSQL refuses to make a read-only transaction writable; a deferrable transaction waits for its snapshot in it. A single
/// statement needs no `BEGIN`: PostgreSQL runs a message as one transaction and commits it at its end.
///
/// Behind a connection pooler (`pooled`), a single statement has a `BEGIN` and a `COMMIT` too, since the pooler keeps a server
/// connection only for a transaction that it sees.
///
/// With a `signature`, the database sets the settings of the context itself, in a function that checks the signature.
///
/// A transaction can run statements that sqlx has prepared on the connection, so it begins with the check for statements
/// that SQL has prepared. It runs after `BEGIN`: if it fails, the transaction is aborted, so this crate closes the connection,
/// and a pooler the server connection.
pub(super) fn message(
    context: &SessionContext,
    statement_timeout: Option<Duration>,
    pooled: bool,
    unit: Unit<'_>,
    signature: Option<&Signature>,
) -> Message {
    let mut message = reset_with_role(context, statement_timeout, pooled);
    let options = (pooled || !matches!(unit, Unit::Call(_))).then(|| unit.options());
    match signature {
        Some(signature) => {
            // The function needs a snapshot, and the numbers that it takes a transaction that can write.
            message.extend(options.and_then(TxOptions::isolation_sql).as_deref());
            message.push_signature(&signed_context(context.tenancy, signature));
        }
        None => set_context(&mut message, context),
    }
    if let Some(options) = options {
        let modes = if signature.is_some() { options.access_sql() } else { options.sql() };
        message.push(&format!("BEGIN{modes}"));
    }
    discard(&mut message, signature.is_some(), matches!(unit, Unit::Begin(..)));
    work(&mut message, context, unit, pooled);
    message
}

/// Returns the message that asks for the next number of a connection.
pub(super) fn challenge(tenancy: &TenancyDef, role: &str) -> Message {
    let mut message = Message::default();
    message.extend(RESET);
    push_challenge(&mut message, tenancy, role);
    message
}

/// Returns the message that begins a transaction and asks for what the signature of its context must include. The message
/// [`signed`] follows.
pub(super) fn begin_for_signature(
    context: &SessionContext,
    statement_timeout: Option<Duration>,
    pooled: bool,
    unit: Unit<'_>,
) -> Message {
    let mut message = reset_with_role(context, statement_timeout, pooled);
    message.push(&format!("BEGIN{}", unit.options().sql()));
    discard(&mut message, true, true);
    message.push_statement(&challenge_sql(context.tenancy));
    message
}

/// Returns the message that sets a signed context in the open transaction and does the work of `unit`.
pub(super) fn signed(context: &SessionContext, signature: &Signature, unit: Unit<'_>) -> Message {
    let mut message = Message::default();
    message.push_signature(&signed_context(context.tenancy, signature));
    work(&mut message, context, unit, true);
    message
}

/// Returns the message that begins a transaction only to check a key, which [`check_signature`] does.
pub(super) fn begin_challenge(tenancy: &TenancyDef, role: &str) -> Message {
    let mut message = Message::default();
    message.push("BEGIN");
    push_challenge(&mut message, tenancy, role);
    message
}

/// Returns the message that sets a signed context and rolls it back.
pub(super) fn check_signature(tenancy: &TenancyDef, signature: &Signature) -> Message {
    let mut message = Message::default();
    message.push_signature(&signed_context(tenancy, signature));
    message.push("ROLLBACK");
    message
}

fn push_challenge(message: &mut Message, tenancy: &TenancyDef, role: &str) {
    message.push(&format!("SET LOCAL ROLE {}", quoted(role)));
    message.push_statement(&challenge_sql(tenancy));
}

fn challenge_sql(tenancy: &TenancyDef) -> String {
    let function = names::auth_object(tenancy.schema, names::CONTEXT_CHALLENGE);
    format!("SELECT server, next_number, started FROM {function}()")
}

fn signed_context(tenancy: &TenancyDef, signature: &Signature) -> String {
    let Signature { key, signature, settings, numbered } = signature;
    format!(
        "SELECT {}({key}::pg_catalog.int2, {}, {}, {numbered})",
        names::auth_object(tenancy.schema, names::SET_CONTEXT),
        literal(signature),
        literal(settings)
    )
}

/// Removes the session state of an earlier call; `prepared` if statements that sqlx has prepared may run in the transaction.
fn discard(message: &mut Message, signed: bool, prepared: bool) {
    message.extend(DISCARD);
    if !signed {
        message.push(DISCARD_SEQUENCES);
    }
    match prepared {
        true => message.push_statement_check(&format!("{UNLOCK}, {CHECK_NO_SQL_PREPARED}")),
        false => message.push(UNLOCK),
    }
}

/// Runs the statement of `unit`, and ends the transaction if it is the last one; `in_block` if a single call has begun one.
fn work(message: &mut Message, context: &SessionContext, unit: Unit<'_>, in_block: bool) {
    let (statement, commit) = match unit {
        Unit::Call(statement) => (Some(statement), in_block),
        Unit::Begin(_, statement) => (statement, false),
        Unit::BeginAndCommit(_, statement) => (Some(statement), true),
    };
    if cfg!(debug_assertions) {
        message.push_context_check(&read_back(context));
    }
    if let Some(statement) = statement {
        message.push_statement(statement);
    }
    if commit {
        message.push(COMMIT);
    }
}

fn set_context(message: &mut Message, context: &SessionContext) {
    let def = context.tenancy;
    let mut set = |name: &str, value: &str| message.push(&set_local(name, value));
    if let Some(record) = &context.system_access {
        set(&def.access_setting(), record);
    }
    set(def.tenant_setting, &context.tenant_id);
    set(def.user_setting, &context.user_id);
}

/// Begins a message: resets the connection, and sets the role and the settings that do not identify a tenant or a user.
fn reset_with_role(context: &SessionContext, statement_timeout: Option<Duration>, pooled: bool) -> Message {
    let mut message = Message::default();
    if !pooled {
        message.extend(RESET);
    }
    set_role(&mut message, context, statement_timeout);
    if pooled {
        // Without RESET ALL: a statement of an earlier transaction can have changed the setting for the session.
        message.push(&set_local(&context.tenancy.deleted_rows_setting(), ""));
    }
    message
}

/// Returns the command that shows deleted rows to a role that can restore them, or hides them again.
pub(super) fn show_deleted(def: &TenancyDef, shown: bool) -> SqlStr {
    assert_sql_safe(set_local(&def.deleted_rows_setting(), if shown { names::DELETED_ROWS_SHOWN } else { "" }))
}

/// Sets the role and the settings that do not identify a tenant or a user.
fn set_role(message: &mut Message, context: &SessionContext, statement_timeout: Option<Duration>) {
    let def = context.tenancy;
    message.push(&format!("SET LOCAL ROLE {}", quoted(context.role)));
    let mut set = |name: &str, value: &str| message.push(&format!("SET LOCAL {name} = {value}"));
    set("search_path", &search_path(def));
    set("row_security", "on");
    // In milliseconds, at least 1: 0 would disable the timeout.
    if let Some(timeout) = statement_timeout {
        set("statement_timeout", &timeout.as_millis().clamp(1, i32::MAX as u128).to_string());
    }
    message.extend(TEXT_FORMAT);
}

/// Returns a query that raises an error if the server has another role or other settings than the context.
fn read_back(context: &SessionContext) -> String {
    let def = context.tenancy;
    let expected = [
        ("current_user::pg_catalog.text".to_owned(), context.role),
        (current_setting(def.tenant_setting), &context.tenant_id),
        (current_setting(def.user_setting), &context.user_id),
        (current_setting("search_path"), &search_path(def)),
        (current_setting("row_security"), "on"),
    ];
    let same = expected.iter().map(|(found, value)| format!("{found} OPERATOR(pg_catalog.=) {}", literal(value)));
    let found = expected.iter().map(|(found, _)| found.as_str());
    format!(
        "SELECT CAST(CASE WHEN {} THEN '0' ELSE pg_catalog.concat_ws(', ', 'the server has', {}) END AS pg_catalog.int4)",
        same.collect::<Vec<_>>().join(" AND "),
        found.collect::<Vec<_>>().join(", ")
    )
}

fn current_setting(name: &str) -> String {
    format!("pg_catalog.current_setting({})", literal(name))
}

/// Returns the batch that resets the connection state that outlives a transaction: session user, settings,
/// cursors WITH HOLD and their rows, LISTEN, advisory locks, temporary tables, and the last values of
/// sequences.
///
/// Statements that sqlx has prepared remain. If an SQL command has prepared a statement, or deallocated one of sqlx's
/// statements, the batch fails. `cached` is the number of statements in sqlx's cache; `None` if a pooler renames
/// statements. `signed` if the connection has numbers for signatures.
pub(super) fn clear(cached: Option<usize>, signed: bool) -> SqlStr {
    let none_missing = cached.filter(|&cached| cached > 0).map(|cached| {
        format!(
            "SELECT CAST(CASE WHEN pg_catalog.count(*) OPERATOR(pg_catalog.<) {cached} \
             THEN 'SQL has deallocated a statement of this connection' ELSE '0' END AS pg_catalog.int4) \
             FROM pg_catalog.pg_prepared_statements"
        )
    });
    let mut message = Message::default();
    message.extend(RESET);
    discard(&mut message, signed, true);
    if let Some(none_missing) = none_missing {
        message.push(&none_missing);
    }
    message.into_sql()
}

/// Returns the query that compares the role and the settings on the server with the context, and fails if they differ.
pub(super) fn context_check(context: &SessionContext) -> SqlStr {
    assert_sql_safe(read_back(context))
}

/// Ends a transaction.
pub(super) const COMMIT: &str = "COMMIT";

/// Returns the message that runs the last statement of a transaction and commits it.
pub(super) fn and_commit(statement: &str) -> Message {
    let mut message = Message::default();
    message.push_statement(statement);
    message.push(COMMIT);
    message
}

/// Returns the SQL that begins a savepoint; with `replace`, it first releases the previous savepoint with the same
/// name.
pub(super) fn savepoint(depth: u32, replace: bool) -> SqlStr {
    let release = if replace { format!("RELEASE SAVEPOINT sp_{depth}; ") } else { String::new() };
    assert_sql_safe(format!("{release}SAVEPOINT sp_{depth}"))
}

/// Returns the SQL that rolls back to a savepoint; the savepoint remains.
pub(super) fn rollback_to(depth: u32) -> SqlStr {
    assert_sql_safe(format!("ROLLBACK TO SAVEPOINT sp_{depth}"))
}

/// Returns the call that records the reason `$1` for cross-tenant access.
pub(super) fn begin_system_access(def: &TenancyDef) -> SqlStr {
    assert_sql_safe(format!("SELECT {}($1)", names::auth_object(def.schema, names::BEGIN_SYSTEM_ACCESS)))
}

/// Returns the search path. Operators of extensions are found in the schemas of the declared extensions. The schema of temporary
/// tables is last: if it were not listed, it would be searched first, and a temporary table could shadow a table of the app.
pub(crate) fn search_path(def: &TenancyDef) -> String {
    let extensions: String = def.extension_schemas().iter().map(|schema| format!(", {}", quoted(schema))).collect();
    format!("pg_catalog, {}{extensions}, pg_temp", quoted(def.schema))
}

/// Returns the command that sets a setting of a context for the transaction.
pub(crate) fn set_local(name: &str, value: &str) -> String {
    format!("SET LOCAL {} = {}", setting(name), literal(value))
}

/// Quotes each part of a setting's name, such as `app.organization_id`.
pub(crate) fn setting(name: &str) -> String {
    name.split('.').map(|part| quoted(part).to_string()).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{db::Isolation, roles::Member, tenant::TenantCtx};

    const CONTEXT: &str = "SET LOCAL ROLE app_member; SET LOCAL search_path = pg_catalog, app, pg_temp; \
         SET LOCAL row_security = on; SET LOCAL statement_timeout = 1500; FORMAT; \
         SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'; SET LOCAL app.user_id = ''; ";

    fn sql(pooled: bool, unit: Unit<'_>) -> String {
        let ctx = TenantCtx::<Member>::assume_authorized_job(uuid::Uuid::nil());
        let context = SessionContext::of(&ctx);
        let sql = message(&context, Some(Duration::from_millis(1500)), pooled, unit, None).into_sql();
        let sql = sql.as_str().replace(&format!("{}; ", TEXT_FORMAT.join("; ")), "FORMAT; ");
        let hidden = "SET LOCAL app.deleted_rows = ''; ";
        assert_eq!(sql.contains(hidden), pooled, "RESET ALL hides deleted rows where it is sent");
        let sql = sql.replace(hidden, "");
        sql.replace(&format!("; {}", read_back(&context)), "")
            .replace(&format!("{}; {DISCARD_SEQUENCES}", DISCARD.join("; ")), "DISCARD")
    }

    #[test]
    fn begin_sends_role_and_settings_in_one_message() {
        let options = TxOptions { isolation: Some(Isolation::Serializable), read_only: true, deferrable: true };
        let mode = "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE";
        let end = format!("DISCARD; {UNLOCK}, {CHECK_NO_SQL_PREPARED}");
        let reset = RESET.join("; ");
        assert_eq!(sql(false, Unit::Begin(options, None)), format!("{reset}; {CONTEXT}{mode}; {end}"));
        assert_eq!(sql(true, Unit::Begin(options, None)), format!("{CONTEXT}{mode}; {end}"));
        let first = Unit::Begin(TxOptions::default(), Some("SELECT 1"));
        assert_eq!(sql(true, first), format!("{CONTEXT}BEGIN; {end}; SELECT 1"));
    }

    #[test]
    fn call_needs_no_transaction_block_unless_pooled() {
        let reset = RESET.join("; ");
        let call = Unit::Call("SELECT 1");
        assert_eq!(sql(false, call), format!("{reset}; {CONTEXT}DISCARD; {UNLOCK}; SELECT 1"));
        assert_eq!(sql(true, call), format!("{CONTEXT}BEGIN; DISCARD; {UNLOCK}; SELECT 1; COMMIT"));
    }

    #[test]
    fn connection_reset_qualifies_every_name() {
        let counted = clear(Some(7), false);
        assert!(counted.as_str().contains("pg_catalog.count(*) OPERATOR(pg_catalog.<) 7 "), "{}", counted.as_str());
        for cached in [None, Some(0)] {
            let sql = clear(cached, false);
            assert!(sql.as_str().ends_with(CHECK_NO_SQL_PREPARED), "{}", sql.as_str());
        }
    }
}
