//! | Notify removed group member on removal | `removed_members` |
//! | fires on | member-removed; object-deleted of a group |
//! | told | the member; the last members, limited like any group recipient |

use super::{posix_crew, with_crew};
use crate::options::row::{
    Class,
    Edit::{Add, Remove, Replace},
    Field::{Member, MemberUid, UniqueMember},
    Operation::{Delete, Rename},
    Row, and, entry, group, modify, people, person, place, row,
};

pub fn rows() -> Vec<Row> {
    [fires(), groups(), does_not_tell()].concat()
}

fn fires() -> Vec<Row> {
    vec![
        row(
            "removed: the last from a group that may be empty",
            and(people("ann olga"), [entry("crew", Class::GroupOrEmpty).owners("olga").members("ann")]),
        )
        .then(
            modify("crew", &[Remove(Member, "ann")]),
            &["adam: logged_in_users", "olga: owner", "ann: removed_members"],
        )
        .in_vain(&["object_modified"]),
        row(
            "removed: the dummy member takes the place of the last",
            and(people("ann olga"), [group("crew").owners("olga").members("ann")]),
        )
        .then(
            modify("crew", &[Replace(Member, "nobody")]),
            &["adam: logged_in_users", "olga: owner", "ann: removed_members"],
        )
        .in_vain(&["object_modified"]),
        row("removed: all are exchanged", with_crew(people("cem dee"))).then(
            modify("crew", &[Replace(Member, "cem dee")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann ben: removed_members",
                "cem dee: added_members, object_modified",
            ],
        ),
        row(
            "removed: by uniqueMember",
            and(
                people("ann ben olga"),
                [entry("crew", Class::UniqueGroup).owners("olga").with(UniqueMember, "ann ben")],
            ),
        )
        .then(
            modify("crew", &[Remove(UniqueMember, "ann")]),
            &["adam: logged_in_users", "olga: owner", "ann: removed_members", "ben: object_modified"],
        ),
        row("removed: by memberUid", and(people("ann ben olga"), [posix_crew().with(MemberUid, "ben")]))
            .then(
                modify("crew", &[Remove(MemberUid, "ann")]),
                &["adam: logged_in_users", "olga: owner", "ann: removed_members", "ben: object_modified"],
            ),
        row(
            "removed: by the new name, after the place was renamed",
            and(
                people("cem olga"),
                [
                    place("attic"),
                    person("ann").in_place("attic"),
                    entry("crew", Class::UniqueGroup).owners("olga").with(UniqueMember, "ann cem"),
                ],
            ),
        )
        .then(Rename("attic", "loft"), &["adam: logged_in_users"])
        .then(
            modify("crew", &[Replace(UniqueMember, "cem")]),
            &["adam: logged_in_users", "olga: owner", "ann: removed_members", "cem: object_modified"],
        ),
        row(
            "removed: a group, and with it its members",
            and(
                people("ann ben cem olga"),
                [group("team").members("ben cem"), group("crew").owners("olga").members("ann team")],
            ),
        )
        .then(
            modify("crew", &[Remove(Member, "team")]),
            &["adam: logged_in_users", "olga: owner", "ann: object_modified", "ben cem: removed_members"],
        ),
        row("removed: added, and removed again", with_crew(people("cem")))
            .then(
                modify("crew", &[Add(Member, "cem")]),
                &[
                    "adam: logged_in_users",
                    "olga: owner",
                    "ann ben: object_modified",
                    "cem: added_members, object_modified",
                ],
            )
            .then(
                modify("crew", &[Remove(Member, "cem")]),
                &["adam: logged_in_users", "olga: owner", "ann ben: object_modified", "cem: removed_members"],
            ),
    ]
}

fn groups() -> Vec<Row> {
    vec![
        row("removed: a group by memberUid is deleted", and(people("ann olga"), [posix_crew()]))
            .then(Delete("crew"), &["olga: owner", "ann: object_modified, removed_members"]),
        row("removed: a group without owner is deleted", and(people("ann"), [group("crew").members("ann")]))
            .then(Delete("crew"), &["ann: object_modified, removed_members"])
            .in_vain(&["owner"]),
        row(
            "removed: a group as large as the limit is deleted",
            and(
                people("ann ben cem dee eve olga"),
                [group("crew").owners("olga").members("ann ben cem dee eve")],
            ),
        )
        .then(Delete("crew"), &["olga: owner", "ann ben cem dee eve: object_modified, removed_members"]),
        row(
            "removed: a group larger than the limit is deleted",
            and(
                people("ann ben cem dee eve fay olga"),
                [group("crew").owners("olga").members("ann ben cem dee eve fay")],
            ),
        )
        .then(Delete("crew"), &["olga: owner"])
        .in_vain(&["object_modified", "removed_members"]),
        row(
            "removed: a group that contains a group is deleted",
            and(
                people("ann ben cem olga"),
                [group("team").members("ben cem"), group("crew").owners("olga").members("ann team")],
            ),
        )
        .then(Delete("crew"), &["olga: owner", "ann ben cem: object_modified, removed_members"]),
        row(
            "removed: a group that is in a group is deleted",
            and(
                people("ann ben cem olga omar"),
                [
                    group("team").owners("omar").members("ben cem"),
                    group("crew").owners("olga").members("ann team"),
                ],
            ),
        )
        .then(
            Delete("team"),
            &["olga omar: owner", "ann: object_modified", "ben cem: object_modified, removed_members"],
        ),
    ]
}

fn does_not_tell() -> Vec<Row> {
    vec![
        row("removed: the member was deleted", with_crew([]))
            .then(Delete("ann"), &["olga: owner", "ben: object_modified"])
            .in_vain(&["manager", "removed_members"]),
        row("removed: another is added", with_crew(people("cem"))).then(
            modify("crew", &[Add(Member, "cem")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann ben: object_modified",
                "cem: added_members, object_modified",
            ],
        ),
        row("removed: the dummy member", with_crew([]))
            .unnoticed(modify("crew", &[Add(Member, "nobody")]))
            .unnoticed(modify("crew", &[Remove(Member, "nobody")])),
    ]
}
