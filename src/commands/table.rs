//! Tables for people.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use unicode_width::UnicodeWidthStr;

use super::{CommandError, output::Output};
use crate::notify::render::visible;

/// Stands where there is nothing to say.
const NOTHING: &str = "-";
/// Between two columns.
const GAP: &str = "  ";

/// Rows under a heading. Columns are as wide as their widest cell so far and never get narrower, so that
/// what is printed in pages looks like one table.
pub(super) struct Table<const COLUMNS: usize> {
    heading: Option<[&'static str; COLUMNS]>,
    widths: [usize; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(super) fn new(heading: [&'static str; COLUMNS]) -> Self {
        Self { heading: Some(heading), widths: heading.map(UnicodeWidthStr::width), rows: Vec::new() }
    }

    /// Cells may hold anything; they are shown on one line and without invisible characters.
    pub(super) fn row(&mut self, cells: [String; COLUMNS]) {
        let cells = cells.map(|cell| match visible(&cell) {
            empty if empty.is_empty() => NOTHING.to_owned(),
            shown => shown,
        });
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = cell.width().max(*width);
        }
        self.rows.push(cells);
    }

    /// Prints what was added since it was last called.
    pub(super) fn print(&mut self, output: &mut Output) -> Result<(), CommandError> {
        if let Some(heading) = self.heading.take() {
            output.line(self.aligned(&heading.map(str::to_owned)))?;
        }
        for row in std::mem::take(&mut self.rows) {
            output.line(self.aligned(&row))?;
        }
        Ok(())
    }

    fn aligned(&self, cells: &[String; COLUMNS]) -> String {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(self.widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.width()));
            line.push_str(GAP);
        }
        line.trim_end().to_owned()
    }
}

/// `2026-07-27 14:03:12 CEST`
pub(super) fn local_time(time: Timestamp, timezone: &TimeZone) -> String {
    time.to_zoned_datetime(timezone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// Roughly how long: two digits are enough to see whether something is wrong.
pub(super) fn roughly(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_control_characters_do_not_reach_the_terminal() {
        let mut table = Table::new(["NAME", "X", "LAST"]);
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        table.row(row(["Ravi\u{1b}[31m\r\n", "", "a\tb"]));
        table.row(row(["王小明", "1", "c"]));
        let lines: Vec<_> = table.rows.iter().map(|row| table.aligned(row)).collect();
        assert_eq!(lines, ["Ravi[31m  -  a b", "王小明    1  c"]);
        assert_eq!(table.aligned(&row(["NAME", "X", "LAST"])), "NAME      X  LAST");
    }

    #[test]
    fn times_are_those_of_the_store() {
        let time = "2026-07-27T12:03:59Z".parse().unwrap();
        let check = |zone: &str, expected: &str| {
            assert_eq!(local_time(time, &TimeZone::get(zone).unwrap()), expected);
        };
        check("UTC", "2026-07-27 12:03:59 UTC");
        check("Europe/Berlin", "2026-07-27 14:03:59 CEST");
    }

    #[test]
    fn durations_have_the_unit_that_says_most() {
        let check = |milliseconds: u64, expected: &str| {
            assert_eq!(roughly(Duration::from_millis(milliseconds)), expected);
        };
        check(0, "0 ms");
        check(999, "999 ms");
        check(1999, "1 s");
        check(119_000, "119 s");
        check(120_000, "2 min");
        check(7_200_000, "2 h");
        check(172_800_000, "2 d");
    }
}
