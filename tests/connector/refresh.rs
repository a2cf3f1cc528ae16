//! Baselines and resumptions.

use std::io::Write;

use dirherald::{
    connector::{Basis, Disposition, FeedEvent},
    directory::batch::Phase,
};

use super::following::{Following, connector, id, settings, texts};
use crate::support::{
    ldap::Ldap,
    slapd::{COMPANY, ServiceLimit, Setup, Slapd},
};

const MEI: &str = "uid=mei,ou=people";
const WAREHOUSE: &str = "cn=warehouse,ou=groups";

#[tokio::test]
async fn a_baseline_shows_every_entry_once_with_what_was_asked_for() {
    let slapd = Setup::company().start();
    let admin = Ldap::admin(&slapd).await;
    let mut following = Following::start(settings(&slapd));
    let refresh = following.refresh().await;

    let (count, _) = admin.count().await;
    assert_eq!(refresh.images.len(), count);
    assert!(refresh.complete && refresh.deleted.is_empty() && refresh.checkpoint.is_some(), "{refresh:?}");
    let by_dn = refresh.by_dn();
    let mei = by_dn[slapd.dn(MEI).as_str()];
    assert_eq!(mei.id, id(&admin.id(MEI).await));
    assert_eq!(texts(mei, "cn"), ["Mei Chen"]);
    let names: Vec<_> = mei.attributes.0.iter().map(|(name, _)| name.as_str()).collect();
    assert!(!names.contains(&"sn") && !names.contains(&"entrycsn"), "{names:?}");
    let warehouse = by_dn[slapd.dn(WAREHOUSE).as_str()];
    assert_eq!(texts(warehouse, "member"), admin.values(WAREHOUSE, "member").await.unwrap());
    for image in &refresh.images {
        assert!(image.stamp.is_some() && image.origin.time.is_some(), "{image:?}");
        assert_eq!(image.origin.actor, None, "nobody is known for what was read, not seen: {image:?}");
    }
    following.stop().await;
}

async fn change_things(slapd: &Slapd, admin: &Ldap) -> String {
    let gone = admin.id("uid=finn,ou=people").await;
    admin.delete("uid=finn,ou=people").await;
    admin.replace(MEI, "mail", &["mei@elsewhere.example"]).await;
    admin.add_person("uid=new,ou=people", "New Person", "new@harbour-vale.example").await;
    admin.rename("uid=ravi,ou=people", "uid=renamed").await;
    assert!(admin.values("uid=renamed,ou=people", "cn").await.is_some(), "{}", slapd.log());
    gone
}

#[tokio::test]
async fn l02_after_a_stop_the_session_log_gives_changes_and_deletions() {
    let slapd = Setup::company().session_log(1000).start();
    let admin = Ldap::admin(&slapd).await;
    let mut following = Following::start(settings(&slapd));
    following.refresh().await;
    let stored = following.stop().await;
    let gone = change_things(&slapd, &admin).await;

    let mut following = Following::start_with(connector(settings(&slapd)), stored);
    assert_eq!(following.connected().await.1, Basis::Checkpoint);
    let refresh = following.refresh().await;
    let deleted: Vec<_> = refresh.deleted.iter().map(|delete| delete.id).collect();
    assert_eq!(deleted, [id(&gone)]);
    let mut names: Vec<_> = refresh.images.iter().map(|image| image.dn.as_str()).collect();
    names.sort_unstable();
    let expected = ["uid=mei,ou=people", "uid=new,ou=people", "uid=renamed,ou=people"];
    assert_eq!(names, expected.map(|name| slapd.dn(name)));
    assert!(!refresh.complete && refresh.named.is_empty(), "{refresh:?}");
    assert!(refresh.checkpoint.is_some());
    following.stop().await;
}

#[tokio::test]
async fn l01_after_a_server_restart_what_is_not_named_is_gone() {
    let mut slapd = Setup::company().session_log(1000).start();
    let admin = Ldap::admin(&slapd).await;
    let mut following = Following::start(settings(&slapd));
    let baseline = following.refresh().await;
    let stored = following.stop().await;
    let gone = id(&change_things(&slapd, &admin).await);
    slapd.restart();

    let mut following = Following::start_with(connector(settings(&slapd)), stored);
    let refresh = following.refresh().await;
    assert!(refresh.complete && refresh.deleted.is_empty(), "{refresh:?}");
    assert_eq!(refresh.images.len(), 3, "{:?}", refresh.images);
    let mut known: Vec<_> = refresh.named.iter().copied().collect();
    known.extend(refresh.images.iter().map(|image| image.id));
    for image in &baseline.images {
        assert_eq!(known.contains(&image.id), image.id != gone, "{image:?}");
    }
    following.stop().await;
}

#[tokio::test]
async fn l05_a_stop_right_after_the_refresh_resumes_with_nothing_to_say() {
    let slapd = Setup::company().session_log(1000).start();
    let mut following = Following::start(settings(&slapd));
    following.refresh().await;
    let stored = following.stop().await;

    let mut following = Following::start_with(connector(settings(&slapd)), stored.clone());
    let before = stored.now();
    let refresh = following.refresh().await;
    assert!(refresh.images.is_empty() && refresh.deleted.is_empty() && !refresh.complete, "{refresh:?}");
    assert!(before.is_some() && stored.now() == before);
    following.stop().await;
}

/// `count` people, for what only shows with many.
pub fn crowd(count: usize) -> Setup {
    Setup::seeded(COMPANY, &crowd_ldif(count))
}

fn crowd_ldif(count: usize) -> String {
    let mut ldif = Vec::new();
    write!(
        ldif,
        "dn: {COMPANY}\nobjectClass: dcObject\nobjectClass: organization\ndc: harbour-vale\no: Crowd\n\n\
         dn: ou=services,{COMPANY}\nobjectClass: organizationalUnit\nou: services\n\n\
         dn: ou=people,{COMPANY}\nobjectClass: organizationalUnit\nou: people\n\n\
         dn: cn=dirherald,ou=services,{COMPANY}\nobjectClass: applicationProcess\n\
         objectClass: simpleSecurityObject\ncn: dirherald\nuserPassword: demo-only\n\n"
    )
    .unwrap();
    for number in 0..count {
        write!(
            ldif,
            "dn: uid=u{number},ou=people,{COMPANY}\nobjectClass: inetOrgPerson\nuid: u{number}\n\
             cn: Person {number}\nsn: {number}\nmail: u{number}@harbour-vale.example\n\n"
        )
        .unwrap();
    }
    String::from_utf8(ldif).unwrap()
}

#[tokio::test]
async fn a_large_baseline_comes_in_batches_of_bounded_size() {
    let slapd = crowd(5000).start();
    let mut following = Following::start(settings(&slapd));
    let mut sizes = Vec::new();
    let mut total = 0;
    loop {
        let FeedEvent::Batch(batch) = following.event().await else { continue };
        total += batch.readings.len();
        sizes.push(batch.readings.len());
        if batch.phase == Phase::RefreshEnds {
            break;
        }
    }
    assert_eq!(total, 5000 + 4 + 1, "with the complete set at the end");
    assert!(sizes.iter().all(|&size| size <= 1025), "{sizes:?}");
    assert!(sizes.len() <= 8, "batches are filled: {sizes:?}");
    following.stop().await;
}

#[tokio::test]
async fn l22_the_servers_size_limit_is_noticed_and_the_advice_names_the_setting() {
    let slapd = crowd(600).service_limit(ServiceLimit::ServerDefault).start();
    let mut following = Following::start(settings(&slapd));
    let failure = following.failure().await;
    assert!(!failure.so_far.complete && failure.so_far.checkpoint.is_none(), "{:?}", failure.so_far.named);
    assert!(failure.error.contains("4 sizeLimitExceeded") && failure.error.contains(&slapd.url()));
    let Disposition::RetrySlowly { advice } = &failure.disposition else { panic!("{failure:?}") };
    let setting = format!("olcLimits: dn.exact=\"{}\" size=unlimited time=unlimited", slapd.service_dn());
    assert!(advice.contains(&setting), "{advice}");
    following.stop().await;
}

#[tokio::test]
async fn l22_a_size_limit_above_the_content_is_enough() {
    let slapd = crowd(600).service_limit(ServiceLimit::Entries(700)).start();
    let mut following = Following::start(settings(&slapd));
    assert_eq!(following.refresh().await.images.len(), 604);
    following.stop().await;
}
