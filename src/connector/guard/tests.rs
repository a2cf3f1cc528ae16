use proptest::prelude::*;
use tokio::{
    io::{DuplexStream, duplex},
    runtime::Runtime,
};

use super::*;
use crate::connector::error::code_name;

const SMALL: Limits = Limits { message: 1000, depth: 8, elements: 100 };

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut bytes = vec![tag, 0x82];
    bytes.extend(length);
    bytes.extend(content);
    bytes
}

fn message(id: u8, operation: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&[2, 1, id], operation].concat())
}

fn result(tag: u8, code: u8, text: &[u8], more: &[u8]) -> Vec<u8> {
    tlv(tag, &[&[10, 1, code, 4, 0], &tlv(4, text)[..], more].concat())
}

fn entry(id: u8) -> Vec<u8> {
    message(id, &tlv(0x64, &[tlv(4, b"cn=a"), tlv(0x30, &[])].concat()))
}

/// Request 1 is a bind, 2 a search, 3 an extended operation, 4 a search that was abandoned.
fn requests() -> Vec<u8> {
    let of = |id, tag| message(id, &tlv(tag, &[]));
    [of(1, 0x60), of(2, 0x63), of(3, 0x77), of(4, 0x63), message(5, &[0x50, 1, 4])].concat()
}

/// A guard that has seen [`requests`], the server's end of the wire, and ldap3's end of the pair.
async fn guarded(limits: Limits) -> (Guard, DuplexStream, UnixStream) {
    let (wire, mut server) = duplex(1 << 20);
    let (inner, mut crate_end) = UnixStream::pair().unwrap();
    let guard = Guard::between(Box::new(wire), inner, limits);
    crate_end.write_all(&requests()).await.unwrap();
    let mut seen = vec![0; requests().len()];
    server.read_exact(&mut seen).await.unwrap();
    assert_eq!(seen, requests());
    (guard, server, crate_end)
}

/// What passes of the bytes, and how it ends, after the server has closed.
async fn passes(chunks: impl IntoIterator<Item = &[u8]>, limits: Limits) -> (Vec<u8>, Ended) {
    let (mut guard, mut server, mut crate_end) = guarded(limits).await;
    for chunk in chunks {
        if server.write_all(chunk).await.is_err() {
            break;
        }
    }
    drop(server);
    let mut passed = Vec::new();
    crate_end.read_to_end(&mut passed).await.unwrap();
    let ended = guard.ended(Duration::from_secs(20)).await;
    (passed, ended)
}

async fn pass_whole(bytes: &[u8]) -> (Vec<u8>, String) {
    let (passed, ended) = passes([bytes], SMALL).await;
    (passed, ended.to_string())
}

const CLOSED: &str = "the server closed the connection";

#[tokio::test]
async fn what_is_well_formed_and_awaited_passes_as_it_is() {
    let control = tlv(0xa0, &tlv(0x30, &[&tlv(4, b"1.2.3")[..], &[1, 1, 0xff], &tlv(4, &[0xff])].concat()));
    let with_control = [result(0x65, 0, b"", &[]), control].concat();
    let windows = [0x30, 0x84, 0, 0, 0, 9, 2, 1, 2, 0x64, 0x84, 0, 0, 0, 0];
    let check = async |bytes: &[u8]| {
        assert_eq!(pass_whole(bytes).await, (bytes.to_vec(), CLOSED.to_owned()), "{bytes:02x?}");
    };
    check(&entry(2)).await;
    check(&[entry(2), entry(2)].concat()).await;
    check(&windows).await;
    check(&message(2, &tlv(0x73, &tlv(4, b"ldap://elsewhere")))).await;
    check(&message(2, &tlv(0x79, &tlv(0x80, b"1.2")))).await;
    check(&message(2, &with_control)).await;
    check(&message(1, &result(0x61, 49, "größer".as_bytes(), &tlv(0xa3, &tlv(4, b"ldap://x"))))).await;
    check(&message(3, &result(0x78, 0, b"", &[tlv(0x8a, b"1.2"), tlv(0x8b, &[0xff])].concat()))).await;
}

#[tokio::test]
async fn what_nobody_awaits_is_dropped() {
    let check = async |bytes: &[u8]| {
        let (passed, ended) = pass_whole(&[&entry(2)[..], bytes, &entry(2)].concat()).await;
        assert_eq!((passed, ended.as_str()), ([entry(2), entry(2)].concat(), CLOSED), "{bytes:02x?}");
    };
    check(&entry(9)).await;
    check(&entry(4)).await;
    check(&message(3, &tlv(0x79, &[]))).await;
    check(&message(0, &result(0x78, 0, b"", &tlv(0x8a, b"1.2.3")))).await;
    // An operation is answered once.
    let done = message(1, &result(0x61, 0, b"", &[]));
    let (passed, _) = pass_whole(&[&done[..], &done, &entry(2)].concat()).await;
    assert_eq!(passed, [done, entry(2)].concat());
}

#[tokio::test]
async fn the_notice_of_disconnection_is_told_also_as_active_directory_writes_it() {
    let name = tlv(0x8a, b"1.3.6.1.4.1.1466.20036");
    let rightly = message(0, &result(0x78, 52, b"bye", &name));
    let wrongly = message(0, &[result(0x78, 52, b"bye", &[]), name].concat());
    for notice in [rightly, wrongly] {
        let (passed, ended) = pass_whole(&[entry(2), notice, entry(2)].concat()).await;
        assert_eq!(passed, entry(2));
        assert_eq!(ended, format!("the server disconnects: 52 {} (bye)", code_name(52)));
    }
}

#[tokio::test]
async fn l15_what_would_make_the_crate_panic_or_hang_ends_the_connection() {
    let check = async |bytes: &[u8], reason: &str| {
        let (passed, ended) = pass_whole(&[&entry(2), bytes].concat()).await;
        assert_eq!(passed, entry(2), "what came before is passed on");
        assert_eq!(ended, format!("malformed LDAP message: {reason}"), "{bytes:02x?}");
    };
    let control = |control: &[u8]| message(2, &[tlv(0x64, &[]), tlv(0xa0, control)].concat());
    let done = |content: &[u8]| message(2, &tlv(0x65, content));
    check(b"garbage", "not the beginning of a message").await;
    check(&[0x30, 0], "no message id").await;
    check(&[0x30, 0x80, 0, 0], "an indefinite length").await;
    check(&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], "a message beyond the limit").await;
    check(&[0x30, 0x82, 0x03, 0xe9], "a message beyond the limit").await;
    check(&[0x30, 3, 2, 1, 2], "no operation").await;
    check(&[0x30, 5, 2, 1, 2, 0x44, 0], "an operation without parts").await;
    check(&[0x30, 5, 2, 1, 0xff, 0x64, 0], "a negative number").await;
    check(&[0x30, 5, 2, 9, 2, 0x64, 0], "an element longer than what holds it").await;
    check(&[0x30, 9, 2, 5, 0, 0, 0, 0, 2, 0x64, 0], "a number of no or more than four bytes").await;
    check(&[0x30, 7, 2, 1, 2, 0x64, 2, 4, 9], "an element longer than what holds it").await;
    check(&[0x30, 7, 2, 1, 2, 0x64, 2, 0x1f, 0], "a tag number above 30").await;
    check(&message(2, &[tlv(0x64, &[]), tlv(4, &[])].concat()), "an element too many").await;
    check(&message(2, &result(0x61, 0, b"", &[])), "an answer that does not fit its request").await;
    check(&message(2, &result(0x78, 0, b"", &[])), "an answer that does not fit its request").await;
    check(&entry(1), "an answer that does not fit its request").await;
    check(&entry(0), "an answer to nothing").await;
    check(&done(&[]), "no result code").await;
    check(&done(&[10, 0, 4, 0, 4, 0]), "a number of no or more than four bytes").await;
    check(&done(&[10, 1, 0]), "no matched DN").await;
    check(&done(&[10, 1, 0, 4, 1, 0xff, 4, 0]), "a text that is not UTF-8").await;
    check(&done(&[10, 1, 0, 4, 0, 4, 0, 0x83, 0]), "a part of a result in the wrong form").await;
    check(&done(&[10, 1, 0, 4, 0, 4, 0, 0xa3, 2, 2, 0]), "a URI that is no string").await;
    check(&done(&[10, 1, 0, 4, 0, 4, 0, 0xab, 0]), "a part of a result in the wrong form").await;
    check(&message(2, &tlv(0x73, &[4, 1, 0xff])), "a text that is not UTF-8").await;
    check(&control(&[4, 0]), "a control that is no sequence").await;
    check(&control(&[0x30, 0]), "a control without a type").await;
    check(&control(&[0x30, 4, 4, 0, 1, 0]), "a boolean that is not one byte").await;
    check(&control(&[0x30, 4, 4, 0, 2, 0]), "an element too many").await;
    let bomb = (0..60).fold(Vec::new(), |inner, _| tlv(0x30, &inner));
    check(&message(2, &tlv(0x64, &bomb)), "nested too deeply").await;
    check(&message(2, &tlv(0x64, &[4, 0].repeat(101))), "too many elements").await;
}

#[tokio::test]
async fn an_end_in_the_middle_is_told_from_one_between_messages() {
    let whole = entry(2);
    for cut in 1..whole.len() {
        let (passed, ended) = pass_whole(&[&whole, &whole[..cut]].concat()).await;
        assert_eq!((passed, ended), (whole.clone(), format!("{CLOSED} in the middle of a message")));
    }
}

#[tokio::test]
async fn a_farewell_is_passed_on_before_the_wire_is_closed() {
    let (mut guard, mut server, mut crate_end) = guarded(SMALL).await;
    let unbind = [0x30, 5, 2, 1, 6, 0x42, 0];
    crate_end.write_all(&unbind).await.unwrap();
    crate_end.shutdown().await.unwrap();
    let mut seen = Vec::new();
    server.read_to_end(&mut seen).await.unwrap();
    assert_eq!(seen, unbind);
    server.write_all(&entry(2)).await.unwrap();
    drop(server);
    assert!(matches!(guard.ended(Duration::from_secs(20)).await, Ended::Released));
}

#[tokio::test]
async fn a_large_message_passes_and_the_buffer_shrinks_again() {
    let values: Vec<u8> = tlv(4, &[7; 1000]).repeat(2000);
    let length = u32::try_from(values.len()).unwrap();
    let mut operation = vec![0x64, 0x84];
    operation.extend(length.to_be_bytes());
    operation.extend(values);
    let mut bytes = vec![0x30, 0x84];
    bytes.extend((length + 9).to_be_bytes());
    bytes.extend([2, 1, 2]);
    bytes.extend(operation);
    let (mut guard, mut server, mut crate_end) = guarded(Limits::DEFAULT).await;
    let sent = bytes.clone();
    let writing = tokio::spawn(async move { server.write_all(&sent).await });
    let mut passed = Vec::new();
    crate_end.read_to_end(&mut passed).await.unwrap();
    writing.await.unwrap().unwrap();
    assert!(passed == bytes, "{} of {}", passed.len(), bytes.len());
    assert!(matches!(guard.ended(Duration::from_secs(20)).await, Ended::Closed));

    let mut buffer = Vec::with_capacity(8 * CHUNK);
    make_room(&mut buffer, 0);
    assert!(buffer.capacity() <= 4 * CHUNK);
}

proptest! {
    #[test]
    fn messages_pass_however_the_network_cuts_them(
        kinds in prop::collection::vec(any::<bool>(), 1..20),
        cuts in prop::collection::vec(1..40_usize, 1..50),
    ) {
        let unawaited = entry(9);
        let awaited = entry(2);
        let bytes = kinds.iter().flat_map(|&is| if is { &awaited } else { &unawaited }).copied().collect::<Vec<_>>();
        let expected = awaited.repeat(kinds.iter().filter(|&&is| is).count());
        let mut chunks = Vec::new();
        let mut rest = &bytes[..];
        for size in cuts.iter().cycle() {
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            chunks.push(chunk);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        let (passed, ended) = Runtime::new().unwrap().block_on(passes(chunks, SMALL));
        prop_assert_eq!(passed, expected);
        prop_assert!(matches!(ended, Ended::Closed));
    }

    #[test]
    fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let bytes = [entry(2), bytes].concat();
        let (passed, _) = Runtime::new().unwrap().block_on(passes([&bytes[..]], SMALL));
        prop_assert!(passed.starts_with(&entry(2)));
    }
}
