//! Ingest: batches go into the mirror, names they leave open are looked up.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tracing::{debug, info, warn};

use super::{
    Store,
    elsewhere::{self, ElsewhereError},
    follow::{Ended, say_connected, say_error, say_failure, say_state},
    progress::Progress,
};
use crate::{
    change::observation::{Observation, Observed},
    clock,
    connector::{Basis, ConnectorError, Disposition, Lookup, ServerKind},
    db::{Baseline, DbError, Ingested, LookedUp, OpenedHold, ReadBelow, StoreState},
    directory::{
        batch::Phase,
        checkpoint::{Checkpoint, Mechanism},
        dn::{Dn, NameKey},
    },
};

/// Names that are looked up before the answers are kept.
const NAMES_AT_ONCE: usize = 1000;

/// Before a name is looked up again when the directory could not be asked.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// What comes from the connector, read through the schema.
pub(super) enum Incoming {
    Connecting,
    Connected { url: String, kind: ServerKind, basis: Basis },
    Batch { observations: Vec<Observation>, phase: Phase, checkpoint: Option<Checkpoint> },
    Failed { error: String, disposition: Disposition, retry_in: Option<Duration> },
}

/// Whether all that happened before is told, or ready to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// The refresh has not ended.
    Behind,
    /// It has, but some of it waits for names.
    Asking,
    /// `live`.
    CaughtUp,
}

pub(super) struct Ingest {
    store: Arc<Store>,
    lookup: Lookup,
    baseline: Baseline,
    progress: Option<Progress>,
    course: Course,
    /// Names that could not be asked for yet, and when to ask again.
    open: Vec<(NameKey, Dn)>,
    /// Likewise names below which everything is to be read.
    unread: Vec<Dn>,
    ask_at: Option<Instant>,
}

impl Ingest {
    /// `baseline`: whether there is one at this moment.
    pub(super) fn new(store: Arc<Store>, baseline: Baseline) -> Self {
        Self {
            lookup: store.connector.lookup(),
            baseline,
            course: Course::Behind,
            progress: None,
            open: Vec::new(),
            unread: Vec::new(),
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
                None => self.ask_again().await,
                Some(incoming) => self.take(incoming).await,
            };
            match done {
                Ok(None) => {}
                Ok(Some(why)) => break Ended::GivenUp(why),
                Err(ElsewhereError::Db(error)) => break Ended::Failed(error),
                Err(ElsewhereError::Connector(error)) => break Ended::Unanswered(error),
            }
        };
        self.lookup.close().await;
        ended
    }

    /// `Some`: this directory must not be followed any further, and why.
    async fn take(&mut self, incoming: Incoming) -> Result<Option<String>, ElsewhereError> {
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
                say_state(&self.store, StoreState::Connecting).await;
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
    ) -> Result<(), ElsewhereError> {
        if phase == Phase::RefreshBegins {
            // What waits is told at the refresh's end, and the names asked for then.
            self.course = Course::Behind;
            self.open.clear();
            self.unread.clear();
            self.ask_at = None;
        }
        let observations = match self.baseline {
            Baseline::Missing => observations,
            Baseline::Complete => self.told_apart(observations).await?,
        };
        let mut rest = observations;
        loop {
            let mut ingested = take_in(&self.store, rest, phase, checkpoint.clone()).await?;
            rest = std::mem::take(&mut ingested.rest);
            if let Some(progress) = &mut self.progress {
                progress.add(ingested.readings);
            } else if ingested.change_sets > 0 || ingested.held > 0 {
                let Ingested { readings, change_sets, held, .. } = ingested;
                info!(readings, change_sets, events_held = held, "ingested");
            } else {
                debug!(readings = ingested.readings, "ingested, and nothing to tell");
            }
            if phase == Phase::RefreshEnds {
                debug!(readings = ingested.readings, "the refresh has ended");
                self.course = Course::Asking;
            }
            self.told(ingested).await?;
            if rest.is_empty() {
                break;
            }
        }
        if self.course == Course::Asking && self.has_no_questions() {
            self.caught_up().await;
        }
        Ok(())
    }

    /// Tells apart what was deleted and what left the watched tree. What comes before the end of a present
    /// phase is stored first: only then is known who is absent.
    async fn told_apart(
        &mut self,
        observations: Vec<Observation>,
    ) -> Result<Vec<Observation>, ElsewhereError> {
        let store = Arc::clone(&self.store);
        let mut before = elsewhere::told_apart(&store, &mut self.lookup, observations).await?;
        let ends =
            |observation: &Observation| matches!(observation, Observation::Present(set) if set.complete);
        let Some(at) = before.iter().position(ends) else { return Ok(before) };
        let end = before.split_off(at);
        let Some(Observation::Present(set)) = end.first() else { return Ok(end) };
        let present = set.ids.clone();
        take_in(&store, before, Phase::Refresh, None).await?;
        let mut rest = elsewhere::absent_but_alive(&store, &mut self.lookup, present).await?;
        rest.extend(end);
        Ok(rest)
    }

    async fn caught_up(&mut self) {
        self.course = Course::CaughtUp;
        self.baseline = Baseline::Complete;
        if let Some(progress) = self.progress.take() {
            progress.end();
        }
        say_error(&self.store, None).await;
        say_state(&self.store, StoreState::Live).await;
    }

    async fn told(&mut self, ingested: Ingested) -> Result<(), ElsewhereError> {
        say_holds(&ingested.opened);
        if ingested.change_sets > 0 {
            self.store.wake.dispatch.notify_one();
        }
        self.open = ingested.unresolved;
        self.unread = ingested.unread;
        if self.has_no_questions() {
            self.ask_at = None;
            return Ok(());
        }
        self.ask().await.map(drop)
    }

    async fn ask_again(&mut self) -> Result<Option<String>, ElsewhereError> {
        let answer = self.ask().await;
        if self.course == Course::Asking && self.has_no_questions() {
            self.caught_up().await;
        }
        answer
    }

    fn has_no_questions(&self) -> bool {
        self.open.is_empty() && self.unread.is_empty()
    }

    /// Asks the directory for what is open, and for what the answers leave open. What waits for it is told with
    /// the answers, and not before.
    async fn ask(&mut self) -> Result<Option<String>, ElsewhereError> {
        self.ask_at = None;
        while !self.has_no_questions() && self.ask_at.is_none() {
            self.ask_once().await?;
        }
        Ok(None)
    }

    async fn ask_once(&mut self) -> Result<(), ElsewhereError> {
        let (looked_up, below) = match self.answers().await {
            Ok(answers) => answers,
            Err(ElsewhereError::Connector(error)) => {
                let (names, subtrees) = (self.open.len(), self.unread.len());
                warn!(%error, names, subtrees, "cannot look names up; what waits for them is told later");
                self.ask_at = Some(Instant::now() + ASK_AGAIN);
                return Ok(());
            }
            Err(error @ ElsewhereError::Db(_)) => return Err(error),
        };
        let context = Arc::clone(&self.store.context);
        let settled = self.store.db.settle(context, looked_up, below, clock::now()).await?;
        self.open = settled.unresolved;
        self.unread = settled.unread;
        debug!(change_sets = settled.change_sets, events_held = settled.held, "names looked up");
        say_holds(&settled.opened);
        if settled.change_sets > 0 {
            self.store.wake.dispatch.notify_one();
        }
        Ok(())
    }

    /// Answers to many questions are kept as they come, but for the last.
    async fn answers(&mut self) -> Result<(Vec<LookedUp>, Vec<ReadBelow>), ElsewhereError> {
        while self.open.len() > NAMES_AT_ONCE {
            let some = self.look_up(self.open.len() - NAMES_AT_ONCE).await?;
            let context = Arc::clone(&self.store.context);
            self.store.db.learn(context, some, clock::now()).await?;
            self.open.truncate(self.open.len() - NAMES_AT_ONCE);
        }
        let looked_up = self.look_up(0).await?;
        let mut below = Vec::with_capacity(self.unread.len());
        for dn in &self.unread {
            let images = self.lookup.below(dn).await?;
            let read = |image| Observed::new(image, &self.store.context.schema);
            below.push(ReadBelow { dn: dn.clone(), entries: images.into_iter().map(read).collect() });
        }
        Ok((looked_up, below))
    }

    /// The open names from `first` on.
    async fn look_up(&mut self, first: usize) -> Result<Vec<LookedUp>, ConnectorError> {
        let open = self.open.get(first..).unwrap_or_default();
        let names: Vec<Dn> = open.iter().map(|(_, dn)| dn.clone()).collect();
        let found = self.lookup.entries(&names).await?;
        let schema = &self.store.context.schema;
        let answers = open.iter().zip(found).map(|((key, dn), image)| LookedUp {
            key: *key,
            dn: dn.clone(),
            entry: image.map(|image| Observed::looked_up(image, schema)),
        });
        Ok(answers.collect())
    }
}

async fn take_in(
    store: &Store,
    observations: Vec<Observation>,
    phase: Phase,
    checkpoint: Option<Checkpoint>,
) -> Result<Ingested, DbError> {
    store.db.ingest(Arc::clone(&store.context), observations, phase, checkpoint, clock::now()).await
}

/// What the guard holds is an operator's business from now on.
fn say_holds(opened: &[OpenedHold]) {
    for OpenedHold { id, facts, recalled } in opened {
        warn!(
            hold.id = %id,
            cause = facts.cause().as_str(),
            counted = facts.sentence(),
            change_sets_recalled = recalled,
            "a mass change is held and told to nobody; `dirherald held` shows, releases or discards it"
        );
    }
}

/// Comparing with an older copy would tell everybody that what they did since was undone.
fn went_back(url: &str) -> String {
    format!(
        "{url} went back in time: it is older than what was already told, as after restoring a backup. \
         Nothing was told. If that is how it is, remove the state file to begin with a new silent baseline"
    )
}
