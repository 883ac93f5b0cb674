//! The commands that run the folder on a database: `apply`, `status` and `revert`.

use std::io::Write;

use super::{
    Failure, confirm,
    progress::{Shown, seconds},
    target::Target,
};
use crate::{
    error::Error,
    migrate::{Applied, MigrationStatus, Migrations, Pending, Revert, State, folder::Folder, generate::generate},
    registry::Models,
};

/// Applies the folder to the database of the URL; to a private one where there is none.
pub(super) fn apply(
    models: &Models,
    folder: &Folder,
    target: &Target,
    to: Option<i64>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    follows(models, folder)?;
    match &target.database_url {
        Some(url) => {
            let applied = run(folder, url, to)?;
            writeln!(out, "{}", summary(&applied))?;
        }
        None => {
            let server = target.private_server()?;
            let applied = run(folder, &server.admin_url(), to)?;
            writeln!(out, "{}", summary(&applied))?;
            writeln!(
                out,
                "tried on a private {}, which is gone again; no database of yours was touched",
                server.origin()
            )?;
            writeln!(out, "\nto apply them for good, add `--database-url postgres://administrator@host/database`")?;
        }
    }
    Ok(())
}

/// Prints what `apply` would run, and runs nothing.
pub(super) fn dry_run(
    models: &Models,
    folder: &Folder,
    target: &Target,
    to: Option<i64>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    follows(models, folder)?;
    let Some(url) = &target.database_url else {
        return Err(Failure::Message(
            "what is pending depends on the database\n  help: name it: --database-url postgres://administrator@host/database"
                .into(),
        ));
    };
    let migrations = read(folder)?;
    let pending = block_on(migrations.pending(url, to))?.map_err(|error| Failure::Message(chain(&error)))?;
    for Pending { file, transaction, statements, .. } in &pending {
        let how = if *transaction { "in one transaction" } else { "outside a transaction" };
        writeln!(out, "-- {file}, {how}\n")?;
        for statement in statements {
            writeln!(out, "{};\n", statement.text)?;
        }
    }
    match pending.len() {
        0 => writeln!(out, "-- nothing to do: all migrations have been applied")?,
        files => writeln!(out, "-- nothing was run; `apply` would run {} of {}", statements(&pending), counted(files))?,
    }
    Ok(())
}

/// Says of each migration how it stands.
pub(super) fn status(folder: &Folder, database_url: &str, out: &mut impl Write) -> Result<(), Failure> {
    let migrations = read(folder)?;
    let standings = block_on(migrations.status(database_url))?.map_err(|error| Failure::Message(chain(&error)))?;
    let width = standings.iter().map(|standing| standing.name.chars().count()).max().unwrap_or(0);
    let head = format!("{:>4}  {:width$}  {:12}  {:23}  {:>8}", "", "migration", "state", "since", "took");
    writeln!(out, "{}", head.trim_end())?;
    for MigrationStatus { version, name, state, applied_at, took, .. } in &standings {
        let applied_at = applied_at.as_ref().map_or_else(String::new, |at| format!("{at} UTC"));
        let took = took.map_or_else(String::new, seconds);
        let line = format!("{version:>4}  {name:width$}  {:12}  {applied_at:23}  {took:>8}", state_name(*state));
        writeln!(out, "{}", line.trim_end())?;
    }
    let counts = [
        (State::Pending, "to be applied: run `apply`"),
        (State::Unfinished, "interrupted: `apply` goes on, unless it runs just now"),
        (State::Changed, "not what was applied: take the file from version control again"),
        (State::Missing, "applied, and not among the files: look for a newer version of the app"),
        (State::OutOfOrder, "numbered below what was applied: give the file the next number, or see `rebase`"),
    ];
    let of = |state| standings.iter().filter(|standing| standing.state == state).count();
    let found: Vec<_> = counts
        .into_iter()
        .filter_map(|(state, what)| Some((of(state), what)).filter(|(count, _)| *count > 0))
        .map(|(count, what)| format!("{} {what}", counted(count)))
        .collect();
    if found.is_empty() {
        writeln!(out, "\nup to date: {} applied", counted(standings.len()))?;
        return Ok(());
    }
    out.flush()?;
    Err(Failure::Found(found.join("\n")))
}

/// Reverts the newest migration, or those after a version.
pub(super) fn revert(
    folder: &Folder,
    database_url: &str,
    revert: Revert,
    yes: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let migrations = read(folder)?;
    let failed = |error: Error| Failure::Message(chain(&error));
    let files = block_on(migrations.to_revert(database_url, revert))?.map_err(failed)?;
    if files.is_empty() {
        writeln!(out, "nothing to do: nothing is applied that should be reverted")?;
        return Ok(());
    }
    for file in &files {
        let loses = file.loses.map_or_else(String::new, |what| format!(", which loses data: {what}"));
        writeln!(out, "will run {}{loses}", file.file)?;
    }
    out.flush()?;
    if !yes && !confirm(&format!("revert {}?", counted(files.len())))? {
        return Err(Failure::Message("nothing was reverted\n  help: say that it shall be, with `revert --yes`".into()));
    }
    let mut shown = Shown::new("reverted by");
    let reverted = block_on(migrations.revert(database_url, revert, &mut |progress| shown.show(progress)))?;
    drop(shown);
    writeln!(out, "reverted {}", counted(reverted.map_err(failed)?.len()))?;
    Ok(())
}

/// Refuses a folder that is behind the models.
pub(super) fn follows(models: &Models, folder: &Folder) -> Result<(), Failure> {
    match generate(models, folder)?.migrations.is_empty() {
        true => Ok(()),
        false => Err(Failure::Message(
            "the models say more than the migrations folder\n  help: first run this program without a command, which writes \
             what is missing"
                .into(),
        )),
    }
}

fn read(folder: &Folder) -> Result<Migrations, Failure> {
    block_on(Migrations::from_dir(folder.path()))?.map_err(|error| Failure::Message(chain(&error)))
}

pub(super) fn run(folder: &Folder, url: &str, to: Option<i64>) -> Result<Applied, Failure> {
    let migrations = read(folder)?;
    let mut shown = Shown::new("applied");
    block_on(migrations.apply_to(url, to, &mut |progress| shown.show(progress)))?
        .map_err(|error| Failure::Message(chain(&error)))
}

/// Runs what waits for the database.
pub(super) fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Message(format!("cannot start the async runtime: {error}")))?;
    Ok(runtime.block_on(future))
}

fn summary(applied: &Applied) -> String {
    match (applied.versions.len(), applied.before) {
        (0, before) => format!("nothing to do: all {before} migrations had been applied"),
        (now, 0) => format!("applied {} in {}", counted(now), seconds(applied.elapsed)),
        (now, before) => {
            format!("applied {} after {before} earlier ones in {}", counted(now), seconds(applied.elapsed))
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
        State::Unfinished => "unfinished",
        State::Changed => "edited",
        State::Missing => "missing",
        State::OutOfOrder => "out of order",
    }
}

/// Writes an error with what caused it, a line each. Some errors of sqlx end in their cause already.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string);
    causes.fold(error.to_string(), |text, cause| match text.ends_with(&cause) {
        true => text,
        false => format!("{text}\n  caused by: {cause}"),
    })
}
