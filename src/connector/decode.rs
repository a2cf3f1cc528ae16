//! Search result entries as the vocabulary has them. Nothing here panics on what a server sends, and values
//! are moved, not copied.

use jiff::Timestamp;
use lber::{
    common::TagClass,
    structure::{PL, StructureTag},
};
use uuid::Uuid;

use super::{
    guard::ber::Malformed,
    wanted::{CREATE_TIMESTAMP, ENTRY_CSN, ENTRY_UUID, MODIFIERS_NAME, WantedAttributes},
};
use crate::directory::{
    attribute::RawAttributes,
    dn::{self, Dn, DnError},
    entry::EntryId,
    time::generalized_time,
};

/// SearchResultEntry (RFC 4511, section 4.5.2).
const ENTRY: u64 = 4;

/// Something well-formed that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A message of another shape than RFC 4511 gives it.
    #[error("an entry without {0}")]
    Entry(&'static str),
    /// The entry cannot be told apart from others.
    #[error("no readable entryUUID on {dn}")]
    NoEntryUuid {
        /// Of the entry.
        dn: Dn,
    },
    /// RFC 4533, section 2.2: every entry carries its state.
    #[error("an entry without the sync state control")]
    NoSyncState,
    /// The value of a control or of an intermediate message.
    #[error("could not read the {what}")]
    Value {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: Malformed,
    },
}

/// One entry as read, and what we asked for ourselves.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// `Err`: the text, which is UTF-8 but no DN.
    pub dn: Result<Dn, NotADn>,
    /// What was asked for.
    pub attributes: RawAttributes,
    /// entryUUID, where it is visible and readable.
    pub uuid: Option<EntryId>,
    /// entryCSN.
    pub csn: Option<String>,
    /// modifiersName.
    pub modifiers_name: Option<Dn>,
    /// createTimestamp, cut to the second by most servers.
    pub created: Option<Timestamp>,
    /// Bytes of the values, roughly what the entry takes in memory.
    pub size: usize,
}

/// A name that [`Dn::parse`] refuses.
#[derive(Debug, PartialEq, Eq)]
pub struct NotADn {
    /// Why, with the place.
    pub reason: String,
}

impl From<DnError> for NotADn {
    fn from(error: DnError) -> Self {
        Self { reason: error.to_string() }
    }
}

impl Entry {
    /// An entry of which nothing may be read.
    pub fn empty() -> Self {
        Self {
            dn: Ok(Dn::root()),
            attributes: RawAttributes::default(),
            uuid: None,
            csn: None,
            modifiers_name: None,
            created: None,
            size: 0,
        }
    }

    /// Reads a SearchResultEntry; what is not in `wanted` is dropped unread.
    pub fn decode(entry: StructureTag, wanted: &WantedAttributes) -> Result<Self, DecodeError> {
        if entry.class != TagClass::Application || entry.id != ENTRY {
            return Err(DecodeError::Entry("its tag"));
        }
        let mut parts = constructed(entry, "parts")?.into_iter();
        let name = primitive(parts.next(), "a name")?;
        let name = dn::text_of(&name);
        let list = constructed(parts.next().ok_or(DecodeError::Entry("attributes"))?, "attributes")?;

        let mut entry = Self {
            size: 64 + name.len(),
            dn: Dn::parse(&name).map_err(NotADn::from),
            attributes: RawAttributes(Vec::with_capacity(list.len())),
            ..Self::empty()
        };
        for attribute in list {
            entry.take(attribute, wanted)?;
        }
        Ok(entry)
    }

    fn take(&mut self, attribute: StructureTag, wanted: &WantedAttributes) -> Result<(), DecodeError> {
        let mut parts = constructed(attribute, "an attribute's parts")?.into_iter();
        let description = primitive(parts.next(), "an attribute's name")?;
        // RFC 4512, section 2.5: ASCII. Nothing else was asked for.
        let Ok(description) = str::from_utf8(&description) else { return Ok(()) };
        let values = constructed(parts.next().ok_or(DecodeError::Entry("values"))?, "values")?;

        let first = || values.first().and_then(text_of);
        if description.eq_ignore_ascii_case(ENTRY_UUID) {
            self.uuid = first().and_then(|text| Uuid::try_parse(text).ok()).map(EntryId);
        } else if description.eq_ignore_ascii_case(ENTRY_CSN) {
            self.csn = first().map(str::to_owned);
        } else if description.eq_ignore_ascii_case(MODIFIERS_NAME) {
            self.modifiers_name = values.first().and_then(name_of);
        } else if description.eq_ignore_ascii_case(CREATE_TIMESTAMP) {
            self.created = first().and_then(|text| generalized_time(text).ok());
        }
        let Some(name) = wanted.name_of(description) else { return Ok(()) };
        let values = values
            .into_iter()
            .map(|value| primitive(Some(value), "a value that is a string"))
            .collect::<Result<Vec<_>, _>>()?;
        self.size += values.iter().map(|value| value.len() + size_of::<Vec<u8>>()).sum::<usize>();
        match self.attributes.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => known.extend(values),
            None => self.attributes.0.push((name, values)),
        }
        Ok(())
    }
}

fn constructed(tag: StructureTag, what: &'static str) -> Result<Vec<StructureTag>, DecodeError> {
    tag.expect_constructed().ok_or(DecodeError::Entry(what))
}

fn primitive(tag: Option<StructureTag>, what: &'static str) -> Result<Vec<u8>, DecodeError> {
    tag.and_then(StructureTag::expect_primitive).ok_or(DecodeError::Entry(what))
}

fn name_of(value: &StructureTag) -> Option<Dn> {
    match &value.payload {
        PL::P(bytes) => Dn::parse(&dn::text_of(bytes)).ok(),
        PL::C(_) => None,
    }
}

fn text_of(value: &StructureTag) -> Option<&str> {
    match &value.payload {
        PL::P(bytes) => str::from_utf8(bytes).ok(),
        PL::C(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use lber::parse::parse_tag;
    use proptest::prelude::*;

    use super::*;
    use crate::directory::attribute::AttributeName;

    fn wanted() -> WantedAttributes {
        WantedAttributes::new(["cn", "member"].map(AttributeName::new).into())
    }

    fn octets(bytes: &[u8]) -> StructureTag {
        StructureTag { class: TagClass::Universal, id: 4, payload: PL::P(bytes.to_vec()) }
    }

    fn sequence(class: TagClass, id: u64, parts: Vec<StructureTag>) -> StructureTag {
        StructureTag { class, id, payload: PL::C(parts) }
    }

    fn attribute(name: &str, values: &[&[u8]]) -> StructureTag {
        let values = values.iter().map(|value| octets(value)).collect();
        let set = sequence(TagClass::Universal, 17, values);
        sequence(TagClass::Universal, 16, vec![octets(name.as_bytes()), set])
    }

    fn entry(name: &[u8], attributes: Vec<StructureTag>) -> StructureTag {
        let list = sequence(TagClass::Universal, 16, attributes);
        sequence(TagClass::Application, 4, vec![octets(name), list])
    }

    #[test]
    fn an_entry_keeps_what_was_asked_for_in_the_servers_order() {
        let message = entry(
            b"cn=a,dc=x",
            vec![
                attribute("member", &[b"cn=z", b"cn=b", &[0xff]]),
                attribute("userPassword", &[b"secret"]),
                attribute("entryUUID", &[b"8d2ad5f8-0000-103e-8888-000000000001"]),
                attribute("CN", &[b"a"]),
                attribute("entryCSN", &[b"20261123101935.123456Z#000000#000#000000"]),
                attribute("modifiersName", &[b"cn=boss,dc=x"]),
            ],
        );
        let entry = Entry::decode(message, &wanted()).unwrap();
        assert_eq!(entry.dn, Ok(Dn::parse("cn=a,dc=x").unwrap()));
        assert_eq!(
            entry.attributes.0,
            [
                (AttributeName::new("member"), vec![b"cn=z".to_vec(), b"cn=b".to_vec(), vec![0xff]]),
                (AttributeName::new("cn"), vec![b"a".to_vec()]),
            ]
        );
        assert_eq!(entry.csn.as_deref(), Some("20261123101935.123456Z#000000#000#000000"));
        assert_eq!(entry.uuid.unwrap().to_string(), "8d2ad5f8-0000-103e-8888-000000000001");
        assert_eq!(entry.modifiers_name.unwrap().as_str(), "cn=boss,dc=x");
    }

    #[test]
    fn l15_octets_in_a_name_that_are_no_utf8_do_not_hold_up_the_others() {
        for (name, expected) in [
            (&b"cn=\xed\xa0\x80,dc=x"[..], Ok("cn=\\ed\\a0\\80,dc=x")),
            (b"cn=caf\xe9,dc=x", Ok("cn=caf\\e9,dc=x")),
            (b"\xff", Err("not a distinguished name: expected an attribute type at byte 0")),
        ] {
            let decoded = Entry::decode(entry(name, vec![]), &wanted()).unwrap();
            let dn = decoded.dn.as_ref().map(Dn::as_str).map_err(|error| error.reason.as_str());
            assert_eq!(dn, expected);
        }
        let both = ["cn=\\ED\\A0\\80,dc=x", &dn::text_of(b"cn=\xed\xa0\x80,dc=x")]
            .map(|text| Dn::parse(text).unwrap());
        assert_eq!(both[0].key(), both[1].key());
    }

    #[test]
    fn l15_misshapen_entries_are_errors() {
        let check = |message: StructureTag| {
            assert!(Entry::decode(message.clone(), &wanted()).is_err(), "{message:?}");
        };
        check(octets(b"x"));
        check(sequence(TagClass::Universal, 4, vec![]));
        check(sequence(TagClass::Application, 4, vec![]));
        check(sequence(TagClass::Application, 4, vec![octets(b"cn=a")]));
        check(sequence(TagClass::Application, 4, vec![octets(b"cn=a"), octets(b"")]));
        check(entry(b"cn=a", vec![octets(b"cn")]));
        check(entry(b"cn=a", vec![sequence(TagClass::Universal, 16, vec![octets(b"cn")])]));
        check(entry(b"cn=a", vec![sequence(TagClass::Universal, 16, vec![octets(b"cn"), octets(b"a")])]));
        let nested = sequence(TagClass::Universal, 17, vec![sequence(TagClass::Universal, 16, vec![])]);
        check(entry(b"cn=a", vec![sequence(TagClass::Universal, 16, vec![octets(b"cn"), nested])]));
    }

    proptest! {
        #[test]
        fn any_tree_is_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut message = vec![0x64, 0x82];
            message.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
            message.extend(bytes);
            if let Ok((_, tree)) = parse_tag(&message) {
                let _ = Entry::decode(tree, &wanted());
            }
        }
    }
}
