//! `harden`: takes from PUBLIC the function by which injected SQL could change the tenant, or gives it back.

use std::io::Write;

use sqlx::Connection as _;

use super::{
    Failure,
    apply::{block_on, chain},
};
use crate::{
    db::{connection_options, open_connection},
    error::{Error, server_error},
    sql::{HARDEN, UNHARDEN},
};

/// Hardens the database of the URL, or undoes that.
pub(super) fn harden(url: &str, undo: bool, out: &mut impl Write) -> Result<(), Failure> {
    block_on(run(url, undo))?.map_err(|error| failure(&error))?;
    if undo {
        writeln!(out, "everybody may call set_config in this database again, as PostgreSQL ships it")?;
        return Ok(());
    }
    writeln!(
        out,
        "took set_config from PUBLIC in this database: injected SQL cannot change the tenant by a SELECT any more"
    )?;
    writeln!(out, "\nthe app needs nothing of it; a login that dumps does, unless it is a superuser:")?;
    writeln!(out, "    GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO your_backup_login")?;
    writeln!(out, "it is no part of a dump: run this again on a database that was restored; `--undo` takes it back")?;
    Ok(())
}

async fn run(url: &str, undo: bool) -> Result<(), Error> {
    let mut connection = open_connection(&connection_options(url)?).await?;
    let done = sqlx::raw_sql(if undo { UNHARDEN } else { HARDEN }).execute(&mut connection).await;
    let _ = connection.close().await;
    done.map(drop).map_err(Error::Database)
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::Database(source) if server_error(source).is_some_and(|server| server.code() == "42501") => {
            Failure::Message(
                "set_config belongs to the superuser of the cluster, and this login is none; nothing was changed\n  help: \
                 run this with the URL of a superuser, such as `postgres`; a hosted PostgreSQL may offer none"
                    .into(),
            )
        }
        error => Failure::Message(chain(error)),
    }
}
