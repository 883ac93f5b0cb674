//! Rules about the system role and the change log.

use crate::{ast::Table, diag::Diag, item::suggestion};

/// Checks `system`, `change_log` and `track_changes`.
pub(crate) fn check(diag: &Diag, table: &Table<'_>) {
    system(diag, table);
    change_log(diag, table);
}

/// Checks the table of the change log: its rows belong to a tenant, and only the trigger writes them.
fn change_log(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    let has_tenant = attrs.mentions("org") || attrs.mentions("parent");
    for (key, is_possible) in [("change_log", attrs.mentions("org")), ("track_changes", has_tenant)] {
        if let (Some(written), false) = (attrs.written(key), is_possible) {
            diag.error(
                written,
                format_args!("`{key}` requires a tenant column, and `{}` has none", table.ident),
                "add `org = \"organization_id\"`, the field that holds the tenant ID",
            );
        }
    }
    if !attrs.mentions("change_log") {
        return;
    }
    for key in ["insert", "update", "delete", "update_own", "delete_own", "owner", "membership", "track_changes"] {
        if let Some(written) = attrs.written(key) {
            diag.error(
                written,
                format_args!("`{key}` is not allowed on a change log"),
                "remove it: only the trigger writes the log, and its rows are never changed",
            );
        }
    }
}

/// Checks `system(…)`, in which every other command also requires `select`.
fn system(diag: &Diag, table: &Table<'_>) {
    const COMMANDS: [&str; 4] = ["select", "insert", "update", "delete"];
    let Some(list) = &table.attrs.system else { return };
    let reads = list.words.iter().any(|command| command == "select");
    for (i, command) in list.words.iter().enumerate() {
        if !COMMANDS.iter().any(|known| command == known) {
            let help = suggestion(&command.to_string(), &COMMANDS);
            diag.error(command, format_args!("unknown command `{command}`"), help);
        } else if list.words[..i].contains(command) {
            diag.error(command, format_args!("duplicate command `{command}`"), "list each command once");
        } else if !reads {
            diag.error(
                command,
                format_args!("the system role can {command} rows of `{}` but cannot select them", table.ident),
                "add `select` to `system(…)`: WHERE and RETURNING require SELECT",
            );
        } else if table.attrs.mentions("membership") && command != "select" {
            diag.error(
                command,
                format_args!(
                    "`system({command})` is not allowed on a membership table, because functions write its rows"
                ),
                "keep only `select` in `system(…)`",
            );
        }
    }
    if list.words.is_empty() {
        diag.error(&list.key, "`system` lists no command", "write `system(select)`, or remove it");
    }
}
