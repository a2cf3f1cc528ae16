//! Finds out a server that holds the connection and says nothing any more, or nothing that gets us on.

use std::{future::poll_fn, pin::Pin, time::Duration};

use ldap3::{Ldap, exop::WhoAmI};
use tokio::time::{Instant, Sleep, sleep};

use crate::connector::error::Problem;

type Question = Pin<Box<dyn Future<Output = ()> + Send>>;

/// At the end of each `interval` the server is asked who we are (RFC 4532). By the end of the next it must
/// have sent something; any byte is a sign of life, a refusal too: a large entry may take long on a slow line.
/// But a server that only ever sends bytes has `patience` to give the answer, or something else that gets us on.
pub struct Heartbeat {
    interval: Duration,
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    /// Bytes that had come at the last beat.
    received: u64,
    asked: Option<Question>,
    /// How long we have listened for the answer in vain.
    waited: Duration,
}

impl Heartbeat {
    pub fn new(interval: Duration, patience: Duration) -> Self {
        let timer = Box::pin(sleep(interval));
        Self { interval, patience, timer, received: 0, asked: None, waited: Duration::ZERO }
    }

    /// Begins a new interval: we did not listen until now, and got on.
    pub fn rest(&mut self) {
        self.waited = Duration::ZERO;
        self.begin();
    }

    fn begin(&mut self) {
        self.timer.as_mut().reset(Instant::now() + self.interval);
    }

    /// Resolves when the interval is over. Takes in the answer meanwhile, whatever it is.
    pub async fn due(&mut self) {
        poll_fn(|context| {
            if let Some(question) = &mut self.asked
                && question.as_mut().poll(context).is_ready()
            {
                self.asked = None;
            }
            self.timer.as_mut().poll(context)
        })
        .await;
    }

    /// The interval is over, and `received` bytes have come so far.
    pub fn beat(&mut self, received: u64, ldap: &Ldap) -> Result<(), Problem> {
        match self.asked {
            Some(_) if received == self.received => return Err(Problem::Frozen { silence: self.interval }),
            Some(_) => {
                self.waited += self.interval;
                if self.waited >= self.patience {
                    return Err(Problem::TimedOut { awaited: "heartbeat", limit: self.waited });
                }
            }
            None => {
                self.waited = Duration::ZERO;
                let mut ldap = ldap.clone();
                self.asked = Some(Box::pin(async move { drop(ldap.extended(WhoAmI).await) }));
            }
        }
        self.received = received;
        self.begin();
        Ok(())
    }
}
