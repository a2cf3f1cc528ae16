//! The table of options as tests: no server, no clock.

use proptest::prelude::*;

use super::*;
use crate::{
    change::event::Change,
    directory::entry::EntryKind,
    notify::{
        company::{Company, options, random::case},
        options::Copies,
    },
};

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
    user quit    gone
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
fn the_table_of_options() {
    // option            fires on                               told
    // -- Notify owner (of groups): every event on a group; primary and additional owners, before ∪ after
    check("owner", "member-added finance bert", &["carla: owner"]);
    check("owner", "member-removed finance bert", &["carla: owner"]);
    check("owner", "member-removed finance quit because-deleted", &["carla: owner"]);
    check("owner", "owner-added finance anna", &["carla: owner", "anna: owner"]);
    check("owner", "owner-removed finance anna", &["carla: owner", "anna: owner"]);
    check("owner", "object-created finance", &["carla: owner"]);
    check("owner", "object-deleted finance", &["carla: owner"]);
    check("owner", "object-renamed finance", &["carla: owner"]);
    check("owner", "attributes-changed finance", &["carla: owner"]);
    check("owner", "attributes-changed controlling", &["carla: owner", "Dora: owner"]);
    check("owner", "member-added orphan bert", &[]);
    check("owner", "manager-added bert carla", &[]);
    check("owner", "object-created anna", &[]);
    check("owner", "object-deleted anna", &[]);
    check("owner", "attributes-changed ken", &[]);
    check("owner", "object-renamed sales", &[]);
    // -- Notify newly added group members on addition: member-added; the member
    check("added_members", "member-added finance bert", &["bert: added_members"]);
    check("added_members", "member-added finance ken", &["ken: added_members"]);
    check("added_members", "member-removed finance bert", &[]);
    check("added_members", "owner-added finance bert", &[]);
    check("added_members", "object-created finance", &[]);
    check("added_members", "attributes-changed bert", &[]);
    // -- Notify removed group member on removal: member-removed, a group's object-deleted; the member(s)
    check("removed_members", "member-removed finance bert", &["bert: removed_members"]);
    check("removed_members", "member-added finance bert", &[]);
    check("removed_members", "owner-removed finance bert", &[]);
    check("removed_members", "object-deleted finance", &["anna: removed_members", "bert: removed_members"]);
    check("removed_members", "object-deleted hollow", &[]);
    check("removed_members", "object-deleted bert", &[]);
    // -- Recipients: To and CC: each change set in which at least one option fired; the listed addresses
    let listed = "to=audit@acme.example,boss@acme.example cc=desk@acme.example";
    check(
        &format!("owner {listed}"),
        "member-added finance bert",
        &["carla: owner", "audit (To): recipients", "boss (To): recipients", "desk (Cc): recipients"],
    );
    check(&format!("owner {listed}"), "attributes-changed bert", &[]);
    check(listed, "member-added finance bert", &[]);
    check(
        &format!("all-changes {listed}"),
        "object-renamed sales",
        &["audit (To): recipients", "boss (To): recipients", "desk (Cc): recipients"],
    );
    check("all-changes", "object-renamed sales", &[]);
    // -- all off
    check("", "member-added finance bert; object-deleted finance", &[]);
}

#[test]
fn fired_means_that_the_event_matches_even_if_nobody_could_be_told() {
    check("owner to=audit@acme.example", "object-created orphan", &["audit (To): recipients"]);
    check("removed_members to=audit@acme.example", "object-deleted hollow", &["audit (To): recipients"]);
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

/// The table of the document in plain words, written a second time on purpose.
fn fires(event: &crate::change::event::ChangeEvent, options: &Options) -> bool {
    let is_group = event.entry.kind == Some(EntryKind::Group);
    let added = options.added_members && matches!(event.change, Change::MemberAdded { .. });
    let removed = options.removed_members
        && matches!(event.change, Change::MemberRemoved { .. } | Change::ObjectDeleted { .. });
    is_group && (options.owner || added || removed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_happens_the_rules_of_all_options_hold((lines, ticked, changes) in case()) {
        let company = Company::new(&lines);
        let options = options(&ticked);
        let set = company.change_set(0, &changes);
        let decision = decide(&set, &options, &company).unwrap();
        let fired = set.events.iter().any(|event| fires(event, &options));

        // One notification per recipient.
        let mut addresses: Vec<_> =
            decision.notifications.iter().map(|n| n.recipient.key().0).collect();
        addresses.sort();
        let all = addresses.len();
        addresses.dedup();
        prop_assert_eq!(addresses.len(), all);

        // None without an option that fired.
        prop_assert!(
            decision.notifications.is_empty() || fired || options.recipients.copy == Copies::AllChanges
        );
        // Every listed address, when one did.
        let listed = options.recipients.to.iter().chain(&options.recipients.cc);
        for address in listed {
            let is_told = addresses.contains(&address.as_str().to_lowercase());
            let reads_all = fired || options.recipients.copy == Copies::AllChanges;
            prop_assert!(is_told || !reads_all);
        }

        for notification in &decision.notifications {
            prop_assert!(!notification.events.is_empty());
            prop_assert!(!notification.grounds.is_empty());
            let place = |id| set.events.iter().position(|event| event.id == id).unwrap();
            let places: Vec<_> = notification.events.iter().map(|id| place(*id)).collect();
            prop_assert!(places.is_sorted_by(|a, b| a < b), "in ingest order, each once: {:?}", places);
            for &event in &notification.events {
                prop_assert!(!notification.reasons_of(event).is_empty());
            }
            for ground in &notification.grounds {
                prop_assert!(!ground.events.is_empty());
                prop_assert!(ground.events.iter().all(|event| notification.events.contains(event)));
                // A member's ground covers events on the member, or on a group that is gone.
                for &id in &ground.events {
                    let event = &set.events[place(id)];
                    match ground.reason {
                        Reason::AddedMembers | Reason::RemovedMembers => {
                            let own = match &ground.via { Via::Group(group) => group, _ => ground.who.as_ref().unwrap() };
                            let concerns = event.change.subject().is_none_or(|subject| subject.id == own.id);
                            prop_assert!(concerns);
                        }
                        Reason::Owner => prop_assert_eq!(event.entry.kind, Some(EntryKind::Group)),
                        Reason::LoggedInUsers
                        | Reason::Manager
                        | Reason::ObjectModified
                        | Reason::PublicGroupOwner
                        | Reason::Recipients
                        | Reason::Alert
                        | Reason::Test => {}
                    }
                }
            }
        }

        // Nobody is both told and not told, for one reason of one event in one way.
        for skipped in &decision.skipped {
            for notification in &decision.notifications {
                let clash = notification.grounds.iter().any(|ground| {
                    ground.who.as_ref() == Some(&skipped.who) && ground.via == skipped.via
                        && ground.reason == skipped.reason
                        && ground.events.iter().any(|event| skipped.events.contains(event))
                });
                prop_assert!(!clash);
            }
        }
    }
}
