//! The SQL that removes an undeclared object.

use serde_json::Value;

use super::FixWriter;
use crate::{
    audit::catalog::{Object, RelationKind, State, grantee, signature},
    db::setting,
    error::Result,
    ident::quoted,
};

impl FixWriter<'_> {
    /// Removes an undeclared object.
    pub(in crate::audit) fn remove(&self, object: &Object, state: &State) -> Result<String> {
        Ok(match object {
            Object::Role(name) => format!("DROP ROLE {};", quoted(name)),
            Object::Membership { role, member } => self.revoke_membership(role, member, state),
            Object::Setting { role, here, name } => self.reset(role.as_deref(), *here, name),
            Object::Database | Object::Extension(_) | Object::Schema(_) => String::new(),
            Object::Relation(name) => remove_relation(&name.quoted(), RelationKind::of(state)?),
            Object::Column(table, name) => {
                format!("ALTER TABLE {} DROP COLUMN {};", table.quoted(), quoted(name))
            }
            Object::Constraint(table, name) => {
                format!("ALTER TABLE {} DROP CONSTRAINT {};", table.quoted(), quoted(name))
            }
            Object::Index(table, name) => format!("DROP INDEX {}.{};", quoted(&table.schema), quoted(name)),
            Object::Policy(table, name) => format!("DROP POLICY {} ON {};", quoted(name), table.quoted()),
            Object::Trigger(table, name) => format!("DROP TRIGGER {} ON {};", quoted(name), table.quoted()),
            Object::Rule(table, name) => format!("DROP RULE {} ON {};", quoted(name), table.quoted()),
            Object::Sequence(name) => format!("DROP SEQUENCE {};", name.quoted()),
            Object::Type(name) => format!("DROP TYPE {};", name.quoted()),
            Object::Function(name, arguments) => format!("DROP ROUTINE {};", signature(name, arguments)),
            Object::Privilege { on, privilege, to } => {
                let (columns, place) = self.place(on);
                let revoke = format!("REVOKE {privilege}{columns} ON {place} FROM {}", grantee(to.as_ref()));
                revoked(&revoke, state)
            }
            Object::DefaultPrivilege { by, schema, on, privilege, to } => {
                let place = schema.as_ref().map(|schema| format!(" IN SCHEMA {}", quoted(schema))).unwrap_or_default();
                format!(
                    "ALTER DEFAULT PRIVILEGES FOR ROLE {}{place} REVOKE {privilege} ON {on} FROM {};",
                    quoted(by),
                    grantee(to.as_ref())
                )
            }
        })
    }

    /// Revokes the grants of a membership by all grantors: since PostgreSQL 16, the grant of each grantor is separate.
    pub(in crate::audit) fn revoke_membership(&self, role: &str, member: &str, state: &State) -> String {
        let revoke = format!("REVOKE {} FROM {}", quoted(role), quoted(member));
        if !self.has_options() {
            return format!("{revoke};");
        }
        let by = texts(state.get("granted_by"));
        by.iter().map(|by| format!("{revoke} GRANTED BY {} CASCADE;", quoted(by))).collect::<Vec<_>>().join("\n")
    }

    /// Resets a setting.
    pub(in crate::audit) fn reset(&self, role: Option<&str>, here: bool, name: &str) -> String {
        let setting = setting(name);
        let database = quoted(&self.database);
        match (role, here) {
            (Some(role), false) => format!("ALTER ROLE {} RESET {setting};", quoted(role)),
            (Some(role), true) => format!("ALTER ROLE {} IN DATABASE {database} RESET {setting};", quoted(role)),
            (None, true) => format!("ALTER DATABASE {database} RESET {setting};"),
            (None, false) => format!("ALTER ROLE ALL RESET {setting};"),
        }
    }
}

/// Revokes the grants made by the owner and by other grantors; CASCADE also revokes grants that the grantee made with
/// its grant option.
fn revoked(revoke: &str, state: &State) -> String {
    let cascade = if state.get("grantable") == Some(&Value::Bool(true)) { " CASCADE" } else { "" };
    let others = texts(state.get("granted_by_others"));
    let mut lines = vec![format!("{revoke}{cascade};")];
    lines.extend(others.iter().map(|other| format!("SET ROLE {};\n{revoke}{cascade};\nRESET ROLE;", quoted(other))));
    lines.join("\n")
}

/// Drops a relation. A comment warns that dropping a table also drops its rows.
fn remove_relation(name: &str, kind: RelationKind) -> String {
    match kind {
        RelationKind::View => format!("DROP VIEW {name};"),
        RelationKind::MaterializedView => format!("DROP MATERIALIZED VIEW {name};"),
        RelationKind::ForeignTable => format!("DROP FOREIGN TABLE {name};"),
        RelationKind::Table | RelationKind::PartitionedTable => format!("DROP TABLE {name};"),
    }
}

/// Returns the strings in a list.
pub(super) fn texts(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}
