//! `unbind-login`: removes the binding of a login role, and the login role.

use std::io::Write;

use super::{
    Administrator, SignedTenancy, bind::is_bound, context_key::Database, database, has_code, reset_role, set_role,
};
use crate::{
    cli::{Failure, runtime::block_on, target::announce},
    db::assert_sql_safe,
    ident::quoted,
    model::names,
    registry::Models,
};

/// The arguments of `unbind-login`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Unbind {
    /// Login role that `bind-login` created
    login: String,
    #[command(flatten)]
    pub(in crate::cli) database: Database,
}

/// Removes the binding of a login, its memberships and settings, and the login.
pub(in crate::cli) fn unbind(models: &Models, arguments: &Unbind, out: &mut impl Write) -> Result<(), Failure> {
    let tenancy = SignedTenancy::of(models)?;
    let login = &arguments.login;
    announce(&format!("removing the bound login `{login}` from"), &arguments.database.database_url)?;
    block_on(unbind_on(&arguments.database.database_url, tenancy, login))??;
    writeln!(out, "removed the binding of `{login}` and the login role; its open sessions have no access any more")?;
    Ok(())
}

async fn unbind_on(url: &str, tenancy: SignedTenancy, login: &str) -> Result<(), Failure> {
    let mut administrator = Administrator::connect(url, tenancy).await?;
    let mut transaction = administrator.begin().await?;
    if !is_bound(&mut transaction, tenancy, login).await? {
        return Err(Failure::Message(format!("`{login}` is not bound in this database; nothing was changed")));
    }
    set_role(&mut transaction, &tenancy.schema_owner()).await?;
    let sql = format!("SELECT {}($1)", tenancy.function(names::UNBIND_LOGIN));
    sqlx::query(assert_sql_safe(sql)).bind(login).execute(&mut *transaction).await.map_err(database)?;
    reset_role(&mut transaction).await?;
    let sql = "SELECT pg_catalog.current_database()::text, EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1)";
    let found = sqlx::query_as(sql).bind(login).fetch_one(&mut *transaction).await;
    let (name, exists): (String, bool) = found.map_err(database)?;
    if exists {
        // DROP ROLE removes memberships and settings, but not privileges.
        let (name, role) = (quoted(&name), quoted(login));
        let sql = format!("REVOKE CONNECT ON DATABASE {name} FROM {role}; DROP ROLE {role}");
        sqlx::raw_sql(assert_sql_safe(sql)).execute(&mut *transaction).await.map_err(|error| {
            match has_code(&error, &["2BP01"]) {
                true => Failure::Message(format!(
                    "`{login}` owns objects or has privileges, also in other databases; nothing was changed\n  help: remove them first, \
                     for example by `unbind-login` in the other databases, or with DROP OWNED BY {role}"
                )),
                false => database(error),
            }
        })?;
    }
    transaction.commit().await.map_err(database)?;
    administrator.close().await;
    Ok(())
}
