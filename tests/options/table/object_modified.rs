//! | Notify object being modified | `object_modified` |
//! | fires on | on users and contacts: attributes-changed, object-renamed, manager-changed. On groups: every event |
//! | told | the user or contact. For a group its members after the event (before, for a deleted group), expanded and limited like any group recipient |

use super::{crew, posix_crew, una, unique_crew, with_crew, with_una};
use crate::options::row::{
    Class,
    Edit::{Add, Remove, Replace},
    Entry,
    Field::{Description, DisplayName, Mail, Manager, Member, MemberUid, Owner, Title, UniqueMember},
    Operation::{Create, Delete, Move, Rename},
    Row, and, contact, entry, group, mark, modify, people, person, place, row,
};

pub fn rows() -> Vec<Row> {
    [users_and_contacts(), addresses(), does_not_fire(), groups(), groups_by_their_members(), limited()]
        .concat()
}

fn users_and_contacts() -> Vec<Row> {
    let changed: &[&str] = &["adam: logged_in_users", "maud: manager", "una: object_modified"];
    let carl = || and(people("maud mika"), [contact("carl").managers("maud"), place("attic")]);
    let of_carl: &[&str] = &["adam: logged_in_users", "maud: manager", "carl: object_modified"];
    vec![
        row("object: a watched attribute of a user changes", with_una([]))
            .then(modify("una", &[Replace(Title, "Chief")]), changed),
        row("object: a user is renamed", with_una([])).then(Rename("una", "ursa"), changed),
        row("object: a user is moved", with_una([place("attic")])).then(Move("una", "attic"), changed),
        row("object: the manager of a user comes and goes", with_una([]))
            .then(modify("una", &[Remove(Manager, "maud")]), changed)
            .then(modify("una", &[Add(Manager, "maud")]), changed),
        row("object: the manager of a user is deleted", with_una([]))
            .then(Delete("maud"), &["una: object_modified"])
            .in_vain(&["manager"]),
        row("object: a watched attribute of a contact changes", carl())
            .then(modify("carl", &[Replace(Title, "Chief")]), of_carl),
        row("object: a contact is renamed", carl()).then(Rename("carl", "cora"), of_carl),
        row("object: a contact is moved", carl()).then(Move("carl", "attic"), of_carl),
        row("object: the manager of a contact is replaced", carl()).then(
            modify("carl", &[Replace(Manager, "mika")]),
            &["adam: logged_in_users", "maud mika: manager", "carl: object_modified"],
        ),
    ]
}

/// When the address itself changed, old and new are both told of that change.
fn addresses() -> Vec<Row> {
    let una_told = |una: &'static str| ["adam: logged_in_users", "maud: manager", una];
    let without = || and(people("maud"), [una().with(Mail, "")]);
    let two = || and(people("maud"), [una().with(Mail, "una@row").with(Mail, "una.two@row")]);
    vec![
        row("object: an address is replaced, and the old one hears of nothing more", with_una([]))
            .then(modify("una", &[Replace(Mail, "una.new@row")]), &una_told("una una.new: object_modified"))
            .then(modify("una", &[Replace(Title, "Chief")]), &una_told("una.new: object_modified")),
        row("object: an address and more are replaced at once", with_una([])).then(
            modify(
                "una",
                &[Replace(Mail, "una.new@row"), Replace(Title, "Chief"), Replace(DisplayName, "Una N")],
            ),
            &una_told("una una.new: object_modified"),
        ),
        row("object: a first address is given", without())
            .then(modify("una", &[Add(Mail, "una@row")]), &una_told("una: object_modified")),
        row("object: the only address is taken away", with_una([]))
            .then(modify("una", &[Replace(Mail, "")]), &una_told("una: object_modified"))
            .then(modify("una", &[Replace(Title, "Chief")]), &["adam: logged_in_users", "maud: manager"])
            .in_vain(&["object_modified"]),
        row("object: a second address is given", with_una([]))
            .then(modify("una", &[Add(Mail, "una.two@row")]), &una_told("una: object_modified")),
        row("object: the second of two addresses is taken away", two())
            .then(modify("una", &[Remove(Mail, "una.two@row")]), &una_told("una: object_modified")),
        row("object: the first of two addresses is taken away", two())
            .then(modify("una", &[Remove(Mail, "una@row")]), &una_told("una una.two: object_modified")),
        row("object: an address is spelled in another case", with_una([]))
            .then(modify("una", &[Replace(Mail, "Una@row")]), &una_told("una: object_modified")),
        row("object: an address is replaced by what is none", with_una([]))
            .then(modify("una", &[Replace(Mail, "una at row")]), &una_told("una: object_modified")),
        row(
            "object: the address of a contact is replaced",
            and(people("maud"), [contact("carl").managers("maud")]),
        )
        .then(
            modify("carl", &[Replace(Mail, "carl.new@row")]),
            &["adam: logged_in_users", "maud: manager", "carl carl.new: object_modified"],
        ),
        row("object: somebody replaces their own address", with_una([])).by("una").then(
            modify("una", &[Replace(Mail, "una.new@row")]),
            &["maud: manager", "una una.new: logged_in_users, object_modified"],
        ),
        row(
            "object: the address of somebody who is never to be told is replaced",
            and(people("maud"), [una().marked(mark::UNTOLD)]),
        )
        .then(modify("una", &[Replace(Mail, "una.new@row")]), &["adam: logged_in_users", "maud: manager"])
        .in_vain(&["object_modified"]),
    ]
}

fn does_not_fire() -> Vec<Row> {
    vec![
        row("object: a user is created and deleted", people("maud"))
            .then(Create(una()), &["adam: logged_in_users", "maud: manager"])
            .then(Delete("una"), &["maud: manager"]),
        row("object: a contact is created and deleted", people("maud"))
            .then(Create(contact("carl").managers("maud")), &["adam: logged_in_users", "maud: manager"])
            .then(Delete("carl"), &["maud: manager"]),
        row("object: an attribute that nobody watches changes", with_una(with_crew([])))
            .unnoticed(modify("una", &[Replace(Description, "changed")]))
            .unnoticed(modify("crew", &[Replace(Description, "changed")])),
        row("object: the manager changes", with_una([]))
            .then(
                modify("maud", &[Replace(Title, "Chief")]),
                &["adam: logged_in_users", "maud: object_modified"],
            )
            .in_vain(&["manager"]),
        row("object: a place is renamed", vec![place("attic"), person("ann").in_place("attic")])
            .then(Rename("attic", "loft"), &["adam: logged_in_users"]),
    ]
}

fn groups() -> Vec<Row> {
    let crew_told: &[&str] = &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"];
    vec![
        row("object: a group is created", people("ann ben olga")).then(
            Create(crew()),
            &["adam: logged_in_users", "olga: owner", "ann ben: added_members, object_modified"],
        ),
        row("object: a group is renamed", with_crew([])).then(Rename("crew", "team"), crew_told),
        row("object: a group is moved", with_crew([place("attic")])).then(Move("crew", "attic"), crew_told),
        row("object: a watched attribute of a group changes", with_crew([]))
            .then(modify("crew", &[Replace(DisplayName, "The Crew")]), crew_told),
        row("object: an owner comes and goes", with_crew(people("omar")))
            .then(
                modify("crew", &[Add(Owner, "omar")]),
                &["adam: logged_in_users", "olga omar: owner", "ann ben: object_modified"],
            )
            .then(
                modify("crew", &[Remove(Owner, "omar")]),
                &["adam: logged_in_users", "olga omar: owner", "ann ben: object_modified"],
            ),
        row("object: a member becomes an owner beside", with_crew([])).then(
            modify("crew", &[Add(Owner, "ann")]),
            &["adam: logged_in_users", "ann: object_modified, owner", "olga: owner", "ben: object_modified"],
        ),
        row("object: an owner is deleted", with_crew([]))
            .then(Delete("olga"), &["ann ben: object_modified"])
            .in_vain(&["manager", "owner"]),
        row("object: a group is deleted", with_crew([]))
            .then(Delete("crew"), &["olga: owner", "ann ben: object_modified, removed_members"]),
        row("object: a member is deleted", with_crew([]))
            .then(Delete("ann"), &["olga: owner", "ben: object_modified"])
            .in_vain(&["manager", "removed_members"]),
    ]
}

/// The members after the event, whoever they are.
fn groups_by_their_members() -> Vec<Row> {
    let nested = || {
        and(
            people("ann ben cem dee olga omar"),
            [
                group("team").owners("omar").members("ben cem"),
                group("crew").owners("olga").members("ann team"),
            ],
        )
    };
    vec![
        row("object: who is added is a member after, who is removed is none", with_crew(people("cem"))).then(
            modify("crew", &[Add(Member, "cem"), Remove(Member, "ben")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann: object_modified",
                "ben: removed_members",
                "cem: added_members, object_modified",
            ],
        ),
        row("object: the members of an inner group", nested()).then(
            modify("crew", &[Replace(DisplayName, "The Crew")]),
            &["adam: logged_in_users", "olga: owner", "ann ben cem: object_modified"],
        ),
        row("object: the members of an outer group are not told of the inner", nested()).then(
            modify("team", &[Replace(DisplayName, "The Team")]),
            &["adam: logged_in_users", "omar: owner", "ben cem: object_modified"],
        ),
        row(
            "object: two groups that contain each other",
            and(
                people("ann ben olga"),
                [group("team").members("ben crew"), group("crew").owners("olga").members("ann team")],
            ),
        )
        .then(
            modify("crew", &[Replace(DisplayName, "The Crew")]),
            &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
        ),
        row("object: members by uniqueMember", and(people("ann ben olga"), [unique_crew()])).then(
            modify("crew", &[Add(UniqueMember, "ben")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann: object_modified",
                "ben: added_members, object_modified",
            ],
        ),
        row("object: members by memberUid", and(people("ann ben olga"), [posix_crew()])).then(
            modify("crew", &[Add(MemberUid, "ben")]),
            &[
                "adam: logged_in_users",
                "olga: owner",
                "ann: object_modified",
                "ben: added_members, object_modified",
            ],
        ),
        row(
            "object: contacts and people",
            and(people("ann olga"), [contact("carl"), group("crew").owners("olga").members("ann carl")]),
        )
        .then(
            modify("crew", &[Replace(DisplayName, "The Crew")]),
            &["adam: logged_in_users", "olga: owner", "ann carl: object_modified"],
        ),
        row(
            "object: a group without members",
            and(people("olga"), [entry("crew", Class::GroupOrEmpty).owners("olga")]),
        )
        .then(modify("crew", &[Replace(DisplayName, "The Crew")]), &["adam: logged_in_users", "olga: owner"])
        .in_vain(&["object_modified"]),
        row(
            "object: the dummy member alone",
            and(people("olga"), [group("crew").owners("olga").members("nobody")]),
        )
        .then(modify("crew", &[Replace(DisplayName, "The Crew")]), &["adam: logged_in_users", "olga: owner"])
        .in_vain(&["object_modified"]),
        row("object: the dummy member beside others", with_crew([]))
            .unnoticed(modify("crew", &[Add(Member, "nobody")]))
            .then(
                modify("crew", &[Replace(DisplayName, "The Crew")]),
                &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
            ),
    ]
}

/// Like any group recipient.
fn limited() -> Vec<Row> {
    let five = || group("crew").owners("olga").members("ann ben cem dee eve");
    let all = |more: Vec<Entry>| and(people("ann ben cem dee eve fay olga"), more);
    let fay_joins = || modify("crew", &[Add(Member, "fay")]);
    vec![
        row("object: as many members as the limit", all(vec![five()])).then(
            modify("crew", &[Replace(DisplayName, "The Crew")]),
            &["adam: logged_in_users", "olga: owner", "ann ben cem dee eve: object_modified"],
        ),
        row("object: more members than the limit", all(vec![five()]))
            .then(fay_joins(), &["adam: logged_in_users", "olga: owner", "fay: added_members"])
            .in_vain(&["object_modified"])
            .then(
                modify("crew", &[Remove(Member, "fay")]),
                &[
                    "adam: logged_in_users",
                    "olga: owner",
                    "ann ben cem dee eve: object_modified",
                    "fay: removed_members",
                ],
            ),
        row("object: more members than the limit, and an address", all(vec![five().with(Mail, "crew@row")]))
            .then(
                fay_joins(),
                &["adam: logged_in_users", "olga: owner", "crew: object_modified", "fay: added_members"],
            )
            .then(
                modify("crew", &[Replace(DisplayName, "The Crew")]),
                &["adam: logged_in_users", "olga: owner", "crew: object_modified"],
            ),
        row("object: fewer members than the limit, and an address", all(vec![crew().with(Mail, "crew@row")]))
            .then(
                modify("crew", &[Replace(DisplayName, "The Crew")]),
                &["adam: logged_in_users", "olga: owner", "ann ben: object_modified"],
            ),
        row(
            "object: more than the limit in groups within",
            all(vec![
                group("team").members("dee eve fay"),
                group("crew").owners("olga").members("ann ben cem team"),
            ]),
        )
        .then(modify("crew", &[Replace(DisplayName, "The Crew")]), &["adam: logged_in_users", "olga: owner"])
        .in_vain(&["object_modified"]),
        row(
            "object: nobody to be told, and an address",
            vec![
                person("olga"),
                person("ann").with(Mail, ""),
                person("ben").disabled(),
                crew().with(Mail, "crew@row"),
            ],
        )
        .then(
            modify("crew", &[Replace(DisplayName, "The Crew")]),
            &["adam: logged_in_users", "olga: owner", "crew: object_modified"],
        ),
        row(
            "object: nobody to be told, and no address",
            vec![person("olga"), person("ann").with(Mail, ""), person("ben").disabled(), crew()],
        )
        .then(modify("crew", &[Replace(DisplayName, "The Crew")]), &["adam: logged_in_users", "olga: owner"])
        .in_vain(&["object_modified"]),
        row(
            "object: a group of more than the limit is deleted",
            all(vec![group("crew").owners("olga").members("ann ben cem dee eve fay")]),
        )
        .then(Delete("crew"), &["olga: owner"])
        .in_vain(&["object_modified", "removed_members"]),
    ]
}
