//! What a person reads: who may do what, what was written, and what to do next.

use std::{
    env,
    io::{self, Write},
    path::Path,
};

use crate::{
    analyze::Findings,
    ident::Ident,
    migrate::{
        folder::{Folder, Written},
        generate::Generated,
        rebase::Rebase,
    },
    model::schema::{Command, PolicyKind, RoleKind, Schema, Scope, Table},
};

/// Says what changes, and what there is to be said about it; nothing about a first migration, which is all new.
pub(super) fn changes(generated: &Generated, out: &mut impl Write) -> io::Result<()> {
    if generated.plan.is_first() {
        return Ok(());
    }
    writeln!(out, "what changes:")?;
    for change in generated.plan.changes() {
        writeln!(out, "  {change}")?;
    }
    let notes = generated.notes();
    if !notes.is_empty() {
        writeln!(out, "\nto be thought of:")?;
    }
    for note in notes {
        writeln!(out, "  {note}")?;
    }
    writeln!(out)
}

/// Says what was written, after who may do what.
pub(super) fn written(written: &Written, generated: &Generated, out: &mut impl Write) -> io::Result<()> {
    if !generated.migrations.is_empty() {
        matrix(&generated.checked.schema, out)?;
        writeln!(out)?;
    }
    if !generated.by_hand.is_empty() {
        writeln!(out, "took into the snapshot, as written by hand: {}\n", generated.by_hand.join(", "))?;
    }
    files(written, out)?;
    writeln!(
        out,
        "\nnext: read the SQL, commit it, and run this command with `apply` to try it on a private PostgreSQL"
    )
}

/// Lists the files that were written.
pub(super) fn files(written: &Written, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "wrote")?;
    let paths: Vec<_> = written.files.iter().map(|(path, lines)| (short(path), lines)).collect();
    let width = paths.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
    for (path, lines) in paths {
        writeln!(out, "  {path:width$}  {lines:>4} lines")?;
    }
    Ok(())
}

/// Says what the models say and the folder does not: in words, and as the SQL that would be written.
pub(super) fn missing(generated: &Generated, out: &mut impl Write) -> io::Result<()> {
    for change in generated.plan.changes() {
        writeln!(out, "- {change}")?;
    }
    for name in &generated.by_hand {
        writeln!(out, "- `{name}` is not in the snapshot yet")?;
    }
    for (name, text) in generated.files.iter().filter(|(name, _)| name.ends_with(".up.sql")) {
        writeln!(out, "\n--- {name}, which is not there:\n")?;
        out.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Says what a rebase does.
pub(super) fn rebase(rebase: &Rebase, out: &mut impl Write) -> io::Result<()> {
    match &rebase.onto {
        Some(onto) => writeln!(out, "the migrations up to {onto} stay")?,
        None => writeln!(out, "no migration stays")?,
    }
    for name in &rebase.replaced {
        writeln!(out, "  {name} goes, and what it did is generated anew")?;
    }
    for (from, to) in &rebase.renumbered {
        writeln!(out, "  {from} was written by hand and becomes {to}")?;
    }
    for name in &rebase.generated {
        writeln!(out, "  {name} is new")?;
    }
    if rebase.is_nothing() {
        writeln!(out, "  nothing is to be written but the snapshot")?;
    }
    writeln!(out)
}

/// Says that the folder is what the models say.
pub(super) fn in_order(folder: &Folder, schema: &Schema, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "in order: {} is what the models say ({})", short(folder.path()), number_of_tables(schema))
}

/// Says that the folder is up to date.
pub(super) fn nothing_to_do(folder: &Folder, schema: &Schema, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "nothing to do: {} is what the models say ({})", short(folder.path()), number_of_tables(schema))
}

/// Shows the warnings, where they do not get into what a program may read.
pub(super) fn warnings(findings: &Findings) {
    for finding in findings.as_slice() {
        let _ = writeln!(io::stderr(), "{finding}\n");
    }
}

/// Shows who may do what.
fn matrix(schema: &Schema, out: &mut impl Write) -> io::Result<()> {
    let mut rows = vec![["table", "tenant column", "select", "insert", "update", "delete"].map(str::to_owned)];
    rows.extend(schema.tables().iter().map(|(name, table)| {
        let tenant = match &table.scope {
            Scope::Tenant(column) => column.to_string(),
            Scope::Parent(column) => format!("(by {column})"),
            Scope::Shared => "(by its members)".to_owned(),
            Scope::Global => "(global)".to_owned(),
        };
        let [select, insert, update, delete] = Command::ALL.map(|command| role(table, command));
        [name.to_string(), tenant, select, insert, update, delete]
    }));
    let widths: Vec<_> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    writeln!(out, "{}: {}, roles {}\n", schema.product(), number_of_tables(schema), application_roles(schema))?;
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>();
        writeln!(out, "  {}", cells.join("  ").trim_end())?;
    }
    let functions = if schema.functions().is_empty() { "" } else { ", (function) is a function in the auth schema" };
    writeln!(out, "\n  a role includes the privileges of its included roles; - is no role{functions}")
}

fn number_of_tables(schema: &Schema) -> String {
    let tables = schema.tables().len();
    format!("{tables} {}", if tables == 1 { "table" } else { "tables" })
}

fn application_roles(schema: &Schema) -> String {
    let tier = |role: &crate::model::schema::Role| match &role.kind {
        RoleKind::Application { includes } if includes.is_empty() => Some(role.name.to_string()),
        RoleKind::Application { includes } => {
            let below = includes.iter().map(Ident::as_str).collect::<Vec<_>>().join(" and ");
            Some(format!("{} (includes {below})", role.name))
        }
        _ => None,
    };
    schema.roles().iter().filter_map(tier).collect::<Vec<_>>().join(", ")
}

/// The roles that may run a command: on any row, and on the user's own rows.
fn role(table: &Table, command: Command) -> String {
    let policy = |kind: PolicyKind| table.policies.iter().find(|policy| policy.kind == kind);
    let role = |own: bool| {
        let policy = policy(PolicyKind::Command { command, own })?;
        policy.role.as_ref().map(Ident::as_str)
    };
    match (role(false), role(true)) {
        (Some(any), Some(own)) => format!("{any}, own: {own}"),
        (Some(any), None) => any.to_owned(),
        (None, Some(own)) => format!("own: {own}"),
        (None, None) if policy(PolicyKind::FunctionOwner(command)).is_some() => "(function)".to_owned(),
        (None, None) => "-".to_owned(),
    }
}

/// Writes a path from where the person is.
pub(super) fn short(path: &Path) -> String {
    let here = env::current_dir().ok();
    let short = here.as_deref().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path);
    short.display().to_string()
}
