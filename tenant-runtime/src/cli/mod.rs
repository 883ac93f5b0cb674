//! The command line behind `cargo run --bin gen-migrations`.
//!
//! Exit codes: 0 for success, 1 for a finding or a failure, 2 for an invalid command line.

mod apply;
mod audit;
mod development;
mod explain;
mod generate;
mod harden;
mod init;
mod matrix;
mod password;
mod program;
mod progress;
mod report;
mod runtime;
mod signed_context;
mod target;
mod trial;
mod verify;
mod why;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use self::signed_context::{bind, context_key, unbind};
use clap::{CommandFactory as _, Parser, Subcommand, error::ErrorKind};

use crate::{
    codes::Code,
    migrate::{
        Revert,
        folder::{Folder, FolderError},
        generate::{GenerateError, Generated},
    },
    registry::Models,
};

/// Generates and applies the migrations of structs that derive TenantTable.
///
/// Without a command: compares the models with the migrations folder and writes the next migrations.
#[derive(Debug, Parser)]
#[command(name = "gen-migrations", version, args_conflicts_with_subcommands = false, max_term_width = 80)]
struct Arguments {
    /// Migrations folder [default: `migrations` in the package of the models]
    #[arg(long, value_name = "FOLDER", global = true)]
    dir: Option<PathBuf>,
    /// Write nothing; exit with code 1 if the migrations do not match the models
    #[arg(long)]
    check: bool,
    /// Confirm data loss in the next migration: a table (app.projects) or a column (app.projects.title); repeatable
    #[arg(long, value_name = "NAME", global = true)]
    drop: Vec<String>,
    /// Do not first apply the next migrations to a temporary PostgreSQL, if one is installed
    #[arg(long)]
    no_trial: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up a package: the binary `gen-migrations`, a first model, and lints against raw connections
    ///
    /// Existing files are never overwritten; remaining manual steps are printed.
    Init {
        /// Folder of the package, with its Cargo.toml
        #[arg(default_value = ".")]
        package: PathBuf,
    },
    /// Print the next migrations without writing them
    Show,
    /// Write the files of a hand-written migration as templates
    ///
    /// The next run without a command checks the files and records them in the snapshot.
    New {
        /// Name, such as fill_regions
        name: String,
        /// Table whose rows the migration changes, such as app.projects: FORCE ROW LEVEL SECURITY is lifted for its owner
        #[arg(long, value_name = "TABLE")]
        data: Option<String>,
    },
    /// Remove the newest generated migrations that were applied to no other database
    ///
    /// Reverts them in the development database, deletes their files, and restores the snapshot from git.
    Undo(development::UndoArguments),
    /// Drop, create and migrate a development database on this machine
    ///
    /// Roles are kept: other databases can use them.
    Reset(development::ResetArguments),
    /// Renumber this branch's migrations after another branch's
    ///
    /// Generated migrations are generated again, and hand-written migrations get the next numbers. Works with a snapshot that
    /// still contains the conflict markers, and with the other branch's snapshot.
    Rebase {
        /// This branch's migrations, such as 0002_add_invoices; naming all of them confirms the rebase
        migrations: Vec<String>,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Accept edited migration files that have not been applied yet
    ///
    /// Records their new hashes in the snapshot.
    Rehash {
        /// Files or migrations, such as 0002_add_invoices.up.sql
        #[arg(required = true)]
        files: Vec<String>,
    },
    /// Apply the migrations to a database, or try them on a temporary PostgreSQL
    ///
    /// After a failure or a crash, run `apply` again to continue.
    Apply {
        #[command(flatten)]
        target: target::Target,
        /// Newest version to apply
        #[arg(long, value_name = "VERSION")]
        to: Option<i64>,
        /// Print the statements without running them
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        history: runtime::History,
        #[command(flatten)]
        wait: runtime::Wait,
    },
    /// Show applied and pending migrations (exit code 1 if any are pending)
    Status {
        /// Administrator URL: postgres://user:password@host/database
        #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
        #[command(flatten)]
        history: runtime::History,
    },
    /// Revert the newest migration, or all after a version
    Revert {
        /// Administrator URL: postgres://user:password@host/database
        #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
        /// Version to revert to; 0 reverts all
        #[arg(long, value_name = "VERSION")]
        to: Option<i64>,
        /// Allow data loss
        #[arg(long)]
        allow_data_loss: bool,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        history: runtime::History,
        #[command(flatten)]
        wait: runtime::Wait,
    },
    /// Compare a database with the models and report drift and policy bypasses (exit code 1 if any)
    Audit(audit::Arguments),
    /// Revoke `set_config` from PUBLIC, so that injected SQL cannot change the tenant with it
    ///
    /// Requires a superuser and applies to one database. The app sets its context with SET LOCAL or with a generated function, and
    /// does not call set_config itself.
    Harden(harden::Harden),
    /// Create, install, list and end the keys with which apps sign contexts (`signed_context: true`)
    ///
    /// Rotation: create and install a key with the next number, deploy the app with it, then end the previous key.
    #[command(subcommand)]
    ContextKey(context_key::ContextKey),
    /// Create a login that is bound to a tenant, a user and a role, for SQL that is not the app's
    ///
    /// Such a login, for example of a reporting tool, needs no signature and has no other context, whatever it sets. It has access
    /// while its user is a member of the tenant. The password is read as by `set-password`. For `signed_context: true`.
    #[command(override_usage = "gen-migrations bind-login LOGIN --tenant ID --user ID --role ROLE")]
    BindLogin(bind::Bind),
    /// Remove a bound login: its binding, memberships and settings, and the login role
    UnbindLogin(unbind::Unbind),
    /// Print the declared privileges of each role on each table
    Matrix {
        /// Output format
        #[arg(long, value_enum, default_value_t)]
        format: matrix::Format,
    },
    /// Test a database as every role and report violations of the declaration
    ///
    /// Creates two test tenants in a transaction that is rolled back, so no row is left. With `--database-url`, requires a
    /// superuser.
    Verify(verify::Arguments),
    /// Explain why a command is allowed or denied to a role: the grant, policy and condition
    ///
    /// With a database, a row and a context, each condition is evaluated on the row.
    Why(why::Arguments),
    /// Explain a code of a finding, a migration note or an SQL error, such as TA105; without a code, list all codes
    Explain {
        /// The code (case-insensitive)
        #[arg(value_parser = explain::code)]
        code: Option<&'static Code>,
    },
    /// Set the password of a login role of the app, read from the terminal or from standard input
    ///
    /// At least 12 characters. The SCRAM-SHA-256 verifier is computed locally; the password is not sent to the server. Passwords of
    /// other roles, such as administrators, are not changed.
    SetPassword {
        /// Login role, such as `app_jobs` or `app_viewer_service` [default: the app's login, such as `app_service`]
        #[arg(long)]
        role: Option<String>,
        /// Administrator URL: postgres://user:password@host/database
        #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
    },
}

impl Command {
    /// Returns the URL of a command that requires an administrator.
    fn database_url(&self) -> Option<&str> {
        match self {
            Self::Apply { target, .. } => target.database_url.as_deref(),
            Self::Undo(arguments) => arguments.database_url.as_deref(),
            Self::Reset(arguments) => Some(&arguments.database_url),
            Self::Audit(arguments) => arguments.target.database_url.as_deref(),
            Self::Verify(arguments) => arguments.target.database_url.as_deref(),
            Self::Harden(arguments) => Some(&arguments.database_url),
            Self::ContextKey(command) => command.database_url(),
            Self::BindLogin(arguments) => Some(&arguments.database.database_url),
            Self::UnbindLogin(arguments) => Some(&arguments.database.database_url),
            Self::Status { database_url, .. }
            | Self::Revert { database_url, .. }
            | Self::SetPassword { database_url, .. } => Some(database_url),
            _ => None,
        }
    }
}

/// Tries the next migrations on a temporary PostgreSQL, for tests; returns what the command prints.
#[doc(hidden)]
pub fn trial(generated: &Generated, folder: &Folder) -> Result<String, String> {
    generate::trial(generated, folder).map_err(|failure| match failure {
        Failure::Message(text) => text,
        other => format!("{other:?}"),
    })
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
            // Help and version are not errors, and are printed to standard output.
            if !error.use_stderr() {
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            // The message repeats the arguments, which can include a URL with a password in the wrong position.
            let text = without_passwords(&error.to_string());
            let _ = write!(io::stderr(), "{text}");
            if error.kind() == ErrorKind::MissingRequiredArgument && text.contains("--database-url") {
                let _ = writeln!(io::stderr(), "\n  help: the environment variable DATABASE_URL can give it too");
            }
            return ExitCode::from(2);
        }
    };
    if arguments.check && arguments.command.is_some() {
        let text = "--check cannot be combined with a command: it checks that the migrations match the models";
        let _ = Arguments::command().error(ErrorKind::ArgumentConflict, text).print();
        return ExitCode::from(2);
    }
    let folder = Folder::new(arguments.dir.unwrap_or_else(|| default_folder(&models)));
    if let Err(failure) =
        target::require_administrator(&models, arguments.command.as_ref().and_then(Command::database_url))
    {
        let _ = writeln!(io::stderr(), "{failure}");
        return ExitCode::FAILURE;
    }
    let mut out = io::stdout().lock();
    let drops = arguments.drop.into_iter().collect();
    let result = match arguments.command {
        None if arguments.check => generate::check(&models, &folder, !arguments.no_trial, &mut out),
        None => generate::write(&models, &folder, &drops, !arguments.no_trial, &mut out),
        Some(Command::Init { package }) => init::init(&package, &mut out),
        Some(Command::Show) => generate::show(&models, &folder, &mut out),
        Some(Command::New { name, data }) => development::new(&folder, &name, data.as_deref(), &mut out),
        Some(Command::Undo(arguments)) => development::undo(&folder, &arguments, &mut out),
        Some(Command::Reset(arguments)) => development::reset(&models, &folder, &arguments, &mut out),
        Some(Command::Rebase { migrations, yes }) => {
            generate::rebase(&models, &folder, (&migrations, yes), &drops, &mut out)
        }
        Some(Command::Rehash { files }) => generate::rehash(&folder, &files, &mut out),
        Some(Command::Apply { target, to, dry_run, history, wait }) => match dry_run {
            true => apply::dry_run(&models, &folder, (&target, &history), to, &mut out),
            false => apply::apply(&models, &folder, &target, (&history, &wait), to, &mut out),
        },
        Some(Command::Status { database_url, history }) => apply::status(&folder, &database_url, &history, &mut out),
        Some(Command::Revert { database_url, to, allow_data_loss, yes, history, wait }) => {
            let migrations = runtime::read_migrations(&folder, &history).map(|migrations| wait.on(migrations));
            migrations.and_then(|migrations| {
                apply::revert(&migrations, &database_url, Revert { to, allow_data_loss }, yes, &mut out)
            })
        }
        Some(Command::Audit(arguments)) => audit::run(&models, &folder, &arguments, &mut out),
        Some(Command::Harden(arguments)) => harden::harden(&models, &arguments, &mut out),
        Some(Command::ContextKey(command)) => command.run(&models, &mut out),
        Some(Command::BindLogin(arguments)) => bind::bind(&models, &arguments, &mut out),
        Some(Command::UnbindLogin(arguments)) => unbind::unbind(&models, &arguments, &mut out),
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
        // The reader of the output has closed the pipe, as with `| head`.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = out.flush();
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Replaces the passwords of URLs: the text between `://user:` and `@`.
fn without_passwords(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        out.push_str(before);
        // A password can contain any character except whitespace and quotes, so the password ends
        // at the last `@` of the word.
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

/// A failure or finding that ends a command with exit code 1.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Generate(GenerateError),
    #[error("error: {0}")]
    Message(String),
    /// The command ran and reported findings.
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
            // Each finding already begins with `error:`.
            GenerateError::Models(_) | GenerateError::Refused(_) => Self::Generate(error),
            error => Self::Message(error.to_string()),
        }
    }
}

/// The folder `migrations` in the package of the program; in the current folder if the package was moved.
fn default_folder(models: &Models) -> PathBuf {
    let package = models.package_folder();
    if package.is_dir() { package.join("migrations") } else { PathBuf::from("migrations") }
}

/// Asks for confirmation on a terminal; without one, the answer is no.
fn confirm(question: &str) -> Result<bool, Failure> {
    let answer = ask(&format!("{question} [y/N] "))?;
    Ok(answer.is_some_and(|answer| matches!(answer.as_str(), "y" | "Y" | "yes")))
}

/// Reads a line from a terminal; `None` if standard input is not a terminal.
fn ask(prompt: &str) -> Result<Option<String>, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let mut answer = String::new();
    write!(io::stderr(), "{prompt}")?;
    io::stdin().read_line(&mut answer)?;
    Ok(Some(answer.trim().to_owned()))
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
