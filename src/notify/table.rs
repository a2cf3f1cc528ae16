//! The options: what each fires on and whom it tells. The rules are these rows; the code only walks them.

use EntryKind::{Contact, Container, Group, User};

use super::{
    options::{Copies, Options},
    reason::Reason,
};
use crate::{
    change::event::{Actor, Cause, Change, ChangeEvent},
    directory::entry::EntryKind,
};

/// One box on the page of options.
#[derive(Debug)]
pub struct NotifyOption {
    /// Its name in mails, and its key in the configuration.
    pub reason: Reason,
    /// How the model words it.
    pub wording: &'static str,
    /// Whether the box is ticked.
    pub is_on: fn(&Options) -> bool,
    /// What sets it off.
    pub fires: Fires,
}

/// What sets an option off.
#[derive(Debug)]
pub enum Fires {
    /// An event that matches one of these rules.
    OnEvents(&'static [Rule]),
    /// A change set in which another option fired, or any, as `copy` says.
    OnChangeSets,
}

/// "On these changes, of these objects, for these causes, tell those."
#[derive(Debug)]
pub struct Rule {
    /// What must have happened.
    pub on: &'static [ChangeKind],
    /// To what kind of object.
    pub of: &'static [EntryKind],
    /// And why.
    pub because: &'static [Cause],
    /// What must be so beside.
    pub given: Given,
    /// Who hears of it.
    pub tells: Tells,
}

/// What must be so for a rule to hold, beside the kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// Nothing.
    Always,
    /// It is known who did it.
    ActorKnown,
    /// The group is one that `public_group_filter` matches.
    GroupPublic,
}

/// Whom a rule tells, as seen from the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// Who did it.
    Actor,
    /// The manager and the additional managers of a user or contact, before ∪ after.
    Managers,
    /// The user or contact that was changed.
    Object,
    /// The members of the group as they are now; those of a deleted group as they were.
    Members,
    /// Primary and additional owners, before ∪ after.
    Owners,
    /// The member who came or went.
    Member,
}

/// A [`Change`] without its facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// `member-added`
    MemberAdded,
    /// `member-removed`
    MemberRemoved,
    /// `owner-added`
    OwnerAdded,
    /// `owner-removed`
    OwnerRemoved,
    /// `manager-changed`
    ManagerChanged,
    /// `object-created`
    ObjectCreated,
    /// `object-deleted`
    ObjectDeleted,
    /// `object-renamed`
    ObjectRenamed,
    /// `attributes-changed`
    AttributesChanged,
    /// `scope-entered`
    ScopeEntered,
    /// `scope-left`
    ScopeLeft,
}

use ChangeKind::{
    AttributesChanged, ManagerChanged, MemberAdded, MemberRemoved, ObjectCreated, ObjectDeleted,
    ObjectRenamed, OwnerAdded, OwnerRemoved,
};

/// But for what came into scope and went out of it: of that only `copy = "all-changes"` hears.
const EVERY_EVENT: &[ChangeKind] = &[
    MemberAdded,
    MemberRemoved,
    OwnerAdded,
    OwnerRemoved,
    ManagerChanged,
    ObjectCreated,
    ObjectDeleted,
    ObjectRenamed,
    AttributesChanged,
];
const ANY_CAUSE: &[Cause] = &[Cause::Directory, Cause::Consequence];
const NOT_LIFECYCLE: &[Cause] = &[Cause::Directory, Cause::Consequence];
const DIRECTORY: &[Cause] = &[Cause::Directory];
const ANY_KIND: &[EntryKind] = &[User, Group, Contact, Container];
const PEOPLE: &[EntryKind] = &[User, Contact];

/// Every option, in the order of the page. Off by default.
#[rustfmt::skip]
pub static OPTIONS: &[NotifyOption] = &[
    NotifyOption {
        reason: Reason::LoggedInUsers,
        wording: "Notify logged-in users about changes being made to objects",
        is_on: |options| options.logged_in_users,
        fires: Fires::OnEvents(&[
            Rule { on: EVERY_EVENT, of: ANY_KIND, because: DIRECTORY, given: Given::ActorKnown, tells: Tells::Actor },
        ]),
    },
    NotifyOption {
        reason: Reason::Owner,
        wording: "Notify owner (of groups)",
        is_on: |options| options.owner,
        fires: Fires::OnEvents(&[
            Rule { on: EVERY_EVENT, of: &[Group], because: ANY_CAUSE, given: Given::Always, tells: Tells::Owners },
        ]),
    },
    NotifyOption {
        reason: Reason::Manager,
        wording: "Notify manager (of users/contacts)",
        is_on: |options| options.manager,
        fires: Fires::OnEvents(&[
            Rule { on: EVERY_EVENT, of: PEOPLE, because: ANY_CAUSE, given: Given::Always, tells: Tells::Managers },
        ]),
    },
    NotifyOption {
        reason: Reason::ObjectModified,
        wording: "Notify object being modified",
        is_on: |options| options.object_modified,
        fires: Fires::OnEvents(&[
            Rule {
                on: &[AttributesChanged, ObjectRenamed, ManagerChanged],
                of: PEOPLE, because: ANY_CAUSE, given: Given::Always, tells: Tells::Object,
            },
            Rule { on: EVERY_EVENT, of: &[Group], because: ANY_CAUSE, given: Given::Always, tells: Tells::Members },
        ]),
    },
    NotifyOption {
        reason: Reason::PublicGroupOwner,
        wording: "Notify public group owner of membership change",
        is_on: |options| options.public_group_owner,
        fires: Fires::OnEvents(&[
            Rule {
                on: &[MemberAdded, MemberRemoved],
                of: &[Group], because: ANY_CAUSE, given: Given::GroupPublic, tells: Tells::Owners,
            },
        ]),
    },
    NotifyOption {
        reason: Reason::AddedMembers,
        wording: "Notify newly added group members on addition",
        is_on: |options| options.added_members,
        fires: Fires::OnEvents(&[
            Rule {
                on: &[MemberAdded],
                of: &[Group], because: NOT_LIFECYCLE, given: Given::Always, tells: Tells::Member,
            },
        ]),
    },
    NotifyOption {
        reason: Reason::RemovedMembers,
        wording: "Notify removed group member on removal",
        is_on: |options| options.removed_members,
        fires: Fires::OnEvents(&[
            Rule {
                on: &[MemberRemoved],
                of: &[Group], because: NOT_LIFECYCLE, given: Given::Always, tells: Tells::Member,
            },
            Rule { on: &[ObjectDeleted], of: &[Group], because: ANY_CAUSE, given: Given::Always, tells: Tells::Members },
        ]),
    },
    NotifyOption {
        reason: Reason::Recipients,
        wording: "Recipients: To and CC",
        is_on: |options| !(options.recipients.to.is_empty() && options.recipients.cc.is_empty()),
        fires: Fires::OnChangeSets,
    },
];

/// The options that are on, in the order of the page.
pub fn on(options: &Options) -> impl Iterator<Item = &'static NotifyOption> {
    OPTIONS.iter().filter(|option| (option.is_on)(options))
}

/// The options that fire on one event, each with the rule that says whom it tells.
pub fn firing(event: &ChangeEvent, options: &Options) -> Vec<(Reason, Tells)> {
    let mut firing = Vec::new();
    if event.marks.ignored {
        return firing;
    }
    for option in on(options) {
        let Fires::OnEvents(rules) = option.fires else { continue };
        firing
            .extend(rules.iter().filter(|rule| rule.matches(event)).map(|rule| (option.reason, rule.tells)));
    }
    firing
}

/// Whether To and Cc hear of a change set in which an option `fired`, or none did.
pub fn copies_go_out(fired: bool, options: &Options) -> bool {
    match options.recipients.copy {
        Copies::AllChanges => true,
        Copies::Notifications => fired,
    }
}

impl Rule {
    fn matches(&self, event: &ChangeEvent) -> bool {
        self.on.contains(&ChangeKind::of(&event.change))
            && event.entry.kind.is_some_and(|kind| self.of.contains(&kind))
            && self.because.contains(&event.cause)
            && self.given.holds(event)
    }
}

impl Given {
    fn holds(self, event: &ChangeEvent) -> bool {
        match self {
            Self::Always => true,
            Self::ActorKnown => matches!(event.actor, Actor::Known(_)),
            Self::GroupPublic => event.marks.public,
        }
    }
}

impl ChangeKind {
    /// Which kind of change this is.
    pub fn of(change: &Change) -> Self {
        match change {
            Change::MemberAdded { .. } => Self::MemberAdded,
            Change::MemberRemoved { .. } => Self::MemberRemoved,
            Change::OwnerAdded { .. } => Self::OwnerAdded,
            Change::OwnerRemoved { .. } => Self::OwnerRemoved,
            Change::ManagerChanged { .. } => Self::ManagerChanged,
            Change::ObjectCreated => Self::ObjectCreated,
            Change::ObjectDeleted { .. } => Self::ObjectDeleted,
            Change::ObjectRenamed { .. } => Self::ObjectRenamed,
            Change::AttributesChanged { .. } => Self::AttributesChanged,
            Change::ScopeEntered => Self::ScopeEntered,
            Change::ScopeLeft => Self::ScopeLeft,
        }
    }
}
