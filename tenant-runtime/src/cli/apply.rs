//! `apply`: the migrations of the folder run on a database, or are tried on a private PostgreSQL.

use std::{
    io::{self, IsTerminal as _, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Failure;
use crate::{
    migrate::{
        apply::{Applied, Migrations, Progress},
        folder::Folder,
        generate::generate,
    },
    registry::Models,
    server::{Server, ServerOptions},
};

/// Applies the folder to the database of the URL; to a private one where there is none.
pub(super) fn apply(
    models: &Models,
    folder: &Folder,
    database_url: Option<&str>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    if !generate(models, folder)?.migrations.is_empty() {
        return Err(Failure::Message(
            "the models say more than the migrations folder\n  help: first run this command without `apply`, which writes \
             what is missing"
                .into(),
        ));
    }
    match database_url {
        Some(url) => {
            let applied = run(folder, url)?;
            writeln!(out, "{}", summary(&applied))?;
        }
        None => {
            let server = private_server()?;
            let applied = run(folder, &server.admin_url())?;
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

fn private_server() -> Result<Server, Failure> {
    let options = ServerOptions { fetch: true, ..ServerOptions::default() };
    let mut say = |text: &str| {
        let _ = writeln!(io::stderr(), "{text}");
    };
    Server::start_with(&options, &mut say).map_err(|error| Failure::Message(chain(&error)))
}

fn run(folder: &Folder, url: &str) -> Result<Applied, Failure> {
    let mut shown = Shown::new();
    block_on(async {
        let migrations = Migrations::from_dir(folder.path()).await?;
        migrations.apply(url, &mut |progress| shown.show(progress)).await
    })?
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
        (now, 0) => format!("applied {now} of {now} migrations in {}", seconds(applied.elapsed)),
        (now, before) => {
            format!("applied {now} migrations after {before} earlier ones in {}", seconds(applied.elapsed))
        }
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

fn seconds(elapsed: Duration) -> String {
    format!("{:.2} s", elapsed.as_secs_f64())
}

/// A progress bar where a person waits, and plain lines where none does.
struct Shown {
    bar: ProgressBar,
    person: bool,
}

impl Shown {
    fn new() -> Self {
        let person = io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:30}] {pos}/{len} {msg} ({elapsed})") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, person }
    }

    fn show(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Locking => self.bar.set_message("waiting for whoever else migrates this database"),
            Progress::Applying { file, index, of, .. } => {
                self.bar.set_length(of as u64);
                self.bar.set_position(index.saturating_sub(1) as u64);
                self.bar.set_message(file.to_owned());
                if self.person {
                    self.bar.enable_steady_tick(Duration::from_millis(100));
                }
            }
            Progress::Retrying { file, attempt } => {
                self.line(&format!("  {file}: roles were being changed elsewhere in the cluster; try {attempt}"));
            }
            Progress::Applied { file, elapsed, .. } => {
                self.bar.inc(1);
                self.line(&format!("  applied {file} in {}", seconds(elapsed)));
            }
        }
    }

    fn line(&self, text: &str) {
        if self.person {
            self.bar.println(text);
        } else {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
