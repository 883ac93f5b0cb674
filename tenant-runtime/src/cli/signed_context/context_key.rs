//! `context-key`: creates, installs, lists and ends the keys with which apps sign contexts.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal as _, Write},
    path::{Path, PathBuf},
};

use sqlx::{PgConnection, Row as _};

use super::{Administrator, SignedTenancy, database, has_code, key_source, reset_role, run, set_role};
use crate::{
    cli::{Failure, runtime::block_on, target::announce},
    db::assert_sql_safe,
    hex::hex,
    model::names,
    registry::Models,
};

/// The commands for context keys.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum ContextKey {
    /// Create a key: its number, a colon and 32 random bytes, as the app and `install` read it
    Create {
        /// Number of the key, which the app sends with each signature
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i16).range(1..))]
        number: i16,
        /// New file for the key, readable only by its owner [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Install a key in a database
    ///
    /// The database stores the key, so leave the table `context_keys` out of dumps. The key is sent as a parameter; the command
    /// stops if the server would write it to its log.
    #[command(
        override_usage = "gen-migrations context-key install --key-file FILE [OPTIONS]\n       gen-migrations context-key install --key-env NAME [OPTIONS]"
    )]
    Install(Install),
    /// List the keys of a database: number, login, roles and end, but not the keys
    List {
        #[command(flatten)]
        database: Database,
    },
    /// End the validity of a key
    End {
        /// Number of the key
        #[arg(value_parser = clap::value_parser!(i16).range(1..))]
        number: i16,
        /// Time at which the key ends, such as 2030-01-31 12:00; without a time zone in UTC [default: now]
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        #[command(flatten)]
        database: Database,
    },
    /// Replace the key with which the database seals contexts
    ///
    /// Statements of transactions that are open at that moment fail afterwards. Use it after a copy of the database was disclosed.
    RenewSeal {
        #[command(flatten)]
        database: Database,
    },
}

/// The database of a command.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Database {
    /// Administrator URL: postgres://user:password@host/database
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(in crate::cli) database_url: String,
}

/// The arguments of `context-key install`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Install {
    #[command(flatten)]
    key: key_source::KeySource,
    /// The only login role for which the key is valid [default: every login]
    #[arg(long, value_name = "LOGIN")]
    login: Option<String>,
    /// A role for which the key is valid; repeatable [default: every role]
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// Time at which the key ends, such as 2030-01-31 12:00; without a time zone in UTC [default: never]
    #[arg(long, value_name = "TIME")]
    not_after: Option<String>,
    /// Replace a key that is installed under this number
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    database: Database,
}

impl ContextKey {
    /// Returns the administrator's URL, if the command has one.
    pub(in crate::cli) fn database_url(&self) -> Option<&str> {
        match self {
            Self::Create { .. } => None,
            Self::Install(Install { database, .. })
            | Self::List { database }
            | Self::End { database, .. }
            | Self::RenewSeal { database } => Some(&database.database_url),
        }
    }

    /// Runs the command.
    pub(in crate::cli) fn run(&self, models: &Models, out: &mut impl Write) -> Result<(), Failure> {
        let tenancy = SignedTenancy::of(models)?;
        match self {
            Self::Create { number, output } => create(*number, output.as_deref(), out),
            Self::Install(arguments) => install(tenancy, arguments, out),
            Self::List { database } => {
                announce("reading the context keys of", &database.database_url)?;
                write!(out, "{}", block_on(list(&database.database_url, tenancy))??)?;
                Ok(())
            }
            Self::End { number, at, database } => {
                announce(&format!("ending context key {number} of"), &database.database_url)?;
                let end = block_on(end(&database.database_url, tenancy, *number, at.as_deref()))??;
                writeln!(
                    out,
                    "context key {number} ends at {end}; apps that still sign with it cannot begin a transaction afterwards"
                )?;
                Ok(())
            }
            Self::RenewSeal { database } => {
                announce("replacing the key for seals of", &database.database_url)?;
                block_on(renew_seal(&database.database_url, tenancy))??;
                writeln!(
                    out,
                    "replaced the key for seals; statements of transactions that were open fail with SQLSTATE TT006"
                )?;
                Ok(())
            }
        }
    }
}

/// Writes a new key.
fn create(number: i16, output: Option<&Path>, out: &mut impl Write) -> Result<(), Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::Message(format!("the operating system returns no random bytes: {error}")))?;
    let key = format!("{number}:{}\n", hex(&bytes));
    let Some(path) = output else {
        if io::stdout().is_terminal() {
            writeln!(io::stderr(), "the next line is secret; `--output FILE` writes it to a file instead")?;
        }
        out.write_all(key.as_bytes())?;
        return Ok(());
    };
    write_new(path, &key).map_err(|error| {
        let help = match error.kind() {
            io::ErrorKind::AlreadyExists => {
                "\n  help: name another file, or move this one away; a key is never overwritten"
            }
            io::ErrorKind::NotFound => "\n  help: create its folder first",
            _ => "",
        };
        Failure::Message(format!("cannot create the key file `{}`: {error}{help}", path.display()))
    })?;
    writeln!(out, "wrote context key {number} to `{}`; keep it out of version control", path.display())?;
    writeln!(out, "next: `gen-migrations context-key install --key-file {}`", path.display())?;
    Ok(())
}

/// Creates a file that only its owner can read, and writes a text to it.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn install(tenancy: SignedTenancy, arguments: &Install, out: &mut impl Write) -> Result<(), Failure> {
    let roles = database_roles(tenancy, &arguments.role)?;
    let key = arguments.key.read()?;
    let number = key.number;
    let url = &arguments.database.database_url;
    announce(&format!("installing context key {number} in"), url)?;
    block_on(install_on(url, tenancy, arguments, &roles, &key))??;
    writeln!(out, "installed context key {number}")?;
    writeln!(
        out,
        "rotation: deploy the app with this key, then end the previous one with `gen-migrations context-key end`"
    )?;
    if arguments.login.is_none() {
        writeln!(out, "it is valid for every login; `--login` limits it to the login of one app")?;
    }
    Ok(())
}

/// Returns the database roles for the arguments; also the roles without a tenant and for cross-tenant jobs.
fn database_roles(tenancy: SignedTenancy, arguments: &[String]) -> Result<Vec<String>, Failure> {
    let more = [names::NO_TENANT, names::SYSTEM].map(|own| (own, tenancy.0.database_role(own)));
    let resolve = |name: &String| {
        let other = more.iter().find(|(own, database)| *own == name || database == name);
        let role = tenancy.database_role(name).or_else(|| other.map(|(_, database)| database.clone()));
        role.ok_or_else(|| {
            let [(_, no_tenant), (_, system)] = &more;
            Failure::Message(format!(
                "`{name}` is not a role of this product\n  help: use {}, `{no_tenant}` or `{system}`",
                tenancy.database_roles()
            ))
        })
    };
    arguments.iter().map(resolve).collect()
}

async fn install_on(
    url: &str,
    tenancy: SignedTenancy,
    arguments: &Install,
    roles: &[String],
    key: &key_source::Key,
) -> Result<(), Failure> {
    let mut administrator = Administrator::connect(url, tenancy).await?;
    let mut transaction = administrator.begin().await?;
    keep_parameters_out_of_the_log(&mut transaction).await?;
    if let Some(login) = &arguments.login {
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1 AND rolcanlogin)";
        let exists: bool = sqlx::query_scalar(sql).bind(login).fetch_one(&mut *transaction).await.map_err(database)?;
        if !exists {
            return Err(Failure::Message(format!(
                "`{login}` is not a login role of this server; nothing was changed\n  help: name the login of the app, such as `{}`",
                tenancy.0.login(None)
            )));
        }
    }
    if !arguments.replace && is_installed(&mut transaction, tenancy, key.number).await? {
        return Err(Failure::Message(format!(
            "context key {0} is already installed; nothing was changed\n  help: create a key with another number for a rotation, or \
             replace key {0} with `--replace`: apps that sign with the old one then cannot begin a transaction",
            key.number
        )));
    }
    set_role(&mut transaction, &tenancy.schema_owner()).await?;
    let sql = format!("SELECT {}($1, $2, $3, $4, $5::text::timestamptz)", tenancy.function(names::SET_CONTEXT_KEY));
    sqlx::query(assert_sql_safe(sql))
        .bind(key.number)
        .bind(&key.bytes)
        .bind(arguments.login.as_deref())
        .bind(Some(roles).filter(|roles| !roles.is_empty()))
        .bind(arguments.not_after.as_deref())
        .execute(&mut *transaction)
        .await
        .map_err(|error| time_error(error, arguments.not_after.as_deref()))?;
    transaction.commit().await.map_err(database)?;
    administrator.close().await;
    Ok(())
}

/// Prevents the server from writing the parameters of the next statement to its log; an error if it would.
async fn keep_parameters_out_of_the_log(transaction: &mut PgConnection) -> Result<(), Failure> {
    run(transaction, "SET LOCAL log_parameter_max_length_on_error = 0").await?;
    let settings = [
        ("log_parameter_max_length", "0"),
        ("pgaudit.log_parameter", "off"),
        ("auto_explain.log_parameter_max_length", "0"),
    ];
    for (setting, value) in settings {
        let sql =
            "SELECT pg_catalog.current_setting($1, true) IS NOT NULL AND pg_catalog.has_parameter_privilege($1, 'SET')";
        let can_set = sqlx::query_scalar(sql).bind(setting).fetch_one(&mut *transaction).await.map_err(database)?;
        if can_set {
            run(transaction, &format!("SET LOCAL {setting} = {value}")).await?;
        }
    }
    let sql = "SELECT (
            current_setting('log_parameter_max_length') <> '0' AND (
                current_setting('log_statement') = 'all' OR current_setting('log_min_duration_statement') = '0'
                OR current_setting('log_min_duration_sample') = '0' OR current_setting('log_transaction_sample_rate')::float8 > 0
            )
        ) OR COALESCE(current_setting('pgaudit.log_parameter', true), 'off') = 'on'
        OR COALESCE(current_setting('auto_explain.log_parameter_max_length', true), '0') <> '0'
            AND COALESCE(current_setting('auto_explain.log_min_duration', true), '-1') = '0'";
    let is_logged = sqlx::query_scalar(sql).fetch_one(transaction).await.map_err(database)?;
    match is_logged {
        false => Ok(()),
        true => Err(Failure::Message(
            "the server would write the key to its log, which contains the parameters of statements; nothing was changed\n  help: \
             use the URL of a superuser, or let one run `GRANT SET ON PARAMETER log_parameter_max_length TO` the login in the URL"
                .into(),
        )),
    }
}

async fn is_installed(transaction: &mut PgConnection, tenancy: SignedTenancy, number: i16) -> Result<bool, Failure> {
    set_role(transaction, &tenancy.function_owner()).await?;
    let sql = format!("SELECT EXISTS (SELECT FROM {} WHERE id = $1)", tenancy.table(names::CONTEXT_KEYS));
    let found = sqlx::query_scalar(assert_sql_safe(sql)).bind(number).fetch_one(&mut *transaction).await;
    let found = found.map_err(database)?;
    reset_role(transaction).await?;
    Ok(found)
}

/// Returns the keys as a table of text.
async fn list(url: &str, tenancy: SignedTenancy) -> Result<String, Failure> {
    let mut administrator = Administrator::connect(url, tenancy).await?;
    let mut transaction = administrator.begin().await?;
    set_role(&mut transaction, &tenancy.function_owner()).await?;
    let sql = format!(
        "SELECT id::text, CASE WHEN id = 0 THEN 'seals, made by the database' WHEN not_after > now() THEN 'valid' ELSE 'ended' END,
            COALESCE(login, 'all'), COALESCE(array_to_string(roles, ', '), 'all'),
            CASE WHEN not_after = 'infinity' THEN 'never' ELSE to_char(not_after, 'YYYY-MM-DD HH24:MI:SS TZ') END
        FROM {} ORDER BY id",
        tenancy.table(names::CONTEXT_KEYS)
    );
    let rows = sqlx::query(assert_sql_safe(sql)).fetch_all(&mut *transaction).await.map_err(database)?;
    transaction.rollback().await.map_err(database)?;
    administrator.close().await;
    if rows.is_empty() {
        return Ok("no context key is installed; apps cannot connect\n".into());
    }
    let mut lines = vec![["key", "state", "login", "roles", "ends"].map(str::to_owned)];
    for row in &rows {
        let mut cells: [String; 5] = Default::default();
        for (place, cell) in cells.iter_mut().enumerate() {
            *cell = row.try_get(place).map_err(database)?;
        }
        lines.push(cells);
    }
    let widths: [usize; 5] = std::array::from_fn(|place| lines.iter().map(|line| line[place].len()).max().unwrap_or(0));
    let line = |cells: &[String; 5]| {
        let padded =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>().join("  ");
        format!("{}\n", padded.trim_end())
    };
    Ok(lines.iter().map(line).collect())
}

/// Ends a key; returns the time.
async fn end(url: &str, tenancy: SignedTenancy, number: i16, at: Option<&str>) -> Result<String, Failure> {
    let mut administrator = Administrator::connect(url, tenancy).await?;
    let mut transaction = administrator.begin().await?;
    set_role(&mut transaction, &tenancy.schema_owner()).await?;
    let sql = format!(
        "SELECT {}($1, given.at), to_char(given.at, 'YYYY-MM-DD HH24:MI:SS TZ')
         FROM (SELECT COALESCE($2::text::timestamptz, now()) AS at) AS given",
        tenancy.function(names::END_CONTEXT_KEY)
    );
    let ended = sqlx::query_as(assert_sql_safe(sql)).bind(number).bind(at).fetch_one(&mut *transaction).await;
    let (is_found, end): (bool, Option<String>) = ended.map_err(|error| time_error(error, at))?;
    if !is_found {
        return Err(Failure::Message(format!(
            "context key {number} is not installed\n  help: `gen-migrations context-key list` lists the keys"
        )));
    }
    transaction.commit().await.map_err(database)?;
    administrator.close().await;
    Ok(end.unwrap_or_default())
}

async fn renew_seal(url: &str, tenancy: SignedTenancy) -> Result<(), Failure> {
    let mut administrator = Administrator::connect(url, tenancy).await?;
    let mut transaction = administrator.begin().await?;
    set_role(&mut transaction, &tenancy.schema_owner()).await?;
    let function = tenancy.function(names::SET_CONTEXT_KEY);
    run(&mut transaction, &format!("SELECT {function}(0::smallint, NULL, NULL, NULL, NULL)")).await?;
    transaction.commit().await.map_err(database)?;
    administrator.close().await;
    Ok(())
}

/// Explains an error about a time in the arguments.
fn time_error(error: sqlx::Error, time: Option<&str>) -> Failure {
    match time.filter(|_| has_code(&error, &["22007", "22008", "22009", "22023"])) {
        Some(time) => Failure::Message(format!(
            "`{time}` is not a time; nothing was changed\n  help: write it as 2030-01-31 12:00, in UTC, or with a time zone"
        )),
        None => database(error),
    }
}
