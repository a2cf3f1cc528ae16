//! Dispatch: change sets become notifications.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use super::{LOOK_AROUND, Store, say, woken};
use crate::{clock, db::DbError};

pub(super) async fn run(store: Arc<Store>, cancel: CancellationToken) {
    if let Err(error) = store.db.try_set_aside_again(store.context.no).await {
        say(&error, "cannot try again what was set aside");
    }
    loop {
        if let Err(error) = dispatch_all(&store, &cancel).await {
            say(&error, "cannot decide who is told");
        }
        if !woken(&store.wake.dispatch, LOOK_AROUND, &cancel).await {
            return;
        }
    }
}

/// Does a piece of what an operator wants done with what is held, and says whether nothing more is to do.
async fn let_go(store: &Store) -> Result<bool, DbError> {
    let news = store.db.carry_out_wishes(Arc::clone(&store.context), clock::now()).await?;
    if let Some((hold, wish)) = news.ended {
        let wish = wish.as_str();
        info!(hold.id = %hold, wish, "what an operator asked for a hold is done; new changes are counted anew");
    }
    Ok(news.is_idle)
}

/// What is left when it is to end waits in the state file.
async fn dispatch_all(store: &Store, cancel: &CancellationToken) -> Result<(), DbError> {
    while !cancel.is_cancelled() {
        let is_idle = let_go(store).await?;
        let (context, options) = (Arc::clone(&store.context), Arc::clone(&store.options));
        let done = store.db.dispatch(context, options, clock::now()).await?;
        if done.change_sets == 0 && is_idle {
            return Ok(());
        }
        for (change_set, why) in &done.set_aside {
            error!(change_set.id = %change_set, error = why, "a change set is set aside until the next start");
        }
        if !done.set_aside.is_empty() {
            store.wake.alerts.notify_one();
        }
        debug!(change_sets = done.change_sets, notifications = done.notifications, "dispatched");
        if done.notifications > 0 {
            store.wake.compose.notify_one();
        }
    }
    Ok(())
}
