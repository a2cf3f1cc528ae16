//! Who did it: the right one or nobody, never another.

use dirherald::change::event::{Actor, Change as Happened, ChangeEvent};

use crate::{
    cases::scene::Scene,
    support::{
        ldap::Ldap,
        mail::Letter,
        slapd::{Overlay, Setup},
    },
};

const WAREHOUSE: &str = "cn=warehouse,ou=groups";
const LENA: &str = "uid=lena,ou=people";
const IBRAHIM: &str = "uid=ibrahim,ou=people";

/// Receipts are on, and nothing else.
async fn receipts(setup: Setup) -> Scene {
    let scene = Scene::of(setup).await.with("notify.logged_in_users", "true");
    scene.with("notify.added_members", "false").with("notify.removed_members", "false")
}

/// As many changes each of the two makes as fast as the server takes them.
const EACH: usize = 100;

/// One of two who change the same group: only he or she adds members of this kind and writes this attribute.
#[derive(Debug, Clone, Copy)]
struct Writer {
    person: &'static str,
    kind: &'static str,
    attribute: &'static str,
}

const WRITERS: [Writer; 2] = [
    Writer { person: "lena", kind: "a", attribute: "displayName" },
    Writer { person: "ibrahim", kind: "b", attribute: "department" },
];

impl Writer {
    fn member(self, number: usize) -> String {
        format!("uid={}-{number},ou=people", self.kind)
    }

    /// One change in three is of the attribute.
    async fn write(self, ldap: &Ldap, number: usize) {
        if number.is_multiple_of(3) {
            ldap.replace("cn=stage,ou=groups", self.attribute, &[&format!("{} {number}", self.kind)]).await;
        } else {
            ldap.add_member("cn=stage,ou=groups", &self.member(number)).await;
        }
    }

    /// Whether this event tells of what this writer did.
    fn did(self, event: &ChangeEvent) -> bool {
        match &event.change {
            Happened::MemberAdded { member } => member.name.starts_with(&format!("{}-", self.kind)),
            Happened::AttributesChanged { attributes } => {
                attributes.iter().all(|change| change.name.as_str().eq_ignore_ascii_case(self.attribute))
            }
            Happened::MemberRemoved { .. }
            | Happened::OwnerAdded { .. }
            | Happened::OwnerRemoved { .. }
            | Happened::ManagerChanged { .. }
            | Happened::ObjectCreated
            | Happened::ObjectDeleted { .. }
            | Happened::ObjectRenamed { .. }
            | Happened::ScopeEntered
            | Happened::ScopeLeft => panic!("nobody did that: {event:?}"),
        }
    }
}

async fn build_stage(scene: &Scene) {
    for writer in WRITERS {
        for number in 0..EACH {
            let name = format!("{}-{number}", writer.kind);
            scene
                .ldap
                .add_person(&writer.member(number), &name, &format!("{name}@harbour-vale.example"))
                .await;
        }
    }
    scene
        .ldap
        .add(
            "cn=stage,ou=groups",
            &[
                ("objectClass", &["groupOfNames", "dirheraldManaged"]),
                ("cn", &["stage"]),
                ("member", &["uid=mei,ou=people"]),
            ],
        )
        .await;
}

/// Of the receipts that came, each names its reader's own work only; of the events, each its author or nobody.
fn assert_authors(scene: &Scene, events: &[ChangeEvent]) {
    for event in events {
        let Actor::Known(actor) = &event.actor else { continue };
        let author = WRITERS.into_iter().find(|writer| writer.did(event)).expect("one of the two did it");
        let named = format!("uid={},", author.person);
        assert!(actor.dn.as_str().starts_with(&named), "{}: {event:?}", author.person);
    }
    for writer in WRITERS {
        let receipts = scene.letters_to(writer.person);
        assert!(!receipts.is_empty(), "{} gets receipts", writer.person);
        for receipt in receipts {
            assert!(receipt.reasons.contains("logged_in_users"), "{receipt:?}");
            for event in events_of(&receipt, events) {
                assert!(writer.did(event), "a receipt to {} of {event:?}", writer.person);
            }
        }
    }
}

fn events_of<'a>(letter: &Letter, events: &'a [ChangeEvent]) -> Vec<&'a ChangeEvent> {
    let of_letter = |event: &&ChangeEvent| letter.events.contains(&event.id.to_string());
    events.iter().filter(of_letter).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn w01_two_concurrent_writers_get_receipts_of_their_own_work_only() {
    let scene = receipts(Setup::company()).await;
    // Receipts of one reader are gathered: nobody is to get more than one's share of mail in an hour.
    let scene = scene
        .with("notify.owner", "false")
        .with("notify.digest_window", "\"300ms\"")
        .with("schema.watched_attributes", "[\"displayName\", \"department\"]")
        .with("recipients.to", "[\"ringer@bell.example\"]");
    build_stage(&scene).await;
    let daemon = scene.live().await;
    let (lena, ibrahim) =
        (Ldap::bind_as(&scene.slapd, LENA).await, Ldap::bind_as(&scene.slapd, IBRAHIM).await);
    // Of what each does alone the author is certain.
    WRITERS[0].write(&lena, 0).await;
    scene.settle().await;
    WRITERS[1].write(&ibrahim, 0).await;
    scene.settle().await;
    for writer in WRITERS {
        assert_eq!(scene.letters_to(writer.person).len(), 1, "{:#?}", scene.told());
    }
    let hammer = async |writer: Writer, ldap: &Ldap| {
        for number in 1..EACH {
            writer.write(ldap, number).await;
        }
    };
    tokio::join!(hammer(WRITERS[0], &lena), hammer(WRITERS[1], &ibrahim));
    scene.settle().await;
    let events: Vec<ChangeEvent> = scene
        .change_events()
        .into_iter()
        .filter(|event| event.entry.dn.as_str().starts_with("cn=stage"))
        .collect();
    let added = events.iter().filter(|event| event.change.name() == "member-added").count();
    // What two changes of an attribute made of each other in between nobody saw, but of the members all came.
    assert_eq!(added, 2 * (1..EACH).filter(|number| !number.is_multiple_of(3)).count());
    let known = events.iter().filter(|event| event.actor != Actor::Unknown).count();
    assert!(known > events.len() / 4, "most are known: {known} of {}", events.len());
    assert_authors(&scene, &events);
    daemon.stop().await;
}

#[tokio::test]
async fn w01_what_happened_while_dirherald_was_down_has_no_known_actor() {
    let scene = receipts(Setup::company()).await;
    scene.live().await.stop().await;
    let lena = Ldap::bind_as(&scene.slapd, LENA).await;
    lena.add_member(WAREHOUSE, "uid=wanjiru,ou=people").await;
    let daemon = scene.live().await;
    let mut told = vec!["ravi: owner"];
    scene.assert_reasons(&told).await;
    assert!(scene.change_events().iter().all(|event| event.actor == Actor::Unknown));
    // From now on it is known again.
    lena.remove_member(WAREHOUSE, "uid=wanjiru,ou=people").await;
    told.extend(["ravi: owner", "lena: logged_in_users"]);
    scene.assert_reasons(&told).await;
    daemon.stop().await;
}

#[tokio::test]
async fn w01_who_created_renamed_and_changed_is_known_and_who_deleted_is_not() {
    let scene = receipts(Setup::company().with(Overlay::Refint)).await;
    let daemon = scene.live().await;
    let (lena, kenji) =
        (Ldap::bind_as(&scene.slapd, LENA).await, Ldap::bind_as(&scene.slapd, "uid=kenji,ou=people").await);
    lena.add_group("cn=new,ou=groups", &[], &["uid=mei,ou=people"]).await;
    kenji.rename("cn=new,ou=groups", "cn=newer").await;
    // refint writes its own name into the groups of whom kenji renames; of that nobody hears.
    kenji.rename("uid=mei,ou=people", "uid=mei-lin").await;
    lena.replace("cn=newer,ou=groups", "member", &["uid=oscar,ou=people"]).await;
    lena.delete("cn=newer,ou=groups").await;
    let did = [
        "lena: logged_in_users",
        "kenji: logged_in_users",
        "kenji: logged_in_users",
        "lena: logged_in_users",
    ];
    scene.assert_reasons(&did).await;
    let actors: Vec<String> = scene.change_events().iter().map(event_and_actor).collect();
    assert_eq!(
        actors,
        [
            "object-created new: Lena Hartmann",
            "member-added new: Lena Hartmann",
            "object-renamed newer: Kenji Watanabe",
            "object-renamed Mei Chen: Kenji Watanabe",
            "member-removed newer: Lena Hartmann",
            "member-added newer: Lena Hartmann",
            "object-deleted newer: nobody",
        ]
    );
    daemon.stop().await;
}

fn event_and_actor(event: &ChangeEvent) -> String {
    let actor = match &event.actor {
        Actor::Known(actor) => &actor.name,
        Actor::Unknown => "nobody",
    };
    format!("{} {}: {actor}", event.change.name(), event.entry.name)
}

#[tokio::test]
async fn w03_what_dirheralds_own_account_writes_brings_it_no_receipt_and_no_loop() {
    // Somebody with an address, under another spelling of the same name.
    let scene = receipts(Setup::company()).await.with("notify.object_modified", "true");
    let spelled = format!("\"UID=Lena , ou=People,{}\"", scene.slapd.base());
    let scene = scene.with("bind.dn", &spelled);
    let daemon = scene.live().await;
    let lena = Ldap::bind_as(&scene.slapd, LENA).await;
    lena.replace(WAREHOUSE, "owner", &["uid=ravi,ou=people", "uid=oscar,ou=people"]).await;
    lena.replace(LENA, "title", &["Herald"]).await;
    let mut told =
        vec!["mei: object_modified", "oscar: object_modified, owner", "ravi: owner", "lena: object_modified"];
    scene.assert_reasons(&told).await;
    assert!(scene.change_events().iter().all(|event| event.actor == Actor::Unknown));
    // A second look finds nothing new: no mail makes another.
    scene.assert_reasons(&told).await;
    scene.assert_no_duplicates();
    // Whoever else writes is known.
    Ldap::bind_as(&scene.slapd, IBRAHIM).await.replace(LENA, "title", &["Clerk"]).await;
    told.extend(["lena: object_modified", "ibrahim: logged_in_users"]);
    scene.assert_reasons(&told).await;
    daemon.stop().await;
}
