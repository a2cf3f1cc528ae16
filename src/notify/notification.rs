//! What was decided: who gets a mail about which events and why, and who does not and why not.
//! All of it is facts, frozen when the decision is stored.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use crate::{
    change::event::{ChangeSetId, EventId},
    directory::{entry::EntryRef, mail_address::MailAddress},
};

/// Change set × recipient × the grounds on which this recipient is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// What it is about.
    pub change_set: ChangeSetId,
    /// Who is told, at which address.
    pub recipient: Recipient,
    /// The events this recipient may see, in ingest order: the union of those of `grounds`. Never empty.
    pub events: Vec<EventId>,
    /// Never empty; each differs from the others in reason, person or way.
    pub grounds: Vec<Ground>,
}

/// Where a mail goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// As read from the directory or the configuration.
    pub address: MailAddress,
    /// The first of those whose address it is. `None`: the address stands in the configuration.
    pub entry: Option<EntryRef>,
    /// What the directory says this person reads.
    pub language: Option<String>,
    /// By role, or as a copy.
    pub role: Role,
}

/// As what somebody gets a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// For what they are in the directory. The mail is addressed to them alone.
    ByRole,
    /// A copy. Its headers name all To and Cc addresses.
    To,
    /// A copy likewise.
    Cc,
}

/// "This reason, for this person, in this way, covers these events."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// The option.
    pub reason: Reason,
    /// Whose address it is. `None`: one of To and Cc.
    pub who: Option<EntryRef>,
    /// How the option came to this person.
    pub via: Via,
    /// In ingest order, never empty.
    pub events: Vec<EventId>,
}

/// How an option came to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// The person itself is the owner, the member, ….
    Directly,
    /// This group is, and the person belongs to it, directly or through further groups.
    Group(EntryRef),
    /// The person is a group, written to at its own address because its members are not told one by one.
    InPlaceOfMembers(WhyNot),
}

/// Somebody whom an option would tell, but who is not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The option.
    pub reason: Reason,
    /// Who.
    pub who: EntryRef,
    /// How the option came to this person.
    pub via: Via,
    /// Why not.
    pub why: WhyNot,
    /// Of which events, in ingest order, never empty.
    pub events: Vec<EventId>,
}

/// Why somebody is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyNot {
    /// No longer in the directory.
    Deleted,
    /// Was never read: outside what dirherald may or should see.
    OutOfScope,
    /// The account is disabled.
    Disabled,
    /// The account had expired when the change was seen.
    Expired,
    /// `do_not_notify_filter` matches.
    DoNotNotify,
    /// There is a `pilot_filter`, and it does not match.
    NotInPilot,
    /// No mail address.
    NoAddress,
    /// What stands in the mail attribute is no address.
    InvalidAddress,
    /// The address is at a domain that `recipient_domains` does not list.
    DomainNotAllowed,
    /// A group of more people than `group_expansion_limit`.
    OverLimit,
    /// A group with nobody in it who can be told.
    NobodyToTell,
}

impl Notification {
    /// Takes out the grounds of people who are gone, with the events that only they gave a reason for, and says
    /// who that was. Nobody is told where no ground is left.
    pub fn part_with(&mut self, is_gone: impl Fn(&EntryRef) -> bool) -> Vec<Skipped> {
        let gone = |ground: &mut Ground| ground.who.as_ref().is_some_and(&is_gone);
        let skipped: Vec<Skipped> =
            self.grounds.extract_if(.., gone).filter_map(Ground::of_the_deleted).collect();
        self.events.retain(|event| self.grounds.iter().any(|ground| ground.events.contains(event)));
        if self.recipient.entry.as_ref().is_some_and(is_gone) {
            self.recipient.entry = self.grounds.iter().find_map(|ground| ground.who.clone());
            self.recipient.language = None;
        }
        skipped
    }

    /// All reasons, for the header.
    pub fn reasons(&self) -> BTreeSet<Reason> {
        self.grounds.iter().map(|ground| ground.reason).collect()
    }

    /// The reasons for which this recipient sees one event.
    pub fn reasons_of(&self, event: EventId) -> BTreeSet<Reason> {
        self.grounds
            .iter()
            .filter(|ground| ground.events.contains(&event))
            .map(|ground| ground.reason)
            .collect()
    }
}

impl Ground {
    /// `None`: nobody of the directory.
    fn of_the_deleted(self) -> Option<Skipped> {
        let Self { reason, who, via, events } = self;
        Some(Skipped { reason, who: who?, via, why: WhyNot::Deleted, events })
    }
}

impl Recipient {
    /// Two recipients with one key are one: the address without regard to case, and the role, because a
    /// copy has other headers than a mail of one's own.
    pub fn key(&self) -> (String, Role) {
        (self.address.key(), self.role)
    }
}

impl WhyNot {
    /// The name under which it is shown and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::OutOfScope => "out-of-scope",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::DoNotNotify => "do-not-notify",
            Self::NotInPilot => "not-in-pilot",
            Self::NoAddress => "no-address",
            Self::InvalidAddress => "invalid-address",
            Self::DomainNotAllowed => "domain-not-allowed",
            Self::OverLimit => "over-limit",
            Self::NobodyToTell => "nobody-to-tell",
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::directory::{dn::Dn, entry::EntryId};

    fn entry(letter: char) -> EntryRef {
        let id = EntryId(Uuid::from_u128(u128::from(u32::from(letter))));
        let dn = Dn::parse(&format!("cn={letter}")).unwrap();
        EntryRef { id: Some(id), dn, kind: None, name: letter.to_string() }
    }

    fn event(number: u8) -> EventId {
        EventId(Uuid::from_u128(u128::from(number)))
    }

    /// Each ground as who (`-`: listed) and the numbers of the events, `a12`.
    fn notification(grounds: &str) -> Notification {
        let grounds: Vec<Ground> = grounds
            .split_whitespace()
            .map(|ground| {
                let who = ground.chars().next().filter(|who| *who != '-').map(entry);
                let events = ground.bytes().skip(1).map(|digit| event(digit - b'0')).collect();
                Ground { reason: Reason::Owner, who, via: Via::Directly, events }
            })
            .collect();
        let events: BTreeSet<EventId> = grounds.iter().flat_map(|ground| ground.events.clone()).collect();
        let recipient = Recipient {
            address: "desk@acme.example".parse().unwrap(),
            entry: grounds.iter().find_map(|ground| ground.who.clone()),
            language: Some("en".to_owned()),
            role: Role::ByRole,
        };
        let change_set = ChangeSetId(Uuid::nil());
        Notification { change_set, recipient, events: events.into_iter().collect(), grounds }
    }

    /// What is left when those in `gone` are, whom it is then for, and who is skipped.
    #[track_caller]
    fn check(before: &str, gone: &str, after: &str, reader: &str, skipped: &str) {
        let mut left = notification(before);
        let parted = left.part_with(|entry| gone.contains(&entry.name));
        let expected = notification(after);
        assert_eq!((left.grounds, left.events), (expected.grounds, expected.events));
        assert_eq!(left.recipient.entry.map(|entry| entry.name).unwrap_or_default(), reader);
        let names: Vec<_> = parted.iter().map(|skipped| skipped.who.name.as_str()).collect();
        assert_eq!(names.concat(), skipped);
        assert!(parted.iter().all(|skipped| skipped.why == WhyNot::Deleted && !skipped.events.is_empty()));
    }

    #[test]
    fn m09_the_deleted_are_parted_with_and_with_what_only_they_saw() {
        check("a12", "b", "a12", "a", "");
        check("a12", "a", "", "", "a");
        check("a1 b12", "b", "a1", "a", "b");
        check("a12 b2", "a", "b2", "b", "a");
        check("a1 a2", "a", "", "", "aa");
        // Who is listed is told, whoever else had the address.
        check("a1 -12", "a", "-12", "", "a");
    }
}
