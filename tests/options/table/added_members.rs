//! | Notify newly added group members on addition | `added_members` |
//! | fires on | member-added |
//! | told | the member |

use super::{crew, posix_crew, unique_crew, with_crew};
use crate::options::row::{
    Class,
    Edit::{Add, Remove, Replace},
    Field::{DisplayName, Member, MemberUid, Owner, UniqueMember},
    Operation::{Create, Rename},
    Row, and, contact, entry, group, modify, people, person, place, row,
};

pub fn rows() -> Vec<Row> {
    [fires(), does_not_fire()].concat()
}

fn fires() -> Vec<Row> {
    let ben_joins: &[&str] = &[
        "adam: logged_in_users",
        "olga: owner",
        "ann: object_modified",
        "ben: added_members, object_modified",
    ];
    vec![
        row("added: two members at once", with_crew(people("cem dee"))).then(
            modify("crew", &[Add(Member, "cem dee")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann ben: object_modified",
                "cem dee: added_members, object_modified",
            ],
        ),
        row("added: to a new group", people("ann ben olga")).then(
            Create(crew()),
            &["adam: logged_in_users", "olga: owner", "ann ben: added_members, object_modified"],
        ),
        row(
            "added: in the place of the dummy member",
            and(people("ann olga"), [group("crew").owners("olga").members("nobody")]),
        )
        .then(
            modify("crew", &[Add(Member, "ann"), Remove(Member, "nobody")]),
            &["adam: logged_in_users", "olga: owner", "ann: added_members, object_modified"],
        ),
        row(
            "added: the first to a group that may be empty",
            and(people("ann olga"), [entry("crew", Class::GroupOrEmpty).owners("olga")]),
        )
        .then(
            modify("crew", &[Add(Member, "ann")]),
            &["adam: logged_in_users", "olga: owner", "ann: added_members, object_modified"],
        ),
        row("added: by uniqueMember", and(people("ann ben olga"), [unique_crew()]))
            .then(modify("crew", &[Add(UniqueMember, "ben")]), ben_joins),
        row("added: by memberUid", and(people("ann ben olga"), [posix_crew()]))
            .then(modify("crew", &[Add(MemberUid, "ben")]), ben_joins),
        row(
            "added: a contact",
            and(people("ann olga"), [contact("carl"), group("crew").owners("olga").members("ann")]),
        )
        .then(
            modify("crew", &[Add(Member, "carl")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann: object_modified",
                "carl: added_members, object_modified",
            ],
        ),
        row(
            "added: a group, and with it its members",
            and(
                people("ann ben cem olga"),
                [group("team").members("ben cem"), group("crew").owners("olga").members("ann")],
            ),
        )
        .then(
            modify("crew", &[Add(Member, "team")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann: object_modified",
                "ben cem: added_members, object_modified",
            ],
        ),
        row("added: a user who was created just before", with_crew([]))
            .then(Create(person("dee")), &["adam: logged_in_users"])
            .in_vain(&["manager"])
            .then(
                modify("crew", &[Add(Member, "dee")]),
                &[
                    "adam: logged_in_users",
                    "olga: owner",
                    "ann ben: object_modified",
                    "dee: added_members, object_modified",
                ],
            ),
    ]
}

fn does_not_fire() -> Vec<Row> {
    vec![
        row("added: the members are written anew in another order", with_crew([]))
            .unnoticed(modify("crew", &[Replace(Member, "ben ann")])),
        row("added: removed and added again in one change", with_crew([]))
            .unnoticed(modify("crew", &[Remove(Member, "ann"), Add(Member, "ann")])),
        row("added: a member is renamed", with_crew([]))
            .then(Rename("ann", "anna"), &["adam: logged_in_users", "ann: object_modified"])
            .in_vain(&["manager"]),
        row(
            "added: the place of the members is renamed",
            and(
                people("cem olga"),
                [
                    place("attic"),
                    person("ann").in_place("attic"),
                    person("ben").in_place("attic"),
                    group("inside").in_place("attic").owners("olga").members("ann ben"),
                    group("outside").owners("olga").members("ann ben"),
                ],
            ),
        )
        .then(Rename("attic", "loft"), &["adam: logged_in_users"])
        .then(
            modify("outside", &[Add(Member, "cem")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann ben: object_modified",
                "cem: added_members, object_modified",
            ],
        )
        .then(
            modify("inside", &[Add(Member, "cem")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann ben: object_modified",
                "cem: added_members, object_modified",
            ],
        ),
        row("added: somebody becomes an owner", with_crew(people("omar"))).then(
            modify("crew", &[Add(Owner, "omar")]),
            &["adam: logged_in_users", "olga omar: owner", "ann ben: object_modified"],
        ),
        row("added: a group changes otherwise", with_crew([])).then(
            modify("crew", &[Replace(DisplayName, "The Crew")]),
            &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
        ),
    ]
}
