//! | Notify manager (of users/contacts) | `manager` |
//! | fires on | every event on a user or contact |
//! | told | the manager and additional managers, before ∪ after |

use super::{una, with_crew, with_una};
use crate::options::row::{
    Edit::{Add, Remove, Replace},
    Entry,
    Field::{CoManager, Description, DisplayName, Mail, Manager, Member, Title},
    Operation::{Create, Delete, Move, Rename},
    Row, and, contact, group, modify, people, person, place, row,
};

pub fn rows() -> Vec<Row> {
    [fires(), does_not_fire(), tells(), does_not_tell()].concat()
}

fn carl() -> Entry {
    contact("carl").managers("maud")
}

fn with_carl() -> Vec<Entry> {
    and(people("maud"), [carl()])
}

fn fires() -> Vec<Row> {
    let changed: &[&str] = &["adam: logged_in_users", "maud: manager", "una: object_modified"];
    let of_carl: &[&str] = &["adam: logged_in_users", "maud: manager", "carl: object_modified"];
    vec![
        row("manager: a user is created", people("maud"))
            .then(Create(una()), &["adam: logged_in_users", "maud: manager"]),
        row("manager: a user is deleted", with_una([])).then(Delete("una"), &["maud: manager"]),
        row("manager: a user is renamed", with_una([])).then(Rename("una", "ursa"), changed),
        row("manager: a user is moved", with_una([place("attic")])).then(Move("una", "attic"), changed),
        row("manager: a watched attribute of a user changes", with_una([]))
            .then(modify("una", &[Replace(Title, "Chief")]), changed),
        row("manager: the display name of a user changes", with_una([]))
            .then(modify("una", &[Replace(DisplayName, "Una the Great")]), changed),
        row("manager: several watched attributes of a user change", with_una([]))
            .then(modify("una", &[Replace(Title, "Chief"), Replace(DisplayName, "Una the Great")]), changed),
        row("manager: a contact is created", people("maud"))
            .then(Create(carl()), &["adam: logged_in_users", "maud: manager"]),
        row("manager: a contact is deleted", with_carl()).then(Delete("carl"), &["maud: manager"]),
        row("manager: a contact is renamed", with_carl()).then(Rename("carl", "cora"), of_carl),
        row("manager: a contact is moved", and(with_carl(), [place("attic")]))
            .then(Move("carl", "attic"), of_carl),
        row("manager: a watched attribute of a contact changes", with_carl())
            .then(modify("carl", &[Replace(Title, "Chief")]), of_carl),
        row("manager: the manager of a contact changes", and(with_carl(), people("mika"))).then(
            modify("carl", &[Replace(Manager, "mika")]),
            &["adam: logged_in_users", "maud mika: manager", "carl: object_modified"],
        ),
    ]
}

fn does_not_fire() -> Vec<Row> {
    vec![
        row("manager: an attribute of a user that nobody watches changes", with_una([]))
            .unnoticed(modify("una", &[Replace(Description, "changed")])),
        row("manager: a manager changes rank and nothing else", with_una([]))
            .unnoticed(modify("una", &[Replace(Manager, ""), Add(CoManager, "maud")])),
        row("manager: somebody becomes a member and is removed", with_una(with_crew([])))
            .then(
                modify("crew", &[Add(Member, "una")]),
                &[
                    "adam: logged_in_users",
                    "olga: owner",
                    "ann ben: object_modified",
                    "una: added_members, object_modified",
                ],
            )
            .then(
                modify("crew", &[Remove(Member, "una")]),
                &["adam: logged_in_users", "olga: owner", "ann ben: object_modified", "una: removed_members"],
            ),
        row("manager: a group names a manager", with_crew(people("maud")))
            .unnoticed(modify("crew", &[Add(Manager, "maud")]))
            .then(
                modify("crew", &[Replace(DisplayName, "The Crew")]),
                &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
            ),
        row("manager: a place is renamed", with_una([place("attic"), person("ann").in_place("attic")]))
            .then(Rename("attic", "loft"), &["adam: logged_in_users"]),
    ]
}

fn tells() -> Vec<Row> {
    let una_told = |managers: &'static str| ["adam: logged_in_users", managers, "una: object_modified"];
    vec![
        row("manager: the manager is replaced", with_una(people("mika")))
            .then(modify("una", &[Replace(Manager, "mika")]), &una_told("maud mika: manager"))
            // Who was replaced hears of nothing more.
            .then(modify("una", &[Replace(Title, "Chief")]), &una_told("mika: manager")),
        row("manager: the manager goes, and another comes", with_una(people("mika")))
            .then(modify("una", &[Replace(Manager, "")]), &una_told("maud: manager"))
            .then(modify("una", &[Add(Manager, "mika")]), &una_told("mika: manager")),
        row(
            "manager: one of two managers goes",
            and(people("maud mika"), [person("una").managers("maud mika")]),
        )
        .then(modify("una", &[Remove(Manager, "mika")]), &una_told("maud mika: manager")),
        row("manager: an additional manager comes, and goes", with_una(people("mika")))
            .then(modify("una", &[Add(CoManager, "mika")]), &una_told("maud mika: manager"))
            .then(modify("una", &[Replace(Title, "Chief")]), &una_told("maud mika: manager"))
            .then(modify("una", &[Replace(CoManager, "")]), &una_told("maud mika: manager")),
        row(
            "manager: an additional manager is replaced",
            and(people("maud mika mona"), [una().with(CoManager, "mika")]),
        )
        .then(modify("una", &[Replace(CoManager, "mona")]), &una_told("maud mika mona: manager")),
        row(
            "manager: a user with an additional manager is deleted",
            and(people("maud mika"), [una().with(CoManager, "mika")]),
        )
        .then(Delete("una"), &["maud mika: manager"]),
        row(
            "manager: one of two managers is deleted",
            and(people("maud mika"), [una().with(CoManager, "mika")]),
        )
        .then(Delete("maud"), &["mika: manager", "una: object_modified"]),
        row(
            "manager: a manager who has a manager is deleted",
            and(people("mona"), [person("maud").managers("mona"), una()]),
        )
        // Mona hears that Maud is gone; that Una has lost her manager is not hers to hear.
        .then(Delete("maud"), &["mona: manager", "una: object_modified"]),
        row("manager: a manager is renamed, and hears of what follows", with_una([]))
            .then(Rename("maud", "mathilda"), &["adam: logged_in_users", "maud: object_modified"])
            .in_vain(&["manager"])
            .then(modify("una", &[Replace(Title, "Chief")]), &una_told("maud: manager")),
        row(
            "manager: a group manages",
            and(people("ben cem"), [group("team").members("ben cem"), person("una").managers("team")]),
        )
        .then(modify("una", &[Replace(Title, "Chief")]), &una_told("ben cem: manager")),
        row("manager: the address of a user changes", with_una([])).then(
            modify("una", &[Replace(Mail, "una.new@row")]),
            &["adam: logged_in_users", "maud: manager", "una una.new: object_modified"],
        ),
    ]
}

fn does_not_tell() -> Vec<Row> {
    vec![
        row("manager: a user without manager", people("ann"))
            .then(
                modify("ann", &[Replace(Title, "Chief")]),
                &["adam: logged_in_users", "ann: object_modified"],
            )
            .in_vain(&["manager"]),
        row("manager: a user without manager is created and deleted", vec![])
            .then(Create(person("ann")), &["adam: logged_in_users"])
            .in_vain(&["manager"])
            .then(Delete("ann"), &[])
            .in_vain(&["manager"]),
        row("manager: the only manager is deleted", and(with_una([]), [person("ulf").managers("maud")]))
            .then(Delete("maud"), &["una ulf: object_modified"])
            .in_vain(&["manager"]),
        row("manager: the manager's manager", and(people("mona"), [person("maud").managers("mona"), una()]))
            .then(
                modify("una", &[Replace(Title, "Chief")]),
                &["adam: logged_in_users", "maud: manager", "una: object_modified"],
            ),
        row(
            "manager: the manager of a user who is a member of what changes",
            with_una([group("crew").members("una")]),
        )
        .then(
            modify("crew", &[Replace(DisplayName, "The Crew")]),
            &["adam: logged_in_users", "una: object_modified"],
        )
        .in_vain(&["owner"]),
        // The manager hears of the user, and the owner of the group: each of the own part of one change set.
        row(
            "manager: a user in a group is deleted",
            with_una([person("olga"), person("ben"), group("crew").owners("olga").members("una ben")]),
        )
        .then(Delete("una"), &["maud: manager", "olga: owner", "ben: object_modified"])
        .in_vain(&["removed_members"]),
        row("manager: a user is created and added to a group", with_una(with_crew([])))
            .then(Create(person("dee").managers("maud")), &["adam: logged_in_users", "maud: manager"])
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
