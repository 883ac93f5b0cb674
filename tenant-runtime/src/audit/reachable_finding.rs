//! The findings about what application roles can reach outside the declaration.

use super::{
    bypass::{OutsideFunctions, OutsideRelations, Routine},
    catalog::{Name, grantees as list},
    finding::{self, Finding, first_names, not_of_administrators},
};
use crate::ident::quoted;

pub(super) fn outside_relations(found: &OutsideRelations) -> Finding {
    let OutsideRelations { schema, what, owner, relations, grantees, privileges, definition } = found;
    let names: Vec<_> = relations.iter().map(|name| format!("{}.{}", quoted(schema), quoted(name))).collect();
    let (to, revoked) = (list(grantees, " and "), list(grantees, ", "));
    let hash = definition.as_ref().map(|hash| format!(" (hash of the definition: {hash})")).unwrap_or_default();
    let keyword = if what == "sequence" { "SEQUENCE" } else { "TABLE" };
    let fix: Vec<_> = names.iter().map(|name| format!("REVOKE ALL ON {keyword} {name} FROM {revoked};")).collect();
    let (object, text) = match names.as_slice() {
        [name] => (format!("{what} {name}"), format!("it is not declared; privileges of {to}: {privileges}{hash}")),
        many => (
            format!("{what}s in schema {} owned by {}", quoted(schema), quoted(owner)),
            format!(
                "{} {what}s are not declared; privileges of {to}: {privileges}; the {what}s: {}{hash}",
                many.len(),
                first_names(many)
            ),
        ),
    };
    Finding::new(&finding::OUTSIDE_RELATION, object, text, fix.join("\n"))
}

pub(super) fn outside_functions(found: &OutsideFunctions) -> Finding {
    let OutsideFunctions { schema, owner, functions, callers, definition } = found;
    let names: Vec<_> = functions.iter().map(Routine::sql).collect();
    let (by, revoked) = (list(callers, " and "), list(callers, ", "));
    let fix: Vec<_> = names.iter().map(|name| format!("REVOKE EXECUTE ON ROUTINE {name} FROM {revoked};")).collect();
    let (object, text) = match names.as_slice() {
        [name] => (
            format!("function {name}"),
            format!("it is not declared, and {by} can call it (hash of the definition: {definition})"),
        ),
        many => (
            format!("functions in schema {} owned by {}", quoted(schema), quoted(owner)),
            format!(
                "{} functions are not declared, and {by} can call them: {} (hash of the definitions: {definition})",
                many.len(),
                first_names(many)
            ),
        ),
    };
    Finding::new(&finding::OUTSIDE_FUNCTION, object, text, fix.join("\n"))
}

pub(super) fn outside_trigger(table: &Name, trigger: &str, function: &str) -> Finding {
    let (table, trigger) = (table.quoted(), quoted(trigger));
    Finding::new(
        &finding::OUTSIDE_FUNCTION,
        format!("trigger {trigger} of {table}"),
        format!("it is not declared; a write by an application role fires it and runs {function}"),
        format!("ALTER TABLE {table} DISABLE TRIGGER {trigger};"),
    )
}

pub(super) fn outside_rule(table: &Name, rule: &str) -> Finding {
    let (table, rule) = (table.quoted(), quoted(rule));
    Finding::new(
        &finding::RULE,
        format!("rule {rule} of {table}"),
        "it can rewrite statements of application roles, which then access tables with the privileges of the table's owner",
        format!("DROP RULE {rule} ON {table};"),
    )
}

pub(super) fn language_of_caller(language: &str) -> Finding {
    let language = quoted(language);
    Finding::new(
        &finding::OUTSIDE_FUNCTION,
        format!("language {language}"),
        "it belongs to no extension, and an application role can run code in it",
        format!("REVOKE USAGE ON LANGUAGE {language} FROM PUBLIC;"),
    )
}

pub(super) fn large_objects(objects: &[u32], grantees: &[Option<String>]) -> Finding {
    let (to, revoked) = (list(grantees, " and "), list(grantees, ", "));
    let numbers: Vec<_> = objects.iter().map(ToString::to_string).collect();
    Finding::new(
        &finding::OUTSIDE_RELATION,
        "large objects",
        format!("{to} can access {} of them: {}", objects.len(), first_names(&numbers)),
        format!("REVOKE ALL ON LARGE OBJECT {} FROM {revoked};", numbers.join(", ")),
    )
}

pub(super) fn untracked(what: &str, object: &str) -> Finding {
    let keyword = match what {
        // The fix of another finding, about the column, may drop it first.
        "statistics object" => "STATISTICS IF EXISTS".to_owned(),
        other => other.to_uppercase(),
    };
    Finding::new(
        &finding::UNTRACKED_OBJECT,
        format!("{what} {object}"),
        "it is in the database but not declared",
        format!("DROP {keyword} {object};"),
    )
}

pub(super) fn predefined_role(login: &str, role: &str, through: &str) -> Finding {
    let (login, through_sql) = (quoted(login), quoted(through));
    let power = match role {
        "pg_read_all_data" => "reads the system catalogs, and every table as far as RLS permits",
        "pg_write_all_data" => "writes every table as far as RLS permits",
        "pg_read_all_stats" => "reads other sessions' statements, including their values",
        "pg_maintain" => "locks and rebuilds every table",
        "pg_create_subscription" => "can write rows by replication",
        _ => "covers all tenants",
    };
    let way = if role == through { String::new() } else { format!(" through {through_sql}") };
    Finding::new(
        &finding::PREDEFINED,
        format!("login {login}"),
        format!("it can assume {role}{way}, which {power}"),
        format!("REVOKE {through_sql} FROM {login};"),
    )
    .with_caution(not_of_administrators(&format!("{login} monitors or administers the server")))
}

pub(super) fn database_owner(database: &str, owner: &str) -> Finding {
    let (database, owner) = (quoted(database), quoted(owner));
    Finding::new(
        &finding::DATABASE_OWNER,
        format!("database {database}"),
        format!("its owner is {owner}"),
        format!("ALTER DATABASE {database} OWNER TO CURRENT_USER;"),
    )
    .with_caution(not_of_administrators(&format!("{owner} is an administrator who applies the migrations")))
}

pub(super) fn preloaded(libraries: &[String]) -> Finding {
    Finding::new(
        &finding::UNCHECKED,
        "setting shared_preload_libraries of the server",
        format!("the server loads libraries that the audit does not know: {}", libraries.join(", ")),
        String::new(),
    )
}

pub(super) fn unreadable(settings: &[String]) -> Finding {
    let settings = settings.join(" and ");
    Finding::new(
        &finding::UNREADABLE,
        "settings of the server",
        format!("the login that runs the audit cannot read {settings}"),
        "-- Grant pg_read_all_settings to the login, or read the settings as a superuser with SHOW.".to_owned(),
    )
}
