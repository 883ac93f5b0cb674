//! `bind-login`: creates a login role that is bound to a tenant, a user and a role, for SQL that is not the app's.

use std::io::{self, Write};

use sqlx::{Executor as _, PgConnection};

use super::{Administrator, SignedTenancy, context_key::Database, database, has_code, reset_role, run, set_role};
use crate::{
    cli::{Failure, password::read_password, runtime::block_on, target::announce},
    db::{assert_sql_safe, search_path, setting},
    ident::{literal, quoted},
    model::{
        def::{ScopeDef, SqlType, TableDef},
        names,
    },
    password::Verifier,
    registry::Models,
};

/// The sessions that a bound login can have at the same time.
const CONNECTION_LIMIT: u32 = 5;

/// The arguments of `bind-login`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Bind {
    /// Login role, which is created unless it is already bound in this database
    login: String,
    /// ID of the tenant
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// ID of the user, who must be a member of the tenant
    #[arg(long, value_name = "ID")]
    user: String,
    /// Role that the login assumes
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// Preset of default_transaction_read_only, which the login can change; the role decides what it can write
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    read_only: bool,
    /// Preset of statement_timeout in seconds, which the login can change
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    statement_timeout: u32,
    /// Set no password, for peer or certificate authentication; an existing login keeps its password
    #[arg(long)]
    no_password: bool,
    #[command(flatten)]
    pub(in crate::cli) database: Database,
}

/// A login and its context, with the names of the database.
struct Binding<'a> {
    login: &'a str,
    role: String,
    arguments: &'a Bind,
    verifier: Option<Verifier>,
    membership: &'static TableDef,
}

/// Binds a login.
pub(in crate::cli) fn bind(models: &Models, arguments: &Bind, out: &mut impl Write) -> Result<(), Failure> {
    let tenancy = SignedTenancy::of(models)?;
    let login = arguments.login.as_str();
    let membership = membership(models)?;
    let role = tenancy.database_role(&arguments.role).ok_or_else(|| {
        let roles = tenancy.database_roles();
        Failure::Message(format!("`{}` is not a role of the tenants\n  help: use {roles}", arguments.role))
    })?;
    if login.starts_with(tenancy.0.role_prefix) && is_role_of_product(tenancy, login) {
        return Err(Failure::Message(format!(
            "`{login}` is a role of the app, which signs its contexts; nothing was changed\n  help: choose another name, such as `{}bi`",
            tenancy.0.role_prefix
        )));
    }
    if login.is_empty() || login.len() > 63 || login.starts_with("pg_") || login.contains('\0') {
        return Err(Failure::Message(format!(
            "`{login}` cannot be the name of a login role: it must have 1 to 63 bytes and must not start with `pg_`"
        )));
    }
    announce(&format!("binding `{login}` in"), &arguments.database.database_url)?;
    let verifier = match arguments.no_password {
        true => None,
        false => {
            let password = read_password(login)?;
            Some(Verifier::of(&password).map_err(|error| Failure::Message(error.to_string()))?)
        }
    };
    let binding = Binding { login, role, arguments, verifier, membership };
    let Bound { is_member, has_context } = block_on(bind_on(tenancy, &binding))??;
    writeln!(
        out,
        "bound `{login}` to tenant {}, user {} and role `{}`; it needs no signature",
        arguments.tenant, arguments.user, binding.role
    )?;
    if !has_context {
        let Bind { tenant, user, .. } = arguments;
        let set =
            |setting: &str, value: &str| format!("-c {setting}={}", value.replace('\\', r"\\").replace(' ', r"\ "));
        writeln!(
            out,
            "only a superuser can preset the settings of the context: let the login set them, or connect with the options\n  {} {}",
            set(tenancy.0.tenant_setting, tenant),
            set(tenancy.0.user_setting, user)
        )?;
    }
    if !is_member {
        writeln!(
            io::stderr(),
            "warning: user {} is not a member of tenant {} with a role that includes `{}`, so the login sees no rows",
            arguments.user,
            arguments.tenant,
            binding.role
        )?;
    }
    Ok(())
}

/// Returns whether a name is that of a role that the migrations create.
fn is_role_of_product(tenancy: SignedTenancy, login: &str) -> bool {
    let reserved = names::RESERVED_ROLES.into_iter().any(|name| tenancy.0.database_role(name) == login);
    reserved || tenancy.0.has_login(login) || tenancy.database_role(login).is_some_and(|role| role == login)
}

/// Returns the membership table, which limits what a bound login can do.
fn membership(models: &Models) -> Result<&'static TableDef, Failure> {
    models.tables().iter().copied().find(|def| def.membership.is_some()).ok_or_else(|| {
        Failure::Message(
            "a login can be bound only if a table declares `membership(…)`: its role and tenant are checked there"
                .into(),
        )
    })
}

/// What the command found out.
struct Bound {
    /// Whether the user is a member of the tenant with a role that includes the role of the login.
    is_member: bool,
    /// Whether the tenant and the user are preset.
    has_context: bool,
}

/// Binds a login in one transaction.
async fn bind_on(tenancy: SignedTenancy, binding: &Binding<'_>) -> Result<Bound, Failure> {
    let mut administrator = Administrator::connect(&binding.arguments.database.database_url, tenancy).await?;
    let mut transaction = administrator.begin().await?;
    let connection = &mut *transaction;
    let has_options = connection.server_version_num().unwrap_or_default() >= 160_000;
    create_or_alter(connection, tenancy, binding).await?;
    replace_memberships(connection, binding, has_options).await?;
    let has_context = set_defaults(connection, tenancy, binding).await?;
    set_role(connection, &tenancy.schema_owner()).await?;
    let [tenant, user] = ids(tenancy);
    let sql = format!("SELECT {}($3, $4, {tenant}, {user})", tenancy.function(names::BIND_LOGIN));
    sqlx::query(assert_sql_safe(sql))
        .bind(&binding.arguments.tenant)
        .bind(&binding.arguments.user)
        .bind(binding.login)
        .bind(&binding.role)
        .execute(&mut *connection)
        .await
        .map_err(|error| match has_code(&error, &["22P02", "22003"]) {
            true => Failure::Message(format!(
                "`{}` or `{}` is not an ID of the type in `tenancy!`; nothing was changed\n  help: a tenant ID is {}, a user ID {}",
                binding.arguments.tenant,
                binding.arguments.user,
                tenancy.0.key.sql_name().unwrap_or_default(),
                tenancy.0.user.sql_name().unwrap_or_default(),
            )),
            false => database(error),
        })?;
    reset_role(connection).await?;
    let is_member = is_member(connection, tenancy, binding).await?;
    transaction.commit().await.map_err(database)?;
    administrator.close().await;
    Ok(Bound { is_member, has_context })
}

/// Returns the first two parameters of a statement, as the types of a tenant ID and of a user ID.
fn ids(tenancy: SignedTenancy) -> [String; 2] {
    let ty = |ty: SqlType| ty.sql_name().unwrap_or_else(|| "text".to_owned());
    [format!("$1::text::{}", ty(tenancy.0.key)), format!("$2::text::{}", ty(tenancy.0.user))]
}

/// Creates the login role. An existing role is accepted only if it is bound already, so that no other role becomes a bound login.
async fn create_or_alter(
    connection: &mut PgConnection,
    tenancy: SignedTenancy,
    binding: &Binding<'_>,
) -> Result<(), Failure> {
    let login = binding.login;
    let sql = "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
        FROM pg_catalog.pg_roles WHERE rolname = $1";
    let found: Option<bool> =
        sqlx::query_scalar(sql).bind(login).fetch_optional(&mut *connection).await.map_err(database)?;
    let is_bound = is_bound(connection, tenancy, login).await?;
    let command = match (found, is_bound) {
        (None, _) => "CREATE ROLE",
        (Some(false), true) => "ALTER ROLE",
        (Some(true), true) => {
            return Err(Failure::Message(format!(
                "`{login}` has attributes such as SUPERUSER or CREATEROLE, which a bound login must not have; nothing was changed\n  \
                 help: `gen-migrations audit` prints the statement that removes them"
            )));
        }
        (Some(_), false) => {
            return Err(Failure::Message(format!(
                "the role `{login}` already exists and is not bound in this database; nothing was changed\n  help: choose another name: \
                 a bound login must have no other privileges"
            )));
        }
    };
    let password = binding.verifier.as_ref().map(|verifier| format!(" PASSWORD {}", verifier.literal()));
    let sql = format!(
        "{command} {} LOGIN NOINHERIT CONNECTION LIMIT {CONNECTION_LIMIT}{}",
        quoted(login),
        password.unwrap_or_default()
    );
    run(connection, &sql).await?;
    run(
        connection,
        &format!("COMMENT ON ROLE {} IS 'login bound to a tenant and a user of {}'", quoted(login), tenancy.0.schema),
    )
    .await
}

/// Returns whether a login is bound in this database.
pub(super) async fn is_bound(
    connection: &mut PgConnection,
    tenancy: SignedTenancy,
    login: &str,
) -> Result<bool, Failure> {
    set_role(connection, &tenancy.function_owner()).await?;
    let sql = format!("SELECT EXISTS (SELECT FROM {} WHERE login = $1)", tenancy.table(names::BOUND_LOGINS));
    let found = sqlx::query_scalar(assert_sql_safe(sql)).bind(login).fetch_one(&mut *connection).await;
    let found = found.map_err(database)?;
    reset_role(connection).await?;
    Ok(found)
}

/// Makes the login a member of its role and of no other.
async fn replace_memberships(
    connection: &mut PgConnection,
    binding: &Binding<'_>,
    has_options: bool,
) -> Result<(), Failure> {
    let sql = "SELECT role.rolname::text, pg_catalog.pg_get_userbyid(entry.grantor)::text
        FROM pg_catalog.pg_auth_members AS entry
        JOIN pg_catalog.pg_roles AS role ON role.oid = entry.roleid
        JOIN pg_catalog.pg_roles AS login ON login.oid = entry.member
        WHERE login.rolname = $1";
    let old: Vec<(String, String)> =
        sqlx::query_as(sql).bind(binding.login).fetch_all(&mut *connection).await.map_err(database)?;
    for (role, grantor) in old {
        let by = if has_options { format!(" GRANTED BY {}", quoted(&grantor)) } else { String::new() };
        run(connection, &format!("REVOKE {} FROM {}{by}", quoted(&role), quoted(binding.login))).await?;
    }
    let options = if has_options { " WITH INHERIT FALSE, SET TRUE" } else { "" };
    run(connection, &format!("GRANT {} TO {}{options}", quoted(&binding.role), quoted(binding.login))).await
}

/// Lets the login connect, and presets its role, its limits and, if the administrator can, its context; returns whether it can.
///
/// The login can set these settings itself, and then loses access: only the binding gives it.
async fn set_defaults(
    connection: &mut PgConnection,
    tenancy: SignedTenancy,
    binding: &Binding<'_>,
) -> Result<bool, Failure> {
    let name = "SELECT pg_catalog.current_database()::text";
    let name: String = sqlx::query_scalar(name).fetch_one(&mut *connection).await.map_err(database)?;
    let login = quoted(binding.login);
    // A GRANT of a role that cannot grant only raises a warning.
    let sql = format!("GRANT CONNECT ON DATABASE {} TO {login}", quoted(&name));
    connection.execute(assert_sql_safe(sql)).await.map_err(database)?;
    let sql = "SELECT pg_catalog.has_database_privilege($1, pg_catalog.current_database(), 'CONNECT')";
    let can_connect: bool =
        sqlx::query_scalar(sql).bind(binding.login).fetch_one(&mut *connection).await.map_err(database)?;
    if !can_connect {
        return Err(Failure::Message(format!(
            "the login in the URL cannot grant CONNECT on the database `{name}`; nothing was changed\n  help: use the URL of the \
             database's owner or of a superuser"
        )));
    }
    let in_database = format!("ALTER ROLE {login} IN DATABASE {}", quoted(&name));
    let Bind { tenant, user, read_only, statement_timeout, .. } = binding.arguments;
    let presets = [
        ("role".to_owned(), literal(&binding.role)),
        ("search_path".to_owned(), search_path(tenancy.0)),
        ("statement_timeout".to_owned(), format!("'{statement_timeout}s'")),
        ("default_transaction_read_only".to_owned(), if *read_only { "on" } else { "off" }.to_owned()),
    ];
    let context = [(tenancy.0.tenant_setting, tenant), (tenancy.0.user_setting, user)];
    // A setting that the server does not define can be preset by superusers, and by roles that may SET it as a parameter.
    let sql = "SELECT bool_and(pg_catalog.has_parameter_privilege(name, 'SET')) FROM unnest($1::text[]) AS name";
    let has_context: bool = sqlx::query_scalar(sql)
        .bind(context.map(|(name, _)| name))
        .fetch_one(&mut *connection)
        .await
        .map_err(database)?;
    let context = context.into_iter().filter(|_| has_context).map(|(name, value)| (setting(name), literal(value)));
    run(connection, &format!("{in_database} RESET ALL")).await?;
    for (setting, value) in presets.into_iter().chain(context) {
        run(connection, &format!("{in_database} SET {setting} = {value}")).await?;
    }
    Ok(has_context)
}

/// Returns whether the user is a member of the tenant with a role that includes the role of the login.
async fn is_member(
    connection: &mut PgConnection,
    tenancy: SignedTenancy,
    binding: &Binding<'_>,
) -> Result<bool, Failure> {
    let def = binding.membership;
    let (Some(columns), ScopeDef::Tenant { column }) = (&def.membership, def.scope) else { return Ok(true) };
    set_role(connection, &tenancy.function_owner()).await?;
    let [tenant, user] = ids(tenancy);
    let sql = format!(
        "SELECT m.{}::text FROM {}.{} AS m WHERE m.{} = {tenant} AND m.{} = {user}",
        quoted(columns.role),
        quoted(def.name.schema),
        quoted(def.name.table),
        quoted(column),
        quoted(columns.user),
    );
    let found = sqlx::query_scalar(assert_sql_safe(sql))
        .bind(&binding.arguments.tenant)
        .bind(&binding.arguments.user)
        .fetch_optional(&mut *connection)
        .await;
    let found: Option<String> = found.map_err(database)?;
    reset_role(connection).await?;
    let bound = tenancy.0.roles.iter().find(|role| tenancy.0.database_role(role.name) == binding.role);
    Ok(found.zip(bound).is_some_and(|(found, bound)| tenancy.0.includes(&found, bound.name)))
}
