//! The same for change sets that are decided about one after the other, as when thousands of one group are released:
//! what came later is undone once, and then comes back turn by turn.

use std::collections::{BTreeMap, VecDeque};

use super::{End, Past, Since};
use crate::{
    change::{
        event::Change,
        resolve::{Identity, identity},
    },
    directory::entry::EntryRef,
};

/// Where a member stands in the order of [`Since::members_before`]: those whom nothing happened to as they are now,
/// then those who went, in the order of their turns.
type Rank = (bool, usize);

/// What has become of a group since a change set, and who its members were then.
#[derive(Debug)]
pub struct Later {
    /// First to last, each with the number of its change set. Those before `next` have come.
    turns: Vec<(i64, Change)>,
    next: usize,
    end: Option<(i64, End)>,
    /// Of each who is still to come or go: when.
    places: BTreeMap<Identity, VecDeque<usize>>,
    now: Vec<EntryRef>,
    /// Places in `now`, by either of the names that a turn may have for a member.
    known_as: BTreeMap<Identity, Vec<usize>>,
    members: BTreeMap<Rank, EntryRef>,
}

impl Later {
    /// `changes`: what [`Hindsight::members_since`](super::Hindsight::members_since) answers, each with the number of
    /// its change set. `members` gives the direct members of now, at most so many.
    pub fn of<E>(
        changes: Vec<(i64, Change)>,
        limit: usize,
        members: impl FnOnce(usize) -> Result<Vec<EntryRef>, E>,
    ) -> Result<Self, E> {
        let mut turns = Vec::with_capacity(changes.len());
        let mut end = None;
        for (set, change) in changes {
            if let Some(found) = End::of(&change) {
                end = Some((set, found));
                break;
            }
            turns.push((set, change));
        }
        let now = match &end {
            Some((_, end)) => end.last_members.clone(),
            None => members(Since::beyond(limit, turns.len()))?,
        };
        let mut later = Self {
            turns,
            next: 0,
            end,
            places: BTreeMap::new(),
            now,
            known_as: BTreeMap::new(),
            members: BTreeMap::new(),
        };
        later.undo();
        Ok(later)
    }

    fn undo(&mut self) {
        for (place, (_, change)) in self.turns.iter().enumerate() {
            if let Some(who) = change.subject() {
                self.places.entry(identity(who)).or_default().push_back(place);
            }
        }
        for (place, member) in self.now.iter().enumerate() {
            for name in names(member) {
                self.known_as.entry(name).or_default().push(place);
            }
        }
        let firsts: Vec<usize> = self.places.values().filter_map(|places| places.front().copied()).collect();
        for place in firsts {
            self.before(place);
        }
        for place in 0..self.now.len() {
            self.as_now(place);
        }
    }

    /// The first turn of each has the last word: who went then was there before.
    fn before(&mut self, place: usize) {
        if let Some((_, Change::MemberRemoved { member })) = self.turns.get(place) {
            self.members.insert((true, place), member.clone());
        }
    }

    /// To whom nothing happens any more.
    fn as_now(&mut self, place: usize) {
        if let Some(member) = self.now.get(place)
            && names(member).iter().all(|name| !self.places.contains_key(name))
        {
            self.members.insert((false, place), member.clone());
        }
    }

    /// Goes on to a later change set. `false`: the group's end is behind that, and what came after it was not kept.
    pub fn go_on_to(&mut self, set: i64) -> bool {
        while let Some((of, change)) = self.turns.get(self.next)
            && *of <= set
        {
            let who = change.subject().map(identity);
            self.members.remove(&(true, self.next));
            self.next += 1;
            if let Some(who) = who {
                self.has_turned(who);
            }
        }
        self.end.as_ref().is_none_or(|(of, _)| *of > set)
    }

    fn has_turned(&mut self, who: Identity) {
        let Some(places) = self.places.get_mut(&who) else { return };
        places.pop_front();
        if let Some(next) = places.front().copied() {
            self.before(next);
            return;
        }
        self.places.remove(&who);
        for place in self.known_as.get(&who).cloned().unwrap_or_default() {
            self.as_now(place);
        }
    }

    /// The group as it was after the change set that was gone on to.
    pub fn past(&self, limit: usize) -> Past {
        let left = self.turns.len() - self.next;
        if left == 0 && self.end.is_none() {
            return Past::Now;
        }
        let is_cut = match &self.end {
            Some((_, end)) => end.is_cut,
            None => self.now.len() >= Since::beyond(limit, left),
        };
        let members =
            (!is_cut && self.members.len() <= limit).then(|| self.members.values().cloned().collect());
        Past::Then { saw_the_end: self.end.is_some(), members }
    }
}

fn names(member: &EntryRef) -> [Identity; 2] {
    [identity(member), Identity::Name(member.dn.key().0)]
}

#[cfg(test)]
mod tests;
