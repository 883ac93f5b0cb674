//! The seal of a signed context, which an administrator sets without the app's key.
//!
//! The text under the seal is written here again, and not read from the generated function, so that a change of the function
//! is noticed.

use crate::{
    db::set_local,
    ident::{literal, quoted},
    model::{
        def::TenancyDef,
        names,
        schema::{QualifiedName, Schema},
    },
};

/// The time in a valid seal.
pub(super) const NOW: &str = "now()";

/// Seals contexts of a tenancy with `signed_context`.
#[derive(Debug, Clone)]
pub(crate) struct Sealing {
    /// The settings of a context, in the order in which they are sealed.
    pub(super) settings: Vec<String>,
    /// The setting with the seal.
    pub(super) seal: String,
    /// The quoted name of the table with the keys.
    pub(super) keys: String,
}

impl Sealing {
    /// Creates it for a tenancy; `None` if its contexts are not signed.
    pub(crate) fn new(tenancy: &TenancyDef, schema: &Schema) -> Option<Self> {
        let has_function = |name: &QualifiedName| name.table.as_str() == names::IS_SYSTEM_CONTEXT;
        let access = schema.functions().keys().any(has_function).then(|| tenancy.access_setting());
        let settings = [tenancy.tenant_setting, tenancy.user_setting].map(str::to_owned);
        tenancy.signed_context.then(|| Self {
            settings: settings.into_iter().chain(access).collect(),
            seal: tenancy.seal_setting(),
            keys: format!("{}.{}", quoted(tenancy.schema), names::CONTEXT_KEYS),
        })
    }

    /// Returns the statement with which a superuser makes the key for seals, if the database does not have one.
    pub(crate) fn create_key(&self) -> String {
        let random = ["sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))"; 2].join(" || ");
        let keys = &self.keys;
        format!(
            "INSERT INTO {keys} (id, inner_block, outer_block) \
             SELECT 0, {random}, {random} WHERE NOT EXISTS (SELECT FROM {keys} WHERE id = 0)"
        )
    }

    /// Returns the statements with which a superuser sets and seals a context for a role, before it assumes the role.
    ///
    /// Settings without a value are empty.
    pub(crate) fn set_context(&self, role: &str, values: &[Option<&str>]) -> String {
        self.set_context_at(NOW, role, values)
    }

    /// Does the same as [`set_context`](Self::set_context), with a seal for another time.
    pub(super) fn set_context_at(&self, time: &str, role: &str, values: &[Option<&str>]) -> String {
        let value = |at: usize| values.get(at).copied().flatten().unwrap_or_default();
        let settings = self.settings.iter().enumerate();
        let settings: String = settings.map(|(at, name)| format!("{}; ", set_local(name, value(at)))).collect();
        let values = self.settings.iter().map(|name| format!("current_setting({})", literal(name)));
        let sealed = [literal(role).to_string()].into_iter().chain(values);
        let sealed = sealed.map(|value| format!("length({value}), ':', {value}")).collect::<Vec<_>>().join(", ");
        format!(
            "{settings}DO $seal$BEGIN PERFORM set_config({seal}, encode(sha256(k.outer_block || sha256(k.inner_block \
             || timestamptz_send({time}) || convert_to(concat({sealed}), 'UTF8'))), 'hex'), true) \
             FROM {keys} AS k WHERE k.id = 0; END$seal$; ",
            seal = literal(&self.seal),
            keys = self.keys,
        )
    }
}
