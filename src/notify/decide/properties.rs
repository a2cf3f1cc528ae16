//! Random directories, options and changes: what is decided is what the oracle says, and holds the rules
//! that can be said in one sentence.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    Decision, decide,
    oracle::{Expected, Line, expected},
};
use crate::{
    change::event::{ChangeSet, EventId},
    directory::entry::EntryRef,
    notify::{
        company::{
            Company, options,
            random::{case, later},
        },
        notification::{Notification, Role, Via},
        options::{Copies, Options},
        reason::Reason,
    },
};

/// What was decided, without its order.
fn without_order(set: &ChangeSet, decision: &Decision) -> Expected {
    let lines = |events: &[EventId], reason: Reason, who: Option<&EntryRef>, via: &Via| -> BTreeSet<Line> {
        let name = who.map(|who| who.name.clone()).unwrap_or_default();
        let line = |event: &EventId| (place(set, *event), reason, name.clone(), way(via));
        events.iter().map(line).collect()
    };
    let mails = decision.notifications.iter().map(|notification| {
        let grounds = notification.grounds.iter();
        let why = grounds
            .flat_map(|ground| lines(&ground.events, ground.reason, ground.who.as_ref(), &ground.via))
            .collect();
        let address = notification.recipient.address.as_str().to_lowercase();
        (address, (notification.recipient.role, why))
    });
    let skipped = decision.skipped.iter().flat_map(|skipped| {
        let lines = lines(&skipped.events, skipped.reason, Some(&skipped.who), &skipped.via);
        lines.into_iter().map(|line| (line, skipped.why))
    });
    Expected { mails: mails.collect(), skipped: skipped.collect() }
}

fn place(set: &ChangeSet, event: EventId) -> usize {
    set.events.iter().position(|known| known.id == event).unwrap()
}

fn way(via: &Via) -> String {
    match via {
        Via::Directly => String::new(),
        Via::Group(group) => format!("via {}", group.name),
        Via::InPlaceOfMembers(why) => format!("in place: {}", why.as_str()),
    }
}

/// Nobody who is excluded is told for what they are.
fn check_nobody_excluded(
    company: &Company,
    options: &Options,
    notification: &Notification,
) -> Result<(), TestCaseError> {
    let people = notification.grounds.iter().filter_map(|ground| ground.who.as_ref());
    for who in people {
        let profile = company.known(who);
        prop_assert!(profile.is_some(), "{} is gone", who.name);
        let profile = profile.unwrap();
        let works = !profile.disabled && profile.expires.is_none();
        prop_assert!(works || options.notify_disabled_accounts, "{} is disabled or expired", who.name);
        prop_assert!(!profile.do_not_notify, "{} is not to be notified", who.name);
        prop_assert!(profile.in_pilot, "{} is not in the pilot", who.name);
        let domain = notification.recipient.address.domain();
        prop_assert!(options.recipient_domains.is_empty() || options.recipient_domains.contains(domain));
    }
    Ok(())
}

/// M29: no event without a reason of this reader's own, each once and in its order.
fn check_events(set: &ChangeSet, notification: &Notification) -> Result<(), TestCaseError> {
    let places: Vec<_> = notification.events.iter().map(|&event| place(set, event)).collect();
    prop_assert!(!places.is_empty());
    prop_assert!(places.is_sorted_by(|a, b| a < b), "{:?}", places);
    let of_grounds: BTreeSet<_> = notification
        .grounds
        .iter()
        .flat_map(|ground| &ground.events)
        .map(|&event| place(set, event))
        .collect();
    prop_assert_eq!(places, of_grounds.into_iter().collect::<Vec<_>>());
    for &event in &notification.events {
        prop_assert!(notification.grounds.iter().any(|ground| ground.events.contains(&event)));
    }
    for ground in &notification.grounds {
        prop_assert!(!ground.events.is_empty());
        let is_copy = ground.who.is_none();
        prop_assert_eq!(is_copy, ground.reason == Reason::Recipients);
        prop_assert!(is_copy || notification.recipient.role == Role::ByRole);
    }
    Ok(())
}

/// A member reads of members only what concerns themselves, or a group that they came by.
fn check_members_events(set: &ChangeSet, notification: &Notification) -> Result<(), TestCaseError> {
    for ground in &notification.grounds {
        if !matches!(ground.reason, Reason::AddedMembers | Reason::RemovedMembers) {
            continue;
        }
        let own = match &ground.via {
            Via::Group(group) => group,
            Via::Directly | Via::InPlaceOfMembers(_) => ground.who.as_ref().unwrap(),
        };
        for &event in &ground.events {
            let subject = set.events[place(set, event)].change.subject();
            prop_assert!(subject.is_none_or(|subject| subject.id == own.id));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_everybody_is_told_whom_the_table_names_and_nobody_else(
        (lines, ticked, changes) in case(),
        later in later(),
    ) {
        let company = Company::new(&lines).after(&later);
        let options = options(&ticked);
        let set = company.change_set(0, &changes);
        let decision = decide(&set, &options, &company).unwrap();

        prop_assert_eq!(without_order(&set, &decision), expected(&company, &options, &set));

        let mut mails_to = BTreeMap::new();
        for notification in &decision.notifications {
            *mails_to.entry(notification.recipient.address.key()).or_insert(0) += 1;
            check_nobody_excluded(&company, &options, notification)?;
            check_events(&set, notification)?;
            check_members_events(&set, notification)?;
        }
        prop_assert!(mails_to.values().all(|&mails| mails == 1), "{:?}", mails_to);

        let is_any_on = decision.notifications.iter().all(|notification| {
            notification.reasons().iter().all(|reason| is_on(*reason, &options))
        });
        prop_assert!(is_any_on, "a reason that is not on");
    }
}

/// Whether a reason stands in the configuration at all.
fn is_on(reason: Reason, options: &Options) -> bool {
    match reason {
        Reason::LoggedInUsers => options.logged_in_users,
        Reason::Owner => options.owner,
        Reason::Manager => options.manager,
        Reason::ObjectModified => options.object_modified,
        Reason::PublicGroupOwner => options.public_group_owner,
        Reason::AddedMembers => options.added_members,
        Reason::RemovedMembers => options.removed_members,
        Reason::Recipients => {
            let lists_anybody = !options.recipients.to.is_empty() || !options.recipients.cc.is_empty();
            let fires = options.recipients.copy == Copies::AllChanges
                || options.logged_in_users
                || options.owner
                || options.manager
                || options.object_modified
                || options.public_group_owner
                || options.added_members
                || options.removed_members;
            lists_anybody && fires
        }
        Reason::Alert | Reason::Test => false,
    }
}
