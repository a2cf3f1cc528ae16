//! From "the owners" to people with addresses: who can be told, and what becomes of groups.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};

use super::{
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
        mirror::{People, Profile},
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
    known: BTreeMap<EntryId, Rc<Resolved>>,
}

impl<'a, P: People> Resolver<'a, P> {
    pub fn new(people: &'a P, options: &'a Options) -> Self {
        Self { people, options, known: BTreeMap::new() }
    }

    /// Those whom a rule tells of an event.
    pub fn tell(&mut self, tells: Tells, event: &ChangeEvent) -> Result<Vec<Rc<Resolved>>, P::Error> {
        match tells {
            Tells::Actor => match &event.actor {
                Actor::Known(actor) => Ok(vec![self.resolve(actor)?]),
                Actor::Unknown => Ok(Vec::new()),
            },
            Tells::Managers => event.managers.iter().map(|manager| self.resolve(&manager.entry)).collect(),
            Tells::Object => Ok(vec![self.resolve(&event.entry)?]),
            Tells::Owners => event.owners.iter().map(|owner| self.resolve(&owner.entry)).collect(),
            Tells::Member => event.change.subject().into_iter().map(|member| self.resolve(member)).collect(),
            Tells::Members => self.members(event),
        }
    }

    /// The members of a group; those of one that is gone as they were, limited like those of any other.
    fn members(&mut self, event: &ChangeEvent) -> Result<Vec<Rc<Resolved>>, P::Error> {
        let Change::ObjectDeleted { last_members, last_member_count, .. } = &event.change else {
            return Ok(vec![self.resolve(&event.entry)?]);
        };
        let limit = self.options.group_expansion_limit;
        if usize::try_from(*last_member_count).map_or(true, |count| count > limit) {
            return Ok(vec![Rc::new(Resolved::untold(&event.entry, WhyNot::OverLimit))]);
        }
        let resolved =
            last_members.iter().map(|member| self.resolve(member)).collect::<Result<Vec<_>, _>>()?;
        let people: BTreeSet<_> = resolved.iter().flat_map(|resolved| resolved.people()).collect();
        if people.len() > limit {
            return Ok(vec![Rc::new(Resolved::untold(&event.entry, WhyNot::OverLimit))]);
        }
        Ok(resolved)
    }

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
        let Some(members) = self.expand(id)? else {
            return Ok(self.in_place_of_members(group, WhyNot::OverLimit));
        };
        let mut resolved = Resolved::default();
        for member in members {
            let via = Via::Group(group.entry.clone());
            match member.id.map(|id| self.people.profile(id)).transpose()?.flatten() {
                Some(profile) => resolved.add(self.person(&profile, via)),
                None => resolved.untold.push(Untold { why: missing(&member), who: member, via }),
            }
        }
        if resolved.told.is_empty() {
            resolved.add(self.in_place_of_members(group, WhyNot::NobodyToTell));
        }
        Ok(resolved)
    }

    fn in_place_of_members(&self, group: &Profile, why: WhyNot) -> Resolved {
        if self.address(group).is_err() {
            return Resolved::untold(&group.entry, why);
        }
        self.person(group, Via::InPlaceOfMembers(why))
    }

    /// Everybody in a group and the groups in it, each once. `None`: more than the limit, of people or of
    /// groups within the group.
    fn expand(&self, group: EntryId) -> Result<Option<Vec<EntryRef>>, P::Error> {
        let limit = self.options.group_expansion_limit;
        let mut people = Vec::new();
        let mut seen = BTreeSet::new();
        let mut groups = BTreeSet::from([group]);
        let mut ahead = VecDeque::from([group]);
        while let Some(group) = ahead.pop_front() {
            let members = self.people.members(group, limit.saturating_add(1))?;
            if members.len() > limit {
                return Ok(None);
            }
            for member in members {
                match (member.kind, member.id) {
                    (Some(EntryKind::Group), Some(id)) => {
                        if groups.insert(id) {
                            ahead.push_back(id);
                        }
                    }
                    (
                        Some(EntryKind::Group | EntryKind::User | EntryKind::Contact | EntryKind::Container)
                        | None,
                        _,
                    ) => {
                        if seen.insert(identity(&member)) {
                            people.push(member);
                        }
                    }
                }
            }
            if people.len() > limit || groups.len() > limit.saturating_add(1) {
                return Ok(None);
            }
        }
        Ok(Some(people))
    }

    /// Where a person, or a group by itself, can be written to.
    fn address(&self, profile: &Profile) -> Result<MailAddress, WhyNot> {
        if profile.disabled && !self.options.notify_disabled_accounts {
            return Err(WhyNot::Disabled);
        }
        if profile.do_not_notify {
            return Err(WhyNot::DoNotNotify);
        }
        if !profile.in_pilot {
            return Err(WhyNot::NotInPilot);
        }
        // Of several values the first as read: which one the person reads, nobody can know.
        let first = profile.mail.first().ok_or(WhyNot::NoAddress)?;
        let address: MailAddress = first.parse().map_err(|_| WhyNot::InvalidAddress)?;
        if !self.is_allowed(&address) {
            return Err(WhyNot::DomainNotAllowed);
        }
        Ok(address)
    }

    fn is_allowed(&self, address: &MailAddress) -> bool {
        let domains = &self.options.recipient_domains;
        let domain = address.as_str().rsplit_once('@').map(|(_, domain)| domain.to_lowercase());
        domains.is_empty() || domain.is_some_and(|domain| domains.contains(&domain))
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
}

/// Why there is no profile of an entry that something names.
fn missing(entry: &EntryRef) -> WhyNot {
    match (entry.id, entry.kind) {
        (Some(_), Some(_)) => WhyNot::Deleted,
        (None, _) | (_, None) => WhyNot::OutOfScope,
    }
}
