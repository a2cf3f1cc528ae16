//! Changes of a directory, made as a given person.
//!
//! DNs are written below the base (`uid=lena,ou=people`) and completed, in values of member, owner and the
//! like too. Every method fails the test when the server refuses; `try_modify` gives the result code instead.
//! Values reach the server in the order given.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
    time::timeout,
};

use super::{
    ber,
    slapd::{Slapd, complete},
    wait,
};

/// A connection bound as one person, one request at a time.
#[derive(Debug)]
pub struct Ldap {
    connection: Mutex<Connection>,
    base: String,
}

/// One modification, as in LDIF.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// These values more.
    Add(&'a str, &'a [&'a str]),
    /// These values less; without values the whole attribute.
    Delete(&'a str, &'a [&'a str]),
    /// These values and no others; without values no attribute.
    Replace(&'a str, &'a [&'a str]),
}

/// A change as a whole, to be asked for again where the answer was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    Add { dn: String, attributes: Vec<(String, Vec<String>)> },
    Replace { dn: String, attribute: String, values: Vec<String> },
    AddValue { dn: String, attribute: String, value: String },
    DeleteValue { dn: String, attribute: String, value: String },
    Delete { dn: String },
    Rename { dn: String, new_rdn: String },
    Move { dn: String, new_parent: String },
}

impl Request {
    /// A new entry.
    pub fn add(dn: &str, attributes: &[(&str, &[&str])]) -> Self {
        let owned = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
        let attributes = attributes.iter().map(|&(name, values)| (name.to_owned(), owned(values))).collect();
        Self::Add { dn: dn.to_owned(), attributes }
    }
}

impl Ldap {
    /// As `cn=admin`, whom nothing binds.
    pub async fn admin(slapd: &Slapd) -> Self {
        Self::bind(&slapd.url(), slapd.base(), &slapd.admin_dn(), Slapd::ADMIN_PASSWORD).await
    }

    /// As someone of the sample company.
    pub async fn bind_as(slapd: &Slapd, person: &str) -> Self {
        Self::bind(&slapd.url(), slapd.base(), &slapd.dn(person), Slapd::PEOPLES_PASSWORD).await
    }

    /// As `cn=config`, to change the running server's own settings.
    pub async fn config(slapd: &Slapd) -> Self {
        Self::bind(&slapd.url(), slapd.base(), "cn=config", Slapd::ADMIN_PASSWORD).await
    }

    /// Over `ldap://` only: in the clear, on loopback.
    pub async fn bind(url: &str, base: &str, dn: &str, password: &str) -> Self {
        Self::try_bind(url, base, dn, password).await.expect("binding to the test's slapd")
    }

    /// [`bind`](Self::bind) to a server that may be away.
    pub async fn try_bind(url: &str, base: &str, dn: &str, password: &str) -> io::Result<Self> {
        let address = url.strip_prefix("ldap://").expect("a URL in the clear");
        let stream = TcpStream::connect(address).await?;
        let connection = Connection { stream, buffer: Vec::new(), last_id: 0 };
        let ldap = Self { connection: Mutex::new(connection), base: base.to_owned() };
        let password = ber::tlv(0x80, password.as_bytes());
        let request = ber::tlv(0x60, &[ber::integer(3), ber::octets(dn), password].concat());
        match ldap.try_ask(request).await? {
            Answer { code: 0, .. } => Ok(ldap),
            refused => Err(io::Error::other(format!("binding as {dn}: {refused:?}"))),
        }
    }

    /// Makes a change of a server that may go away meanwhile; gives the result code.
    pub async fn request(&self, request: &Request) -> io::Result<u32> {
        Ok(self.try_ask(self.operation(request)).await?.code)
    }

    /// Adds an entry.
    pub async fn add(&self, dn: &str, attributes: &[(&str, &[&str])]) {
        self.carry_out(&Request::add(dn, attributes)).await;
    }

    /// Makes a change, which must succeed.
    pub async fn carry_out(&self, request: &Request) {
        self.ask(self.operation(request)).await.expect_success(&format!("{request:?}"));
    }

    /// Adds a person of the sample company: with an address, without a manager.
    pub async fn add_person(&self, dn: &str, name: &str, mail: &str) {
        let (_, uid) = dn.split(',').next().and_then(|rdn| rdn.split_once('=')).expect("uid=…,…");
        let surname = name.split(' ').next_back().expect("a name");
        self.add(
            dn,
            &[
                ("objectClass", &["inetOrgPerson"]),
                ("uid", &[uid]),
                ("cn", &[name]),
                ("sn", &[surname]),
                ("displayName", &[name]),
                ("mail", &[mail]),
            ],
        )
        .await;
    }

    /// Adds a groupOfNames.
    pub async fn add_group(&self, dn: &str, owners: &[&str], members: &[&str]) {
        let name = dn.split(',').next().and_then(|rdn| rdn.strip_prefix("cn=")).expect("cn=…,…");
        let mut attributes: Vec<(&str, &[&str])> = vec![
            ("objectClass", &["groupOfNames"]),
            ("cn", std::slice::from_ref(&name)),
            ("member", members),
        ];
        if !owners.is_empty() {
            attributes.push(("owner", owners));
        }
        self.add(dn, &attributes).await;
    }

    /// All changes in one operation.
    pub async fn modify(&self, dn: &str, changes: &[Change<'_>]) {
        let code = self.try_modify(dn, changes).await;
        assert_eq!(code, 0, "result of {changes:?} on {dn}");
    }

    /// The result code of a modification (RFC 4511, appendix A).
    pub async fn try_modify(&self, dn: &str, changes: &[Change<'_>]) -> u32 {
        self.ask(self.modify_operation(dn, changes)).await.code
    }

    /// The result code of an operation written by hand, for values that are no text.
    pub async fn try_request(&self, operation: Vec<u8>) -> u32 {
        self.ask(operation).await.code
    }

    /// Gives an attribute these values and no others.
    pub async fn replace(&self, dn: &str, attribute: &str, values: &[&str]) {
        self.modify(dn, &[Change::Replace(attribute, values)]).await;
    }

    /// One member more.
    pub async fn add_member(&self, group: &str, member: &str) {
        self.modify(group, &[Change::Add("member", &[member])]).await;
    }

    /// One member less.
    pub async fn remove_member(&self, group: &str, member: &str) {
        self.modify(group, &[Change::Delete("member", &[member])]).await;
    }

    /// Gives a group these owners and no others.
    pub async fn set_owners(&self, group: &str, owners: &[&str]) {
        self.replace(group, "owner", owners).await;
    }

    /// Gives a person this manager.
    pub async fn set_manager(&self, person: &str, manager: &str) {
        self.replace(person, "manager", &[manager]).await;
    }

    /// Deletes an entry.
    pub async fn delete(&self, dn: &str) {
        self.carry_out(&Request::Delete { dn: dn.to_owned() }).await;
    }

    /// Gives an entry another first part, in the same place; the old value goes.
    pub async fn rename(&self, dn: &str, new_rdn: &str) {
        self.carry_out(&Request::Rename { dn: dn.to_owned(), new_rdn: new_rdn.to_owned() }).await;
    }

    /// Moves an entry below another, under the same first part.
    pub async fn move_below(&self, dn: &str, new_parent: &str) {
        self.carry_out(&Request::Move { dn: dn.to_owned(), new_parent: new_parent.to_owned() }).await;
    }

    /// The values of one attribute, in the server's order. `None`: there is no such entry.
    pub async fn values(&self, dn: &str, attribute: &str) -> Option<Vec<String>> {
        self.try_values(dn, attribute).await.expect("the test's slapd stays connected")
    }

    /// [`values`](Self::values) of a server that may go away meanwhile.
    pub async fn try_values(&self, dn: &str, attribute: &str) -> io::Result<Option<Vec<String>>> {
        let answer = self.search(&self.dn(dn), BASE_OBJECT, attribute).await?;
        match (answer.code, answer.entries.first()) {
            (NO_SUCH_OBJECT, _) => Ok(None),
            (0, Some(entry)) => Ok(Some(values(entry))),
            _ => Err(io::Error::other(format!("reading {dn}: {answer:?}"))),
        }
    }

    /// How many entries a search of the whole tree gives, and with which result code.
    pub async fn count(&self) -> (usize, u32) {
        let answer = self.search(&self.base, WHOLE_SUBTREE, "1.1").await;
        let answer = answer.expect("the test's slapd stays connected");
        (answer.entries.len(), answer.code)
    }

    /// The entryUUID, as the server writes it.
    pub async fn id(&self, dn: &str) -> String {
        let values = self.values(dn, "entryUUID").await.unwrap_or_else(|| panic!("no entry {dn}"));
        values.into_iter().next().expect("every entry has an entryUUID")
    }

    fn dn(&self, short: &str) -> String {
        complete(short, &self.base)
    }

    /// Sections 4.6 to 4.9.
    fn operation(&self, request: &Request) -> Vec<u8> {
        match request {
            Request::Add { dn, attributes } => {
                let attribute = |(name, values): &(String, Vec<String>)| {
                    self.attribute(name, &values.iter().map(String::as_str).collect::<Vec<_>>())
                };
                let attributes: Vec<_> = attributes.iter().map(attribute).collect();
                ber::tlv(0x68, &[ber::octets(self.dn(dn)), ber::sequence(&attributes)].concat())
            }
            Request::Replace { dn, attribute, values } => {
                let values: Vec<_> = values.iter().map(String::as_str).collect();
                self.modify_operation(dn, &[Change::Replace(attribute, &values)])
            }
            Request::AddValue { dn, attribute, value } => {
                self.modify_operation(dn, &[Change::Add(attribute, &[value])])
            }
            Request::DeleteValue { dn, attribute, value } => {
                self.modify_operation(dn, &[Change::Delete(attribute, &[value])])
            }
            Request::Delete { dn } => ber::tlv(0x4a, self.dn(dn).as_bytes()),
            Request::Rename { dn, new_rdn } => {
                let parts = [ber::octets(self.dn(dn)), ber::octets(new_rdn), ber::boolean(true)];
                ber::tlv(0x6c, &parts.concat())
            }
            Request::Move { dn, new_parent } => {
                let parent = ber::tlv(0x80, self.dn(new_parent).as_bytes());
                let rdn = ber::octets(first_part(dn));
                ber::tlv(0x6c, &[ber::octets(self.dn(dn)), rdn, ber::boolean(true), parent].concat())
            }
        }
    }

    fn modify_operation(&self, dn: &str, changes: &[Change<'_>]) -> Vec<u8> {
        let changes: Vec<_> = changes.iter().map(|change| self.modification(change)).collect();
        ber::tlv(0x66, &[ber::octets(self.dn(dn)), ber::sequence(&changes)].concat())
    }

    /// PartialAttribute (RFC 4511, section 4.1.7).
    fn attribute(&self, name: &str, values: &[&str]) -> Vec<u8> {
        let names_entries = NAMING.iter().any(|naming| naming.eq_ignore_ascii_case(name));
        let value =
            |value: &&str| if names_entries { ber::octets(self.dn(value)) } else { ber::octets(value) };
        let values: Vec<_> = values.iter().map(value).collect();
        ber::sequence(&[ber::octets(name), ber::set(&values)])
    }

    /// Section 4.6.
    fn modification(&self, change: &Change<'_>) -> Vec<u8> {
        let (operation, attribute, values) = match *change {
            Change::Add(attribute, values) => (0, attribute, values),
            Change::Delete(attribute, values) => (1, attribute, values),
            Change::Replace(attribute, values) => (2, attribute, values),
        };
        ber::sequence(&[ber::enumerated(operation), self.attribute(attribute, values)])
    }

    /// Section 4.5.1, for every entry in the scope.
    async fn search(&self, base: &str, scope: i64, attribute: &str) -> io::Result<Answer> {
        let no_limit = ber::integer(0);
        let request = [
            ber::octets(base),
            ber::enumerated(scope),
            ber::enumerated(0),
            no_limit.clone(),
            no_limit,
            ber::boolean(false),
            ber::tlv(0x87, b"objectClass"),
            ber::sequence(&[ber::octets(attribute)]),
        ];
        self.try_ask(ber::tlv(0x63, &request.concat())).await
    }

    async fn ask(&self, operation: Vec<u8>) -> Answer {
        self.try_ask(operation).await.expect("the test's slapd stays connected")
    }

    async fn try_ask(&self, operation: Vec<u8>) -> io::Result<Answer> {
        let mut connection = self.connection.lock().await;
        timeout(wait::PATIENCE, connection.ask(operation)).await.expect("an answer in time")
    }
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    last_id: i64,
}

impl Connection {
    async fn ask(&mut self, operation: Vec<u8>) -> io::Result<Answer> {
        // What a request left behind whose waiting was given up is not for this one.
        self.last_id += 1;
        let id = ber::integer(self.last_id);
        self.stream.write_all(&ber::message(self.last_id, operation)).await?;
        let mut entries = Vec::new();
        loop {
            let message = self.receive().await?;
            let Some(operation) = message.strip_prefix(&id[..]) else { continue };
            let (tag, content, _) = ber::split(operation).expect("an operation");
            match tag {
                SEARCH_ENTRY => entries.push(content.to_vec()),
                _ => return Ok(Answer::new(content, entries)),
            }
        }
    }

    /// What is inside the next LDAPMessage.
    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some((_, content, rest)) = ber::split(&self.buffer) {
                let (content, rest) = (content.to_vec(), rest.to_vec());
                self.buffer = rest;
                return Ok(content);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// LDAPResult (section 4.1.9), and the entries before it, each what is inside a SearchResultEntry.
#[derive(Debug)]
struct Answer {
    code: u32,
    message: String,
    entries: Vec<Vec<u8>>,
}

impl Answer {
    fn new(result: &[u8], entries: Vec<Vec<u8>>) -> Self {
        let (_, code, rest) = ber::split(result).expect("a result code");
        let (_, _, rest) = ber::split(rest).expect("a matched DN");
        let (_, message, _) = ber::split(rest).expect("a message");
        let code = code.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        Self { code, message: String::from_utf8_lossy(message).into_owned(), entries }
    }

    fn expect_success(&self, what: &str) {
        assert_eq!(self.code, 0, "{what}: {}", self.message);
    }
}

/// The values of the first attribute of an entry.
fn values(entry: &[u8]) -> Vec<String> {
    let (_, _, rest) = ber::split(entry).expect("a DN");
    let (_, attributes, _) = ber::split(rest).expect("attributes");
    let Some((_, attribute, _)) = ber::split(attributes) else { return Vec::new() };
    let (_, _, rest) = ber::split(attribute).expect("an attribute's name");
    let (_, mut values, _) = ber::split(rest).expect("an attribute's values");
    let mut texts = Vec::new();
    while let Some((_, value, rest)) = ber::split(values) {
        texts.push(String::from_utf8(value.to_vec()).expect("a value in UTF-8"));
        values = rest;
    }
    texts
}

/// Attributes whose values are DNs and are completed. uniqueMember may end in `#uid` and is left alone.
const NAMING: [&str; 6] = ["member", "owner", "manager", "secretary", "managedBy", "msExchCoManagedByLink"];

/// Section 4.1.9.
const NO_SUCH_OBJECT: u32 = 32;

/// SearchResultEntry, section 4.5.2.
const SEARCH_ENTRY: u8 = 0x64;

/// Section 4.5.1.2.
const BASE_OBJECT: i64 = 0;
const WHOLE_SUBTREE: i64 = 2;

/// Up to the first comma that is not escaped.
fn first_part(dn: &str) -> &str {
    let mut escaped = false;
    let end = dn.find(|c| {
        let ends = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.and_then(|end| dn.get(..end)).unwrap_or(dn)
}
