//! What lies in the maildir, beside what dirherald says it sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::Connection;

use super::reckoning::Readers;

/// Everything that was delivered.
#[derive(Debug, Default)]
pub struct Post {
    pub readers: Readers,
    /// Files in the maildir.
    pub copies: usize,
    /// Messages, each counted once.
    pub messages: usize,
    /// Mails that Postfix took twice from dirherald: the same Message-ID in two queue files.
    pub duplicates: usize,
    /// Mails that Postfix itself delivered twice from one queue file.
    pub duplicates_of_postfix: usize,
    /// What should not be: each says why.
    pub wrong: Vec<String>,
    /// When the first mail with an event came, for each event.
    pub arrived: BTreeMap<String, Timestamp>,
}

/// What one file holds.
struct Copy {
    to: String,
    queue_id: String,
    message_id: String,
    /// Without what Postfix adds.
    text: String,
    arrived: Timestamp,
}

/// What dirherald has of a message.
struct Message {
    to: String,
    events: Vec<String>,
    text: String,
    state: String,
    created: Timestamp,
    attempts: Vec<(Timestamp, String)>,
}

impl Post {
    /// `ends`: when dirherald was ended, so that an answer may have been lost.
    pub fn read(files: &[PathBuf], state_file: &Path, ends: &[Timestamp]) -> Self {
        let state = Connection::open(state_file).expect("opening the state");
        let mut by_message: BTreeMap<String, Vec<Copy>> = BTreeMap::new();
        let mut post = Self { copies: files.len(), ..Self::default() };
        for file in files {
            match Copy::of(file) {
                Some(copy) => by_message.entry(copy.message_id.clone()).or_default().push(copy),
                None => post.wrong.push(format!("not a mail of dirherald: {}", file.display())),
            }
        }
        for id in all_message_ids(&state) {
            let message = Message::of(&state, &id);
            let copies = by_message.remove(&id).unwrap_or_default();
            post.add(&id, &message, &copies, ends);
        }
        post.wrong.extend(by_message.keys().map(|id| format!("{id} is no message of dirherald")));
        post
    }

    fn add(&mut self, id: &str, message: &Message, copies: &[Copy], ends: &[Timestamp]) {
        if message.state != "delivered" || copies.is_empty() {
            self.wrong.push(format!("{id} is {}, {} copies came", message.state, copies.len()));
        }
        let Some(first) = copies.iter().map(|copy| copy.arrived).min() else { return };
        let queue_ids: BTreeSet<_> = copies.iter().map(|copy| &copy.queue_id).collect();
        let again = queue_ids.len() - 1;
        self.messages += 1;
        self.duplicates += again;
        self.duplicates_of_postfix += copies.len() - queue_ids.len();
        if again > message.lost_answers(ends) {
            self.wrong.push(format!("{id} was sent {} times: {:?}", again + 1, message.attempts));
        }
        for copy in copies {
            if copy.text != message.text {
                self.wrong
                    .push(format!("{id} came with another text:\n{}\nnot\n{}", copy.text, message.text));
            }
            if copy.to != message.to {
                self.wrong.push(format!("{id} for {} came to {}", message.to, copy.to));
            }
        }
        let said = said_events(&message.text);
        if !said.is_some_and(|said| said.agrees(&message.events)) {
            self.wrong.push(format!("{id} does not name its events in its header"));
        }
        for event in &message.events {
            self.readers.entry(event.clone()).or_default().push(message.to.clone());
            let arrived = self.arrived.entry(event.clone()).or_insert(first);
            *arrived = first.min(*arrived);
        }
    }
}

impl Message {
    fn of(state: &Connection, message_id: &str) -> Self {
        let sql = "SELECT seq, address, events, bytes, state, created_at FROM message WHERE message_id = ?1";
        let mut statement = state.prepare_cached(sql).expect("the tables are there");
        let (seq, mut message) = statement
            .query_row([message_id], |row| {
                let (seq, events, bytes): (i64, String, Vec<u8>) = (row.get(0)?, row.get(2)?, row.get(3)?);
                let message = Self {
                    to: row.get(1)?,
                    events: serde_json::from_str(&events).expect("a list of events"),
                    text: String::from_utf8_lossy(&bytes).replace("\r\n", "\n"),
                    state: row.get(4)?,
                    created: Timestamp::from_microsecond(row.get(5)?).expect("an instant"),
                    attempts: Vec::new(),
                };
                Ok((seq, message))
            })
            .expect("reading a message");
        let sql = "SELECT at, outcome FROM attempt WHERE message = ?1 ORDER BY seq";
        let mut statement = state.prepare_cached(sql).expect("the tables are there");
        let attempts = statement.query_map([seq], |row| {
            Ok((Timestamp::from_microsecond(row.get(0)?).expect("an instant"), row.get(1)?))
        });
        message.attempts = attempts.expect("reading attempts").map(|row| row.expect("an attempt")).collect();
        message
    }

    /// How often the mail server may have taken it without dirherald learning of it: attempts that ended
    /// without an answer, and ends of dirherald before it was known to be delivered.
    fn lost_answers(&self, ends: &[Timestamp]) -> usize {
        let delivered = self.attempts.last().map_or(self.created, |(at, _)| *at);
        let failed = self.attempts.iter().filter(|(_, outcome)| outcome != "delivered").count();
        let ended = |end: &&Timestamp| self.created <= **end && **end <= delivered;
        failed + ends.iter().filter(ended).count()
    }
}

fn all_message_ids(state: &Connection) -> Vec<String> {
    let mut statement = state.prepare("SELECT message_id FROM message").expect("the tables are there");
    let ids = statement.query_map([], |row| row.get(0)).expect("reading the messages");
    ids.map(|id| id.expect("a Message-ID")).collect()
}

impl Copy {
    /// `None`: it is not of dirherald.
    fn of(file: &Path) -> Option<Self> {
        let text = String::from_utf8_lossy(&fs::read(file).expect("a mail")).into_owned();
        let modified = fs::metadata(file).and_then(|file| file.modified()).expect("when a mail came");
        let (traces, ours) = split_traces(&text);
        let trace = |name: &str| {
            let header = traces.iter().find_map(|line| line.strip_prefix(name));
            header.map(|value| value.trim().to_owned())
        };
        let received = trace("Received:")?;
        let (_, id) = received.rsplit_once(" id ")?;
        let queue_id = id.split([' ', '\n', ';']).next()?.to_owned();
        let message_id = header(&ours, "Message-ID")?;
        let arrived = Timestamp::try_from(modified).expect("an instant");
        Some(Self { to: trace("Delivered-To:")?, queue_id, message_id, text: ours, arrived })
    }
}

/// The headers that Postfix puts before the message, and the message.
fn split_traces(text: &str) -> (Vec<String>, String) {
    const TRACES: [&str; 4] = ["Return-Path:", "X-Original-To:", "Delivered-To:", "Received:"];
    let mut traces: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some((line, after)) = rest.split_once('\n') {
        match traces.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => last.push_str(line),
            _ if TRACES.iter().any(|name| line.starts_with(name)) => traces.push(line.to_owned()),
            _ => break,
        }
        rest = after;
    }
    (traces, rest.to_owned())
}

/// The unfolded value of a header.
fn header(text: &str, name: &str) -> Option<String> {
    let head = text.split("\n\n").next()?.replace("\n ", " ").replace("\n\t", " ");
    head.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
}

/// What `X-Dirherald-Events` says: ids, and how many more.
struct SaidEvents {
    ids: Vec<String>,
    more: usize,
}

fn said_events(text: &str) -> Option<SaidEvents> {
    let mut said = SaidEvents { ids: Vec::new(), more: 0 };
    for item in header(text, "X-Dirherald-Events")?.split(", ") {
        match item.strip_prefix('+') {
            Some(more) => said.more = more.parse().ok()?,
            None => said.ids.push(item.to_owned()),
        }
    }
    Some(said)
}

impl SaidEvents {
    fn agrees(&self, events: &[String]) -> bool {
        let all: BTreeSet<_> = events.iter().collect();
        self.ids.len() + self.more == events.len() && self.ids.iter().all(|id| all.contains(id))
    }
}
