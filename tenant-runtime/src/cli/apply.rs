//! The commands that run migrations on a database: `apply`, `status` and `revert`.

use std::io::Write;

use super::{
    Failure, confirm,
    progress::{ProgressDisplay, seconds},
    report,
    runtime::{History, Wait, apply_migrations, block_on, failed, read_migrations, require_up_to_date},
    target::{Target, announce},
};
use crate::{
    migrate::{Applied, MigrationStatus, Migrations, Pending, Revert, State, folder::Folder},
    registry::Models,
};

/// Applies the migrations to the database at the URL; without a URL, to a temporary PostgreSQL.
pub(super) fn apply(
    models: &Models,
    folder: &Folder,
    target: &Target,
    (history, wait): (&History, &Wait),
    to: Option<i64>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    require_up_to_date(models, folder)?;
    let migrations = wait.on(read_migrations(folder, history)?);
    match &target.database_url {
        Some(url) => {
            announce("applying to", url)?;
            let applied = apply_migrations(&migrations, url, to)?;
            writeln!(out, "{}", summary(&applied))?;
        }
        None => {
            let trial = target.trial("applying to")?;
            let applied = apply_migrations(&migrations, trial.administrator_url(), to)?;
            writeln!(out, "{}", summary(&applied))?;
            writeln!(out, "tried on a temporary {}; its data was deleted", trial.server().origin())?;
            writeln!(
                out,
                "\nnext: to apply them to your database, add\n  --database-url postgres://administrator@host/database"
            )?;
        }
    }
    Ok(())
}

/// Prints the statements that `apply` would run, without running them.
pub(super) fn dry_run(
    models: &Models,
    folder: &Folder,
    (target, history): (&Target, &History),
    to: Option<i64>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    require_up_to_date(models, folder)?;
    let Some(url) = &target.database_url else {
        return Err(Failure::Message(
            "`--dry-run` requires a database: pending migrations depend on it\n  help: add `--database-url \
             postgres://administrator@host/database`"
                .into(),
        ));
    };
    announce("reading from", url)?;
    let migrations = read_migrations(folder, history)?;
    let pending = block_on(migrations.pending(url, to))?.map_err(failed)?;
    for Pending { file, transaction, statements, .. } in &pending {
        let how = if *transaction { "in one transaction" } else { "outside a transaction" };
        writeln!(out, "-- {file}, {how}\n")?;
        for statement in statements {
            writeln!(out, "{};\n", statement.text)?;
        }
    }
    match pending.len() {
        0 => writeln!(out, "-- nothing to do: all migrations are applied")?,
        files => writeln!(
            out,
            "-- dry run: `gen-migrations apply` would run {} of {}",
            statements(&pending),
            counted(files)
        )?,
    }
    Ok(())
}

/// Prints the status of each migration.
pub(super) fn status(
    folder: &Folder,
    database_url: &str,
    history: &History,
    out: &mut impl Write,
) -> Result<(), Failure> {
    announce("status of", database_url)?;
    let migrations = read_migrations(folder, history)?;
    let statuses = block_on(migrations.status(database_url))?.map_err(failed)?;
    let names: Vec<_> = statuses.iter().map(shown_name).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("migration".len());
    let head = format!("{:width$}  {:12}  {:19}  {:>8}", "migration", "state", "applied at (UTC)", "duration");
    writeln!(out, "{head}")?;
    for (MigrationStatus { state, applied_at, took, .. }, name) in statuses.iter().zip(&names) {
        let applied_at = applied_at.as_deref().unwrap_or_default();
        let took = took.map_or_else(String::new, seconds);
        let line = format!("{name:width$}  {:12}  {applied_at:19}  {took:>8}", state_name(*state));
        writeln!(out, "{}", line.trim_end())?;
    }
    let problems = problems(&statuses);
    if problems.is_empty() {
        writeln!(out, "\nup to date: {} applied", counted(statuses.len()))?;
        return Ok(());
    }
    out.flush()?;
    Err(Failure::Found(problems.join("\n")))
}

/// Returns a migration's file name, or its number and description if the file is missing.
fn shown_name(status: &MigrationStatus) -> String {
    match status.state {
        State::Missing => format!("{:04}_{}", status.version, status.name.replace(' ', "_")),
        _ => status.name.clone(),
    }
}

/// Describes the migrations that are not applied or do not match their files, with one line for each state.
fn problems(statuses: &[MigrationStatus]) -> Vec<String> {
    let texts = [
        (State::Pending, "pending: run `gen-migrations apply`"),
        (State::Unfinished, "interrupted: run `gen-migrations apply` to continue, unless it is running"),
        (State::Changed, "edited after it was applied: restore the file from version control"),
        (
            State::Missing,
            "applied without a file: restore the file, or use the migrations of the app version that applied it",
        ),
        (State::OutOfOrder, "numbered below an applied one: renumber the file, or see `gen-migrations rebase`"),
    ];
    let count = |state| statuses.iter().filter(|status| status.state == state).count();
    let counts = texts.into_iter().map(|(state, text)| (count(state), text)).filter(|(count, _)| *count > 0);
    counts.map(|(count, text)| format!("{} {text}", counted(count))).collect()
}

/// Reverts the newest migration, or all migrations after a version.
pub(super) fn revert(
    migrations: &Migrations,
    database_url: &str,
    revert: Revert,
    yes: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    announce("reverting in", database_url)?;
    let files = block_on(migrations.to_revert(database_url, revert))?.map_err(failed)?;
    if files.is_empty() {
        writeln!(out, "nothing to do: no applied migration to revert")?;
        return Ok(());
    }
    report::will_run(&files, out)?;
    out.flush()?;
    if !yes && !confirm(&format!("revert {}?", counted(files.len())))? {
        return Err(Failure::Message("nothing was reverted\n  help: to confirm, re-run with `--yes`".into()));
    }
    let mut display = ProgressDisplay::new("reverted by");
    let reverted = block_on(migrations.revert(database_url, revert, &mut |progress| display.show(progress)))?;
    drop(display);
    writeln!(out, "reverted {}", counted(reverted.map_err(failed)?.len()))?;
    Ok(())
}

fn summary(applied: &Applied) -> String {
    match (applied.versions.len(), applied.before) {
        (0, before) => format!("nothing to do: {} applied already", counted(before)),
        (now, 0) => format!("applied {} in {}", counted(now), seconds(applied.elapsed)),
        (now, before) => {
            let elapsed = seconds(applied.elapsed);
            format!("applied {} in {elapsed}; {before} applied before", counted(now))
        }
    }
}

fn counted(migrations: usize) -> String {
    format!("{migrations} {}", if migrations == 1 { "migration" } else { "migrations" })
}

fn statements(pending: &[Pending<'_>]) -> String {
    let count: usize = pending.iter().map(|pending| pending.statements.len()).sum();
    format!("{count} {}", if count == 1 { "statement" } else { "statements" })
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Applied => "applied",
        State::Pending => "pending",
        State::Unfinished => "interrupted",
        State::Changed => "edited",
        State::Missing => "no file",
        State::OutOfOrder => "out of order",
    }
}
