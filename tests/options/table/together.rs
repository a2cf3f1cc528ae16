//! Several options and several things at once: one mail per person, with all reasons.

use super::with_crew;
use crate::options::row::{
    ADAM,
    Edit::{Add, Remove, Replace},
    Field::{DisplayName, Mail, Manager, Member, Owner, Title},
    Operation::{Create, Delete},
    Row, and, group,
    mark::PUBLIC,
    modify, people, person, row,
};

pub fn rows() -> Vec<Row> {
    [of_a_group(), of_people(), all_in_one()].concat()
}

fn of_a_group() -> Vec<Row> {
    vec![
        row("together: members, owner and name in one change", with_crew(people("cem omar"))).then(
            modify(
                "crew",
                &[
                    Add(Member, "cem"),
                    Remove(Member, "ann"),
                    Replace(Owner, "omar"),
                    Replace(DisplayName, "The Crew"),
                ],
            ),
            &[
                "adam: logged_in_users",
                "olga omar: owner",
                "ben: object_modified",
                "cem: added_members, object_modified",
                "ann: removed_members",
            ],
        ),
        row("together: a member becomes the owner and leaves", with_crew([])).then(
            modify("crew", &[Replace(Owner, "ann"), Remove(Member, "ann")]),
            &["adam: logged_in_users", "olga: owner", "ann: owner, removed_members", "ben: object_modified"],
        ),
        row(
            "together: a group comes to an inner group that changes later",
            and(
                people("ann ben cem dee olga omar"),
                [
                    group("team").owners("omar").members("ben cem"),
                    group("crew").owners("olga").members("ann"),
                ],
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
    ]
}

fn of_people() -> Vec<Row> {
    vec![
        row(
            "together: manager, name and address of a user in one change",
            and(people("maud mika"), [person("una").managers("maud")]),
        )
        .then(
            modify(
                "una",
                &[
                    Replace(Manager, "mika"),
                    Replace(DisplayName, "Una the Great"),
                    Replace(Mail, "una.new@row"),
                ],
            ),
            &["adam: logged_in_users", "maud mika: manager", "una una.new: object_modified"],
        ),
        // One change set, and everybody reads their own part of it.
        row(
            "together: somebody is deleted who belongs, owns and manages",
            and(
                people("ann ben maud olga omar"),
                [
                    person("sam").managers("maud"),
                    person("una").managers("sam"),
                    group("crew").owners("olga").members("ann sam").marked(PUBLIC),
                    group("team").owners("sam omar").members("ben"),
                ],
            ),
        )
        .then(
            Delete("sam"),
            &[
                "maud: manager",
                "olga: owner, public_group_owner",
                "ann: object_modified",
                "omar: owner",
                "ben: object_modified",
                "una: object_modified",
            ],
        )
        .in_vain(&["removed_members"]),
    ]
}

/// M5: owner, member, manager, actor, and listed under To.
fn all_in_one() -> Vec<Row> {
    vec![
        row(
            "together: owner, member and actor in one person",
            and(people("ann"), [group("crew").owners(ADAM).members("ann").marked(PUBLIC)]),
        )
        .then(
            modify("crew", &[Add(Member, ADAM)]),
            &[
                "adam: added_members, logged_in_users, object_modified, owner, public_group_owner",
                "ann: object_modified",
            ],
        )
        .then(
            modify("crew", &[Remove(Member, ADAM)]),
            &["adam: logged_in_users, owner, public_group_owner, removed_members", "ann: object_modified"],
        ),
        row(
            "together: owner, member, actor and To in one person",
            and(
                people("ann"),
                [person(ADAM).with(Mail, "archive@lists.example"), group("crew").owners(ADAM).members("ann")],
            ),
        )
        .then(
            modify("crew", &[Add(Member, ADAM)]),
            &[
                "archive@lists.example: added_members, logged_in_users, object_modified, owner, recipients",
                "ann: object_modified",
            ],
        ),
        row(
            "together: manager, actor and To in one person",
            vec![person(ADAM).with(Mail, "archive@lists.example"), person("una").managers(ADAM)],
        )
        .then(
            modify("una", &[Replace(Title, "Chief")]),
            &["archive@lists.example: logged_in_users, manager, recipients", "una: object_modified"],
        ),
        row("together: somebody manages themselves", vec![person("una").managers("una")]).by("una").then(
            modify("una", &[Replace(Title, "Chief")]),
            &["una: logged_in_users, manager, object_modified"],
        ),
        row("together: a group that owns itself is created", people("ann ben")).then(
            Create(group("crew").owners("crew").members("ann ben")),
            &["adam: logged_in_users", "ann ben: added_members, object_modified, owner"],
        ),
        row(
            "together: owner and member of a group that is deleted",
            and(people("ann"), [person("olga"), group("crew").owners("olga").members("ann olga")]),
        )
        .then(
            Delete("crew"),
            &["olga: object_modified, owner, removed_members", "ann: object_modified, removed_members"],
        ),
    ]
}
