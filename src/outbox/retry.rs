//! When to try again, and which message next. Pure: every instant is an argument.
//!
//! Two clocks run side by side. A message that the server *answered* with "later" has a schedule of its
//! own ([`after_failure`]). A server that cannot be used at all has one schedule for the whole queue
//! ([`ServerHealth`]): one message probes it, and the first success lets everything go that is due.

use std::{collections::BTreeSet, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use jiff::{SignedDuration, Timestamp};

use super::{settings::RetryPolicy, state::FailureClass};

/// The first wait before a server that could not be reached is tried again.
const PROBE_FIRST: Duration = Duration::from_secs(1);
/// The longest such wait.
const PROBE_MAX: Duration = Duration::from_mins(1);

/// What becomes of a message after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Tried again, not before `at`.
    Deferred {
        /// Never before the `now` of the failure.
        at: Timestamp,
    },
    /// Given up: kept, and retried only by hand.
    Failed,
}

/// What becomes of a message that was `created` then and now failed.
///
/// `attempts` counts this message's transient failures, this one included: attempts that ended because
/// the server could not be reached are not among them, they leave a message due at once, and
/// [`ServerHealth`] holds it back. A message older than `policy.give_up_after` fails whatever the failure.
pub fn after_failure(
    policy: &RetryPolicy,
    created: Timestamp,
    attempts: u32,
    failure: FailureClass,
    now: Timestamp,
) -> Next {
    if now.duration_since(created) >= signed(policy.give_up_after) {
        return Next::Failed;
    }
    match failure {
        FailureClass::Permanent => Next::Failed,
        FailureClass::Unreachable => Next::Deferred { at: now },
        FailureClass::Transient => {
            Next::Deferred { at: later(now, doubled(policy.initial, policy.max, attempts)) }
        }
    }
}

/// Whether the mail server of a store can be used, as far as the last attempts tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerHealth {
    /// It answered last time, or was not yet asked.
    Up,
    /// It could not be used.
    Down {
        /// Probes that failed in a row, at least 1.
        failures: u32,
        /// From then on one message may try.
        probe_at: Timestamp,
    },
}

impl ServerHealth {
    /// After an attempt in which the server answered for the message itself, whatever the answer.
    #[must_use]
    pub fn reached(self) -> Self {
        Self::Up
    }

    /// After an attempt that ended as [`FailureClass::Unreachable`] at `now`.
    ///
    /// Failures that come in before the next probe is due belong to attempts that began together with the
    /// first one; they lengthen nothing.
    #[must_use]
    pub fn unreachable(self, now: Timestamp) -> Self {
        let failures = match self {
            Self::Up => 1,
            Self::Down { probe_at, .. } if now < probe_at => return self,
            Self::Down { failures, .. } => failures.saturating_add(1),
        };
        Self::Down { failures, probe_at: later(now, doubled(PROBE_FIRST, PROBE_MAX, failures)) }
    }

    /// When somebody wants to know at `now`, and not when the next probe is due.
    #[must_use]
    pub fn asked(self, now: Timestamp) -> Self {
        match self {
            Self::Up => Self::Up,
            Self::Down { failures, probe_at } => Self::Down { failures, probe_at: probe_at.min(now) },
        }
    }

    /// After any failed attempt.
    #[must_use]
    pub fn after(self, failure: FailureClass, now: Timestamp) -> Self {
        match failure {
            FailureClass::Transient | FailureClass::Permanent => self.reached(),
            FailureClass::Unreachable => self.unreachable(now),
        }
    }
}

/// A message that is still to be sent, as the queue sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued<'a, Id> {
    /// Whatever names it to the caller.
    pub id: Id,
    /// The recipient's address in lower case: order is kept per key.
    pub recipient_key: &'a str,
    /// Whether it is being sent at this moment.
    pub state: QueueState,
    /// Not before this instant.
    pub due: Timestamp,
}

/// Whether a queued message is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueState {
    /// To be sent.
    Waiting,
    /// Handed to the mailer, and not yet answered for.
    InFlight,
}

/// The messages to hand to the mailer now, oldest first.
///
/// `queue` holds all pending messages of one store, oldest first; `limit` is how many may be in flight at
/// once, those already in flight included. Of each recipient only the oldest message can be claimed, so a
/// deferred one holds back later mail to the same recipient and to nobody else. While the server is down
/// there is one message at a time, and none before the probe is due. It is not always the same message:
/// one that itself makes the server hang up must not stand for the server for ever.
pub fn claimable<Id: Copy>(
    queue: &[Queued<'_, Id>],
    now: Timestamp,
    health: ServerHealth,
    limit: usize,
) -> Vec<Id> {
    let in_flight = queue.iter().filter(|message| message.state == QueueState::InFlight).count();
    match health {
        ServerHealth::Up => heads(queue, now).take(limit.saturating_sub(in_flight)).collect(),
        ServerHealth::Down { probe_at, .. } if now < probe_at || in_flight > 0 || limit == 0 => Vec::new(),
        ServerHealth::Down { failures, .. } => {
            let due: Vec<Id> = heads(queue, now).collect();
            let turn = usize::try_from(failures.saturating_sub(1)).unwrap_or(0).checked_rem(due.len());
            turn.and_then(|turn| due.get(turn)).copied().into_iter().collect()
        }
    }
}

/// When [`claimable`] may have more to give without anything else happening. `None`: nothing is waiting
/// for a time.
pub fn next_due<Id: Copy>(queue: &[Queued<'_, Id>], health: ServerHealth) -> Option<Timestamp> {
    let mut seen = BTreeSet::new();
    let earliest = queue
        .iter()
        .filter(|message| seen.insert(message.recipient_key))
        .filter(|message| message.state == QueueState::Waiting)
        .map(|message| message.due)
        .min()?;
    Some(match health {
        ServerHealth::Up => earliest,
        ServerHealth::Down { probe_at, .. } => earliest.max(probe_at),
    })
}

/// The oldest message of each recipient, where it waits and is due.
fn heads<'q, Id: Copy>(queue: &'q [Queued<'_, Id>], now: Timestamp) -> impl Iterator<Item = Id> + 'q {
    let mut seen = BTreeSet::new();
    queue
        .iter()
        .filter(move |message| seen.insert(message.recipient_key))
        .filter(move |message| message.state == QueueState::Waiting && message.due <= now)
        .map(|message| message.id)
}

/// The `nth` wait (from 1) of the series `first`, doubled up to `max`.
fn doubled(first: Duration, max: Duration, nth: u32) -> Duration {
    // After 64 doublings any series has met its maximum: a huge count must not make a long loop.
    let skipped = usize::try_from(nth.saturating_sub(1).min(64)).unwrap_or(64);
    ExponentialBuilder::new()
        .with_factor(2.0)
        .with_min_delay(first)
        .with_max_delay(max)
        .without_max_times()
        .build()
        .nth(skipped)
        .unwrap_or(max)
        .min(max)
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(signed(wait)).unwrap_or(Timestamp::MAX)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests;
