//! tenaxum with its pool hooks, and with its explicit transaction. It uses sqlx 0.8.

use std::{hint::black_box, time::Duration};

use sqlx_08::{
    PgExecutor, PgPool,
    postgres::PgPoolOptions,
    types::chrono::{DateTime, Utc},
};
use tenant_tests::benchmark::{
    clients::{Call, Client, Request, Statements, TITLE, Tenants},
    rows::Place,
};
use tenaxum::{Tenancy, TenantId, pool::TENANT_ID};
use uuid::Uuid;

/// The columns of a task.
type Row = (Uuid, Uuid, Uuid, String, Option<String>, String, Option<Uuid>, DateTime<Utc>);

fn tenancy() -> Tenancy {
    Tenancy::new().guc(crate::SETTING).schema(crate::GUIDE).tenant_column("organization_id")
}

/// Connects a pool with tenaxum's hooks.
pub async fn connect(url: &str, connections: u32) -> PgPool {
    let options = PgPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(30));
    tenancy().with_tenant_hooks(options).connect(url).await.expect("connects")
}

async fn run<'e, E: PgExecutor<'e>>(statements: &Statements, executor: E, request: Request, place: Place) {
    let Place { org, project, task, .. } = place;
    let sql = statements.of(request);
    if request == Request::Count {
        black_box(sqlx_08::query_scalar::<_, i64>(sql).bind(org).fetch_one(executor).await.expect("a count"));
        return;
    }
    let rows = sqlx_08::query_as::<_, Row>(sql).bind(org);
    match request {
        Request::Find => black_box(vec![rows.bind(task).fetch_one(executor).await.expect("a row")]),
        Request::Filter => {
            let rows = rows.bind(project).bind("todo").bind(DateTime::UNIX_EPOCH).bind(TITLE);
            black_box(rows.fetch_all(executor).await.expect("rows"))
        }
        Request::Insert => black_box(vec![rows.bind(project).bind("new").fetch_one(executor).await.expect("inserted")]),
        Request::Update => black_box(vec![rows.bind(task).bind("changed").fetch_one(executor).await.expect("updated")]),
        _ => black_box(rows.fetch_all(executor).await.expect("rows")),
    };
}

/// Each statement on the pool, whose hooks set and reset the tenant of the connection.
#[derive(Debug)]
pub struct Hooks {
    pub pool: PgPool,
    pub statements: Statements,
    pub tenants: Tenants,
}

impl Client for Hooks {
    fn label(&self) -> &'static str {
        "tenaxum, pool hooks"
    }

    fn sends(&self, request: Request) -> bool {
        request != Request::ReadAndWrite
    }

    fn send(&self, request: Request) -> Call<'_> {
        let place = self.tenants.next(request);
        let call = run(&self.statements, &self.pool, request, place);
        Box::pin(TENANT_ID.scope(TenantId::from(place.org), call))
    }
}

/// A transaction of tenaxum. The pool's hooks run as well, since an app has one pool.
#[derive(Debug)]
pub struct BeginTenant {
    pub pool: PgPool,
    pub statements: Statements,
    pub tenants: Tenants,
}

impl Client for BeginTenant {
    fn label(&self) -> &'static str {
        "tenaxum, `begin_tenant`"
    }

    fn sends(&self, _request: Request) -> bool {
        true
    }

    fn send(&self, request: Request) -> Call<'_> {
        let place = self.tenants.next(request);
        Box::pin(async move {
            let tenant = TenantId::from(place.org);
            let mut tx = tenancy().begin_tenant(&self.pool, &tenant).await.expect("begun");
            if request == Request::ReadAndWrite {
                run(&self.statements, &mut *tx, Request::Find, place).await;
                run(&self.statements, &mut *tx, Request::Update, place).await;
            } else {
                run(&self.statements, &mut *tx, request, place).await;
            }
            tx.commit().await.expect("committed");
        })
    }
}
