//! From "the owners" to people with addresses: who can be told, and what becomes of groups.

mod expand;
mod former;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use jiff::Timestamp;

use self::expand::Crowd;
use super::{
    hindsight::{Hindsight, Past},
    notification::{Via, WhyNot},
    options::Options,
    table::Tells,
};
use crate::{
    change::{
        event::{Actor, Change, ChangeEvent},
        resolve::{Identity, identity},
    },
    directory::{
        entry::{EntryId, EntryKind, EntryRef},
        mail_address::MailAddress,
        mirror::Profile,
    },
};

/// What became of one owner, member, …: a person is one of the two, a group can be many of both.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub told: Vec<Told>,
    pub untold: Vec<Untold>,
}

/// Someone who can be told.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub who: EntryRef,
    pub address: MailAddress,
    pub language: Option<String>,
    pub via: Via,
}

/// Someone who cannot.
#[derive(Debug, Clone)]
pub(super) struct Untold {
    pub who: EntryRef,
    pub via: Via,
    pub why: WhyNot,
}

/// Resolves recipients for one change set; nobody is looked up twice.
pub(super) struct Resolver<'a, P> {
    people: &'a P,
    options: &'a Options,
    /// When the change set was seen: an account that had expired by then is not written to.
    seen: Timestamp,
    known: BTreeMap<EntryId, Rc<Resolved>>,
    /// Changed groups, each for its members after the change set.
    changed: BTreeMap<EntryId, Rc<Resolved>>,
}

impl<'a, P: Hindsight> Resolver<'a, P> {
    pub fn new(people: &'a P, options: &'a Options, seen: Timestamp) -> Self {
        Self { people, options, seen, known: BTreeMap::new(), changed: BTreeMap::new() }
    }

    /// Those whom a rule tells of an event.
    pub fn tell(&mut self, tells: Tells, event: &ChangeEvent) -> Result<Vec<Rc<Resolved>>, P::Error> {
        let mut resolved = match tells {
            Tells::Actor => match &event.actor {
                Actor::Known(actor) => vec![self.alone(actor)?],
                Actor::Unknown => Vec::new(),
            },
            Tells::Managers => self.each(event.managers.iter().map(|manager| &manager.entry))?,
            Tells::Object => vec![self.alone(&event.entry)?],
            Tells::Owners => self.each(event.owners.iter().map(|owner| &owner.entry))?,
            Tells::Member => self.each(event.change.subject().into_iter())?,
            Tells::Members => self.members(event)?,
        };
        let former = self.at_former_address(event, &resolved)?;
        resolved.extend(former.map(Rc::new));
        Ok(resolved)
    }

    fn each<'e>(
        &mut self,
        entries: impl Iterator<Item = &'e EntryRef>,
    ) -> Result<Vec<Rc<Resolved>>, P::Error> {
        entries.map(|entry| self.resolve(entry)).collect()
    }

    /// The members of a changed group; those of a deleted one as they were, limited like those of any other.
    fn members(&mut self, event: &ChangeEvent) -> Result<Vec<Rc<Resolved>>, P::Error> {
        let Change::ObjectDeleted { last_members, last_member_count, .. } = &event.change else {
            return Ok(vec![self.changed(event)?]);
        };
        if event.marks.do_not_notify {
            return Ok(vec![Rc::new(Resolved::untold(&event.entry, WhyNot::DoNotNotify))]);
        }
        let limit = self.options.group_expansion_limit;
        if usize::try_from(*last_member_count).map_or(true, |count| count > limit) {
            return Ok(vec![Rc::new(Resolved::untold(&event.entry, WhyNot::OverLimit))]);
        }
        let mut resolved = Vec::new();
        let mut people = BTreeSet::new();
        for member in last_members {
            let member = self.resolve(member)?;
            people.extend(member.people());
            if people.len() > limit {
                return Ok(vec![Rc::new(Resolved::untold(&event.entry, WhyNot::OverLimit))]);
            }
            resolved.push(member);
        }
        if resolved.iter().all(|member| member.told.is_empty()) {
            resolved.push(Rc::new(Resolved::untold(&event.entry, WhyNot::NobodyToTell)));
        }
        Ok(resolved)
    }

    /// A changed group for its members after the change set, whatever has become of them and of it since.
    fn changed(&mut self, event: &ChangeEvent) -> Result<Rc<Resolved>, P::Error> {
        let Some(id) = event.entry.id else { return self.resolve(&event.entry) };
        if let Some(changed) = self.changed.get(&id) {
            return Ok(Rc::clone(changed));
        }
        let limit = self.options.group_expansion_limit;
        let changed = match self.people.past(id, event.change_set, limit)? {
            Past::Now => self.resolve(&event.entry)?,
            Past::Then { saw_the_end, members } => {
                Rc::new(self.as_it_was(id, event, saw_the_end, members)?)
            }
        };
        self.changed.insert(id, Rc::clone(&changed));
        Ok(changed)
    }

    fn as_it_was(
        &self,
        id: EntryId,
        event: &ChangeEvent,
        saw_the_end: bool,
        direct: Option<Vec<EntryRef>>,
    ) -> Result<Resolved, P::Error> {
        let profile = self.people.profile(id)?;
        if profile.is_none() && !saw_the_end {
            return Ok(Resolved::untold(&event.entry, missing(&event.entry)));
        }
        let do_not_notify = profile.as_ref().map_or(event.marks.do_not_notify, |group| group.do_not_notify);
        let group = profile.as_ref().map_or(&event.entry, |group| &group.entry);
        if do_not_notify {
            return Ok(Resolved::untold(group, WhyNot::DoNotNotify));
        }
        self.opened(id, group, direct, |why| match &profile {
            Some(profile) => self.in_place_of_members(profile, why),
            // Nobody reads at the address of a group that is gone.
            None => Resolved::untold(group, why),
        })
    }

    /// One person; a group stands for its people.
    fn resolve(&mut self, entry: &EntryRef) -> Result<Rc<Resolved>, P::Error> {
        let Some(id) = entry.id else {
            return Ok(Rc::new(Resolved::untold(entry, WhyNot::OutOfScope)));
        };
        if let Some(known) = self.known.get(&id) {
            return Ok(Rc::clone(known));
        }
        let resolved = Rc::new(match self.people.profile(id)? {
            None => Resolved::untold(entry, missing(entry)),
            Some(profile) if profile.entry.kind == Some(EntryKind::Group) => self.group(id, &profile)?,
            Some(profile) => self.person(&profile, Via::Directly),
        });
        self.known.insert(id, Rc::clone(&resolved));
        Ok(resolved)
    }

    /// The entry itself and nobody for it: not everybody in a group has done what the group's account did.
    fn alone(&mut self, entry: &EntryRef) -> Result<Rc<Resolved>, P::Error> {
        if entry.kind != Some(EntryKind::Group) {
            return self.resolve(entry);
        }
        let profile = entry.id.map(|id| self.people.profile(id)).transpose()?.flatten();
        Ok(Rc::new(match profile {
            None => Resolved::untold(entry, missing(entry)),
            Some(profile) => self.person(&profile, Via::Directly),
        }))
    }

    fn person(&self, profile: &Profile, via: Via) -> Resolved {
        let who = profile.entry.clone();
        match self.address(profile) {
            Ok(address) => Resolved {
                told: vec![Told { who, address, language: profile.language.clone(), via }],
                untold: Vec::new(),
            },
            Err(why) => Resolved { told: Vec::new(), untold: vec![Untold { who, via, why }] },
        }
    }

    /// The people of a group; over the limit, or where nobody of them can be told, the group itself.
    fn group(&self, id: EntryId, group: &Profile) -> Result<Resolved, P::Error> {
        if group.do_not_notify {
            return Ok(Resolved::untold(&group.entry, WhyNot::DoNotNotify));
        }
        let direct = self.people.members(id, self.options.group_expansion_limit.saturating_add(1))?;
        self.opened(id, &group.entry, Some(direct), |why| self.in_place_of_members(group, why))
    }

    /// The people of a group of these direct members, or what stands in their place. `None`: too many.
    fn opened(
        &self,
        id: EntryId,
        group: &EntryRef,
        direct: Option<Vec<EntryRef>>,
        in_place: impl Fn(WhyNot) -> Resolved,
    ) -> Result<Resolved, P::Error> {
        let crowd = direct.map(|direct| self.expand(id, direct)).transpose()?.flatten();
        let Some(crowd) = crowd else { return Ok(in_place(WhyNot::OverLimit)) };
        let mut resolved = self.crowd(crowd, &Via::Group(group.clone()))?;
        if resolved.told.is_empty() {
            resolved.add(in_place(WhyNot::NobodyToTell));
        }
        Ok(resolved)
    }

    fn crowd(&self, crowd: Crowd, via: &Via) -> Result<Resolved, P::Error> {
        let mut resolved = Resolved::default();
        for member in crowd.people {
            match member.id.map(|id| self.people.profile(id)).transpose()?.flatten() {
                Some(profile) => resolved.add(self.person(&profile, via.clone())),
                None => resolved.add_untold(missing(&member), member, via),
            }
        }
        for (group, why) in crowd.closed {
            resolved.add_untold(why, group, via);
        }
        Ok(resolved)
    }

    fn in_place_of_members(&self, group: &Profile, why: WhyNot) -> Resolved {
        if self.address(group).is_err() {
            return Resolved::untold(&group.entry, why);
        }
        self.person(group, Via::InPlaceOfMembers(why))
    }

    /// Where a person, or a group by itself, can be written to.
    fn address(&self, profile: &Profile) -> Result<MailAddress, WhyNot> {
        match self.barred(profile) {
            Some(why) => Err(why),
            None => self.usable(&profile.mail),
        }
    }

    /// Why an entry is not written to, whatever its address.
    fn barred(&self, profile: &Profile) -> Option<WhyNot> {
        let accounts_must_work = !self.options.notify_disabled_accounts;
        let expired = profile.expires.is_some_and(|expires| expires <= self.seen);
        [
            (profile.disabled && accounts_must_work, WhyNot::Disabled),
            (expired && accounts_must_work, WhyNot::Expired),
            (profile.do_not_notify, WhyNot::DoNotNotify),
            (!profile.in_pilot, WhyNot::NotInPilot),
        ]
        .into_iter()
        .find_map(|(is_so, why)| is_so.then_some(why))
    }

    /// Of several values the first as read: which one the person reads, nobody can know.
    fn usable(&self, mail: &[String]) -> Result<MailAddress, WhyNot> {
        let first = mail.first().ok_or(WhyNot::NoAddress)?;
        let address: MailAddress = first.parse().map_err(|_| WhyNot::InvalidAddress)?;
        let domains = &self.options.recipient_domains;
        if !domains.is_empty() && !domains.contains(address.domain()) {
            return Err(WhyNot::DomainNotAllowed);
        }
        Ok(address)
    }
}

impl Resolved {
    fn untold(who: &EntryRef, why: WhyNot) -> Self {
        let untold = Untold { who: who.clone(), via: Via::Directly, why };
        Self { told: Vec::new(), untold: vec![untold] }
    }

    /// Everybody but groups, told or not.
    fn people(&self) -> impl Iterator<Item = Identity> {
        let told = self.told.iter().map(|told| &told.who);
        let untold = self.untold.iter().map(|untold| &untold.who);
        told.chain(untold).filter(|who| who.kind != Some(EntryKind::Group)).map(identity)
    }

    fn add(&mut self, other: Self) {
        self.told.extend(other.told);
        self.untold.extend(other.untold);
    }

    fn add_untold(&mut self, why: WhyNot, who: EntryRef, via: &Via) {
        self.untold.push(Untold { who, via: via.clone(), why });
    }
}

/// Why there is no profile of an entry that something names.
fn missing(entry: &EntryRef) -> WhyNot {
    match (entry.id, entry.kind) {
        (Some(_), Some(_)) => WhyNot::Deleted,
        (None, _) | (_, None) => WhyNot::OutOfScope,
    }
}
