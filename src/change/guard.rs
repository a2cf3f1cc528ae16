//! The bulk guard: what changes too much at once waits for an operator, and what comes after it to the same
//! entries waits behind it, in order.
//!
//! A *unit* is what is told at one go: live the events of one reading, else those of a whole refresh or
//! comparison. A group whose members change too much gets a hold of its own, which takes all events of that
//! entry; what is left of too many changes in the store gets one that takes everything. Where at
//! least half of the groups lose all their members in one unit, the members are more likely hidden from the account
//! than gone: each of these groups gets a hold, however small. Which way an event goes follows from its entry alone,
//! so events of one entry keep their order.

mod window;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::window::Window;
use self::window::{Turnover, turnover_of};
use super::{
    event::{Cause, Change, ChangeEvent, ChangeSet, ChangeSetId},
    purpose::Purpose,
};
use crate::directory::entry::{EntryId, EntryKind, EntryRef};

/// `[identity_store.NAME.guard]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardSettings {
    /// Over which time changes are counted, by our clock.
    pub window: Duration,
    /// Events within the window; one more is too many.
    pub max_events: u32,
    /// Of a group's members at the window's beginning, added and removed together; more is too many.
    pub membership_percent: u32,
    /// Groups that had fewer members at the window's beginning are not looked at. At least 1.
    pub membership_min: u32,
}

impl Default for GuardSettings {
    /// Those of the contract.
    fn default() -> Self {
        Self { window: Duration::from_mins(5), max_events: 1000, membership_percent: 50, membership_min: 20 }
    }
}

/// So many groups that lose all members at once are looked at together.
const LEAST_EMPTIED: usize = 3;

/// The number of a hold in the state file; older ones have lower numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoldNo(pub i64);

/// Why something is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldCause {
    /// Too many events in the store.
    MaxEvents,
    /// Too many members of one group came and went.
    Membership,
    /// The directory is older than what was already told.
    BackInTime,
}

impl HoldCause {
    const ALL: [Self; 3] = [Self::MaxEvents, Self::Membership, Self::BackInTime];

    /// The word of the state file and of `held list --json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxEvents => "max-events",
            Self::Membership => "membership",
            Self::BackInTime => "back-in-time",
        }
    }

    /// The inverse of [`HoldCause::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

/// What was counted when a hold began, and against which limit. Kept with the hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum HoldFacts {
    /// More than `limit` events within the window.
    MaxEvents {
        /// Counted within the window, those of the unit included.
        events: u64,
        /// `guard.max_events`
        limit: u32,
        /// `guard.window`
        window_seconds: u64,
    },
    /// A group changed by more than `limit_percent`.
    Membership {
        /// Which, as it was named in the last of these events.
        group: EntryRef,
        /// It had so many members at the window's beginning.
        members: u64,
        /// So many came within the window.
        added: u64,
        /// So many went.
        removed: u64,
        /// `guard.membership_percent`
        limit_percent: u32,
        /// `guard.window`
        window_seconds: u64,
    },
    /// At least half of the groups lost all members at once.
    MembersHidden {
        /// One of them.
        group: EntryRef,
        /// So many went.
        removed: u64,
        /// How many groups did.
        groups: u64,
    },
    /// All differences from a directory that went back in time.
    BackInTime {
        /// How many events they were.
        events: u64,
    },
}

impl HoldFacts {
    /// Why, in one word.
    pub fn cause(&self) -> HoldCause {
        match self {
            Self::MaxEvents { .. } => HoldCause::MaxEvents,
            Self::Membership { .. } | Self::MembersHidden { .. } => HoldCause::Membership,
            Self::BackInTime { .. } => HoldCause::BackInTime,
        }
    }

    /// The one group whose events are held.
    pub fn group(&self) -> Option<&EntryRef> {
        match self {
            Self::Membership { group, .. } | Self::MembersHidden { group, .. } => Some(group),
            Self::MaxEvents { .. } | Self::BackInTime { .. } => None,
        }
    }

    /// What was counted against which limit, in a sentence without its full stop. Names nobody: the group is for
    /// whoever shows it to make visible.
    pub fn sentence(&self) -> String {
        match self {
            Self::MaxEvents { events, limit, window_seconds } => format!(
                "{events} changes within {}, and guard.max_events is {limit}",
                within(*window_seconds)
            ),
            Self::Membership { members, added, removed, limit_percent, window_seconds, .. } => format!(
                "{added} added and {removed} removed within {}, which is {} % of the {members} members it had, \
                 and guard.membership_percent is {limit_percent}",
                within(*window_seconds),
                percent(added.saturating_add(*removed), *members),
            ),
            Self::MembersHidden { removed, groups, .. } => format!(
                "all {removed} members went, and {groups} groups lost all members at once: the account may have lost \
                 the right to read them"
            ),
            Self::BackInTime { events } => format!(
                "the directory went back in time, as after restoring a backup: {events} changes would undo what was \
                 told"
            ),
        }
    }
}

fn within(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// Rounded up, so that what is over the limit never looks like it.
fn percent(part: u64, of: u64) -> u64 {
    part.saturating_mul(100).div_ceil(of.max(1))
}

/// What the guard asks of the state.
pub trait Holding {
    /// Why it cannot be told.
    type Error;

    /// The oldest open hold that takes the events of this entry; of `None`, one that takes everything.
    fn taker(&self, entry: Option<EntryId>) -> Result<Option<HoldNo>, Self::Error>;

    /// How many direct members a group has now, the unit's changes made. 0: there is no such group.
    fn members(&self, group: EntryId) -> Result<u64, Self::Error>;

    /// Whether more than `count` groups have members now, the unit's changes made.
    fn has_more_groups_than(&self, count: usize) -> Result<bool, Self::Error>;
}

/// A hold that begins with this unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    /// Why.
    pub facts: HoldFacts,
    /// Whose events it takes; empty where it takes those of the whole store.
    pub entries: BTreeSet<EntryId>,
}

/// Which way an event goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// It is told.
    Out,
    /// Behind a hold that is open.
    Behind(HoldNo),
    /// Into one of [`Judged::holds`], by its place.
    Into(usize),
}

/// What becomes of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// In the order in which they begin.
    pub holds: Vec<NewHold>,
    /// All events of the unit, each once, those of one entry in their order. What goes several ways is several
    /// change sets.
    pub sets: Vec<(Way, ChangeSet)>,
}

/// Judges one unit, and counts in `window` what of it goes out.
///
/// `window` holds what went out before, slid to the time of the unit. An operator's acceptance is neither counted
/// nor held. With [`Purpose::BackInTime`] everything is held under one hold, which is there even if all of it
/// queues behind older ones. `new_id` gives fresh UUIDv7s, for what has to be split.
pub fn judge<H: Holding>(
    sets: Vec<ChangeSet>,
    purpose: Purpose,
    settings: &GuardSettings,
    window: &mut Window,
    state: &H,
    new_id: &mut dyn FnMut() -> Uuid,
) -> Result<Judged, H::Error> {
    let mut unit = Unit { settings, window, ways: BTreeMap::new(), holds: Vec::new() };
    unit.queue_behind(&sets, state)?;
    match purpose {
        Purpose::Accept => {}
        Purpose::BackInTime => unit.hold_back(&sets),
        Purpose::Tell => {
            unit.hold_the_emptied(&sets, state)?;
            let sizes = unit.hold_groups(&sets, state)?;
            unit.hold_the_store(&sets);
            unit.count(&sets, &sizes);
        }
    }
    let Unit { ways, holds, .. } = unit;
    let mut judged = Judged { holds, sets: Vec::with_capacity(sets.len()) };
    for set in sets {
        judged.sets.extend(split(set, &ways, new_id));
    }
    Ok(judged)
}

/// The way of each entry whose events do not go out.
type Ways = BTreeMap<Option<EntryId>, Way>;

struct Unit<'a> {
    settings: &'a GuardSettings,
    window: &'a mut Window,
    ways: Ways,
    holds: Vec<NewHold>,
}

impl Unit<'_> {
    fn queue_behind<H: Holding>(&mut self, sets: &[ChangeSet], state: &H) -> Result<(), H::Error> {
        let mut asked = BTreeSet::new();
        for event in told(sets) {
            if asked.insert(event.entry.id)
                && let Some(hold) = state.taker(event.entry.id)?
            {
                self.ways.insert(event.entry.id, Way::Behind(hold));
            }
        }
        Ok(())
    }

    fn hold_back(&mut self, sets: &[ChangeSet]) {
        let events = count_of(told(sets));
        if events == 0 {
            return;
        }
        let entries = told(sets).filter_map(|event| event.entry.id).collect();
        let way = self.begin(HoldFacts::BackInTime { events }, entries);
        for event in told(sets) {
            self.ways.entry(event.entry.id).or_insert(way);
        }
    }

    /// What somebody empties is a group or two.
    fn hold_the_emptied<H: Holding>(&mut self, sets: &[ChangeSet], state: &H) -> Result<(), H::Error> {
        let mut emptied: BTreeMap<EntryId, (u64, &EntryRef)> = BTreeMap::new();
        for event in self.left(sets).filter(|event| event.cause == Cause::Directory) {
            if let (Some(group), Change::MemberRemoved { .. }) = (group_of(event), &event.change) {
                let known = emptied.entry(group).or_insert((0, &event.entry));
                *known = (known.0 + 1, &event.entry);
            }
        }
        if emptied.len() < LEAST_EMPTIED {
            return Ok(());
        }
        for (id, _) in emptied.clone() {
            if state.members(id)? > 0 {
                emptied.remove(&id);
            }
        }
        if emptied.len() < LEAST_EMPTIED || state.has_more_groups_than(emptied.len())? {
            return Ok(());
        }
        let groups = emptied.len().try_into().unwrap_or(u64::MAX);
        for (id, (removed, group)) in emptied {
            let facts = HoldFacts::MembersHidden { group: group.clone(), removed, groups };
            let way = self.begin(facts, BTreeSet::from([id]));
            self.ways.insert(Some(id), way);
            self.window.forget(id);
        }
        Ok(())
    }

    /// Answers how large the groups were that were looked at and go out.
    fn hold_groups<H: Holding>(
        &mut self,
        sets: &[ChangeSet],
        state: &H,
    ) -> Result<BTreeMap<EntryId, u64>, H::Error> {
        let mut changed: BTreeMap<EntryId, (Turnover, &EntryRef)> = BTreeMap::new();
        for event in self.left(sets) {
            if let Some((group, turnover)) = turnover_of(event) {
                let known = changed.entry(group).or_insert((Turnover::default(), &event.entry));
                known.0 += turnover;
                known.1 = &event.entry;
            }
        }
        let mut sizes = BTreeMap::new();
        for (id, (turnover, group)) in changed {
            let turnover = self.window.of_group(id) + turnover;
            if !self.may_be_too_much(turnover) {
                continue;
            }
            let members = match self.window.size(id) {
                Some(known) => known,
                None => turnover.undone(state.members(id)?),
            };
            sizes.insert(id, members);
            if self.is_too_much(turnover, members) {
                let facts = self.membership(group.clone(), members, turnover);
                let way = self.begin(facts, BTreeSet::from([id]));
                self.ways.insert(Some(id), way);
                self.window.forget(id);
            }
        }
        Ok(sizes)
    }

    /// Whether the smallest group that is looked at would have changed too much.
    fn may_be_too_much(&self, turnover: Turnover) -> bool {
        self.is_too_much(turnover, u64::from(self.settings.membership_min))
    }

    fn is_too_much(&self, turnover: Turnover, members: u64) -> bool {
        let limit = members.saturating_mul(u64::from(self.settings.membership_percent));
        members >= u64::from(self.settings.membership_min) && turnover.changed().saturating_mul(100) > limit
    }

    fn membership(&self, group: EntryRef, members: u64, turnover: Turnover) -> HoldFacts {
        HoldFacts::Membership {
            group,
            members,
            added: turnover.added,
            removed: turnover.removed,
            limit_percent: self.settings.membership_percent,
            window_seconds: self.settings.window.as_secs(),
        }
    }

    fn hold_the_store(&mut self, sets: &[ChangeSet]) {
        let unit = count_of(self.left(sets));
        let events = self.window.events() + unit;
        if unit == 0 || events <= u64::from(self.settings.max_events) {
            return;
        }
        let facts = HoldFacts::MaxEvents {
            events,
            limit: self.settings.max_events,
            window_seconds: self.settings.window.as_secs(),
        };
        let left: BTreeSet<_> = self.left(sets).map(|event| event.entry.id).collect();
        let way = self.begin(facts, BTreeSet::new());
        self.ways.extend(left.into_iter().map(|entry| (entry, way)));
        self.window.clear();
    }

    fn count(&mut self, sets: &[ChangeSet], sizes: &BTreeMap<EntryId, u64>) {
        let ways = &self.ways;
        self.window.count(told(sets).filter(|event| !ways.contains_key(&event.entry.id)));
        for (group, members) in sizes {
            self.window.note_size(*group, *members);
        }
    }

    fn left<'s>(&self, sets: &'s [ChangeSet]) -> impl Iterator<Item = &'s ChangeEvent> {
        told(sets).filter(|event| !self.ways.contains_key(&event.entry.id))
    }

    fn begin(&mut self, facts: HoldFacts, entries: BTreeSet<EntryId>) -> Way {
        self.holds.push(NewHold { facts, entries });
        Way::Into(self.holds.len() - 1)
    }
}

/// The events that the guard looks at.
fn told(sets: &[ChangeSet]) -> impl Iterator<Item = &ChangeEvent> {
    sets.iter().flat_map(|set| &set.events).filter(|event| event.cause.may_be_told())
}

fn count_of<'a>(events: impl Iterator<Item = &'a ChangeEvent>) -> u64 {
    events.count().try_into().unwrap_or(u64::MAX)
}

/// The parts of a set that go different ways, by their first events. What goes out keeps the set's id; where
/// nothing does, the first part keeps it.
fn split(set: ChangeSet, ways: &Ways, new_id: &mut dyn FnMut() -> Uuid) -> Vec<(Way, ChangeSet)> {
    let ChangeSet { id, events } = set;
    let mut parts: Vec<(Way, ChangeSet)> = Vec::new();
    for event in events {
        let way =
            ways.get(&event.entry.id).copied().filter(|_| event.cause.may_be_told()).unwrap_or(Way::Out);
        match parts.iter_mut().find(|(known, _)| *known == way) {
            Some((_, part)) => part.events.push(event),
            None => parts.push((way, ChangeSet { id, events: vec![event] })),
        }
    }
    let keeps = parts.iter().position(|(way, _)| *way == Way::Out).unwrap_or(0);
    for (place, (_, part)) in parts.iter_mut().enumerate() {
        if place != keeps {
            part.id = ChangeSetId(new_id());
            part.events.iter_mut().for_each(|event| event.change_set = part.id);
        }
    }
    parts
}

/// The group whose members an event changes.
fn group_of(event: &ChangeEvent) -> Option<EntryId> {
    event.entry.id.filter(|_| event.entry.kind == Some(EntryKind::Group))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
