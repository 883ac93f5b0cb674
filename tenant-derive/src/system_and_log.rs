//! The rules about who writes a table beside the roles of a tenant: the system role, and the trigger of the change log.

use crate::{ast::Table, diag::Diag, item::suggestion};

/// Checks what the table says about them.
pub(crate) fn check(diag: &Diag, table: &Table<'_>) {
    system(diag, table);
    change_log(diag, table);
}

/// Changes are a tenant's, and nobody but the trigger writes them down.
fn change_log(diag: &Diag, table: &Table<'_>) {
    let attrs = &table.attrs;
    for key in ["change_log", "track_changes"] {
        if let (Some(written), false) = (attrs.written(key), attrs.mentions("org")) {
            diag.error(
                written,
                format_args!("`{key}` goes on a table with a tenant column, and `{}` has none", table.ident),
                "add `org = \"organization_id\"`, the field with the tenant's key",
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
                format_args!("`{key}` does not go on a change log"),
                "drop it: a trigger writes the log, and what is written stays as it is",
            );
        }
    }
}

/// The system role runs commands, and reads what it writes.
fn system(diag: &Diag, table: &Table<'_>) {
    const COMMANDS: [&str; 4] = ["select", "insert", "update", "delete"];
    let Some(list) = &table.attrs.system else { return };
    let reads = list.fields.iter().any(|command| command == "select");
    for (i, command) in list.fields.iter().enumerate() {
        if !COMMANDS.iter().any(|known| command == known) {
            let help = suggestion(&command.to_string(), &COMMANDS);
            diag.error(command, format_args!("`{command}` is no command"), help);
        } else if list.fields[..i].contains(command) {
            diag.error(command, format_args!("`{command}` is listed twice"), "name each command once");
        } else if !reads {
            diag.error(
                command,
                format_args!("the system role may {command} `{}` but not read it", table.ident),
                "write `select` in `system(…)` as well: WHERE and RETURNING read",
            );
        } else if table.attrs.mentions("membership") && command != "select" {
            diag.error(
                command,
                format_args!("the system role could {command} members past the functions that manage them"),
                "leave `select` alone in `system(…)`",
            );
        }
    }
    if list.fields.is_empty() {
        diag.error(&list.key, "`system` names no command", "write `system(select)`, or drop it");
    }
}
