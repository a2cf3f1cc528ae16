//! What was told within the last minutes.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::{Add, AddAssign},
};

use jiff::{SignedDuration, Timestamp};

use super::{
    super::event::{Change, ChangeEvent},
    group_of,
};
use crate::directory::entry::EntryId;

/// What went out within the window, as it is counted. Adding to it and letting old events leave it costs no more
/// than there are events.
#[derive(Debug, Default)]
pub struct Window {
    units: VecDeque<Counted>,
    events: u64,
    groups: BTreeMap<EntryId, Group>,
    now: Timestamp,
}

#[derive(Debug)]
struct Counted {
    seen: Timestamp,
    events: u64,
    groups: BTreeMap<EntryId, Turnover>,
}

#[derive(Debug, Default)]
struct Group {
    turnover: Turnover,
    /// At the window's beginning. `None`: nobody asked yet.
    size: Option<u64>,
}

/// Events of one group, and how many members came and went by them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Turnover {
    pub events: u64,
    pub added: u64,
    pub removed: u64,
}

/// Of which group the event is, and what it says of the members. A deletion takes all there were.
pub(super) fn turnover_of(event: &ChangeEvent) -> Option<(EntryId, Turnover)> {
    let (added, removed) = match &event.change {
        Change::MemberAdded { .. } => (1, 0),
        Change::MemberRemoved { .. } => (0, 1),
        Change::ObjectDeleted { last_member_count, .. } => (0, *last_member_count),
        Change::OwnerAdded { .. }
        | Change::OwnerRemoved { .. }
        | Change::ManagerChanged { .. }
        | Change::ObjectCreated
        | Change::ObjectRenamed { .. }
        | Change::AttributesChanged { .. }
        | Change::ScopeEntered
        | Change::ScopeLeft => (0, 0),
    };
    group_of(event).map(|group| (group, Turnover { events: 1, added, removed }))
}

impl Turnover {
    pub fn changed(self) -> u64 {
        self.added.saturating_add(self.removed)
    }

    /// How many members there were before it.
    pub fn undone(self, now: u64) -> u64 {
        now.saturating_add(self.removed).saturating_sub(self.added)
    }

    /// How many there were after it.
    fn done(self, before: u64) -> u64 {
        before.saturating_add(self.added).saturating_sub(self.removed)
    }

    fn take(&mut self, other: Self) {
        self.events = self.events.saturating_sub(other.events);
        self.added = self.added.saturating_sub(other.added);
        self.removed = self.removed.saturating_sub(other.removed);
    }
}

impl AddAssign for Turnover {
    fn add_assign(&mut self, other: Self) {
        self.events = self.events.saturating_add(other.events);
        self.added = self.added.saturating_add(other.added);
        self.removed = self.removed.saturating_add(other.removed);
    }
}

impl Add for Turnover {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Window {
    /// Lets leave what was seen before the window of `length` that ends `now`. After a clock that was set back, what
    /// was seen later than now says nothing.
    pub fn slide(&mut self, now: Timestamp, length: SignedDuration) {
        self.now = now;
        while self.units.front().is_some_and(|unit| now.duration_since(unit.seen) >= length) {
            let Some(unit) = self.units.pop_front() else { return };
            self.leave(unit, Turnover::done);
        }
        while self.units.back().is_some_and(|unit| unit.seen > now) {
            let Some(unit) = self.units.pop_back() else { return };
            self.leave(unit, |_, size| size);
        }
    }

    /// Counts events that went out at the time of the last [`slide`](Self::slide).
    pub fn count<'a>(&mut self, events: impl Iterator<Item = &'a ChangeEvent>) {
        let mut unit = Counted { seen: self.now, events: 0, groups: BTreeMap::new() };
        for event in events {
            unit.events += 1;
            if let Some((group, turnover)) = turnover_of(event) {
                *unit.groups.entry(group).or_default() += turnover;
            }
        }
        if unit.events == 0 {
            return;
        }
        self.events += unit.events;
        for (group, turnover) in &unit.groups {
            self.groups.entry(*group).or_default().turnover += *turnover;
        }
        self.units.push_back(unit);
    }

    /// How many there are.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Forgets everything: it is held from here on, or was.
    pub fn clear(&mut self) {
        (self.units, self.events, self.groups) = (VecDeque::new(), 0, BTreeMap::new());
    }

    pub(super) fn of_group(&self, group: EntryId) -> Turnover {
        self.groups.get(&group).map(|group| group.turnover).unwrap_or_default()
    }

    pub(super) fn size(&self, group: EntryId) -> Option<u64> {
        self.groups.get(&group).and_then(|group| group.size)
    }

    /// Of a group of which nothing is counted there is nothing to be noted.
    pub(super) fn note_size(&mut self, group: EntryId, members: u64) {
        if let Some(group) = self.groups.get_mut(&group) {
            group.size = Some(members);
        }
    }

    /// Forgets one group: its events are held from here on.
    pub(super) fn forget(&mut self, group: EntryId) {
        if self.groups.remove(&group).is_none() {
            return;
        }
        for unit in &mut self.units {
            if let Some(turnover) = unit.groups.remove(&group) {
                unit.events = unit.events.saturating_sub(turnover.events);
                self.events = self.events.saturating_sub(turnover.events);
            }
        }
    }

    fn leave(&mut self, unit: Counted, resized: impl Fn(Turnover, u64) -> u64) {
        self.events = self.events.saturating_sub(unit.events);
        for (id, turnover) in unit.groups {
            let Some(group) = self.groups.get_mut(&id) else { continue };
            group.turnover.take(turnover);
            group.size = group.size.map(|size| resized(turnover, size));
            if group.turnover.events == 0 {
                self.groups.remove(&id);
            }
        }
    }
}
