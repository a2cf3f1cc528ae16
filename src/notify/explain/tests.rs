//! Explanations of what the rules decide, and that they say nothing else than what was decided.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    change::event::ChangeSet,
    notify::{
        company::{Company, options, random::case},
        decide::{Decision, decide},
        options::Options,
        reason::Reason,
        table,
    },
};

const COMPANY: &str = "
    user anna
    user bert
    user carla
    user eve     disabled
    user frank   mail=-
    user quit    gone
    group auditors members=anna,eve
    group hollow
    group mailing  members=eve,frank mail=mailing@acme.example
    group finance  owners=carla,auditors members=bert
    group unowned  members=bert
    group owned    owners=hollow,quit
    group mailed   owners=mailing
";

/// What was decided about one of `changes`, the first unless another number is given: one line for each option
/// that is on, below it who is told and who is not.
#[track_caller]
fn check(ticked: &str, changes: &str, number: usize, expect: &[&str]) {
    let company = Company::new(COMPANY);
    let set = company.change_set(0, changes);
    let options = options(ticked);
    let decision = decide(&set, &options, &company).unwrap();
    let ticked = Ticked::of(&options);
    assert_eq!(shown(&set.events[number], &decision, Some(&ticked)), expect, "{changes}");
}

fn shown(event: &ChangeEvent, decision: &Decision, ticked: Option<&Ticked>) -> Vec<String> {
    let decided = Decided { ticked, notifications: &decision.notifications, skipped: &decision.skipped };
    let mut lines = Vec::new();
    for explained in explain(event, decided) {
        if explained.verdict == Some(Verdict::Off) {
            continue;
        }
        let why = explained.why_nobody(event).map(|why| format!(", {why}")).unwrap_or_default();
        lines.push(format!("{}: {}{why}", explained.option.reason, explained.verdict_word()));
        for hearer in &explained.told {
            let address = &decision.notifications[hearer.notification].recipient.address;
            let who = hearer.who.map_or("listed", |who| who.name.as_str());
            lines.push(format!("  {who} at {}{}", address.as_str(), way(hearer.via)));
        }
        for skipped in &explained.untold {
            let (who, way) = (&skipped.who.name, way(&skipped.via));
            lines.push(format!("  not {who}{way}: {}", why_not(skipped.why)));
        }
    }
    lines
}

fn way(via: &Via) -> String {
    match via {
        Via::Directly => String::new(),
        Via::Group(group) => format!(" of {}", group.name),
        Via::InPlaceOfMembers(why) => format!(" in place of its members, {}", why_in_place(*why)),
    }
}

#[test]
fn everybody_is_named_with_the_way_by_which_the_option_came_to_them() {
    check(
        "owner added_members to=audit@acme.example",
        "member-added finance frank",
        0,
        &[
            "owner: fired",
            "  carla at carla@acme.example",
            "  anna at anna@acme.example of auditors",
            "  not eve of auditors: is disabled, and notify.notify_disabled_accounts is off",
            "added_members: fired",
            "  not frank: has no mail address",
            "recipients: fired",
            "  listed at audit@acme.example",
        ],
    );
}

#[test]
fn a_group_is_told_at_its_own_address_or_not_at_all() {
    check(
        "owner",
        "member-added mailed bert",
        0,
        &[
            "owner: fired",
            "  mailing at mailing@acme.example in place of its members, none of whom can be told",
            "  not eve of mailing: is disabled, and notify.notify_disabled_accounts is off",
            "  not frank of mailing: has no mail address",
        ],
    );
    check(
        "owner",
        "member-added owned bert",
        0,
        &[
            "owner: fired",
            "  not hollow: has nobody who can be told, and no address of its own to write to",
            "  not quit: is no longer in the directory",
        ],
    );
}

#[test]
fn an_option_that_finds_nobody_has_fired_all_the_same() {
    check("owner", "member-added unowned bert", 0, &["owner: fired, the group has no owner"]);
    check("manager", "attributes-changed anna", 0, &["manager: fired, the user has no manager"]);
    check(
        "removed_members",
        "object-deleted hollow",
        0,
        &[
            "removed_members: fired",
            "  not hollow: has nobody who can be told, and no address of its own to write to",
        ],
    );
}

#[test]
fn an_option_that_does_not_fire_says_why() {
    check(
        "logged_in_users owner manager public_group_owner removed_members",
        "member-added finance bert",
        0,
        &[
            "logged_in_users: actor-unknown, nobody knows who did it",
            "owner: fired",
            "  carla at carla@acme.example",
            "  anna at anna@acme.example of auditors",
            "  not eve of auditors: is disabled, and notify.notify_disabled_accounts is off",
            "manager: other-kind, it does not look at member-added of a group",
            "public_group_owner: group-not-public, schema.public_group_filter does not match the group",
            "removed_members: other-change, it does not look at member-added",
        ],
    );
}

#[test]
fn copies_go_out_for_the_whole_change_set_or_not_at_all() {
    let both = "member-added unowned bert; member-added unowned anna";
    let copied = ["added_members: fired", "  anna at anna@acme.example"];
    let recipients = ["recipients: fired", "  listed at audit@acme.example"];
    check("added_members to=audit@acme.example", both, 1, &[copied, recipients].concat());
    check(
        "added_members to=audit@acme.example",
        "object-created unowned; member-added unowned anna",
        0,
        &[
            "added_members: other-change, it does not look at object-created",
            "recipients: fired",
            "  listed at audit@acme.example",
        ],
    );
    check(
        "to=audit@acme.example",
        "member-added unowned bert",
        0,
        &["recipients: nothing-fired, no other option fired on this change set, and recipients.copy is \
             \"notifications\""],
    );
    check("cc=audit@acme.example all-changes", "member-added unowned bert", 0, &recipients);
}

#[test]
fn m05_a_person_who_is_also_listed_is_told_under_both() {
    check(
        "owner to=Carla@acme.example",
        "attributes-changed finance",
        0,
        &[
            "owner: fired",
            "  carla at carla@acme.example",
            "  anna at anna@acme.example of auditors",
            "  not eve of auditors: is disabled, and notify.notify_disabled_accounts is off",
            "recipients: fired",
            "  listed at carla@acme.example",
        ],
    );
}

#[test]
fn what_an_earlier_version_decided_is_told_without_what_it_did_not_record() {
    let company = Company::new(COMPANY);
    let set = company.change_set(0, "member-added finance bert");
    let decision = decide(&set, &options("added_members"), &company).unwrap();
    let lines = shown(&set.events[0], &decision, None);
    assert_eq!(lines.iter().filter(|line| line.contains("not-recorded, an earlier version")).count(), 7);
    assert!(lines.windows(2).any(|pair| pair == ["added_members: fired", "  bert at bert@acme.example"]));
}

/// (reason, who, way, address or why not) of one event.
type Fate = (Reason, String, String, String);

fn decided_fates(event: &ChangeEvent, decision: &Decision) -> BTreeSet<Fate> {
    let mut fates = BTreeSet::new();
    for notification in &decision.notifications {
        for ground in notification.grounds.iter().filter(|ground| ground.events.contains(&event.id)) {
            let who = format!("{:?}", ground.who);
            let address = notification.recipient.address.as_str().to_owned();
            fates.insert((ground.reason, who, way(&ground.via), address));
        }
    }
    for skipped in decision.skipped.iter().filter(|skipped| skipped.events.contains(&event.id)) {
        let who = format!("{:?}", Some(&skipped.who));
        fates.insert((skipped.reason, who, way(&skipped.via), skipped.why.as_str().to_owned()));
    }
    fates
}

fn explained_fates(explained: &[Explained<'_>], decision: &Decision) -> BTreeSet<Fate> {
    let mut fates = BTreeSet::new();
    for explained in explained {
        for hearer in &explained.told {
            let address = decision.notifications[hearer.notification].recipient.address.as_str().to_owned();
            fates.insert((explained.option.reason, format!("{:?}", hearer.who), way(hearer.via), address));
        }
        for skipped in &explained.untold {
            let (who, why) = (format!("{:?}", Some(&skipped.who)), skipped.why.as_str().to_owned());
            fates.insert((explained.option.reason, who, way(&skipped.via), why));
        }
    }
    fates
}

/// The reasons for which something was to be told of `event`, found without a verdict.
fn fired(set: &ChangeSet, event: &ChangeEvent, options: &Options) -> BTreeSet<Reason> {
    let reasons = |event| table::firing(event, options).into_iter().map(|(reason, _)| reason);
    let mut fired: BTreeSet<Reason> = reasons(event).collect();
    let any = set.events.iter().any(|event| reasons(event).next().is_some());
    let listed = !options.recipients.to.is_empty() || !options.recipients.cc.is_empty();
    if listed && table::copies_go_out(any, options) && table::is_copied(event, options) {
        fired.insert(Reason::Recipients);
    }
    fired
}

/// More boxes than the random companies tick, and marks on the events.
fn more() -> impl Strategy<Value = (String, Vec<(bool, bool)>)> {
    let words = ["logged_in_users", "manager", "object_modified", "public_group_owner"];
    let ticked = prop::sample::subsequence(words.to_vec(), 0..=words.len()).prop_map(|words| words.join(" "));
    (ticked, prop::collection::vec((prop::bool::weighted(0.2), any::<bool>()), 6))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn an_explanation_says_what_was_decided((lines, ticked, changes) in case(), (boxes, marks) in more()) {
        let company = Company::new(&lines);
        let options = options(&format!("{ticked} {boxes}"));
        let mut set = company.change_set(0, &changes);
        for (event, (ignored, public)) in set.events.iter_mut().zip(marks) {
            event.marks.ignored = ignored;
            event.marks.public = public;
        }
        let decision = decide(&set, &options, &company).unwrap();
        let ticked = Ticked::of(&options);
        for event in &set.events {
            let (notifications, skipped) = (&decision.notifications, &decision.skipped);
            let explained = explain(event, Decided { ticked: Some(&ticked), notifications, skipped });
            prop_assert_eq!(explained_fates(&explained, &decision), decided_fates(event, &decision));
            let said: BTreeSet<Reason> = explained
                .iter()
                .filter(|explained| matches!(explained.verdict, Some(Verdict::Fired(_))))
                .map(|explained| explained.option.reason)
                .collect();
            prop_assert_eq!(&said, &fired(&set, event, &options));
            for explained in &explained {
                let has_people = !explained.told.is_empty() || !explained.untold.is_empty();
                prop_assert!(!has_people || said.contains(&explained.option.reason));
                // Every option that is on says something.
                let on = explained.verdict != Some(Verdict::Off);
                prop_assert_eq!(on, ticked.on.contains(&explained.option.reason));
                prop_assert_eq!(has_people, on && explained.why_nobody(event).is_none());
            }
        }
    }
}
