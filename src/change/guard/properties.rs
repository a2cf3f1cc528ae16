//! Random units and holds: nothing is lost or doubled, and nothing overtakes what is held.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::{
    tests::{Bench, number},
    *,
};
use crate::change::event::EventId;

#[derive(Debug, Clone)]
enum Step {
    /// Minutes later.
    Unit(i64, String, Purpose),
    /// The n-th open hold ends: what is in it goes out in its order.
    End(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let group = prop::sample::select(vec!["OPS", "DESK", "BOARD"]);
    let who = prop::sample::select(vec!["OPS", "DESK", "ada", "ben", "cem"]);
    let word = prop_oneof![
        4 => (group.clone(), 1_u32..9).prop_map(|(group, count)| format!("{group}+{count}")),
        3 => who.prop_map(|who| format!("{who}~")),
        1 => (group, 0_u32..30).prop_map(|(group, count)| format!("{group}!{count}")),
    ];
    let set = prop::collection::vec(word, 1..4).prop_map(|words| words.join(" "));
    let unit = prop::collection::vec(set, 1..4).prop_map(|sets| sets.join("; "));
    let purpose = prop_oneof![9 => Just(Purpose::Tell), 1 => Just(Purpose::BackInTime)];
    prop_oneof![
        5 => (-1_i64..4, unit, purpose).prop_map(|(later, unit, purpose)| Step::Unit(later, unit, purpose)),
        1 => (0_usize..4).prop_map(Step::End),
    ]
}

/// What went out, and what waits in each hold, in order.
#[derive(Default)]
struct Kept {
    out: Vec<ChangeEvent>,
    held: BTreeMap<HoldNo, Vec<ChangeEvent>>,
}

impl Kept {
    fn keep(&mut self, judged: Judged, first: usize) {
        for (way, set) in judged.sets {
            assert!(!set.events.is_empty());
            assert!(set.events.iter().all(|event| event.change_set == set.id));
            match way {
                Way::Out => self.out.extend(set.events),
                Way::Behind(hold) => self.held.entry(hold).or_default().extend(set.events),
                Way::Into(place) => self.held.entry(number(first + place)).or_default().extend(set.events),
            }
        }
    }
}

fn of_entry(events: &[ChangeEvent], entry: EntryId) -> Vec<EventId> {
    events.iter().filter(|event| event.entry.id == Some(entry)).map(|event| event.id).collect()
}

proptest! {
    #[test]
    fn every_event_goes_exactly_one_way_and_none_overtakes_another_of_its_entry(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let settings = GuardSettings {
            window: Duration::from_mins(5),
            max_events: 25,
            membership_percent: 50,
            membership_min: 5,
        };
        let mut bench = Bench::new(settings, &[("OPS", 20), ("DESK", 8), ("BOARD", 4)]);
        let (mut all, mut kept): (Vec<ChangeEvent>, _) = (Vec::new(), Kept::default());
        for step in steps {
            match step {
                Step::Unit(later, unit, purpose) => {
                    bench.now += SignedDuration::from_mins(later);
                    let (sets, first) = (bench.unit(&unit), bench.begun.len());
                    all.extend(sets.iter().flat_map(|set| set.events.clone()));
                    kept.keep(bench.judge(sets, purpose), first);
                }
                Step::End(place) => {
                    let Some((hold, _)) = bench.open.get(place).cloned() else { continue };
                    kept.out.extend(kept.held.remove(&hold).unwrap_or_default());
                    bench.end(hold);
                }
            }
            prop_assert!(bench.window.events() <= u64::from(bench.settings.max_events));
        }
        for (hold, _) in std::mem::take(&mut bench.open) {
            kept.out.extend(kept.held.remove(&hold).unwrap_or_default());
        }
        prop_assert!(kept.held.is_empty());
        prop_assert_eq!(all.len(), kept.out.len());
        let entries: BTreeSet<EntryId> = all.iter().filter_map(|event| event.entry.id).collect();
        for entry in entries {
            prop_assert_eq!(of_entry(&all, entry), of_entry(&kept.out, entry));
        }
        for event in &kept.out {
            let before = all.iter().find(|before| before.id == event.id).expect("it was told to the guard");
            prop_assert_eq!(&ChangeEvent { change_set: before.change_set, ..event.clone() }, before);
        }
    }
}
