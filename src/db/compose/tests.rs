use super::*;
use crate::{
    db::company::State,
    notify::{reason::Reason, render::MOST_EVENTS},
};

#[tokio::test]
async fn what_a_mail_cannot_carry_is_counted_and_not_read() {
    let mut state =
        State::new("user eve mail=eve@acme.example\nuser ada\nuser ben", "all-changes to=eve@acme.example")
            .await;
    for number in 0..10 {
        state.modify(if number < 5 { "ada" } else { "ben" }, &format!("title=t{number}")).await;
    }
    state.dispatch().await;
    // Nobody who read them whole could make anything of these.
    let path = state.path();
    let connection = Connection::open(path).unwrap();
    let spoilt = "UPDATE event SET facts = json_set(facts, '$.change', 'spoilt') WHERE seq > 3";
    assert_eq!(connection.execute(spoilt, []).unwrap(), 7);
    let rows: Vec<i64> = {
        let mut all = connection.prepare("SELECT seq FROM notification ORDER BY seq").unwrap();
        all.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let told = state.db.told(state.context.no, rows.clone(), 3).await.unwrap();
    assert_eq!((told.set_aside, told.notices.len()), (0, 3));
    assert_eq!(told.counted, rows[3..]);
    assert_eq!(told.beyond.entries.values().copied().collect::<Vec<_>>(), [2, 5]);
    assert_eq!((told.beyond.events.len(), told.beyond.reasons), (7, [Reason::Recipients].into()));
    // With room for all of them they are read.
    let told = state.db.told(state.context.no, rows, MOST_EVENTS).await.unwrap();
    assert_eq!((told.set_aside, told.notices.len(), told.counted.len()), (7, 3, 0));
}
