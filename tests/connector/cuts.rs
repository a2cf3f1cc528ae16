//! Connections that break in the middle of a refresh of a real slapd, at each place where they can.

use dirherald::{
    connector::{Disposition, settings::ConnectorSettings},
    directory::checkpoint::Checkpoint,
};

use super::following::{Following, Refresh, Stored, connector_with, hasty, server, settings};
use crate::support::{
    ldap::Ldap,
    proxy::Proxy,
    recording::{Message, Side},
    slapd::{Setup, Slapd},
};

/// Follows through the proxy from this checkpoint, to the first end: of the refresh, or of the connection.
async fn follow(
    slapd: &Slapd,
    proxy: &Proxy,
    from: Option<&Checkpoint>,
) -> (Following, Result<Refresh, Refresh>) {
    let stored = Stored::default();
    stored.set(from.cloned());
    let settings = ConnectorSettings { urls: vec![server(&proxy.url())], ..settings(slapd) };
    let mut following = Following::start_with(connector_with(settings, hasty()), stored);
    let seen = match following.refresh_or_failure().await {
        Ok(refresh) => Ok(refresh),
        Err(failure) => {
            assert_eq!(failure.disposition, Disposition::Reconnect, "{}", failure.error);
            assert!(failure.error.contains("closed the connection"), "{}", failure.error);
            Err(failure.so_far)
        }
    };
    (following, seen)
}

/// Plays the refresh as it should be, then cut at the end of each message, just behind it and in its middle.
async fn check(slapd: &Slapd, from: Option<&Checkpoint>) {
    let proxy = Proxy::start(slapd.address()).await;
    let (following, whole) = follow(slapd, &proxy, from).await;
    let whole = whole.expect("nothing is cut");
    following.stop().await;
    let messages = proxy.recorded(0, "").messages;
    let sizes: Vec<usize> = messages
        .iter()
        .filter(|message| message.from == Side::Server)
        .map(|Message { bytes, .. }| bytes.len())
        .collect();
    assert!(sizes.len() > 6, "{sizes:?}");
    let mut end = 0;
    for size in &sizes {
        for cut in [end, end + 1, end + size / 2] {
            proxy.cut_after(cut);
            let (following, seen) = follow(slapd, &proxy, from).await;
            let seen = seen.expect_err("a part is missing");
            assert!(
                !seen.complete && seen.deleted.is_empty() && seen.checkpoint.is_none(),
                "{cut}: {seen:?}"
            );
            assert_eq!(following.stored.now().as_ref(), from, "what is stored stays");
            following.stop().await;
        }
        end += size;
    }
    // The connection comes back, and nothing is missing.
    proxy.cut_after(end - 1);
    let (mut following, seen) = follow(slapd, &proxy, from).await;
    assert!(seen.is_err());
    proxy.cut_after(usize::MAX);
    let again = following.whole_refresh().await;
    assert_eq!((again.images.len(), again.named), (whole.images.len(), whole.named));
    assert_eq!((again.complete, again.deleted.len()), (whole.complete, whole.deleted.len()));
    following.stop().await;
}

#[tokio::test]
async fn l06_a_first_reading_cut_at_each_message_deletes_nothing() {
    check(&Setup::company().start(), None).await;
}

#[tokio::test]
async fn l06_a_present_phase_cut_at_each_message_deletes_nothing() {
    let slapd = Setup::company().start();
    let admin = Ldap::admin(&slapd).await;
    let mut following = Following::start(settings(&slapd));
    following.refresh().await;
    let stored = following.stop().await.now();
    for name in ["uid=finn,ou=people", "uid=bela,ou=people"] {
        admin.delete(name).await;
    }
    for name in ["uid=mei,ou=people", "uid=ravi,ou=people", "uid=lena,ou=people"] {
        admin.replace(name, "mail", &["new@harbour-vale.example"]).await;
    }
    check(&slapd, stored.as_ref()).await;
}
