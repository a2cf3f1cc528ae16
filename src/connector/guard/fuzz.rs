//! What passes the guard harms nobody behind it: the LDAP crate and the decoders get it in full.

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, StdStream, exop::WhoAmI};
use tokio::{runtime::Runtime, time::timeout};

use super::*;
use crate::{
    connector::{
        controls::{SyncInfo, SyncState},
        decode::Entry,
        wanted::WantedAttributes,
    },
    directory::attribute::AttributeName,
    fuzz,
};

const LIMITS: Limits = Limits { message: 8 << 10, depth: 64, elements: 2000 };

/// Message 1 is a bind, 2 an extended operation, 3 a search.
const REQUESTS: [[u8; 7]; 3] =
    [[0x30, 5, 2, 1, 1, 0x60, 0], [0x30, 5, 2, 1, 2, 0x77, 0], [0x30, 5, 2, 1, 3, 0x63, 0]];

#[test]
fn fuzz_guard() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    fuzz::run("guard", fuzz::ber::mutate, |bytes| {
        let (passed, end) = sorted(bytes);
        assert!(passed.len() <= bytes.len());
        let heard = if passed.is_empty() { String::new() } else { heard(&runtime, &passed) };
        format!("{end} {heard}")
    });
}

/// What [`inbound`] would pass on, and how it would end.
fn sorted(bytes: &[u8]) -> (Vec<u8>, String) {
    let outstanding = Mutex::new(Outstanding::default());
    assert_eq!(note(&REQUESTS.concat(), &outstanding, LIMITS).unwrap(), REQUESTS.concat().len());
    let (mut passed, mut rest) = (Vec::new(), bytes);
    loop {
        let sorted = sort(rest, &outstanding, LIMITS);
        passed.extend(&rest[sorted.ready]);
        match sorted.then {
            Then::Again => {
                assert!(sorted.through > 0, "it gets on");
                rest = &rest[sorted.through..];
            }
            Then::Read(needed) => {
                let rest = &rest[sorted.through..];
                assert!(needed > rest.len() || needed == 0, "{needed} of {}", rest.len());
                return (passed, if rest.is_empty() { "whole" } else { "incomplete" }.to_owned());
            }
            Then::End(ended) => return (passed, ended.to_string()),
        }
    }
}

fn heard(runtime: &Runtime, passed: &[u8]) -> String {
    let heard = runtime.block_on(async { timeout(Duration::from_secs(5), hear(passed)).await });
    heard.expect("nothing hangs")
}

/// Three requests are under way on a connection of the crate, then it gets these bytes.
async fn hear(passed: &[u8]) -> String {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let ours = UnixStream::from_std(ours).unwrap();
    let given = LdapConnSettings::new().set_std_stream(StdStream::Unix(theirs));
    let (connection, ldap) = LdapConnAsync::with_settings(given, "ldapi:///").await.unwrap();
    let (mut binding, mut asking, searching) = (ldap.clone(), ldap.clone(), ldap);
    let (bound, asked, found, _, ()) = tokio::join!(
        binding.simple_bind("", ""),
        asking.extended(WhoAmI),
        search(searching),
        connection.drive(),
        answer(ours, passed),
    );
    let code = |result: Option<u32>| result.map_or_else(|| "-".to_owned(), |code| code.min(100).to_string());
    format!("{} {} {found}", code(bound.ok().map(|r| r.rc)), code(asked.ok().map(|r| r.1.rc)))
}

async fn answer(mut wire: UnixStream, passed: &[u8]) {
    let mut received = Vec::new();
    let mut requests = 0;
    while requests < 3 {
        assert_ne!(wire.read_buf(&mut received).await.unwrap(), 0);
        requests = 0;
        let mut rest = &received[..];
        while let Ok(Scan::Message { length, .. }) = frame(rest, 1 << 20) {
            requests += 1;
            rest = &rest[length..];
        }
    }
    let _ = wire.write_all(passed).await;
}

async fn search(mut ldap: Ldap) -> String {
    let wanted = WantedAttributes::new(vec![AttributeName::new("cn"), AttributeName::new("member")]);
    let Ok(mut stream) = ldap.streaming_search("", Scope::Subtree, "(cn=*)", vec!["cn"]).await else {
        return "no search".to_owned();
    };
    let mut outcomes = std::collections::BTreeSet::new();
    while let Ok(Some(item)) = stream.next().await {
        outcomes.insert(if item.is_ref() {
            "reference".to_owned()
        } else if item.is_intermediate() {
            kind(SyncInfo::read(&item.0).map(|info| info.is_some()))
        } else {
            let state = kind(SyncState::find(&item.1).map(|sync| sync.state));
            format!("{state} {}", kind(Entry::decode(item.0, &wanted).map(|entry| entry.dn.is_ok())))
        });
    }
    let ended = stream.finish().await;
    format!("{outcomes:?} {}", ended.rc.min(100))
}

fn kind<T: std::fmt::Debug, E: std::error::Error>(result: Result<T, E>) -> String {
    match result {
        Ok(good) => format!("{good:?}"),
        Err(error) => crate::connector::fuzz::short(&error),
    }
}
