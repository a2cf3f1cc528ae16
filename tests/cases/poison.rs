//! Names in groups that whoever owns a group can write there, and of which the server does not speak as of others.

use crate::{
    cases::scene::Scene,
    support::ldap::{Change, Ldap},
};

/// `member`, in which the test's client completes no names.
const MEMBER: &str = "2.5.4.31";

#[tokio::test]
async fn a_member_that_is_no_entry_as_others_are_holds_up_nobody() {
    let scene = Scene::company().await;
    // Of what is below `cn=config` the server now says nothing to anybody without TLS.
    let closed = Change::Add("olcSecurity", &["ssf=128"]);
    Ldap::config(&scene.slapd).await.modify("olcDatabase={0}config,cn=config", &[closed]).await;
    let daemon = scene.live().await;
    for name in ["cn=Subschema", "cn=Monitor", "cn=schema,cn=config", ""] {
        scene.ldap.modify("cn=warehouse,ou=groups", &[Change::Add(MEMBER, &[name])]).await;
    }
    scene.ldap.add_member("cn=finance,ou=groups", "uid=wanjiru,ou=people").await;
    let told = scene.told_in_all().await;
    assert!(told.contains(&"wanjiru: added_members: You were added to finance".to_owned()), "{told:?}");
    assert_eq!(
        scene.events(),
        [
            "member-added warehouse Subschema",
            "member-added warehouse Monitor",
            "member-added warehouse schema",
            "member-added finance Wanjiru Kamau"
        ]
    );
    daemon.stop().await;
    // And at the end of a refresh.
    scene.ldap.modify("cn=finance,ou=groups", &[Change::Add(MEMBER, &["cn=Subschema"])]).await;
    scene.ldap.remove_member("cn=finance,ou=groups", "uid=wanjiru,ou=people").await;
    let daemon = scene.live().await;
    let told = scene.told_in_all().await;
    assert!(told.contains(&"wanjiru: removed_members: You were removed from finance".to_owned()), "{told:?}");
    daemon.stop().await;
}
