//! What is supposed agrees with what then happens, and nothing of it stays.

use rusqlite::Connection;

use super::*;
use crate::{
    db::{
        Pace,
        company::{BASE, STORE, State},
    },
    notify::{
        explain::{Decided, explain},
        notification::Via,
    },
};

const COMPANY: &str = "
    user  ada   manager=dora
    user  ben   manager=dora
    user  cem
    user  dora
    user  eve   mail=-
    user  frank manager=ben manager=cem
    group ops        owner=cem member=ada member=ben
    group desk       owner=dora member=cem member=eve
    group shop       managedBy=ada owner=desk member=ben department=public
    group hall       owner=cem owner=dora member=ada
    group beside     managedBy=cem owner=cem member=ada
    group outer      owner=dora member=ops
    unique board     owner=dora uniqueMember=ada
    posix shell      owner=cem memberUid=ada memberUid=nobody
    posix empty      owner=cem
    group lonely     member=ada
    container labs
";

const ALL: &str = "logged_in_users owner manager object_modified public_group_owner added_members removed_members \
                   to=audit@acme.example all-changes";

/// What is told of an event, without its ids and times: what `explain` says of each option.
fn shown(explanations: &[Explanation]) -> Vec<String> {
    let mut lines = Vec::new();
    for Explanation { event, ticked, notifications, skipped, .. } in explanations {
        let subject = event.change.subject().map(|subject| subject.name.as_str()).unwrap_or_default();
        lines.push(format!("{} {} {subject}", event.change.name(), event.entry.name).trim_end().to_owned());
        for explained in explain(event, Decided { ticked: ticked.as_ref(), notifications, skipped }) {
            let reason = explained.option.reason;
            lines.push(format!("  {reason}: {}", explained.verdict_word()));
            for hearer in &explained.told {
                let address = notifications[hearer.notification].recipient.address.as_str();
                lines.push(format!("    {address}{}", way(hearer.via)));
            }
            for skipped in &explained.untold {
                let (who, why) = (&skipped.who.name, skipped.why.as_str());
                lines.push(format!("    not {who}{}: {why}", way(&skipped.via)));
            }
        }
    }
    lines
}

fn way(via: &Via) -> String {
    match via {
        Via::Directly => String::new(),
        Via::Group(group) => format!(" of {}", group.name),
        Via::InPlaceOfMembers(why) => format!(" in place: {}", why.as_str()),
    }
}

fn supposed(state: &State, words: &str) -> Supposed {
    let words: Vec<&str> = words.split_whitespace().collect();
    let id = |place: usize| state.id(words[place]);
    match words[0] {
        "add" => Supposed::MemberAdded { member: id(1), group: id(2) },
        "remove" => Supposed::MemberRemoved { member: id(1), group: id(2) },
        "own" => Supposed::OwnerSet { owner: id(1), group: id(2) },
        "manage" => Supposed::ManagerSet { manager: id(1), of: id(2) },
        "delete" => Supposed::Deleted { entry: id(1) },
        other => panic!("what is {other}?"),
    }
}

fn suppose(state: &State, words: &str) -> Result<Simulated, SimulationError> {
    let tree = WatchedTree::from(Dn::parse(BASE).unwrap());
    simulate(&state.path(), STORE, &tree, state.rules(), supposed(state, words), None, state.now())
}

/// Supposes `words`, then makes the change as the server would show it (`entry change`, or `entry` alone to delete
/// it) and compares; nothing of what was supposed is in the file.
async fn check(words: &str, change: &str) -> Vec<String> {
    check_in(State::new(COMPANY, ALL).await, words, change).await
}

async fn check_in(mut state: State, words: &str, change: &str) -> Vec<String> {
    state.dispatch().await;
    let before = (state.dump(), state.events().len());
    let simulated = suppose(&state, words).unwrap();
    assert_eq!(state.dump(), before.0, "{words}: nothing is touched");
    assert_eq!(simulated.unresolved, []);
    assert!(simulated.explanations.iter().all(|e| e.stage == Stage::Supposed && e.fates.is_empty()));

    match change.split_once(' ') {
        Some((entry, change)) => state.modify(entry, change).await,
        None => state.delete(change).await,
    }
    state.dispatch().await;
    let happened: Vec<_> = state.events().split_off(before.1);
    let reader = state.reader();
    let decided = happened.iter().map(|row| {
        reader
            .decided(row, Pace { window: std::time::Duration::ZERO, cap: u32::MAX, now: row.event.seen })
            .unwrap()
            .expect("it was dispatched")
    });
    let told = shown(&simulated.explanations);
    assert_eq!(told, shown(&decided.collect::<Vec<_>>()), "{words}");
    told.into_iter().filter(|line| !line.starts_with(' ')).collect()
}

#[tokio::test]
async fn a_member_comes() {
    assert_eq!(check("add cem ops", "ops member+cem").await, ["member-added ops cem"]);
    assert_eq!(check("add eve shop", "shop member+eve").await, ["member-added shop eve"]);
    assert_eq!(check("add desk ops", "ops member+desk").await, ["member-added ops desk"]);
    assert_eq!(check("add ben board", "board uniqueMember+ben").await, ["member-added board ben"]);
    assert_eq!(check("add ben lonely", "lonely member+ben").await, ["member-added lonely ben"]);
}

#[tokio::test]
async fn l17_a_member_comes_by_account_name_where_the_others_did() {
    assert_eq!(check("add ben shell", "shell memberUid+ben").await, ["member-added shell ben"]);
    assert_eq!(check("remove ada shell", "shell memberUid-ada").await, ["member-removed shell ada"]);
    let state = State::new(COMPANY, ALL).await;
    let refused = suppose(&state, "add ops shell").unwrap_err().to_string();
    let expected = "cn=shell,ou=groups,dc=acme,dc=example lists its members by account name, and \
                    cn=ops,ou=groups,dc=acme,dc=example has none";
    assert_eq!(refused, expected);
}

#[tokio::test]
async fn a_member_goes() {
    assert_eq!(check("remove ben ops", "ops member-ben").await, ["member-removed ops ben"]);
    assert_eq!(check("remove eve desk", "desk member-eve").await, ["member-removed desk eve"]);
    assert_eq!(check("remove ops outer", "outer member-ops").await, ["member-removed outer ops"]);
    assert_eq!(check("remove ada board", "board uniqueMember-ada").await, ["member-removed board ada"]);
}

#[tokio::test]
async fn l11_a_member_goes_who_is_listed_under_a_former_name() {
    let mut state = State::new(COMPANY, ALL).await;
    state.rename("ben", "uid=benjamin").await;
    let old = "uid=ben,ou=people,dc=acme,dc=example";
    assert_eq!(
        check_in(state, "remove ben ops", &format!("ops member-{old}")).await,
        ["member-removed ops ben"]
    );
}

#[tokio::test]
async fn an_owner_comes_in_place_of_the_others() {
    let check = async |words: &str, change: &str, expected: &[&str]| {
        assert_eq!(check(words, change).await, expected, "{words}");
    };
    check("own ada ops", "ops owner=ada", &["owner-removed ops cem", "owner-added ops ada"]).await;
    check("own desk ops", "ops owner=desk", &["owner-removed ops cem", "owner-added ops desk"]).await;
    check("own cem shop", "shop managedBy=cem", &["owner-removed shop ada", "owner-added shop cem"]).await;
    check(
        "own ada hall",
        "hall owner=ada",
        &["owner-removed hall dora", "owner-removed hall cem", "owner-added hall ada"],
    )
    .await;
    check("own cem hall", "hall owner=cem", &["owner-removed hall dora"]).await;
    check("own dora lonely", "lonely owner=dora", &["owner-added lonely dora"]).await;
    check("own ada beside", "beside managedBy=ada", &["owner-added beside ada"]).await;
    // An additional owner who becomes the first: no event of its own.
    check("own desk shop", "shop managedBy=desk", &["owner-removed shop ada"]).await;
}

#[tokio::test]
async fn an_owner_comes_in_place_of_one_who_is_listed_under_a_former_name() {
    let mut state = State::new(COMPANY, ALL).await;
    state.rename("cem", "uid=cemal").await;
    let events = check_in(state, "own ada ops", "ops owner=ada").await;
    assert_eq!(events, ["owner-removed ops cem", "owner-added ops ada"]);
}

#[tokio::test]
async fn a_manager_comes_in_place_of_the_others() {
    let change = "manager-changed";
    assert_eq!(
        check("manage cem ada", "ada manager=cem").await,
        [change.to_owned() + " ada dora", change.to_owned() + " ada cem"]
    );
    assert_eq!(check("manage ada cem", "cem manager=ada").await, [change.to_owned() + " cem ada"]);
    assert_eq!(check("manage ben frank", "frank manager=ben").await, [change.to_owned() + " frank cem"]);
}

#[tokio::test]
async fn an_entry_is_deleted() {
    assert_eq!(check("delete ops", "ops").await, ["object-deleted ops", "member-removed outer ops"]);
    assert_eq!(
        check("delete cem", "cem").await,
        [
            "object-deleted cem",
            "manager-changed frank cem",
            "owner-removed ops cem",
            "member-removed desk cem",
            "owner-removed hall cem",
            "owner-removed beside cem",
            "owner-removed shell cem",
            "owner-removed empty cem",
        ]
    );
}

#[tokio::test]
async fn what_changes_nothing_is_no_event() {
    let state = State::new(COMPANY, ALL).await;
    let before = state.dump();
    for words in ["add ada ops", "add ada shell", "remove cem ops", "own cem ops", "manage dora ada"] {
        assert_eq!(suppose(&state, words).unwrap().explanations, [], "{words}");
    }
    let tree = WatchedTree::from(Dn::parse(BASE).unwrap());
    let (gone, here) = (EntryId(Uuid::from_u128(7)), state.id("ops"));
    for supposed in [
        Supposed::Deleted { entry: gone },
        Supposed::MemberAdded { member: gone, group: here },
        Supposed::MemberRemoved { member: here, group: gone },
    ] {
        let simulated = simulate(&state.path(), STORE, &tree, state.rules(), supposed, None, state.now());
        assert_eq!(simulated.unwrap().explanations, []);
    }
    assert_eq!(state.dump(), before);
}

#[tokio::test]
async fn who_did_it_is_known_where_it_is_said() {
    let state = State::new(COMPANY, "logged_in_users").await;
    let tree = WatchedTree::from(Dn::parse(BASE).unwrap());
    let play = |by: Option<&str>| {
        let (supposed, by) = (supposed(&state, "add cem ops"), by.map(|by| state.dn(by)));
        let simulated = simulate(&state.path(), STORE, &tree, state.rules(), supposed, by, state.now());
        shown(&simulated.unwrap().explanations)[1..3].to_vec()
    };
    assert_eq!(play(Some("dora")), ["  logged_in_users: fired", "    dora@acme.example"]);
    assert_eq!(play(None), ["  logged_in_users: actor-unknown", "  owner: off"]);
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_the_reason() {
    let state = State::new(COMPANY, ALL).await;
    let before = state.dump();
    for (words, expected) in [
        ("add ada ben", "uid=ben,ou=people,dc=acme,dc=example is no group but a user"),
        ("own ada ben", "uid=ben,ou=people,dc=acme,dc=example is no group but a user"),
        ("remove ada labs", "ou=labs,dc=acme,dc=example is no group but a container"),
        ("manage ada ops", "cn=ops,ou=groups,dc=acme,dc=example is no user or contact but a group"),
        ("delete labs", "ou=labs,dc=acme,dc=example is a container: its deletion is told to nobody"),
    ] {
        assert_eq!(suppose(&state, words).unwrap_err().to_string(), expected, "{words}");
    }
    assert_eq!(state.dump(), before);
}

#[tokio::test]
async fn a_daemon_that_writes_meanwhile_is_waited_for_and_not_kept_waiting() {
    let mut state = State::new(COMPANY, ALL).await;
    for turn in 0..20 {
        let (words, change) =
            if turn % 2 == 0 { ("add cem ops", "member+cem") } else { ("remove cem ops", "member-cem") };
        assert_eq!(suppose(&state, words).unwrap().explanations.len(), 1, "{turn}");
        state.modify("ops", change).await;
    }
    assert_eq!(state.events().len(), 20);
}

#[test]
fn what_is_not_there_yet_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let schema =
        crate::directory::schema::Schema::new(crate::directory::schema::SchemaSettings::openldap()).unwrap();
    let options = crate::notify::company::options("");
    let rules = Rules { schema: &schema, options: &options };
    let play = || {
        let supposed = Supposed::Deleted { entry: EntryId(Uuid::nil()) };
        let tree = WatchedTree::from(Dn::parse(BASE).unwrap());
        simulate(&path, STORE, &tree, rules, supposed, None, Timestamp::UNIX_EPOCH).unwrap_err().to_string()
    };
    let nothing = "nothing is known of the identity store acme yet: start `dirherald run` and wait until \
                   `dirherald status` says live";
    assert_eq!(play(), nothing);
    assert!(!path.exists(), "looking leaves no trace");
    // As a daemon before this version left it when it was killed at once.
    Connection::open(&path).unwrap().execute_batch("PRAGMA journal_mode = WAL;").unwrap();
    assert_eq!(play(), nothing);

    // As the version before this one left it.
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../../migrations/0001_initial.sql")).unwrap();
    old.execute_batch("PRAGMA application_id = 0x44485244; PRAGMA user_version = 1;").unwrap();
    assert_eq!(
        play(),
        format!(
            "the state file {} has version 1, this dirherald works with version 3: start `dirherald run`, or \
             restart it, which brings the file up to date",
            path.display()
        )
    );
    drop(old);
    drop(open::open_for_writing(&path).unwrap());
    assert_eq!(play(), nothing, "known, but never read");
}
