//! One run of a series, undisturbed or with a daemon that is killed again and again.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    process::Stdio,
    time::{Duration, Instant},
};

use dirherald::{
    change::event::{Change, ChangeEvent},
    db::{EventFilter, Reader},
    directory::entry::EntryId,
    notify::notification::{Skipped, WhyNot},
};

use super::{
    company::{Act, BASE, OUTSIDE},
    directory::{Directory, Manner, address, address_of, dummy_members},
    series::{Episode, Series, Step},
    verdict::{Count, Excuses, Told, count, without},
    witness::{Edge, Progress, Witness},
};
use crate::support::{
    daemon::{Daemon, Site},
    mail::Letter,
    random::Random,
    smtp::{At, Fault, Mail, SmtpServer},
    wait,
};

/// Gets a copy of everything.
pub const ARCHIVE: &str = "archive@harbour-vale.example";

/// An edge that is not reached by then is not reached.
const EDGE_LIMIT: Duration = Duration::from_millis(500);

/// A run.
pub struct Run<'a> {
    series: &'a Series,
    directory: Directory,
    smtp: SmtpServer,
    site: Site,
    /// The parts of the series that were waited for, with the last event before each.
    begins: Vec<(Part, i64)>,
    witness: Option<Witness>,
    tally: Tally,
}

/// What was done to the daemon.
#[derive(Debug, Default)]
pub struct Tally {
    pub kills: usize,
    pub slapd_restarts: usize,
    pub slapd_kills: usize,
    /// Where it stood when it was killed.
    pub edges: BTreeMap<&'static str, usize>,
    /// Mails that had been taken and not been recorded when it was killed, and how often.
    lost_answers: BTreeMap<String, usize>,
    /// Mails that came more than once, and could not but.
    pub duplicates: usize,
}

/// What was made in one go and waited for: all it tells is told of it.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub episode: usize,
    /// The first of its steps.
    step: usize,
}

/// Change, entry, subject.
type Fact = (String, String, String);

/// What was told in the end.
pub struct Outcome {
    /// With the part of the series that it tells of: the step undisturbed, the episode disturbed.
    pub told: Vec<(Part, Told)>,
    /// What nobody was told because it was discarded: change, entry, subject.
    discarded: Vec<(Part, Fact)>,
    pub tally: Tally,
    pub events: Vec<String>,
    pub skipped: Vec<String>,
    /// What somebody would have been told who was deleted, by the record of who was not told and why.
    pub not_to_the_deleted: Vec<(Part, Told)>,
    pub log: String,
}

impl<'a> Run<'a> {
    /// A directory and a mail server; no daemon yet.
    pub async fn prepare(series: &'a Series, manner: Manner) -> Self {
        let directory = Directory::start(&series.company, manner).await;
        let smtp = SmtpServer::start().await;
        let site = Site::new(&directory.slapd, &smtp)
            .with("notify.owner", "true")
            .with("notify.added_members", "true")
            .with("notify.removed_members", "true")
            .with("recipients.to", &format!("[\"{ARCHIVE}\"]"))
            .with("recipients.copy", "\"all-changes\"")
            .with("schema.dummy_members", &dummy_members(&directory.slapd))
            .with("smtp.retry_initial", "\"100ms\"")
            .with("exclude", &format!("[\"ou={OUTSIDE},{BASE}\"]"))
            .with_guard_wide_open();
        Self { series, directory, smtp, site, begins: Vec::new(), witness: None, tally: Tally::default() }
    }

    /// Makes each change when the one before was told.
    pub async fn undisturbed(mut self) -> Outcome {
        let daemon = self.live().await;
        for step in 0..self.series.steps.len() {
            self.begin(step);
            self.make(step..step + 1).await;
            self.dispatched().await;
            self.written().await;
        }
        self.finish(daemon).await
    }

    /// Kills the daemon in every episode, at least once, and sometimes the directory too.
    pub async fn disturbed(mut self, seed: u64) -> Outcome {
        let mut random = Random::new(seed);
        if seed.is_multiple_of(2) {
            self.site = self.site.with("notify.digest_window", "\"300ms\"");
        }
        let has_guard = seed.is_multiple_of(GUARDED);
        if has_guard {
            self.site = self.site.with("guard.max_events", "12");
        }
        let mut daemon = self.baseline(&mut random).await;
        for episode in &self.series.episodes {
            self.begin(episode.steps.start);
            let last = self.witness().last_notification();
            daemon = self.disturb(daemon, episode.steps.clone(), &mut random).await;
            self.dispatched().await;
            if has_guard {
                daemon = self.let_go(daemon, &mut random).await;
            }
            self.written_up_to(last).await;
        }
        self.finish(daemon).await
    }

    async fn live(&mut self) -> Daemon {
        let daemon = self.site.start();
        self.is_live(&daemon).await;
        daemon
    }

    async fn is_live(&mut self, daemon: &Daemon) {
        daemon.wait_live().await;
        self.witness.get_or_insert_with(|| Witness::of(&self.site.state_file()));
    }

    fn witness(&self) -> &Witness {
        self.witness.as_ref().expect("a daemon was live")
    }

    /// The first start, cut short a few times.
    async fn baseline(&mut self, random: &mut Random) -> Daemon {
        for _ in 0..3 {
            let daemon = self.site.start();
            pause(random.below(120)).await;
            daemon.kill().await;
            self.tally.kills += 1;
            *self.tally.edges.entry("before or in the baseline").or_default() += 1;
        }
        self.live().await
    }

    async fn make(&mut self, steps: Range<usize>) {
        self.directory.make(&self.series.steps[steps]).await;
    }

    /// Waits until everything the directory has is stored, and it is settled who is told.
    async fn dispatched(&mut self) {
        let csn = self.directory.csn().await;
        wait::until_async(&format!("{csn} is dispatched"), async || {
            let (witness, csn) = (self.witness(), &csn);
            (witness.checkpoint().contains(csn) && witness.progress().is_dispatched()).then_some(())
        })
        .await;
    }

    /// Waits until every mail is written: whom the next step dismisses was told what was before.
    async fn written(&self) {
        self.written_up_to(self.witness().last_notification()).await;
    }

    /// Waits until the mails for all notifications up to this one are written.
    async fn written_up_to(&self, last: i64) {
        wait::until_async("mails are written", async || (!self.witness().waits_up_to(last)).then_some(()))
            .await;
    }

    async fn disturb(&mut self, daemon: Daemon, steps: Range<usize>, random: &mut Random) -> Daemon {
        self.misfortune(random);
        let before_kill = steps.start + random.below(steps.len() + 1);
        let edge = random.percent(70).then(|| random.choose(&LIVE_EDGES)).flatten();
        self.kill_while(daemon, steps.start..before_kill, edge, random).await;
        self.disturb_directory(random).await;
        let mut made = before_kill;
        while random.percent(25) {
            let now = made + random.below(steps.end - made + 1);
            self.make(made..now).await;
            made = now;
            let daemon = self.site.start();
            let edge = random.percent(50).then(|| random.choose(&START_EDGES)).flatten();
            let now = made + random.below(steps.end - made + 1).min(2);
            self.kill_while(daemon, made..now, edge, random).await;
            made = now;
        }
        let now = made + random.below(steps.end - made + 1).max((steps.end - made) / 2);
        self.make(made..now).await;
        let daemon = self.site.start();
        // The rest comes while it connects, or a little later.
        pause(random.below(150)).await;
        self.disturb_directory(random).await;
        self.make(now..steps.end).await;
        self.is_live(&daemon).await;
        self.smtp.clear_script();
        daemon
    }

    /// Releases or discards all that the guard holds. dirherald, or the command that does without it, is killed
    /// meanwhile as a rule.
    async fn let_go(&mut self, mut daemon: Daemon, random: &mut Random) -> Daemon {
        while self.witness().holds() > 0 {
            let wish = if random.percent(60) { "release" } else { "discard" };
            let arguments = ["held", wish, "--all"];
            match random.below(4) {
                0 => {
                    let ran = self.site.run(&arguments).await;
                    assert_eq!(ran.code, 0, "{}", ran.stderr);
                }
                1 => {
                    daemon.kill().await;
                    let mut command = self.site.command(&arguments);
                    let command = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
                    pause(random.below(80)).await;
                    command.expect("starting dirherald").kill().await.expect("killing our own child");
                    self.record_kill(Some("a hold let go without a daemon"));
                    daemon = self.live().await;
                }
                _ => {
                    let mut command = self.site.command(&arguments);
                    let command = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
                    let mut command = command.expect("starting dirherald");
                    let start = Instant::now();
                    while !self.witness().is_letting_go()
                        && self.witness().holds() > 0
                        && start.elapsed() < EDGE_LIMIT
                    {
                        tokio::task::yield_now().await;
                    }
                    pause(random.below(20)).await;
                    daemon.kill().await;
                    command.kill().await.expect("killing our own child");
                    self.record_kill(Some("a hold being let go"));
                    daemon = self.live().await;
                }
            }
            wait::until_async("what was asked for is done", async || {
                (!self.witness().is_letting_go()).then_some(())
            })
            .await;
            self.dispatched().await;
        }
        daemon
    }

    /// Sometimes the directory has one too, while dirherald is away or reads it.
    async fn disturb_directory(&mut self, random: &mut Random) {
        match random.below(20) {
            0 => {
                self.directory.restart().await;
                self.tally.slapd_restarts += 1;
            }
            1 => {
                self.directory.kill().await;
                self.tally.slapd_kills += 1;
            }
            _ => {}
        }
    }

    /// Sometimes the mail server has a bad moment too.
    fn misfortune(&self, random: &mut Random) {
        let fault = match random.below(12) {
            0 | 1 => Fault::at(At::Taken).drop_connection(),
            2 => Fault::at(At::Message).drop_connection(),
            3 => Fault::at(At::Rcpt).answer("451 4.3.0 try later"),
            4 => Fault::at(At::Message).answer("452 4.2.2 mailbox full"),
            _ => return,
        };
        self.smtp.script(fault.times(1));
    }

    /// Makes changes, and kills the daemon at the edge, or at any instant where there is none.
    async fn kill_while(
        &mut self,
        daemon: Daemon,
        steps: Range<usize>,
        edge: Option<Edge>,
        random: &mut Random,
    ) {
        let before = self.witness().progress();
        if matches!(edge, Some(Edge::Taken | Edge::Acknowledged)) {
            self.smtp.script(Fault::at(At::Taken).hold().times(1));
        }
        let taken = self.smtp.mails().len();
        let witness = self.witness.as_ref().expect("a daemon was live");
        let mut hold = (edge == Some(Edge::Committing)).then(|| witness.hold_writes());
        self.directory.make(&self.series.steps[steps]).await;
        match edge {
            None => pause(random.below(40)).await,
            Some(Edge::Committing) => pause(10 + random.below(60)).await,
            Some(edge) => reach(witness, &self.smtp, edge, before, taken).await,
        }
        let is_acknowledged = edge == Some(Edge::Acknowledged) && self.smtp.mails().len() > taken;
        if is_acknowledged {
            hold = Some(witness.hold_writes());
            self.smtp.release();
            pause(15).await;
        }
        daemon.kill().await;
        drop(hold);
        self.smtp.release();
        let held_back = match edge {
            Some(Edge::Committing) => Some("a commit held back"),
            Some(Edge::Acknowledged) if is_acknowledged => Some("a 250 given, its commit held back"),
            _ => None,
        };
        self.record_kill(held_back);
    }

    fn record_kill(&mut self, held_back: Option<&'static str>) {
        self.tally.kills += 1;
        let mut edges = self.witness().progress().edges();
        edges.extend(held_back);
        let sent = self.witness().sent();
        let mut was_taken = false;
        for (id, mails) in by_message_id(&self.smtp.mails()) {
            let message = sent.get(&id).unwrap_or_else(|| panic!("{id} was sent before it was stored"));
            let last = mails.iter().map(|mail| mail.at).max();
            let recorded = message.attempts.iter().map(|(at, _)| *at).max();
            if message.state != "delivered" && last > recorded {
                *self.tally.lost_answers.entry(id).or_default() += 1;
                was_taken = true;
            }
        }
        if was_taken {
            edges.push("a mail taken, its answer not recorded");
        }
        if edges.is_empty() {
            edges.push("elsewhere");
        }
        for edge in edges {
            *self.tally.edges.entry(edge).or_default() += 1;
        }
    }

    fn begin(&mut self, step: usize) {
        let part = Part { episode: self.series.episode_of(step), step };
        self.begins.push((part, self.last_event()));
    }

    /// Of which part of the series an event tells.
    fn part_of(&self, event: i64) -> Part {
        let begins = self.begins.partition_point(|(_, begin)| *begin < event);
        self.begins[begins.saturating_sub(1)].0
    }

    fn last_event(&self) -> i64 {
        self.events().last().map_or(0, |(seq, _)| *seq)
    }

    fn events(&self) -> Vec<(i64, ChangeEvent)> {
        let reader = Reader::open(&self.site.state_file()).expect("opening the state").expect("a state");
        let rows = reader.events_after(EventFilter::default(), 0, u32::MAX).expect("reading the events");
        rows.into_iter().map(|row| (row.seq, row.event)).collect()
    }

    /// Waits until all is delivered, and ends.
    async fn finish(mut self, daemon: Daemon) -> Outcome {
        wait::until_async("everything is delivered", async || {
            let reader = Reader::open(&self.site.state_file()).expect("opening the state");
            (reader.expect("a state").in_hand().expect("counting") == 0).then_some(())
        })
        .await;
        daemon.stop().await;
        self.tally.duplicates = self.assert_duplicates_could_not_be_helped();
        let told = self.told();
        let discarded = self.discarded();
        let events = self.events();
        let events = events.iter().flat_map(|(seq, event)| {
            self.facts(event).into_iter().map(move |(change, entry, subject)| {
                format!("{seq} {change} {entry} {subject} at {}{}", event.entry.dn, old_name(event))
            })
        });
        let events = events.collect();
        let skipped = self.witness().skipped();
        let not_to_the_deleted = self.not_to_the_deleted(&skipped);
        Outcome {
            told,
            discarded,
            events,
            skipped,
            not_to_the_deleted,
            log: self.site.log(),
            tally: self.tally,
        }
    }

    /// A mail comes again only where its answer was lost, the same in every byte.
    fn assert_duplicates_could_not_be_helped(&self) -> usize {
        let sent = self.witness().sent();
        let mut duplicates = 0;
        for (id, mails) in by_message_id(&self.smtp.mails()) {
            let message = &sent[&id];
            let count = |outcome: &str| message.attempts.iter().filter(|(_, how)| how == outcome).count();
            assert_eq!(count("delivered"), 1, "{id}: {message:?}");
            assert!(mails.iter().all(|mail| mail.bytes == mails[0].bytes && mail.to == mails[0].to), "{id}");
            let explained = count("transient") + self.tally.lost_answers.get(&id).unwrap_or(&0);
            assert!(mails.len() <= 1 + explained, "{id} came {} times: {message:?}", mails.len());
            duplicates += mails.len() - 1;
        }
        assert_eq!(sent.len(), by_message_id(&self.smtp.mails()).len(), "every message came");
        duplicates
    }

    fn discarded(&self) -> Vec<(Part, Fact)> {
        let events = self.events_by_id();
        let of = |id: &String| {
            let (seq, event) = &events[id];
            let part = self.part_of(*seq);
            self.facts(event).into_iter().map(move |fact| (part, fact))
        };
        self.witness().discarded().iter().flat_map(of).collect()
    }

    fn events_by_id(&self) -> BTreeMap<String, (i64, ChangeEvent)> {
        self.events().into_iter().map(|(seq, event)| (event.id.to_string(), (seq, event))).collect()
    }

    /// What the record says that somebody was not told for being deleted, each event once for each person.
    fn not_to_the_deleted(&self, skipped: &[String]) -> Vec<(Part, Told)> {
        let events = self.events_by_id();
        let skipped = skipped.iter().map(|facts| serde_json::from_str(facts).expect("a record"));
        let of_the_deleted = skipped.filter(|skipped: &Skipped| skipped.why == WhyNot::Deleted);
        let pairs: BTreeSet<_> = of_the_deleted
            .flat_map(|Skipped { who, events, .. }| {
                let id = who.id.expect("whoever was deleted was read before");
                events.into_iter().map(move |event| (event.to_string(), id))
            })
            .collect();
        let told = |(event, who): (String, EntryId)| {
            let (seq, event) = &events[&event];
            let (part, recipient) = (self.part_of(*seq), address_of(self.directory.label_of(who.0)));
            let told = move |(change, entry, subject)| {
                (part, Told { change, entry, subject, recipient: recipient.clone() })
            };
            self.facts(event).into_iter().map(told)
        };
        pairs.into_iter().flat_map(told).collect()
    }

    /// What each recipient was told, each mail once.
    fn told(&self) -> Vec<(Part, Told)> {
        let (events, sent) = (self.events_by_id(), self.witness().sent());
        let discarded = self.witness().discarded();
        let mut told = Vec::new();
        for (message_id, mails) in by_message_id(&self.smtp.mails()) {
            let letter = Letter::of(mails[0]);
            let [to] = &letter.to[..] else { panic!("one recipient: {letter:?}") };
            // The header names fifty of them and counts the rest.
            let all = &sent[&message_id].events;
            let named = letter.events.iter().filter(|id| !id.starts_with('+'));
            assert!(named.eq(all.iter().take(50)), "{letter:?} names {all:?}");
            assert!(all.iter().all(|id| !discarded.contains(id)), "{letter:?} was discarded");
            for id in all {
                let (seq, event) = events.get(id).unwrap_or_else(|| panic!("{id} is no event: {letter:?}"));
                let part = self.part_of(*seq);
                for (change, entry, subject) in self.facts(event) {
                    told.push((part, Told { change, entry, subject, recipient: to.clone() }));
                }
            }
        }
        told
    }

    /// What an event says: change, entry, subject.
    fn facts(&self, event: &ChangeEvent) -> Vec<Fact> {
        let label = |entry: &dirherald::directory::entry::EntryRef| {
            entry.id.map_or_else(|| format!("?{}", entry.dn), |id| self.directory.label_of(id.0).to_owned())
        };
        let entry = label(&event.entry);
        let subject = event.change.subject().map(label).unwrap_or_default();
        let name = event.change.name();
        match &event.change {
            Change::AttributesChanged { attributes } => attributes
                .iter()
                .map(|a| format!("{name} {} {:?} {:?}", a.name, a.old, a.new))
                .map(|change| (change, entry.clone(), String::new()))
                .collect(),
            Change::ManagerChanged { direction, .. } => {
                vec![(format!("{name} {direction:?}"), entry, subject)]
            }
            _ => vec![(name.to_owned(), entry, subject)],
        }
    }
}

/// What a renamed entry was called.
fn old_name(event: &ChangeEvent) -> String {
    match &event.change {
        Change::ObjectRenamed { old_dn } => format!(", was {old_dn}"),
        _ => String::new(),
    }
}

/// Of so many seeds one has a guard that holds nearly every episode back.
const GUARDED: u64 = 5;

/// When the daemon is live.
const LIVE_EDGES: [Edge; 8] = [
    Edge::Kept,
    Edge::Committing,
    Edge::Stored,
    Edge::Dispatched,
    Edge::Composed,
    Edge::Taken,
    Edge::Acknowledged,
    Edge::Recorded,
];

/// While it starts.
const START_EDGES: [Edge; 7] =
    [Edge::Kept, Edge::Kept, Edge::Stored, Edge::Dispatched, Edge::Taken, Edge::Acknowledged, Edge::Recorded];

/// Waits until the work stands at the edge, or nothing more is to be done.
async fn reach(witness: &Witness, smtp: &SmtpServer, edge: Edge, before: Progress, taken: usize) {
    let start = Instant::now();
    while start.elapsed() < EDGE_LIMIT {
        let now = witness.progress();
        let has_come = match edge {
            Edge::Taken | Edge::Acknowledged => smtp.mails().len() > taken,
            other => now.shows(other, before),
        };
        if has_come || (now.has_news(before) && now.is_idle()) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn by_message_id(mails: &[Mail]) -> BTreeMap<String, Vec<&Mail>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for mail in mails {
        let id = mail.header("Message-ID").expect("a Message-ID");
        found.entry(id).or_default().push(mail);
    }
    found
}

async fn pause(milliseconds: usize) {
    let milliseconds = u64::try_from(milliseconds).expect("a short pause");
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

impl Outcome {
    /// What was told of an episode.
    pub fn told_in(&self, episode: usize) -> impl Iterator<Item = Told> {
        in_episode(&self.told, episode).map(|(_, told)| told.clone())
    }
}

fn in_episode(told: &[(Part, Told)], episode: usize) -> impl Iterator<Item = &(Part, Told)> {
    told.iter().filter(move |(part, _)| part.episode == episode)
}

/// What cannot be otherwise in an episode.
pub fn excuses(series: &Series, episode: usize, undisturbed: &Outcome, disturbed: &Outcome) -> Excuses {
    Excuses {
        undone: undone(series, episode, &undisturbed.told),
        more_owners: more_owners(&series.episodes[episode], undisturbed.told_in(episode)),
        discarded: {
            let discarded = disturbed.discarded.iter().filter(|(part, _)| part.episode == episode);
            discarded.map(|(_, fact)| fact.clone()).collect()
        },
        to_the_dismissed: to_the_dismissed(series, episode, undisturbed, disturbed),
    }
}

/// Everyone who may be told of a group because of what else happens to it in the same episode.
fn more_owners(episode: &Episode, told: impl Iterator<Item = Told>) -> BTreeSet<Told> {
    let mut more = BTreeSet::new();
    for told in told {
        let group = episode.owners.iter().find(|(group, _)| told.entry == format!("g{group}"));
        for owner in group.into_iter().flat_map(|(_, owners)| owners) {
            more.insert(Told { recipient: address(*owner), ..told.clone() });
        }
    }
    more
}

/// What was not told to people who were dismissed in the next episode, where only the disturbed run has it on
/// record that they were deleted before it could be told to them. What the undisturbed run has on record too
/// was for people who were gone when it was settled who is told.
fn to_the_dismissed(series: &Series, episode: usize, undisturbed: &Outcome, disturbed: &Outcome) -> Count {
    let next = series.episodes.get(episode + 1).map(|next| &series.steps[next.steps.clone()]);
    let dismissed: BTreeSet<_> = next.into_iter().flatten().filter_map(dismissal).map(address).collect();
    let of = |outcome: &Outcome| {
        let of_the_episode = in_episode(&outcome.not_to_the_deleted, episode).map(|(_, told)| told);
        count(of_the_episode.filter(|told| dismissed.contains(&told.recipient)).cloned())
    };
    without(&of(disturbed), &of(undisturbed))
}

fn dismissal(step: &Step) -> Option<usize> {
    match step.act {
        Act::Dismiss { person } => Some(person),
        _ => None,
    }
}

/// What two steps of an episode told of which one took the other back.
fn undone(series: &Series, episode: usize, told: &[(Part, Told)]) -> Vec<Vec<Told>> {
    let of =
        |step: usize| told.iter().filter(move |(part, _)| part.step == step).map(|(_, told)| told.clone());
    let pair = |step: usize| {
        let undone = series.steps[step].undoes?;
        Some(of(undone).chain(of(step)).collect())
    };
    series.episodes[episode].steps.clone().filter_map(pair).collect()
}
