//! The commands that compare the models with the migrations folder: generate, `--check`, `show`, `rebase` and `rehash`.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use super::{
    Failure, confirm,
    program::program,
    report,
    runtime::failed,
    trial::{TrialResult, try_migrations},
};
use crate::{
    migrate::{
        folder::Folder,
        generate::{GenerateError, Generated, generate},
        rebase::{RebaseError, rebase as plan_rebase},
    },
    registry::Models,
};

/// Writes the next migrations.
pub(super) fn write(
    models: &Models,
    folder: &Folder,
    drops: &BTreeSet<String>,
    trial: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let generated = generate(models, folder)?;
    report::warnings(&generated.checked.warnings);
    generated.plan.confirm(drops).map_err(GenerateError::from)?;
    if trial {
        try_next(&generated, folder)?;
    }
    match generated.write(folder, drops)? {
        Some(written) if !generated.is_nothing() => {
            report::changes(&generated, out)?;
            report::written(&written, &generated, &program(models), out)?;
        }
        _ => report::overview(folder, &generated.checked.schema, &program(models), out)?,
    }
    report::applied_renames(&generated, out)?;
    Ok(())
}

/// Tries the next migrations on a temporary PostgreSQL, and says on standard error what came of it.
fn try_next(generated: &Generated, folder: &Folder) -> Result<(), Failure> {
    if generated.migrations.is_empty() {
        return Ok(());
    }
    writeln!(io::stderr(), "{}\n", trial(generated, folder)?)?;
    Ok(())
}

/// Tries the next migrations on a temporary PostgreSQL, and describes the result.
pub(super) fn trial(generated: &Generated, folder: &Folder) -> Result<String, Failure> {
    Ok(match try_migrations(generated, folder)? {
        TrialResult::Passed { server, rows: 0 } => {
            format!("tried on a temporary {server}: the next migrations can be applied")
        }
        TrialResult::Passed { server, rows } => {
            format!("tried on a temporary {server}: the next migrations were applied over {rows} generated rows")
        }
        TrialResult::DependsOnRows { server, error } => format!(
            "tried on a temporary {server}: with generated rows, a migration fails, as it does if your rows have such values\n  {}",
            error.replace('\n', "\n  ")
        ),
        TrialResult::Skipped(why) => format!("the next migrations were not tried: {why}"),
    })
}

/// Prints the next migrations.
pub(super) fn show(models: &Models, folder: &Folder, out: &mut impl Write) -> Result<(), Failure> {
    let generated = generate(models, folder)?;
    report::warnings(&generated.checked.warnings);
    if generated.migrations.is_empty() {
        report::up_to_date(&generated.checked.schema, out)?;
    }
    for (index, migration) in generated.migrations.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        out.write_all(migration.up.as_bytes())?;
    }
    Ok(())
}

/// Checks that the migrations match the models, and prints what is missing.
pub(super) fn check(models: &Models, folder: &Folder, trial: bool, out: &mut impl Write) -> Result<(), Failure> {
    let generated = generate(models, folder)?;
    report::warnings(&generated.checked.warnings);
    if generated.is_nothing() {
        report::up_to_date(&generated.checked.schema, out)?;
        return Ok(());
    }
    if trial {
        try_next(&generated, folder)?;
    }
    report::missing(&generated, out)?;
    Err(Failure::Message(format!(
        "the migrations in `{}` do not match the models\n  help: run `gen-migrations` without `--check`, review the files that it \
         writes, and commit them",
        report::short(folder.path())
    )))
}

/// Renumbers this branch's migrations after those of another branch.
pub(super) fn rebase(
    models: &Models,
    folder: &Folder,
    (own, yes): (&[String], bool),
    drops: &BTreeSet<String>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let rebase = plan_rebase(models, folder, own, drops).map_err(rebase_failure)?;
    report::warnings(&rebase.checked.warnings);
    report::rebase(&rebase, out)?;
    out.flush()?;
    let named = |name: &String| own.iter().any(|own| own == name || own.starts_with(&format!("{name}.")));
    let agreed = yes
        || rebase.replaced.iter().all(named)
        || confirm("rebase? These migrations must not have been applied anywhere.")?;
    if !agreed {
        return Err(Failure::Message(format!(
            "nothing was written\n  help: to confirm, re-run with `--yes` or name the migrations: `gen-migrations rebase {}`; first `gen-migrations revert` \
             those that were applied to a database",
            rebase.replaced.join(" ")
        )));
    }
    let written = rebase.write(folder)?;
    report::files(&written, out)?;
    Ok(())
}

fn rebase_failure(error: RebaseError) -> Failure {
    match error {
        // Each finding already begins with `error:`.
        RebaseError::Generate(error @ (GenerateError::Models(_) | GenerateError::Refused(_))) => {
            Failure::Generate(error)
        }
        error => failed(error),
    }
}

/// Records the new hashes of edited files in the snapshot.
pub(super) fn rehash(folder: &Folder, files: &[String], out: &mut impl Write) -> Result<(), Failure> {
    for name in folder.rehash(files)? {
        writeln!(out, "recorded the new hash of {name}")?;
    }
    Ok(())
}
