//! When two texts are equal: the preparation of RFC 4518 for matching without regard to case.

use icu_normalizer::{ComposingNormalizer, ComposingNormalizerBorrowed};

const NFKC: ComposingNormalizerBorrowed<'static> = ComposingNormalizer::new_nfkc();

/// Case folded, in NFKC, spaces at the ends gone, other runs of spaces one, ignorable characters gone. Two
/// texts are equal for a directory when this is the same.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    if is_plain(text.as_bytes()) {
        collect(text.chars().map(|c| c.to_ascii_lowercase()), &mut folded);
    } else {
        let mapped = NFKC.normalize_iter(text.chars().filter(|c| !is_ignorable(*c)));
        collect(mapped.flat_map(char::to_lowercase), &mut folded);
    }
    folded
}

/// As [`fold`], but one space at either end stays one space: for a piece of a text.
pub fn fold_piece(piece: &str) -> String {
    let folded = fold(piece);
    if folded.is_empty() {
        return if piece.is_empty() { folded } else { " ".to_owned() };
    }
    let before = if piece.starts_with(is_space) { " " } else { "" };
    let after = if piece.ends_with(is_space) { " " } else { "" };
    format!("{before}{folded}{after}")
}

/// Whether [`fold`] of `value` is `folded`, without an allocation for plain ASCII.
pub fn folds_to(value: &[u8], folded: &str) -> bool {
    if is_plain(value) {
        // Folding makes plain text shorter, if anything.
        return value.len() >= folded.len() && plain_folds_to(value, folded.as_bytes());
    }
    std::str::from_utf8(value).is_ok_and(|text| fold(text) == folded)
}

/// Printable ASCII: nothing to normalise but case and spaces.
pub fn is_plain(bytes: &[u8]) -> bool {
    // Without a way out in the middle the compiler takes many bytes at once.
    bytes.iter().fold(true, |plain, byte| plain & (b' '..=b'~').contains(byte))
}

fn collect(chars: impl Iterator<Item = char>, folded: &mut String) {
    let mut gap = false;
    for c in chars {
        if is_space(c) {
            gap = !folded.is_empty();
            continue;
        }
        if gap {
            folded.push(' ');
            gap = false;
        }
        folded.push(c);
    }
}

fn plain_folds_to(value: &[u8], folded: &[u8]) -> bool {
    if value.eq_ignore_ascii_case(folded) {
        return true;
    }
    let mut expected = folded.iter();
    let words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 && expected.next() != Some(&b' ') {
            return false;
        }
        if !word.iter().all(|byte| expected.next() == Some(&byte.to_ascii_lowercase())) {
            return false;
        }
    }
    expected.next().is_none()
}

/// RFC 4518, section 2.2: mapped to a space.
fn is_space(c: char) -> bool {
    c.is_whitespace()
}

/// RFC 4518, section 2.2: mapped to nothing.
fn is_ignorable(c: char) -> bool {
    (c.is_control() && !is_space(c))
        || matches!(
            c,
            '\u{AD}'
                | '\u{34F}'
                | '\u{6DD}'
                | '\u{70F}'
                | '\u{1806}'
                | '\u{180B}'..='\u{180E}'
                | '\u{200B}'..='\u{200F}'
                | '\u{202A}'..='\u{202E}'
                | '\u{2060}'..='\u{2063}'
                | '\u{206A}'..='\u{206F}'
                | '\u{FE00}'..='\u{FE0F}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFC}'
                | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0001}'
                | '\u{E0020}'..='\u{E007F}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folds_case_spaces_and_forms() {
        for (text, expected) in [
            ("", ""),
            ("   ", ""),
            ("  John   DOE ", "john doe"),
            ("John\tDoe\r\n", "john doe"),
            ("John\u{a0}Doe", "john doe"),
            ("nul\0byte", "nulbyte"),
            ("MÜLLER", "müller"),
            ("Mu\u{308}ller", "müller"),
            ("so\u{ad}ft", "soft"),
            ("ﬁne", "fine"),
            ("ΣΟΦΟΣ", "σοφοσ"),
            ("Ｗｉｄｅ", "wide"),
        ] {
            assert_eq!(fold(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_piece_keeps_one_space_at_its_ends() {
        for (text, expected) in [("", ""), ("  ", " "), ("  A  B ", " a b "), ("ab", "ab")] {
            assert_eq!(fold_piece(text), expected, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn the_short_way_agrees(value in "[ aAbB]{0,8}", other in "[ aAbB]{0,8}") {
            prop_assert!(folds_to(value.as_bytes(), &fold(&value)));
            prop_assert_eq!(folds_to(value.as_bytes(), &fold(&other)), fold(&value) == fold(&other));
        }

        #[test]
        fn plain_text_folds_as_any_text(value in "[ -~]{0,40}") {
            // A variation selector changes nothing but forces the long way.
            prop_assert_eq!(fold(&value), fold(&format!("{value}\u{fe0f}")));
        }

        #[test]
        fn folding_takes_anything(value in any::<String>()) {
            let folded = fold(&value);
            prop_assert!(!folded.starts_with(' ') && !folded.ends_with(' ') && !folded.contains("  "));
        }
    }
}
