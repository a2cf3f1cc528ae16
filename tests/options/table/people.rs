//! Whom an option means, and who of them can be told.

use crate::options::row::{
    ARCHIVE,
    Edit::{Add, Remove},
    Entry,
    Field::{Mail, ManagedBy, Member},
    Row,
    Step::Delete,
    and, group, modify, people, person, row,
};

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
                [person("olga").with(Mail, ARCHIVE), group("crew").owners("olga").members("ann")],
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
    let joins = |name, before: Vec<Entry>, expect: &[&'static str]| {
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
