//! The cells on a real slapd.

use std::{collections::BTreeMap, fmt::Write as _};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{
    cells::{Act, BASE, Cell, Who, before, escaped},
    supply::{PROBE, adding, renaming, replacing},
};
use crate::support::{
    ber,
    ldap::Ldap,
    slapd::{Setup, Slapd},
};

/// A server with so many cells in which nothing has happened yet.
pub fn slapd(cells: usize) -> Slapd {
    Setup::seeded(BASE, &ldif(cells)).max_size(8 << 30).access(EVERYBODY_WRITES).start()
}

const EVERYBODY_WRITES: &str = "to * by users write by anonymous auth";

fn ldif(cells: usize) -> String {
    let mut ldif = format!(
        "dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: harbour-vale\no: Hostile\n\n\
         dn: cn=dirherald,ou=services,{BASE}\nobjectClass: applicationProcess\n\
         objectClass: simpleSecurityObject\ncn: dirherald\nuserPassword: demo-only\n\n\
         dn: {RINGER},{BASE}\nobjectClass: inetOrgPerson\nuid: ringer\ncn: Ringer\nsn: Ringer\n\
         mail: {RINGERS}\n\n\
         dn: {PROBE},{BASE}\nobjectClass: inetOrgPerson\nobjectClass: dirheraldManaged\nuid: probe\ncn: probe\nsn: probe\n\n"
    );
    let units = ["services", "people", "groups", "probes"]
        .map(|unit| format!("dn: ou={unit},{BASE}\nobjectClass: organizationalUnit\nou: {unit}\n\n"));
    let end = ldif.find("\n\n").expect("the first entry") + 2;
    ldif.insert_str(end, &units.concat());
    for cell in 0..cells {
        for who in Who::ALL {
            let _ = writeln!(ldif, "dn: {},{},{BASE}", who.rdn(cell), who.place());
            for (name, values) in before(who, cell) {
                for value in values {
                    let _ = writeln!(ldif, "{name}:: {}", BASE64_STANDARD.encode(value));
                }
            }
            ldif.push('\n');
        }
    }
    ldif
}

/// Whose mail says that everything before it was told.
pub const RINGER: &str = "uid=ringer,ou=services";
pub const RINGERS: &str = "ringer@bell.example";

/// Where everybody is now.
pub struct Directory<'a> {
    slapd: &'a Slapd,
    ldap: &'a Ldap,
    renamed: BTreeMap<(usize, Who), String>,
    rings: usize,
}

impl<'a> Directory<'a> {
    pub fn new(slapd: &'a Slapd, ldap: &'a Ldap) -> Self {
        Self { slapd, ldap, renamed: BTreeMap::new(), rings: 0 }
    }

    fn dn(&self, cell: usize, who: Who) -> String {
        let rdn = self.renamed.get(&(cell, who)).cloned().unwrap_or_else(|| who.rdn(cell));
        format!("{rdn},{},{BASE}", who.place())
    }

    /// Everything that happens in a cell.
    pub async fn play(&mut self, cell: &Cell) {
        for act in &cell.acts {
            let code = self.act(cell.number, act).await;
            assert_eq!(code, 0, "cell {}: {}", cell.number, act.legible());
        }
    }

    async fn act(&mut self, cell: usize, act: &Act) -> u32 {
        match act {
            Act::Set(who, set) => self.ldap.try_request(replacing(&self.dn(cell, *who), set)).await,
            Act::Rename(who, value) => {
                let rdn = format!("cn={}+{}", escaped(value), who.mark(cell));
                let code = self.ldap.try_request(renaming(&self.dn(cell, *who), &rdn)).await;
                self.renamed.insert((cell, *who), rdn);
                code
            }
            Act::Join(who) => {
                let manager = self.dn(cell, Who::Manager);
                let ldap = Ldap::bind(&self.slapd.url(), BASE, &manager, Slapd::PEOPLES_PASSWORD).await;
                ldap.try_request(adding(&self.dn(cell, Who::Group), "member", &self.dn(cell, *who))).await
            }
            Act::Dissolve => {
                let dn = self.dn(cell, Who::Group);
                self.ldap.try_request(ber::tlv(0x4a, dn.as_bytes())).await
            }
        }
    }

    /// A change whose mail comes after all others. Answers what that mail says.
    pub async fn ring(&mut self) -> String {
        self.rings += 1;
        let ring = format!("ring-{:05}.", self.rings);
        self.ldap.replace(RINGER, "displayName", &[&ring]).await;
        ring
    }
}
