//! Pieces of scripts: what clients and servers usually say to each other, and what was recorded.

use std::{fs, path::Path};

use super::{Operation, Script, Step};
use crate::support::{
    ber,
    recording::{Recording, Side},
};

/// Simple paged results (RFC 2696).
pub const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// The control of an entry in a content synchronisation (RFC 4533, section 2.3).
pub const SYNC_STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
/// The intermediate message of a content synchronisation (RFC 4533, section 2.5).
pub const SYNC_INFO: &str = "1.3.6.1.4.1.4203.1.9.1.4";
/// The request for a content synchronisation (RFC 4533, section 2.2).
pub const SYNC_REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";

/// A bind that succeeds.
pub fn bind() -> Script {
    vec![Step::expect(Operation::Bind), Step::answer(ber::bind_response(0, ""))]
}

/// Who am I? (RFC 4532), answered with `authorization`, for example `dn:cn=dirherald,dc=x`.
pub fn who_am_i(authorization: &str) -> Script {
    vec![
        Step::expect(Operation::Extended),
        Step::answer(ber::extended_response(0, "", None, Some(authorization.as_bytes()))),
    ]
}

/// A search that contains `mark` (a base, a filter's value, a control's OID) and finds these entries, each made
/// by [`ber::entry`].
pub fn search(mark: &str, entries: impl IntoIterator<Item = Vec<u8>>) -> Script {
    let mut script = vec![Step::expect_with(Operation::Search, mark)];
    script.extend(entries.into_iter().map(Step::answer));
    script.push(Step::answer(ber::search_done(0, "")));
    script
}

/// One page of a search with the control for simple paged results. With the last page the `cookie` is empty.
pub fn page(entries: impl IntoIterator<Item = Vec<u8>>, cookie: &str) -> Script {
    let mut script = vec![Step::expect_with(Operation::Search, PAGED_RESULTS)];
    script.extend(entries.into_iter().map(Step::answer));
    let value = ber::sequence(&[ber::integer(0), ber::octets(cookie)]);
    let control = ber::control(PAGED_RESULTS, false, Some(&value));
    script.push(Step::AnswerWithControls(ber::search_done(0, ""), vec![control]));
    script
}

/// What every connection of dirherald begins with, up to and with the search that follows the content of `base`.
pub fn welcome(base: &str) -> Script {
    [
        bind(),
        who_am_i(&format!("dn:cn=dirherald,{base}")),
        search("", [ber::entry("", &[])]),
        search(base, [ber::entry(base, &[])]),
        vec![Step::expect_with(Operation::Search, SYNC_REQUEST)],
    ]
    .concat()
}

/// An entry that is there, with its sync state control; its entryUUID is this byte, sixteen times.
pub fn synced(dn: &str, id: u8) -> Step {
    let state = ber::sequence(&[ber::enumerated(1), ber::octets([id; 16])]);
    let control = ber::control(SYNC_STATE, false, Some(&state));
    Step::AnswerWithControls(ber::entry(dn, &[("cn", &["a"])]), vec![control])
}

/// A sync info message.
pub fn sync_info(value: &[u8]) -> Step {
    Step::answer(ber::intermediate(Some(SYNC_INFO), Some(value)))
}

/// The end of a refresh.
pub fn refresh_done(cookie: &str) -> Step {
    sync_info(&ber::tlv(0xa1, &ber::octets(cookie)))
}

/// The recording `fixtures/recorded/NAME.ldap`, as it was.
pub fn recorded(name: &str) -> Script {
    script_of(&recording(name))
}

/// The file itself.
pub fn recording(name: &str) -> Recording {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/recorded/{name}.ldap"));
    Recording::parse(&fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display())))
}

/// What the client gave up or said goodbye with is not waited for.
pub fn script_of(recording: &Recording) -> Script {
    let mut script = Vec::new();
    for message in &recording.messages {
        match (message.from, parts(&message.bytes)) {
            (Side::Client, Some((id, operation))) => match operation.first().copied().and_then(Operation::of)
            {
                Some(Operation::Abandon | Operation::Unbind) => (),
                Some(known) => script.push(Step::ExpectAs(known, id)),
                None => panic!("no operation of ours: {operation:x?}"),
            },
            (Side::Server, Some((id, operation))) => script.push(Step::AnswerTo(id, operation.to_vec())),
            (Side::Client, None) => panic!("no message of a client: {:x?}", message.bytes),
            (Side::Server, None) => script.push(Step::Send(message.bytes.clone())),
        }
    }
    script
}

/// Message id, and operation with controls.
fn parts(message: &[u8]) -> Option<(i64, &[u8])> {
    if message.first() != Some(&0x30) {
        return None;
    }
    let (_, content, _) = ber::split(message)?;
    let (0x02, id, operation) = ber::split(content)? else { return None };
    Some((id.iter().fold(0, |sum, &byte| sum << 8 | i64::from(byte)), operation))
}
