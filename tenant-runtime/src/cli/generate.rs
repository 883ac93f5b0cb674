//! The commands that look at models and folder: write, `--check`, `show`, `rebase` and `record`.

use std::{collections::BTreeSet, io::Write};

use super::{Failure, confirm, report};
use crate::{
    migrate::{
        folder::Folder,
        generate::{GenerateError, generate},
        rebase::{RebaseError, rebase as plan_rebase},
    },
    registry::Models,
};

/// Writes the next migrations.
pub(super) fn write(
    models: &Models,
    folder: &Folder,
    drops: &BTreeSet<String>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let generated = generate(models, folder)?;
    report::warnings(&generated.checked.warnings);
    match generated.write(folder, drops)? {
        None => report::nothing_to_do(folder, &generated.checked.schema, out)?,
        Some(written) => {
            report::changes(&generated, out)?;
            report::written(&written, &generated, out)?;
        }
    }
    Ok(())
}

/// Prints the next migrations.
pub(super) fn show(models: &Models, folder: &Folder, out: &mut impl Write) -> Result<(), Failure> {
    let generated = generate(models, folder)?;
    report::warnings(&generated.checked.warnings);
    if generated.migrations.is_empty() {
        report::nothing_to_do(folder, &generated.checked.schema, out)?;
    }
    for (index, migration) in generated.migrations.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        out.write_all(migration.up.as_bytes())?;
    }
    Ok(())
}

/// Says whether the folder is what the models say, and what is missing.
pub(super) fn check(models: &Models, folder: &Folder, out: &mut impl Write) -> Result<(), Failure> {
    let generated = generate(models, folder)?;
    report::warnings(&generated.checked.warnings);
    if generated.is_nothing() {
        report::in_order(folder, &generated.checked.schema, out)?;
        return Ok(());
    }
    report::missing(&generated, out)?;
    Err(Failure::Message(format!(
        "`{}` is not what the models say\n  help: run this command without `--check`, review what it writes, and commit it",
        report::short(folder.path())
    )))
}

/// Writes this branch's migrations anew behind those of another branch.
pub(super) fn rebase(
    models: &Models,
    folder: &Folder,
    (own, yes): (&[String], bool),
    drops: &BTreeSet<String>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let rebase = plan_rebase(models, folder, own, drops).map_err(|error| match error {
        // The findings say `error:` themselves, one by one.
        RebaseError::Generate(error @ (GenerateError::Models(_) | GenerateError::Refused(_))) => {
            Failure::Generate(error)
        }
        error => Failure::Message(super::apply::chain(&error)),
    })?;
    report::warnings(&rebase.checked.warnings);
    report::rebase(&rebase, out)?;
    out.flush()?;
    let named = |name: &String| own.iter().any(|own| own == name || own.starts_with(&format!("{name}.")));
    let agreed = yes || rebase.replaced.iter().all(named) || confirm("is that right, and have these run nowhere yet?")?;
    if !agreed {
        return Err(Failure::Message(format!(
            "nothing was written\n  help: say so with `rebase --yes`, or name the migrations to write anew: `rebase {}`; what has \
             run on a database is to be undone there first, with `revert`",
            rebase.replaced.join(" ")
        )));
    }
    let written = rebase.write(folder)?;
    report::files(&written, out)?;
    Ok(())
}

/// Takes edited files into the snapshot.
pub(super) fn record(folder: &Folder, files: &[String], out: &mut impl Write) -> Result<(), Failure> {
    for name in folder.record(files)? {
        writeln!(out, "recorded {name}")?;
    }
    Ok(())
}
