//! When an account ends, by the attributes that directories keep it in.

use jiff::Timestamp;

use super::Schema;
use crate::directory::{attribute::AttributeName, mirror::MirroredAttributes, time::generalized_time};

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;
/// [MS-DTYP] 2.3.3: a `FILETIME` counts 100 ns from 1601-01-01.
const FILETIME_PER_SECOND: i64 = 10_000_000;
const FILETIME_TO_UNIX_SECONDS: i64 = 11_644_473_600;

type Read = fn(&str) -> Option<Timestamp>;

/// Attributes and how each says it, lower-case.
const ENDS: [(&str, Read); 4] = [
    // [MS-ADA1] 2.1
    ("accountexpires", filetime),
    ("krbprincipalexpiration", generalized),
    // draft-behera-ldap-password-policy, 5.3.11
    ("pwdendtime", generalized),
    // RFC 2307, section 3
    ("shadowexpire", day),
];

/// What [`Schema::expires`] reads.
pub(super) fn attributes() -> impl Iterator<Item = AttributeName> {
    ENDS.iter().map(|(name, _)| AttributeName::new(name))
}

impl Schema {
    /// From when on the account is expired: the earliest of what the entry says. `None`: never.
    pub fn expires(&self, attributes: &MirroredAttributes) -> Option<Timestamp> {
        let ends = ENDS.iter().flat_map(|(name, read)| {
            let values = attributes.get(&AttributeName::new(name)).into_iter().flatten();
            values.filter_map(|value| read(value.trim()))
        });
        ends.min()
    }
}

fn generalized(text: &str) -> Option<Timestamp> {
    generalized_time(text).ok()
}

/// Days since 1970. Not one day: never.
fn day(text: &str) -> Option<Timestamp> {
    let days: i64 = text.parse().ok().filter(|days| *days > 0)?;
    Timestamp::from_second(days.checked_mul(SECONDS_PER_DAY)?).ok()
}

/// 0 and the greatest number: never.
fn filetime(text: &str) -> Option<Timestamp> {
    let time: i64 = text.parse().ok().filter(|time| *time > 0)?;
    Timestamp::from_second(time / FILETIME_PER_SECOND - FILETIME_TO_UNIX_SECONDS).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::schema::SchemaSettings;

    #[track_caller]
    fn check(attributes: &[(&str, &str)], expected: Option<&str>) {
        let schema = Schema::new(SchemaSettings::openldap()).unwrap();
        let attributes = attributes
            .iter()
            .map(|(name, value)| (AttributeName::new(name), vec![(*value).to_owned()]))
            .collect();
        let expires = schema.expires(&attributes).map(|time| time.to_string());
        assert_eq!(expires.as_deref(), expected, "{attributes:?}");
    }

    #[test]
    fn m09_when_an_account_expires() {
        check(&[], None);
        check(&[("shadowExpire", "20000")], Some("2024-10-04T00:00:00Z"));
        check(&[("shadowExpire", "-1")], None);
        check(&[("shadowExpire", "0")], None);
        check(&[("shadowExpire", "9223372036854775807")], None);
        check(&[("shadowExpire", "soon")], None);
        check(&[("pwdEndTime", "20260102030405Z")], Some("2026-01-02T03:04:05Z"));
        check(&[("pwdEndTime", "never")], None);
        check(&[("krbPrincipalExpiration", "20260102030405Z")], Some("2026-01-02T03:04:05Z"));
        check(&[("accountExpires", "133485408000000000")], Some("2024-01-01T00:00:00Z"));
        check(&[("accountExpires", "0")], None);
        check(&[("accountExpires", "9223372036854775807")], None);
        check(&[("shadowExpire", "20000"), ("pwdEndTime", "20200101000000Z")], Some("2020-01-01T00:00:00Z"));
        check(&[("telephoneNumber", "20000")], None);
    }
}
