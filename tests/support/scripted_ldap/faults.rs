//! What goes wrong between a server and its client, done to a script. Answers are counted from zero, over all
//! steps that send a message.

use std::{ops::Range, time::Duration};

use super::{Script, Step};

/// How many messages the script sends.
pub fn answers(script: &Script) -> usize {
    places(script).len()
}

/// Closes the connection after so many bytes of the server.
pub fn cut_after(script: &mut Script, bytes: usize) {
    script.insert(0, Step::CutAfter(bytes));
}

/// Closes the connection in place of this answer.
pub fn cut_before(script: &mut Script, answer: usize) {
    script.truncate(places(script)[answer]);
    script.push(Step::Close);
}

/// Sends this answer so much later.
pub fn delay(script: &mut Script, answer: usize, pause: Duration) {
    script.insert(places(script)[answer], Step::Delay(pause));
}

/// Changes the bytes of this answer: the operation with its controls, or all of what [`Step::Send`] has.
pub fn corrupt(script: &mut Script, answer: usize, change: impl FnOnce(&mut Vec<u8>)) {
    let place = places(script)[answer];
    match &mut script[place] {
        Step::Answer(bytes)
        | Step::AnswerWithControls(bytes, _)
        | Step::AnswerTo(_, bytes)
        | Step::Send(bytes) => change(bytes),
        other => unreachable!("{other:?} is no answer"),
    }
}

/// Sends these answers so many times in all, each time in their order.
pub fn repeat(script: &mut Script, answers: Range<usize>, times: usize) {
    let places = places(script)[answers].to_vec();
    let some: Vec<Step> = places.iter().map(|place| script[*place].clone()).collect();
    let after = places.last().expect("some answers") + 1;
    for _ in 1..times {
        script.splice(after..after, some.iter().cloned());
    }
}

/// Puts these answers into another order.
pub fn reorder(script: &mut Script, answers: Range<usize>, order: impl FnOnce(&mut [Step])) {
    let places = places(script)[answers].to_vec();
    let mut some: Vec<Step> = places.iter().map(|place| script[*place].clone()).collect();
    order(&mut some);
    for (place, step) in places.into_iter().zip(some) {
        script[place] = step;
    }
}

fn places(script: &Script) -> Vec<usize> {
    let sends = |step: &Step| {
        matches!(step, Step::Answer(_) | Step::AnswerWithControls(..) | Step::AnswerTo(..) | Step::Send(_))
    };
    script.iter().enumerate().filter(|(_, step)| sends(step)).map(|(place, _)| place).collect()
}
