//! Drift: every difference between what was declared and what there is, both ways.

use serde_json::Value;

use super::{
    catalog::{Catalog, Name, Object, State},
    finding::{self, Finding, Rule},
    fix::FixWriter,
    partition,
};

/// Settings that say who acts, or how text is read, whoever sets them.
const ACTING: [&str; 5] =
    ["role", "row_security", "session_authorization", "session_replication_role", "standard_conforming_strings"];

/// Holds the live catalog against the declared one.
pub(super) fn drift(expected: &Catalog, live: &Catalog, fix_writer: &FixWriter<'_>) -> Vec<Finding> {
    let (mut expected, mut live) = (with_own_sequences(expected, live), live.clone());
    partition::prepare(&mut expected, &mut live);
    let (expected, live) = (&expected, &live);
    let mut findings = Vec::new();
    for (object, wanted) in &expected.facts {
        match live.facts.get(object) {
            // What rests on something missing is missing as well, and is not told again.
            None if rests_on_one_of(object, expected, live) => {}
            None => findings.push(missing(object, fix_writer)),
            Some(state) => findings.extend(differing(object, wanted, state, fix_writer)),
        }
    }
    for (object, state) in &live.facts {
        let is_told = || rests_on_one_of(object, live, expected) || !counts(object, state, fix_writer);
        if !expected.facts.contains_key(object) && !is_told() {
            findings.push(unexpected(object, state, fix_writer));
        }
    }
    findings
}

/// Adds the sequences of columns that are declared to count up; the server names them.
fn with_own_sequences(expected: &Catalog, live: &Catalog) -> Catalog {
    let counts_up = |of: &Value| {
        let column = serde_json::from_value(serde_json::json!({ "column": of })).ok();
        let column: Option<&State> = column.and_then(|column: Object| expected.facts.get(&column));
        column.is_some_and(|column| column.get("identity").is_some_and(Value::is_string))
    };
    let own = live
        .facts
        .iter()
        .filter(|(object, state)| matches!(object, Object::Sequence(_)) && state.get("of").is_some_and(counts_up));
    let own = own.map(|(object, state)| (object.clone(), state.clone()));
    Catalog { facts: expected.facts.clone().into_iter().chain(own).collect() }
}

/// Says whether an object rests on one that is in the first catalog and not in the second.
fn rests_on_one_of(object: &Object, first: &Catalog, second: &Catalog) -> bool {
    object.rests_on().iter().any(|base| {
        first.facts.contains_key(base) && !second.facts.contains_key(base) || rests_on_one_of(base, first, second)
    })
}

/// Says whether an undeclared object is any of the declaration's business.
fn counts(object: &Object, state: &State, fix_writer: &FixWriter<'_>) -> bool {
    match object {
        // Members from outside are told with who they are.
        Object::Membership { member, .. } => fix_writer.is_ours(member),
        // Views that ask as their owner, copies and foreign tables are doors, wherever they are.
        Object::Relation(_) => {
            let is = |name: &str, value: Value| state.get(name) == Some(&value);
            is("kind", "table".into()) || is("kind", "partitioned table".into()) || is("asks_as_caller", true.into())
        }
        // It goes with its column.
        Object::Sequence(_) => state.get("of").is_none_or(Value::is_null),
        Object::Setting { role: None, name, .. } => says_who_acts(name, fix_writer),
        // The timeouts of roles that something else makes are its own.
        Object::Setting { name, .. } if fix_writer.schema.external_roles => !name.ends_with("_timeout"),
        _ => true,
    }
}

/// Says whether a setting can change who acts, or on what.
fn says_who_acts(setting: &str, fix_writer: &FixWriter<'_>) -> bool {
    ACTING.contains(&setting) || fix_writer.is_context(setting)
}

fn missing(object: &Object, fix_writer: &FixWriter<'_>) -> Finding {
    let rule = match object {
        Object::Privilege { .. } => &finding::MISSING_PRIVILEGE,
        _ => rule(object),
    };
    Finding::new(rule, object, "it is declared, and the database does not have it", fix_writer.make(object))
}

fn unexpected(object: &Object, state: &State, fix_writer: &FixWriter<'_>) -> Finding {
    let runs_as_owner = state.get("runs_as_owner") == Some(&Value::Bool(true));
    let rule = match object {
        Object::Relation(_) => &finding::UNTRACKED_RELATION,
        Object::Function(..) if runs_as_owner => &finding::DEFINER_FUNCTION,
        Object::Function(..) => &finding::UNTRACKED_FUNCTION,
        Object::Sequence(_) => &finding::UNTRACKED_SEQUENCE,
        // A search path of its own can put another table before the one that is meant.
        Object::Setting { name, .. } if says_who_acts(name, fix_writer) || name == "search_path" => &finding::SETTING,
        _ => rule(object),
    };
    let what = match object {
        Object::Setting { .. } => format!("it is fixed to {}, which is not declared", shown(state.get("value"))),
        _ => "the database has it, and it is not declared".to_owned(),
    };
    Finding::new(rule, object, what, fix_writer.remove(object, state))
}

/// The findings on an object that is another than declared: its row security and its comment are told by themselves.
fn differing(object: &Object, wanted: &State, live: &State, fix_writer: &FixWriter<'_>) -> Vec<Finding> {
    let differs = |(name, value): &(&String, &Value)| live.get(*name).unwrap_or(&Value::Null) != *value;
    let differences: Vec<_> = wanted.iter().filter(differs).map(|(name, _)| name.as_str()).collect();
    let is_row_security = |name: &&str| matches!(*name, "row_security" | "forced");
    let (comments, others): (Vec<_>, Vec<_>) = differences.into_iter().partition(|name| *name == "comment");
    let (row_security, others): (Vec<_>, Vec<_>) = others.into_iter().partition(is_row_security);
    let told = [(&finding::ROW_SECURITY, row_security), (rule(object), others), (&finding::COMMENT, comments)];
    let told = told.into_iter().filter(|(_, names)| !names.is_empty()).map(|(rule, names)| {
        let list = names.iter().map(|name| difference(name, wanted, live)).collect::<Vec<_>>().join("; ");
        Finding::new(rule, object, list, fix_writer.change(object, &names, live))
    });
    told.collect()
}

/// Says how a property differs.
fn difference(name: &str, wanted: &State, live: &State) -> String {
    let words = name.replace('_', " ");
    format!("{words} is {}, declared {}", shown(live.get(name)), shown(wanted.get(name)))
}

/// Writes a value as a person reads it, on one line.
fn shown(value: Option<&Value>) -> String {
    let named = value.and_then(|value| serde_json::from_value::<Vec<Name>>(value.clone()).ok());
    if let Some(names) = named.filter(|names| !names.is_empty()) {
        return names.iter().map(|name| format!("`{}`", name.quoted())).collect::<Vec<_>>().join(" and ");
    }
    let texts = value.and_then(|value| serde_json::from_value::<Vec<String>>(value.clone()).ok());
    if let Some(texts) = texts.filter(|texts| !texts.is_empty()) {
        return texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ");
    }
    match value {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(Value::Bool(true)) => "on".to_owned(),
        Some(Value::Bool(false)) => "off".to_owned(),
        Some(Value::String(text)) => format!("`{}`", text.split_whitespace().collect::<Vec<_>>().join(" ")),
        Some(Value::Array(values)) if values.is_empty() => "nothing".to_owned(),
        Some(other) => format!("`{other}`"),
    }
}

fn rule(object: &Object) -> &'static Rule {
    match object {
        Object::Role(_) => &finding::ROLE,
        Object::Membership { .. } => &finding::MEMBERSHIP,
        Object::Setting { name, .. } if name.starts_with("pgaudit.") => &finding::LOG,
        Object::Setting { .. } => &finding::OTHER_SETTING,
        Object::Database | Object::Schema(_) => &finding::SCHEMA,
        Object::Relation(_) | Object::Sequence(_) => &finding::TABLE,
        Object::Column(..) => &finding::COLUMN,
        Object::Constraint(..) => &finding::CONSTRAINT,
        Object::Index(..) => &finding::INDEX,
        Object::Policy(..) => &finding::POLICY,
        Object::Trigger(..) => &finding::TRIGGER,
        Object::Rule(..) => &finding::RULE,
        Object::Type(_) => &finding::UNTRACKED_TYPE,
        Object::Function(..) => &finding::FUNCTION,
        Object::Privilege { .. } => &finding::PRIVILEGE,
        Object::DefaultPrivilege { .. } => &finding::DEFAULT_PRIVILEGE,
    }
}
