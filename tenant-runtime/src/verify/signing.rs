//! Signatures of contexts, which the administrator makes with keys that are rolled back.

use super::sealing::Sealing;
use crate::{
    db::set_local,
    ident::{in_double_quotes, literal},
    model::{def::TenancyDef, names},
};

/// The IDs of the signing keys that the administrator installs.
pub(super) const KEY: i16 = 32_000;
pub(super) const OTHER_KEY: i16 = 32_001;
/// The number of the key for seals.
pub(super) const SEAL_KEY: i16 = 0;

/// The setting that carries the signature from the administrator to the principal.
const CARRIER: &str = "verify.signature";

/// What a signature covers; the expressions are SQL.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) key: i16,
    pub(super) server: String,
    pub(super) usage: String,
    pub(super) role: String,
    pub(super) settings: String,
}

/// The limits of a key, as SQL.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits<'a> {
    pub(super) login: &'a str,
    pub(super) roles: &'a str,
    pub(super) not_after: &'a str,
}

impl Limits<'_> {
    pub(super) const NONE: Self = Self { login: "NULL", roles: "NULL", not_after: "'infinity'" };
}

/// Writes the SQL that signs contexts of a tenancy.
#[derive(Debug, Clone)]
pub(super) struct Signing {
    keys: String,
    /// The name of the sequence, as a literal.
    numbers: String,
    function: String,
}

impl Signing {
    pub(super) fn new(sealing: &Sealing, tenancy: &TenancyDef) -> Self {
        let name = |name| names::auth_object(tenancy.schema, name);
        Self {
            keys: sealing.keys.clone(),
            numbers: literal(&name(names::CONTEXT_NUMBERS)).to_string(),
            function: name(names::SET_CONTEXT),
        }
    }

    /// The server connection, with another start of the server, process or sequence by these additions.
    pub(super) fn server(&self, [started, process, sequence]: [&str; 3]) -> String {
        format!(
            "timestamptz_send(pg_postmaster_start_time(){started}) || int4send(pg_backend_pid(){process}) \
             || int8send({}::regclass::oid::bigint{sequence})",
            self.numbers
        )
    }

    /// The use with the number that comes so many after the last one of the connection.
    pub(super) fn number(&self, after_last: i64) -> String {
        format!("'N'::bytea || int8send(nextval({}) + {after_last})", self.numbers)
    }

    /// The use in the transaction that began at a time.
    pub(super) fn transaction(time: &str) -> String {
        format!("'T'::bytea || timestamptz_send({time})")
    }

    /// Returns the statement that installs a key.
    pub(super) fn install(&self, key: i16, limits: Limits<'_>) -> String {
        let Limits { login, roles, not_after } = limits;
        let set = ["inner_block", "outer_block", "login", "roles", "not_after"]
            .map(|name| format!("{name} = excluded.{name}"))
            .join(", ");
        format!(
            "INSERT INTO {keys} (id, inner_block, outer_block, login, roles, not_after) VALUES ({key}, \
             decode(repeat('{key:04x}', 32), 'hex'), decode(repeat('00{key:04x}00', 16), 'hex'), {login}, {roles}, {not_after}) \
             ON CONFLICT (id) DO UPDATE SET {set}; ",
            keys = self.keys
        )
    }

    /// Returns the statement with which the administrator signs.
    pub(super) fn sign(&self, signed: &Signed) -> String {
        let Signed { key, server, usage, role, settings } = signed;
        format!(
            "DO $sign$BEGIN PERFORM set_config('{CARRIER}', encode(sha256(k.outer_block || sha256(k.inner_block || {server} \
             || {usage} || convert_to(concat(length({role}), ':', {role}, {settings}), 'UTF8'))), 'hex'), true) \
             FROM {keys} AS k WHERE k.id = {key}; END$sign$; ",
            role = literal(role),
            settings = literal(settings),
            keys = self.keys,
        )
    }

    /// The signature that the administrator made, as SQL of the principal.
    pub(super) fn signature() -> String {
        format!("current_setting('{CARRIER}')")
    }

    /// Returns the call with which a principal sets its context.
    pub(super) fn call(&self, key: i16, signature: &str, settings: &str, numbered: bool) -> String {
        let settings = literal(settings);
        format!("SELECT FROM {}({key}::smallint, {signature}, {settings}, {numbered}); ", self.function)
    }

    /// Returns the call in a block that ignores its error.
    pub(super) fn failing_call(&self, key: i16, signature: &str, settings: &str) -> String {
        let call = format!("PERFORM {}({key}::smallint, {signature}, {}, true)", self.function, literal(settings));
        format!("DO $call$BEGIN {call}; EXCEPTION WHEN OTHERS THEN NULL; END$call$; ")
    }
}

/// Returns the values of the settings as an array of PostgreSQL, as the app sends them.
pub(super) fn array(values: &[Option<&str>]) -> String {
    let value = |value: &Option<&str>| in_double_quotes(value.unwrap_or_default());
    format!("{{{}}}", values.iter().map(value).collect::<Vec<_>>().join(","))
}

/// Returns the statements that set several settings for the transaction.
pub(super) fn set_all<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    settings.into_iter().map(|(name, value)| format!("{}; ", set_local(name, value))).collect()
}
