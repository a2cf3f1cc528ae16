//! Ingest: a batch against the mirror, in one transaction with its events and its checkpoint.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use uuid::{ContextV7, Uuid};

use super::{
    Db, DbError, StoreNo,
    baseline::{self, Names},
    error::During,
    mirror::{StoreMirror, outside},
    open,
    rows::{json_at, micros, to_json},
    stores::{self, Baseline},
    worker::Priority,
};
use crate::{
    change::{
        event::ChangeSet,
        finding::{Finding, Found},
        observation::{Observation, Observed},
        reconcile::{Comparison, reconcile},
        resolve::{Anew, mark_entry, meant_anew, name_entry},
        settle::{settle, unresolved},
    },
    directory::{
        batch::{Delete, Origin, Phase},
        checkpoint::Checkpoint,
        dn::{Dn, NameKey},
        entry::EntryId,
        mirror::{EntryNo, KnownEntry, KnownLink, Mirror, Write},
        schema::Schema,
    },
};

/// What ingest needs to know of a store, and where its present refresh stands.
#[derive(Debug)]
pub struct StoreContext {
    /// Which store.
    pub no: StoreNo,
    /// Where the watched tree begins.
    pub base: Dn,
    /// How entries are read.
    pub schema: Arc<Schema>,
    /// How many last members of a deleted group an event carries.
    pub member_cap: usize,
    refresh: Mutex<Refresh>,
}

/// What was shown since the refresh began. Lost in a crash, and the refresh with it.
#[derive(Debug, Default)]
struct Refresh {
    stage: Stage,
    /// Named or shown.
    seen: Rows,
    /// Shown whole: what an image says of name and links is final.
    imaged: Rows,
    shown: u64,
    names: Names,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Over,
    UnderWay,
}

/// One bit for each row of the mirror.
#[derive(Debug, Default)]
struct Rows(Vec<u64>);

impl Refresh {
    fn begun() -> Self {
        Self { stage: Stage::UnderWay, ..Self::default() }
    }
}

impl Rows {
    fn mark(&mut self, no: EntryNo) {
        let Ok(bit) = usize::try_from(no.0) else { return };
        let word = bit / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (bit % 64);
        }
    }

    fn has(&self, no: EntryNo) -> bool {
        let Ok(bit) = usize::try_from(no.0) else { return false };
        self.0.get(bit / 64).is_some_and(|word| word & (1 << (bit % 64)) != 0)
    }
}

/// What came of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Readings that were taken in.
    pub readings: u64,
    /// Change sets that can be dispatched now.
    pub change_sets: usize,
    /// Names to look up before the rest can be told: see [`Db::settle`].
    pub unresolved: Vec<(NameKey, Dn)>,
}

/// A name that was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedUp {
    /// As asked for in [`Ingested::unresolved`].
    pub key: NameKey,
    /// `None`: the server shows nothing under that name.
    pub entry: Option<Observed>,
}

impl StoreContext {
    /// A store before its first batch.
    pub fn new(no: StoreNo, base: Dn, schema: Arc<Schema>, member_cap: usize) -> Self {
        Self { no, base, schema, member_cap, refresh: Mutex::default() }
    }

    fn refresh(&self) -> MutexGuard<'_, Refresh> {
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Db {
    /// Takes a batch in. Everything it says and its checkpoint are stored, or nothing is.
    ///
    /// The events of a refresh become dispatchable at its end, those of live changes at once; both only when
    /// every name in them is known or was looked up.
    pub async fn ingest(
        &self,
        context: Arc<StoreContext>,
        observations: Vec<Observation>,
        phase: Phase,
        checkpoint: Option<Checkpoint>,
        now: Timestamp,
    ) -> Result<Ingested, DbError> {
        self.worker
            .call(Priority::Ingest, move |connection| {
                let store = |connection: &mut Connection| {
                    let transaction = connection.transaction().during("begin an ingest")?;
                    let ingest = Ingest { connection: &transaction, context: &context, now };
                    let ingested = ingest.batch(observations, phase)?;
                    if let Some(checkpoint) = checkpoint {
                        stores::store_checkpoint(&transaction, context.no, &checkpoint, now)?;
                    }
                    transaction.commit().during("commit an ingest")?;
                    Ok(ingested)
                };
                match (phase, stores::baseline(connection, context.no)?) {
                    (Phase::RefreshBegins | Phase::Refresh, Baseline::Missing) => {
                        open::without_waiting_for_the_disk(connection, store)
                    }
                    (Phase::RefreshEnds | Phase::Live, _) | (_, Baseline::Complete) => store(connection),
                }
            })
            .await
    }

    /// Tells what waited for `looked_up`. What is unresolved after that is told by its name alone.
    pub async fn settle(
        &self,
        context: Arc<StoreContext>,
        looked_up: Vec<LookedUp>,
        now: Timestamp,
    ) -> Result<Ingested, DbError> {
        self.worker
            .call(Priority::Ingest, move |connection| {
                let transaction = connection.transaction().during("begin to settle")?;
                let ingest = Ingest { connection: &transaction, context: &context, now };
                ingest.learn(looked_up)?;
                // What a refresh has found so far waits for its end, whatever was asked before it began.
                let change_sets = match context.refresh().stage {
                    Stage::Over => ingest.settle_waiting()?,
                    Stage::UnderWay => 0,
                };
                transaction.commit().during("commit what was settled")?;
                Ok(Ingested { readings: 0, change_sets, unresolved: Vec::new() })
            })
            .await
    }

    /// The watched entries that a complete present phase ending with `present` would take as gone.
    pub async fn absent(
        &self,
        context: Arc<StoreContext>,
        present: Vec<EntryId>,
    ) -> Result<Vec<EntryId>, DbError> {
        self.worker
            .call(Priority::Ingest, move |connection| {
                let mirror = StoreMirror { connection, store: context.no, schema: &context.schema };
                let present: BTreeSet<EntryId> = present.into_iter().collect();
                let refresh = context.refresh();
                let mut absent = mirror.inside(|no| !refresh.seen.has(no))?;
                absent.retain(|id| !present.contains(id));
                Ok(absent)
            })
            .await
    }
}

struct Ingest<'a> {
    connection: &'a Connection,
    context: &'a StoreContext,
    now: Timestamp,
}

impl Ingest<'_> {
    fn mirror(&self) -> StoreMirror<'_> {
        StoreMirror { connection: self.connection, store: self.context.no, schema: &self.context.schema }
    }

    fn batch(&self, observations: Vec<Observation>, phase: Phase) -> Result<Ingested, DbError> {
        let missing = stores::baseline(self.connection, self.context.no)? == Baseline::Missing;
        match (phase, missing) {
            (Phase::RefreshBegins, true) => {
                *self.context.refresh() = Refresh::begun();
                baseline::begin(self.connection, self.context.no)?;
                self.load(observations)
            }
            (Phase::RefreshBegins, false) => {
                *self.context.refresh() = Refresh::begun();
                self.compare(observations, phase)
            }
            (Phase::Refresh, true) => self.load(observations),
            (Phase::RefreshEnds, true) => {
                let loaded = self.load(observations)?;
                self.refuse_nothing()?;
                baseline::finish(self.connection, self.context)?;
                *self.context.refresh() = Refresh::default();
                Ok(loaded)
            }
            (Phase::Refresh | Phase::RefreshEnds | Phase::Live, false) => self.compare(observations, phase),
            // A feed never goes live before its refresh has ended.
            (Phase::Live, true) => Ok(Ingested::default()),
        }
    }

    fn load(&self, observations: Vec<Observation>) -> Result<Ingested, DbError> {
        let mut refresh = self.context.refresh();
        let entries = baseline::load(self.connection, self.context, &mut refresh.names, observations)?;
        refresh.shown += entries;
        Ok(Ingested { readings: entries, ..Ingested::default() })
    }

    fn compare(&self, observations: Vec<Observation>, phase: Phase) -> Result<Ingested, DbError> {
        let mut ingested = Ingested { readings: observations.len() as u64, ..Ingested::default() };
        for observation in observations {
            self.mark_shown(&observation)?;
            let complete = matches!(&observation, Observation::Present(set) if set.complete);
            ingested.change_sets += self.take_in(&observation, phase)?;
            if complete {
                self.remove_absent(phase)?;
            }
        }
        if phase == Phase::RefreshEnds {
            self.mean_anew()?;
            self.context.refresh().stage = Stage::Over;
        }
        if phase == Phase::RefreshEnds || phase == Phase::Live {
            let waiting = self.findings()?;
            ingested.unresolved = self.unresolved(&waiting)?;
            if ingested.unresolved.is_empty() && !waiting.is_empty() {
                ingested.change_sets += self.settle_waiting()?;
            }
        }
        Ok(ingested)
    }

    /// One observation: rows at once; events at once where nothing has to be waited for.
    fn take_in(&self, observation: &Observation, phase: Phase) -> Result<usize, DbError> {
        let mirror = self.mirror();
        let comparison = Comparison {
            schema: &self.context.schema,
            base: &self.context.base,
            member_cap: self.context.member_cap,
            phase,
        };
        let effects = reconcile(observation, &comparison, &mirror)?;
        let mut inserted = None;
        let mut refresh = self.context.refresh();
        for write in &effects.writes {
            let stands = |no| refresh.stage == Stage::UnderWay && refresh.imaged.has(no);
            inserted = mirror.apply(write, &stands)?.or(inserted);
        }
        if let Some(no) = inserted {
            refresh.seen.mark(no);
            refresh.imaged.mark(no);
        }
        drop(refresh);
        let Some(mut finding) = effects.finding else { return Ok(0) };
        if finding.found == Found::Created && finding.no == EntryNo(0) {
            finding.no = inserted.expect("a created entry was inserted");
        }
        let findings = vec![finding];
        let at_once = phase == Phase::Live && !self.is_waiting()? && self.unresolved(&findings)?.is_empty();
        if at_once {
            return self.tell(findings);
        }
        self.wait(&findings)?;
        Ok(0)
    }

    fn mark_shown(&self, observation: &Observation) -> Result<(), DbError> {
        let mut refresh = self.context.refresh();
        match observation {
            Observation::Entry(observed) => {
                refresh.shown += 1;
                if let Some(no) = self.mirror().no_of(observed.id)? {
                    refresh.seen.mark(no);
                    refresh.imaged.mark(no);
                }
                Ok(())
            }
            Observation::Present(set) => {
                refresh.shown += set.ids.len() as u64;
                for id in &set.ids {
                    if let Some(no) = self.mirror().no_of(*id)? {
                        refresh.seen.mark(no);
                    }
                }
                Ok(())
            }
            Observation::Delta(_) | Observation::Delete(_) | Observation::Rename(_) => Ok(()),
        }
    }

    /// "These and no others exist."
    fn remove_absent(&self, phase: Phase) -> Result<(), DbError> {
        self.refuse_nothing()?;
        let absent: Vec<EntryId> = {
            let refresh = self.context.refresh();
            // Rights may be taken from all but the containers.
            if !self.mirror().shows_anyone(|no| refresh.seen.has(no))? {
                return Err(DbError::NothingShown);
            }
            self.mirror().inside(|no| !refresh.seen.has(no))?
        };
        for id in absent {
            let gone = Observation::Delete(Delete { id, origin: Origin::default() });
            self.take_in(&gone, phase)?;
        }
        Ok(())
    }

    /// A refresh may show a group before the entry that has its member's name now. At its end every name in an
    /// image means who bears it then.
    fn mean_anew(&self) -> Result<(), DbError> {
        let mirror = self.mirror();
        let links = mirror.links_by_borne_names()?;
        for (holder, link) in links {
            if !self.context.refresh().imaged.has(holder) {
                continue;
            }
            let was = match meant_anew(&mirror, &link)? {
                Anew::Nobody => continue,
                Anew::InsteadOfTheDead => None,
                Anew::InsteadOf(no) => mirror.by_no(no)?,
            };
            let (role, key) = (link.role, link.key);
            mirror.apply(&Write::Revive { entry: holder, role, key }, &|_| false)?;
            self.find_anew(holder, &link, was)?;
        }
        Ok(())
    }

    /// Adds to what was found of `holder` in this refresh that one of its links means somebody else.
    fn find_anew(&self, holder: EntryNo, link: &KnownLink, was: Option<KnownEntry>) -> Result<(), DbError> {
        let mirror = self.mirror();
        let (Some(entry), Some(bearer)) = (mirror.by_no(holder)?, mirror.by_name(link.key)?.pop()) else {
            return Ok(());
        };
        let schema = &self.context.schema;
        let (seq, mut finding) = match self.last_waiting(holder)? {
            Some((seq, finding)) => (Some(seq), finding),
            None => (None, Finding::unchanged(holder, mark_entry(schema, &entry))),
        };
        if !finding.came.iter().any(|came| came.role() == link.role && came.key == link.key) {
            finding.means_anew(link, name_entry(schema, &bearer), was.map(|was| name_entry(schema, &was)));
        }
        match seq {
            Some(seq) => self.rewrite(seq, &finding),
            None => self.wait(&[finding]),
        }
    }

    fn last_waiting(&self, holder: EntryNo) -> Result<Option<(i64, Finding)>, DbError> {
        let waiting = self.waiting()?;
        Ok(waiting.into_iter().rev().find(|(_, finding)| finding.no == holder))
    }

    fn rewrite(&self, seq: i64, finding: &Finding) -> Result<(), DbError> {
        self.connection
            .prepare_cached("UPDATE finding SET facts = ?2 WHERE seq = ?1")
            .and_then(|mut s| s.execute(params![seq, to_json(finding)]))
            .during("store a finding")
            .map(drop)
    }

    /// A directory that shows nothing at all hides it: that is never a mass removal, and never a baseline.
    fn refuse_nothing(&self) -> Result<(), DbError> {
        if self.context.refresh().shown == 0 {
            return Err(DbError::NothingShown);
        }
        Ok(())
    }

    fn learn(&self, looked_up: Vec<LookedUp>) -> Result<(), DbError> {
        let mirror = self.mirror();
        for name in looked_up {
            match name.entry {
                Some(observed) => mirror.learn(name.key, &outside(&observed))?,
                None => mirror.note_looked_up(name.key)?,
            }
        }
        Ok(())
    }

    fn unresolved(&self, findings: &[Finding]) -> Result<Vec<(NameKey, Dn)>, DbError> {
        Ok(unresolved(findings, &self.mirror())?.into_iter().collect())
    }

    fn is_waiting(&self) -> Result<bool, DbError> {
        self.connection
            .prepare_cached("SELECT 1 FROM finding WHERE store = ?1 LIMIT 1")
            .and_then(|mut s| s.exists([self.context.no.0]))
            .during("look for findings")
    }

    fn waiting(&self) -> Result<Vec<(i64, Finding)>, DbError> {
        self.connection
            .prepare_cached("SELECT seq, facts FROM finding WHERE store = ?1 ORDER BY seq")
            .and_then(|mut s| {
                s.query_map([self.context.no.0], |row| Ok((row.get(0)?, json_at(row, 1)?)))?.collect()
            })
            .during("read findings")
    }

    fn findings(&self) -> Result<Vec<Finding>, DbError> {
        Ok(self.waiting()?.into_iter().map(|(_, finding)| finding).collect())
    }

    fn wait(&self, findings: &[Finding]) -> Result<(), DbError> {
        for finding in findings {
            self.connection
                .prepare_cached("INSERT INTO finding (store, facts) VALUES (?1, ?2)")
                .and_then(|mut s| s.execute(params![self.context.no.0, to_json(finding)]))
                .during("store a finding")?;
        }
        Ok(())
    }

    fn settle_waiting(&self) -> Result<usize, DbError> {
        let findings = self.findings()?;
        let told = self.tell(findings)?;
        self.connection
            .execute("DELETE FROM finding WHERE store = ?1", [self.context.no.0])
            .during("empty findings")?;
        Ok(told)
    }

    fn tell(&self, findings: Vec<Finding>) -> Result<usize, DbError> {
        let order = ContextV7::new();
        let (seconds, nanos) = (self.now.as_second(), self.now.subsec_nanosecond());
        let mut new_id = || {
            let stamp = uuid::Timestamp::from_unix(&order, seconds.unsigned_abs(), nanos.unsigned_abs());
            Uuid::new_v7(stamp)
        };
        let sets = settle(findings, self.now, &self.context.schema, &self.mirror(), &mut new_id)?;
        for set in &sets {
            self.insert_change_set(set)?;
        }
        Ok(sets.len())
    }

    fn insert_change_set(&self, set: &ChangeSet) -> Result<(), DbError> {
        self.connection
            .prepare_cached("INSERT INTO change_set (id, store, seen) VALUES (?1, ?2, ?3)")
            .and_then(|mut s| s.execute(params![set.id.0.as_bytes(), self.context.no.0, micros(self.now)]))
            .during("store a change set")?;
        let seq = self.connection.last_insert_rowid();
        for event in &set.events {
            self.connection
                .prepare_cached("INSERT INTO event (id, change_set, time, facts) VALUES (?1, ?2, ?3, ?4)")
                .and_then(|mut s| {
                    s.execute(params![event.id.0.as_bytes(), seq, micros(event.time), to_json(event)])
                })
                .during("store an event")?;
        }
        self.note_lag(set)
    }

    fn note_lag(&self, set: &ChangeSet) -> Result<(), DbError> {
        let Some(event) = set.events.first() else { return Ok(()) };
        let lag = micros(self.now).saturating_sub(micros(event.time)).max(0);
        self.connection
            .prepare_cached("UPDATE store SET lag_us = ?2 WHERE no = ?1")
            .and_then(|mut s| s.execute(params![self.context.no.0, lag]))
            .during("store the lag")
            .map(drop)
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
