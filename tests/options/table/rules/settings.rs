//! Rows for settings that a store has for all options: each list is played with its own.

use crate::options::{
    row::{
        Edit::{Add, Remove, Replace},
        Entry,
        Field::{DisplayName, Mail, Member, Title},
        Operation::{Delete, Rename},
        Row, and, group,
        mark::{PILOT, UNTOLD},
        modify, people, person, row,
    },
    table::{crew, una, with_crew},
};

/// `pilot_filter`: only matching people are told.
pub fn pilot() -> Vec<Row> {
    let chosen = |name| person(name).marked(PILOT);
    vec![
        row("pilot: nobody", with_crew(people("cem")))
            .then(modify("crew", &[Add(Member, "cem")]), &[])
            .in_vain(&["logged_in_users", "owner", "object_modified", "added_members"]),
        row("pilot: the owner", and(people("ann ben cem"), [chosen("olga"), crew()]))
            .then(modify("crew", &[Add(Member, "cem")]), &["olga: owner"])
            .in_vain(&["logged_in_users", "object_modified", "added_members"]),
        row(
            "pilot: the actor and one member",
            and(people("ann olga"), [chosen("adam"), chosen("ben"), crew()]),
        )
        .then(
            modify("crew", &[Replace(DisplayName, "The Crew")]),
            &["adam: logged_in_users", "ben: object_modified"],
        )
        .in_vain(&["owner"]),
        row("pilot: manager and object", vec![chosen("maud"), una().marked(PILOT)])
            .then(modify("una", &[Replace(Title, "Chief")]), &["maud: manager", "una: object_modified"])
            .in_vain(&["logged_in_users"]),
        row("pilot: the object at both addresses", vec![person("maud"), una().marked(PILOT)])
            .then(modify("una", &[Replace(Mail, "una.new@row")]), &["una una.new: object_modified"])
            .in_vain(&["logged_in_users", "manager"]),
        row(
            "pilot: a member who is never to be told",
            and(people("ann ben olga"), [person("cem").marked("pilot untold"), crew()]),
        )
        .then(modify("crew", &[Add(Member, "cem")]), &[])
        .in_vain(&["logged_in_users", "owner", "object_modified", "added_members"]),
        row(
            "pilot: somebody in a group that owns",
            and(
                people("ann cem dee"),
                [
                    chosen("ben"),
                    group("team").members("ben cem"),
                    group("crew").owners("team").members("ann"),
                ],
            ),
        )
        .then(modify("crew", &[Add(Member, "dee")]), &["ben: owner"])
        .in_vain(&["logged_in_users", "object_modified", "added_members"]),
        row(
            "pilot: a group of nobody who is in it, with an address",
            and(
                people("ann cem dee"),
                [
                    group("team").members("cem").with(Mail, "team@row"),
                    group("crew").owners("team").members("ann"),
                ],
            ),
        )
        .then(modify("crew", &[Add(Member, "dee")]), &[])
        .in_vain(&["logged_in_users", "owner", "object_modified", "added_members"]),
        row("pilot: a last member, and one who went", and(people("ann olga"), [chosen("ben"), crew()]))
            .then(modify("crew", &[Remove(Member, "ann")]), &["ben: object_modified"])
            .in_vain(&["logged_in_users", "owner", "removed_members"])
            .then(Delete("crew"), &["ben: object_modified, removed_members"])
            .in_vain(&["owner"]),
    ]
}

/// `notify_disabled_accounts = true`
pub fn disabled_people_who_are_told() -> Vec<Row> {
    vec![
        row(
            "disabled and told: owner, actor, member who came",
            and(
                people("ann ben"),
                [person("adam").disabled(), person("olga").disabled(), person("cem").disabled(), crew()],
            ),
        )
        .then(
            modify("crew", &[Add(Member, "cem")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann ben: object_modified",
                "cem: added_members, object_modified",
            ],
        ),
        row("disabled and told: manager and object", vec![person("maud").disabled(), una().disabled()]).then(
            modify("una", &[Replace(Title, "Chief")]),
            &["adam: logged_in_users", "maud: manager", "una: object_modified"],
        ),
        row("disabled and told: but never to be told", vec![person("maud").disabled().marked(UNTOLD), una()])
            .then(
                modify("una", &[Replace(Title, "Chief")]),
                &["adam: logged_in_users", "una: object_modified"],
            )
            .in_vain(&["manager"]),
        row("disabled and told: but deleted", and(people("olga ben"), [person("ann").disabled(), crew()]))
            .then(Delete("ann"), &["olga: owner", "ben: object_modified"])
            .in_vain(&["manager", "removed_members"]),
    ]
}

/// `recipient_domains = ["inside.example", "lists.example"]`
pub fn domains() -> Vec<Row> {
    let adam = || person("adam").with(Mail, "adam@inside.example");
    let una_of = |una: Entry| {
        row("", vec![adam(), person("maud").with(Mail, "maud@inside.example"), una.managers("maud")]).then(
            modify("una", &[Replace(Title, "Chief")]),
            &["adam@inside.example: logged_in_users", "maud@inside.example: manager"],
        )
    };
    let told = |name, address| {
        let mut row = una_of(person("una").with(Mail, address));
        row.name = name;
        row.steps.iter_mut().for_each(|step| step.told.push("una@inside.example: object_modified"));
        row
    };
    let untold = |name, address| {
        let mut row = una_of(person("una").with(Mail, address)).in_vain(&["object_modified"]);
        row.name = name;
        row
    };
    vec![
        told("domain: one that is listed", "una@inside.example"),
        told("domain: one that is listed, in capitals", "Una@Inside.EXAMPLE"),
        untold("domain: one that is not listed", "una@outside.example"),
        untold("domain: below one that is listed", "una@sub.inside.example"),
        untold("domain: one that ends like a listed one", "una@notinside.example"),
        row(
            "domain: the old address and the new",
            vec![adam(), person("una").with(Mail, "una@inside.example")],
        )
        .then(
            modify("una", &[Replace(Mail, "una@outside.example")]),
            &["adam@inside.example: logged_in_users", "una@inside.example: object_modified"],
        )
        .in_vain(&["manager"]),
        row(
            "domain: the address of a group in place of its members",
            vec![
                adam(),
                person("ann").with(Mail, "ann@outside.example"),
                group("crew").members("ann").with(Mail, "crew@inside.example"),
            ],
        )
        .then(
            modify("crew", &[Replace(DisplayName, "The Crew")]),
            &["adam@inside.example: logged_in_users", "crew@inside.example: object_modified"],
        )
        .in_vain(&["owner"]),
    ]
}

/// `show_actor = false`: mails to members and objects do not say who made the change.
pub fn hidden_actor() -> Vec<Row> {
    vec![
        row("hidden actor: members", with_crew(people("cem"))).then(
            modify("crew", &[Add(Member, "cem"), Remove(Member, "ben")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann: object_modified",
                "ben: removed_members",
                "cem: added_members, object_modified",
            ],
        ),
        row("hidden actor: a user", and(people("maud"), [una()]))
            .then(
                modify("una", &[Replace(Title, "Chief")]),
                &["adam: logged_in_users", "maud: manager", "una: object_modified"],
            )
            .then(Rename("una", "ursa"), &["adam: logged_in_users", "maud: manager", "una: object_modified"]),
    ]
}
