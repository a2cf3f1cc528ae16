//! More has happened to a group by the time somebody decides about what happened to it first.

use super::*;
use crate::{
    change::event::Change,
    directory::{
        entry::EntryId,
        mirror::{MirroredAttributes, People, Profile},
    },
    notify::hindsight::Hindsight,
};

/// What `changes` in the company tell whom after `later` has happened too, one change set for each `|`. The
/// company is as the last of these left it.
#[track_caller]
fn check(company: &str, ticked: &str, changes: &str, later: &str, expect: &[&str]) {
    let company = Company::new(company).after(later);
    let set = company.change_set(0, changes);
    let decision = decide(&set, &options(ticked), &company).unwrap();
    assert_eq!(shown(&set, &decision), expect, "{ticked}: {changes} | {later}");
}

const PEOPLE: &str = "
    user anna
    user bert
    user carla
    user dora
    user quit   gone
    user ghost  never-read
    group inner members=dora
";

#[track_caller]
fn check_group(group: &str, ticked: &str, changes: &str, later: &str, expect: &[&str]) {
    check(&format!("{PEOPLE}\ngroup {group}"), ticked, changes, later, expect);
}

#[test]
fn who_came_or_went_since_is_not_told_or_is() {
    let added = "member-added g bert";
    let both = ["bert: object_modified via g", "anna: object_modified via g"];
    check_group("g members=bert", "object_modified", added, "member-removed g anna", &both);
    check_group(
        "g members=bert,carla",
        "object_modified",
        added,
        "member-removed g anna | member-added g carla",
        &both,
    );
    check_group(
        "g members=bert,carla",
        "object_modified",
        added,
        "member-added g carla; member-removed g anna",
        &both,
    );
    // What happened to other groups since, and what else to this one, changes nothing.
    check_group(
        "g members=bert,anna owners=carla",
        "object_modified",
        added,
        "member-removed inner anna | owner-added g carla | object-renamed g | attributes-changed g",
        &both,
    );
}

#[test]
fn of_a_member_that_came_and_went_the_first_turn_counts() {
    let added = "member-added g bert";
    check_group(
        "g members=bert,anna",
        "object_modified",
        added,
        "member-removed g anna | member-added g anna | member-added g carla | member-removed g carla",
        &["bert: object_modified via g", "anna: object_modified via g"],
    );
    check_group(
        "g members=bert,carla",
        "object_modified",
        added,
        "member-added g carla | member-removed g carla | member-added g carla",
        &["bert: object_modified via g"],
    );
}

#[test]
fn a_deleted_group_has_its_members_once_more() {
    let added = "member-added g bert";
    check_group(
        "g members=bert,anna gone",
        "object_modified removed_members",
        added,
        "object-deleted g",
        &["bert: object_modified via g", "anna: object_modified via g"],
    );
    check_group(
        "g members=bert,carla gone",
        "object_modified",
        added,
        "member-removed g anna | member-added g carla | object-deleted g",
        &["bert: object_modified via g", "anna: object_modified via g"],
    );
    // It came back under its old id with others in it.
    check_group(
        "g members=bert",
        "object_modified",
        added,
        "object-deleted g | object-created g; member-added g anna; member-removed g carla",
        &["bert: object_modified via g"],
    );
    // Without an end that was seen nobody knows who was in it.
    check_group("g members=bert gone", "object_modified", added, "", &["- g: object_modified, deleted"]);
    check_group(
        "g members=bert gone",
        "object_modified",
        added,
        "member-removed g anna",
        &["- g: object_modified, deleted"],
    );
}

#[test]
fn the_address_of_a_group_that_is_gone_is_not_written_to() {
    let (added, gone) = ("member-added g bert", "object-deleted g");
    let over = ["- g: object_modified, over-limit"];
    check_group(
        "g members=bert,anna mail=g@acme.example gone",
        "object_modified limit=1",
        added,
        gone,
        &over,
    );
    check_group(
        "g members=quit mail=g@acme.example gone",
        "object_modified",
        added,
        gone,
        &["- quit: object_modified via g, deleted", "- g: object_modified, nobody-to-tell"],
    );
    check_group(
        "g members=bert,anna mail=g@acme.example",
        "object_modified limit=1",
        added,
        "attributes-changed g | member-added g carla",
        &["g: object_modified in place of members, over-limit"],
    );
}

#[test]
fn the_limit_is_that_of_the_members_of_then() {
    let added = "member-added g bert";
    let told = ["bert: object_modified via g", "anna: object_modified via g"];
    let over = ["- g: object_modified, over-limit"];
    let check = |group: &str, later: &str, expect: &[&str]| {
        check_group(group, "object_modified limit=2", added, later, expect);
    };
    check("g members=bert,anna,carla,dora", "member-added g carla; member-added g dora", &told);
    check("g members=carla,dora,bert,anna", "member-added g carla | member-added g dora", &told);
    check("g members=bert,anna,carla,dora", "member-added g dora", &over);
    check("g members=bert", "member-removed g anna", &told);
    check("g members=bert", "member-removed g anna | member-removed g carla", &over);
    check("g members=bert,anna,carla gone", "member-added g carla | object-deleted g", &told);
    check("g members=bert gone", "member-removed g anna; member-removed g carla | object-deleted g", &over);
}

#[test]
fn who_was_deleted_since_is_named_and_not_written_to() {
    check_group(
        "g members=bert",
        "object_modified",
        "member-added g bert",
        "object-deleted quit; member-removed g quit because-deleted",
        &["bert: object_modified via g", "- quit: object_modified via g, deleted"],
    );
    check_group(
        "g members=bert",
        "object_modified",
        "member-added g bert",
        "member-removed g ghost",
        &["bert: object_modified via g", "- ghost: object_modified via g, out-of-scope"],
    );
}

#[test]
fn groups_within_the_group_are_opened_as_they_are_now() {
    check_group(
        "g members=bert",
        "object_modified",
        "member-added g bert",
        "member-removed g inner | member-removed inner anna",
        &["bert: object_modified via g", "dora: object_modified via g"],
    );
}

#[test]
fn only_for_its_own_changes_is_a_group_what_it_was() {
    // Owners are those of now, groups too.
    check_group(
        "g members=bert owners=inner",
        "owner",
        "member-added g bert",
        "member-removed inner anna",
        &["dora: owner via inner"],
    );
    // Two groups in one change set, each with what happened to it.
    check_group(
        "g members=bert",
        "object_modified",
        "member-removed g quit; member-removed inner quit; member-removed g ghost",
        "member-removed g anna | member-added inner dora | member-removed inner carla",
        &[
            "bert [1, 3]: object_modified via g",
            "anna [1, 3]: object_modified via g",
            "carla [2]: object_modified via inner",
        ],
    );
}

#[test]
fn the_deletion_itself_tells_the_members_it_carries() {
    check_group(
        "g members=bert,anna gone",
        "object_modified removed_members",
        "object-deleted g",
        "object-created g; member-added g carla",
        &["bert: object_modified, removed_members", "anna: object_modified, removed_members"],
    );
}

#[test]
fn a_deleted_group_that_is_not_to_be_notified_is_not_opened() {
    let every = "object_modified removed_members";
    check_group(
        "g members=bert,anna do-not-notify gone",
        every,
        "object-deleted g",
        "",
        &["- g: object_modified, do-not-notify", "- g: removed_members, do-not-notify"],
    );
    check_group(
        "g members=bert do-not-notify gone",
        every,
        "member-added g bert; member-removed g anna",
        "object-deleted g",
        &["anna [2]: removed_members", "- g [1, 2]: object_modified, do-not-notify"],
    );
    // Of one that is still there the mirror says it.
    check_group(
        "g members=bert do-not-notify",
        every,
        "member-added g bert",
        "member-removed g anna",
        &["- g: object_modified, do-not-notify"],
    );
}

/// Counts who asks what happened since.
struct Asked<'a>(&'a Company, std::cell::Cell<usize>);

impl People for Asked<'_> {
    type Error = std::convert::Infallible;

    fn profile(&self, id: EntryId) -> Result<Option<Profile>, Self::Error> {
        self.0.profile(id)
    }

    fn members(&self, group: EntryId, limit: usize) -> Result<Vec<EntryRef>, Self::Error> {
        self.0.members(group, limit)
    }

    fn mail(&self, attributes: &MirroredAttributes) -> Vec<String> {
        self.0.mail(attributes)
    }
}

impl Hindsight for Asked<'_> {
    fn members_since(&self, group: EntryId, set: ChangeSetId) -> Result<Vec<Change>, Self::Error> {
        self.1.set(self.1.get() + 1);
        self.0.members_since(group, set)
    }
}

#[test]
fn what_happened_since_is_asked_once_for_a_group_and_only_to_tell_its_members() {
    let check = |ticked: &str, changes: &str, expected: usize| {
        let company = Company::new(COMPANY).after("member-removed finance gina");
        let asked = Asked(&company, std::cell::Cell::new(0));
        decide(&company.change_set(0, changes), &options(ticked), &asked).unwrap();
        assert_eq!(asked.1.get(), expected, "{ticked}: {changes}");
    };
    let all_but = "logged_in_users owner manager public_group_owner added_members removed_members";
    check(all_but, "member-added finance anna; object-deleted board; attributes-changed anna", 0);
    check("object_modified", "attributes-changed anna; object-deleted finance", 0);
    check(
        "object_modified",
        "member-added finance anna; member-added finance bert; owner-added finance anna",
        1,
    );
    check("object_modified", "member-added finance anna; member-added private anna; object-renamed board", 2);
}
