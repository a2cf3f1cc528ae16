//! Removes hourly what is older than `state.keep`.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    clock,
    db::{Db, DbError, Pruned, Pruning},
    error_chain::chain,
};

const EVERY: Duration = Duration::from_hours(1);

/// Runs until `cancel` is cancelled.
pub async fn run(db: Db, keep: Duration, cancel: CancellationToken) {
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = db.sound() => {}
        }
        match prune_all(&db, keep, clock::now(), &cancel).await {
            Ok(Pruning { change_sets: 0, messages: 0, .. }) => {}
            Ok(Pruning { change_sets, messages, .. }) => {
                info!(change_sets, messages, "removed what is older than state.keep");
            }
            // What is wrong with the file as a whole is said elsewhere.
            Err(error) if error.trouble().is_some() => {}
            Err(error) => error!(error = chain(&error), "cannot remove what is older than state.keep"),
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// In pieces, so that nobody waits for the whole.
async fn prune_all(
    db: &Db,
    keep: Duration,
    now: Timestamp,
    cancel: &CancellationToken,
) -> Result<Pruning, DbError> {
    let before = now.checked_sub(keep).unwrap_or(Timestamp::MIN);
    let mut so_far = Pruning::default();
    while !cancel.is_cancelled() {
        match db.prune(so_far, before, now).await? {
            Pruned::Some(some) => so_far = some,
            Pruned::All(all) => return Ok(all),
        }
    }
    Ok(so_far)
}
