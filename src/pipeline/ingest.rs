//! Ingest: batches go into the mirror, names they leave open are looked up.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tracing::{debug, info, warn};

use super::{
    Store,
    follow::{Ended, say_connected, say_error, say_failure, say_state},
    progress::Progress,
};
use crate::{
    change::observation::{Observation, Observed},
    clock,
    connector::{Basis, Disposition, Lookup, ServerKind},
    db::{Baseline, DbError, Ingested, LookedUp, StoreState},
    directory::{
        batch::Phase,
        checkpoint::{Checkpoint, Mechanism},
        dn::{Dn, NameKey},
    },
};

/// Before a name is looked up again when the directory could not be asked.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// What comes from the connector, read through the schema.
pub(super) enum Incoming {
    Connecting,
    Connected { url: String, kind: ServerKind, basis: Basis },
    Batch { observations: Vec<Observation>, phase: Phase, checkpoint: Option<Checkpoint> },
    Failed { error: String, disposition: Disposition, retry_in: Option<Duration> },
}

pub(super) struct Ingest {
    store: Arc<Store>,
    lookup: Lookup,
    baseline: Baseline,
    progress: Option<Progress>,
    /// Names that could not be asked for yet, and when to ask again.
    open: Vec<(NameKey, Dn)>,
    ask_at: Option<Instant>,
}

impl Ingest {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self {
            lookup: store.connector.lookup(),
            baseline: store.facts.baseline,
            progress: None,
            open: Vec::new(),
            ask_at: None,
            store,
        }
    }

    /// Takes in what comes until nothing more comes.
    pub(super) async fn run(mut self, mut from: mpsc::Receiver<Incoming>) -> Ended {
        let ended = loop {
            let ask_at = self.ask_at;
            let incoming = tokio::select! {
                biased;
                () = sleep_until(ask_at.unwrap_or_else(Instant::now)), if ask_at.is_some() => None,
                incoming = from.recv() => match incoming {
                    Some(incoming) => Some(incoming),
                    None => break Ended::Stopped,
                },
            };
            let done = match incoming {
                None => self.ask().await,
                Some(incoming) => self.take(incoming).await,
            };
            match done {
                Ok(None) => {}
                Ok(Some(why)) => break Ended::GivenUp(why),
                Err(error) => break Ended::Failed(error),
            }
        };
        self.lookup.close().await;
        ended
    }

    /// `Some`: this directory must not be followed any further, and why.
    async fn take(&mut self, incoming: Incoming) -> Result<Option<String>, DbError> {
        match incoming {
            Incoming::Connecting => say_state(&self.store, StoreState::Connecting).await,
            Incoming::Connected { url, kind, basis } => {
                if basis == Basis::WentBack {
                    return Ok(Some(went_back(&url)));
                }
                self.connected(url, kind, basis).await?;
            }
            Incoming::Batch { observations, phase, checkpoint } => {
                self.batch(observations, phase, checkpoint).await?;
            }
            Incoming::Failed { error, disposition, retry_in } => {
                say_failure(&self.store, error, &disposition, retry_in).await;
            }
        }
        Ok(None)
    }

    async fn connected(&mut self, url: String, kind: ServerKind, basis: Basis) -> Result<(), DbError> {
        say_connected(&url, basis);
        self.store.db.set_connected(self.store.context.no, url, kind.as_str(), Mechanism::Syncrepl).await?;
        let state = match (self.baseline, basis) {
            (Baseline::Missing, _) => StoreState::Baseline,
            (Baseline::Complete, Basis::Checkpoint) => StoreState::Connecting,
            (Baseline::Complete, Basis::Nothing | Basis::CheckpointRefused | Basis::WentBack) => {
                StoreState::Comparing
            }
        };
        say_state(&self.store, state).await;
        self.progress = (state == StoreState::Baseline).then(|| Progress::begin(self.store.name.as_str()));
        Ok(())
    }

    async fn batch(
        &mut self,
        observations: Vec<Observation>,
        phase: Phase,
        checkpoint: Option<Checkpoint>,
    ) -> Result<(), DbError> {
        let context = Arc::clone(&self.store.context);
        let ingested = self.store.db.ingest(context, observations, phase, checkpoint, clock::now()).await?;
        if let Some(progress) = &mut self.progress {
            progress.add(ingested.readings);
        } else {
            info!(readings = ingested.readings, change_sets = ingested.change_sets, "ingested");
        }
        let readings = ingested.readings;
        self.told(ingested).await?;
        if phase == Phase::RefreshEnds {
            debug!(readings, "the refresh has ended");
            self.caught_up().await;
        }
        Ok(())
    }

    async fn caught_up(&mut self) {
        self.baseline = Baseline::Complete;
        if let Some(progress) = self.progress.take() {
            progress.end();
        }
        say_error(&self.store, None).await;
        say_state(&self.store, StoreState::Live).await;
    }

    async fn told(&mut self, ingested: Ingested) -> Result<(), DbError> {
        if ingested.change_sets > 0 {
            self.store.wake.dispatch.notify_one();
        }
        if ingested.unresolved.is_empty() {
            return Ok(());
        }
        self.open = ingested.unresolved;
        self.ask().await.map(drop)
    }

    /// Asks the directory for the open names. What waits for them is told with the answers, and not before.
    async fn ask(&mut self) -> Result<Option<String>, DbError> {
        let names: Vec<Dn> = self.open.iter().map(|(_, dn)| dn.clone()).collect();
        let found = match self.lookup.entries(&names).await {
            Ok(found) => found,
            Err(error) => {
                warn!(%error, names = names.len(), "cannot look names up; what waits for them is told later");
                self.ask_at = Some(Instant::now() + ASK_AGAIN);
                return Ok(None);
            }
        };
        self.ask_at = None;
        let schema = &self.store.context.schema;
        let looked_up = self
            .open
            .drain(..)
            .zip(found)
            .map(|((key, _), image)| LookedUp { key, entry: image.map(|image| Observed::new(image, schema)) })
            .collect();
        let context = Arc::clone(&self.store.context);
        let settled = self.store.db.settle(context, looked_up, clock::now()).await?;
        debug!(names = names.len(), change_sets = settled.change_sets, "names looked up");
        if settled.change_sets > 0 {
            self.store.wake.dispatch.notify_one();
        }
        Ok(None)
    }
}

/// Comparing with an older copy would tell everybody that what they did since was undone.
fn went_back(url: &str) -> String {
    format!(
        "{url} went back in time: it is older than what was already told, as after restoring a backup. \
         Nothing was told. If that is how it is, remove the state file to begin with a new silent baseline"
    )
}
