//! Finds out a search that shows nothing any more while the directory moves on.
//!
//! The server answers heartbeats, and the connection is sound: only the changes do not come. slapd keeps the number
//! of the last change of a database on its root (contextCSN), and the number of an entry's last change on the entry
//! (entryCSN).
//!
//! The first alone proves nothing: it moves with deletions outside of the base, of which slapd sends not a word, and
//! with changes that our account may not see. So it only says when to look. What proves something is an entry below
//! the base, visible to us, whose change is newer than anything the search has shown, while the search says nothing
//! at all: slapd shows a change within milliseconds.

use std::{collections::BTreeMap, future::poll_fn, pin::Pin, task::Poll};

use ldap3::{Ldap, LdapError, Scope};

use super::Search;
use crate::{
    connector::{controls::Cookie, decode::Entry, error::Problem, wanted::WantedAttributes},
    directory::{attribute::AttributeName, dn::Dn, time::csn_time},
};

const CONTEXT_CSN: &str = "contextcsn";

/// Entries looked at in one question. Where several servers write, some are newer by number and were shown.
const MOST_ENTRIES: i32 = 64;

/// What is asked in vain is asked less and less often, up to once in so many heartbeats: without an index on
/// entryCSN it costs the server something.
const LONGEST_PAUSE: u32 = 64;

/// The newest change that was shown, for each server that writes (the third part of a change number).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newest(BTreeMap<String, String>);

impl Newest {
    /// Something bore this number.
    pub fn note(&mut self, csn: &str) {
        let Some(server) = server(csn) else { return };
        match self.0.get_mut(server) {
            Some(known) if known.as_str() >= csn => (),
            Some(known) => csn.clone_into(known),
            None => {
                self.0.insert(server.to_owned(), csn.to_owned());
            }
        }
    }

    /// All numbers of a cookie.
    pub fn note_all(&mut self, cookie: &Cookie) {
        cookie.csns().for_each(|csn| self.note(csn));
    }

    /// What was shown of the server that made the change, if the change is newer. Of a server of which nothing was
    /// shown yet nothing is said.
    fn before<'a>(&'a self, csn: &str) -> Option<&'a str> {
        let known = self.0.get(server(csn)?)?;
        (known.as_str() < csn).then_some(known)
    }
}

/// `None`: no change number, which is all that may get into a filter.
fn server(csn: &str) -> Option<&str> {
    let of_csn = |octet: u8| octet.is_ascii_hexdigit() || matches!(octet, b'.' | b'Z' | b'#');
    if !csn.bytes().all(of_csn) || csn_time(csn).is_err() {
        return None;
    }
    csn.split('#').nth(2)
}

/// What one look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// The search has shown everything, or nothing can be said.
    UpToDate,
    /// The database moved on, and nothing that we may see did.
    Hidden,
    /// An entry that we may see.
    Overdue,
}

type Look = Pin<Box<dyn Future<Output = Sight> + Send>>;

/// Looks once in a heartbeat.
pub struct Vigil {
    /// The root of the database.
    suffix: Dn,
    base: Dn,
    /// So many heartbeats an entry may be overdue.
    patience: u32,
    newest: Newest,
    look: Option<Look>,
    /// Looks since the search said something that found an entry overdue.
    overdue: u32,
    /// Heartbeats until the next look.
    pause: u32,
    next_pause: u32,
}

impl Vigil {
    /// Nothing was shown yet.
    pub fn new(suffix: Dn, base: Dn, patience: u32) -> Self {
        let newest = Newest::default();
        Self { suffix, base, patience, newest, look: None, overdue: 0, pause: 0, next_pause: 1 }
    }

    /// The search said something: it lives, and its change numbers are these.
    pub fn got_on(&mut self, newest: &Newest) {
        self.overdue = 0;
        self.newest.clone_from(newest);
    }

    /// A heartbeat: time for another look. One that takes long is not asked twice.
    pub fn beat(&mut self, ldap: &Ldap) {
        if self.look.is_some() || self.newest.0.is_empty() {
            return;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        let (ldap, suffix, base) = (ldap.clone(), self.suffix.clone(), self.base.clone());
        let newest = self.newest.clone();
        // What is refused proves nothing, and what ends the connection is noticed by the search.
        self.look =
            Some(Box::pin(
                async move { look(&ldap, &suffix, &base, &newest).await.unwrap_or(Sight::UpToDate) },
            ));
    }

    /// Resolves when a look is over; an error when an entry is overdue for too long.
    pub async fn looked(&mut self) -> Result<(), Problem> {
        let sight = poll_fn(|context| match &mut self.look {
            Some(look) => look.as_mut().poll(context),
            None => Poll::Pending,
        })
        .await;
        self.look = None;
        self.weigh(sight)
    }

    fn weigh(&mut self, sight: Sight) -> Result<(), Problem> {
        match sight {
            Sight::UpToDate => self.overdue = 0,
            Sight::Hidden => {
                self.overdue = 0;
                self.pause = self.next_pause;
                self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
            }
            Sight::Overdue => {
                self.overdue += 1;
                self.next_pause = 1;
                // The first look is where the waiting begins.
                if self.overdue > self.patience {
                    return Err(Problem::Stalled { heartbeats: self.patience });
                }
            }
        }
        Ok(())
    }
}

async fn look(ldap: &Ldap, suffix: &Dn, base: &Dn, newest: &Newest) -> Result<Sight, LdapError> {
    let wanted = WantedAttributes::new(vec![AttributeName::new(CONTEXT_CSN)]);
    let found = Search::entry(suffix.as_str(), wanted.requested()).first(ldap.clone()).await?;
    let root = found.entry.and_then(|item| Entry::decode(item.0, &wanted).ok());
    let contexts = root.iter().flat_map(|entry| entry.attributes.values(CONTEXT_CSN));
    let contexts = contexts.filter_map(|octets| str::from_utf8(octets).ok());
    let Some(shown) = contexts.filter_map(|csn| newest.before(csn)).min() else { return Ok(Sight::UpToDate) };
    let newer = Search {
        scope: Scope::Subtree,
        filter: format!("(&(entryCSN>={shown})(!(entryCSN={shown})))"),
        size_limit: MOST_ENTRIES,
        ..Search::entry(base.as_str(), WantedAttributes::new(Vec::new()).requested())
    };
    let is_overdue = is_any_newer(ldap, newer, newest).await?;
    Ok(if is_overdue { Sight::Overdue } else { Sight::Hidden })
}

/// Whether the search finds an entry whose change was not shown.
async fn is_any_newer(ldap: &Ldap, search: Search, newest: &Newest) -> Result<bool, LdapError> {
    let wanted = WantedAttributes::new(Vec::new());
    let mut stream = search.start(ldap).await?;
    let mut found = false;
    for _ in 0..=MOST_ENTRIES {
        let Some(item) = stream.next().await? else {
            stream.finish().await;
            return Ok(found);
        };
        if item.is_ref() || item.is_intermediate() {
            continue;
        }
        let csn = Entry::decode(item.0, &wanted).ok().and_then(|entry| entry.csn);
        found |= csn.is_some_and(|csn| newest.before(&csn).is_some());
    }
    // More than was asked for; without both of these the crate would keep it in mind.
    let id = stream.ldap_handle().last_id();
    stream.finish().await;
    ldap.clone().abandon(id).await?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csn(second: u32, server: &str) -> String {
        format!("202611231019{second:02}.123456Z#000000#{server}#000000")
    }

    #[test]
    fn a_change_is_newer_than_what_was_shown_of_the_same_server() {
        let mut newest = Newest::default();
        for csn in [csn(30, "001"), csn(20, "001"), csn(10, "002")] {
            newest.note(&csn);
        }
        let check = |csn: &str, expected: Option<&str>| assert_eq!(newest.before(csn), expected, "{csn}");
        check(&csn(31, "001"), Some(&csn(30, "001")));
        check(&csn(30, "001"), None);
        check(&csn(11, "002"), Some(&csn(10, "002")));
        check(&csn(10, "002"), None);
        // Nothing is known of this server, and that is no change number.
        check(&csn(59, "003"), None);
        check(&csn(59, ")(objectClass=*)"), None);
        check("", None);
    }

    #[test]
    fn l16_an_entry_is_overdue_for_some_heartbeats_before_the_search_is_given_up() {
        let dn = || Dn::parse("dc=x").unwrap();
        let mut vigil = Vigil::new(dn(), dn(), 2);
        let newest = Newest::default();
        vigil.weigh(Sight::Overdue).unwrap();
        vigil.weigh(Sight::Overdue).unwrap();
        // Whatever the search says shows that it lives.
        vigil.got_on(&newest);
        vigil.weigh(Sight::Overdue).unwrap();
        vigil.weigh(Sight::Overdue).unwrap();
        vigil.weigh(Sight::UpToDate).unwrap();
        vigil.weigh(Sight::Overdue).unwrap();
        vigil.weigh(Sight::Overdue).unwrap();
        assert!(matches!(vigil.weigh(Sight::Overdue), Err(Problem::Stalled { heartbeats: 2 })));
    }

    #[test]
    fn what_is_out_of_sight_is_looked_for_less_and_less_often() {
        let dn = || Dn::parse("dc=x").unwrap();
        let mut vigil = Vigil::new(dn(), dn(), 2);
        let pauses: Vec<u32> = (0..9)
            .map(|_| {
                vigil.weigh(Sight::Hidden).unwrap();
                vigil.pause
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
    }
}
