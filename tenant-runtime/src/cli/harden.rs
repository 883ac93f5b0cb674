//! `harden`: revokes EXECUTE on `set_config` from PUBLIC, so that injected SQL cannot use that function to change the
//! tenant. With `--undo`, it grants EXECUTE again.

use std::io::Write;

use sqlx::Connection as _;

use super::{
    Failure,
    runtime::{block_on, with_causes},
    target::announce,
};
use crate::{
    db::{connection_options, open_for_writing},
    error::{Error, server_error},
    sql::{HARDEN, UNHARDEN},
};

/// Hardens the database at the URL, or undoes the hardening.
pub(super) fn harden(url: &str, undo: bool, out: &mut impl Write) -> Result<(), Failure> {
    announce(if undo { "undoing `harden` in" } else { "hardening" }, url)?;
    block_on(run(url, undo))?.map_err(|error| failure(&error))?;
    if undo {
        writeln!(out, "granted EXECUTE on set_config to PUBLIC in this database, as by default")?;
        return Ok(());
    }
    writeln!(out, "revoked EXECUTE on set_config from PUBLIC in this database:")?;
    writeln!(out, "injected SQL cannot change the tenant with a SELECT")?;
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

async fn run(url: &str, undo: bool) -> Result<(), Error> {
    let mut connection = open_for_writing(&connection_options(url)?).await?;
    let done = sqlx::raw_sql(if undo { UNHARDEN } else { HARDEN }).execute(&mut connection).await;
    let _ = connection.close().await;
    done.map(drop).map_err(Error::Database)
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
