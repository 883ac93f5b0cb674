//! The tables and plots of an app's requests: latency, round trips and throughput.

use std::time::{Duration, Instant};

use super::{
    chart::Chart,
    clients::{Request, Tenants},
    full_or_quick,
    measure::{SharedClient, fastest_tenth, latency, throughput, warm_up},
    quick,
    report::Report,
    rows::{Sizes, place},
};
use crate::{Database, connect, proxy::Proxy, run, server};

/// The connections and tasks of the latency and of the throughput.
const LATENCY_CONNECTIONS: u32 = 4;
const THROUGHPUT_CONNECTIONS: u32 = 8;
const TASKS: usize = 32;

/// The requests whose throughput is measured.
const THROUGHPUT: [Request; 2] = [Request::Find, Request::Insert];

/// The connection between client and server.
#[derive(Debug)]
pub struct Network {
    round_trip: Duration,
    /// `None` for the server's own socket, without any delay.
    proxy: Option<Proxy>,
}

impl Network {
    /// Connects to the server's socket, through a proxy if there is a delay.
    #[must_use]
    pub fn new(database: &Database, round_trip: Duration) -> Self {
        let proxy = (!round_trip.is_zero()).then(|| Proxy::start(database, round_trip));
        Self { round_trip, proxy }
    }

    /// Returns the URL for a login.
    #[must_use]
    pub fn url(&self, login: &str, database: &Database) -> String {
        match &self.proxy {
            Some(proxy) => proxy.url(login, database),
            None => database.url_of(login),
        }
    }

    /// Measures a round trip, including the work of client, proxy and server.
    async fn measured(&self, database: &Database) -> Duration {
        let mut connection = connect(&self.url("app_service", database)).await;
        let mut taken = Vec::new();
        for _ in 0..full_or_quick(200, 20) {
            let start = Instant::now();
            run(&mut connection, "SELECT 1").await.expect("an answer");
            taken.push(start.elapsed());
        }
        fastest_tenth(taken)
    }

    fn label(&self) -> String {
        format!("{} ms", self.round_trip.as_secs_f64() * 1000.0)
    }
}

/// Reads the keys of the tenants whose requests are measured: up to 200 of the small ones.
pub async fn tenants(database: &Database, sizes: Sizes) -> Tenants {
    let mut admin = database.admin().await;
    let mut places = Vec::new();
    for tenant in 2..=sizes.tenants.min(201) {
        places.push(place(&mut admin, tenant).await);
    }
    Tenants::new(places)
}

/// Measures the clients and adds tables and plots to the report. The clients are connected again for each network and each
/// number of connections; the first one is the reference.
pub async fn measure(
    report: &mut Report,
    name: &str,
    database: &Database,
    sizes: Sizes,
    open: impl AsyncFn(&Network, u32) -> Vec<SharedClient>,
) {
    let version = server().version();
    report.paragraph(&format!(
        "PostgreSQL {version}; {} tenants, {} tasks, one tenant with {} of them. The requests go through the tenants with \
         about {} tasks. Delays are added by a proxy to each round trip; 0 ms is the server's Unix socket without a proxy.",
        sizes.tenants,
        sizes.tasks,
        sizes.large,
        (sizes.tasks - sizes.large) / (sizes.tenants - 1),
    ));
    let delays = full_or_quick(vec![0, 500, 2000], vec![0, 500]).into_iter().map(Duration::from_micros);
    let networks: Vec<_> = delays.map(|delay| Network::new(database, delay)).collect();
    let (mut charted, mut trips) = (None, None);
    for network in &networks {
        let clients = open(network, LATENCY_CONNECTIONS).await;
        let labels: Vec<String> = clients.iter().map(|client| client.label().to_owned()).collect();
        let measured = latencies(network, &clients).await;
        report.paragraph(&format!(
            "### Latency at {}\n\nThe fastest tenth of the calls in µs, and its ratio to the first column that has a value. A \
             round trip with `SELECT 1` takes {} µs in all.",
            network.label(),
            network.measured(database).await.as_micros(),
        ));
        report.table(&head("", &labels), &latency_rows(&measured));
        if let Some(proxy) = &network.proxy {
            charted.get_or_insert_with(|| (network.label(), labels.clone(), measured));
            if trips.is_none() {
                trips = Some((labels, count_trips(proxy, &clients).await));
            }
        }
    }
    if let Some((delay, labels, measured)) = charted {
        let groups = measured.into_iter().map(|(request, taken)| {
            (request.label().to_owned(), taken.iter().map(|taken| Some(taken.as_ref()?.as_secs_f64() * 1e6)).collect())
        });
        report.chart(&format!("{name}-latency"), chart(format!("Latency in µs at {delay}"), &labels, groups, 0));
    }
    if let Some((labels, trips)) = trips {
        report.paragraph(
            "### Round trips\n\nThe number for one call, including those after the answer, when a pool checks or resets the \
             connection.",
        );
        report.table(&head("", &labels), &trips);
    }
    add_throughput(report, name, &networks, open).await;
}

fn head(first: &str, labels: &[String]) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(labels.iter().cloned()).collect()
}

fn chart(
    title: String,
    labels: &[String],
    groups: impl Iterator<Item = (String, Vec<Option<f64>>)>,
    decimals: usize,
) -> Chart {
    let series = labels.iter().map(|label| label.replace('`', "")).collect();
    Chart { title, series, groups: groups.collect(), decimals }
}

type Latencies = Vec<(Request, Vec<Option<Duration>>)>;

async fn latencies(network: &Network, clients: &[SharedClient]) -> Latencies {
    // A fixed time for each network, so more rounds where a round is short.
    let rounds = match (quick(), network.round_trip.as_micros()) {
        (true, _) => 10,
        (_, 0) => 3000,
        (_, ..=500) => 300,
        _ => 150,
    };
    let mut measured = Vec::new();
    for request in Request::ALL {
        for client in clients.iter().filter(|client| client.sends(request)) {
            warm_up(client, request, LATENCY_CONNECTIONS as usize).await;
        }
        measured.push((request, latency(clients, request, rounds).await));
    }
    measured
}

fn latency_rows(measured: &Latencies) -> Vec<Vec<String>> {
    let cells = |taken: &[Option<Duration>]| {
        // The first client that sends the request is the reference.
        let reference = taken.iter().flatten().next().map_or(f64::NAN, Duration::as_secs_f64);
        let cell = |taken: &Duration| format!("{} · {:.2}", taken.as_micros(), taken.as_secs_f64() / reference);
        taken.iter().map(|taken| taken.as_ref().map_or_else(|| "–".to_owned(), cell)).collect::<Vec<_>>()
    };
    measured.iter().map(|(request, taken)| head(request.label(), &cells(taken))).collect()
}

/// Counts the round trips of each request and client.
async fn count_trips(proxy: &Proxy, clients: &[SharedClient]) -> Vec<Vec<String>> {
    const CALLS: u64 = 20;
    let mut rows = Vec::new();
    for request in Request::ALL {
        let mut cells = Vec::new();
        for client in clients {
            if !client.sends(request) {
                cells.push("–".to_owned());
                continue;
            }
            proxy.reset().await;
            for _ in 0..CALLS {
                client.send(request).await;
            }
            let trips = proxy.trips().await;
            let decimals = usize::from(trips % CALLS != 0);
            cells.push(format!("{:.decimals$}", trips as f64 / CALLS as f64));
        }
        rows.push(head(request.label(), &cells));
    }
    rows
}

async fn add_throughput(
    report: &mut Report,
    name: &str,
    networks: &[Network],
    open: impl AsyncFn(&Network, u32) -> Vec<SharedClient>,
) {
    let (slices, slice) = full_or_quick((15, Duration::from_millis(300)), (3, Duration::from_millis(60)));
    report.paragraph(&format!(
        "### Throughput\n\nCalls per second of {TASKS} tasks over {THROUGHPUT_CONNECTIONS} connections in the fastest fifth of \
         the slices of time, and the ratio to the first column. Clients, proxy and server share the machine's CPUs."
    ));
    let (mut rows, mut labels, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for network in networks {
        let clients = open(network, THROUGHPUT_CONNECTIONS).await;
        labels = clients.iter().map(|client| client.label().to_owned()).collect();
        for request in THROUGHPUT {
            for client in &clients {
                warm_up(client, request, THROUGHPUT_CONNECTIONS as usize).await;
            }
            let rates = throughput(&clients, request, TASKS, slices, slice).await;
            let reference = rates.iter().flatten().next().copied().unwrap_or(f64::NAN);
            let cell = |rate: &Option<f64>| {
                rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.0} · {:.2}", rate / reference))
            };
            let label = format!("{}, {}", request.label(), network.label());
            rows.push(head(&label, &rates.iter().map(cell).collect::<Vec<_>>()));
            // Without a delay the numbers are so large that the other bars could not be compared.
            if network.proxy.is_some() {
                groups.push((label, rates));
            }
        }
    }
    report.table(&head("", &labels), &rows);
    report.chart(&format!("{name}-throughput"), chart("Calls per second".to_owned(), &labels, groups.into_iter(), 0));
}
