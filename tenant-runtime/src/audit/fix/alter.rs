//! The SQL that changes an existing object to match its declaration.

use serde_json::Value;

use super::{FixWriter, comment, drop::texts};
use crate::{
    audit::catalog::{Name, Object, State, grantee, signature},
    error::{Error, Result},
    ident::{literal, quoted},
    model::{column_property::ColumnProperty, schema::ColumnDefault},
    sql::part::{self, column_clause, role_mark},
};

/// The table properties that ALTER TABLE cannot change.
const LAYOUT: [&str; 3] = ["kind", "partitioned_by", "partitions"];

/// Returns the error for a property that no fix handles: if the fix were empty, the finding would seem to need no fix.
fn unknown_property(kind: &str, property: &str) -> Error {
    Error::Database(sqlx::Error::Decode(format!("no fix is known for the property `{property}` of a {kind}").into()))
}

fn non_empty(lines: Vec<String>) -> String {
    lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

impl FixWriter<'_> {
    /// Changes properties of an object to the declared values.
    pub(in crate::audit) fn alter(&self, object: &Object, properties: &[&str], live: &State) -> Result<String> {
        if properties == ["comment"] {
            return Ok(self.comment(object));
        }
        Ok(match object {
            Object::Role(name) => self.alter_role(name, properties)?,
            Object::Membership { role, member } => {
                let again = self.grant_membership(role, member);
                format!("BEGIN;\n{}\n{again}\nCOMMIT;", self.revoke_membership(role, member, live))
            }
            Object::Schema(name) => {
                let functions = self.schema.functions().keys().any(|function| function.schema.as_str() == name);
                let owner = if functions { self.schema.function_owner() } else { self.schema.owner() };
                owner
                    .map(|owner| format!("ALTER SCHEMA {} OWNER TO {};", quoted(name), owner.name.quoted()))
                    .unwrap_or_default()
            }
            Object::Extension(name) => {
                let found = self.schema.extensions.iter().find(|(own, _)| own.as_str() == name);
                let Some((own, home)) = found else { return Ok(String::new()) };
                let moved = format!("\nALTER EXTENSION {} SET SCHEMA {};", own.quoted(), home.quoted());
                let moved = if properties.contains(&"schema") { moved } else { String::new() };
                format!("{}{moved}", part::extension_schema(self.schema, home).trim_end())
            }
            // Re-creating the table also sets all other declared properties.
            Object::Relation(name) if properties.iter().any(|property| LAYOUT.contains(property)) => {
                self.move_rows(name, live)
            }
            Object::Relation(name) => {
                let lines = properties.iter().map(|property| self.alter_relation(name, property, live));
                non_empty(lines.collect::<Result<_>>()?)
            }
            Object::Column(table, name) if self.has_other_value(table, name, properties) => format!(
                "-- Adds the column again, with values that the database computes. Drops its indexes: audit again afterwards.\n\
                 BEGIN;\nALTER TABLE {} DROP COLUMN {};\n{}\nCOMMIT;",
                table.quoted(),
                quoted(name),
                self.create(object)
            ),
            Object::Column(table, name) => {
                // A generated column accepts no default, so it becomes an ordinary one first.
                let (first, others): (Vec<_>, Vec<_>) = properties.iter().partition(|name| **name == "generated");
                let lines =
                    first.into_iter().chain(others).map(|property| self.alter_column(table, name, property, live));
                non_empty(lines.collect::<Result<_>>()?)
            }
            Object::Trigger(table, name) if properties == ["enabled"] => {
                format!("ALTER TABLE {} ENABLE TRIGGER {};", table.quoted(), quoted(name))
            }
            Object::Index(table, name) if properties == ["usable"] => {
                format!("REINDEX INDEX {}.{};", quoted(&table.schema), quoted(name))
            }
            // Drops and creates the object in one transaction, so that the table is never without the object.
            Object::Constraint(..) | Object::Index(..) | Object::Policy(..) | Object::Trigger(..) => {
                format!("BEGIN;\n{}\n{}\nCOMMIT;", self.remove(object, live)?, self.create(object))
            }
            Object::Function(name, arguments) => {
                let owner = self.schema.function_owner().filter(|_| properties.contains(&"owner"));
                let owner = owner.map(|role| {
                    format!("ALTER FUNCTION {} OWNER TO {};\n", signature(name, arguments), role.name.quoted())
                });
                let again = self.create(object).replacen("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1);
                format!("{}{again}", owner.unwrap_or_default())
            }
            Object::Privilege { on, privilege, to } => {
                let (columns, place) = self.place(on);
                let from = grantee(to.as_ref());
                let option = format!("REVOKE GRANT OPTION FOR {privilege}{columns} ON {place} FROM {from} CASCADE;");
                let others = texts(live.get("granted_by_others"));
                let others = others.iter().map(|other| {
                    format!(
                        "SET ROLE {};\nREVOKE {privilege}{columns} ON {place} FROM {from} CASCADE;\nRESET ROLE;",
                        quoted(other)
                    )
                });
                let lines = [option].into_iter().chain(others).chain([self.create(object)]);
                format!("BEGIN;\n{}\nCOMMIT;", lines.collect::<Vec<_>>().join("\n"))
            }
            Object::DefaultPrivilege { .. } => format!("{}\n{}", self.remove(object, live)?, self.create(object)),
            Object::Setting { .. } => self.create(object),
            // Not dropped and created: its numbers must not come again.
            Object::Sequence(name) => {
                let owner = self.schema.function_owner().map(|role| role.name.quoted().to_string());
                let owner = owner.filter(|_| properties.contains(&"owner"));
                let owner = owner.map(|role| format!("ALTER SEQUENCE {} OWNER TO {role};\n", name.quoted()));
                format!("{}{}", owner.unwrap_or_default(), part::sequence_options(&name.quoted()))
            }
            Object::Type(name) if properties.contains(&"owner") => {
                let owner = self.schema.owner().map(|role| role.name.quoted().to_string()).unwrap_or_default();
                format!("ALTER TYPE {} OWNER TO {owner};", name.quoted())
            }
            // PostgreSQL can neither remove nor reorder labels, and renames are not known here.
            Object::Type(name) => format!(
                "-- Add missing labels with ALTER TYPE {} ADD VALUE, and rename labels with RENAME VALUE.\n\
                 -- PostgreSQL cannot remove a label: declare it, or create another type for the columns.",
                name.quoted()
            ),
            Object::Database | Object::Rule(..) => String::new(),
        })
    }

    fn alter_role(&self, name: &str, properties: &[&str]) -> Result<String> {
        let role = self.schema.roles().iter().find(|role| role.name.as_str() == name);
        let limit = role.and_then(|role| role.kind.login()).map(|(connections, _)| connections);
        let attributes = properties.iter().filter(|property| **property != "product").map(|property| {
            Ok(match *property {
                "login" => if limit.is_some() { "LOGIN" } else { "NOLOGIN" }.to_owned(),
                "inherit" => if limit.is_some() { "NOINHERIT" } else { "INHERIT" }.to_owned(),
                "superuser" => "NOSUPERUSER".to_owned(),
                "bypass_rls" => "NOBYPASSRLS".to_owned(),
                "create_role" => "NOCREATEROLE".to_owned(),
                "create_db" => "NOCREATEDB".to_owned(),
                "replication" => "NOREPLICATION".to_owned(),
                "connection_limit" => format!("CONNECTION LIMIT {}", limit.map_or(-1, i32::from)),
                other => return Err(unknown_property("role", other)),
            })
        });
        let attributes = attributes.collect::<Result<Vec<_>>>()?;
        let mut lines = Vec::new();
        if !attributes.is_empty() {
            lines.push(format!("ALTER ROLE {} {};", quoted(name), attributes.join(" ")));
        }
        if let Some(role) = role.filter(|_| properties.contains(&"product")) {
            let mark = literal(&role_mark(role, self.schema.product()));
            lines.push(format!(
                "-- Run this statement only if the role belongs to this product and to no other product.\nCOMMENT ON ROLE {} IS {mark};",
                quoted(name)
            ));
        }
        Ok(lines.join("\n"))
    }

    fn alter_relation(&self, name: &Name, property: &str, live: &State) -> Result<String> {
        let table = name.quoted();
        let owner = self.schema.owner().map(|owner| owner.name.quoted().to_string()).unwrap_or_default();
        let alter = |what: &str| format!("ALTER TABLE {table} {what};");
        Ok(match property {
            "row_security" => alter("ENABLE ROW LEVEL SECURITY"),
            "forced" => alter("FORCE ROW LEVEL SECURITY"),
            "owner" => alter(&format!("OWNER TO {owner}")),
            "owner_has_all" => format!("GRANT ALL ON TABLE {table} TO {owner};"),
            "logged" => alter("SET LOGGED"),
            "triggers_enabled" => alter("ENABLE TRIGGER ALL"),
            "parents" => {
                let parents = live.get("parents").and_then(Value::as_array).cloned().unwrap_or_default();
                let parents = parents.iter().filter_map(|parent| {
                    let parent = parent.as_array()?;
                    Some(format!("{}.{}", quoted(parent.first()?.as_str()?), quoted(parent.get(1)?.as_str()?)))
                });
                let is_partition = live.get("partition").is_some_and(|bound| !bound.is_null());
                let leave = |parent: String| match is_partition {
                    true => format!("ALTER TABLE {parent} DETACH PARTITION {table};"),
                    false => alter(&format!("NO INHERIT {parent}")),
                };
                let join = self.partition(name).map(|(table, count, remainder)| {
                    let bound = format!("FOR VALUES WITH (MODULUS {count}, REMAINDER {remainder})");
                    format!("ALTER TABLE {} ATTACH PARTITION {} {bound};", table.quoted(), name.quoted())
                });
                parents.map(leave).chain(join).collect::<Vec<_>>().join("\n")
            }
            "name" => {
                let other = live.get("name").and_then(Value::as_str).unwrap_or_default();
                format!("ALTER TABLE {}.{} RENAME TO {};", quoted(&name.schema), quoted(other), quoted(&name.name))
            }
            // Attaching a partition sets its bound, and `security_invoker` differs only if the kind differs too.
            "partition" | "security_invoker" | "comment" => String::new(),
            other => return Err(unknown_property("table", other)),
        })
    }

    /// Returns whether the declaration generates the value of a column in a way that PostgreSQL cannot set for an existing
    /// column.
    fn has_other_value(&self, table: &Name, name: &str, properties: &[&str]) -> bool {
        const VALUE: [&str; 5] = ["collation", "default", "generated", "identity", "type"];
        self.column(table, name).is_some_and(|column| column.generated().is_some())
            && properties.iter().any(|property| VALUE.contains(property))
    }

    fn alter_column(&self, table: &Name, name: &str, property: &str, live: &State) -> Result<String> {
        let Some(column) = self.column(table, name) else { return Ok(String::new()) };
        let alter = |what: String| format!("ALTER TABLE {} ALTER COLUMN {} {what};", table.quoted(), quoted(name));
        Ok(match (property, &column.default) {
            ("identity", Some(ColumnDefault::Identity)) if live.get("identity").is_some_and(Value::is_string) => {
                alter("SET GENERATED ALWAYS".to_owned())
            }
            ("identity", Some(ColumnDefault::Identity)) => alter("ADD GENERATED ALWAYS AS IDENTITY".to_owned()),
            ("identity", _) => alter("DROP IDENTITY".to_owned()),
            ("generated", _) => alter("DROP EXPRESSION".to_owned()),
            ("collation", _) => alter(format!("TYPE {}", column.sql_type())),
            // The expression of the generated column, which is dropped before.
            ("default", None | Some(ColumnDefault::Counter(_)))
                if live.get("generated").is_some_and(Value::is_string) =>
            {
                String::new()
            }
            ("sensitive", _) if column.sensitive => {
                self.table(table).map(|(own, _)| part::sensitive_column(self.schema, own, column)).unwrap_or_default()
            }
            ("expression_statistics", _) => {
                let names: Vec<Name> = live
                    .get(property)
                    .cloned()
                    .and_then(|names| serde_json::from_value(names).ok())
                    .unwrap_or_default();
                names
                    .iter()
                    .map(|name| format!("DROP STATISTICS IF EXISTS {};", name.quoted()))
                    .collect::<Vec<_>>()
                    .join("\n")
            }
            _ => {
                let known =
                    ColumnProperty::from_catalog(property).ok_or_else(|| unknown_property("column", property))?;
                column_clause(known, column).map_or_else(String::new, alter)
            }
        })
    }

    pub(super) fn comment(&self, object: &Object) -> String {
        match object {
            Object::Relation(name) => {
                let text = self.table(name).map(|(_, table)| table.comment.as_str()).unwrap_or_default();
                comment(&format!("TABLE {}", name.quoted()), text)
            }
            Object::Column(table, name) => {
                let text = self.column(table, name).map(|column| column.comment.as_str()).unwrap_or_default();
                comment(&format!("COLUMN {}.{}", table.quoted(), quoted(name)), text)
            }
            Object::Policy(table, name) => {
                let found = self.table(table);
                let policy = found.and_then(|(_, table)| table.policies.iter().find(|own| own.name.as_str() == name));
                let text = policy.map(|policy| policy.comment.as_str()).unwrap_or_default();
                comment(&format!("POLICY {} ON {}", quoted(name), table.quoted()), text)
            }
            Object::Function(name, arguments) => {
                let text = self.function(name).map(|(_, function)| function.comment.as_str()).unwrap_or_default();
                comment(&format!("FUNCTION {}", signature(name, arguments)), text)
            }
            _ => String::new(),
        }
    }
}
