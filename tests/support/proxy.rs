//! Stands between a client and a server: breaks, stops and swallows where a test wants it, and keeps what passed.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{broadcast, watch},
    task::{JoinHandle, JoinSet},
};

use super::{
    ber,
    recording::{Recording, Side},
};

/// Passes bytes on, until so many came from the server on one connection. Everything ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// The bytes of both sides in the pieces and the order in which they came.
type Passed = Vec<(Side, Vec<u8>)>;

struct Shared {
    cut_after: AtomicUsize,
    swallow_after: AtomicUsize,
    /// Whether connections are taken and never answered, and how many were.
    stalls: AtomicBool,
    stalled: AtomicUsize,
    break_all: broadcast::Sender<()>,
    /// Connections with a lower number than this are dead paths.
    swallow_below: watch::Sender<usize>,
    /// Whether messages of content synchronisation are lost on their way from the server, and nothing else is.
    mutes: AtomicBool,
    /// One list for each connection.
    passed: Mutex<Vec<Passed>>,
}

impl Proxy {
    /// In front of `server`; cuts nothing at first.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            cut_after: AtomicUsize::new(usize::MAX),
            swallow_after: AtomicUsize::new(usize::MAX),
            stalls: AtomicBool::new(false),
            stalled: AtomicUsize::new(0),
            break_all: broadcast::channel(1).0,
            swallow_below: watch::channel(0).0,
            mutes: AtomicBool::new(false),
            passed: Mutex::default(),
        });
        let serving = tokio::spawn(serve(listener, server, Arc::clone(&shared)));
        Self { address, shared, serving }
    }

    /// Whether connections from now on are taken and never answered.
    pub fn stall(&self, is_on: bool) {
        self.shared.stalls.store(is_on, Ordering::Relaxed);
    }

    /// How many connections were never answered.
    pub fn stalled(&self) -> usize {
        self.shared.stalled.load(Ordering::Relaxed)
    }

    /// `ldap://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// Each connection from now on breaks when the server has sent so many bytes on it.
    pub fn cut_after(&self, bytes: usize) {
        self.shared.cut_after.store(bytes, Ordering::Relaxed);
    }

    /// On each connection from now on nothing passes any more from the server when it has sent so many bytes.
    pub fn swallow_after(&self, bytes: usize) {
        self.shared.swallow_after.store(bytes, Ordering::Relaxed);
    }

    /// Breaks the connections there are. New ones are taken.
    pub fn break_all(&self) {
        // Nobody hears it where there is no connection.
        let _ = self.shared.break_all.send(());
    }

    /// The connections there are stay open, and nothing passes on them any more, in either direction: a cable
    /// was pulled, or a firewall has forgotten them. New ones pass.
    pub fn swallow(&self) {
        let connections = self.connections();
        self.shared.swallow_below.send_replace(connections);
    }

    /// The same for all connections there will be, until [`restore`](Self::restore).
    pub fn swallow_all(&self) {
        self.shared.swallow_below.send_replace(usize::MAX);
    }

    /// New connections pass again.
    pub fn restore(&self) {
        self.swallow();
    }

    /// Messages of content synchronisation (RFC 4533) are lost from now on, whole, while all others pass.
    pub fn mute(&self, is_on: bool) {
        self.shared.mutes.store(is_on, Ordering::Relaxed);
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.shared.passed.lock().expect("no thread panics with it").len()
    }

    /// What passed on one connection, counted from zero.
    pub fn recorded(&self, connection: usize, title: &str) -> Recording {
        let passed = self.shared.passed.lock().expect("no thread panics with it");
        Recording::of(title, passed.get(connection).cloned().unwrap_or_default())
    }

    /// All bytes of one side of a connection.
    pub fn bytes(&self, connection: usize, side: Side) -> Vec<u8> {
        let passed = self.shared.passed.lock().expect("no thread panics with it");
        let pieces = passed.get(connection).into_iter().flatten();
        pieces.filter(|(from, _)| *from == side).flat_map(|(_, bytes)| bytes.clone()).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, server: SocketAddr, shared: Arc<Shared>) {
    // Connections live in this set, so that the end of the proxy breaks them.
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        let number = {
            let mut passed = shared.passed.lock().expect("no thread panics with it");
            passed.push(Vec::new());
            passed.len() - 1
        };
        let limit = Limit {
            cut: shared.cut_after.load(Ordering::Relaxed),
            swallow: shared.swallow_after.load(Ordering::Relaxed),
        };
        let mut broken = shared.break_all.subscribe();
        let shared = Arc::clone(&shared);
        let stalls = shared.stalls.load(Ordering::Relaxed);
        if stalls {
            shared.stalled.fetch_add(1, Ordering::Relaxed);
        }
        connections.spawn(async move {
            if stalls {
                // Open until then.
                let _ = broken.recv().await;
                return drop(client);
            }
            let Ok(server) = TcpStream::connect(server).await else { return };
            tokio::select! {
                () = pass(client, server, limit, number, &shared) => (),
                _ = broken.recv() => (),
            }
        });
    }
}

/// Bytes of one side that pass.
#[derive(Clone, Copy)]
struct Limit {
    cut: usize,
    swallow: usize,
}

const NO_LIMIT: Limit = Limit { cut: usize::MAX, swallow: usize::MAX };

/// Ends with either side, and both with it.
async fn pass(client: TcpStream, server: TcpStream, limit: Limit, number: usize, shared: &Shared) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = one_way(from_client, to_server, NO_LIMIT, Side::Client, number, shared) => (),
        () = one_way(from_server, to_client, limit, Side::Server, number, shared) => (),
    }
}

/// The OIDs of RFC 4533 begin like this.
const SYNC: &[u8] = b"1.3.6.1.4.1.4203.1.9.1.";

fn without_sync(mut messages: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    while let Some((_, _, rest)) = ber::split(messages) {
        let message = &messages[..messages.len() - rest.len()];
        if !message.windows(SYNC.len()).any(|part| part == SYNC) {
            kept.extend(message);
        }
        messages = rest;
    }
    assert!(messages.is_empty(), "a message that did not come whole");
    kept
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    limit: Limit,
    side: Side,
    number: usize,
    shared: &Shared,
) {
    let mut swallow_below = shared.swallow_below.subscribe();
    let mut left = limit.cut.min(limit.swallow);
    let mut buffer = vec![0; 16 << 10];
    while left > 0 {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { break };
        if *swallow_below.borrow_and_update() > number {
            continue;
        }
        // Small messages on a quiet connection come whole.
        let is_muted = matches!(side, Side::Server) && shared.mutes.load(Ordering::Relaxed);
        let kept = if is_muted { without_sync(&buffer[..read]) } else { buffer[..read].to_vec() };
        let some = &kept[..kept.len().min(left)];
        left -= some.len();
        shared.passed.lock().expect("no thread panics with it")[number].push((side, some.to_vec()));
        if to.write_all(some).await.is_err() {
            break;
        }
    }
    if left == 0 && limit.swallow <= limit.cut {
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
        std::future::pending::<()>().await;
    }
    if *swallow_below.borrow_and_update() > number {
        // Not even the end passes.
        std::future::pending::<()>().await;
    }
    let _ = to.shutdown().await;
}
