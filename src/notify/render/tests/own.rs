//! M29: nobody reads what is not their own.

use proptest::prelude::*;

use super::{
    super::{
        telling::is_full,
        why::{group_between, is_same},
    },
    *,
};
use crate::{
    change::event::Actor,
    notify::{company::random::case, reason::Reason},
};

#[track_caller]
fn assert_names_none(mail: &Rendered, others: &[&str]) {
    for other in others {
        for text in [&mail.subject, &mail.text, &mail.html] {
            assert!(!text.contains(other), "{other}: {text}");
        }
    }
}

#[test]
fn m29_a_member_reads_of_itself_only() {
    let changes = [
        "object-created finance; member-added finance anna; member-added finance bert; member-added finance dora",
        "member-removed ledger dora; member-removed ledger bert; owner-added ledger anna",
        "object-deleted controllers",
    ];
    for ticked in
        ["added_members removed_members", "no-actor added_members removed_members to=audit@acme.example"]
    {
        let mail = mail("bert", ticked, &changes);
        assert_names_none(&mail, &["Anna", "anna", "Dora", "dora", "Carla", "carla"]);
        assert_eq!(mail.subject, "3 changes in 3 groups");
    }
}

#[test]
fn m29_a_member_reads_of_the_other_members_by_number_only() {
    let mail = mail(
        "bert",
        "object_modified added_members removed_members",
        &[
            "member-added finance anna by=anna; member-added finance dora by=dora; attributes-changed finance",
            "member-removed finance dora; member-removed finance ken because-deleted",
            "member-added finance same",
        ],
    );
    assert_names_none(&mail, &["Anna", "anna", "Dora", "dora", "Ken", "ken,", "Sam", "same,"]);
    assert_eq!(mail.subject, "6 changes to Finance");
    assert!(mail.text.contains("- 3 members were added to Finance\n"), "{}", mail.text);
    assert!(mail.text.contains("- 2 members were removed from Finance\n"), "{}", mail.text);
}

#[test]
fn m29_who_comes_by_themselves_is_not_named_as_the_one_who_did_it() {
    let by_herself = mail("bert", "object_modified", &["member-added finance anna by=anna"]);
    assert_names_none(&by_herself, &["Anna", "anna"]);
    assert_eq!(by_herself.subject, "A member was added to Finance");

    let by_the_owner = mail("bert", "object_modified", &["member-added finance anna by=carla"]);
    assert_names_none(&by_the_owner, &["Anna", "anna"]);
    assert!(by_the_owner.text.contains("Added by      Carla Diaz"), "{}", by_the_owner.text);

    let among_others = mail(
        "bert",
        "object_modified",
        &["member-added finance dora by=anna; member-added finance anna by=anna"],
    );
    assert_names_none(&among_others, &["Anna", "anna", "Dora", "dora"]);

    let hidden = mail("bert", "no-actor object_modified", &["member-added finance anna by=carla"]);
    assert_names_none(&hidden, &["Anna", "anna", "Carla", "carla"]);
}

#[test]
fn m29_the_last_members_of_a_deleted_group_do_not_read_who_else_was_one() {
    for ticked in ["object_modified", "removed_members", "object_modified removed_members"] {
        let mail = mail("bert", ticked, &["object-deleted finance"]);
        assert_names_none(&mail, &["Anna", "anna", "Last members"]);
    }
}

#[test]
fn m29_an_owner_reads_of_its_own_groups_only() {
    let mail = mail(
        "carla",
        "owner",
        &["member-added finance bert; member-added controllers dora; object-created dora"],
    );
    assert_eq!(mail.subject, "Bert Cole was added to Finance");
    assert!(!mail.text.contains("Dora") && !mail.html.contains("Controllers"), "{}", mail.text);
}

#[test]
fn m29_a_manager_and_an_object_read_of_their_own_entries_only() {
    let changes = ["attributes-changed bert; attributes-changed anna; member-added finance anna"];
    let manager = mail("carla", "manager", &changes);
    assert_eq!(manager.subject, "Telephone number of Bert Cole changed");
    assert_names_none(&manager, &["Anna", "anna", "Finance"]);
    let object = mail("bert", "object_modified", &["attributes-changed bert; attributes-changed anna"]);
    assert_eq!(object.subject, "Your telephone number was changed");
    assert_names_none(&object, &["Anna", "anna"]);
}

/// The people `p0`, … and groups `g7`, … that a text names.
fn entries_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    words.filter(|word| word.strip_prefix(['p', 'g']).is_some_and(is_number)).collect()
}

/// Whom this reader, who has no reason to see events in full, may see named: the reader and those with the
/// same address; the entries, the values they had and have, their owners, managers and the groups between;
/// and who did it, unless that is one of the other members who came or went.
fn may_be_named(notification: &Notification, events: &[ChangeEvent]) -> BTreeSet<String> {
    let grounds = || notification.grounds.iter();
    let told: Vec<_> = events.iter().filter(|event| notification.events.contains(&event.id)).collect();
    let is_own = |event: &ChangeEvent, subject: &EntryRef| {
        let of_event = grounds().filter(|ground| ground.events.contains(&event.id));
        of_event
            .filter(|ground| ground.reason != Reason::ObjectModified)
            .any(|ground| is_same(subject, ground.who.as_ref()) || is_same(subject, group_between(ground)))
            || is_same(subject, notification.recipient.entry.as_ref())
    };
    let other = |event: &ChangeEvent| {
        let is_of_member = matches!(event.change, Change::MemberAdded { .. } | Change::MemberRemoved { .. });
        let subject = event.change.subject().filter(|subject| is_of_member && !is_own(event, subject))?;
        Some(subject.name.clone())
    };
    let others: BTreeSet<_> = told.iter().filter_map(|event| other(event)).collect();
    let mut named: BTreeSet<_> = grounds()
        .flat_map(|ground| [ground.who.as_ref(), group_between(ground)])
        .flatten()
        .map(|e| e.name.clone())
        .collect();
    for event in told {
        named.insert(event.entry.name.clone());
        if other(event).is_none() {
            named.extend(event.change.subject().map(|subject| subject.name.clone()));
        }
        if let Change::AttributesChanged { attributes } = &event.change {
            let values = attributes.iter().flat_map(|change| change.old.iter().chain(&change.new));
            named.extend(values.flat_map(|value| entries_in(value)).map(str::to_owned));
        }
        if event.change == Change::ObjectCreated {
            named.extend(event.owners.iter().map(|owner| owner.entry.name.clone()));
        }
        match &event.actor {
            Actor::Known(actor) if other(event).is_none() || !others.contains(&actor.name) => {
                named.insert(actor.name.clone());
            }
            Actor::Known(_) | Actor::Unknown => {}
        }
    }
    named
}

/// Without the boxes that show events in full.
fn for_members(ticked: &str) -> String {
    let full = ["logged_in_users", "owner", "manager", "public_group_owner"];
    let kept = ticked.split(' ').filter(|word| !full.contains(word));
    kept.chain(["object_modified"]).collect::<Vec<_>>().join(" ")
}

proptest! {
    #[test]
    fn m29_whatever_happens_members_read_of_themselves_only((lines, ticked, changes) in case()) {
        let company = Company::new(&lines);
        let set = company.change_set(0, &changes);
        for ticked in [for_members(&ticked), ticked] {
            for notification in decide(&set, &options(&ticked), &company).unwrap().notifications {
                let sees_all = notification.reasons().into_iter().any(is_full);
                let named = may_be_named(&notification, &set.events);
                let notices = [Notice { notification, events: set.events.clone() }];
                let mail = render(&content(&notices)).unwrap();
                assert_sound(&mail);
                for text in [&mail.subject, &mail.text, &mail.html] {
                    let mut others = entries_in(text);
                    others.retain(|name| !named.contains(*name));
                    prop_assert!(sees_all || others.is_empty(), "{:?} in {}", others, text);
                }
            }
        }
    }
}

#[test]
fn m29_who_took_over_an_address_is_not_taken_for_who_had_it() {
    let company = Company::new(COMPANY);
    let changes = ["mail-changed dora bert@acme.example", "member-added finance dora"];
    let (_, notices) = notices(&company, "bert", "object_modified", &changes);
    let text = Page::of(&content(&notices)).unwrap().write().unwrap().text;
    assert!(text.contains("A member was added to Finance"), "{text}");
    assert!(!text.contains("ou were added"), "{text}");
}

#[test]
fn who_took_over_an_address_is_the_one_who_is_addressed() {
    let changes = ["mail-changed dora bert@acme.example", "member-added finance bert"];
    let mail = mail("bert", "object_modified added_members", &changes);
    assert!(mail.text.starts_with("Hello Bert"), "{}", mail.text);
    assert!(mail.text.contains("You were added to Finance"), "{}", mail.text);
    assert!(!mail.text.contains("Your entry was changed"), "{}", mail.text);
}
