//! Rules about the change log: a tenant table to which a trigger writes row changes.
//!
//! The trigger's function is SECURITY DEFINER, and only its owner has INSERT: no role of a tenant, not even the
//! highest, can write to the log or delete from it. The trigger leaves out of `before` and `after` every column of the
//! changed row that the log's reader role cannot read in the tracked table.

use super::{
    Known,
    auth_functions::Roles,
    column_ident,
    finding::{Findings, field_place, place},
    list,
    predicates::RowPredicates,
    signed_conditions,
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, ScopeDef, SqlType, TableDef},
        names,
        schema::{
            Command, Expression, Function, Grant, Policy, QualifiedName, Returns, Trigger, TriggerKind, Volatility,
        },
    },
};

/// A valid change log.
pub(super) struct ChangeLog {
    def: &'static TableDef,
    table: QualifiedName,
    tenant: Ident,
    /// The role that reads the log.
    reader: &'static str,
    /// Whether the key of any tracked table has several columns, not counting the tenant column.
    has_several_keys: bool,
}

/// The columns that the trigger fills, without the tenant column.
const FILLED: [&str; 7] = ["user_id", "role", "table_name", "row_key", "command", "before", "after"];

/// The key of the changed row, in a function for tables whose keys have several columns too: a JSON array of the texts.
const SEVERAL_KEYS: &str = "CASE TG_ARGV[2] WHEN '' THEN (
            SELECT jsonb_agg(COALESCE(new_row, old_row) ->> key.name ORDER BY key.number)::text
            FROM unnest(TG_ARGV[3]::text[]) WITH ORDINALITY AS key (name, number)
        ) ELSE COALESCE(new_row, old_row) ->> TG_ARGV[2] END";

/// Writes names as the text of an array.
fn text_array<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let quoted = names.map(|name| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")));
    format!("{{{}}}", quoted.collect::<Vec<_>>().join(","))
}

/// Finds the table of the change log; `None` if no table is one, or if the table is invalid.
pub(super) fn change_log(known: &Known, tenancy: &Tenancy, findings: &mut Findings) -> Option<ChangeLog> {
    let mut declared = known.by_qualified_name.iter().filter(|(_, def)| def.change_log);
    let Some((table, def)) = declared.next() else {
        for def in known.by_qualified_name.values().filter(|def| def.track_changes) {
            findings.error(
                place(def),
                format!("`{}` has `track_changes`, but there is no change log", def.rust_name),
                "add a struct with `#[tenant(org = \"…\", select = \"…\", change_log)]`",
            );
        }
        return None;
    };
    for (_, other) in declared {
        findings.error(
            place(other),
            format!("both `{}` and `{}` have `change_log`", other.rust_name, def.rust_name),
            "remove `change_log` from one of them",
        );
    }
    let (ScopeDef::Tenant { column: tenant }, Some(reader)) = (def.scope, def.select) else {
        findings.error(
            place(def),
            format!("the change log `{}` requires a tenant column and a role that reads it", def.rust_name),
            "add `org = \"…\"` and `select = \"…\"`",
        );
        return None;
    };
    check_access(def, tenant, findings);
    check_columns(def, tenant, tenancy, findings);
    let mut tracked = known.by_qualified_name.values().filter(|def| def.track_changes);
    let has_several_keys = tracked.any(|def| def.own_key().len() > 1);
    Some(ChangeLog { def, table: table.clone(), tenant: column_ident(tenant), reader, has_several_keys })
}

/// Requires that only the trigger writes to the log.
fn check_access(def: &TableDef, tenant: &str, findings: &mut Findings) {
    let writers = [def.insert, def.update, def.delete, def.update_own, def.delete_own];
    let writes = writers.iter().any(Option::is_some) || def.system.iter().any(|command| *command != "select");
    if writes || def.membership.is_some() || def.track_changes {
        findings.error(
            place(def),
            format!("the change log `{}` must be written by its trigger only", def.rust_name),
            "keep only `select` (also in `system(…)`), and remove `membership(…)` and `track_changes`: the log is append-only",
        );
    }
    if let Some(column) = def.columns.iter().find(|column| column.name == tenant && column.references.is_some()) {
        findings.error(
            field_place(def, column),
            "a tenant with a change log could never be deleted: the deletion adds rows to the log that reference the tenant",
            "remove `references`: the log keeps its rows after the tenant is deleted",
        );
    }
}

/// Requires the columns that the trigger fills, and a default for every other column.
fn check_columns(def: &TableDef, tenant: &str, tenancy: &Tenancy, findings: &mut Findings) {
    for name in FILLED {
        let (ty, nullable, form) = match name {
            "user_id" => (tenancy.def.user, true, format!("an `Option` of the user's key, {}", tenancy.user_type)),
            "before" | "after" => (SqlType::Jsonb, true, "`Option<serde_json::Value>`".to_owned()),
            _ => (SqlType::Text, false, "`String`".to_owned()),
        };
        match def.columns.iter().find(|column| column.name == name) {
            Some(column) if column.ty == ty && (column.nullable || !nullable) => {}
            Some(column) => findings.error(
                field_place(def, column),
                format!("the column `{name}` of the change log does not have the type that the trigger writes"),
                format!("change the type of the field to {form}"),
            ),
            None => findings.error(
                place(def),
                format!("the change log `{}` has no column `{name}`", def.rust_name),
                format!("add a field `{name}`, {form}; the columns of the log are {}", list(FILLED)),
            ),
        }
    }
    let is_filled = |column: &ColumnDef| {
        FILLED.contains(&column.name) || column.name == tenant || column.may_be_left_out() || !column.app_assigned
    };
    for column in def.columns.iter().filter(|column| !is_filled(column)) {
        findings.error(
            field_place(def, column),
            format!("the trigger of the change log does not set `{}`, which has no default", column.name),
            "add `default = \"…\"`, such as `now()`, or make the field an `Option`",
        );
    }
}

impl ChangeLog {
    /// Returns whether a table is the log.
    pub(super) fn is_table(&self, def: &TableDef) -> bool {
        self.def.name == def.name
    }

    /// Returns the function owner's policy and grant on the log: INSERT only.
    pub(super) fn function_owner_access(&self, function_owner: &Ident) -> (Policy, Grant) {
        let comment = "Lets the trigger function log_change insert rows.".to_owned();
        let policy = Policy::of_function_owner(Command::Insert, function_owner, comment);
        let columns = [self.tenant.clone()].into_iter().chain(FILLED.map(column_ident)).collect();
        (policy, Grant { command: Command::Insert, columns, role: function_owner.clone() })
    }

    /// Creates the trigger of a table with change tracking.
    pub(super) fn trigger(
        &self,
        def: &TableDef,
        name: &QualifiedName,
        rows: &RowPredicates,
        tenancy: &Tenancy,
        findings: &mut Findings,
    ) -> Option<Trigger> {
        let Some(tenant) = def.tenant_column() else {
            findings.error(
                place(def),
                format!("`track_changes` requires a tenant column, and `{}` has none", def.rust_name),
                "add `org = \"…\"` or `parent = \"…\"`, or remove `track_changes`",
            );
            return None;
        };
        // If the log's reader cannot read a table in full, the log records only the key of the changed row.
        let all = rows.are_filtered() || !self.reads(def.select, tenancy);
        let is_hidden = |column: &&ColumnDef| match all {
            true => column.name != tenant && !column.id,
            false => column.select.is_some_and(|role| !self.reads(Some(role), tenancy)),
        };
        let hidden = def.columns.iter().filter(is_hidden).map(|column| column.name.to_owned());
        let key = match def.own_key()[..] {
            [id] => vec![id.name.to_owned()],
            // No column has an empty name.
            ref keys => vec![String::new(), text_array(keys.iter().map(|column| column.name))],
        };
        let arguments = [name.to_string(), tenant.to_owned()].into_iter().chain(key).chain(hidden).collect();
        Some(Trigger {
            name: Ident::derived([names::LOG_CHANGE]),
            function: tenancy.function(names::LOG_CHANGE),
            kind: TriggerKind::EachChange { arguments },
        })
    }

    fn reads(&self, role: Option<&str>, tenancy: &Tenancy) -> bool {
        role.is_some_and(|role| tenancy.includes(self.reader, role))
    }

    /// Creates the function of the trigger.
    pub(super) fn function(&self, tenancy: &Tenancy, roles: &Roles<'_>) -> (QualifiedName, Function) {
        let columns = [self.tenant.clone()].into_iter().chain(FILLED.map(column_ident));
        let columns = columns.map(|column| column.quoted().to_string()).collect::<Vec<_>>().join(", ");
        let (table, key) = (self.table.quoted(), &tenancy.key_type);
        let user = signed_conditions::if_signed(
            signed_conditions::CURRENT_ROLE,
            &Expression::in_context(tenancy.def.user_setting, &tenancy.user_type),
            tenancy,
        );
        let (arguments, first_hidden, row_key) = match self.has_several_keys {
            false => ("key column", "3", "COALESCE(new_row, old_row) ->> TG_ARGV[2]"),
            true => (
                "key column (or '' and an array of several key columns)",
                "CASE TG_ARGV[2] WHEN '' THEN 4 ELSE 3 END",
                SEVERAL_KEYS,
            ),
        };
        let body = format!(
            "DECLARE
    -- Trigger arguments: table, tenant column, {arguments}, and the columns to leave out of before and after.
    old_row constant jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    new_row constant jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    hidden constant text[] := TG_ARGV[{first_hidden}:];
BEGIN
    -- Skip updates without a change. *= compares the stored bytes: jsonb and some = operators treat 1.0 and 1.00 as equal.
    IF TG_OP = 'UPDATE' AND OLD *= NEW THEN
        RETURN NULL;
    END IF;
    INSERT INTO {table} ({columns})
    VALUES (
        (COALESCE(new_row, old_row) ->> TG_ARGV[1])::{key},
        {user},
        CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END,
        TG_ARGV[0],
        {row_key},
        lower(TG_OP COLLATE \"C\"),
        old_row - hidden,
        new_row - hidden
    );
    RETURN NULL;
END"
        );
        let function = Function {
            comment: "Trigger function: records each row change in the change log, with the user, the role, and the row before and after the \
                      change.".into(),
            arguments: Vec::new(),
            returns: Returns::Trigger,
            volatility: Volatility::Volatile,
            exact_floats: true,
            extension_schemas: Vec::new(),
            body,
            execute: vec![roles.owner.clone()],
        };
        (tenancy.function(names::LOG_CHANGE), function)
    }
}
