//! Opens the way to a server: TCP or a Unix socket, and TLS. Nothing is sent that could be a secret before
//! the server has proved who it is.

mod start_tls;
mod tls;

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, UnixStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    error::Problem,
    guard::Wire,
    settings::{ServerUrl, TlsSettings},
    timing::Timing,
};

/// A firewall that forgets idle connections usually allows some minutes.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_mins(1))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);
/// How long what we sent may stay without an acknowledgement (RFC 5482).
const USER_TIMEOUT: Duration = Duration::from_mins(1);

/// Connects to `url` and protects the connection as `tls` says.
pub async fn connect(url: &ServerUrl, tls: &TlsSettings, timing: &Timing) -> Result<Box<dyn Wire>, Problem> {
    match url {
        ServerUrl::Ldapi { path } => Ok(Box::new(unix(path, timing.connect).await?)),
        ServerUrl::Ldaps { host, port } => {
            let stream = tcp(host, *port, timing.connect).await?;
            Ok(Box::new(handshake(stream, host, tls, timing.connect).await?))
        }
        ServerUrl::Ldap { host, port } if tls.start_tls => {
            let mut stream = tcp(host, *port, timing.connect).await?;
            timeout(timing.request, start_tls::request(&mut stream))
                .await
                .map_err(|_| Problem::TimedOut { awaited: "StartTLS request", limit: timing.request })??;
            Ok(Box::new(handshake(stream, host, tls, timing.connect).await?))
        }
        ServerUrl::Ldap { host, port } => Ok(Box::new(tcp(host, *port, timing.connect).await?)),
    }
}

async fn unix(path: &Path, limit: Duration) -> Result<UnixStream, Problem> {
    in_time(limit, UnixStream::connect(path)).await.map_err(Problem::Connect)
}

/// Tries the addresses of `host` in the resolver's order.
async fn tcp(host: &str, port: u16, limit: Duration) -> Result<TcpStream, Problem> {
    let addresses = in_time(limit, lookup_host((host, port))).await.map_err(Problem::Resolve)?;
    let mut failed = Problem::Resolve(io::Error::other("the name stands for no address"));
    for address in addresses {
        match in_time(limit, open(address)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = Problem::Connect(error),
        }
    }
    Err(failed)
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(&KEEPALIVE)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(stream)
}

async fn handshake(
    stream: TcpStream,
    host: &str,
    settings: &TlsSettings,
    limit: Duration,
) -> Result<TlsStream<TcpStream>, Problem> {
    let settings = settings.clone();
    let config = tokio::task::spawn_blocking(move || tls::client_config(&settings))
        .await
        .expect("reading certificates does not panic, and the runtime is up while we run")?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| Problem::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    in_time(limit, TlsConnector::from(Arc::new(config)).connect(name, stream)).await.map_err(Problem::Tls)
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("not within {} s", limit.as_secs_f32())))
    })
}
