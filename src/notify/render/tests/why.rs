//! Why the reader gets a mail: each reason in a sentence that is true and a sentence.

use super::*;

/// The sentences at the foot of the mail, in order, without "You get this mail because ".
#[track_caller]
fn check(reader: &str, ticked: &str, changes: &[&str], expect: &[&str]) {
    let company = Company::new(COMPANY);
    let (_, notices) = notices(&company, reader, ticked, changes);
    let why = Page::of(&content(&notices)).unwrap().why;
    let why: Vec<_> =
        why.iter().map(|why| why.strip_prefix("You get this mail because ").unwrap_or(why)).collect();
    assert_eq!(why, expect, "{ticked}: {changes:?}");
}

#[test]
fn one_reason() {
    check(
        "dora.evans",
        "logged_in_users",
        &["object-deleted finance by=dora"],
        &["you made the change to Finance."],
    );
    check("bert", "added_members", &["member-added finance bert"], &["you were added to Finance."]);
    check("bert", "removed_members", &["member-removed finance bert"], &["you were removed from Finance."]);
    check("carla", "owner", &["member-removed finance bert"], &["you own Finance."]);
    check(
        "carla",
        "public_group_owner",
        &["member-removed open bert"],
        &["you own Open House, a public group."],
    );
    check("carla", "manager", &["attributes-changed bert"], &["you manage Bert Cole."]);
    check("bert", "object_modified", &["attributes-changed bert"], &["your own entry was changed."]);
    check("bert", "object_modified", &["attributes-changed finance"], &["you belong to Finance."]);
    check(
        "audit",
        "all-changes to=audit@acme.example",
        &["attributes-changed finance"],
        &["this address is listed to receive copies of what dirherald reports about acme."],
    );
}

#[test]
fn what_is_true_no_longer_is_past() {
    check("carla", "owner", &["owner-removed finance carla"], &["you owned Finance until now."]);
    check("carla", "owner", &["object-deleted finance"], &["you owned Finance until now."]);
    check(
        "carla",
        "owner",
        &["owner-removed finance carla", "owner-added finance carla"],
        &["you own Finance."],
    );
    check("carla", "owner", &["object-deleted finance", "object-created finance"], &["you own Finance."]);
    check(
        "carla",
        "public_group_owner",
        &["member-added open anna", "object-deleted open"],
        &["you own Open House, a public group."],
    );
    check(
        "carla",
        "owner public_group_owner",
        &["member-added open anna; owner-removed open carla"],
        &["you owned Open House until now.", "you owned Open House, a public group, until now."],
    );
    check("carla", "manager", &["manager-removed bert carla"], &["you managed Bert Cole until now."]);
    check("carla", "manager", &["object-deleted bert"], &["you managed Bert Cole until now."]);
    check(
        "carla",
        "manager",
        &["manager-removed bert carla; manager-added bert carla"],
        &["you manage Bert Cole."],
    );
    check("bert", "object_modified", &["object-deleted finance"], &["you belonged to Finance until now."]);
    check(
        "bert",
        "object_modified removed_members",
        &["object-deleted finance"],
        &["you belonged to Finance until now."],
    );
}

#[test]
fn several_entries_share_a_sentence() {
    check(
        "carla",
        "owner",
        &["attributes-changed finance; attributes-changed open"],
        &["you own Finance and Open House."],
    );
    check(
        "carla",
        "public_group_owner",
        &["member-added open anna; member-added open dora"],
        &["you own Open House, a public group."],
    );
    check(
        "bert",
        "object_modified",
        &["attributes-changed finance", "attributes-changed open"],
        &["you belong to Finance and Open House."],
    );
    check(
        "dora.evans",
        "logged_in_users",
        &["attributes-changed bert by=dora; object-renamed bert by=dora"],
        &["you made the changes to Bert Cole."],
    );
    check("carla", "owner", &["attributes-changed finance", "object-renamed finance"], &["you own Finance."]);
}

#[test]
fn through_a_group() {
    check(
        "bert",
        "owner",
        &["attributes-changed ledger"],
        &["Controllers, a group you belong to, owns Ledger."],
    );
    check(
        "bert",
        "owner",
        &["object-deleted ledger"],
        &["Controllers, a group you belong to, owned Ledger until now."],
    );
    check(
        "bert",
        "manager",
        &["attributes-changed ken"],
        &["Controllers, a group you belong to, manages Ken Frost."],
    );
    check(
        "bert",
        "added_members removed_members",
        &["member-added finance controllers; member-removed open controllers"],
        &[
            "Controllers, a group you belong to, was added to Finance.",
            "Controllers, a group you belong to, was removed from Open House.",
        ],
    );
    check(
        "bert",
        "removed_members",
        &["object-deleted ledger"],
        &["Controllers, a group you belong to, belonged to Ledger until now."],
    );
    // Who belongs to a member of a group belongs to the group.
    check("bert", "object_modified", &["attributes-changed ledger"], &["you belong to Ledger."]);
    // Who owns a group directly need not read that they own it through a group as well.
    check("bert", "owner", &["owner-added ledger bert"], &["you own Ledger."]);
}

#[test]
fn in_place_of_members() {
    check(
        "club",
        "owner limit=0",
        &["attributes-changed vault"],
        &[
            "this is the mail address of Silent Club, a group that owns Vault. Its members are not written to one \
         by one: there are more of them than the configured limit.",
        ],
    );
    check(
        "club",
        "object_modified limit=0",
        &["attributes-changed silent"],
        &[
            "this is the mail address of Silent Club. Its members are not written to one by one: there are more \
         of them than the configured limit.",
        ],
    );
    check(
        "club",
        "added_members limit=0",
        &["member-added finance silent"],
        &["this is the mail address of Silent Club, a group that was added to Finance. Its members are not \
         written to one by one: there are more of them than the configured limit."],
    );
}

#[test]
fn another_person_with_the_same_address() {
    check(
        "carla",
        "owner",
        &["attributes-changed finance; attributes-changed ledger"],
        &["you own Finance.", "Sam Else, who has the same mail address as you, owns Ledger."],
    );
    check(
        "carla",
        "owner object_modified",
        &["attributes-changed open", "attributes-changed same"],
        &[
            "the entry of Sam Else, who has the same mail address as you, was changed.",
            "Sam Else, who has the same mail address as you, belongs to Open House.",
            "you own Open House.",
        ],
    );
}

#[test]
fn all_reasons_are_said_in_the_order_of_their_names() {
    check(
        "carla",
        "logged_in_users owner added_members object_modified public_group_owner to=carla@acme.example",
        &["member-added open carla by=carla"],
        &[
            "you were added to Open House.",
            "you made the change to Open House.",
            "Sam Else, who has the same mail address as you, belongs to Open House.",
            "you own Open House.",
            "you own Open House, a public group.",
            "this address is listed to receive copies of what dirherald reports about acme.",
        ],
    );
}

#[test]
fn an_address_that_was_the_readers() {
    let change = ["mail-changed dora dora@acme.example"];
    let own = "your own entry was changed.";
    check(
        "dora",
        "object_modified",
        &change,
        &[own, "It comes to dora@acme.example as well, because that was your address until this change."],
    );
    check("dora.evans", "object_modified", &change, &[own]);
    // However the directory writes it.
    check(
        "dora",
        "object_modified",
        &["mail-changed dora \"dora\"@acme.example"],
        &[own, "It comes to dora@acme.example as well, because that was your address until this change."],
    );
    // Somebody else's address of that kind is nothing to the manager.
    check("carla", "manager", &["mail-changed bert carla@acme.example"], &["you manage Bert Cole."]);
}
