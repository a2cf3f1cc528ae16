//! What each option makes of each kind of event.

use super::*;
use crate::notify::company::{Company, options};

const COMPANY: &str = "
    user anna
    user bert
    contact ken
    group finance owners=anna members=bert
    container sales
";

const ALL: &str = "logged_in_users owner manager object_modified public_group_owner added_members removed_members \
                   to=audit@acme.example";

fn event(change: &str) -> ChangeEvent {
    let mut event = Company::new(COMPANY).change_set(0, change).events.remove(0);
    event.marks.public = change.contains("public");
    event.marks.ignored = change.contains("ignored");
    event
}

/// The options of `ticked` and what each makes of the change, the page's order; what is off is left out.
/// Behind a change may stand `public` and `ignored`.
#[track_caller]
fn check(ticked: &str, change: &str, expect: &[&str]) {
    let event = event(change);
    let ticked = Ticked::of(&options(ticked));
    let mut lines = Vec::new();
    for option in OPTIONS {
        match option.verdict(&event, &ticked) {
            Verdict::Off => {}
            Verdict::Fired(tells) => lines.push(format!("{}: tells {tells:?}", option.reason)),
            Verdict::Silent(silence) => lines.push(format!("{}: {}", option.reason, silence.as_str())),
        }
    }
    assert_eq!(lines, expect, "{change}");
}

#[test]
fn nothing_is_on_unless_it_is_ticked() {
    check("", "member-added finance bert by=anna public", &[]);
}

#[test]
fn a_member_came_into_a_public_group() {
    check(
        ALL,
        "member-added finance bert by=anna public",
        &[
            "logged_in_users: tells [Actor]",
            "owner: tells [Owners]",
            "manager: other-kind",
            "object_modified: tells [Members]",
            "public_group_owner: tells [Owners]",
            "added_members: tells [Member]",
            "removed_members: other-change",
            "recipients: nothing-fired",
        ],
    );
}

#[test]
fn a_member_went_with_its_entry() {
    check(
        ALL,
        "member-removed finance bert because-deleted by=anna",
        &[
            "logged_in_users: other-cause",
            "owner: tells [Owners]",
            "manager: other-kind",
            "object_modified: tells [Members]",
            "public_group_owner: group-not-public",
            "added_members: other-change",
            "removed_members: tells [Member]",
            "recipients: nothing-fired",
        ],
    );
}

#[test]
fn w2_nobody_knows_who_it_was() {
    check("logged_in_users", "member-added finance bert", &["logged_in_users: actor-unknown"]);
    check("logged_in_users", "attributes-changed anna", &["logged_in_users: actor-unknown"]);
}

#[test]
fn what_is_nearest_is_said() {
    check("object_modified", "object-created anna", &["object_modified: other-kind"]);
    check("object_modified", "object-created sales", &["object_modified: other-kind"]);
    check("object_modified", "attributes-changed ken", &["object_modified: tells [Object]"]);
    check("public_group_owner", "owner-added finance bert", &["public_group_owner: other-change"]);
    check("manager", "object-renamed ken", &["manager: tells [Managers]"]);
    check("removed_members", "object-deleted finance", &["removed_members: tells [Members]"]);
    check("removed_members", "object-deleted anna", &["removed_members: other-kind"]);
    check("removed_members", "member-removed anna bert", &["removed_members: other-kind"]);
    check("owner", "object-renamed sales", &["owner: other-kind"]);
}

#[test]
fn an_ignored_entry_tells_nobody_whatever_else_holds() {
    check(
        "owner added_members removed_members",
        "member-added finance bert ignored",
        &["owner: entry-ignored", "added_members: entry-ignored", "removed_members: entry-ignored"],
    );
}

#[test]
fn what_fires_is_what_the_verdicts_say() {
    let changes = [
        "member-added finance bert by=anna public",
        "member-removed finance bert because-deleted",
        "owner-removed finance anna by=bert ignored",
        "manager-added anna bert",
        "object-deleted finance",
        "object-renamed sales by=anna",
        "attributes-changed ken",
    ];
    for change in changes {
        let (event, options) = (event(change), options(ALL));
        let ticked = Ticked::of(&options);
        let mut said = Vec::new();
        for option in OPTIONS {
            if let Verdict::Fired(tells) = option.verdict(&event, &ticked) {
                said.extend(tells.into_iter().map(|tells| (option.reason, tells)));
            }
        }
        assert_eq!(firing(&event, &options), said, "{change}");
    }
}

#[test]
fn ticked_boxes_read_back_as_they_were_written() {
    let ticked = Ticked::of(&options("owner removed_members to=audit@acme.example all-changes"));
    let json = r#"{"on":["owner","recipients","removed_members"],"copy":"all-changes"}"#;
    assert_eq!(serde_json::to_string(&ticked).unwrap(), json);
    assert_eq!(serde_json::from_str::<Ticked>(json).unwrap(), ticked);
}
