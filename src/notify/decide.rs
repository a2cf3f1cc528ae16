//! Who is told of a change set: the walk over the table of options.

use std::collections::BTreeMap;

use super::{
    hindsight::Hindsight,
    notification::{Ground, Notification, Recipient, Role, Skipped, Via, WhyNot},
    options::Options,
    reason::Reason,
    recipients::{Resolver, Told, Untold},
    table::{self, Fires},
};
use crate::{
    change::{
        event::{ChangeSet, ChangeSetId, EventId},
        resolve::{Identity, identity},
    },
    directory::{entry::EntryRef, mail_address::MailAddress},
};

/// Everything that was decided about one change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// At most one per address (without regard to case), in the order in which they were found.
    pub notifications: Vec<Notification>,
    /// Everybody whom an option would have told.
    pub skipped: Vec<Skipped>,
}

/// Decides who is told of `set`, at the addresses that `people` knows now. The members of a group that changed
/// are those it had after `set`, although more may have happened since.
pub fn decide<P: Hindsight>(set: &ChangeSet, options: &Options, people: &P) -> Result<Decision, P::Error> {
    let Some(seen) = set.events.iter().map(|event| event.seen).max() else {
        return Ok(Decision { notifications: Vec::new(), skipped: Vec::new() });
    };
    let mut resolver = Resolver::new(people, options, seen);
    let mut draft = Draft::new(set.id);
    let mut fired = false;
    for event in &set.events {
        for (reason, tells) in table::firing(event, options) {
            fired = true;
            for resolved in resolver.tell(tells, event)? {
                resolved.told.iter().for_each(|told| draft.tell(event.id, reason, told));
                resolved.untold.iter().for_each(|untold| draft.skip(event.id, reason, untold));
            }
        }
    }
    if table::copies_go_out(fired, options) {
        draft.copy(set, options);
    }
    Ok(draft.in_order())
}

/// A decision in the making, with what finds a part of it again.
struct Draft {
    change_set: ChangeSetId,
    decision: Decision,
    by_address: BTreeMap<String, usize>,
    grounds: BTreeMap<(usize, Reason, Identity, WayKey), usize>,
    skipped: BTreeMap<(Reason, Identity, WayKey, WhyNot), usize>,
}

/// A [`Via`] as it is compared: the group by its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum WayKey {
    Directly,
    Group(Identity),
    InPlaceOfMembers(WhyNot),
}

impl WayKey {
    fn of(via: &Via) -> Self {
        match via {
            Via::Directly => Self::Directly,
            Via::Group(group) => Self::Group(identity(group)),
            Via::InPlaceOfMembers(why) => Self::InPlaceOfMembers(*why),
        }
    }
}

impl Draft {
    fn new(change_set: ChangeSetId) -> Self {
        Self {
            change_set,
            decision: Decision { notifications: Vec::new(), skipped: Vec::new() },
            by_address: BTreeMap::new(),
            grounds: BTreeMap::new(),
            skipped: BTreeMap::new(),
        }
    }

    fn tell(&mut self, event: EventId, reason: Reason, told: &Told) {
        let index = self.notification(&told.address, || Recipient {
            address: told.address.clone(),
            entry: Some(told.who.clone()),
            language: told.language.clone(),
            role: Role::ByRole,
        });
        let notification =
            self.decision.notifications.get_mut(index).expect("the index of a notification leads to it");
        push_once(&mut notification.events, event);

        let key = (index, reason, identity(&told.who), WayKey::of(&told.via));
        let place = *self.grounds.entry(key).or_insert_with(|| {
            notification.grounds.push(ground(reason, Some(told.who.clone()), told.via.clone()));
            notification.grounds.len() - 1
        });
        let ground = notification.grounds.get_mut(place).expect("the index of a ground leads to it");
        push_once(&mut ground.events, event);
    }

    fn skip(&mut self, event: EventId, reason: Reason, untold: &Untold) {
        let key = (reason, identity(&untold.who), WayKey::of(&untold.via), untold.why);
        let skipped = &mut self.decision.skipped;
        let place = *self.skipped.entry(key).or_insert_with(|| {
            let Untold { who, via, why } = untold.clone();
            skipped.push(Skipped { reason, who, via, why, events: Vec::new() });
            skipped.len() - 1
        });
        push_once(&mut skipped.get_mut(place).expect("the index of a skip leads to it").events, event);
    }

    /// The options that concern the change set as a whole: To and Cc.
    fn copy(&mut self, set: &ChangeSet, options: &Options) {
        let copied = set.events.iter().filter(|event| table::is_copied(event, options));
        let events: Vec<_> = copied.map(|event| event.id).collect();
        for option in table::on(options) {
            let Fires::OnChangeSets = option.fires else { continue };
            for address in &options.recipients.to {
                self.copy_to(&events, option.reason, address, Role::To);
            }
            for address in &options.recipients.cc {
                self.copy_to(&events, option.reason, address, Role::Cc);
            }
        }
    }

    /// A listed address has a reason to see all that is copied, `events`. One that is also told by role keeps
    /// its own mail and gets no second one.
    fn copy_to(&mut self, events: &[EventId], reason: Reason, address: &MailAddress, role: Role) {
        let index = self.notification(address, || Recipient {
            address: address.clone(),
            entry: None,
            language: None,
            role,
        });
        let notification =
            self.decision.notifications.get_mut(index).expect("the index of a notification leads to it");
        if notification.grounds.iter().any(|ground| ground.reason == reason) {
            return;
        }
        notification.events = events.to_vec();
        notification.grounds.push(Ground { events: events.to_vec(), ..ground(reason, None, Via::Directly) });
    }

    /// The grounds of each notification in the order of the page of options.
    fn in_order(mut self) -> Decision {
        let place = |reason| table::OPTIONS.iter().position(|option| option.reason == reason);
        for notification in &mut self.decision.notifications {
            notification.grounds.sort_by_key(|ground| place(ground.reason));
        }
        self.decision
    }

    /// Where the notification to this address is, as it stands or new.
    fn notification(&mut self, address: &MailAddress, recipient: impl FnOnce() -> Recipient) -> usize {
        let notifications = &mut self.decision.notifications;
        *self.by_address.entry(address.key()).or_insert_with(|| {
            notifications.push(Notification {
                change_set: self.change_set,
                recipient: recipient(),
                events: Vec::new(),
                grounds: Vec::new(),
            });
            notifications.len() - 1
        })
    }
}

fn ground(reason: Reason, who: Option<EntryRef>, via: Via) -> Ground {
    Ground { reason, who, via, events: Vec::new() }
}

/// Events come in ingest order, so one that is there already is the last.
fn push_once(events: &mut Vec<EventId>, event: EventId) {
    if events.last() != Some(&event) {
        events.push(event);
    }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
