//! Who is told of what, worked out a second time in the plainest way: from the sentences of the table of
//! options, and from nothing of the code beside. Without any sharing, one event at a time.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    change::event::{Actor, Cause, Change, ChangeEvent, ChangeSet},
    directory::{
        attribute::AttributeName,
        entry::{EntryId, EntryKind, EntryRef},
        mail_address::MailAddress,
        mirror::Profile,
    },
    notify::{
        company::Company,
        notification::{Role, WhyNot},
        options::{Copies, Options},
        reason::Reason,
    },
};

/// A decision without its order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Address in lower case → as what, and why.
    pub mails: BTreeMap<String, (Role, BTreeSet<Line>)>,
    /// Who is not told, and why not.
    pub skipped: BTreeSet<(Line, WhyNot)>,
}

/// Number of the event, reason, name of the person, way to them.
pub type Line = (usize, Reason, String, String);

/// One person, and whether they can be told.
struct Outcome {
    who: EntryRef,
    way: String,
    address: Result<MailAddress, WhyNot>,
}

pub fn expected(company: &Company, options: &Options, set: &ChangeSet) -> Expected {
    let mut expected = Expected::default();
    let mut fired = false;
    for (number, event) in set.events.iter().enumerate() {
        let firm = Firm { company, options, event };
        for (reason, outcomes) in firm.options() {
            fired = true;
            for outcome in firm.with_former_addresses(outcomes) {
                let line = (number, reason, outcome.who.name, outcome.way);
                match outcome.address {
                    Ok(address) => expected.tell(&address, Role::ByRole, line),
                    Err(why) => drop(expected.skipped.insert((line, why))),
                }
            }
        }
    }
    let all = options.recipients.copy == Copies::AllChanges;
    if fired || all {
        let told = |event: &ChangeEvent| all || !(event.marks.ignored || is_of_scope(event));
        let (to, cc) = (&options.recipients.to, &options.recipients.cc);
        let listed = to.iter().map(|a| (a, Role::To)).chain(cc.iter().map(|a| (a, Role::Cc)));
        for (address, role) in listed {
            for (number, _) in set.events.iter().enumerate().filter(|(_, event)| told(event)) {
                expected.tell(address, role, (number, Reason::Recipients, String::new(), String::new()));
            }
        }
    }
    expected
}

impl Expected {
    /// Whoever was told first says in which role.
    fn tell(&mut self, address: &MailAddress, role: Role, line: Line) {
        let mail = self.mails.entry(address.as_str().to_lowercase());
        mail.or_insert((role, BTreeSet::new())).1.insert(line);
    }
}

fn is_of_scope(event: &ChangeEvent) -> bool {
    matches!(event.change, Change::ScopeEntered | Change::ScopeLeft)
}

/// What one event happens in.
struct Firm<'a> {
    company: &'a Company,
    options: &'a Options,
    event: &'a ChangeEvent,
}

impl Firm<'_> {
    /// The options that fire on the event, each with all whom it concerns. The sentences are those of the table.
    fn options(&self) -> Vec<(Reason, Vec<Outcome>)> {
        let Self { options, event, .. } = self;
        let mut firing = Vec::new();
        if event.marks.ignored || is_of_scope(event) {
            return firing;
        }
        let on_a_group = event.entry.kind == Some(EntryKind::Group);
        let on_a_person = matches!(event.entry.kind, Some(EntryKind::User | EntryKind::Contact));
        let membership = matches!(event.change, Change::MemberAdded { .. } | Change::MemberRemoved { .. });

        // Every event with a known actor, cause `directory`: the actor, if mail-enabled.
        if let Actor::Known(actor) = &event.actor
            && options.logged_in_users
            && event.cause == Cause::Directory
        {
            firing.push((Reason::LoggedInUsers, vec![self.person(actor, String::new())]));
        }
        // Every event on a group: primary and additional owners, before and after.
        if options.owner && on_a_group {
            firing.push((Reason::Owner, self.owners()));
        }
        // Every event on a user or contact: the manager and additional managers, before and after.
        if options.manager && on_a_person {
            let managers = event.managers.iter().flat_map(|manager| self.recipient(&manager.entry));
            firing.push((Reason::Manager, managers.collect()));
        }
        // On users and contacts attributes-changed, object-renamed, manager-changed: the user or contact.
        if let Change::AttributesChanged { .. } | Change::ObjectRenamed { .. } | Change::ManagerChanged { .. } =
            event.change
            && options.object_modified
            && on_a_person
        {
            firing.push((Reason::ObjectModified, vec![self.person(&event.entry, String::new())]));
        }
        // On groups every event: the members after the event, before it for a deleted group.
        if options.object_modified && on_a_group {
            firing.push((Reason::ObjectModified, self.members()));
        }
        // Members of a public group come and go: primary and additional owners.
        if options.public_group_owner && on_a_group && membership && event.marks.public {
            firing.push((Reason::PublicGroupOwner, self.owners()));
        }
        // member-added: the member.
        if let Change::MemberAdded { member } = &event.change
            && options.added_members
            && on_a_group
        {
            firing.push((Reason::AddedMembers, self.recipient(member)));
        }
        // member-removed: the member. object-deleted of a group: the last members.
        if let Change::MemberRemoved { member } = &event.change
            && options.removed_members
            && on_a_group
        {
            firing.push((Reason::RemovedMembers, self.recipient(member)));
        }
        if matches!(event.change, Change::ObjectDeleted { .. }) && options.removed_members && on_a_group {
            firing.push((Reason::RemovedMembers, self.members()));
        }
        firing
    }

    fn owners(&self) -> Vec<Outcome> {
        self.event.owners.iter().flat_map(|owner| self.recipient(&owner.entry)).collect()
    }

    fn members(&self) -> Vec<Outcome> {
        let group = &self.event.entry;
        let Change::ObjectDeleted { last_members, .. } = &self.event.change else {
            return self.members_then(group);
        };
        if self.event.marks.do_not_notify {
            return vec![refused(group, WhyNot::DoNotNotify)];
        }
        let over = vec![refused(group, WhyNot::OverLimit)];
        let limit = self.options.group_expansion_limit;
        if last_members.len() > limit {
            return over;
        }
        let mut members: Vec<_> = last_members.iter().flat_map(|member| self.recipient(member)).collect();
        let is_person = |member: &&Outcome| member.who.kind != Some(EntryKind::Group);
        let people: BTreeSet<_> =
            members.iter().filter(is_person).map(|member| member.who.dn.as_str().to_owned()).collect();
        if people.len() > limit {
            return over;
        }
        if members.iter().all(|member| member.address.is_err()) {
            members.push(refused(group, WhyNot::NobodyToTell));
        }
        members
    }

    /// The people of the changed group after the change set: undone is what came later, last first.
    fn members_then(&self, group: &EntryRef) -> Vec<Outcome> {
        let mut members = match self.company.known(group) {
            Some(_) => self.company.members_of(&group.name),
            None => Vec::new(),
        };
        let mut is_known = self.company.known(group).is_some();
        for change in self.company.happened_later(group.id.unwrap()).iter().rev() {
            match change {
                Change::MemberAdded { member } => members.retain(|known| known != member),
                Change::MemberRemoved { member } if members.contains(member) => {}
                Change::MemberRemoved { member } => members.push(member.clone()),
                Change::ObjectDeleted { last_members, .. } => {
                    members.clone_from(last_members);
                    is_known = true;
                }
                _ => {}
            }
        }
        if is_known { self.people_of(group, members) } else { vec![refused(group, WhyNot::Deleted)] }
    }

    /// A person, or all people of a group.
    fn recipient(&self, entry: &EntryRef) -> Vec<Outcome> {
        if entry.kind != Some(EntryKind::Group) || self.company.known(entry).is_none() {
            return vec![self.person(entry, String::new())];
        }
        self.people_of(entry, self.company.members_of(&entry.name))
    }

    /// All people of a group of these direct members.
    fn people_of(&self, entry: &EntryRef, direct: Vec<EntryRef>) -> Vec<Outcome> {
        let group = self.company.known(entry);
        if group.map_or(self.event.marks.do_not_notify, |group| group.do_not_notify) {
            return vec![refused(entry, WhyNot::DoNotNotify)];
        }
        let limit = self.options.group_expansion_limit;
        let mut found = Found { groups: BTreeSet::from([entry.id.unwrap()]), ..Found::default() };
        self.take(direct, &mut found);
        // The group itself is among those that were opened.
        let nested = found.groups.len() - 1;
        if found.most_direct_members > limit || found.people.len() > limit || nested > limit {
            return vec![self.in_place(entry, WhyNot::OverLimit)];
        }
        let way = format!("via {}", entry.name);
        let mut outcomes: Vec<_> =
            found.people.values().map(|person| self.person(person, way.clone())).collect();
        if outcomes.iter().all(|outcome| outcome.address.is_err()) {
            outcomes.push(self.in_place(entry, WhyNot::NobodyToTell));
        }
        for group in found.shut {
            let why =
                if self.company.known(&group).is_some() { WhyNot::DoNotNotify } else { WhyNot::Deleted };
            outcomes.push(Outcome { way: way.clone(), ..refused(&group, why) });
        }
        outcomes
    }

    /// The group's own address, if it has one that may be written to.
    fn in_place(&self, group: &EntryRef, why: WhyNot) -> Outcome {
        let itself = self.person(group, format!("in place: {}", why.as_str()));
        if itself.address.is_ok() { itself } else { refused(group, why) }
    }

    fn open(&self, group: &EntryRef, found: &mut Found) {
        if !found.groups.insert(group.id.unwrap()) {
            return;
        }
        if self.company.known(group).is_none_or(|group| group.do_not_notify) {
            found.shut.push(group.clone());
            return;
        }
        self.take(self.company.members_of(&group.name), found);
    }

    fn take(&self, members: Vec<EntryRef>, found: &mut Found) {
        found.most_direct_members = found.most_direct_members.max(members.len());
        for member in members {
            if member.kind == Some(EntryKind::Group) {
                self.open(&member, found);
            } else {
                found.people.insert(member.dn.as_str().to_owned(), member);
            }
        }
    }

    fn person(&self, who: &EntryRef, way: String) -> Outcome {
        Outcome { who: who.clone(), way, address: self.verdict(who) }
    }

    fn verdict(&self, who: &EntryRef) -> Result<MailAddress, WhyNot> {
        if who.id.is_none() {
            return Err(WhyNot::OutOfScope);
        }
        let profile = self.company.known(who).ok_or(WhyNot::Deleted)?;
        self.excluded(profile).map_or_else(|| self.writable(profile.mail.first()), Err)
    }

    fn excluded(&self, profile: &Profile) -> Option<WhyNot> {
        if profile.disabled && !self.options.notify_disabled_accounts {
            Some(WhyNot::Disabled)
        } else if profile.expires.is_some_and(|end| end <= self.event.seen)
            && !self.options.notify_disabled_accounts
        {
            Some(WhyNot::Expired)
        } else if profile.do_not_notify {
            Some(WhyNot::DoNotNotify)
        } else if !profile.in_pilot {
            Some(WhyNot::NotInPilot)
        } else {
            None
        }
    }

    fn writable(&self, value: Option<&String>) -> Result<MailAddress, WhyNot> {
        let address: MailAddress =
            value.ok_or(WhyNot::NoAddress)?.parse().map_err(|_| WhyNot::InvalidAddress)?;
        let domain = address.as_str().to_lowercase().split('@').next_back().unwrap().to_owned();
        let domains = &self.options.recipient_domains;
        if domains.is_empty() || domains.contains(&domain) {
            Ok(address)
        } else {
            Err(WhyNot::DomainNotAllowed)
        }
    }

    /// When the address itself changed, old and new are both told of that change.
    fn with_former_addresses(&self, outcomes: Vec<Outcome>) -> Vec<Outcome> {
        let Some(former) = self.former_address() else { return outcomes };
        let mut all = Vec::new();
        for outcome in outcomes {
            if outcome.who.dn == self.event.entry.dn {
                let way = match &outcome.address {
                    Err(why @ (WhyNot::OverLimit | WhyNot::NobodyToTell)) => {
                        format!("in place: {}", why.as_str())
                    }
                    Ok(_) | Err(_) => outcome.way.clone(),
                };
                all.push(Outcome { who: outcome.who.clone(), way, address: Ok(former.clone()) });
            }
            all.push(outcome);
        }
        all
    }

    fn former_address(&self) -> Option<MailAddress> {
        let Change::AttributesChanged { attributes } = &self.event.change else { return None };
        let profile = self.company.known(&self.event.entry)?;
        if self.excluded(profile).is_some() {
            return None;
        }
        let before = ["mail", "othermailbox"].into_iter().flat_map(|name| {
            let changed = attributes.iter().find(|change| change.name.as_str() == name);
            let now = profile.attributes.get(&AttributeName::new(name));
            changed.map(|change| change.old.clone()).or_else(|| now.cloned()).unwrap_or_default()
        });
        let before = before.collect::<Vec<_>>();
        self.writable(before.first()).ok()
    }
}

#[derive(Default)]
struct Found {
    groups: BTreeSet<EntryId>,
    people: BTreeMap<String, EntryRef>,
    shut: Vec<EntryRef>,
    most_direct_members: usize,
}

fn refused(who: &EntryRef, why: WhyNot) -> Outcome {
    Outcome { who: who.clone(), way: String::new(), address: Err(why) }
}
