//! Changes at a steady rate, made by several writers, while slapd, Postfix and dirherald are killed, frozen and
//! restarted at random; then what was changed and who was told are reconciled to the last fact.
//!
//! `make soak` runs it; `make test` does not, for it takes as long as it is told to. It is a test of the one
//! integration program and not a program of its own, because it stands on the same servers, and they end with
//! the test's process, whatever ends that. `DIRHERALD_SOAK_SECONDS`, `_SEED` and `_RATE` (changes a second) say
//! how long, which course, and how fast; `_LOG` names a file for what dirherald logged.

mod chaos;
mod ledger;
mod mails;
mod reckoning;
mod watch;
mod world;
mod writer;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use dirherald::{
    change::event::{Change, ChangeEvent, Direction},
    clock,
    db::{EventFilter, Reader},
    directory::entry::EntryRef,
};
use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use self::{
    chaos::{Chaos, Log},
    ledger::{Fact, Kind, Slot, attribute_changed},
    mails::Post,
    reckoning::{Reckoning, Told},
    watch::Watch,
    world::World,
    writer::{Access, Writer},
};
use crate::{
    crash::{
        company::{Entry, Label},
        directory::{Manner, address_of, dummy_members},
        run::ARCHIVE,
    },
    support::{
        daemon::{Daemon, Site},
        ldap::Ldap,
        postfix::{Door, Postfix},
        random::Random,
        slapd::Slapd,
        smtp::SmtpServer,
    },
};

const WRITERS: u32 = 6;

type Labels = BTreeMap<Uuid, Label>;

fn setting(name: &str, otherwise: u64) -> u64 {
    let name = format!("DIRHERALD_SOAK_{name}");
    std::env::var(&name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

fn site(slapd: &Slapd, postfix: &Postfix, unused: &SmtpServer, window: &str) -> Site {
    Site::new(slapd, unused)
        .by_postfix(postfix, Door::Submission)
        .with("smtp.timeout", "\"5s\"")
        .with("smtp.retry_initial", "\"500ms\"")
        .with("smtp.retry_max", "\"5s\"")
        .with("notify.owner", "true")
        .with("notify.manager", "true")
        .with("notify.added_members", "true")
        .with("notify.removed_members", "true")
        .with("notify.digest_window", &format!("\"{window}\""))
        .with("recipients.to", &format!("[\"{ARCHIVE}\"]"))
        .with("recipients.copy", "\"all-changes\"")
        .with("schema.dummy_members", &dummy_members(slapd))
        .with_guard_wide_open()
}

/// A company whose server, mail server and dirherald run, and nothing is disturbed yet.
struct Scene {
    slapd: Slapd,
    postfix: Postfix,
    site: Site,
    daemon: Daemon,
    world: Arc<Mutex<World>>,
    labels: Arc<Mutex<Labels>>,
    watch: Arc<Watch>,
}

impl Scene {
    async fn set(seed: u64, manner: Manner, window: &str) -> Self {
        let world = World::new(seed);
        let slapd = manner.setup(&world.company).start();
        let postfix = Postfix::for_everybody();
        let labels = first_labels(&Ldap::admin(&slapd).await, &world).await;
        let site = site(&slapd, &postfix, &SmtpServer::start().await, window);
        let daemon = site.start();
        daemon.wait_live().await;
        let (world, labels) = (Arc::new(Mutex::new(world)), Arc::new(Mutex::new(labels)));
        Self { slapd, postfix, site, daemon, world, labels, watch: Arc::default() }
    }

    /// Everything runs again at the end, and all writers are done.
    async fn storm(self, seed: u64, length: Duration, rate: u32) -> (Self, Log) {
        let Self { slapd, postfix, site, daemon, world, labels, watch } = self;
        let begin = Instant::now();
        let until = begin + length;
        let access = Access { url: slapd.url(), base: slapd.base().to_owned(), admin: slapd.admin_dn() };
        tokio::spawn({
            let (watch, state_file) = (Arc::clone(&watch), site.state_file());
            async move { watch.run(state_file).await }
        });
        let period = Duration::from_secs(1) * WRITERS / rate;
        let writers: Vec<_> = (0..WRITERS)
            .map(|n| {
                let parts = (access.clone(), Arc::clone(&world), Arc::clone(&labels), Arc::clone(&watch));
                let writer = Writer::new(parts.0, parts.1, parts.2, parts.3);
                tokio::spawn(writer.run(period * n / WRITERS, period, until))
            })
            .collect();
        let chaos = Chaos { begin, until, log: Arc::default() };
        let random = |n: u64| Random::new(seed.wrapping_mul(3).wrapping_add(n));
        let log = Arc::clone(&chaos.log);
        let slapd = tokio::spawn(chaos.clone().torment_slapd(slapd, random(0)));
        let postfix = tokio::spawn(chaos.clone().torment_postfix(postfix, random(1)));
        let torment = chaos.torment_dirherald(site.clone(), daemon, Arc::clone(&watch), random(2));
        let daemon = tokio::spawn(torment);
        for writer in writers {
            writer.await.expect("a writer ends well");
        }
        let slapd = slapd.await.expect("slapd runs again");
        let postfix = postfix.await.expect("Postfix runs again");
        let daemon = daemon.await.expect("dirherald runs again");
        let log = std::mem::take(&mut *log.lock().expect("nobody panics with the log in hand"));
        (Self { slapd, postfix, site, daemon, world, labels, watch }, log)
    }

    /// Waits until all is told and delivered, and ends dirherald.
    async fn calm_down(self) -> Calm {
        let Self { slapd, postfix, site, daemon, world, labels, watch } = self;
        let ldap = Ldap::admin(&slapd).await;
        // One more change, told to nobody but the archive: with all that was before it, it is seen.
        let last = clock::now();
        ldap.replace("ou=groups", "description", &["the end"]).await;
        wait_long("everything is settled", || watch.settled() > last).await;
        wait_long("everything is delivered", || {
            let reader = Reader::open(&site.state_file()).expect("opening the state").expect("a state");
            reader.in_hand().expect("counting") == 0
        })
        .await;
        watch.ends.store(true, Ordering::Relaxed);
        daemon.stop().await;
        postfix.flush();
        wait_long("Postfix has delivered all", || postfix.queued() == 0).await;
        let world = Arc::into_inner(world).expect("the writers are done").into_inner().expect("a world");
        let labels = Arc::into_inner(labels).expect("the writers are done").into_inner().expect("labels");
        Calm { postfix, site, world, labels, watch }
    }
}

/// After the storm.
struct Calm {
    postfix: Postfix,
    site: Site,
    world: World,
    labels: Labels,
    watch: Arc<Watch>,
}

async fn first_labels(ldap: &Ldap, world: &World) -> Labels {
    let company = &world.company;
    let people = company.people_there().into_iter().map(Entry::Person);
    let entries = people.chain(company.groups_there().into_iter().map(Entry::Group));
    let entries = entries.map(|entry| (company.dn(entry), entry.label()));
    let places = company.places.iter().enumerate().map(|(n, ou)| (format!("ou={ou}"), format!("place{n}")));
    let mut labels = Labels::new();
    for (dn, label) in entries.chain(places) {
        labels.insert(ldap.id(&dn).await.parse().expect("a UUID"), label);
    }
    labels
}

/// Minutes: a mail server that was away is tried once a minute.
async fn wait_long(what: &str, mut done: impl FnMut() -> bool) {
    const LIMIT: Duration = Duration::from_mins(5);
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LIMIT, "waited {LIMIT:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What dirherald says of each slot, in the order in which it learned of it.
fn told(state_file: &Path, labels: &Labels) -> (usize, BTreeMap<Slot, Vec<Told>>) {
    let reader = Reader::open(state_file).expect("opening the state").expect("a state");
    let rows = reader.events_after(EventFilter::default(), 0, u32::MAX).expect("reading the events");
    let mut told: BTreeMap<Slot, Vec<(Uuid, Told)>> = BTreeMap::new();
    for row in &rows {
        for (slot, fact) in facts(&row.event, labels) {
            let of_slot = told.entry(slot).or_default();
            let change_set = row.event.change_set.0;
            if of_slot.last().is_none_or(|(last, _)| *last != change_set) {
                of_slot.push((change_set, Told { seen: row.event.seen, ..Told::default() }));
            }
            let (_, last) = of_slot.last_mut().expect("it was pushed just now");
            last.facts.entry(fact).or_default().push(row.event.id.to_string());
        }
    }
    let told = told.into_iter().map(|(slot, told)| (slot, told.into_iter().map(|(_, told)| told).collect()));
    (rows.len(), told.collect())
}

fn facts(event: &ChangeEvent, labels: &Labels) -> Vec<(Slot, Fact)> {
    let label = |entry: &EntryRef| {
        let label = entry.id.and_then(|id| labels.get(&id.0).cloned());
        label.unwrap_or_else(|| format!("?{}", entry.dn))
    };
    let entry = label(&event.entry);
    let fact = |change: &str, subject: &str| Fact {
        change: change.to_owned(),
        entry: entry.clone(),
        subject: subject.to_owned(),
    };
    let name = event.change.name();
    let slot = |kind: Kind| Slot::new(kind, &*entry, "");
    let (slot, fact) = match &event.change {
        Change::MemberAdded { member } | Change::MemberRemoved { member } => {
            let member = label(member);
            (Slot::new(Kind::Member, &*entry, &*member), fact(name, &member))
        }
        Change::OwnerAdded { owner, .. } | Change::OwnerRemoved { owner, .. } => {
            (slot(Kind::Owners), fact(name, &address_of(&label(owner))))
        }
        Change::ManagerChanged { manager, direction, .. } => {
            let direction = match direction {
                Direction::Added => "added",
                Direction::Removed => "removed",
            };
            (slot(Kind::Manager), fact(&format!("{name} {direction}"), &address_of(&label(manager))))
        }
        Change::ObjectCreated | Change::ObjectDeleted { .. } | Change::ScopeEntered | Change::ScopeLeft => {
            (slot(Kind::Life), fact(name, ""))
        }
        Change::ObjectRenamed { .. } => (slot(Kind::Name), fact(name, "")),
        Change::AttributesChanged { attributes } => {
            return attributes
                .iter()
                .map(|a| {
                    let value = |values: &[String]| values.iter().cloned().collect();
                    let change = attribute_changed(a.name.as_str(), &value(&a.old), &value(&a.new));
                    (Slot::new(Kind::Attribute, &*entry, a.name.as_str()), fact(&change, ""))
                })
                .collect();
        }
    };
    vec![(slot, fact)]
}

/// From a change to its mail, in milliseconds, where nothing was disturbed from five seconds before it on.
fn delays(reckoning: &Reckoning, post: &Post, log: &Log) -> Vec<i64> {
    let before = Duration::from_secs(5);
    let delay = |(event, made): (&String, &Timestamp)| {
        let arrived = *post.arrived.get(event)?;
        let since = *made - before;
        let disturbed = log.disturbances.iter().any(|(from, to, _)| *from < arrived && since < *to);
        (!disturbed).then(|| arrived.duration_since(*made).as_millis().try_into().expect("a short while"))
    };
    let mut delays: Vec<i64> = reckoning.made_at.iter().filter_map(delay).collect();
    delays.sort_unstable();
    delays
}

fn percentile(sorted: &[i64], percent: usize) -> String {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or_else(|| "no sample".to_owned(), |milliseconds| format!("{milliseconds} ms"))
}

fn counted(counts: &BTreeMap<impl std::fmt::Display, usize>) -> String {
    let counts: Vec<_> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    counts.join(", ")
}

/// Ends the test at the user's wish, with everything that it started.
async fn interrupted() {
    let mut end =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a signal");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => (),
        _ = end.recv() => (),
    }
}

async fn soak(seed: u64, length: Duration, rate: u32) {
    let manner =
        [Manner::Tidy, Manner::Forgetful, Manner::Dangling][usize::try_from(seed % 3).expect("small")];
    let window = ["0s", "1s"][usize::try_from(seed % 2).expect("small")];
    println!(
        "soak: seed {seed}, {length:?}, {rate} changes/s by {WRITERS} writers, {manner:?}, digest {window}"
    );
    let start = Instant::now();
    let scene = Scene::set(seed, manner, window).await;
    let (scene, log) = scene.storm(seed, length, rate).await;
    let Calm { postfix, site, world, labels, watch } = scene.calm_down().await;
    let (events, told) = told(&site.state_file(), &labels);
    let post = Post::read(&postfix.all_mails(), &site.state_file(), &log.ends);
    let reckoning = Reckoning::of(&world.ledger, told, &post.readers, &watch.proofs());
    let delays = delays(&reckoning, &post, &log);
    println!(
        "changes: {} ({})\ndisturbances: {}\nevents: {events}, told {} times; mails: {} messages, {} copies\n\
         duplicates: {} at the SMTP gap (same Message-ID), {} by Postfix (same queue file)\n\
         not seen because undone or changed again in one absence: {}\n\
         lost: {}, false: {}, otherwise wrong: {}\n\
         longest without news from dirherald: {:.1} s\n\
         peak memory of dirherald: {} KiB, peak state: {} KiB\n\
         change to mail, undisturbed: median {}, 95th percentile {}, {} samples; all in {:.0} s",
        world.made.values().sum::<usize>(),
        counted(&world.made),
        counted(&log.counts),
        reckoning.told,
        post.messages,
        post.copies,
        post.duplicates,
        post.duplicates_of_postfix,
        reckoning.unseen,
        reckoning.lost.len(),
        reckoning.made_up.len(),
        post.wrong.len(),
        watch.proofs().longest_silence().as_secs_f64(),
        watch.peak_rss_kib(),
        watch.peak_state_bytes() / 1024,
        percentile(&delays, 50),
        percentile(&delays, 95),
        delays.len(),
        start.elapsed().as_secs_f64()
    );
    if let Some(path) = std::env::var_os("DIRHERALD_SOAK_LOG") {
        std::fs::write(path, site.log()).expect("writing the log");
    }
    let all = [("lost", &reckoning.lost), ("false", &reckoning.made_up), ("wrong", &post.wrong)];
    for (what, lines) in all {
        for line in lines.iter().take(40) {
            println!("{what}: {line}");
        }
    }
    if all.iter().all(|(_, lines)| lines.is_empty()) {
        return;
    }
    for (from, to, what) in &log.disturbances {
        println!("{from} to {to}: {what}");
    }
    panic!("seed {seed}: see above");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 12)]
#[ignore = "takes as long as it is told to: make soak"]
async fn soak_everything_killed_and_frozen_and_nothing_lost() {
    let seed = setting("SEED", 1);
    let length = Duration::from_secs(setting("SECONDS", 60));
    let rate = u32::try_from(setting("RATE", 10)).expect("a small number");
    tokio::select! {
        () = soak(seed, length, rate) => (),
        () = interrupted() => panic!("interrupted"),
    }
}
