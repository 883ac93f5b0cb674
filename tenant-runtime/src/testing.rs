//! Test helpers for apps: a separate database with two tenants per test, and assertions that verify tenant isolation.
//!
//! ```no_run
//! # use tenant_runtime::models;
//! #[tokio::test]
//! async fn every_model_is_isolated() {
//!     // Starts a temporary PostgreSQL server, applies the migrations of this package, runs `audit` and `verify`.
//!     tenant_runtime::testing::assert_all_isolated(models![]).await;
//! }
//! ```

mod template;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::Connection as _;

use self::template::{copy, install_key, migrate, run, signing_key};
use crate::{
    analyze::check,
    audit::{AuditError, Severity, audit},
    db::{SigningKey, TenantDb, connection_options, open_connection},
    error::Error,
    ident::quoted,
    migrate::generate::GenerateError,
    model::names,
    registry::Models,
    repo::tenant_table::TenantTable,
    server::{Server, ServerError, ServerOptions},
    tenant::{ContextKey as _, KeyOf, Role, TenantCtx, UserOf},
    verify::{Tenants, VerifyError, VerifyOptions, make_tenants, verify},
};

/// A database for one test, with the tables of the models and two tenants.
///
/// The database is on a temporary PostgreSQL server that all tests of the process share and that
/// stops with the process. The first test migrates a template database and generates rows; each
/// test's database is a copy of the template, created in milliseconds.
///
/// ```no_run
/// # use tenant_runtime::{models, testing::TestDatabase};
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let database = TestDatabase::create(&models![]).await?;
/// let db = database.app().await?;
/// let [ours, theirs] = database.tenants();
/// println!("psql {}", database.admin_url());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct TestDatabase {
    models: Models,
    server: Arc<Server>,
    name: String,
    tenants: [TestTenant; 2],
    options: VerifyOptions,
}

/// A generated tenant with its members.
///
/// ```no_run
/// # use tenant_runtime::{roles::Member, testing::TestTenant};
/// # fn f(tenant: &TestTenant) {
/// let ctx = tenant.context::<Member>();
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestTenant {
    /// The tenant's key, as text.
    pub key: String,
    /// A user for each role, by the role's name, as text.
    pub users: BTreeMap<&'static str, String>,
}

impl TestTenant {
    /// Creates the context of the tenant's user with a role.
    ///
    /// # Panics
    ///
    /// If the role does not belong to the tenancy of the models.
    #[must_use]
    pub fn context<R: Role>(&self) -> TenantCtx<R> {
        let key = KeyOf::<R>::read_text(&self.key);
        let user = self.users.get(R::NAME).and_then(|user| UserOf::<R>::read_text(user));
        match (key, user) {
            (Some(key), Some(user)) => TenantCtx::assume_authorized(key, user),
            _ => panic!("`{}` is not a role of the models of this database", R::NAME),
        }
    }
}

/// The reason why a test database could not be created or examined.
///
/// ```no_run
/// # use tenant_runtime::{models, testing::{TestDatabase, TestingError}};
/// # async fn f() -> Result<(), TestingError> {
/// let database = match TestDatabase::create(&models![]).await {
///     Err(TestingError::Behind { folder }) => panic!("run `gen-migrations` first: {folder}"),
///     created => created?,
/// };
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestingError {
    /// The models have errors, or the migrations directory is invalid.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The migrations directory is behind the models.
    #[error(
        "{folder} lacks changes of the models\n  help: run `gen-migrations`, which generates the missing migration"
    )]
    Behind {
        /// The directory.
        folder: String,
    },
    /// The temporary PostgreSQL server could not be started.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// No test rows could be generated, or the verification failed.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The audit failed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The connection or a statement failed.
    #[error(transparent)]
    Database(#[from] Error),
    /// The task that prepares the database could not be run.
    #[error("cannot run the task that prepares the test database: {0}")]
    Runtime(#[from] std::io::Error),
}

/// The server and the template databases that the tests of a process share.
struct Shared {
    server: Arc<Server>,
    templates: BTreeMap<String, Tenants>,
    copies: usize,
}

static SHARED: Mutex<Option<Shared>> = Mutex::new(None);

impl TestDatabase {
    /// Creates a database for a test.
    ///
    /// Applies the directory `migrations` in the package of the models, or, if there is none, SQL generated from the
    /// models.
    ///
    /// # Errors
    ///
    /// - [`TestingError::Generate`]: the models have errors, or the migrations directory is invalid.
    /// - [`TestingError::Behind`]: the migrations directory is behind the models.
    /// - [`TestingError::Server`]: no PostgreSQL server could be found or downloaded.
    /// - [`TestingError::Verify`]: no test rows can be generated.
    /// - [`TestingError::Database`]: the connection or a statement failed.
    /// - [`TestingError::Runtime`]: the task that prepares the database could not be run.
    pub async fn create(models: &Models) -> Result<Self, TestingError> {
        Self::create_with(models, &VerifyOptions::default()).await
    }

    /// Creates a database for a test, with given values for columns whose values cannot be generated.
    ///
    /// Databases with the same models and the same values are copies of one template. [`assert_isolated`] uses the same values.
    ///
    /// ```no_run
    /// # use tenant_runtime::{models, testing::{TestDatabase, TestingError}, verify::VerifyOptions};
    /// # async fn f() -> Result<(), TestingError> {
    /// let options = VerifyOptions::default().values("app.accounts", "iban", ["DE02120300000000202051"]);
    /// let database = TestDatabase::create_with(&models![], &options).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The variants of [`create`](Self::create).
    pub async fn create_with(models: &Models, options: &VerifyOptions) -> Result<Self, TestingError> {
        let (models, options) = (models.clone(), options.clone());
        // Starting a server blocks the thread; one test starts the server for all tests.
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
        let template = format!("template_of_{}_{}", schema.product(), fingerprint(&models, options));
        let tenants = match shared.templates.get(&template) {
            Some(tenants) => tenants.clone(),
            None => {
                run(&shared.server.admin_url(), &format!("CREATE DATABASE {}", quoted(&template))).await?;
                let url = shared.server.url("postgres", &template);
                let filled = async {
                    migrate(&models, &schema, &url).await?;
                    if models.tables().first().is_some_and(|def| def.tenancy.signed_context) {
                        install_key(&schema, &url).await?;
                    }
                    Ok(make_tenants(&url, &models, options).await?)
                };
                let filled: Result<_, TestingError> = filled.await;
                if filled.is_err() {
                    // Otherwise the next test would report that the database exists, instead of the cause.
                    let dropped = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&template));
                    let _ = run(&shared.server.admin_url(), &dropped).await;
                }
                let tenants = filled?;
                shared.templates.entry(template.clone()).or_insert(tenants).clone()
            }
        };
        shared.copies += 1;
        let name = format!("test_{}", shared.copies);
        copy(&shared.server, &template, &name).await?;
        let tenants = tenants.map(|(key, users)| TestTenant { key, users });
        Ok(Self { models, server: Arc::clone(&shared.server), name, tenants, options: options.clone() })
    }

    /// Returns the two tenants.
    #[must_use]
    pub fn tenants(&self) -> &[TestTenant; 2] {
        &self.tenants
    }

    /// Returns the URL for the superuser.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.server.url("postgres", &self.name)
    }

    /// Returns the URL for the app's login.
    ///
    /// ```no_run
    /// # async fn f(database: tenant_runtime::testing::TestDatabase) -> tenant_runtime::Result<()> {
    /// let db = tenant_runtime::TenantDb::options().max_connections(2).connect(&database.app_url()).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn app_url(&self) -> String {
        self.url_of(None)
    }

    /// Returns the URL for the login of a role, such as `viewer`; the app's URL if all roles share one login.
    ///
    /// Use it with [`TenantDbOptions::login_per_role`](crate::TenantDbOptions::login_per_role).
    ///
    /// ```no_run
    /// # use tenant_runtime::{Result, TenantDb, tenancy, testing::TestDatabase};
    /// # tenancy! { pub Clinics { key: i64, login_per_role: true, roles: { Staff, Doctor: Staff } } }
    /// # async fn f(database: TestDatabase) -> Result<()> {
    /// let options = TenantDb::options().login_per_role::<Clinics>(|role| Some(database.role_url(role)));
    /// let db = options.connect(&database.app_url()).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn role_url(&self, role: &str) -> String {
        self.url_of(Some(role))
    }

    /// Returns the URL for the login of cross-tenant jobs, for [`SystemDb::connect`](crate::SystemDb::connect).
    ///
    /// ```no_run
    /// # use tenant_runtime::{Result, SystemDb, roles::Organizations, testing::TestDatabase};
    /// # async fn f(database: TestDatabase) -> Result<()> {
    /// let jobs = SystemDb::<Organizations>::connect(&database.jobs_url()).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn jobs_url(&self) -> String {
        let login = self.models.tables().first().map(|def| def.tenancy.database_role(names::JOBS)).unwrap_or_default();
        self.server.url(&login, &self.name)
    }

    fn url_of(&self, role: Option<&str>) -> String {
        let login = self.models.tables().first().map(|def| def.tenancy.login(role)).unwrap_or_default();
        self.server.url(&login, &self.name)
    }

    /// Returns the key that signs the contexts, if the tenancy of the models has `signed_context: true`.
    ///
    /// [`app`](Self::app) uses it. The key is the same in every test.
    ///
    /// ```no_run
    /// # use tenant_runtime::{SystemDb, TenantDb, tenancy, testing::TestDatabase};
    /// # tenancy! { pub Clinics { key: i64, signed_context: true, roles: { Staff } } }
    /// # async fn f(database: TestDatabase) -> Result<(), Box<dyn std::error::Error>> {
    /// let key = database.signing_key().ok_or("contexts are not signed")?;
    /// let options = TenantDb::options().signing_key(key);
    /// let jobs = SystemDb::<Clinics>::connect_with(&database.jobs_url(), options).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn signing_key(&self) -> Option<SigningKey> {
        let signed = self.models.tables().first().is_some_and(|def| def.tenancy.signed_context);
        signed.then(signing_key).flatten()
    }

    /// Connects as the app.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`], [`Error::UnsafeLogin`], [`Error::RoleWithoutLogin`] and [`Error::Database`], as with
    /// [`TenantDb::connect`].
    pub async fn app(&self) -> Result<TenantDb, Error> {
        let tenancy = self.models.tables().first().map(|def| def.tenancy).filter(|tenancy| tenancy.login_per_role);
        let options = match tenancy {
            Some(tenancy) => TenantDb::options().logins_of(tenancy, |role| Some(self.role_url(role))),
            None => TenantDb::options(),
        };
        let options = match self.signing_key() {
            Some(key) => options.signing_key(key),
            None => options,
        };
        options.connect(&self.app_url()).await
    }
}

/// Creates a database for the models, audits it and verifies it as every role.
///
/// ```no_run
/// # use tenant_runtime::models;
/// # async fn f() {
/// tenant_runtime::testing::assert_all_isolated(models![]).await;
/// # }
/// ```
///
/// # Panics
///
/// If `audit` reports an error or a warning, if `verify` reports a violation, or if the database cannot be created. The message
/// contains all findings and violations.
pub async fn assert_all_isolated(models: Models) {
    assert_all_isolated_with(models, &VerifyOptions::default()).await;
}

/// Creates a database for the models, audits it and verifies it as every role, with given values
/// for columns whose values cannot be generated.
///
/// ```no_run
/// # use tenant_runtime::{models, verify::VerifyOptions};
/// # async fn f() {
/// let options = VerifyOptions::default().values("app.accounts", "iban", ["DE02120300000000202051"]);
/// tenant_runtime::testing::assert_all_isolated_with(models![], &options).await;
/// # }
/// ```
///
/// # Panics
///
/// In the same cases as [`assert_all_isolated`].
pub async fn assert_all_isolated_with(models: Models, options: &VerifyOptions) {
    match examine(&models, options).await {
        Ok(found) if found.is_empty() => {}
        Ok(found) => panic!("{found}"),
        Err(error) => panic!("the verification did not complete: {error}"),
    }
}

async fn examine(models: &Models, options: &VerifyOptions) -> Result<String, TestingError> {
    let database = TestDatabase::create_with(models, options).await?;
    let schema = check(models).map_err(GenerateError::from)?.schema;
    let mut connection = open_connection(&connection_options(&database.admin_url())?).await?;
    let report = audit(&mut connection, &schema).await?;
    connection.close().await.map_err(Error::from)?;
    let verified = verify(&database.admin_url(), models, options).await?;
    let bad = report.findings.iter().filter(|finding| finding.severity != Severity::Note);
    let bad = bad.map(|finding| format!("{} {}, {}: {}", finding.severity, finding.code, finding.object, finding.what));
    let verified = (!verified.is_clean()).then(|| verified.to_string());
    Ok(bad.chain(verified).collect::<Vec<_>>().join("\n"))
}

/// Verifies a test's database as every role, and fails on violations that concern one model's table.
///
/// Use it after a test has changed the database, for example with a hand-written migration or a view.
///
/// ```no_run
/// # use tenant_runtime::{TenantTable, testing::{TestDatabase, assert_isolated}};
/// # async fn f<Project: TenantTable>(database: &TestDatabase) {
/// assert_isolated::<Project>(database).await;
/// # }
/// ```
///
/// # Panics
///
/// If a role's access to the table differs from the declaration, or if the verification cannot complete.
pub async fn assert_isolated<T: TenantTable>(database: &TestDatabase) {
    let report = match verify(&database.admin_url(), &database.models, &database.options).await {
        Ok(report) => report,
        Err(error) => panic!("the verification did not complete: {error}"),
    };
    let table = T::TABLE.name.to_string();
    let about = report.violations.iter().filter(|violation| violation.table.as_ref().is_none_or(|of| *of == table));
    let found = about.map(|violation| format!("{violation}\n")).collect::<String>();
    assert!(found.is_empty() && report.given_up.is_empty(), "{found}{}", report.given_up.join("\n"));
}

/// Identifies a set of models with given values.
fn fingerprint(models: &Models, options: &VerifyOptions) -> String {
    let names = models.tables().iter().map(|def| format!("{} {}:{}", def.name, def.file, def.line));
    let text = names.chain([options.identity()]).collect::<Vec<_>>().join(",");
    // A short hash, since PostgreSQL truncates identifiers.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}
