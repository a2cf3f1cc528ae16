//! What becomes of groups, people and places themselves.

use super::members::posix_crew;
use crate::options::row::{
    Class,
    Edit::{Add, Replace},
    Field::{Description, DisplayName, Mail, Manager, Member, Title, UniqueMember},
    Row,
    Step::{Create, Delete, Move, Rename},
    and, entry, group, modify, people, person, place, row,
};

pub fn groups() -> Vec<Row> {
    let crew = || group("crew").owners("olga").members("ann ben");
    vec![
        row(
            "a group is created with members",
            people("ann ben olga"),
            vec![Create(crew())],
            &["olga: owner", "ann: added_members", "ben: added_members"],
        ),
        row(
            "an empty group is created",
            people("olga"),
            vec![Create(entry("crew", Class::GroupOrEmpty).owners("olga"))],
            &["olga: owner"],
        ),
        row(
            "a group is deleted",
            and(people("ann ben olga"), [crew()]),
            vec![Delete("crew")],
            &["olga: owner", "ann: removed_members", "ben: removed_members"],
        ),
        row(
            "a posixGroup is deleted",
            and(people("ann olga"), [posix_crew()]),
            vec![Delete("crew")],
            &["olga: owner", "ann: removed_members"],
        ),
        row(
            "a group without owner is deleted",
            and(people("ann"), [group("crew").members("ann")]),
            vec![Delete("crew")],
            &["ann: removed_members"],
        ),
        row(
            "a group of more than the limit is deleted",
            and(
                people("ann ben cem dee eve fay olga"),
                [group("crew").owners("olga").members("ann ben cem dee eve fay")],
            ),
            vec![Delete("crew")],
            &["olga: owner"],
        ),
        row(
            "a group is renamed",
            and(people("ann ben olga"), [crew()]),
            vec![Rename("crew", "team")],
            &["olga: owner"],
        ),
        row(
            "a group is moved",
            and(people("ann ben olga"), [place("attic"), crew()]),
            vec![Move("crew", "attic")],
            &["olga: owner"],
        ),
        row(
            "a watched attribute of a group changes",
            and(people("ann ben olga"), [crew()]),
            vec![modify("crew", &[Replace(DisplayName, "The Crew")])],
            &["olga: owner"],
        ),
        row(
            "a group gets an address",
            and(people("ann ben olga"), [crew()]),
            vec![modify("crew", &[Add(Mail, "crew@lists.example")])],
            &["olga: owner"],
        ),
        row(
            "an attribute of a group that nobody watches changes",
            and(people("ann ben olga"), [crew()]),
            vec![modify("crew", &[Replace(Description, "changed")])],
            &[],
        )
        .sets(0, 0),
    ]
}

pub fn users() -> Vec<Row> {
    let crew = || group("crew").owners("olga").members("ann ben");
    vec![
        row("a user is created", vec![], vec![Create(person("ann"))], &[]).sets(0, 1),
        row(
            "a user is created and added to a group",
            and(people("ben olga"), [group("crew").owners("olga").members("ben")]),
            vec![Create(person("ann")), modify("crew", &[Add(Member, "ann")])],
            &["olga: owner", "ann: added_members"],
        )
        .sets(1, 2),
        row("a user is deleted", people("ann"), vec![Delete("ann")], &[]).sets(0, 1),
        row(
            "a user who was in several groups is deleted",
            and(
                people("ann ben olga omar"),
                [crew(), group("team").owners("omar").members("ann ben"), group("others").members("ben")],
            ),
            vec![Delete("ann")],
            &["olga: owner", "omar: owner"],
        ),
        row(
            "a deleted user was named by uniqueMember",
            and(
                people("ann ben olga"),
                [entry("crew", Class::UniqueGroup).owners("olga").with(UniqueMember, "ann ben")],
            ),
            vec![Delete("ann")],
            &["olga: owner"],
        ),
        row(
            "a deleted user was named by memberUid",
            and(people("ann olga"), [posix_crew()]),
            vec![Delete("ann")],
            &["olga: owner"],
        ),
        row(
            "a user who owned a group is deleted",
            and(people("ann olga omar"), [group("crew").owners("olga omar").members("ann")]),
            vec![Delete("omar")],
            &["olga: owner"],
        ),
        row(
            "a manager is deleted",
            and(people("maud"), [person("ann").with(Manager, "maud"), person("ben").with(Manager, "maud")]),
            vec![Delete("maud")],
            &[],
        )
        .sets(0, 1),
        row(
            "a user is renamed, and the groups say nothing, then or later",
            and(people("ann ben cem olga"), [crew()]),
            vec![Rename("ann", "anna"), modify("crew", &[Add(Member, "cem")])],
            &["olga: owner", "cem: added_members"],
        )
        .sets(1, 2),
        row(
            "a user is moved, and the groups say nothing, then or later",
            and(people("ann ben cem olga"), [place("attic"), crew()]),
            vec![Move("ann", "attic"), modify("crew", &[Add(Member, "cem")])],
            &["olga: owner", "cem: added_members"],
        )
        .sets(1, 2),
        row(
            "an owner is renamed, and hears of what follows",
            and(people("ann ben cem olga"), [crew()]),
            vec![Rename("olga", "olla"), modify("crew", &[Add(Member, "cem")])],
            &["olga: owner", "cem: added_members"],
        )
        .sets(1, 2),
        row(
            "a watched attribute of a user changes",
            and(people("ann ben olga"), [crew()]),
            vec![modify("ann", &[Replace(Title, "Chief")])],
            &[],
        )
        .sets(0, 1),
        row(
            "an attribute of a user that nobody watches changes",
            people("ann"),
            vec![modify("ann", &[Replace(Description, "changed")])],
            &[],
        )
        .sets(0, 0),
        row(
            "the manager changes",
            and(people("maud mika"), [person("ann").with(Manager, "maud")]),
            vec![modify("ann", &[Replace(Manager, "mika")])],
            &[],
        )
        .sets(0, 1),
        row(
            "the manager goes, and one comes",
            and(people("maud"), [person("ann").with(Manager, "maud")]),
            vec![modify("ann", &[Replace(Manager, "")]), modify("ann", &[Add(Manager, "maud")])],
            &[],
        )
        .sets(0, 2),
    ]
}

pub fn places() -> Vec<Row> {
    vec![
        row(
            "a place with people, a group and its members is renamed",
            and(
                people("olga cem"),
                [
                    place("attic"),
                    person("ann").in_place("attic"),
                    person("ben").in_place("attic"),
                    group("inside").in_place("attic").owners("olga").members("ann ben"),
                    group("outside").owners("olga").members("ann ben"),
                ],
            ),
            vec![
                Rename("attic", "loft"),
                modify("outside", &[Add(Member, "cem")]),
                modify("inside", &[Add(Member, "cem")]),
            ],
            &["olga: owner", "cem: added_members", "olga: owner", "cem: added_members"],
        )
        .sets(2, 3),
        row(
            "a member of a renamed place is removed by the new name",
            and(
                people("olga cem"),
                [
                    place("attic"),
                    person("ann").in_place("attic"),
                    entry("crew", Class::UniqueGroup).owners("olga").with(UniqueMember, "ann cem"),
                ],
            ),
            vec![Rename("attic", "loft"), modify("crew", &[Replace(UniqueMember, "cem")])],
            &["olga: owner", "ann: removed_members"],
        )
        .sets(1, 2),
        row("a place is created and deleted", vec![], vec![Create(place("attic")), Delete("attic")], &[])
            .sets(0, 0),
    ]
}
