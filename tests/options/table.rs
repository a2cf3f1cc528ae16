//! The table: for each kind of change the exact mails. Rows are written for what a directory *means*; each
//! server's suite carries them out in its own way, and what it cannot do it leaves out by class or field.

use super::row::{
    Class,
    Edit::{Add, Remove, Replace},
    Field::{
        CoOwner, Description, DisplayName, Mail, ManagedBy, Manager, Member, MemberUid, Owner, Title,
        UniqueMember,
    },
    Row,
    Step::{Create, Delete, Move, Rename},
    and, entry, group, modify, people, person, place, row,
};

/// Every kind of change.
pub fn changes() -> Vec<Row> {
    [members(), owners(), groups(), users(), places(), groups_in_groups(), at_once()].concat()
}

/// Members come and go, however the group spells them.
fn members() -> Vec<Row> {
    let crew = || group("crew").owners("olga").members("ann ben");
    vec![
        row(
            "a member is added",
            and(people("ann ben cem olga"), [crew()]),
            vec![modify("crew", &[Add(Member, "cem")])],
            &["olga: owner", "cem: added_members"],
        ),
        row(
            "two members are added at once",
            and(people("ann ben cem dee olga"), [crew()]),
            vec![modify("crew", &[Add(Member, "cem dee")])],
            &["olga: owner", "cem: added_members", "dee: added_members"],
        ),
        row(
            "a member is removed",
            and(people("ann ben olga"), [crew()]),
            vec![modify("crew", &[Remove(Member, "ben")])],
            &["olga: owner", "ben: removed_members"],
        ),
        row(
            "a member is added to a group without owner",
            and(people("ann ben"), [group("crew").members("ann")]),
            vec![modify("crew", &[Add(Member, "ben")])],
            &["ben: added_members"],
        ),
        row(
            "a member is added, and removed again",
            and(people("ann ben cem olga"), [crew()]),
            vec![modify("crew", &[Add(Member, "cem")]), modify("crew", &[Remove(Member, "cem")])],
            &["olga: owner", "olga: owner", "cem: added_members", "cem: removed_members"],
        )
        .sets(2, 2),
        row(
            "all members are exchanged",
            and(people("ann ben cem dee olga"), [crew()]),
            vec![modify("crew", &[Replace(Member, "cem dee")])],
            &[
                "olga: owner",
                "ann: removed_members",
                "ben: removed_members",
                "cem: added_members",
                "dee: added_members",
            ],
        ),
        row(
            "the same members are written anew in another order",
            and(people("ann ben olga"), [crew()]),
            vec![modify("crew", &[Replace(Member, "ben ann")])],
            &[],
        )
        .sets(0, 0),
        row(
            "the last member goes from a group that may be empty",
            and(people("ann olga"), [entry("crew", Class::GroupOrEmpty).owners("olga").members("ann")]),
            vec![modify("crew", &[Remove(Member, "ann")])],
            &["olga: owner", "ann: removed_members"],
        ),
        row(
            "the dummy member makes room for the first",
            and(people("ann olga"), [group("crew").owners("olga").members("nobody")]),
            vec![modify("crew", &[Add(Member, "ann"), Remove(Member, "nobody")])],
            &["olga: owner", "ann: added_members"],
        ),
        row(
            "the dummy member takes the place of the last",
            and(people("ann olga"), [group("crew").owners("olga").members("ann")]),
            vec![modify("crew", &[Replace(Member, "nobody")])],
            &["olga: owner", "ann: removed_members"],
        ),
        row(
            "the dummy member is added and removed",
            and(people("ann olga"), [group("crew").owners("olga").members("ann")]),
            vec![modify("crew", &[Add(Member, "nobody")]), modify("crew", &[Remove(Member, "nobody")])],
            &[],
        )
        .sets(0, 0),
        row(
            "a uniqueMember is added",
            and(people("ann ben olga"), [unique_crew()]),
            vec![modify("crew", &[Add(UniqueMember, "ben")])],
            &["olga: owner", "ben: added_members"],
        ),
        row(
            "a uniqueMember is exchanged",
            and(people("ann ben olga"), [unique_crew()]),
            vec![modify("crew", &[Replace(UniqueMember, "ben")])],
            &["olga: owner", "ann: removed_members", "ben: added_members"],
        ),
        row(
            "a memberUid is added",
            and(people("ann ben olga"), [posix_crew()]),
            vec![modify("crew", &[Add(MemberUid, "ben")])],
            &["olga: owner", "ben: added_members"],
        ),
        row(
            "a memberUid is removed",
            and(people("ann olga"), [posix_crew()]),
            vec![modify("crew", &[Remove(MemberUid, "ann")])],
            &["olga: owner", "ann: removed_members"],
        ),
    ]
}

fn unique_crew() -> super::row::Entry {
    entry("crew", Class::UniqueGroup).owners("olga").with(UniqueMember, "ann")
}

fn posix_crew() -> super::row::Entry {
    entry("crew", Class::PosixGroup).owners("olga").with(MemberUid, "ann")
}

/// Owners in all spellings.
fn owners() -> Vec<Row> {
    let crew = || group("crew").members("ann");
    vec![
        row(
            "an owner is added",
            and(people("ann olga omar"), [crew().owners("olga")]),
            vec![modify("crew", &[Add(Owner, "omar")])],
            &["olga: owner", "omar: owner"],
        ),
        row(
            "the first owner is named",
            and(people("ann olga"), [crew()]),
            vec![modify("crew", &[Add(Owner, "olga")])],
            &["olga: owner"],
        ),
        row(
            "an owner is removed",
            and(people("ann olga omar"), [crew().owners("olga omar")]),
            vec![modify("crew", &[Remove(Owner, "omar")])],
            &["olga: owner", "omar: owner"],
        ),
        row(
            "the last owner is removed",
            and(people("ann olga"), [crew().owners("olga")]),
            vec![modify("crew", &[Replace(Owner, "")])],
            &["olga: owner"],
        ),
        row(
            "the owner is replaced",
            and(people("ann olga omar"), [crew().owners("olga")]),
            vec![modify("crew", &[Replace(Owner, "omar")])],
            &["olga: owner", "omar: owner"],
        ),
        row(
            "managedBy is set beside an owner",
            and(people("ann olga maud"), [crew().owners("olga")]),
            vec![modify("crew", &[Add(ManagedBy, "maud")])],
            &["olga: owner", "maud: owner"],
        ),
        row(
            "managedBy is replaced",
            and(people("ann maud mika olga"), [crew().with(ManagedBy, "maud").with(CoOwner, "olga")]),
            vec![modify("crew", &[Replace(ManagedBy, "mika")])],
            &["maud: owner", "mika: owner", "olga: owner"],
        ),
        row(
            "managedBy is removed",
            and(people("ann maud"), [crew().with(ManagedBy, "maud")]),
            vec![modify("crew", &[Replace(ManagedBy, "")])],
            &["maud: owner"],
        ),
        row(
            "a co-owner is added and another removed",
            and(people("ann maud olga omar"), [crew().with(ManagedBy, "maud").with(CoOwner, "olga")]),
            vec![modify("crew", &[Replace(CoOwner, "omar")])],
            &["maud: owner", "olga: owner", "omar: owner"],
        ),
        row(
            "an owner changes rank and nothing else",
            and(people("ann maud"), [crew().with(ManagedBy, "maud")]),
            vec![modify("crew", &[Replace(ManagedBy, ""), Add(CoOwner, "maud")])],
            &[],
        )
        .sets(0, 0),
    ]
}

/// What becomes of groups themselves.
fn groups() -> Vec<Row> {
    let crew = || group("crew").owners("olga").members("ann ben");
    vec![
        row(
            "a group is created with members",
            people("ann ben olga"),
            vec![Create(crew())],
            &["olga: owner", "ann: added_members", "ben: added_members"],
        ),
        row(
            "an empty group is created",
            people("olga"),
            vec![Create(entry("crew", Class::GroupOrEmpty).owners("olga"))],
            &["olga: owner"],
        ),
        row(
            "a group is deleted",
            and(people("ann ben olga"), [crew()]),
            vec![Delete("crew")],
            &["olga: owner", "ann: removed_members", "ben: removed_members"],
        ),
        row(
            "a posixGroup is deleted",
            and(people("ann olga"), [posix_crew()]),
            vec![Delete("crew")],
            &["olga: owner", "ann: removed_members"],
        ),
        row(
            "a group without owner is deleted",
            and(people("ann"), [group("crew").members("ann")]),
            vec![Delete("crew")],
            &["ann: removed_members"],
        ),
        row(
            "a group of more than the limit is deleted",
            and(
                people("ann ben cem dee eve fay olga"),
                [group("crew").owners("olga").members("ann ben cem dee eve fay")],
            ),
            vec![Delete("crew")],
            &["olga: owner"],
        ),
        row(
            "a group is renamed",
            and(people("ann ben olga"), [crew()]),
            vec![Rename("crew", "team")],
            &["olga: owner"],
        ),
        row(
            "a group is moved",
            and(people("ann ben olga"), [place("attic"), crew()]),
            vec![Move("crew", "attic")],
            &["olga: owner"],
        ),
        row(
            "a watched attribute of a group changes",
            and(people("ann ben olga"), [crew()]),
            vec![modify("crew", &[Replace(DisplayName, "The Crew")])],
            &["olga: owner"],
        ),
        row(
            "a group gets an address",
            and(people("ann ben olga"), [crew()]),
            vec![modify("crew", &[Add(Mail, "crew@lists.example")])],
            &["olga: owner"],
        ),
        row(
            "an attribute of a group that nobody watches changes",
            and(people("ann ben olga"), [crew()]),
            vec![modify("crew", &[Replace(Description, "changed")])],
            &[],
        )
        .sets(0, 0),
    ]
}

/// What becomes of people.
fn users() -> Vec<Row> {
    let crew = || group("crew").owners("olga").members("ann ben");
    vec![
        row("a user is created", vec![], vec![Create(person("ann"))], &[]).sets(0, 1),
        row(
            "a user is created and added to a group",
            and(people("ben olga"), [group("crew").owners("olga").members("ben")]),
            vec![Create(person("ann")), modify("crew", &[Add(Member, "ann")])],
            &["olga: owner", "ann: added_members"],
        )
        .sets(1, 2),
        row("a user is deleted", people("ann"), vec![Delete("ann")], &[]).sets(0, 1),
        row(
            "a user who was in several groups is deleted",
            and(
                people("ann ben olga omar"),
                [crew(), group("team").owners("omar").members("ann ben"), group("others").members("ben")],
            ),
            vec![Delete("ann")],
            &["olga: owner", "omar: owner"],
        ),
        row(
            "a deleted user was named by uniqueMember",
            and(
                people("ann ben olga"),
                [entry("crew", Class::UniqueGroup).owners("olga").with(UniqueMember, "ann ben")],
            ),
            vec![Delete("ann")],
            &["olga: owner"],
        ),
        row(
            "a deleted user was named by memberUid",
            and(people("ann olga"), [posix_crew()]),
            vec![Delete("ann")],
            &["olga: owner"],
        ),
        row(
            "a user who owned a group is deleted",
            and(people("ann olga omar"), [group("crew").owners("olga omar").members("ann")]),
            vec![Delete("omar")],
            &["olga: owner"],
        ),
        row(
            "a manager is deleted",
            and(people("maud"), [person("ann").with(Manager, "maud"), person("ben").with(Manager, "maud")]),
            vec![Delete("maud")],
            &[],
        )
        .sets(0, 1),
        row(
            "a user is renamed, and the groups say nothing, then or later",
            and(people("ann ben cem olga"), [crew()]),
            vec![Rename("ann", "anna"), modify("crew", &[Add(Member, "cem")])],
            &["olga: owner", "cem: added_members"],
        )
        .sets(1, 2),
        row(
            "a user is moved, and the groups say nothing, then or later",
            and(people("ann ben cem olga"), [place("attic"), crew()]),
            vec![Move("ann", "attic"), modify("crew", &[Add(Member, "cem")])],
            &["olga: owner", "cem: added_members"],
        )
        .sets(1, 2),
        row(
            "an owner is renamed, and hears of what follows",
            and(people("ann ben cem olga"), [crew()]),
            vec![Rename("olga", "olla"), modify("crew", &[Add(Member, "cem")])],
            &["olga: owner", "cem: added_members"],
        )
        .sets(1, 2),
        row(
            "a watched attribute of a user changes",
            and(people("ann ben olga"), [crew()]),
            vec![modify("ann", &[Replace(Title, "Chief")])],
            &[],
        )
        .sets(0, 1),
        row(
            "an attribute of a user that nobody watches changes",
            people("ann"),
            vec![modify("ann", &[Replace(Description, "changed")])],
            &[],
        )
        .sets(0, 0),
        row(
            "the manager changes",
            and(people("maud mika"), [person("ann").with(Manager, "maud")]),
            vec![modify("ann", &[Replace(Manager, "mika")])],
            &[],
        )
        .sets(0, 1),
        row(
            "the manager goes, and one comes",
            and(people("maud"), [person("ann").with(Manager, "maud")]),
            vec![modify("ann", &[Replace(Manager, "")]), modify("ann", &[Add(Manager, "maud")])],
            &[],
        )
        .sets(0, 2),
    ]
}

/// Places are no groups: a rename of one is one event, whatever lies below.
fn places() -> Vec<Row> {
    vec![
        row(
            "a place with people, a group and its members is renamed",
            and(
                people("olga cem"),
                [
                    place("attic"),
                    person("ann").in_place("attic"),
                    person("ben").in_place("attic"),
                    group("inside").in_place("attic").owners("olga").members("ann ben"),
                    group("outside").owners("olga").members("ann ben"),
                ],
            ),
            vec![
                Rename("attic", "loft"),
                modify("outside", &[Add(Member, "cem")]),
                modify("inside", &[Add(Member, "cem")]),
            ],
            &["olga: owner", "cem: added_members", "olga: owner", "cem: added_members"],
        )
        .sets(2, 3),
        row(
            "a member of a renamed place is removed by the new name",
            and(
                people("olga cem"),
                [
                    place("attic"),
                    person("ann").in_place("attic"),
                    entry("crew", Class::UniqueGroup).owners("olga").with(UniqueMember, "ann cem"),
                ],
            ),
            vec![Rename("attic", "loft"), modify("crew", &[Replace(UniqueMember, "cem")])],
            &["olga: owner", "ann: removed_members"],
        )
        .sets(1, 2),
        row("a place is created and deleted", vec![], vec![Create(place("attic")), Delete("attic")], &[])
            .sets(0, 0),
    ]
}

/// Groups as members and as owners.
fn groups_in_groups() -> Vec<Row> {
    let team = || group("team").members("ben cem");
    vec![
        row(
            "a group is added to a group",
            and(people("ann ben cem olga"), [team(), group("crew").owners("olga").members("ann")]),
            vec![modify("crew", &[Add(Member, "team")])],
            &["olga: owner", "ben: added_members", "cem: added_members"],
        ),
        row(
            "a group is removed from a group",
            and(people("ann ben cem olga"), [team(), group("crew").owners("olga").members("ann team")]),
            vec![modify("crew", &[Remove(Member, "team")])],
            &["olga: owner", "ben: removed_members", "cem: removed_members"],
        ),
        row(
            "a member comes to the inner of two groups",
            and(
                people("ann ben cem dee olga omar"),
                [team().owners("omar"), group("crew").owners("olga").members("ann team")],
            ),
            vec![modify("team", &[Add(Member, "dee")])],
            &["omar: owner", "dee: added_members"],
        ),
        row(
            "a group that contains a group is deleted",
            and(people("ann ben cem olga"), [team(), group("crew").owners("olga").members("ann team")]),
            vec![Delete("crew")],
            &["olga: owner", "ann: removed_members", "ben: removed_members", "cem: removed_members"],
        ),
        row(
            "a group that is in a group is deleted",
            and(
                people("ann ben cem olga omar"),
                [team().owners("omar"), group("crew").owners("olga").members("ann team")],
            ),
            vec![Delete("team")],
            &["omar: owner", "olga: owner", "ben: removed_members", "cem: removed_members"],
        ),
        row(
            "a group owns a group",
            and(people("ann ben cem dee"), [team(), group("crew").owners("team").members("ann")]),
            vec![modify("crew", &[Add(Member, "dee")])],
            &["ben: owner", "cem: owner", "dee: added_members"],
        ),
        row(
            "an owning group is replaced by a person",
            and(people("ann ben cem olga"), [team(), group("crew").owners("team").members("ann")]),
            vec![modify("crew", &[Replace(Owner, "olga")])],
            &["ben: owner", "cem: owner", "olga: owner"],
        ),
        row(
            "a member of the owning group is added",
            and(people("ann ben cem"), [team(), group("crew").owners("team").members("ann")]),
            vec![modify("crew", &[Add(Member, "ben")])],
            &["ben: added_members, owner", "cem: owner"],
        ),
    ]
}

/// Several changes of one modify are one change set.
fn at_once() -> Vec<Row> {
    vec![
        row(
            "members, owner and name change in one modify",
            and(people("ann ben olga omar"), [group("crew").owners("olga").members("ann")]),
            vec![modify(
                "crew",
                &[
                    Add(Member, "ben"),
                    Remove(Member, "ann"),
                    Replace(Owner, "omar"),
                    Replace(DisplayName, "The Crew"),
                ],
            )],
            &["olga: owner", "omar: owner", "ben: added_members", "ann: removed_members"],
        ),
        row(
            "a member becomes the owner",
            and(people("ann ben olga"), [group("crew").owners("olga").members("ann ben")]),
            vec![modify("crew", &[Replace(Owner, "ann"), Remove(Member, "ann")])],
            &["olga: owner", "ann: owner, removed_members"],
        ),
        row(
            "a person is removed and added again in one modify",
            and(people("ann ben olga"), [group("crew").owners("olga").members("ann ben")]),
            vec![modify("crew", &[Remove(Member, "ann"), Add(Member, "ann")])],
            &[],
        )
        .sets(0, 0),
    ]
}

/// M5: one person in several parts gets one mail.
pub fn one_person_in_several_parts() -> Vec<Row> {
    vec![
        row(
            "the owner becomes a member",
            and(people("ann olga"), [group("crew").owners("olga").members("ann")]),
            vec![modify("crew", &[Add(Member, "olga")])],
            &["olga: added_members, owner"],
        ),
        row(
            "who owns and was a member of a deleted group",
            and(people("ann olga"), [group("crew").owners("olga").members("ann olga")]),
            vec![Delete("crew")],
            &["olga: owner, removed_members", "ann: removed_members"],
        ),
        row(
            "who owns by two spellings",
            and(
                people("ann ben olga"),
                [group("crew").owners("olga").with(ManagedBy, "olga").members("ann")],
            ),
            vec![modify("crew", &[Add(Member, "ben")])],
            &["olga: owner", "ben: added_members"],
        ),
        row(
            "who owns directly and by a group",
            and(
                people("ann ben olga"),
                [group("team").members("olga"), group("crew").owners("olga team").members("ann")],
            ),
            vec![modify("crew", &[Add(Member, "ben")])],
            &["olga: owner", "ben: added_members"],
        ),
        row(
            "two people with one address in another case",
            and(
                people("ann olga"),
                [
                    person("ben").with(Mail, "SHARED@row"),
                    person("cem").with(Mail, "shared@row"),
                    group("crew").owners("olga").members("ann"),
                ],
            ),
            vec![modify("crew", &[Add(Member, "ben cem")])],
            &["olga: owner", "shared: added_members"],
        ),
        row(
            "the owner is listed under To",
            and(
                people("ann ben"),
                [person("olga").with(Mail, super::row::ARCHIVE), group("crew").owners("olga").members("ann")],
            ),
            vec![modify("crew", &[Add(Member, "ben")])],
            &["archive@lists.example: owner, recipients", "ben: added_members"],
        ),
    ]
}

/// M8: no address, a wrong one, several, beyond ASCII.
pub fn addresses() -> Vec<Row> {
    let joins = |name, who, expect: &[&'static str]| {
        row(
            name,
            and(people("ann olga"), [who, group("crew").owners("olga").members("ann")]),
            vec![modify("crew", &[Add(Member, "ben")])],
            expect,
        )
    };
    let ben = || person("ben");
    vec![
        joins("a member without an address", ben().with(Mail, ""), &["olga: owner"]),
        joins("a member with a wrong address", ben().with(Mail, "ben at row"), &["olga: owner"]),
        joins("an address with a space", ben().with(Mail, "ben@row eve@row"), &["olga: owner"]),
        joins("an address with a name", ben().with(Mail, "Ben <ben@row>"), &["olga: owner"]),
        joins("two addresses in one", ben().with(Mail, "ben@row,eve@row"), &["olga: owner"]),
        joins(
            "a capital address is one and the same",
            ben().with(Mail, "Ben@row"),
            &["olga: owner", "ben: added_members"],
        ),
        joins(
            "of several addresses the first as read",
            ben().with(Mail, "first@row").with(Mail, "second@row"),
            &["olga: owner", "first: added_members"],
        ),
    ]
}

/// M9: who is not written to.
pub fn not_written_to() -> Vec<Row> {
    let crew = || group("crew").owners("olga").members("ann");
    vec![
        row(
            "a disabled member",
            and(people("ann olga"), [person("ben").disabled(), crew()]),
            vec![modify("crew", &[Add(Member, "ben")]), modify("crew", &[Remove(Member, "ben")])],
            &["olga: owner", "olga: owner"],
        )
        .sets(2, 2),
        row(
            "a disabled owner",
            and(people("ann ben"), [person("olga").disabled(), crew()]),
            vec![modify("crew", &[Add(Member, "ben")])],
            &["ben: added_members"],
        ),
        row(
            "the only one who could be told is disabled, and the copies go out",
            and(people("ann"), [person("ben").disabled(), group("crew").members("ann")]),
            vec![modify("crew", &[Add(Member, "ben")])],
            &[],
        ),
        row(
            "a member who is deleted",
            and(people("ann ben olga"), [group("crew").owners("olga").members("ann ben")]),
            vec![Delete("ben")],
            &["olga: owner"],
        ),
        row("an owner who is deleted", and(people("ann olga"), [crew()]), vec![Delete("olga")], &[]),
        row(
            "a member who has no entry",
            and(people("ann olga"), [crew()]),
            vec![modify("crew", &[Add(Member, "ghost")])],
            &["olga: owner"],
        ),
    ]
}

/// M10: recipients that are groups.
pub fn group_recipients() -> Vec<Row> {
    // Whoever owns crew, dee comes to it.
    let joins = |name, before: Vec<super::row::Entry>, expect: &[&'static str]| {
        row(name, before, vec![modify("crew", &[Add(Member, "dee")])], expect)
    };
    let crew = || group("crew").owners("team").members("ann");
    vec![
        joins(
            "groups in the owning group",
            and(
                people("ann ben cem dee eve"),
                [
                    group("inmost").members("cem eve"),
                    group("inner").members("ben inmost"),
                    group("team").members("ben inner"),
                    crew(),
                ],
            ),
            &["ben: owner", "cem: owner", "eve: owner", "dee: added_members"],
        ),
        joins(
            "an empty owning group with an address",
            and(people("ann dee"), [group("team").members("nobody").with(Mail, "team@row"), crew()]),
            &["team: owner", "dee: added_members"],
        ),
        joins(
            "an empty owning group without an address",
            and(people("ann dee"), [group("team").members("nobody"), crew()]),
            &["dee: added_members"],
        ),
        joins(
            "an owning group whose members cannot be told, with an address",
            and(
                people("ann dee"),
                [
                    person("ben").with(Mail, ""),
                    person("cem").disabled(),
                    group("team").members("ben cem").with(Mail, "team@row"),
                    crew(),
                ],
            ),
            &["team: owner", "dee: added_members"],
        ),
        joins(
            "an owning group with an address and somebody to tell",
            and(people("ann ben dee"), [group("team").members("ben").with(Mail, "team@row"), crew()]),
            &["ben: owner", "dee: added_members"],
        ),
        joins(
            "two groups that contain each other",
            and(
                people("ann ben cem dee"),
                [group("inner").members("ben team"), group("team").members("cem inner"), crew()],
            ),
            &["ben: owner", "cem: owner", "dee: added_members"],
        ),
        joins(
            "a group that owns itself",
            and(people("ann dee"), [group("crew").owners("crew").members("ann")]),
            &["ann: owner", "dee: added_members, owner"],
        ),
        joins(
            "an owning group as large as the limit",
            and(
                people("ann ben cem dee eve fay gus"),
                [group("team").members("ben cem eve fay gus"), crew()],
            ),
            &["ben: owner", "cem: owner", "eve: owner", "fay: owner", "gus: owner", "dee: added_members"],
        ),
        joins(
            "an owning group over the limit, with an address",
            and(
                people("ann ben cem dee eve fay gus ida"),
                [group("team").members("ben cem eve fay gus ida").with(Mail, "team@row"), crew()],
            ),
            &["team: owner", "dee: added_members"],
        ),
        joins(
            "an owning group over the limit, without an address",
            and(
                people("ann ben cem dee eve fay gus ida"),
                [group("team").members("ben cem eve fay gus ida"), crew()],
            ),
            &["dee: added_members"],
        ),
        row(
            "a group over the limit becomes a member",
            and(
                people("ann ben cem dee eve fay gus olga"),
                [
                    group("team").members("ben cem dee eve fay gus").with(Mail, "team@row"),
                    group("crew").owners("olga").members("ann"),
                ],
            ),
            vec![modify("crew", &[Add(Member, "team")])],
            &["olga: owner", "team: added_members"],
        ),
    ]
}
