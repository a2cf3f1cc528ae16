//! What the messages of RFC 4533 mean, without the network.

use std::mem;

use crate::{
    connector::{
        controls::{Cookie, State, SyncInfo, SyncState},
        decode::Entry,
        error::Problem,
        feed::{
            horizon::{Horizon, Shown},
            origin::actor,
        },
        session::Newest,
    },
    directory::{
        batch::{Batch, Delete, Image, Origin, Phase, PresentSet, Reading},
        checkpoint::Checkpoint,
        dn::Dn,
        entry::{EntryId, Stamp},
        time::csn_time,
    },
};

/// A batch is full when it has so many readings, or so many bytes. Some batches are always under way: one
/// being filled, one being stored, and what the channel between them holds.
const MAX_READINGS: usize = 1024;
const MAX_BYTES: usize = 1 << 20;

/// One message of the search.
#[derive(Debug)]
pub enum Message {
    /// With its sync state control.
    Entry(SyncState, Entry),
    /// A sync info message.
    Info(SyncInfo),
}

/// Whether more may be gathered before the batches are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// There is room.
    Room,
    /// Take the batches now.
    Full,
}

/// The content synchronisation of one connection.
#[derive(Debug)]
pub struct Content {
    resumed: Resumed,
    ourselves: Option<Dn>,
    horizon: Horizon,
    newest: Newest,
    stage: Stage,
    ready: Vec<Batch>,
    readings: Vec<Reading>,
    bytes: usize,
    checkpoint: Option<Checkpoint>,
}

/// What the search began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// A cookie: what did not change may be passed over.
    FromCookie,
    /// Nothing: everything there is will be shown.
    FromNothing,
}

/// RFC 4533, section 3.4.
#[derive(Debug)]
enum Stage {
    /// No message has come yet.
    Asked,
    /// Section 3.3.2 and 3.4.1. What comes is arbitrary in order, and told as a whole.
    Refresh(Refresh),
    /// Section 3.4.2.
    Persist,
}

#[derive(Debug, Default)]
struct Refresh {
    cookie: Option<Cookie>,
    /// What is absent does not exist: said at the end of a present phase.
    absence_said: bool,
}

impl Refresh {
    /// L4: the last that covers something is kept.
    fn note(&mut self, cookie: Option<Cookie>) {
        if let Some(cookie) = cookie.filter(Cookie::covers_something) {
            self.cookie = Some(cookie);
        }
    }
}

impl Content {
    /// `ourselves`: never named as the one who made a change. `shown`: the last checkpoint that was stored,
    /// though the server may have refused it.
    pub fn new(resumed: Resumed, ourselves: Option<Dn>, shown: Option<&Checkpoint>) -> Self {
        Self {
            resumed,
            ourselves,
            horizon: Horizon::of(shown),
            newest: Newest::default(),
            stage: Stage::Asked,
            ready: Vec::new(),
            readings: Vec::new(),
            bytes: 0,
            checkpoint: None,
        }
    }

    /// Whether the refresh has not ended yet.
    pub fn is_refreshing(&self) -> bool {
        match self.stage {
            Stage::Asked | Stage::Refresh(_) => true,
            Stage::Persist => false,
        }
    }

    /// Whether nothing has come yet that belongs to a content synchronisation.
    pub fn is_unanswered(&self) -> bool {
        matches!(self.stage, Stage::Asked)
    }

    /// The newest changes that were shown since the connection began.
    pub fn newest(&self) -> &Newest {
        &self.newest
    }

    /// What the search began with.
    pub fn resumed(&self) -> Resumed {
        self.resumed
    }

    /// Takes in the next message.
    pub fn accept(&mut self, message: Message) -> Flow {
        match mem::replace(&mut self.stage, Stage::Persist) {
            Stage::Asked => {
                self.close(Phase::RefreshBegins);
                self.refresh(Refresh::default(), message)
            }
            Stage::Refresh(refresh) => self.refresh(refresh, message),
            Stage::Persist => self.persist(message),
        }
    }

    /// A part of the tree lies elsewhere. During a refresh that part was not shown: what is absent may exist
    /// all the same, and no end of the refresh is to be believed.
    pub fn refer(&self) -> Result<Flow, Problem> {
        if self.is_refreshing() { Err(Problem::Referral) } else { Ok(self.flow()) }
    }

    /// The batches so far, in order.
    pub fn take_batches(&mut self) -> Vec<Batch> {
        if !self.readings.is_empty() || self.checkpoint.is_some() {
            self.close(if self.is_refreshing() { Phase::Refresh } else { Phase::Live });
        }
        mem::take(&mut self.ready)
    }

    fn refresh(&mut self, mut refresh: Refresh, message: Message) -> Flow {
        let mut done = false;
        match message {
            Message::Entry(sync, entry) => self.read_refreshed(&sync, entry),
            Message::Info(SyncInfo::NewCookie(cookie)) => refresh.note(Some(cookie)),
            Message::Info(SyncInfo::Present { ids, cookie: _ }) => self.read_present(ids),
            Message::Info(SyncInfo::Deleted { ids, cookie }) => self.read_deleted(ids, cookie.as_ref()),
            Message::Info(SyncInfo::RefreshPresent { cookie, done: is_last }) => {
                refresh.note(cookie);
                self.say_absence(&mut refresh);
                done = is_last;
            }
            Message::Info(SyncInfo::RefreshDelete { cookie, done: is_last }) => {
                refresh.note(cookie);
                done = is_last;
            }
        }
        if done {
            return self.end(refresh);
        }
        self.stage = Stage::Refresh(refresh);
        self.flow()
    }

    /// "These and no others": what was neither shown nor named since the refresh began is gone.
    fn say_absence(&mut self, refresh: &mut Refresh) {
        self.readings.push(Reading::PresentSet(PresentSet { ids: Vec::new(), complete: true }));
        refresh.absence_said = true;
    }

    fn end(&mut self, mut refresh: Refresh) -> Flow {
        if self.resumed == Resumed::FromNothing && !refresh.absence_said {
            self.say_absence(&mut refresh);
        }
        if let Some(cookie) = &refresh.cookie {
            self.horizon.move_to(cookie);
            self.newest.note_all(cookie);
        }
        self.checkpoint = refresh.cookie.as_ref().and_then(Cookie::checkpoint);
        self.close(Phase::RefreshEnds);
        self.stage = Stage::Persist;
        Flow::Full
    }

    fn read_refreshed(&mut self, sync: &SyncState, entry: Entry) {
        match sync.state {
            State::Present => self.read_present(vec![sync.id]),
            State::Delete => self.read_deleted(vec![sync.id], sync.cookie.as_ref()),
            State::Add | State::Modify => {
                // Who made the last of the changes since the checkpoint did not make all of them.
                let origin = Origin { time: time_of(entry.csn.as_deref()), actor: None };
                if !self.read_image(sync.id, entry, origin, Shown::Afterwards) {
                    self.read_present(vec![sync.id]);
                }
            }
        }
    }

    fn persist(&mut self, message: Message) -> Flow {
        let cookie = match message {
            Message::Entry(sync, entry) => {
                self.read_live(&sync, entry);
                sync.cookie
            }
            Message::Info(SyncInfo::NewCookie(cookie)) => Some(cookie),
            Message::Info(SyncInfo::Deleted { ids, cookie }) => {
                self.read_deleted(ids, cookie.as_ref());
                cookie
            }
            // Ends of phases and existing entries mean nothing once the refresh is over.
            Message::Info(
                SyncInfo::RefreshDelete { .. } | SyncInfo::RefreshPresent { .. } | SyncInfo::Present { .. },
            ) => None,
        };
        if let Some(cookie) = cookie {
            self.horizon.move_to(&cookie);
            self.newest.note_all(&cookie);
            self.checkpoint = cookie.checkpoint().or(self.checkpoint.take());
        }
        self.flow()
    }

    fn read_live(&mut self, sync: &SyncState, entry: Entry) {
        match sync.state {
            State::Present => (),
            State::Delete => self.read_deleted(vec![sync.id], sync.cookie.as_ref()),
            State::Add | State::Modify => {
                let origin =
                    Origin { time: time_of(entry.csn.as_deref()), actor: self.actor_of(sync, &entry) };
                // A message without a cookie shows its change all the same.
                if let Some(csn) = &entry.csn {
                    self.newest.note(csn);
                }
                self.read_image(sync.id, entry, origin, Shown::AtOnce);
            }
        }
    }

    /// Under concurrent writers slapd merges changes into one message, which then shows the last writer; a
    /// name is believed only where the message is about the very change that the entry shows.
    fn actor_of(&self, sync: &SyncState, entry: &Entry) -> Option<Dn> {
        let csn = entry.csn.as_deref()?;
        let about_this_change = sync.cookie.as_ref()?.csns().any(|said| said == csn);
        let modifier = entry.modifiers_name.as_ref()?;
        if about_this_change { actor(modifier, self.ourselves.as_ref()) } else { None }
    }

    /// `false`: its name is no DN, which no server should send; there is nothing to hand it on under. The
    /// entry is passed over with a warning: an error would come again with every connection, and stop
    /// everything else.
    fn read_image(&mut self, id: EntryId, entry: Entry, origin: Origin, shown: Shown) -> bool {
        let existence = self.horizon.judge(&entry, shown);
        let dn = match entry.dn {
            Ok(dn) => dn,
            Err(not_a_dn) => {
                tracing::warn!(entry.id = %id, error = not_a_dn.reason, "passed over an entry without a readable name");
                return false;
            }
        };
        self.bytes += entry.size;
        let stamp = entry.csn.as_deref().map(Stamp::from_csn);
        let attributes = entry.attributes;
        self.readings.push(Reading::Image(Image { id, dn, stamp, origin, existence, attributes }));
        true
    }

    fn read_present(&mut self, ids: Vec<EntryId>) {
        self.bytes += ids.len() * size_of::<EntryId>();
        match self.readings.last_mut() {
            Some(Reading::PresentSet(PresentSet { ids: known, complete: false })) => known.extend(ids),
            Some(
                Reading::PresentSet(PresentSet { complete: true, .. })
                | Reading::Image(_)
                | Reading::Delta(_)
                | Reading::Delete(_)
                | Reading::Rename(_),
            )
            | None => self.readings.push(Reading::PresentSet(PresentSet { ids, complete: false })),
        }
    }

    fn read_deleted(&mut self, ids: Vec<EntryId>, cookie: Option<&Cookie>) {
        let csns = cookie.into_iter().flat_map(Cookie::csns);
        let time = csns.filter_map(|csn| time_of(Some(csn))).max();
        self.bytes += ids.len() * size_of::<Delete>();
        self.readings.extend(
            ids.into_iter().map(|id| Reading::Delete(Delete { id, origin: Origin { time, actor: None } })),
        );
    }

    fn flow(&self) -> Flow {
        if self.readings.len() >= MAX_READINGS || self.bytes >= MAX_BYTES { Flow::Full } else { Flow::Room }
    }

    fn close(&mut self, phase: Phase) {
        self.bytes = 0;
        self.ready.push(Batch {
            readings: mem::take(&mut self.readings),
            phase,
            checkpoint: self.checkpoint.take(),
        });
    }
}

fn time_of(csn: Option<&str>) -> Option<jiff::Timestamp> {
    csn.and_then(|csn| csn_time(csn).ok())
}

#[cfg(test)]
mod tests;
