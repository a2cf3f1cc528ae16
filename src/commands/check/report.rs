//! What a check found, for a person to read.

use std::fmt;

use crate::notify::render::visible;

/// Facts in the order in which they were found, and problems, each with what to do about it.
#[derive(Debug, Default)]
pub(super) struct Section {
    title: String,
    facts: Vec<(&'static str, String)>,
    problems: Vec<Problem>,
}

#[derive(Debug)]
struct Problem {
    what: String,
    advice: Option<String>,
}

impl Section {
    pub(super) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), ..Self::default() }
    }

    pub(super) fn fact(&mut self, what: &'static str, text: impl Into<String>) {
        self.facts.push((what, text.into()));
    }

    /// `advice` may be left out where `what` says it already.
    pub(super) fn problem(&mut self, what: impl Into<String>, advice: Option<&str>) {
        self.problems.push(Problem { what: what.into(), advice: advice.map(str::to_owned) });
    }

    /// Adds what another found, without its title.
    pub(super) fn append(&mut self, other: Self) {
        self.facts.extend(other.facts);
        self.problems.extend(other.problems);
    }

    pub(super) fn problems(&self) -> usize {
        self.problems.len()
    }
}

/// Servers put what they like into their words: each stays on its line.
impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        let mut before = "";
        for (what, text) in &self.facts {
            let label = if *what == before { "" } else { what };
            writeln!(f, "  {label:<14} {}", visible(text))?;
            before = what;
        }
        for Problem { what, advice } in &self.problems {
            writeln!(f, "  {:<14} {}", "PROBLEM", visible(what))?;
            if let Some(advice) = advice {
                writeln!(f, "  {:<14} {}", "  what to do", visible(advice))?;
            }
        }
        Ok(())
    }
}
