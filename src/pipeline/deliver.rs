//! Deliver: due messages go to the mail server, one row per attempt.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error, info, warn};

use super::{LOOK_AROUND, Store};
use crate::{
    clock,
    db::{AfterAttempt, AttemptRecord, DbError, QueueHead, QueuedMail},
    error_chain::chain,
    outbox::{
        mailer::{MAX_CONNECTIONS, SendError},
        retry::{Next, QueueState, Queued, ServerHealth, after_failure, claimable, next_due},
        state::{Answer, FailureClass, Outcome},
    },
};

/// What is under way may end before a stop is carried out, for so long.
const LAST_WORDS: Duration = Duration::from_secs(8);

/// What one attempt says about the server. `None`: nothing, the state file failed.
type Attempted = (i64, Option<Outcome>);

struct Delivery {
    store: Arc<Store>,
    health: ServerHealth,
    heads: Vec<QueueHead>,
    in_flight: BTreeSet<i64>,
    sending: JoinSet<Attempted>,
}

pub(super) async fn run(store: Arc<Store>, cancel: CancellationToken) {
    let mut delivery = Delivery {
        store,
        health: ServerHealth::Up,
        heads: Vec::new(),
        in_flight: BTreeSet::new(),
        sending: JoinSet::new(),
    };
    delivery.look().await;
    while !cancel.is_cancelled() {
        delivery.claim();
        delivery.wait(&cancel).await;
    }
    delivery.finish().await;
}

impl Delivery {
    /// Reads the oldest message of each recipient anew.
    async fn look(&mut self) {
        match self.store.db.queue_heads(self.store.context.no).await {
            Ok(heads) => self.heads = heads,
            Err(error) => error!(error = chain(&error), "cannot read the queue"),
        }
    }

    fn queue(&self) -> Vec<Queued<'_, i64>> {
        let state = |seq| {
            if self.in_flight.contains(&seq) { QueueState::InFlight } else { QueueState::Waiting }
        };
        self.heads
            .iter()
            .map(|head| Queued {
                id: head.seq,
                recipient_key: &head.recipient_key,
                state: state(head.seq),
                due: head.due,
            })
            .collect()
    }

    fn claim(&mut self) {
        let claimed = claimable(&self.queue(), clock::now(), self.health, MAX_CONNECTIONS);
        for seq in claimed {
            self.in_flight.insert(seq);
            let store = Arc::clone(&self.store);
            let attempt = async move { (seq, attempt(&store, seq).await) };
            self.sending.spawn(attempt.in_current_span());
        }
    }

    async fn wait(&mut self, cancel: &CancellationToken) {
        let next = next_due(&self.queue(), self.health).map_or(LOOK_AROUND, |at| {
            Duration::try_from(at.duration_since(clock::now())).unwrap_or_default()
        });
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.store.wake.deliver.notified() => self.look().await,
            Some(ended) = self.sending.join_next() => self.ended(ended).await,
            () = tokio::time::sleep(next.min(LOOK_AROUND)), if self.sending.is_empty() || next > Duration::ZERO => {
                if next >= LOOK_AROUND {
                    self.look().await;
                }
            }
        }
    }

    async fn ended(&mut self, ended: Result<Attempted, tokio::task::JoinError>) {
        let Ok((seq, outcome)) = ended else {
            error!("an attempt to deliver a message was cut short");
            self.in_flight.clear();
            return self.look().await;
        };
        self.in_flight.remove(&seq);
        self.heads.retain(|head| head.seq != seq);
        match outcome {
            Some(Outcome::Delivered) => self.reached(),
            Some(Outcome::Failed(failure)) => self.failed(failure).await,
            // The state file failed: the server is not asked again at once.
            None => self.health = self.health.unreachable(clock::now()),
        }
        if self.in_flight.is_empty()
            || claimable(&self.queue(), clock::now(), self.health, usize::MAX).is_empty()
        {
            self.look().await;
        }
    }

    fn reached(&mut self) {
        if self.health != ServerHealth::Up {
            info!("the mail server can be reached again");
        }
        self.health = self.health.reached();
    }

    async fn failed(&mut self, failure: FailureClass) {
        let before = self.health;
        self.health = self.health.after(failure, clock::now());
        match (before, self.health) {
            (ServerHealth::Up, ServerHealth::Down { .. }) => {
                let said = Some("the mail server cannot be used; messages wait in the outbox".to_owned());
                if let Err(error) = self.store.db.set_error(self.store.context.no, said, clock::now()).await {
                    error!(error = chain(&error), "cannot store what went wrong");
                }
            }
            (ServerHealth::Down { .. }, ServerHealth::Up) => info!("the mail server can be reached again"),
            (ServerHealth::Up, ServerHealth::Up) | (ServerHealth::Down { .. }, ServerHealth::Down { .. }) => {
            }
        }
    }

    async fn finish(mut self) {
        let all = async {
            while let Some(ended) = self.sending.join_next().await {
                if let Ok((seq, _)) = ended {
                    debug!(message.seq = seq, "an attempt ended while stopping");
                }
            }
        };
        if tokio::time::timeout(LAST_WORDS, all).await.is_err() {
            warn!(
                seconds = LAST_WORDS.as_secs(),
                "the mail server did not answer in time; the message will be sent again"
            );
        }
        let _ = tokio::time::timeout(Duration::from_secs(1), self.store.mailer.close()).await;
    }
}

/// One attempt, stored. `None`: the state file failed, and the message is as it was.
async fn attempt(store: &Store, seq: i64) -> Option<Outcome> {
    match try_attempt(store, seq).await {
        Ok(outcome) => Some(outcome),
        Err(error) => {
            error!(error = chain(&error), message.seq = seq, "cannot store an attempt");
            None
        }
    }
}

async fn try_attempt(store: &Store, seq: i64) -> Result<Outcome, DbError> {
    let mail = store.db.queued_mail(seq).await?;
    let sent = store.mailer.send(&mail.address, &mail.bytes, &mail.message_id).await;
    let record = record(store, &mail, sent);
    let outcome = record.outcome;
    store.db.record_attempt(record).await?;
    Ok(outcome)
}

fn record(store: &Store, mail: &QueuedMail, sent: Result<Answer, SendError>) -> AttemptRecord {
    let at = clock::now();
    let error = match sent {
        Ok(answer) => {
            debug!(message.id = mail.message_id, "delivered");
            return AttemptRecord {
                seq: mail.seq,
                at,
                outcome: Outcome::Delivered,
                answer,
                next: AfterAttempt::Delivered,
            };
        }
        Err(error) => error,
    };
    let failure = error.class();
    let transient = mail.transient_failures + u32::from(failure == FailureClass::Transient);
    let next = match after_failure(&store.mail.retry, mail.created, transient, failure, at) {
        Next::Deferred { at } => AfterAttempt::Deferred(at),
        Next::Failed => AfterAttempt::Failed,
    };
    warn!(
        error = chain(&error),
        message.id = mail.message_id,
        given_up = next == AfterAttempt::Failed,
        "a message was not delivered"
    );
    AttemptRecord { seq: mail.seq, at, outcome: Outcome::Failed(failure), answer: error.answer(), next }
}
