//! Whom to look up before findings are told.

use std::collections::BTreeMap;

use super::whom_came;
use crate::{
    change::{
        finding::{Came, Finding, Found},
        resolve::resolve,
    },
    directory::{
        dn::{Dn, NameKey},
        entry::{EntryKind, EntryRef, Relation},
        mirror::{EntryNo, KnownEntry, KnownLink, Meaning, Mirror, Scope},
        schema::LinkTarget,
    },
};

/// What limits the questions.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// Whether a name was asked for so lately that the answer stands.
    pub is_fresh: &'a dyn Fn(NameKey) -> bool,
    /// Of a group of more members nobody is told.
    pub member_cap: usize,
}

/// The names in `findings` that must be looked up in the directory before anything is said (rule 3): what
/// came and means nobody, and whoever may be told or shown and was never looked up. Of entries outside no feed
/// says what they are by now: they are looked up again, but not too often.
pub fn unresolved<M: Mirror>(
    findings: &[Finding],
    asking: Asking<'_>,
    mirror: &M,
) -> Result<BTreeMap<NameKey, Dn>, M::Error> {
    let mut questions = Questions { mirror, asking, names: BTreeMap::new() };
    for finding in findings {
        questions.of(finding)?;
    }
    Ok(questions.names)
}

struct Questions<'a, M> {
    mirror: &'a M,
    asking: Asking<'a>,
    names: BTreeMap<NameKey, Dn>,
}

impl<M: Mirror> Questions<'_, M> {
    fn of(&mut self, finding: &Finding) -> Result<(), M::Error> {
        if let Some(actor) = &finding.actor {
            self.name(actor.key(), actor)?;
        }
        self.around(finding.no)?;
        if finding.tells_links() {
            for came in &finding.came {
                self.arrival(finding.no, came)?;
            }
            for went in &finding.went {
                self.known(&went.was, went.key)?;
            }
        }
        for no in finding.along.left.iter().chain(&finding.along.entered) {
            self.around(*no)?;
        }
        if let Found::Deleted(last) = &finding.found {
            let ranked = last.owners.iter().chain(&last.managers).map(|ranked| &ranked.entry);
            for who in ranked.chain(&last.members) {
                self.known(who, who.dn.key())?;
            }
            for losing in &last.losing {
                self.around(losing.holder)?;
            }
        }
        Ok(())
    }

    /// Whoever is told because of what an entry is linked to.
    fn around(&mut self, no: EntryNo) -> Result<(), M::Error> {
        for relation in [Relation::Owner, Relation::Manager] {
            for link in self.mirror.links_of(no, relation)? {
                self.link(&link)?;
            }
        }
        self.members(no)
    }

    fn link(&mut self, link: &KnownLink) -> Result<(), M::Error> {
        match resolve(self.mirror, link)? {
            Some(entry) if entry.kind == EntryKind::Group => {
                self.entry(&entry);
                self.members(entry.no)
            }
            Some(entry) => {
                self.entry(&entry);
                Ok(())
            }
            None if link.meaning == Meaning::ByName => self.stray(link.key),
            None => Ok(()),
        }
    }

    fn members(&mut self, group: EntryNo) -> Result<(), M::Error> {
        for (key, dn) in self.mirror.unread_members(group, self.asking.member_cap)? {
            self.ask(key, &dn);
        }
        Ok(())
    }

    fn arrival(&mut self, holder: EntryNo, came: &Came) -> Result<(), M::Error> {
        match whom_came(self.mirror, holder, came)? {
            Some(entry) => self.entry(&entry),
            None => {
                if let (LinkTarget::Dn(dn), None) = (&came.target, &came.at_first) {
                    self.names.insert(came.key, dn.clone());
                }
            }
        }
        Ok(())
    }

    /// Whom the mirror had under `key`.
    fn known(&mut self, who: &EntryRef, key: NameKey) -> Result<(), M::Error> {
        let Some(id) = who.id else { return self.stray(key) };
        if let Some(entry) = self.mirror.by_id(id)? {
            self.entry(&entry);
        }
        Ok(())
    }

    /// A name that stands in no link.
    fn name(&mut self, key: NameKey, dn: &Dn) -> Result<(), M::Error> {
        match self.mirror.by_name(key)?.pop() {
            Some(entry) => self.entry(&entry),
            None if self.mirror.stray(key)?.is_none_or(|stray| !stray.looked_up) => self.ask(key, dn),
            None => {}
        }
        Ok(())
    }

    fn stray(&mut self, key: NameKey) -> Result<(), M::Error> {
        let Some(stray) = self.mirror.stray(key)?.filter(|stray| !stray.looked_up) else { return Ok(()) };
        match stray.target {
            LinkTarget::Dn(dn) => self.ask(key, &dn),
            LinkTarget::Account(_) => {}
        }
        Ok(())
    }

    /// An entry of which no feed says what it is.
    fn entry(&mut self, entry: &KnownEntry) {
        let is_followed = entry.scope == Scope::Inside && entry.kind != EntryKind::Container;
        let is_displaced = entry.key != entry.dn.key();
        if !is_followed && !is_displaced {
            self.ask(entry.key, &entry.dn);
        }
    }

    fn ask(&mut self, key: NameKey, dn: &Dn) {
        if !(self.asking.is_fresh)(key) {
            self.names.insert(key, dn.clone());
        }
    }
}
