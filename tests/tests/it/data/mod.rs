//! Repository methods on a table with a column of every kind and two tenants, compared with a plain Rust
//! model of the rows.

mod bulk;
mod filters;
mod keys;
mod pagination;
mod parents;
mod random_cases;
mod tenant_isolation;
mod views;

use sqlx::types::{
    Decimal, Json,
    chrono::{DateTime, NaiveDate, Utc},
};
use tenant_runtime::{
    Migrations, PgColumn, Repository as _, SqlType, TenantCtx, TenantDb, TenantEnum, TenantTable,
    migrate::{folder::Folder, generate::generate},
    model::def::TableDef,
    tenancy,
};
use tenant_tests::{Database, TempDir};
use uuid::Uuid;

tenancy! {
    /// Laboratories and their members.
    pub(super) Labs {
        key: Uuid,
        role_prefix: "lab_",
        roles: {
            /// Reads samples.
            Reader,
            /// Adds samples.
            Writer: Reader,
            /// Reads secret columns.
            Boss: Writer,
        },
    }
}

/// A type of the app, which sqlx does not support as an element of arrays.
#[derive(Debug, Clone, PartialEq, sqlx::Type)]
#[sqlx(transparent, no_pg_array)]
pub(super) struct Alias(pub(super) String);

impl PgColumn for Alias {
    const SQL: SqlType = String::SQL;
}

/// Labels.
#[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
pub(super) enum Kind {
    Rock,
    Water,
    Dust,
}

/// A row with a column of every kind.
#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(org = "lab_id", select = "reader", insert = "writer", update = "writer", delete = "writer")]
#[tenant(unique(kind, code))]
pub(super) struct Sample {
    pub(super) id: i64,
    pub(super) lab_id: Uuid,
    pub(super) label: String,
    pub(super) note: Option<String>,
    pub(super) grams: i32,
    pub(super) depth: Option<i64>,
    pub(super) ratio: f64,
    pub(super) fresh: bool,
    pub(super) kind: Kind,
    pub(super) other: Option<Kind>,
    pub(super) taken_at: DateTime<Utc>,
    pub(super) due: Option<NaiveDate>,
    pub(super) code: Uuid,
    pub(super) price: Option<Decimal>,
    pub(super) alias: Alias,
    pub(super) blob: Vec<u8>,
    pub(super) extra: Option<Json<Vec<i32>>>,
    #[tenant(default = "7")]
    pub(super) count: i16,
    #[tenant(select = "boss", insert = "boss", update = "boss", default = "0")]
    pub(super) secret: i32,
}

/// A row with an array column, of which no array type exists.
#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(org = "lab_id", select = "reader", insert = "writer", update = "writer", delete = "writer")]
pub(super) struct Tray {
    pub(super) id: i64,
    pub(super) lab_id: Uuid,
    #[tenant(unique)]
    pub(super) name: String,
    pub(super) tags: Vec<String>,
    #[tenant(references = Sample, on_delete = "set_null")]
    pub(super) best: Option<i64>,
}

/// A new sample with a unique code.
pub(super) fn sample(label: &str) -> NewSample {
    NewSample {
        label: label.to_owned(),
        note: None,
        grams: 1,
        depth: None,
        ratio: 0.5,
        fresh: true,
        kind: Kind::Rock,
        other: None,
        taken_at: DateTime::UNIX_EPOCH,
        due: None,
        code: Uuid::new_v4(),
        price: None,
        alias: Alias("a".to_owned()),
        blob: vec![1],
        extra: None,
        count: None,
    }
}

/// A database with these tables.
pub(super) async fn database_of<const N: usize>(tables: [&'static TableDef; N]) -> Database {
    let database = Database::empty().await;
    let folder = TempDir::new();
    let files = Folder::new(folder.path());
    let plan = generate(&tenant_runtime::models![].only(tables), &files).expect("generated");
    plan.write(&files, &std::collections::BTreeSet::new()).expect("written");
    let migrations = Migrations::from_dir(folder.path()).await.expect("read");
    migrations.apply(&database.admin_url(), &mut |_| {}).await.expect("applied");
    database
}

/// A database with both tables, and contexts of two laboratories.
pub(super) struct Lab {
    pub(super) database: Database,
    pub(super) db: TenantDb,
    pub(super) boss: TenantCtx<Boss>,
    pub(super) other: TenantCtx<Boss>,
}

impl Lab {
    pub(super) async fn open() -> Self {
        let database = database_of([Sample::TABLE, Tray::TABLE]).await;
        let db = tenant_tests::app_options().connect(&database.url_of("lab_service")).await.expect("connected");
        let boss = || TenantCtx::assume_authorized(Uuid::new_v4(), Uuid::new_v4());
        Self { db, boss: boss(), other: boss(), database }
    }

    /// Creates a laboratory, and inserts the same samples into it and into the other one.
    pub(super) async fn with(samples: impl Fn() -> Vec<NewSample>) -> (Self, Vec<Sample>) {
        let lab = Self::open().await;
        Sample::insert_many(&lab.db.scope(&lab.other), samples()).await.expect("inserted");
        let rows = Sample::insert_many(&lab.db.scope(&lab.boss), samples()).await.expect("inserted");
        (lab, rows)
    }
}
