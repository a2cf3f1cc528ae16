//! Changes text by its own marks, and sometimes by bytes.

use super::random::Random;

const MARKS: [&str; 44] = [
    "\\",
    ",",
    "+",
    "=",
    "#",
    "\"",
    ";",
    "<",
    ">",
    " ",
    "\\2c",
    "\\20",
    "\\0",
    "\\ff",
    "#04",
    "(",
    ")",
    "&",
    "|",
    "!",
    "*",
    ":=",
    ":dn",
    ">=",
    "<=",
    "~=",
    ":1.2.840.113556.1.4.803:=",
    "cn",
    "0.9.2342.19200300.100.1.1",
    "Z",
    "+0100",
    "-9959",
    ".",
    "60",
    "{{",
    "}}",
    "{%",
    "<script>",
    "\u{202e}",
    "\u{200b}",
    "\r\n",
    "\0",
    "ß",
    "e\u{301}",
];

/// Puts in, takes out and mixes.
pub fn mutate(random: &mut Random, kept: &[Vec<u8>]) -> Vec<u8> {
    if random.percent(25) {
        return super::bytes(random, kept);
    }
    let chosen = random.choose(kept).expect("never none");
    let mut text: Vec<char> = String::from_utf8_lossy(&chosen).chars().collect();
    for _ in 0..=random.below(5) {
        let at = random.below(text.len() + 1);
        let some = random.below((text.len() - at).min(12) + 1);
        match random.below(6) {
            0 => drop(text.drain(at..at + some)),
            1 => {
                let copy = text[at..at + some].repeat(1 + random.below(3));
                text.splice(at..at, copy);
            }
            2 => {
                let other = random.choose(kept).expect("never none");
                let other: Vec<_> = String::from_utf8_lossy(&other).chars().collect();
                let from = random.below(other.len() + 1);
                text.splice(at.., other[from..].iter().copied());
            }
            3 => {
                let c = u32::try_from(random.below(0x0011_0000)).ok().and_then(char::from_u32);
                text.extend(c);
            }
            _ => {
                let mark = random.choose(&MARKS).expect("some");
                text.splice(at..at + some.min(1), mark.chars());
            }
        }
    }
    text.into_iter().collect::<String>().into_bytes()
}
