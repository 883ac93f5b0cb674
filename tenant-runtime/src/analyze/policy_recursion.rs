//! Finds policies that PostgreSQL rejects at every statement with "infinite recursion detected in policy for relation" (42P17).
//!
//! PostgreSQL expands the policies of a command on a table into the statement, then the SELECT policies of the tables
//! that their sub-queries read, and so on. While a table's policies that contain a sub-query are expanded, the table is
//! on the list of active tables. Reading an active table again is an error, even if the policies that apply the second
//! time would end the recursion: a condition of `insert` that reads its own table fails, although the SELECT policies
//! of that table read no table. The order of the conditions, and whether they are true, do not matter.
//!
//! Every tenant table is on that list while its policies are expanded, because its tenant condition is a scalar
//! sub-select. A global table is not on that list, and a condition cannot read a global table. Functions are not
//! expanded: they run as another role, whose policies contain no condition of an attribute. Roles do not matter either:
//! a role with a command has SELECT on the tables that the conditions read, which other findings require.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    Known,
    finding::{Findings, place},
    membership::Membership,
    policies::is_by_function,
    policy_condition,
    predicates::shown,
};
use crate::model::{
    def::{ColumnDef, ScopeDef, TableDef, TableName},
    schema::{Command, Expression},
};

/// A table that the policies of a command read.
#[derive(Clone)]
struct Read {
    target: TableName,
    /// The attribute that causes the read, as written in the source.
    attribute: String,
    /// Whether the attribute is a condition; otherwise it declares how rows belong to tenants.
    is_condition: bool,
}

/// A step of a path: a table, and what its policies read.
type Step = (TableName, Read);

/// Reports commands whose policies read their own table again, directly or through other tables.
pub(super) fn check(known: &Known, membership: Option<&Membership>, findings: &mut Findings) {
    let select: BTreeMap<TableName, Vec<Read>> =
        known.by_name.iter().map(|(name, (_, def))| (*name, reads(def, Command::Select, known, membership))).collect();
    let mut reported = BTreeSet::new();
    for def in known.by_qualified_name.values() {
        for command in Command::ALL {
            let reads = match command {
                Command::Select => select.get(&def.name).cloned().unwrap_or_default(),
                other => reads(def, other, known, membership),
            };
            for read in reads {
                // The policies of every command read the table in which the tenant or the parent is looked up, as the
                // policies of SELECT do.
                if command != Command::Select && !read.is_condition {
                    continue;
                }
                let Some(path) = path_back(def.name, read, &select) else { continue };
                // The same cycle is found from each of its tables, but is reported once.
                let mut edges: Vec<_> = path.iter().map(|(from, read)| (*from, read.target)).collect();
                edges.sort();
                if command != Command::Select || reported.insert(edges) {
                    report(def, command, &path, known, findings);
                }
            }
        }
    }
}

/// Returns the tables that the policies of a command read; empty if the command has no policy.
fn reads(def: &TableDef, command: Command, known: &Known, membership: Option<&Membership>) -> Vec<Read> {
    let is_membership_table = membership.is_some_and(|membership| membership.is_table(def));
    let has_role = def.role(command).is_some() || def.own_role(command).is_some();
    if !has_role || is_by_function(def, is_membership_table, command) {
        return Vec::new();
    }
    let scope = match def.scope {
        ScopeDef::Parent { .. } => {
            let read =
                |column: &ColumnDef| Some((column.references?.table, format!("`parent = \"{}\"`", column.field)));
            let hides = |target: &TableName| known.table(*target).is_some_and(|parent| known.filters_rows(parent));
            def.parent_column().and_then(read).filter(|(target, _)| hides(target))
        }
        ScopeDef::Shared { through } => {
            let members = known.table(through);
            members.map(|members| (through, format!("`visible_through = {}`", members.rust_name)))
        }
        ScopeDef::Tenant { .. } | ScopeDef::Global => None,
    };
    let scope = scope.map(|(target, attribute)| Read { target, attribute, is_condition: false });
    let rules = def.rules.iter().filter(|rule| rule.command == command.attribute());
    let conditions = rules.flat_map(|rule| {
        // An invalid condition is reported as a separate finding.
        let relations =
            policy_condition::rule(rule.condition, &Expression::trusted("NULL"), &|_| true).map(|it| it.relations);
        let targets = relations.unwrap_or_default().into_iter().filter_map(|name| Some(known.in_text(&name)?.name));
        let targets: BTreeSet<_> = targets.collect();
        targets.into_iter().map(|target| Read { target, attribute: shown(rule), is_condition: true })
    });
    scope.into_iter().chain(conditions).collect()
}

/// Returns the shortest path from a table through one of its reads, and the SELECT policies of the
/// tables read, back to that table.
fn path_back(start: TableName, first: Read, select: &BTreeMap<TableName, Vec<Read>>) -> Option<Vec<Step>> {
    let mut seen = BTreeSet::from([first.target]);
    let mut paths = VecDeque::from([vec![(start, first)]]);
    while let Some(path) = paths.pop_front() {
        let at = path.last()?.1.target;
        if at == start {
            return Some(path);
        }
        for read in select.get(&at).into_iter().flatten() {
            if seen.insert(read.target) {
                paths.push_back([&path[..], &[(at, read.clone())]].concat());
            }
        }
    }
    None
}

fn report(def: &TableDef, command: Command, path: &[Step], known: &Known, findings: &mut Findings) {
    let tables = path.iter().map(|(from, _)| format!("`{from}` → ")).collect::<String>();
    let causes = path.iter().map(|(from, read)| {
        let name = known.table(*from).map_or("", |def| def.rust_name);
        format!("{} of `{name}` reads `{}`", read.attribute, read.target)
    });
    let causes = causes.collect::<Vec<_>>().join(", ");
    let message = format!(
        "PostgreSQL would reject every {} on `{}` (infinite recursion detected in policy): evaluating the policies reads the table \
         again, {tables}`{}`: {causes}",
        command.keyword(),
        def.name,
        def.name,
    );
    let help = match path {
        [_] => {
            "a condition cannot read its own table: use only columns of the row itself, such as with `owner = …`, \
             `visibility = …` or `caller()`, or restrict the command to a role"
        }
        _ => {
            "rewrite or remove one of these conditions: use only columns of the row itself, such as with `owner = …`, `visibility = …` \
             or `caller()`, or restrict the command to a role; or replace a `parent` in the cycle by a tenant column \
             (`org = …`)"
        }
    };
    findings.error(place(def), message, help);
}
