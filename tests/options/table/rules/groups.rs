//! Recipients that are groups.

use crate::options::{
    row::{
        Edit::{Add, Remove, Replace},
        Entry,
        Field::{DisplayName, Mail, Member},
        Operation::{Create, Delete},
        Row, and, group, modify, people, person, row,
    },
    table::with_crew,
};

/// M10: a recipient that is a group is expanded to its members, nested groups included, each person once, cycles
/// harmless, up to the limit. Over the limit, or where it expands to nobody who can be told: the group's own
/// address if it has one, else nobody.
pub fn group_recipients() -> Vec<Row> {
    [owning(), joining(), changed()].concat()
}

/// The group owns another, to which Dee comes.
fn owning() -> Vec<Row> {
    let joins = |name, before: Vec<Entry>, owners: &[&'static str]| {
        let others = ["adam: logged_in_users", "ann: object_modified", "dee: added_members, object_modified"];
        row(name, before).then(modify("crew", &[Add(Member, "dee")]), &[&others, owners].concat())
    };
    let in_vain = |name, before| joins(name, before, &[]).in_vain(&["owner"]);
    let crew = || group("crew").owners("team").members("ann");
    let some = |more: Vec<Entry>| and(and(people("ann ben cem dee eve fay gus ida"), more), [crew()]);
    let none_can_be_told = |team: Entry| {
        and(people("ann dee"), [person("ben").with(Mail, ""), person("cem").disabled(), team, crew()])
    };
    vec![
        joins(
            "owning group: groups within",
            some(vec![
                group("inmost").members("cem eve"),
                group("inner").members("ben inmost"),
                group("team").members("ben inner"),
            ]),
            &["ben cem eve: owner"],
        ),
        joins(
            "owning group: empty, with an address",
            some(vec![group("team").members("nobody").with(Mail, "team@row")]),
            &["team: owner"],
        ),
        in_vain("owning group: empty, without an address", some(vec![group("team").members("nobody")])),
        joins(
            "owning group: nobody to be told, with an address",
            none_can_be_told(group("team").members("ben cem").with(Mail, "team@row")),
            &["team: owner"],
        ),
        in_vain(
            "owning group: nobody to be told, with a wrong address",
            none_can_be_told(group("team").members("ben cem").with(Mail, "team at row")),
        ),
        joins(
            "owning group: somebody to be told, and an address",
            some(vec![group("team").members("ben").with(Mail, "team@row")]),
            &["ben: owner"],
        ),
        joins(
            "owning group: two that contain each other",
            some(vec![group("inner").members("ben team"), group("team").members("cem inner")]),
            &["ben cem: owner"],
        ),
        joins(
            "owning group: as large as the limit",
            some(vec![group("team").members("ben cem eve fay gus")]),
            &["ben cem eve fay gus: owner"],
        ),
        joins(
            "owning group: as large as the limit, and who is in it twice counts once",
            some(vec![group("inner").members("ben fay gus"), group("team").members("ben cem eve inner")]),
            &["ben cem eve fay gus: owner"],
        ),
        joins(
            "owning group: over the limit, with an address",
            some(vec![group("team").members("ben cem eve fay gus ida").with(Mail, "team@row")]),
            &["team: owner"],
        ),
        in_vain(
            "owning group: over the limit, without an address",
            some(vec![group("team").members("ben cem eve fay gus ida")]),
        ),
        in_vain(
            "owning group: over the limit with the groups within",
            some(vec![group("inner").members("fay gus ida"), group("team").members("ben cem eve inner")]),
        ),
        row(
            "owning group: the group itself",
            and(people("ann dee"), [group("crew").owners("crew").members("ann")]),
        )
        .then(
            modify("crew", &[Add(Member, "dee")]),
            &[
                "adam: logged_in_users",
                "ann: object_modified, owner",
                "dee: added_members, object_modified, owner",
            ],
        ),
        row(
            "owning group: one of its members joins",
            and(people("ann ben cem"), [group("team").members("ben cem"), crew()]),
        )
        .then(
            modify("crew", &[Add(Member, "ben")]),
            &[
                "adam: logged_in_users",
                "ben: added_members, object_modified, owner",
                "cem: owner",
                "ann: object_modified",
            ],
        ),
    ]
}

/// The group becomes a member of another.
fn joining() -> Vec<Row> {
    let with = |team: Entry| with_crew(and(people("cem dee eve fay gus ida"), [team]));
    let crew_told = ["adam: logged_in_users", "olga: owner"];
    vec![
        row(
            "joining group: over the limit, with an address",
            with(group("team").members("cem dee eve fay gus ida").with(Mail, "team@row")),
        )
        .then(modify("crew", &[Add(Member, "team")]), &[&crew_told[..], &["team: added_members"]].concat())
        // The crew and the team together are over the limit as well.
        .in_vain(&["object_modified"]),
        row(
            "joining group: within the limit, but not together with the others",
            with(group("team").members("cem dee eve fay")),
        )
        .then(
            modify("crew", &[Add(Member, "team")]),
            &[&crew_told[..], &["cem dee eve fay: added_members"]].concat(),
        )
        .in_vain(&["object_modified"]),
        row(
            "leaving group: over the limit, with an address",
            and(
                people("ann cem dee eve fay gus ida olga"),
                [
                    group("team").members("cem dee eve fay gus ida").with(Mail, "team@row"),
                    group("crew").owners("olga").members("ann team"),
                ],
            ),
        )
        .then(
            modify("crew", &[Remove(Member, "team")]),
            &[&crew_told[..], &["ann: object_modified", "team: removed_members"]].concat(),
        ),
        row(
            "joining group: empty, with an address",
            with(group("team").members("nobody").with(Mail, "team@row")),
        )
        .then(
            modify("crew", &[Add(Member, "team")]),
            &[&crew_told[..], &["ann ben: object_modified", "team: added_members"]].concat(),
        ),
    ]
}

/// The group itself changes, and its members are told.
fn changed() -> Vec<Row> {
    vec![
        row(
            "changed group: over the limit, the old address and the new",
            and(
                people("ann ben cem dee eve fay olga"),
                [group("crew").owners("olga").members("ann ben cem dee eve fay").with(Mail, "crew@row")],
            ),
        )
        .then(
            modify("crew", &[Replace(Mail, "crew.new@row")]),
            &["adam: logged_in_users", "olga: owner", "crew crew.new: object_modified"],
        ),
        row(
            "changed group: it is created over the limit, with an address",
            people("ann ben cem dee eve fay olga"),
        )
        .then(
            Create(group("crew").owners("olga").members("ann ben cem dee eve fay").with(Mail, "crew@row")),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "crew: object_modified",
                "ann ben cem dee eve fay: added_members",
            ],
        ),
    ]
}

/// M11: each is told once, the removed member of the removal alone, the members that stay of the event.
pub fn removed_and_all_members() -> Vec<Row> {
    vec![
        row("all members: one is removed", with_crew([])).then(
            modify("crew", &[Remove(Member, "ben")]),
            &["adam: logged_in_users", "olga: owner", "ann: object_modified", "ben: removed_members"],
        ),
        row(
            "all members: one is removed, but still belongs by a group",
            and(
                people("ann ben olga"),
                [group("team").members("ben"), group("crew").owners("olga").members("ann ben team")],
            ),
        )
        .then(
            modify("crew", &[Remove(Member, "ben")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann: object_modified",
                "ben: object_modified, removed_members",
            ],
        ),
        row("all members: the group is deleted", with_crew([]))
            .then(Delete("crew"), &["olga: owner", "ann ben: object_modified, removed_members"]),
        row(
            "all members: the group is deleted, with one who belonged twice",
            and(
                people("ann ben olga"),
                [group("team").members("ann ben"), group("crew").owners("olga").members("ann team")],
            ),
        )
        .then(Delete("crew"), &["olga: owner", "ann ben: object_modified, removed_members"]),
        row(
            "all members: the group is deleted, and the members are over the limit together",
            and(
                people("ann ben cem dee eve fay olga"),
                [
                    group("team").members("dee eve fay"),
                    group("crew").owners("olga").members("ann ben cem team"),
                ],
            ),
        )
        .then(Delete("crew"), &["olga: owner"])
        .in_vain(&["object_modified", "removed_members"]),
        row("all members: one is removed, and the rest changes as well", with_crew(people("cem"))).then(
            modify("crew", &[Replace(Member, "ann cem"), Replace(DisplayName, "The Crew")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann: object_modified",
                "ben: removed_members",
                "cem: added_members, object_modified",
            ],
        ),
        row(
            "all members: two with one address, one removed",
            and(
                people("ann olga"),
                [
                    person("ben").with(Mail, "shared@row"),
                    person("cem").with(Mail, "shared@row"),
                    group("crew").owners("olga").members("ann ben cem"),
                ],
            ),
        )
        .then(
            modify("crew", &[Remove(Member, "ben")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann: object_modified",
                "shared: object_modified, removed_members",
            ],
        ),
    ]
}
