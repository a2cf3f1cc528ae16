//! Mails about entries that are called anything: rendered, written, and read by somebody else's parser.

use std::collections::BTreeSet;

use jiff::{Timestamp, tz::TimeZone};
use mail_parser::MessageParser;
use uuid::Uuid;

use super::{
    message::{Letter, message_id},
    settings::Mailbox,
};
use crate::{
    change::event::{Actor, AttributeChange, Cause, Change, ChangeEvent, ChangeSetId, EventId, Marks},
    directory::{
        attribute::AttributeName,
        dn::Dn,
        entry::{EntryId, EntryKind, EntryRef, Rank},
    },
    fuzz,
    notify::{
        digest::Gathered,
        notification::{Ground, Notification, Recipient, Role, Via},
        reason::Reason,
        render::{Beyond, MailContent, Notice, Rendered, render},
    },
};

/// What the directory says, in the order of use; what is missing is empty.
struct Words(Vec<String>);

impl Words {
    /// Parted by unit separators.
    fn of(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).split('\u{1f}').map(str::to_owned).collect())
    }

    fn at(&self, number: usize) -> String {
        self.0.get(number % self.0.len()).cloned().unwrap_or_default()
    }

    fn entry(&self, number: usize, kind: EntryKind) -> EntryRef {
        let name = self.at(number);
        let dn = Dn::parse(&name).unwrap_or_else(|_| Dn::of_account(&name));
        EntryRef { id: Some(EntryId(Uuid::from_u128(number as u128))), dn, kind: Some(kind), name }
    }

    fn changes(&self) -> Vec<(EntryRef, Change)> {
        let (group, member) = (self.entry(0, EntryKind::Group), self.entry(1, EntryKind::User));
        let attribute = AttributeChange {
            name: AttributeName::new("title"),
            old: vec![self.at(3)],
            new: vec![self.at(4), self.at(5)],
        };
        vec![
            (group.clone(), Change::MemberAdded { member: member.clone() }),
            (group.clone(), Change::OwnerRemoved { owner: member.clone(), rank: Rank::Primary }),
            (group.clone(), Change::ObjectRenamed { old_dn: self.entry(6, EntryKind::Group).dn }),
            (group.clone(), Change::AttributesChanged { attributes: vec![attribute] }),
            (
                group,
                Change::ObjectDeleted {
                    last_members: vec![member, self.entry(7, EntryKind::User)],
                    last_member_count: 9,
                    last_groups: vec![],
                },
            ),
        ]
    }

    /// One mail for each change, and one of all.
    fn mails(&self) -> Vec<Rendered> {
        let events: Vec<_> =
            self.changes().into_iter().zip(1..).map(|(change, n)| self.event(change, n)).collect();
        let timezone = TimeZone::get("Europe/Berlin").unwrap();
        let mail = |notices: &[Notice]| {
            let store = self.at(8);
            let content = MailContent {
                store: &store,
                notices,
                beyond: &Beyond::default(),
                gathered: Gathered::Window,
                show_actor: true,
                timezone: &timezone,
            };
            render(&content).unwrap_or_else(|error| panic!("{error:?}"))
        };
        let notices: Vec<_> = events.into_iter().map(|event| self.notice(event)).collect();
        notices.iter().map(|notice| mail(std::slice::from_ref(notice))).chain([mail(&notices)]).collect()
    }

    fn event(&self, (entry, change): (EntryRef, Change), number: u128) -> ChangeEvent {
        ChangeEvent {
            id: EventId(Uuid::from_u128(number)),
            change_set: ChangeSetId(Uuid::from_u128(number)),
            time: Timestamp::from_second(1_800_000_000).unwrap(),
            seen: Timestamp::from_second(1_800_000_000).unwrap(),
            entry,
            change,
            actor: Actor::Known(self.entry(2, EntryKind::User)),
            cause: Cause::Directory,
            owners: Vec::new(),
            managers: Vec::new(),
            marks: Marks::default(),
        }
    }

    fn notice(&self, event: ChangeEvent) -> Notice {
        let owner = self.entry(9, EntryKind::User);
        let ground = Ground {
            reason: Reason::Owner,
            who: Some(owner.clone()),
            via: Via::Group(self.entry(10, EntryKind::Group)),
            events: vec![event.id],
        };
        let recipient = Recipient {
            address: "carla@acme.example".parse().unwrap(),
            entry: Some(owner),
            language: Some(self.at(11)),
            role: Role::ByRole,
        };
        let change_set = event.change_set;
        let notification =
            Notification { change_set, recipient, events: vec![event.id], grounds: vec![ground] };
        Notice { notification, events: vec![event] }
    }
}

#[test]
fn fuzz_mail() {
    let letters = tags(&Words::of(b"a\x1fb\x1fc\x1fd\x1fe\x1ff\x1fg\x1fh\x1fi\x1fj\x1fk\x1fl").mails());
    let empty = tags(&Words::of(b"").mails());
    // Where a name may be broken in two.
    let names = tags(&Words::of(b"cn=a,dc=b").mails());
    let known: BTreeSet<_> = [letters, empty, names].into_iter().flatten().collect();
    let headers = header_names(&written(&Words::of(b"a").mails()[0]));
    fuzz::run_slow("mail", fuzz::text::mutate, 50, |bytes| {
        let mails = Words::of(bytes).mails();
        for mail in &mails {
            assert_sound(mail);
            assert_eq!(header_names(&written(mail)), headers);
        }
        let new: Vec<_> = tags(&mails).difference(&known).cloned().collect();
        assert!(new.is_empty(), "tags that no template has: {new:?}");
        let lengths: Vec<_> = mails.iter().map(|mail| mail.text.len() / 400).collect();
        format!("{lengths:?}")
    });
}

fn assert_sound(mail: &Rendered) {
    assert!(!mail.subject.contains(is_hidden), "{:?}", mail.subject);
    for line in mail.text.lines() {
        assert!(line.chars().count() <= 78, "too long: {line:?}");
        assert!(!line.contains(is_hidden), "{line:?}");
    }
    assert!(!mail.html.contains(|c| is_hidden(c) && c != '\n'), "{}", mail.html);
}

/// Control characters, and those that turn the direction of what stands around them.
fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}' | '\u{feff}')
}

/// All that stands between angle brackets.
fn tags(mails: &[Rendered]) -> BTreeSet<String> {
    let of = |mail: &Rendered| {
        let tags = mail.html.split('<').skip(1);
        tags.map(|rest| rest.split('>').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    mails.iter().flat_map(of).collect()
}

fn written(mail: &Rendered) -> Vec<u8> {
    let from =
        Mailbox { name: Some("Directory".to_owned()), address: "no-reply@acme.example".parse().unwrap() };
    let to = Mailbox { name: Some(mail.subject.clone()), address: "carla@acme.example".parse().unwrap() };
    let letter = Letter {
        from: &from,
        reply_to: None,
        to: &[to],
        cc: &[],
        intended_to: None,
        subject: &mail.subject,
        text: &mail.text,
        html: &mail.html,
        message_id: &message_id(Uuid::from_u128(7), &from.address),
        date: Timestamp::from_second(1_800_000_000).unwrap(),
        store: "acme",
        events: &[Uuid::from_u128(1)],
        reasons: &["owner"].into(),
    };
    letter.to_bytes().unwrap()
}

/// Of a mail that has one recipient, two parts and lines as they have to be.
fn header_names(bytes: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(!text.replace("\r\n", "").contains(['\r', '\n', '\0']), "{text}");
    assert!(text.split("\r\n").all(|line| line.len() <= 998), "{text}");
    let parsed = MessageParser::default().parse(bytes).unwrap();
    let people = parsed.to().unwrap().clone().into_list();
    assert_eq!(people.len(), 1, "{text}");
    assert_eq!(people[0].address(), Some("carla@acme.example"));
    assert_eq!((parsed.text_body_count(), parsed.html_body_count(), parsed.attachment_count()), (1, 1, 0));
    parsed.headers().iter().map(|header| header.name().to_owned()).collect()
}
