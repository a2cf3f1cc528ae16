//! The decoders of what the guard lets through.

use std::error::Error;

use lber::{parse::Parser, structure::StructureTag};
use ldap3::controls::{Control, RawControl};

use super::{
    controls::{Cookie, SyncInfo, SyncState},
    decode::Entry,
    guard::{
        self,
        ber::{Budget, Header, Reader},
    },
    wanted::WantedAttributes,
};
use crate::{
    directory::{
        attribute::AttributeName,
        checkpoint::{Checkpoint, Mechanism},
    },
    fuzz,
};

/// An error without the values in it.
pub fn short(error: &dyn Error) -> String {
    let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    text.chars().filter(|c| !c.is_ascii_digit()).take(60).collect()
}

/// The first element, as the LDAP crate would give it. `None`: the guard would stop it.
fn tree(bytes: &[u8]) -> Option<StructureTag> {
    let total = Header::read(bytes).ok()??.total();
    let whole = bytes.get(..total)?;
    Budget { depth: 64, elements: 2000 }.spend(whole).ok()?;
    let (_, tree) = Parser::new().parse(whole).ok()?;
    Some(tree)
}

#[test]
fn fuzz_entry() {
    let wanted = WantedAttributes::new(["cn", "member", "mail"].map(AttributeName::new).into());
    fuzz::run("entry", fuzz::ber::mutate, |bytes| {
        let Some(tree) = tree(bytes) else { return "stopped".to_owned() };
        match Entry::decode(tree, &wanted) {
            Ok(entry) => {
                assert!(entry.size <= 2000 * 64 + bytes.len() * 4, "{} of {}", entry.size, bytes.len());
                for (name, _) in &entry.attributes.0 {
                    assert!(wanted.name_of(name.as_str()).is_some(), "{name:?} was not asked for");
                }
                let parts = [
                    entry.dn.is_ok(),
                    entry.uuid.is_some(),
                    entry.csn.is_some(),
                    entry.modifiers_name.is_some(),
                ];
                format!("{parts:?} {}", entry.attributes.0.len().min(9))
            }
            Err(error) => short(&error),
        }
    });
}

#[test]
fn fuzz_sync_state() {
    fuzz::run("sync-state", fuzz::ber::mutate, |bytes| {
        let raw = RawControl {
            ctype: "1.3.6.1.4.1.4203.1.9.1.2".to_owned(),
            crit: false,
            val: Some(bytes.to_vec()),
        };
        match SyncState::find(&[Control(None, raw)]) {
            Ok(sync) => format!("{:?} {}", sync.state, sync.cookie.as_ref().map_or(0, of_cookie)),
            Err(error) => short(&error),
        }
    });
}

#[test]
fn fuzz_sync_info() {
    fuzz::run("sync-info", fuzz::ber::mutate, |bytes| {
        let Some(tree) = tree(bytes) else { return "stopped".to_owned() };
        match SyncInfo::read(&tree) {
            Ok(Some(info)) => {
                let (ids, cookie) = match &info {
                    SyncInfo::NewCookie(cookie) => (0, Some(cookie)),
                    SyncInfo::RefreshDelete { cookie, .. } | SyncInfo::RefreshPresent { cookie, .. } => {
                        (0, cookie.as_ref())
                    }
                    SyncInfo::Present { cookie, ids } | SyncInfo::Deleted { cookie, ids } => {
                        (ids.len(), cookie.as_ref())
                    }
                };
                assert!(ids * 16 <= bytes.len());
                let name: String = format!("{info:?}").chars().take_while(|c| c.is_alphabetic()).collect();
                format!("{name} {} {}", ids.min(5), cookie.map_or(0, of_cookie))
            }
            Ok(None) => "another".to_owned(),
            Err(error) => short(&error),
        }
    });
}

/// How many csns it has; what is stored of it comes back the same.
fn of_cookie(cookie: &Cookie) -> usize {
    if let Some(Checkpoint { mechanism, bytes }) = cookie.checkpoint() {
        assert_eq!(mechanism, Mechanism::Syncrepl);
        let again = Cookie::of(&Checkpoint { mechanism, bytes: bytes.clone() }).map(Cookie::into_bytes);
        assert_eq!(again, Some(bytes));
    }
    cookie.csns().count().min(5)
}

#[test]
fn fuzz_result() {
    fuzz::run("result", fuzz::ber::mutate, |bytes| {
        let mut reader = Reader::new(bytes);
        let mut elements = 0;
        while let Ok(Some(_)) = reader.next() {
            elements += 1;
        }
        assert!(elements * 2 <= bytes.len());
        match guard::result(bytes) {
            Ok(_) => format!("good, {} elements", elements.min(9)),
            Err(error) => short(&error),
        }
    });
}
