//! Who is not watched and told all the same.

use super::*;
use crate::{
    change::event::Actor,
    directory::{entry::EntryKind, mirror::People},
};

fn outsider(id: char, uid: &str) -> Entry {
    let mut entry = person(id, uid);
    entry.dn = format!("uid={uid},dc=other,dc=example");
    entry
}

fn ops_with(outsiders: &[&Entry]) -> Entry {
    outsiders.iter().fold(ops(&["ada", "ben"]), |group, entry| group.with("member", &entry.dn))
}

impl World {
    fn show(&mut self, entry: Entry) {
        self.outside.insert(entry.dn.clone(), entry);
    }

    /// Where somebody could be written to now.
    async fn address(&self, id: char) -> Option<String> {
        let context = Arc::clone(&self.context);
        self.db
            .worker
            .call(Priority::Rest, move |connection| {
                let mirror = StoreMirror { connection, store: context.no, schema: &context.schema };
                mirror.profile(id_of(id))
            })
            .await
            .unwrap()
            .and_then(|profile| profile.mail.first().cloned())
    }
}

#[tokio::test]
async fn an_address_outside_that_changed_is_seen_when_the_group_changes_again() {
    let mut world = World::new(company()).await;
    let eve = outsider('e', "eve");
    world.show(eve.clone());
    world.live(vec![Is(ops_with(&[&eve]))]).await;
    assert_eq!(world.told().await, ["1 member-added ops eve"]);
    assert_eq!(world.address('e').await.unwrap(), "eve@acme.example");

    world.show(eve.clone().without("mail").with("mail", "eve@new.example"));
    world.asked();
    world.live(vec![Is(ops_with(&[&eve]).with_all("member", &["cem"]))]).await;
    assert!(world.asked().is_empty(), "the answer is fresh");
    world.later = 6;
    world.live(vec![Is(ops_with(&[&eve]))]).await;
    assert_eq!(world.asked(), [eve.dn.as_str()]);
    assert_eq!(world.told().await, ["1 member-added ops cem", "2 member-removed ops cem"]);
    assert_eq!(world.address('e').await.unwrap(), "eve@new.example");
}

#[tokio::test]
async fn owners_outside_are_looked_up_again_before_they_are_told() {
    let mut world = World::new(company()).await;
    let eve = outsider('e', "eve");
    world.show(eve.clone());
    let owned = |title: &str| group('o', "ops", &["ada", "ben"]).with("owner", &eve.dn).with("title", title);
    world.live(vec![Is(owned("one"))]).await;
    world.show(eve.clone().without("mail").with("mail", "eve@new.example"));
    world.later = 6;
    world.live(vec![Is(owned("two"))]).await;
    assert_eq!(world.address('e').await.unwrap(), "eve@new.example");
}

#[tokio::test]
async fn another_person_under_the_same_name_is_another_member() {
    let mut world = World::new(company()).await;
    let eve = outsider('e', "eve");
    world.show(eve.clone());
    world.live(vec![Is(ops_with(&[&eve]))]).await;
    world.live(vec![Is(ops(&["ada", "ben"]))]).await;
    world.told().await;
    let mut other = outsider('f', "eve").without("cn").with("cn", "eva");
    other.dn.clone_from(&eve.dn);
    world.show(other);
    world.later = 6;
    world.live(vec![Is(ops_with(&[&eve]))]).await;
    assert_eq!(world.told().await, ["1 member-added ops eva"]);
    let events = world.db.all_events().await;
    let who = events.last().unwrap().change.subject().unwrap().id;
    assert_eq!(who, Some(id_of('f')));
}

#[tokio::test]
async fn who_is_no_longer_there_keeps_the_name_and_loses_the_address() {
    let mut world = World::new(company()).await;
    let eve = outsider('e', "eve");
    world.show(eve.clone());
    world.live(vec![Is(ops_with(&[&eve]))]).await;
    world.told().await;
    world.outside.clear();
    world.later = 6;
    world.live(vec![Is(ops(&["ada", "ben"]))]).await;
    assert_eq!(world.told().await, ["1 member-removed ops eve"]);
    assert_eq!(world.address('e').await, None);
}

#[tokio::test]
async fn a_member_outside_since_the_baseline_is_looked_up_when_it_goes() {
    let eve = outsider('e', "eve");
    let outside = Outside::from([(eve.dn.clone(), eve.clone())]);
    let mut before = company();
    before.retain(|entry| entry.id != 'o');
    before.push(ops_with(&[&eve]));
    let mut world = World::excluding(&[], outside, before.clone()).await;
    world.live(vec![Is(ops(&["ada", "ben"]))]).await;
    assert_eq!(world.told().await, ["1 member-removed ops eve"]);

    let outside = Outside::from([(eve.dn.clone(), eve)]);
    let mut world = World::excluding(&[], outside, before).await;
    world.live(vec![Gone('o')]).await;
    let events = world.db.all_events().await;
    let crate::change::event::Change::ObjectDeleted { last_members, .. } = &events[0].change else {
        panic!("{events:?}")
    };
    let names: Vec<_> = last_members.iter().filter(|who| who.id.is_some()).map(|who| &who.name).collect();
    assert!(names.iter().any(|name| *name == "eve") && names.len() == 3, "{names:?}");
}

/// An image by `actor`.
async fn by(world: &mut World, actor: &str, entry: Entry) {
    world.clock += 1;
    let origin = Origin { time: None, actor: Some(Dn::parse(actor).unwrap()) };
    let image = Image { origin, ..image(&entry, Some(world.stamp())) };
    let schema = Arc::clone(&world.context.schema);
    world.take(Phase::Live, vec![Observation::new(Reading::Image(image), &schema)]).await;
}

#[tokio::test]
async fn an_actor_outside_is_looked_up_and_a_name_that_is_no_entry_once() {
    let mut world = World::new(company()).await;
    let boss = outsider('z', "boss");
    world.show(boss.clone());
    by(&mut world, &boss.dn, ops(&["ada"])).await;
    assert_eq!(world.address('z').await.unwrap(), "boss@acme.example");
    let actor = world.db.all_events().await.pop().unwrap().actor;
    let Actor::Known(actor) = actor else { panic!("{actor:?}") };
    assert_eq!(
        (actor.id, actor.name.as_str(), actor.kind),
        (Some(id_of('z')), "boss", Some(EntryKind::User))
    );

    world.asked();
    for (minutes, members) in [(0, &["ada", "ben"][..]), (60, &["ada"]), (600, &["ben"])] {
        world.later = minutes;
        by(&mut world, "cn=admin,dc=acme,dc=example", ops(members)).await;
    }
    assert_eq!(world.asked(), ["cn=admin"], "asked once");
    let actor = world.db.all_events().await.pop().unwrap().actor;
    let Actor::Known(actor) = actor else { panic!("{actor:?}") };
    assert_eq!((actor.id, actor.name.as_str()), (None, "admin"));
}

#[tokio::test]
async fn an_owner_of_no_kind_is_looked_up_and_has_an_address() {
    let desk = || {
        let mut desk = container('d', "cn=desk").with("mail", "desk@acme.example").with("cn", "Service desk");
        desk.attributes[0].1 = "organizationalRole".into();
        desk
    };
    let mut before = company();
    before.push(desk());
    let mut world = World::new(before).await;
    world.show(desk());
    let owned = ops(&["ada"]).with("owner", &desk().dn);
    world.live(vec![Is(owned)]).await;
    assert_eq!(
        world.told().await,
        ["1 owner-added ops Service desk", "1 member-removed ops ben"].into_iter().rev().collect::<Vec<_>>()
    );
    assert_eq!(world.address('d').await.unwrap(), "desk@acme.example");
    // Its own images have nothing of it, and take nothing away.
    world.live(vec![Is(desk().with("description", "changed"))]).await;
    assert_eq!(world.told().await, Vec::<String>::new());
    assert_eq!(world.address('d').await.unwrap(), "desk@acme.example");
}

#[tokio::test]
async fn a_name_of_another_store_is_taken_from_there() {
    let mut world = World::new(company()).await;
    let facts =
        world.db.begin_store("other".parse().unwrap(), "all".into(), Timestamp::UNIX_EPOCH).await.unwrap();
    let schema = Arc::clone(&world.context.schema);
    let base = Dn::parse("dc=other,dc=example").unwrap();
    let ours = Arc::clone(&world.context);
    world.context = Arc::new(StoreContext::new(facts.no, base, schema, 10));
    let eve = outsider('e', "eve");
    world.batch(Phase::RefreshBegins, vec![]).await;
    world.batch(Phase::Refresh, vec![Is(eve.clone())]).await;
    world.batch(Phase::RefreshEnds, vec![Nothing("")]).await;

    world.context = ours;
    world.live(vec![Is(ops_with(&[&eve]))]).await;
    assert_eq!(world.told().await, ["1 member-added ops eve"]);
    assert_eq!(world.address('e').await.unwrap(), "eve@acme.example");
    // What lies below our own base is ours to know.
    world.live(vec![Is(ops_with(&[&eve]).with_all("member", &["nobody"]))]).await;
    assert_eq!(world.told().await, ["1 member-added ops nobody?"]);
}
