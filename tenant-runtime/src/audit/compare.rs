//! Drift: every difference between the declared and the live catalog, in both directions.

use serde_json::Value;

use super::{
    catalog::{Catalog, Name, Object, RelationKind, State},
    finding::{self, Finding, Rule},
    fix::FixWriter,
    partition,
};
use crate::error::Result;

/// Settings that change the role of a session, whether policies and triggers apply, or how statements are parsed.
const SESSION_SETTINGS: [&str; 8] = [
    "lo_compat_privileges",
    "local_preload_libraries",
    "role",
    "row_security",
    "session_authorization",
    "session_preload_libraries",
    "session_replication_role",
    "standard_conforming_strings",
];

/// Compares the live catalog with the declared one.
pub(super) fn drift(expected: &Catalog, live: &Catalog, fix_writer: &FixWriter<'_>) -> Result<Vec<Finding>> {
    let (mut expected, mut live) = (with_identity_sequences(expected, live), live.clone());
    partition::prepare(&mut expected, &mut live);
    let (expected, live) = (&expected, &live);
    let mut findings = Vec::new();
    for (object, wanted) in &expected.facts {
        match live.facts.get(object) {
            // Objects that depend on a missing object are missing as well, so only the object on
            // which they depend is reported.
            None if depends_on_difference(object, expected, live) => {}
            None => findings.push(missing(object, fix_writer)),
            Some(state) => findings.extend(differing(object, wanted, state, fix_writer)?),
        }
    }
    for (object, state) in &live.facts {
        if !expected.facts.contains_key(object)
            && !depends_on_difference(object, live, expected)
            && is_relevant(object, state, fix_writer)?
        {
            findings.push(unexpected(object, state, fix_writer)?);
        }
    }
    Ok(findings)
}

/// Adds the sequences of declared identity columns, whose names the server chooses.
fn with_identity_sequences(expected: &Catalog, live: &Catalog) -> Catalog {
    let is_identity = |of: &Value| {
        let column = serde_json::from_value(serde_json::json!({ "column": of })).ok();
        let column: Option<&State> = column.and_then(|column: Object| expected.facts.get(&column));
        column.is_some_and(|column| column.get("identity").is_some_and(Value::is_string))
    };
    let own = live
        .facts
        .iter()
        .filter(|(object, state)| matches!(object, Object::Sequence(_)) && state.get("of").is_some_and(is_identity));
    let own = own.map(|(object, state)| (object.clone(), state.clone()));
    Catalog { facts: expected.facts.clone().into_iter().chain(own).collect() }
}

/// Returns whether an object depends on an object that is in the first catalog but not in the second.
fn depends_on_difference(object: &Object, first: &Catalog, second: &Catalog) -> bool {
    object.dependencies().iter().any(|base| {
        first.facts.contains_key(base) && !second.facts.contains_key(base) || depends_on_difference(base, first, second)
    })
}

/// Returns whether an undeclared object has to be reported.
fn is_relevant(object: &Object, state: &State, fix_writer: &FixWriter<'_>) -> Result<bool> {
    Ok(match object {
        // Members outside the product are reported as bypasses.
        Object::Membership { member, .. } => fix_writer.is_ours(member),
        // Other views, materialized views and foreign tables are reported as bypasses, in every schema.
        Object::Relation(_) => match RelationKind::of(state)? {
            RelationKind::Table | RelationKind::PartitionedTable => true,
            RelationKind::View => state.get("security_invoker") == Some(&Value::Bool(true)),
            RelationKind::MaterializedView | RelationKind::ForeignTable => false,
        },
        // A column's sequence is reported with the column.
        Object::Sequence(_) => state.get("of").is_none_or(Value::is_null),
        Object::Setting { role: None, name, .. } => changes_session(name, fix_writer),
        // Timeouts of externally managed roles are not declared.
        Object::Setting { role: Some(_), name, .. } => {
            !(fix_writer.schema.external_roles && name.ends_with("_timeout"))
        }
        Object::Role(_)
        | Object::Database
        | Object::Extension(_)
        | Object::Schema(_)
        | Object::Column(..)
        | Object::Constraint(..)
        | Object::Index(..)
        | Object::Policy(..)
        | Object::Trigger(..)
        | Object::Rule(..)
        | Object::Type(_)
        | Object::Function(..)
        | Object::Privilege { .. }
        | Object::DefaultPrivilege { .. } => true,
    })
}

/// Returns whether a setting changes the role or the context of a session.
fn changes_session(setting: &str, fix_writer: &FixWriter<'_>) -> bool {
    SESSION_SETTINGS.contains(&setting) || fix_writer.is_context(setting)
}

fn missing(object: &Object, fix_writer: &FixWriter<'_>) -> Finding {
    let rule = match object {
        Object::Privilege { .. } => &finding::MISSING_PRIVILEGE,
        _ => rule(object),
    };
    Finding::new(rule, object, "it is declared but missing in the database", fix_writer.create(object))
}

fn unexpected(object: &Object, state: &State, fix_writer: &FixWriter<'_>) -> Result<Finding> {
    let security_definer = state.get("security_definer") == Some(&Value::Bool(true));
    let rule = match object {
        Object::Relation(_) => &finding::UNTRACKED_RELATION,
        Object::Function(..) if security_definer => &finding::DEFINER_FUNCTION,
        Object::Function(..) => &finding::UNTRACKED_FUNCTION,
        Object::Sequence(_) => &finding::UNTRACKED_SEQUENCE,
        Object::Type(_) => &finding::UNTRACKED_TYPE,
        // With a preset search_path, a name can resolve to a different table.
        Object::Setting { name, .. } if changes_session(name, fix_writer) || name == "search_path" => &finding::SETTING,
        _ => rule(object),
    };
    let what = match object {
        Object::Setting { .. } => {
            let value = state.get("value").and_then(|value| shown("value", value)).unwrap_or_default();
            format!("it is preset to {value}, which is not declared")
        }
        _ => "it is in the database but not declared".to_owned(),
    };
    let finding = Finding::new(rule, object, what, fix_writer.remove(object, state)?);
    Ok(match lost_with(object, state)? {
        Some(caution) => finding.with_caution(caution),
        None => finding,
    })
}

/// Returns the data that is lost if an undeclared object is dropped, if any.
fn lost_with(object: &Object, state: &State) -> Result<Option<&'static str>> {
    Ok(match object {
        Object::Relation(_) => match RelationKind::of(state)? {
            RelationKind::Table | RelationKind::PartitionedTable => {
                Some("the fix deletes the rows of the table; if the rows are needed, declare the table instead")
            }
            RelationKind::MaterializedView => Some("the fix deletes the rows of the view"),
            RelationKind::View | RelationKind::ForeignTable => None,
        },
        Object::Column(..) => {
            Some("the fix deletes the values of the column; if the values are needed, declare the column instead")
        }
        Object::Sequence(_) => {
            Some("the fix deletes the sequence and its current value, which another program may use")
        }
        Object::Role(_)
        | Object::Membership { .. }
        | Object::Setting { .. }
        | Object::Database
        | Object::Extension(_)
        | Object::Schema(_)
        | Object::Constraint(..)
        | Object::Index(..)
        | Object::Policy(..)
        | Object::Trigger(..)
        | Object::Rule(..)
        | Object::Type(_)
        | Object::Function(..)
        | Object::Privilege { .. }
        | Object::DefaultPrivilege { .. } => None,
    })
}

/// Returns the findings for an object that differs from its declaration; RLS and comments have separate rules.
fn differing(object: &Object, wanted: &State, live: &State, fix_writer: &FixWriter<'_>) -> Result<Vec<Finding>> {
    let differs = |(name, value): &(&String, &Value)| live.get(*name).unwrap_or(&Value::Null) != *value;
    let differences: Vec<_> = wanted.iter().filter(differs).map(|(name, _)| name.as_str()).collect();
    let is_row_security = |name: &&str| matches!(*name, "row_security" | "forced");
    let (comments, others): (Vec<_>, Vec<_>) = differences.into_iter().partition(|name| *name == "comment");
    let (row_security, others): (Vec<_>, Vec<_>) = others.into_iter().partition(is_row_security);
    let by_rule = [(&finding::ROW_SECURITY, row_security), (rule(object), others), (&finding::COMMENT, comments)];
    let mut findings = Vec::new();
    for (rule, names) in by_rule.into_iter().filter(|(_, names)| !names.is_empty()) {
        let list = names.iter().map(|name| difference(name, wanted, live)).collect::<Vec<_>>().join("; ");
        findings.push(Finding::new(rule, object, list, fix_writer.alter(object, &names, live)?));
    }
    Ok(findings)
}

/// Describes how a property differs.
fn difference(name: &str, wanted: &State, live: &State) -> String {
    if let (Some(Value::Bool(live)), Some(Value::Bool(_))) = (live.get(name), wanted.get(name)) {
        return switched(name, *live);
    }
    let shown = |state: &State| state.get(name).and_then(|value| shown(name, value));
    let (property, is) = (property(name), if is_plural(name) { "are" } else { "is" });
    match (shown(live), shown(wanted)) {
        (Some(live), Some(wanted)) => format!("{property} {is} {live}, but {is} declared {wanted}"),
        (Some(live), None) => format!("{property} {is} {live}, but {is} not declared"),
        (None, Some(wanted)) => format!("{property} {is} missing, but {is} declared {wanted}"),
        (None, None) => format!("{property} differs from the declaration"),
    }
}

/// Returns the term for a property.
fn property(name: &str) -> String {
    let term = match name {
        "admin" | "constraint" | "deferrable" | "inherit" | "leakproof" | "login" | "replication" | "set"
        | "strict" | "superuser" | "unique" | "using" => return name.to_uppercase(),
        "bypass_rls" => "BYPASSRLS",
        "create_role" => "CREATEROLE",
        "create_db" => "CREATEDB",
        "security_definer" => "SECURITY DEFINER",
        "check" => "WITH CHECK",
        "deferred" => "INITIALLY DEFERRED",
        "nulls_distinct" => "NULLS DISTINCT",
        "on_delete" => "ON DELETE",
        "on_update" => "ON UPDATE",
        "on_delete_set" => "columns of ON DELETE SET NULL",
        "target" => "referenced table",
        "target_columns" => "referenced columns",
        "included" => "number of included columns",
        "defaults" => "number of argument defaults",
        "support" => "support function",
        "returns" => "result type",
        "enabled" => "trigger state",
        "product" => "product in the comment",
        "granted_by_others" => "other grantors",
        "grantable" => "grant option",
        "roles_without_usage" => "roles without USAGE on the schema",
        _ => return name.replace('_', " "),
    };
    term.to_owned()
}

/// Returns whether the term for a property is a plural.
fn is_plural(name: &str) -> bool {
    matches!(
        name,
        "arguments"
            | "columns"
            | "events"
            | "expression_statistics"
            | "granted_by_others"
            | "labels"
            | "on_delete_set"
            | "parents"
            | "partitions"
            | "roles"
            | "roles_without_usage"
            | "settings"
            | "target_columns"
    )
}

/// Returns the SQL for a letter in the catalog, such as `CASCADE` for the `c` of a foreign key.
fn letter(name: &str, value: &str) -> Option<&'static str> {
    Some(match (name, value) {
        ("on_delete" | "on_update", "a") => "NO ACTION",
        ("on_delete" | "on_update", "c") => "CASCADE",
        ("on_delete" | "on_update", "d") => "SET DEFAULT",
        ("on_delete" | "on_update", "n") => "SET NULL",
        ("on_delete" | "on_update", "r") => "RESTRICT",
        ("match", "f") => "FULL",
        ("match", "s") => "SIMPLE",
        ("identity", "a") => "ALWAYS",
        ("identity", "d") => "BY DEFAULT",
        ("generated", "s") => "STORED",
        ("generated", "v") => "VIRTUAL",
        ("enabled", "A") => "ENABLE ALWAYS",
        ("enabled", "D") => "DISABLE",
        ("enabled", "O") => "ENABLE",
        ("enabled", "R") => "ENABLE REPLICA",
        _ => return None,
    })
}

/// Describes a property that is on but declared off, or off but declared on.
fn switched(name: &str, live: bool) -> String {
    let text = match (name, live) {
        ("row_security", false) => "RLS is disabled, but the declaration requires it",
        ("row_security", true) => "RLS is enabled, but not declared",
        ("forced", false) => "FORCE ROW LEVEL SECURITY is missing, but the declaration requires it",
        ("forced", true) => "FORCE ROW LEVEL SECURITY is set, but not declared",
        ("sensitive", false) => {
            "PostgreSQL collects statistics of the values, which plans reveal, but the column is declared sensitive"
        }
        ("sensitive", true) => {
            "PostgreSQL collects no statistics of the values, but the column is not declared sensitive"
        }
        ("not_null", false) => "the column allows NULL, but is declared NOT NULL",
        ("not_null", true) => "the column is NOT NULL, but is declared to allow NULL",
        ("owner_has_all", false) => "the owner lacks privileges on the table, which foreign key checks can require",
        ("logged", false) => "the table is UNLOGGED or temporary, but is declared permanent",
        ("triggers_enabled", false) => {
            "internal triggers do not have their default state, so foreign keys may not be checked"
        }
        ("usable", false) => "the index is invalid, so queries do not use it",
        ("valid", false) => "the constraint is NOT VALID: existing rows may violate it",
        ("inherited", false) => "the constraint is NO INHERIT, so partitions do not check it",
        ("enforced", false) => "the constraint is NOT ENFORCED",
        ("permissive", false) => "the policy is restrictive, but is declared permissive",
        ("permissive", true) => "the policy is permissive, but is declared restrictive",
        ("conditional", true) => {
            "the trigger has a WHEN condition or a list of columns (UPDATE OF), which is not declared"
        }
        (_, live) => {
            let (is, declared) = if live { ("on", "off") } else { ("off", "on") };
            return format!("{} is {is}, but is declared {declared}", property(name));
        }
    };
    text.to_owned()
}

/// Writes the value of a property for a report, on one line; `None` if there is no value.
fn shown(name: &str, value: &Value) -> Option<String> {
    let named = serde_json::from_value::<Vec<Name>>(value.clone()).ok();
    if let Some(names) = named.filter(|names| !names.is_empty()) {
        return Some(names.iter().map(|name| format!("`{}`", name.quoted())).collect::<Vec<_>>().join(" and "));
    }
    let texts = serde_json::from_value::<Vec<String>>(value.clone()).ok();
    if let Some(texts) = texts.filter(|texts| !texts.is_empty()) {
        return Some(texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", "));
    }
    match value {
        Value::Null => None,
        Value::Bool(true) => Some("on".to_owned()),
        Value::Bool(false) => Some("off".to_owned()),
        Value::String(text) => {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            Some(format!("`{}`", letter(name, &text).unwrap_or(&text)))
        }
        Value::Array(values) if values.is_empty() => None,
        other => Some(format!("`{other}`")),
    }
}

fn rule(object: &Object) -> &'static Rule {
    match object {
        Object::Role(_) => &finding::ROLE,
        Object::Membership { .. } => &finding::MEMBERSHIP,
        Object::Setting { name, .. } if name.starts_with("pgaudit.") => &finding::LOG,
        Object::Setting { .. } => &finding::OTHER_SETTING,
        Object::Database | Object::Schema(_) => &finding::SCHEMA,
        Object::Extension(_) => &finding::EXTENSION,
        Object::Relation(_) | Object::Sequence(_) => &finding::TABLE,
        Object::Column(..) => &finding::COLUMN,
        Object::Constraint(..) => &finding::CONSTRAINT,
        Object::Index(..) => &finding::INDEX,
        Object::Policy(..) => &finding::POLICY,
        Object::Trigger(..) => &finding::TRIGGER,
        Object::Rule(..) => &finding::RULE,
        Object::Type(_) => &finding::ENUM_TYPE,
        Object::Function(..) => &finding::FUNCTION,
        Object::Privilege { .. } => &finding::PRIVILEGE,
        Object::DefaultPrivilege { .. } => &finding::DEFAULT_PRIVILEGE,
    }
}
