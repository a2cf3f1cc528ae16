//! Ingest that compares everything, or one entry, for a purpose.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Ingest, Ingested, Stage, StoreContext, Told};
use crate::{
    change::{
        finding::{Finding, Order},
        observation::{Observation, Observed},
        purpose::Purpose,
        reconcile::{Comparison, Older, reconcile},
    },
    db::{
        Db, DbError,
        comparisons::{self, ComparisonNo, ComparisonStage, OpenComparison},
        error::During,
        worker::Priority,
    },
    directory::{
        batch::Phase,
        dn::{Dn, NameKey},
        entry::EntryId,
    },
};

/// Whether a comparison that begins was under way before.
#[derive(Debug, PartialEq, Eq)]
pub struct BegunComparison {
    /// As it stands now.
    pub open: OpenComparison,
    /// What it was before. `None`: it was not begun.
    pub before: Option<Purpose>,
    /// What waited, and was told before it.
    pub told: Ingested,
}

/// What came of comparing one entry.
#[derive(Debug, PartialEq, Eq)]
pub enum EntryCompared {
    /// The differences are stored, and the comparison is over: this can be dispatched, what waited before it too.
    Done(Ingested),
    /// Nothing was: these names are to be looked up and learnt first.
    Unresolved(Vec<(NameKey, Dn)>),
}

impl Db {
    /// Everything will be read from now on, or is read already: the comparison that is wanted begins, or else one
    /// for `otherwise`. What waited from live changes is told before it.
    pub async fn begin_comparison(
        &self,
        context: Arc<StoreContext>,
        otherwise: Purpose,
        now: Timestamp,
    ) -> Result<BegunComparison, DbError> {
        self.worker
            .call(Priority::Ingest, move |connection| {
                let transaction = connection.transaction().during("begin to begin a comparison")?;
                let ingest = Ingest { connection: &transaction, context: &context, now };
                let begun = ingest.begin_comparison(otherwise)?;
                transaction.commit().during("commit the begin of a comparison")?;
                Ok(begun)
            })
            .await
    }

    /// Compares one entry as it is now, and accepts the differences. All of it is stored, or nothing.
    pub async fn compare_entry(
        &self,
        context: Arc<StoreContext>,
        no: ComparisonNo,
        observed: Observed,
        now: Timestamp,
    ) -> Result<EntryCompared, DbError> {
        self.worker
            .call(Priority::Ingest, move |connection| {
                let transaction = connection.transaction().during("begin to compare an entry")?;
                let ingest = Ingest { connection: &transaction, context: &context, now };
                let compared = ingest.compare_entry(no, observed)?;
                match &compared {
                    EntryCompared::Done(_) => transaction.commit().during("commit a compared entry")?,
                    // The names are learnt first; what was compared so far is taken back.
                    EntryCompared::Unresolved(_) => {
                        transaction.rollback().during("take back a compared entry")?;
                    }
                }
                Ok(compared)
            })
            .await
    }
}

impl Ingest<'_> {
    fn begin_comparison(&self, otherwise: Purpose) -> Result<BegunComparison, DbError> {
        let before = comparisons::open_of(self.connection, self.context.no)?;
        let before = before.filter(|open| open.stage == ComparisonStage::Begun).map(|open| open.purpose);
        let open = comparisons::begin(self.connection, self.context.no, otherwise, self.now)?;
        let mut told = Ingested::default();
        if before.is_none() {
            told.add(self.settle_live_changes(open.purpose)?);
        }
        Ok(BegunComparison { open, before, told })
    }

    /// What a refresh has found that was cut short goes on waiting, and all with it: half of it may not be true.
    fn settle_live_changes(&self, purpose: Purpose) -> Result<Told, DbError> {
        match purpose {
            Purpose::Tell => return Ok(Told::default()),
            Purpose::Accept | Purpose::BackInTime => {}
        }
        let findings = self.findings()?;
        let is_cut_short =
            self.context.refresh().stage == Stage::UnderWay || findings.iter().any(is_of_a_refresh);
        if is_cut_short {
            return Ok(Told::default());
        }
        self.forget_findings()?;
        self.tell(findings, Purpose::Tell)
    }

    /// At the beginning of a refresh: the comparison that it is read for.
    pub(super) fn comparison_under_way(&self) -> Result<Option<OpenComparison>, DbError> {
        let open = comparisons::open_of(self.connection, self.context.no)?;
        Ok(open.filter(|open| open.stage == ComparisonStage::Begun))
    }

    /// Tells what waits: what a comparison found for its purpose, which is over with that, and live changes before
    /// and after it as any.
    pub(super) fn settle_comparison(
        &self,
        open: OpenComparison,
        findings: Vec<Finding>,
    ) -> Result<Told, DbError> {
        let after = comparisons::newest_change_set(self.connection)?;
        let told = match open.purpose {
            Purpose::Tell => self.tell(findings, Purpose::Tell)?,
            Purpose::Accept | Purpose::BackInTime => self.tell_apart(&findings, open.purpose)?,
        };
        comparisons::end(self.connection, self.context.no, open.no, after, self.now)?;
        comparisons::note_compared(self.connection, self.context.no, self.now)?;
        self.context.refresh().comparison = None;
        Ok(told)
    }

    fn tell_apart(&self, findings: &[Finding], purpose: Purpose) -> Result<Told, DbError> {
        let mut told = Told::default();
        for alike in findings.chunk_by(|one, next| one.order == next.order) {
            let purpose = match alike.first().map(|finding| finding.order) {
                Some(Order::OfTheChanges) => Purpose::Tell,
                Some(Order::Arbitrary) | None => purpose,
            };
            told.add(self.tell(alike.to_vec(), purpose)?);
        }
        Ok(told)
    }

    fn compare_entry(&self, no: ComparisonNo, observed: Observed) -> Result<EntryCompared, DbError> {
        let Waited { live, mut findings } = self.take_what_waits_for(observed.id)?;
        let mut done = Ingested::default();
        done.add(self.tell(live, Purpose::Tell)?);
        let after = comparisons::newest_change_set(self.connection)?;
        // Also what has no newer stamp, or an older one, is how things are.
        let comparison = Comparison { older: Older::Counts, ..self.comparison(Phase::Refresh) };
        let mirror = self.mirror();
        let effects = reconcile(&Observation::Entry(observed), &comparison, &mirror)?;
        for write in &effects.writes {
            mirror.apply(write, &|_| false)?;
        }
        findings.extend(effects.finding);
        let mut unresolved = self.unresolved(&findings)?;
        self.retain_not_asked(&mut unresolved);
        if !unresolved.is_empty() {
            return Ok(EntryCompared::Unresolved(unresolved));
        }
        done.add(self.tell(findings, Purpose::Accept)?);
        comparisons::end(self.connection, self.context.no, no, after, self.now)?;
        Ok(EntryCompared::Done(done))
    }

    /// Where a refresh was cut short, half of it may not be true: what it found of the one entry is accepted with
    /// how that is now, and everything else goes on waiting.
    fn take_what_waits_for(&self, entry: EntryId) -> Result<Waited, DbError> {
        let waiting = self.waiting()?;
        let is_cut_short = waiting.iter().any(|(_, finding)| is_of_a_refresh(finding));
        let mut waited = Waited { live: Vec::new(), findings: Vec::new() };
        for (seq, finding) in waiting {
            if is_cut_short && finding.entry.id != Some(entry) {
                continue;
            }
            self.forget_finding(seq)?;
            let kind = if is_of_a_refresh(&finding) { &mut waited.findings } else { &mut waited.live };
            kind.push(finding);
        }
        Ok(waited)
    }

    fn forget_finding(&self, seq: i64) -> Result<(), DbError> {
        self.connection
            .prepare_cached("DELETE FROM finding WHERE seq = ?1")
            .and_then(|mut s| s.execute([seq]))
            .during("take a finding")
            .map(drop)
    }
}

/// What waited and is told when one entry is accepted.
struct Waited {
    /// As any change, and first.
    live: Vec<Finding>,
    /// As a part of what is accepted.
    findings: Vec<Finding>,
}

fn is_of_a_refresh(finding: &Finding) -> bool {
    match finding.order {
        Order::Arbitrary => true,
        Order::OfTheChanges => false,
    }
}
