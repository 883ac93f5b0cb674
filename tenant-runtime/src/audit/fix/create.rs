//! The SQL that creates a missing object.

use super::FixWriter;
use crate::{
    audit::catalog::{Name, Object, grantee},
    ident::{literal, quoted},
    model::schema::{LogClasses, QualifiedName, Table},
    sql::part,
};

/// The comment above statements that re-create a table.
const EMPTY: &str = "-- The table is created empty; restore its rows from a backup.\n";

impl FixWriter<'_> {
    /// Creates a declared object.
    pub(in crate::audit) fn create(&self, object: &Object) -> String {
        let schema = self.schema;
        let (owner, function_owner) =
            (schema.owner().map(|role| &role.name), schema.function_owner().map(|role| &role.name));
        match object {
            Object::Role(_) => part::roles(schema),
            Object::Membership { role, member } => self.grant_membership(role, member),
            Object::Relation(name) => match self.table(name) {
                Some((name, table)) => format!("{EMPTY}{}", Self::run_as(owner, &part::table(name, table))),
                None => self.partition(name).map_or_else(String::new, |(of, count, remainder)| {
                    let created = part::partition(of, &schema.tables()[of], count, remainder);
                    format!("{EMPTY}{}", Self::run_as(owner, created.trim_end()))
                }),
            },
            Object::Column(table, name) => {
                let found = self.table(table);
                let (Some((own, whole)), Some(column)) = (found, self.column(table, name)) else {
                    return String::new();
                };
                let mut lines = vec![part::column(own, column)];
                lines.push(self.comment(object));
                lines.extend(whole.grants.iter().filter(|grant| grant.columns.contains(&column.name)).map(|grant| {
                    let (command, role) = (grant.command.keyword(), grant.role.quoted());
                    format!("GRANT {command} ({}) ON {} TO {role};", quoted(name), table.quoted())
                }));
                lines.join("\n")
            }
            Object::Constraint(table, name) => {
                let found = self.table(table);
                found.and_then(|(own, table)| part::constraint(own, table, name)).unwrap_or_default()
            }
            Object::Index(table, name) => {
                let found = self.table(table);
                let create = |(own, table): (&QualifiedName, &Table)| {
                    let index = table.indexes.iter().find(|own| own.name.as_str() == name)?;
                    Some(part::index(own, index))
                };
                found.and_then(create).unwrap_or_default()
            }
            Object::Policy(table, name) => {
                let found = self.table(table);
                let policy = found.and_then(|(_, table)| table.policies.iter().find(|own| own.name.as_str() == name));
                policy.map(|policy| part::policy(&table.quoted(), policy)).unwrap_or_default()
            }
            Object::Trigger(table, name) => {
                let found = self.table(table);
                let trigger = found.and_then(|(_, table)| table.triggers.iter().find(|own| own.name.as_str() == name));
                trigger.map(|trigger| part::trigger(&table.quoted(), trigger)).unwrap_or_default()
            }
            Object::Function(name, _) => match self.function(name) {
                Some((name, function)) => Self::run_as(function_owner, &part::function(name, function)),
                None => String::new(),
            },
            Object::Sequence(name) => {
                let found = schema.sequences.iter().find(|own| Name::from(*own) == *name);
                found.map(|own| Self::run_as(function_owner, &part::sequence(own))).unwrap_or_default()
            }
            Object::Type(name) => {
                let found = schema.enums.iter().find(|(own, _)| Name::from(*own) == *name);
                found.map(|(own, ty)| Self::run_as(owner, part::enum_type(own, ty).trim_end())).unwrap_or_default()
            }
            Object::Extension(name) => {
                let found = schema.extensions.iter().find(|(own, _)| own.as_str() == name);
                found.map(|(own, home)| part::extension(schema, own, home)).unwrap_or_default()
            }
            Object::Privilege { on, privilege, to } => {
                let (columns, place) = self.place(on);
                format!("GRANT {privilege}{columns} ON {place} TO {};", grantee(to.as_ref()))
            }
            Object::DefaultPrivilege { by, on, privilege, to, .. } => format!(
                "ALTER DEFAULT PRIVILEGES FOR ROLE {} GRANT {privilege} ON {on} TO {};",
                quoted(by),
                grantee(to.as_ref())
            ),
            Object::Setting { role: None, name, .. } => {
                let value = schema.pgaudit.as_ref().filter(|_| name == part::PGAUDIT);
                let database = quoted(&self.database);
                let set =
                    |value: &LogClasses| format!("ALTER DATABASE {database} SET {name} = {};", literal(value.as_str()));
                value.map(set).unwrap_or_default()
            }
            Object::Setting { role: Some(role), name, .. } => self.set_timeout(role, name),
            // If a schema is missing, its tables are missing too.
            Object::Schema(name) => format!("{EMPTY}{}", part::schema(schema, name)),
            // A declaration never contains these objects.
            Object::Database | Object::Rule(..) => String::new(),
        }
    }

    /// Sets a timeout of a login role; timeouts are the only declared settings of roles.
    fn set_timeout(&self, role: &str, name: &str) -> String {
        let login = self.schema.logins().find(|login| login.name.as_str() == role);
        let Some((_, timeouts)) = login.and_then(|login| login.kind.login()) else { return String::new() };
        let found = part::timeout_settings(timeouts).into_iter().find(|(own, _)| *own == name);
        let (role, database) = (quoted(role), quoted(&self.database));
        found
            .map(|(_, seconds)| format!("ALTER ROLE {role} IN DATABASE {database} SET {name} = '{seconds}s';"))
            .unwrap_or_default()
    }

    /// Grants a membership: an application role inherits from the roles that it includes; a login
    /// role can run SET ROLE.
    pub(super) fn grant_membership(&self, role: &str, member: &str) -> String {
        let is_login = self.schema.logins().any(|login| login.name.as_str() == member);
        let options = match (self.has_options(), is_login) {
            (false, _) => "",
            (true, true) => " WITH ADMIN FALSE, INHERIT FALSE, SET TRUE",
            (true, false) => " WITH ADMIN FALSE, INHERIT TRUE, SET FALSE",
        };
        format!("GRANT {} TO {}{options};", quoted(role), quoted(member))
    }
}
