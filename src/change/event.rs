//! Change events: typed facts that carry the before and after they need.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::directory::{
    attribute::AttributeName,
    dn::Dn,
    entry::{EntryRef, Rank},
};

/// UUIDv7, given in the transaction that stores the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

/// UUIDv7. The events of one operation, or of one reading of one entry, with their consequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChangeSetId(pub Uuid);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ChangeSetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The unit of a mail: events in the order they were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// Shared by all `events`.
    pub id: ChangeSetId,
    /// Never empty.
    pub events: Vec<ChangeEvent>,
}

/// One thing that happened to one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeEvent {
    /// Unique for ever.
    pub id: EventId,
    /// See [`ChangeSet`].
    pub change_set: ChangeSetId,
    /// The server's stamp of the change; ours where the server gave none.
    pub time: Timestamp,
    /// When dirherald learned of it, by our clock.
    pub seen: Timestamp,
    /// What it happened to, as it was named afterwards (for a deleted entry: before).
    pub entry: EntryRef,
    /// What happened.
    pub change: Change,
    /// Who did it.
    pub actor: Actor,
    /// Why it happened.
    pub cause: Cause,
    /// The owners of a group, before ∪ after this change; empty for anything else.
    pub owners: Vec<RankedRef>,
    /// The managers of a user or contact, before ∪ after this change; empty for anything else.
    pub managers: Vec<RankedRef>,
    /// What the filters say of the entry.
    #[serde(default)]
    pub marks: Marks,
}

/// What the filters of the schema say of an entry, as it was after the change; of one that is gone, before it.
/// Frozen in the event, because nobody can ask a deleted entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// `ignore_filter` matches: its events tell nobody.
    pub ignored: bool,
    /// A group that `public_group_filter` matches.
    pub public: bool,
    /// `do_not_notify_filter` matches, asked of the attributes alone: by its groups no filter finds the entry
    /// here. Of a group that is gone, nobody is told as its member.
    #[serde(default)]
    pub do_not_notify: bool,
}

/// An owner or manager with its rank; the better rank where before and after differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankedRef {
    /// Who.
    #[serde(flatten)]
    pub entry: EntryRef,
    /// First or beside.
    pub rank: Rank,
}

/// What happened, with the facts that only that kind of change has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// A direct member came.
    MemberAdded {
        /// Who came.
        member: EntryRef,
    },
    /// A direct member went.
    MemberRemoved {
        /// Who went.
        member: EntryRef,
    },
    /// An owner came.
    OwnerAdded {
        /// Who came.
        owner: EntryRef,
        /// As which.
        rank: Rank,
    },
    /// An owner went.
    OwnerRemoved {
        /// Who went.
        owner: EntryRef,
        /// As which.
        rank: Rank,
    },
    /// A manager came or went.
    ManagerChanged {
        /// Who came or went.
        manager: EntryRef,
        /// Which of the two.
        direction: Direction,
        /// As which.
        rank: Rank,
    },
    /// The entry is new.
    ObjectCreated,
    /// The entry is gone. Links are facts of the moment before.
    ObjectDeleted {
        /// A group's last direct members: the first of them by key, at most the store's expansion limit + 1.
        last_members: Vec<EntryRef>,
        /// How many there were in all.
        last_member_count: u64,
        /// The groups in which a user, contact or group was a direct member, capped likewise.
        last_groups: Vec<EntryRef>,
    },
    /// A new RDN or a new place.
    ObjectRenamed {
        /// The DN before; the entry carries the one after.
        old_dn: Dn,
    },
    /// Watched attributes have other values than before; order does not count.
    AttributesChanged {
        /// In the order of their names, never empty.
        attributes: Vec<AttributeChange>,
    },
    /// The entry came into what is watched without being created.
    ScopeEntered,
    /// The entry went out of what is watched without being deleted.
    ScopeLeft,
}

/// Came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Came.
    Added,
    /// Went.
    Removed,
}

/// One watched attribute before and after, in the server's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeChange {
    /// Lower-case.
    pub name: AttributeName,
    /// Empty: there was none.
    pub old: Vec<String>,
    /// Empty: there is none.
    pub new: Vec<String>,
}

/// Who made a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The feed named it, beyond doubt.
    Known(EntryRef),
    /// Nobody can say.
    Unknown,
}

/// Why an event happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Somebody changed this entry.
    Directory,
    /// The link's target was deleted and the link went with it.
    Consequence,
    /// An operator took the directory as it is as known: nobody is told.
    Accepted,
}

impl Change {
    /// The name of the contract: `member-added`, `object-renamed`, ….
    pub fn name(&self) -> &'static str {
        match self {
            Self::MemberAdded { .. } => "member-added",
            Self::MemberRemoved { .. } => "member-removed",
            Self::OwnerAdded { .. } => "owner-added",
            Self::OwnerRemoved { .. } => "owner-removed",
            Self::ManagerChanged { .. } => "manager-changed",
            Self::ObjectCreated => "object-created",
            Self::ObjectDeleted { .. } => "object-deleted",
            Self::ObjectRenamed { .. } => "object-renamed",
            Self::AttributesChanged { .. } => "attributes-changed",
            Self::ScopeEntered => "scope-entered",
            Self::ScopeLeft => "scope-left",
        }
    }

    /// The member, owner or manager concerned, where there is one.
    pub fn subject(&self) -> Option<&EntryRef> {
        match self {
            Self::MemberAdded { member } | Self::MemberRemoved { member } => Some(member),
            Self::OwnerAdded { owner, .. } | Self::OwnerRemoved { owner, .. } => Some(owner),
            Self::ManagerChanged { manager, .. } => Some(manager),
            Self::ObjectCreated
            | Self::ObjectDeleted { .. }
            | Self::ObjectRenamed { .. }
            | Self::AttributesChanged { .. }
            | Self::ScopeEntered
            | Self::ScopeLeft => None,
        }
    }
}

impl Cause {
    /// The name of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Consequence => "consequence",
            Self::Accepted => "accepted",
        }
    }

    /// Whether anybody may hear of what came about so.
    pub fn may_be_told(self) -> bool {
        match self {
            Self::Directory | Self::Consequence => true,
            Self::Accepted => false,
        }
    }
}
