//! The only code that sees the LDAP crate: everything that concerns the network towards a directory, and the
//! protocol spoken there. It hands out the vocabulary of [`crate::directory`] and nothing of LDAP.
//!
//! ```text
//!  socket ─► transport ─► guard ─► ldap3 ─► session ─► feed ─► FeedEvent
//!            TCP, TLS     checks   codec    bind,      what the
//!                         shapes            heartbeat  messages mean
//! ```
//!
//! [`Connector::run`] follows a directory for as long as the daemon lives; [`Lookup`] answers questions on a
//! connection of its own; [`Connector::probe`] tells `check` what there is.

mod controls;
mod decode;
mod error;
mod feed;
#[cfg(test)]
mod fuzz;
mod guard;
mod lookup;
mod probe;
mod reconnect;
#[cfg(test)]
mod recorded;
mod session;
pub mod settings;
mod timing;
mod transport;
mod wanted;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

pub use self::{
    controls::{is_covered, is_reached},
    decode::DecodeError,
    error::{Answer, ConnectorError, Disposition, Failure, Problem, code_name},
    feed::{Feed, Gone, Outlet, Progress},
    guard::{Ended, ber::Malformed},
    lookup::{Lookup, Whereabouts},
    probe::{Completeness, Probe, ServerKind},
    session::Session,
    timing::{RetryRange, Timing},
};
use self::{
    settings::{ConnectorSettings, ServerUrl},
    wanted::WantedAttributes,
};
use crate::{
    directory::{attribute::AttributeName, batch::Batch, checkpoint::Checkpoint},
    withheld::Withheld,
};

/// One directory, and what is read of it.
#[derive(Debug, Clone)]
pub struct Connector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: ConnectorSettings,
    wanted: WantedAttributes,
    /// What no answer of a server may bring into our records.
    withheld: Withheld,
    timing: Timing,
    /// Index of the URL that the feed is connected to: look-ups ask the same server, which knows what the
    /// feed has shown.
    in_use: AtomicUsize,
    /// How often the feed stood still, lately.
    stalls: AtomicU32,
}

impl Connector {
    /// `attributes` is the allow-list: what is not in it is not read.
    pub fn new(settings: ConnectorSettings, attributes: Vec<AttributeName>, timing: Timing) -> Self {
        let wanted = WantedAttributes::new(attributes);
        let withheld = settings.bind.withheld();
        let (in_use, stalls) = (AtomicUsize::new(0), AtomicU32::new(0));
        Self { shared: Arc::new(Shared { settings, wanted, withheld, timing, in_use, stalls }) }
    }

    /// For questions beside the feed. Connects when it is first asked.
    pub fn lookup(&self) -> Lookup {
        Lookup::new(self.clone())
    }

    fn settings(&self) -> &ConnectorSettings {
        &self.shared.settings
    }

    /// A session with the first server that takes us in, beginning with the one at `first`; and its index.
    async fn open_any(&self, first: usize) -> Result<(Session, usize), ConnectorError> {
        let count = self.settings().urls.len();
        let mut failed: Option<ConnectorError> = None;
        for offset in 0..count {
            let index = (first + offset) % count;
            match self.open(index).await {
                Ok(session) => return Ok((session, index)),
                Err(error) => {
                    failed = Some(match failed {
                        Some(before) => before.and(error),
                        None => error,
                    });
                }
            }
        }
        Err(failed.expect("there is always one URL"))
    }

    async fn open(&self, index: usize) -> Result<Session, ConnectorError> {
        let url = self.url(index);
        Session::open(url, self.settings(), self.shared.timing)
            .await
            .map_err(|problem| self.failed(url.clone(), problem))
    }

    /// What went wrong with one server, in words that may be logged and shown.
    fn failed(&self, url: ServerUrl, problem: Problem) -> ConnectorError {
        ConnectorError::new(url, problem.without(&self.shared.withheld))
    }

    fn url(&self, index: usize) -> &ServerUrl {
        self.settings().urls.get(index).expect("the index is below the number of URLs")
    }

    fn url_in_use(&self) -> usize {
        self.shared.in_use.load(Ordering::Relaxed)
    }
}

/// What [`Connector::run`] tells, in order.
#[derive(Debug)]
pub enum FeedEvent {
    /// A connection is about to be opened.
    Connecting,
    /// A server took us in, and its base can be read. The batches that follow come from it.
    Connected {
        /// As configured.
        url: String,
        /// By its root DSE.
        kind: ServerKind,
        /// What the batches are relative to.
        basis: Basis,
    },
    /// See [`Feed`] for what a batch promises.
    Batch(Batch),
    /// The connection failed, or could not be made.
    Failed {
        /// With URL and causes; may be logged and shown.
        error: String,
        /// What is done about it.
        disposition: Disposition,
        /// `None`: nothing more will come.
        retry_in: Option<Duration>,
    },
}

/// What the refresh of a connection is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The stored checkpoint: what happened since.
    Checkpoint,
    /// Nothing was stored: everything there is.
    Nothing,
    /// A full comparison is wanted: everything there is.
    Everything,
    /// The server no longer knows the changes since the checkpoint: everything there is.
    CheckpointRefused,
    /// The server went back in time (restored from a copy?): everything there is, and nothing of it may be
    /// told without a person's word.
    WentBack,
}

/// How much a connection is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What happened since the checkpoint; without one, everything.
    SinceCheckpoint,
    /// Everything, from a server that is not behind the checkpoint.
    Everything,
    /// Everything, whatever the server's age: a person, or the wait for a younger one, has decided so.
    EverythingEvenOlder,
}

/// Where what was handed on is stored.
pub trait CheckpointSource: Send + Sync {
    /// The newest checkpoint that is *stored*: what is still queued will be read again. `None`: there is
    /// none.
    fn checkpoint(&self) -> impl Future<Output = Option<Checkpoint>> + Send;

    /// How much the next connection is to show.
    fn extent(&self) -> impl Future<Output = Extent> + Send {
        std::future::ready(Extent::SinceCheckpoint)
    }
}
