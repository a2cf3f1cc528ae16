//! Deliver: due messages go to the mail server, one row per attempt.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error, info, warn};

use super::{LOOK_AROUND, Store, say};
use crate::{
    clock,
    db::{AfterAttempt, AttemptRecord, DbError, QueueHead, QueuedMail, Side, Trouble},
    error_chain::chain,
    outbox::{
        mailer::{MAX_CONNECTIONS, SendError},
        retry::{Next, QueueState, Queued, ServerHealth, after_failure, claimable, next_due},
        state::{Answer, FailureClass, Outcome},
    },
};

/// What is under way may end before a stop is carried out, for so long.
const LAST_WORDS: Duration = Duration::from_secs(6);

/// What is said of a message that no attempt can be made for any more.
const TOO_LONG: &str = "the mail server could not be used for longer than smtp.give_up_after";

/// What `status` says, with the reason behind it.
const UNUSABLE: &str = "the mail server cannot be used; messages wait in the outbox";

/// Before an attempt that was made is stored again, where the state file failed.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// What one attempt says about the server, and in what words. `None`: nothing, the state file failed.
type Attempted = Option<(Outcome, Answer)>;

struct Delivery {
    store: Arc<Store>,
    health: ServerHealth,
    heads: Vec<QueueHead>,
    /// Requests that wait for the end of an attempt.
    requests_waiting: usize,
    /// The message that each attempt is about.
    in_flight: BTreeMap<Id, i64>,
    sending: JoinSet<Attempted>,
    /// What `status` says of the server.
    said: Option<String>,
}

pub(super) async fn run(store: Arc<Store>, cancel: CancellationToken) {
    let mut delivery = Delivery {
        store,
        health: ServerHealth::Up,
        heads: Vec::new(),
        requests_waiting: 0,
        in_flight: BTreeMap::new(),
        sending: JoinSet::new(),
        said: None,
    };
    delivery.say_pilot();
    delivery.look().await;
    while !cancel.is_cancelled() {
        delivery.claim();
        delivery.wait(&cancel).await;
    }
    delivery.finish().await;
}

impl Delivery {
    /// Nobody is to wonder why no mail comes.
    fn say_pilot(&self) {
        let options = &self.store.options;
        if options.dry_run {
            warn!("dry_run is on: mails are written and not sent");
        } else if !options.redirect_to.is_empty() {
            warn!(addresses = options.redirect_to.len(), "redirect_to is on: no mail goes to whom it is for");
        }
    }

    /// Does what commands ask for, and reads the oldest message of each recipient anew.
    async fn look(&mut self) {
        loop {
            let (no, options) = (self.store.context.no, Arc::clone(&self.store.options));
            let stock = match self.store.db.take_stock(no, options, self.in_flight(), clock::now()).await {
                Ok(stock) => stock,
                Err(error) => return say(&error, "cannot read the queue"),
            };
            if stock.retried > 0 {
                self.health = self.health.asked(clock::now());
            }
            // At once, even where more is to be done: what was deleted must not be sent if that fails.
            self.requests_waiting = stock.requests_waiting;
            self.heads = stock.heads;
            if !stock.unfinished {
                return;
            }
        }
    }

    fn in_flight(&self) -> BTreeSet<i64> {
        self.in_flight.values().copied().collect()
    }

    fn queue(&self) -> Vec<Queued<'_, i64>> {
        let in_flight = self.in_flight();
        let state = |seq| if in_flight.contains(&seq) { QueueState::InFlight } else { QueueState::Waiting };
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

    /// Nothing is sent of which it could not be stored that it was.
    fn claim(&mut self) {
        if !self.store.db.is_sound() {
            return;
        }
        let claimed = claimable(&self.queue(), clock::now(), self.health, MAX_CONNECTIONS);
        for seq in claimed {
            let store = Arc::clone(&self.store);
            let attempt = async move { attempt(&store, seq).await };
            let task = self.sending.spawn(attempt.in_current_span());
            self.in_flight.insert(task.id(), seq);
        }
    }

    async fn wait(&mut self, cancel: &CancellationToken) {
        let due = next_due(&self.queue(), self.health).filter(|_| self.store.db.is_sound());
        let next = due.map_or(LOOK_AROUND, |at| {
            Duration::try_from(at.duration_since(clock::now())).unwrap_or_default()
        });
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.store.wake.deliver.notified() => self.look().await,
            Some(ended) = self.sending.join_next_with_id() => self.ended(ended).await,
            () = tokio::time::sleep(next.min(LOOK_AROUND)), if self.sending.is_empty() || next > Duration::ZERO => {
                if next >= LOOK_AROUND {
                    self.look().await;
                }
            }
        }
    }

    async fn ended(&mut self, ended: Result<(Id, Attempted), JoinError>) {
        let (task, outcome) = ended.unwrap_or_else(|cut_short| {
            error!("an attempt to deliver a message was cut short");
            (cut_short.id(), None)
        });
        let seq = self.in_flight.remove(&task);
        self.heads.retain(|head| Some(head.seq) != seq);
        match outcome {
            Some((Outcome::Delivered, _)) => self.reached().await,
            Some((Outcome::Failed(failure), answer)) => self.failed(failure, &answer).await,
            // Nothing was learnt of the server; whatever it was, it is not to happen again at once.
            None => self.health = self.health.unreachable(clock::now()),
        }
        if self.in_flight.is_empty()
            || self.requests_waiting > 0
            || claimable(&self.queue(), clock::now(), self.health, usize::MAX).is_empty()
        {
            self.look().await;
        }
    }

    async fn reached(&mut self) {
        if self.health != ServerHealth::Up {
            self.say_reached().await;
        }
        self.health = self.health.reached();
    }

    async fn say_reached(&mut self) {
        info!("the mail server can be reached again");
        self.say(None).await;
    }

    /// Once, and again when there is something else to say.
    async fn say(&mut self, error: Option<String>) {
        if self.said == error {
            return;
        }
        self.said.clone_from(&error);
        if let Err(error) = self.store.db.set_error(self.store.context.no, Side::Mail, error).await {
            say(&error, "cannot store what went wrong");
        }
    }

    async fn failed(&mut self, failure: FailureClass, answer: &Answer) {
        let before = self.health;
        self.health = self.health.after(failure, clock::now());
        match (before, self.health) {
            (_, ServerHealth::Down { .. }) => {
                self.say(Some(format!("{UNUSABLE} ({answer})"))).await;
            }
            (ServerHealth::Down { .. }, ServerHealth::Up) => self.say_reached().await,
            (ServerHealth::Up, ServerHealth::Up) => {}
        }
        if self.health != ServerHealth::Up && self.in_flight.is_empty() {
            self.give_up_aged().await;
        }
    }

    /// The server cannot be used, for all that wait alike: what is too old for another attempt is given up.
    async fn give_up_aged(&self) {
        let now = clock::now();
        let age =
            SignedDuration::try_from(self.store.mail.retry.give_up_after).unwrap_or(SignedDuration::MAX);
        let begun = now.checked_sub(age).unwrap_or(Timestamp::MIN);
        let mut messages = 0;
        loop {
            match self.store.db.give_up_aged(self.store.context.no, begun, Answer::words(TOO_LONG), now).await
            {
                Ok(0) => break,
                Ok(some) => messages += some,
                Err(error) => return say(&error, "cannot give aged messages up"),
            }
        }
        if messages > 0 {
            warn!(messages, "messages were given up: the mail server could not be used for too long");
        }
    }

    async fn finish(mut self) {
        let all = async {
            while let Some(ended) = self.sending.join_next().await {
                debug!(cut_short = ended.is_err(), "an attempt ended while stopping");
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

/// One attempt, stored. `None`: the message could not be read, and is as it was.
async fn attempt(store: &Store, seq: i64) -> Attempted {
    match try_attempt(store, seq).await {
        Ok(attempted) => Some(attempted),
        Err(error) => {
            say(&error, "cannot read a message");
            None
        }
    }
}

async fn try_attempt(store: &Store, seq: i64) -> Result<(Outcome, Answer), DbError> {
    let mail = store.db.queued_mail(seq).await?;
    let sent = store.mailer.send(&mail.address, &mail.bytes, &mail.message_id).await;
    let record = record(store, &mail, sent);
    keep(store, &record).await;
    if record.next == AfterAttempt::Failed {
        store.wake.alerts.notify_one();
    }
    Ok((record.outcome, record.answer))
}

/// Stores an attempt, however long that takes: a message that was sent and is not known to be would be sent
/// again. It stays in flight meanwhile. Into a file that is damaged nothing will be stored.
async fn keep(store: &Store, record: &AttemptRecord) {
    while let Err(error) = store.db.record_attempt(record.clone()).await {
        match error.trouble() {
            Some(Trouble::Damaged) => {
                let delivered = record.next == AfterAttempt::Delivered;
                return error!(message.seq = record.seq, delivered, "an attempt is not on record");
            }
            Some(Trouble::Full | Trouble::ReadOnly | Trouble::Unusable) => {}
            None => {
                error!(
                    error = chain(&error),
                    message.seq = record.seq,
                    "cannot store an attempt; trying again"
                );
            }
        }
        tokio::time::sleep(STORE_AGAIN).await;
    }
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
    let next = match after_failure(&store.mail.retry, mail.begun, transient, failure, at) {
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
