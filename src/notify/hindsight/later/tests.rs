use std::convert::Infallible;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    change::event::ChangeSetId,
    directory::{
        dn::Dn,
        entry::{EntryId, EntryKind},
        mirror::{MirroredAttributes, People, Profile},
    },
    notify::hindsight::Hindsight,
};

/// A group with these members, and what happened to it after a change set of which the id is the number.
struct Group {
    members: Vec<EntryRef>,
    turns: Vec<(i64, Change)>,
}

impl People for Group {
    type Error = Infallible;

    fn profile(&self, _: EntryId) -> Result<Option<Profile>, Infallible> {
        Ok(None)
    }

    fn members(&self, _: EntryId, limit: usize) -> Result<Vec<EntryRef>, Infallible> {
        Ok(self.members.iter().take(limit).cloned().collect())
    }

    fn mail(&self, _: &MirroredAttributes) -> Vec<String> {
        Vec::new()
    }
}

impl Hindsight for Group {
    fn members_since(&self, _: EntryId, set: ChangeSetId) -> Result<Vec<Change>, Infallible> {
        Ok(self.since(number(set)).into_iter().map(|(_, change)| change).collect())
    }
}

impl Group {
    fn since(&self, set: i64) -> Vec<(i64, Change)> {
        self.turns.iter().filter(|(of, _)| *of > set).cloned().collect()
    }
}

fn number(set: ChangeSetId) -> i64 {
    i64::try_from(set.0.as_u128()).unwrap()
}

fn set(number: i64) -> ChangeSetId {
    ChangeSetId(Uuid::from_u128(number.try_into().unwrap()))
}

/// Some were never read, and are told apart by name.
fn person(number: u8, was_read: bool) -> EntryRef {
    EntryRef {
        id: was_read.then(|| EntryId(Uuid::from_u128(u128::from(number) + 1))),
        dn: Dn::parse(&format!("cn=p{number}")).unwrap(),
        kind: Some(EntryKind::User),
        name: format!("p{number}"),
    }
}

fn people() -> impl Strategy<Value = EntryRef> {
    (0..6_u8, any::<bool>()).prop_map(|(number, was_read)| person(number, was_read))
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => people().prop_map(|member| Change::MemberAdded { member }),
        8 => people().prop_map(|member| Change::MemberRemoved { member }),
        1 => (prop::collection::vec(people(), 0..4), 0..5_u64).prop_map(|(last_members, last_member_count)| {
            Change::ObjectDeleted { last_members, last_member_count, last_groups: Vec::new() }
        }),
    ]
}

proptest! {
    /// Asked in order it says what is said to whoever undoes everything each time, with the members in one order.
    #[test]
    fn going_on_from_one_change_set_to_the_next_is_the_same_as_undoing_everything(
        members in prop::collection::vec(people(), 0..6),
        turns in prop::collection::vec((0..3_i64, change()), 0..12),
        limit in 0..6_usize,
    ) {
        let numbered = turns.into_iter().scan(0, |set, (step, change)| {
            *set += step;
            Some((*set, change))
        });
        let group = Group { members, turns: numbered.collect() };
        let id = EntryId(Uuid::from_u128(99));
        let mut later: Option<Later> = None;
        for number in 0..30 {
            let went_on = later.as_mut().is_some_and(|later| later.go_on_to(number));
            if !went_on {
                let members = |most| group.members(id, most);
                later = Some(Later::of(group.since(number), limit, members).unwrap());
            }
            let past = later.as_ref().unwrap().past(limit);
            prop_assert_eq!(past, group.past(id, set(number), limit).unwrap(), "after {}", number);
        }
    }
}
