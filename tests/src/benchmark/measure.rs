//! Measurements of alternating variants: the latency of one task, and the throughput of many.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::clients::{Client, Request};

/// A client that many tasks use.
pub type SharedClient = Arc<dyn Client>;

/// Returns the fastest tenth of the durations, which other load on the machine affects least.
///
/// # Panics
///
/// If there are none.
#[must_use]
pub fn fastest_tenth(mut taken: Vec<Duration>) -> Duration {
    taken.sort_unstable();
    taken[taken.len() / 10]
}

/// Opens the connections of a client and prepares the statements of a request on each of them.
pub async fn warm_up(client: &SharedClient, request: Request, connections: usize) {
    for _ in 0..8 {
        let tasks: Vec<_> = (0..connections * 4)
            .map(|_| {
                let client = Arc::clone(client);
                tokio::spawn(async move { client.send(request).await })
            })
            .collect();
        for task in tasks {
            task.await.expect("a request");
        }
    }
}

/// Measures the duration of a request with each client in turn. `None` for a client that does not send it.
///
/// Each round begins with another client, since one could gain from the work of the one before.
pub async fn latency(clients: &[SharedClient], request: Request, rounds: usize) -> Vec<Option<Duration>> {
    let mut taken = vec![Vec::with_capacity(rounds); clients.len()];
    for round in 0..rounds {
        for n in 0..clients.len() {
            let n = (n + round) % clients.len();
            if clients[n].sends(request) {
                let start = Instant::now();
                clients[n].send(request).await;
                taken[n].push(start.elapsed());
            }
        }
    }
    taken.into_iter().map(|taken| (!taken.is_empty()).then(|| fastest_tenth(taken))).collect()
}

/// Counts the calls per second of many tasks with each client in turn, and returns the rate that the fastest fifth of the
/// slices of time reach, which other load on the machine affects least. `None` for a client that does not send the request.
pub async fn throughput(
    clients: &[SharedClient],
    request: Request,
    tasks: usize,
    slices: usize,
    slice: Duration,
) -> Vec<Option<f64>> {
    let mut rates = vec![Vec::with_capacity(slices); clients.len()];
    for round in 0..slices {
        for n in 0..clients.len() {
            let n = (n + round) % clients.len();
            if clients[n].sends(request) {
                rates[n].push(rate(&clients[n], request, tasks, slice).await);
            }
        }
    }
    let fastest = |mut rates: Vec<f64>| {
        rates.sort_unstable_by(|a, b| b.total_cmp(a));
        rates.get(rates.len() / 5).copied()
    };
    rates.into_iter().map(fastest).collect()
}

async fn rate(client: &SharedClient, request: Request, tasks: usize, slice: Duration) -> f64 {
    let start = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let client = Arc::clone(client);
            tokio::spawn(async move {
                let mut calls = 0_u32;
                while start.elapsed() < slice {
                    client.send(request).await;
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    let mut calls = 0;
    for task in running {
        calls += task.await.expect("a task");
    }
    f64::from(calls) / start.elapsed().as_secs_f64()
}
