//! Who comes into what is watched, and who goes out of it.

use super::*;

/// An entry with its name outside the base.
fn elsewhere(mut entry: Entry) -> Entry {
    entry.dn = entry.dn.replace(BASE, "dc=elsewhere,dc=example");
    entry
}

fn excluded(entry: Entry) -> Entry {
    let rdn = entry.dn.split(',').next().unwrap().to_owned();
    entry.at(&format!("{rdn},ou=old"))
}

fn device(entry: Entry) -> Entry {
    entry.without("objectClass").with("objectClass", "device")
}

/// Beside the [`company`] an excluded subtree with somebody in it.
fn before() -> Vec<Entry> {
    let mut before = company();
    before.extend([container('X', "ou=old"), excluded(person('x', "xen"))]);
    before
}

async fn world() -> World {
    World::excluding(&["ou=old"], Outside::new(), before()).await
}

/// What is told of each step.
async fn check(steps: Vec<(Said, &[&str])>) {
    check_with(world().await, steps).await;
}

async fn check_with(mut world: World, steps: Vec<(Said, &[&str])>) {
    for (at, (said, expected)) in steps.into_iter().enumerate() {
        world.live(vec![said]).await;
        assert_eq!(world.told().await, expected, "step {at}");
    }
}

#[tokio::test]
async fn a_move_out_and_back_is_one_event_and_the_member_stays_one() {
    for gone in [elsewhere(person('b', "ben")), excluded(person('b', "ben"))] {
        let with_new_name = ops(&["ada"]).with("member", &gone.dn).with("description", "rewritten");
        check(vec![
            (Is(gone.clone()), &["1 scope-left ben"]),
            (Is(with_new_name), &[]),
            (Is(gone.with("title", "Unseen")), &[]),
            (Is(person('b', "ben")), &["1 scope-entered ben"]),
            (Is(person('b', "ben").with("title", "Lead")), &["1 attributes-changed ben"]),
            (Is(ops(&["ada"])), &["1 member-removed ops ben"]),
        ])
        .await;
    }
}

#[tokio::test]
async fn who_left_is_told_and_shown_by_name_when_a_group_loses_them() {
    check(vec![
        (Is(excluded(person('b', "ben"))), &["1 scope-left ben"]),
        (Is(ops(&["ada"])), &["1 member-removed ops ben"]),
    ])
    .await;
}

#[tokio::test]
async fn another_object_class_leaves_and_comes_back_and_the_member_stays_one() {
    check(vec![
        (Is(device(person('b', "ben"))), &["1 scope-left ben"]),
        (Is(ops(&["ada", "ben"]).with("description", "rewritten")), &[]),
        (Is(device(person('b', "ben")).with("title", "Unseen")), &[]),
        (Is(person('b', "ben")), &["1 scope-entered ben"]),
        (Is(ops(&["ada"])), &["1 member-removed ops ben"]),
    ])
    .await;
    check(vec![
        (Is(device(person('b', "ben"))), &["1 scope-left ben"]),
        (Is(ops(&["ada"])), &["1 member-removed ops ben"]),
    ])
    .await;
}

#[tokio::test]
async fn a_user_that_becomes_a_group_goes_on_to_be_watched() {
    let both = person('b', "ben").with("objectClass", "groupOfNames").with_all("member", &["ada"]);
    check(vec![(Is(both), &["1 member-added ben ada"])]).await;
}

#[tokio::test]
async fn a_group_that_left_hears_of_nothing() {
    let renamed = |members: &[&str]| excluded(ops(members));
    check(vec![
        (Is(renamed(&["ada"])), &["1 scope-left ops"]),
        (Gone('b'), &["1 object-deleted ben"]),
        (Is(renamed(&["ada", "cem"])), &[]),
        (Is(ops(&["ada", "cem"])), &["1 scope-entered ops"]),
        (Is(ops(&["ada"])), &["1 member-removed ops cem"]),
    ])
    .await;
}

#[tokio::test]
async fn scope_events_name_owners_and_managers() {
    let mut world = world().await;
    world.live(vec![Is(excluded(ops(&["ada"])))]).await;
    world.live(vec![Is(device(ops(&["ada"])))]).await;
    world.live(vec![Is(ops(&["ada"]))]).await;
    world.live(vec![Is(device(ops(&["ada"])))]).await;
    let mut said = Vec::new();
    for event in world.db.all_events().await {
        let owners: Vec<_> = event.owners.iter().map(|owner| owner.entry.name.as_str()).collect();
        let kind = event.entry.kind.map(crate::directory::entry::EntryKind::as_str);
        said.push(format!("{} {:?} {}", event.change.name(), kind.unwrap(), owners.join(" ")));
    }
    assert_eq!(
        said,
        ["scope-left \"group\" cem", "scope-entered \"group\" cem", "scope-left \"group\" cem",]
    );
}

#[tokio::test]
async fn an_entry_that_appears_is_new_or_came_from_elsewhere() {
    check(vec![
        (Is(person('n', "nil")), &["1 object-created nil"]),
        (Came(person('m', "mia")), &["1 scope-entered mia"]),
        (Came(group('g', "guild", &["ada"])), &["1 scope-entered guild"]),
        (Is(group('g', "guild", &["ada", "ben"])), &["1 member-added guild ben"]),
        (Is(group('h', "house", &["mia"])), &["1 object-created house", "1 member-added house mia"]),
    ])
    .await;
}

#[tokio::test]
async fn excluded_entries_say_nothing() {
    check(vec![
        (Is(excluded(person('x', "xen")).with("title", "Lead")), &[]),
        (Is(excluded(person('y', "yan"))), &[]),
        (Gone('y'), &[]),
        (Gone('x'), &[]),
    ])
    .await;
    let mut world = world().await;
    let mirror_has = world.db.known_names().await;
    assert!(!mirror_has.iter().any(|dn| dn.contains("ou=old")), "{mirror_has:?}");
    world.live(vec![Is(excluded(person('x', "xen")).with("title", "Lead"))]).await;
    assert_eq!(world.db.known_names().await, mirror_has);
}

#[tokio::test]
async fn out_of_an_excluded_subtree_is_not_created() {
    check(vec![
        (Came(person('x', "xen")), &["1 scope-entered xen"]),
        (Is(person('x', "xen").with("title", "Lead")), &["1 attributes-changed xen"]),
        (Is(excluded(person('x', "xen"))), &["1 scope-left xen"]),
    ])
    .await;
}

#[tokio::test]
async fn an_excluded_entry_that_a_group_names_is_known_by_id_through_its_renames() {
    let xen = excluded(person('x', "xen"));
    let outside = Outside::from([(xen.dn.clone(), xen.clone())]);
    let mut before = before();
    let index = before.iter().position(|entry| entry.id == 'o').unwrap();
    before[index] = ops(&["ada", "ben"]).with("member", &xen.dn);
    let mut world = World::excluding(&["ou=old"], outside, before).await;
    assert_eq!(world.asked(), ["uid=xen,ou=old"], "at the end of the baseline");
    let renamed = xen.clone().at("uid=xenia,ou=old");
    check_with(
        world,
        vec![
            (Is(renamed.clone()), &[]),
            (Is(ops(&["ada", "ben"]).with("member", &renamed.dn)), &[]),
            (Gone('x'), &["1 member-removed ops xen (consequence)"]),
            (Is(ops(&["ada", "ben"])), &[]),
        ],
    )
    .await;
}

fn people(short: &str) -> Vec<(char, Entry)> {
    [('a', "ada"), ('b', "ben"), ('c', "cem")]
        .map(|(id, name)| (id, person(id, name).at(&format!("uid={name},{short}"))))
        .into()
}

#[tokio::test]
async fn what_lies_below_a_container_leaves_and_comes_back_with_it_in_one_change_set() {
    let all = |event: &str| ["ada", "ben", "cem"].map(|name| format!("1 {event} {name}"));
    for gone in [elsewhere(container('P', "ou=people")), container('P', "ou=people,ou=old")] {
        let mut world = world().await;
        world.live(vec![Is(gone)]).await;
        assert_eq!(world.told().await, all("scope-left"));
        world.live(vec![Is(container('P', "ou=people"))]).await;
        assert_eq!(world.told().await, all("scope-entered"));
        world.live(vec![Gone('b')]).await;
        assert_eq!(world.told().await, ["1 object-deleted ben", "1 member-removed ops ben (consequence)"]);
    }
}

#[tokio::test]
async fn what_lies_below_a_container_that_comes_is_read() {
    let mut world = world().await;
    let club = [container('K', "ou=club"), person('k', "kim").at("uid=kim,ou=club")];
    let hut = [container('H', "ou=hut,ou=club"), person('h', "hal").at("uid=hal,ou=hut,ou=club")];
    world.outside.extend(club.iter().chain(&hut).map(|entry| (entry.dn.clone(), entry.clone())));
    world.live(vec![Came(club[0].clone())]).await;
    assert_eq!(world.told().await, ["1 scope-entered hal", "1 scope-entered kim"]);
    world.live(vec![Gone('h'), Is(club[1].clone().with("title", "Lead"))]).await;
    assert_eq!(world.told().await, ["1 object-deleted hal", "2 attributes-changed kim"]);
}

#[tokio::test]
async fn whom_a_group_below_a_container_that_comes_names_is_looked_up() {
    let hut = || container('H', "ou=hut");
    let eve = elsewhere(person('e', "eve"));
    let crew = |role| group('w', "crew", &["ada"]).with(role, &eve.dn).at("cn=crew,ou=hut");
    let check = async |crew: Entry, outside: Option<Entry>, later: Entry, expected: &[&str]| {
        let mut world = world().await;
        world.outside.extend([hut(), crew].into_iter().chain(outside).map(|e| (e.dn.clone(), e)));
        world.live(vec![Came(hut())]).await;
        assert_eq!(world.asked(), [eve.dn.as_str()], "once");
        assert_eq!(world.told().await, ["1 scope-entered crew"]);
        world.live(vec![Is(later)]).await;
        assert_eq!(world.told().await, expected);
    };
    let without = || group('w', "crew", &["ada"]).at("cn=crew,ou=hut");
    check(crew("member"), Some(eve.clone()), without(), &["1 member-removed crew eve"]).await;
    check(crew("owner"), Some(eve.clone()), without(), &["1 owner-removed crew eve"]).await;
    check(crew("member"), None, without(), &["1 member-removed crew eve?"]).await;
}

#[tokio::test]
async fn a_container_that_is_new_brings_nobody() {
    let mut world = world().await;
    let stray = person('k', "kim").at("uid=kim,ou=club");
    world.outside.insert(stray.dn.clone(), stray);
    world.live(vec![Is(container('K', "ou=club"))]).await;
    assert_eq!(world.told().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_changed_on_people_while_their_container_was_away_is_not_told() {
    let mut world = world().await;
    world.live(vec![Is(elsewhere(container('P', "ou=people")))]).await;
    world.told().await;
    let now = people("ou=people").into_iter().map(|(_, entry)| entry.with("title", "Lead"));
    world.outside.extend(now.map(|entry| (entry.dn.clone(), entry)));
    world.live(vec![Is(container('P', "ou=people"))]).await;
    assert_eq!(world.told().await.len(), 3, "who came, and nothing else");
    world.live(vec![Is(person('a', "ada"))]).await;
    assert_eq!(world.told().await, ["1 attributes-changed ada"], "the title is known, and gone again");
}

#[tokio::test]
async fn a_container_renamed_around_an_excluded_place_takes_some_in_and_some_out() {
    let mut before = company();
    before.extend([container('S', "ou=sub,ou=people"), person('s', "sue").at("uid=sue,ou=sub,ou=people")]);
    let mut world = World::excluding(&["ou=sub,ou=staff"], Outside::new(), before.clone()).await;
    world.live(vec![Is(container('P', "ou=staff"))]).await;
    assert_eq!(world.told().await, ["1 object-renamed staff", "1 scope-left sue"]);
    world.live(vec![Is(container('P', "ou=people"))]).await;
    assert_eq!(world.told().await, ["1 object-renamed people", "1 scope-entered sue"]);

    // The other way round, of people who were never read.
    let mut world = World::excluding(&["ou=sub,ou=people"], Outside::new(), before).await;
    let sue = person('s', "sue").at("uid=sue,ou=sub,ou=staff");
    world.outside.insert(sue.dn.clone(), sue);
    world.live(vec![Is(container('P', "ou=staff"))]).await;
    assert_eq!(world.told().await, ["1 object-renamed staff", "1 scope-entered sue"]);
}

#[tokio::test]
async fn a_refresh_that_shows_a_group_again_does_not_say_whom_it_lost_out_of_sight() {
    let gone: [fn() -> Said; 2] =
        [|| Is(excluded(ops(&["ada", "ben"]))), || Is(elsewhere(container('G', "ou=groups")))];
    let back: [fn() -> Said; 2] = [|| Is(ops(&["ada"])), || Is(container('G', "ou=groups"))];
    for (gone, back) in gone.into_iter().zip(back) {
        for said in [vec![Gone('b'), back()], vec![back(), Gone('b')]] {
            let mut world = world().await;
            world.live(vec![gone()]).await;
            assert_eq!(world.told().await, ["1 scope-left ops"]);
            world.refresh(said).await;
            let mut told: Vec<_> =
                world.told().await.iter().map(|line| without_set(line).to_owned()).collect();
            told.sort();
            assert_eq!(told, ["object-deleted ben", "scope-entered ops"]);
            world.live(vec![Gone('a')]).await;
            assert_eq!(
                world.told().await,
                ["1 object-deleted ada", "1 member-removed ops ada (consequence)"]
            );
        }
    }
}

#[tokio::test]
async fn what_waits_to_be_read_below_a_container_is_read_by_its_present_name() {
    let kim = person('k', "kim").at("uid=kim,ou=lodge");
    let check = async |then: Said, expected: &[&str]| {
        let mut world = world().await;
        world.outside.insert(kim.dn.clone(), kim.clone());
        world.batch(Phase::RefreshBegins, vec![]).await;
        world.batch(Phase::Refresh, vec![Came(container('K', "ou=club"))]).await;
        world.refresh(vec![then]).await;
        assert_eq!(world.told().await, expected);
    };
    check(Is(container('K', "ou=lodge")), &["1 scope-entered kim", "2 object-renamed lodge"]).await;
    check(Is(container('K', "ou=lodge,ou=old")), &[]).await;
    check(Gone('K'), &[]).await;
}

#[tokio::test]
async fn a_refresh_says_who_came_and_who_left_whatever_comes_first() {
    let left = || Is(excluded(person('b', "ben")));
    let came = || Came(person('x', "xen"));
    let group = || Is(ops(&["ada", "xen"]).with("member", &excluded(person('b', "ben")).dn));
    for said in [vec![left(), came(), group()], vec![group(), came(), left()]] {
        let mut world = world().await;
        world.refresh(said).await;
        let mut told: Vec<String> =
            world.told().await.iter().map(|line| line.get(2..).unwrap().to_owned()).collect();
        told.sort();
        assert_eq!(told, ["member-added ops xen", "scope-entered xen", "scope-left ben"]);
    }
}

#[tokio::test]
async fn a_reading_before_the_way_out_is_told_although_a_refresh_was_cut_short_between() {
    let mut world = world().await;
    world.batch(Phase::RefreshBegins, vec![]).await;
    world.batch(Phase::Refresh, vec![Is(ops(&["ada", "ben", "cem"]))]).await;
    world.refresh(vec![Is(excluded(ops(&["ada", "ben", "cem"])))]).await;
    assert_eq!(world.told().await, ["1 member-added ops cem", "2 scope-left ops"]);
    world.batch(Phase::RefreshBegins, vec![]).await;
    world.batch(Phase::Refresh, vec![Is(ops(&["ada"]))]).await;
    world.refresh(vec![Is(ops(&["ada", "cem"]))]).await;
    assert_eq!(world.told().await, ["1 scope-entered ops", "2 member-added ops cem"]);
}

#[tokio::test]
async fn m26_who_comes_in_by_another_configuration_is_silent() {
    let mut world = world().await;
    let tree = WatchedTree::from(Dn::parse(BASE).unwrap());
    let begun = world
        .db
        .begin_store("acme".parse().unwrap(), tree.fingerprint(), Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    assert_eq!(begun.mirror, MirrorView::Another);
    let schema = Arc::clone(&world.context.schema);
    world.context = Arc::new(StoreContext::new(begun.no, tree, schema, 10));
    world.batch(Phase::RefreshBegins, vec![]).await;
    world.batch(Phase::Refresh, before().into_iter().map(Is).collect()).await;
    world.batch(Phase::RefreshEnds, vec![Nothing("")]).await;
    assert_eq!(world.told().await, Vec::<String>::new());
    world.live(vec![Is(excluded(person('x', "xen")).with("title", "Lead"))]).await;
    assert_eq!(world.told().await, ["1 attributes-changed xen"]);
}

impl Db {
    async fn known_names(&self) -> Vec<String> {
        self.worker
            .call(Priority::Rest, |connection| {
                connection
                    .prepare("SELECT dn FROM entry ORDER BY no")
                    .and_then(|mut s| s.query_map([], |row| row.get(0))?.collect())
                    .during("read names")
            })
            .await
            .unwrap()
    }
}
