//! Wakes the stages when somebody else has written to the state file, as commands leave their requests there, and
//! when it can be written again.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{LOOK_FOR_REQUESTS, Store, say};

pub(super) async fn run(store: Arc<Store>, cancel: CancellationToken) {
    let mut known = None;
    let mut failed = false;
    let mut health = store.db.health();
    loop {
        if health.has_changed().is_ok_and(|changed| changed) {
            health.mark_unchanged();
            store.wake.all();
        }
        match store.db.version_by_others().await {
            Ok(version) => {
                failed = false;
                if known.replace(version).is_some_and(|known| known != version) {
                    store.wake.all();
                }
            }
            // Once: the next look comes soon.
            Err(error) if !failed => {
                failed = true;
                say(&error, "cannot see whether a command has left a request");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(LOOK_FOR_REQUESTS) => {}
        }
    }
}
