//! Wakes the stages when somebody else has written to the state file: commands leave their requests there.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{LOOK_FOR_REQUESTS, Store};
use crate::error_chain::chain;

pub(super) async fn run(store: Arc<Store>, cancel: CancellationToken) {
    let mut known = None;
    let mut failed = false;
    loop {
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
                error!(error = chain(&error), "cannot see whether a command has left a request");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(LOOK_FOR_REQUESTS) => {}
        }
    }
}
