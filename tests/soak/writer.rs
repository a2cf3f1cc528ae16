//! Changes the directory, whatever happens to the server: a change whose answer was lost is looked for before it
//! is asked for again.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use dirherald::clock;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    watch::Watch,
    world::{Taken, World},
};
use crate::{
    crash::{
        company::{Act, Company, Entry, Label},
        directory::request,
    },
    support::{ldap::Ldap, slapd::Slapd},
};

/// Where the server is, and who may change it.
#[derive(Debug, Clone)]
pub struct Access {
    pub url: String,
    pub base: String,
    pub admin: String,
}

/// One of several.
pub struct Writer {
    access: Access,
    world: Arc<Mutex<World>>,
    labels: Arc<Mutex<BTreeMap<Uuid, Label>>>,
    watch: Arc<Watch>,
    connection: Option<Ldap>,
}

/// Between two attempts at a server that does not answer.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a server may refuse what it should take.
const PATIENCE: Duration = Duration::from_mins(1);

impl Writer {
    pub fn new(
        access: Access,
        world: Arc<Mutex<World>>,
        labels: Arc<Mutex<BTreeMap<Uuid, Label>>>,
        watch: Arc<Watch>,
    ) -> Self {
        Self { access, world, labels, watch, connection: None }
    }

    /// A change each `period`, and none to make up for those that the server kept from being made.
    pub async fn run(mut self, first: Duration, period: Duration, until: Instant) {
        let mut ticks = tokio::time::interval_at(Instant::now() + first, period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        while ticks.tick().await < until {
            let taken = self.world().take(self.watch.settled(), clock::now());
            let Some(taken) = taken else { continue };
            self.make(&taken).await;
            self.world().done(taken, clock::now());
        }
    }

    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().expect("no writer panics with the world in hand")
    }

    async fn make(&mut self, taken: &Taken) {
        let mut after = taken.before.clone();
        after.carry_out(&taken.act);
        let start = Instant::now();
        let mut asked = false;
        loop {
            let outcome = self.attempt(taken, &after, &mut asked).await;
            if let Ok(true) = outcome {
                break;
            }
            if outcome.is_err() {
                self.connection = None;
            }
            assert!(start.elapsed() < PATIENCE, "{:?} cannot be made: {outcome:?}", taken.act);
            tokio::time::sleep(PAUSE).await;
        }
        if let Some(entry) = taken.act.creates() {
            let id = self.id(&after.dn(entry)).await;
            self.labels.lock().expect("no writer panics with the labels in hand").insert(id, entry.label());
        }
    }

    /// Whether it is made now.
    async fn attempt(&mut self, taken: &Taken, after: &Company, asked: &mut bool) -> io::Result<bool> {
        if *asked && self.is_made(taken, after).await? {
            return Ok(true);
        }
        match request(&taken.act, &taken.before, after) {
            Some(request) => {
                *asked = true;
                Ok(self.connection().await?.request(&request).await? == 0)
            }
            None => self.leave(taken).await,
        }
    }

    /// Takes out the values that stand for the person, under whatever name. The overlay may be quicker.
    async fn leave(&mut self, taken: &Taken) -> io::Result<bool> {
        use crate::support::ldap::Request;
        let Act::Leave { group, person } = taken.act else { panic!("{taken:?} is asked for like any other") };
        let dn = taken.before.dn(Entry::Group(group));
        let Some(value) = self.member_value(&dn, person).await? else { return Ok(true) };
        let request = Request::DeleteValue { dn: dn.clone(), attribute: "member".to_owned(), value };
        self.connection().await?.request(&request).await?;
        Ok(self.member_value(&dn, person).await?.is_none())
    }

    /// The value of a group that stands for the person.
    async fn member_value(&mut self, group: &str, person: usize) -> io::Result<Option<String>> {
        let members = self.connection().await?.try_values(group, "member").await?;
        let members = members.unwrap_or_default();
        let base = format!(",{}", self.access.base);
        let names = self.world().names[&person].clone();
        let stands = |value: &String| value.strip_suffix(&base).is_some_and(|short| names.contains(short));
        Ok(members.into_iter().find(stands))
    }

    async fn is_made(&mut self, taken: &Taken, after: &Company) -> io::Result<bool> {
        let (before, base) = (&taken.before, self.access.base.clone());
        let ldap = self.connection().await?;
        let is_there = async |dn: &str| Ok::<_, io::Error>(ldap.try_values(dn, "entryUUID").await?.is_some());
        Ok(match &taken.act {
            Act::Hire { person, .. } | Act::RenamePerson { person, .. } | Act::Move { person, .. } => {
                is_there(&after.dn(Entry::Person(*person))).await?
            }
            Act::Found { group, .. } | Act::RenameGroup { group, .. } => {
                is_there(&after.dn(Entry::Group(*group))).await?
            }
            Act::Dismiss { person } => !is_there(&before.dn(Entry::Person(*person))).await?,
            Act::Dissolve { group } => !is_there(&before.dn(Entry::Group(*group))).await?,
            Act::RenamePlace { place, .. } => is_there(&format!("ou={}", after.places[*place])).await?,
            Act::Describe { entry, attribute, value } => {
                ldap.try_values(&after.dn(*entry), attribute).await? == Some(vec![value.clone()])
            }
            Act::SetManager { person, .. } => {
                let manager = after.manager_of(*person).map(|manager| after.dn(Entry::Person(manager)));
                let manager = manager.map(|dn| format!("{dn},{base}"));
                let values = ldap.try_values(&after.dn(Entry::Person(*person)), "manager").await?;
                values == Some(manager.into_iter().collect())
            }
            Act::SetOwners { group, owners } => {
                let values = ldap.try_values(&after.dn(Entry::Group(*group)), "owner").await?;
                let mut values = values.unwrap_or_default();
                let mut owners: Vec<_> =
                    after.dns(owners).into_iter().map(|dn| format!("{dn},{base}")).collect();
                values.sort();
                owners.sort();
                values == owners
            }
            Act::Join { group, person } => {
                self.member_value(&after.dn(Entry::Group(*group)), *person).await?.is_some()
            }
            Act::Leave { group, person } => {
                self.member_value(&after.dn(Entry::Group(*group)), *person).await?.is_none()
            }
        })
    }

    async fn id(&mut self, dn: &str) -> Uuid {
        loop {
            let asked = async { self.connection().await?.try_values(dn, "entryUUID").await };
            match asked.await {
                Ok(values) => {
                    let values = values.unwrap_or_else(|| panic!("{dn} was made and is gone"));
                    return values[0].parse().expect("a UUID");
                }
                Err(_) => self.connection = None,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn connection(&mut self) -> io::Result<&Ldap> {
        if self.connection.is_none() {
            let Access { url, base, admin } = &self.access;
            self.connection = Some(Ldap::try_bind(url, base, admin, Slapd::ADMIN_PASSWORD).await?);
        }
        Ok(self.connection.as_ref().expect("it was opened just now"))
    }
}
