//! Groups as members and as owners, and several changes at once.

use crate::options::row::{
    Edit::{Add, Remove, Replace},
    Field::{DisplayName, Member, Owner},
    Row,
    Step::Delete,
    and, group, modify, people, row,
};

pub fn groups_in_groups() -> Vec<Row> {
    let team = || group("team").members("ben cem");
    vec![
        row(
            "a group is added to a group",
            and(people("ann ben cem olga"), [team(), group("crew").owners("olga").members("ann")]),
            vec![modify("crew", &[Add(Member, "team")])],
            &["olga: owner", "ben: added_members", "cem: added_members"],
        ),
        row(
            "a group is removed from a group",
            and(people("ann ben cem olga"), [team(), group("crew").owners("olga").members("ann team")]),
            vec![modify("crew", &[Remove(Member, "team")])],
            &["olga: owner", "ben: removed_members", "cem: removed_members"],
        ),
        row(
            "a member comes to the inner of two groups",
            and(
                people("ann ben cem dee olga omar"),
                [team().owners("omar"), group("crew").owners("olga").members("ann team")],
            ),
            vec![modify("team", &[Add(Member, "dee")])],
            &["omar: owner", "dee: added_members"],
        ),
        row(
            "a group that contains a group is deleted",
            and(people("ann ben cem olga"), [team(), group("crew").owners("olga").members("ann team")]),
            vec![Delete("crew")],
            &["olga: owner", "ann: removed_members", "ben: removed_members", "cem: removed_members"],
        ),
        row(
            "a group that is in a group is deleted",
            and(
                people("ann ben cem olga omar"),
                [team().owners("omar"), group("crew").owners("olga").members("ann team")],
            ),
            vec![Delete("team")],
            &["omar: owner", "olga: owner", "ben: removed_members", "cem: removed_members"],
        ),
        row(
            "a group owns a group",
            and(people("ann ben cem dee"), [team(), group("crew").owners("team").members("ann")]),
            vec![modify("crew", &[Add(Member, "dee")])],
            &["ben: owner", "cem: owner", "dee: added_members"],
        ),
        row(
            "an owning group is replaced by a person",
            and(people("ann ben cem olga"), [team(), group("crew").owners("team").members("ann")]),
            vec![modify("crew", &[Replace(Owner, "olga")])],
            &["ben: owner", "cem: owner", "olga: owner"],
        ),
        row(
            "a member of the owning group is added",
            and(people("ann ben cem"), [team(), group("crew").owners("team").members("ann")]),
            vec![modify("crew", &[Add(Member, "ben")])],
            &["ben: added_members, owner", "cem: owner"],
        ),
    ]
}

pub fn at_once() -> Vec<Row> {
    vec![
        row(
            "members, owner and name change in one modify",
            and(people("ann ben olga omar"), [group("crew").owners("olga").members("ann")]),
            vec![modify(
                "crew",
                &[
                    Add(Member, "ben"),
                    Remove(Member, "ann"),
                    Replace(Owner, "omar"),
                    Replace(DisplayName, "The Crew"),
                ],
            )],
            &["olga: owner", "omar: owner", "ben: added_members", "ann: removed_members"],
        ),
        row(
            "a member becomes the owner",
            and(people("ann ben olga"), [group("crew").owners("olga").members("ann ben")]),
            vec![modify("crew", &[Replace(Owner, "ann"), Remove(Member, "ann")])],
            &["olga: owner", "ann: owner, removed_members"],
        ),
        row(
            "a person is removed and added again in one modify",
            and(people("ann ben olga"), [group("crew").owners("olga").members("ann ben")]),
            vec![modify("crew", &[Remove(Member, "ann"), Add(Member, "ann")])],
            &[],
        )
        .sets(0, 0),
    ]
}
