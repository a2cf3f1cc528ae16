//! The mails to whoever looks after dirherald.

use uuid::Uuid;

use super::*;
use crate::{
    change::guard::HoldCause,
    notify::alerts::{Matter, Said, Standing},
};

const REFUSED: &str = "ldap://dc1.acme.example:389: the server refuses the bind: 49 invalidCredentials; check bind.dn \
     and bind.password";

fn hold(cause: HoldCause, group: Option<&str>, events: u64) -> Matter {
    let id = "0192f0c1-7b3a-7c44-9f10-5d2b6c3e8a01".parse().unwrap();
    Matter::Hold { id, cause, group: group.map(str::to_owned), events }
}

fn feed(standing: Standing) -> Matter {
    Matter::Feed { standing, error: Some(REFUSED.to_owned()) }
}

fn matter(word: &str) -> Matter {
    match word {
        "stopped" => feed(Standing::Stopped),
        "refused" => feed(Standing::Refused),
        "away" => feed(Standing::Away),
        "connected" => Matter::Feed { standing: Standing::Connected, error: None },
        "membership" => hold(HoldCause::Membership, Some("Finance"), 42),
        "membership-unnamed" => hold(HoldCause::Membership, None, 1),
        "max-events" => hold(HoldCause::MaxEvents, None, 1001),
        "back-in-time" => hold(HoldCause::BackInTime, None, 7),
        "one-mail" => Matter::FailedMail(1),
        "mails" => Matter::FailedMail(3),
        "one-row" => Matter::SetAside(1),
        "rows" => Matter::SetAside(2),
        other => panic!("what is {other}?"),
    }
}

fn alert(said: &[Said], list: AlertList) -> Result<Rendered, RenderError> {
    render_alert(&AlertContent { store: "acme", said, list, timezone: berlin() })
}

fn said(matters: impl IntoIterator<Item = Matter>) -> Vec<Said> {
    let since = "2026-07-27T12:03:00Z".parse().unwrap();
    matters.into_iter().map(|matter| Said { since, matter }).collect()
}

#[test]
fn alerts() {
    for (name, words) in ALERTS {
        let said = said(words.split(' ').map(matter));
        pin(name, &alert(&said, AlertList::AlertsTo).unwrap());
    }
}

#[test]
fn the_subject_says_the_worst_and_how_much_more_there_is() {
    let check = |words: &str, expected: &str| {
        let said = said(words.split(' ').map(matter));
        assert_eq!(alert(&said, AlertList::AlertsTo).unwrap().subject, expected);
    };
    check("stopped", "acme: dirherald has stopped watching the directory");
    check("refused", "acme: dirherald cannot watch the directory");
    check("away", "acme: the directory has not been reached for a while");
    check("connected", "acme: the directory is reached again and not caught up with");
    check("membership", "acme: changes to the group Finance are held back");
    check("membership-unnamed", "acme: changes to a group are held back");
    check("max-events", "acme: too many changes at once are held back");
    check("back-in-time", "acme: the directory went back in time");
    check("one-mail", "acme: 1 mail was given up");
    check("mails", "acme: 3 mails were given up");
    check("one-row", "acme: 1 row of the state file cannot be read");
    check("rows mails", "acme: 2 rows of the state file cannot be read, and 1 more");
    check("refused membership mails", "acme: dirherald cannot watch the directory, and 2 more");
}

#[test]
fn where_the_reader_s_address_stands_is_said() {
    let said = said([Matter::FailedMail(1)]);
    for (list, expected) in [
        (AlertList::AlertsTo, "your address stands in alerts.to. What lasts"),
        (AlertList::RecipientsTo, "your address stands in recipients.to, and alerts.to is empty. What lasts"),
    ] {
        let mail = alert(&said, list).unwrap();
        let flowing = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flowing.contains(expected), "{flowing}");
        assert!(mail.html.contains(expected), "{}", mail.html);
    }
}

#[test]
fn more_than_a_mail_should_hold_is_counted() {
    let said = said((0..30).map(|number| {
        let id = Uuid::from_u128(number);
        Matter::Hold { id, cause: HoldCause::Membership, group: None, events: 1 }
    }));
    let mail = alert(&said, AlertList::AlertsTo).unwrap();
    assert_sound(&mail);
    assert_eq!(mail.text.matches("held show").count(), 25);
    assert!(mail.text.contains("30 things in the identity store acme need a hand."), "{}", mail.text);
    assert!(mail.text.contains("\nAnd 5 more.\n"), "{}", mail.text);
}

#[test]
fn there_is_no_alert_about_nothing() {
    assert!(matches!(alert(&[], AlertList::AlertsTo), Err(RenderError::NothingToSay)));
}

#[test]
fn m16_m17_m18_a_group_or_a_server_that_would_write_the_mail_does_not() {
    let hostile = "Sales\r\nBcc: all@acme.example\r\n\r\n\0<script>{{7*7}}</script>\u{202E}&amp;";
    let mail = alert(
        &said([
            hold(HoldCause::Membership, Some(hostile), 1),
            Matter::Feed { standing: Standing::Refused, error: Some(hostile.to_owned()) },
            hold(HoldCause::Membership, Some("\u{200B}\r\n"), 1),
        ]),
        AlertList::AlertsTo,
    )
    .unwrap();
    assert_sound(&mail);
    assert_eq!(
        mail.subject,
        "acme: changes to the group Sales Bcc: all@acme.example <script>{{7*7}}</script>&amp; are held back, and 2 \
         more"
    );
    assert!(!mail.html.contains("<script") && mail.html.contains("&lt;script&gt;{{7*7}}"), "{}", mail.html);
    assert!(mail.html.contains("&amp;amp;"), "{}", mail.html);
    assert!(mail.text.lines().all(|line| !line.trim_start().starts_with("Bcc:")), "{}", mail.text);
    assert!(mail.text.contains("changes to a group are held back"), "a name that is none: {}", mail.text);
    let long = "x".repeat(70_000);
    let mail = alert(&said([hold(HoldCause::Membership, Some(&long), 1)]), AlertList::AlertsTo).unwrap();
    assert_sound(&mail);
    assert!(mail.text.len() < 2_000, "{}", mail.text.len());
}
