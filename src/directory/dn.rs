//! Distinguished names (RFC 4514).

mod attribute_type;
mod normal;
mod scan;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use self::scan::Pairs;
use super::attribute::AttributeName;

/// The longest DN that is read, in bytes.
pub const MAX_LENGTH: usize = 64 * 1024;

/// The longest account name that [`Dn::of_account`] shows, in bytes; each may need three when escaped.
const MAX_ACCOUNT: usize = 16 * 1024;

/// A DN as the server wrote it. Two spellings of one name have the same [`NameKey`]; `==` compares the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Dn(Box<str>);

/// A hash of a normalised name: what links and the mirror's index hold instead of the text. A DN and an
/// account name never share a key but by chance (64 bits). The state file keeps keys: what makes two names
/// equal must not change without a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NameKey(pub i64);

/// Why a text is no DN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a distinguished name: {reason} at byte {offset}")]
pub struct DnError {
    /// What is wrong, for a person.
    pub reason: &'static str,
    /// Where, counted in bytes from 0.
    pub offset: usize,
}

impl Dn {
    /// Accepts what RFC 4514 and, for what servers really send, RFC 2253 allow: spaces around separators,
    /// `;` between RDNs, quoted values, `oid.` before a numeric type. The empty DN is valid.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        scan::validate(text)?;
        Ok(Self(text.into()))
    }

    /// As [`Dn::parse`], the bit string at the end of Name and Optional UID (RFC 4517, section 3.3.21) cut off.
    pub fn parse_without_uid(text: &str) -> Result<Self, DnError> {
        let name = text.strip_suffix("'B").and_then(|text| {
            let (name, bits) = text.rsplit_once("#'")?;
            bits.bytes().all(|bit| matches!(bit, b'0' | b'1')).then_some(name)
        });
        Self::parse(name.unwrap_or(text))
    }

    /// The empty DN: the root of the tree.
    pub fn root() -> Self {
        Self("".into())
    }

    /// A DN of the one RDN `uid=…`, to show an account name that names no entry. Names beyond 16 KB are cut.
    pub fn of_account(uid: &str) -> Self {
        let shown = uid.get(..uid.floor_char_boundary(MAX_ACCOUNT)).unwrap_or_default();
        Self(format!("uid={}", scan::escape(shown)).into())
    }

    /// As the server wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the empty DN.
    pub fn is_root(&self) -> bool {
        self.pairs().next().is_none()
    }

    /// The key under which every spelling of this name is found.
    pub fn key(&self) -> NameKey {
        normal::key_of(&self.0)
    }

    /// The name one level up; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let mut starts = self.rdn_starts();
        starts.next()?;
        Some(starts.next().map_or_else(Self::root, |start| Self(self.tail(start).into())))
    }

    /// Whether this name is `base` or lies below it.
    pub fn is_within(&self, base: &Self) -> bool {
        self.suffix_equal_to(base).is_some()
    }

    /// Whether this name lies below `base` and is not `base`.
    pub fn is_below(&self, base: &Self) -> bool {
        self.suffix_equal_to(base).is_some_and(|depth| depth > 0)
    }

    /// The first value of the first RDN, escapes resolved: what to call an entry that has no other name.
    /// Octets that are no UTF-8 are replaced; empty for the root.
    pub fn rdn_value(&self) -> String {
        self.pairs().next().map(|pair| pair.value.to_text()).unwrap_or_default()
    }

    /// The first attribute type of the first RDN, by its short name (`cn` for `2.5.4.3`); `None` for the root.
    pub fn rdn_attribute(&self) -> Option<AttributeName> {
        self.pairs().next().map(|pair| attribute_type::canonical(pair.attribute))
    }

    /// This name after `old`, an ancestor or itself, became `new`; what stands below `old` stays as written.
    /// `None` when this name is not within `old`, or would grow beyond [`MAX_LENGTH`].
    pub fn with_base_replaced(&self, old: &Self, new: &Self) -> Option<Self> {
        let kept = self.suffix_equal_to(old)?;
        if kept == 0 {
            return Some(new.clone());
        }
        let end = self.pairs().filter(|pair| pair.ends_rdn).nth(kept - 1)?.end;
        let head = self.0.get(..end)?;
        let text = if new.is_root() { head.to_owned() } else { format!("{head},{}", new.0) };
        (text.len() <= MAX_LENGTH).then(|| Self(text.into()))
    }

    /// How many RDNs stand before the part that equals `base`.
    fn suffix_equal_to(&self, base: &Self) -> Option<usize> {
        let above = base.rdn_starts().count();
        let kept = self.rdn_starts().count().checked_sub(above)?;
        let start = self.rdn_starts().nth(kept).unwrap_or(self.0.len());
        (normal::key_of(self.tail(start)) == base.key()).then_some(kept)
    }

    fn rdn_starts(&self) -> impl Iterator<Item = usize> {
        self.pairs()
            .scan(true, |first_of_rdn, pair| {
                let start = first_of_rdn.then_some(pair.start);
                *first_of_rdn = pair.ends_rdn;
                Some(start)
            })
            .flatten()
    }

    fn tail(&self, start: usize) -> &str {
        self.0.get(start..).unwrap_or_default()
    }

    fn pairs(&self) -> impl Iterator<Item = scan::Pair<'_>> {
        Pairs::new(&self.0).map_while(Result::ok)
    }
}

/// A name as a server sends it, as text. RFC 4511, section 4.1.3, wants UTF-8, but slapd lets surrogates into
/// values and so into names, and whoever may write one entry must not stop the reading of all others: octets
/// that are no UTF-8 become pairs of digits (RFC 4514, section 2.4), which mean the same.
pub fn text_of(octets: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(octets) {
        return text.into();
    }
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|octet| scan::push_pair(*octet, &mut text));
    }
    text.into()
}

impl NameKey {
    /// The key of an account name, in which case and insignificant spaces do not count.
    pub fn of_account(name: &str) -> Self {
        normal::key_of_account(name)
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Dn {
    type Error = DnError;

    fn try_from(text: String) -> Result<Self, DnError> {
        scan::validate(&text)?;
        Ok(Self(text.into()))
    }
}

impl From<Dn> for String {
    fn from(dn: Dn) -> Self {
        dn.0.into()
    }
}
