//! The options: what each fires on and whom it tells. The rules are these rows; the code only walks them.

use std::collections::BTreeSet;

use EntryKind::{Contact, Container, Group, User};
use serde::{Deserialize, Serialize};

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

/// Which boxes were ticked, without what it takes to tell somebody: enough to say later why an option fired,
/// or why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticked {
    /// The options that were on.
    pub on: BTreeSet<Reason>,
    /// Of which change sets To and Cc heard.
    pub copy: Copies,
}

/// What one option makes of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The box is not ticked.
    Off,
    /// It fired and tells these, whether or not there is anybody to be told. Empty: To and Cc, who are listed.
    Fired(Vec<Tells>),
    /// The box is ticked, and there is a reason why nothing came of it.
    Silent(Silence),
}

/// Why an option that is on does not fire, in the order in which it is found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Silence {
    /// `ignore_filter` matches the entry.
    EntryIgnored,
    /// No option fired on any event of the change set; of To and Cc only.
    NothingFired,
    /// Something else happened than what it looks at.
    OtherChange,
    /// That happened, but to another kind of object.
    OtherKind,
    /// For another cause.
    OtherCause,
    /// Nobody knows who did it.
    ActorUnknown,
    /// `public_group_filter` does not match the group.
    GroupNotPublic,
}

/// The options that fire on one event, each with the rule that says whom it tells.
pub fn firing(event: &ChangeEvent, options: &Options) -> Vec<(Reason, Tells)> {
    let mut firing = Vec::new();
    for option in on(options) {
        let tells = option.tells(event).unwrap_or_default();
        firing.extend(tells.into_iter().map(|tells| (option.reason, tells)));
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

/// Whether To and Cc see an event of a change set that they hear of.
pub fn is_copied(event: &ChangeEvent, options: &Options) -> bool {
    copied(event, options.recipients.copy).is_ok()
}

/// Of ignored entries, and of what came into scope or left it, only `all-changes` hears; of what an operator
/// accepted, nobody.
pub(super) fn copied(event: &ChangeEvent, copy: Copies) -> Result<(), Silence> {
    let told = EVERY_EVENT.contains(&ChangeKind::of(&event.change));
    if !event.cause.may_be_told() {
        return Err(Silence::OtherCause);
    }
    match copy {
        Copies::Notifications if event.marks.ignored => Err(Silence::EntryIgnored),
        Copies::Notifications if !told => Err(Silence::OtherChange),
        Copies::Notifications | Copies::AllChanges => Ok(()),
    }
}

impl Verdict {
    /// The name under which it is shown.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Fired(_) => "fired",
            Self::Silent(silence) => silence.as_str(),
        }
    }
}

impl Silence {
    /// The name under which it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EntryIgnored => "entry-ignored",
            Self::NothingFired => "nothing-fired",
            Self::OtherChange => "other-change",
            Self::OtherKind => "other-kind",
            Self::OtherCause => "other-cause",
            Self::ActorUnknown => "actor-unknown",
            Self::GroupNotPublic => "group-not-public",
        }
    }
}

impl Ticked {
    /// Those that are on now.
    pub fn of(options: &Options) -> Self {
        Self { on: on(options).map(|option| option.reason).collect(), copy: options.recipients.copy }
    }
}

impl NotifyOption {
    /// What it makes of `event`. To and Cc are told of change sets: of a single event they hear nothing.
    pub fn verdict(&self, event: &ChangeEvent, ticked: &Ticked) -> Verdict {
        if !ticked.on.contains(&self.reason) {
            return Verdict::Off;
        }
        self.tells(event).map_or_else(Verdict::Silent, Verdict::Fired)
    }

    /// Whom it tells of `event` where it is on: never nobody, and each rule in its order.
    fn tells(&self, event: &ChangeEvent) -> Result<Vec<Tells>, Silence> {
        let Fires::OnEvents(rules) = self.fires else { return Err(Silence::NothingFired) };
        if event.marks.ignored {
            return Err(Silence::EntryIgnored);
        }
        let mut tells = Vec::new();
        let mut nearest = Silence::OtherChange;
        for rule in rules {
            match rule.tells(event) {
                Ok(told) => tells.push(told),
                Err(silence) => nearest = nearest.max(silence),
            }
        }
        if tells.is_empty() { Err(nearest) } else { Ok(tells) }
    }
}

impl Rule {
    fn tells(&self, event: &ChangeEvent) -> Result<Tells, Silence> {
        if !self.on.contains(&ChangeKind::of(&event.change)) {
            return Err(Silence::OtherChange);
        }
        if !event.entry.kind.is_some_and(|kind| self.of.contains(&kind)) {
            return Err(Silence::OtherKind);
        }
        if !self.because.contains(&event.cause) {
            return Err(Silence::OtherCause);
        }
        self.given.check(event).map(|()| self.tells)
    }
}

impl Given {
    fn check(self, event: &ChangeEvent) -> Result<(), Silence> {
        let (holds, otherwise) = match self {
            Self::Always => return Ok(()),
            Self::ActorKnown => (matches!(event.actor, Actor::Known(_)), Silence::ActorUnknown),
            Self::GroupPublic => (event.marks.public, Silence::GroupNotPublic),
        };
        if holds { Ok(()) } else { Err(otherwise) }
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

#[cfg(test)]
mod tests;
