//! How one value is written in the mirror: as text, at most 64 KB of it.

use std::{borrow::Cow, hash::Hasher as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use siphasher::sip::SipHasher13;

/// The longest stored value in bytes, the mark of a cut included.
pub const MAX_STORED: usize = 64 * 1024;

/// Room for the mark of a cut.
const MARK: usize = 64;

const BASE64: &str = "{base64}";

/// Octets that are no UTF-8 become `{base64}…`. What is too long is cut, and its end says what the whole
/// was, so that a change beyond the cut is a change of the stored text.
pub fn to_stored(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if !text.starts_with(BASE64) => cut(text),
        _ => encode(value),
    }
}

/// The octets behind a stored value; of a value that was cut, the stored text.
pub fn from_stored(stored: &str) -> Cow<'_, [u8]> {
    stored
        .strip_prefix(BASE64)
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .map_or(Cow::Borrowed(stored.as_bytes()), Cow::Owned)
}

fn cut(text: &str) -> String {
    if text.len() <= MAX_STORED {
        return text.to_owned();
    }
    let head = text.get(..text.floor_char_boundary(MAX_STORED - MARK)).unwrap_or_default();
    format!("{head}{}", mark(text.as_bytes()))
}

fn encode(value: &[u8]) -> String {
    const ROOM: usize = (MAX_STORED - MARK - BASE64.len()) / 4 * 3;
    match value.get(..ROOM) {
        Some(head) if value.len() > ROOM => format!("{BASE64}{}{}", STANDARD.encode(head), mark(value)),
        _ => format!("{BASE64}{}", STANDARD.encode(value)),
    }
}

fn mark(whole: &[u8]) -> String {
    let mut hash = SipHasher13::new_with_keys(0, 0);
    hash.write(whole);
    format!("…{{cut of {} bytes, {:016x}}}", whole.len(), hash.finish())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_stays_and_octets_are_encoded() {
        for (value, expected) in [
            (&b"Anna"[..], "Anna"),
            (b"", ""),
            ("Lučić".as_bytes(), "Lučić"),
            (b"\xff\x00", "{base64}/wA="),
            (b"{base64}x", "{base64}e2Jhc2U2NH14"),
        ] {
            assert_eq!(to_stored(value), expected);
        }
    }

    #[test]
    fn a_change_beyond_the_cut_is_seen() {
        for filler in ["x", "日"] {
            let long = filler.repeat(MAX_STORED);
            let (one, two) =
                (to_stored(format!("{long}1").as_bytes()), to_stored(format!("{long}2").as_bytes()));
            assert_ne!(one, two);
            assert!(one.len() <= MAX_STORED && one.starts_with(filler) && one.contains("…{cut of "));
        }
        let mut octets = vec![0xff; MAX_STORED];
        let one = to_stored(&octets);
        octets.push(0);
        assert_ne!(one, to_stored(&octets));
        assert!(one.len() <= MAX_STORED);
    }

    #[test]
    fn what_just_fits_is_whole() {
        let text = "x".repeat(MAX_STORED);
        assert_eq!(to_stored(text.as_bytes()), text);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn octets_come_back(value in any::<Vec<u8>>()) {
            prop_assert_eq!(from_stored(&to_stored(&value)).into_owned(), value);
        }

        #[test]
        fn text_comes_back(text in "(\\{base64\\})?[a-zA-Z0-9+/=]{0,12}") {
            prop_assert_eq!(from_stored(&to_stored(text.as_bytes())).into_owned(), text.into_bytes());
        }
    }
}
