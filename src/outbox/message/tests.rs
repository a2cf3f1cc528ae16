use mail_parser::{Address as ParsedAddress, Message, MessageParser};
use proptest::prelude::*;

use super::*;

fn mailbox(name: &str, address: &str) -> Mailbox {
    Mailbox { name: (!name.is_empty()).then(|| name.to_owned()), address: address.parse().unwrap() }
}

struct Draft {
    from: Mailbox,
    reply_to: Option<Mailbox>,
    to: Vec<Mailbox>,
    cc: Vec<Mailbox>,
    subject: String,
    text: String,
    html: String,
    store: String,
    events: Vec<Uuid>,
    reasons: Vec<String>,
}

impl Draft {
    fn bytes(&self) -> Vec<u8> {
        let reasons: BTreeSet<&str> = self.reasons.iter().map(String::as_str).collect();
        let message_id = message_id(Uuid::from_u128(7), &self.from.address);
        Letter {
            from: &self.from,
            reply_to: self.reply_to.as_ref(),
            to: &self.to,
            cc: &self.cc,
            subject: &self.subject,
            text: &self.text,
            html: &self.html,
            message_id: &message_id,
            date: Timestamp::from_second(1_800_000_000).unwrap(),
            store: &self.store,
            events: &self.events,
            reasons: &reasons,
            intended_to: None,
        }
        .to_bytes()
        .unwrap()
    }
}

fn draft() -> Draft {
    Draft {
        from: mailbox("Directory", "no-reply@acme.example"),
        reply_to: None,
        to: vec![mailbox("Ada Byron", "ada@acme.example")],
        cc: Vec::new(),
        subject: "Bob joined Engineers".to_owned(),
        text: "Bob joined Engineers.\n".to_owned(),
        html: "<p>Bob joined <b>Engineers</b>.</p>\n".to_owned(),
        store: "acme".to_owned(),
        events: vec![Uuid::from_u128(1), Uuid::from_u128(2)],
        reasons: vec!["recipients".to_owned(), "owner".to_owned()],
    }
}

fn parse(bytes: &[u8]) -> Message<'_> {
    MessageParser::default().parse(bytes).unwrap()
}

fn header_names(message: &Message<'_>) -> Vec<String> {
    message.headers().iter().map(|header| header.name().to_owned()).collect()
}

fn people(address: Option<&ParsedAddress<'_>>) -> Vec<(String, String)> {
    let Some(address) = address else { return Vec::new() };
    address
        .iter()
        .map(|one| (one.name().unwrap_or_default().to_owned(), one.address().unwrap_or_default().to_owned()))
        .collect()
}

fn well_formed(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut rest = bytes;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let line = &rest[..end];
        prop_assert!(line.len() <= 998, "a line of {} octets", line.len());
        prop_assert!(!line.contains(&b'\r') && !line.contains(&b'\n'), "a bare line end");
        prop_assert!(!line.contains(&0), "a NUL");
        rest = &rest[end + 2..];
    }
    prop_assert!(rest.is_empty(), "the last line has no end");
    Ok(())
}

#[test]
fn the_mail_as_sent() {
    insta::assert_snapshot!(String::from_utf8(draft().bytes()).unwrap().replace("\r\n", "\n"));
}

#[test]
fn one_letter_is_always_the_same_bytes() {
    assert_eq!(draft().bytes(), draft().bytes());
}

#[test]
fn to_and_cc_copies_show_the_whole_list() {
    let mut draft = draft();
    draft.to = vec![mailbox("", "it@acme.example"), mailbox("Müller, Jörg", "jm@acme.example")];
    draft.cc = vec![mailbox("", "audit@acme.example")];
    draft.reply_to = Some(mailbox("Service \"Desk\"", "desk@acme.example"));
    let bytes = draft.bytes();
    let mail = parse(&bytes);
    let check = |header, expected: &[(&str, &str)]| {
        let people = people(header);
        let people: Vec<(&str, &str)> =
            people.iter().map(|(name, at)| (name.as_str(), at.as_str())).collect();
        assert_eq!(people, expected);
    };
    check(mail.to(), &[("", "it@acme.example"), ("Müller, Jörg", "jm@acme.example")]);
    check(mail.cc(), &[("", "audit@acme.example")]);
    check(mail.reply_to(), &[("Service \"Desk\"", "desk@acme.example")]);
}

#[test]
fn cc_alone_needs_no_to() {
    let draft = Draft { to: Vec::new(), cc: vec![mailbox("", "audit@acme.example")], ..draft() };
    let bytes = draft.bytes();
    assert_eq!(parse(&bytes).to(), None);
    assert_eq!(people(parse(&bytes).cc()).len(), 1);
}

#[test]
fn fifty_event_ids_and_the_rest_counted() {
    let check = |count: u128, last: &str| {
        let draft = Draft { events: (1..=count).map(Uuid::from_u128).collect(), ..draft() };
        let bytes = draft.bytes();
        well_formed(&bytes).unwrap();
        let mail = parse(&bytes);
        let value = mail.header_raw("X-Dirherald-Events").unwrap();
        let words: Vec<&str> = value.split(',').map(str::trim).collect();
        assert_eq!(words.len(), usize::try_from(count.min(51)).unwrap());
        assert_eq!(*words.last().unwrap(), last);
    };
    check(1, "00000000-0000-0000-0000-000000000001");
    check(50, "00000000-0000-0000-0000-000000000032");
    check(51, "+1");
    check(1000, "+950");
}

#[test]
fn without_events_and_reasons_there_are_no_headers_for_them() {
    let draft = Draft { events: Vec::new(), reasons: Vec::new(), ..draft() };
    let bytes = draft.bytes();
    assert_eq!(parse(&bytes).header_raw("X-Dirherald-Events"), None);
    assert_eq!(parse(&bytes).header_raw("X-Dirherald-Reasons"), None);
}

#[test]
fn m08_addresses_beyond_ascii() {
    let check = |address: &str, expected: &str| {
        let draft = Draft { to: vec![mailbox("", address)], ..draft() };
        let bytes = draft.bytes();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(&format!("\r\nTo: {expected}\r\n")), "{text}");
    };
    check("ada@bücher.example", "ada@xn--bcher-kva.example");
    check("jörg@acme.example", "jörg@acme.example");
    check("jörg@bücher.example", "jörg@xn--bcher-kva.example");
}

fn bare_letter<'a>(from: &'a Mailbox, to: &'a [Mailbox], none: &'a BTreeSet<&'a str>) -> Letter<'a> {
    Letter {
        from,
        reply_to: None,
        to,
        cc: &[],
        subject: "",
        text: "",
        html: "",
        message_id: "<1@acme.example>",
        date: Timestamp::UNIX_EPOCH,
        store: "acme",
        events: &[],
        reasons: none,
        intended_to: None,
    }
}

#[test]
fn m08_an_address_that_is_none_is_an_error_and_not_a_header() {
    let check = |address: &str| {
        let to = [mailbox("", address)];
        let from = mailbox("", "no-reply@acme.example");
        let error = bare_letter(&from, &to, &BTreeSet::new()).to_bytes().unwrap_err();
        assert!(!error.to_string().contains(address), "an address belongs into no log");
    };
    for address in ["@", "a@", "@b", "a b@acme.example", "a>@acme.example", "a@b@c"] {
        // The border may already refuse it; then there is nothing left to test here.
        if address.parse::<MailAddress>().is_ok() {
            check(address);
        }
    }
}

#[test]
fn a_clock_before_1970_writes_1970() {
    let from = mailbox("", "no-reply@acme.example");
    let to = [mailbox("", "ada@acme.example")];
    let none = BTreeSet::new();
    for (date, year) in [(Timestamp::MIN, "1970"), (Timestamp::MAX, "9999")] {
        let letter = Letter { date, ..bare_letter(&from, &to, &none) };
        let text = String::from_utf8(letter.to_bytes().unwrap()).unwrap();
        let line = text.lines().find(|line| line.starts_with("Date: ")).unwrap();
        assert!(line.contains(year), "{line}");
    }
}

#[test]
fn an_encoded_word_in_a_name_stays_text() {
    let hostile = "=?utf-8?b?DQpCY2M6IGV2aWxAZXZpbC5leGFtcGxl?=";
    let draft =
        Draft { subject: format!("{hostile} joined"), to: vec![mailbox(hostile, "a@b.example")], ..draft() };
    let bytes = draft.bytes();
    let mail = parse(&bytes);
    assert!(!mail.subject().unwrap().contains("evil@"), "{:?}", mail.subject());
    assert!(!people(mail.to())[0].0.contains("evil@"));
}

/// Text that tries to leave its place: line ends, header lines, quotes, encoded words, control characters.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,12}",
        Just("\r\nBcc: evil@evil.example\r\n".to_owned()),
        Just("\nTo: evil@evil.example".to_owned()),
        Just("\r\n\r\nbody".to_owned()),
        Just("\r.\r\n.\r\nMAIL FROM:<evil@evil.example>\r\n".to_owned()),
        Just("\u{0}\u{b}\u{c}\u{85}\u{2028}\u{2029}".to_owned()),
        Just("\", <evil@evil.example>, \"".to_owned()),
        Just("=?utf-8?q?=0D=0ABcc:_evil@evil.example?=".to_owned()),
        Just("\\".to_owned()),
        Just("\n--dirherald-00000000000000000000000000000007-0\n".to_owned()),
        Just("x".repeat(1200)),
        Just("ü".repeat(700)),
        Just("   ".to_owned()),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn m16_hostile_text_makes_no_header_and_no_recipient(
        from in hostile(), to in hostile(), reply in hostile(), subject in hostile(),
        text in hostile(), html in hostile(), store in hostile(), reason in hostile(),
    ) {
        let draft = Draft {
            from: mailbox(&from, "no-reply@acme.example"),
            reply_to: Some(mailbox(&reply, "desk@acme.example")),
            to: vec![mailbox(&to, "ada@acme.example")],
            subject: subject.clone(),
            text,
            html,
            store,
            reasons: vec![reason],
            ..draft()
        };
        let bytes = draft.bytes();
        well_formed(&bytes)?;
        let mail = parse(&bytes);
        prop_assert_eq!(header_names(&mail), [
            "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
            "Auto-Submitted", "X-Auto-Response-Suppress", "X-Dirherald-Store", "X-Dirherald-Events",
            "X-Dirherald-Reasons",
        ]);
        for (header, address) in [
            (mail.from(), "no-reply@acme.example"), (mail.to(), "ada@acme.example"), (mail.reply_to(), "desk@acme.example"),
        ] {
            let people = people(header);
            prop_assert_eq!(people.len(), 1, "{:?}", people);
            prop_assert_eq!(people[0].1.as_str(), address);
        }
        prop_assert_eq!(people(mail.to())[0].0.clone(), header_text(&visible(&to), NAME_LIMIT));
        prop_assert_eq!(mail.subject().unwrap_or_default().to_owned(), header_text(&subject, SUBJECT_LIMIT));
        prop_assert_eq!(mail.text_body_count(), 1);
        prop_assert_eq!(mail.html_body_count(), 1);
        prop_assert_eq!(mail.attachment_count(), 0);
    }

    #[test]
    fn m16_any_local_part_is_an_address_or_an_error(local in "[^@]{0,20}|(.|\r|\n){0,10}") {
        let Ok(address) = format!("{local}@acme.example").parse::<MailAddress>() else { return Ok(()) };
        let wire = wire_address(&address).expect("a checked address can be written to");
        let wire: &str = wire.as_ref();
        prop_assert!(!wire.chars().any(char::is_control), "{wire:?}");
    }

    #[test]
    fn the_text_arrives_as_written(text in "(\\PC|\n|\t){0,200}", html in "(\\PC|\n){0,200}") {
        let draft = Draft { text: text.clone(), html: html.clone(), ..draft() };
        let bytes = draft.bytes();
        well_formed(&bytes)?;
        let mail = parse(&bytes);
        let read = |body: Option<std::borrow::Cow<'_, str>>| body.unwrap().replace("\r\n", "\n");
        prop_assert_eq!(read(mail.body_text(0)), text);
        prop_assert_eq!(read(mail.body_html(0)), html);
    }
}

#[test]
fn m08_what_is_an_address_to_us_is_one_on_the_wire() {
    for text in ["jose\u{301}@acme.example", "¡olé!@acme.example", "\"é..\"@acme.example", "😀@acme.example"]
    {
        let draft = Draft { to: vec![mailbox("", text)], ..draft() };
        let bytes = draft.bytes();
        let to = format!("\r\nTo: {text}\r\n");
        assert!(String::from_utf8_lossy(&bytes).contains(&to), "{}", String::from_utf8_lossy(&bytes));
        assert_eq!(wire_address(&text.parse().unwrap()).unwrap().to_string(), text);
    }
}

/// [`redirected`] to two pilots, for `intended`.
fn to_the_pilots(mail: &[u8], intended: &str) -> Vec<u8> {
    let to = ["pilot@acme.example", "copilot@acme.example"].map(|address| address.parse().unwrap());
    let intended: MailAddress = intended.parse().unwrap();
    redirected(mail, &Redirection { to: &to, intended: &intended, message_id: "<7@acme.example>" }).unwrap()
}

fn head_and_body(mail: &[u8]) -> (String, String) {
    let text = String::from_utf8(mail.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn a_redirected_mail_names_nobody_whom_it_does_not_go_to() {
    let mut draft = draft();
    draft.text = "To: you\nCc: nobody\n\n To: me\n".to_owned();
    // Long enough for headers of several lines.
    let many = |word: &str| {
        (0..9).map(|n| mailbox("Somebody Or Other", &format!("{word}{n}@real.example"))).collect()
    };
    draft.to = many("to");
    draft.cc = many("cc");
    let before = draft.bytes();
    let after = to_the_pilots(&before, "to0@real.example");
    well_formed(&after).unwrap();
    let (head, body) = head_and_body(&after);
    assert_eq!(body, head_and_body(&before).1);
    assert_eq!(head.matches("real.example").count(), 1, "{head}");
    let mail = parse(&after);
    let pilots: Vec<_> = people(mail.to()).into_iter().map(|(_, address)| address).collect();
    assert_eq!(pilots, ["pilot@acme.example", "copilot@acme.example"]);
    assert!(mail.cc().is_none());
    assert_eq!(mail.message_id(), Some("7@acme.example"));
    assert_eq!(mail.header_raw("X-Dirherald-Intended-To").map(str::trim), Some("to0@real.example"));
    let mut names = header_names(&mail);
    names.sort();
    let mut unique = names.clone();
    unique.dedup();
    assert_eq!(names, unique, "no header stands twice");
    // Once more, for others: nothing of the first time is left.
    assert_eq!(header_names(&parse(&to_the_pilots(&after, "to0@real.example"))).len(), names.len());
}

#[test]
fn m16_an_intended_recipient_stays_in_its_header() {
    let mail = to_the_pilots(&draft().bytes(), "jörg@exämple.example");
    well_formed(&mail).unwrap();
    let parsed = parse(&mail);
    // Free text beyond ASCII, as RFC 2047 writes it.
    let intended = parsed.header_raw("X-Dirherald-Intended-To").map(str::trim).unwrap_or_default();
    assert!(intended.starts_with("=?utf-8?b?") && intended.is_ascii(), "{intended}");
}

#[test]
fn a_mail_that_is_written_for_others_says_for_whom_it_is() {
    let (from, to, none) = (mailbox("", "a@acme.example"), [mailbox("", "b@acme.example")], BTreeSet::new());
    let intended: MailAddress = "ada@real.example".parse().unwrap();
    let letter = Letter { intended_to: Some(&intended), ..bare_letter(&from, &to, &none) };
    let (head, _) = head_and_body(&letter.to_bytes().unwrap());
    assert!(head.contains("\r\nX-Dirherald-Intended-To: ada@real.example"), "{head}");
}

#[test]
fn a_sibling_has_an_id_of_its_own_at_the_same_domain() {
    let id = Uuid::from_u128(9);
    assert_eq!(sibling_id("<7@acme.example>", id), format!("<{id}@acme.example>"));
}

#[test]
fn a_name_with_dots_stands_in_quotes() {
    let to = vec![mailbox("j.doe", "j@acme.example"), mailbox("Ada Byron", "ada@acme.example")];
    let bytes = Draft { to, from: mailbox("dirherald.acme", "no-reply@acme.example"), ..draft() }.bytes();
    let head = String::from_utf8(bytes).unwrap();
    assert!(
        head.contains("To: \"j.doe\" <j@acme.example>,\r\n \"Ada Byron\" <ada@acme.example>\r\n"),
        "{head}"
    );
    assert!(head.contains("From: \"dirherald.acme\" <no-reply@acme.example>\r\n"), "{head}");
}

#[test]
fn m18_a_readers_own_name_hides_nothing() {
    for (name, shown) in [("An\u{202e}na\u{200b}", "Anna"), ("\u{200b}\u{fff3}", "")] {
        let bytes = Draft { to: vec![mailbox(name, "ada@acme.example")], ..draft() }.bytes();
        let to = people(parse(&bytes).to());
        assert_eq!(to, [(shown.to_owned(), "ada@acme.example".to_owned())]);
    }
}

#[test]
fn a_message_id_at_the_longest_domain_is_whole() {
    let domain = format!("{}example", "sub.".repeat(60));
    let bytes = Draft { from: mailbox("", &format!("no-reply@{domain}")), ..draft() }.bytes();
    let id = parse(&bytes).message_id().unwrap().to_owned();
    assert_eq!(id, format!("{}@{domain}", Uuid::from_u128(7)));
}
