//! Plain text as mail readers like it: short lines, no heaps of empty ones.

/// The longest line, in characters.
pub(super) const WIDTH: usize = 78;

/// A gap of two or more spaces that begins within this many columns separates a label from its value.
const LABEL: usize = 24;

/// Breaks lines longer than [`WIDTH`] at spaces, overlong words after a comma or where they must. What is
/// broken goes on under where its text began: behind the indent, the dash of a list, the label of a value.
/// Empty lines never stand in twos, nor at either end.
pub(super) fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if !line.is_empty() {
            lines.extend(broken(line));
        } else if lines.last().is_some_and(|last| !last.is_empty()) {
            lines.push(String::new());
        }
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.push(String::new());
    lines.join("\n")
}

fn broken(line: &str) -> Vec<String> {
    if line.chars().count() <= WIDTH {
        return vec![line.to_owned()];
    }
    let hang = hanging_indent(line);
    let start: String = line.chars().take(hang).collect();
    let rest: String = line.chars().skip(hang).collect();
    let mut lines = Vec::new();
    let mut current = start;
    let mut room = WIDTH - hang;
    let mut is_fresh = true;
    for word in rest.split(' ').flat_map(|word| pieces(word, WIDTH - hang)) {
        let needed = word.text.chars().count() + usize::from(!is_fresh && word.begins);
        if needed > room && !is_fresh {
            lines.push(std::mem::replace(&mut current, " ".repeat(hang)));
            room = WIDTH - hang;
            is_fresh = true;
        }
        if !is_fresh && word.begins {
            current.push(' ');
            room -= 1;
        }
        room = room.saturating_sub(word.text.chars().count());
        current.push_str(&word.text);
        is_fresh = false;
    }
    lines.push(current);
    lines
}

/// Where the text of a line begins.
fn hanging_indent(line: &str) -> usize {
    let indent = line.chars().take_while(|&c| c == ' ').count();
    if line.chars().skip(indent).take(2).eq("- ".chars()) {
        return indent + 2;
    }
    let mut spaces = 0;
    for (column, c) in line.chars().enumerate().skip(indent) {
        if c != ' ' && spaces >= 2 {
            return column;
        }
        spaces = if c == ' ' { spaces + 1 } else { 0 };
        if column > LABEL && spaces == 0 {
            break;
        }
    }
    indent.min(WIDTH / 2)
}

/// A word, or a part of one too long for a line.
struct Piece {
    text: String,
    /// Whether a space stands before it.
    begins: bool,
}

fn pieces(word: &str, room: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest: Vec<char> = word.chars().collect();
    while rest.len() > room {
        let cut = rest.iter().take(room).rposition(|&c| c == ',').map_or(room, |comma| comma + 1);
        let tail = rest.split_off(cut);
        pieces.push(Piece { text: rest.into_iter().collect(), begins: pieces.is_empty() });
        rest = tail;
    }
    pieces.push(Piece { text: rest.into_iter().collect(), begins: pieces.is_empty() });
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(wrapped(text), expect);
    }

    #[test]
    fn short_lines_stay_and_empty_ones_do_not_heap_up() {
        check("\n\na\n\n\n\nb  \n\n", "a\n\nb\n");
    }

    #[test]
    fn prose_breaks_at_spaces() {
        let word = "word ".repeat(20);
        check(&word, &format!("{}\n{}\n", ["word"; 15].join(" "), ["word"; 5].join(" ")));
    }

    #[test]
    fn a_value_goes_on_under_its_beginning() {
        let text = format!("  Group         {}", ["name"; 20].join(" "));
        let expect =
            format!("  Group         {}\n{:16}{}\n", ["name"; 12].join(" "), "", ["name"; 8].join(" "));
        check(&text, &expect);
    }

    #[test]
    fn an_item_goes_on_behind_its_dash() {
        let text = format!("- {}", ["name"; 20].join(" "));
        check(&text, &format!("- {}\n  {}\n", ["name"; 15].join(" "), ["name"; 5].join(" ")));
    }

    #[test]
    fn a_long_dn_breaks_after_a_comma() {
        let ou = "ou=a-rather-long-name-of-a-unit,".repeat(4);
        let two = "ou=a-rather-long-name-of-a-unit,".repeat(2);
        check(&format!("    {ou}dc=x"), &format!("    {two}\n    {two}dc=x\n"));
    }

    proptest! {
        #[test]
        fn no_line_is_too_long_and_no_text_is_lost(text in "[a-z ,\\-\n東]{0,400}") {
            let got = wrapped(&text);
            prop_assert!(got.lines().all(|line| line.chars().count() <= WIDTH));
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&got), letters(&text));
        }
    }
}
