//! The controls and messages of content synchronisation (RFC 4533), read without a panic.

use lber::structure::{PL, StructureTag};
use ldap3::controls::{Control, MakeCritical, ManageDsaIt, RawControl, RefreshMode, SyncRequest};
use uuid::Uuid;

use super::{
    decode::DecodeError,
    guard::ber::{Malformed, Reader, boolean, tag, unsigned},
};
use crate::directory::{
    checkpoint::{Checkpoint, Mechanism},
    entry::{EntryId, Stamp},
};

/// The sync request control, section 2.2.
pub const SYNC_REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";
const SYNC_STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
const SYNC_INFO: &[u8] = b"1.3.6.1.4.1.4203.1.9.1.4";

/// What a search that follows the content carries. Both are critical: a server that ignored them would give
/// an ordinary search (L14), or referrals in the place of entries.
pub fn sync_request(cookie: Option<Vec<u8>>) -> Vec<RawControl> {
    let request = SyncRequest { mode: RefreshMode::RefreshAndPersist, cookie, reload_hint: false };
    vec![request.critical().into(), ManageDsaIt.critical().into()]
}

/// Section 2.1.2: opaque, but for the change sequence numbers that OpenLDAP writes into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie(Vec<u8>);

impl Cookie {
    /// The change sequence numbers, one for each server that writes. None: the cookie covers nothing.
    pub fn csns(&self) -> impl Iterator<Item = &str> {
        let text = str::from_utf8(&self.0).unwrap_or_default();
        let list = text.split(',').find_map(|part| part.strip_prefix("csn=")).unwrap_or_default();
        list.split(';').filter(|csn| !csn.is_empty())
    }

    /// What was stored. `None`: nothing that slapd understands, which it would silently take for no cookie,
    /// without ever saying what is gone.
    pub fn of(stored: &Checkpoint) -> Option<Self> {
        let Checkpoint { mechanism: Mechanism::Syncrepl, bytes } = stored;
        let cookie = Self(bytes.clone());
        cookie.covers_something().then_some(cookie)
    }

    /// As the server wrote it.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Whether it has a change sequence number.
    pub fn covers_something(&self) -> bool {
        self.csns().next().is_some()
    }

    /// What may be stored. A TTL refresh of the overlay dds sends a cookie without a csn: it covers nothing.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.covers_something().then(|| Checkpoint { mechanism: Mechanism::Syncrepl, bytes: self.0.clone() })
    }
}

/// Whether what bears `stamp` was shown by the time of `checkpoint`.
pub fn is_covered(stamp: &Stamp, checkpoint: &Checkpoint) -> bool {
    Cookie::of(checkpoint).is_some_and(|cookie| covers(&cookie, stamp.as_str()))
}

/// Whether all that was shown by the time of `older` was shown by the time of `newer` too.
pub fn is_reached(older: &Checkpoint, newer: &Checkpoint) -> bool {
    let (Some(older), Some(newer)) = (Cookie::of(older), Cookie::of(newer)) else { return false };
    older.csns().all(|csn| covers(&newer, csn))
}

/// The third part of a change sequence number names the server that made the change.
fn covers(cookie: &Cookie, csn: &str) -> bool {
    cookie.csns().any(|known| server_of(known) == server_of(csn) && known >= csn)
}

fn server_of(csn: &str) -> Option<&str> {
    csn.split('#').nth(2)
}

/// Section 2.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncState {
    pub state: State,
    pub id: EntryId,
    pub cookie: Option<Cookie>,
}

/// What an entry of the search says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It exists, unchanged; its attributes are not given.
    Present,
    /// It came into the content.
    Add,
    /// It changed.
    Modify,
    /// It left the content.
    Delete,
}

impl SyncState {
    /// Finds the control among those of an entry.
    pub fn find(controls: &[Control]) -> Result<Self, DecodeError> {
        let control = controls.iter().find(|control| control.1.ctype == SYNC_STATE);
        let value = control.and_then(|control| control.1.val.as_deref()).ok_or(DecodeError::NoSyncState)?;
        Self::read(value).map_err(|source| DecodeError::Value { what: "sync state control", source })
    }

    fn read(value: &[u8]) -> Result<Self, Malformed> {
        let mut reader = sequence(value)?;
        let state = match unsigned(reader.expect(tag::ENUMERATED, "no state")?)? {
            0 => State::Present,
            1 => State::Add,
            2 => State::Modify,
            3 => State::Delete,
            _ => return Err(Malformed("an unknown state")),
        };
        let id = entry_id(reader.expect(tag::OCTET_STRING, "no entryUUID")?)?;
        let cookie = cookie(&mut reader)?;
        reader.end()?;
        Ok(Self { state, id, cookie })
    }
}

/// The sync info message, section 2.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncInfo {
    /// The state moved on without an entry.
    NewCookie(Cookie),
    /// The end of a delete phase; `done`: of the whole refresh.
    RefreshDelete { cookie: Option<Cookie>, done: bool },
    /// The end of a present phase; `done`: of the whole refresh.
    RefreshPresent { cookie: Option<Cookie>, done: bool },
    /// These exist.
    Present { cookie: Option<Cookie>, ids: Vec<EntryId> },
    /// These are gone.
    Deleted { cookie: Option<Cookie>, ids: Vec<EntryId> },
}

impl SyncInfo {
    /// Reads an IntermediateResponse (RFC 4511, section 4.13). `None`: it is of another kind.
    pub fn read(message: &StructureTag) -> Result<Option<Self>, DecodeError> {
        let PL::C(parts) = &message.payload else { return Ok(None) };
        let part = |number: u64| {
            parts.iter().find(|part| part.id == number).and_then(|part| match &part.payload {
                PL::P(bytes) => Some(bytes.as_slice()),
                PL::C(_) => None,
            })
        };
        if part(0) != Some(SYNC_INFO) {
            return Ok(None);
        }
        let value = part(1).unwrap_or_default();
        let info = Self::read_value(value);
        info.map(Some).map_err(|source| DecodeError::Value { what: "sync info message", source })
    }

    fn read_value(value: &[u8]) -> Result<Self, Malformed> {
        let mut outer = Reader::new(value);
        let choice = outer.next()?.ok_or(Malformed("an empty value"))?;
        outer.end()?;
        let mut reader = Reader::new(choice.content);
        match choice.tag {
            0x80 => Ok(Self::NewCookie(Cookie(choice.content.to_vec()))),
            0xa1 => {
                let (cookie, done) = phase_end(reader)?;
                Ok(Self::RefreshDelete { cookie, done })
            }
            0xa2 => {
                let (cookie, done) = phase_end(reader)?;
                Ok(Self::RefreshPresent { cookie, done })
            }
            0xa3 => {
                let cookie = cookie(&mut reader)?;
                let deletes = flag(&mut reader)?.unwrap_or(false);
                let ids = entry_ids(reader.expect(tag::SET, "no set of entryUUIDs")?)?;
                reader.end()?;
                Ok(if deletes { Self::Deleted { cookie, ids } } else { Self::Present { cookie, ids } })
            }
            _ => Err(Malformed("an unknown sync info")),
        }
    }
}

fn phase_end(mut reader: Reader<'_>) -> Result<(Option<Cookie>, bool), Malformed> {
    let cookie = cookie(&mut reader)?;
    let done = flag(&mut reader)?.unwrap_or(true);
    reader.end()?;
    Ok((cookie, done))
}

fn sequence(value: &[u8]) -> Result<Reader<'_>, Malformed> {
    let mut outer = Reader::new(value);
    let content = outer.expect(tag::SEQUENCE, "no sequence")?;
    outer.end()?;
    Ok(Reader::new(content))
}

fn cookie(reader: &mut Reader<'_>) -> Result<Option<Cookie>, Malformed> {
    Ok(reader.optional(tag::OCTET_STRING)?.map(|bytes| Cookie(bytes.to_vec())))
}

fn flag(reader: &mut Reader<'_>) -> Result<Option<bool>, Malformed> {
    reader.optional(tag::BOOLEAN)?.map(boolean).transpose()
}

fn entry_ids(set: &[u8]) -> Result<Vec<EntryId>, Malformed> {
    let mut reader = Reader::new(set);
    let mut ids = Vec::with_capacity(set.len() / 18);
    while let Some(bytes) = reader.optional(tag::OCTET_STRING)? {
        ids.push(entry_id(bytes)?);
    }
    reader.end()?;
    Ok(ids)
}

fn entry_id(bytes: &[u8]) -> Result<EntryId, Malformed> {
    Uuid::from_slice(bytes).map(EntryId).map_err(|_| Malformed("an entryUUID that is not 16 bytes long"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: [u8; 16] = [7; 16];

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag, u8::try_from(content.len()).unwrap()];
        bytes.extend(content);
        bytes
    }

    fn cookie(text: &str) -> Cookie {
        Cookie(text.as_bytes().to_vec())
    }

    #[test]
    fn the_sync_state_control_is_read() {
        let check = |content: &[&[u8]], expected: Result<SyncState, Malformed>| {
            assert_eq!(SyncState::read(&tlv(0x30, &content.concat())), expected, "{content:02x?}");
        };
        let id = tlv(4, &ID);
        let said = |state, cookie| SyncState { state, id: EntryId(Uuid::from_bytes(ID)), cookie };
        check(&[&[10, 1, 0], &id], Ok(said(State::Present, None)));
        check(&[&[10, 1, 1], &id, &tlv(4, b"csn=x")], Ok(said(State::Add, Some(cookie("csn=x")))));
        check(&[&[10, 1, 2], &id], Ok(said(State::Modify, None)));
        check(&[&[10, 1, 3], &id], Ok(said(State::Delete, None)));
        check(&[&[10, 1, 4], &id], Err(Malformed("an unknown state")));
        check(&[&[10, 1, 1], &tlv(4, &[7; 15])], Err(Malformed("an entryUUID that is not 16 bytes long")));
        check(&[&[10, 1, 1]], Err(Malformed("no entryUUID")));
        check(&[], Err(Malformed("no state")));
        check(&[&[10, 1, 1], &id, &id, &id], Err(Malformed("an element too many")));
    }

    #[test]
    fn l02_the_sync_info_message_is_read() {
        let check = |tag: u8, content: &[&[u8]], expected: Result<SyncInfo, Malformed>| {
            assert_eq!(SyncInfo::read_value(&tlv(tag, &content.concat())), expected, "{content:02x?}");
        };
        let text = tlv(4, b"csn=x");
        let some = || Some(cookie("csn=x"));
        let ids = || vec![EntryId(Uuid::from_bytes(ID)); 2];
        let set = tlv(0x31, &tlv(4, &ID).repeat(2));
        check(0x80, &[b"csn=x"], Ok(SyncInfo::NewCookie(cookie("csn=x"))));
        check(0xa1, &[], Ok(SyncInfo::RefreshDelete { cookie: None, done: true }));
        check(0xa1, &[&text, &[1, 1, 0]], Ok(SyncInfo::RefreshDelete { cookie: some(), done: false }));
        check(0xa2, &[&[1, 1, 0xff]], Ok(SyncInfo::RefreshPresent { cookie: None, done: true }));
        check(0xa2, &[&text], Ok(SyncInfo::RefreshPresent { cookie: some(), done: true }));
        check(0xa3, &[&text, &set], Ok(SyncInfo::Present { cookie: some(), ids: ids() }));
        check(0xa3, &[&[1, 1, 0xff], &set], Ok(SyncInfo::Deleted { cookie: None, ids: ids() }));
        check(0xa3, &[&text], Err(Malformed("no set of entryUUIDs")));
        check(0xa3, &[&tlv(0x31, &[4, 1, 7])], Err(Malformed("an entryUUID that is not 16 bytes long")));
        check(0xa3, &[&tlv(0x31, &[2, 1, 7])], Err(Malformed("an element too many")));
        check(0xa4, &[], Err(Malformed("an unknown sync info")));
    }

    #[test]
    fn l04_a_cookie_is_kept_whole_if_it_has_a_csn() {
        let check = |text: &str, csns: &[&str]| {
            let cookie = cookie(text);
            assert_eq!(cookie.csns().collect::<Vec<_>>(), csns, "{text}");
            let stored = cookie.checkpoint().map(|checkpoint| checkpoint.bytes);
            assert_eq!(stored, (!csns.is_empty()).then(|| text.as_bytes().to_vec()), "{text}");
        };
        check(
            "rid=000,csn=20261123101935.123456Z#000000#000#000000",
            &["20261123101935.123456Z#000000#000#000000"],
        );
        check("rid=000,sid=001,csn=a#0#1#0;b#0#2#0", &["a#0#1#0", "b#0#2#0"]);
        check("rid=000", &[]);
        check("rid=000,csn=", &[]);
        check("", &[]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = SyncState::read(&bytes);
            let _ = SyncInfo::read_value(&bytes);
            let _ = Cookie(bytes).checkpoint();
        }
    }
}
