//! Groups as owners, managers, members, and what becomes of their people.

use super::check;

#[test]
fn m12_a_group_that_is_not_to_be_notified_is_not_opened() {
    check("owner", "attributes-changed hushed", &["- hush: owner, do-not-notify"]);
    check(
        "owner",
        "attributes-changed layers",
        &["gina: owner via layered", "- hush: owner via layered, do-not-notify"],
    );
    check("object_modified", "attributes-changed hush", &["- hush: object_modified, do-not-notify"]);
    check("added_members", "member-added finance hush", &["- hush: added_members, do-not-notify"]);
}

#[test]
fn m10_managers_and_modified_groups_are_expanded_likewise() {
    check(
        "manager",
        "attributes-changed vera",
        &[
            "mailing: manager in place of members, nobody-to-tell",
            "gina: manager",
            "- eve: manager via mailing, disabled",
            "- frank: manager via mailing, no-address",
        ],
    );
    check(
        "manager",
        "attributes-changed twin",
        &[
            "Dora: manager via board",
            "gina: manager via board",
            "bert: manager via board",
            "- eve: manager via board, disabled",
        ],
    );
    check("manager limit=3", "attributes-changed twin", &["- board: manager, over-limit"]);
    check(
        "object_modified",
        "attributes-changed board",
        &[
            "Dora: object_modified via board",
            "gina: object_modified via board",
            "bert: object_modified via board",
            "- eve: object_modified via board, disabled",
        ],
    );
    check(
        "object_modified",
        "attributes-changed round",
        &["anna: object_modified via round", "bert: object_modified via round"],
    );
    check(
        "object_modified limit=3",
        "attributes-changed crowd",
        &["crowd: object_modified in place of members, over-limit"],
    );
    check("object_modified limit=3", "attributes-changed silent", &["- silent: object_modified, over-limit"]);
    check("object_modified limit=3", "object-deleted crowd", &["- crowd: object_modified, over-limit"]);
    check("object_modified", "attributes-changed hollow", &["- hollow: object_modified, nobody-to-tell"]);
}

#[test]
fn m10_an_owner_group_with_somebody_already_told_adds_no_mail() {
    check(
        "owner object_modified",
        "owner-added audited gina",
        &[
            "gina: owner via auditors, owner",
            "bert: owner via auditors",
            "- eve: owner via auditors, disabled",
            "- audited: object_modified, nobody-to-tell",
        ],
    );
}

#[test]
fn a_group_that_acts_is_not_everybody_in_it() {
    check("logged_in_users", "object-created anna by=finance", &["- finance: logged_in_users, no-address"]);
    check("logged_in_users", "object-created anna by=crowd", &["crowd: logged_in_users"]);
}

#[test]
fn m10_an_owner_that_is_a_group_is_its_people() {
    check(
        "owner",
        "member-added audited anna",
        &["gina: owner via auditors", "bert: owner via auditors", "- eve: owner via auditors, disabled"],
    );
}

#[test]
fn m10_nested_groups_are_expanded_each_person_once() {
    check(
        "owner",
        "member-added governed anna",
        &[
            "Dora: owner via board",
            "gina: owner via board, owner",
            "bert: owner via board",
            "- eve: owner via board, disabled",
        ],
    );
}

#[test]
fn m10_cycles_are_harmless() {
    check("owner", "member-added circled gina", &["anna: owner via round", "bert: owner via round"]);
}

#[test]
fn m10_an_empty_group_is_recorded() {
    check("owner", "member-added unowned anna", &["- hollow: owner, nobody-to-tell"]);
}

#[test]
fn m10_a_group_of_nobody_who_can_be_told_is_written_to_at_its_own_address() {
    check(
        "owner",
        "member-added mailed anna",
        &[
            "mailing: owner in place of members, nobody-to-tell",
            "- eve: owner via mailing, disabled",
            "- frank: owner via mailing, no-address",
        ],
    );
    check(
        "owner",
        "member-added muted anna",
        &[
            "- eve: owner via mute, disabled",
            "- frank: owner via mute, no-address",
            "- mute: owner, nobody-to-tell",
        ],
    );
}

#[test]
fn m10_a_group_over_the_limit_is_written_to_at_its_own_address_or_not_at_all() {
    check("owner limit=3", "member-added crowded gina", &["crowd: owner in place of members, over-limit"]);
    check("owner limit=3", "member-added silenced gina", &["- silent: owner, over-limit"]);
    check(
        "owner limit=4",
        "member-added silenced gina",
        &[
            "anna: owner via silent",
            "bert: owner via silent",
            "carla: owner via silent",
            "Dora: owner via silent",
        ],
    );
    check(
        "owner limit=3 domains=elsewhere.example",
        "member-added crowded gina",
        &["- crowd: owner, over-limit"],
    );
}

#[test]
fn m10_the_limit_counts_people_of_nested_groups_too() {
    check("owner limit=3", "member-added governed anna", &["gina: owner", "- board: owner, over-limit"]);
}

#[test]
fn a_group_that_becomes_a_member_tells_its_people() {
    check(
        "added_members",
        "member-added finance auditors",
        &[
            "gina: added_members via auditors",
            "bert: added_members via auditors",
            "- eve: added_members via auditors, disabled",
        ],
    );
}

#[test]
fn the_last_members_of_a_deleted_group_are_limited_like_any_group() {
    check(
        "removed_members",
        "object-deleted holding",
        &[
            "gina: removed_members via auditors",
            "bert: removed_members via auditors",
            "anna: removed_members",
            "- eve: removed_members via auditors, disabled",
        ],
    );
    check("removed_members limit=3", "object-deleted holding", &["- holding: removed_members, over-limit"]);
    check("removed_members limit=3", "object-deleted silent", &["- silent: removed_members, over-limit"]);
}
