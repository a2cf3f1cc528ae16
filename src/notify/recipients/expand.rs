//! Everybody in a group and the groups in it.

use std::collections::{BTreeSet, VecDeque};

use super::{Resolver, WhyNot, missing};
use crate::{
    change::resolve::{Identity, identity},
    directory::entry::{EntryId, EntryKind, EntryRef},
    notify::hindsight::Hindsight,
};

/// Who was found in a group, nearest first.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// Everybody but groups, each once.
    pub people: Vec<EntryRef>,
    /// Groups within the group that were not opened.
    pub closed: Vec<(EntryRef, WhyNot)>,
}

/// An expansion under way.
struct Opened {
    crowd: Crowd,
    people: BTreeSet<Identity>,
    groups: BTreeSet<EntryId>,
    ahead: VecDeque<EntryId>,
}

impl<P: Hindsight> Resolver<'_, P> {
    /// Everybody in a group of these direct members. `None`: more than the limit, of direct members of a group,
    /// of people in all, or of groups within `group`.
    pub(super) fn expand(&self, group: EntryId, direct: Vec<EntryRef>) -> Result<Option<Crowd>, P::Error> {
        let limit = self.options.group_expansion_limit;
        let beyond = limit.saturating_add(1);
        let mut opened = Opened {
            crowd: Crowd::default(),
            people: BTreeSet::new(),
            groups: BTreeSet::from([group]),
            ahead: VecDeque::new(),
        };
        let mut members = direct;
        loop {
            if members.len() > limit {
                return Ok(None);
            }
            for member in members {
                self.take(member, &mut opened)?;
            }
            if opened.people.len() > limit || opened.groups.len() > beyond {
                return Ok(None);
            }
            let Some(group) = opened.ahead.pop_front() else { return Ok(Some(opened.crowd)) };
            members = self.people.members(group, beyond)?;
        }
    }

    fn take(&self, member: EntryRef, opened: &mut Opened) -> Result<(), P::Error> {
        let Some(group) = member.id.filter(|_| member.kind == Some(EntryKind::Group)) else {
            if opened.people.insert(identity(&member)) {
                opened.crowd.people.push(member);
            }
            return Ok(());
        };
        if !opened.groups.insert(group) {
            return Ok(());
        }
        match self.closed(group, &member)? {
            Some(why) => opened.crowd.closed.push((member, why)),
            None => opened.ahead.push_back(group),
        }
        Ok(())
    }

    /// Why a group within a group is not opened.
    fn closed(&self, id: EntryId, group: &EntryRef) -> Result<Option<WhyNot>, P::Error> {
        Ok(match self.people.profile(id)? {
            None => Some(missing(group)),
            Some(profile) => profile.do_not_notify.then_some(WhyNot::DoNotNotify),
        })
    }
}
