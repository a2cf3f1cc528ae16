//! What the LDAP crate does with each kind of bytes when nothing stands before it, and that nothing of it is left
//! behind the guard.

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, StdStream, exop::WhoAmI};
use tokio::{task::JoinSet, time::timeout};

use super::*;

/// How long a crate that hangs is waited for.
const HANGS: Duration = Duration::from_millis(60);
/// How long one that does not, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the crate does with some bytes and what follows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alone {
    /// In the task that drives the connection, or in one that asked something.
    Panics,
    /// Whatever comes afterwards is never seen.
    Hangs,
    /// It ends the connection with an error.
    Fails,
    /// It goes on.
    GoesOn,
    /// Its stack overflows and the process is gone; not tried here.
    Aborts,
}

/// What the guard does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guarded {
    /// The bytes pass, and the crate goes on.
    Passes,
    /// Nobody waits for them, and the crate goes on without.
    Drops,
    /// The connection ends: the words behind those that all have in common.
    Ends(&'static str),
}

/// What the bytes are; the bytes; what they do to the crate; what the guard makes of them.
type Row = (&'static str, Vec<u8>, Alone, Guarded);

use Alone::{Aborts, Fails, GoesOn, Hangs, Panics};
use Guarded::{Drops, Ends, Passes};

/// Requests under way: 1 and 4 are binds, 2 an extended operation, 3 a search.
struct Asked {
    /// The server's end.
    server: UnixStream,
    /// Those who asked, but for the last bind, and the driver.
    asking: JoinSet<Result<(), LdapError>>,
    /// The last bind, which is answered in any case.
    last: JoinSet<bool>,
}

fn pair() -> (UnixStream, std::os::unix::net::UnixStream) {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (UnixStream::from_std(ours).unwrap(), theirs)
}

async fn ask(server: UnixStream, theirs: std::os::unix::net::UnixStream) -> Asked {
    let given = LdapConnSettings::new().set_std_stream(StdStream::Unix(theirs));
    let (connection, ldap) = LdapConnAsync::with_settings(given, "ldapi:///").await.unwrap();
    let mut asked = Asked { server, asking: JoinSet::new(), last: JoinSet::new() };
    asked.asking.spawn(connection.drive());
    let mut one = ldap.clone();
    asked.asking.spawn(async move { one.simple_bind("", "").await.map(drop) });
    asked.requests(1).await;
    let mut two = ldap.clone();
    asked.asking.spawn(async move { two.extended(WhoAmI).await.map(drop) });
    asked.requests(1).await;
    asked.asking.spawn(search(ldap.clone()));
    asked.requests(1).await;
    let mut four = ldap;
    asked.last.spawn(async move { four.simple_bind("", "").await.is_ok() });
    asked.requests(1).await;
    asked
}

async fn search(mut ldap: Ldap) -> Result<(), LdapError> {
    let mut stream = ldap.streaming_search("", Scope::Subtree, "(cn=*)", vec!["cn"]).await?;
    while stream.next().await?.is_some() {}
    stream.finish().await;
    Ok(())
}

impl Asked {
    /// Waits for one request. Each goes out by itself, so that the numbers are theirs.
    async fn requests(&mut self, count: usize) {
        let mut received = Vec::new();
        for _ in 0..count {
            loop {
                assert_ne!(self.server.read_buf(&mut received).await.unwrap(), 0);
                if let Ok(Scan::Message { length, .. }) = frame(&received, 1 << 20) {
                    received.drain(..length);
                    break;
                }
            }
        }
    }

    /// Sends the bytes, then the answer to the last request, and tells what becomes of it.
    async fn hears(mut self, bytes: &[u8], patience: Duration) -> Alone {
        let last = message(4, &done(0x61));
        // Cannot be sent where the connection has ended already.
        let _ = self.server.write_all(&[bytes, &last].concat()).await;
        let answered = timeout(patience, self.last.join_next()).await;
        // Whoever asked for what was answered panics when it looks at it.
        while let Ok(Some(ended)) = timeout(Duration::from_millis(1), self.asking.join_next()).await {
            if ended.is_err_and(|error| error.is_panic()) {
                return Panics;
            }
        }
        match answered {
            Ok(Some(Ok(true))) => GoesOn,
            Ok(_) => Fails,
            Err(_) => Hangs,
        }
    }
}

async fn alone(bytes: &[u8], expected: Alone) -> Alone {
    let patience = match expected {
        Aborts => return Aborts,
        Hangs => HANGS,
        Panics | Fails | GoesOn => PATIENCE,
    };
    let (server, theirs) = pair();
    ask(server, theirs).await.hears(bytes, patience).await
}

async fn guarded(bytes: &[u8]) -> (Alone, String) {
    let (inner, theirs) = pair();
    let (server, wire) = UnixStream::pair().unwrap();
    let mut guard = Guard::between(Box::new(wire), inner, Limits::DEFAULT);
    let heard = ask(server, theirs).await.hears(bytes, PATIENCE).await;
    let ended = guard.ended(Duration::from_secs(5)).await.to_string();
    (heard, ended.trim_start_matches("malformed LDAP message: ").to_owned())
}

/// Whether all of it is handed on to the crate.
fn passes(bytes: &[u8]) -> bool {
    let outstanding = Mutex::new(Outstanding::default());
    let requests = [(1, 0x60), (2, 0x77), (3, 0x63), (4, 0x60)].map(|(id, tag)| message(id, &tlv(tag, &[])));
    note(&requests.concat(), &outstanding, Limits::DEFAULT).unwrap();
    sort(bytes, &outstanding, Limits::DEFAULT).ready == (0..bytes.len())
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84], &length[..], &content].concat()
}

fn message(id: u8, operation: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&[2, 1, id], operation])
}

/// A result that is success and nothing else.
fn done(tag: u8) -> Vec<u8> {
    tlv(tag, &[&[10, 1, 0, 4, 0, 4, 0]])
}

/// A result with something more at its end.
fn done_with(tag: u8, more: &[u8]) -> Vec<u8> {
    tlv(tag, &[&[10, 1, 0, 4, 0, 4, 0], more])
}

fn entry() -> Vec<u8> {
    tlv(0x64, &[&[4, 0], &[0x30, 0]])
}

fn nested(levels: usize) -> Vec<u8> {
    (0..levels).fold(Vec::new(), |inner, _| tlv(0x30, &[&inner]))
}

/// An entry with these controls.
fn controlled(controls: &[u8]) -> Vec<u8> {
    message(3, &[entry(), tlv(0xa0, &[controls])].concat())
}

fn envelopes() -> Vec<Row> {
    let entry = entry();
    let raw = |bytes: &[u8]| bytes.to_vec();
    vec![
        ("a sound entry", message(3, &entry), GoesOn, Passes),
        ("lengths in short form", raw(&[0x30, 9, 2, 1, 3, 0x64, 4, 4, 0, 0x30, 0]), GoesOn, Passes),
        (
            "a length in eight bytes",
            [&[0x30, 0x88, 0, 0, 0, 0, 0, 0, 0, 9][..], &[2, 1, 3, 0x64, 4, 4, 0, 0x30, 0]].concat(),
            GoesOn,
            Passes,
        ),
        ("an id in four bytes", tlv(0x30, &[&[2, 4, 0, 0, 0, 3], &entry]), GoesOn, Passes),
        ("an empty message", raw(&[0x30, 0]), Panics, Ends("no message id")),
        ("an indefinite length", raw(&[0x30, 0x80, 0, 0]), Panics, Ends("an indefinite length")),
        (
            "an indefinite length within",
            tlv(0x30, &[&[2, 1, 3], &[0x64, 0x80, 0, 0]]),
            Panics,
            Ends("an indefinite length"),
        ),
        ("a message of an id", raw(&[0x30, 3, 2, 1, 3]), Panics, Ends("no operation")),
        ("no id", tlv(0x30, &[&entry]), Panics, Ends("no message id")),
        ("an id that is a string", tlv(0x30, &[&[4, 1, 3], &entry]), Panics, Ends("no message id")),
        ("an id that is constructed", tlv(0x30, &[&[0x22, 0], &entry]), Panics, Ends("no message id")),
        (
            "an empty id",
            tlv(0x30, &[&[2, 0], &entry]),
            GoesOn,
            Ends("a number of no or more than four bytes"),
        ),
        (
            "an id of nine bytes",
            tlv(0x30, &[&[2, 9, 0, 0, 0, 0, 0, 0, 0, 0, 3], &entry]),
            GoesOn,
            Ends("a number of no or more than four bytes"),
        ),
        ("a negative id", tlv(0x30, &[&[2, 1, 0x83], &entry]), GoesOn, Ends("a negative number")),
    ]
}

fn frames() -> Vec<Row> {
    let entry = entry();
    let raw = |bytes: &[u8]| bytes.to_vec();
    vec![
        ("text", raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Hangs, Ends("not the beginning of a message")),
        (
            "a beginning of TLS",
            raw(&[0x15, 3, 3, 0, 2, 2, 40]),
            Fails,
            Ends("not the beginning of a message"),
        ),
        ("a string", raw(&[4, 0]), Fails, Ends("not the beginning of a message")),
        ("a set", raw(&[0x31, 0]), Fails, Ends("not the beginning of a message")),
        ("a primitive sequence", raw(&[0x10, 0]), Fails, Ends("not the beginning of a message")),
        (
            "a sequence of another class",
            tlv(0x70, &[&[2, 1, 3], &entry]),
            GoesOn,
            Ends("not the beginning of a message"),
        ),
        (
            "a huge length",
            raw(&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]),
            Hangs,
            Ends("a message beyond the limit"),
        ),
        (
            "the hugest length",
            raw(&[&[0x30, 0x88], &[0xff; 8][..]].concat()),
            Hangs,
            Ends("a message beyond the limit"),
        ),
        (
            "a length of lengths",
            raw(&[&[0x30, 0xff], &[0; 127][..]].concat()),
            Panics,
            Ends("a length of more than eight bytes"),
        ),
        (
            "a length of 64 MB and one byte",
            raw(&[0x30, 0x84, 4, 0, 0, 1]),
            Hangs,
            Ends("a message beyond the limit"),
        ),
        (
            "an operation longer than its message",
            raw(&[0x30, 5, 2, 1, 3, 0x64, 9]),
            Hangs,
            Ends("an element longer than what holds it"),
        ),
        (
            "a value longer than what holds it",
            message(3, &tlv(0x64, &[&[4, 9]])),
            Hangs,
            Ends("an element longer than what holds it"),
        ),
        (
            "a tag number above 30",
            message(3, &tlv(0x64, &[&[0x1f, 0x81, 0]])),
            GoesOn,
            Ends("a tag number above 30"),
        ),
        ("an operation with such a tag", message(3, &[0x7f, 0x81, 0]), Panics, Ends("a tag number above 30")),
        ("60 levels", message(3, &tlv(0x64, &[&nested(60)])), GoesOn, Passes),
        ("70 levels", message(3, &tlv(0x64, &[&nested(70)])), GoesOn, Ends("nested too deeply")),
        ("8,000 levels", message(3, &tlv(0x64, &[&nested(8000)])), Aborts, Ends("nested too deeply")),
        ("8,000 levels in a control", controlled(&nested(8000)), Aborts, Ends("nested too deeply")),
        ("8,000 levels that nobody awaits", message(99, &nested(8000)), Aborts, Ends("nested too deeply")),
    ]
}

fn operations() -> Vec<Row> {
    let entry = entry();
    let unfit = Ends("an answer that does not fit its request");
    vec![
        ("an intermediate message", message(3, &tlv(0x79, &[&[0x80, 1, 0x31]])), GoesOn, Passes),
        ("an empty intermediate message", message(3, &tlv(0x79, &[])), GoesOn, Passes),
        ("an intermediate message to an extended operation", message(2, &tlv(0x79, &[])), Panics, Drops),
        ("an intermediate message to a bind", message(1, &tlv(0x79, &[])), Panics, unfit),
        ("a reference", message(3, &tlv(0x73, &[&[4, 1, b'a']])), GoesOn, Passes),
        ("a reference to nothing", message(3, &tlv(0x73, &[])), GoesOn, Passes),
        (
            "a reference that is not UTF-8",
            message(3, &tlv(0x73, &[&[4, 1, 0xff]])),
            GoesOn,
            Ends("a text that is not UTF-8"),
        ),
        (
            "a reference of numbers",
            message(3, &tlv(0x73, &[&[2, 1, 1]])),
            GoesOn,
            Ends("a URI that is no string"),
        ),
        ("a bind response to a search", message(3, &done(0x61)), Panics, unfit),
        ("an extended response to a search", message(3, &done(0x78)), Panics, unfit),
        ("a modify response to a search", message(3, &done(0x67)), Panics, unfit),
        ("a request", message(3, &tlv(0x63, &[])), Panics, unfit),
        ("an unbind", message(3, &[0x42, 0]), Panics, Ends("an operation without parts")),
        ("an entry to a bind", message(1, &entry), Panics, unfit),
        ("a reference to a bind", message(1, &tlv(0x73, &[&[4, 0]])), Panics, unfit),
        ("a search's end to a bind", message(1, &done(0x65)), GoesOn, unfit),
        ("a bind response to an extended operation", message(2, &done(0x61)), GoesOn, unfit),
        ("an entry to an extended operation", message(2, &entry), Panics, unfit),
        ("a primitive entry", message(3, &[0x44, 0]), GoesOn, Ends("an operation without parts")),
        ("a primitive end", message(3, &[0x45, 0]), Panics, Ends("an operation without parts")),
        ("an entry of another class", message(3, &tlv(0xa4, &[])), GoesOn, unfit),
        ("an empty entry", message(3, &tlv(0x64, &[])), GoesOn, Passes),
        ("controls in the place of the operation", tlv(0x30, &[&[2, 1, 3], &tlv(0xa0, &[])]), Panics, unfit),
        ("an unknown id", message(99, &entry), GoesOn, Drops),
        ("an unknown id with nonsense", message(99, &tlv(0x65, &[])), GoesOn, Drops),
        ("a second end", [message(3, &done(0x65)), message(3, &done(0x65))].concat(), GoesOn, Drops),
        ("an entry after the end", [message(3, &done(0x65)), message(3, &entry)].concat(), GoesOn, Drops),
        (
            "nonsense after the end",
            [message(3, &done(0x65)), message(3, &done(0x61))].concat(),
            GoesOn,
            Drops,
        ),
        (
            "a second bind response",
            [message(1, &done(0x61)), message(1, &tlv(0x61, &[]))].concat(),
            GoesOn,
            Drops,
        ),
        ("id 0: an entry", message(0, &entry), GoesOn, Ends("an answer to nothing")),
        ("id 0: an unknown notice", message(0, &done_with(0x78, &[0x8a, 1, b'1'])), GoesOn, Drops),
        ("id 0: a notice without a name", message(0, &done(0x78)), GoesOn, Drops),
        ("id 0: an empty notice", message(0, &tlv(0x78, &[])), GoesOn, Ends("no result code")),
        (
            "id 0: a disconnection",
            message(0, &disconnection(true)),
            GoesOn,
            Ends("the server disconnects: 52 unavailable (bye)"),
        ),
        (
            "id 0: a disconnection, as Windows writes it",
            message(0, &disconnection(false)),
            GoesOn,
            Ends("the server disconnects: 52 unavailable (bye)"),
        ),
        (
            "a response name behind the operation",
            message(3, &[entry.clone(), vec![0x8a, 0]].concat()),
            GoesOn,
            Ends("an element too many"),
        ),
        ("only a response name", tlv(0x30, &[&[0x8a, 0]]), Panics, Ends("no message id")),
    ]
}

/// RFC 4511, section 4.4.1, with the name in the operation or behind it.
fn disconnection(rightly: bool) -> Vec<u8> {
    let name = tlv(0x8a, &[b"1.3.6.1.4.1.1466.20036"]);
    let said = [10, 1, 52, 4, 0, 4, 3, b'b', b'y', b'e'];
    if rightly { tlv(0x78, &[&said, &name]) } else { [tlv(0x78, &[&said]), name].concat() }
}

fn results() -> Vec<Row> {
    let end = |content: &[u8]| message(3, &tlv(0x65, &[content]));
    let with = |more: &[u8]| message(3, &done_with(0x65, more));
    let bind = |more: &[u8]| message(1, &done_with(0x61, more));
    let extended = |more: &[u8]| message(2, &done_with(0x78, more));
    let not_utf8 = Ends("a text that is not UTF-8");
    let wrong_form = Ends("a part of a result in the wrong form");
    vec![
        ("an end with a referral", with(&tlv(0xa3, &[&[4, 1, b'a']])), GoesOn, Passes),
        ("an empty referral", with(&[0xa3, 0]), GoesOn, Passes),
        ("a bind response with credentials", bind(&[0x87, 1, 0xff]), GoesOn, Passes),
        ("a name and a value", extended(&[0x8a, 1, b'1', 0x8b, 1, 0xff]), GoesOn, Passes),
        ("a large code", end(&[10, 4, 0x7f, 0xff, 0xff, 0xff, 4, 0, 4, 0]), GoesOn, Passes),
        ("an unknown part", with(&[0x8c, 0]), GoesOn, Passes),
        ("an empty end", end(&[]), Panics, Ends("no result code")),
        ("a code that is an integer", end(&[2, 1, 0, 4, 0, 4, 0]), Panics, Ends("no result code")),
        ("a code that is constructed", end(&[0x2a, 0, 4, 0, 4, 0]), Panics, Ends("no result code")),
        ("an empty code", end(&[10, 0, 4, 0, 4, 0]), GoesOn, Ends("a number of no or more than four bytes")),
        ("a negative code", end(&[10, 1, 0xff, 4, 0, 4, 0]), GoesOn, Ends("a negative number")),
        ("no matched DN", end(&[10, 1, 0]), Panics, Ends("no matched DN")),
        ("a matched DN that is constructed", end(&[10, 1, 0, 0x24, 0, 4, 0]), Panics, Ends("no matched DN")),
        ("a matched DN that is not UTF-8", end(&[10, 1, 0, 4, 1, 0xff, 4, 0]), Panics, not_utf8),
        ("no message", end(&[10, 1, 0, 4, 0]), Panics, Ends("no diagnostic message")),
        (
            "a message that is constructed",
            end(&[10, 1, 0, 4, 0, 0x24, 0]),
            Panics,
            Ends("no diagnostic message"),
        ),
        ("a message that is not UTF-8", end(&[10, 1, 0, 4, 0, 4, 1, 0xc0]), Panics, not_utf8),
        (
            "a bind's message that is not UTF-8",
            message(1, &tlv(0x61, &[&[10, 1, 49, 4, 0, 4, 1, 0xff]])),
            Panics,
            not_utf8,
        ),
        ("an empty bind response", message(1, &tlv(0x61, &[])), Panics, Ends("no result code")),
        ("an empty extended response", message(2, &tlv(0x78, &[])), Panics, Ends("no result code")),
        ("a referral that is primitive", with(&[0x83, 0]), Panics, wrong_form),
        ("a referral of sequences", with(&[0xa3, 2, 0x30, 0]), Panics, Ends("a URI that is no string")),
        ("a referral that is not UTF-8", with(&[0xa3, 3, 4, 1, 0xff]), Panics, not_utf8),
        ("a referral of another class", with(&[0x63, 3, 4, 1, 0xff]), Panics, not_utf8),
        ("a bit string", with(&[3, 0]), Panics, wrong_form),
        ("credentials that are constructed", bind(&[0xa7, 0]), Panics, wrong_form),
        ("a name that is constructed", extended(&[0xaa, 0]), Panics, wrong_form),
        ("a name that is not UTF-8", extended(&[0x8a, 1, 0xff]), Panics, not_utf8),
        ("a value that is constructed", extended(&[0xab, 0]), Panics, wrong_form),
        ("a second code that is not UTF-8", with(&[10, 1, 0xff]), Panics, not_utf8),
    ]
}

fn controls() -> Vec<Row> {
    let one = |parts: &[u8]| controlled(&tlv(0x30, &[parts]));
    vec![
        ("no controls", controlled(&[]), GoesOn, Passes),
        ("a control", one(&[4, 1, b'1']), GoesOn, Passes),
        ("a whole control", one(&[4, 1, b'1', 1, 1, 0xff, 4, 1, 0xff]), GoesOn, Passes),
        (
            "controls of the end",
            message(3, &[done(0x65), tlv(0xa0, &[&tlv(0x30, &[&[4, 1, b'1']])])].concat()),
            GoesOn,
            Passes,
        ),
        (
            "controls that are primitive",
            message(3, &[entry(), vec![0x80, 0]].concat()),
            Fails,
            Ends("an element too many"),
        ),
        (
            "controls twice",
            message(3, &[entry(), vec![0xa0, 0, 0xa0, 0]].concat()),
            Panics,
            Ends("an element too many"),
        ),
        ("a control that is a string", controlled(&[4, 0]), Panics, Ends("a control that is no sequence")),
        ("an empty control", controlled(&[0x30, 0]), Panics, Ends("a control without a type")),
        ("a type that is not UTF-8", one(&[4, 1, 0xff]), Panics, Ends("a text that is not UTF-8")),
        ("a type that is constructed", one(&[0x24, 0]), Panics, Ends("a control without a type")),
        ("an empty criticality", one(&[4, 1, b'1', 1, 0]), Panics, Ends("a boolean that is not one byte")),
        (
            "a criticality of two bytes",
            one(&[4, 1, b'1', 1, 2, 0, 0]),
            GoesOn,
            Ends("a boolean that is not one byte"),
        ),
        ("a number in a control", one(&[4, 1, b'1', 2, 1, 0]), Panics, Ends("an element too many")),
        ("a constructed value", one(&[4, 1, b'1', 0x24, 0]), Panics, Ends("an element too many")),
        ("a value twice", one(&[4, 1, b'1', 4, 0, 4, 0]), GoesOn, Ends("an element too many")),
        (
            "a criticality behind the value",
            one(&[4, 1, b'1', 4, 0, 1, 1, 0]),
            GoesOn,
            Ends("an element too many"),
        ),
        (
            "nonsense in a control of a stranger",
            message(99, &[entry(), tlv(0xa0, &[&[4, 0]])].concat()),
            Panics,
            Ends("a control that is no sequence"),
        ),
    ]
}

#[tokio::test]
async fn l15_what_the_crate_does_with_bytes_is_known_and_behind_the_guard_it_harms_nobody() {
    let mut wrong = Vec::new();
    for (what, bytes, expected_alone, expected) in
        [envelopes(), frames(), operations(), results(), controls()].concat()
    {
        let by_itself = alone(&bytes, expected_alone).await;
        let (heard, ended) = guarded(&bytes).await;
        // Who closes first when everything is said depends on the moment.
        let is_closed = ["closed by us", "the server closed the connection"].contains(&ended.as_str());
        let is_right = match expected {
            Passes => heard == GoesOn && is_closed && passes(&bytes),
            Drops => heard == GoesOn && is_closed && !passes(&bytes),
            Ends(words) => heard == Fails && ended == words,
        };
        if by_itself != expected_alone || !is_right {
            wrong.push(format!("{what}: alone {by_itself:?}; guarded {heard:?}, {ended}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
