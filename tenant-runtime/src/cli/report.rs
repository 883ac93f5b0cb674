//! Text output when migrations are generated: the changes with their risks, the role matrix, the written files and the
//! next step.

use std::{
    collections::BTreeSet,
    env,
    io::{self, Write},
    path::Path,
};

use super::Failure;
use crate::{
    analyze::Findings,
    ident::Ident,
    migrate::{
        ToRevert,
        folder::{Folder, Written},
        generate::Generated,
        rebase::Rebase,
    },
    model::schema::{Command, PolicyKind, Role, RoleKind, Schema, Scope, Table},
};

/// Prints the changes and their risks, except for a first migration, in which everything is new.
pub(super) fn changes(generated: &Generated, out: &mut impl Write) -> io::Result<()> {
    let changes = generated.plan.describe_changes();
    if generated.plan.is_first() || changes.is_empty() {
        return Ok(());
    }
    writeln!(out, "changes (highest risk: {}):", generated.plan.risk())?;
    for change in changes {
        writeln!(out, "  {change}")?;
    }
    let notes = generated.notes();
    if !notes.is_empty() {
        writeln!(out, "\nwarnings:")?;
    }
    for note in &notes {
        writeln!(out, "  {note}")?;
    }
    if let Some(first) = notes.first() {
        writeln!(out, "\nexplain a code: `gen-migrations explain {}`", first.code)?;
    }
    writeln!(out)
}

/// Lists the down files that will be run, with the data that each one loses.
pub(super) fn will_run(files: &[ToRevert<'_>], out: &mut impl Write) -> io::Result<()> {
    for file in files {
        let loses = file.loses.map_or_else(String::new, |what| format!(", which loses data: {what}"));
        writeln!(out, "will run {}{loses}", file.file)?;
    }
    Ok(())
}

/// Lists attributes of earlier renames.
pub(super) fn applied_renames(generated: &Generated, out: &mut impl Write) -> io::Result<()> {
    let applied = generated.applied_renames();
    if applied.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nalready applied, and can be removed from the models:")?;
    for attribute in applied {
        writeln!(out, "  {attribute}")?;
    }
    Ok(())
}

/// Prints the role matrix, the written files and the next step.
pub(super) fn written(written: &Written, generated: &Generated, program: &str, out: &mut impl Write) -> io::Result<()> {
    if !generated.migrations.is_empty() {
        matrix(&generated.checked.schema, out)?;
        writeln!(out)?;
    }
    if !generated.by_hand.is_empty() {
        writeln!(out, "recorded hand-written migrations in the snapshot: {}\n", generated.by_hand.join(", "))?;
        for gap in &generated.gaps {
            writeln!(out, "note: {gap}\n")?;
        }
    }
    files(written, out)?;
    let target = match env::var_os("DATABASE_URL") {
        Some(_) => "to the database of `DATABASE_URL`",
        None => "to a temporary PostgreSQL, as a test",
    };
    writeln!(out, "\nnext: review and commit the SQL; `gen-migrations apply` applies it {target}")?;
    writeln!(out, "run `gen-migrations` as: {program}")
}

/// Lists the files that were written.
pub(super) fn files(written: &Written, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "wrote:")?;
    let paths: Vec<_> = written.files.iter().map(|(path, lines)| (short(path), lines)).collect();
    let width = paths.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
    for (path, lines) in paths {
        writeln!(out, "  {path:width$}  {lines:>4} lines")?;
    }
    Ok(())
}

/// Prints the changes that have no migration yet, and the SQL that would be written for them.
pub(super) fn missing(generated: &Generated, out: &mut impl Write) -> io::Result<()> {
    for change in generated.plan.describe_changes() {
        writeln!(out, "- {change}")?;
    }
    for name in &generated.by_hand {
        writeln!(out, "- record hand-written `{name}` in the snapshot")?;
    }
    for (name, text) in generated.files.iter().filter(|(name, _)| name.ends_with(".up.sql")) {
        writeln!(out, "\n--- missing migration {name}:\n")?;
        out.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Prints the changes of a rebase.
pub(super) fn rebase(rebase: &Rebase, out: &mut impl Write) -> io::Result<()> {
    if rebase.is_nothing() {
        return writeln!(out, "nothing to rebase: no migration changes; writes the snapshot only\n");
    }
    match &rebase.onto {
        Some(onto) => writeln!(out, "keeps the migrations up to {onto}")?,
        None => writeln!(out, "keeps no migration")?,
    }
    for name in &rebase.replaced {
        writeln!(out, "  deletes {name} and generates its changes again")?;
    }
    for (from, to) in &rebase.renumbered {
        writeln!(out, "  renames hand-written {from} to {to}")?;
    }
    for name in &rebase.generated {
        writeln!(out, "  generates {name}")?;
    }
    writeln!(out)
}

/// Prints that the migrations match the models.
pub(super) fn up_to_date(schema: &Schema, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "up to date: migrations match the models ({})", counted(schema.tables().len(), "table"))
}

/// Reports that the migrations match the models, what they contain, and which commands to run next.
pub(super) fn overview(folder: &Folder, schema: &Schema, program: &str, out: &mut impl Write) -> Result<(), Failure> {
    let migrations = folder.contents()?.files.migrations.len();
    up_to_date(schema, out)?;
    let tables = schema.tables().values();
    let of_tenants = tables.clone().filter(|table| matches!(table.scope, Scope::Tenant(_) | Scope::Parent(_))).count();
    let shared = tables.clone().filter(|table| matches!(table.scope, Scope::Shared)).count();
    let global = tables.clone().filter(|table| matches!(table.scope, Scope::Global)).count();
    let roles: Vec<_> = schema.application_roles().map(|role| role.name.to_string()).collect();
    let logins: Vec<_> = schema.logins().map(|role| role.name.to_string()).collect();
    let policies: usize = tables.map(|table| table.policies.len()).sum();
    writeln!(out, "\n  migrations  {} in {}", counted(migrations, "migration"), short(folder.path()))?;
    writeln!(out, "  tables      {of_tenants} per tenant, {shared} through membership, {global} global")?;
    writeln!(out, "  policies    {policies}; row-level security is forced on every table")?;
    writeln!(out, "  roles       {}", roles.join(", "))?;
    writeln!(out, "  logins      {}", logins.join(", "))?;
    let target = match env::var_os("DATABASE_URL") {
        Some(_) => "the database of `DATABASE_URL`",
        None => "a temporary PostgreSQL",
    };
    writeln!(out, "\nnext, one of these:")?;
    writeln!(out, "  gen-migrations matrix   print the privileges of each role on each table")?;
    writeln!(out, "  gen-migrations verify   test tenant isolation on {target}")?;
    writeln!(out, "  gen-migrations show     print the SQL of the next migration")?;
    writeln!(out, "or change a model, and run `gen-migrations` again to generate a migration")?;
    writeln!(out, "run `gen-migrations` as: {program}")?;
    Ok(())
}

/// Prints warnings to standard error, so that standard output can be read by a program.
pub(super) fn warnings(findings: &Findings) {
    for finding in findings.as_slice() {
        let _ = writeln!(io::stderr(), "{finding}\n");
    }
}

/// Prints the minimum role for each command on each table.
fn matrix(schema: &Schema, out: &mut impl Write) -> io::Result<()> {
    let schemas: BTreeSet<_> = schema.tables().keys().map(|name| &name.schema).collect();
    let prefix = prefix(schema);
    let mut rows = vec![["table", "tenant", "select", "insert", "update", "delete"].map(str::to_owned)];
    rows.extend(schema.tables().iter().map(|(name, table)| {
        let tenant = match &table.scope {
            Scope::Tenant(column) => column.to_string(),
            Scope::Parent(column) => format!("by {column}"),
            Scope::Shared => "membership".to_owned(),
            Scope::Global => "global".to_owned(),
        };
        let shown = if schemas.len() == 1 { name.table.to_string() } else { name.to_string() };
        let [select, insert, update, delete] = Command::ALL.map(|command| short_cell(&role(table, command), &prefix));
        [shown, tenant, select, insert, update, delete]
    }));
    let widths: Vec<_> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let place = match schemas.first() {
        Some(only) if schemas.len() == 1 => format!(" in schema {only}"),
        _ => String::new(),
    };
    writeln!(out, "{}: {}{place}", schema.product(), counted(schema.tables().len(), "table"))?;
    writeln!(out, "roles: {}\n", without_prefix(&application_roles(schema), &prefix))?;
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    writeln!(out, "\nminimum role for each command; *: rows that the user owns; -: denied")?;
    if schema.tables().values().any(|table| matches!(table.scope, Scope::Shared)) {
        writeln!(out, "membership: rows of the users who are members of the tenant")?;
    }
    if let Some(function) = schema.functions().keys().next() {
        writeln!(out, "function: only through functions in `{}`, which check the caller", function.schema)?;
    }
    if !prefix.is_empty() {
        writeln!(out, "database roles have the prefix `{prefix}`")?;
    }
    Ok(())
}

/// Returns a number with its noun, such as `1 table` or `2 tables`.
fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Returns the common prefix of all application roles, such as `app_`; empty if their prefixes differ.
fn prefix(schema: &Schema) -> String {
    let owner = schema.owner().map(|owner| owner.name.as_str()).unwrap_or_default();
    let prefix = owner.strip_suffix("schema_owner").unwrap_or_default();
    let has_it = |role: &Role| role.name.as_str().starts_with(prefix);
    if schema.application_roles().all(has_it) { prefix.to_owned() } else { String::new() }
}

/// Shortens a cell of the matrix, so that each line fits in 80 columns.
fn short_cell(cell: &str, prefix: &str) -> String {
    let short = |part: &str| match part.strip_prefix("own: ") {
        Some(own) => format!("{}*", without_prefix(own, prefix)),
        None => without_prefix(part.trim_matches(['(', ')']), prefix),
    };
    cell.split(", ").map(short).collect::<Vec<_>>().join(", ")
}

/// Removes the prefix from each word of a string.
fn without_prefix(text: &str, prefix: &str) -> String {
    let word = |word: &str| {
        let open = word.len() - word.trim_start_matches('(').len();
        format!("{}{}", &word[..open], word[open..].strip_prefix(prefix).unwrap_or(&word[open..]))
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn application_roles(schema: &Schema) -> String {
    schema.roles().iter().filter_map(application_role).collect::<Vec<_>>().join(", ")
}

fn application_role(role: &Role) -> Option<String> {
    match &role.kind {
        RoleKind::Application { includes } if includes.is_empty() => Some(role.name.to_string()),
        RoleKind::Application { includes } => {
            let included = includes.iter().map(Ident::as_str).collect::<Vec<_>>().join(" and ");
            Some(format!("{} (includes {included})", role.name))
        }
        _ => None,
    }
}

/// Returns the minimum roles for a command: on any row, and on rows that the user owns.
fn role(table: &Table, command: Command) -> String {
    let policy = |kind: PolicyKind| table.policies.iter().find(|policy| policy.kind == kind);
    let role = |own: bool| {
        let soft_delete = || policy(PolicyKind::SoftDelete { own }).filter(|_| command == Command::Delete);
        let policy = policy(PolicyKind::Command { command, own }).or_else(soft_delete)?;
        policy.role.as_ref().map(Ident::as_str)
    };
    match (role(false), role(true)) {
        (Some(any), Some(own)) => format!("{any}, own: {own}"),
        (Some(any), None) => any.to_owned(),
        (None, Some(own)) => format!("own: {own}"),
        // The function owner has a separate policy; EXECUTE grants determine which roles can call its functions.
        (None, None) if policy(PolicyKind::FunctionOwner(command)).is_some() => "(function)".to_owned(),
        (None, None) => "-".to_owned(),
    }
}

/// Returns a path relative to the current folder.
pub(super) fn short(path: &Path) -> String {
    let here = env::current_dir().ok();
    let short = here.as_deref().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path);
    short.display().to_string()
}
