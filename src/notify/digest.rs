//! Which notifications of one recipient share a mail, and in what order it shows them.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::{
    change::{
        event::ChangeEvent,
        resolve::{Identity, identity},
    },
    directory::entry::EntryRef,
};

/// What one mail will hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window<T> {
    /// From this instant on the mail may be written.
    pub closes: Timestamp,
    /// In the order given, never empty.
    pub notifications: Vec<T>,
}

/// Parts the `pending` notifications of one recipient, given in ingest order with the instant of their
/// creation by our clock, into mails. A window starts at the first notification and is not extended; a
/// `length` of zero makes one mail of each.
pub fn windows<T>(pending: impl IntoIterator<Item = (Timestamp, T)>, length: Duration) -> Vec<Window<T>> {
    let mut windows: Vec<Window<T>> = Vec::new();
    for (created, notification) in pending {
        match windows.last_mut() {
            Some(window) if created < window.closes && !length.is_zero() => {
                window.notifications.push(notification);
            }
            Some(_) | None => {
                windows.push(Window { closes: closes(created, length), notifications: vec![notification] });
            }
        }
    }
    windows
}

/// When a window that starts at `first` closes.
pub fn closes(first: Timestamp, length: Duration) -> Timestamp {
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
mod tests {
    use super::*;

    /// Seconds at which notifications were made, the window in seconds; expected: `closes: seconds…`.
    fn check(made: &[i64], window: u64, expect: &[(i64, &[i64])]) {
        let at = |second| Timestamp::from_second(second).unwrap();
        let pending = made.iter().map(|&second| (at(second), second));
        let got = windows(pending, Duration::from_secs(window));
        let expect: Vec<_> = expect
            .iter()
            .map(|(closes, notifications)| Window {
                closes: at(*closes),
                notifications: notifications.to_vec(),
            })
            .collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn nothing_pending_makes_no_mail() {
        check(&[], 10, &[]);
    }

    #[test]
    fn what_comes_within_the_window_shares_a_mail() {
        check(&[100, 100, 109], 10, &[(110, &[100, 100, 109])]);
    }

    #[test]
    fn the_window_starts_at_the_first_and_is_not_extended() {
        check(&[100, 109, 110, 119, 120], 10, &[(110, &[100, 109]), (120, &[110, 119]), (130, &[120])]);
    }

    #[test]
    fn zero_makes_one_mail_of_each() {
        check(&[100, 100, 101], 0, &[(100, &[100]), (100, &[100]), (101, &[101])]);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_reorder() {
        check(&[100, 40, 105], 10, &[(110, &[100, 40, 105])]);
    }

    #[test]
    fn a_window_beyond_the_end_of_time_closes_at_its_end() {
        assert_eq!(closes(Timestamp::MAX, Duration::MAX), Timestamp::MAX);
    }
}
