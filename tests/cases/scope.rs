//! What is watched, who comes into it and goes out of it, and who is told although they lie elsewhere.

use std::collections::BTreeSet;

use dirherald::change::event::Actor;

use crate::{
    cases::scene::Scene,
    support::{
        ldap::{Change, Ldap},
        slapd::{COMPANY, Setup, Slapd},
        wait,
    },
};

const MEI: &str = "uid=mei,ou=people";
const WAREHOUSE: &str = "cn=warehouse,ou=groups";
const CONTRACTORS: &str = "ou=contractors,ou=people";

/// Entries are years old: those of a server that was started just now would count as new.
async fn aged() -> Scene {
    Scene::of(Setup::company().aged()).await
}

fn list(dns: &[String]) -> String {
    format!("{dns:?}")
}

async fn without_contractors() -> Scene {
    let scene = aged().await;
    let exclude = list(&[scene.slapd.dn(CONTRACTORS)]);
    scene.with("exclude", &exclude)
}

async fn below_people() -> Scene {
    let scene = aged().await;
    let people = format!("{:?}", scene.slapd.dn("ou=people"));
    scene.with("base_dn", &people)
}

/// Waits for so many events, and compares them in any order.
async fn assert_events(scene: &Scene, expected: &[&str]) {
    wait::until_async(&format!("{} events", expected.len()), async || {
        (scene.events().len() >= expected.len()).then_some(())
    })
    .await;
    let mut events = scene.events();
    events.sort();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(events, expected, "{}", scene.site.log());
}

/// [`Scene::assert_told`] where the bell hangs outside of what is watched.
async fn assert_told_without_a_bell(scene: &Scene, expected: &[&str]) {
    wait::until_async(&format!("{} mails", expected.len()), async || {
        (scene.told().len() >= expected.len()).then_some(())
    })
    .await;
    scene.delivered().await;
    let mut told = scene.told();
    told.sort();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(told, expected, "{:#?}\n{}", scene.events(), scene.site.log());
}

fn change_sets(scene: &Scene) -> usize {
    let sets: BTreeSet<_> = scene.change_events().into_iter().map(|event| event.change_set).collect();
    sets.len()
}

#[tokio::test]
async fn moves_into_an_excluded_subtree_and_out_of_it() {
    let scene = without_contractors().await;
    let daemon = scene.live().await;
    scene.ldap.move_below(MEI, CONTRACTORS).await;
    scene.ldap.replace(&format!("uid=mei,{CONTRACTORS}"), "title", &["Unseen"]).await;
    scene.ldap.replace("uid=luca,ou=contractors,ou=people", "title", &["Unseen"]).await;
    scene.ldap.move_below(&format!("uid=mei,{CONTRACTORS}"), "ou=people").await;
    scene.ldap.move_below(&format!("uid=luca,{CONTRACTORS}"), "ou=people").await;
    scene.ldap.add_person("uid=zoe,ou=people", "Zoe New", "zoe@harbour-vale.example").await;
    scene.ldap.add_person(&format!("uid=zac,{CONTRACTORS}"), "Zac New", "zac@harbour-vale.example").await;
    scene.assert_told(&[]).await;
    assert_eq!(
        scene.events(),
        [
            "scope-left Mei Chen",
            "scope-entered Mei Chen",
            "scope-entered Luca Bianchi",
            "object-created Zoe New"
        ]
    );
    daemon.stop().await;
}

#[tokio::test]
async fn moves_while_dirherald_was_down() {
    for setup in [Setup::company().aged(), Setup::company().aged().session_log(1000)] {
        let scene = Scene::of(setup).await;
        let exclude = list(&[scene.slapd.dn(CONTRACTORS)]);
        let scene = scene.with("exclude", &exclude);
        scene.live().await.stop().await;
        scene.ldap.move_below(MEI, CONTRACTORS).await;
        scene.ldap.move_below(&format!("uid=luca,{CONTRACTORS}"), "ou=people").await;
        scene.ldap.add_person("uid=zoe,ou=people", "Zoe New", "zoe@harbour-vale.example").await;
        scene.ldap.replace("uid=zoe,ou=people", "title", &["Changed at once"]).await;
        let daemon = scene.live().await;
        assert_events(
            &scene,
            &["scope-left Mei Chen", "scope-entered Luca Bianchi", "object-created Zoe New"],
        )
        .await;
        daemon.stop().await;
    }
}

#[tokio::test]
async fn moves_out_of_the_base_and_into_it() {
    let scene = below_people().await;
    let daemon = scene.live().await;
    scene.ldap.move_below(MEI, "ou=services").await;
    assert_events(&scene, &["scope-left Mei Chen"]).await;
    scene.ldap.move_below("uid=mei,ou=services", "ou=people").await;
    assert_events(&scene, &["scope-left Mei Chen", "scope-entered Mei Chen"]).await;
    daemon.stop().await;

    // Seen for the first time, and years old.
    scene.ldap.move_below(MEI, "ou=services").await;
    let scene = scene.with("schema.watched_attributes", "[\"title\"]");
    let daemon = scene.live().await;
    scene.ldap.move_below("uid=mei,ou=services", "ou=people").await;
    assert_events(&scene, &["scope-left Mei Chen", "scope-entered Mei Chen", "scope-entered Mei Chen"]).await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_container_takes_along_what_lies_below_it() {
    let scene = below_people().await;
    let daemon = scene.live().await;
    let people = ["Luca Bianchi", "Nadia Haddad"];
    let of = |change: &str| people.map(|name| format!("{change} {name}"));
    let mut events: Vec<String> = of("scope-left").into();
    scene.ldap.move_below(CONTRACTORS, "ou=services").await;
    assert_events(&scene, &events.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(change_sets(&scene), 1);
    scene.ldap.move_below("ou=contractors,ou=services", "ou=people").await;
    events.extend(of("scope-entered"));
    assert_events(&scene, &events.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(change_sets(&scene), 2);
    daemon.stop().await;

    // People who were never read come with the container in which they lie.
    scene.ldap.move_below(CONTRACTORS, "ou=services").await;
    let scene = scene.with("schema.watched_attributes", "[\"title\"]");
    let daemon = scene.live().await;
    scene.ldap.move_below("ou=contractors,ou=services", "ou=people").await;
    events.extend(of("scope-entered"));
    assert_events(&scene, &events.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(change_sets(&scene), 3);
    daemon.stop().await;
}

#[tokio::test]
async fn what_a_filter_matches_no_more_has_left_and_stays_a_member() {
    let filter = "\"(&(objectClass=inetOrgPerson)(!(title=Retired)))\"";
    let scene = aged().await.with("schema.user_filter", filter);
    let daemon = scene.live().await;
    scene.ldap.replace(MEI, "title", &["Retired"]).await;
    scene.ldap.replace(WAREHOUSE, "description", &["changed"]).await;
    scene.assert_told(&[]).await;
    scene.ldap.remove_member(WAREHOUSE, MEI).await;
    let told = [
        "ravi: owner: Mei Chen was removed from warehouse",
        "mei: removed_members: You were removed from warehouse",
    ];
    scene.assert_told(&told).await;
    scene.ldap.replace(MEI, "title", &["Back"]).await;
    scene.assert_told(&told).await;
    assert_eq!(
        scene.events(),
        ["scope-left Mei Chen", "member-removed warehouse Mei Chen", "scope-entered Mei Chen"]
    );
    daemon.stop().await;
}

#[tokio::test]
async fn another_object_class_makes_a_user_and_unmakes_it() {
    const ACCOUNT: &str = "cn=provisioning,ou=services";
    let scene = aged().await;
    let daemon = scene.live().await;
    let add = [
        Change::Add("objectClass", &["posixAccount"]),
        Change::Add("uid", &["provisioning"]),
        Change::Add("uidNumber", &["4711"]),
        Change::Add("gidNumber", &["4711"]),
        Change::Add("homeDirectory", &["/nonexistent"]),
    ];
    scene.ldap.modify(ACCOUNT, &add).await;
    let remove = [
        Change::Delete("objectClass", &["posixAccount"]),
        Change::Delete("uid", &["provisioning"]),
        Change::Delete("uidNumber", &["4711"]),
        Change::Delete("gidNumber", &["4711"]),
        Change::Delete("homeDirectory", &["/nonexistent"]),
    ];
    scene.ldap.modify(ACCOUNT, &remove).await;
    scene.assert_told(&[]).await;
    assert_eq!(scene.events(), ["scope-entered provisioning", "scope-left provisioning"]);
    daemon.stop().await;
}

#[tokio::test]
async fn m26_other_exclusions_are_silent() {
    let scene = without_contractors().await;
    scene.live().await.stop().await;
    let scene = scene.with("exclude", "[]");
    let daemon = scene.live().await;
    scene.assert_told(&[]).await;
    assert_eq!(scene.events(), Vec::<String>::new());
    scene.ldap.replace(&format!("uid=luca,{CONTRACTORS}"), "title", &["Seen"]).await;
    scene.assert_told(&[]).await;
    assert_eq!(scene.events(), ["attributes-changed Luca Bianchi"]);
    daemon.stop().await;

    let exclude = list(&[scene.slapd.dn(CONTRACTORS)]);
    let scene = scene.with("exclude", &exclude);
    let daemon = scene.live().await;
    scene.ldap.replace(&format!("uid=luca,{CONTRACTORS}"), "title", &["Unseen"]).await;
    scene.assert_told(&[]).await;
    assert_eq!(scene.events(), ["attributes-changed Luca Bianchi"]);
    daemon.stop().await;
}

#[tokio::test]
async fn an_excluded_member_is_told_and_shown_by_name_at_the_address_of_today() {
    let scene = without_contractors().await;
    let luca = format!("uid=luca,{CONTRACTORS}");
    let daemon = scene.live().await;
    scene.ldap.add_member(WAREHOUSE, &luca).await;
    let mut told = vec![
        "ravi: owner: Luca Bianchi was added to warehouse",
        "luca: added_members: You were added to warehouse",
    ];
    scene.assert_told(&told).await;
    scene.ldap.replace(&luca, "mail", &["luca.new@harbour-vale.example"]).await;
    scene.ldap.remove_member(WAREHOUSE, &luca).await;
    told.extend([
        "ravi: owner: Luca Bianchi was removed from warehouse",
        "luca.new: removed_members: You were removed from warehouse",
    ]);
    scene.assert_told(&told).await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_member_and_an_actor_outside_the_base_are_told_at_the_address_of_today() {
    let scene = aged().await;
    let groups = format!("{:?}", scene.slapd.dn("ou=groups"));
    let scene = scene.with("base_dn", &groups).with("notify.logged_in_users", "true");
    let lena = Ldap::bind_as(&scene.slapd, "uid=lena,ou=people").await;
    let daemon = scene.live().await;
    lena.add_member(WAREHOUSE, "uid=wanjiru,ou=people").await;
    let mut told: Vec<&str> = vec![
        "ravi: owner: Wanjiru Kamau was added to warehouse",
        "wanjiru: added_members: You were added to warehouse",
        "lena: logged_in_users: Wanjiru Kamau was added to warehouse",
    ];
    let subject_of_receipt = |scene: &Scene| {
        let mut receipts = scene.told().into_iter().filter(|line| line.starts_with("lena: logged_in_users"));
        receipts.next_back()
    };
    let receipt = wait::until_async("a receipt", async || subject_of_receipt(&scene)).await;
    told[2] = &receipt;
    assert_told_without_a_bell(&scene, &told).await;
    daemon.stop().await;

    scene.ldap.replace("uid=wanjiru,ou=people", "mail", &["wanjiru.new@harbour-vale.example"]).await;
    let daemon = scene.live().await;
    scene.ldap.remove_member(WAREHOUSE, "uid=wanjiru,ou=people").await;
    told.extend([
        "ravi: owner: Wanjiru Kamau was removed from warehouse",
        "wanjiru.new: removed_members: You were removed from warehouse",
    ]);
    // By the directory's own administrator, who is no entry: nobody has a receipt.
    assert_told_without_a_bell(&scene, &told).await;
    daemon.stop().await;
}

const PARTNERS: &str = "dc=partners,dc=example";

/// A second company, with one person.
fn partners() -> Slapd {
    Setup::seeded(
        PARTNERS,
        "dn: dc=partners,dc=example\nobjectClass: dcObject\nobjectClass: organization\ndc: partners\no: Partners\n\n\
         dn: ou=services,dc=partners,dc=example\nobjectClass: organizationalUnit\nou: services\n\n\
         dn: cn=dirherald,ou=services,dc=partners,dc=example\nobjectClass: applicationProcess\n\
         objectClass: simpleSecurityObject\ncn: dirherald\nuserPassword: demo-only\n\n\
         dn: uid=pavel,dc=partners,dc=example\nobjectClass: inetOrgPerson\nuid: pavel\ncn: Pavel Novak\nsn: Novak\n\
         mail: pavel@harbour-vale.example\n",
    )
    .start()
}

#[tokio::test]
async fn a_member_of_another_store_is_told_and_shown_by_name() {
    let mut scene = aged().await;
    let partners = partners();
    scene.site = scene.site.clone().and_store("partners", &partners, &scene.smtp);
    let daemon = scene.live().await;
    // Names are written out: nothing is completed below the company's base.
    let (url, admin) = (scene.slapd.url(), scene.slapd.admin_dn());
    let ldap = Ldap::bind(&url, "", &admin, Slapd::ADMIN_PASSWORD).await;
    ldap.add_member(&scene.slapd.dn(WAREHOUSE), &format!("uid=pavel,{PARTNERS}")).await;
    assert_told_without_a_bell(
        &scene,
        &[
            "ravi: owner: Pavel Novak was added to warehouse",
            "pavel: added_members: You were added to warehouse",
        ],
    )
    .await;
    daemon.stop().await;
}

#[tokio::test]
async fn w03_what_dirheralds_own_account_changes_has_no_actor() {
    let rule = format!(
        "to dn.subtree=\"{COMPANY}\" by dn.base=\"cn=dirherald,ou=services,{COMPANY}\" write by * break"
    );
    let scene = Scene::of(Setup::company().access(&rule)).await.with("notify.logged_in_users", "true");
    let address = [
        Change::Add("objectClass", &["dirheraldManaged"]),
        Change::Add("mail", &["dirherald@harbour-vale.example"]),
    ];
    scene.ldap.modify("cn=dirherald,ou=services", &address).await;
    let daemon = scene.live().await;
    let ours = Ldap::bind_as(&scene.slapd, "cn=dirherald,ou=services").await;
    ours.add_member(WAREHOUSE, "uid=wanjiru,ou=people").await;
    scene
        .assert_told(&[
            "ravi: owner: Wanjiru Kamau was added to warehouse",
            "wanjiru: added_members: You were added to warehouse",
        ])
        .await;
    let actors: Vec<_> = scene.change_events().into_iter().map(|event| event.actor).collect();
    assert_eq!(actors, [Actor::Unknown]);
    daemon.stop().await;
}

#[tokio::test]
async fn hidden_naming_contexts_are_said() {
    let scene = aged().await;
    let config = Ldap::config(&scene.slapd).await;
    let rules = ["{0}to dn.base=\"\" attrs=namingContexts by * none", "{1}to * by * read"];
    config.modify("olcDatabase={-1}frontend,cn=config", &[Change::Replace("olcAccess", &rules)]).await;
    let checked = scene.site.run(&["check"]).await;
    assert!(checked.stdout.contains("does not show its naming contexts"), "{}", checked.stdout);
    let daemon = scene.live().await;
    assert!(scene.site.log().contains("does not show its naming contexts"), "{}", scene.site.log());
    daemon.stop().await;
}
