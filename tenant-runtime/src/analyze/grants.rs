//! Rules about grants: the roles of a table and of its columns become privileges.

use std::collections::BTreeMap;

use super::{
    column_ident,
    finding::{Findings, place},
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, TableDef},
        schema::{Command, Grant},
    },
};

/// Returns a command's grants to the table's role and to the roles of its columns. The grants list the columns, so that
/// a column added later is granted to no role.
pub(super) fn grants(
    def: &TableDef,
    command: Command,
    declared: &'static str,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Vec<Grant> {
    if command == Command::Delete {
        let role = tenancy.application_roles.get(declared).cloned();
        return role.map(|role| Grant { command, columns: Vec::new(), role }).into_iter().collect();
    }
    let mut by_role: BTreeMap<&str, Vec<Ident>> = BTreeMap::new();
    for column in def.columns.iter().filter(|column| is_covered(def, column, command)) {
        let own = match command {
            Command::Select => column.select,
            Command::Insert => column.insert,
            Command::Update => column.update,
            Command::Delete => None,
        };
        by_role.entry(own.unwrap_or(declared)).or_default().push(column_ident(column.name));
    }
    if !by_role.contains_key(declared) {
        findings.error(
            place(def),
            format!("`{declared}` has {} on `{}` but on none of its columns", command.keyword(), def.rust_name),
            format!("remove `{0} = \"{declared}\"`, or add a field without `{0} = …`", command.attribute()),
        );
    }
    let order = tenancy
        .def
        .roles
        .iter()
        .filter_map(|role| Some((tenancy.application_roles.get(role.name)?, by_role.remove(role.name)?)));
    order.map(|(role, columns)| Grant { command, columns, role: role.clone() }).collect()
}

/// Returns whether a command's grant can include a column.
fn is_covered(def: &TableDef, column: &ColumnDef, command: Command) -> bool {
    match command {
        Command::Select => true,
        Command::Insert => def.is_inserted(column),
        Command::Update => def.is_changed(column),
        Command::Delete => false,
    }
}
