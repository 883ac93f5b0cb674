//! `harden`: revokes EXECUTE on `set_config` from PUBLIC, so that injected SQL cannot use that function to change the
//! tenant; with `--strict`, also on functions that reach other sessions. With `--undo`, it grants EXECUTE again.

use std::io::Write;

use sqlx::{Connection as _, PgConnection};

use super::{
    Failure,
    runtime::{block_on, with_causes},
    target::announce,
};
use crate::{
    db::{assert_sql_safe, connection_options, open_for_writing},
    error::{Error, server_error},
    ident::quoted,
    model::{def::TenancyDef, names},
    registry::Models,
    sql::{HARDEN, HARDEN_STRICT, UNHARDEN, UNHARDEN_STRICT},
};

/// The arguments of `harden`.
#[derive(Debug, clap::Args)]
pub(super) struct Harden {
    /// Also revoke functions that reach other sessions or store data without policies: session activity, locks, signals,
    /// advisory locks, NOTIFY, snapshots, large objects, query_to_xml
    #[arg(long)]
    strict: bool,
    /// Grant EXECUTE on set_config to PUBLIC again, as by default; with `--strict`, also on the other functions
    #[arg(long)]
    undo: bool,
    /// Superuser URL: postgres://postgres:password@host/database
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(super) database_url: String,
}

/// The functions of advisory locks and activity that the commands call, as the administrator who inherits from the schema owner.
const FOR_MIGRATIONS: [&str; 4] =
    ["pg_advisory_lock(bigint)", "pg_try_advisory_lock(bigint)", "pg_lock_status()", "pg_stat_get_activity(integer)"];

/// Hardens the database at the URL, or undoes the hardening.
pub(super) fn harden(models: &Models, arguments: &Harden, out: &mut impl Write) -> Result<(), Failure> {
    let Harden { strict, undo, database_url: url } = arguments;
    announce(if *undo { "undoing `harden` in" } else { "hardening" }, url)?;
    block_on(run(url, &sql(models, arguments), &roles(models, arguments)))??;
    if *undo {
        let functions = if *strict { "set_config and the other functions" } else { "set_config" };
        writeln!(out, "granted EXECUTE on {functions} to PUBLIC in this database, as by default")?;
        return Ok(());
    }
    writeln!(out, "revoked EXECUTE on set_config from PUBLIC in this database:")?;
    writeln!(out, "injected SQL cannot change the tenant with a SELECT")?;
    if *strict {
        writeln!(out, "\nRevoked EXECUTE on functions that reach other sessions or store data without")?;
        writeln!(out, "policies. pg_monitor, pg_signal_backend and the schema owner keep what they")?;
        writeln!(out, "need. A backup login that is no superuser also needs lo_get(oid) and others.")?;
    }
    writeln!(out, "\nThe app does not use set_config. pg_dump does; unless its login is a superuser, run")?;
    writeln!(out, "  GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean)")?;
    writeln!(out, "    TO your_backup_login;")?;
    writeln!(
        out,
        "A dump contains this change, unless it is made with --no-privileges:\nthen run `gen-migrations harden` again after the restore."
    )?;
    writeln!(out, "`gen-migrations harden --undo` reverses it.")?;
    Ok(())
}

fn tenancy(models: &Models) -> Option<&'static TenancyDef> {
    models.tables().first().map(|def| def.tenancy)
}

/// Returns the role whose functions call set_config: with signed contexts, a function sets the context.
fn setter(models: &Models) -> Option<String> {
    let tenancy = tenancy(models).filter(|tenancy| tenancy.signed_context)?;
    Some(tenancy.database_role(names::FUNCTION_OWNER))
}

fn schema_owner(models: &Models) -> Option<String> {
    Some(tenancy(models)?.database_role(names::SCHEMA_OWNER))
}

/// The roles to which the command grants functions.
fn roles(models: &Models, arguments: &Harden) -> Vec<String> {
    let owner = schema_owner(models).filter(|_| arguments.strict);
    if arguments.undo { Vec::new() } else { setter(models).into_iter().chain(owner).collect() }
}

/// Returns the statements, which run in one transaction.
fn sql(models: &Models, arguments: &Harden) -> String {
    let (verb, preposition) = if arguments.undo { ("REVOKE", "FROM") } else { ("GRANT", "TO") };
    let grant = |function: &str, role: &str| {
        let statement = format!("{verb} EXECUTE ON FUNCTION pg_catalog.{function} {preposition} {};", quoted(role));
        match arguments.undo {
            // After `revert`, the role does not exist any more.
            true => format!("DO $undo$ BEGIN {statement} EXCEPTION WHEN undefined_object THEN NULL; END $undo$;\n"),
            false => format!("{statement}\n"),
        }
    };
    let mut sql = if arguments.undo { UNHARDEN } else { HARDEN }.to_owned();
    sql.extend(setter(models).map(|role| grant("set_config(text, text, boolean)", &role)));
    if arguments.strict {
        sql += if arguments.undo { UNHARDEN_STRICT } else { HARDEN_STRICT };
        if let Some(role) = schema_owner(models) {
            sql.extend(FOR_MIGRATIONS.map(|function| grant(function, &role)));
        }
    }
    sql
}

async fn run(url: &str, sql: &str, roles: &[String]) -> Result<(), Failure> {
    let options = connection_options(url).map_err(|error| failure(&error))?;
    let mut connection = open_for_writing(&options).await.map_err(|error| failure(&error))?;
    let done = run_on(&mut connection, sql, roles).await;
    let _ = connection.close().await;
    done
}

async fn run_on(connection: &mut PgConnection, sql: &str, roles: &[String]) -> Result<(), Failure> {
    let missing = "SELECT name FROM unnest($1::text[]) AS name WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name)";
    let missing: Option<String> = sqlx::query_scalar(missing)
        .bind(roles)
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| failure(&Error::Database(error)))?;
    if let Some(role) = missing {
        return Err(Failure::Message(format!(
            "the role `{role}` does not exist; nothing was changed\n  help: apply the migrations first, with `gen-migrations apply`"
        )));
    }
    sqlx::raw_sql(assert_sql_safe(sql.to_owned()))
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| failure(&Error::Database(error)))
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::Database(source) if server_error(source).is_some_and(|server| server.code() == "42501") => {
            Failure::Message(
                "`harden` requires a superuser, who owns set_config; nothing was changed\n  help: use the URL of a superuser, \
                 such as `postgres`; a hosted PostgreSQL may not offer one"
                    .into(),
            )
        }
        error => Failure::Message(with_causes(error)),
    }
}
