//! Follows a directory: the connector, the schema beside the database's thread, and ingest, restarted
//! together when the state file fails.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, warn};

use super::{
    Directory,
    ingest::{Incoming, Ingest, Until},
    say,
};
use crate::{
    change::{observation::Observation, purpose::Purpose},
    clock,
    connector::{Basis, CheckpointSource, Connector, ConnectorError, Disposition, Extent, FeedEvent},
    db::{ComparisonStage, Db, DbError, OpenComparison, Side, StoreNo, StoreState},
    directory::{batch::Batch, checkpoint::Checkpoint, schema::Schema},
    error_chain::chain,
    notify::alerts::Standing,
};

/// Batches between two stages. Few: each may be megabytes, and a full channel is what makes the server wait.
const IN_BETWEEN: usize = 2;
/// Before a store is read again after the state file failed, or the directory showed nothing.
const PAUSE: Duration = Duration::from_secs(5);
/// The same, once the state file can be written again, and where it failed again and again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Why following ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Somebody wants it to.
    Stopped,
    /// Trying again is of no use.
    GivenUp(String),
    /// The directory is older than what is known of it, and nobody waits for a younger one.
    Behind(String),
    /// The same, and why was said when it happened.
    Refused,
    /// What was read could not be stored.
    Failed(DbError),
    /// The directory did not answer what must be known before what it said can be stored.
    Unanswered(ConnectorError),
    /// One of the tasks is gone that should be running.
    CutShort,
    /// Everything is to be read, or not any more.
    Anew,
    /// A comparison is over, and no more was wanted.
    Compared,
}

struct Stored {
    db: Db,
    store: StoreNo,
}

impl CheckpointSource for Stored {
    async fn checkpoint(&self) -> Option<Checkpoint> {
        match self.db.checkpoint(self.store).await {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                // Without a checkpoint everything is read and compared: slower, and nothing is lost.
                say(&error, "cannot read the checkpoint");
                None
            }
        }
    }

    async fn extent(&self) -> Extent {
        match self.db.open_comparison(self.store).await {
            Ok(Some(OpenComparison { purpose, stage: ComparisonStage::Begun, .. })) => extent_for(purpose),
            Ok(Some(OpenComparison { stage: ComparisonStage::Wanted, .. }) | None) => Extent::SinceCheckpoint,
            Err(error) => {
                // What it had begun to find would be told as something else.
                say(&error, "cannot read whether a comparison is under way");
                Extent::Everything
            }
        }
    }
}

/// Who accepts the directory as it is, or has waited for a younger one, takes an older one too.
fn extent_for(purpose: Purpose) -> Extent {
    match purpose {
        Purpose::Tell => Extent::Everything,
        Purpose::Accept | Purpose::BackInTime => Extent::EverythingEvenOlder,
    }
}

pub(super) async fn run(store: Arc<Directory>, cancel: CancellationToken) {
    let mut after_trouble = SHORTEST_PAUSE;
    loop {
        let (begun, mut pause) = (Instant::now(), PAUSE);
        match follow(&store, Until::Stopped, &cancel).await {
            Ended::Anew => continue,
            Ended::Stopped => return say_state(&store, StoreState::Stopped).await,
            Ended::GivenUp(why) | Ended::Behind(why) => {
                error!(error = why, "stopped following the directory; restart after it is mended");
                say_trouble(&store, why, StoreState::Stopped, Standing::Stopped).await;
                return cancel.cancelled().await;
            }
            Ended::Refused => {
                say_state(&store, StoreState::Stopped).await;
                return cancel.cancelled().await;
            }
            Ended::Failed(failure) if failure.trouble().is_some() => {
                say(&failure, "cannot store what the directory says");
                // What failed may need more room than there is: not too often then.
                if begun.elapsed() > LONGEST_PAUSE {
                    after_trouble = SHORTEST_PAUSE;
                }
                pause = after_trouble;
                after_trouble = (after_trouble * 2).min(LONGEST_PAUSE);
                tokio::select! {
                    () = cancel.cancelled() => return say_state(&store, StoreState::Stopped).await,
                    () = store.db.sound() => {}
                }
                say_state(&store, StoreState::Connecting).await;
            }
            Ended::Failed(failure) => {
                error!(
                    error = chain(&failure),
                    "cannot store what the directory says; reading it again soon"
                );
                say_trouble(&store, chain(&failure), StoreState::Connecting, Standing::Away).await;
            }
            Ended::Unanswered(failure) => {
                let standing = after(&failure.disposition());
                let failure = with_advice(&failure);
                warn!(error = failure, "the directory does not say where entries are; reading it again soon");
                say_trouble(&store, failure, StoreState::Connecting, standing).await;
            }
            Ended::CutShort | Ended::Compared => {
                error!("following the directory was cut short; beginning again soon");
                say_state(&store, StoreState::Connecting).await;
                say_standing(&store, Standing::Away).await;
            }
        }
        tokio::select! {
            () = cancel.cancelled() => return say_state(&store, StoreState::Stopped).await,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

pub(super) fn with_advice(failure: &ConnectorError) -> String {
    advised(chain(failure), &failure.disposition())
}

/// What went wrong, and what to do about it where there is something.
pub(super) fn advised(failure: String, disposition: &Disposition) -> String {
    match disposition {
        Disposition::Reconnect | Disposition::Wait | Disposition::Resync => failure,
        Disposition::RetrySlowly { advice } | Disposition::Stop { advice } => format!("{failure}; {advice}"),
    }
}

pub(super) async fn follow(store: &Arc<Directory>, until: Until, cancel: &CancellationToken) -> Ended {
    let this_time = cancel.child_token();
    let (to_map, from_connector) = mpsc::channel(IN_BETWEEN);
    let (to_ingest, mapped) = mpsc::channel(IN_BETWEEN);
    let checkpoints = Stored { db: store.db.clone(), store: store.context.no };
    let connector: Connector = store.connector.clone();
    let feed = tokio::spawn(connector.run(checkpoints, to_map, this_time.clone()).in_current_span());
    let schema = Arc::clone(&store.context.schema);
    let mapping = tokio::spawn(map(schema, from_connector, to_ingest).in_current_span());
    let ended = match store.db.baseline(store.context.no).await {
        Ok(baseline) => {
            let ingest = Ingest::new(Arc::clone(store), baseline, until, this_time.clone());
            ingest.run(mapped).await
        }
        Err(error) => Ended::Failed(error),
    };
    this_time.cancel();
    let _ = mapping.await;
    match (ended, feed.await) {
        // The connector told of it before it ended, with what to do.
        (Ended::Stopped, Ok(Err(_))) => Ended::Refused,
        // Nothing more came although nobody asked for an end: the mapper or the connector panicked.
        (Ended::Stopped, _) if !cancel.is_cancelled() => Ended::CutShort,
        (ended, _) => ended,
    }
}

/// Reads images through the schema while the database stores those before.
async fn map(schema: Arc<Schema>, mut from: mpsc::Receiver<FeedEvent>, to: mpsc::Sender<Incoming>) {
    while let Some(event) = from.recv().await {
        let incoming = match event {
            FeedEvent::Batch(Batch { readings, phase, checkpoint }) => Incoming::Batch {
                observations: readings.into_iter().map(|r| Observation::new(r, &schema)).collect(),
                phase,
                checkpoint,
            },
            FeedEvent::Connecting => Incoming::Connecting,
            FeedEvent::Connected { url, kind, basis } => Incoming::Connected { url, kind, basis },
            FeedEvent::Failed { error, disposition, retry_in } => {
                Incoming::Failed { error, disposition, retry_in }
            }
        };
        if to.send(incoming).await.is_err() {
            return;
        }
    }
}

pub(super) async fn say_state(store: &Directory, state: StoreState) {
    if let Err(error) = store.db.set_state(store.context.no, state).await {
        say(&error, "cannot store the state of the store");
    }
}

/// For alerts, after the error that they tell.
pub(super) async fn say_standing(store: &Directory, standing: Standing) {
    if let Err(error) = store.db.set_standing(store.context.no, standing, clock::now()).await {
        say(&error, "cannot store how the directory is followed");
    }
    store.wake.alerts.notify_one();
}

/// In `status` and for alerts: what went wrong, and how it stands with the directory therefore.
async fn say_trouble(store: &Directory, why: String, state: StoreState, standing: Standing) {
    say_error(store, Some(why)).await;
    say_state(store, state).await;
    say_standing(store, standing).await;
}

/// How the directory stands after a failure.
fn after(disposition: &Disposition) -> Standing {
    match disposition {
        Disposition::Reconnect | Disposition::Wait | Disposition::Resync => Standing::Away,
        Disposition::RetrySlowly { .. } => Standing::Refused,
        Disposition::Stop { .. } => Standing::Stopped,
    }
}

pub(super) async fn say_error(store: &Directory, error: Option<String>) {
    if let Err(error) = store.db.set_error(store.context.no, Side::Directory, error).await {
        say(&error, "cannot store what went wrong");
    }
}

/// Says a failed connection once, as loud as it deserves; the connector goes on trying by itself.
pub(super) async fn say_failure(
    store: &Directory,
    failure: String,
    disposition: &Disposition,
    retry_in: Option<Duration>,
) {
    let seconds = retry_in.map(|wait| (wait.as_secs_f64() * 10.0).round() / 10.0);
    match disposition {
        Disposition::Reconnect | Disposition::Wait | Disposition::Resync => {
            warn!(error = failure, retry_in_seconds = seconds, "connection to the directory failed");
            say_error(store, Some(failure)).await;
        }
        Disposition::RetrySlowly { advice } => {
            error!(error = failure, advice, retry_in_seconds = seconds, "the directory cannot be followed");
            say_error(store, Some(format!("{failure}; {advice}"))).await;
        }
        Disposition::Stop { advice } => {
            error!(error = failure, advice, "stopped following the directory; restart after it is mended");
            say_error(store, Some(format!("{failure}; {advice}"))).await;
        }
    }
    say_standing(store, after(disposition)).await;
}

/// What the readings of a connection are relative to, in a log line.
pub(super) fn say_connected(url: &str, basis: Basis) {
    let since = match basis {
        Basis::Checkpoint => "the stored checkpoint",
        Basis::Nothing => "nothing: everything is read",
        Basis::Everything => "nothing: everything is read and compared",
        Basis::CheckpointRefused => "a refused checkpoint: everything is read and compared",
        Basis::WentBack => "a directory that went back in time",
    };
    info!(url, since, "connected to the directory");
}
