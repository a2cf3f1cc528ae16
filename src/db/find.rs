//! Finding the entry that a person means.

use rusqlite::params;

use super::{DbError, Reader, error::During, mirror::StoreMirror, rows::kind_code, stores::known_store};
use crate::{
    change::resolve::name_entry,
    directory::{
        dn::{Dn, NameKey},
        entry::{EntryId, EntryKind, EntryRef},
        mail_address::MailAddress,
        mirror::{EntryNo, KnownEntry, Mirror},
        schema::Schema,
    },
};

/// Candidates that help; more are noise.
const MOST_NEAR: usize = 10;

/// Rows looked at for candidates.
const MOST_ROWS: u32 = 1000;

/// Whom a text means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This one and no other.
    One(Candidate),
    /// Several, in the order of their DNs.
    Several(Vec<Candidate>),
    /// Nobody; some in which the text occurs, at most ten, in the order of their DNs.
    Nobody(Vec<Candidate>),
}

/// An entry that a text may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its identity.
    pub id: EntryId,
    /// How it is named.
    pub entry: EntryRef,
    /// What the person logs in with.
    pub account: Option<String>,
    /// The first, as read.
    pub mail: Option<String>,
}

impl Reader {
    /// The entry of `store` that `text` means: a DN, a mail address, an account name, or else a group's own name,
    /// in which case does not count. What is no DN may take as long as reading all entries once.
    pub fn find(&self, store: &str, schema: &Schema, text: &str) -> Result<Found, DbError> {
        let look = self.connection.unchecked_transaction().during("begin to look for an entry")?;
        let store = known_store(&look, store)?;
        Finder { mirror: StoreMirror { connection: &look, store, schema }, text: text.trim() }.find()
    }
}

struct Finder<'a> {
    mirror: StoreMirror<'a>,
    text: &'a str,
}

impl Finder<'_> {
    fn find(&self) -> Result<Found, DbError> {
        if self.text.is_empty() {
            return Ok(Found::Nobody(Vec::new()));
        }
        let mut found = self.by_dn()?;
        if found.is_empty() {
            found = self.by_mail_or_account()?;
        }
        if found.is_empty() {
            found = self.groups_by_name()?;
        }
        match found.as_slice() {
            [] => self.near().map(Found::Nobody),
            [one] => Ok(Found::One(self.candidate(one))),
            [..] => Ok(Found::Several(self.candidates(found))),
        }
    }

    fn by_dn(&self) -> Result<Vec<KnownEntry>, DbError> {
        let Ok(dn) = Dn::parse(self.text) else { return Ok(Vec::new()) };
        let mut bearers = self.mirror.by_name(dn.key())?;
        // While a recreated entry is known and its predecessor's end is not, the newest is meant.
        Ok(bearers.pop().into_iter().collect())
    }

    fn by_mail_or_account(&self) -> Result<Vec<KnownEntry>, DbError> {
        let address: Option<MailAddress> = self.text.parse().ok();
        // A server may spell the domain in its own way.
        let sought = address.as_ref().map_or(self.text, MailAddress::local_part);
        let account = NameKey::of_account(self.text);
        let mut found = self.mirror.by_name(account)?;
        for no in self.rows_with(Part::Attributes, sought, u32::MAX)? {
            let Some(entry) = self.mirror.by_no(no)? else { continue };
            let has_address = address.as_ref().is_some_and(|address| self.has_address(&entry, address));
            let has_account =
                || self.account(&entry).is_some_and(|name| NameKey::of_account(&name) == account);
            if found.iter().all(|known| known.no != entry.no) && (has_address || has_account()) {
                found.push(entry);
            }
        }
        Ok(found)
    }

    /// Few groups have an account name: the value of their RDN stands in for it.
    fn groups_by_name(&self) -> Result<Vec<KnownEntry>, DbError> {
        let text = self.text.to_lowercase();
        let mut found = Vec::new();
        for no in self.rows_with(Part::NameOrAttributes, self.text, u32::MAX)? {
            let entry = self.mirror.by_no(no)?.filter(|entry| entry.kind == EntryKind::Group);
            found.extend(entry.filter(|entry| entry.dn.rdn_value().to_lowercase() == text));
        }
        Ok(found)
    }

    fn has_address(&self, entry: &KnownEntry, address: &MailAddress) -> bool {
        let addresses = self.mirror.schema.mail(&entry.attributes);
        addresses.iter().filter_map(|mail| mail.parse::<MailAddress>().ok()).any(|mail| mail.same_as(address))
    }

    fn account(&self, entry: &KnownEntry) -> Option<String> {
        self.mirror.schema.account(&entry.attributes)
    }

    /// Entries in which the text occurs in what a person would know them by.
    fn near(&self) -> Result<Vec<Candidate>, DbError> {
        let mut near = Vec::new();
        for no in self.rows_with(Part::NameOrAttributes, self.text, MOST_ROWS)? {
            near.extend(self.mirror.by_no(no)?);
        }
        let mut near = self.candidates(near);
        let text = self.text.to_lowercase();
        near.retain(|candidate| candidate.words().any(|words| words.to_lowercase().contains(&text)));
        near.truncate(MOST_NEAR);
        Ok(near)
    }

    fn candidates(&self, mut entries: Vec<KnownEntry>) -> Vec<Candidate> {
        entries.sort_by(|a, b| a.dn.cmp(&b.dn));
        entries.iter().map(|entry| self.candidate(entry)).collect()
    }

    fn candidate(&self, entry: &KnownEntry) -> Candidate {
        let schema = self.mirror.schema;
        Candidate {
            id: entry.id,
            entry: name_entry(schema, entry),
            account: self.account(entry),
            mail: schema.mail(&entry.attributes).into_iter().next(),
        }
    }
}

impl Candidate {
    fn words(&self) -> impl Iterator<Item = &str> {
        let own = [self.entry.dn.as_str(), &self.entry.name];
        own.into_iter().chain(self.account.as_deref()).chain(self.mail.as_deref())
    }
}

/// Where a text is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Attributes,
    NameOrAttributes,
}

impl Finder<'_> {
    /// The users, groups and contacts in which `text` occurs as it is stored, and perhaps others. There is no
    /// index for that: whoever asks is a person at a terminal, and the answer decides whom a command is about.
    fn rows_with(&self, part: Part, text: &str, most: u32) -> Result<Vec<EntryNo>, DbError> {
        let sql = match part {
            Part::Attributes => {
                "SELECT no FROM entry WHERE store = ?1 AND kind <> ?2 AND attributes LIKE ?3 ESCAPE '!'
                 ORDER BY no LIMIT ?4"
            }
            Part::NameOrAttributes => {
                "SELECT no FROM entry WHERE store = ?1 AND kind <> ?2
                 AND (dn LIKE ?3 ESCAPE '!' OR attributes LIKE ?3 ESCAPE '!') ORDER BY dn LIMIT ?4"
            }
        };
        let parameters = params![self.mirror.store.0, kind_code(EntryKind::Container), pattern(text), most];
        self.mirror
            .connection
            .prepare(sql)
            .and_then(|mut s| s.query_map(parameters, |row| row.get(0).map(EntryNo))?.collect())
            .during("look for an entry")
    }
}

/// For LIKE, which knows the case of ASCII alone, on text inside JSON: anything else matches anything.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        match c {
            '%' | '_' | '!' => pattern.extend(['!', c]),
            ' '..='~' if !matches!(c, '"' | '\\' | ' ') => pattern.push(c),
            _ if pattern.ends_with('%') && !pattern.ends_with("!%") => {}
            _ => pattern.push('%'),
        }
    }
    pattern + "%"
}

#[cfg(test)]
mod tests;
