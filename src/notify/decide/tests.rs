//! Decisions in a small company: no server, no clock.

use super::*;
use crate::notify::company::{Company, options};

mod groups;
mod people;
mod since;
mod table;

const COMPANY: &str = "
    user anna
    user bert
    user carla
    user dora    mail=Dora@ACME.example
    user eve     disabled
    user frank   mail=-
    user gina
    user hugo    mail=hugo@elsewhere.example
    user ian     mail=carla@acme.example
    user quit    gone managers=carla
    user ghost   never-read
    contact ken
    group finance     owners=carla members=anna,bert
    group controlling owners=carla,dora
    group orphan      members=anna
    group auditors    members=gina,bert,eve
    group board       members=auditors,dora
    group round       members=square,anna
    group square      members=round,bert
    group hollow
    group mailing     members=eve,frank mail=mailing@acme.example
    group crowd       members=anna,bert,carla,dora mail=crowd@acme.example
    group silent      members=anna,bert,carla,dora
    group mute        members=eve,frank
    group audited     owners=auditors
    group governed    owners=board,gina
    group circled     owners=round
    group unowned     owners=hollow
    group mailed      owners=mailing
    group crowded     owners=crowd
    group silenced    owners=silent
    group muted       owners=mute
    group odd         owners=eve,frank,hugo,quit,ghost
    group shared      owners=carla,ian
    group holding     members=auditors,anna
    user lars    managers=carla
    contact kim  managers=carla,dora
    user mia     mail=mia@new.example
    user nils    mail=- managers=hugo
    user otto    expired
    user petra   do-not-notify
    user rosa    not-in-pilot
    user jürgen  mail=jürgen@bücher.example
    group open        owners=carla members=anna public
    group private     owners=carla members=anna,bert ignored public
    user nobody       managers=carla ignored
    group hush        members=anna,bert mail=hush@acme.example do-not-notify
    group layered     members=hush,gina
    group hushed      owners=hush
    group layers      owners=layered
    group outsiders   members=rosa mail=outsiders@acme.example not-in-pilot
    group insiders    members=rosa mail=insiders@acme.example
    group piloted     owners=outsiders,insiders,rosa,anna
    group spilled     members=anna,rosa not-in-pilot
    group spilling    owners=spilled
    user twin         mail=anna@acme.example managers=board
    user vera         managers=mailing,gina
    container sales
";

/// What `changes` in the company tell whom under `ticked`. Expected: one line per recipient, `address
/// [numbers of the events, where there are several]: reasons`, then one `- who: reason, why not` per
/// person who is not told.
#[track_caller]
fn check(ticked: &str, changes: &str, expect: &[&str]) {
    let company = Company::new(COMPANY);
    let set = company.change_set(0, changes);
    let decision = decide(&set, &options(ticked), &company).unwrap();
    assert_eq!(shown(&set, &decision), expect, "{ticked}: {changes}");
}

fn shown(set: &ChangeSet, decision: &Decision) -> Vec<String> {
    let number = |id: &EventId| set.events.iter().position(|event| event.id == *id).unwrap() + 1;
    let numbers = |events: &[EventId]| match set.events.len() {
        1 => String::new(),
        _ => format!(" {:?}", events.iter().map(number).collect::<Vec<_>>()),
    };
    let told = decision.notifications.iter().map(|notification| {
        let Notification { recipient, events, grounds, .. } = notification;
        let address = recipient.address.as_str().trim_end_matches("@acme.example");
        let role = match recipient.role {
            Role::ByRole => "",
            Role::To => " (To)",
            Role::Cc => " (Cc)",
        };
        let grounds: Vec<_> =
            grounds.iter().map(|ground| format!("{}{}", ground.reason, way(&ground.via))).collect();
        format!("{address}{role}{}: {}", numbers(events), grounds.join(", "))
    });
    let skipped = decision.skipped.iter().map(|Skipped { reason, who, via, why, events }| {
        format!("- {}{}: {reason}{}, {}", who.name, numbers(events), way(via), why.as_str())
    });
    told.chain(skipped).collect()
}

fn way(via: &Via) -> String {
    match via {
        Via::Directly => String::new(),
        Via::Group(group) => format!(" via {}", group.name),
        Via::InPlaceOfMembers(why) => format!(" in place of members, {}", why.as_str()),
    }
}

#[test]
fn fired_means_that_the_event_matches_even_if_nobody_could_be_told() {
    check("owner to=audit@acme.example", "object-created orphan", &["audit (To): recipients"]);
    check(
        "removed_members to=audit@acme.example",
        "object-deleted hollow",
        &["audit (To): recipients", "- hollow: removed_members, nobody-to-tell"],
    );
    check("manager to=audit@acme.example", "object-created anna", &["audit (To): recipients"]);
    check("object_modified to=audit@acme.example", "object-created anna", &[]);
    check("logged_in_users to=audit@acme.example", "object-created anna", &[]);
    check("public_group_owner to=audit@acme.example", "member-added finance anna", &[]);
    check(
        "added_members to=audit@acme.example",
        "member-added finance frank",
        &["audit (To): recipients", "- frank: added_members, no-address"],
    );
}

#[test]
fn several_options_each_tell_their_own() {
    check(
        "owner added_members removed_members",
        "member-added finance bert; member-removed finance anna",
        &["carla [1, 2]: owner", "bert [1]: added_members", "anna [2]: removed_members"],
    );
    check(
        "owner removed_members",
        "object-deleted quit; member-removed finance quit because-deleted; \
         member-removed controlling quit because-deleted",
        &["carla [2, 3]: owner", "Dora [3]: owner", "- quit [2, 3]: removed_members, deleted"],
    );
    check(
        "owner added_members",
        "object-created finance; member-added finance anna; member-added finance bert",
        &["carla [1, 2, 3]: owner", "anna [2]: added_members", "bert [3]: added_members"],
    );
}

#[test]
fn m05_owner_member_and_to_in_one_person_get_one_mail() {
    check(
        "owner added_members to=CARLA@acme.example cc=audit@acme.example",
        "member-added finance carla by=carla",
        &["carla: owner, added_members, recipients", "audit (Cc): recipients"],
    );
}

#[test]
fn m05_persons_with_one_address_are_one_recipient() {
    check("owner", "member-added shared bert", &["carla: owner, owner"]);
    check("owner added_members", "member-added finance ian", &["carla: owner, added_members"]);
}

#[test]
fn m05_the_actor_who_is_owner_manager_member_and_listed_gets_one_mail() {
    check(
        "logged_in_users owner object_modified public_group_owner added_members removed_members \
         to=carla@acme.example",
        "member-added open carla by=carla",
        &[
            "carla: logged_in_users, owner, public_group_owner, added_members, recipients",
            "anna: object_modified via open",
        ],
    );
    check(
        "logged_in_users manager object_modified cc=lars@acme.example",
        "attributes-changed lars by=lars; manager-removed lars carla by=carla",
        &[
            "lars [1, 2]: logged_in_users, object_modified, recipients",
            "carla [1, 2]: logged_in_users, manager",
        ],
    );
}

#[test]
fn the_reasons_stand_in_the_order_of_the_page() {
    check(
        "owner added_members removed_members",
        "member-removed shared bert; member-added finance bert; attributes-changed odd",
        &[
            "carla [1, 2]: owner, owner",
            "bert [1, 2]: added_members, removed_members",
            "hugo@elsewhere.example [3]: owner",
            "- eve [3]: owner, disabled",
            "- frank [3]: owner, no-address",
            "- quit [3]: owner, deleted",
            "- ghost [3]: owner, out-of-scope",
        ],
    );
}

#[test]
fn of_ignored_entries_and_of_scope_only_all_changes_hears() {
    let every = "logged_in_users owner manager object_modified public_group_owner added_members \
                 removed_members to=audit@acme.example";
    check(every, "member-added private gina by=gina", &[]);
    check(every, "object-deleted private; attributes-changed nobody by=gina", &[]);
    check(every, "scope-entered finance by=gina; scope-left anna by=gina", &[]);
    check(&format!("{every} all-changes"), "member-added private gina by=gina", &["audit (To): recipients"]);
    check(&format!("{every} all-changes"), "scope-left anna", &["audit (To): recipients"]);
    let mixed = "member-added private anna; scope-left nobody; member-added finance gina; scope-entered lars; \
                 object-renamed sales";
    check(
        "added_members to=audit@acme.example,gina@acme.example",
        mixed,
        &["gina [3, 5]: added_members, recipients", "audit (To) [3, 5]: recipients"],
    );
    check(
        "added_members all-changes to=audit@acme.example,gina@acme.example",
        mixed,
        &["gina [1, 2, 3, 4, 5]: added_members, recipients", "audit (To) [1, 2, 3, 4, 5]: recipients"],
    );
}

#[test]
fn an_address_listed_twice_gets_one_copy() {
    check(
        "all-changes to=audit@acme.example,AUDIT@acme.example cc=audit@acme.example",
        "object-created bert",
        &["audit (To): recipients"],
    );
}

#[test]
fn a_listed_address_that_is_told_by_role_sees_the_whole_change_set() {
    check(
        "added_members to=bert@acme.example",
        "member-added finance anna; member-added finance bert; member-added finance dora",
        &["anna [1]: added_members", "bert [1, 2, 3]: added_members, recipients", "Dora [3]: added_members"],
    );
}

#[test]
fn m11_who_is_concerned_twice_by_one_event_is_told_once() {
    // bert is an owner through auditors and the member who goes.
    check(
        "owner removed_members",
        "member-removed audited bert",
        &[
            "gina: owner via auditors",
            "bert: owner via auditors, removed_members",
            "- eve: owner via auditors, disabled",
        ],
    );
}

#[test]
fn m11_a_removed_member_and_all_members_of_one_event() {
    check(
        "object_modified removed_members",
        "member-removed finance gina",
        &["anna: object_modified via finance", "bert: object_modified via finance", "gina: removed_members"],
    );
    // Who went and is still in by another way has two reasons and one mail.
    check(
        "object_modified removed_members",
        "member-removed finance bert",
        &["anna: object_modified via finance", "bert: object_modified via finance, removed_members"],
    );
    check(
        "object_modified removed_members",
        "object-deleted finance",
        &["anna: object_modified, removed_members", "bert: object_modified, removed_members"],
    );
}

#[test]
fn m29_events_of_others_do_not_come_along_with_ones_own() {
    check(
        "logged_in_users manager object_modified removed_members",
        "object-deleted quit by=gina; member-removed finance quit because-deleted; \
         manager-removed kim quit because-deleted; attributes-changed bert",
        &[
            "gina [1]: logged_in_users",
            "carla [1, 3]: manager",
            "anna [2]: object_modified via finance",
            "bert [2, 4]: object_modified via finance, object_modified",
            "Dora [3]: manager",
            "kim [3]: object_modified",
            "- quit [2]: removed_members, deleted",
            "- quit [3]: manager, deleted",
        ],
    );
}

#[test]
fn m29_a_member_has_a_reason_for_its_own_event_only() {
    check(
        "added_members removed_members",
        "member-added finance anna; member-added finance bert; member-removed finance gina",
        &["anna [1]: added_members", "bert [2]: added_members", "gina [3]: removed_members"],
    );
}

#[test]
fn a_decision_survives_the_way_through_the_database() {
    let company = Company::new(COMPANY);
    let set = company.change_set(0, "member-added governed bert; object-deleted holding");
    let ticked = options("owner added_members removed_members to=audit@acme.example limit=3");
    for notification in decide(&set, &ticked, &company).unwrap().notifications {
        let json = serde_json::to_string(&notification).unwrap();
        assert_eq!(serde_json::from_str::<Notification>(&json).unwrap(), notification, "{json}");
    }
    for skipped in decide(&set, &ticked, &company).unwrap().skipped {
        let json = serde_json::to_string(&skipped).unwrap();
        assert_eq!(serde_json::from_str::<Skipped>(&json).unwrap(), skipped, "{json}");
    }
}
