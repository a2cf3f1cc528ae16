//! `run`: the daemon.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{CommandError, Exit, patience::Patience};
use crate::{
    clock,
    config::{Complete, Config, StoreSettings},
    connector::{Connector, Timing, settings::ConnectorSettings},
    db::{Db, DbError, MirrorView, RunLock, StoreContext, StoreNo, Trouble, remove_leftovers},
    directory::watched::WatchedTree,
    error_chain::chain,
    jobs::{prune, state_file},
    outbox::mailer::Mailer,
    pipeline::{self, Directory},
    telemetry,
};

/// A stop is clean within this time, or not at all: of the ten seconds that are promised, two are for what comes
/// before and after, on a machine that has much else to do.
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// How long others have to be done with what they do beside the state file.
const FOR_OTHERS: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT.
pub(super) async fn run(config: Complete) -> Result<Exit, CommandError> {
    let config = config.into_config();
    telemetry::start(config.log.format, config.log.level);
    // First of all, so that a signal that comes early is not the end of the process.
    let signals = Signals::listen()?;
    // Until the file is closed again.
    let mut lock = once_others_are_done(async || RunLock::take(&config.state.path)).await?;
    remove_leftovers(&config.state.path);
    let mut asked_to_stop = pin!(signals.asked_to_stop());
    let (keep, beginning) = (config.state.keep, begin(config, &mut lock));
    let (db, ready) = tokio::select! {
        begun = beginning => begun?,
        () = &mut asked_to_stop => return Ok(Exit::Success),
    };
    let cancel = CancellationToken::new();
    let mut stores = JoinSet::new();
    for store in ready {
        stores.spawn(pipeline::run(store, cancel.clone()));
    }
    info!(version = env!("CARGO_PKG_VERSION"), stores = stores.len(), "dirherald runs");
    stores.spawn(prune::run(db.clone(), keep, cancel.clone()));
    let ended = tokio::select! {
        () = asked_to_stop => Ok(Exit::Success),
        damage = state_file::run(db.clone(), &lock, cancel.clone()) => damage.map(|()| Exit::Success),
    };
    info!("stopping");
    cancel.cancel();
    let all = async {
        while stores.join_next().await.is_some() {}
        db.close().await
    };
    match tokio::time::timeout(STOP_WITHIN, all).await {
        Ok(Ok(())) => info!("stopped"),
        Ok(Err(error)) => warn!(error = chain(&error), "stopped, and the state file could not be closed"),
        Err(_) => {
            warn!(seconds = STOP_WITHIN.as_secs(), "not everything ended in time; nothing is lost by that");
        }
    }
    drop(lock);
    Ok(ended?)
}

/// Others work beside the state file for moments only. A command that carries out a request by itself has the lock;
/// and what root's command creates there belongs to root until it is given to the owner of the state.
async fn once_others_are_done<T>(mut attempt: impl AsyncFnMut() -> Result<T, DbError>) -> Result<T, DbError> {
    let mut patience = Patience::default();
    loop {
        let done = attempt().await;
        if !done.as_ref().is_err_and(may_pass) || !patience.lasts(FOR_OTHERS).await {
            return done;
        }
    }
}

/// Where `SQLite` may not write a file that is root's, it takes it for reading: had it been given away just then, that
/// succeeds.
fn may_pass(error: &DbError) -> bool {
    matches!(error, DbError::Locked { .. } | DbError::Open { .. })
        || error.trouble() == Some(Trouble::ReadOnly)
}

/// Waits for room on the disk of the state file.
async fn begin(config: Config, lock: &mut RunLock) -> Result<(Db, Vec<pipeline::Store>), CommandError> {
    let path = &config.state.path;
    let opening = async || state_file::with_room(lock, async || Db::open(path)).await;
    let db = once_others_are_done(opening).await?;
    lock.cover(path)?;
    let mut stores = Vec::with_capacity(config.stores.len());
    for settings in config.stores.into_values() {
        stores.push(store(db.clone(), settings, lock).await?);
    }
    Ok((db, stores))
}

async fn store(db: Db, settings: StoreSettings, lock: &RunLock) -> Result<pipeline::Store, CommandError> {
    let mailer = Mailer::new(&settings.mail)
        .map_err(|source| CommandError::Mailer { store: settings.name.to_string(), source })?;
    let facts = state_file::with_room(lock, async || {
        let facts = db.begin_store(settings.name.clone(), view(&settings), clock::now()).await?;
        if !db.is_sound() {
            db.try_writing().await?;
        }
        Ok(facts)
    })
    .await?;
    if facts.mirror == MirrorView::Another {
        warn!(
            store.name = %settings.name,
            "base_dn, exclude or schema is another than before: everything is read again, and what changed since is not told"
        );
    }
    let Directory { name, db, context, connector, full_comparison, wake } =
        directory(db, facts.no, &settings);
    Ok(pipeline::Store {
        name,
        db,
        context,
        connector,
        full_comparison,
        options: Arc::new(settings.notify),
        mail: settings.mail,
        mailer,
        timezone: settings.timezone,
        wake,
    })
}

/// What it takes to follow the directory of store `no`.
pub(super) fn directory(db: Db, no: StoreNo, settings: &StoreSettings) -> Directory {
    let attributes = settings.schema.requested_attributes();
    // One more than the limit: enough to see that it is exceeded.
    let member_cap = settings.notify.group_expansion_limit.saturating_add(1);
    let schema = Arc::new(settings.schema.clone());
    let context =
        StoreContext::new(no, watched(&settings.connector), schema, member_cap).guarded(settings.guard);
    Directory {
        name: settings.name.clone(),
        db,
        context: Arc::new(context),
        connector: Connector::new(settings.connector.clone(), attributes, Timing::default()),
        full_comparison: settings.full_comparison,
        wake: Arc::default(),
    }
}

/// What is read of the directory, and how: a mirror of another view is not compared with.
pub(super) fn view(settings: &StoreSettings) -> String {
    format!("{}|{}", watched(&settings.connector).fingerprint(), settings.schema.fingerprint())
}

/// What is watched.
pub(super) fn watched(settings: &ConnectorSettings) -> WatchedTree {
    WatchedTree::new(settings.base_dn.clone(), settings.exclude.clone())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, CommandError> {
        let listen = |kind| {
            signal(kind).map_err(|source| CommandError::System { operation: "listen for signals", source })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn asked_to_stop(mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => warn!("the configuration is not reread yet; restart to change it"),
            }
        }
    }
}
