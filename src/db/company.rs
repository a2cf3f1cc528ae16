//! A state file with a small company in it: what the tests of commands that read it are written in.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Cursor, Db, Draft, DraftCopy, EventFilter, EventRow, Reader, Rules, StoreContext};
use crate::{
    change::{guard::GuardSettings, observation::Observation},
    directory::{
        attribute::{AttributeName, RawAttributes},
        batch::{Delete, Existence, Image, Origin, Phase, PresentSet, Reading},
        dn::Dn,
        entry::{EntryId, Stamp},
        filter::Filter,
        schema::{Schema, SchemaSettings},
    },
    notify::{company::options, options::Options, render::MOST_EVENTS},
};

pub(super) const STORE: &str = "acme";
pub(super) const BASE: &str = "dc=acme,dc=example";

/// The file, and what works on it as a daemon would. Public are the groups whose department is "public";
/// whose department is "quiet" is not to be notified.
pub(super) struct State {
    dir: TempDir,
    pub db: Db,
    pub context: Arc<StoreContext>,
    pub options: Arc<Options>,
    entries: Vec<Entry>,
    clock: i64,
}

/// `user NAME`, `group NAME`, `unique NAME`, `posix NAME` or `container NAME`, then `attribute=value` words. In
/// attributes that link, a value is the NAME of an entry, before this one or after.
#[derive(Debug, Clone)]
struct Entry {
    id: EntryId,
    kind: String,
    name: String,
    rdn: String,
    attributes: Vec<(String, String)>,
}

const LINKS: [&str; 5] = ["member", "uniqueMember", "owner", "managedBy", "manager"];

impl State {
    /// With the options ticked as in the tests of the rules.
    pub async fn new(lines: &str, ticked: &str) -> Self {
        Self::guarded(lines, ticked, GuardSettings::default()).await
    }

    /// With limits of its own.
    pub async fn guarded(lines: &str, ticked: &str, guard: GuardSettings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("state.db")).unwrap();
        let facts =
            db.begin_store(STORE.parse().unwrap(), "all".into(), Timestamp::UNIX_EPOCH).await.unwrap();
        let mut settings = SchemaSettings::openldap();
        settings.public_group_filter = Some(Filter::parse("(department=public)").unwrap());
        settings.do_not_notify_filter = Some(Filter::parse("(department=quiet)").unwrap());
        let schema = Arc::new(Schema::new(settings).unwrap());
        let options = Arc::new(options(ticked));
        let cap = options.group_expansion_limit + 1;
        let context = StoreContext::new(facts.no, Dn::parse(BASE).unwrap(), schema, cap).guarded(guard);
        let context = Arc::new(context);
        let mut state = Self { dir, db, context, options, entries: Vec::new(), clock: 0 };
        state.entries.push(Entry::parse(0, "container people"));
        state.entries.push(Entry::parse(1, "container groups"));
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            state.entries.push(Entry::parse(state.entries.len(), line));
        }
        state.ingest(Phase::RefreshBegins, vec![]).await;
        let images = (0..state.entries.len()).map(|place| state.image(place)).collect();
        state.ingest(Phase::Refresh, images).await;
        let end = PresentSet { ids: Vec::new(), complete: true };
        state.ingest(Phase::RefreshEnds, vec![Reading::PresentSet(end)]).await;
        state
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("state.db")
    }

    pub fn reader(&self) -> Reader {
        Reader::open(&self.path()).unwrap().unwrap()
    }

    pub fn rules(&self) -> Rules<'_> {
        Rules { schema: &self.context.schema, options: &self.options }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + self.clock).unwrap()
    }

    pub fn id(&self, name: &str) -> EntryId {
        self.entry(name).id
    }

    pub fn dn(&self, name: &str) -> Dn {
        Dn::parse(&self.entry(name).dn()).unwrap()
    }

    fn entry(&self, name: &str) -> &Entry {
        self.entries.iter().find(|entry| entry.name == name).unwrap_or_else(|| panic!("who is {name}?"))
    }

    /// Changes an entry as the server would and shows its image: `attribute+value`, `attribute-value` or
    /// `attribute=value` (instead of all others).
    pub async fn modify(&mut self, name: &str, change: &str) {
        let place = self.change(name, change);
        let image = self.image(place);
        self.ingest(Phase::Live, vec![image]).await;
    }

    /// Changes entries while nobody looks, and shows them all in one refresh.
    pub async fn refresh(&mut self, changes: &[(&str, &str)]) {
        let places: Vec<_> = changes.iter().map(|(name, change)| self.change(name, change)).collect();
        let images = places.into_iter().map(|place| self.image(place)).collect();
        self.ingest(Phase::RefreshBegins, vec![]).await;
        self.ingest(Phase::Refresh, images).await;
        self.ingest(Phase::RefreshEnds, vec![]).await;
    }

    /// Changes an entry, and shows nothing.
    pub fn change(&mut self, name: &str, change: &str) -> usize {
        let at = change.find(['+', '-', '=']).unwrap();
        let (attribute, rest) = change.split_at(at);
        let mut value = rest.chars();
        let operation = value.next().unwrap();
        let value = value.as_str().to_owned();
        let place = self.entries.iter().position(|entry| entry.name == name).unwrap();
        let attributes = &mut self.entries[place].attributes;
        match operation {
            '+' => attributes.push((attribute.to_owned(), value)),
            '-' => attributes.retain(|(name, old)| !(name == attribute && *old == value)),
            _ => {
                attributes.retain(|(name, _)| name != attribute);
                attributes.push((attribute.to_owned(), value));
            }
        }
        place
    }

    /// A server without referential integrity: links to the entry go on to say the old name.
    pub async fn rename(&mut self, name: &str, rdn: &str) {
        let old = self.entry(name).dn();
        let place = self.entries.iter().position(|entry| entry.name == name).unwrap();
        for entry in &mut self.entries {
            for (attribute, value) in &mut entry.attributes {
                if LINKS.contains(&attribute.as_str()) && value == name {
                    value.clone_from(&old);
                }
            }
        }
        self.entries[place].rdn = rdn.to_owned();
        let image = self.image(place);
        self.ingest(Phase::Live, vec![image]).await;
    }

    pub async fn delete(&mut self, name: &str) {
        let id = self.id(name);
        self.ingest(Phase::Live, vec![Reading::Delete(Delete { id, origin: Origin::default() })]).await;
    }

    pub fn image(&mut self, place: usize) -> Reading {
        self.clock += 1;
        let entry = &self.entries[place];
        let mut attributes = RawAttributes::default();
        for (name, value) in entry.raw() {
            let value = if LINKS.contains(&name.as_str()) && !value.contains(',') {
                self.entry(&value).dn()
            } else {
                value.replace('_', " ")
            };
            let name = AttributeName::new(&name);
            match attributes.0.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value.into_bytes()),
                None => attributes.0.push((name, vec![value.into_bytes()])),
            }
        }
        let (id, dn) = (entry.id, Dn::parse(&entry.dn()).unwrap());
        let stamp = Some(Stamp::from_usn(self.clock.unsigned_abs()));
        Reading::Image(Image {
            id,
            dn,
            stamp,
            origin: Origin::default(),
            existence: Existence::New,
            attributes,
        })
    }

    pub async fn ingest(&mut self, phase: Phase, readings: Vec<Reading>) {
        let schema = Arc::clone(&self.context.schema);
        let observations = readings.into_iter().map(|reading| Observation::new(reading, &schema)).collect();
        let ingested = self.db.ingest(Arc::clone(&self.context), observations, phase, None, self.now()).await;
        assert_eq!(ingested.unwrap().unresolved, [], "every name is known");
    }

    /// Decides about all that waits.
    pub async fn dispatch(&self) {
        let (context, options) = (Arc::clone(&self.context), Arc::clone(&self.options));
        self.db.dispatch(context, options, self.now()).await.unwrap();
    }

    /// Writes the mails whose digests have closed at `at`, numbered from 1.
    pub async fn compose(&self, window: Duration, at: Timestamp) {
        let options = Options { digest_window: window, ..Options::clone(&self.options) };
        let due =
            self.db.composable(self.context.no, Arc::new(options), Cursor::default(), at).await.unwrap().due;
        let mut drafts = Vec::new();
        for (due, number) in due.into_iter().zip(1_u128..) {
            let told = self.db.told(self.context.no, due.notifications.clone(), MOST_EVENTS).await.unwrap();
            let recipient = told.notices[0].1.notification.recipient.clone();
            drafts.push(Draft {
                notifications: due.notifications,
                recipient: recipient.address.clone(),
                role: recipient.role,
                subject: "subject".to_owned(),
                events: Vec::new(),
                copies: vec![DraftCopy {
                    id: Uuid::from_u128(number),
                    address: recipient.address,
                    intended: None,
                    message_id: format!("<{number}@acme.example>"),
                    bytes: b"mail".to_vec(),
                }],
            });
        }
        self.db.enqueue(self.context.no, drafts, at).await.unwrap();
    }

    /// All events, oldest first.
    pub fn events(&self) -> Vec<EventRow> {
        self.reader().events_after(EventFilter::default(), 0, u32::MAX).unwrap()
    }

    /// Every row of every table.
    pub fn dump(&self) -> Vec<String> {
        let connection = Connection::open(self.path()).unwrap();
        let rows = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).unwrap();
            let columns = statement.column_count();
            let line = |row: &rusqlite::Row<'_>| {
                let cells = (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column).unwrap());
                Ok(format!("{:?}", cells.collect::<Vec<_>>()))
            };
            let rows = statement.query_map([], line).unwrap();
            rows.map(Result::unwrap).collect()
        };
        let names = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .and_then(|mut s| s.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>())
            .unwrap();
        names.iter().flat_map(|name| rows(&format!("SELECT '{name}', * FROM {name}"))).collect()
    }
}

impl Entry {
    fn parse(number: usize, line: &str) -> Self {
        let mut words = line.split_whitespace();
        let (kind, name) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let class = match kind.as_str() {
            "user" => "uid",
            "container" => "ou",
            _ => "cn",
        };
        let attributes = words.map(|word| word.split_once('=').unwrap());
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let rdn = format!("{class}={name}");
        Self { id: EntryId(Uuid::from_u128(0x100 + number as u128)), kind, name, rdn, attributes }
    }

    fn dn(&self) -> String {
        match self.kind.as_str() {
            "user" => format!("{},ou=people,{BASE}", self.rdn),
            "container" => format!("{},{BASE}", self.rdn),
            _ => format!("{},ou=groups,{BASE}", self.rdn),
        }
    }

    /// With what the kind brings along: a user has an account, and an address where none is given.
    fn raw(&self) -> Vec<(String, String)> {
        let class = match self.kind.as_str() {
            "user" => "inetOrgPerson",
            "group" => "groupOfNames",
            "unique" => "groupOfUniqueNames",
            "posix" => "posixGroup",
            "container" => "organizationalUnit",
            other => panic!("what is a {other}?"),
        };
        let mut raw =
            vec![("objectClass".to_owned(), class.to_owned()), ("cn".to_owned(), self.name.clone())];
        if self.kind == "user" {
            raw.push(("uid".to_owned(), self.name.clone()));
            if self.attributes.iter().all(|(name, _)| name != "mail") {
                raw.push(("mail".to_owned(), format!("{}@acme.example", self.name)));
            }
        }
        raw.extend(self.attributes.iter().filter(|(_, value)| value != "-").cloned());
        raw
    }
}
