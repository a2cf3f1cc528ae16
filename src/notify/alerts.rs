//! What needs a hand, and when that is said: at once, together, and once a day for as long as it lasts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::change::guard::HoldCause;

/// So long a directory may be away before that is an alert. What only a person can mend is one at once.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(15);

/// What lasts is said again so long after it was said last.
pub const AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// Between two mails about things of one kind, so that what comes and goes does not write one each time.
pub const APART: SignedDuration = SignedDuration::from_hours(1);

/// How a directory is being followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Caught up; every change is told.
    Following,
    /// Connected, and catching up.
    Connected,
    /// Not connected; tried again soon.
    Away,
    /// Tried again rarely: only a person can mend it.
    Refused,
    /// Not tried again until the next start.
    Stopped,
}

impl Standing {
    const ALL: [Self; 5] = [Self::Following, Self::Connected, Self::Away, Self::Refused, Self::Stopped];

    /// The word of the state file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Following => "following",
            Self::Connected => "connected",
            Self::Away => "away",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
        }
    }

    /// The inverse of [`Standing::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == word)
    }
}

/// Something that needs a hand, for as long as it does. The worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// The directory is not followed until the next start.
    FeedStopped,
    /// The directory cannot be followed until somebody mends something.
    FeedRefused,
    /// The bulk guard holds changes back: the id of the hold.
    Hold(Uuid),
    /// The directory has not been followed for longer than [`PATIENCE`].
    FeedAway,
    /// Messages were given up.
    FailedMail,
    /// Rows of the state file cannot be read, and what they say is not told.
    SetAside,
}

/// What a [`Condition`] is one of: mails about one kind lie [`APART`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// See [`Condition::FeedStopped`].
    FeedStopped,
    /// See [`Condition::FeedRefused`].
    FeedRefused,
    /// See [`Condition::Hold`].
    Hold,
    /// See [`Condition::FeedAway`].
    FeedAway,
    /// See [`Condition::FailedMail`].
    FailedMail,
    /// See [`Condition::SetAside`].
    SetAside,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::FeedStopped, Self::FeedRefused, Self::Hold, Self::FeedAway, Self::FailedMail, Self::SetAside];

    /// The word of the state file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FeedStopped => "feed-stopped",
            Self::FeedRefused => "feed-refused",
            Self::Hold => "hold",
            Self::FeedAway => "feed-away",
            Self::FailedMail => "failed-mail",
            Self::SetAside => "set-aside",
        }
    }

    /// The inverse of [`Kind::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The condition of this kind; `about` is asked for where there may be several.
    pub fn condition<E>(self, about: impl FnOnce() -> Result<Uuid, E>) -> Result<Condition, E> {
        Ok(match self {
            Self::FeedStopped => Condition::FeedStopped,
            Self::FeedRefused => Condition::FeedRefused,
            Self::Hold => Condition::Hold(about()?),
            Self::FeedAway => Condition::FeedAway,
            Self::FailedMail => Condition::FailedMail,
            Self::SetAside => Condition::SetAside,
        })
    }
}

impl Condition {
    /// Of which kind it is.
    pub fn kind(self) -> Kind {
        match self {
            Self::FeedStopped => Kind::FeedStopped,
            Self::FeedRefused => Kind::FeedRefused,
            Self::Hold(_) => Kind::Hold,
            Self::FeedAway => Kind::FeedAway,
            Self::FailedMail => Kind::FailedMail,
            Self::SetAside => Kind::SetAside,
        }
    }

    /// Which one of its kind; `None`: there is only one.
    pub fn about(self) -> Option<Uuid> {
        match self {
            Self::Hold(id) => Some(id),
            Self::FeedStopped | Self::FeedRefused | Self::FeedAway | Self::FailedMail | Self::SetAside => {
                None
            }
        }
    }

    fn is_of_the_feed(self) -> bool {
        match self {
            Self::FeedStopped | Self::FeedRefused | Self::FeedAway => true,
            Self::Hold(_) | Self::FailedMail | Self::SetAside => false,
        }
    }
}

/// What the state file says of everything that may need a hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Of the directory.
    pub feed: Feed,
    /// The open ones: their ids, and when they began.
    pub holds: Vec<(Uuid, Timestamp)>,
    /// Messages that were given up, alerts excepted.
    pub failed_mail: Counted,
    /// Rows that cannot be read.
    pub set_aside: u64,
}

/// How the feed stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Now.
    pub standing: Standing,
    /// Since when it is not caught up, by our clock. `None`: it is.
    pub behind_since: Option<Timestamp>,
    /// When this daemon began to follow it: before, nobody was there who could.
    pub begun_at: Timestamp,
}

/// What a mail says of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Since when it lasts.
    pub since: Timestamp,
    /// The rest.
    pub matter: Matter,
}

/// The words that conditions need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matter {
    /// The directory is not followed.
    Feed {
        /// How it stands now, which may be better than what was put on record.
        standing: Standing,
        /// What went wrong last, with what to do about it.
        error: Option<String>,
    },
    /// Changes are held back.
    Hold {
        /// As `held` takes it.
        id: Uuid,
        /// Why.
        cause: HoldCause,
        /// The name of the group it is about, as it stands in the directory.
        group: Option<String>,
        /// How many events it holds now.
        events: u64,
    },
    /// Messages were given up: how many.
    FailedMail(u64),
    /// Rows cannot be read: how many.
    SetAside(u64),
}

/// How many, and since when there are any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many.
    pub count: u64,
    /// When the oldest came. `None`: there is none.
    pub since: Option<Timestamp>,
}

/// A condition on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alert {
    /// Which.
    pub condition: Condition,
    /// When a mail about it was last written.
    pub said_at: Option<Timestamp>,
}

/// What is to be put on record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Conditions that came, and since when they last. The worst first.
    pub raised: Vec<(Condition, Timestamp)>,
    /// Conditions that are over.
    pub ended: Vec<Condition>,
}

/// Compares what is with what is on record. `patience`: see [`PATIENCE`].
pub fn changes(
    facts: &Facts,
    open: impl IntoIterator<Item = Condition>,
    patience: SignedDuration,
    now: Timestamp,
) -> Changes {
    let open: BTreeSet<Condition> = open.into_iter().collect();
    let conditions = conditions(facts, &open, patience, now);
    Changes {
        ended: open.iter().filter(|condition| !conditions.contains_key(condition)).copied().collect(),
        raised: conditions.into_iter().filter(|(condition, _)| !open.contains(condition)).collect(),
    }
}

fn conditions(
    facts: &Facts,
    open: &BTreeSet<Condition>,
    patience: SignedDuration,
    now: Timestamp,
) -> BTreeMap<Condition, Timestamp> {
    let feed = of_the_feed(&facts.feed, open, patience, now);
    let holds = facts.holds.iter().map(|(id, since)| (Condition::Hold(*id), *since));
    let failed_mail = facts.failed_mail.since.map(|since| (Condition::FailedMail, since));
    let set_aside = (facts.set_aside > 0).then_some((Condition::SetAside, now));
    feed.into_iter().chain(holds).chain(failed_mail).chain(set_aside).collect()
}

/// What is on record lasts until the directory is caught up with, or until something worse takes its place: one
/// that is reached again for a moment only is one trouble and not many.
fn of_the_feed(
    feed: &Feed,
    open: &BTreeSet<Condition>,
    patience: SignedDuration,
    now: Timestamp,
) -> Option<(Condition, Timestamp)> {
    let since = feed.behind_since?;
    let is_too_long = |from: Timestamp| now.duration_since(from) >= patience;
    let current = match feed.standing {
        Standing::Following => return None,
        Standing::Connected => None,
        // Whoever was not there cannot say that the directory was not.
        Standing::Away => (is_too_long(since) && is_too_long(feed.begun_at)).then_some(Condition::FeedAway),
        Standing::Refused => Some(Condition::FeedRefused),
        Standing::Stopped => Some(Condition::FeedStopped),
    };
    let on_record = open.iter().copied().filter(|condition| condition.is_of_the_feed());
    on_record.chain(current).min().map(|worst| (worst, since))
}

/// Which of the `open` alerts are to be said at `now`, the worst first. `said` has the instant of the last mail
/// about each kind, those that ended included.
///
/// An instant ahead of `now` comes from a clock that was set back since, and counts as if it lay as far behind:
/// nothing is silent until the clock is there again.
pub fn due(open: &[Alert], said: &BTreeMap<Kind, Timestamp>, now: Timestamp) -> Vec<Condition> {
    let is_past = |instant: Timestamp, wait: SignedDuration| now.duration_since(instant).abs() >= wait;
    let mut due: Vec<Condition> = open
        .iter()
        .filter(|alert| alert.said_at.is_none_or(|at| is_past(at, AGAIN)))
        .map(|alert| alert.condition)
        .filter(|condition| said.get(&condition.kind()).is_none_or(|at| is_past(*at, APART)))
        .collect();
    due.sort_unstable();
    due
}

#[cfg(test)]
mod tests;
