//! Every list of a mail ends in a count where it is cut.

use super::*;
use crate::{
    change::{
        event::AttributeChange,
        resolve::{Identity, identity},
    },
    directory::attribute::AttributeName,
    notify::{notification::Via, reason::Reason},
};

fn numbered(beginning: &str, count: usize, separator: &str) -> String {
    (0..count).map(|n| format!("{beginning}{n}")).collect::<Vec<_>>().join(separator)
}

/// Finance with so many members and owners, beside carla.
fn crowd(members: usize, owners: usize) -> Company {
    let members = numbered("p", members, ",");
    let owners =
        (0..owners).map(|n| format!("p{n}")).chain(["carla".to_owned()]).collect::<Vec<_>>().join(",");
    Company::new(&format!(
        "{}\n user carla\n group finance name=Finance owners={owners} members={members}",
        numbered("user p", 60, "\n")
    ))
}

#[track_caller]
fn assert_says(mail: &Rendered, words: &str) {
    for text in [&mail.text, &mail.html] {
        let flowing = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flowing.contains(words), "{words}: {text}");
    }
}

#[test]
fn the_last_members_of_a_group() {
    let deleted = |count| mail_in(&crowd(count, 0), "carla", "owner", &["object-deleted finance"]);
    assert_says(&deleted(57), "and 37 more");
    assert_eq!(deleted(57).text.matches("uid=p").count(), 20);
    assert!(!deleted(20).text.contains(" more"), "{}", deleted(20).text);
    let receipt = mail_in(&crowd(57, 0), "carla", "logged_in_users", &["object-deleted finance by=carla"]);
    assert_says(&receipt, "and 37 more");
}

#[test]
fn the_owners_of_a_new_group() {
    let company = crowd(0, 22);
    assert_says(&mail_in(&company, "carla", "owner", &["object-created finance"]), "and 3 more");
    let digest = mail_in(&company, "carla", "owner", &["object-created finance; attributes-changed finance"]);
    assert_says(&digest, "; and 3 more");
}

/// The mail to carla of one change, and of a digest with it, after `edit`.
fn edited(change: &str, edit: impl Fn(&mut Change)) -> [Rendered; 2] {
    let company = crowd(1, 0);
    [&[change][..], &[change, "attributes-changed p1"]].map(|changes| {
        let (_, mut notices) = notices(&company, "carla", "all-changes to=carla@acme.example", changes);
        notices
            .iter_mut()
            .take(1)
            .flat_map(|notice| &mut notice.events)
            .for_each(|event| edit(&mut event.change));
        render(&content(&notices)).unwrap()
    })
}

#[test]
fn the_groups_of_a_deleted_user() {
    let mails = edited("object-deleted p0", |change| {
        let Change::ObjectDeleted { last_groups, .. } = change else { return };
        let group = crowd(0, 0).entry("finance");
        *last_groups = vec![group; 21];
    });
    for mail in &mails {
        assert_says(mail, "and 1 more");
    }
}

#[test]
fn the_attributes_and_the_values_of_one() {
    let attribute = |n: usize, values: usize| AttributeChange {
        name: AttributeName::new(&format!("attribute{n}")),
        old: (0..values).map(|value| format!("old{value}")).collect(),
        new: vec!["x".repeat(301)],
    };
    let several = |count: usize, values: usize| {
        edited("attributes-changed p0", move |change| {
            *change =
                Change::AttributesChanged { attributes: (0..count).map(|n| attribute(n, values)).collect() };
        })
    };
    let [single, digest] = several(25, 12);
    assert_eq!(single.subject, "25 attributes of p0 changed");
    assert_says(&single, "and 5 more");
    assert_says(&digest, "and 5 more attributes");
    assert_says(&several(21, 1)[1], "and 1 more attribute");
    for mail in [single, digest] {
        assert_says(&mail, "old9; and 2 more");
        assert_says(&mail, "… (1 more character)");
        assert!(!mail.text.contains("old10"), "{}", mail.text);
    }
}

#[test]
fn the_changes_of_one_entry() {
    let added = |count| {
        let changes = (0..count).map(|n| format!("member-added finance p{n}")).collect::<Vec<_>>().join(";");
        mail_in(&crowd(0, 0), "carla", "owner", &[&changes])
    };
    assert_eq!(added(57).subject, "57 changes to Finance");
    assert_says(&added(57), "and 32 more changes to Finance");
    assert_says(&added(26), "and 1 more change to Finance");
    assert!(!added(25).text.contains(" more "), "{}", added(25).text);
}

#[test]
fn the_entries_of_a_digest() {
    let created = |count| {
        let changes = (0..count).map(|n| format!("object-created p{n}")).collect::<Vec<_>>().join(";");
        mail_in(&crowd(0, 0), "audit", "all-changes to=audit@acme.example", &[&changes])
    };
    assert_eq!(created(57).subject, "57 changes in 57 users");
    assert_says(&created(57), "And 32 more changes in 32 more entries.");
    assert_says(&created(26), "And 1 more change in 1 more entry.");
    assert!(!created(25).text.contains(" more "), "{}", created(25).text);
}

#[test]
fn other_members_are_one_line_whatever_their_number() {
    let company = crowd(60, 0);
    let added =
        |count| (0..count).map(|n| format!("member-added finance p{n}")).collect::<Vec<_>>().join(";");
    let only = mail_in(&company, "p59", "object_modified", &[&added(12)]);
    assert_eq!(only.subject, "12 members were added to Finance");
    let over = format!("{};{}", added(40), "member-added finance p59; attributes-changed finance");
    let digest = mail_in(&company, "p59", "object_modified", &[&over]);
    assert_eq!(digest.subject, "42 changes to Finance");
    assert_says(&digest, "40 other members were added to Finance");
    assert_says(&digest, "You were added to Finance");
    assert!(!digest.text.contains(" more "), "{}", digest.text);
}

#[test]
fn what_is_cut_of_a_digest_counts_each_other_member() {
    let company = crowd(60, 0);
    let mut changes = vec!["attributes-changed finance"; 25];
    changes.push("member-removed finance p0; member-removed finance p1; object-renamed finance");
    let digest = mail_in(&company, "p59", "object_modified", &changes);
    assert_eq!(digest.subject, "28 changes to Finance");
    assert_says(&digest, "and 3 more changes to Finance");
}

#[test]
fn the_entries_of_a_reason() {
    let groups =
        (0..7).map(|n| format!("group g{n} owners=carla members=bert")).collect::<Vec<_>>().join("\n");
    let company = Company::new(&format!("user carla\n user bert\n{groups}"));
    let changes = (0..7).map(|n| format!("attributes-changed g{n}")).collect::<Vec<_>>();
    let first = |count: usize, reader, ticked| {
        mail_in(
            &company,
            reader,
            ticked,
            &[&changes.iter().take(count).cloned().collect::<Vec<_>>().join(";")],
        )
    };
    assert_says(&first(7, "carla", "owner"), "because you own g0, g1, g2, g3 and 3 more.");
    assert_says(&first(4, "carla", "owner"), "because you own g0, g1, g2 and g3.");
    assert_says(&first(2, "bert", "object_modified"), "because you belong to g0 and g1.");
}

#[test]
fn the_reasons_of_a_mail() {
    let company = Company::new("user carla\n group finance owners=carla");
    let (_, mut notices) = notices(&company, "carla", "owner", &["attributes-changed finance"]);
    let mut with = |count: usize| {
        let Notification { grounds, .. } = &mut notices[0].notification;
        let [ground] = &grounds[..1] else { panic!() };
        let mut group = company.entry("finance");
        let further = (1..count).map(|n| {
            group.name = format!("Group {n}");
            Ground { reason: Reason::Manager, via: Via::Group(group.clone()), ..ground.clone() }
        });
        *grounds = [ground.clone()].into_iter().chain(further.collect::<Vec<_>>()).collect();
        render(&content(&notices)).unwrap()
    };
    let ten = with(10);
    assert_eq!(ten.text.matches("You get this mail because").count(), 10, "{}", ten.text);
    assert!(!ten.text.contains(" more "), "{}", ten.text);
    assert_says(&with(11), "There is 1 more reason of the same kinds.");
    assert_says(&with(13), "There are 3 more reasons of the same kinds.");
}

#[test]
fn what_is_beyond_the_events_that_a_mail_carries_is_counted() {
    let company = crowd(1, 0);
    let changes = ["attributes-changed p0", "attributes-changed p1"];
    let (_, notices) = notices(&company, "carla", "all-changes to=carla@acme.example", &changes);
    let events: Vec<ChangeEvent> = notices.iter().flat_map(|notice| notice.events.clone()).collect();
    let beyond = |entries: &[(Identity, u64)]| Beyond {
        entries: entries.iter().copied().collect(),
        reasons: BTreeSet::new(),
        events: vec![events[0].id],
    };
    let (known, unknown) = (identity(&events[0].entry), Identity::Name(7));
    let mail = |notices: &[Notice], beyond: Beyond| {
        render(&MailContent { beyond: &beyond, ..content(notices) }).unwrap()
    };
    let both = mail(&notices, beyond(&[(known, 30), (unknown, 4)]));
    assert_says(&both, "There are 36 changes in 3 entries to tell you of");
    assert_says(&both, "and 30 more changes to p0");
    assert_says(&both, "And 4 more changes in 1 more entry");
    // Not the mail of a single change.
    let one = mail(&notices[..1], beyond(&[(known, 99_999)]));
    assert_eq!(one.subject, "100000 changes to p0");
    assert_says(&one, "and 99999 more changes to p0");
}
