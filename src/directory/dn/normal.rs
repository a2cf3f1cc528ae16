//! The normal form of a name, fed into a hash.
//!
//! Each RDN is its pairs, sorted, [`BETWEEN_PAIRS`] between them and [`AFTER_RDN`] behind; a pair is the short
//! name of the type, `=`, and the folded text. The separators never occur in UTF-8, so no two names share a
//! form. Names of plain ASCII, which nearly all are, go into the hash in one pass.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use super::{
    NameKey, attribute_type,
    scan::{Meaning, Pair, Pairs, to_hex},
};
use crate::directory::text;

const AFTER_RDN: u8 = 0xff;
const BETWEEN_PAIRS: u8 = 0xfe;
/// Before the digits of octets that are no text.
const OCTETS: u8 = 0xfd;
/// Before the digits of a BER encoding that is no string.
const BER: u8 = 0xfc;

/// The longest attribute type that the short way takes.
const MAX_PLAIN_TYPE: usize = 48;

/// Keys of the hash, one pair for each kind of name. They stand in the state file by their results: never
/// change them.
const DN_DOMAIN: (u64, u64) = (0x6469_7268_6572_616c, 0x6469_7374_6e61_6d65);
const ACCOUNT_DOMAIN: (u64, u64) = (0x6469_7268_6572_616c, 0x6163_636f_756e_7473);

/// `dn` must be valid.
pub fn key_of(dn: &str) -> NameKey {
    plain_key(dn.as_bytes()).unwrap_or_else(|| folded_key(dn))
}

pub fn key_of_account(name: &str) -> NameKey {
    let mut sink = Sink::new(ACCOUNT_DOMAIN);
    sink.put_all(text::fold(name).as_bytes());
    sink.finish()
}

/// Any valid DN, slowly.
pub(super) fn folded_key(dn: &str) -> NameKey {
    let mut sink = Sink::new(DN_DOMAIN);
    let mut rdn = Vec::new();
    for pair in Pairs::new(dn).map_while(Result::ok) {
        rdn.push(pair_form(&pair));
        if !pair.ends_rdn {
            continue;
        }
        rdn.sort_unstable();
        sink.put_all(&rdn.join(&BETWEEN_PAIRS));
        sink.put(AFTER_RDN);
        rdn.clear();
    }
    sink.finish()
}

fn pair_form(pair: &Pair<'_>) -> Vec<u8> {
    let mut form = pair.attribute.to_ascii_lowercase().into_bytes();
    if let Some(short) = attribute_type::alias(&form) {
        form = short.into();
    }
    form.push(b'=');
    match pair.value.meaning() {
        Meaning::Text(text) => form.extend_from_slice(text::fold(&text).as_bytes()),
        Meaning::Octets(octets) => put_digits(&mut form, OCTETS, &octets),
        Meaning::Ber(ber) => put_digits(&mut form, BER, &ber),
    }
    form
}

fn put_digits(form: &mut Vec<u8>, marker: u8, octets: &[u8]) {
    form.push(marker);
    form.extend_from_slice(to_hex(octets).as_bytes());
}

/// The same key in one pass and without an allocation. `None`: the name is not plain enough.
pub(super) fn plain_key(dn: &[u8]) -> Option<NameKey> {
    let mut sink = Sink::new(DN_DOMAIN);
    let mut rest = dn.trim_ascii_start();
    while !rest.is_empty() {
        rest = put_plain_type(rest, &mut sink)?;
        rest = put_plain_value(rest, &mut sink)?;
    }
    Some(sink.finish())
}

/// Reads up to and including `=`.
fn put_plain_type<'a>(rest: &'a [u8], sink: &mut Sink) -> Option<&'a [u8]> {
    let equals = rest.iter().position(|byte| *byte == b'=')?;
    let (written, rest) = rest.split_at_checked(equals)?;
    let written = written.trim_ascii_end();
    match written {
        // What nearly all names are made of, before the long list is asked.
        [b'c' | b'C', b'n' | b'N'] => sink.put_all(b"cn"),
        [b'o' | b'O', b'u' | b'U'] => sink.put_all(b"ou"),
        [b'd' | b'D', b'c' | b'C'] => sink.put_all(b"dc"),
        [b'u' | b'U', b'i' | b'I', b'd' | b'D'] => sink.put_all(b"uid"),
        _ => put_listed_type(written, sink)?,
    }
    sink.put(b'=');
    rest.get(1..)
}

fn put_listed_type(written: &[u8], sink: &mut Sink) -> Option<()> {
    let mut buffer = [0; MAX_PLAIN_TYPE];
    let name = buffer.get_mut(..written.len())?;
    name.copy_from_slice(written);
    name.make_ascii_lowercase();
    let name = name.strip_prefix(b"oid.").unwrap_or(name);
    sink.put_all(attribute_type::alias(name).map_or(name, str::as_bytes));
    Some(())
}

/// Reads up to and including the separator.
fn put_plain_value<'a>(rest: &'a [u8], sink: &mut Sink) -> Option<&'a [u8]> {
    let rest = rest.trim_ascii_start();
    if matches!(rest.first(), Some(b'#')) {
        return None;
    }
    let mut bytes = rest.iter();
    let mut gap = false;
    for &byte in bytes.by_ref() {
        match byte {
            b',' | b';' => break,
            b' ' => gap = true,
            b'\\' | b'"' | b'+' => return None,
            b'!'..=b'~' => {
                if gap {
                    sink.put(b' ');
                    gap = false;
                }
                sink.put(byte.to_ascii_lowercase());
            }
            _ => return None,
        }
    }
    sink.put(AFTER_RDN);
    Some(bytes.as_slice().trim_ascii_start())
}

/// Gathers single bytes, as the hash is slow on them.
struct Sink {
    hash: SipHasher13,
    buffer: [u8; Self::SIZE],
    used: usize,
}

impl Sink {
    const SIZE: usize = 128;

    fn new((k0, k1): (u64, u64)) -> Self {
        Self { hash: SipHasher13::new_with_keys(k0, k1), buffer: [0; Self::SIZE], used: 0 }
    }

    fn put(&mut self, byte: u8) {
        if self.used == Self::SIZE {
            self.flush();
        }
        if let Some(slot) = self.buffer.get_mut(self.used) {
            *slot = byte;
            self.used += 1;
        }
    }

    fn put_all(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.put(*byte);
        }
    }

    fn flush(&mut self) {
        self.hash.write(self.buffer.get(..self.used).unwrap_or_default());
        self.used = 0;
    }

    fn finish(mut self) -> NameKey {
        self.flush();
        NameKey(self.hash.finish().cast_signed())
    }
}
