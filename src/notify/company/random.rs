//! Companies, options and changes at random.

use proptest::{prelude::*, sample::select};

const PEOPLE: usize = 7;
const GROUPS: usize = 6;
/// People, then groups.
const ALL: usize = PEOPLE + GROUPS;

/// The lines of a company of seven people, six groups and a container, the boxes that are ticked, and what
/// happens.
pub fn case() -> impl Strategy<Value = (String, String, String)> {
    (company(), ticked(), changes())
}

fn changes() -> impl Strategy<Value = String> {
    prop::collection::vec(change(), 1..6).prop_map(|changes| changes.join("; "))
}

/// What happens before anybody decides, change sets separated by `|`: often nothing.
pub fn later() -> impl Strategy<Value = String> {
    let some = prop::collection::vec(changes(), 1..4).prop_map(|sets| sets.join(" | "));
    prop_oneof![2 => Just(String::new()), 3 => some]
}

fn name(number: usize) -> String {
    if number < PEOPLE { format!("p{number}") } else { format!("g{number}") }
}

/// `key=p1,g8`, or nothing.
fn names(key: &'static str, most: usize) -> impl Strategy<Value = String> {
    prop::collection::btree_set(0..ALL, 0..=most).prop_map(move |numbers| match numbers.len() {
        0 => String::new(),
        _ => format!("{key}={}", numbers.into_iter().map(name).collect::<Vec<_>>().join(",")),
    })
}

/// Once in so many times.
fn at_times(times: u32, word: &'static str) -> impl Strategy<Value = &'static str> {
    prop_oneof![times - 1 => Just(""), 1 => Just(word)]
}

fn company() -> impl Strategy<Value = String> {
    let people = (0..PEOPLE).map(|number| person(number).boxed());
    let groups = (PEOPLE..ALL).map(|number| group(number).boxed());
    people.chain(groups).collect::<Vec<_>>().prop_map(|lines| lines.join("\n") + "\ncontainer sales")
}

fn person(number: usize) -> impl Strategy<Value = String> {
    let mail = select(vec![
        "",
        "",
        "",
        "",
        "mail=-",
        "mail=- other-mail=other@acme.example",
        "mail=Same@acme.example",
        "mail=same@ACME.example",
        "mail=nonsense",
        "mail=nonsense,second@acme.example",
        "mail=first@acme.example,second@acme.example",
        "mail=abroad@elsewhere.example",
    ]);
    let state = select(vec![
        "",
        "",
        "",
        "",
        "",
        "",
        "disabled",
        "expired",
        "do-not-notify",
        "not-in-pilot",
        "gone",
        "never-read",
    ]);
    let kind = select(vec!["user", "user", "contact"]);
    (kind, mail, state, names("managers", 2), at_times(8, "ignored")).prop_map(
        move |(kind, mail, state, managers, ignored)| {
            // Nothing that was never read happens to anybody: the last of them is nobody's subject.
            let state = if state == "never-read" && number + 1 < PEOPLE { "" } else { state };
            format!("{kind} p{number} {mail} {state} {managers} {ignored}")
        },
    )
}

fn group(number: usize) -> impl Strategy<Value = String> {
    let mail = prop_oneof![
        3 => Just(String::new()),
        2 => Just(format!("mail=g{number}@acme.example")),
        1 => Just("mail=p1@acme.example".to_owned()),
    ];
    let words = (
        at_times(6, "do-not-notify"),
        at_times(8, "not-in-pilot"),
        at_times(2, "public"),
        at_times(8, "ignored"),
        at_times(10, "gone"),
    );
    (names("members", 4), names("owners", 2), mail, words).prop_map(
        move |(members, owners, mail, (shut, outside, public, ignored, gone))| {
            format!("group g{number} {members} {owners} {mail} {shut} {outside} {public} {ignored} {gone}")
        },
    )
}

fn change() -> impl Strategy<Value = String> {
    let of_group = select(vec![
        "member-added",
        "member-added",
        "member-removed",
        "member-removed",
        "owner-added",
        "owner-removed",
    ]);
    let of_person = select(vec!["manager-added", "manager-removed"]);
    let of_any = select(vec![
        "object-created",
        "object-deleted",
        "object-renamed",
        "attributes-changed",
        "scope-entered",
        "scope-left",
    ]);
    let of_address = select(vec!["mail-changed", "mail-changed", "other-mail-changed"]);
    let old = select(vec![
        "-",
        "old@acme.example",
        "SAME@acme.example",
        "p1@acme.example",
        "nonsense",
        "old@elsewhere.example",
        "old@acme.example,second@acme.example",
    ]);
    // See `person` for the last of them.
    let person = || 0..PEOPLE - 1;
    let happens = prop_oneof![
        6 => (of_group, PEOPLE..ALL, 0..ALL).prop_map(|(what, group, who)| {
            format!("{what} {} {}", name(group), name(who))
        }),
        2 => (of_person, person(), 0..ALL).prop_map(|(what, person, who)| {
            format!("{what} {} {}", name(person), name(who))
        }),
        3 => (of_any, prop_oneof![person(), PEOPLE..ALL])
            .prop_map(|(what, which)| format!("{what} {}", name(which))),
        3 => (of_address, prop_oneof![4 => person(), 1 => PEOPLE..ALL], old)
            .prop_map(|(what, which, old)| format!("{what} {} {old}", name(which))),
        1 => select(vec!["object-renamed sales", "scope-left sales"]).prop_map(str::to_owned),
    ];
    let actor =
        prop_oneof![1 => Just(String::new()), 2 => (0..ALL).prop_map(|who| format!("by={}", name(who)))];
    (happens, actor, at_times(5, "because-deleted"))
        .prop_map(|(happens, actor, cause)| format!("{happens} {actor} {cause}"))
}

fn ticked() -> impl Strategy<Value = String> {
    let boxes = [
        "logged_in_users",
        "owner",
        "manager",
        "object_modified",
        "public_group_owner",
        "added_members",
        "removed_members",
        "to=p1@acme.example,audit@acme.example",
        "cc=same@ACME.example",
        "all-changes",
        "disabled-too",
        "domains=acme.example",
    ];
    (prop::sample::subsequence(boxes.to_vec(), 0..=boxes.len()), 0..8_usize)
        .prop_map(|(boxes, limit)| format!("{} limit={limit}", boxes.join(" ")))
}
