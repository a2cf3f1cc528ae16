//! RFC 4533, refreshAndPersist.

mod content;

use std::time::Duration;

use ldap3::Scope;
use tokio::time::Instant;

use self::content::{Content, Flow, Message, Resumed};
use super::{Feed, Outlet};
use crate::{
    connector::{
        controls::{Cookie, SyncInfo, SyncState, sync_request},
        decode::{DecodeError, Entry},
        error::{Answer, Problem, code},
        session::{Event, Search, Session, Stream, Vigil},
        settings::Bind,
        timing::Timing,
        wanted::WantedAttributes,
    },
    directory::{checkpoint::Checkpoint, dn::Dn},
};

/// Follows one search base.
#[derive(Debug)]
pub struct Syncrepl<'a> {
    /// Where the watched tree begins.
    pub base: &'a Dn,
    /// What is asked for.
    pub wanted: &'a WantedAttributes,
    /// The last checkpoint that was stored, whether or not it can still be used.
    pub shown: Option<&'a Checkpoint>,
    /// For the advice on limits.
    pub bind: &'a Bind,
    /// Waits.
    pub timing: Timing,
    /// Where the server says how far it is, and for how many heartbeats it may be further than what it shows.
    /// `None`: it does not say.
    pub overdue: Option<(&'a Dn, u32)>,
}

impl Feed for Syncrepl<'_> {
    async fn follow(
        &self,
        session: &mut Session,
        from: Option<Checkpoint>,
        outlet: &mut Outlet,
    ) -> Result<(), Problem> {
        let cookie = from.and_then(|checkpoint| Cookie::of(&checkpoint)).map(Cookie::into_bytes);
        let resumed = if cookie.is_some() { Resumed::FromCookie } else { Resumed::FromNothing };
        let mut content = Content::new(resumed, session.identity().cloned(), self.shown);
        let mut stream = session.follow("search", self.search(cookie)).await?;
        if let Some((suffix, patience)) = self.overdue {
            session.watch(Vigil::new(suffix.clone(), self.base.clone(), patience));
        }
        let mut got_on = Instant::now();
        loop {
            let first = self.first(session, &mut stream, &content, got_on).await?;
            let gathered = self.gather(session, &mut stream, &mut content, first).await;
            // Also what came before an error: read again later, it would no longer say who did it.
            let batches = content.take_batches();
            let says_something = !batches.is_empty();
            for batch in batches {
                if outlet.hand_on(batch).await.is_err() {
                    return Ok(());
                }
            }
            gathered?;
            // Messages that say nothing may come for ever.
            if says_something {
                session.rested();
                got_on = Instant::now();
                if !content.is_refreshing() {
                    session.got_on(content.newest());
                }
            }
        }
    }
}

impl Syncrepl<'_> {
    /// Asks whether the server is behind `known`, which is [`Problem::WentBack`]. It says so at once or begins to
    /// show what happened since, and that is not read.
    pub async fn refuse_behind(&self, session: &mut Session, known: &Checkpoint) -> Result<(), Problem> {
        let Some(cookie) = Cookie::of(known) else { return Ok(()) };
        let mut stream = session.follow("search", self.search(Some(cookie.into_bytes()))).await?;
        let limit = self.timing.request;
        match session.next(&mut stream, Some(Instant::now() + limit)).await? {
            None => Err(Problem::TimedOut { awaited: "search", limit }),
            Some(Event::End(answer)) if answer.code == code::UNWILLING_TO_PERFORM => {
                Err(Problem::WentBack(answer))
            }
            // Whatever else stands in the way is met again when everything is read.
            Some(Event::End(_)) => Ok(()),
            Some(Event::Item(_)) => session.abandon(stream).await,
        }
    }

    /// The size limit asked for is the largest there is: slapd then grants the account's hard limit, where
    /// without one it grants the soft limit, which is lower.
    fn search(&self, cookie: Option<Vec<u8>>) -> Search {
        Search {
            base: self.base.as_str().to_owned(),
            scope: Scope::Subtree,
            filter: "(objectClass=*)".to_owned(),
            attributes: self.wanted.requested(),
            controls: sync_request(cookie),
            size_limit: i32::MAX,
        }
    }

    /// Waits for a message; in a refresh not longer after the last that got us on than it may take.
    async fn first(
        &self,
        session: &mut Session,
        stream: &mut Stream,
        content: &Content,
        got_on: Instant,
    ) -> Result<Event, Problem> {
        let limit = self.timing.refresh;
        let until = content.is_refreshing().then(|| got_on + limit);
        let late = || Problem::TimedOut { awaited: "refresh", limit };
        if until.is_some_and(|until| until <= Instant::now()) {
            return Err(late());
        }
        session.next(stream, until).await?.ok_or_else(late)
    }

    /// Takes `first` and what follows it closely, so that many changes share one batch and a single one is
    /// handed on at once. A refresh is told as a whole at its end; there is time to fill the batches.
    async fn gather(
        &self,
        session: &mut Session,
        stream: &mut Stream,
        content: &mut Content,
        first: Event,
    ) -> Result<(), Problem> {
        let mut flow = self.take(session, content, first)?;
        let until = Instant::now() + self.patience(content);
        // What is there already is taken beyond that, but messages that say nothing may come for ever.
        let latest = until + self.timing.refresh;
        while flow == Flow::Room {
            let next = if !content.is_refreshing() {
                session.next_ready(stream).await?
            } else if Instant::now() < latest {
                session.next(stream, Some(until)).await?
            } else {
                None
            };
            let Some(event) = next else { return Ok(()) };
            flow = self.take(session, content, event)?;
        }
        Ok(())
    }

    fn patience(&self, content: &Content) -> Duration {
        if content.is_refreshing() { self.timing.gather } else { Duration::ZERO }
    }

    fn take(&self, session: &Session, content: &mut Content, event: Event) -> Result<Flow, Problem> {
        let item = match event {
            Event::Item(item) => item,
            Event::End(answer) => return Err(self.ended(answer, content, session)),
        };
        if item.is_ref() {
            return content.refer();
        }
        if item.is_intermediate() {
            return match SyncInfo::read(&item.0)? {
                Some(info) => Ok(content.accept(Message::Info(info))),
                None => Ok(Flow::Room),
            };
        }
        let sync = match SyncState::find(&item.1) {
            Err(DecodeError::NoSyncState) if content.is_unanswered() => return Err(Problem::SyncIgnored),
            sync => sync?,
        };
        let entry = Entry::decode(item.0, self.wanted)?;
        Ok(content.accept(Message::Entry(sync, entry)))
    }

    /// A search that follows the content ends only when something is wrong.
    fn ended(&self, answer: Answer, content: &Content, session: &Session) -> Problem {
        match answer.code {
            code::TIME_LIMIT_EXCEEDED | code::SIZE_LIMIT_EXCEEDED | code::ADMIN_LIMIT_EXCEEDED => {
                Problem::LimitReached { answer, who: session.who(self.bind) }
            }
            code::REFERRAL => Problem::Referral,
            code::UNAVAILABLE_CRITICAL_EXTENSION => Problem::SyncUnavailable(Some(answer)),
            code::NO_SUCH_OBJECT | code::INSUFFICIENT_ACCESS_RIGHTS | code::INVALID_DN_SYNTAX => {
                Problem::BaseUnreadable { base: self.base.to_string(), answer: Some(answer) }
            }
            code::SYNC_REFRESH_REQUIRED => Problem::CheckpointRefused(answer),
            code::SUCCESS if content.is_unanswered() => Problem::SyncIgnored,
            code::UNWILLING_TO_PERFORM if content.resumed() == Resumed::FromCookie => {
                Problem::WentBack(answer)
            }
            _ => Problem::SearchEnded(answer),
        }
    }
}
