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

impl Recipient {
    /// Two recipients with one key are one: the address without regard to case, and the role, because a
    /// copy has other headers than a mail of one's own.
    pub fn key(&self) -> (String, Role) {
        (self.address.as_str().to_lowercase(), self.role)
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
