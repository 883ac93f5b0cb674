//! Requests of an app, sent by sqlx without isolation and by tenant-runtime.

use std::{
    fmt,
    hint::black_box,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use sqlx::{
    FromRow, PgExecutor, PgPool,
    types::chrono::{DateTime, Utc},
};
use tenant_examples::{NewTask, Task, TaskChanges, TaskStatus};
use tenant_runtime::{InlineValues, Repository as _, TenantCtx, TenantDb, roles::Member};
use uuid::Uuid;

use super::rows::Place;

/// A request of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// One task by its key.
    Find,
    /// The first fifty tasks in order.
    List,
    /// The number of the tenant's tasks.
    Count,
    /// Up to fifty tasks that meet five conditions.
    Filter,
    /// A new task.
    Insert,
    /// A new title of one task.
    Update,
    /// One task by its key, and then a new title, in one transaction.
    ReadAndWrite,
}

impl Request {
    /// All requests, in the order of the tables.
    pub const ALL: [Self; 7] =
        [Self::Find, Self::List, Self::Count, Self::Filter, Self::Insert, Self::Update, Self::ReadAndWrite];

    /// Returns the label in tables and plots.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Find => "row by key",
            Self::List => "list of 50",
            Self::Count => "count",
            Self::Filter => "filter, 5 conditions",
            Self::Insert => "insert",
            Self::Update => "update by key",
            Self::ReadAndWrite => "one read, one write",
        }
    }

    /// Returns whether the request changes rows.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Insert | Self::Update | Self::ReadAndWrite)
    }
}

/// A future that a client returns.
pub type Call<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A way to send the requests.
pub trait Client: Send + Sync + fmt::Debug {
    /// Returns the label in tables and plots.
    fn label(&self) -> &'static str;

    /// Returns whether this client sends the request. A client without a transaction around its statements does not send
    /// [`Request::ReadAndWrite`].
    fn sends(&self, request: Request) -> bool;

    /// Sends a request for the next tenant and reads the answer.
    fn send(&self, request: Request) -> Call<'_>;
}

/// The tenants of the requests. Reads and writes use different tenants, so that reads keep finding the same rows.
#[derive(Debug)]
pub struct Tenants {
    readers: Vec<Place>,
    writers: Vec<Place>,
    next: AtomicUsize,
}

impl Tenants {
    /// Divides the tenants into those for reads and those for writes.
    #[must_use]
    pub fn new(mut readers: Vec<Place>) -> Self {
        let writers = readers.split_off(readers.len() / 2);
        Self { readers, writers, next: AtomicUsize::new(0) }
    }

    /// Returns the next tenant, in turn.
    #[must_use]
    pub fn next(&self, request: Request) -> Place {
        let places = if request.writes() { &self.writers } else { &self.readers };
        places[self.next.fetch_add(1, Ordering::Relaxed) % places.len()]
    }
}

impl Clone for Tenants {
    /// Each client counts for itself and therefore meets the same tenants in the same order.
    fn clone(&self) -> Self {
        Self { readers: self.readers.clone(), writers: self.writers.clone(), next: AtomicUsize::new(0) }
    }
}

/// A task as a row of a query written by hand.
#[derive(Debug, FromRow)]
#[expect(dead_code, reason = "an app would read the fields")]
pub struct Row {
    id: Uuid,
    organization_id: Uuid,
    project_id: Uuid,
    title: String,
    description: Option<String>,
    status: String,
    assigned_to: Option<Uuid>,
    created_at: DateTime<Utc>,
}

/// The title that the tasks of [`Request::Filter`] do not have.
pub const TITLE: &str = "another title";

/// The statements, with the name of the schema.
#[derive(Debug, Clone)]
pub struct Statements {
    find: String,
    list: String,
    count: String,
    filter: String,
    insert: String,
    update: String,
}

impl Statements {
    /// Returns the statements on the tables of a schema.
    #[must_use]
    pub fn on(schema: &str) -> Self {
        let columns = "id, organization_id, project_id, title, description, status, assigned_to, created_at";
        let select = format!("SELECT {columns} FROM {schema}.tasks WHERE organization_id = $1");
        Self {
            find: format!("{select} AND id = $2"),
            list: format!("{select} ORDER BY id LIMIT 50"),
            count: format!("SELECT count(*) FROM {schema}.tasks WHERE organization_id = $1"),
            filter: format!(
                "{select} AND project_id = $2 AND status = $3 AND created_at > $4 AND title <> $5 AND assigned_to IS NULL \
                 ORDER BY id LIMIT 50"
            ),
            insert: format!(
                "INSERT INTO {schema}.tasks (organization_id, project_id, title) VALUES ($1, $2, $3) RETURNING {columns}"
            ),
            update: format!(
                "UPDATE {schema}.tasks SET title = $3 WHERE organization_id = $1 AND id = $2 RETURNING {columns}"
            ),
        }
    }

    /// Returns the text of the one statement of a request.
    ///
    /// # Panics
    ///
    /// If the request has two statements.
    #[must_use]
    pub fn of(&self, request: Request) -> &str {
        match request {
            Request::Find => &self.find,
            Request::List => &self.list,
            Request::Count => &self.count,
            Request::Filter => &self.filter,
            Request::Insert => &self.insert,
            Request::Update => &self.update,
            Request::ReadAndWrite => panic!("two statements"),
        }
    }

    /// Sends the one statement of a request with sqlx.
    ///
    /// # Panics
    ///
    /// If the statement fails, or if the request has two statements.
    pub async fn run<'e, E: PgExecutor<'e>>(&self, executor: E, request: Request, place: Place) {
        let Place { org, project, task, .. } = place;
        let sql = sqlx::AssertSqlSafe(self.of(request));
        if request == Request::Count {
            black_box(sqlx::query_scalar::<_, i64>(sql).bind(org).fetch_one(executor).await.expect("a count"));
            return;
        }
        let rows = sqlx::query_as::<_, Row>(sql).bind(org);
        match request {
            Request::Find => black_box(vec![rows.bind(task).fetch_one(executor).await.expect("a row")]),
            Request::Filter => {
                let rows = rows.bind(project).bind("todo").bind(DateTime::UNIX_EPOCH).bind(TITLE);
                black_box(rows.fetch_all(executor).await.expect("rows"))
            }
            Request::Insert => {
                black_box(vec![rows.bind(project).bind("new").fetch_one(executor).await.expect("inserted")])
            }
            Request::Update => {
                black_box(vec![rows.bind(task).bind("changed").fetch_one(executor).await.expect("updated")])
            }
            _ => black_box(rows.fetch_all(executor).await.expect("rows")),
        };
    }

    /// Sends the statements of any request in turn.
    pub async fn run_all(&self, connection: &mut sqlx::PgConnection, request: Request, place: Place) {
        if request == Request::ReadAndWrite {
            self.run(&mut *connection, Request::Find, place).await;
            self.run(connection, Request::Update, place).await;
        } else {
            self.run(connection, request, place).await;
        }
    }
}

/// sqlx without a transaction and without RLS: the reference.
#[derive(Debug)]
pub struct SqlxPool {
    /// The pool.
    pub pool: PgPool,
    /// The statements.
    pub statements: Statements,
    /// The tenants.
    pub tenants: Tenants,
}

impl Client for SqlxPool {
    fn label(&self) -> &'static str {
        "sqlx, `&pool`"
    }

    fn sends(&self, request: Request) -> bool {
        request != Request::ReadAndWrite
    }

    fn send(&self, request: Request) -> Call<'_> {
        let place = self.tenants.next(request);
        Box::pin(self.statements.run(&self.pool, request, place))
    }
}

/// sqlx in a transaction and without RLS.
#[derive(Debug)]
pub struct SqlxTransaction {
    /// The pool.
    pub pool: PgPool,
    /// The statements.
    pub statements: Statements,
    /// The tenants.
    pub tenants: Tenants,
}

impl Client for SqlxTransaction {
    fn label(&self) -> &'static str {
        "sqlx, transaction"
    }

    fn sends(&self, _request: Request) -> bool {
        true
    }

    fn send(&self, request: Request) -> Call<'_> {
        Box::pin(async move {
            let mut tx = self.pool.begin().await.expect("begun");
            self.statements.run_all(&mut tx, request, self.tenants.next(request)).await;
            tx.commit().await.expect("committed");
        })
    }
}

/// A call of tenant-runtime in its own scope.
#[derive(Debug)]
pub struct OwnScope {
    /// The label in tables and plots.
    pub label: &'static str,
    /// The database.
    pub db: TenantDb,
    /// The tenants.
    pub tenants: Tenants,
}

/// A transaction of tenant-runtime, whose last call also commits.
#[derive(Debug)]
pub struct OwnTransaction {
    /// The label in tables and plots.
    pub label: &'static str,
    /// The database.
    pub db: TenantDb,
    /// The tenants.
    pub tenants: Tenants,
}

/// Returns a new task of a project.
#[must_use]
pub fn new_task(project: Uuid) -> NewTask {
    NewTask {
        project_id: project,
        title: "new".into(),
        description: None,
        status: None,
        assigned_to: None,
        created_at: None,
    }
}

/// Sends the one statement of a request to a handle of tenant-runtime.
macro_rules! call {
    ($handle:expr, $request:expr, $place:expr) => {{
        let Place { project, task, .. } = $place;
        match $request {
            Request::Find => {
                black_box(Task::get($handle, task).await.expect("a row"));
            }
            Request::List => {
                black_box(Task::list($handle).order(Task::ID.asc()).limit(50).await.expect("rows"));
            }
            Request::Count => {
                black_box(Task::count($handle).await.expect("a count"));
            }
            Request::Filter => {
                let filter = Task::PROJECT_ID.eq(project)
                    & Task::STATUS.eq(TaskStatus::Todo)
                    & Task::CREATED_AT.gt(DateTime::UNIX_EPOCH)
                    & Task::TITLE.ne(TITLE)
                    & Task::ASSIGNED_TO.is_null();
                let list = Task::list($handle).filter(filter).order(Task::ID.asc()).limit(50);
                black_box(list.await.expect("rows"));
            }
            Request::Insert => {
                let new = new_task(project);
                black_box(Task::insert($handle, new).await.expect("inserted"));
            }
            Request::Update => {
                let changes = TaskChanges { title: Some("changed".into()), ..TaskChanges::default() };
                black_box(Task::update($handle, task, changes).await.expect("updated"));
            }
            Request::ReadAndWrite => panic!("two statements"),
        }
    }};
}

/// Returns the clients of tenant-runtime: with the default options, and with all values in the text.
///
/// # Panics
///
/// If the app cannot connect.
pub async fn own_clients(url: &str, connections: u32, tenants: &Tenants) -> Vec<super::measure::SharedClient> {
    let options = || TenantDb::options().max_connections(connections);
    let db = options().connect(url).await.expect("the app connects");
    let all = options().inline_values(InlineValues::All).connect(url).await.expect("the app connects");
    let scope = |label, db: &TenantDb| OwnScope { label, db: db.clone(), tenants: tenants.clone() };
    let transaction = |label, db: &TenantDb| OwnTransaction { label, db: db.clone(), tenants: tenants.clone() };
    vec![
        Arc::new(scope("tenant-runtime, `db.scope`", &db)),
        Arc::new(scope("tenant-runtime, `db.scope`, all values in the text", &all)),
        Arc::new(transaction("tenant-runtime, transaction", &db)),
        Arc::new(transaction("tenant-runtime, transaction, all values in the text", &all)),
    ]
}

fn ctx_of(place: Place) -> TenantCtx<Member> {
    TenantCtx::assume_authorized(place.org, place.user)
}

impl Client for OwnScope {
    fn label(&self) -> &'static str {
        self.label
    }

    fn sends(&self, request: Request) -> bool {
        request != Request::ReadAndWrite
    }

    fn send(&self, request: Request) -> Call<'_> {
        let place = self.tenants.next(request);
        Box::pin(async move {
            let scope = self.db.scope(&ctx_of(place));
            call!(&scope, request, place);
        })
    }
}

impl Client for OwnTransaction {
    fn label(&self) -> &'static str {
        self.label
    }

    fn sends(&self, _request: Request) -> bool {
        true
    }

    fn send(&self, request: Request) -> Call<'_> {
        let place = self.tenants.next(request);
        Box::pin(async move {
            let mut tx = self.db.begin(&ctx_of(place)).await.expect("opened");
            if request == Request::ReadAndWrite {
                call!(&mut tx, Request::Find, place);
                call!(tx.then_commit(), Request::Update, place);
            } else {
                call!(tx.then_commit(), request, place);
            }
        })
    }
}
