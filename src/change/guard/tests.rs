//! What is held and what goes out, unit by unit.

use std::convert::Infallible;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{
    change::event::{Actor, AttributeChange, Cause, Change, EventId, Marks},
    directory::{attribute::AttributeName, dn::Dn},
};

/// A store under guard: how large its groups are, which holds are open, what was counted.
pub(super) struct Bench {
    pub settings: GuardSettings,
    pub window: Window,
    pub sizes: BTreeMap<EntryId, u64>,
    /// Oldest first; `None` takes everything.
    pub open: Vec<(HoldNo, Option<BTreeSet<EntryId>>)>,
    pub begun: Vec<NewHold>,
    pub now: Timestamp,
    ids: u128,
}

impl Holding for Bench {
    type Error = Infallible;

    fn taker(&self, entry: Option<EntryId>) -> Result<Option<HoldNo>, Infallible> {
        let takes = |entries: &Option<BTreeSet<EntryId>>| match entries {
            None => true,
            Some(entries) => entry.is_some_and(|id| entries.contains(&id)),
        };
        Ok(self.open.iter().find(|(_, entries)| takes(entries)).map(|(no, _)| *no))
    }

    fn members(&self, group: EntryId) -> Result<u64, Infallible> {
        Ok(self.sizes.get(&group).copied().unwrap_or_default())
    }

    fn has_more_groups_than(&self, count: usize) -> Result<bool, Infallible> {
        Ok(self.sizes.values().filter(|size| **size > 0).count() > count)
    }
}

pub(super) fn id_of(name: &str) -> EntryId {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(name.bytes()).for_each(|(byte, letter)| *byte = letter);
    EntryId(Uuid::from_bytes(bytes))
}

fn named(name: &str) -> EntryRef {
    let kind = if name.starts_with(char::is_uppercase) { EntryKind::Group } else { EntryKind::User };
    let dn = Dn::parse(&format!("cn={name},dc=acme,dc=example")).unwrap();
    EntryRef { id: Some(id_of(name)), dn, kind: Some(kind), name: name.to_owned() }
}

impl Bench {
    pub fn new(settings: GuardSettings, sizes: &[(&str, u64)]) -> Self {
        Self {
            settings,
            window: Window::default(),
            sizes: sizes.iter().map(|(name, size)| (id_of(name), *size)).collect(),
            open: Vec::new(),
            begun: Vec::new(),
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            ids: 0,
        }
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    /// Words `GROUP+N`, `GROUP-N`, `GROUP!N` (deleted with N members), `GROUP*` (created), `who~` (an attribute of
    /// it changed); `;` between change sets. The groups have changed by it afterwards.
    pub fn unit(&mut self, text: &str) -> Vec<ChangeSet> {
        text.split(';').map(|set| self.set(set)).filter(|set| !set.events.is_empty()).collect()
    }

    fn set(&mut self, text: &str) -> ChangeSet {
        let id = ChangeSetId(self.id());
        let mut events = Vec::new();
        for word in text.split_whitespace() {
            let at = word.find(['+', '-', '!', '*', '~']).unwrap();
            let (name, change) = word.split_at(at);
            let (sign, number) = change.split_at(1);
            let number: u64 = number.parse().unwrap_or(1);
            let size = self.sizes.entry(id_of(name)).or_default();
            let times = match sign {
                "+" | "-" => number,
                _ => 1,
            };
            match sign {
                "+" => *size += number,
                "-" => *size -= number,
                "!" => *size = 0,
                _ => {}
            }
            for time in 0..times {
                let member = named(&format!("m{time}"));
                let change = match sign {
                    "+" => Change::MemberAdded { member },
                    "-" => Change::MemberRemoved { member },
                    "*" => Change::ObjectCreated,
                    "~" => {
                        let name = AttributeName::new("title");
                        let (old, new) = (Vec::new(), vec!["x".to_owned()]);
                        Change::AttributesChanged { attributes: vec![AttributeChange { name, old, new }] }
                    }
                    _ => Change::ObjectDeleted {
                        last_members: Vec::new(),
                        last_member_count: number,
                        last_groups: Vec::new(),
                    },
                };
                let event = ChangeEvent {
                    id: EventId(self.id()),
                    change_set: id,
                    time: self.now,
                    seen: self.now,
                    entry: named(name),
                    change,
                    actor: Actor::Known(named("lena")),
                    cause: Cause::Consequence,
                    owners: Vec::new(),
                    managers: Vec::new(),
                    marks: Marks::default(),
                };
                events.push(event);
            }
        }
        ChangeSet { id, events }
    }

    pub fn judge(&mut self, sets: Vec<ChangeSet>, purpose: Purpose) -> Judged {
        let mut window = std::mem::take(&mut self.window);
        window.slide(self.now, SignedDuration::try_from(self.settings.window).unwrap());
        let settings = self.settings;
        let mut ids = 1 << 64 | self.ids;
        let mut new_id = || {
            ids += 1;
            Uuid::from_u128(ids)
        };
        let Ok(judged) = judge(sets, purpose, &settings, &mut window, self, &mut new_id);
        self.ids += 1000;
        self.window = window;
        let first = self.begun.len();
        for (place, hold) in judged.holds.iter().enumerate() {
            let entries = (hold.facts.cause() != HoldCause::MaxEvents).then(|| hold.entries.clone());
            self.open.push((number(first + place), entries));
        }
        self.begun.extend(judged.holds.iter().cloned());
        judged
    }

    /// Each set with the way it goes and the entries in it, each with the number of its events.
    fn told(&mut self, text: &str, purpose: Purpose) -> Vec<String> {
        let first = self.begun.len();
        let sets = self.unit(text);
        let judged = self.judge(sets, purpose);
        judged.sets.iter().map(|(way, set)| format!("{}:{}", shown(*way, first), entries(set))).collect()
    }

    /// As the state does when a hold ends.
    pub fn end(&mut self, hold: HoldNo) {
        let (_, entries) = self.open.remove(self.open.iter().position(|(no, _)| *no == hold).unwrap());
        match entries {
            None => self.window.clear(),
            Some(entries) => entries.iter().for_each(|entry| self.window.forget(*entry)),
        }
    }
}

pub(super) fn number(place: usize) -> HoldNo {
    HoldNo(i64::try_from(place + 1).unwrap())
}

fn shown(way: Way, first: usize) -> String {
    match way {
        Way::Out => "out".to_owned(),
        Way::Behind(hold) => format!("behind {}", hold.0),
        Way::Into(place) => format!("into {}", number(first + place).0),
    }
}

fn entries(set: &ChangeSet) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for event in &set.events {
        assert_eq!(event.change_set, set.id, "an event knows its change set");
        match counts.iter_mut().find(|(name, _)| *name == event.entry.name) {
            Some((_, count)) => *count += 1,
            None => counts.push((&event.entry.name, 1)),
        }
    }
    counts.iter().fold(String::new(), |line, (name, count)| format!("{line} {name} {count}"))
}

fn settings(max_events: u32, membership_percent: u32, membership_min: u32) -> GuardSettings {
    GuardSettings { window: Duration::from_mins(5), max_events, membership_percent, membership_min }
}

/// Steps `[MINUTES LATER] UNIT`, or `end HOLD`; each with what becomes of it.
#[track_caller]
fn check(settings: GuardSettings, sizes: &[(&str, u64)], steps: &[(&str, &[&str])]) -> Bench {
    let mut bench = Bench::new(settings, sizes);
    for (step, expected) in steps {
        if let Some(hold) = step.strip_prefix("end ") {
            bench.end(HoldNo(hold.parse().unwrap()));
            continue;
        }
        let (minutes, unit) = match step.strip_prefix('[') {
            Some(rest) => rest.split_once(']').unwrap(),
            None => ("0", *step),
        };
        bench.now += SignedDuration::from_mins(minutes.parse().unwrap());
        let (purpose, unit) = match unit.trim().split_once(": ") {
            Some(("accept", unit)) => (Purpose::Accept, unit),
            Some(("back", unit)) => (Purpose::BackInTime, unit),
            _ => (Purpose::Tell, unit),
        };
        assert_eq!(bench.told(unit, purpose), *expected, "{step}");
    }
    bench
}

fn why(bench: &Bench) -> Vec<String> {
    bench.begun.iter().map(|hold| hold.facts.sentence()).collect()
}

#[test]
fn m06_more_than_max_events_at_once_are_held_as_a_whole() {
    let bench = check(
        settings(10, 50, 20),
        &[],
        &[("a~ b~; c~ d~ e~ f~ g~ h~ i~ j~", &["out: a 1 b 1", "out: c 1 d 1 e 1 f 1 g 1 h 1 i 1 j 1"])],
    );
    assert_eq!(bench.begun, []);
    let eleven = "a~ b~; c~ d~ e~ f~ g~ h~ i~ j~ k~";
    let bench = check(
        settings(10, 50, 20),
        &[],
        &[(eleven, &["into 1: a 1 b 1", "into 1: c 1 d 1 e 1 f 1 g 1 h 1 i 1 j 1 k 1"])],
    );
    assert_eq!(why(&bench), ["11 changes within 5 min, and guard.max_events is 10"]);
    assert_eq!(bench.begun[0].entries, BTreeSet::new());
}

#[test]
fn m06_one_by_one_they_are_held_from_the_crossing_on() {
    let steps: [(&str, &[&str]); 8] = [
        ("a~ b~", &["out: a 1 b 1"]),
        ("[1] c~", &["out: c 1"]),
        ("[1] d~", &["into 1: d 1"]),
        ("e~", &["behind 1: e 1"]),
        ("[60] a~", &["behind 1: a 1"]),
        ("end 1", &[]),
        ("a~ b~ c~", &["out: a 1 b 1 c 1"]),
        ("d~", &["into 2: d 1"]),
    ];
    check(settings(3, 50, 20), &[], &steps);
}

#[test]
fn what_is_older_than_the_window_does_not_count() {
    let steps: [(&str, &[&str]); 5] = [
        ("a~ b~", &["out: a 1 b 1"]),
        ("[4] c~", &["out: c 1"]),
        ("[1] d~ e~", &["out: d 1 e 1"]),
        ("[4] f~", &["out: f 1"]),
        ("g~", &["into 1: g 1"]),
    ];
    check(settings(3, 50, 20), &[], &steps);
}

#[test]
fn a_clock_that_is_set_back_counts_nothing_from_the_future() {
    let steps: [(&str, &[&str]); 4] = [
        ("[600] a~ b~ c~", &["out: a 1 b 1 c 1"]),
        ("[-500] d~", &["out: d 1"]),
        ("e~ f~", &["out: e 1 f 1"]),
        ("g~", &["into 1: g 1"]),
    ];
    check(settings(3, 50, 20), &[], &steps);
}

#[test]
fn m07_a_group_swapped_completely_is_held_and_nothing_else() {
    let bench = check(
        settings(1000, 50, 20),
        &[("OPS", 30), ("DESK", 30)],
        &[("ada~; OPS-30 OPS+30; DESK+1", &["out: ada 1", "into 1: OPS 60", "out: DESK 1"])],
    );
    assert_eq!(
        why(&bench),
        ["30 added and 30 removed within 5 min, which is 200 % of the 30 members it had, and \
             guard.membership_percent is 50"]
    );
    assert_eq!(bench.begun[0].entries, BTreeSet::from([id_of("OPS")]));
    assert_eq!(bench.begun[0].facts.group().unwrap().name, "OPS");
}

#[test]
fn m07_one_by_one_the_change_that_is_too_much_and_all_after_it_are_held() {
    let mut steps: Vec<(&str, &[&str])> = Vec::new();
    steps.extend([("OPS-1", &["out: OPS 1"][..]); 5]);
    steps.extend([("OPS+1", &["out: OPS 1"][..]); 5]);
    steps.push(("OPS+1", &["into 1: OPS 1"]));
    steps.push(("OPS~", &["behind 1: OPS 1"]));
    steps.push(("ada~; OPS-1", &["out: ada 1", "behind 1: OPS 1"]));
    steps.push(("end 1", &[]));
    steps.extend([("OPS-1", &["out: OPS 1"][..]); 10]);
    steps.push(("OPS-1", &["into 2: OPS 1"]));
    let bench = check(settings(1000, 50, 20), &[("OPS", 20)], &steps);
    assert!(why(&bench)[0].starts_with("6 added and 5 removed within 5 min, which is 55 % of the 20"));
    assert!(why(&bench)[1].starts_with("0 added and 11 removed within 5 min, which is 55 % of the 20"));
}

#[test]
fn percent_is_of_what_the_group_was_at_the_windows_beginning() {
    // Of 20, ten more are 50 %; when they have left the window, fifteen of 30.
    let steps: [(&str, &[&str]); 6] = [
        ("OPS+6", &["out: OPS 6"]),
        ("[3] OPS+4", &["out: OPS 4"]),
        // Four of 26: so nine more.
        ("[2] OPS-9", &["out: OPS 9"]),
        ("OPS+1", &["into 1: OPS 1"]),
        ("end 1", &[]),
        ("[9] OPS-12", &["into 2: OPS 12"]),
    ];
    let bench = check(settings(1000, 50, 20), &[("OPS", 20)], &steps);
    assert!(why(&bench)[0].contains("5 added and 9 removed"), "{:?}", why(&bench));
    assert!(why(&bench)[0].contains("54 % of the 26 members"), "{:?}", why(&bench));
}

#[test]
fn groups_below_the_least_size_and_new_ones_count_for_the_store_alone() {
    let sizes = [("SMALL", 19), ("OPS", 20)];
    check(
        settings(1000, 50, 20),
        &sizes,
        &[("SMALL-19", &["out: SMALL 19"]), ("OPS-11", &["into 1: OPS 11"])],
    );
    let new = [("NEW* NEW+500", &["out: NEW 501"][..]), ("NEW-400", &["out: NEW 400"])];
    check(settings(1000, 50, 20), &[], &new);
    check(settings(500, 50, 20), &[], &[("NEW* NEW+500", &["into 1: NEW 501"])]);
    // After the window it is a group like any other.
    let later = [("NEW* NEW+500", &["out: NEW 501"][..]), ("[5] NEW-251", &["into 1: NEW 251"])];
    check(settings(1000, 50, 20), &[], &later);
}

#[test]
fn a_deleted_group_counts_as_the_removal_of_all_its_members() {
    check(settings(1000, 50, 20), &[("OPS", 20)], &[("OPS!20", &["into 1: OPS 1"])]);
    check(settings(1000, 99, 20), &[("OPS", 20)], &[("OPS!20", &["into 1: OPS 1"])]);
    check(settings(1000, 100, 20), &[("OPS", 20)], &[("OPS!20", &["out: OPS 1"])]);
    check(settings(1000, 50, 20), &[("OPS", 19)], &[("OPS!19", &["out: OPS 1"])]);
    // A new group that goes again was none at the window's beginning.
    let steps = [("OPS* OPS+30", &["out: OPS 31"][..]), ("[1] OPS!30", &["out: OPS 1"])];
    check(settings(1000, 50, 20), &[], &steps);
    // Emptied first, within the limit, then deleted.
    let steps = [("OPS-10", &["out: OPS 10"][..]), ("OPS!10", &["into 1: OPS 1"])];
    check(settings(1000, 50, 20), &[("OPS", 20)], &steps);
}

#[test]
fn a_change_set_that_goes_several_ways_is_split() {
    // Somebody who was deleted was a member of both: the set of the deletion holds what went with it.
    let set = "ada~ OPS-11 DESK-1 BOARD-15 OPS~";
    let mut bench = Bench::new(settings(1000, 50, 20), &[("OPS", 20), ("DESK", 20), ("BOARD", 20)]);
    let sets = bench.unit(set);
    let (id, events) = (sets[0].id, sets[0].events.clone());
    let judged = bench.judge(sets, Purpose::Tell);
    let ways: Vec<_> = judged.sets.iter().map(|(way, set)| format!("{way:?}{}", entries(set))).collect();
    assert_eq!(ways, ["Out ada 1 DESK 1", "Into(1) OPS 12", "Into(0) BOARD 15"]);
    assert_eq!(judged.sets[0].1.id, id, "what goes out keeps the id");
    let ids: BTreeSet<_> = judged.sets.iter().map(|(_, set)| set.id).collect();
    assert_eq!(ids.len(), 3);
    for event in judged.sets.iter().flat_map(|(_, set)| &set.events) {
        let before = events.iter().find(|before| before.id == event.id).unwrap();
        let rest = ChangeEvent { change_set: before.change_set, ..event.clone() };
        assert_eq!(rest, *before, "nothing else of it changes");
    }
}

#[test]
fn what_a_groups_hold_takes_does_not_silence_the_store() {
    // 60 of one group, and 3 others, of which 10 are allowed.
    let steps: [(&str, &[&str]); 3] = [
        ("OPS-30 OPS+30; a~ b~ c~", &["into 1: OPS 60", "out: a 1 b 1 c 1"]),
        ("d~ e~ f~ g~ h~ i~ j~; OPS-1", &["out: d 1 e 1 f 1 g 1 h 1 i 1 j 1", "behind 1: OPS 1"]),
        ("k~; OPS+1", &["into 2: k 1", "behind 1: OPS 1"]),
    ];
    check(settings(10, 50, 20), &[("OPS", 30)], &steps);
    // What went out of the group before the crossing does not count either.
    let steps: [(&str, &[&str]); 3] = [
        ("OPS-9", &["out: OPS 9"]),
        ("OPS-9", &["into 1: OPS 9"]),
        ("a~ b~ c~ d~ e~ f~ g~ h~ i~ j~", &["out: a 1 b 1 c 1 d 1 e 1 f 1 g 1 h 1 i 1 j 1"]),
    ];
    check(settings(10, 50, 20), &[("OPS", 30)], &steps);
    // What is left is too much all the same.
    check(
        settings(2, 50, 20),
        &[("OPS", 30)],
        &[("OPS-30; a~ b~ c~", &["into 1: OPS 30", "into 2: a 1 b 1 c 1"])],
    );
}

#[test]
fn the_oldest_hold_that_wants_an_event_takes_it() {
    let steps: [(&str, &[&str]); 6] = [
        ("OPS-30", &["into 1: OPS 30"]),
        ("a~ b~ c~", &["into 2: a 1 b 1 c 1"]),
        ("OPS+1 a~", &["behind 1: OPS 1", "behind 2: a 1"]),
        ("end 1", &[]),
        ("OPS+1", &["behind 2: OPS 1"]),
        // Nothing more is counted while everything waits.
        ("OPS+31", &["behind 2: OPS 31"]),
    ];
    check(settings(2, 50, 20), &[("OPS", 30)], &steps);
}

#[test]
fn l07_all_differences_from_a_directory_that_went_back_are_held() {
    let bench = check(
        settings(1000, 50, 20),
        &[("OPS", 20)],
        &[
            ("back: a~; OPS+1 b~", &["into 1: a 1", "into 1: OPS 1 b 1"]),
            ("a~; c~", &["behind 1: a 1", "out: c 1"]),
            ("OPS-20", &["behind 1: OPS 20"]),
            ("back: a~ d~", &["behind 1: a 1", "into 2: d 1"]),
            // Whatever is held already: it is to be seen that it went back once more.
            ("back: a~", &["behind 1: a 1"]),
        ],
    );
    assert_eq!(bench.begun.len(), 3);
    assert_eq!(bench.begun[1].entries, BTreeSet::from([id_of("a"), id_of("d")]));
    assert_eq!(bench.begun[2].facts, HoldFacts::BackInTime { events: 1 });
    let mut bench = Bench::new(settings(1, 50, 20), &[]);
    assert_eq!(bench.judge(Vec::new(), Purpose::BackInTime), Judged::default(), "there is nothing to hold");
}

#[test]
fn what_an_operator_accepts_is_neither_counted_nor_held() {
    let mut bench = Bench::new(settings(2, 50, 20), &[("OPS", 20)]);
    let mut accepted = bench.unit("OPS-20; a~ b~ c~");
    accepted.iter_mut().flat_map(|set| &mut set.events).for_each(|event| event.cause = Cause::Accepted);
    let judged = bench.judge(accepted.clone(), Purpose::Accept);
    assert!(judged.sets.iter().all(|(way, _)| *way == Way::Out));
    assert_eq!((bench.window.events(), bench.begun.len()), (0, 0));
    assert_eq!(bench.told("a~ b~", Purpose::Tell), ["out: a 1 b 1"]);
    assert_eq!(bench.told("c~", Purpose::Tell), ["into 1: c 1"]);
    assert!(bench.judge(accepted, Purpose::Accept).sets.iter().all(|(way, _)| *way == Way::Out));
}

#[test]
fn facts_are_kept_as_readable_json() {
    let facts = HoldFacts::Membership {
        group: named("OPS"),
        members: 30,
        added: 1,
        removed: 30,
        limit_percent: 50,
        window_seconds: 300,
    };
    let json = serde_json::to_value(&facts).unwrap();
    assert_eq!((&json["cause"], &json["group"]["name"]), (&"membership".into(), &"OPS".into()));
    assert_eq!(serde_json::from_value::<HoldFacts>(json).unwrap(), facts);
    assert!(facts.sentence().contains("104 % of the 30 members"), "{}", facts.sentence());
    for cause in HoldCause::ALL {
        assert_eq!(HoldCause::parse(cause.as_str()), Some(cause));
    }
}

#[test]
fn a24_groups_of_which_most_are_emptied_at_once_are_held_however_small() {
    let check = |others: u64, unit: &str, cause: Cause, expected: &[&str]| {
        let mut bench = Bench::new(GuardSettings::default(), &[("Crew", 3), ("Watch", 2), ("Ops", 1)]);
        for other in 0..others {
            bench.sizes.insert(id_of(&format!("G{other}")), 5);
        }
        let mut sets = bench.unit(unit);
        sets.iter_mut().flat_map(|set| &mut set.events).for_each(|event| event.cause = cause);
        let judged = bench.judge(sets, Purpose::Tell);
        let ways: Vec<_> =
            judged.sets.iter().map(|(way, set)| format!("{}:{}", shown(*way, 0), entries(set))).collect();
        assert_eq!(ways, expected, "{unit}");
    };
    let all = "Crew-3; Watch-2; Ops-1; ada~";
    let held = ["into 1: Crew 3", "into 3: Watch 2", "into 2: Ops 1", "out: ada 1"];
    let out = ["out: Crew 3", "out: Watch 2", "out: Ops 1", "out: ada 1"];
    check(0, all, Cause::Directory, &held);
    check(3, all, Cause::Directory, &held);
    check(4, all, Cause::Directory, &out);
    check(0, all, Cause::Consequence, &out);
    check(0, "Crew-3; Watch-2", Cause::Directory, &["out: Crew 3", "out: Watch 2"]);
    check(
        0,
        "Crew-3; Watch-2; Ops-1 Ops+1",
        Cause::Directory,
        &["out: Crew 3", "out: Watch 2", "out: Ops 2"],
    );
    check(0, "Crew!3; Watch!2; Ops!1", Cause::Directory, &["out: Crew 1", "out: Watch 1", "out: Ops 1"]);
}
