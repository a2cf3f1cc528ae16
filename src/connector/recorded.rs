//! What a real slapd sent, as it was and damaged, through everything that stands between the socket and the
//! core: guard, ldap3, decoders and the meaning of the messages.

#[path = "../../tests/support/recording.rs"]
mod recording;

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime::Runtime,
    sync::mpsc,
    time::timeout,
};

use self::recording::{Recording, Side};
use super::{
    FeedEvent, Timing,
    error::Problem,
    feed::{Feed, Outlet, syncrepl::Syncrepl},
    guard::{
        Scan,
        ber::{Reader, tag, unsigned},
        frame,
    },
    session::Session,
    settings::Bind,
    wanted::WantedAttributes,
};
use crate::{
    directory::{
        attribute::AttributeName,
        batch::{Batch, Phase, PresentSet, Reading},
        dn::Dn,
    },
    fuzz,
};

/// Bind, who am I, root DSE, base, and a search that follows seven entries and an add, a modification, a
/// rename and a deletion.
const RECORDED: &str = include_str!("../../fixtures/recorded/slapd-first-reading.ldap");
/// The id of that search, the last.
const SEARCH: u32 = 5;

/// The answers by message id.
static ANSWERS: LazyLock<BTreeMap<u32, Vec<u8>>> = LazyLock::new(|| {
    let mut answers = BTreeMap::<u32, Vec<u8>>::new();
    let messages = Recording::parse(RECORDED).messages.into_iter();
    for message in messages.filter(|message| message.from == Side::Server) {
        answers.entry(id_of(&message.bytes).unwrap()).or_default().extend(message.bytes);
    }
    assert_eq!(answers.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4, SEARCH]);
    answers
});

/// Of the first message.
fn id_of(bytes: &[u8]) -> Option<u32> {
    let Ok(Scan::Message { found, .. }) = frame(bytes, 1 << 20) else { return None };
    unsigned(Reader::new(found).expect(tag::INTEGER, "id").ok()?).ok()
}

/// Answers each request with what belongs to it, as long as there is something, and closes.
async fn serve(mut wire: DuplexStream, mut answers: BTreeMap<u32, Vec<u8>>) {
    let mut received = Vec::new();
    loop {
        while let Ok(Scan::Message { length, found }) = frame(&received, 1 << 20) {
            let id = unsigned(Reader::new(found).expect(tag::INTEGER, "id").unwrap()).unwrap();
            let Some(answer) = answers.remove(&id) else { return };
            received.drain(..length);
            if wire.write_all(&answer).await.is_err() || answers.is_empty() {
                return;
            }
        }
        if !matches!(wire.read_buf(&mut received).await, Ok(1..)) {
            return;
        }
    }
}

/// Follows what `answers` say until they end, and gives the batches until then.
async fn follow(answers: BTreeMap<u32, Vec<u8>>) -> (Vec<Batch>, Result<(), Problem>) {
    let (ours, theirs) = duplex(64 << 10);
    let server = tokio::spawn(serve(theirs, answers));
    let (to, mut events) = mpsc::channel(1000);
    let ended = follow_on(ours, to).await;
    server.abort();
    let mut batches = Vec::new();
    while let Some(event) = events.recv().await {
        let FeedEvent::Batch(batch) = event else { panic!("a feed hands on batches only") };
        batches.push(batch);
    }
    (batches, ended)
}

async fn follow_on(wire: DuplexStream, to: mpsc::Sender<FeedEvent>) -> Result<(), Problem> {
    let timing = Timing::default();
    let bind = Bind::Anonymous;
    let base = Dn::parse("dc=example,dc=com").unwrap();
    let wanted = WantedAttributes::new(["cn", "member"].map(AttributeName::new).into());
    let mut session = Session::over(Box::new(wire), &bind, timing).await?;
    session.require_sync().await?;
    session.require_base(&base).await?;
    let feed = Syncrepl { base: &base, wanted: &wanted, shown: None, bind: &bind, timing, overdue: None };
    feed.follow(&mut session, None, &mut Outlet::new(to)).await
}

#[tokio::test]
async fn the_recorded_exchange_is_understood() {
    let (batches, ended) = follow(ANSWERS.clone()).await;
    assert!(matches!(ended, Err(Problem::Lost { .. })), "{ended:?}");
    let phases: Vec<_> = batches.iter().map(|batch| batch.phase).collect();
    assert_eq!(phases[0], Phase::RefreshBegins);
    assert!(phases.contains(&Phase::RefreshEnds) && phases.last() == Some(&Phase::Live), "{phases:?}");
    let of = |phase: Phase| batches.iter().filter(move |batch| batch.phase == phase);
    let refreshed: Vec<_> = of(Phase::RefreshEnds).flat_map(|batch| &batch.readings).collect();
    assert_eq!(refreshed.len(), 8);
    assert!(matches!(refreshed[7], Reading::PresentSet(PresentSet { complete: true, .. })));
    let names: Vec<_> = of(Phase::Live)
        .flat_map(|batch| &batch.readings)
        .map(|reading| match reading {
            Reading::Image(image) => image.dn.as_str(),
            Reading::Delete(_) => "gone",
            other => panic!("{other:?}"),
        })
        .collect();
    let (team, crew) = ("cn=team,ou=groups,dc=example,dc=com", "cn=crew,ou=groups,dc=example,dc=com");
    assert_eq!(names, [team, team, crew, "gone"]);
}

#[test]
fn fuzz_recorded() {
    let runtime = runtime();
    fuzz::run_slow("recorded", fuzz::ber::mutate, 10, |bytes| {
        // The answer to one request, and nothing after it.
        let id = id_of(bytes).filter(|id| (1..=SEARCH).contains(id)).unwrap_or(SEARCH);
        let mut answers = ANSWERS.clone();
        answers.insert(id, bytes.to_vec());
        answers.retain(|&known, _| known <= id);
        let (batches, ended) = runtime.block_on(follow(answers));
        assert!(is_trustworthy(&batches), "{batches:?}");
        let readings: usize = batches.iter().map(|batch| batch.readings.len()).sum();
        let ended = ended.expect_err("the server closes");
        format!("{id} {} {}", readings.min(20), crate::connector::fuzz::short(&ended))
    });
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// What a bad network, a bad server or a bad neighbour makes of bytes.
#[derive(Debug, Clone)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, u8),
    Double(prop::sample::Index),
}

impl Damage {
    fn inflict(self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, with) => {
                let at = at.index(bytes.len());
                bytes[at] = with;
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Insert(at, more) => {
                let at = at.index(bytes.len());
                drop(bytes.splice(at..at, more));
            }
            Self::Remove(at, count) => {
                let at = at.index(bytes.len());
                let end = (at + usize::from(count)).min(bytes.len());
                drop(bytes.drain(at..end));
            }
            Self::Double(at) => {
                let again = bytes[at.index(bytes.len())..].to_vec();
                bytes.extend(again);
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = || any::<prop::sample::Index>();
    // Bytes that mean something in BER do more harm than others.
    let telling = prop::sample::select(vec![
        0x00_u8, 0x01, 0x02, 0x04, 0x0a, 0x30, 0x31, 0x61, 0x64, 0x65, 0x73, 0x78, 0x79, 0x7f, 0x80, 0x84,
        0xa0, 0xa3, 0xff,
    ]);
    prop_oneof![
        4 => (at(), prop_oneof![telling, any::<u8>()]).prop_map(|(at, with)| Damage::Flip(at, with)),
        1 => at().prop_map(Damage::Cut),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, more)| Damage::Insert(at, more)),
        1 => (at(), 1..9_u8).prop_map(|(at, count)| Damage::Remove(at, count)),
        1 => at().prop_map(Damage::Double),
    ]
}

/// Nothing is said of what does not exist unless the refresh came to its end.
fn is_trustworthy(batches: &[Batch]) -> bool {
    let complete = batches.iter().any(|batch| {
        let is_complete =
            |reading: &Reading| matches!(reading, Reading::PresentSet(PresentSet { complete: true, .. }));
        batch.readings.iter().any(is_complete)
    });
    !complete || batches.iter().any(|batch| batch.phase == Phase::RefreshEnds)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn l15_a_damaged_exchange_ends_with_an_error_and_never_with_a_panic(
        id in 1..=5_u32,
        damages in prop::collection::vec(damage(), 1..4),
    ) {
        let mut answers = ANSWERS.clone();
        let answer = answers.get_mut(&id).unwrap();
        for damage in damages {
            damage.inflict(answer);
        }
        answers.retain(|&known, _| known <= id);
        let runtime = runtime();
        let limit = Duration::from_secs(20);
        let (batches, ended) = runtime
            .block_on(async { timeout(limit, follow(answers)).await })
            .expect("it ends soon, as the server closes");
        prop_assert!(ended.is_err());
        prop_assert!(is_trustworthy(&batches), "{batches:?}");
    }
}
