//! Names, filters, times and addresses as anybody may write them.

use super::{
    attribute::{AttributeName, RawAttributes},
    dn::Dn,
    filter::Filter,
    mail_address::MailAddress,
    time::{csn_time, generalized_time},
};
use crate::fuzz;

/// Without the place and the numbers in it.
fn short(error: &dyn std::error::Error) -> String {
    error.to_string().chars().filter(|c| !c.is_ascii_digit()).take(60).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn fuzz_dn() {
    let base = Dn::parse("ou=People,dc=acme,dc=example").unwrap();
    let moved = Dn::parse("ou=Elsewhere,dc=acme,dc=example").unwrap();
    fuzz::run("dn", fuzz::text::mutate, |bytes| {
        let text = text(bytes);
        let _ = Dn::of_account(&text).key();
        let _ = Dn::parse_without_uid(&text).map(|dn| dn.key());
        let dn = match Dn::parse(&text) {
            Ok(dn) => dn,
            Err(error) => return short(&error),
        };
        let again = Dn::parse(dn.as_str()).unwrap();
        assert_eq!(again.key(), dn.key());
        let mut levels = 0;
        let mut above = dn.parent();
        while let Some(parent) = above {
            assert!(dn.is_below(&parent), "{dn} below {parent}");
            assert_eq!(Dn::parse(parent.as_str()).unwrap().key(), parent.key());
            above = parent.parent();
            levels += 1;
        }
        assert!(dn.is_within(&dn) && !dn.is_below(&dn));
        let replaced = dn.with_base_replaced(&base, &moved);
        assert_eq!(replaced.is_some(), dn.is_within(&base), "{dn}");
        if let Some(replaced) = &replaced {
            assert!(replaced.is_within(&moved));
            assert_eq!(replaced.with_base_replaced(&moved, &base).map(|back| back.key()), Some(dn.key()));
        }
        let shown = dn.rdn_value();
        format!(
            "{} {:?} {} {}",
            levels.min(9),
            dn.rdn_attribute().is_some(),
            shown.is_empty(),
            replaced.is_some()
        )
    });
}

#[test]
fn fuzz_filter() {
    let values = |values: &[&str]| values.iter().map(|value| value.as_bytes().to_vec()).collect();
    let entry = RawAttributes(vec![
        (AttributeName::new("objectclass"), values(&["top", "person"])),
        (AttributeName::new("cn"), values(&["Anna  de Vries", "Änne"])),
        (AttributeName::new("useraccountcontrol"), values(&["514"])),
        (AttributeName::new("member"), values(&["cn=Doe\\, John,dc=acme", "no name"])),
        (AttributeName::new("photo"), vec![vec![0xff, 0xfe]]),
    ]);
    fuzz::run("filter", fuzz::text::mutate, |bytes| {
        let filter = match Filter::parse(&text(bytes)) {
            Ok(filter) => filter,
            Err(error) => return error.reason.chars().filter(|c| !c.is_ascii_digit()).take(60).collect(),
        };
        let written = filter.to_string();
        let again = Filter::parse(&written).unwrap_or_else(|error| panic!("{written:?}: {error}"));
        assert_eq!(again, filter, "{written:?}");
        assert_eq!(again.to_string(), written);
        let marks: String = written.chars().filter(|c| "&|!*<>~:".contains(*c)).take(8).collect();
        format!("{} {marks} {}", filter.matches(&entry), filter.attributes().len().min(5))
    });
}

#[test]
fn fuzz_time() {
    fuzz::run("time", fuzz::text::mutate, |bytes| {
        let text = text(bytes);
        let csn = csn_time(&text).map_or_else(|error| short(&error), |_| "a csn".to_owned());
        match generalized_time(&text) {
            Ok(time) => {
                let written = time.strftime("%Y%m%d%H%M%S.%9fZ").to_string();
                if written.starts_with('-') {
                    return format!("before the year 0 {csn}");
                }
                assert_eq!(generalized_time(&written), Ok(time), "{text:?} {written:?}");
                format!("good {csn} {}", text.len().min(30))
            }
            Err(error) => format!("{} {csn}", short(&error)),
        }
    });
}

#[test]
fn fuzz_mail_address() {
    fuzz::run("mail-address", fuzz::text::mutate, |bytes| {
        let address: MailAddress = match text(bytes).parse() {
            Ok(address) => address,
            Err(error) => return short(&error),
        };
        let written = address.as_str();
        assert_eq!(written.parse().as_ref(), Ok(&address));
        assert!(!written.contains(|c: char| c.is_control() || "<>\r\n".contains(c)), "{written:?}");
        assert!(address.local_part().len() <= 64 && address.domain().len() <= 255);
        assert!(address.domain().is_ascii());
        format!("{} {}", address.local_part().is_ascii(), address.domain().matches('.').count().min(5))
    });
}
