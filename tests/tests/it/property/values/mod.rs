//! Property test of values: over five versions, up and down, no migration loses or crosses a value.
//!
//! Each random sequence of versions is generated, applied and reverted as `gen-migrations` does, as an administrator
//! without superuser privileges, and every value of every row is compared with [`model`]. No refusal is accepted.
//!
//! `TENANT_PROPERTY_SEED=7` repeats one sequence, `TENANT_PROPERTY_SEQUENCES=1000` runs more, and `TENANT_TEST_LONG=1`
//! runs 20,000. `TENANT_PROPERTY_REPORTED=100` reports more failures; `TENANT_PROPERTY_WITHOUT=split,merge` leaves out
//! kinds of changes.

mod changes;
mod declare;
mod expressions;
mod first;
mod hints;
mod labels;
mod model;
mod mutants;
mod mutation_check;
mod observed;
mod sequence;

use std::{
    collections::BTreeMap,
    env,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tenant_runtime::server::Server;
use tenant_tests::{connect, dedicated_server, run};

use super::number;
use mutants::FAULTS;
use mutation_check::{Count, Counts};
use sequence::Outcome;

/// The default of `TENANT_PROPERTY_SEQUENCES`.
const SEQUENCES: u64 = 300;
/// The number of sequences of a long run, and the time after which it ends.
const LONG: (u64, Duration) = (20_000, Duration::from_secs(3_600));
const WORKERS: usize = 3;
/// The number of failures after which a run ends.
const MAX_REPORTED: u64 = 5;
/// The most changes between two versions.
const MOST_CHANGES: usize = 4;

/// The results of the sequences.
#[derive(Debug, Default)]
struct Tally {
    sequences: u64,
    /// The sequences that were reverted down to the first version.
    reverted: u64,
    rows: usize,
    /// How often each kind of change was made.
    changes: BTreeMap<&'static str, u64>,
    wrong: Vec<String>,
}

fn server() -> Server {
    let server = dedicated_server();
    run_alone(async {
        let mut admin = connect(&server.admin_url()).await;
        // An administrator as on a hosted server: not a superuser.
        run(&mut admin, "CREATE ROLE operator LOGIN CREATEROLE CREATEDB").await.expect("an administrator");
    });
    server
}

/// Creates a database of the administrator, in which a worker runs one sequence after another.
fn database(server: &Server, worker: usize) -> String {
    let name = format!("values_{worker}");
    run_alone(async {
        let mut operator = connect(&server.url("operator", "postgres")).await;
        run(&mut operator, &format!("CREATE DATABASE {name}")).await.expect("a database");
    });
    name
}

fn run_alone<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

#[test]
fn no_migration_loses_or_crosses_a_value() {
    let server = server();
    let only = number("TENANT_PROPERTY_SEED");
    let long = env::var_os("TENANT_TEST_LONG").is_some();
    let wanted = number("TENANT_PROPERTY_SEQUENCES").unwrap_or(if long { LONG.0 } else { SEQUENCES });
    let reported = number("TENANT_PROPERTY_REPORTED").unwrap_or(MAX_REPORTED);
    let seeds = only.map_or(1..=wanted, |seed| seed..=seed);
    let (next, tally, started) = (AtomicU64::new(*seeds.start()), Mutex::new(Tally::default()), Instant::now());
    let work = |database: &str| {
        run_alone(async {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                let is_late = long && started.elapsed() > LONG.1;
                if seed > *seeds.end() || is_late || tally.lock().expect("a tally").wrong.len() as u64 >= reported {
                    break;
                }
                let mut outcome = sequence::run(&server, database, seed, MOST_CHANGES).await;
                if let Err(why) = &mut outcome {
                    // The same seed with fewer changes may fail in a way that is easier to read.
                    for most in 1..MOST_CHANGES {
                        if let Err(shorter) = sequence::run(&server, database, seed, most).await {
                            *why += &format!("\nand with at most {most} changes: {shorter}");
                            break;
                        }
                    }
                }
                tally.lock().expect("a tally").add(seed, outcome);
            }
        });
    };
    let databases: Vec<_> = (0..WORKERS).map(|worker| database(&server, worker)).collect();
    thread::scope(|scope| {
        for database in &databases {
            scope.spawn(|| work(database));
        }
    });
    let tally = tally.into_inner().expect("a tally");
    println!("{tally:#?} in {:?}", started.elapsed());
    assert!(tally.wrong.is_empty(), "{}", tally.wrong.join("\n\n"));
    let unmade: Vec<_> = changes::names().filter(|name| !tally.changes.contains_key(name)).collect();
    assert!(only.is_some() || unmade.is_empty(), "no sequence makes the changes {unmade:?}");
    assert!(only.is_some() || tally.reverted * 2 >= tally.sequences, "too few sequences are reverted: {tally:#?}");
}

/// The most seeds whose migrations get faults.
const FAULTY_SEEDS: u64 = 200;

#[test]
fn every_kind_of_faulty_migration_is_noticed() {
    let server = server();
    let (next, counts) = (AtomicU64::new(1), Mutex::new(Counts::default()));
    let is_noticed = |count: &Count| count.compared + count.failed > 0;
    let work = || {
        run_alone(async {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                let noticed = counts.lock().expect("counts").values().filter(|count| is_noticed(count)).count();
                if seed > FAULTY_SEEDS || noticed == FAULTS.len() {
                    break;
                }
                let mut of_seed = Counts::default();
                mutation_check::try_faults(&server, seed, &mut of_seed).await;
                let mut counts = counts.lock().expect("counts");
                for (kind, Count { tried, compared, failed }) in of_seed {
                    let count = counts.entry(kind).or_default();
                    count.tried += tried;
                    count.compared += compared;
                    count.failed += failed;
                }
            }
        });
    };
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
    let counts = counts.into_inner().expect("counts");
    println!("{counts:#?} in {} seeds", next.into_inner());
    let missed: Vec<_> =
        FAULTS.iter().map(|(kind, _)| kind).filter(|kind| !counts.get(*kind).is_some_and(is_noticed)).collect();
    assert!(missed.is_empty(), "no comparison notices that {missed:#?}");
}

impl Tally {
    fn add(&mut self, seed: u64, outcome: Result<Outcome, String>) {
        self.sequences += 1;
        match outcome {
            Ok(Outcome { reverted, rows, changes }) => {
                for change in changes {
                    *self.changes.entry(change).or_default() += 1;
                }
                self.reverted += u64::from(reverted);
                self.rows += rows;
            }
            Err(why) => self.wrong.push(format!("seed {seed}: {why}")),
        }
    }
}
