//! Durations as the configuration writes them: `"5s"`, `"2h"`, `"30d"`, `"1h30m"`.

use std::time::Duration;

/// The longest duration that is taken, so that adding it to an instant never overflows: 100 years.
const LONGEST: Duration = Duration::from_hours(24 * 36_500);

/// One or more whole numbers, each directly followed by its unit (`ms`, `s`, `m`, `h`, `d`), summed up.
/// `None` where the text is something else or means more than 36,500 days.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after_number) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, after_unit) = split_where(after_number, |c| c.is_ascii_digit());
        let count: u32 = number.parse().ok()?;
        total = total.checked_add(unit_length(unit)?.checked_mul(count)?)?;
        rest = after_unit;
    }
    (!text.is_empty() && total <= LONGEST).then_some(total)
}

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

fn unit_length(unit: &str) -> Option<Duration> {
    match unit {
        "ms" => Some(Duration::from_millis(1)),
        "s" => Some(Duration::from_secs(1)),
        "m" => Some(Duration::from_mins(1)),
        "h" => Some(Duration::from_hours(1)),
        "d" => Some(Duration::from_hours(24)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let seconds = |n| Some(Duration::from_secs(n));
        for (text, expected) in [
            ("0s", seconds(0)),
            ("5s", seconds(5)),
            ("10m", seconds(600)),
            ("2h", seconds(7200)),
            ("30d", seconds(2_592_000)),
            ("1h30m", seconds(5400)),
            ("250ms", Some(Duration::from_millis(250))),
            ("36500d", seconds(36_500 * 86_400)),
            ("36501d", None),
            ("4294967296s", None),
            ("99999999999999999999d", None),
            ("", None),
            ("5", None),
            ("s", None),
            ("5 s", None),
            (" 5s", None),
            ("5S", None),
            ("-5s", None),
            ("+5s", None),
            ("1.5h", None),
            ("5s3", None),
            ("5µs", None),
            ("off", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_duration_or_not(text in "\\PC*") {
            let _ = parse_duration(&text);
        }

        #[test]
        fn every_part_counts(d in 0u32..1000, h in 0u32..1000, m in 0u32..1000, s in 0u32..1000) {
            let expected = u64::from(d) * 86_400 + u64::from(h) * 3600 + u64::from(m) * 60 + u64::from(s);
            prop_assert_eq!(parse_duration(&format!("{d}d{h}h{m}m{s}s")), Some(Duration::from_secs(expected)));
        }
    }
}
