use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const HOUR: u64 = 3600;

fn policy() -> RetryPolicy {
    RetryPolicy {
        initial: Duration::from_secs(5),
        max: Duration::from_secs(HOUR),
        give_up_after: Duration::from_secs(3 * 24 * HOUR),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

#[test]
fn m04_a_transient_answer_defers_by_the_doubled_wait() {
    let check = |attempts, seconds: i64| {
        let next = after_failure(&policy(), at(0), attempts, FailureClass::Transient, at(100));
        assert_eq!(next, Next::Deferred { at: at(100 + seconds) }, "attempt {attempts}");
    };
    check(1, 5);
    check(2, 10);
    check(3, 20);
    check(10, 2560);
    check(11, 3600);
    check(12, 3600);
    check(u32::MAX, 3600);
    check(0, 5);
}

#[test]
fn m04_a_permanent_answer_is_final() {
    assert_eq!(after_failure(&policy(), at(0), 1, FailureClass::Permanent, at(1)), Next::Failed);
}

#[test]
fn m03_an_unreachable_server_costs_a_message_nothing_but_its_age() {
    let check = |now, expected| {
        let next = after_failure(&policy(), at(0), 7, FailureClass::Unreachable, now);
        assert_eq!(next, expected);
    };
    check(at(60), Next::Deferred { at: at(60) });
    check(at(3 * 86_400 - 1), Next::Deferred { at: at(3 * 86_400 - 1) });
    check(at(3 * 86_400), Next::Failed);
}

#[test]
fn m03_a_transient_failure_past_the_age_limit_is_final() {
    assert_eq!(after_failure(&policy(), at(0), 1, FailureClass::Transient, at(3 * 86_400)), Next::Failed);
}

#[test]
fn a_maximum_below_the_first_wait_wins() {
    let policy = RetryPolicy { max: Duration::from_secs(2), ..policy() };
    let next = after_failure(&policy, at(0), 1, FailureClass::Transient, at(0));
    assert_eq!(next, Next::Deferred { at: at(2) });
}

#[test]
fn m03_probes_of_a_silent_server_double_up_to_a_minute() {
    let mut health = ServerHealth::Up;
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..9 {
        health = health.unreachable(now);
        let ServerHealth::Down { probe_at, .. } = health else { panic!("it is down") };
        waits.push(probe_at.duration_since(now).as_secs());
        now = probe_at;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(health.reached(), ServerHealth::Up);
}

#[test]
fn failures_of_attempts_that_began_together_count_once() {
    let down = ServerHealth::Up.unreachable(at(0));
    assert_eq!(down, ServerHealth::Down { failures: 1, probe_at: at(1) });
    assert_eq!(down.unreachable(at(0)), down);
    assert_eq!(down.unreachable(at(1)), ServerHealth::Down { failures: 2, probe_at: at(3) });
}

#[test]
fn any_answer_for_a_message_means_the_server_is_up() {
    let down = ServerHealth::Up.unreachable(at(0));
    assert_eq!(down.after(FailureClass::Transient, at(1)), ServerHealth::Up);
    assert_eq!(down.after(FailureClass::Permanent, at(1)), ServerHealth::Up);
    assert_ne!(ServerHealth::Up.after(FailureClass::Unreachable, at(1)), ServerHealth::Up);
}

/// A queue in words: `a` waits and is due, `a+` waits for later, `a!` is in flight. Ids are positions.
fn queue(words: &'static str) -> Vec<Queued<'static, usize>> {
    words
        .split_whitespace()
        .enumerate()
        .map(|(id, word)| Queued {
            id,
            recipient_key: word.trim_end_matches(['+', '!']),
            state: if word.ends_with('!') { QueueState::InFlight } else { QueueState::Waiting },
            due: if word.ends_with('+') { at(10) } else { at(0) },
        })
        .collect()
}

#[test]
fn what_may_be_sent_now() {
    let check = |words, limit, expected: &[usize]| {
        assert_eq!(claimable(&queue(words), at(5), ServerHealth::Up, limit), expected, "{words}");
    };
    check("", 4, &[]);
    check("a b c", 4, &[0, 1, 2]);
    check("a b c", 2, &[0, 1]);
    check("a a b", 4, &[0, 2]);
    check("a+ a b a", 4, &[2]);
    check("a! a b", 4, &[2]);
    check("a! b! c d", 3, &[2]);
    check("a! b! c", 2, &[]);
    check("a! b!", 1, &[]);
}

#[test]
fn m03_a_server_that_is_down_gets_one_message_when_the_probe_is_due() {
    let check = |words, failures, now, expected: &[usize]| {
        let health = ServerHealth::Down { failures, probe_at: at(3) };
        assert_eq!(claimable(&queue(words), now, health, 4), expected, "{words}");
    };
    check("a b c", 1, at(2), &[]);
    check("a b c", 1, at(3), &[0]);
    check("a a b", 2, at(3), &[2]);
    check("a b c", 4, at(3), &[0]);
    check("a! b c", 1, at(3), &[]);
    check("a+ b+", 1, at(3), &[]);
    check("", 1, at(3), &[]);
}

#[test]
fn when_the_queue_wants_to_be_looked_at_again() {
    let check = |words, health, expected| assert_eq!(next_due(&queue(words), health), expected, "{words}");
    let down = ServerHealth::Down { failures: 1, probe_at: at(7) };
    check("", ServerHealth::Up, None);
    check("a!", ServerHealth::Up, None);
    check("a! a", ServerHealth::Up, None);
    check("a+ b", ServerHealth::Up, Some(at(0)));
    check("a+ a", ServerHealth::Up, Some(at(10)));
    check("a b", down, Some(at(7)));
    check("a+", down, Some(at(10)));
}

fn any_queue() -> impl Strategy<Value = Vec<Queued<'static, usize>>> {
    let recipient = prop::sample::select(vec!["a", "b", "c", "d"]);
    let state = prop::sample::select(vec![QueueState::Waiting, QueueState::Waiting, QueueState::InFlight]);
    prop::collection::vec((recipient, state, 0_i64..20), 0..30).prop_map(|rows| {
        rows.into_iter()
            .enumerate()
            .map(|(id, (recipient_key, state, due))| Queued { id, recipient_key, state, due: at(due) })
            .collect()
    })
}

fn any_health() -> impl Strategy<Value = ServerHealth> {
    prop_oneof![
        Just(ServerHealth::Up),
        (1_u32..9, 0_i64..20)
            .prop_map(|(failures, second)| ServerHealth::Down { failures, probe_at: at(second) })
    ]
}

proptest! {
    #[test]
    fn waits_grow_and_stay_within_bounds(
        initial in 1_u64..100_000, max in 1_u64..100_000, attempts in 1_u32..200, second in 0_i64..1_000_000,
    ) {
        let policy = RetryPolicy {
            initial: Duration::from_millis(initial),
            max: Duration::from_millis(max),
            give_up_after: Duration::from_secs(u64::MAX),
        };
        let wait = |attempts| {
            match after_failure(&policy, at(0), attempts, FailureClass::Transient, at(second)) {
                Next::Deferred { at: next } => next.duration_since(at(second)),
                Next::Failed => panic!("nothing is that old"),
            }
        };
        prop_assert!(wait(attempts) >= SignedDuration::ZERO);
        prop_assert!(wait(attempts) <= signed(policy.max));
        prop_assert!(wait(attempts) <= wait(attempts + 1));
    }

    #[test]
    fn a_clock_that_jumps_breaks_nothing(created in any::<i32>(), now in any::<i32>(), attempts: u32) {
        let now = at(i64::from(now));
        for class in [FailureClass::Transient, FailureClass::Permanent, FailureClass::Unreachable] {
            if let Next::Deferred { at: next } = after_failure(&policy(), at(i64::from(created)), attempts, class, now) {
                prop_assert!(next >= now);
            }
        }
    }

    #[test]
    fn probes_come_later_and_later(seconds in prop::collection::vec(0_i64..100, 1..40)) {
        let mut health = ServerHealth::Up;
        let mut now = at(0);
        for step in seconds {
            now = later(now, Duration::from_secs(step.unsigned_abs()));
            let before = health;
            health = health.unreachable(now);
            let ServerHealth::Down { failures, probe_at } = health else { panic!("it is down") };
            prop_assert!(probe_at > now);
            prop_assert!(probe_at <= later(now, PROBE_MAX));
            if let ServerHealth::Down { failures: earlier, .. } = before {
                prop_assert!(failures == earlier || failures == earlier + 1);
            }
        }
    }

    #[test]
    fn order_is_kept_per_recipient(queue in any_queue(), health in any_health(), limit in 0_usize..6, now in 0_i64..20) {
        let claimed = claimable(&queue, at(now), health, limit);
        let in_flight = queue.iter().filter(|m| m.state == QueueState::InFlight).count();
        prop_assert!(claimed.is_empty() || claimed.len() + in_flight <= limit);
        let mut recipients = BTreeSet::new();
        let first: BTreeMap<&str, usize> = queue.iter().rev().map(|m| (m.recipient_key, m.id)).collect();
        for id in &claimed {
            let message = &queue[*id];
            prop_assert!(recipients.insert(message.recipient_key), "two of one recipient");
            prop_assert_eq!(first.get(message.recipient_key), Some(id), "an earlier one waits");
            prop_assert_eq!(message.state, QueueState::Waiting);
            prop_assert!(message.due <= at(now));
        }
        if let ServerHealth::Down { probe_at, .. } = health {
            prop_assert!(claimed.len() <= 1);
            prop_assert!(claimed.is_empty() || probe_at <= at(now));
        }
    }

    #[test]
    fn nothing_due_is_forgotten(queue in any_queue(), health in any_health()) {
        // Walking from one due time to the next, with every claim delivered at once, empties the queue
        // in at most as many steps as there are messages.
        let mut queue: Vec<_> = queue.into_iter().map(|m| Queued { state: QueueState::Waiting, ..m }).collect();
        let mut health = health;
        for _ in 0..queue.len() {
            let Some(now) = next_due(&queue, health) else { break };
            let claimed = claimable(&queue, now, health, 2);
            prop_assert!(!claimed.is_empty(), "due at {now}, and nothing to do");
            queue.retain(|m| !claimed.contains(&m.id));
            health = health.reached();
        }
        prop_assert!(queue.is_empty());
    }
}

#[test]
fn m03_who_asks_by_hand_does_not_wait_for_the_next_probe() {
    let down = ServerHealth::Down { failures: 7, probe_at: at(100) };
    assert_eq!(down.asked(at(50)), ServerHealth::Down { failures: 7, probe_at: at(50) });
    assert_eq!(down.asked(at(200)), down);
    assert_eq!(ServerHealth::Up.asked(at(50)), ServerHealth::Up);
}
