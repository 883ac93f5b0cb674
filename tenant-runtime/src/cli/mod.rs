//! The command line behind `cargo run --bin gen-migrations`.
//!
//! Exit codes: 0 when all went well, 1 when something was found or failed, 2 when the command line makes no sense.

mod apply;
mod audit;
mod explain;
mod generate;
mod harden;
mod init;
mod matrix;
mod password;
mod progress;
mod report;
mod target;
mod verify;
mod why;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser, Subcommand, error::ErrorKind};

use crate::{
    codes::Code,
    migrate::{
        Revert,
        folder::{Folder, FolderError},
        generate::GenerateError,
    },
    registry::Models,
};

/// Writes the migrations of structs that derive TenantTable.
///
/// Without a command it compares the models with the migrations folder and writes the next migrations.
#[derive(Debug, Parser)]
#[command(name = "gen-migrations", version, args_conflicts_with_subcommands = false)]
struct Arguments {
    /// The migrations folder [default: `migrations` in the package of this program]
    #[arg(long, value_name = "FOLDER", global = true)]
    dir: Option<PathBuf>,
    /// Write nothing; exit with 1 and say what is missing where the folder is not what the models say
    #[arg(long)]
    check: bool,
    /// Name what the next migration may lose: a table (`app.projects`) or a column (`app.projects.title`); may be repeated
    #[arg(long, value_name = "NAME", global = true)]
    drop: Vec<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make what a package needs to begin: this program, a first model, and lints that ban connections without a context
    ///
    /// Nothing that is there is overwritten. What cannot be done without that is said instead.
    Init {
        /// The folder of the package, in which Cargo.toml is
        #[arg(default_value = ".")]
        package: PathBuf,
    },
    /// Print the next migrations without writing them
    Show,
    /// After two branches added migrations, write this branch's anew behind the other's
    ///
    /// What was generated here is generated again; what was written by hand gets the numbers that follow. The snapshot may
    /// hold both sides of the merge, or be the other branch's.
    Rebase {
        /// This branch's migrations, such as 0002_add_invoices; all of them, where a script says so
        migrations: Vec<String>,
        /// Do it without asking
        #[arg(long)]
        yes: bool,
    },
    /// Take into the snapshot what was edited on purpose, and has run nowhere yet
    Record {
        /// The files or migrations, such as 0002_add_invoices.up.sql
        #[arg(required = true)]
        files: Vec<String>,
    },
    /// Apply the migrations to a database, or try them on a private PostgreSQL
    ///
    /// What failed or was killed goes on where it stopped when this is run again.
    Apply {
        #[command(flatten)]
        target: target::Target,
        /// Apply up to this version
        #[arg(long, value_name = "VERSION")]
        to: Option<i64>,
        /// Print the statements that would run, and run none
        #[arg(long)]
        dry_run: bool,
    },
    /// Say which migrations a database has, and whether they are those of the folder; exit with 1 where it is behind
    Status {
        /// The database, as its administrator: postgres://user:password@host/database
        #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
    },
    /// Undo the newest migration, or all after a version
    Revert {
        /// The database, as its administrator: postgres://user:password@host/database
        #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
        /// The version that stays the newest; 0 for none
        #[arg(long, value_name = "VERSION")]
        to: Option<i64>,
        /// Do it even where rows or columns go with what they hold
        #[arg(long)]
        allow_data_loss: bool,
        /// Do it without asking
        #[arg(long)]
        yes: bool,
    },
    /// Say whether a database is what the models say, and what leads around it; exit with 1 where something is found
    Audit(audit::Arguments),
    /// Take `set_config` from PUBLIC, by which injected SQL could change the tenant; takes a superuser
    ///
    /// It concerns this one database. The app says who acts by SET LOCAL and needs nothing of it.
    Harden {
        /// Give it back to PUBLIC, as PostgreSQL ships it
        #[arg(long)]
        undo: bool,
        /// The database, as a superuser: postgres://postgres:password@host/database
        #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
    },
    /// Print what each role may do with each table, as it is declared
    Matrix {
        /// How to print it
        #[arg(long, value_enum, default_value_t)]
        format: matrix::Format,
    },
    /// Attack a database as every role, and tell what differs from the declaration
    ///
    /// Two tenants are made up in a transaction that is rolled back: no row is left.
    Verify(verify::Arguments),
    /// Tell why a role may do something or not: which grant, which policy, which part of it
    ///
    /// With a database, a row and a context each part is evaluated on the row.
    Why(why::Arguments),
    /// Explain a code of a finding, a migration note or an SQL error, such as TA105; without one, list all codes
    Explain {
        /// The code, in any letter case
        #[arg(value_parser = explain::code)]
        code: Option<&'static Code>,
    },
    /// Set the password of a login of the app, read from standard input
    ///
    /// The server gets a SCRAM-SHA-256 verifier that is made here; the password goes nowhere.
    SetPassword {
        /// The login, such as `app_jobs` or `app_viewer_service` [default: the app's own, such as `app_service`]
        #[arg(long)]
        role: Option<String>,
        /// The database, as its administrator: postgres://user:password@host/database
        #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
    },
}

impl Command {
    /// Returns the URL of the database that an administrator is to name.
    fn database_url(&self) -> Option<&str> {
        match self {
            Self::Apply { target, .. } => target.database_url.as_deref(),
            Self::Audit(arguments) => arguments.target.database_url.as_deref(),
            Self::Verify(arguments) => arguments.target.database_url.as_deref(),
            Self::Status { database_url }
            | Self::Revert { database_url, .. }
            | Self::Harden { database_url, .. }
            | Self::SetPassword { database_url, .. } => Some(database_url),
            _ => None,
        }
    }
}

/// Runs the command line; the `main` of a program that holds models.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     tenant_runtime::cli::main(tenant_runtime::models![])
/// }
/// ```
#[must_use]
pub fn main(models: Models) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output and are no mistake.
            if !error.use_stderr() {
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            // It repeats what was typed, which may be a URL with a password in the wrong place.
            let _ = write!(io::stderr(), "{}", without_passwords(&error.to_string()));
            return ExitCode::from(2);
        }
    };
    if arguments.check && arguments.command.is_some() {
        let text = "--check goes with no command: it says whether the folder is what the models say";
        let _ = Arguments::command().error(ErrorKind::ArgumentConflict, text).print();
        return ExitCode::from(2);
    }
    let folder = Folder::new(arguments.dir.unwrap_or_else(|| default_folder(&models)));
    if let Err(failure) = target::administrators(&models, arguments.command.as_ref().and_then(Command::database_url)) {
        let _ = writeln!(io::stderr(), "{failure}");
        return ExitCode::FAILURE;
    }
    let mut out = io::stdout().lock();
    let drops = arguments.drop.into_iter().collect();
    let result = match arguments.command {
        None if arguments.check => generate::check(&models, &folder, &mut out),
        None => generate::write(&models, &folder, &drops, &mut out),
        Some(Command::Init { package }) => init::init(&package, &mut out),
        Some(Command::Show) => generate::show(&models, &folder, &mut out),
        Some(Command::Rebase { migrations, yes }) => {
            generate::rebase(&models, &folder, (&migrations, yes), &drops, &mut out)
        }
        Some(Command::Record { files }) => generate::record(&folder, &files, &mut out),
        Some(Command::Apply { target, to, dry_run }) => match dry_run {
            true => apply::dry_run(&models, &folder, &target, to, &mut out),
            false => apply::apply(&models, &folder, &target, to, &mut out),
        },
        Some(Command::Status { database_url }) => apply::status(&folder, &database_url, &mut out),
        Some(Command::Revert { database_url, to, allow_data_loss, yes }) => {
            apply::revert(&folder, &database_url, Revert { to, allow_data_loss }, yes, &mut out)
        }
        Some(Command::Audit(arguments)) => audit::run(&models, &folder, &arguments, &mut out),
        Some(Command::Harden { undo, database_url }) => harden::harden(&database_url, undo, &mut out),
        Some(Command::Matrix { format }) => matrix::matrix(&models, format, &mut out),
        Some(Command::Verify(arguments)) => verify::verify(&models, &folder, &arguments, &mut out),
        Some(Command::Why(arguments)) => why::why(&models, arguments, &mut out),
        Some(Command::Explain { code }) => explain::explain(code, &mut out),
        Some(Command::SetPassword { role, database_url }) => {
            password::set_password(&models, role, &database_url, &mut out)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has enough of it, as with `| head`.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = out.flush();
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Leaves out what stands between `://user:` and `@`.
fn without_passwords(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        out.push_str(before);
        // A password may hold any sign but a blank or a quote, so the last `@` of the word ends it.
        let word = url.find(|c: char| c.is_whitespace() || c == '\'').unwrap_or(url.len());
        rest = match url[..word].rfind('@').and_then(|end| Some((url[..end].find(':')?, end))) {
            Some((colon, end)) => {
                out.push_str(&url[..colon]);
                out.push_str(":…");
                &url[end..]
            }
            None => url,
        };
    }
    out + rest
}

/// What ends a command with exit code 1.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Generate(GenerateError),
    #[error("error: {0}")]
    Message(String),
    /// Nothing failed; what was looked for is there.
    #[error("{0}")]
    Found(String),
    #[error("error: cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        Self::Message(error.to_string())
    }
}

impl From<GenerateError> for Failure {
    fn from(error: GenerateError) -> Self {
        match error {
            // The findings say `error:` themselves, one by one.
            GenerateError::Models(_) | GenerateError::Refused(_) => Self::Generate(error),
            error => Self::Message(error.to_string()),
        }
    }
}

/// The folder beside the sources of the program; where those are elsewhere by now, beside the caller.
fn default_folder(models: &Models) -> PathBuf {
    let package = models.package_folder();
    if package.is_dir() { package.join("migrations") } else { PathBuf::from("migrations") }
}

/// Asks a person; where none is, the answer is no.
fn confirm(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut answer = String::new();
    write!(io::stderr(), "{question} [y/N] ")?;
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_passwords_are_redacted() {
        let text = "unexpected 'postgres://u:s@c:r@h/d' and 'postgres://u@h/d' and https://x.y/z";
        assert_eq!(without_passwords(text), "unexpected 'postgres://u:…@h/d' and 'postgres://u@h/d' and https://x.y/z");
    }
}
