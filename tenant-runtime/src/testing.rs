//! Tests of an app: a database of its own for each of them, two tenants in it, and a proof of all models in one line.
//!
//! ```no_run
//! # use tenant_runtime::models;
//! #[tokio::test]
//! async fn every_model_is_isolated() {
//!     // A private PostgreSQL, the migrations of this package, an audit, and thousands of attacks.
//!     tenant_runtime::testing::assert_all_isolated(models![]).await;
//! }
//! ```

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::Connection as _;

use crate::{
    analyze::check,
    audit::{AuditError, Severity, audit},
    db::{TenantDb, connection_options, open_connection, trusted},
    error::Error,
    ident::{literal, quoted},
    migrate::{
        Migrations,
        folder::Folder,
        generate::{GenerateError, generate},
    },
    model::{migration_hints::MigrationHints, names, schema::Schema},
    registry::Models,
    repo::table::TenantTable,
    server::{Server, ServerError, ServerOptions},
    tenant::{ContextKey as _, KeyOf, Role, TenantCtx, UserOf},
    verify::{Tenants, VerifyError, VerifyOptions, make_tenants, verify},
};

/// A database of one test, with the tables of the models and two tenants in it.
///
/// It is on a private PostgreSQL that all tests of the process share and that ends with it. The first one migrates a database
/// and makes rows up; the others are copies of that, which takes milliseconds.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    models: Models,
    server: Arc<Server>,
    name: String,
    tenants: [TestTenant; 2],
}

/// A tenant that was made up, with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestTenant {
    /// The tenant's key, as text.
    pub key: String,
    /// A user for each role, by the role's name, as text.
    pub users: BTreeMap<&'static str, String>,
}

impl TestTenant {
    /// Makes the context of the tenant's user who has a role.
    ///
    /// # Panics
    ///
    /// Where the role is not one of the tenancy of the models.
    #[must_use]
    pub fn context<R: Role>(&self) -> TenantCtx<R> {
        let key = KeyOf::<R>::read_text(&self.key);
        let user = self.users.get(R::NAME).and_then(|user| UserOf::<R>::read_text(user));
        match (key, user) {
            (Some(key), Some(user)) => TenantCtx::assume_authorized(key, user),
            _ => panic!("`{}` is no role of the models that this database was made for", R::NAME),
        }
    }
}

/// Says why there is no database to test on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestingError {
    /// The models or the migrations folder are not in order.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The models say more than the migrations folder.
    #[error("the models say more than {folder}\n  help: run `gen-migrations`, which writes what is missing")]
    Behind {
        /// The folder.
        folder: String,
    },
    /// No private PostgreSQL could be started.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// No rows could be made up.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The audit could not be made.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Error),
    /// The program could not do its own part.
    #[error("cannot run what prepares the database: {0}")]
    Runtime(#[from] std::io::Error),
}

/// What the tests of a process share.
struct Shared {
    server: Arc<Server>,
    templates: BTreeMap<String, Tenants>,
    copies: usize,
}

static SHARED: Mutex<Option<Shared>> = Mutex::new(None);

impl TestDatabase {
    /// Makes a database for a test.
    ///
    /// The tables are those of `migrations` in the package of the models, or, where there is no such folder, what the models
    /// say.
    ///
    /// # Errors
    ///
    /// When the models have errors or the folder is behind them, when no PostgreSQL is found or fetched, and when no rows
    /// can be made up.
    pub async fn create(models: &Models) -> Result<Self, TestingError> {
        Self::create_with(models, &VerifyOptions::default()).await
    }

    /// Makes a database for a test, with values for columns that cannot be made up.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub async fn create_with(models: &Models, options: &VerifyOptions) -> Result<Self, TestingError> {
        let (models, options) = (models.clone(), options.clone());
        // Starting a server blocks, and one test is to do it for all.
        let prepared = tokio::task::spawn_blocking(move || {
            let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(Self::prepare(&mut shared, models, &options))
        });
        prepared.await.map_err(std::io::Error::other)?
    }

    async fn prepare(
        shared: &mut Option<Shared>,
        models: Models,
        options: &VerifyOptions,
    ) -> Result<Self, TestingError> {
        let schema = check(&models).map_err(GenerateError::from)?.schema;
        let shared = match shared {
            Some(shared) => shared,
            None => {
                let options = ServerOptions { fetch: true, ..ServerOptions::default() };
                let server = Arc::new(Server::start(&options)?);
                shared.insert(Shared { server, templates: BTreeMap::new(), copies: 0 })
            }
        };
        let template = format!("template_of_{}_{}", schema.product(), fingerprint(&models));
        let tenants = match shared.templates.get(&template) {
            Some(tenants) => tenants.clone(),
            None => {
                run(&shared.server.admin_url(), &format!("CREATE DATABASE {}", quoted(&template))).await?;
                let url = shared.server.url("postgres", &template);
                migrate(&models, &schema, &url).await?;
                let tenants = make_tenants(&url, &models, options).await?;
                shared.templates.entry(template.clone()).or_insert(tenants).clone()
            }
        };
        shared.copies += 1;
        let name = format!("test_{}", shared.copies);
        copy(&shared.server, &template, &name).await?;
        let tenants = tenants.map(|(key, users)| TestTenant { key, users });
        Ok(Self { models, server: Arc::clone(&shared.server), name, tenants })
    }

    /// Returns the two tenants.
    #[must_use]
    pub fn tenants(&self) -> &[TestTenant; 2] {
        &self.tenants
    }

    /// Returns the URL for a superuser.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.server.url("postgres", &self.name)
    }

    /// Returns the URL for the app's login.
    #[must_use]
    pub fn app_url(&self) -> String {
        self.url_of(None)
    }

    /// Returns the URL for the login of a role, such as `viewer`; that of the app where there is one login for all roles.
    ///
    /// It is what [`TenantDbOptions::login_per_role`](crate::TenantDbOptions::login_per_role) takes.
    #[must_use]
    pub fn role_url(&self, role: &str) -> String {
        self.url_of(Some(role))
    }

    /// Returns the URL for the login of jobs, for [`SystemDb::connect`](crate::SystemDb::connect).
    #[must_use]
    pub fn jobs_url(&self) -> String {
        let login = self.models.tables().first().map(|def| def.tenancy.database_role(names::JOBS)).unwrap_or_default();
        self.server.url(&login, &self.name)
    }

    fn url_of(&self, role: Option<&str>) -> String {
        let login = self.models.tables().first().map(|def| def.tenancy.login(role)).unwrap_or_default();
        self.server.url(&login, &self.name)
    }

    /// Connects as the app does.
    ///
    /// # Errors
    ///
    /// As [`TenantDb::connect`].
    pub async fn app(&self) -> Result<TenantDb, Error> {
        let tenancy = self.models.tables().first().map(|def| def.tenancy).filter(|tenancy| tenancy.login_per_role);
        let options = match tenancy {
            Some(tenancy) => TenantDb::options().logins_of(tenancy, |role| Some(self.role_url(role))),
            None => TenantDb::options(),
        };
        options.connect(&self.app_url()).await
    }
}

/// Audits a fresh database and attacks it as every role; the test fails with all that was found.
///
/// # Panics
///
/// When the database is not what the models declare, does not do it, or cannot be made.
pub async fn assert_all_isolated(models: Models) {
    match examine(&models, &VerifyOptions::default()).await {
        Ok(found) if found.is_empty() => {}
        Ok(found) => panic!("{found}"),
        Err(error) => panic!("nothing was proved: {error}"),
    }
}

async fn examine(models: &Models, options: &VerifyOptions) -> Result<String, TestingError> {
    let database = TestDatabase::create_with(models, options).await?;
    let schema = check(models).map_err(GenerateError::from)?.schema;
    let mut connection = open_connection(&connection_options(&database.admin_url())?).await?;
    let audited = audit(&mut connection, &schema).await?;
    connection.close().await.map_err(Error::from)?;
    let proved = verify(&database.admin_url(), models, options).await?;
    let bad = audited.findings.iter().filter(|finding| finding.severity != Severity::Note);
    let bad = bad.map(|finding| format!("{} {}, {}: {}", finding.severity, finding.code, finding.object, finding.what));
    let proved = (!proved.is_clean()).then(|| proved.to_string());
    Ok(bad.chain(proved).collect::<Vec<_>>().join("\n"))
}

/// Attacks the database of a test as every role; the test fails with what was found about one table.
///
/// It is for a test that changed the database, by a migration of one's own or a view.
///
/// # Panics
///
/// When a role reaches other rows of the table than are declared, or the proof cannot be made.
pub async fn assert_isolated<T: TenantTable>(database: &TestDatabase) {
    let report = match verify(&database.admin_url(), &database.models, &VerifyOptions::default()).await {
        Ok(report) => report,
        Err(error) => panic!("nothing was proved: {error}"),
    };
    let table = T::TABLE.name.to_string();
    let about = report.violations.iter().filter(|difference| difference.table.as_ref().is_none_or(|of| *of == table));
    let found = about.map(|difference| format!("{difference}\n")).collect::<String>();
    assert!(found.is_empty() && report.given_up.is_empty(), "{found}{}", report.given_up.join("\n"));
}

/// Tells the models of one test from those of another.
fn fingerprint(models: &Models) -> String {
    let names = models.tables().iter().map(|def| format!("{} {}:{}", def.name, def.file, def.line));
    let text = names.collect::<Vec<_>>().join(",");
    // As PostgreSQL's identifiers, which it cuts.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

async fn migrate(models: &Models, schema: &Schema, url: &str) -> Result<(), TestingError> {
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

/// Copies a database, with the rights and the settings that PostgreSQL does not copy.
async fn copy(server: &Server, template: &str, name: &str) -> Result<(), TestingError> {
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
async fn run(url: &str, sql: &str) -> Result<(), TestingError> {
    let mut connection = open_connection(&connection_options(url)?).await?;
    sqlx::raw_sql(trusted(sql.to_owned())).execute(&mut connection).await.map_err(Error::from)?;
    connection.close().await.map_err(Error::from)?;
    Ok(())
}
