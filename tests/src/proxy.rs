//! A proxy in front of the server that delays data as a network does and counts round trips.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{Database, TempDir};

/// How many pieces of data can be on their way in one direction of a connection. A full line stops the reader, so a slow
/// receiver slows its sender down as without a proxy.
const LINE: usize = 256;

/// The longest piece of data that is forwarded at once.
const PIECE: usize = 64 * 1024;

/// The message with which a client ends its connection. No answer follows, so it is not a round trip.
const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// A running proxy, which closes its connections when the value is dropped.
///
/// Each piece of data is forwarded half a round trip after it arrived, so pipelined data is delayed once and not piece by
/// piece. The proxy uses a few threads for each connection instead of tasks: tokio's timers have a resolution of 1 ms.
#[derive(Debug)]
pub struct Proxy {
    folder: TempDir,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: PathBuf,
    one_way: Duration,
    trips: AtomicU64,
    /// When the latest piece of data arrived or was forwarded.
    moved: Mutex<Instant>,
    /// Both ends of the connections, to close them.
    open: Mutex<Vec<UnixStream>>,
    stopped: AtomicBool,
}

/// The state of one connection that both directions share.
#[derive(Debug, Default)]
struct Turn {
    /// Whether the client has sent data that the server has not answered.
    waiting: AtomicBool,
}

/// A direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

impl Proxy {
    /// Starts a proxy in front of the server of a database. The round trip is the delay that it adds to both directions
    /// together; the work of the proxy itself adds about 0.1 ms.
    ///
    /// # Panics
    ///
    /// If its socket cannot be created.
    #[must_use]
    pub fn start(database: &Database, round_trip: Duration) -> Self {
        usually_late();
        let folder = TempDir::new();
        let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).expect("a socket");
        let shared = Arc::new(Shared {
            server: socket_of(database),
            one_way: round_trip / 2,
            trips: AtomicU64::new(0),
            moved: Mutex::new(Instant::now()),
            open: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A server that refuses connections closes the client's as well.
                let connected = client.and_then(|client| Ok((client, UnixStream::connect(&accepting.server)?)));
                if let Ok((client, server)) = connected {
                    accepting.forward(&client, &server).expect("threads for a connection");
                }
            }
        });
        Self { folder, shared }
    }

    /// Returns the URL with which a login connects to a database through this proxy.
    #[must_use]
    pub fn url(&self, login: &str, database: &Database) -> String {
        let host = self.folder.path().to_string_lossy().replace('/', "%2F");
        format!("postgres://{login}@localhost/{}?host={host}&port=5432&sslmode=disable", database.name())
    }

    /// Returns the number of round trips of all connections since the start or the last [`reset`](Self::reset).
    ///
    /// A round trip begins when a client sends data although the server has answered everything before. Pipelined
    /// messages therefore count once, and a message that ends the connection does not count. The method first waits until
    /// no data moves, which includes what a pool sends after a connection has been returned to it.
    pub async fn trips(&self) -> u64 {
        let quiet = Duration::from_millis(20) + 4 * self.shared.one_way;
        loop {
            let rest = (*self.shared.moved() + quiet).saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return self.shared.trips.load(Ordering::SeqCst);
            }
            tokio::time::sleep(rest).await;
        }
    }

    /// Waits until no data moves, and sets the number of round trips to 0.
    pub async fn reset(&self) {
        self.trips().await;
        self.shared.trips.store(0, Ordering::SeqCst);
    }
}

/// Finds the socket of the database's server, whose name contains the port.
fn socket_of(database: &Database) -> PathBuf {
    let entries = fs::read_dir(database.server.socket_dir()).expect("the server's folder");
    let mut paths = entries.map(|entry| entry.expect("a file").path());
    let socket = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(".s.PGSQL.") && path.extension().is_some_and(|extension| extension != "lock")
    };
    paths.find(socket).expect("the server's socket")
}

impl Shared {
    fn moved(&self) -> MutexGuard<'_, Instant> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the threads that forward both directions of a connection.
    fn forward(self: &Arc<Self>, client: &UnixStream, server: &UnixStream) -> std::io::Result<()> {
        let turn = Arc::new(Turn::default());
        let both = [(client, server, Direction::ToServer), (server, client, Direction::ToClient)];
        for (from, to, direction) in both {
            let (line, delayed) = sync_channel(LINE);
            let (source, also) = (from.try_clone()?, from.try_clone()?);
            let (shared, own_turn) = (Arc::clone(self), Arc::clone(&turn));
            thread::spawn(move || shared.read(source, &line, direction, &own_turn));
            let (target, shared, own_turn) = (to.try_clone()?, Arc::clone(self), Arc::clone(&turn));
            thread::spawn(move || shared.write(&also, target, &delayed, direction, &own_turn));
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.extend([client.try_clone()?, server.try_clone()?]);
        Ok(())
    }

    /// Reads a direction until its end, and notes when each piece is due.
    fn read(&self, mut from: UnixStream, line: &SyncSender<(Instant, Vec<u8>)>, direction: Direction, turn: &Turn) {
        let mut piece = vec![0; PIECE];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            let now = Instant::now();
            let ends = &piece[..length] == TERMINATE;
            if direction == Direction::ToServer && !ends && !turn.waiting.swap(true, Ordering::SeqCst) {
                self.trips.fetch_add(1, Ordering::SeqCst);
            }
            *self.moved() = now;
            if line.send((now + self.one_way, piece[..length].to_vec())).is_err() {
                return;
            }
        }
    }

    /// Forwards the pieces of a direction when they are due.
    fn write(
        &self,
        from: &UnixStream,
        mut to: UnixStream,
        delayed: &Receiver<(Instant, Vec<u8>)>,
        direction: Direction,
        turn: &Turn,
    ) {
        while let Ok((due, piece)) = delayed.recv() {
            sleep_until(due);
            // What the client sends before it has received this does not wait for it, so this is noted here and not when
            // the piece is read. It is noted before the client can react.
            if direction == Direction::ToClient {
                turn.waiting.store(false, Ordering::SeqCst);
            }
            *self.moved() = Instant::now();
            if to.write_all(&piece).is_err() {
                // The receiver is gone, so the sender has to stop.
                let _ = from.shutdown(Shutdown::Both);
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }
}

/// Sleeps until the time, neither shorter nor, if a processor is free, noticeably longer.
fn sleep_until(due: Instant) {
    let late = usually_late();
    loop {
        let rest = due.saturating_duration_since(Instant::now());
        match rest.checked_sub(late) {
            _ if rest.is_zero() => return,
            Some(most) if !most.is_zero() => thread::sleep(most),
            _ => thread::yield_now(),
        }
    }
}

/// Returns how late a sleep usually ends on this machine, measured once: the kernel's timer slack is 50 µs, and a virtual
/// machine adds to it.
fn usually_late() -> Duration {
    static LATE: OnceLock<Duration> = OnceLock::new();
    *LATE.get_or_init(|| {
        let asked = Duration::from_micros(250);
        let mut late = [0; 31].map(|_| {
            let start = Instant::now();
            thread::sleep(asked);
            start.elapsed().saturating_sub(asked)
        });
        late.sort_unstable();
        // Not the median: a machine that is busy now can be idle later, and the rest of the time is spent yielding.
        late[late.len() / 4].min(asked)
    })
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // The thread that accepts connections waits for one.
        let _ = UnixStream::connect(self.folder.join(".s.PGSQL.5432"));
        for stream in self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
