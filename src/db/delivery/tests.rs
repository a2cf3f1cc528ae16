//! A mail server that is away for an hour or a week, in steps of the clock.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{super::company::State, *};
use crate::{
    db::{Draft, DraftCopy, Requests, Wish},
    notify::notification::Role,
    outbox::{
        retry::{Next, QueueState, Queued, ServerHealth, after_failure, claimable, next_due},
        settings::RetryPolicy,
    },
};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const POLICY: RetryPolicy = RetryPolicy {
    initial: Duration::from_secs(5),
    max: Duration::from_hours(1),
    give_up_after: Duration::from_hours(6),
};
const AGE: SignedDuration = SignedDuration::from_hours(6);

/// What the stage does, without its tasks, against a server that nobody reaches.
struct Away {
    state: State,
    health: ServerHealth,
    now: Timestamp,
    /// When it was tried, and which message.
    probes: Vec<(Timestamp, i64)>,
}

impl Away {
    /// So many messages to three people, all written now.
    async fn with(messages: u128) -> Self {
        let state = State::new("user ann", "").await;
        let now = state.now();
        let away = Self { state, health: ServerHealth::Up, now, probes: Vec::new() };
        away.write(1..=messages).await;
        away
    }

    async fn write(&self, numbers: impl Iterator<Item = u128>) {
        let draft = |number: u128| {
            let address: MailAddress = format!("p{}@acme.example", number % 3).parse().unwrap();
            Draft {
                notifications: Vec::new(),
                recipient: address.clone(),
                role: Role::ByRole,
                subject: "subject".to_owned(),
                events: Vec::new(),
                copies: vec![DraftCopy {
                    id: Uuid::from_u128(number),
                    address,
                    intended: None,
                    message_id: format!("<{number}@acme.example>"),
                    bytes: b"mail".to_vec(),
                }],
            }
        };
        self.state.db.enqueue(self.state.context.no, numbers.map(draft).collect(), self.now).await.unwrap();
    }

    async fn heads(&self) -> Vec<QueueHead> {
        let (no, options) = (self.state.context.no, Arc::clone(&self.state.options));
        self.state.db.take_stock(no, options, BTreeSet::new(), self.now).await.unwrap().heads
    }

    /// What is tried now fails; the clock goes on to when there is something to do again. `false`: nothing is left.
    async fn step(&mut self) -> bool {
        let heads = self.heads().await;
        for seq in claimable(&queue(&heads), self.now, self.health, 4) {
            self.fail(seq).await;
        }
        if matches!(self.health, ServerHealth::Down { .. }) {
            self.give_up_aged().await;
        }
        let heads = self.heads().await;
        match next_due(&queue(&heads), self.health) {
            Some(at) => self.now = at.max(self.now),
            None => return false,
        }
        true
    }

    async fn fail(&mut self, seq: i64) {
        self.probes.push((self.now, seq));
        let mail = self.state.db.queued_mail(seq).await.unwrap();
        let failure = FailureClass::Unreachable;
        let next = after_failure(&POLICY, mail.begun, mail.transient_failures, failure, self.now);
        let next = match next {
            Next::Deferred { at } => AfterAttempt::Deferred(at),
            Next::Failed => AfterAttempt::Failed,
        };
        let record = AttemptRecord {
            seq,
            at: self.now,
            outcome: Outcome::Failed(failure),
            answer: Answer::words("connection refused"),
            next,
        };
        self.state.db.record_attempt(record).await.unwrap();
        self.health = self.health.after(failure, self.now);
    }

    async fn give_up_aged(&self) {
        let (no, begun) = (self.state.context.no, self.now - AGE);
        let give_up = async || {
            self.state.db.give_up_aged(no, begun, Answer::words("too long"), self.now).await.unwrap()
        };
        while give_up().await > 0 {}
    }

    /// Until then, or until nothing is left.
    async fn run_until(&mut self, end: Timestamp) {
        while self.now < end && self.step().await {}
    }

    fn states(&self) -> BTreeSet<&'static str> {
        let rows = self.state.reader().messages_after(None, 0, u32::MAX).unwrap();
        rows.iter().map(|row| row.state.as_str()).collect()
    }
}

fn queue(heads: &[QueueHead]) -> Vec<Queued<'_, i64>> {
    let state = QueueState::Waiting;
    let queued = heads.iter().map(|QueueHead { seq, recipient_key, due }| Queued {
        id: *seq,
        recipient_key,
        state,
        due: *due,
    });
    queued.collect()
}

#[tokio::test]
async fn m03_for_an_hour_a_queue_is_probed_ever_more_seldom_and_keeps_everything() {
    let mut away = Away::with(300).await;
    let begun = away.now;
    away.run_until(begun + HOUR).await;
    // The first attempts of three recipients, then 1 s, doubled up to a minute.
    let waits: Vec<i64> =
        away.probes.windows(2).map(|pair| pair[1].0.duration_since(pair[0].0).as_secs()).collect();
    assert_eq!(waits[..10], [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
    assert!(away.probes.len() < 70, "{}", away.probes.len());
    assert!(
        away.states().iter().all(|state| matches!(*state, "scheduled" | "deferred")),
        "{:?}",
        away.states()
    );
    // Not always the same message: one that makes the server hang up must not stand for it.
    let tried: BTreeSet<i64> = away.probes.iter().map(|(_, seq)| *seq).collect();
    assert_eq!(tried.len(), 3);
}

#[tokio::test]
async fn m03_after_a_week_what_is_too_old_has_failed_and_can_be_retried_by_hand() {
    let mut away = Away::with(1000).await;
    let begun = away.now;
    away.run_until(begun + AGE - HOUR).await;
    assert!(!away.states().contains("failed"), "{:?}", away.states());
    // One that is younger.
    away.write(2001..=2001).await;
    let young = away.now;
    away.run_until(begun + AGE + SignedDuration::from_mins(2)).await;
    let rows = away.state.reader().messages_after(None, 0, u32::MAX).unwrap();
    let failed = rows.iter().filter(|row| row.state == DeliveryState::Failed).count();
    assert_eq!((rows.len(), failed), (1001, 1000), "all at once, and not one a minute");
    let last = rows.get(500).unwrap();
    assert_eq!((last.attempts, last.last_answer.as_deref()), (0, Some("too long")));

    away.run_until(begun + SignedDuration::from_hours(7 * 24)).await;
    assert_eq!(away.states(), ["failed"].into());
    assert!(away.now < young + AGE + SignedDuration::from_mins(2), "{}", away.now);
    assert!(away.probes.len() < (5 + 6) * 60 + 80, "{}", away.probes.len());

    // By hand it is as new, with the bytes it had.
    let id = last.id;
    let mut requests = Requests::open(&away.state.path()).unwrap().unwrap();
    requests.ask(id, Wish::Retry, away.now).unwrap().unwrap();
    let whole = away.state.reader().message(id).unwrap().unwrap();
    assert_eq!((whole.row.state, whole.bytes.as_slice()), (DeliveryState::Scheduled, b"mail".as_slice()));
    away.give_up_aged().await;
    assert!(away.states().contains("scheduled"), "{:?}", away.states());
    away.run_until(away.now + SignedDuration::from_mins(2)).await;
    away.give_up_aged().await;
    assert!(away.states().contains("deferred"), "{:?}", away.states());
}
