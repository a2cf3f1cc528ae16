//! | Notify owner (of groups) | `owner` |
//! | fires on | every event on a group |
//! | told | primary and additional owners, before ∪ after (the owner who was replaced hears of it) |

use super::{crew, posix_crew, unique_crew, with_crew, with_una};
use crate::options::row::{
    Class,
    Edit::{Add, Remove, Replace},
    Entry,
    Field::{
        CoOwner, Description, DisplayName, Mail, ManagedBy, Member, MemberUid, Owner, Title, UniqueMember,
    },
    Operation::{Create, Delete, Move, Rename},
    Row, and, entry, group, modify, people, place, row,
};

pub fn rows() -> Vec<Row> {
    [fires(), does_not_fire(), tells(), does_not_tell()].concat()
}

fn fires() -> Vec<Row> {
    vec![
        row("owner: a group is created", people("ann ben olga")).then(
            Create(crew()),
            &["adam: logged_in_users", "olga: owner", "ann ben: added_members, object_modified"],
        ),
        row("owner: a group without members is created", people("olga"))
            .then(
                Create(entry("crew", Class::GroupOrEmpty).owners("olga")),
                &["adam: logged_in_users", "olga: owner"],
            )
            .in_vain(&["object_modified"]),
        row("owner: a group is deleted", with_crew([]))
            .then(Delete("crew"), &["olga: owner", "ann ben: object_modified, removed_members"]),
        row("owner: a group is renamed", with_crew([])).then(
            Rename("crew", "team"),
            &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
        ),
        row("owner: a group is moved", with_crew([place("attic")])).then(
            Move("crew", "attic"),
            &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
        ),
        row("owner: a watched attribute of a group changes", with_crew([])).then(
            modify("crew", &[Replace(DisplayName, "The Crew")]),
            &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
        ),
        row("owner: a group gets an address", with_crew([])).then(
            modify("crew", &[Add(Mail, "crew@row")]),
            &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
        ),
        row("owner: a member is added", with_crew(people("cem"))).then(
            modify("crew", &[Add(Member, "cem")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann ben: object_modified",
                "cem: added_members, object_modified",
            ],
        ),
        row("owner: a member is removed", with_crew([])).then(
            modify("crew", &[Remove(Member, "ben")]),
            &["adam: logged_in_users", "olga: owner", "ann: object_modified", "ben: removed_members"],
        ),
        row("owner: a member is deleted", with_crew([]))
            .then(Delete("ben"), &["olga: owner", "ann: object_modified"])
            .in_vain(&["manager", "removed_members"]),
        row(
            "owner: a member by uniqueMember is deleted",
            and(
                people("ann ben olga"),
                [entry("crew", Class::UniqueGroup).owners("olga").with(UniqueMember, "ann ben")],
            ),
        )
        .then(Delete("ann"), &["olga: owner", "ben: object_modified"])
        .in_vain(&["manager", "removed_members"]),
        row(
            "owner: a member by memberUid is deleted",
            and(people("ann ben olga"), [posix_crew().with(MemberUid, "ben")]),
        )
        .then(Delete("ann"), &["olga: owner", "ben: object_modified"])
        .in_vain(&["manager", "removed_members"]),
        row("owner: a member by uniqueMember is added", and(people("ann ben olga"), [unique_crew()])).then(
            modify("crew", &[Add(UniqueMember, "ben")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann: object_modified",
                "ben: added_members, object_modified",
            ],
        ),
    ]
}

fn does_not_fire() -> Vec<Row> {
    vec![
        row("owner: an attribute of a group that nobody watches changes", with_crew([]))
            .unnoticed(modify("crew", &[Replace(Description, "changed")])),
        row(
            "owner: an owner changes rank and nothing else",
            and(people("ann maud"), [group("crew").members("ann").with(ManagedBy, "maud")]),
        )
        .unnoticed(modify("crew", &[Replace(ManagedBy, ""), Add(CoOwner, "maud")])),
        row("owner: a member changes", with_crew([]))
            .then(
                modify("ann", &[Replace(Title, "Chief")]),
                &["adam: logged_in_users", "ann: object_modified"],
            )
            .in_vain(&["manager"]),
        row("owner: a member is renamed, and later a group changes", with_crew(people("cem")))
            .then(Rename("ann", "anna"), &["adam: logged_in_users", "ann: object_modified"])
            .in_vain(&["manager"])
            .then(
                modify("crew", &[Add(Member, "cem")]),
                &[
                    "adam: logged_in_users",
                    "olga: owner",
                    "ann ben: object_modified",
                    "cem: added_members, object_modified",
                ],
            ),
        row(
            "owner: a member is moved, and later a group changes",
            with_crew(and(people("cem"), [place("attic")])),
        )
        .then(Move("ann", "attic"), &["adam: logged_in_users", "ann: object_modified"])
        .in_vain(&["manager"])
        .then(
            modify("crew", &[Add(Member, "cem")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann ben: object_modified",
                "cem: added_members, object_modified",
            ],
        ),
        row("owner: the owner changes", with_crew([]))
            .then(
                modify("olga", &[Replace(Title, "Chief")]),
                &["adam: logged_in_users", "olga: object_modified"],
            )
            .in_vain(&["manager"]),
        row("owner: somebody who is in no group is deleted", with_una([]))
            .then(Delete("una"), &["maud: manager"]),
    ]
}

fn tells() -> Vec<Row> {
    let small = |more: &'static str| and(people(more), [group("crew").members("ann")]);
    let owned = |more: &'static str, crew: Entry| and(people(more), [crew.members("ann")]);
    vec![
        row("owner: the first owner is named", small("ann olga")).then(
            modify("crew", &[Add(Owner, "olga")]),
            &["adam: logged_in_users", "olga: owner", "ann: object_modified"],
        ),
        row("owner: another owner is added", owned("ann olga omar", group("crew").owners("olga"))).then(
            modify("crew", &[Add(Owner, "omar")]),
            &["adam: logged_in_users", "olga omar: owner", "ann: object_modified"],
        ),
        row("owner: the last owner is removed", owned("ann olga", group("crew").owners("olga"))).then(
            modify("crew", &[Replace(Owner, "")]),
            &["adam: logged_in_users", "olga: owner", "ann: object_modified"],
        ),
        row("owner: the owner is replaced", owned("ann olga omar", group("crew").owners("olga")))
            .then(
                modify("crew", &[Replace(Owner, "omar")]),
                &["adam: logged_in_users", "olga omar: owner", "ann: object_modified"],
            )
            // Who was replaced hears of nothing more.
            .then(
                modify("crew", &[Replace(DisplayName, "The Crew")]),
                &["adam: logged_in_users", "omar: owner", "ann: object_modified"],
            ),
        row("owner: managedBy is set beside an owner", owned("ann olga maud", group("crew").owners("olga")))
            .then(
                modify("crew", &[Add(ManagedBy, "maud")]),
                &["adam: logged_in_users", "olga maud: owner", "ann: object_modified"],
            ),
        row(
            "owner: managedBy is replaced",
            owned("ann maud mika olga", group("crew").with(ManagedBy, "maud").with(CoOwner, "olga")),
        )
        .then(
            modify("crew", &[Replace(ManagedBy, "mika")]),
            &["adam: logged_in_users", "maud mika olga: owner", "ann: object_modified"],
        ),
        row("owner: managedBy is removed", owned("ann maud", group("crew").with(ManagedBy, "maud"))).then(
            modify("crew", &[Replace(ManagedBy, "")]),
            &["adam: logged_in_users", "maud: owner", "ann: object_modified"],
        ),
        row(
            "owner: an additional owner is replaced",
            owned("ann maud olga omar", group("crew").with(ManagedBy, "maud").with(CoOwner, "olga")),
        )
        .then(
            modify("crew", &[Replace(CoOwner, "omar")]),
            &["adam: logged_in_users", "maud olga omar: owner", "ann: object_modified"],
        ),
        row("owner: one of the owners is deleted", owned("ann olga omar", group("crew").owners("olga omar")))
            .then(Delete("omar"), &["olga: owner", "ann: object_modified"])
            .in_vain(&["manager"]),
        row("owner: an owner is renamed, and hears of what follows", with_crew(people("cem")))
            .then(Rename("olga", "olla"), &["adam: logged_in_users", "olga: object_modified"])
            .in_vain(&["manager"])
            .then(
                modify("crew", &[Add(Member, "cem")]),
                &[
                    "adam: logged_in_users",
                    "olga: owner",
                    "ann ben: object_modified",
                    "cem: added_members, object_modified",
                ],
            ),
        row(
            "owner: a group is owned by a group",
            and(
                people("ann ben cem dee"),
                [group("team").members("ben cem"), group("crew").owners("team").members("ann")],
            ),
        )
        .then(
            modify("crew", &[Add(Member, "dee")]),
            &[
                "adam: logged_in_users",
                "ben cem: owner",
                "ann: object_modified",
                "dee: added_members, object_modified",
            ],
        ),
        row(
            "owner: an owning group is replaced by a person",
            and(
                people("ann ben cem olga"),
                [group("team").members("ben cem"), group("crew").owners("team").members("ann")],
            ),
        )
        .then(
            modify("crew", &[Replace(Owner, "olga")]),
            &["adam: logged_in_users", "ben cem olga: owner", "ann: object_modified"],
        ),
    ]
}

fn does_not_tell() -> Vec<Row> {
    vec![
        row("owner: a group without owner", and(people("ann ben"), [group("crew").members("ann")]))
            .then(
                modify("crew", &[Add(Member, "ben")]),
                &["adam: logged_in_users", "ann: object_modified", "ben: added_members, object_modified"],
            )
            .in_vain(&["owner"]),
        row("owner: the only owner is deleted", with_crew([]))
            .then(Delete("olga"), &["ann ben: object_modified"])
            .in_vain(&["owner", "manager"]),
        row(
            "owner: the owner of an outer group",
            and(
                people("ann ben cem dee olga omar"),
                [
                    group("team").owners("omar").members("ben cem"),
                    group("crew").owners("olga").members("ann team"),
                ],
            ),
        )
        .then(
            modify("team", &[Add(Member, "dee")]),
            &[
                "adam: logged_in_users",
                "omar: owner",
                "ben cem: object_modified",
                "dee: added_members, object_modified",
            ],
        ),
        row(
            "owner: the owner of another group that loses the same member",
            with_crew(and(
                people("omar"),
                [group("team").owners("omar").members("ann ben"), group("others").members("ben")],
            )),
        )
        .then(Delete("ann"), &["olga omar: owner", "ben: object_modified"])
        .in_vain(&["manager", "removed_members"]),
    ]
}
