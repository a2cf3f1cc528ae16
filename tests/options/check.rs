//! Plays rows before the real program and compares all mails that ever came with those that should.

use std::{collections::BTreeMap, fmt::Write};

use dirherald::{
    change::event::{Change, ChangeEvent},
    db::{EventFilter, Reader},
    directory::entry::{EntryKind, EntryRef},
};

use super::{
    openldap::{self, Stage},
    row::{ARCHIVE, AUDITOR, Class, EXPANSION_LIMIT, Entry, Field, Row, Step},
};
use crate::support::{
    daemon::{Site, toml_text},
    mail::Letter,
    slapd::{NOBODY, Setup, Slapd},
    smtp::SmtpServer,
    wait,
};

/// One store for each choice of options; all watch the same tree, so that each row is seen under each choice.
const STORES: [(&str, &[&str]); 5] = [
    (ALL, &["owner", "added_members", "removed_members", "recipients"]),
    ("owner", &["owner"]),
    ("added-members", &["added_members"]),
    ("removed-members", &["removed_members"]),
    (COPIES, &["recipients"]),
];
const ALL: &str = "all";

/// Nothing is on but copies of all changes.
const COPIES: &str = "copies";

/// How many mails one ring brings, the copies left out.
const MAILS_OF_A_RING: usize = 6;

/// `recipient: reasons` of each mail, sorted.
type Mails = Vec<String>;

/// Plays `rows` on a server like this.
pub async fn check(setup: Setup, rows: &[Row]) {
    let slapd = setup.start();
    let smtp = SmtpServer::start().await;
    let ldap = openldap::player(&slapd).await;
    openldap::set_bell(&ldap).await;
    let mut stages = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        stages.push(Stage::set(&ldap, number, row).await);
    }
    let site = site(&slapd, &smtp);
    let daemon = site.start();
    daemon.wait_live().await;
    let mut rings = 0;
    for (row, stage) in rows.iter().zip(&mut stages) {
        for step in &row.change {
            stage.play(step).await;
            rings += 1;
            openldap::ring(&ldap, rings).await;
            heard(&smtp, &site, rings, row.name).await;
        }
    }
    compare(rows, &smtp, &site);
    daemon.stop().await;
}

fn site(slapd: &Slapd, smtp: &SmtpServer) -> Site {
    let mut site = Site::empty();
    for (store, reasons) in STORES {
        let key = |key: &str| format!("identity_store.{store}.{key}");
        site = site.and_store(store, slapd, smtp);
        for option in reasons.iter().filter(|reason| **reason != "recipients") {
            site = site.with_global(&key(&format!("notify.{option}")), "true");
        }
        if reasons.contains(&"recipients") {
            site = site
                .with_global(&key("recipients.to"), &format!("[{}]", toml_text(ARCHIVE)))
                .with_global(&key("recipients.cc"), &format!("[{}]", toml_text(AUDITOR)));
        }
        if store == COPIES {
            site = site.with_global(&key("recipients.copy"), &toml_text("all-changes"));
        }
        site = site
            .with_global(&key("notify.group_expansion_limit"), &EXPANSION_LIMIT.to_string())
            .with_global(&key("schema.dummy_members"), &format!("[{}]", toml_text(&openldap::nobody())));
    }
    site
}

/// Waits until all mails of all rings are there and nothing is left in any queue: what came before a ring was
/// told before it, so whatever is not there by then is not told.
async fn heard(smtp: &SmtpServer, site: &Site, rings: usize, row: &str) {
    let what = format!("the end of: {row}");
    let (mut looked_at, mut of_the_bell) = (0, 0);
    smtp.wait_for_mails(&what, |mails| {
        let new = mails.get(looked_at..).unwrap_or_default();
        of_the_bell +=
            new.iter().flat_map(|mail| &mail.to).filter(|to| to.ends_with("@bell.example")).count();
        looked_at = mails.len();
        of_the_bell == rings * MAILS_OF_A_RING
    })
    .await;
    wait::until_async(&what, async || (pending(site) == 0).then_some(())).await;
}

fn pending(site: &Site) -> u64 {
    let status = reader(site).status().expect("the state can be read");
    status.iter().map(|store| store.outbox_pending).sum()
}

fn reader(site: &Site) -> Reader {
    Reader::open(&site.state_file()).expect("the state can be opened").expect("there is a state")
}

/// What came, by row and store.
struct Came {
    mails: BTreeMap<(String, String), Mails>,
    wrong: String,
}

fn compare(rows: &[Row], smtp: &SmtpServer, site: &Site) {
    let events: BTreeMap<String, ChangeEvent> = reader(site)
        .events_after(EventFilter::default(), 0, u32::MAX)
        .expect("the events can be read")
        .into_iter()
        .map(|row| (row.event.id.to_string(), row.event))
        .collect();
    let mut came = Came { mails: BTreeMap::new(), wrong: String::new() };
    for mail in smtp.mails() {
        came.take(&Letter::of(&mail), rows, &events);
    }
    for (number, row) in rows.iter().enumerate() {
        for (store, reasons) in STORES {
            let expected = expected(row, store, reasons);
            let found = came.mails.remove(&(openldap::tag(number), store.to_owned())).unwrap_or_default();
            if found != expected {
                let _ = writeln!(
                    came.wrong,
                    "{} ({}), store {store}:\n  expected {expected:?}\n  found    {found:?}\n  events   {:?}",
                    row.name,
                    openldap::tag(number),
                    events_of(&events, &openldap::tag(number)),
                );
            }
        }
    }
    for (place, mails) in came.mails.iter().filter(|((tag, _), _)| tag != "bell") {
        let _ = writeln!(came.wrong, "mails of no row: {place:?} {mails:?}");
    }
    assert!(came.wrong.is_empty(), "{}\n{}", came.wrong, site.log());
}

fn events_of(events: &BTreeMap<String, ChangeEvent>, tag: &str) -> Vec<String> {
    let mut told: Vec<String> = events
        .values()
        .filter(|event| tag_of(event) == tag)
        .map(|event| {
            let subject = event.change.subject().map(|who| who.name.as_str()).unwrap_or_default();
            format!("{} {} {subject}", event.change.name(), event.entry.name)
        })
        .collect();
    told.sort();
    told.dedup();
    told
}

fn tag_of(event: &ChangeEvent) -> &str {
    event.entry.dn.as_str().rsplit("ou=").next().and_then(|rest| rest.split(',').next()).unwrap_or_default()
}

impl Came {
    fn take(&mut self, letter: &Letter, rows: &[Row], events: &BTreeMap<String, ChangeEvent>) {
        let told: Vec<&ChangeEvent> = letter.events.iter().filter_map(|id| events.get(id)).collect();
        let tags: Vec<&str> = told.iter().map(|event| tag_of(event)).collect();
        let Some(tag) = tags.first().copied() else {
            let _ = writeln!(self.wrong, "a mail of no event: {letter:?}");
            return;
        };
        if tags.iter().any(|other| *other != tag) {
            let _ = writeln!(self.wrong, "a mail of several rows: {letter:?}");
        }
        let [to] = &letter.to[..] else {
            let _ = writeln!(self.wrong, "a mail of several recipients: {letter:?}");
            return;
        };
        let to = to.to_lowercase();
        let who = to.strip_suffix(&format!("@{tag}.example")).unwrap_or(&to).to_owned();
        let row = tag.strip_prefix('t').and_then(|number| rows.get(number.parse::<usize>().ok()?));
        if let Some(row) = row {
            self.wrong.push_str(&one_s_own(letter, &who, tag, row, &told));
        }
        let mails = self.mails.entry((tag.to_owned(), letter.store.clone())).or_default();
        mails.push(format!("{who}: {}", letter.reasons));
        mails.sort();
    }
}

/// M29: nothing in a mail that is not its reader's. What is wrong, a line each.
fn one_s_own(letter: &Letter, who: &str, tag: &str, row: &Row, told: &[&ChangeEvent]) -> String {
    let mut wrong = String::new();
    let mut complain = |what: &str| {
        let _ =
            writeln!(wrong, "{} ({tag}), to {who} for {}: {what}\n{}", row.name, letter.reasons, letter.text);
    };
    if letter.reasons.split(", ").all(|reason| reason == "added_members" || reason == "removed_members") {
        for name in people(row).filter(|person| !is_read_by(person, who)).map(|person| person.name) {
            let name = openldap::display_name(name, tag);
            if letter.text.contains(&name) || letter.html.contains(&name) {
                complain(&format!("names {name}"));
            }
        }
        let own: Vec<&str> =
            people(row).filter(|person| is_read_by(person, who)).map(|person| person.name).collect();
        if !told.iter().all(|event| concerns(event, &own, tag)) {
            complain("an event of somebody else");
        }
    }
    if letter.reasons == "owner" && !told.iter().all(|event| event.entry.kind == Some(EntryKind::Group)) {
        complain("an event on something that is no group");
    }
    if letter.text.contains(NOBODY) || letter.html.contains(NOBODY) {
        complain("names the dummy member");
    }
    wrong
}

/// Whether members of these names have a reason to hear of it: as the member itself, by a group in its place, or
/// as all members of the group.
fn concerns(event: &ChangeEvent, own: &[&str], tag: &str) -> bool {
    let is_theirs = |subject: &EntryRef| {
        let is_named = |name: &&str| subject.dn.as_str().starts_with(&format!("uid={name}.{tag},"));
        subject.kind == Some(EntryKind::Group) || own.iter().any(is_named)
    };
    match &event.change {
        Change::MemberAdded { member } | Change::MemberRemoved { member } => is_theirs(member),
        Change::ObjectDeleted { .. } => event.entry.kind == Some(EntryKind::Group),
        Change::OwnerAdded { .. }
        | Change::OwnerRemoved { .. }
        | Change::ManagerChanged { .. }
        | Change::ObjectCreated
        | Change::ObjectRenamed { .. }
        | Change::AttributesChanged { .. }
        | Change::ScopeEntered
        | Change::ScopeLeft => false,
    }
}

fn people(row: &Row) -> impl Iterator<Item = &Entry> {
    let created = row.change.iter().filter_map(|step| match step {
        Step::Create(entry) => Some(entry),
        Step::Delete(_) | Step::Rename(..) | Step::Move(..) | Step::Modify(..) => None,
    });
    row.before.iter().chain(created).filter(|entry| entry.class == Class::Person)
}

/// Whether this person reads what is sent to `who`: an address, or what stands before its at sign.
fn is_read_by(person: &Entry, who: &str) -> bool {
    let mut addresses = person.fields.iter().filter(|(field, _)| *field == Field::Mail).peekable();
    if addresses.peek().is_none() {
        return person.name == who;
    }
    addresses.any(|(_, address)| {
        let address = address.to_lowercase();
        address == who || address.split('@').next() == Some(who)
    })
}

/// The mails of a row in one store.
fn expected(row: &Row, store: &str, reasons: &[&str]) -> Mails {
    let copies = |count: usize| {
        [ARCHIVE, AUDITOR].into_iter().flat_map(move |to| vec![format!("{to}: recipients"); count])
    };
    let mut mails: Mails = if store == COPIES {
        copies(row.change_sets).collect()
    } else {
        row.expect.iter().filter_map(|line| under(line, reasons)).collect()
    };
    if store == ALL {
        let own = |copy: &String| {
            let (to, _) = copy.split_once(": ").expect("recipient: reasons");
            row.expect.iter().any(|line| line.starts_with(to))
        };
        mails.extend(copies(row.fired).filter(|copy| !own(copy)));
    }
    mails.sort();
    mails
}

/// What is left of a mail when only these options are on.
fn under(line: &str, on: &[&str]) -> Option<String> {
    let (who, reasons) = line.split_once(": ").expect("recipient: reasons");
    let left: Vec<&str> = reasons.split(", ").filter(|reason| on.contains(reason)).collect();
    (!left.is_empty()).then(|| format!("{who}: {}", left.join(", ")))
}
