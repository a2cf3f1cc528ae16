//! Companies, options and changes at random.

use std::collections::BTreeSet;

use proptest::prelude::*;

/// The lines of a company of five people and five groups, the boxes that are ticked, and what happens.
pub fn case() -> impl Strategy<Value = (String, String, String)> {
    let person = (0..4_u8).prop_map(|kind| match kind {
        0 => "disabled",
        1 => "mail=-",
        2 => "mail=Same@acme.example",
        _ => "",
    });
    let names = || prop::collection::btree_set(0..10_usize, 0..4);
    let entity = |number: usize| if number < 5 { format!("p{number}") } else { format!("g{number}") };
    let list = move |key: &str, numbers: &BTreeSet<usize>| match numbers.len() {
        0 => String::new(),
        _ => format!("{key}={}", numbers.iter().map(|&n| entity(n)).collect::<Vec<_>>().join(",")),
    };
    let people = prop::collection::vec(person, 5).prop_map(|people| {
        people
            .iter()
            .enumerate()
            .map(|(n, words)| format!("user p{n} {words}"))
            .collect::<Vec<_>>()
            .join("\n")
    });
    let groups = prop::collection::vec((names(), names(), any::<bool>()), 5).prop_map(move |groups| {
        let line = |(n, (members, owners, has_address)): (usize, &(_, _, bool))| {
            let mail = if *has_address { format!("mail=g{}@acme.example", n + 5) } else { String::new() };
            format!("group g{} {} {} {mail}", n + 5, list("members", members), list("owners", owners))
        };
        groups.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
    });
    let of_group = prop::sample::select(vec![
        "member-added",
        "member-removed",
        "owner-added",
        "owner-removed",
        "object-created",
        "object-deleted",
        "object-renamed",
        "attributes-changed",
    ]);
    let change = prop_oneof![
        3 => (of_group, 5..10_usize, 0..10_usize)
            .prop_map(move |(name, group, subject)| format!("{name} g{group} {}", entity(subject))),
        1 => (0..5_usize, 0..5_usize).prop_map(|(user, manager)| format!("manager-added p{user} p{manager}")),
    ];
    let changes = prop::collection::vec(change, 1..6).prop_map(|changes| changes.join("; "));
    let word = |word: &'static str| any::<bool>().prop_map(move |on| if on { word } else { "" });
    let ticked = (
        word("owner"),
        word("added_members"),
        word("removed_members"),
        word("to=p1@acme.example,audit@acme.example"),
        word("cc=same@ACME.example"),
        word("all-changes"),
        word("disabled-too"),
        0..6_usize,
    )
        .prop_map(|(a, b, c, d, e, f, g, limit)| format!("{a} {b} {c} {d} {e} {f} {g} limit={limit}"));
    ((people, groups).prop_map(|(people, groups)| people + "\n" + &groups), ticked, changes)
}
