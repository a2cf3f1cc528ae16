//! Says once that the state file cannot be written, and tries until it can: the stages wait for that.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    db::{Db, DbError, FileHealth, RunLock, Trouble},
    error_chain::chain,
};

/// Between two tries.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Runs until `cancel` is cancelled. An error: the file is damaged, and whoever works on it is to end.
pub async fn run(db: Db, lock: &RunLock, cancel: CancellationToken) -> Result<(), DbError> {
    let mut health = db.health();
    loop {
        let now = health.borrow_and_update().clone();
        match now {
            FileHealth::Sound => {}
            FileHealth::Damaged { .. } => return db.try_writing().await,
            FileHealth::Failing { trouble, error } => {
                say(lock, trouble, &error);
                match until_it_can_be_written(&db, &cancel).await {
                    None => return Ok(()),
                    Some(Ok(())) => say_its_end(lock),
                    Some(Err(damage)) => return Err(damage),
                }
            }
        }
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            changed = health.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

/// Does what a start cannot do without, again and again for as long as there is no room for it: whoever starts
/// dirherald again may give it up before somebody has made room.
pub async fn with_room<T>(
    lock: &RunLock,
    mut work: impl AsyncFnMut() -> Result<T, DbError>,
) -> Result<T, DbError> {
    let mut said = None;
    loop {
        match work().await {
            Err(error) if error.trouble() == Some(Trouble::Full) => {
                said.get_or_insert_with(|| say(lock, Trouble::Full, &chain(&error)));
                tokio::time::sleep(TRY_AGAIN).await;
            }
            done => {
                if said.is_some() {
                    say_its_end(lock);
                }
                return done;
            }
        }
    }
}

fn say(lock: &RunLock, trouble: Trouble, cause: &str) {
    let advice = trouble.advice();
    error!(
        error = cause,
        advice, "the state file cannot be written; nothing is lost, and all goes on as soon as it can"
    );
    note(lock, Some(&format!("{advice}; dirherald goes on by itself then ({cause})")));
}

fn say_its_end(lock: &RunLock) {
    info!("the state file can be written again");
    note(lock, None);
}

fn note(lock: &RunLock, note: Option<&str>) {
    if let Err(error) = lock.note(note) {
        warn!(error = chain(&error), "cannot leave a note about the state file for `status`");
    }
}

/// `None`: `cancel` came before it. An error: it is worse than it was.
async fn until_it_can_be_written(db: &Db, cancel: &CancellationToken) -> Option<Result<(), DbError>> {
    loop {
        tokio::select! {
            () = cancel.cancelled() => return None,
            () = tokio::time::sleep(TRY_AGAIN) => {}
        }
        match db.try_writing().await {
            Ok(()) => return Some(Ok(())),
            Err(error) if error.trouble() == Some(Trouble::Damaged) => return Some(Err(error)),
            // Said already.
            Err(_) => {}
        }
    }
}
