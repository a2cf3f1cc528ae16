//! The four stages, the alerts beside them, and their wiring. Channels carry wake-ups, the database carries data.
//!
//! Each stage after ingest runs on a wake-up **and** on a timer, takes no input but the database, and is safe
//! to run twice: a stage that missed its wake-up, or died with its work half done, finds it again.

mod alerts;
mod comparing;
mod compose;
mod deliver;
mod dispatch;
mod elsewhere;
mod follow;
mod ingest;
mod progress;
mod watch;

use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error, info_span};

use crate::{
    connector::Connector,
    db::{Db, DbError, StoreContext},
    directory::store_name::StoreName,
    error_chain::chain,
    notify::options::Options,
    outbox::{mailer::Mailer, settings::MailSettings},
};

/// How often a stage looks for work that nobody woke it for.
const LOOK_AROUND: Duration = Duration::from_secs(30);

/// How often the state file is asked whether a command has left something to do in it.
const LOOK_FOR_REQUESTS: Duration = Duration::from_millis(250);

pub use self::comparing::{NotCompared, accept_once, compare_once};

/// Everything the stages of one identity store share.
pub struct Store {
    /// Its name.
    pub name: StoreName,
    /// The state.
    pub db: Db,
    /// How it compares.
    pub context: Arc<StoreContext>,
    /// Where changes come from.
    pub connector: Connector,
    /// How often everything is read and compared by itself. `None`: never.
    pub full_comparison: Option<Duration>,
    /// Who is told.
    pub options: Arc<Options>,
    /// How mail is written.
    pub mail: MailSettings,
    /// How mail leaves.
    pub mailer: Mailer,
    /// In which times are told.
    pub timezone: TimeZone,
    /// The bells between the stages.
    pub wake: Arc<Wake>,
}

/// What it takes to follow a directory, and nobody to tell.
pub struct Directory {
    /// The store's name.
    pub name: StoreName,
    /// The state.
    pub db: Db,
    /// How it compares.
    pub context: Arc<StoreContext>,
    /// Where changes come from.
    pub connector: Connector,
    /// How often everything is read and compared by itself. `None`: never.
    pub full_comparison: Option<Duration>,
    /// The bells between the stages.
    pub wake: Arc<Wake>,
}

impl Store {
    fn directory(&self) -> Directory {
        Directory {
            name: self.name.clone(),
            db: self.db.clone(),
            context: Arc::clone(&self.context),
            connector: self.connector.clone(),
            full_comparison: self.full_comparison,
            wake: Arc::clone(&self.wake),
        }
    }
}

/// One bell for each stage that waits for the one before it.
#[derive(Debug, Default)]
pub struct Wake {
    compare: Notify,
    dispatch: Notify,
    compose: Notify,
    deliver: Notify,
    alerts: Notify,
}

impl Wake {
    fn all(&self) {
        self.compare.notify_one();
        self.dispatch.notify_one();
        self.compose.notify_one();
        self.deliver.notify_one();
        self.alerts.notify_one();
    }
}

/// Runs all stages of `store` until `cancel` is cancelled, then lets each finish what it has in hand.
pub async fn run(store: Store, cancel: CancellationToken) {
    let span = info_span!("store", store.name = %store.name);
    let store = Arc::new(store);
    let mut stages = JoinSet::new();
    stages.spawn(follow::run(Arc::new(store.directory()), cancel.clone()).instrument(span.clone()));
    stages.spawn(dispatch::run(Arc::clone(&store), cancel.clone()).instrument(span.clone()));
    stages.spawn(compose::run(Arc::clone(&store), cancel.clone()).instrument(span.clone()));
    stages.spawn(alerts::run(Arc::clone(&store), cancel.clone()).instrument(span.clone()));
    stages.spawn(watch::run(Arc::clone(&store), cancel.clone()).instrument(span.clone()));
    stages.spawn(deliver::run(store, cancel).instrument(span));
    while stages.join_next().await.is_some() {}
}

/// Says that a stage could not do its work. What is wrong with the state file as a whole is said once, for all
/// stages, by `jobs::state_file`.
fn say(failure: &DbError, cannot: &'static str) {
    if failure.trouble().is_some() {
        debug!(error = chain(failure), "{cannot}");
    } else {
        error!(error = chain(failure), "{cannot}");
    }
}

/// Waits for the bell, for `at_most`, or for the end, which is `false`.
async fn woken(bell: &Notify, at_most: Duration, cancel: &CancellationToken) -> bool {
    tokio::select! {
        () = cancel.cancelled() => false,
        () = bell.notified() => true,
        () = tokio::time::sleep(at_most) => true,
    }
}
