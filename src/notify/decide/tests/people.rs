//! Who can be told, and at which address.

use super::{check, shown};
use crate::notify::{
    company::{Company, options},
    decide::decide,
};

#[test]
fn a_changed_address_is_told_where_it_was_and_where_it_is() {
    check(
        "object_modified",
        "mail-changed mia mia@old.example; attributes-changed mia",
        &["mia@new.example [1, 2]: object_modified", "mia@old.example [1]: object_modified"],
    );
    // Whatever the reason, and at the new address alone where the change is somebody else's.
    check(
        "logged_in_users manager object_modified",
        "mail-changed lars lars@old.example by=lars",
        &[
            "lars: logged_in_users, object_modified",
            "lars@old.example: logged_in_users, object_modified",
            "carla: manager",
        ],
    );
    check("manager", "mail-changed lars lars@old.example", &["carla: manager"]);
    check("object_modified", "mail-changed lars -", &["lars: object_modified"]);
    check("object_modified", "mail-changed lars LARS@acme.example", &["lars: object_modified"]);
    check(
        "object_modified",
        "mail-changed lars lars@acme.example,second@acme.example",
        &["lars: object_modified"],
    );
    check("object_modified", "mail-changed lars no_address", &["lars: object_modified"]);
    check("object_modified", "attributes-changed lars", &["lars: object_modified"]);
    // Who has none any more reads it at the old one.
    check(
        "object_modified",
        "mail-changed nils nils@old.example",
        &["nils@old.example: object_modified", "- nils: object_modified, no-address"],
    );
    check(
        "object_modified domains=acme.example",
        "mail-changed mia mia@old.example",
        &["- mia: object_modified, domain-not-allowed"],
    );
    check(
        "object_modified domains=old.example",
        "mail-changed mia mia@old.example",
        &["mia@old.example: object_modified", "- mia: object_modified, domain-not-allowed"],
    );
    // But nobody who is not written to at all.
    check(
        "object_modified",
        "mail-changed petra p@old.example; mail-changed rosa r@old.example; mail-changed otto o@old.example; \
         mail-changed eve e@old.example",
        &[
            "- petra [1]: object_modified, do-not-notify",
            "- rosa [2]: object_modified, not-in-pilot",
            "- otto [3]: object_modified, expired",
            "- eve [4]: object_modified, disabled",
        ],
    );
    // A group that is written to itself is told like anybody; one that stands for its people is not.
    check(
        "object_modified",
        "mail-changed mailing former@acme.example; mail-changed finance former@acme.example",
        &[
            "mailing [1]: object_modified in place of members, nobody-to-tell",
            "former [1]: object_modified in place of members, nobody-to-tell",
            "anna [2]: object_modified via finance",
            "bert [2]: object_modified via finance",
            "- eve [1]: object_modified via mailing, disabled",
            "- frank [1]: object_modified via mailing, no-address",
        ],
    );
    check(
        "object_modified",
        "mail-changed mute former@acme.example",
        &[
            "former: object_modified in place of members, nobody-to-tell",
            "- eve: object_modified via mute, disabled",
            "- frank: object_modified via mute, no-address",
            "- mute: object_modified, nobody-to-tell",
        ],
    );
    // The old address is somebody else's who is told too: one mail.
    check(
        "object_modified manager",
        "mail-changed lars carla@acme.example",
        &["carla: manager, object_modified", "lars: object_modified"],
    );
}

#[test]
fn a_changed_address_is_that_of_the_first_attribute_that_has_one() {
    let company = Company::new(
        "user lea  mail=lea@acme.example other-mail=lea@private.example
         user leo  mail=- other-mail=leo@private.example",
    );
    let check = |changes: &str, expect: &[&str]| {
        let set = company.change_set(0, changes);
        let decision = decide(&set, &options("object_modified"), &company).unwrap();
        assert_eq!(shown(&set, &decision), expect, "{changes}");
    };
    check("other-mail-changed lea old@private.example", &["lea: object_modified"]);
    check("mail-changed lea old@acme.example", &["lea: object_modified", "old: object_modified"]);
    check("mail-changed lea -", &["lea: object_modified", "lea@private.example: object_modified"]);
    check(
        "mail-changed leo leo@acme.example",
        &["leo@private.example: object_modified", "leo: object_modified"],
    );
    check("other-mail-changed leo -", &["leo@private.example: object_modified"]);
}

#[test]
fn m12_who_is_not_to_be_notified_is_told_where_the_list_says_so() {
    check("added_members", "member-added finance petra", &["- petra: added_members, do-not-notify"]);
    check(
        "added_members to=petra@acme.example",
        "member-added finance petra",
        &["petra (To): recipients", "- petra: added_members, do-not-notify"],
    );
    // Neither the pilot, nor the domains, nor a disabled account concerns the list.
    check(
        "added_members domains=elsewhere.example to=rosa@acme.example cc=eve@acme.example",
        "member-added finance rosa; member-added finance eve",
        &[
            "rosa (To) [1, 2]: recipients",
            "eve (Cc) [1, 2]: recipients",
            "- rosa [1]: added_members, not-in-pilot",
            "- eve [2]: added_members, disabled",
        ],
    );
}

#[test]
fn outside_the_pilot_a_person_or_a_groups_own_address_is_not_told() {
    check(
        "owner",
        "attributes-changed piloted",
        &[
            "insiders: owner in place of members, nobody-to-tell",
            "anna: owner",
            "- rosa: owner via outsiders, not-in-pilot",
            "- outsiders: owner, nobody-to-tell",
            "- rosa: owner via insiders, not-in-pilot",
            "- rosa: owner, not-in-pilot",
        ],
    );
    check(
        "owner",
        "attributes-changed spilling",
        &["anna: owner via spilled", "- rosa: owner via spilled, not-in-pilot"],
    );
}

#[test]
fn m08_international_addresses() {
    check("added_members", "member-added finance jürgen", &["jürgen@xn--bcher-kva.example: added_members"]);
    check(
        "added_members domains=xn--bcher-kva.example",
        "member-added finance jürgen",
        &["jürgen@xn--bcher-kva.example: added_members"],
    );
}

#[test]
fn m09_expired_people_are_not_written_to() {
    check("added_members", "member-added finance otto", &["- otto: added_members, expired"]);
    check("added_members disabled-too", "member-added finance otto", &["otto: added_members"]);
    let mut company = Company::new("user otto\n group finance");
    let set = company.change_set(0, "member-added finance otto");
    for (seconds, told) in [(0, false), (1, true)] {
        let expires = set.events[0].seen + jiff::SignedDuration::from_secs(seconds);
        company.expire("otto", expires);
        let decision = decide(&set, &options("added_members"), &company).unwrap();
        assert_eq!(!decision.notifications.is_empty(), told, "{seconds} s after the change");
    }
}

#[test]
fn m08_addresses_that_are_missing_or_not_allowed_are_recorded() {
    check(
        "owner domains=acme.example",
        "member-added odd bert",
        &[
            "- eve: owner, disabled",
            "- frank: owner, no-address",
            "- hugo: owner, domain-not-allowed",
            "- quit: owner, deleted",
            "- ghost: owner, out-of-scope",
        ],
    );
    check("owner domains=acme.example", "member-added controlling bert", &["carla: owner", "Dora: owner"]);
}

#[test]
fn m08_of_several_addresses_the_first_as_read() {
    let company = Company::new(
        "user bert mail=bert@acme.example,other@acme.example
         user lena mail=nonsense,lena@acme.example
         group finance",
    );
    let set = company.change_set(0, "member-added finance bert; member-added finance lena");
    let decision = decide(&set, &options("added_members"), &company).unwrap();
    assert_eq!(
        shown(&set, &decision),
        ["bert [1]: added_members", "- lena [2]: added_members, invalid-address"],
    );
}

#[test]
fn m09_disabled_and_deleted_people_are_not_written_to() {
    check(
        "added_members removed_members",
        "member-added finance eve; member-removed finance quit because-deleted",
        &["- eve [1]: added_members, disabled", "- quit [2]: removed_members, deleted"],
    );
    check("added_members disabled-too", "member-added finance eve", &["eve: added_members"]);
}

#[test]
fn m05_an_address_is_one_recipient_in_whatever_case_it_is_written() {
    let company = Company::new(
        "user anna mail=ΝΙΚΟΣ@acme.example\nuser bert mail=νικοσ@acme.example\ngroup sales owners=anna,bert",
    );
    let set = company.change_set(0, "object-created sales");
    let decision = decide(&set, &options("owner"), &company).unwrap();
    assert_eq!(shown(&set, &decision), ["ΝΙΚΟΣ: owner, owner"]);
}
