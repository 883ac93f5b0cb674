//! The template database of the tests: its migrations, and its copies.

use sqlx::Connection as _;

use super::TestingError;
use crate::{
    db::{SigningKey, assert_sql_safe, connection_options, open_connection},
    error::Error,
    hex::hex,
    ident::{literal, quoted},
    migrate::{
        Migrations,
        folder::Folder,
        generate::{GenerateError, generate},
    },
    model::{
        migration_hints::MigrationHints,
        names,
        schema::{QualifiedName, Schema},
    },
    registry::Models,
    server::Server,
};

/// Applies the package's migrations, or, if the package has none, the migrations that would be generated.
pub(super) async fn migrate(models: &Models, schema: &Schema, url: &str) -> Result<(), TestingError> {
    let path = models.package_folder().join("migrations");
    if !path.is_dir() {
        let nothing = Schema::default();
        let plan = crate::plan::plan(&nothing, schema, &MigrationHints::default()).map_err(GenerateError::from)?;
        for migration in crate::sql::migrations(&plan) {
            run(url, &format!("BEGIN; {}; COMMIT", migration.up)).await?;
        }
        return Ok(());
    }
    let folder = Folder::new(&path);
    if !generate(models, &folder)?.migrations.is_empty() {
        return Err(TestingError::Behind { folder: path.display().to_string() });
    }
    Migrations::from_dir(&path).await?.apply(url, &mut |_| {}).await?;
    Ok(())
}

/// The number and the bytes of the key with which tests sign contexts.
const KEY: (i16, [u8; 32]) = (1, *b"a key that every test may know 1");

/// Returns the key with which tests sign contexts.
pub(super) fn signing_key() -> Option<SigningKey> {
    SigningKey::new(KEY.0, &KEY.1).ok()
}

/// Installs the key with which tests sign contexts, as the schema owner.
pub(super) async fn install_key(schema: &Schema, url: &str) -> Result<(), TestingError> {
    let mut functions = schema.functions().keys();
    let function = functions.find(|name| name.table.as_str() == names::SET_CONTEXT_KEY).map(QualifiedName::quoted);
    let (Some(function), Some(owner)) = (function, schema.owner()) else { return Ok(()) };
    let (number, key) = (KEY.0, hex(&KEY.1));
    let call = format!("SELECT FROM {function}({number}::smallint, decode('{key}', 'hex'), NULL, NULL, NULL)");
    run(url, &format!("SET ROLE {}; {call}", owner.name.quoted())).await
}

/// Copies a database, with the privileges and settings that CREATE DATABASE does not copy.
pub(super) async fn copy(server: &Server, template: &str, name: &str) -> Result<(), TestingError> {
    let url = server.admin_url();
    run(&url, &format!("CREATE DATABASE {name} TEMPLATE {} STRATEGY file_copy", quoted(template))).await?;
    run(
        &url,
        &format!(
            "DO $copy$
             DECLARE statement text;
             BEGIN
                 EXECUTE 'REVOKE ALL ON DATABASE {name} FROM PUBLIC';
                 FOR statement IN
                     SELECT format('GRANT %s ON DATABASE {name} TO %s', acl.privilege_type,
                             CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END)
                         FROM pg_database AS d, aclexplode(d.datacl) AS acl WHERE d.datname = {template}
                     UNION ALL
                     SELECT format('ALTER %s SET %I = %L', CASE s.setrole WHEN 0 THEN 'DATABASE {name}'
                             ELSE format('ROLE %s IN DATABASE {name}', s.setrole::regrole) END,
                             split_part(c, '=', 1), substr(c, strpos(c, '=') + 1))
                         FROM pg_database AS d JOIN pg_db_role_setting AS s ON s.setdatabase = d.oid, unnest(s.setconfig) AS c
                         WHERE d.datname = {template}
                 LOOP
                     EXECUTE statement;
                 END LOOP;
             END
             $copy$",
            template = literal(template)
        ),
    )
    .await
}

/// Runs statements as the superuser.
pub(super) async fn run(url: &str, sql: &str) -> Result<(), TestingError> {
    let mut connection = open_connection(&connection_options(url)?).await?;
    sqlx::raw_sql(assert_sql_safe(sql.to_owned())).execute(&mut connection).await.map_err(Error::from)?;
    connection.close().await.map_err(Error::from)?;
    Ok(())
}
