//! Waiting for a condition, with a limit. Nothing in the tests waits for time alone.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Long enough for a loaded machine with two cores; a test that fails waits this long once.
pub const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(2);

/// Asks `look` until it answers, and fails the test after [`PATIENCE`].
///
/// Blocks the thread: in an async test use [`until_async`], or a runtime with several threads.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        pause();
    }
}

/// [`until`], with a look that is itself asynchronous.
pub async fn until_async<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look).await
}

/// [`until_async`], for what is so much work that a loaded machine takes longer for it.
pub async fn until_within<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Between two looks at a condition.
#[expect(clippy::disallowed_methods, reason = "the pause between two looks at a condition that has a limit")]
pub fn pause() {
    thread::sleep(PAUSE);
}
