//! Members come and go, however the group spells them.

use crate::options::row::{
    Class,
    Edit::{Add, Remove, Replace},
    Entry,
    Field::{Member, MemberUid, UniqueMember},
    Row, and, entry, group, modify, people, row,
};

pub fn members() -> Vec<Row> {
    let crew = || group("crew").owners("olga").members("ann ben");
    vec![
        row(
            "a member is added",
            and(people("ann ben cem olga"), [crew()]),
            vec![modify("crew", &[Add(Member, "cem")])],
            &["olga: owner", "cem: added_members"],
        ),
        row(
            "two members are added at once",
            and(people("ann ben cem dee olga"), [crew()]),
            vec![modify("crew", &[Add(Member, "cem dee")])],
            &["olga: owner", "cem: added_members", "dee: added_members"],
        ),
        row(
            "a member is removed",
            and(people("ann ben olga"), [crew()]),
            vec![modify("crew", &[Remove(Member, "ben")])],
            &["olga: owner", "ben: removed_members"],
        ),
        row(
            "a member is added to a group without owner",
            and(people("ann ben"), [group("crew").members("ann")]),
            vec![modify("crew", &[Add(Member, "ben")])],
            &["ben: added_members"],
        ),
        row(
            "a member is added, and removed again",
            and(people("ann ben cem olga"), [crew()]),
            vec![modify("crew", &[Add(Member, "cem")]), modify("crew", &[Remove(Member, "cem")])],
            &["olga: owner", "olga: owner", "cem: added_members", "cem: removed_members"],
        )
        .sets(2, 2),
        row(
            "all members are exchanged",
            and(people("ann ben cem dee olga"), [crew()]),
            vec![modify("crew", &[Replace(Member, "cem dee")])],
            &[
                "olga: owner",
                "ann: removed_members",
                "ben: removed_members",
                "cem: added_members",
                "dee: added_members",
            ],
        ),
        row(
            "the same members are written anew in another order",
            and(people("ann ben olga"), [crew()]),
            vec![modify("crew", &[Replace(Member, "ben ann")])],
            &[],
        )
        .sets(0, 0),
        row(
            "the last member goes from a group that may be empty",
            and(people("ann olga"), [entry("crew", Class::GroupOrEmpty).owners("olga").members("ann")]),
            vec![modify("crew", &[Remove(Member, "ann")])],
            &["olga: owner", "ann: removed_members"],
        ),
        row(
            "the dummy member makes room for the first",
            and(people("ann olga"), [group("crew").owners("olga").members("nobody")]),
            vec![modify("crew", &[Add(Member, "ann"), Remove(Member, "nobody")])],
            &["olga: owner", "ann: added_members"],
        ),
        row(
            "the dummy member takes the place of the last",
            and(people("ann olga"), [group("crew").owners("olga").members("ann")]),
            vec![modify("crew", &[Replace(Member, "nobody")])],
            &["olga: owner", "ann: removed_members"],
        ),
        row(
            "the dummy member is added and removed",
            and(people("ann olga"), [group("crew").owners("olga").members("ann")]),
            vec![modify("crew", &[Add(Member, "nobody")]), modify("crew", &[Remove(Member, "nobody")])],
            &[],
        )
        .sets(0, 0),
    ]
}

/// Members by the attributes of other classes.
pub fn member_spellings() -> Vec<Row> {
    vec![
        row(
            "a uniqueMember is added",
            and(people("ann ben olga"), [unique_crew()]),
            vec![modify("crew", &[Add(UniqueMember, "ben")])],
            &["olga: owner", "ben: added_members"],
        ),
        row(
            "a uniqueMember is exchanged",
            and(people("ann ben olga"), [unique_crew()]),
            vec![modify("crew", &[Replace(UniqueMember, "ben")])],
            &["olga: owner", "ann: removed_members", "ben: added_members"],
        ),
        row(
            "a memberUid is added",
            and(people("ann ben olga"), [posix_crew()]),
            vec![modify("crew", &[Add(MemberUid, "ben")])],
            &["olga: owner", "ben: added_members"],
        ),
        row(
            "a memberUid is removed",
            and(people("ann olga"), [posix_crew()]),
            vec![modify("crew", &[Remove(MemberUid, "ann")])],
            &["olga: owner", "ann: removed_members"],
        ),
    ]
}

pub fn unique_crew() -> Entry {
    entry("crew", Class::UniqueGroup).owners("olga").with(UniqueMember, "ann")
}

pub fn posix_crew() -> Entry {
    entry("crew", Class::PosixGroup).owners("olga").with(MemberUid, "ann")
}
