//! The commands for development: `new`, `undo` and `reset`.

use std::io::Write;

use sqlx::{Connection as _, Executor as _, PgConnection, postgres::PgConnectOptions};

use super::{
    Failure, ask, confirm,
    progress::ProgressDisplay,
    report,
    runtime::{History, apply_migrations, block_on, failed, read_migrations, require_up_to_date},
    target::announce,
};
use crate::{
    db::{assert_sql_safe, connection_options, connection_target, open_for_writing},
    error::{Error, server_error},
    ident::quoted,
    migrate::{Revert, folder::Folder, new, undo},
    registry::Models,
};

/// Writes the files of a hand-written migration.
pub(super) fn new(folder: &Folder, name: &str, data: Option<&str>, out: &mut impl Write) -> Result<(), Failure> {
    let written = new::new(folder, name, data).map_err(failed)?;
    report::files(&written, out)?;
    writeln!(out, "\nnext: write the SQL, and run `gen-migrations`, which checks the files and records them")?;
    Ok(())
}

/// Options of `undo`.
#[derive(Debug, clap::Args)]
pub(super) struct UndoArguments {
    /// Administrator URL of the development database, in which the migrations are reverted
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(super) database_url: Option<String>,
    /// Allow data loss
    #[arg(long)]
    allow_data_loss: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

/// Reverts the newest generated migrations in the development database, and removes their files.
pub(super) fn undo(folder: &Folder, arguments: &UndoArguments, out: &mut impl Write) -> Result<(), Failure> {
    let undone = undo::undo(folder).map_err(failed)?;
    let migrations = read_migrations(folder, &History::default())?;
    let revert = Revert { to: Some(undone.to), allow_data_loss: arguments.allow_data_loss };
    let url = arguments.database_url.as_deref();
    let mut reverts = Vec::new();
    if let Some(url) = url {
        require_development("undo", url)?;
        announce("undoing in", url)?;
        reverts = block_on(migrations.to_revert(url, revert))?.map_err(failed)?;
    }
    report::will_run(&reverts, out)?;
    for name in &undone.migrations {
        writeln!(out, "will delete {name}.up.sql and {name}.down.sql")?;
    }
    if url.is_none() {
        writeln!(out, "no database is given: `DATABASE_URL` or `--database-url`")?;
    }
    out.flush()?;
    if !arguments.yes && !confirm("undo? These migrations must not have been applied to any other database.")? {
        return Err(Failure::Message("nothing was changed\n  help: to confirm, re-run with `--yes`".into()));
    }
    if let Some(url) = url.filter(|_| !reverts.is_empty()) {
        let mut display = ProgressDisplay::new("reverted by");
        block_on(migrations.revert(url, revert, &mut |progress| display.show(progress)))?.map_err(failed)?;
    }
    undone.write(folder).map_err(failed)?;
    writeln!(out, "removed {}; change the models, and run `gen-migrations` again", undone.migrations.join(", "))?;
    Ok(())
}

/// Options of `reset`.
#[derive(Debug, clap::Args)]
pub(super) struct ResetArguments {
    /// Administrator URL of the development database: postgres://user:password@localhost/database
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(super) database_url: String,
    /// Do not ask for the name of the database
    #[arg(long)]
    yes: bool,
}

/// What `reset` reads before it drops anything.
#[derive(Debug, sqlx::FromRow)]
struct Before {
    size: Option<String>,
    sessions: i64,
    is_owner: bool,
    creates: bool,
}

/// Drops, creates and migrates a development database.
pub(super) fn reset(
    models: &Models,
    folder: &Folder,
    arguments: &ResetArguments,
    out: &mut impl Write,
) -> Result<(), Failure> {
    require_up_to_date(models, folder)?;
    let migrations = read_migrations(folder, &History::default())?;
    let url = &arguments.database_url;
    let options = require_development("reset", url)?;
    let name = options.get_database().unwrap_or(options.get_username()).to_owned();
    if ["postgres", "template0", "template1"].contains(&name.as_str()) {
        return Err(Failure::Message(format!(
            "`{name}` is a database of the server itself; nothing was dropped\n  help: name your development database in the URL"
        )));
    }
    let target = connection_target(&options);
    let before = block_on(read_before(&options, &name))?.map_err(failed)?;
    if !before.is_owner || !before.creates {
        let login = quoted(options.get_username()).to_string();
        let database = quoted(&name).to_string();
        let statement = match before.creates {
            true => format!("ALTER DATABASE {database} OWNER TO {login}"),
            false => format!("ALTER ROLE {login} CREATEDB"),
        };
        return Err(Failure::Message(format!(
            "`{}` cannot drop and create the database `{name}`; nothing was dropped\n  help: run as a superuser: `{statement}`",
            options.get_username()
        )));
    }
    match &before.size {
        Some(size) => writeln!(
            out,
            "will drop database {target} with all its data ({size}), and end its {} sessions",
            before.sessions
        )?,
        None => writeln!(out, "database {target} does not exist")?,
    }
    writeln!(out, "will create it and apply the migrations in {}", report::short(folder.path()))?;
    out.flush()?;
    if before.size.is_some()
        && !arguments.yes
        && ask("type the name of the database to drop it: ")?.as_deref() != Some(&*name)
    {
        return Err(Failure::Message(
            "nothing was dropped\n  help: to confirm, type the name of the database, or re-run with `--yes`".into(),
        ));
    }
    block_on(recreate(&options, &name))?.map_err(failed)?;
    let applied = apply_migrations(&migrations, url, None)?;
    writeln!(out, "created `{name}`, and applied {} migrations; roles were kept", applied.versions.len())?;
    Ok(())
}

/// Connects to another database on the same server to read facts about this database.
async fn read_before(options: &PgConnectOptions, name: &str) -> Result<Before, Error> {
    let sql = "SELECT (SELECT pg_catalog.pg_size_pretty(pg_catalog.pg_database_size(oid))
                   FROM pg_catalog.pg_database WHERE datname = $1) AS size,
               (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = $1) AS sessions,
               coalesce((SELECT pg_catalog.pg_has_role(datdba, 'USAGE')
                   FROM pg_catalog.pg_database WHERE datname = $1), true) AS is_owner,
               rolsuper OR rolcreatedb AS creates
               FROM pg_catalog.pg_roles WHERE rolname = current_user";
    let mut connection = connect(options).await?;
    let before = sqlx::query_as(sql).persistent(false).bind(name).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(before)
}

async fn recreate(options: &PgConnectOptions, name: &str) -> Result<(), Error> {
    let (mut connection, name) = (connect(options).await?, quoted(name));
    for sql in [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")] {
        connection.execute(assert_sql_safe(sql)).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Connects to another database of the server.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Error> {
    match open_for_writing(&options.clone().database("postgres")).await {
        Err(Error::Connect { source, .. }) if server_error(&source).is_some_and(|server| server.code() == "3D000") => {
            open_for_writing(&options.clone().database("template1")).await
        }
        opened => opened,
    }
}

/// Refuses a database that is not on this machine.
fn require_development(command: &str, url: &str) -> Result<PgConnectOptions, Failure> {
    let options = connection_options(url).map_err(failed)?;
    let host = options.get_host();
    let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if options.get_socket().is_some() || host == "localhost" || is_loopback {
        return Ok(options);
    }
    Err(Failure::Message(format!(
        "`{command}` is for development databases on this machine, and the URL names the host `{host}`; nothing was changed\n  help: \
         use a database at localhost or a unix socket; for other databases, see `gen-migrations revert`"
    )))
}
