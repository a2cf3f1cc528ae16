//! Where the values of a cell come from.

use std::collections::{BTreeMap, VecDeque};

use super::{
    cells::{BASE, Tone, escaped},
    values::Values,
};
use crate::support::{ber, ldap::Ldap, postfix::Postfix};

/// What the real server refused, to be sent by the scripted one.
#[derive(Debug, Default)]
pub struct Refused {
    pub texts: VecDeque<Vec<u8>>,
    pub names: VecDeque<Vec<u8>>,
    pub rdns: VecDeque<Vec<u8>>,
    pub addresses: VecDeque<Vec<u8>>,
}

impl Refused {
    pub fn len(&self) -> usize {
        [&self.texts, &self.names, &self.rdns, &self.addresses].map(VecDeque::len).iter().sum()
    }
}

/// What the supply is for.
enum Source<'a> {
    /// A server that checks values: what it refuses is put aside.
    Checked { ldap: &'a Ldap, probe: String, refused: &'a mut Refused },
    /// A server that sends anything: what was put aside goes first.
    Unchecked { left: &'a mut Refused },
}

/// Fills places with values, and counts them.
pub struct Supply<'a> {
    values: &'a mut Values,
    source: Source<'a>,
    /// By the kind of place.
    pub counted: BTreeMap<&'static str, usize>,
    harmless: usize,
    unlike: usize,
}

impl<'a> Supply<'a> {
    /// `probe`: an entry that nobody watches, with which refusals are found out.
    pub fn checked(values: &'a mut Values, ldap: &'a Ldap, refused: &'a mut Refused) -> Self {
        Self::new(values, Source::Checked { ldap, probe: PROBE.to_owned(), refused })
    }

    /// The other way.
    pub fn unchecked(values: &'a mut Values, left: &'a mut Refused) -> Self {
        Self::new(values, Source::Unchecked { left })
    }

    fn new(values: &'a mut Values, source: Source<'a>) -> Self {
        Self { values, source, counted: BTreeMap::new(), harmless: 0, unlike: 0 }
    }

    /// All that were given out.
    pub fn total(&self) -> usize {
        self.counted.values().sum()
    }

    /// What is left of what was refused.
    pub fn left(&self) -> usize {
        match &self.source {
            Source::Checked { refused, .. } => refused.len(),
            Source::Unchecked { left } => left.len(),
        }
    }

    pub fn values(&mut self) -> &mut Values {
        self.values
    }

    /// Who was deleted is looked up elsewhere, which the scripted server does not play.
    pub fn can_dissolve(&self) -> bool {
        matches!(self.source, Source::Checked { .. })
    }

    fn count(&mut self, kind: &'static str) {
        *self.counted.entry(kind).or_default() += 1;
    }

    fn harmless(&mut self, words: &str) -> Vec<u8> {
        self.harmless += 1;
        format!("{words} {}", self.harmless).into_bytes()
    }

    /// Values of one attribute, unlike each other even where case and spaces do not count.
    pub async fn texts(&mut self, tone: Tone, count: usize) -> Vec<Vec<u8>> {
        let mut texts = Vec::new();
        for number in 0..count {
            let mut text = if tone.is_harmless() { self.harmless("text") } else { self.text().await };
            if number > 0 {
                text.extend(format!(" v{number}").bytes());
            }
            texts.push(text);
        }
        texts
    }

    async fn text(&mut self) -> Vec<u8> {
        self.count("texts");
        loop {
            if let Source::Unchecked { left } = &mut self.source
                && let Some(text) = left.texts.pop_front()
            {
                return text;
            }
            let text = self.values.value();
            if let Source::Checked { ldap, probe, refused } = &mut self.source
                && !is_taken(ldap, probe, "description", &text).await
            {
                refused.texts.push_back(text);
                continue;
            }
            return text;
        }
    }

    pub async fn name(&mut self, tone: Tone) -> Vec<u8> {
        match tone {
            Tone::Harmless => return self.harmless("Name"),
            Tone::HarmlessNameless => return self.unlike(Vec::new()),
            Tone::Nameless => {
                self.count("names");
                let name = self.values.invisible();
                return self.unlike(name);
            }
            Tone::Named => self.count("names"),
        }
        loop {
            if let Source::Unchecked { left } = &mut self.source
                && let Some(name) = left.names.pop_front()
            {
                return self.numbered(name);
            }
            let name = self.values.name();
            if let Source::Checked { ldap, probe, refused } = &mut self.source
                && !is_taken(ldap, probe, "displayName", &name).await
            {
                refused.names.push_back(name);
                continue;
            }
            return self.numbered(name);
        }
    }

    /// Unlike all others: what does not change makes another mail.
    fn numbered(&mut self, mut value: Vec<u8>) -> Vec<u8> {
        self.harmless += 1;
        value.extend(format!(" {}", self.harmless).bytes());
        value
    }

    /// With another end than the one before, which nobody sees either.
    fn unlike(&mut self, mut name: Vec<u8>) -> Vec<u8> {
        self.unlike = (self.unlike + 1) % 3;
        let end = ["\u{200b}", "\u{2060}", "\u{feff}"];
        name.extend(end[self.unlike].bytes());
        name
    }

    /// Nearly all are refused by a server that knows what a telephone number is.
    pub async fn phone(&mut self, tone: Tone) -> Vec<u8> {
        if tone.is_harmless() {
            return self.harmless("555");
        }
        let phone = self.values.value();
        if let Source::Checked { ldap, probe, refused } = &mut self.source
            && !is_taken(ldap, probe, "telephoneNumber", &phone).await
        {
            // Among other texts: one place for each cell would make too many cells.
            refused.texts.push_back(phone);
            return self.harmless("555");
        }
        self.count("phones");
        self.numbered(phone)
    }

    pub fn octets(&mut self, tone: Tone, count: usize) -> Vec<Vec<u8>> {
        let one = |_| {
            if tone.is_harmless() {
                return self.harmless("octets");
            }
            self.count("octets");
            self.values.value()
        };
        let mut all: Vec<Vec<u8>> = (0..count).map(one).collect();
        // What is not there is no value.
        for (number, octets) in all.iter_mut().enumerate() {
            octets.extend(format!(" {number}").bytes());
        }
        all
    }

    pub async fn rdn(&mut self, tone: Tone) -> Vec<u8> {
        if tone.is_harmless() {
            return self.harmless("name");
        }
        self.count("rdns");
        loop {
            if let Source::Unchecked { left } = &mut self.source
                && let Some(rdn) = left.rdns.pop_front()
            {
                return rdn;
            }
            let rdn = self.values.rdn();
            if let Source::Checked { ldap, probe, refused } = &mut self.source
                && !rename(ldap, probe, &rdn).await
            {
                refused.rdns.push_back(rdn);
                continue;
            }
            return rdn;
        }
    }

    pub async fn address(&mut self, tone: Tone, number: usize) -> Vec<u8> {
        if tone.is_harmless() {
            return format!("y{number}@{}", Postfix::DOMAIN).into_bytes();
        }
        self.count("addresses");
        loop {
            if let Source::Unchecked { left } = &mut self.source
                && let Some(address) = left.addresses.pop_front()
            {
                return address;
            }
            let address = self.values.address(number);
            if let Source::Checked { ldap, probe, refused } = &mut self.source
                && !is_taken(ldap, probe, "mail", &address).await
            {
                // Each of them once: it tells one cell from another.
                if !refused.addresses.contains(&address) {
                    refused.addresses.push_back(address);
                }
                continue;
            }
            return address;
        }
    }
}

/// In a part of the tree that is left out.
pub const PROBE: &str = "uid=probe,ou=probes";

/// Whether the server takes a value.
async fn is_taken(ldap: &Ldap, probe: &str, attribute: &str, value: &[u8]) -> bool {
    let is_text = std::str::from_utf8(value).is_ok_and(|text| !text.is_empty());
    if is_text && matches!(attribute, "description" | "displayName") {
        // It takes any text; where that is not so, the change itself fails, and the test with it.
        return true;
    }
    ldap.try_request(replacing(&format!("{probe},{BASE}"), &[(attribute, vec![value.to_vec()])])).await == 0
}

async fn rename(ldap: &Ldap, probe: &mut String, value: &[u8]) -> bool {
    let rdn = format!("cn={}+uid=probe", escaped(value));
    if ldap.try_request(renaming(&format!("{probe},{BASE}"), &rdn)).await != 0 {
        return false;
    }
    *probe = format!("{rdn},ou=probes");
    true
}

/// ModifyRequest (RFC 4511, section 4.6).
pub fn replacing(dn: &str, attributes: &[(&str, Vec<Vec<u8>>)]) -> Vec<u8> {
    let changes: Vec<_> = attributes.iter().map(|(name, values)| change(REPLACE, name, values)).collect();
    ber::tlv(0x66, &[ber::octets(dn), ber::sequence(&changes)].concat())
}

/// The same, one value more.
pub fn adding(dn: &str, attribute: &str, value: &str) -> Vec<u8> {
    let change = change(ADD, attribute, &[value.as_bytes().to_vec()]);
    ber::tlv(0x66, &[ber::octets(dn), ber::sequence(&[change])].concat())
}

/// ModifyDNRequest (section 4.9), in the same place.
pub fn renaming(dn: &str, rdn: &str) -> Vec<u8> {
    ber::tlv(0x6c, &[ber::octets(dn), ber::octets(rdn), ber::boolean(true)].concat())
}

const ADD: i64 = 0;
const REPLACE: i64 = 2;

fn change(operation: i64, attribute: &str, values: &[Vec<u8>]) -> Vec<u8> {
    let values: Vec<_> = values.iter().map(ber::octets).collect();
    let attribute = ber::sequence(&[ber::octets(attribute), ber::set(&values)]);
    ber::sequence(&[ber::enumerated(operation), attribute])
}
