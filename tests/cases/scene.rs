//! A directory, a mail server and dirherald between them; what was told, in lines that a test can compare.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
};

use dirherald::{
    change::event::ChangeEvent,
    db::{EventFilter, Reader, StatusRow},
};

use crate::support::{
    daemon::{Daemon, Site},
    ldap::Ldap,
    mail::Letter,
    slapd::{NOBODY, Setup, Slapd},
    smtp::{Mail, SmtpServer},
    wait,
};

/// The domain of the sample company's addresses.
const DOMAIN: &str = "@harbour-vale.example";

/// The reason of an alert.
const ALERT: &str = "alert";

/// Who hears the bell.
const RINGER: &str = "ringer@bell.example";

/// What [`Scene::wanjiru_joins`] tells.
pub const WANJIRU_JOINED: [&str; 2] = [
    "ravi: owner: Wanjiru Kamau was added to warehouse",
    "wanjiru: added_members: You were added to warehouse",
];

/// What [`Scene::mei_leaves`] tells.
pub const MEI_LEFT: [&str; 2] = [
    "ravi: owner: Mei Chen was removed from warehouse",
    "mei: removed_members: You were removed from warehouse",
];

/// What [`Scene::delete_payroll`] tells.
pub const PAYROLL_DELETED: [&str; 3] = [
    "jonas: owner: The group payroll was deleted",
    "chloe: owner, removed_members: The group payroll was deleted",
    "tomasz: removed_members: The group payroll, to which you belonged, was deleted",
];

/// All options by role are on, and the sample company's dummy member is known.
pub struct Scene {
    pub slapd: Slapd,
    pub smtp: SmtpServer,
    pub site: Site,
    /// Bound as an administrator.
    pub ldap: Ldap,
    rings: AtomicUsize,
}

impl Scene {
    /// The sample company on a plain server.
    pub async fn company() -> Self {
        Self::of(Setup::company()).await
    }

    /// The tree of `setup`, which has `ou=services`.
    pub async fn of(setup: Setup) -> Self {
        let (slapd, smtp) = (setup.start(), SmtpServer::start().await);
        let ldap = Ldap::admin(&slapd).await;
        hang_the_bell(&ldap).await;
        let site = Site::new(&slapd, &smtp)
            .with("notify.owner", "true")
            .with("notify.added_members", "true")
            .with("notify.removed_members", "true")
            .with("schema.dummy_members", &format!("[\"{}\"]", slapd.dn(NOBODY)));
        Self { slapd, smtp, site, ldap, rings: AtomicUsize::new(0) }
    }

    /// With one key more of the configuration.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.site = self.site.with(key, value);
        self
    }

    /// A daemon that is live.
    pub async fn live(&self) -> Daemon {
        let daemon = self.site.start();
        daemon.wait_live().await;
        daemon
    }

    /// Opens the administrator's connection anew, after the server was restarted.
    pub async fn bind_again(&mut self) {
        self.ldap = Ldap::admin(&self.slapd).await;
    }

    /// Adds her to the warehouse: see [`WANJIRU_JOINED`].
    pub async fn wanjiru_joins(&self) {
        self.ldap.add_member("cn=warehouse,ou=groups", "uid=wanjiru,ou=people").await;
    }

    /// Removes her from the warehouse: see [`MEI_LEFT`].
    pub async fn mei_leaves(&self) {
        self.ldap.remove_member("cn=warehouse,ou=groups", "uid=mei,ou=people").await;
    }

    /// See [`PAYROLL_DELETED`].
    pub async fn delete_payroll(&self) {
        self.ldap.delete("cn=payroll,ou=groups").await;
    }

    /// Makes a change whose mail shows that everything before it was told, and waits for that mail and for the
    /// end of the queue. Whatever is not told by then is not told.
    pub async fn settle(&self) {
        self.ring().await;
        self.delivered().await;
    }

    /// The same, without looking at the queue.
    pub async fn ring(&self) {
        let ring = format!("ring {:03}", self.rings.fetch_add(1, Ordering::Relaxed));
        self.ldap.replace("cn=bell,ou=services", "displayName", &[&ring]).await;
        let is_its_mail = |mail: &Mail| mail.to == [RINGER] && mail.text().contains(&ring);
        let mut seen = 0;
        self.smtp
            .wait_for_mails(&ring, |mails| {
                let new = mails.get(seen..).unwrap_or_default();
                seen = mails.len();
                new.iter().any(is_its_mail)
            })
            .await;
    }

    /// Waits until nothing is left to be delivered.
    pub async fn delivered(&self) {
        wait::until_async("an empty queue", async || (self.status().outbox_pending == 0).then_some(())).await;
    }

    /// Each mail once, without those of the bell, as `who: reasons: subject`, in the order in which they came.
    /// `who` is what stands before the at sign of the company's addresses.
    pub fn told(&self) -> Vec<String> {
        let mut known = BTreeSet::new();
        let letters = self.letters().into_iter();
        letters.filter(|letter| known.insert(letter.message_id.clone())).map(|letter| line(&letter)).collect()
    }

    /// [`told`](Self::told), sorted, after [`settle`](Self::settle).
    pub async fn told_in_all(&self) -> Vec<String> {
        self.settle().await;
        let mut told = self.told();
        told.sort();
        told
    }

    /// Compares with [`told_in_all`](Self::told_in_all).
    pub async fn assert_told(&self, expected: &[&str]) {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        let told = self.told_in_all().await;
        assert_eq!(told, expected, "{:#?}\n{}", self.events(), self.site.log());
    }

    /// Each mail once, without those of the bell, as `who: reasons`, sorted; after [`settle`](Self::settle).
    pub async fn reasons_in_all(&self) -> Vec<String> {
        let told = self.told_in_all().await;
        let reasons = |line: &String| line.splitn(3, ": ").take(2).collect::<Vec<_>>().join(": ");
        let mut reasons: Vec<String> = told.iter().map(reasons).collect();
        reasons.sort();
        reasons
    }

    /// Compares with [`reasons_in_all`](Self::reasons_in_all).
    pub async fn assert_reasons(&self, expected: &[&str]) {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        let reasons = self.reasons_in_all().await;
        assert_eq!(reasons, expected, "{:#?}\n{}", self.events(), self.site.log());
    }

    /// All mails, duplicates too, without those of the bell and without alerts.
    pub fn letters(&self) -> Vec<Letter> {
        self.all_letters().into_iter().filter(|letter| letter.reasons != ALERT).collect()
    }

    /// All alerts, duplicates too.
    pub fn alerts(&self) -> Vec<Letter> {
        self.all_letters().into_iter().filter(|letter| letter.reasons == ALERT).collect()
    }

    /// Waits for so many alerts, and gives all there are.
    pub async fn wait_for_alerts(&self, count: usize) -> Vec<Letter> {
        let is_alert = |mail: &&Mail| mail.header("X-Dirherald-Reasons").as_deref() == Some(ALERT);
        let enough = |mails: &[Mail]| mails.iter().filter(is_alert).count() >= count;
        self.smtp.wait_for_mails(&format!("{count} alerts"), enough).await;
        self.alerts()
    }

    fn all_letters(&self) -> Vec<Letter> {
        let mails = self.smtp.mails();
        mails.iter().filter(|mail| mail.to != [RINGER]).map(Letter::of).collect()
    }

    /// Everything to one recipient.
    pub fn letters_to(&self, who: &str) -> Vec<Letter> {
        let address = format!("{who}{DOMAIN}");
        self.letters().into_iter().filter(|letter| letter.to == [address.clone()]).collect()
    }

    /// `change entry subject`, in order, without those of the bell.
    pub fn events(&self) -> Vec<String> {
        self.change_events().iter().map(event_line).collect()
    }

    /// The same, whole.
    pub fn change_events(&self) -> Vec<ChangeEvent> {
        let Some(reader) = self.reader() else { return Vec::new() };
        let rows = reader.events_after(EventFilter::default(), 0, u32::MAX).expect("the events can be read");
        rows.into_iter()
            .map(|row| row.event)
            .filter(|event| event.entry.name != "bell" && !is_ring(event))
            .collect()
    }

    /// As `status` has it.
    pub fn status(&self) -> StatusRow {
        self.try_status().expect("there is a state")
    }

    /// `None`: there is no state yet.
    pub fn try_status(&self) -> Option<StatusRow> {
        self.reader()?.status().expect("the status can be read").pop()
    }

    fn reader(&self) -> Option<Reader> {
        Reader::open(&self.site.state_file()).expect("the state can be opened")
    }

    /// Waits until the last error contains these words.
    pub async fn wait_for_error(&self, words: &str) -> StatusRow {
        wait::until_async(&format!("the error {words:?}"), async || {
            let status = self.try_status()?;
            let said = status.last_error.as_deref().is_some_and(|error| error.contains(words));
            said.then_some(status)
        })
        .await
    }

    /// Fails where one mail came twice.
    pub fn assert_no_duplicates(&self) {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        self.letters().into_iter().for_each(|letter| *times.entry(letter.message_id).or_default() += 1);
        times.retain(|_, times| *times > 1);
        assert!(times.is_empty(), "{times:?}");
    }
}

fn is_ring(event: &ChangeEvent) -> bool {
    event.entry.name.starts_with("ring ")
}

fn line(letter: &Letter) -> String {
    let [to] = &letter.to[..] else { panic!("one recipient: {letter:?}") };
    let who = to.strip_suffix(DOMAIN).unwrap_or(to);
    format!("{who}: {}: {}", letter.reasons, letter.subject)
}

fn event_line(event: &ChangeEvent) -> String {
    let subject = event.change.subject().map(|subject| format!(" {}", subject.name)).unwrap_or_default();
    format!("{} {}{subject}", event.change.name(), event.entry.name)
}

async fn hang_the_bell(ldap: &Ldap) {
    ldap.add_person("uid=ringer,ou=services", "Ringer", RINGER).await;
    ldap.add(
        "cn=bell,ou=services",
        &[
            ("objectClass", &["groupOfNames", "dirheraldManaged"]),
            ("cn", &["bell"]),
            ("owner", &["uid=ringer,ou=services"]),
            ("member", &["uid=ringer,ou=services"]),
        ],
    )
    .await;
}
