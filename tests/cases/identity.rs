//! Who is who: entries keep their identity through renames, and lose it when they are deleted.

use dirherald::change::event::ChangeEvent;

use crate::{
    cases::scene::{Scene, WANJIRU_JOINED},
    support::{
        ldap::{Change, Ldap},
        slapd::{NOBODY, Overlay, Setup},
        wait,
    },
};

const MEI: &str = "uid=mei,ou=people";

async fn recreate_mei(ldap: &Ldap) {
    ldap.delete(MEI).await;
    ldap.add_person(MEI, "Mei Chen", "mei@harbour-vale.example").await;
}

/// The old entry is gone before the new one comes, and they are two.
fn assert_recreated(scene: &Scene) {
    let events = scene.change_events();
    let of_mei = |name: &str| -> Vec<ChangeEvent> {
        let named = |event: &&ChangeEvent| event.entry.name == "Mei Chen" && event.change.name() == name;
        events.iter().filter(named).cloned().collect()
    };
    let (deleted, created) = (of_mei("object-deleted"), of_mei("object-created"));
    let ([deleted], [created]) = (&deleted[..], &created[..]) else { panic!("{:#?}", scene.events()) };
    assert!(deleted.id < created.id, "{:#?}", scene.events());
    assert!(deleted.entry.id.is_some() && deleted.entry.id != created.entry.id);
}

const MEI_WENT: &str = "ravi: owner: Mei Chen was deleted and is no longer in warehouse";

#[tokio::test]
async fn l08_deleted_and_recreated_under_the_same_name_while_live() {
    let scene = Scene::of(Setup::company().with(Overlay::Refint)).await;
    let daemon = scene.live().await;
    recreate_mei(&scene.ldap).await;
    scene.assert_told(&[MEI_WENT]).await;
    assert_recreated(&scene);
    // The new one is nobody's member until somebody makes it one.
    scene.ldap.add_member("cn=warehouse,ou=groups", MEI).await;
    scene
        .assert_told(&[
            MEI_WENT,
            "ravi: owner: Mei Chen was added to warehouse",
            "mei: added_members: You were added to warehouse",
        ])
        .await;
    daemon.stop().await;
}

#[tokio::test]
async fn l08_a_value_that_refint_did_not_clean_makes_the_new_one_a_member() {
    let scene = Scene::company().await;
    let daemon = scene.live().await;
    recreate_mei(&scene.ldap).await;
    scene.assert_told(&[MEI_WENT]).await;
    assert_recreated(&scene);
    // The server shows the group again, with the value that means the new one now.
    scene.ldap.replace("cn=warehouse,ou=groups", "description", &["changed"]).await;
    scene
        .assert_told(&[
            MEI_WENT,
            "ravi: owner: Mei Chen was added to warehouse",
            "mei: added_members: You were added to warehouse",
        ])
        .await;
    daemon.stop().await;
}

#[tokio::test]
async fn l08_deleted_and_recreated_under_the_same_name_while_away() {
    for setup in [Setup::company(), Setup::company().session_log(100)] {
        let scene = Scene::of(setup.with(Overlay::Refint)).await;
        scene.live().await.stop().await;
        recreate_mei(&scene.ldap).await;
        let daemon = scene.live().await;
        scene.assert_told(&[MEI_WENT]).await;
        assert_recreated(&scene);
        daemon.stop().await;
    }
}

#[tokio::test]
async fn l09_the_last_member_goes_and_the_group_is_replaced() {
    const SINGLE: &str = "cn=single,ou=groups";
    let scene = Scene::of(Setup::company().with(Overlay::Refint)).await;
    scene.ldap.add_group(SINGLE, &["uid=ravi,ou=people"], &[MEI]).await;
    let daemon = scene.live().await;

    // refint puts the dummy member in the place of the last. Both groups are Ravi's: one change set, one mail.
    scene.ldap.delete(MEI).await;
    let mut told = vec!["ravi: owner: 2 changes in 2 groups"];
    scene.assert_told(&told).await;
    let mail = scene.letters_to("ravi").remove(0);
    for group in ["single", "warehouse"] {
        assert!(
            mail.text.contains(&format!("Mei Chen was deleted and is no longer in {group}")),
            "{}",
            mail.text
        );
    }

    scene.ldap.replace(SINGLE, "member", &["uid=wanjiru,ou=people"]).await;
    told.extend([
        "ravi: owner: Wanjiru Kamau was added to single",
        "wanjiru: added_members: You were added to single",
    ]);
    scene.assert_told(&told).await;

    scene.ldap.delete(SINGLE).await;
    scene.ldap.add_group(SINGLE, &["uid=amara,ou=people"], &["uid=oscar,ou=people"]).await;
    told.extend([
        "ravi: owner: The group single was deleted",
        "wanjiru: removed_members: The group single, to which you belonged, was deleted",
        "amara: owner: 2 changes to single",
        "oscar: added_members: You were added to single",
    ]);
    scene.assert_told(&told).await;
    daemon.stop().await;
}

#[tokio::test]
async fn l10_the_dummy_member_is_never_mailed_or_shown() {
    const PROJECT: &str = "cn=harbour-project,ou=groups";
    let copies = "[\"archive@harbour-vale.example\"]";
    let scene = Scene::company().await.with("recipients.to", copies);
    embody_nobody(&scene).await;
    let daemon = scene.live().await;
    scene
        .ldap
        .modify(
            PROJECT,
            &[Change::Add("member", &["uid=aroha,ou=people"]), Change::Delete("member", &[NOBODY])],
        )
        .await;
    scene.ldap.replace(PROJECT, "member", &[NOBODY]).await;
    scene.ldap.add_group("cn=empty,ou=groups", &["uid=wanjiru,ou=people"], &[NOBODY]).await;
    scene.ldap.delete("cn=empty,ou=groups").await;
    scene.settle().await;
    let mut told: Vec<String> =
        scene.told().into_iter().filter(|line| !line.starts_with("archive")).collect();
    told.sort();
    assert_eq!(
        told,
        [
            "aroha: added_members: You were added to harbour-project",
            "aroha: removed_members: You were removed from harbour-project",
            "wanjiru: owner: Aroha Ngata was added to harbour-project",
            "wanjiru: owner: Aroha Ngata was removed from harbour-project",
            "wanjiru: owner: The group empty was created",
            "wanjiru: owner: The group empty was deleted",
        ]
    );
    assert_nobody_is_unseen(&scene);
    daemon.stop().await;
}

/// The dummy member as an entry with an address, which happens; it changes nothing.
async fn embody_nobody(scene: &Scene) {
    let attributes: [(&str, &[&str]); 3] = [
        ("objectClass", &["dirheraldManaged", "applicationProcess"]),
        ("cn", &["nobody"]),
        ("mail", &["nobody@harbour-vale.example"]),
    ];
    scene.ldap.add(NOBODY, &attributes).await;
}

fn assert_nobody_is_unseen(scene: &Scene) {
    for letter in scene.letters() {
        assert!(!letter.text.contains(NOBODY) && !letter.html.contains(NOBODY), "{}", letter.text);
        assert!(!letter.subject.contains("nobody"), "{letter:?}");
        assert!(!letter.to.iter().any(|to| to.contains("nobody")), "{letter:?}");
    }
}

#[tokio::test]
async fn l10_the_dummy_member_is_not_told_with_all_members() {
    const PROJECT: &str = "cn=harbour-project,ou=groups";
    const SALES: &str = "cn=sales,ou=groups";
    let scene = Scene::company().await.with("notify.object_modified", "true");
    embody_nobody(&scene).await;
    let daemon = scene.live().await;
    // Alone in its group.
    scene.ldap.rename(PROJECT, "cn=quay-project").await;
    let mut told = vec!["wanjiru: owner"];
    scene.assert_reasons(&told).await;
    // It makes room for the first, and takes the place of the last.
    let project = "cn=quay-project,ou=groups";
    let changes = [Change::Add("member", &["uid=aroha,ou=people"]), Change::Delete("member", &[NOBODY])];
    scene.ldap.modify(project, &changes).await;
    told.extend(["wanjiru: owner", "aroha: added_members, object_modified"]);
    scene.assert_reasons(&told).await;
    scene.ldap.replace(project, "member", &[NOBODY]).await;
    told.extend(["wanjiru: owner", "aroha: removed_members"]);
    scene.assert_reasons(&told).await;
    // Beside others: that it comes is no event.
    scene.ldap.add_member(SALES, NOBODY).await;
    scene.assert_reasons(&told).await;
    scene.ldap.replace(SALES, "displayName", &["Sales and more"]).await;
    told.extend(["sofia: object_modified, owner", "aroha: object_modified", "dmitri: object_modified"]);
    scene.assert_reasons(&told).await;
    // Among the last members.
    scene.ldap.delete(SALES).await;
    told.extend([
        "sofia: object_modified, owner, removed_members",
        "aroha: object_modified, removed_members",
        "dmitri: object_modified, removed_members",
    ]);
    scene.assert_reasons(&told).await;
    assert_nobody_is_unseen(&scene);
    daemon.stop().await;
}

/// Mei is renamed; later the warehouse changes, then her value is taken out, by the name under which the server
/// has it.
async fn check_modrdn(setup: Setup, her_name_in_the_group: &str) {
    let scene = Scene::of(setup).await;
    let daemon = scene.live().await;
    scene.ldap.rename(MEI, "uid=mei-lin").await;
    scene.assert_told(&[]).await;
    let mut told = WANJIRU_JOINED.to_vec();
    scene.wanjiru_joins().await;
    scene.assert_told(&told).await;
    daemon.stop().await;

    // A whole image after a restart is no other.
    scene.ldap.move_below("uid=mei-lin,ou=people", "ou=contractors,ou=people").await;
    scene.ldap.replace("cn=warehouse,ou=groups", "description", &["changed"]).await;
    let daemon = scene.live().await;
    scene.assert_told(&told).await;

    scene.ldap.remove_member("cn=warehouse,ou=groups", her_name_in_the_group).await;
    told.extend([
        "ravi: owner: Mei Chen was removed from warehouse",
        "mei: removed_members: You were removed from warehouse",
    ]);
    scene.assert_told(&told).await;
    daemon.stop().await;
}

#[tokio::test]
async fn l11_modrdn_of_a_member_without_refint() {
    check_modrdn(Setup::company(), MEI).await;
}

#[tokio::test]
async fn l11_modrdn_of_a_member_with_refint() {
    check_modrdn(Setup::company().with(Overlay::Refint), "uid=mei-lin,ou=contractors,ou=people").await;
}

#[tokio::test]
async fn l17_member_uniquemember_with_and_without_uid_and_memberuid() {
    let scene = Scene::company().await;
    let daemon = scene.live().await;
    let sofia = scene.slapd.dn("uid=sofia,ou=people");
    let numbered = format!("{sofia}#'1010'B");
    scene.ldap.modify("cn=board,ou=groups", &[Change::Add("uniqueMember", &[&numbered])]).await;
    let mut told = vec![
        "maren: owner: Sofía Herrera was added to board",
        "sofia: added_members: You were added to board",
    ];
    scene.assert_told(&told).await;
    // The same person in another spelling.
    scene.ldap.modify("cn=board,ou=groups", &[Change::Add("uniqueMember", &[&sofia])]).await;
    scene.ldap.modify("cn=board,ou=groups", &[Change::Delete("uniqueMember", &[&numbered])]).await;
    scene.assert_told(&told).await;
    scene.ldap.modify("cn=board,ou=groups", &[Change::Delete("uniqueMember", &[&sofia])]).await;
    told.extend([
        "maren: owner: Sofía Herrera was removed from board",
        "sofia: removed_members: You were removed from board",
    ]);
    scene.assert_told(&told).await;

    let unix = "cn=unix-admins,ou=groups";
    scene
        .ldap
        .modify(unix, &[Change::Add("memberUid", &["ibrahim"]), Change::Delete("memberUid", &["lena"])])
        .await;
    told.extend([
        "priya: owner: 2 changes to unix-admins",
        "ibrahim: added_members: You were added to unix-admins",
        "lena: removed_members: You were removed from unix-admins",
    ]);
    scene.assert_told(&told).await;

    scene.ldap.add_member("cn=crane-log,ou=groups", MEI).await;
    told.extend([
        "amara: owner: Mei Chen was added to crane-log",
        "ravi: owner: Mei Chen was added to crane-log",
        "mei: added_members: You were added to crane-log",
    ]);
    scene.assert_told(&told).await;
    daemon.stop().await;
}

#[tokio::test]
async fn l17_all_members_are_told_however_the_group_names_them() {
    let scene = Scene::company().await.with("notify.object_modified", "true");
    embody_nobody(&scene).await;
    let dn = |uid: &str| scene.slapd.dn(&format!("uid={uid},ou=people"));
    let (mei, numbered, spelled) = (
        dn("mei"),
        format!("{}#'0101'B", dn("mei")),
        format!("UID=Oscar , OU=People,{}", scene.slapd.base()),
    );
    let (nobody, numbered_nobody) = (scene.slapd.dn(NOBODY), format!("{}#'1'B", scene.slapd.dn(NOBODY)));
    let groups: [(&str, &str, &str, &[&str]); 4] = [
        ("names", "groupOfNames", "member", &[&mei, &spelled, &nobody]),
        ("members", "groupOfMembers", "member", &[&mei, &spelled, &nobody]),
        ("unique", "groupOfUniqueNames", "uniqueMember", &[&numbered, &spelled, &nobody, &numbered_nobody]),
        ("unix", "posixGroup", "memberUid", &["mei", "oscar", "nobody-by-that-name"]),
    ];
    for (name, class, attribute, members) in groups {
        let classes = [class, "dirheraldManaged"];
        let mut attributes: Vec<(&str, &[&str])> = vec![
            ("objectClass", &classes),
            ("cn", std::slice::from_ref(&name)),
            ("owner", &["uid=ravi,ou=people"]),
            (attribute, members),
        ];
        if class == "posixGroup" {
            attributes.push(("gidNumber", &["4711"]));
        }
        scene.ldap.add(&format!("cn={name},ou=groups"), &attributes).await;
    }
    let daemon = scene.live().await;
    let mut told = Vec::new();
    for (name, ..) in groups {
        let group = format!("cn={name},ou=groups");
        scene.ldap.replace(&group, "displayName", &["Changed"]).await;
        told.extend(["ravi: owner", "mei: object_modified", "oscar: object_modified"]);
        scene.assert_reasons(&told).await;
        scene.ldap.delete(&group).await;
        told.extend([
            "ravi: owner",
            "mei: object_modified, removed_members",
            "oscar: object_modified, removed_members",
        ]);
        scene.assert_reasons(&told).await;
    }
    assert_nobody_is_unseen(&scene);
    daemon.stop().await;
}

/// First parts as the entry has them, and how somebody may write the same (RFC 4514, RFC 4517 section 4.2.15).
const SPELLINGS: [(&str, &str, &str); 11] = [
    ("comma", r"cn=Smith\, Jane", r"CN=smith\2C JANE"),
    ("hex", r"cn=Jones\2C Jim", r"cn=Jones\, Jim"),
    ("plus", r"cn=one\+two", r"cn=one\2Btwo"),
    ("several", "cn=Kim+uid=kim", "UID=KIM + CN=kim"),
    ("spaces", "cn=Two  Words", "cn=two words"),
    ("lead", r"cn=\20Lead", r"cn=\ lead"),
    ("tail", r"cn=Tail\20", r"cn=tail\ "),
    ("hash", r"cn=\#7", r"cn=\237"),
    ("quote", r#"cn=say \"hi\""#, r"cn=Say \22Hi\22"),
    ("utf8", "cn=Zoë Ångström", r"cn=zo\C3\AB \C3\85NGSTRÖM"),
    ("composed", "cn=Renée", "cn=Rene\u{301}e"),
];

#[tokio::test]
async fn l19_a_member_is_the_same_in_every_spelling_of_its_name() {
    let scene = Scene::company().await;
    for (name, rdn, _) in SPELLINGS {
        let mail = format!("{name}@harbour-vale.example");
        let attributes: [(&str, &[&str]); 4] = [
            ("objectClass", &["inetOrgPerson"]),
            ("sn", &["x"]),
            ("displayName", &[name]),
            ("mail", &[&mail]),
        ];
        scene.ldap.add(&format!("{rdn},ou=people"), &attributes).await;
    }
    let daemon = scene.live().await;
    let mut told = Vec::new();
    for (name, _, other) in SPELLINGS {
        let value = format!("{other} , OU=People,{}", scene.slapd.base());
        scene.ldap.add_member("cn=warehouse,ou=groups", &value).await;
        told.push(format!("ravi: owner: {name} was added to warehouse"));
        told.push(format!("{name}: added_members: You were added to warehouse"));
    }
    let lines: Vec<&str> = told.iter().map(String::as_str).collect();
    scene.assert_told(&lines).await;
    // The whole group in the first spelling is the same group.
    let members = scene.ldap.values("cn=warehouse,ou=groups", "member").await.expect("the group is there");
    let (rest, _) = members.split_at(members.len() - SPELLINGS.len());
    let first = SPELLINGS.map(|(_, rdn, _)| scene.slapd.dn(&format!("{rdn},ou=people")));
    let all: Vec<&str> = rest.iter().chain(&first).map(String::as_str).collect();
    scene.ldap.replace("cn=warehouse,ou=groups", "member", &all).await;
    scene.assert_told(&lines).await;
    for (name, rdn, _) in SPELLINGS {
        scene.ldap.remove_member("cn=warehouse,ou=groups", &format!("{rdn},ou=people")).await;
        told.push(format!("ravi: owner: {name} was removed from warehouse"));
        told.push(format!("{name}: removed_members: You were removed from warehouse"));
    }
    let lines: Vec<&str> = told.iter().map(String::as_str).collect();
    scene.assert_told(&lines).await;
    daemon.stop().await;
}

#[tokio::test]
async fn l19_the_base_in_another_spelling() {
    let scene = Scene::company().await.with("base_dn", "\"DC=Harbour-Vale , dc=EXAMPLE\"");
    let daemon = scene.live().await;
    scene.wanjiru_joins().await;
    scene.assert_told(&WANJIRU_JOINED).await;
    daemon.stop().await;
}

/// Of the people below `ou=people`, which is all that is watched, one leaves for another tree and one is deleted.
async fn one_leaves_and_one_is_deleted(ldap: &Ldap) {
    ldap.move_below("uid=mei,ou=people", "ou=services").await;
    ldap.delete("uid=ravi,ou=people").await;
}

/// Rule 7 of the mirror: who left the watched tree is not told as deleted.
async fn assert_told_apart(scene: &Scene) {
    let deleted = || -> Vec<String> {
        let events = scene.change_events();
        let names = events.into_iter().filter(|event| event.change.name() == "object-deleted");
        names.map(|event| event.entry.name).collect()
    };
    wait::until_async("the deletion", async || (!deleted().is_empty()).then_some(())).await;
    assert_eq!(deleted(), ["Ravi Pillai"]);
}

#[tokio::test]
async fn an_entry_that_moves_out_of_the_watched_tree_is_not_told_as_deleted() {
    let scene = Scene::company().await;
    let people = format!("\"{}\"", scene.slapd.dn("ou=people"));
    let scene = scene.with("base_dn", &people);
    let daemon = scene.live().await;
    one_leaves_and_one_is_deleted(&scene.ldap).await;
    assert_told_apart(&scene).await;
    // Back again, it is watched as before.
    scene.ldap.move_below("uid=mei,ou=services", "ou=people").await;
    scene.ldap.delete(MEI).await;
    wait::until_async("the deletion of who came back", async || {
        let events = scene.change_events();
        events
            .iter()
            .any(|event| event.change.name() == "object-deleted" && event.entry.name == "Mei Chen")
            .then_some(())
    })
    .await;
    daemon.stop().await;
}

#[tokio::test]
async fn an_entry_that_leaves_and_is_back_at_once_is_not_told_as_deleted() {
    let scene = Scene::company().await;
    let people = format!("\"{}\"", scene.slapd.dn("ou=people"));
    let scene = scene.with("base_dn", &people);
    let daemon = scene.live().await;
    // Stopped for as long as it takes, so that it reads of the way out when the way back is done.
    daemon.signal("STOP");
    scene.ldap.move_below(MEI, "ou=services").await;
    scene.ldap.move_below("uid=mei,ou=services", "ou=people").await;
    scene.ldap.delete("uid=ravi,ou=people").await;
    daemon.signal("CONT");
    assert_told_apart(&scene).await;
    daemon.stop().await;
}

#[tokio::test]
async fn an_entry_that_moved_out_while_dirherald_was_down_is_not_told_as_deleted() {
    for setup in [Setup::company(), Setup::company().session_log(1000)] {
        let scene = Scene::of(setup).await;
        let people = format!("\"{}\"", scene.slapd.dn("ou=people"));
        let mut scene = scene.with("base_dn", &people);
        scene.live().await.stop().await;
        one_leaves_and_one_is_deleted(&scene.ldap).await;
        // Without a session log a restarted server shows who is present, not who is gone.
        scene.slapd.restart();
        scene.bind_again().await;
        let daemon = scene.live().await;
        assert_told_apart(&scene).await;
        daemon.stop().await;
    }
}
