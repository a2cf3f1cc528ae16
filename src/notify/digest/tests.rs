use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn seconds(seconds: &[i64]) -> impl Iterator<Item = (Timestamp, i64)> {
    seconds.iter().map(|&second| (at(second), second))
}

/// Seconds at which notifications were made, the window in seconds, how late it is; expected: the mails, and when to
/// look again.
#[track_caller]
fn check(made: &[i64], window: u64, now: i64, mails: &[&[i64]], again: Option<i64>) {
    let got = plan(seconds(made), Duration::from_secs(window), Allowance::Unlimited, at(now));
    let planned = |mail: &&[i64]| Planned { gathered: Gathered::Window, notifications: mail.to_vec() };
    assert_eq!(got, Plan { mails: mails.iter().map(planned).collect(), again: again.map(at) });
}

#[test]
fn nothing_pending_makes_no_mail() {
    check(&[], 10, 500, &[], None);
}

#[test]
fn what_comes_within_the_window_shares_a_mail() {
    check(&[100, 100, 109], 10, 109, &[], Some(110));
    check(&[100, 100, 109], 10, 110, &[&[100, 100, 109]], None);
}

#[test]
fn the_window_starts_at_the_first_and_is_not_extended() {
    let made = [100, 109, 110, 119, 120];
    check(&made, 10, 110, &[&[100, 109]], Some(120));
    check(&made, 10, 500, &[&[100, 109], &[110, 119], &[120]], None);
}

#[test]
fn zero_makes_one_mail_of_each() {
    check(&[100, 100, 101], 0, 101, &[&[100], &[100], &[101]], None);
}

#[test]
fn a_clock_that_was_set_back_reorders_nothing_and_keeps_nothing() {
    check(&[100, 40, 105], 10, 106, &[], Some(110));
    check(&[100, 40, 105], 10, 110, &[&[100, 40, 105]], None);
    // Made by a clock that was ahead by an hour: told at once.
    check(&[3700, 100], 10, 101, &[&[3700, 100]], None);
    // One that is ahead waits for those before it.
    check(&[100, 3700], 10, 101, &[], Some(110));
    check(&[100, 3700], 10, 110, &[&[100], &[3700]], None);
}

#[test]
fn a_window_beyond_the_end_of_time_closes_at_its_end() {
    assert_eq!(closes(at(0), Duration::MAX, at(0)), Timestamp::MAX);
}

#[test]
fn an_allowance_is_what_the_last_hour_left() {
    let check = |earlier: &[i64], cap, expected| {
        let instants = earlier.iter().map(|&second| at(second));
        assert_eq!(Allowance::after(instants, cap, at(10_000)), expected, "{earlier:?}");
    };
    check(&[], 2, Allowance::Left { cap: 2, mails: 2 });
    check(&[10_000], 2, Allowance::Left { cap: 2, mails: 1 });
    check(&[6399, 6400, 6401], 2, Allowance::Left { cap: 2, mails: 1 });
    check(&[6401, 10_000], 2, Allowance::Nothing { until: at(10_001) });
    // More than the cap, sent again by hand: the newest count.
    check(&[6401, 6500, 9000], 2, Allowance::Nothing { until: at(10_100) });
    // The clock was set back by a few minutes, and by a day.
    check(&[10_300], 1, Allowance::Nothing { until: at(13_900) });
    check(&[96_400], 1, Allowance::Left { cap: 1, mails: 1 });
}

/// Each second a window; `summary` are those of the last mail, where it is one.
#[track_caller]
fn check_left(mails: usize, made: &[i64], single: &[i64], summary: &[i64]) {
    let left = Allowance::Left { cap: 9, mails };
    let mut expected: Vec<_> = single
        .iter()
        .map(|second| Planned { gathered: Gathered::Window, notifications: vec![*second] })
        .collect();
    if !summary.is_empty() {
        expected.push(Planned { gathered: Gathered::Hour { cap: 9 }, notifications: summary.to_vec() });
    }
    let got = plan(seconds(made), Duration::ZERO, left, at(500));
    assert_eq!(got, Plan { mails: expected, again: None });
}

#[test]
fn the_last_mail_that_the_hour_allows_tells_all_that_is_due() {
    check_left(3, &[1, 2], &[1, 2], &[]);
    check_left(3, &[1, 2, 3], &[1, 2, 3], &[]);
    check_left(3, &[1, 2, 3, 4], &[1, 2], &[3, 4]);
    check_left(1, &[1, 2, 3, 4], &[], &[1, 2, 3, 4]);
}

#[test]
fn what_had_to_wait_for_the_hour_is_told_in_one_mail() {
    let check = |allowance: Allowance, made: &[i64], expected: &[(Gathered, &[i64])]| {
        let got = plan(seconds(made), Duration::ZERO, allowance.after_a_wait(), at(500));
        let planned = |(gathered, mail): &(Gathered, &[i64])| Planned {
            gathered: *gathered,
            notifications: mail.to_vec(),
        };
        assert_eq!(got, Plan { mails: expected.iter().map(planned).collect(), again: None });
    };
    let left = Allowance::Left { cap: 9, mails: 9 };
    check(left, &[1, 2, 3], &[(Gathered::Hour { cap: 9 }, &[1, 2, 3])]);
    check(left, &[1], &[(Gathered::Window, &[1])]);
    check(Allowance::Unlimited, &[1, 2], &[(Gathered::Window, &[1]), (Gathered::Window, &[2])]);
    let nothing = Allowance::Nothing { until: at(900) };
    assert_eq!(nothing.after_a_wait(), nothing);
}

#[test]
fn a_window_that_is_still_open_is_not_drawn_into_a_summary() {
    let left = Allowance::Left { cap: 2, mails: 1 };
    let got = plan(seconds(&[100, 110, 121]), Duration::from_secs(10), left, at(122));
    let summary = Planned { gathered: Gathered::Hour { cap: 2 }, notifications: vec![100, 110] };
    assert_eq!(got, Plan { mails: vec![summary], again: Some(at(131)) });
}

#[test]
fn when_the_hour_allows_nothing_it_is_said_when_it_will() {
    let check = |made: &[i64], again| {
        let nothing = Allowance::Nothing { until: at(900) };
        let got = plan(seconds(made), Duration::from_secs(10), nothing, at(500));
        assert_eq!(got, Plan { mails: Vec::new(), again });
    };
    check(&[1, 2, 400], Some(at(900)));
    check(&[495], Some(at(900)));
    check(&[], None);
}

/// Minutes; long enough to see several hours slide by.
const END: i64 = 400;

/// A recipient's mail over some hours, minute by minute.
struct Recipient {
    window: i64,
    cap: u32,
    /// In ingest order: number and minute of creation.
    pending: Vec<(i64, usize)>,
    /// When each mail leaves: the mail server is not always there.
    sent: Vec<i64>,
    told: Vec<usize>,
    /// Whether something waits for the hour.
    has_waited: bool,
    again: Option<i64>,
}

impl Recipient {
    fn look(&self, now: i64) -> Plan<usize> {
        // What is still to leave counts as leaving now.
        let earlier = self.sent.iter().map(|&left| at(left.min(now) * 60));
        let allowance = Allowance::after(earlier, self.cap, at(now * 60));
        let allowance = if self.has_waited { allowance.after_a_wait() } else { allowance };
        let pending = self.pending.iter().map(|&(made, number)| (at(made * 60), number));
        plan(pending, Duration::from_secs(self.window.unsigned_abs() * 60), allowance, at(now * 60))
    }

    fn write(&mut self, now: i64, leaves: impl Fn(i64) -> i64) {
        let Plan { mails, again } = self.look(now);
        self.again = again.map(|again| again.as_second() / 60);
        if mails.is_empty() {
            self.has_waited |= self.pending.first().is_some_and(|(made, _)| made + self.window <= now);
            return;
        }
        assert!(!self.has_waited || mails.len() == 1, "one mail tells all that waited for the hour");
        self.has_waited = false;
        for mail in mails {
            self.sent.push(leaves(now));
            self.told.extend(&mail.notifications);
            self.pending.retain(|(_, number)| !mail.notifications.contains(number));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever comes when, and whenever mail leaves: no hour sees more mails than the cap, everything is told once and
    /// in order, and nothing waits while it could be told, although nobody looks but when told to.
    #[test]
    fn m06_no_hour_sees_more_than_the_cap_and_nothing_is_lost(
        made in proptest::collection::btree_map(0..END - 200, 1_usize..5, 0..60),
        window in 0_i64..15,
        cap in 1_u32..6,
        down in proptest::option::of((0..END - 200, 1_i64..90)),
    ) {
        let leaves = |now: i64| match down {
            Some((from, length)) if (from..from + length).contains(&now) => from + length,
            Some(_) | None => now,
        };
        let mut recipient =
            Recipient { window, cap, pending: vec![], sent: vec![], told: vec![], has_waited: false, again: None };
        let mut count = 0;
        for now in 0..END {
            for _ in 0..made.get(&now).copied().unwrap_or_default() {
                recipient.pending.push((now, count));
                count += 1;
            }
            if made.contains_key(&now) || recipient.again.is_some_and(|again| again <= now) {
                recipient.write(now, leaves);
                prop_assert!(recipient.again.is_none_or(|again| again > now), "{:?}", recipient.again);
                prop_assert_eq!(recipient.again.is_none(), recipient.pending.is_empty());
            }
            prop_assert_eq!(recipient.look(now).mails, [], "could be told at {}", now);
        }
        prop_assert_eq!(&recipient.pending, &[]);
        prop_assert_eq!(&recipient.told, &(0..count).collect::<Vec<_>>());
        for &first in &recipient.sent {
            let within = recipient.sent.iter().filter(|&&left| (first..first + 60).contains(&left)).count();
            prop_assert!(within <= cap as usize, "{} mails from {} on", within, first);
        }
    }
}
