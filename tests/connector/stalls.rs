//! Servers that answer, on connections that are sound, and show nothing any more.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use dirherald::{
    connector::{Timing, settings::ConnectorSettings},
    directory::{batch::Reading, dn::Dn},
};

use super::following::{Following, Stored, connector_with, server, settings, texts, timing};
use crate::support::{
    ldap::Ldap,
    proxy::Proxy,
    recording::Side,
    slapd::{COMPANY, Setup, Slapd},
    wait,
};

const MEI: &str = "uid=mei,ou=people";
const HEARTBEAT: Duration = Duration::from_millis(300);
const CONTEXT_CSN: &[u8] = b"contextcsn";
const STALLED: &str = "no longer shows changes";

fn quick() -> Timing {
    Timing { heartbeat: HEARTBEAT, ..timing() }
}

fn through(proxy: &Proxy, slapd: &Slapd, base: &str) -> Following {
    let base_dn = Dn::parse(&slapd.dn(base)).unwrap();
    let settings = ConnectorSettings { urls: vec![server(&proxy.url())], base_dn, ..settings(slapd) };
    Following::start_with(connector_with(settings, quick()), Stored::default())
}

async fn stalls(following: &mut Following) {
    let failure = following.failure().await;
    assert!(failure.error.contains(STALLED), "{}", failure.error);
}

#[tokio::test]
async fn l16_changes_that_are_lost_on_their_way_are_noticed_and_read_again() {
    let slapd = Setup::company().session_log(100).start();
    let admin = Ldap::admin(&slapd).await;
    for base in [COMPANY, "ou=people"] {
        let proxy = Proxy::start(slapd.address()).await;
        let mut following = through(&proxy, &slapd, base);
        following.refresh().await;
        proxy.mute(true);
        admin.replace(MEI, "mail", &[&format!("{}@harbour-vale.example", base.len())]).await;
        let start = Instant::now();
        stalls(&mut following).await;
        // Two heartbeats after the one that found it, and what a loaded machine takes.
        assert!(start.elapsed() < HEARTBEAT * 4 + Duration::from_secs(3), "{:?}", start.elapsed());
        proxy.mute(false);
        let missed = following.whole_refresh().await;
        assert_eq!(texts(&missed.images[0], "mail"), [format!("{}@harbour-vale.example", base.len())]);
        following.stop().await;
    }
}

/// Changes nothing that dirherald sees, and then one thing that it does; nothing is given up meanwhile.
async fn is_left_in_peace(slapd: &Slapd, base: &str) {
    let admin = Ldap::admin(slapd).await;
    let proxy = Proxy::start(slapd.address()).await;
    let mut following = through(&proxy, slapd, base);
    following.refresh().await;
    let unseen = "uid=unseen,ou=contractors,ou=people";
    for _ in 0..20 {
        admin.add_person(unseen, "Un Seen", "unseen@harbour-vale.example").await;
        admin.delete(unseen).await;
    }
    // slapd says nothing of a deletion that is out of sight: from now on it is ahead of what it has shown.
    let looks = || {
        let sent = proxy.bytes(0, Side::Client);
        sent.windows(CONTEXT_CSN.len()).filter(|part| *part == CONTEXT_CSN).count()
    };
    let mut several_looks = pin!(wait::until_async("looks", async || (looks() >= 4).then_some(())));
    loop {
        tokio::select! {
            () = &mut several_looks => break,
            // Numbers of changes, and nothing else.
            batch = following.live() => assert!(batch.readings.is_empty(), "{batch:?}"),
        }
    }
    admin.replace("cn=warehouse,ou=groups", "description", &["seen"]).await;
    loop {
        let batch = following.live().await;
        assert!(batch.checkpoint.is_some());
        if let [.., Reading::Image(image)] = &batch.readings[..] {
            assert_eq!(image.dn.as_str(), slapd.dn("cn=warehouse,ou=groups"));
            break;
        }
    }
    assert_eq!(proxy.connections(), 1);
    following.stop().await;
}

#[tokio::test]
async fn l16_changes_outside_of_the_base_or_hidden_from_us_are_no_stall() {
    let open = Setup::company().start();
    let hiding = Setup::company()
        .access(&format!("to dn.subtree=\"ou=contractors,ou=people,{COMPANY}\" by * none"))
        .start();
    tokio::join!(is_left_in_peace(&open, "ou=groups"), is_left_in_peace(&hiding, COMPANY));
}
