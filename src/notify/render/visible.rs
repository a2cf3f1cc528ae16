//! Text from the directory as a person may safely see it: one line, nothing invisible.

/// One line without control characters, bidirectional controls and zero-width characters; white space of
/// any kind and length is one space. What looks like nothing afterwards is empty.
pub(crate) fn visible(text: &str) -> String {
    let spaced: String = text
        .chars()
        .filter(|&c| c.is_whitespace() || !is_unseen(c))
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect();
    spaced.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// [`visible`], and no longer than `longest` characters: what is cut is counted.
pub(super) fn clipped(text: &str, longest: usize) -> String {
    let text = visible(text);
    let length = text.chars().count();
    if length <= longest {
        return text;
    }
    let kept: String = text.chars().take(longest).collect();
    let more = length - longest;
    format!("{}… ({more} more character{})", kept.trim_end(), if more == 1 { "" } else { "s" })
}

/// Characters that change how others are shown, or take no room: categories Cc and Cf of Unicode, and the
/// letters that are drawn as nothing.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}'                              // soft hyphen
            | '\u{034F}'                            // combining grapheme joiner
            | '\u{061C}'                            // Arabic letter mark
            | '\u{115F}' | '\u{1160}'               // Hangul fillers
            | '\u{17B4}' | '\u{17B5}'               // Khmer inherent vowels
            | '\u{180B}'..='\u{180F}'               // Mongolian selectors and vowel separator
            | '\u{200B}'..='\u{200F}'               // zero-width, and marks of direction
            | '\u{202A}'..='\u{202E}'               // embeddings and overrides of direction
            | '\u{2060}'..='\u{206F}'               // word joiner, invisible operators, isolates
            | '\u{2800}'                            // Braille blank
            | '\u{3164}' | '\u{FFA0}'               // Hangul fillers
            | '\u{FE00}'..='\u{FE0F}'               // variation selectors
            | '\u{FEFF}'                            // byte order mark
            | '\u{FFF0}'..='\u{FFFB}'               // reserved to be ignored, and interlinear annotation
            | '\u{1BCA0}'..='\u{1BCA3}'             // shorthand format controls
            | '\u{1D173}'..='\u{1D17A}'             // musical format controls
            | '\u{E0000}'..='\u{E0FFF}') // tags and further selectors
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(visible(text), expect, "{text:?}");
    }

    #[test]
    fn m16_line_breaks_and_nul_leave_one_line() {
        check("Anna\r\nBcc: all@acme.example", "Anna Bcc: all@acme.example");
        check("An\0na\u{85}Berg\u{2028}x\u{7f}", "Anna Berg x");
        check("\r\n\t ", "");
    }

    #[test]
    fn m18_what_turns_or_hides_text_goes() {
        check("admin\u{202E}gnp.exe", "admingnp.exe");
        check("\u{2066}Anna\u{2069} \u{200B}\u{FEFF}Berg\u{00AD}", "Anna Berg");
        check("\u{3164}\u{115F}", "");
    }

    #[test]
    fn letters_of_any_script_stay() {
        check("Żółć Ålesund 東京 שלום مرحبا 🙂", "Żółć Ålesund 東京 שלום مرحبا 🙂");
        check("e\u{301}", "e\u{301}");
    }

    #[test]
    fn what_is_cut_is_counted() {
        assert_eq!(clipped("abcdef", 6), "abcdef");
        assert_eq!(clipped("abc def ghi", 4), "abc… (7 more characters)");
        assert_eq!(clipped("abcdef", 5), "abcde… (1 more character)");
    }

    proptest! {
        #[test]
        fn nothing_unseen_is_left_and_twice_is_once(text in any::<String>()) {
            let once = visible(&text);
            prop_assert!(once.chars().all(|c| c == ' ' || !(c.is_whitespace() || is_unseen(c))));
            prop_assert_eq!(visible(&once), once);
        }
    }
}
