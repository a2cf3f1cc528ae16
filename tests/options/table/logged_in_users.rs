//! | Notify logged-in users about changes being made to objects | `logged_in_users` |
//! | fires on | every event with a known actor, cause `directory` |
//! | told | the actor, if mail-enabled. Unknown actor: nobody |
//!
//! Over syncrepl the actor of a live change is known but for deletions, of which the server names nobody.

use super::{crew, una, with_crew, with_una};
use crate::options::row::{
    ADMIN,
    Edit::{Add, Remove, Replace},
    Field::{Description, DisplayName, Mail, Manager, Member, Owner, Title},
    Operation::{Create, Delete, Move, Rename},
    Row, and, contact, mark, modify, people, person, place, row,
};

pub fn rows() -> Vec<Row> {
    [fires(), does_not_fire(), tells(), does_not_tell()].concat()
}

fn fires() -> Vec<Row> {
    vec![
        row("logged-in: a member is added", with_crew(people("cem"))).then(
            modify("crew", &[Add(Member, "cem")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann ben: object_modified",
                "cem: added_members, object_modified",
            ],
        ),
        row("logged-in: a member is removed", with_crew([])).then(
            modify("crew", &[Remove(Member, "ben")]),
            &["adam: logged_in_users", "olga: owner", "ann: object_modified", "ben: removed_members"],
        ),
        row("logged-in: an owner is added", with_crew(people("omar"))).then(
            modify("crew", &[Add(Owner, "omar")]),
            &["adam: logged_in_users", "olga omar: owner", "ann ben: object_modified"],
        ),
        row("logged-in: an owner is removed", with_crew([])).then(
            modify("crew", &[Remove(Owner, "olga")]),
            &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
        ),
        row("logged-in: a manager is changed", with_una(people("mika"))).then(
            modify("una", &[Replace(Manager, "mika")]),
            &["adam: logged_in_users", "maud mika: manager", "una: object_modified"],
        ),
        row("logged-in: a user is created", people("maud"))
            .then(Create(una()), &["adam: logged_in_users", "maud: manager"]),
        row("logged-in: a contact is created", people("maud"))
            .then(Create(contact("carl").managers("maud")), &["adam: logged_in_users", "maud: manager"]),
        row("logged-in: a group is created", people("ann ben olga")).then(
            Create(crew()),
            &["adam: logged_in_users", "olga: owner", "ann ben: added_members, object_modified"],
        ),
        row("logged-in: a user is renamed", with_una([]))
            .then(Rename("una", "ursa"), &["adam: logged_in_users", "maud: manager", "una: object_modified"]),
        row("logged-in: a group is moved", with_crew([place("attic")])).then(
            Move("crew", "attic"),
            &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
        ),
        row("logged-in: a place is renamed", vec![place("attic"), person("ann").in_place("attic")])
            .then(Rename("attic", "loft"), &["adam: logged_in_users"]),
        row("logged-in: a watched attribute changes", with_crew([])).then(
            modify("crew", &[Replace(DisplayName, "The Crew")]),
            &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
        ),
    ]
}

fn does_not_fire() -> Vec<Row> {
    vec![
        row("logged-in: a group is deleted, nobody knows by whom", with_crew([]))
            .then(Delete("crew"), &["olga: owner", "ann ben: object_modified, removed_members"]),
        row("logged-in: a user is deleted, nobody knows by whom", with_una([]))
            .then(Delete("una"), &["maud: manager"]),
        row("logged-in: a link goes with its target", with_crew([]))
            .then(Delete("ann"), &["olga: owner", "ben: object_modified"])
            .in_vain(&["manager", "removed_members"]),
        row("logged-in: an attribute that nobody watches changes", with_crew([]))
            .unnoticed(modify("crew", &[Replace(Description, "changed")])),
        row("logged-in: the same is written anew", with_crew([]))
            .unnoticed(modify("crew", &[Replace(Member, "ben ann")])),
        row("logged-in: a place with nothing in it", vec![])
            .unnoticed(Create(place("attic")))
            .unnoticed(Rename("attic", "loft"))
            .unnoticed(Delete("loft")),
    ]
}

fn tells() -> Vec<Row> {
    vec![
        row("logged-in: somebody changes their own entry", with_una([])).by("una").then(
            modify("una", &[Replace(Title, "Chief")]),
            &["una: logged_in_users, object_modified", "maud: manager"],
        ),
        row("logged-in: somebody joins by themselves", with_crew(people("cem"))).by("cem").then(
            modify("crew", &[Add(Member, "cem")]),
            &[
                "cem: added_members, logged_in_users, object_modified",
                "olga: owner",
                "ann ben: object_modified",
            ],
        ),
        row("logged-in: an owner does it", with_crew(people("cem"))).by("olga").then(
            modify("crew", &[Add(Member, "cem")]),
            &[
                "olga: logged_in_users, owner",
                "ann ben: object_modified",
                "cem: added_members, object_modified",
            ],
        ),
        row("logged-in: a manager does it", with_una([])).by("maud").then(
            modify("una", &[Replace(Title, "Chief")]),
            &["maud: logged_in_users, manager", "una: object_modified"],
        ),
        row("logged-in: somebody renames themselves, and goes on", with_crew(people("cem")))
            .by("ann")
            .then(Rename("ben", "bert"), &["ann: logged_in_users", "ben: object_modified"])
            .in_vain(&["manager"])
            .then(
                modify("crew", &[Add(Member, "cem")]),
                &[
                    "ann: logged_in_users, object_modified",
                    "olga: owner",
                    "ben: object_modified",
                    "cem: added_members, object_modified",
                ],
            ),
    ]
}

fn does_not_tell() -> Vec<Row> {
    let without = |adam| and(with_una([]), [adam]);
    let changed = || modify("una", &[Replace(Title, "Chief")]);
    let others: &[&str] = &["maud: manager", "una: object_modified"];
    vec![
        row("logged-in: the actor has no address", without(person("adam").with(Mail, "")))
            .then(changed(), others)
            .in_vain(&["logged_in_users"]),
        row("logged-in: the actor's address is none", without(person("adam").with(Mail, "adam at row")))
            .then(changed(), others)
            .in_vain(&["logged_in_users"]),
        row("logged-in: the actor is never to be told", without(person("adam").marked(mark::UNTOLD)))
            .then(changed(), others)
            .in_vain(&["logged_in_users"]),
        row("logged-in: the actor is disabled by now", without(person("adam").disabled()))
            .then(changed(), others)
            .in_vain(&["logged_in_users"]),
        row("logged-in: the actor is no entry", with_una([]))
            .by(ADMIN)
            .then(changed(), others)
            .in_vain(&["logged_in_users"]),
    ]
}
