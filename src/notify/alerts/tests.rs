use proptest::prelude::*;

use super::*;

/// Minutes from the beginning.
fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_mins(minutes)).unwrap()
}

fn hold(number: u128) -> Condition {
    Condition::Hold(Uuid::from_u128(number))
}

fn quiet() -> Facts {
    Facts {
        feed: Feed { standing: Standing::Following, behind_since: None, begun_at: at(-1000) },
        holds: Vec::new(),
        failed_mail: Counted::default(),
        set_aside: 0,
    }
}

/// Behind since minute 0.
fn feed(standing: Standing) -> Facts {
    Facts { feed: Feed { standing, behind_since: Some(at(0)), begun_at: at(-1000) }, ..quiet() }
}

mod what_is_open {
    use super::*;

    /// At minute `now`, with `open` on record: what is open then, and since which minute what is new.
    #[track_caller]
    fn check(facts: &Facts, open: &[Condition], now: i64, expected: &[Condition]) {
        let changes = changes(facts, open.iter().copied(), PATIENCE, at(now));
        let mut after: BTreeSet<Condition> = open.iter().copied().collect();
        for ended in changes.ended {
            assert!(after.remove(&ended), "{ended:?} was not on record");
        }
        for (raised, since) in changes.raised {
            assert!(after.insert(raised), "{raised:?} is on record");
            assert!(since <= at(now));
        }
        assert_eq!(after, expected.iter().copied().collect(), "{facts:?} at {now}");
    }

    #[test]
    fn nothing_while_all_is_well() {
        check(&quiet(), &[], 0, &[]);
        let all = [Condition::FeedStopped, hold(1), Condition::FailedMail, Condition::SetAside];
        check(&quiet(), &all, 0, &[]);
    }

    #[test]
    fn a_directory_that_only_a_person_can_mend_is_one_at_once() {
        check(&feed(Standing::Refused), &[], 0, &[Condition::FeedRefused]);
        check(&feed(Standing::Stopped), &[], 0, &[Condition::FeedStopped]);
    }

    #[test]
    fn a_directory_that_is_away_is_one_after_a_while() {
        check(&feed(Standing::Away), &[], 14, &[]);
        check(&feed(Standing::Away), &[], 15, &[Condition::FeedAway]);
    }

    #[test]
    fn who_was_not_there_does_not_say_that_the_directory_was_not() {
        let mut facts = feed(Standing::Away);
        facts.feed.begun_at = at(600);
        check(&facts, &[], 601, &[]);
        check(&facts, &[], 615, &[Condition::FeedAway]);
        // What was said before the restart is still so.
        check(&facts, &[Condition::FeedAway], 601, &[Condition::FeedAway]);
    }

    #[test]
    fn a_directory_that_is_being_read_is_none_however_long_that_takes() {
        check(&feed(Standing::Connected), &[], 6000, &[]);
    }

    #[test]
    fn what_is_on_record_lasts_until_the_directory_is_caught_up_with() {
        for open in [Condition::FeedAway, Condition::FeedRefused, Condition::FeedStopped] {
            for standing in [Standing::Connected, Standing::Away] {
                check(&feed(standing), &[open], 1, &[open]);
            }
            check(&quiet(), &[open], 1, &[]);
        }
    }

    #[test]
    fn something_worse_takes_the_place_of_what_is_on_record_and_nothing_better_does() {
        let check = |standing, open: Condition, expected: Condition| {
            check(&feed(standing), &[open], 60, &[expected]);
        };
        check(Standing::Refused, Condition::FeedAway, Condition::FeedRefused);
        check(Standing::Stopped, Condition::FeedAway, Condition::FeedStopped);
        check(Standing::Stopped, Condition::FeedRefused, Condition::FeedStopped);
        check(Standing::Away, Condition::FeedRefused, Condition::FeedRefused);
        check(Standing::Refused, Condition::FeedStopped, Condition::FeedStopped);
    }

    #[test]
    fn each_hold_is_one_of_its_own() {
        let facts = |numbers: &[u128]| Facts {
            holds: numbers.iter().map(|number| (Uuid::from_u128(*number), at(0))).collect(),
            ..quiet()
        };
        check(&facts(&[1, 2]), &[hold(1)], 5, &[hold(1), hold(2)]);
        check(&facts(&[2]), &[hold(1), hold(2)], 5, &[hold(2)]);
    }

    #[test]
    fn mail_that_was_given_up_and_rows_that_cannot_be_read_are_one_each_however_many() {
        let failed_mail = Counted { count: 7, since: Some(at(-3)) };
        let facts = Facts { failed_mail, set_aside: 2, ..quiet() };
        check(&facts, &[], 0, &[Condition::FailedMail, Condition::SetAside]);
        check(
            &facts,
            &[Condition::FailedMail, Condition::SetAside],
            0,
            &[Condition::FailedMail, Condition::SetAside],
        );
    }

    #[test]
    fn they_are_on_record_since_they_began() {
        let facts = Facts { holds: vec![(Uuid::from_u128(1), at(-9))], ..feed(Standing::Away) };
        let raised = changes(&facts, [], PATIENCE, at(20)).raised;
        assert_eq!(raised, [(hold(1), at(-9)), (Condition::FeedAway, at(0))], "the worst first");
    }
}

mod what_is_said {
    use super::*;

    /// Each open condition with the minute at which it was said; then kinds said by others that are over.
    #[track_caller]
    fn check(open: &[(Condition, Option<i64>)], over: &[(Kind, i64)], now: i64, expected: &[Condition]) {
        let alerts: Vec<Alert> = open
            .iter()
            .map(|(condition, said)| Alert { condition: *condition, said_at: said.map(at) })
            .collect();
        let of_open = alerts.iter().filter_map(|alert| Some((alert.condition.kind(), alert.said_at?)));
        let mut said: BTreeMap<Kind, Timestamp> = BTreeMap::new();
        for (kind, instant) in of_open.chain(over.iter().map(|(kind, minute)| (*kind, at(*minute)))) {
            let last = said.entry(kind).or_insert(instant);
            *last = instant.max(*last);
        }
        assert_eq!(due(&alerts, &said, at(now)), expected, "{open:?} at {now}");
    }

    const DAY: i64 = 24 * 60;

    #[test]
    fn at_once_all_together_and_the_worst_first() {
        check(&[], &[], 0, &[]);
        check(
            &[
                (Condition::FailedMail, None),
                (hold(2), None),
                (Condition::FeedRefused, None),
                (hold(1), None),
            ],
            &[],
            0,
            &[Condition::FeedRefused, hold(1), hold(2), Condition::FailedMail],
        );
    }

    #[test]
    fn again_after_a_day_and_not_before() {
        check(&[(Condition::FeedAway, Some(0))], &[], DAY - 1, &[]);
        check(&[(Condition::FeedAway, Some(0))], &[], DAY, &[Condition::FeedAway]);
    }

    #[test]
    fn what_comes_back_within_the_hour_waits_for_its_end() {
        check(&[(Condition::FeedAway, None)], &[(Kind::FeedAway, 0)], 59, &[]);
        check(&[(Condition::FeedAway, None)], &[(Kind::FeedAway, 0)], 60, &[Condition::FeedAway]);
        check(&[(Condition::FeedRefused, None)], &[(Kind::FeedAway, 0)], 1, &[Condition::FeedRefused]);
    }

    #[test]
    fn holds_that_come_within_an_hour_share_a_mail() {
        let holds = [(hold(1), Some(0)), (hold(2), None), (hold(3), None)];
        check(&holds, &[], 59, &[]);
        check(&holds, &[], 60, &[hold(2), hold(3)]);
    }

    #[test]
    fn a_clock_that_was_set_back_silences_nothing() {
        check(&[(Condition::FeedAway, Some(100 * DAY))], &[], 0, &[Condition::FeedAway]);
        check(&[(Condition::FeedAway, None)], &[(Kind::FeedAway, 61)], 0, &[Condition::FeedAway]);
    }
}

/// What may be wrong for a while, and when the daemon looks.
#[derive(Debug, Clone)]
struct Story {
    /// From minute to minute.
    wrong: Vec<(Condition, i64, i64)>,
    /// Minutes between two looks, at most [`LOOK`].
    looks: Vec<i64>,
}

/// The longest time between two looks, in minutes.
const LOOK: i64 = 30;

fn stories() -> impl Strategy<Value = Story> {
    let condition = prop_oneof![
        Just(Condition::FeedAway),
        Just(Condition::FailedMail),
        Just(Condition::SetAside),
        (1..4_u128).prop_map(hold),
    ];
    let wrong =
        (condition, 0..6000_i64, 1..4000_i64).prop_map(|(which, from, long)| (which, from, from + long));
    (prop::collection::vec(wrong, 0..12), prop::collection::vec(1..=LOOK, 400..600))
        .prop_map(|(wrong, looks)| Story { wrong, looks })
}

impl Story {
    fn is_wrong(&self, condition: Condition, minute: i64) -> bool {
        self.wrong.iter().any(|(which, from, to)| *which == condition && (*from..*to).contains(&minute))
    }

    fn facts(&self, minute: i64) -> Facts {
        let since = |condition| self.is_wrong(condition, minute).then(|| at(minute));
        let holds = (1..4).filter(|number| self.is_wrong(hold(*number), minute));
        let is_away = self.is_wrong(Condition::FeedAway, minute);
        Facts {
            feed: Feed {
                standing: if is_away { Standing::Away } else { Standing::Following },
                behind_since: since(Condition::FeedAway),
                begun_at: at(-1000),
            },
            holds: holds.map(|number| (Uuid::from_u128(number), at(minute))).collect(),
            failed_mail: Counted { count: 1, since: since(Condition::FailedMail) },
            set_aside: u64::from(self.is_wrong(Condition::SetAside, minute)),
        }
    }
}

/// One condition on record, as the state file would have it.
#[derive(Debug, Clone)]
struct Row {
    condition: Condition,
    raised: i64,
    ended: Option<i64>,
    said: Vec<i64>,
}

fn play(story: &Story) -> (Vec<Row>, i64) {
    let mut rows: Vec<Row> = Vec::new();
    let mut minute = 0;
    for wait in &story.looks {
        minute += wait;
        let open = |rows: &[Row]| -> Vec<Condition> {
            rows.iter().filter(|row| row.ended.is_none()).map(|row| row.condition).collect()
        };
        let changes = changes(&story.facts(minute), open(&rows), SignedDuration::ZERO, at(minute));
        for row in rows.iter_mut().filter(|row| row.ended.is_none()) {
            if changes.ended.contains(&row.condition) {
                row.ended = Some(minute);
            }
        }
        let raised = changes.raised.into_iter();
        rows.extend(raised.map(|(condition, _)| Row {
            condition,
            raised: minute,
            ended: None,
            said: Vec::new(),
        }));
        let alerts: Vec<Alert> = rows
            .iter()
            .filter(|row| row.ended.is_none())
            .map(|row| Alert { condition: row.condition, said_at: row.said.last().map(|minute| at(*minute)) })
            .collect();
        let mut said = BTreeMap::new();
        for row in &rows {
            for minute in &row.said {
                let last = said.entry(row.condition.kind()).or_insert(at(*minute));
                *last = at(*minute).max(*last);
            }
        }
        for condition in due(&alerts, &said, at(minute)) {
            let row = rows.iter_mut().find(|row| row.condition == condition && row.ended.is_none());
            row.unwrap().said.push(minute);
        }
    }
    (rows, minute)
}

proptest! {
    #[test]
    fn never_twice_within_a_day_never_a_kind_twice_within_an_hour_and_never_unsaid(story in stories()) {
        const DAY: i64 = 24 * 60;
        let (rows, end) = play(&story);
        let mut by_kind: BTreeMap<Kind, BTreeSet<i64>> = BTreeMap::new();
        for row in &rows {
            for pair in row.said.windows(2) {
                prop_assert!(pair[1] - pair[0] >= DAY, "{row:?}");
                prop_assert!(pair[1] - pair[0] <= DAY + 60 + 2 * LOOK, "a day was left out: {row:?}");
            }
            by_kind.entry(row.condition.kind()).or_default().extend(&row.said);
            let ended = row.ended.unwrap_or(end);
            let said_by = |from: i64, within: i64| ended - from <= within;
            match (row.said.first(), row.said.last()) {
                (Some(first), Some(last)) => {
                    prop_assert!(first - row.raised <= 60 + LOOK, "late: {row:?}");
                    prop_assert!(said_by(*last, DAY + 60 + 2 * LOOK), "not said again: {row:?}");
                }
                _ => prop_assert!(said_by(row.raised, 60 + LOOK), "never said: {row:?}"),
            }
        }
        for minutes in by_kind.values() {
            let minutes: Vec<i64> = minutes.iter().copied().collect();
            prop_assert!(minutes.windows(2).all(|pair| pair[1] - pair[0] >= 60), "{minutes:?}");
        }
        for (which, from, to) in &story.wrong {
            let was_seen = |row: &&Row| row.condition == *which && row.raised < *to;
            prop_assert!(to - from <= LOOK || *from > end - LOOK || rows.iter().any(|row| was_seen(&row)));
        }
    }
}
