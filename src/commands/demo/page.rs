//! How the demo looks: at most 80 columns, colour on a terminal only.

use std::{
    env,
    io::{self, IsTerminal, Stdout, Write, stdout},
};

/// Columns.
const WIDTH: usize = 80;
const INDENT: usize = 4;
const NAME: usize = 18;
const OPTION: usize = 20;

/// Who was told, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The person.
    pub name: String,
    /// Which options did it, each beside what the mail says about it.
    pub reasons: Vec<(String, String)>,
}

/// Standard output.
#[derive(Debug)]
pub(super) struct Page {
    out: Stdout,
    styled: bool,
}

#[derive(Debug, Clone, Copy)]
enum Style {
    Strong,
    Quiet,
    Marked,
}

impl Style {
    /// ECMA-48, section 8.3.117.
    fn code(self) -> &'static str {
        match self {
            Self::Strong => "\x1b[1m",
            Self::Quiet => "\x1b[2m",
            Self::Marked => "\x1b[36m",
        }
    }
}

impl Page {
    pub(super) fn new() -> Self {
        // https://no-color.org
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let out = stdout();
        let styled = out.is_terminal() && !unwanted;
        Self { out, styled }
    }

    /// Lines as they are; the empty text is an empty line.
    pub(super) fn say(&self, text: &str) -> io::Result<()> {
        writeln!(&self.out, "{text}")
    }

    /// A line that begins something.
    pub(super) fn heading(&self, text: &str) -> io::Result<()> {
        self.say(&format!("\n{}", self.style(Style::Strong, text)))
    }

    /// A line beside the point.
    pub(super) fn aside(&self, text: &str) -> io::Result<()> {
        for line in wrap(text, WIDTH - INDENT) {
            self.say(&format!("{:INDENT$}{}", "", self.style(Style::Quiet, &line)))?;
        }
        Ok(())
    }

    /// One row for each person, more lines where one is not enough.
    pub(super) fn told(&self, told: &Told) -> io::Result<()> {
        let mut name = told.name.as_str();
        for (option, because) in &told.reasons {
            let mut lines = wrap(because, WIDTH - INDENT - NAME - OPTION).into_iter();
            let option = self.style(Style::Marked, &format!("{option:OPTION$}"));
            let first = lines.next().unwrap_or_default();
            self.say(format!("{:INDENT$}{name:NAME$}{option}{first}", "").trim_end())?;
            for line in lines {
                self.say(&format!("{:1$}{line}", "", INDENT + NAME + OPTION))?;
            }
            name = "";
        }
        Ok(())
    }

    /// Something quoted, with a bar before each line; what is too long goes on below, further in.
    pub(super) fn quote(&self, text: &str) -> io::Result<()> {
        let bar = self.style(Style::Quiet, "│");
        for line in text.lines().flat_map(|line| broken(line, WIDTH - 2)) {
            self.say(format!("{bar} {line}").trim_end())?;
        }
        Ok(())
    }

    fn style(&self, style: Style, text: &str) -> String {
        if self.styled { format!("{}{text}\x1b[0m", style.code()) } else { text.to_owned() }
    }
}

/// A line as it is, or several of at most `width` characters, broken between words, those after the first
/// further in.
fn broken(line: &str, width: usize) -> Vec<String> {
    let blank = |line: &str| line.chars().take_while(|c| *c == ' ').count();
    let inner = blank(line) + INDENT;
    let mut lines = Vec::new();
    let mut rest = line.to_owned();
    while rest.chars().count() > width {
        let begins = blank(&rest);
        let spaces = rest.char_indices().take(width + 1).filter(|(at, c)| *c == ' ' && *at > begins);
        let Some((head, tail)) = spaces.last().and_then(|(at, _)| rest.split_at_checked(at)) else { break };
        lines.push(head.trim_end().to_owned());
        rest = format!("{:inner$}{}", "", tail.trim_start());
    }
    lines.push(rest);
    lines
}

/// Lines of at most `width` characters; a longer word stands alone.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        let check = |text: &str, expected: &[&str]| assert_eq!(wrap(text, 10), expected, "{text}");
        check("", &[]);
        check("one two three", &["one two", "three"]);
        check("1234567890 1", &["1234567890", "1"]);
        check("a 1234567890123 b", &["a", "1234567890123", "b"]);
        check("ßßßß ßßßßß", &["ßßßß ßßßßß"]);
    }

    #[test]
    fn what_is_quoted_stays_as_it_is_where_it_fits() {
        let check = |line: &str, expected: &[&str]| assert_eq!(broken(line, 16), expected, "{line}");
        check("  a    b", &["  a    b"]);
        check("", &[""]);
        check("  a:   one two three", &["  a:   one two", "      three"]);
    }
}
