//! Stands where the pipeline stands: takes what a connector hands on, and keeps the checkpoint.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use dirherald::{
    connector::{
        Basis, CheckpointSource, Connector, ConnectorError, Disposition, FeedEvent, RetryRange, Timing,
        settings::{Bind, ClientCertificate, ConnectorSettings, ServerUrl, TlsSettings},
    },
    directory::{
        attribute::AttributeName,
        batch::{Batch, Delete, Image, Phase, PresentSet, Reading},
        checkpoint::Checkpoint,
        dn::Dn,
        entry::EntryId,
    },
};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{scripted_ldap::ScriptedLdap, slapd::Slapd, wait};

/// The allow-list of these tests.
pub const WATCHED: [&str; 9] =
    ["objectClass", "cn", "uid", "mail", "manager", "member", "uniqueMember", "memberUid", "owner"];

/// As short as a loaded machine allows.
pub fn timing() -> Timing {
    let milliseconds = Duration::from_millis;
    Timing {
        connect: Duration::from_secs(10),
        request: Duration::from_secs(10),
        heartbeat: Duration::from_secs(30),
        refresh: Duration::from_secs(20),
        gather: milliseconds(100),
        retry: RetryRange { first: milliseconds(10), last: milliseconds(100) },
        slow_retry: RetryRange { first: milliseconds(50), last: milliseconds(200) },
        went_back: milliseconds(300),
    }
}

/// For tests that connect many times.
pub fn hasty() -> Timing {
    let milliseconds = Duration::from_millis;
    let retry = RetryRange { first: milliseconds(1), last: milliseconds(4) };
    Timing { gather: milliseconds(10), retry, slow_retry: retry, ..timing() }
}

/// Reads `url` as the configuration would.
pub fn server(url: &str) -> ServerUrl {
    if let Some(path) = url.strip_prefix("ldapi://") {
        return ServerUrl::Ldapi { path: PathBuf::from(path.replace("%2F", "/")) };
    }
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (host, port) = rest.rsplit_once(':').expect("a port");
    let (host, port) = (host.trim_matches(['[', ']']).to_owned(), port.parse().expect("a port"));
    match scheme {
        "ldap" => ServerUrl::Ldap { host, port },
        "ldaps" => ServerUrl::Ldaps { host, port },
        other => panic!("no scheme of ours: {other}"),
    }
}

pub fn simple(dn: &str, password: &str) -> Bind {
    Bind::Simple { dn: dn.to_owned(), password: password.into() }
}

/// The service account, in the clear.
pub fn settings(slapd: &Slapd) -> ConnectorSettings {
    ConnectorSettings {
        urls: vec![server(&slapd.url())],
        base_dn: Dn::parse(slapd.base()).unwrap(),
        exclude: Vec::new(),
        bind: simple(&slapd.service_dn(), Slapd::SERVICE_PASSWORD),
        tls: TlsSettings::default(),
    }
}

/// For a script that begins with `exchange::welcome("dc=x")`.
pub fn scripted_settings(scripted: &ScriptedLdap) -> ConnectorSettings {
    ConnectorSettings {
        urls: vec![server(&scripted.url())],
        base_dn: Dn::parse("dc=x").unwrap(),
        exclude: Vec::new(),
        bind: simple("cn=dirherald,dc=x", "secret"),
        tls: TlsSettings::default(),
    }
}

/// Trusts the server's own authority.
pub fn trusting(slapd: &Slapd) -> TlsSettings {
    TlsSettings { ca_file: Some(slapd.ca_file()), start_tls: false, client: None }
}

pub fn client_certificate(slapd: &Slapd) -> ClientCertificate {
    ClientCertificate { cert_file: slapd.client_cert_file(), key_file: slapd.client_key_file() }
}

pub fn connector(settings: ConnectorSettings) -> Connector {
    connector_with(settings, timing())
}

pub fn connector_with(settings: ConnectorSettings, timing: Timing) -> Connector {
    Connector::new(settings, WATCHED.map(AttributeName::new).into(), timing)
}

/// What is stored, as the pipeline would store it.
#[derive(Debug, Clone, Default)]
pub struct Stored(Arc<Mutex<Option<Checkpoint>>>);

impl Stored {
    pub fn now(&self) -> Option<Checkpoint> {
        self.0.lock().unwrap().clone()
    }

    pub fn set(&self, checkpoint: Option<Checkpoint>) {
        *self.0.lock().unwrap() = checkpoint;
    }
}

impl CheckpointSource for Stored {
    async fn checkpoint(&self) -> Option<Checkpoint> {
        self.now()
    }
}

/// A connector that runs.
#[derive(Debug)]
pub struct Following {
    events: mpsc::Receiver<FeedEvent>,
    pub stored: Stored,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), ConnectorError>>,
}

/// All that one refresh said.
#[derive(Debug, Default)]
pub struct Refresh {
    pub images: Vec<Image>,
    pub deleted: Vec<Delete>,
    pub named: BTreeSet<EntryId>,
    /// "These and no others exist" was said.
    pub complete: bool,
    pub checkpoint: Option<Checkpoint>,
}

impl Refresh {
    pub fn by_dn(&self) -> BTreeMap<&str, &Image> {
        self.images.iter().map(|image| (image.dn.as_str(), image)).collect()
    }

    fn take(&mut self, reading: Reading) {
        match reading {
            Reading::Image(image) => self.images.push(image),
            Reading::Delete(delete) => self.deleted.push(delete),
            Reading::PresentSet(PresentSet { ids, complete }) => {
                self.named.extend(ids);
                self.complete |= complete;
            }
            Reading::Delta(_) | Reading::Rename(_) => panic!("syncrepl gives whole entries: {reading:?}"),
        }
    }
}

/// What came of a refresh that did not get to its end.
#[derive(Debug)]
pub struct Failure {
    pub so_far: Refresh,
    pub error: String,
    pub disposition: Disposition,
}

impl Following {
    pub fn start(settings: ConnectorSettings) -> Self {
        Self::start_with(connector(settings), Stored::default())
    }

    pub fn start_with(connector: Connector, stored: Stored) -> Self {
        let (to, events) = mpsc::channel(4);
        let cancel = CancellationToken::new();
        let task = tokio::spawn(connector.run(stored.clone(), to, cancel.clone()));
        Self { events, stored, cancel, task }
    }

    /// The next event; the checkpoint of a batch is stored.
    pub async fn event(&mut self) -> FeedEvent {
        let event = timeout(wait::PATIENCE, self.events.recv()).await.expect("an event in time");
        let event = event.expect("the connector runs");
        if let FeedEvent::Batch(Batch { checkpoint: Some(checkpoint), .. }) = &event {
            self.stored.set(Some(checkpoint.clone()));
        }
        event
    }

    /// Passes over what comes before the next connection.
    pub async fn connected(&mut self) -> (String, Basis) {
        loop {
            match self.event().await {
                FeedEvent::Connected { url, basis, .. } => return (url, basis),
                FeedEvent::Connecting | FeedEvent::Failed { .. } | FeedEvent::Batch(_) => (),
            }
        }
    }

    /// One refresh from the next connection to its end.
    pub async fn refresh(&mut self) -> Refresh {
        match self.refresh_or_failure().await {
            Ok(refresh) => refresh,
            Err(failure) => panic!("the refresh failed: {failure:?}"),
        }
    }

    /// The first refresh that comes to its end, however many are cut short before.
    pub async fn whole_refresh(&mut self) -> Refresh {
        loop {
            if let Ok(refresh) = self.refresh_or_failure().await {
                return refresh;
            }
        }
    }

    pub async fn failure(&mut self) -> Failure {
        match self.refresh_or_failure().await {
            Err(failure) => failure,
            Ok(refresh) => panic!("the refresh did not fail: {refresh:?}"),
        }
    }

    pub async fn refresh_or_failure(&mut self) -> Result<Refresh, Failure> {
        let mut refresh = Refresh::default();
        let mut begun = false;
        loop {
            let batch = match self.event().await {
                FeedEvent::Batch(batch) => batch,
                FeedEvent::Failed { error, disposition, .. } => {
                    return Err(Failure { so_far: refresh, error, disposition });
                }
                FeedEvent::Connecting | FeedEvent::Connected { .. } => continue,
            };
            match batch.phase {
                Phase::RefreshBegins => {
                    assert!(!begun && batch.readings.is_empty() && batch.checkpoint.is_none(), "{batch:?}");
                    begun = true;
                }
                Phase::Refresh => assert!(begun && batch.checkpoint.is_none(), "{batch:?}"),
                Phase::RefreshEnds => assert!(begun, "{batch:?}"),
                Phase::Live => panic!("live before the refresh: {batch:?}"),
            }
            batch.readings.into_iter().for_each(|reading| refresh.take(reading));
            if batch.phase == Phase::RefreshEnds {
                refresh.checkpoint = batch.checkpoint;
                return Ok(refresh);
            }
        }
    }

    /// The next batch, which must be live.
    pub async fn live(&mut self) -> Batch {
        match self.event().await {
            FeedEvent::Batch(batch) => {
                assert_eq!(batch.phase, Phase::Live, "{batch:?}");
                batch
            }
            other => panic!("no batch: {other:?}"),
        }
    }

    /// The next live reading, which must come alone: nothing else was changed.
    pub async fn reading(&mut self) -> Reading {
        let mut batch = self.live().await;
        assert_eq!(batch.readings.len(), 1, "{batch:?}");
        assert!(batch.checkpoint.is_some(), "{batch:?}");
        batch.readings.remove(0)
    }

    pub async fn image(&mut self) -> Image {
        match self.reading().await {
            Reading::Image(image) => image,
            other => panic!("no image: {other:?}"),
        }
    }

    /// Stops as the daemon does, and keeps what is stored.
    pub async fn stop(self) -> Stored {
        self.cancel.cancel();
        let ended = timeout(wait::PATIENCE, self.task).await.expect("the connector stops in time");
        ended.expect("it does not panic").expect("it was stopped");
        self.stored
    }

    /// Takes nothing more.
    pub async fn turn_away(self) {
        drop(self.events);
        let ended = timeout(wait::PATIENCE, self.task).await.expect("the connector stops in time");
        ended.expect("it does not panic").expect("nobody listens");
    }

    /// How the connector ended by itself.
    pub async fn ended(self) -> Result<(), ConnectorError> {
        timeout(wait::PATIENCE, self.task)
            .await
            .expect("the connector ends in time")
            .expect("it does not panic")
    }
}

pub fn id(text: &str) -> EntryId {
    EntryId(Uuid::parse_str(text).unwrap())
}

pub fn texts(image: &Image, attribute: &str) -> Vec<String> {
    image.attributes.values(attribute).iter().map(|value| String::from_utf8(value.clone()).unwrap()).collect()
}
