//! tokio-postgres with BEGIN, the settings, the statement and COMMIT pipelined by hand.

use std::{
    fmt,
    hint::black_box,
    sync::{Mutex, PoisonError},
};

use sqlx::types::chrono::{DateTime, Utc};
use tenant_tests::benchmark::{
    clients::{Call, Client, Request, Statements, TITLE, Tenants},
    rows::Place,
};
use tokio::sync::Semaphore;
use tokio_postgres::{NoTls, Row, Statement};
use uuid::Uuid;

/// A connection with the prepared statements in the order of [`Request::ALL`].
struct Connection {
    client: tokio_postgres::Client,
    statements: Vec<Statement>,
}

/// tokio-postgres with a plain pool that does not check connections.
pub struct Pipelined {
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
    tenants: Tenants,
}

impl fmt::Debug for Pipelined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipelined").finish_non_exhaustive()
    }
}

impl Pipelined {
    /// Opens the connections and prepares the statements.
    pub async fn connect(url: &str, connections: u32, statements: &Statements, tenants: Tenants) -> Self {
        let mut idle = Vec::new();
        for _ in 0..connections {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connects");
            tokio::spawn(async move {
                let _ = connection.await;
            });
            let mut prepared = Vec::new();
            for request in Request::ALL.into_iter().filter(|request| *request != Request::ReadAndWrite) {
                prepared.push(client.prepare(statements.of(request)).await.expect("prepared"));
            }
            idle.push(Connection { client, statements: prepared });
        }
        let permits = Semaphore::new(connections as usize);
        Self { idle: Mutex::new(idle), permits, tenants }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    async fn run(&self, request: Request, place: Place) {
        let Place { org, project, task, .. } = place;
        let statement = Request::ALL.iter().zip(&self.statements).find(|(other, _)| **other == request);
        let (_, statement) = statement.expect("a request with one statement");
        let sent = match request {
            Request::List | Request::Count => self.client.query(statement, &[&org]).await,
            Request::Find => self.client.query(statement, &[&org, &task]).await,
            Request::Filter => {
                let since = DateTime::UNIX_EPOCH;
                self.client.query(statement, &[&org, &project, &"todo", &since, &TITLE]).await
            }
            Request::Insert => self.client.query(statement, &[&org, &project, &"new"]).await,
            Request::Update => self.client.query(statement, &[&org, &task, &"changed"]).await,
            Request::ReadAndWrite => unreachable!("two statements"),
        };
        let rows = sent.expect("rows");
        assert!(!rows.is_empty(), "no rows");
        if request == Request::Count {
            black_box(rows[0].get::<_, i64>(0));
        } else {
            black_box(rows.iter().map(read).collect::<Vec<_>>());
        }
    }
}

type Task = (Uuid, Uuid, Uuid, String, Option<String>, String, Option<Uuid>, DateTime<Utc>);

fn read(row: &Row) -> Task {
    (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5), row.get(6), row.get(7))
}

impl Client for Pipelined {
    fn label(&self) -> &'static str {
        "tokio-postgres, pipelined"
    }

    fn sends(&self, _request: Request) -> bool {
        true
    }

    fn send(&self, request: Request) -> Call<'_> {
        let place = self.tenants.next(request);
        Box::pin(async move {
            let _permit = self.permits.acquire().await.expect("open");
            let connection = self.idle().pop().expect("as many as permits");
            let (org, user) = (place.org, place.user);
            let begin = format!("BEGIN; SET LOCAL app.organization_id = '{org}'; SET LOCAL app.user_id = '{user}'");
            // Each future sends its message when it is first polled, which happens in this order.
            let (begun, committed) = if request == Request::ReadAndWrite {
                let (begun, ()) =
                    tokio::join!(biased; connection.client.batch_execute(&begin), connection.run(Request::Find, place));
                let ((), committed) = tokio::join!(biased; connection.run(Request::Update, place), connection.client.batch_execute("COMMIT"));
                (begun, committed)
            } else {
                let (begun, (), committed) = tokio::join!(
                    biased;
                    connection.client.batch_execute(&begin),
                    connection.run(request, place),
                    connection.client.batch_execute("COMMIT")
                );
                (begun, committed)
            };
            begun.and(committed).expect("committed");
            self.idle().push(connection);
        })
    }
}
