//! | Notify public group owner of membership change | `public_group_owner` |
//! | fires on | member-added, member-removed of a group that `public_group_filter` matches |
//! | told | primary and additional owners |

use super::{crew, with_crew};
use crate::options::row::{
    Class,
    Edit::{Add, Remove, Replace},
    Entry,
    Field::{CoOwner, DisplayName, ManagedBy, Mark, Member, Owner, Title, UniqueMember},
    Operation::{Create, Delete, Move, Rename},
    Row, and, entry, group,
    mark::PUBLIC,
    modify, people, person, place, row,
};

pub fn rows() -> Vec<Row> {
    [fires(), does_not_fire(), tells()].concat()
}

fn public() -> Entry {
    crew().marked(PUBLIC)
}

fn with_public(more: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    and(and(people("ann ben olga"), [public()]), more)
}

/// Cem joins a group that is public.
const JOINED: &[&str] = &[
    "adam: logged_in_users",
    "olga: owner, public_group_owner",
    "ann ben: object_modified",
    "cem: added_members, object_modified",
];

/// Cem joins a group that is not.
const JOINED_IN_PRIVATE: &[&str] = &[
    "adam: logged_in_users",
    "olga: owner",
    "ann ben: object_modified",
    "cem: added_members, object_modified",
];

/// Something else happens to the group.
const CHANGED: &[&str] = &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"];

fn fires() -> Vec<Row> {
    vec![
        row("public: a member is added", with_public(people("cem")))
            .then(modify("crew", &[Add(Member, "cem")]), JOINED),
        row("public: a member is removed", with_public([])).then(
            modify("crew", &[Remove(Member, "ben")]),
            &[
                "adam: logged_in_users",
                "olga: owner, public_group_owner",
                "ann: object_modified",
                "ben: removed_members",
            ],
        ),
        row("public: a member is deleted", with_public([]))
            .then(Delete("ben"), &["olga: owner, public_group_owner", "ann: object_modified"])
            .in_vain(&["manager", "removed_members"]),
        row("public: a group is created with members", people("ann ben olga")).then(
            Create(public()),
            &[
                "adam: logged_in_users",
                "olga: owner, public_group_owner",
                "ann ben: added_members, object_modified",
            ],
        ),
        row(
            "public: a member by uniqueMember is added",
            and(
                people("ann cem olga"),
                [entry("crew", Class::UniqueGroup).owners("olga").with(UniqueMember, "ann").marked(PUBLIC)],
            ),
        )
        .then(
            modify("crew", &[Add(UniqueMember, "cem")]),
            &[
                "adam: logged_in_users",
                "olga: owner, public_group_owner",
                "ann: object_modified",
                "cem: added_members, object_modified",
            ],
        ),
        row(
            "public: a group without owner",
            and(people("ann cem"), [group("crew").members("ann").marked(PUBLIC)]),
        )
        .then(
            modify("crew", &[Add(Member, "cem")]),
            &["adam: logged_in_users", "ann: object_modified", "cem: added_members, object_modified"],
        )
        .in_vain(&["owner", "public_group_owner"]),
    ]
}

fn does_not_fire() -> Vec<Row> {
    vec![
        row("public: the group is not public", with_crew(people("cem")))
            .then(modify("crew", &[Add(Member, "cem")]), JOINED_IN_PRIVATE),
        row("public: the group becomes public, and later a member is added", with_crew(people("cem")))
            .unnoticed(modify("crew", &[Add(Mark, PUBLIC)]))
            .then(modify("crew", &[Add(Member, "cem")]), JOINED),
        row("public: the group is public no longer when a member is added", with_public(people("cem")))
            .unnoticed(modify("crew", &[Remove(Mark, PUBLIC)]))
            .then(modify("crew", &[Add(Member, "cem")]), JOINED_IN_PRIVATE),
        row("public: the group becomes public by the same change", with_crew(people("cem")))
            .then(modify("crew", &[Add(Mark, PUBLIC), Add(Member, "cem")]), JOINED),
        row("public: the group ceases to be public by the same change", with_public(people("cem")))
            .then(modify("crew", &[Remove(Mark, PUBLIC), Add(Member, "cem")]), JOINED_IN_PRIVATE),
        row("public: the owner changes", with_public(people("omar"))).then(
            modify("crew", &[Replace(Owner, "omar")]),
            &["adam: logged_in_users", "olga omar: owner", "ann ben: object_modified"],
        ),
        row("public: an attribute of the group changes", with_public([]))
            .then(modify("crew", &[Replace(DisplayName, "The Crew")]), CHANGED),
        row("public: the group is renamed", with_public([])).then(Rename("crew", "team"), CHANGED),
        row("public: the group is moved", with_public([place("attic")])).then(Move("crew", "attic"), CHANGED),
        row("public: the group is deleted", with_public([]))
            .then(Delete("crew"), &["olga: owner", "ann ben: object_modified, removed_members"]),
        row("public: a group without members is created", people("olga"))
            .then(
                Create(entry("crew", Class::GroupOrEmpty).owners("olga").marked(PUBLIC)),
                &["adam: logged_in_users", "olga: owner"],
            )
            .in_vain(&["object_modified"]),
        row(
            "public: it is a user that the filter matches",
            and(people("maud"), [person("una").managers("maud").marked(PUBLIC)]),
        )
        .then(
            modify("una", &[Replace(Title, "Chief")]),
            &["adam: logged_in_users", "maud: manager", "una: object_modified"],
        ),
        row("public: the dummy member comes and goes", with_public([]))
            .unnoticed(modify("crew", &[Add(Member, "nobody")]))
            .unnoticed(modify("crew", &[Remove(Member, "nobody")])),
    ]
}

fn tells() -> Vec<Row> {
    vec![
        row(
            "public: primary and additional owners",
            and(
                people("ann cem maud olga"),
                [group("crew").with(ManagedBy, "maud").with(CoOwner, "olga").members("ann").marked(PUBLIC)],
            ),
        )
        .then(
            modify("crew", &[Add(Member, "cem")]),
            &[
                "adam: logged_in_users",
                "maud olga: owner, public_group_owner",
                "ann: object_modified",
                "cem: added_members, object_modified",
            ],
        ),
        row(
            "public: owners before and after, where the same change replaces them",
            and(people("ann cem olga omar"), [group("crew").owners("olga").members("ann").marked(PUBLIC)]),
        )
        .then(
            modify("crew", &[Add(Member, "cem"), Replace(Owner, "omar")]),
            &[
                "adam: logged_in_users",
                "olga omar: owner, public_group_owner",
                "ann: object_modified",
                "cem: added_members, object_modified",
            ],
        ),
        row(
            "public: only the owners of the public one of two groups",
            and(
                people("ann ben olga omar"),
                [
                    group("crew").owners("olga").members("ann ben").marked(PUBLIC),
                    group("team").owners("omar").members("ann ben"),
                ],
            ),
        )
        .then(Delete("ann"), &["olga: owner, public_group_owner", "omar: owner", "ben: object_modified"])
        .in_vain(&["manager", "removed_members"]),
        row(
            "public: a group owns it",
            and(
                people("ann ben cem dee"),
                [
                    group("team").members("ben cem"),
                    group("crew").owners("team").members("ann").marked(PUBLIC),
                ],
            ),
        )
        .then(
            modify("crew", &[Add(Member, "dee")]),
            &[
                "adam: logged_in_users",
                "ben cem: owner, public_group_owner",
                "ann: object_modified",
                "dee: added_members, object_modified",
            ],
        ),
    ]
}
