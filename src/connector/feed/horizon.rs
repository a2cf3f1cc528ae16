//! Whether an entry that nobody has seen yet is new, or came from elsewhere.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{
    connector::{controls::Cookie, decode::Entry},
    directory::{batch::Existence, checkpoint::Checkpoint, time::csn_time},
};

/// createTimestamp is cut to the second, and is written a moment before the change gets its number.
const ROUNDED: SignedDuration = SignedDuration::from_secs(2);

/// A creation is shown at once; an entry that is first shown so long after its own was created elsewhere.
const SHOWN_AT_ONCE: SignedDuration = SignedDuration::from_mins(1);

/// What a feed has shown: of each server that writes, everything up to a time of that server's clock.
///
/// An entry comes into what a feed shows by being created there, or by being moved there; syncrepl calls both
/// "added". It existed before when its last change is not its creation, and its creation lies behind the
/// horizon: had it been created where the feed looks, it would have been shown then. Who was created *and*
/// changed while nobody listened was created after the checkpoint, and is new. The number of a change names the
/// server that made it, createTimestamp does not; so the horizon is that of the server from which least was
/// heard, and what another server's lag or clock leaves in doubt counts as new, as it does where
/// createTimestamp cannot be read.
#[derive(Debug, Default)]
pub struct Horizon(BTreeMap<String, Timestamp>);

/// When an entry is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// In a refresh, for what happened since the checkpoint.
    Afterwards,
    /// As the change happens.
    AtOnce,
}

impl Horizon {
    /// What was shown before the checkpoint was stored.
    pub fn of(checkpoint: Option<&Checkpoint>) -> Self {
        let mut horizon = Self::default();
        if let Some(cookie) = checkpoint.and_then(Cookie::of) {
            horizon.move_to(&cookie);
        }
        horizon
    }

    /// Everything that `cookie` covers was shown.
    pub fn move_to(&mut self, cookie: &Cookie) {
        for csn in cookie.csns() {
            let Ok(time) = csn_time(csn) else { continue };
            let server = csn.split('#').nth(2).unwrap_or_default().to_owned();
            let known = self.0.entry(server).or_insert(time);
            *known = (*known).max(time);
        }
    }

    /// Of an entry that was not known.
    pub fn judge(&self, entry: &Entry, shown: Shown) -> Existence {
        let changed = entry.csn.as_deref().and_then(|csn| csn_time(csn).ok());
        let (Some(created), Some(changed)) = (entry.created, changed) else { return Existence::New };
        let age = changed.duration_since(created);
        let was_in_sight = self.0.values().min().is_some_and(|least| least.duration_since(created) > ROUNDED);
        let came_late = shown == Shown::AtOnce && age > SHOWN_AT_ONCE;
        if age > ROUNDED && (was_in_sight || came_late) { Existence::Before } else { Existence::New }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{checkpoint::Mechanism, time::generalized_time};

    fn csn(time: &str, server: &str) -> String {
        format!("202611231{time}.500000Z#000000#{server}#000000")
    }

    fn checkpoint(csns: &[String]) -> Checkpoint {
        let bytes = format!("rid=000,csn={}", csns.join(";")).into_bytes();
        Checkpoint { mechanism: Mechanism::Syncrepl, bytes }
    }

    fn entry(created: Option<&str>, changed: Option<&str>) -> Entry {
        Entry {
            created: created.map(|time| generalized_time(&format!("202611231{time}Z")).unwrap()),
            csn: changed.map(|time| csn(time, "000")),
            ..Entry::empty()
        }
    }

    /// Times are of the same day: the last digit of the hour, minutes, seconds.
    fn check(seen: &[(&str, &str)], created: &str, changed: &str, shown: Shown, expected: Existence) {
        let csns: Vec<String> = seen.iter().map(|(time, server)| csn(time, server)).collect();
        let horizon = Horizon::of(Some(&checkpoint(&csns)));
        let judged = horizon.judge(&entry(Some(created), Some(changed)), shown);
        assert_eq!(judged, expected, "{seen:?} {created} {changed} {shown:?}");
    }

    #[test]
    fn what_was_created_before_the_checkpoint_existed_before() {
        use Existence::{Before, New};
        use Shown::{Afterwards, AtOnce};
        let seen = [("03000", "000")];
        check(&seen, "01000", "04000", Afterwards, Before);
        check(&seen, "02957", "04000", Afterwards, Before);
        // Created just then, or since: whatever was changed on it afterwards.
        check(&seen, "02959", "04000", Afterwards, New);
        check(&seen, "03500", "03500", Afterwards, New);
        check(&seen, "03500", "04000", Afterwards, New);
        // What shows its creation is new: another server's clock is behind.
        check(&seen, "01000", "01001", Afterwards, New);
        // Live, a minute is long enough.
        check(&seen, "03500", "03550", AtOnce, New);
        check(&seen, "03500", "03701", AtOnce, Before);
        check(&seen, "01000", "04000", AtOnce, Before);
    }

    #[test]
    fn of_several_servers_the_one_counts_from_which_least_was_heard() {
        use Existence::{Before, New};
        let seen = [("03000", "001"), ("02000", "002")];
        check(&seen, "02500", "04000", Shown::Afterwards, New);
        check(&seen, "01500", "04000", Shown::Afterwards, Before);
    }

    #[test]
    fn the_horizon_moves_on_and_never_back() {
        let mut horizon = Horizon::default();
        let moved = entry(Some("02500"), Some("04000"));
        assert_eq!(horizon.judge(&moved, Shown::Afterwards), Existence::New);
        for time in ["03000", "02000"] {
            horizon.move_to(&Cookie::of(&checkpoint(&[csn(time, "000")])).unwrap());
        }
        assert_eq!(horizon.judge(&moved, Shown::Afterwards), Existence::Before);
    }

    #[test]
    fn without_a_time_it_is_new() {
        let horizon = Horizon::of(Some(&checkpoint(&[csn("03000", "000")])));
        for (created, changed) in [(None, Some("04000")), (Some("01000"), None)] {
            assert_eq!(horizon.judge(&entry(created, changed), Shown::AtOnce), Existence::New);
        }
    }
}
