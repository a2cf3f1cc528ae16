//! | Recipients: To and CC | `recipients` |
//! | fires on | each change set in which at least one option fired (`copy = "all-changes"`: each change set) |
//! | told | the listed addresses |
//!
//! *Fired* means: the option is on and the event matches, even if nobody could be told. Every row of the table
//! shows it, with each option alone; here is what is special.

use super::{crew, with_crew};
use crate::options::row::{
    ARCHIVE, AUDITOR,
    Edit::{Add, Replace},
    Field::{Description, Mail, Member, Title},
    Operation::{Create, Delete, Rename},
    Row, and, group, modify, people, person, place, row,
};

pub fn rows() -> Vec<Row> {
    let joined: &[&str] = &[
        "adam: logged_in_users",
        "ann ben: object_modified",
        "archive@lists.example: owner, recipients",
        "cem: added_members, object_modified",
    ];
    vec![
        row(
            "recipients: nobody can be told by role",
            vec![
                person("adam").with(Mail, ""),
                person("ann").disabled(),
                person("ben").with(Mail, ""),
                person("cem").disabled(),
                group("crew").members("ann ben"),
            ],
        )
        .then(modify("crew", &[Add(Member, "cem")]), &[])
        .in_vain(&["logged_in_users", "owner", "object_modified", "added_members"]),
        row(
            "recipients: nothing but the actor's receipt",
            vec![place("attic"), person("ann").in_place("attic")],
        )
        .then(Rename("attic", "loft"), &["adam: logged_in_users"]),
        row("recipients: no change set, no copy", with_crew([]))
            .unnoticed(modify("crew", &[Replace(Description, "changed")]))
            .unnoticed(modify("ann", &[Replace(Description, "changed")])),
        row(
            "recipients: a listed address is the owner's as well",
            and(people("ann ben cem"), [person("olga").with(Mail, ARCHIVE), crew()]),
        )
        .then(modify("crew", &[Add(Member, "cem")]), joined),
        row(
            "recipients: a listed address, in another case",
            and(people("ann ben cem"), [person("olga").with(Mail, "Archive@Lists.EXAMPLE"), crew()]),
        )
        .then(modify("crew", &[Add(Member, "cem")]), joined),
        row(
            "recipients: listed under Cc, and told as a member",
            and(people("ann olga"), [person("ben").with(Mail, AUDITOR), crew()]),
        )
        .then(
            Delete("crew"),
            &[
                "olga: owner",
                "ann: object_modified, removed_members",
                "auditor@lists.example: object_modified, recipients, removed_members",
            ],
        ),
        row(
            "recipients: a listed address is that of somebody who is disabled",
            and(people("ann ben cem"), [person("olga").with(Mail, ARCHIVE).disabled(), crew()]),
        )
        .then(
            modify("crew", &[Add(Member, "cem")]),
            &["adam: logged_in_users", "ann ben: object_modified", "cem: added_members, object_modified"],
        )
        .in_vain(&["owner"]),
        row("recipients: a user is created, changed and deleted", people("maud"))
            .then(Create(person("una").managers("maud")), &["adam: logged_in_users", "maud: manager"])
            .then(
                modify("una", &[Replace(Title, "Chief")]),
                &["adam: logged_in_users", "maud: manager", "una: object_modified"],
            )
            .then(Delete("una"), &["maud: manager"]),
    ]
}
