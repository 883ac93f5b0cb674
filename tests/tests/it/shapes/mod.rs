//! Complete schemas, similar to those of public products: generated, applied by an administrator who is not a superuser, audited,
//! verified, used, changed once, and reverted.

use std::collections::BTreeSet;

use tenant_runtime::{
    Migrations, Models, TenantDb,
    audit::audit,
    migrate::{Revert, folder::Folder, generate::generate},
    model::schema::Schema,
    server::Server,
    verify::{VerifyOptions, verify},
};
use tenant_tests::{TempDir, app_options, connect, dedicated_server, run};

mod ads;
mod scheduling;
mod webhooks;

const DATABASE: &str = "shape";

/// A server with the migrations of a schema.
struct Journey {
    server: Server,
    folder: TempDir,
    /// The schema of each version, with the number of its last migration.
    versions: Vec<(Schema, i64)>,
}

impl Journey {
    async fn start() -> Self {
        let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
        let mut superuser = connect(&server.admin_url()).await;
        run(&mut superuser, "CREATE ROLE operator LOGIN CREATEROLE").await.expect("an administrator");
        run(&mut superuser, &format!("CREATE DATABASE {DATABASE} OWNER operator")).await.expect("a database");
        Self { server, folder: TempDir::new(), versions: Vec::new() }
    }

    fn url(&self, login: &str) -> String {
        self.server.url(login, DATABASE)
    }

    fn operator(&self) -> String {
        self.url("operator")
    }

    /// Generates and applies the migrations of the next version; the database passes the audit and the verification.
    async fn migrate(&mut self, models: &Models) {
        let folder = Folder::new(self.folder.path());
        let generated = generate(models, &folder).expect("the models are valid");
        assert!(!generated.is_nothing());
        generated.write(&folder, &BTreeSet::new()).expect("nothing is lost");
        assert!(generate(models, &folder).expect("the models are valid").is_nothing());
        let migrations = Migrations::from_dir(self.folder.path()).await.expect("the migrations");
        migrations.apply(&self.operator(), &mut |_| {}).await.expect("applied");
        let status = migrations.status(&self.operator()).await.expect("read");
        let last = status.iter().map(|migration| migration.version).max().expect("a migration");
        let schema = generated.checked.schema;
        self.assert_clean(&schema).await;
        let verified = verify(&self.url("postgres"), models, &VerifyOptions::default()).await;
        let verified = verified.unwrap_or_else(|error| panic!("{error}"));
        assert!(verified.is_clean(), "{verified}");
        self.versions.push((schema, last));
    }

    async fn assert_clean(&self, schema: &Schema) {
        let report = audit(&mut connect(&self.operator()).await, schema).await.expect("an audit");
        assert!(report.is_clean(), "{report}");
    }

    async fn app(&self, login: &str) -> TenantDb {
        app_options().connect(&self.url(login)).await.expect("connects")
    }

    /// Reverts the newest version; the database then passes the audit of the version before.
    async fn revert(&mut self) {
        self.versions.pop();
        let (schema, last) = self.versions.last().expect("an earlier version");
        let migrations = Migrations::from_dir(self.folder.path()).await.expect("the migrations");
        let revert = Revert { to: Some(*last), allow_data_loss: true };
        migrations.revert(&self.operator(), revert, &mut |_| {}).await.expect("reverted");
        self.assert_clean(schema).await;
    }
}
