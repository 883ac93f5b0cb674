//! The finding for each kind of bypass: its object, text and fix.

use super::{
    bypass::{Bypass, Routine},
    catalog::{Name, grantee as grantee_sql, grantees as list},
    finding::{self, Finding, Rule, not_of_administrators},
    fix::FixWriter,
    reachable_finding::{
        database_owner, language_of_caller, large_objects, outside_functions, outside_relations, outside_rule,
        outside_trigger, predefined_role, preloaded, unreadable, untracked,
    },
};
use crate::{
    db::setting,
    ident::quoted,
    model::schema::{RoleKind, Schema},
};

impl Bypass {
    /// Describes the bypass and writes the SQL that closes it.
    pub(super) fn finding(&self, fix_writer: &FixWriter<'_>) -> Finding {
        match self {
            Self::View { view, owner } => view_of_owner(view, owner),
            Self::MaterializedView { view } => materialized_view(view),
            Self::Rule { table, rule, target } => rewrite_rule(table, rule, target),
            Self::ForeignTable { table } => foreign_table(table),
            Self::OutsideRelations(relations) => outside_relations(relations),
            Self::OutsideFunctions(functions) => outside_functions(functions),
            Self::OutsideTrigger { table, trigger, function } => outside_trigger(table, trigger, function),
            Self::OutsideRule { table, rule } => outside_rule(table, rule),
            Self::Language { language } => language_of_caller(language),
            Self::LargeObjects { objects, grantees } => large_objects(objects, grantees),
            Self::UntrackedObject { what, object } => untracked(what, object),
            Self::OutsideForeignTable { table, grantees, server } => {
                let what = format!("its rows are on the server `{server}`");
                granted_table(&finding::FOREIGN, "foreign table", table, &what, grantees)
            }
            Self::ForeignDataWrapper { wrapper, grantee } => foreign_access("foreign data wrapper", wrapper, grantee),
            Self::ForeignServer { server, grantee } => foreign_access("foreign server", server, grantee),
            Self::DefinerFunction { function, callers, owner, .. } => {
                let what =
                    format!("{} can call the function, which runs as its owner `{owner}`", list(callers, " and "));
                callable(&finding::DEFINER_FUNCTION, function, callers, what)
            }
            Self::UntrustedFunction { function, callers } => callable(
                &finding::UNTRUSTED,
                function,
                callers,
                format!("{} can call the function", list(callers, " and ")),
            ),
            Self::DefinerTrigger { table, trigger, owner } => definer_trigger(table, trigger, owner),
            Self::EventTrigger { trigger, event } => event_trigger(trigger, event),
            Self::Partition { parent, table } => partition(parent, table),
            Self::Child { parent, table } => child(parent, table),
            Self::PublicationOfAllTables { publication } => {
                published(publication, "all tables", format!("DROP PUBLICATION {};", quoted(publication)))
            }
            Self::PublicationOfTable { publication, table } => {
                let fix = format!("ALTER PUBLICATION {} DROP TABLE {};", quoted(publication), table.quoted());
                published(publication, &format!("the table {}", table.quoted()), fix)
            }
            Self::PublicationOfSchema { publication, schema } => {
                let fix =
                    format!("ALTER PUBLICATION {} DROP TABLES IN SCHEMA {};", quoted(publication), quoted(schema));
                published(publication, &format!("the schema {}", quoted(schema)), fix)
            }
            Self::Subscription { subscription } => subscribed(subscription),
            Self::Member { role, member, grantor, logins } => {
                membership(fix_writer, role, member, grantor, logins.as_deref())
            }
            Self::BypassingLogin { login, role, through, attribute } => {
                bypassing_login(login, role, through.as_deref(), attribute.as_deref())
            }
            Self::PredefinedRole { login, role, through } => predefined_role(login, role, through),
            Self::DatabaseOwner { database, owner } => database_owner(database, owner),
            Self::CreateRole { login } => create_role(login),
            Self::ForeignKey { table, constraint, target } => foreign_key(table, constraint, target),
            Self::LeakproofFunction { function } => leakproof(function),
            Self::ShadowingObject { what, object, fix } => shadowing(what, object, fix),
            Self::ConnectingFunction { function, extension } => connecting(function, extension),
            Self::OwnedObject { role, object } => owned(role, object),
            Self::ParameterPrivilege { parameter, privilege, grantee } => {
                parameter_privilege(parameter, privilege, grantee)
            }
            Self::SystemPrivilege { privilege, keyword, object, grantee } => {
                system_privilege(privilege, keyword, object, grantee)
            }
            Self::MigrationsTable { table, grantee } => migrations_table(table, grantee),
            Self::ServerSetting { setting, value } => server_setting(setting, value),
            Self::PreloadedLibraries { libraries } => preloaded(libraries),
            Self::UnreadableSettings { settings } => unreadable(settings),
            Self::SetConfig {} => set_config(),
        }
    }
}

fn view_of_owner(view: &Name, owner: &str) -> Finding {
    let view = view.quoted();
    Finding::new(
        &finding::VIEW,
        format!("view {view}"),
        format!("it reads tables of the product with the permissions of its owner `{owner}`"),
        format!("ALTER VIEW {view} SET (security_invoker = true);"),
    )
}

fn materialized_view(view: &Name) -> Finding {
    let view = view.quoted();
    Finding::new(
        &finding::COPY,
        format!("materialized view {view}"),
        "it is a copy of rows of the product's tables",
        format!("DROP MATERIALIZED VIEW {view};"),
    )
    .with_caution("the fix deletes the rows of the view")
}

fn rewrite_rule(table: &Name, rule: &str, target: &str) -> Finding {
    let (table, rule) = (table.quoted(), quoted(rule));
    Finding::new(
        &finding::RULE,
        format!("rule {rule} of {table}"),
        format!("it reads or writes `{target}` with the privileges of the owner of its table"),
        format!("DROP RULE {rule} ON {table};"),
    )
}

fn foreign_table(table: &Name) -> Finding {
    let table = table.quoted();
    Finding::new(
        &finding::FOREIGN,
        format!("foreign table {table}"),
        "it is in a schema of the product",
        format!("DROP FOREIGN TABLE {table};"),
    )
}

fn granted_table(rule: &Rule, kind: &str, table: &Name, what: &str, grantees: &[Option<String>]) -> Finding {
    let (table, grantees) = (table.quoted(), list(grantees, ", "));
    Finding::new(
        rule,
        format!("{kind} {table}"),
        format!("{what}, and {grantees} can access it"),
        format!("REVOKE ALL ON {table} FROM {grantees};"),
    )
}

fn foreign_access(kind: &str, name: &str, grantee: &Option<String>) -> Finding {
    let (name, grantee) = (quoted(name), grantee_sql(grantee.as_ref()));
    Finding::new(
        &finding::FOREIGN,
        format!("{kind} {name}"),
        format!("{grantee} has USAGE on the {kind}"),
        format!("REVOKE USAGE ON {} {name} FROM {grantee};", kind.to_uppercase()),
    )
}

fn callable(rule: &Rule, function: &Routine, callers: &[Option<String>], what: String) -> Finding {
    let function = function.sql();
    let fix = format!("REVOKE EXECUTE ON ROUTINE {function} FROM {};", list(callers, ", "));
    Finding::new(rule, format!("function {function}"), what, fix)
}

fn definer_trigger(table: &Name, trigger: &str, owner: &str) -> Finding {
    let (table, trigger) = (table.quoted(), quoted(trigger));
    Finding::new(
        &finding::DEFINER_FUNCTION,
        format!("trigger {trigger} of {table}"),
        format!("an application role can write to the table, and the trigger's function runs as its owner `{owner}`"),
        format!("ALTER TABLE {table} DISABLE TRIGGER {trigger};"),
    )
}

fn event_trigger(trigger: &str, event: &str) -> Finding {
    let trigger = quoted(trigger);
    Finding::new(
        &finding::EVENT_TRIGGER,
        format!("event trigger {trigger}"),
        format!("it runs on {event}"),
        format!("ALTER EVENT TRIGGER {trigger} DISABLE;"),
    )
}

fn partition(parent: &Name, table: &Name) -> Finding {
    let (parent, table) = (parent.quoted(), table.quoted());
    Finding::new(
        &finding::RELATIVE,
        format!("table {table}"),
        format!("it is a partition of {parent}"),
        format!("ALTER TABLE {parent} DETACH PARTITION {table};"),
    )
}

fn child(parent: &Name, table: &Name) -> Finding {
    let (parent, table) = (parent.quoted(), table.quoted());
    Finding::new(
        &finding::RELATIVE,
        format!("table {table}"),
        format!("it is a child of {parent}"),
        format!("ALTER TABLE {table} NO INHERIT {parent};"),
    )
}

fn published(publication: &str, what: &str, fix: String) -> Finding {
    let object = format!("publication {}", quoted(publication));
    Finding::new(&finding::PUBLICATION, object, format!("it publishes {what}"), fix)
}

fn subscribed(subscription: &str) -> Finding {
    let subscription = quoted(subscription);
    Finding::new(
        &finding::SUBSCRIPTION,
        format!("subscription {subscription}"),
        "it writes to tables of the product",
        format!("ALTER SUBSCRIPTION {subscription} DISABLE;"),
    )
}

fn membership(fix_writer: &FixWriter<'_>, role: &str, member: &str, grantor: &str, logins: Option<&str>) -> Finding {
    let power = power(fix_writer.schema, role);
    let own_role = fix_writer.schema.roles().iter().find(|own| own.name.as_str() == role).map(|own| &own.kind);
    let of_administrators =
        fix_writer.version >= 160_000 || matches!(own_role, Some(RoleKind::SchemaOwner | RoleKind::FunctionOwner));
    let logins = logins
        .map(|logins| format!("; these login roles are members of it through {member}: {logins}"))
        .unwrap_or_default();
    let (role, member) = (quoted(role), quoted(member));
    let by = match fix_writer.version {
        160_000.. => format!(" GRANTED BY {} CASCADE", quoted(grantor)),
        _ => String::new(),
    };
    let finding = Finding::new(
        &finding::MEMBER,
        format!("membership of {member} in {role}"),
        format!("{member} is a member of {role}, {power}{logins}"),
        format!("REVOKE {role} FROM {member}{by};"),
    );
    // Since PostgreSQL 16, the creator of a role becomes a member of that role; before, the
    // migrations grant only the owner roles.
    match of_administrators {
        true => finding
            .with_caution(not_of_administrators(&format!("{member} is an administrator who applies the migrations"))),
        false => finding,
    }
}

/// Describes what one of the product's roles can access, as a relative clause.
fn power(schema: &Schema, role: &str) -> &'static str {
    match schema.roles().iter().find(|own| own.name.as_str() == role).map(|own| &own.kind) {
        Some(RoleKind::SchemaOwner) => "which owns the tables",
        Some(RoleKind::FunctionOwner) => "which reads the rows of all tenants",
        Some(RoleKind::Application { .. }) => {
            "whose members can set any tenant ID (with a membership table, only together with a member's user ID)"
        }
        Some(RoleKind::Login { .. } | RoleKind::RoleLogin { .. }) => "which can assume application roles",
        Some(RoleKind::System | RoleKind::SystemLogin { .. }) => "which runs cross-tenant jobs",
        Some(RoleKind::NoTenant) | None => "a role of the product",
    }
}

fn bypassing_login(login: &str, role: &str, through: Option<&str>, attribute: Option<&str>) -> Finding {
    let login_sql = quoted(login);
    let what = match (through, attribute) {
        (None, Some(attribute)) => format!("it has the attribute {attribute}"),
        (Some(_), Some(attribute)) => format!("it can assume {}, which has the attribute {attribute}", quoted(role)),
        (_, None) => format!("it can assume {}, which can access server files and programs", quoted(role)),
    };
    let fix = match (through, attribute) {
        (None, attribute) => format!("ALTER ROLE {login_sql} NO{};", attribute.unwrap_or_default()),
        (Some(through), _) => format!("REVOKE {} FROM {login_sql};", quoted(through)),
    };
    let finding = Finding::new(&finding::UNBOUND, format!("login {login_sql}"), what, fix);
    match attribute {
        Some("SUPERUSER") => {
            finding.with_caution(not_of_administrators(&format!("{login_sql} is an administrator of the server")))
        }
        _ => finding,
    }
}

fn create_role(login: &str) -> Finding {
    let login = quoted(login);
    Finding::new(
        &finding::CREATE_ROLE,
        format!("login {login}"),
        "it has the attribute CREATEROLE",
        format!("ALTER ROLE {login} NOCREATEROLE;"),
    )
    .with_caution(not_of_administrators(&format!("{login} is an administrator who applies migrations")))
}

fn foreign_key(table: &Name, constraint: &str, target: &str) -> Finding {
    let (table, constraint) = (table.quoted(), quoted(constraint));
    Finding::new(
        &finding::FOREIGN_KEY,
        format!("constraint {constraint} of {table}"),
        format!("it references `{target}`"),
        format!("ALTER TABLE {table} DROP CONSTRAINT {constraint};"),
    )
}

fn leakproof(function: &Routine) -> Finding {
    let function = function.sql();
    Finding::new(
        &finding::LEAKPROOF,
        format!("function {function}"),
        "it is marked LEAKPROOF",
        format!("ALTER FUNCTION {function} NOT LEAKPROOF;"),
    )
}

fn shadowing(what: &str, object: &str, fix: &str) -> Finding {
    Finding::new(
        &finding::SHADOW,
        format!("{what} {object}"),
        "it is neither a built-in nor part of an extension",
        format!("{fix};"),
    )
}

fn connecting(function: &Routine, extension: &str) -> Finding {
    let function = function.sql();
    Finding::new(
        &finding::CONNECTING,
        format!("function {function}"),
        format!("an application role can call the function, which belongs to the extension `{extension}`"),
        format!("REVOKE EXECUTE ON ROUTINE {function} FROM PUBLIC;"),
    )
}

fn owned(role: &str, object: &str) -> Finding {
    let role = quoted(role);
    Finding::new(
        &finding::OWNED,
        format!("role {role}"),
        format!("it owns {object}"),
        format!("REASSIGN OWNED BY {role} TO CURRENT_USER;"),
    )
}

fn parameter_privilege(parameter: &str, privilege: &str, grantee: &Option<String>) -> Finding {
    let grantee = grantee_sql(grantee.as_ref());
    Finding::new(
        &finding::PARAMETER,
        format!("parameter {parameter}"),
        format!("{grantee} has the privilege {privilege} on the parameter"),
        format!("REVOKE {privilege} ON PARAMETER {} FROM {grantee};", setting(parameter)),
    )
}

fn system_privilege(privilege: &str, keyword: &str, object: &str, grantee: &Option<String>) -> Finding {
    let grantee = grantee_sql(grantee.as_ref());
    Finding::new(
        &finding::SHIPPED,
        format!("{} {object}", keyword.to_lowercase()),
        format!("{grantee} has the privilege {privilege} on the {}", keyword.to_lowercase()),
        format!("REVOKE {privilege} ON {keyword} {object} FROM {grantee};"),
    )
}

fn migrations_table(table: &Name, grantee: &Option<String>) -> Finding {
    let (table, grantee) = (table.quoted(), grantee_sql(grantee.as_ref()));
    Finding::new(
        &finding::HISTORY,
        format!("table {table}"),
        format!("{grantee} can change which migrations are recorded as applied"),
        format!("REVOKE ALL ON {table} FROM {grantee};"),
    )
}

fn server_setting(setting: &str, value: &str) -> Finding {
    Finding::new(
        &finding::SETTING,
        format!("setting {setting} of the server"),
        format!("it is `{value}` for every session"),
        format!("ALTER SYSTEM RESET {setting};\nSELECT pg_reload_conf();"),
    )
}

fn set_config() -> Finding {
    Finding::new(
        &finding::SET_CONFIG,
        "function set_config".to_owned(),
        "PUBLIC has EXECUTE on the function; `gen-migrations harden` revokes the privilege",
        "-- pg_dump calls set_config, and needs this grant unless its login is a superuser; `gen-migrations harden --undo` grants \
         it again.\n\
         REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC;"
            .to_owned(),
    )
}
