//! Plays rows before the real program and compares all mails that ever came with those that should.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use dirherald::{
    change::event::ChangeEvent,
    db::{EventFilter, Reader},
};

use super::{
    bodies::{Actors, Reading},
    openldap::{self, Stage},
    row::{ARCHIVE, AUDITOR, EXPANSION_LIMIT, Notice, Operation, Row, Step},
};
use crate::support::{
    daemon::{Site, toml_text},
    ldap::Ldap,
    mail::Letter,
    slapd::{Setup, Slapd},
    smtp::SmtpServer,
    wait,
};

/// The boxes that can be ticked, in the document's order.
const OPTIONS: [&str; 7] = [
    "logged_in_users",
    "owner",
    "manager",
    "object_modified",
    "public_group_owner",
    "added_members",
    "removed_members",
];

/// A choice of options, as a store of its own. All stores watch the same tree, so that each row is seen under
/// each choice.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    /// And To, Cc.
    All,
    /// And To.
    Alone(&'static str),
    /// To and Cc, and no option.
    NoOption,
    /// To and Cc of all changes, and no option.
    AllChanges,
}

impl Choice {
    fn each() -> Vec<Self> {
        let alone = OPTIONS.iter().map(|option| Self::Alone(option));
        [Self::All, Self::NoOption, Self::AllChanges].into_iter().chain(alone).collect()
    }

    fn store(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Alone(option) => option.replace('_', "-"),
            Self::NoOption => "none".to_owned(),
            Self::AllChanges => "changes".to_owned(),
        }
    }

    fn has(&self, option: &str) -> bool {
        match self {
            Self::All => true,
            Self::Alone(alone) => *alone == option,
            Self::NoOption | Self::AllChanges => false,
        }
    }

    fn copies_to(&self) -> &'static [&'static str] {
        match self {
            Self::All | Self::NoOption | Self::AllChanges => &[ARCHIVE, AUDITOR],
            Self::Alone(_) => &[ARCHIVE],
        }
    }
}

/// As many rows are played together before everything that they lead to is waited for.
const AT_ONCE: usize = 40;

/// How rows are played.
#[derive(Debug, Clone)]
pub struct Play {
    setup: Setup,
    choices: Vec<Choice>,
    keys: Vec<(&'static str, String)>,
    actors: Actors,
}

impl Play {
    /// On a plain server, with every option alone and all together.
    pub fn new() -> Self {
        Self::on(openldap::setup())
    }

    /// On a server like this.
    pub fn on(setup: Setup) -> Self {
        Self { setup, choices: Choice::each(), keys: openldap::configuration().into(), actors: Actors::Shown }
    }

    /// With all options, and with none: enough where nothing but the server is another.
    pub fn all_together(mut self) -> Self {
        self.choices = vec![Choice::All, Choice::AllChanges];
        self
    }

    /// Members and objects are not to read who made a change.
    pub fn with_hidden_actors(mut self) -> Self {
        self.actors = Actors::Hidden;
        self.with("notify.show_actor", "false")
    }

    /// With one key more in every store.
    pub fn with(mut self, key: &'static str, value: &str) -> Self {
        self.keys.push((key, value.to_owned()));
        self
    }

    /// Plays them, many rows at once and step by step.
    pub async fn check(self, rows: &[Row]) {
        let slapd = self.setup.clone().start();
        let smtp = SmtpServer::start().await;
        let admin = Ldap::admin(&slapd).await;
        let mut stages = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            stages.push(Stage::set(&slapd, &admin, number, row).await);
        }
        let site = self.site(&slapd, &smtp);
        let daemon = site.start();
        daemon.wait_live().await;
        let mut listener = Listener::new(&site, self.choices.len());
        let mut ends = Vec::new();
        for round in 0..rows.iter().map(|row| row.steps.len()).max().expect("rows") {
            let mut steps: Vec<(&mut Stage<'_>, &Step)> = stages
                .iter_mut()
                .zip(rows)
                .filter_map(|(stage, row)| Some((stage, row.steps.get(round)?)))
                .collect();
            for at_once in steps.chunks_mut(AT_ONCE) {
                for (stage, step) in at_once {
                    stage.play(&step.does).await;
                }
                listener.rings += 1;
                openldap::ring(&admin, listener.rings).await;
                listener.heard().await;
            }
            ends.push(smtp.mails().len());
        }
        self.compare(rows, &smtp, &ends, &site);
        daemon.stop().await;
    }

    fn site(&self, slapd: &Slapd, smtp: &SmtpServer) -> Site {
        let mut site = Site::empty();
        for choice in &self.choices {
            let store = choice.store();
            let key = |key: &str| format!("identity_store.{store}.{key}");
            site = site.and_store(&store, slapd, smtp);
            for option in OPTIONS.iter().filter(|option| choice.has(option)) {
                site = site.with_global(&key(&format!("notify.{option}")), "true");
            }
            for (list, address) in ["to", "cc"].into_iter().zip(choice.copies_to()) {
                let listed = format!("[{}]", toml_text(address));
                site = site.with_global(&key(&format!("recipients.{list}")), &listed);
            }
            if *choice == Choice::AllChanges {
                site = site.with_global(&key("recipients.copy"), &toml_text("all-changes"));
            }
            site = site.with_global(&key("notify.group_expansion_limit"), &EXPANSION_LIMIT.to_string());
            for (path, value) in &self.keys {
                site = site.with_global(&key(path), value);
            }
        }
        site
    }

    fn compare(&self, rows: &[Row], smtp: &SmtpServer, ends: &[usize], site: &Site) {
        let events = events(site);
        let mut came = Came { mails: BTreeMap::new(), wrong: String::new(), actors: self.actors };
        for (at, mail) in smtp.mails().iter().enumerate() {
            let round = ends.iter().take_while(|end| **end <= at).count();
            came.take(&Letter::of(mail), round, rows, &events);
        }
        for (number, row) in rows.iter().enumerate() {
            for (round, step) in row.steps.iter().enumerate() {
                for choice in &self.choices {
                    let place = (openldap::tag(number), round, choice.store());
                    let found = came.mails.remove(&place).unwrap_or_default();
                    let expected = expected(step, choice);
                    if found != expected {
                        came.complain_of_mails(row, &place, &expected, &found, &events);
                    }
                }
            }
        }
        for (place, mails) in came.mails.iter().filter(|((tag, ..), _)| tag != "bell") {
            let _ = writeln!(came.wrong, "mails of no change: {place:?} {mails:?}");
        }
        assert!(came.wrong.is_empty(), "{}\n{}", came.wrong, site.log());
    }
}

/// Waits until everything was told.
struct Listener {
    reader: Reader,
    stores: usize,
    looked_at: i64,
    rings: usize,
}

impl Listener {
    fn new(site: &Site, stores: usize) -> Self {
        Self { reader: reader(site), stores, looked_at: 0, rings: 0 }
    }

    /// What came before a ring of the bell is stored before it. When the ring is stored in every store and
    /// nothing is in hand, whatever is not there is not told.
    async fn heard(&mut self) {
        let name = openldap::name_of_ring(self.rings);
        let mut heard_in = BTreeSet::new();
        wait::until_async(&name, async || {
            let new = self.reader.events_after(EventFilter::default(), self.looked_at, u32::MAX);
            for row in new.expect("the events can be read") {
                self.looked_at = row.seq;
                if row.event.entry.name == name {
                    heard_in.insert(row.store);
                }
            }
            let is_quiet = || self.reader.in_hand().expect("the state can be read") == 0;
            (heard_in.len() == self.stores && is_quiet()).then_some(())
        })
        .await;
    }
}

fn reader(site: &Site) -> Reader {
    Reader::open(&site.state_file()).expect("the state can be opened").expect("there is a state")
}

/// All events of all stores, by id.
fn events(site: &Site) -> BTreeMap<String, ChangeEvent> {
    let events = reader(site).events_after(EventFilter::default(), 0, u32::MAX);
    let events = events.expect("the events can be read").into_iter().map(|row| row.event);
    events.map(|event| (event.id.to_string(), event)).collect()
}

/// `recipient: reasons` of each mail, sorted.
type Mails = Vec<String>;

/// The tag of a row, the number of its step from 0, the store.
type Where = (String, usize, String);

/// What came.
struct Came {
    mails: BTreeMap<Where, Mails>,
    wrong: String,
    actors: Actors,
}

impl Came {
    fn take(&mut self, letter: &Letter, round: usize, rows: &[Row], events: &BTreeMap<String, ChangeEvent>) {
        let told: Vec<&ChangeEvent> = letter.events.iter().filter_map(|id| events.get(id)).collect();
        let Some(first) = told.first().filter(|_| told.len() == letter.events.len()) else {
            let _ = writeln!(self.wrong, "a mail of events that are not there: {letter:?}");
            return;
        };
        if told.iter().any(|event| event.change_set != first.change_set) {
            let _ = writeln!(self.wrong, "a mail of several change sets: {letter:?}");
        }
        let [to] = &letter.to[..] else {
            let _ = writeln!(self.wrong, "a mail of several recipients: {letter:?}");
            return;
        };
        let tag = tag_of(first);
        let to = to.to_lowercase();
        let who = to.strip_suffix(&format!("@{tag}.example")).unwrap_or(&to).to_owned();
        if let Some(row) = tag.strip_prefix('t').and_then(|number| rows.get(number.parse::<usize>().ok()?)) {
            let untold: Vec<&ChangeEvent> = events
                .values()
                .filter(|event| event.change_set == first.change_set && !told.contains(event))
                .collect();
            let reading =
                Reading { letter, who: &who, tag, row, told: &told, untold: &untold, actors: self.actors };
            let faults = reading.faults();
            if !faults.is_empty() {
                let _ = writeln!(
                    self.wrong,
                    "{} ({tag}), to {who} for {} in {}:\n  {}\n{}\n{}",
                    row.name,
                    letter.reasons,
                    letter.store,
                    faults.join("\n  "),
                    letter.subject,
                    letter.text
                );
            }
        }
        let place = (tag.to_owned(), round, letter.store.clone());
        let mails = self.mails.entry(place).or_default();
        mails.push(format!("{who}: {}", letter.reasons));
        mails.sort();
    }

    fn complain_of_mails(
        &mut self,
        row: &Row,
        (tag, round, store): &Where,
        expected: &Mails,
        found: &Mails,
        events: &BTreeMap<String, ChangeEvent>,
    ) {
        let without = |all: &Mails, others: &Mails| -> Mails {
            all.iter().filter(|mail| !others.contains(mail)).cloned().collect()
        };
        let _ = writeln!(
            self.wrong,
            "{} ({tag}), change {}, store {store}:\n  missing {:?}\n  too many {:?}\n  of {expected:?}\n  \
             events {:?}",
            row.name,
            round + 1,
            without(expected, found),
            without(found, expected),
            events_of(events, tag),
        );
    }
}

fn events_of(events: &BTreeMap<String, ChangeEvent>, tag: &str) -> Vec<String> {
    let told = events.values().filter(|event| tag_of(event) == tag).map(|event| {
        let subject = event.change.subject().map(|who| who.name.as_str()).unwrap_or_default();
        format!("{} {} {subject}", event.change.name(), event.entry.name)
    });
    told.collect::<BTreeSet<_>>().into_iter().collect()
}

fn tag_of(event: &ChangeEvent) -> &str {
    if event.entry.name.starts_with("ring ") {
        return "bell";
    }
    event.entry.dn.as_str().rsplit("ou=").next().and_then(|rest| rest.split(',').next()).unwrap_or_default()
}

/// The mails of a step in one store.
fn expected(step: &Step, choice: &Choice) -> Mails {
    let mut mails = Mails::new();
    let fired = fired(step).into_iter().any(|option| choice.has(option));
    let copied = match choice {
        Choice::AllChanges => step.notice == Notice::OneChangeSet,
        Choice::All | Choice::Alone(_) | Choice::NoOption => fired,
    };
    let mut listed = if copied { choice.copies_to().to_vec() } else { Vec::new() };
    for (who, reasons) in step.told.iter().flat_map(|line| parted(line)) {
        let is_listed = listed.contains(&who);
        listed.retain(|address| *address != who);
        let mut left: Vec<&str> = reasons.into_iter().filter(|reason| choice.has(reason)).collect();
        left.extend(is_listed.then_some("recipients"));
        left.sort_unstable();
        left.dedup();
        if !left.is_empty() && left != ["recipients"] || is_listed {
            mails.push(format!("{who}: {}", left.join(", ")));
        }
    }
    mails.extend(listed.into_iter().map(|address| format!("{address}: recipients")));
    mails.sort();
    mails
}

/// `names: reasons`, for each of the names.
fn parted(line: &str) -> Vec<(&str, Vec<&str>)> {
    let (names, reasons) = line.split_once(": ").unwrap_or_else(|| panic!("names: reasons, not {line}"));
    let reasons: Vec<&str> = reasons.split(", ").collect();
    let known = |reason: &&str| OPTIONS.contains(reason) || *reason == "recipients";
    assert!(reasons.iter().all(known) && reasons.is_sorted(), "known reasons, in order, not {line}");
    names.split(' ').map(|name| (name, reasons.clone())).collect()
}

/// Which options fire, whether or not somebody is told.
fn fired(step: &Step) -> BTreeSet<&str> {
    let told = step.told.iter().flat_map(|line| parted(line)).flat_map(|(_, reasons)| reasons);
    let in_vain = step.fires_in_vain.iter().copied();
    assert!(in_vain.clone().all(|option| OPTIONS.contains(&option)), "{step:?}");
    told.chain(in_vain).filter(|reason| *reason != "recipients").collect()
}

/// What a row makes of the names in it: `NAME` became `NEW NAME`.
pub fn renamings(row: &Row) -> impl Iterator<Item = (&'static str, &'static str)> {
    row.steps.iter().filter_map(|step| match step.does {
        Operation::Rename(old, new) => Some((old, new)),
        Operation::Create(_) | Operation::Delete(_) | Operation::Move(..) | Operation::Modify(..) => None,
    })
}
