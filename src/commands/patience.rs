//! How commands wait for what another process does.

use std::time::Duration;

/// Between two looks.
const STEP: Duration = Duration::from_millis(50);

/// How long a daemon has for what it only has to come to.
pub(super) const FOR_A_REQUEST: Duration = Duration::from_secs(5);

/// How long was waited in vain.
#[derive(Default)]
pub(super) struct Patience {
    spent: Duration,
}

impl Patience {
    /// Something happened: it is all there again.
    pub(super) fn renew(&mut self) {
        self.spent = Duration::ZERO;
    }

    /// Waits until it is time to look again. `false`: that was done for as long as `limit` already.
    pub(super) async fn lasts(&mut self, limit: Duration) -> bool {
        if self.spent >= limit {
            return false;
        }
        tokio::time::sleep(STEP).await;
        self.spent += STEP;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_lasts_as_long_after_the_last_thing_that_happened() {
        let limit = STEP * 2;
        let (mut patience, mut looks) = (Patience::default(), 0);
        while patience.lasts(limit).await {
            looks += 1;
            if looks == 1 {
                patience.renew();
            }
        }
        assert_eq!(looks, 3);
        assert!(!patience.lasts(limit).await, "it does not come back by itself");
        assert!(patience.lasts(STEP * 3).await);
    }
}
