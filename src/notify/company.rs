//! A small company in memory, and a shorthand for what happens in it: what the tests of the rules are
//! written in.

pub(crate) mod random;

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use uuid::Uuid;

use super::{
    hindsight::Hindsight,
    options::{Copies, Options, Recipients},
};
use crate::{
    change::event::{
        Actor, AttributeChange, Cause, Change, ChangeEvent, ChangeSet, ChangeSetId, Direction, EventId,
        Marks, RankedRef,
    },
    directory::{
        attribute::AttributeName,
        dn::Dn,
        entry::{EntryId, EntryKind, EntryRef, Rank, Relation},
        mirror::{MirroredAttributes, People, Profile},
    },
};

/// One entry per line: kind, account name, then `name=`, `mail=` and, second to it, `other-mail=` (several:
/// several values, `-`: none), `members=`, `owners=`, `managers=`, `language=`, `disabled`, `expired`,
/// `do-not-notify`, `not-in-pilot`, `ignored`, `public`, `gone`, `never-read`.
/// The address is account@acme.example where none is given; a group has none unless it is given.
#[derive(Debug, Default)]
pub(crate) struct Company {
    profiles: BTreeMap<EntryId, Profile>,
    refs: BTreeMap<String, EntryRef>,
    links: BTreeMap<(Relation, String), Vec<String>>,
    marks: BTreeMap<String, Marks>,
    later: Vec<ChangeSet>,
}

/// The first attribute that holds addresses, and the second.
const MAIL: [&str; 2] = ["mail", "othermailbox"];

/// 2026-07-27, when everything happens, in seconds since 1970.
const BEGINNING: i64 = 1_785_153_780;

impl Company {
    pub fn new(lines: &str) -> Self {
        let mut company = Self::default();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            company.add(line);
        }
        company
    }

    fn add(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let kind = kind(words.next().unwrap());
        let account = words.next().unwrap();
        let id = EntryId(Uuid::from_u128(0x1000 + self.refs.len() as u128));
        let (class, ou) = if kind == EntryKind::Group { ("cn", "groups") } else { ("uid", "people") };
        let dn = match kind {
            EntryKind::Container => format!("ou={account},dc=acme,dc=example"),
            EntryKind::User | EntryKind::Group | EntryKind::Contact => {
                format!("{class}={account},ou={ou},dc=acme,dc=example")
            }
        };
        let mut profile = Profile {
            entry: EntryRef {
                id: Some(id),
                dn: Dn::parse(&dn).unwrap(),
                kind: Some(kind),
                name: account.to_owned(),
            },
            mail: match kind {
                EntryKind::User | EntryKind::Contact => vec![format!("{account}@acme.example")],
                EntryKind::Group | EntryKind::Container => Vec::new(),
            },
            account: Some(account.to_owned()),
            language: None,
            disabled: false,
            expires: None,
            do_not_notify: false,
            in_pilot: true,
            attributes: MirroredAttributes::new(),
        };
        let mut is_here = true;
        let mut marks = Marks::default();
        let mut other_mail = Vec::new();
        for word in words {
            let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
            match word.split_once('=').unwrap_or((word, "")) {
                ("name", name) => profile.entry.name = name.replace('_', " "),
                ("mail", "-") => profile.mail.clear(),
                ("mail", mail) => profile.mail = list(mail),
                ("language", language) => profile.language = Some(language.to_owned()),
                ("other-mail", mail) => other_mail = list(mail),
                ("members", members) => self.link(account, Relation::Member, list(members)),
                ("owners", owners) => self.link(account, Relation::Owner, list(owners)),
                ("managers", managers) => self.link(account, Relation::Manager, list(managers)),
                ("disabled", "") => profile.disabled = true,
                ("expired", "") => profile.expires = jiff::Timestamp::from_second(BEGINNING).ok(),
                ("ignored", "") => marks.ignored = true,
                ("public", "") => marks.public = true,
                ("do-not-notify", "") => {
                    profile.do_not_notify = true;
                    marks.do_not_notify = true;
                }
                ("not-in-pilot", "") => profile.in_pilot = false,
                ("gone", "") => is_here = false,
                ("never-read", "") => {
                    is_here = false;
                    profile.entry.id = None;
                    profile.entry.kind = None;
                }
                _ => panic!("what is {word}?"),
            }
        }
        for (name, values) in MAIL.into_iter().zip([profile.mail.clone(), other_mail]) {
            profile.attributes.insert(AttributeName::new(name), values);
        }
        profile.mail = mail(&profile.attributes);
        self.refs.insert(account.to_owned(), profile.entry.clone());
        self.marks.insert(account.to_owned(), marks);
        if is_here {
            self.profiles.insert(id, profile);
        }
    }

    pub fn entry(&self, account: &str) -> EntryRef {
        self.refs.get(account).unwrap_or_else(|| panic!("who is {account}?")).clone()
    }

    fn link(&mut self, account: &str, relation: Relation, targets: Vec<String>) {
        self.links.insert((relation, account.to_owned()), targets);
    }

    fn linked(&self, account: &str, relation: Relation) -> Vec<EntryRef> {
        let targets = self.links.get(&(relation, account.to_owned())).map_or(&[][..], Vec::as_slice);
        targets.iter().map(|target| self.entry(target)).collect()
    }

    pub fn owners(&self, account: &str) -> Vec<EntryRef> {
        self.linked(account, Relation::Owner)
    }

    pub fn managers(&self, account: &str) -> Vec<EntryRef> {
        self.linked(account, Relation::Manager)
    }

    pub fn members_of(&self, account: &str) -> Vec<EntryRef> {
        self.linked(account, Relation::Member)
    }

    pub fn expire(&mut self, account: &str, expires: jiff::Timestamp) {
        let id = self.entry(account).id.unwrap();
        self.profiles.get_mut(&id).unwrap().expires = Some(expires);
    }

    /// With what happened after the change set 0, one change set for each `|`: the company is as it was left.
    pub fn after(mut self, later: &str) -> Self {
        let changes = later.split('|').map(str::trim).filter(|changes| !changes.is_empty());
        self.later = changes.zip(1..).map(|(changes, number)| self.change_set(number, changes)).collect();
        self
    }

    /// What happened to an entry after the change set 0.
    pub fn happened_later(&self, entry: EntryId) -> Vec<Change> {
        let events = self.later.iter().flat_map(|set| &set.events);
        events.filter(|event| event.entry.id == Some(entry)).map(|event| event.change.clone()).collect()
    }

    /// As the mirror has it, whether or not the rules may write to it.
    pub fn known(&self, entry: &EntryRef) -> Option<&Profile> {
        self.profiles.get(&entry.id?)
    }

    /// Changes separated by `;`, each `name entry [subject] [by=actor] [because-deleted]`; `mail-changed entry
    /// old,addresses` and `other-mail-changed` from those to what the entry has.
    pub fn change_set(&self, number: u128, changes: &str) -> ChangeSet {
        let id = ChangeSetId(Uuid::from_u128(0x2_0000 + number));
        let events = changes.split(';').enumerate().map(|(place, change)| {
            let event = EventId(Uuid::from_u128(0x3_0000 + number * 0x1_0000 + place as u128));
            self.event(id, event, change)
        });
        ChangeSet { id, events: events.collect() }
    }

    fn event(&self, change_set: ChangeSetId, id: EventId, change: &str) -> ChangeEvent {
        let words: Vec<_> = change.split_whitespace().collect();
        let word = |place: usize| *words.get(place).unwrap_or_else(|| panic!("{change}: too short"));
        let entry = self.entry(word(1));
        let subject = || self.entry(word(2));
        let by = words.iter().find_map(|word| word.strip_prefix("by="));
        let mut owners = self.owners(word(1));
        let mut managers = self.managers(word(1));
        let change = match word(0) {
            "mail-changed" => self.address_changed(&entry, MAIL[0], word(2)),
            "other-mail-changed" => self.address_changed(&entry, MAIL[1], word(2)),
            "scope-entered" => Change::ScopeEntered,
            "scope-left" => Change::ScopeLeft,
            "member-added" => Change::MemberAdded { member: subject() },
            "member-removed" => Change::MemberRemoved { member: subject() },
            "owner-added" => Change::OwnerAdded { owner: subject(), rank: Rank::Primary },
            "owner-removed" => Change::OwnerRemoved { owner: subject(), rank: Rank::Primary },
            "manager-added" => Change::ManagerChanged {
                manager: subject(),
                direction: Direction::Added,
                rank: Rank::Primary,
            },
            "manager-removed" => Change::ManagerChanged {
                manager: subject(),
                direction: Direction::Removed,
                rank: Rank::Additional,
            },
            "object-created" => Change::ObjectCreated,
            "object-deleted" => {
                let last_members = self.members_of(word(1));
                Change::ObjectDeleted {
                    last_member_count: last_members.len() as u64,
                    last_members,
                    last_groups: Vec::new(),
                }
            }
            "object-renamed" => {
                let rest = entry.dn.as_str().split_once(',').unwrap().1.to_owned();
                Change::ObjectRenamed { old_dn: Dn::parse(&format!("cn=former,{rest}")).unwrap() }
            }
            "attributes-changed" => Change::AttributesChanged {
                attributes: vec![AttributeChange {
                    name: AttributeName::new("telephoneNumber"),
                    old: vec!["+49 30 1234".to_owned()],
                    new: vec!["+49 30 9876".to_owned(), "+49 30 9877".to_owned()],
                }],
            },
            other => panic!("what is {other}?"),
        };
        if let Change::OwnerAdded { owner, .. } | Change::OwnerRemoved { owner, .. } = &change
            && !owners.contains(owner)
        {
            owners.push(owner.clone());
        }
        if let Change::ManagerChanged { manager, .. } = &change
            && !managers.contains(manager)
        {
            managers.push(manager.clone());
        }
        let ranked = |entries: Vec<EntryRef>| {
            entries.into_iter().map(|entry| RankedRef { entry, rank: Rank::Primary }).collect()
        };
        let (set, place) = ((id.0.as_u128() - 0x3_0000) >> 16, id.0.as_u128() & 0xffff);
        let minutes = i64::try_from(set * 10 + place).unwrap();
        let time = jiff::Timestamp::from_second(BEGINNING + minutes * 60).unwrap();
        ChangeEvent {
            id,
            change_set,
            time,
            seen: time,
            entry,
            change,
            actor: by.map_or(Actor::Unknown, |by| Actor::Known(self.entry(by))),
            cause: if words.contains(&"because-deleted") { Cause::Consequence } else { Cause::Directory },
            owners: ranked(owners),
            managers: ranked(managers),
            marks: self.marks.get(word(1)).copied().unwrap_or_default(),
        }
    }

    fn address_changed(&self, entry: &EntryRef, attribute: &str, old: &str) -> Change {
        let name = AttributeName::new(attribute);
        let new = self.known(entry).and_then(|profile| profile.attributes.get(&name)).cloned();
        let old = old.split(',').filter(|old| *old != "-").map(str::to_owned).collect();
        Change::AttributesChanged {
            attributes: vec![AttributeChange { name, old, new: new.unwrap_or_default() }],
        }
    }
}

impl People for Company {
    type Error = Infallible;

    fn profile(&self, id: EntryId) -> Result<Option<Profile>, Infallible> {
        Ok(self.profiles.get(&id).cloned())
    }

    fn members(&self, group: EntryId, limit: usize) -> Result<Vec<EntryRef>, Infallible> {
        let account = self.profiles.get(&group).and_then(|group| group.account.as_deref());
        let members = account.map(|account| self.members_of(account)).unwrap_or_default();
        Ok(members.into_iter().take(limit).collect())
    }

    fn mail(&self, attributes: &MirroredAttributes) -> Vec<String> {
        mail(attributes)
    }
}

impl Hindsight for Company {
    fn members_since(&self, group: EntryId, _: ChangeSetId) -> Result<Vec<Change>, Infallible> {
        let mut changes = self.happened_later(group);
        changes
            .retain(|change| ["member-added", "member-removed", "object-deleted"].contains(&change.name()));
        Ok(changes)
    }
}

fn mail(attributes: &MirroredAttributes) -> Vec<String> {
    MAIL.iter().filter_map(|name| attributes.get(&AttributeName::new(name))).flatten().cloned().collect()
}

fn kind(word: &str) -> EntryKind {
    match word {
        "user" => EntryKind::User,
        "group" => EntryKind::Group,
        "contact" => EntryKind::Contact,
        "container" => EntryKind::Container,
        other => panic!("what is a {other}?"),
    }
}

/// The boxes that are ticked, separated by spaces; also `to=`, `cc=`, `alerts=`, `all-changes`, `limit=`,
/// `disabled-too`, `domains=`.
pub(crate) fn options(words: &str) -> Options {
    let mut options = Options {
        logged_in_users: false,
        owner: false,
        manager: false,
        object_modified: false,
        public_group_owner: false,
        added_members: false,
        removed_members: false,
        recipients: Recipients { to: Vec::new(), cc: Vec::new(), copy: Copies::Notifications },
        digest_window: Duration::from_secs(10),
        max_messages_per_hour: 60,
        group_expansion_limit: 1000,
        notify_disabled_accounts: false,
        recipient_domains: std::collections::BTreeSet::new(),
        show_actor: true,
        dry_run: false,
        redirect_to: Vec::new(),
        alerts_to: Vec::new(),
    };
    for word in words.split_whitespace() {
        let addresses = |list: &str| list.split(',').map(|address| address.parse().unwrap()).collect();
        match word.split_once('=').unwrap_or((word, "")) {
            ("logged_in_users", "") => options.logged_in_users = true,
            ("owner", "") => options.owner = true,
            ("manager", "") => options.manager = true,
            ("object_modified", "") => options.object_modified = true,
            ("public_group_owner", "") => options.public_group_owner = true,
            ("added_members", "") => options.added_members = true,
            ("removed_members", "") => options.removed_members = true,
            ("to", list) => options.recipients.to = addresses(list),
            ("alerts", list) => options.alerts_to = addresses(list),
            ("cc", list) => options.recipients.cc = addresses(list),
            ("all-changes", "") => options.recipients.copy = Copies::AllChanges,
            ("limit", limit) => options.group_expansion_limit = limit.parse().unwrap(),
            ("disabled-too", "") => options.notify_disabled_accounts = true,
            ("domains", list) => options.recipient_domains = list.split(',').map(str::to_owned).collect(),
            _ => panic!("what is {word}?"),
        }
    }
    options
}
