//! Owners come and go, in all spellings.

use crate::options::row::{
    Edit::{Add, Remove, Replace},
    Field::{CoOwner, ManagedBy, Owner},
    Row, and, group, modify, people, row,
};

pub fn owners() -> Vec<Row> {
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
