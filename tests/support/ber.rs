//! LDAP messages written by hand (BER, X.690; RFC 4511), and a reader for what a client sends.
//!
//! The writer asks no questions: it writes wrong messages as readily as right ones.

/// One tag, length and value; the length in its shortest form.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend(length(content.len()));
    out.extend_from_slice(content);
    out
}

/// As [`tlv`], with the four-byte long form (`84 00 00 00 nn`) that Active Directory uses throughout.
pub fn tlv_long(tag: u8, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).expect("test messages are small");
    let mut out = vec![tag, 0x84];
    out.extend(size.to_be_bytes());
    out.extend_from_slice(content);
    out
}

/// SEQUENCE of the parts.
pub fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// SET of the parts.
pub fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x31, &parts.concat())
}

/// OCTET STRING.
pub fn octets(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    tlv(0x04, bytes.as_ref())
}

/// BOOLEAN.
pub fn boolean(value: bool) -> Vec<u8> {
    tlv(0x01, if value { &[0xff] } else { &[0] })
}

/// INTEGER, two's complement in as few bytes as it takes.
pub fn integer(value: i64) -> Vec<u8> {
    tlv(0x02, &minimal(value))
}

/// ENUMERATED.
pub fn enumerated(value: i64) -> Vec<u8> {
    tlv(0x0a, &minimal(value))
}

/// LDAPMessage (RFC 4511, section 4.1.1) without controls.
pub fn message(id: i64, operation: Vec<u8>) -> Vec<u8> {
    sequence(&[integer(id), operation])
}

/// LDAPMessage with controls, each made by [`control`].
pub fn message_with_controls(id: i64, operation: Vec<u8>, controls: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[integer(id), operation, tlv(0xa0, &controls.concat())])
}

/// Control (RFC 4511, section 4.1.11).
pub fn control(oid: &str, critical: bool, value: Option<&[u8]>) -> Vec<u8> {
    let mut parts = vec![octets(oid)];
    if critical {
        parts.push(boolean(true));
    }
    parts.extend(value.map(octets));
    sequence(&parts)
}

/// LDAPResult (section 4.1.9) under the tag of a response, for example 0x61 for a bind.
pub fn result(tag: u8, code: i64, message: &str) -> Vec<u8> {
    tlv(tag, &[enumerated(code), octets(""), octets(message)].concat())
}

/// BindResponse (section 4.2.2).
pub fn bind_response(code: i64, message: &str) -> Vec<u8> {
    result(0x61, code, message)
}

/// SearchResultEntry (section 4.5.2).
pub fn entry(dn: &str, attributes: &[(&str, &[&str])]) -> Vec<u8> {
    let attributes: Vec<_> = attributes
        .iter()
        .map(|(name, values)| {
            let values: Vec<_> = values.iter().map(octets).collect();
            sequence(&[octets(name), set(&values)])
        })
        .collect();
    tlv(0x64, &[octets(dn), sequence(&attributes)].concat())
}

/// SearchResultReference (section 4.5.3).
pub fn reference(urls: &[&str]) -> Vec<u8> {
    let urls: Vec<_> = urls.iter().map(octets).collect();
    tlv(0x73, &urls.concat())
}

/// SearchResultDone.
pub fn search_done(code: i64, message: &str) -> Vec<u8> {
    result(0x65, code, message)
}

/// ExtendedResponse (section 4.12).
pub fn extended_response(code: i64, message: &str, name: Option<&str>, value: Option<&[u8]>) -> Vec<u8> {
    let mut parts = vec![enumerated(code), octets(""), octets(message)];
    parts.extend(name.map(|name| tlv(0x8a, name.as_bytes())));
    parts.extend(value.map(|value| tlv(0x8b, value)));
    tlv(0x78, &parts.concat())
}

/// IntermediateResponse (section 4.13).
pub fn intermediate(name: Option<&str>, value: Option<&[u8]>) -> Vec<u8> {
    let mut parts = Vec::new();
    parts.extend(name.map(|name| tlv(0x80, name.as_bytes())));
    parts.extend(value.map(|value| tlv(0x81, value)));
    tlv(0x79, &parts.concat())
}

/// Splits the first element off: its tag, its content, and what follows it. `None` while bytes are missing.
/// Only one-byte tags and definite lengths, which is all that LDAP allows (section 5.1).
pub fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (size, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let digits = usize::from(first & 0x7f);
        assert!((1..=8).contains(&digits), "a client sent the length byte {first:#x}");
        let (size, rest) = rest.split_at_checked(digits)?;
        (size.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(size)?;
    Some((tag, content, rest))
}

fn length(size: usize) -> Vec<u8> {
    if let Ok(short @ 0..0x80) = u8::try_from(size) {
        return vec![short];
    }
    let digits: Vec<u8> = size.to_be_bytes().into_iter().skip_while(|&byte| byte == 0).collect();
    let count = u8::try_from(digits.len()).expect("eight at the most");
    [vec![0x80 | count], digits].concat()
}

fn minimal(value: i64) -> Vec<u8> {
    let mut bytes = value.to_be_bytes().to_vec();
    while let [first, second, ..] = bytes[..] {
        let redundant = first == 0 && second < 0x80 || first == 0xff && second >= 0x80;
        if !redundant {
            break;
        }
        bytes.remove(0);
    }
    bytes
}

#[test]
fn integers_are_written_in_as_few_bytes_as_it_takes() {
    let check = |value, bytes: &[u8]| assert_eq!(minimal(value), bytes, "{value}");
    check(0, &[0]);
    check(127, &[0x7f]);
    check(128, &[0, 0x80]);
    check(256, &[1, 0]);
    check(-1, &[0xff]);
    check(-128, &[0x80]);
    check(-129, &[0xff, 0x7f]);
    check(-40_000, &[0xff, 0x63, 0xc0]);
}

#[test]
fn what_is_written_can_be_split_again_and_half_of_it_cannot() {
    for size in [0, 1, 127, 128, 255, 256, 70_000] {
        let content = vec![7; size];
        for written in [tlv(0x04, &content), tlv_long(0x04, &content)] {
            assert_eq!(split(&written), Some((0x04, &content[..], &[][..])));
            assert_eq!(split(&written[..written.len() - 1]), None);
        }
    }
}
