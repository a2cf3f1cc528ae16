//! What a mail server may answer.

use std::fmt::Write;

use super::replies::{Reply, ReplyLines};
use crate::fuzz;

/// Of one reply: what is kept, and the last.
const MOST_LINES: usize = 101;

#[test]
fn fuzz_smtp_replies() {
    fuzz::run("smtp-replies", fuzz::text::mutate, |bytes| {
        let (replies, good) = replies([bytes]);
        // The network cuts where it likes.
        assert_eq!(self::replies(bytes.chunks(7)), (replies.clone(), good));
        let mut outcome = format!("{good} {}", replies.len().min(5));
        for reply in replies {
            assert!(reply.texts().count() <= MOST_LINES);
            write!(outcome, " {} {}", reply.code(), reply.texts().count()).unwrap();
            let _ = reply.answer();
            let mut again = ReplyLines::default();
            again.put_back(reply);
            while let Some(line) = again.next_line() {
                let wire = line.to_wire();
                let inner = wire.strip_suffix(b"\r\n").expect("a whole line");
                let text = str::from_utf8(inner).expect("the mail crate reads text only");
                assert!(!text.chars().any(|c| c == '\r' || c == '\n'), "{text:?} is more than a line");
            }
        }
        outcome
    });
}

/// Those that are whole, and whether all of it was SMTP.
fn replies<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Reply>, bool) {
    let mut lines = ReplyLines::default();
    let mut replies = Vec::new();
    for piece in pieces {
        let fed = lines.feed(piece);
        replies.extend(std::iter::from_fn(|| lines.next_reply()));
        if fed.is_err() {
            return (replies, false);
        }
    }
    (replies, true)
}
