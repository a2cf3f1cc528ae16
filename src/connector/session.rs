//! One authenticated connection to one server.
//!
//! The LDAP crate's channels have no bound. Its driver is therefore never spawned but polled by whoever
//! waits for an answer, and only when nothing is left to take: while readings are being stored nobody reads
//! the socket, and TCP holds the server back.

mod heartbeat;
mod vigil;

use std::{
    future::{pending, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, ResultEntry, Scope, SearchOptions,
    StdStream, controls::RawControl, exop::WhoAmI, result::ExopResult,
};
use secrecy::ExposeSecret;
use tokio::{
    net::UnixStream,
    task::coop::unconstrained,
    time::{Instant, sleep_until, timeout},
};

use self::heartbeat::Heartbeat;
pub use self::vigil::{Newest, Vigil};
use super::{
    error::{Answer, Problem, code},
    guard::{Ended, Guard, Limits, Wire},
    settings::{Bind, ConnectorSettings, ServerUrl},
    timing::Timing,
    transport,
};
use crate::directory::dn::Dn;

/// How long the guard may take to say why the connection ended, and how long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Bytes that the server may send while one question, or some side by side, are answered. Each takes up to
/// three times as much behind the guard. Larger than the largest message.
const MOST_ANSWERED: usize = 256 << 20;

type Driver = Pin<Box<dyn Future<Output = Result<(), LdapError>> + Send>>;

/// A bound connection.
pub struct Session {
    ldap: Ldap,
    /// `None`: it has ended, and must not be polled again.
    driver: Option<Driver>,
    guard: Guard,
    heartbeat: Heartbeat,
    /// Over the search that follows the content, once its refresh is over.
    vigil: Option<Vigil>,
    timing: Timing,
    identity: Option<Dn>,
}

/// A search.
#[derive(Debug, Clone)]
pub struct Search {
    pub base: String,
    pub scope: Scope,
    pub filter: String,
    pub attributes: Arc<[String]>,
    pub controls: Vec<RawControl>,
    /// Entries at most; 0: the server's choice.
    pub size_limit: i32,
}

impl Search {
    /// The entry `base` alone.
    pub fn entry(base: &str, attributes: Arc<[String]>) -> Self {
        Self {
            base: base.to_owned(),
            scope: Scope::Base,
            filter: "(objectClass=*)".to_owned(),
            attributes,
            controls: Vec::new(),
            size_limit: 0,
        }
    }

    /// Sends the search. The driver must be polled meanwhile.
    async fn start(self, ldap: &Ldap) -> Result<SearchStream, LdapError> {
        ldap.clone()
            .with_controls(self.controls)
            .with_search_options(SearchOptions::new().sizelimit(self.size_limit))
            .streaming_search(&self.base, self.scope, &self.filter, self.attributes)
            .await
    }

    /// Sends the search and takes the first entry it finds.
    pub async fn first(self, mut ldap: Ldap) -> Result<Found, LdapError> {
        let mut stream = self.start(&ldap).await?;
        let mut entry = None;
        let mut references = 0;
        while let Some(item) = stream.next().await? {
            if item.is_ref() || item.is_intermediate() {
                references += usize::from(item.is_ref());
                continue;
            }
            if entry.is_some() {
                // What more there is is not wanted; without both of these the crate would keep it in mind.
                let id = stream.ldap_handle().last_id();
                stream.finish().await;
                ldap.abandon(id).await?;
                return Ok(Found {
                    entry,
                    references,
                    answer: Answer { code: code::SUCCESS, text: String::new() },
                });
            }
            entry = Some(item);
        }
        Ok(Found { entry, references, answer: stream.finish().await.into() })
    }
}

/// What a small search found.
#[derive(Debug)]
pub struct Found {
    pub entry: Option<ResultEntry>,
    /// Parts of the tree that lie on other servers (RFC 4511, section 4.5.3).
    pub references: usize,
    pub answer: Answer,
}

type SearchStream = ldap3::SearchStream<'static, String, Arc<[String]>>;

/// A search under way.
pub struct Stream(SearchStream);

/// What comes of a search.
#[derive(Debug)]
pub enum Event {
    /// An entry, a reference or an intermediate message.
    Item(ResultEntry),
    /// The end.
    End(Answer),
}

impl Session {
    /// Connects to `url` and binds.
    pub async fn open(
        url: &ServerUrl,
        settings: &ConnectorSettings,
        timing: Timing,
    ) -> Result<Self, Problem> {
        let wire = transport::connect(url, &settings.tls, &timing).await?;
        Self::over(wire, &settings.bind, timing).await
    }

    /// Binds on a connection that stands.
    pub async fn over(wire: Box<dyn Wire>, bind: &Bind, timing: Timing) -> Result<Self, Problem> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(Problem::Connect)?;
        ours.set_nonblocking(true).map_err(Problem::Connect)?;
        let ours = UnixStream::from_std(ours).map_err(Problem::Connect)?;
        let guard = Guard::between(wire, ours, Limits::DEFAULT);

        let given = LdapConnSettings::new().set_std_stream(StdStream::Unix(theirs));
        // The address stands for the stream that is given; nothing is opened.
        let (connection, ldap) = LdapConnAsync::with_settings(given, "ldapi:///")
            .await
            .map_err(|error| Problem::Request("connection", error.into()))?;
        let heartbeat = Heartbeat::new(timing.heartbeat, timing.refresh);
        let driver: Driver = Box::pin(connection.drive());
        let mut session =
            Self { ldap, driver: Some(driver), guard, heartbeat, vigil: None, timing, identity: None };
        session.bind(bind).await?;
        session.identity = session.who_am_i().await?.or_else(|| named_in(bind));
        Ok(session)
    }

    /// Whom the server takes us for. `None`: anonymous, or the server does not say.
    pub fn identity(&self) -> Option<&Dn> {
        self.identity.as_ref()
    }

    /// What `olcLimits` calls our account (slapd.conf(5)).
    pub fn who(&self, bind: &Bind) -> String {
        match (&self.identity, bind) {
            (Some(dn), _) => format!("dn.exact=\"{dn}\""),
            (None, Bind::Simple { dn, .. }) => format!("dn.exact=\"{dn}\""),
            (None, Bind::External) => "users".to_owned(),
            (None, Bind::Anonymous) => "anonymous".to_owned(),
        }
    }

    async fn bind(&mut self, bind: &Bind) -> Result<(), Problem> {
        let mut ldap = self.ldap.clone();
        let result = match bind {
            Bind::Simple { dn, password } => {
                self.call("bind", ldap.simple_bind(dn, password.expose_secret())).await?
            }
            Bind::External => self.call("bind", ldap.sasl_external_bind()).await?,
            Bind::Anonymous => self.call("bind", ldap.simple_bind("", "")).await?,
        };
        let answer = Answer::from(result);
        if answer.code == code::SUCCESS { Ok(()) } else { Err(Problem::BindRefused(answer)) }
    }

    /// RFC 4532. A server that does not know the operation is not at fault.
    async fn who_am_i(&mut self) -> Result<Option<Dn>, Problem> {
        let mut ldap = self.ldap.clone();
        let ExopResult(said, _) = self.call("who am I", ldap.extended(WhoAmI)).await?;
        let identity = said.val.unwrap_or_default();
        let identity = str::from_utf8(&identity).ok().and_then(|text| text.strip_prefix("dn:"));
        Ok(identity.filter(|text| !text.is_empty()).and_then(|text| Dn::parse(text).ok()))
    }

    /// Awaits `work`, which talks to the server, and polls the driver meanwhile.
    pub async fn call<T>(
        &mut self,
        during: &'static str,
        work: impl Future<Output = Result<T, LdapError>>,
    ) -> Result<T, Problem> {
        let limit = self.timing.request;
        let Self { driver, guard, .. } = self;
        let end = guard.received().saturating_add(MOST_ANSWERED as u64);
        let outgrown = async {
            // Looked at whenever the driver was polled, which takes in little at a time.
            poll_fn(|_| if guard.received() > end { Poll::Ready(()) } else { Poll::Pending }).await;
        };
        let answered = async {
            tokio::select! {
                biased;
                () = outgrown => None,
                done = drive_while(driver, work) => Some(done),
            }
        };
        match timeout(limit, answered).await {
            Ok(Some(Ok(done))) => Ok(done),
            Ok(Some(Err(error))) => Err(self.failed(during, error).await),
            Ok(None) => Err(Problem::TooMuch { during, limit: MOST_ANSWERED }),
            Err(_) => Err(Problem::TimedOut { awaited: during, limit }),
        }
    }

    /// Runs a search for one entry.
    pub async fn find(&mut self, during: &'static str, search: Search) -> Result<Found, Problem> {
        let ldap = self.ldap.clone();
        self.call(during, search.first(ldap)).await
    }

    /// A handle for requests that are made side by side, within [`Session::call`].
    pub fn handle(&self) -> Ldap {
        self.ldap.clone()
    }

    /// Begins a search that may find anything.
    pub async fn follow(&mut self, during: &'static str, search: Search) -> Result<Stream, Problem> {
        let ldap = self.ldap.clone();
        self.heartbeat.rest();
        self.call(during, search.start(&ldap)).await.map(Stream)
    }

    /// Waits for the next event, until `until` at most; `None`: none came by then. Notices a frozen server.
    pub async fn next(
        &mut self,
        stream: &mut Stream,
        until: Option<Instant>,
    ) -> Result<Option<Event>, Problem> {
        loop {
            let Self { driver, heartbeat, vigil, guard, ldap, .. } = self;
            let item = tokio::select! {
                biased;
                // First: a server that always has something to say is to be found out too.
                () = heartbeat.due() => {
                    heartbeat.beat(guard.received(), ldap)?;
                    if let Some(vigil) = vigil {
                        vigil.beat(ldap);
                    }
                    continue;
                }
                looked = looked(vigil) => {
                    looked?;
                    continue;
                }
                // Unconstrained: taking what is there must not be mistaken for nothing being there.
                item = unconstrained(stream.0.next()) => item,
                _ = run(driver), if driver.is_some() => {
                    *driver = None;
                    continue;
                }
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => return Ok(None),
            };
            return self.event(stream, item).await.map(Some);
        }
    }

    /// The next entry, or the end. What else comes is passed over, and not for ever.
    pub async fn next_entry(&mut self, stream: &mut Stream, during: &'static str) -> Result<Event, Problem> {
        let limit = self.timing.refresh;
        let until = Instant::now() + limit;
        while Instant::now() < until {
            match self.next(stream, Some(until)).await? {
                Some(Event::Item(item)) if item.is_ref() || item.is_intermediate() => (),
                Some(event) => {
                    self.rested();
                    return Ok(event);
                }
                None => break,
            }
        }
        Err(Problem::TimedOut { awaited: during, limit })
    }

    /// The next event, if it has come already.
    pub async fn next_ready(&mut self, stream: &mut Stream) -> Result<Option<Event>, Problem> {
        let driver = &mut self.driver;
        let item = poll_fn(|context| {
            if let Poll::Ready(item) = pin!(unconstrained(stream.0.next())).poll(context) {
                return Poll::Ready(Some(item));
            }
            if let Some(running) = driver
                && running.as_mut().poll(context).is_ready()
            {
                *driver = None;
            }
            match pin!(unconstrained(stream.0.next())).poll(context) {
                Poll::Ready(item) => Poll::Ready(Some(item)),
                Poll::Pending => Poll::Ready(None),
            }
        })
        .await;
        match item {
            Some(item) => self.event(stream, item).await.map(Some),
            None => Ok(None),
        }
    }

    /// Ends a search of which no more is wanted.
    pub async fn abandon(&mut self, mut stream: Stream) -> Result<(), Problem> {
        let id = stream.0.ldap_handle().last_id();
        let mut ldap = self.ldap.clone();
        // Without both of these the crate would keep it in mind.
        let ended = async {
            stream.0.finish().await;
            ldap.abandon(id).await
        };
        self.call("abandon", ended).await
    }

    /// To be called when something was received that gets us on, and was dealt with: nothing was asked of the
    /// session meanwhile, which is no silence of the server's.
    pub fn rested(&mut self) {
        self.heartbeat.rest();
    }

    /// From now on the search is given up, too, when the directory moves on without it.
    pub fn watch(&mut self, vigil: Vigil) {
        self.vigil = Some(vigil);
    }

    /// To be called when the search that is watched said something.
    pub fn got_on(&mut self, newest: &Newest) {
        if let Some(vigil) = &mut self.vigil {
            vigil.got_on(newest);
        }
    }

    async fn event(
        &mut self,
        stream: &mut Stream,
        item: Result<Option<ResultEntry>, LdapError>,
    ) -> Result<Event, Problem> {
        match item {
            Ok(Some(item)) => Ok(Event::Item(item)),
            Ok(None) => Ok(Event::End(LdapResult::into(stream.0.finish().await))),
            Err(error) => Err(self.failed("search", error).await),
        }
    }

    /// The crate only says that the connection is gone; the guard knows why.
    async fn failed(&mut self, during: &'static str, error: LdapError) -> Problem {
        match error {
            LdapError::Io { .. }
            | LdapError::OpSend { .. }
            | LdapError::ResultRecv { .. }
            | LdapError::IdScrubSend { .. }
            | LdapError::MiscSend { .. }
            | LdapError::EndOfStream => {
                let cause = self.guard.ended(FAREWELL).await;
                Problem::Lost { during, cause }
            }
            other => Problem::Request(during, other.into()),
        }
    }

    /// Says goodbye (RFC 4511, section 4.3), which also abandons what is under way.
    pub async fn close(mut self) -> Ended {
        let mut ldap = self.ldap.clone();
        let _ = timeout(FAREWELL, drive_while(&mut self.driver, ldap.unbind())).await;
        drop(self.driver);
        self.guard.ended(FAREWELL).await
    }
}

/// Polls the driver while `work` waits. When the driver has ended, whatever waits for it is told so by the
/// crate.
async fn drive_while<T>(driver: &mut Option<Driver>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if driver.is_some() {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = run(driver) => *driver = None,
        }
    }
    work.await
}

async fn looked(vigil: &mut Option<Vigil>) -> Result<(), Problem> {
    match vigil {
        Some(vigil) => vigil.looked().await,
        None => pending().await,
    }
}

async fn run(driver: &mut Option<Driver>) -> Result<(), LdapError> {
    match driver {
        Some(running) => running.await,
        None => Ok(()),
    }
}

fn named_in(bind: &Bind) -> Option<Dn> {
    match bind {
        Bind::Simple { dn, .. } => Dn::parse(dn).ok(),
        Bind::External | Bind::Anonymous => None,
    }
}
