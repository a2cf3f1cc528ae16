//! Who was told of an event and who was not, option by option, read from what was decided; and the sentences
//! in which that is said.

use super::{
    notification::{Notification, Skipped, Via, WhyNot},
    table::{self, Fires, NotifyOption, OPTIONS, Silence, Tells, Ticked, Verdict},
};
use crate::{
    change::event::{Cause, ChangeEvent},
    directory::entry::{EntryKind, EntryRef},
};

/// What was decided about a change set, and under which options.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// `None`: an earlier version decided, and did not record it.
    pub ticked: Option<&'a Ticked>,
    /// Of the whole change set.
    pub notifications: &'a [Notification],
    /// Of the whole change set.
    pub skipped: &'a [Skipped],
}

/// One option and what came of it for one event.
#[derive(Debug, Clone)]
pub struct Explained<'a> {
    /// Which.
    pub option: &'static NotifyOption,
    /// `None`: nobody recorded whether it was on, and nothing came of it.
    pub verdict: Option<Verdict>,
    /// In the order of [`Decided::notifications`].
    pub told: Vec<Hearer<'a>>,
    /// In the order of [`Decided::skipped`].
    pub untold: Vec<&'a Skipped>,
}

/// Somebody who is told, for the reason of one option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hearer<'a> {
    /// Whose address it is. `None`: one of To and Cc.
    pub who: Option<&'a EntryRef>,
    /// How the option came to them.
    pub via: &'a Via,
    /// The place of their notification in [`Decided::notifications`].
    pub notification: usize,
}

/// What each option made of `event`, in the order of the page.
pub fn explain<'a>(event: &ChangeEvent, decided: Decided<'a>) -> Vec<Explained<'a>> {
    OPTIONS.iter().map(|option| explain_option(option, event, decided)).collect()
}

fn explain_option<'a>(
    option: &'static NotifyOption,
    event: &ChangeEvent,
    decided: Decided<'a>,
) -> Explained<'a> {
    let told = told(option, event, decided.notifications);
    let skipped = |skipped: &&Skipped| skipped.reason == option.reason && skipped.events.contains(&event.id);
    let untold: Vec<_> = decided.skipped.iter().filter(skipped).collect();
    let verdict = match (decided.ticked, &option.fires) {
        (Some(ticked), Fires::OnEvents(_)) => Some(option.verdict(event, ticked)),
        (Some(ticked), Fires::OnChangeSets) => Some(verdict_on_copies(option, event, ticked, &told)),
        (None, _) => (!told.is_empty() || !untold.is_empty()).then(|| Verdict::Fired(Vec::new())),
    };
    Explained { option, verdict, told, untold }
}

fn verdict_on_copies(
    option: &NotifyOption,
    event: &ChangeEvent,
    ticked: &Ticked,
    told: &[Hearer<'_>],
) -> Verdict {
    if !ticked.on.contains(&option.reason) {
        return Verdict::Off;
    }
    if !told.is_empty() {
        return Verdict::Fired(Vec::new());
    }
    Verdict::Silent(table::copied(event, ticked.copy).err().unwrap_or(Silence::NothingFired))
}

fn told<'a>(
    option: &NotifyOption,
    event: &ChangeEvent,
    notifications: &'a [Notification],
) -> Vec<Hearer<'a>> {
    let mut told = Vec::new();
    for (place, notification) in notifications.iter().enumerate() {
        for ground in &notification.grounds {
            if ground.reason == option.reason && ground.events.contains(&event.id) {
                told.push(Hearer { who: ground.who.as_ref(), via: &ground.via, notification: place });
            }
        }
    }
    told
}

impl Explained<'_> {
    /// The name under which the verdict is shown.
    pub fn verdict_word(&self) -> &'static str {
        self.verdict.as_ref().map_or("not-recorded", Verdict::as_str)
    }

    /// Why nobody is told and nobody is left out, in a sentence without its full stop; `None` where somebody is,
    /// and for an option that was off.
    pub fn why_nobody(&self, event: &ChangeEvent) -> Option<String> {
        match &self.verdict {
            None => Some("an earlier version decided, and did not record whether it was on".to_owned()),
            Some(Verdict::Off) => None,
            Some(Verdict::Silent(silence)) => Some(why_silent(*silence, event)),
            Some(Verdict::Fired(_)) if !self.told.is_empty() || !self.untold.is_empty() => None,
            Some(Verdict::Fired(tells)) => {
                Some(tells.iter().map(|tells| lacks(*tells, event)).collect::<Vec<_>>().join("; "))
            }
        }
    }
}

fn why_silent(silence: Silence, event: &ChangeEvent) -> String {
    let (change, kind) = (event.change.name(), kind_of(event));
    match silence {
        Silence::EntryIgnored => format!("schema.ignore_filter matches the {kind}: its changes tell nobody"),
        Silence::NothingFired => {
            "no other option fired on this change set, and recipients.copy is \"notifications\"".to_owned()
        }
        Silence::OtherChange => format!("it does not look at {change}"),
        Silence::OtherKind => format!("it does not look at {change} of a {kind}"),
        Silence::OtherCause => match event.cause {
            Cause::Directory => "it does not look at what somebody did".to_owned(),
            Cause::Consequence => "it does not look at what only followed from another change".to_owned(),
            Cause::Accepted => "an operator accepted the directory as it was: that tells nobody".to_owned(),
        },
        Silence::ActorUnknown => "nobody knows who did it".to_owned(),
        Silence::GroupNotPublic => "schema.public_group_filter does not match the group".to_owned(),
    }
}

/// Whom an option wanted to tell where there is no such person.
fn lacks(tells: Tells, event: &ChangeEvent) -> String {
    let kind = kind_of(event);
    match tells {
        Tells::Actor => "nobody did it".to_owned(),
        Tells::Managers => format!("the {kind} has no manager"),
        Tells::Object => format!("the {kind} cannot be told"),
        Tells::Members => "the group had no members".to_owned(),
        Tells::Owners => "the group has no owner".to_owned(),
        Tells::Member => "there is no member".to_owned(),
    }
}

fn kind_of(event: &ChangeEvent) -> &'static str {
    event.entry.kind.map_or("entry", EntryKind::as_str)
}

/// Why somebody is not told, in a sentence that lacks the name before it and the full stop.
pub fn why_not(why: WhyNot) -> &'static str {
    match why {
        WhyNot::Deleted => "is no longer in the directory",
        WhyNot::OutOfScope => "was never read: there is no such entry, or dirherald may not see it",
        WhyNot::Disabled => "is disabled, and notify.notify_disabled_accounts is off",
        WhyNot::Expired => "has an account that has expired, and notify.notify_disabled_accounts is off",
        WhyNot::DoNotNotify => "is matched by schema.do_not_notify_filter",
        WhyNot::NotInPilot => "is not matched by notify.pilot_filter",
        WhyNot::NoAddress => "has no mail address",
        WhyNot::InvalidAddress => "has something else than a mail address in the mail attribute",
        WhyNot::DomainNotAllowed => "has an address at a domain that notify.recipient_domains does not list",
        WhyNot::OverLimit => {
            "has more people than notify.group_expansion_limit, and no address of its own to write to"
        }
        WhyNot::NobodyToTell => "has nobody who can be told, and no address of its own to write to",
    }
}

/// Why a group is written to at its own address, in words that come after "in place of its members".
pub fn why_in_place(why: WhyNot) -> &'static str {
    match why {
        WhyNot::OverLimit => "who are more than notify.group_expansion_limit",
        WhyNot::NobodyToTell
        | WhyNot::Deleted
        | WhyNot::OutOfScope
        | WhyNot::Disabled
        | WhyNot::Expired
        | WhyNot::DoNotNotify
        | WhyNot::NotInPilot
        | WhyNot::NoAddress
        | WhyNot::InvalidAddress
        | WhyNot::DomainNotAllowed => "none of whom can be told",
    }
}

#[cfg(test)]
mod tests;
