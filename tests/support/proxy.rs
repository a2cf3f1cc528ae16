//! Stands between a client and a server and breaks connections where a test wants it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::broadcast,
    task::{JoinHandle, JoinSet},
};

/// Passes bytes on, until so many came from the server on one connection. Everything ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    cut_after: Arc<AtomicUsize>,
    break_all: broadcast::Sender<()>,
    serving: JoinHandle<()>,
}

impl Proxy {
    /// In front of `server`; cuts nothing at first.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let cut_after = Arc::new(AtomicUsize::new(usize::MAX));
        let break_all = broadcast::channel(1).0;
        let serving = tokio::spawn(serve(listener, server, Arc::clone(&cut_after), break_all.clone()));
        Self { address, cut_after, break_all, serving }
    }

    /// `ldap://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// Each connection from now on breaks when the server has sent so many bytes on it.
    pub fn cut_after(&self, bytes: usize) {
        self.cut_after.store(bytes, Ordering::Relaxed);
    }

    /// Breaks the connections there are. New ones are taken.
    pub fn break_all(&self) {
        // Nobody hears it where there is no connection.
        let _ = self.break_all.send(());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    listener: TcpListener,
    server: SocketAddr,
    cut_after: Arc<AtomicUsize>,
    break_all: broadcast::Sender<()>,
) {
    // Connections live in this set, so that the end of the proxy breaks them.
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        let limit = cut_after.load(Ordering::Relaxed);
        let mut broken = break_all.subscribe();
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else { return };
            tokio::select! {
                () = pass(client, server, limit) => (),
                _ = broken.recv() => (),
            }
        });
    }
}

/// Ends with either side, and both with it.
async fn pass(client: TcpStream, server: TcpStream, limit: usize) {
    let (mut from_client, mut to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let asked = async move { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
    let answered = async move {
        let mut from_server = from_server.take(u64::try_from(limit).unwrap_or(u64::MAX));
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::select! {
        _ = asked => (),
        _ = answered => (),
    }
}
