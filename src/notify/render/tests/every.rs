//! No mail has a hole, whatever happens to whom for whatever reason in whatever way.

use super::{super::telling::is_full, *};
use crate::notify::{
    notification::{Recipient, Via, WhyNot},
    reason::Reason,
};

const CHANGES: &[&str] = &[
    "member-added finance anna by=dora",
    "member-added finance bert by=bert",
    "member-added finance controllers",
    "member-removed finance anna",
    "member-removed finance bert by=dora",
    "member-removed finance controllers because-deleted",
    "owner-added finance dora by=dora",
    "owner-added finance bert",
    "owner-added finance controllers by=bert",
    "owner-removed finance dora because-deleted",
    "owner-removed finance bert by=bert",
    "owner-removed finance controllers",
    "manager-added bert carla by=dora",
    "manager-added anna bert",
    "manager-added ken controllers by=bert",
    "manager-removed bert carla because-deleted",
    "manager-removed bert bert by=bert",
    "manager-removed ken controllers",
    "object-created finance by=bert",
    "object-created controllers",
    "object-created bert",
    "object-created ken by=dora",
    "object-deleted finance by=dora",
    "object-deleted bert by=bert",
    "object-renamed finance",
    "object-renamed bert by=bert",
    "object-renamed sales by=dora",
    "attributes-changed finance by=bert",
    "attributes-changed bert by=dora",
    "attributes-changed ken",
    "scope-entered bert",
    "scope-left finance by=bert",
];

/// Of so many further reasons one is tried beside a first.
const APART: usize = 17;

/// Who is told, and how, where the reader is bert; in place of members it is the group.
fn ways(company: &Company, event: &ChangeEvent) -> Vec<(EntryRef, Via)> {
    let entry = |account| company.entry(account);
    let mut ways = vec![
        (entry("bert"), Via::Directly),
        (entry("same"), Via::Directly),
        (entry("bert"), Via::Group(entry("silent"))),
        (entry("same"), Via::Group(entry("silent"))),
        (entry("bert"), Via::Group(event.entry.clone())),
        (entry("silent"), Via::InPlaceOfMembers(WhyNot::OverLimit)),
        (event.entry.clone(), Via::InPlaceOfMembers(WhyNot::NobodyToTell)),
    ];
    if let Some(subject) = event.change.subject() {
        ways.push((entry("bert"), Via::Group(subject.clone())));
        ways.push((subject.clone(), Via::InPlaceOfMembers(WhyNot::OverLimit)));
    }
    ways
}

fn grounds(company: &Company, event: &ChangeEvent) -> Vec<Ground> {
    let of = |reason: Reason| {
        let ground = move |(who, via)| Ground { reason, who: Some(who), via, events: vec![event.id] };
        ways(company, event).into_iter().map(ground)
    };
    let listed = Ground { reason: Reason::Recipients, who: None, via: Via::Directly, events: vec![event.id] };
    Reason::ALL.into_iter().flat_map(of).chain([listed]).collect()
}

/// A mail to bert, or to the group that is written to first, on these grounds.
fn told(company: &Company, event: &ChangeEvent, grounds: Vec<Ground>, show_actor: bool) -> Rendered {
    let first = &grounds[0];
    let is_group = matches!(first.via, Via::InPlaceOfMembers(_));
    let reader = first.who.clone().filter(|_| is_group).unwrap_or_else(|| company.entry("bert"));
    let recipient = Recipient {
        address: "bert@acme.example".parse().unwrap(),
        entry: Some(reader),
        language: None,
        role: Role::ByRole,
    };
    let notification =
        Notification { change_set: event.change_set, recipient, events: vec![event.id], grounds };
    let notices = [Notice { notification, events: vec![event.clone()] }];
    render(&MailContent { show_actor, ..content(&notices) }).unwrap()
}

/// What is said in words: all paragraphs but the facts, each on one line.
fn prose(text: &str) -> Vec<String> {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.starts_with("  "));
    let lines = paragraphs.flat_map(|paragraph| {
        let flowing = paragraph.replace("\nYou get", "\n\nYou get").replace("---\n", "---\n\n");
        flowing.split("\n\n").map(|line| line.trim().replace('\n', " ")).collect::<Vec<_>>()
    });
    lines.filter(|line| !line.starts_with("---")).collect()
}

/// The words of an HTML page, without its marks.
fn words_of(html: &str) -> String {
    let body = html.split_once("<body").unwrap().1;
    let words: String =
        body.split('<').map(|piece| piece.split_once('>').map_or("", |(_, words)| words)).collect();
    let words = words.replace("&#x27;", "'").replace("&#x2f;", "/").replace("&amp;", "&");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_whole(mail: &Rendered, event: &ChangeEvent) {
    assert_sound(mail);
    let html = words_of(&mail.html);
    assert!(mail.text.contains(&event.entry.name) && html.contains(&event.entry.name), "{}", mail.text);
    for line in prose(&mail.text) {
        assert!(line.ends_with(['.', ',']), "no sentence: {line:?} in {}", mail.text);
        for slip in ["  ", " .", " ,", "..", ",,", ",.", " a an ", " an a ", "the the", "and and"] {
            assert!(!line.contains(slip), "{slip:?} in {line:?}");
        }
        assert!(html.contains(&line), "only the text says {line:?}: {html}");
    }
    assert!(mail.text.contains("You get this mail because "), "{}", mail.text);
    for tag in ["table", "tr", "td", "p", "span", "strong", "h1"] {
        let count = |mark: &str| mail.html.matches(mark).count();
        let open = count(&format!("<{tag}>")) + count(&format!("<{tag} "));
        assert_eq!(open, count(&format!("</{tag}>")), "<{tag}>: {}", mail.html);
    }
    for empty in ["\"></p>", "\"></td>", "\"></span>", "<strong></strong>"] {
        assert!(!mail.html.contains(empty), "{empty} in {}", mail.html);
    }
}

#[test]
fn no_mail_has_a_hole_whatever_the_change_the_reason_and_the_way() {
    let company = Company::new(COMPANY);
    for change in CHANGES {
        let set = company.change_set(0, change);
        let [event] = set.events.as_slice() else { panic!("one event each") };
        for ground in grounds(&company, event) {
            assert_whole(&told(&company, event, vec![ground.clone()], true), event);
            if !is_full(ground.reason) {
                assert_whole(&told(&company, event, vec![ground.clone()], false), event);
            }
        }
    }
}

#[test]
fn no_mail_of_two_reasons_has_a_hole() {
    let company = Company::new(COMPANY);
    for change in CHANGES {
        let set = company.change_set(0, change);
        let [event] = set.events.as_slice() else { panic!("one event each") };
        let grounds = grounds(&company, event);
        let directly = grounds.iter().filter(|ground| ground.via == Via::Directly);
        for (place, first) in directly.enumerate() {
            // Some of the others, so that all come in turn and the test stays short.
            for second in grounds.iter().skip(place % APART).step_by(APART) {
                assert_whole(&told(&company, event, vec![first.clone(), second.clone()], true), event);
            }
        }
    }
}

#[test]
fn a_digest_of_everything_has_no_hole() {
    let company = Company::new(COMPANY);
    let all = CHANGES.join(";");
    let ticked =
        "logged_in_users owner manager object_modified public_group_owner added_members removed_members";
    for reader in ["anna", "bert", "carla", "dora.evans", "ken", "club", "audit"] {
        for beside in ["", "all-changes to=audit@acme.example,bert@acme.example", "limit=0"] {
            let (show_actor, notices) = notices(&company, reader, &format!("{ticked} {beside}"), &[&all]);
            if notices.is_empty() {
                continue;
            }
            let mail = render(&MailContent { show_actor, ..content(&notices) }).unwrap();
            assert_sound(&mail);
            let html = words_of(&mail.html);
            let closing = prose(&mail.text);
            let closing = closing.iter().filter(|line| line.ends_with('.'));
            closing.for_each(|line| assert!(html.contains(line), "only the text says {line:?}"));
        }
    }
}
