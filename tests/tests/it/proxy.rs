//! The fixture's proxy: it counts round trips, delays data, and changes no byte.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, Row as _, postgres::PgPoolOptions};
use tenant_tests::{Database, connect, proxy::Proxy, run};

/// Runs statements on a new connection, and returns the number of their round trips.
async fn trips_of(statements: impl AsyncFnOnce(&mut sqlx::PgConnection)) -> u64 {
    let database = Database::create().await;
    let proxy = Proxy::start(&database, Duration::ZERO);
    let mut connection = connect(&proxy.url("app_service", &database)).await;
    proxy.reset().await;
    statements(&mut connection).await;
    let trips = proxy.trips().await;
    connection.close().await.expect("closed");
    assert_eq!(proxy.trips().await, trips, "closing a connection is not a round trip");
    trips
}

#[tokio::test]
async fn a_simple_message_is_one_trip() {
    let trips = trips_of(async |connection| {
        run(connection, "SELECT 1; SELECT 2; SELECT 3").await.expect("runs");
    });
    assert_eq!(trips.await, 1);
}

#[tokio::test]
async fn the_first_use_of_a_statement_is_two_trips_and_each_further_use_one() {
    let trips = trips_of(async |connection| {
        for _ in 0..5 {
            let row = sqlx::query("SELECT $1::int4").bind(7).fetch_one(&mut *connection).await.expect("runs");
            assert_eq!(row.get::<i32, _>(0), 7);
        }
    });
    assert_eq!(trips.await, 6);
}

#[tokio::test]
async fn a_transaction_of_one_statement_is_three_trips() {
    let trips = trips_of(async |connection| {
        let mut tx = connection.begin().await.expect("begun");
        run(&mut tx, "SELECT 1").await.expect("runs");
        tx.commit().await.expect("committed");
    });
    assert_eq!(trips.await, 3);
}

#[tokio::test]
async fn trips_of_a_pool_include_its_checks() {
    let database = Database::create().await;
    let proxy = Proxy::start(&database, Duration::from_millis(2));
    let pool = PgPoolOptions::new().max_connections(1).connect(&proxy.url("app_service", &database)).await;
    let pool = pool.expect("connects");
    sqlx::query("SELECT 1").execute(&pool).await.expect("runs");
    proxy.reset().await;
    for _ in 0..10 {
        sqlx::query("SELECT 1").execute(&pool).await.expect("runs");
    }
    // A check before the statement, the statement, and a check after it.
    assert_eq!(proxy.trips().await, 30);
}

#[tokio::test]
async fn data_is_late_by_the_round_trip_and_unchanged() {
    let database = Database::create().await;
    let one_way = Duration::from_millis(60);
    let proxy = Proxy::start(&database, 2 * one_way);
    let mut connection = connect(&proxy.url("app_service", &database)).await;
    let start = Instant::now();
    run(&mut connection, "SELECT 1").await.expect("runs");
    assert!(start.elapsed() >= 2 * one_way, "{:?}", start.elapsed());
    // More data than 300 pieces of the proxy, which is also more than it holds at once.
    let text: String = (0..20_000_000_u32).map(|n| char::from(b'a' + u8::try_from(n % 26).expect("small"))).collect();
    let start = Instant::now();
    let sent = sqlx::query_scalar::<_, String>("SELECT $1").bind(&text).fetch_one(&mut connection).await.expect("runs");
    assert!(sent == text, "the text has changed");
    // Piece by piece, it would be late by 300 times the delay in each direction.
    assert!(start.elapsed() < 300 * one_way, "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_end_of_the_proxy_ends_its_connections() {
    let database = Database::create().await;
    let proxy = Proxy::start(&database, Duration::ZERO);
    let mut connection = connect(&proxy.url("app_service", &database)).await;
    drop(proxy);
    let error = run(&mut connection, "SELECT 1").await.expect_err("the connection is closed");
    assert!(matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_)), "{error:?}");
}
