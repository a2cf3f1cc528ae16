//! The cells on a scripted server, which sends what no slapd would take.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    cells::{Act, BASE, Cell, Who, before, escaped},
    real::{RINGER, RINGERS},
};
use crate::support::{
    ber,
    scripted_ldap::{Operation, Script, Step},
};

const SYNC_REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";
const SYNC_STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
const SYNC_INFO: &str = "1.3.6.1.4.1.4203.1.9.1.4";

/// Of the sync state control (RFC 4533, section 2.2).
const ADD: i64 = 1;
const MODIFY: i64 = 2;

type Attributes = BTreeMap<&'static str, Vec<Vec<u8>>>;

#[derive(Debug)]
struct Entry {
    id: [u8; 16],
    rdn: String,
    attributes: Attributes,
}

/// Writes the script while it keeps what everybody looks like.
pub struct Playwright {
    entries: BTreeMap<(usize, Who), Entry>,
    script: Script,
    changes: usize,
    rings: usize,
}

impl Playwright {
    /// The dialogue up to the end of a refresh with so many cells in which nothing has happened yet.
    pub fn new(cells: &BTreeSet<usize>) -> Self {
        let mut written = Self { entries: BTreeMap::new(), script: welcome(), changes: 0, rings: 0 };
        for &cell in cells {
            for who in Who::ALL {
                let number = u64::try_from(cell * 10 + who as usize).expect("small");
                let mut id = [7; 16];
                id[8..].copy_from_slice(&number.to_be_bytes());
                let entry = Entry { id, rdn: who.rdn(cell), attributes: before(who, cell) };
                written.entries.insert((cell, who), entry);
                written.show(cell, who, ADD, None);
            }
        }
        written.show_ringer("Ringer", ADD);
        let done = ber::tlv(0xa2, &[ber::octets(written.cookie()), ber::boolean(true)].concat());
        written.script.push(Step::answer(ber::intermediate(Some(SYNC_INFO), Some(&done))));
        written
    }

    /// What is to be given to the server.
    pub fn finished(mut self) -> Script {
        self.script.push(Step::Hold);
        self.script
    }

    /// Everything that happens in a cell.
    pub fn play(&mut self, cell: &Cell) {
        for act in &cell.acts {
            self.act(cell.number, act);
        }
    }

    /// The next part is not sent before the test says so. Answers what the last mail of this one says.
    pub fn ring(&mut self) -> String {
        self.rings += 1;
        let ring = format!("ring-{:05}.", self.rings);
        self.show_ringer(&ring, MODIFY);
        self.script.push(Step::Wait);
        ring
    }

    fn act(&mut self, cell: usize, act: &Act) {
        match act {
            Act::Set(who, set) => {
                let entry = self.entry(cell, *who);
                for (name, values) in set {
                    entry.attributes.insert(name, values.clone());
                }
                self.show(cell, *who, MODIFY, None);
            }
            Act::Rename(who, value) => {
                self.entry(cell, *who).rdn = format!("cn={}+{}", written(value), who.mark(cell));
                self.show(cell, *who, MODIFY, None);
            }
            Act::Join(who) => {
                let (member, manager) = (self.dn(cell, *who), self.dn(cell, Who::Manager));
                let members = self.entry(cell, Who::Group).attributes.entry("member").or_default();
                members.push(member.into_bytes());
                self.show(cell, Who::Group, MODIFY, Some(&manager));
            }
            Act::Dissolve => panic!("the scripted server answers no questions about who is gone"),
        }
    }

    fn entry(&mut self, cell: usize, who: Who) -> &mut Entry {
        self.entries.get_mut(&(cell, who)).expect("an entry of the script")
    }

    fn dn(&self, cell: usize, who: Who) -> String {
        format!("{},{},{BASE}", self.entries[&(cell, who)].rdn, who.place())
    }

    fn show(&mut self, cell: usize, who: Who, state: i64, by: Option<&str>) {
        let dn = self.dn(cell, who);
        let entry = &self.entries[&(cell, who)];
        let (id, attributes) = (entry.id, entry.attributes.clone());
        self.say(&dn, id, attributes, state, by);
    }

    fn show_ringer(&mut self, name: &str, state: i64) {
        let values = |value: &str| vec![value.as_bytes().to_vec()];
        let attributes = BTreeMap::from([
            ("objectClass", values("inetOrgPerson")),
            ("uid", values("ringer")),
            ("mail", values(RINGERS)),
            ("displayName", values(name)),
        ]);
        self.say(&format!("{RINGER},{BASE}"), [9; 16], attributes, state, None);
    }

    /// One message of the search.
    fn say(&mut self, dn: &str, id: [u8; 16], mut attributes: Attributes, state: i64, by: Option<&str>) {
        self.changes += 1;
        attributes.remove("userPassword");
        attributes.insert("entryCSN", vec![self.csn().into_bytes()]);
        attributes.insert("createTimestamp", vec![b"20260101000000Z".to_vec()]);
        attributes.insert("entryUUID", vec![uuid::Uuid::from_bytes(id).to_string().into_bytes()]);
        if let Some(by) = by {
            attributes.insert("modifiersName", vec![by.as_bytes().to_vec()]);
        }
        let list: Vec<_> = attributes
            .iter()
            .map(|(name, values)| {
                let values: Vec<_> = values.iter().map(ber::octets).collect();
                ber::sequence(&[ber::octets(name), ber::set(&values)])
            })
            .collect();
        let entry = ber::tlv(0x64, &[ber::octets(dn), ber::sequence(&list)].concat());
        let state = ber::sequence(&[ber::enumerated(state), ber::octets(id), ber::octets(self.cookie())]);
        self.script
            .push(Step::AnswerWithControls(entry, vec![ber::control(SYNC_STATE, false, Some(&state))]));
    }

    /// One second for each change.
    fn csn(&self) -> String {
        let (minutes, second) = (self.changes / 60, self.changes % 60);
        let (hours, minute) = (minutes / 60, minutes % 60);
        let (day, hour) = (1 + hours / 24, hours % 24);
        format!("202602{day:02}{hour:02}{minute:02}{second:02}.000000Z#000000#000#000000")
    }

    fn cookie(&self) -> String {
        format!("rid=000,csn={}", self.csn())
    }
}

/// Half of what can be is written as it is: line breaks and the like in the midst of a name.
fn written(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if value.len().is_multiple_of(2) => text.chars().map(bare).collect(),
        Ok(_) | Err(_) => escaped(value),
    }
}

fn bare(c: char) -> String {
    match c {
        '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '#' | '=' | ' ' | '\0' => {
            format!("\\{:02x}", u32::from(c))
        }
        _ => c.to_string(),
    }
}

fn welcome() -> Script {
    let root: [(&str, &[&str]); 3] = [
        ("objectClass", &["top", "OpenLDAProotDSE"]),
        ("namingContexts", &[BASE]),
        ("supportedControl", &[SYNC_REQUEST]),
    ];
    let base: [(&str, &[&str]); 1] = [("objectClass", &["organization"])];
    vec![
        Step::expect(Operation::Bind),
        Step::answer(ber::bind_response(0, "")),
        Step::expect(Operation::Extended),
        Step::answer(ber::extended_response(0, "", None, Some(b"dn:cn=dirherald,ou=services"))),
        Step::expect(Operation::Search),
        Step::answer(ber::entry("", &root)),
        Step::answer(ber::search_done(0, "")),
        Step::expect(Operation::Search),
        Step::answer(ber::entry(BASE, &base)),
        Step::answer(ber::search_done(0, "")),
        Step::expect_with(Operation::Search, SYNC_REQUEST),
    ]
}
