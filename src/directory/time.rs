//! Times as directories write them.

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::Offset};

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time: {reason}")]
pub struct TimeError {
    /// What is wrong, for a person.
    pub reason: &'static str,
}

/// GeneralizedTime (RFC 4517, section 3.3.13): minutes and seconds may be missing, a fraction belongs to the
/// last unit that is there. Cut to nanoseconds; a leap second is the second after it.
pub fn generalized_time(text: &str) -> Result<Timestamp, TimeError> {
    let mut rest = Rest(text.as_bytes());
    let year = rest.digits(4).ok_or(TimeError { reason: "expected a year of four digits" })?;
    let month = rest.digits(2).ok_or(TimeError { reason: "expected a month of two digits" })?;
    let day = rest.digits(2).ok_or(TimeError { reason: "expected a day of two digits" })?;
    let hour = rest.digits(2).ok_or(TimeError { reason: "expected an hour of two digits" })?;
    let minute = rest.digits(2);
    let second = minute.and_then(|_| rest.digits(2));
    let unit_seconds = match (minute, second) {
        (None, _) => 3600,
        (Some(_), None) => 60,
        (Some(_), Some(_)) => 1,
    };
    let beyond = rest.fraction(unit_seconds)?;
    let offset = rest.offset()?;
    let date_time = date_time([year, month, day, hour, minute.unwrap_or(0), 0])?;
    let seconds = second.unwrap_or(0);
    if seconds > 60 {
        return Err(OUT_OF_RANGE);
    }
    let ahead = SignedDuration::from_secs(i64::from(seconds)) + beyond - offset;
    let utc = Offset::UTC.to_timestamp(date_time).map_err(|_| OUT_OF_RANGE)?;
    utc.checked_add(ahead).map_err(|_| OUT_OF_RANGE)
}

/// The time part of a change sequence number, `20261123101935.123456Z#000000#000#000000`.
pub fn csn_time(csn: &str) -> Result<Timestamp, TimeError> {
    let mut parts = csn.split('#');
    let time = parts.next().unwrap_or_default();
    let is_hex = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let counters = parts.map(is_hex).collect::<Vec<_>>();
    if counters != [true, true, true] {
        return Err(TimeError { reason: "expected a time and three hexadecimal numbers, parted by #" });
    }
    generalized_time(time)
}

const OUT_OF_RANGE: TimeError = TimeError { reason: "there is no such time" };

fn date_time(fields: [u32; 6]) -> Result<DateTime, TimeError> {
    let [year, month, day, hour, minute, second] = fields.map(i16::try_from).map(Result::ok);
    let small = |field: Option<i16>| field.and_then(|field| i8::try_from(field).ok()).ok_or(OUT_OF_RANGE);
    DateTime::new(
        year.ok_or(OUT_OF_RANGE)?,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        0,
    )
    .map_err(|_| OUT_OF_RANGE)
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// The number in the next `count` bytes, if they are digits.
    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let number = digits.iter().try_fold(0, |number, byte| Some(number * 10 + digit(*byte)?))?;
        self.0 = rest;
        Some(number)
    }

    /// Of a unit of `unit_seconds`; nothing where there is no point or comma.
    fn fraction(&mut self, unit_seconds: i64) -> Result<SignedDuration, TimeError> {
        let [b'.' | b',', digits @ ..] = self.0 else { return Ok(SignedDuration::ZERO) };
        let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(TimeError { reason: "expected digits after the point" });
        }
        let billionths = digits
            .iter()
            .take(count)
            .filter_map(|byte| digit(*byte))
            .chain(std::iter::repeat(0))
            .take(9)
            .fold(0, |number, digit| number * 10 + i64::from(digit));
        self.0 = digits.get(count..).unwrap_or_default();
        Ok(SignedDuration::from_nanos(billionths * unit_seconds))
    }

    /// How far local time was ahead of UTC. Nothing may follow.
    fn offset(&mut self) -> Result<SignedDuration, TimeError> {
        let sign = match self.0 {
            [b'Z'] => return Ok(SignedDuration::ZERO),
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            _ => return Err(TimeError { reason: "expected Z or an offset at the end" }),
        };
        self.0 = self.0.get(1..).unwrap_or_default();
        let hours = self.digits(2).ok_or(TimeError { reason: "expected an offset of two or four digits" })?;
        let minutes = if self.0.is_empty() { Some(0) } else { self.digits(2) };
        let minutes = minutes.ok_or(TimeError { reason: "expected an offset of two or four digits" })?;
        if hours > 23 || minutes > 59 || !self.0.is_empty() {
            return Err(TimeError { reason: "there is no such offset" });
        }
        Ok(SignedDuration::from_secs(sign * i64::from(hours * 3600 + minutes * 60)))
    }
}

fn digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn generalized_times() {
        for (text, expected) in [
            ("20261123101935Z", "2026-11-23T10:19:35Z"),
            ("20261123101935.123456Z", "2026-11-23T10:19:35.123456Z"),
            ("20261123101935,5Z", "2026-11-23T10:19:35.5Z"),
            ("20261123101935.1234567899999Z", "2026-11-23T10:19:35.123456789Z"),
            ("202611231019Z", "2026-11-23T10:19:00Z"),
            ("2026112310Z", "2026-11-23T10:00:00Z"),
            ("202611231019.5Z", "2026-11-23T10:19:30Z"),
            ("2026112310.25Z", "2026-11-23T10:15:00Z"),
            ("2026112310.999999999Z", "2026-11-23T10:59:59.9999964Z"),
            ("20261123101935+0200", "2026-11-23T08:19:35Z"),
            ("20261123101935-0330", "2026-11-23T13:49:35Z"),
            ("20261123101935+01", "2026-11-23T09:19:35Z"),
            ("20261231235960Z", "2027-01-01T00:00:00Z"),
            ("20240229000000Z", "2024-02-29T00:00:00Z"),
            ("19700101000000.0Z", "1970-01-01T00:00:00Z"),
            ("16010101000000.0Z", "1601-01-01T00:00:00Z"),
            ("000001010000Z", "0000-01-01T00:00:00Z"),
            ("99991230220000Z", "9999-12-30T22:00:00Z"),
        ] {
            assert_eq!(generalized_time(text), Ok(expected.parse().expect("a time")), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_says_why() {
        for (text, reason) in [
            ("", "expected a year of four digits"),
            ("anna", "expected a year of four digits"),
            ("2026", "expected a month of two digits"),
            ("202611", "expected a day of two digits"),
            ("20261123", "expected an hour of two digits"),
            ("20261123101935", "expected Z or an offset at the end"),
            ("20261123101935z", "expected Z or an offset at the end"),
            ("20261123101935ZZ", "expected Z or an offset at the end"),
            ("2026112310193Z", "expected Z or an offset at the end"),
            ("20261123101935.Z", "expected digits after the point"),
            ("20261123101935+", "expected an offset of two or four digits"),
            ("20261123101935+020", "expected an offset of two or four digits"),
            ("20261123101935+2400", "there is no such offset"),
            ("20261123101935+0060", "there is no such offset"),
            ("20261123101935+02000", "there is no such offset"),
            ("20261323101935Z", "there is no such time"),
            ("20260230000000Z", "there is no such time"),
            ("20261123240000Z", "there is no such time"),
            ("20261123106000Z", "there is no such time"),
            ("20261123101961Z", "there is no such time"),
            ("99991231235959-2359", "there is no such time"),
            ("２０２６1123101935Z", "expected a year of four digits"),
        ] {
            assert_eq!(generalized_time(text), Err(TimeError { reason }), "{text}");
        }
    }

    #[test]
    fn change_sequence_numbers() {
        let time = "2026-11-23T10:19:35.123456Z".parse().expect("a time");
        assert_eq!(csn_time("20261123101935.123456Z#000000#000#000000"), Ok(time));
        assert_eq!(csn_time("20261123101935.123456Z#00000a#0FF#000000"), Ok(time));
        let old = "2006-11-23T10:19:35Z".parse().expect("a time");
        assert_eq!(csn_time("20061123101935Z#000000#00#000000"), Ok(old));
        for text in [
            "",
            "20261123101935.123456Z",
            "20261123101935.123456Z#000000#000",
            "20261123101935.123456Z#000000#000#",
            "20261123101935.123456Z#000000#000#00000x",
            "20261123101935.123456Z#000000#000#000000#0",
            "x#000000#000#000000",
            "#000000#000#000000",
        ] {
            assert!(csn_time(text).is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn any_text_is_read_or_refused(text in prop_oneof![any::<String>(), "[0-9]{8,14}([.,][0-9]{0,12})?(Z|[+-][0-9]{0,4})?"]) {
            generalized_time(&text).ok();
            csn_time(&format!("{text}#0#0#0")).ok();
        }

        #[test]
        fn what_was_written_reads_back(micros in -60_000_000_000_000_000_i64..200_000_000_000_000_000) {
            let time = Timestamp::from_microsecond(micros).expect("within range");
            let text = time.strftime("%Y%m%d%H%M%S.%6fZ").to_string();
            prop_assert_eq!(generalized_time(&text), Ok(time));
        }
    }
}
