//! Policies in the snapshot file.

use serde::{Deserialize, Serialize};

use super::{
    SnapshotError,
    value::{Reader, each, ident},
};
use crate::model::schema::{Condition, ConditionKind, Policy, PolicyKind};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyEntry {
    name: String,
    comment: String,
    kind: PolicyKind,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    role: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    using: Vec<ConditionEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    with_check: Vec<ConditionEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionEntry {
    kind: ConditionKind,
    sql: String,
}

impl From<&Policy> for PolicyEntry {
    fn from(policy: &Policy) -> Self {
        let entries = |conditions: &[Condition]| conditions.iter().map(ConditionEntry::from).collect();
        Self {
            name: policy.name.to_string(),
            comment: policy.comment.clone(),
            kind: policy.kind,
            role: policy.role.as_ref().map(ToString::to_string),
            using: entries(&policy.using),
            with_check: entries(&policy.with_check),
        }
    }
}

impl From<&Condition> for ConditionEntry {
    fn from(condition: &Condition) -> Self {
        Self { kind: condition.kind, sql: condition.sql.to_string() }
    }
}

/// Reads a policy, which must have the clauses and the role that its kind requires: without USING,
/// for example, the policy would apply to all rows.
pub(super) fn policy(entry: PolicyEntry, reader: &mut Reader) -> Result<Policy, SnapshotError> {
    let policy = Policy {
        name: ident(entry.name)?,
        comment: entry.comment,
        kind: entry.kind,
        role: entry.role.map(ident).transpose()?,
        using: each(entry.using, |entry| condition(entry, reader))?,
        with_check: each(entry.with_check, |entry| condition(entry, reader))?,
    };
    let clauses = (!policy.using.is_empty(), !policy.with_check.is_empty());
    if clauses != policy.kind.clauses() || policy.role.is_none() != policy.is_restrictive() {
        let problem = format!("policy {:?} does not have the clauses and the role of its kind", policy.name.as_str());
        return Err(SnapshotError::Content(problem));
    }
    Ok(policy)
}

fn condition(entry: ConditionEntry, reader: &mut Reader) -> Result<Condition, SnapshotError> {
    Ok(Condition { kind: entry.kind, sql: reader.expression(&entry.sql)? })
}
