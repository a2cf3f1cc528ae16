//! Changes as they happen.

use dirherald::directory::{batch::Reading, dn::Dn};

use super::following::{Following, id, settings, simple, texts};
use crate::support::{
    ldap::{Change, Ldap},
    slapd::{Overlay, Setup, Slapd},
};

const MEI: &str = "uid=mei,ou=people";
const LUCA: &str = "uid=luca,ou=contractors,ou=people";
const WAREHOUSE: &str = "cn=warehouse,ou=groups";

#[tokio::test]
async fn adds_modifications_renames_and_deletions_come_one_by_one() {
    let slapd = Setup::company().start();
    let lena = Ldap::bind_as(&slapd, "uid=lena,ou=people").await;
    let by_lena = Some(Dn::parse(&slapd.dn("uid=lena,ou=people")).unwrap());
    let mut following = Following::start(settings(&slapd));
    following.refresh().await;

    lena.add_person("uid=new,ou=people", "New Person", "new@harbour-vale.example").await;
    let new = following.image().await;
    assert_eq!(new.dn.as_str(), slapd.dn("uid=new,ou=people"));
    assert_eq!(new.id, id(&lena.id("uid=new,ou=people").await));
    assert_eq!(
        (texts(&new, "mail"), &new.origin.actor),
        (vec!["new@harbour-vale.example".to_owned()], &by_lena)
    );
    assert!(new.origin.time.is_some());

    lena.add_member(WAREHOUSE, "uid=new,ou=people").await;
    let group = following.image().await;
    assert!(texts(&group, "member").contains(&slapd.dn("uid=new,ou=people")));
    assert_eq!(group.origin.actor, by_lena);
    assert!(group.stamp > new.stamp);

    lena.rename("uid=new,ou=people", "uid=newer").await;
    let renamed = following.image().await;
    assert_eq!((renamed.id, renamed.dn.as_str()), (new.id, slapd.dn("uid=newer,ou=people").as_str()));
    assert_eq!(renamed.origin.actor, by_lena);

    lena.delete("uid=newer,ou=people").await;
    let Reading::Delete(delete) = following.reading().await else { panic!("no delete") };
    assert_eq!((delete.id, delete.origin.actor), (new.id, None));
    assert!(delete.origin.time > renamed.origin.time);
    following.stop().await;
}

#[tokio::test]
async fn many_pending_changes_share_batches_and_none_is_lost() {
    let slapd = Setup::company().start();
    let admin = Ldap::admin(&slapd).await;
    let mut following = Following::start(settings(&slapd));
    following.refresh().await;
    let titles: Vec<String> = (0..300).map(|number| format!("n{number}@harbour-vale.example")).collect();
    for title in &titles {
        admin.replace(MEI, "mail", &[title]).await;
    }
    let (mut batches, mut last) = (0, String::new());
    while last != "n299@harbour-vale.example" {
        let batch = following.live().await;
        batches += 1;
        assert!(batch.checkpoint.is_some());
        for reading in batch.readings {
            let Reading::Image(image) = reading else { panic!("{reading:?}") };
            last = texts(&image, "mail").remove(0);
        }
    }
    assert!(batches < 300, "the channel holds four batches while nobody takes them: {batches}");
    following.stop().await;
}

#[tokio::test]
async fn l08_deleted_and_recreated_under_one_dn_is_a_deletion_and_a_new_id() {
    let slapd = Setup::company().start();
    let admin = Ldap::admin(&slapd).await;
    let before = id(&admin.id(MEI).await);
    let mut following = Following::start(settings(&slapd));
    following.refresh().await;
    admin.delete(MEI).await;
    admin.add_person(MEI, "Mei Again", "mei@harbour-vale.example").await;
    let mut readings = Vec::new();
    while readings.len() < 2 {
        readings.extend(following.live().await.readings);
    }
    let [Reading::Delete(delete), Reading::Image(image)] = &readings[..] else { panic!("{readings:?}") };
    assert_eq!(delete.id, before);
    assert_eq!(image.id, id(&admin.id(MEI).await));
    assert_ne!(image.id, before);
    following.stop().await;
}

#[tokio::test]
async fn l17_every_spelling_of_members_is_read() {
    let slapd = Setup::company().start();
    let admin = Ldap::admin(&slapd).await;
    let mut following = Following::start(settings(&slapd));
    let refresh = following.refresh().await;
    let with = |attribute: &str| {
        refresh.images.iter().filter(|i| !i.attributes.values(attribute).is_empty()).count()
    };
    for attribute in ["member", "uniquemember", "memberuid"] {
        assert!(with(attribute) > 0, "{attribute}");
    }
    let group = refresh.images.iter().find(|i| !i.attributes.values("uniquemember").is_empty()).unwrap();
    let with_uid = format!("{}#'0101'B", slapd.dn(MEI));
    admin.modify(group.dn.as_str(), &[Change::Add("uniqueMember", &[&with_uid])]).await;
    assert!(texts(&following.image().await, "uniquemember").contains(&with_uid));
    following.stop().await;
}

#[tokio::test]
async fn w01_what_refint_wrote_has_no_actor_and_what_people_write_afterwards_has() {
    let slapd = Setup::company().with(Overlay::Refint).start();
    let lena = Ldap::bind_as(&slapd, "uid=lena,ou=people").await;
    let mut following = Following::start(settings(&slapd));
    following.refresh().await;
    let member = lena.values(WAREHOUSE, "member").await.unwrap().remove(0);
    assert_ne!(member, slapd.dn(LUCA));
    lena.delete(&member).await;
    let Reading::Delete(_) = following.reading().await else { panic!("no delete") };
    lena.replace(LUCA, "mail", &["luca@elsewhere.example"]).await;
    let next = following.image().await;
    assert_eq!(next.dn.as_str(), slapd.dn(LUCA), "refint's change of the group is not told");
    assert_eq!(next.origin.actor, Some(Dn::parse(&slapd.dn("uid=lena,ou=people")).unwrap()));
    following.stop().await;
}

/// Two people write to one entry at once; slapd merges their changes now and then.
#[tokio::test(flavor = "multi_thread")]
async fn w01_the_actor_is_the_right_one_or_unknown_under_two_writers() {
    const EACH: usize = 150;
    let slapd = Setup::company().start();
    let mut following = Following::start(settings(&slapd));
    following.refresh().await;
    let watch = async {
        let newest = (EACH - 1).to_string();
        let (mut mail, mut uid) = (String::new(), String::new());
        let (mut known, mut seen) = (0, 0);
        while mail != newest || uid != newest {
            for reading in following.live().await.readings {
                let Reading::Image(image) = reading else { panic!("{reading:?}") };
                let now = (texts(&image, "mail").pop().unwrap(), texts(&image, "uid").pop().unwrap());
                let changed = (now.0 != mail, now.1 != uid);
                (mail, uid) = now;
                seen += 1;
                let Some(actor) = image.origin.actor else { continue };
                known += 1;
                match changed {
                    (true, false) => assert!(actor.as_str().starts_with("uid=lena"), "{actor}"),
                    (false, true) => assert!(actor.as_str().starts_with("uid=ibrahim"), "{actor}"),
                    // Merged: the name is that of the last of the two.
                    (true, true) | (false, false) => (),
                }
            }
        }
        assert!(known > seen / 4, "most are known: {known} of {seen}");
    };
    let write = async |person: &str, attribute: &str, first: &[&str]| {
        let ldap = Ldap::bind_as(&slapd, person).await;
        for number in 0..EACH {
            let number = number.to_string();
            ldap.replace(MEI, attribute, &[first, &[&number]].concat()).await;
        }
    };
    // The uid of the RDN stays, and comes first.
    let (lena, ibrahim) = ("uid=lena,ou=people", "uid=ibrahim,ou=people");
    tokio::join!(write(lena, "mail", &[]), write(ibrahim, "uid", &["mei"]), watch);
}

#[tokio::test]
async fn w03_our_own_account_is_no_actor() {
    let slapd = Setup::company().start();
    let mut settings = settings(&slapd);
    settings.bind = simple(&slapd.dn("CN=Provisioning, ou=services"), Slapd::PEOPLES_PASSWORD);
    let provisioning = Ldap::bind_as(&slapd, "cn=provisioning,ou=services").await;
    let lena = Ldap::bind_as(&slapd, "uid=lena,ou=people").await;
    let mut following = Following::start(settings);
    following.refresh().await;
    provisioning.replace(MEI, "mail", &["a@harbour-vale.example"]).await;
    assert_eq!(following.image().await.origin.actor, None);
    lena.replace(MEI, "mail", &["b@harbour-vale.example"]).await;
    assert!(following.image().await.origin.actor.is_some());
    following.stop().await;
}
