//! Ingest: batches go into the mirror, names they leave open are looked up.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    Directory,
    elsewhere::{self, ElsewhereError},
    follow::{Ended, advised, say_connected, say_error, say_failure, say_standing, say_state},
    progress::Progress,
};
use crate::{
    change::{
        observation::{Observation, Observed},
        purpose::Purpose,
    },
    clock,
    connector::{Basis, ConnectorError, Disposition, Lookup, ServerKind},
    db::{Baseline, DbError, Ingested, LookedUp, OpenedHold, ReadBelow, StoreState},
    directory::{
        batch::Phase,
        checkpoint::{Checkpoint, Mechanism},
        dn::{Dn, NameKey},
    },
    notify::alerts::Standing,
};

/// Names that are looked up before the answers are kept.
const NAMES_AT_ONCE: usize = 1000;

/// Before a name is looked up again when the directory could not be asked.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(2);

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
    /// The server is behind the checkpoint and is waited for.
    TooOld,
    /// The refresh has ended, but some of it waits for names.
    Asking,
    /// `live`.
    CaughtUp,
}

/// What ends it, beside a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Nothing more comes: it goes on for ever.
    Stopped,
    /// Everything is compared, or was not: what fails is not tried again.
    Compared,
}

/// What is next.
enum Step {
    Ask,
    LookForComparison,
    Take(Incoming),
}

pub(super) struct Ingest {
    pub(super) store: Arc<Directory>,
    pub(super) lookup: Lookup,
    until: Until,
    /// Ends the feed, and nothing else.
    feed: CancellationToken,
    baseline: Baseline,
    progress: Option<Progress>,
    course: Course,
    /// Of the connection there is.
    basis: Option<Basis>,
    /// When to look for a comparison that is wanted or due.
    pub(super) look_at: Instant,
    /// What is begun when all is taken in that the feed has handed on.
    wanted: Option<Purpose>,
    /// Names that could not be asked for yet, and when to ask again.
    open: Vec<(NameKey, Dn)>,
    /// Likewise names below which everything is to be read.
    unread: Vec<Dn>,
    ask_at: Option<Instant>,
}

impl Ingest {
    /// `baseline`: whether there is one at this moment. `feed` ends what it takes in.
    pub(super) fn new(
        store: Arc<Directory>,
        baseline: Baseline,
        until: Until,
        feed: CancellationToken,
    ) -> Self {
        Self {
            lookup: store.connector.lookup(),
            until,
            feed,
            baseline,
            course: Course::Behind,
            basis: None,
            look_at: Instant::now(),
            wanted: None,
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
            let Some(step) = self.next_step(&mut from).await else { break self.all_taken_in().await };
            let done = match step {
                Step::Ask => self.ask_again().await,
                Step::LookForComparison => self.look_for_comparison().await,
                Step::Take(incoming) => self.take(incoming).await,
            };
            match done {
                Ok(None) => {}
                Ok(Some(ended)) => break ended,
                Err(ElsewhereError::Db(error)) => break Ended::Failed(error),
                Err(ElsewhereError::Connector(error)) => break Ended::Unanswered(error),
            }
        };
        self.lookup.close().await;
        ended
    }

    /// `None`: nothing more comes.
    async fn next_step(&mut self, from: &mut mpsc::Receiver<Incoming>) -> Option<Step> {
        let (ask_at, looks) = (self.ask_at, self.may_begin_comparison());
        tokio::select! {
            biased;
            () = sleep_until(ask_at.unwrap_or_else(Instant::now)), if ask_at.is_some() => Some(Step::Ask),
            () = self.store.wake.compare.notified(), if looks => Some(Step::LookForComparison),
            () = sleep_until(self.look_at), if looks => Some(Step::LookForComparison),
            incoming = from.recv() => incoming.map(Step::Take),
        }
    }

    /// Of a directory that is live, or too old: another one says soon by itself what it has to say.
    fn may_begin_comparison(&self) -> bool {
        let stands = match self.course {
            Course::CaughtUp | Course::TooOld => true,
            Course::Behind | Course::Asking => false,
        };
        stands && self.until == Until::Stopped && self.wanted.is_none()
    }

    pub(super) fn is_too_old(&self) -> bool {
        self.course == Course::TooOld
    }

    /// Lets the feed end, so that everything is read for `purpose` as soon as what it has handed on is taken in.
    pub(super) fn want(&mut self, purpose: Purpose) {
        self.wanted = Some(purpose);
        self.feed.cancel();
    }

    async fn all_taken_in(&mut self) -> Ended {
        let Some(purpose) = self.wanted else { return Ended::Stopped };
        let context = Arc::clone(&self.store.context);
        match self.store.db.begin_comparison(context, purpose, clock::now()).await {
            Ok(begun) => {
                self.say_told(&begun.told);
                Ended::Anew
            }
            Err(error) => Ended::Failed(error),
        }
    }

    /// `Some`: this is not followed any further.
    async fn take(&mut self, incoming: Incoming) -> Result<Option<Ended>, ElsewhereError> {
        match incoming {
            Incoming::Connecting => {
                self.course = Course::Behind;
                say_state(&self.store, StoreState::Connecting).await;
            }
            Incoming::Connected { url, kind, basis } => self.connected(url, kind, basis).await?,
            Incoming::Batch { observations, phase, checkpoint } => {
                self.batch(observations, phase, checkpoint).await?;
                if self.until == Until::Compared && self.course == Course::CaughtUp {
                    return Ok(Some(Ended::Compared));
                }
            }
            Incoming::Failed { error, disposition, retry_in } => {
                self.course = if disposition == Disposition::Wait { Course::TooOld } else { Course::Behind };
                self.look_at = Instant::now();
                let basis = self.basis.take();
                if self.until == Until::Compared {
                    return Ok(Some(not_compared(error, &disposition)));
                }
                say_state(&self.store, StoreState::Connecting).await;
                if self.gives_up_comparison(basis, &error, &disposition).await? {
                    return Ok(Some(Ended::Anew));
                }
                say_failure(&self.store, error, &disposition, retry_in).await;
            }
        }
        Ok(None)
    }

    async fn connected(&mut self, url: String, kind: ServerKind, basis: Basis) -> Result<(), DbError> {
        say_connected(&url, basis);
        self.basis = Some(basis);
        let state = match (self.baseline, basis) {
            (Baseline::Missing, _) => StoreState::Baseline,
            (Baseline::Complete, Basis::Checkpoint) => StoreState::Connecting,
            (
                Baseline::Complete,
                Basis::Nothing | Basis::Everything | Basis::CheckpointRefused | Basis::WentBack,
            ) => StoreState::Comparing,
        };
        if state == StoreState::Comparing {
            self.begin_comparison(&url, basis).await?;
        }
        self.store.db.set_connected(self.store.context.no, url, kind.as_str(), Mechanism::Syncrepl).await?;
        say_state(&self.store, state).await;
        say_standing(&self.store, Standing::Connected).await;
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
        self.look_at = Instant::now();
        let unfinished = self.unfinished_comparison().await;
        say_error(&self.store, unfinished).await;
        say_standing(&self.store, Standing::Following).await;
        say_state(&self.store, StoreState::Live).await;
    }

    /// Says what the guard holds, and wakes whoever has to do with what came.
    pub(super) fn say_told(&self, ingested: &Ingested) {
        self.say_holds(&ingested.opened);
        if ingested.change_sets > 0 {
            self.store.wake.dispatch.notify_one();
        }
    }

    async fn told(&mut self, ingested: Ingested) -> Result<(), ElsewhereError> {
        self.say_told(&ingested);
        self.open = ingested.unresolved;
        self.unread = ingested.unread;
        if self.has_no_questions() {
            self.ask_at = None;
            return Ok(());
        }
        self.ask().await
    }

    async fn ask_again(&mut self) -> Result<Option<Ended>, ElsewhereError> {
        self.ask().await?;
        if self.course == Course::Asking && self.has_no_questions() {
            self.caught_up().await;
        }
        Ok(None)
    }

    /// What the guard holds is an operator's business from now on.
    fn say_holds(&self, opened: &[OpenedHold]) {
        for OpenedHold { id, facts, recalled } in opened {
            warn!(
                hold.id = %id,
                cause = facts.cause().as_str(),
                counted = facts.sentence(),
                change_sets_recalled = recalled,
                "a mass change is held and told to nobody; `dirherald held` shows, releases or discards it"
            );
        }
        if !opened.is_empty() {
            self.store.wake.alerts.notify_one();
        }
    }

    fn has_no_questions(&self) -> bool {
        self.open.is_empty() && self.unread.is_empty()
    }

    /// Asks the directory for what is open, and for what the answers leave open. What waits for it is told with
    /// the answers, and not before.
    async fn ask(&mut self) -> Result<(), ElsewhereError> {
        self.ask_at = None;
        while !self.has_no_questions() && self.ask_at.is_none() {
            self.ask_once().await?;
        }
        Ok(())
    }

    async fn ask_once(&mut self) -> Result<(), ElsewhereError> {
        let (looked_up, below) = match self.answers().await {
            Ok(answers) => answers,
            Err(ElsewhereError::Connector(error)) if self.until == Until::Stopped => {
                let (names, subtrees) = (self.open.len(), self.unread.len());
                warn!(%error, names, subtrees, "cannot look names up; what waits for them is told later");
                self.ask_at = Some(Instant::now() + ASK_AGAIN);
                return Ok(());
            }
            Err(error @ (ElsewhereError::Connector(_) | ElsewhereError::Db(_))) => return Err(error),
        };
        let context = Arc::clone(&self.store.context);
        let settled = self.store.db.settle(context, looked_up, below, clock::now()).await?;
        debug!(change_sets = settled.change_sets, events_held = settled.held, "names looked up");
        self.say_told(&settled);
        self.open = settled.unresolved;
        self.unread = settled.unread;
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
        let open = self.open.get(first..).unwrap_or_default().to_vec();
        self.look_up_names(&open).await
    }

    pub(super) async fn look_up_names(
        &mut self,
        open: &[(NameKey, Dn)],
    ) -> Result<Vec<LookedUp>, ConnectorError> {
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
    store: &Directory,
    observations: Vec<Observation>,
    phase: Phase,
    checkpoint: Option<Checkpoint>,
) -> Result<Ingested, DbError> {
    store.db.ingest(Arc::clone(&store.context), observations, phase, checkpoint, clock::now()).await
}

/// Why everything could not be compared, where nobody tries again.
fn not_compared(error: String, disposition: &Disposition) -> Ended {
    match disposition {
        Disposition::Wait => Ended::Behind(error),
        Disposition::Reconnect
        | Disposition::Resync
        | Disposition::RetrySlowly { .. }
        | Disposition::Stop { .. } => Ended::GivenUp(advised(error, disposition)),
    }
}
