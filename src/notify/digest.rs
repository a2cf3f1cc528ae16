//! Which notifications of one recipient share a mail, when it may be written, and in what order it shows them.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::{
    change::{
        event::ChangeEvent,
        resolve::{Identity, identity},
    },
    directory::entry::EntryRef,
};

/// The hour of `max_messages_per_hour`. It slides: between two instants less than this apart lie at most so
/// many mails.
pub const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Why the notifications of a mail share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gathered {
    /// They came within one digest window; a single one does too.
    Window,
    /// More mails than `cap` an hour were due, and this is the last that the hour allows.
    Hour {
        /// `max_messages_per_hour`.
        cap: u32,
    },
}

/// What one mail will hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned<T> {
    /// Why they share it.
    pub gathered: Gathered,
    /// In the order given, never empty.
    pub notifications: Vec<T>,
}

/// What may be written now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<T> {
    /// In the order of what they tell.
    pub mails: Vec<Planned<T>>,
    /// When there may be more, if nothing else happens until then. `None`: nothing is left.
    pub again: Option<Timestamp>,
}

/// How many mails one recipient may still get within the hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// As many as there are: copies are not capped.
    Unlimited,
    /// So many.
    Left {
        /// Of how many in all.
        cap: u32,
        /// Not zero.
        mails: usize,
    },
    /// One, which tells all that had to wait for it.
    Summary {
        /// Of how many in all.
        cap: u32,
    },
    /// None before this instant.
    Nothing {
        /// When the oldest of the last `cap` mails is an hour old.
        until: Timestamp,
    },
}

impl Allowance {
    /// What `earlier` mails to one recipient leave of `cap` (at least 1). Each stands there with the instant at
    /// which it left; one that is still to leave counts as leaving at `now`, since it may.
    ///
    /// An instant more than an hour ahead comes from a clock that was set back since, and counts for nothing:
    /// it must not silence anybody until the clock is there again.
    pub fn after(earlier: impl IntoIterator<Item = Timestamp>, cap: u32, now: Timestamp) -> Self {
        let counts = |instant: &Timestamp| now.duration_since(*instant).abs() < HOUR;
        let mut counted: Vec<Timestamp> = earlier.into_iter().filter(counts).collect();
        let whole = usize::try_from(cap).unwrap_or(usize::MAX).max(1);
        if let Some(mails) = whole.checked_sub(counted.len()).filter(|mails| *mails > 0) {
            return Self::Left { cap, mails };
        }
        counted.sort_unstable_by(|one, other| other.cmp(one));
        let oldest = counted.get(whole - 1).copied().unwrap_or(now);
        Self::Nothing { until: oldest.checked_add(HOUR).unwrap_or(Timestamp::MAX) }
    }

    /// The same for a recipient whom something had to wait for, since the hour allowed nothing more.
    #[must_use]
    pub fn after_a_wait(self) -> Self {
        match self {
            Self::Left { cap, mails: _ } => Self::Summary { cap },
            Self::Unlimited | Self::Summary { .. } | Self::Nothing { .. } => self,
        }
    }
}

/// Parts the `pending` notifications of one recipient, given in ingest order with the instant of their
/// creation by our clock, into the mails that are due at `now`.
///
/// A window starts at the first notification and is not extended; a `window` of zero makes one mail of each.
/// Windows that have closed make a mail each as long as the allowance lasts. Where there are more of them,
/// the last mail it leaves is a summary of all the rest, so that nothing that is due waits while anything may
/// be written. What had to wait all the same is told in one summary.
pub fn plan<T>(
    pending: impl IntoIterator<Item = (Timestamp, T)>,
    window: Duration,
    allowance: Allowance,
    now: Timestamp,
) -> Plan<T> {
    let mut closed = windows(pending, window, now);
    let is_open = |window: &Window<T>| window.closes > now;
    // Nothing goes before what came before it.
    let open = closed.split_off(closed.iter().position(is_open).unwrap_or(closed.len()));
    let opened = open.first().map(|window| window.closes);
    match allowance {
        Allowance::Nothing { until } => {
            let again = if closed.is_empty() { opened.map(|closes| closes.max(until)) } else { Some(until) };
            Plan { mails: Vec::new(), again }
        }
        Allowance::Left { cap, mails } => Plan { mails: at_most(mails, cap, closed), again: opened },
        Allowance::Summary { cap } => Plan { mails: at_most(1, cap, closed), again: opened },
        Allowance::Unlimited => Plan { mails: closed.into_iter().map(own_mail).collect(), again: opened },
    }
}

fn own_mail<T>(window: Window<T>) -> Planned<T> {
    Planned { gathered: Gathered::Window, notifications: window.notifications }
}

/// A mail for each window, or, where there are more than `mails` (at least 1), the last for all the rest.
fn at_most<T>(mails: usize, cap: u32, windows: Vec<Window<T>>) -> Vec<Planned<T>> {
    if windows.len() <= mails {
        return windows.into_iter().map(own_mail).collect();
    }
    let mut windows = windows.into_iter();
    let mut planned: Vec<_> = windows.by_ref().take(mails.saturating_sub(1)).map(own_mail).collect();
    planned.push(Planned {
        gathered: Gathered::Hour { cap },
        notifications: windows.flat_map(|window| window.notifications).collect(),
    });
    planned
}

/// When the window closes in which `one` of the `pending` waits; that it is none of them is an error of the
/// caller, and closes at once.
pub fn closing<T: PartialEq>(
    pending: impl IntoIterator<Item = (Timestamp, T)>,
    window: Duration,
    one: &T,
    now: Timestamp,
) -> Timestamp {
    let windows = windows(pending, window, now);
    windows.iter().find(|window| window.notifications.contains(one)).map_or(now, |window| window.closes)
}

/// Notifications that share a mail, unless the hour allows no mail more.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Window<T> {
    closes: Timestamp,
    notifications: Vec<T>,
}

fn windows<T>(
    pending: impl IntoIterator<Item = (Timestamp, T)>,
    length: Duration,
    now: Timestamp,
) -> Vec<Window<T>> {
    let mut windows: Vec<Window<T>> = Vec::new();
    for (created, notification) in pending {
        match windows.last_mut() {
            Some(window) if created < window.closes && !length.is_zero() => {
                window.notifications.push(notification);
            }
            Some(_) | None => {
                let closes = closes(created, length, now);
                windows.push(Window { closes, notifications: vec![notification] });
            }
        }
    }
    windows
}

/// When a window that starts at `first` closes. One that seems to start after `now` is closed: the clock was set
/// back since, and nobody waits until it is there again.
pub fn closes(first: Timestamp, length: Duration, now: Timestamp) -> Timestamp {
    if first > now {
        return now;
    }
    SignedDuration::try_from(length)
        .ok()
        .and_then(|length| first.checked_add(length).ok())
        .unwrap_or(Timestamp::MAX)
}

/// What happened to one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryEvents<'a> {
    /// As the last of the events names it.
    pub entry: &'a EntryRef,
    /// In the order given, never empty.
    pub events: Vec<&'a ChangeEvent>,
}

/// Groups events by entry: entries in the order in which they first appear, events as they come.
pub fn by_entry<'a>(events: impl IntoIterator<Item = &'a ChangeEvent>) -> Vec<EntryEvents<'a>> {
    let mut groups: BTreeMap<Identity, (usize, EntryEvents<'a>)> = BTreeMap::new();
    for event in events {
        let place = groups.len();
        let (_, group) = groups
            .entry(identity(&event.entry))
            .or_insert_with(|| (place, EntryEvents { entry: &event.entry, events: Vec::new() }));
        group.entry = &event.entry;
        group.events.push(event);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|(place, _)| *place);
    groups.into_iter().map(|(_, group)| group).collect()
}

#[cfg(test)]
mod tests;
