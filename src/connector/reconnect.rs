//! Follows a directory for ever: connects, feeds, and when that fails waits and tries again.

use std::{sync::atomic::Ordering, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Basis, CheckpointSource, Connector, ConnectorError, Disposition, Extent, FeedEvent, Shared,
    error::Problem,
    feed::{Feed, Gone, Outlet, Progress, syncrepl::Syncrepl},
    session::Session,
    timing::{RetryRange, Timing},
};
use crate::directory::checkpoint::Checkpoint;

/// Somebody wants it to end: no error.
struct Stopped;

impl Connector {
    /// Follows the directory until `cancel` is cancelled or `out` is closed, which is `Ok`. `Err`: trying
    /// again would be of no use ([`Disposition::Stop`]); it was told before as [`FeedEvent::Failed`].
    ///
    /// The checkpoint is asked for anew before each connection.
    pub async fn run(
        self,
        checkpoints: impl CheckpointSource,
        out: mpsc::Sender<FeedEvent>,
        cancel: CancellationToken,
    ) -> Result<(), ConnectorError> {
        let mut retries = Retries::new(&self.shared.timing);
        let mut doubt = Doubt::default();
        loop {
            if tell(&out, FeedEvent::Connecting, &cancel).await.is_err() {
                return Ok(());
            }
            let stored = async { (checkpoints.checkpoint().await, checkpoints.extent().await) };
            let Some((stored, extent)) = cancel.run_until_cancelled(stored).await else { return Ok(()) };
            let mut outlet = Outlet::new(out.clone());
            let start = doubt.begin(stored, extent);
            let begun = Instant::now();
            let failed = match self.attempt(&start, &out, &mut outlet, &cancel).await {
                Ok(Stopped) => return Ok(()),
                Err(error) => error,
            };
            if outlet.progress() == Progress::Live {
                retries = Retries::new(&self.shared.timing);
                doubt = Doubt::default();
            }
            if failed.stalled() {
                self.shared.has_stalled(begun.elapsed());
            }
            let disposition = doubt.weigh(&failed, self.shared.timing.went_back, Instant::now());
            let retry_in = retries.after(&disposition);
            let event = FeedEvent::Failed { error: failed.to_string(), disposition, retry_in };
            if tell(&out, event, &cancel).await.is_err() {
                return Ok(());
            }
            let Some(wait) = retry_in else { return Err(failed) };
            tokio::select! {
                () = tokio::time::sleep(wait) => (),
                () = cancel.cancelled() => return Ok(()),
                () = out.closed() => return Ok(()),
            }
        }
    }

    /// One attempt over all URLs. A server that fails before it showed anything makes room for the next; a
    /// wrong password does not, as every server would count it.
    async fn attempt(
        &self,
        start: &Start,
        out: &mpsc::Sender<FeedEvent>,
        outlet: &mut Outlet,
        cancel: &CancellationToken,
    ) -> Result<Stopped, ConnectorError> {
        let mut failed: Option<ConnectorError> = None;
        for index in 0..self.settings().urls.len() {
            let error = match self.attempt_one(index, start, out, outlet, cancel).await {
                Ok(stopped) => return Ok(stopped),
                Err(problem) => problem,
            };
            let is_last = outlet.progress() != Progress::Nothing || matches!(error, Problem::BindRefused(_));
            let error = self.failed(self.url(index).clone(), error);
            let so_far = match failed {
                Some(before) => before.and(error),
                None => error,
            };
            if is_last {
                return Err(so_far);
            }
            failed = Some(so_far);
        }
        Err(failed.expect("there is always one URL"))
    }

    async fn attempt_one(
        &self,
        index: usize,
        start: &Start,
        out: &mpsc::Sender<FeedEvent>,
        outlet: &mut Outlet,
        cancel: &CancellationToken,
    ) -> Result<Stopped, Problem> {
        let url = self.url(index);
        let opened = tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(Stopped),
            () = out.closed() => return Ok(Stopped),
            opened = Session::open(url, self.settings(), self.shared.timing) => opened,
        };
        let mut session = opened?;
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => Ok(()),
            () = out.closed() => Ok(()),
            ended = self.feed(index, &mut session, start, out, outlet) => ended,
        };
        ended?;
        session.close().await;
        Ok(Stopped)
    }

    async fn feed(
        &self,
        index: usize,
        session: &mut Session,
        start: &Start,
        out: &mpsc::Sender<FeedEvent>,
        outlet: &mut Outlet,
    ) -> Result<(), Problem> {
        let offer = session.require_sync().await?;
        session.require_base(&self.settings().base_dn).await?;
        let feed = Syncrepl {
            base: &self.settings().base_dn,
            wanted: &self.shared.wanted,
            shown: start.shown.as_ref(),
            bind: &self.settings().bind,
            timing: self.shared.timing,
            overdue: offer.context_of(&self.settings().base_dn).map(|suffix| (suffix, self.shared.overdue())),
        };
        if let Some(known) = &start.must_know {
            feed.refuse_behind(session, known).await?;
        }
        self.shared.in_use.store(index, Ordering::Relaxed);
        let connected =
            FeedEvent::Connected { url: self.url(index).to_string(), kind: offer.kind, basis: start.basis };
        if out.send(connected).await.is_err() {
            return Ok(());
        }
        feed.follow(session, start.from.clone(), outlet).await
    }
}

/// Heartbeats that a change may be overdue.
const OVERDUE: u32 = 2;
/// It doubles so often.
const MOST_STALLS: u32 = 10;
/// A connection that lived longer begins anew with that.
const LONG_LIFE: Duration = Duration::from_hours(24);

impl Shared {
    fn overdue(&self) -> u32 {
        OVERDUE << self.stalls.load(Ordering::Relaxed)
    }

    /// Should a server do something that only looks like a stall, it is read again and again: rarer each time.
    fn has_stalled(&self, life: Duration) {
        let before = if life > LONG_LIFE { 0 } else { self.stalls.load(Ordering::Relaxed) };
        self.stalls.store((before + 1).min(MOST_STALLS), Ordering::Relaxed);
    }
}

/// Waits for room, unless it is over.
async fn tell(
    out: &mpsc::Sender<FeedEvent>,
    event: FeedEvent,
    cancel: &CancellationToken,
) -> Result<(), Gone> {
    match cancel.run_until_cancelled(out.send(event)).await {
        Some(Ok(())) => Ok(()),
        Some(Err(_)) | None => Err(Gone),
    }
}

/// Where a connection begins.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Start {
    /// What is offered to the server.
    from: Option<Checkpoint>,
    /// What is stored, offered or not: what was shown before. Says nothing where the server may be older.
    shown: Option<Checkpoint>,
    /// A server that is behind this shows what is out of date, and is not read.
    must_know: Option<Checkpoint>,
    basis: Basis,
}

impl Start {
    fn everything(basis: Basis) -> Self {
        Self { from: None, shown: None, must_know: None, basis }
    }
}

/// Whether the stored checkpoint can still be used.
#[derive(Debug, Default)]
struct Doubt {
    /// A refusal: from now on, until a refresh has ended, everything is read.
    read_all: Option<Basis>,
    /// Since when all servers say that they are behind our checkpoint.
    behind_since: Option<Instant>,
}

impl Doubt {
    fn begin(&self, stored: Option<Checkpoint>, extent: Extent) -> Start {
        let Some(stored) = stored else { return Start::everything(Basis::Nothing) };
        let checked =
            |basis| Start { from: None, shown: Some(stored.clone()), must_know: Some(stored.clone()), basis };
        match (self.read_all, extent) {
            (Some(Basis::WentBack), _) => Start::everything(Basis::WentBack),
            (_, Extent::EverythingEvenOlder) => Start::everything(Basis::Everything),
            (Some(basis), _) => checked(basis),
            (None, Extent::Everything) => checked(Basis::Everything),
            (None, Extent::SinceCheckpoint) => Start {
                from: Some(stored.clone()),
                shown: Some(stored),
                must_know: None,
                basis: Basis::Checkpoint,
            },
        }
    }

    /// A server that is behind may be a replica that catches up: it gets `patience` to do so.
    fn weigh(&mut self, failed: &ConnectorError, patience: Duration, now: Instant) -> Disposition {
        let disposition = failed.disposition();
        if disposition != Disposition::Resync {
            return disposition;
        }
        if !failed.went_back() {
            self.read_all = Some(Basis::CheckpointRefused);
            return Disposition::Resync;
        }
        let since = *self.behind_since.get_or_insert(now);
        if now.duration_since(since) < patience {
            return Disposition::Wait;
        }
        self.read_all = Some(Basis::WentBack);
        Disposition::Resync
    }
}

/// How long to wait before the next attempt.
struct Retries {
    soon: Waits,
    rarely: Waits,
}

impl Retries {
    fn new(timing: &Timing) -> Self {
        Self { soon: Waits::new(timing.retry), rarely: Waits::new(timing.slow_retry) }
    }

    fn after(&mut self, disposition: &Disposition) -> Option<Duration> {
        match disposition {
            Disposition::Reconnect | Disposition::Wait | Disposition::Resync => Some(self.soon.next()),
            Disposition::RetrySlowly { .. } => Some(self.rarely.next()),
            Disposition::Stop { .. } => None,
        }
    }
}

struct Waits {
    delays: Box<dyn Iterator<Item = Duration> + Send>,
    last: Duration,
}

impl Waits {
    /// backon adds up to the delay itself as jitter; with half the range doubled delays stay within it.
    fn new(range: RetryRange) -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(range.first / 2)
            .with_max_delay(range.last / 2)
            .without_max_times()
            .with_jitter()
            .build();
        Self { delays: Box::new(delays), last: range.last }
    }

    fn next(&mut self) -> Duration {
        self.delays.next().unwrap_or(self.last).min(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        connector::{Answer, settings::ServerUrl},
        directory::checkpoint::Mechanism,
    };

    #[test]
    fn waits_double_with_jitter_for_ever_within_their_range() {
        let seconds = Duration::from_secs;
        let mut waits = Waits::new(RetryRange { first: seconds(1), last: seconds(60) });
        for attempt in 0..200_u32 {
            let wait = waits.next();
            let least = Duration::from_millis(500) * 2_u32.pow(attempt.min(6));
            let least = least.min(seconds(30));
            assert!(wait >= least && wait <= (least * 2).min(seconds(60)), "{attempt}: {wait:?}");
        }
    }

    fn failed(problem: Problem) -> ConnectorError {
        ConnectorError::new(ServerUrl::Ldap { host: "a".to_owned(), port: 389 }, problem)
    }

    fn answer() -> Answer {
        Answer { code: 0, text: String::new() }
    }

    fn offered(doubt: &Doubt, stored: Option<Checkpoint>) -> (Option<Checkpoint>, Basis) {
        let start = doubt.begin(stored, Extent::SinceCheckpoint);
        (start.from, start.basis)
    }

    fn stored() -> Checkpoint {
        Checkpoint { mechanism: Mechanism::Syncrepl, bytes: b"csn=a".to_vec() }
    }

    #[test]
    fn l03_a_refused_checkpoint_is_not_offered_again() {
        let mut doubt = Doubt::default();
        assert_eq!(offered(&doubt, Some(stored())), (Some(stored()), Basis::Checkpoint));
        assert_eq!(offered(&doubt, None), (None, Basis::Nothing));
        let disposition =
            doubt.weigh(&failed(Problem::CheckpointRefused(answer())), Duration::ZERO, Instant::now());
        assert_eq!(disposition, Disposition::Resync);
        assert_eq!(offered(&doubt, Some(stored())), (None, Basis::CheckpointRefused));
    }

    #[test]
    fn l07_a_server_that_is_behind_gets_time_to_catch_up() {
        let mut doubt = Doubt::default();
        let (patience, start) = (Duration::from_mins(5), Instant::now());
        let behind = failed(Problem::WentBack(answer()));
        let weigh_after =
            |doubt: &mut Doubt, seconds| doubt.weigh(&behind, patience, start + Duration::from_secs(seconds));
        assert_eq!(weigh_after(&mut doubt, 0), Disposition::Wait);
        assert_eq!(weigh_after(&mut doubt, 299), Disposition::Wait);
        assert_eq!(offered(&doubt, Some(stored())), (Some(stored()), Basis::Checkpoint));
        assert_eq!(weigh_after(&mut doubt, 300), Disposition::Resync);
        assert_eq!(offered(&doubt, Some(stored())), (None, Basis::WentBack));
    }

    #[test]
    fn a25_everything_is_read_only_of_a_server_that_is_not_behind_unless_somebody_says_so() {
        let check = |doubt: &Doubt, extent, basis, must_know| {
            let start = doubt.begin(Some(stored()), extent);
            assert_eq!((start.from, start.basis, start.must_know), (None, basis, must_know), "{extent:?}");
        };
        let mut doubt = Doubt::default();
        check(&doubt, Extent::Everything, Basis::Everything, Some(stored()));
        check(&doubt, Extent::EverythingEvenOlder, Basis::Everything, None);
        let refused = failed(Problem::CheckpointRefused(answer()));
        doubt.weigh(&refused, Duration::ZERO, Instant::now());
        check(&doubt, Extent::SinceCheckpoint, Basis::CheckpointRefused, Some(stored()));
        doubt.weigh(&failed(Problem::WentBack(answer())), Duration::ZERO, Instant::now());
        check(&doubt, Extent::Everything, Basis::WentBack, None);
    }
}
