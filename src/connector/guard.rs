//! Stands between the server's bytes and the LDAP crate, which panics, hangs or aborts on bytes that are not
//! well-formed.
//!
//! The guard reads whole messages, checks them as far as the crate relies on them (`shape`), and passes on
//! the bytes as they are. It sees the Notice of Disconnection, which the crate drops, and remembers why the
//! connection ended, which the crate loses.

pub mod ber;
mod shape;

use std::{
    io,
    ops::Range,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UnixStream,
    task::JoinSet,
    time::timeout,
};

pub use self::shape::{Scan, frame, result};
use self::{
    ber::Malformed,
    shape::{Outstanding, Verdict},
};
use super::error::Answer;

/// Anything that carries LDAP.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// What one message may cost us.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one message.
    pub message: usize,
    /// Levels of nesting.
    pub depth: usize,
    /// Elements of one message: each takes some 100 bytes of memory behind the guard.
    pub elements: usize,
}

impl Limits {
    /// Enough for a group of a million members.
    pub const DEFAULT: Self = Self { message: 64 << 20, depth: 64, elements: 2_000_000 };
}

/// Bytes read at once.
const CHUNK: usize = 128 << 10;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// We let go of it.
    #[error("closed by us")]
    Released,
    /// Between two messages, without a word.
    #[error("the server closed the connection")]
    Closed,
    /// Within a message.
    #[error("the server closed the connection in the middle of a message")]
    Truncated,
    /// RFC 4511, section 4.4.1.
    #[error("the server disconnects: {0}")]
    Disconnected(Answer),
    /// Nothing that we could go on with.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The network.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The guard's task is gone; only at shutdown.
    #[error("the connection was taken down")]
    TakenDown,
}

/// The guard of one connection. It ends with the value.
#[derive(Debug)]
pub struct Guard {
    task: JoinSet<Ended>,
    received: Arc<AtomicU64>,
}

impl Guard {
    /// Begins to pass messages between `wire` and `inner`, whose other end the LDAP crate holds.
    pub fn between(wire: Box<dyn Wire>, inner: UnixStream, limits: Limits) -> Self {
        let received = Arc::new(AtomicU64::new(0));
        let mut task = JoinSet::new();
        task.spawn(pass(wire, inner, limits, Arc::clone(&received)));
        Self { task, received }
    }

    /// Bytes that the server has sent so far: a sign of life.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Why the connection ended. Called when the other end of `inner` has seen the end, so this is soon;
    /// if it is not, the task is taken down.
    pub async fn ended(&mut self, limit: Duration) -> Ended {
        match timeout(limit, self.task.join_next()).await {
            Ok(Some(Ok(ended))) => ended,
            Ok(Some(Err(_)) | None) | Err(_) => Ended::TakenDown,
        }
    }
}

async fn pass(wire: Box<dyn Wire>, inner: UnixStream, limits: Limits, received: Arc<AtomicU64>) -> Ended {
    let (mut wire_read, wire_write) = tokio::io::split(wire);
    let (inner_read, inner_write) = inner.into_split();
    let outstanding = Mutex::new(Outstanding::default());
    let mut outbound = pin!(outbound(inner_read, wire_write, &outstanding, limits));
    let ended = tokio::select! {
        ended = inbound(&mut wire_read, inner_write, &outstanding, limits, &received) => match ended {
            // Nobody reads any more; what was written before, a farewell above all, still goes out.
            Err(Ended::Released) => outbound.await,
            ended => ended,
        },
        ended = &mut outbound => ended,
    };
    let ended = ended.unwrap_or_else(|ended| ended);
    if matches!(ended, Ended::Released) {
        // Closed with bytes unread, TCP would reset the connection and take our farewell back.
        let _ = tokio::io::copy(&mut wire_read, &mut tokio::io::sink()).await;
    }
    ended
}

/// From the server to us. Never returns `Ok` but for a regular end.
async fn inbound(
    mut wire: impl AsyncRead + Unpin,
    mut inner: impl AsyncWrite + Unpin,
    outstanding: &Mutex<Outstanding>,
    limits: Limits,
    received: &AtomicU64,
) -> Result<Ended, Ended> {
    let mut buffer = Vec::with_capacity(CHUNK);
    loop {
        let read = wire.read_buf(&mut buffer).await?;
        if read == 0 {
            return Ok(if buffer.is_empty() { Ended::Closed } else { Ended::Truncated });
        }
        received.fetch_add(read as u64, Ordering::Relaxed);
        // Taken out once: a buffer full of messages that nobody awaits must not be moved for each of them.
        let mut done = 0;
        let needed = loop {
            let rest = buffer.get(done..).unwrap_or_default();
            let sorted = sort(rest, outstanding, limits);
            if let Some(ready) = rest.get(sorted.ready) {
                inner.write_all(ready).await.map_err(|_| Ended::Released)?;
            }
            done += sorted.through;
            match sorted.then {
                Then::Again => (),
                Then::Read(needed) => break needed,
                Then::End(ended) => return Err(ended),
            }
        };
        buffer.drain(..done);
        make_room(&mut buffer, needed);
    }
}

/// What to do with the messages in a buffer.
struct Sorted {
    /// Passed on.
    ready: Range<usize>,
    /// Done with.
    through: usize,
    then: Then,
}

enum Then {
    /// Look at the rest.
    Again,
    /// Read until the next message has this many bytes.
    Read(usize),
    End(Ended),
}

/// Takes whole messages from the beginning of `buffer`, as many as may be passed on in one piece.
fn sort(buffer: &[u8], outstanding: &Mutex<Outstanding>, limits: Limits) -> Sorted {
    let mut outstanding = outstanding.lock().unwrap_or_else(PoisonError::into_inner);
    let mut end = 0;
    loop {
        let scan = outstanding.scan_response(buffer.get(end..).unwrap_or_default(), limits);
        let (through, then) = match scan {
            Ok(Scan::Message { length, found: Verdict::Pass }) => {
                end += length;
                continue;
            }
            Ok(Scan::Message { length, found: Verdict::Drop }) => (end + length, Then::Again),
            Ok(Scan::Message { found: Verdict::Disconnected(answer), .. }) => {
                (end, Then::End(Ended::Disconnected(answer)))
            }
            Ok(Scan::Incomplete(needed)) => (end, Then::Read(needed)),
            Err(malformed) => (end, Then::End(malformed.into())),
        };
        return Sorted { ready: 0..end, through, then };
    }
}

/// Room for the next read: never more than twice of what is there, so that a length alone costs nothing.
fn make_room(buffer: &mut Vec<u8>, needed: usize) {
    if buffer.len() < CHUNK && buffer.capacity() > 4 * CHUNK {
        buffer.shrink_to(CHUNK);
    }
    let missing = needed.saturating_sub(buffer.len()).min(buffer.len());
    buffer.reserve(missing.max(CHUNK.saturating_sub(buffer.len())).max(1));
}

/// From us to the server. What we send is small and well-formed; it is read to know what is awaited.
async fn outbound(
    mut inner: impl AsyncRead + Unpin,
    mut wire: impl AsyncWrite + Unpin,
    outstanding: &Mutex<Outstanding>,
    limits: Limits,
) -> Result<Ended, Ended> {
    let mut buffer = Vec::new();
    loop {
        if inner.read_buf(&mut buffer).await.map_err(|_| Ended::Released)? == 0 {
            let _ = wire.shutdown().await;
            return Ok(Ended::Released);
        }
        let end = note(&buffer, outstanding, limits)?;
        if let Some(ready) = buffer.get(..end) {
            wire.write_all(ready).await?;
            wire.flush().await?;
        }
        buffer.drain(..end);
    }
}

/// Notes the whole messages at the beginning of `buffer` and tells where they end.
fn note(buffer: &[u8], outstanding: &Mutex<Outstanding>, limits: Limits) -> Result<usize, Malformed> {
    let mut outstanding = outstanding.lock().unwrap_or_else(PoisonError::into_inner);
    let mut end = 0;
    while let Scan::Message { length, .. } =
        outstanding.scan_request(buffer.get(end..).unwrap_or_default(), limits)?
    {
        end += length;
    }
    Ok(end)
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod tests;
