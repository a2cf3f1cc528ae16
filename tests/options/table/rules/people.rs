//! Who can be told, and at which address.

use crate::options::{
    row::{
        ARCHIVE,
        Edit::{Add, Remove, Replace},
        Entry,
        Field::{DisplayName, Mail, ManagedBy, Manager, Mark, Member, Title},
        Operation::{Create, Delete, Rename},
        Row, and, group,
        mark::{IGNORED, UNTOLD},
        modify, people, person, row,
    },
    table::{crew, una, with_crew, with_una},
};

/// M5, "One mail": one person gets one message per change set with all reasons. Persons with the same address
/// (case-insensitive) are one recipient.
pub fn one_person_in_several_parts() -> Vec<Row> {
    vec![
        row("one mail: the owner becomes a member", with_crew([])).then(
            modify("crew", &[Add(Member, "olga")]),
            &[
                "adam: logged_in_users",
                "olga: added_members, object_modified, owner",
                "ann ben: object_modified",
            ],
        ),
        row(
            "one mail: who owns by two spellings",
            and(
                people("ann ben olga"),
                [group("crew").owners("olga").with(ManagedBy, "olga").members("ann")],
            ),
        )
        .then(
            modify("crew", &[Add(Member, "ben")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann: object_modified",
                "ben: added_members, object_modified",
            ],
        ),
        row(
            "one mail: who owns directly and by a group",
            and(
                people("ann ben olga"),
                [group("team").members("olga"), group("crew").owners("olga team").members("ann")],
            ),
        )
        .then(
            modify("crew", &[Add(Member, "ben")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann: object_modified",
                "ben: added_members, object_modified",
            ],
        ),
        row(
            "one mail: who belongs directly and by a group",
            and(
                people("ann olga"),
                [group("team").members("ann"), group("crew").owners("olga").members("ann team")],
            ),
        )
        .then(
            modify("crew", &[Replace(DisplayName, "The Crew")]),
            &["adam: logged_in_users", "olga: owner", "ann: object_modified"],
        ),
        row(
            "one mail: two people with one address in another case",
            and(
                people("ann olga"),
                [
                    person("ben").with(Mail, "SHARED@row"),
                    person("cem").with(Mail, "shared@row"),
                    group("crew").owners("olga").members("ann"),
                ],
            ),
        )
        .then(
            modify("crew", &[Add(Member, "ben cem")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann: object_modified",
                "shared: added_members, object_modified",
            ],
        ),
        row(
            "one mail: a manager and who is managed share an address",
            vec![
                person("maud").with(Mail, "shared@row"),
                person("una").with(Mail, "Shared@row").managers("maud"),
            ],
        )
        .then(
            modify("una", &[Replace(Title, "Chief")]),
            &["adam: logged_in_users", "shared: manager, object_modified"],
        ),
        row(
            "one mail: the old address of one is the new one of another",
            and(with_una([]), [person("ulf").with(Mail, "").managers("maud")]),
        )
        .then(
            modify("una", &[Replace(Mail, "una.new@row")]),
            &["adam: logged_in_users", "maud: manager", "una una.new: object_modified"],
        )
        .then(
            modify("ulf", &[Add(Mail, "una@row")]),
            &["adam: logged_in_users", "maud: manager", "una: object_modified"],
        ),
    ]
}

/// M8: no address, a wrong one, several, beyond ASCII.
pub fn addresses() -> Vec<Row> {
    let ben = || person("ben");
    let with_ben = |ben: Entry| and(people("ann olga"), [ben, group("crew").owners("olga").members("ann")]);
    let joins = |name, ben, mail: &[&'static str]| {
        let others = ["adam: logged_in_users", "olga: owner", "ann: object_modified"];
        row(name, with_ben(ben)).then(modify("crew", &[Add(Member, "ben")]), &[&others, mail].concat())
    };
    let in_vain = |name, ben| joins(name, ben, &[]).in_vain(&["added_members"]);
    vec![
        in_vain("address: none", ben().with(Mail, "")),
        in_vain("address: a wrong one", ben().with(Mail, "ben at row")),
        in_vain("address: with a space", ben().with(Mail, "ben@row eve@row")),
        in_vain("address: with a name", ben().with(Mail, "Ben <ben@row>")),
        in_vain("address: two in one", ben().with(Mail, "ben@row,eve@row")),
        in_vain(
            "address: the first of several is wrong",
            ben().with(Mail, "ben at row").with(Mail, "ben@row"),
        ),
        joins(
            "address: in capitals it is the same",
            ben().with(Mail, "Ben@row"),
            &["ben: added_members, object_modified"],
        ),
        joins(
            "address: of several the first as read",
            ben().with(Mail, "first@row").with(Mail, "second@row"),
            &["first: added_members, object_modified"],
        ),
        row(
            "address: an owner, a manager and an object without one",
            vec![
                person("olga").with(Mail, ""),
                person("maud").with(Mail, "maud at row"),
                person("una").with(Mail, "").managers("maud"),
                group("crew").owners("olga").members("una"),
            ],
        )
        .then(modify("crew", &[Replace(DisplayName, "The Crew")]), &["adam: logged_in_users"])
        .in_vain(&["owner", "object_modified"])
        .then(modify("una", &[Replace(Title, "Chief")]), &["adam: logged_in_users"])
        .in_vain(&["manager", "object_modified"]),
    ]
}

/// M9: who is not written to.
pub fn not_written_to() -> Vec<Row> {
    vec![
        row("disabled: a member", and(with_crew([]), [person("cem").disabled()]))
            .then(
                modify("crew", &[Add(Member, "cem")]),
                &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
            )
            .in_vain(&["added_members"])
            .then(
                modify("crew", &[Remove(Member, "cem")]),
                &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
            )
            .in_vain(&["removed_members"]),
        row("disabled: an owner", and(people("ann ben cem"), [person("olga").disabled(), crew()]))
            .then(
                modify("crew", &[Add(Member, "cem")]),
                &["adam: logged_in_users", "ann ben: object_modified", "cem: added_members, object_modified"],
            )
            .in_vain(&["owner"]),
        row("disabled: a manager, and the user", vec![person("maud").disabled(), una().disabled()])
            .then(modify("una", &[Replace(Title, "Chief")]), &["adam: logged_in_users"])
            .in_vain(&["manager", "object_modified"]),
        row(
            "disabled: one of two managers",
            and(people("mika"), [person("maud").disabled(), person("una").managers("maud mika")]),
        )
        .then(
            modify("una", &[Replace(Title, "Chief")]),
            &["adam: logged_in_users", "mika: manager", "una: object_modified"],
        ),
        row("disabled: a last member", and(people("ann olga"), [person("ben").disabled(), crew()]))
            .then(Delete("crew"), &["olga: owner", "ann: object_modified, removed_members"]),
        row("expired: a member", and(with_crew([]), [person("cem").expired()]))
            .then(
                modify("crew", &[Add(Member, "cem")]),
                &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
            )
            .in_vain(&["added_members"]),
        row("deleted: a member", with_crew([]))
            .then(Delete("ben"), &["olga: owner", "ann: object_modified"])
            .in_vain(&["manager", "removed_members"]),
        row("deleted: an owner", with_crew([]))
            .then(Delete("olga"), &["ann ben: object_modified"])
            .in_vain(&["manager", "owner"]),
        row("deleted: a user", with_una([])).then(Delete("una"), &["maud: manager"]),
        row("deleted: a manager", with_una([]))
            .then(Delete("maud"), &["una: object_modified"])
            .in_vain(&["manager"]),
        row("deleted: a member who was removed before", with_crew([]))
            .then(
                modify("crew", &[Remove(Member, "ben")]),
                &["adam: logged_in_users", "olga: owner", "ann: object_modified", "ben: removed_members"],
            )
            .then(Delete("ben"), &[])
            .in_vain(&["manager"]),
        row("no entry: a member", with_crew([]))
            .then(
                modify("crew", &[Add(Member, "ghost")]),
                &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
            )
            .in_vain(&["added_members"]),
        row("no entry: a manager", with_una([])).then(
            modify("una", &[Add(Manager, "ghost")]),
            &["adam: logged_in_users", "maud: manager", "una: object_modified"],
        ),
    ]
}

/// M12: a recipient matches no `do_not_notify_filter` (on a group it also stops the expansion); explicit To and
/// Cc win.
pub fn do_not_notify() -> Vec<Row> {
    [people_not_to_notify(), groups_not_to_notify()].concat()
}

fn people_not_to_notify() -> Vec<Row> {
    let untold = |name| person(name).marked(UNTOLD);
    vec![
        row("do not notify: a member who comes and goes", and(with_crew([]), [untold("cem")]))
            .then(
                modify("crew", &[Add(Member, "cem")]),
                &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
            )
            .in_vain(&["added_members"])
            .then(
                modify("crew", &[Remove(Member, "cem")]),
                &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
            )
            .in_vain(&["removed_members"]),
        row(
            "do not notify: owner and member",
            and(people("ann cem"), [untold("olga"), untold("ben"), crew()]),
        )
        .then(
            modify("crew", &[Add(Member, "cem")]),
            &["adam: logged_in_users", "ann: object_modified", "cem: added_members, object_modified"],
        )
        .in_vain(&["owner"]),
        row("do not notify: manager and object", vec![untold("maud"), una().marked(UNTOLD)])
            .then(modify("una", &[Replace(Title, "Chief")]), &["adam: logged_in_users"])
            .in_vain(&["manager", "object_modified"]),
        // M12: who is listed gets copies, whatever the entry with the same address says.
        row(
            "do not notify: but a listed address is that of somebody who is never to be told by role",
            and(people("ann ben cem"), [person("olga").with(Mail, ARCHIVE).marked(UNTOLD), crew()]),
        )
        .then(
            modify("crew", &[Add(Member, "cem")]),
            &["adam: logged_in_users", "ann ben: object_modified", "cem: added_members, object_modified"],
        )
        .in_vain(&["owner"]),
        row("do not notify: it begins and ends", with_una([]))
            .unnoticed(modify("una", &[Add(Mark, UNTOLD)]))
            .then(modify("una", &[Replace(Title, "Chief")]), &["adam: logged_in_users", "maud: manager"])
            .in_vain(&["object_modified"])
            .unnoticed(modify("una", &[Remove(Mark, UNTOLD)]))
            .then(
                modify("una", &[Replace(Title, "Boss")]),
                &["adam: logged_in_users", "maud: manager", "una: object_modified"],
            ),
    ]
}

fn groups_not_to_notify() -> Vec<Row> {
    vec![
        row(
            "do not notify: an owning group",
            and(
                people("ann ben cem dee"),
                [
                    group("team").members("ben cem").with(Mail, "team@row").marked(UNTOLD),
                    group("crew").owners("team").members("ann"),
                ],
            ),
        )
        .then(
            modify("crew", &[Add(Member, "dee")]),
            &["adam: logged_in_users", "ann: object_modified", "dee: added_members, object_modified"],
        )
        .in_vain(&["owner"]),
        row(
            "do not notify: a group within an owning group",
            and(
                people("ann ben cem dee"),
                [
                    group("inner").members("cem").marked(UNTOLD),
                    group("team").members("ben inner"),
                    group("crew").owners("team").members("ann"),
                ],
            ),
        )
        .then(
            modify("crew", &[Add(Member, "dee")]),
            &[
                "adam: logged_in_users",
                "ben: owner",
                "ann: object_modified",
                "dee: added_members, object_modified",
            ],
        ),
        row(
            "do not notify: an owning group whose only member is such a group, with an address",
            and(
                people("ann ben cem dee"),
                [
                    group("inner").members("cem").marked(UNTOLD),
                    group("team").members("inner").with(Mail, "team@row"),
                    group("crew").owners("team").members("ann"),
                ],
            ),
        )
        .then(
            modify("crew", &[Add(Member, "dee")]),
            &[
                "adam: logged_in_users",
                "team: owner",
                "ann: object_modified",
                "dee: added_members, object_modified",
            ],
        ),
        row(
            "do not notify: the group that is changed",
            and(people("ann ben cem olga"), [crew().marked(UNTOLD)]),
        )
        .then(
            modify("crew", &[Add(Member, "cem")]),
            &["adam: logged_in_users", "olga: owner", "cem: added_members"],
        )
        .in_vain(&["object_modified"]),
        row(
            "do not notify: a group that becomes a member",
            and(with_crew(people("cem")), [group("team").members("cem").marked(UNTOLD)]),
        )
        .then(
            modify("crew", &[Add(Member, "team")]),
            &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
        )
        .in_vain(&["added_members"]),
        row(
            "do not notify: a group that manages",
            and(people("ben"), [group("team").members("ben").marked(UNTOLD), person("una").managers("team")]),
        )
        .then(modify("una", &[Replace(Title, "Chief")]), &["adam: logged_in_users", "una: object_modified"])
        .in_vain(&["manager"]),
    ]
}

/// Events of ignored entries are recorded and tell nobody, except all-changes copies.
pub fn ignored_entries() -> Vec<Row> {
    let ignored = || and(people("ann ben olga"), [crew().marked(IGNORED)]);
    vec![
        row("ignored: a group", and(ignored(), people("cem omar")))
            .then(modify("crew", &[Add(Member, "cem")]), &[])
            .then(modify("crew", &[Remove(Member, "cem")]), &[])
            .then(modify("crew", &[Replace(DisplayName, "The Crew")]), &[])
            .then(Rename("crew", "team"), &[])
            .then(Delete("team"), &[]),
        row("ignored: a user", and(people("maud mika"), [una().marked(IGNORED)]))
            .then(modify("una", &[Replace(Title, "Chief")]), &[])
            .then(modify("una", &[Replace(Manager, "mika")]), &[])
            .then(modify("una", &[Replace(Mail, "una.new@row")]), &[])
            .then(Rename("una", "ursa"), &[])
            .then(Delete("ursa"), &[]),
        row("ignored: a new group and a new user", people("ann ben maud olga"))
            .then(Create(crew().marked(IGNORED)), &[])
            .then(Create(una().marked(IGNORED)), &[]),
        row("ignored: a group begins to be, by the same change", with_crew(people("cem")))
            .then(modify("crew", &[Add(Mark, IGNORED), Add(Member, "cem")]), &[]),
        row("ignored: a group ceases to be, by the same change", and(ignored(), people("cem"))).then(
            modify("crew", &[Remove(Mark, IGNORED), Add(Member, "cem")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann ben: object_modified",
                "cem: added_members, object_modified",
            ],
        ),
        // Ignored is the entry that is changed, not who else has to do with it.
        row(
            "ignored: a member, an owner and the actor of what is not ignored",
            and(
                people("ann ben"),
                [
                    person("adam").marked(IGNORED),
                    person("cem").marked(IGNORED),
                    person("olga").marked(IGNORED),
                    crew(),
                ],
            ),
        )
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
            "ignored: one of the groups that lose a member",
            and(
                people("ann ben olga omar"),
                [crew().marked(IGNORED), group("team").owners("omar").members("ann ben")],
            ),
        )
        .then(Delete("ann"), &["omar: owner", "ben: object_modified"])
        .in_vain(&["manager", "removed_members"]),
        row(
            "ignored: a deleted user, but not the group",
            and(people("ben maud olga"), [person("ann").managers("maud").marked(IGNORED), crew()]),
        )
        .then(Delete("ann"), &["olga: owner", "ben: object_modified"])
        .in_vain(&["removed_members"]),
    ]
}
