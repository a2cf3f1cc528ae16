//! How a server is to be, and its configuration from that.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

use super::{super::certificates, Slapd, process};

/// The root of the sample company's tree.
pub const COMPANY: &str = "dc=harbour-vale,dc=example";

/// The dummy member of the sample company's groups that would be empty without; there is no such entry.
pub const NOBODY: &str = "cn=nobody";

const CONFIGURATION: &str = include_str!("../../../fixtures/openldap/slapd.conf.template");
const SCHEMA: &str = include_str!("../../../fixtures/openldap/dirherald-test.schema");
const COMPANY_LDIF: &str = include_str!("../../../fixtures/openldap/company.ldif");

/// How a server is to be.
#[derive(Debug, Clone)]
pub struct Setup {
    base: String,
    seed: String,
    more_schema: String,
    overlays: BTreeSet<Overlay>,
    session_log: Option<u32>,
    service_limit: ServiceLimit,
    access: String,
    server_names: Vec<&'static str>,
    max_size: u64,
    checkpoint: &'static str,
}

/// An overlay beside syncprov, which is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Overlay {
    /// Deletes and renames are carried into `member`, `owner`, `manager` and their kin, unseen by syncrepl. A
    /// group that would be empty gets the dummy member.
    Refint,
    /// Keeps `memberOf`, and `member` of groupOfNames and groupOfMembers in step with it, unseen by syncrepl.
    MemberOf,
}

/// What `cn=dirherald,ou=services` may read in one search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceLimit {
    /// Everything: what an administrator has to set up.
    None,
    /// This many entries.
    Entries(u32),
    /// What the server gives everyone: 500 entries.
    ServerDefault,
}

impl Setup {
    /// The sample company, `fixtures/openldap/company.ldif`, without overlays.
    pub fn company() -> Self {
        Self::seeded(COMPANY, COMPANY_LDIF)
    }

    /// A tree of one's own: `ldif` begins with the entry `base`, and needs `cn=dirherald,ou=services` with
    /// the password [`Slapd::SERVICE_PASSWORD`] to be read.
    pub fn seeded(base: &str, ldif: &str) -> Self {
        Self {
            base: base.to_owned(),
            seed: ldif.to_owned(),
            more_schema: String::new(),
            overlays: BTreeSet::new(),
            session_log: None,
            service_limit: ServiceLimit::None,
            access: String::new(),
            server_names: vec!["localhost", "127.0.0.1"],
            max_size: 256 << 20,
            checkpoint: "100 10",
        }
    }

    /// One more overlay.
    pub fn with(mut self, overlay: Overlay) -> Self {
        self.overlays.insert(overlay);
        self
    }

    /// Further attributes and classes, as slapd.conf(5) writes them.
    pub fn schema(mut self, definitions: &str) -> Self {
        self.more_schema.push_str(definitions);
        self
    }

    /// One more class for an entry, and further lines of LDIF. slapadd wants all classes together.
    pub fn more_of(mut self, entry: &str, class: &str, lines: &str) -> Self {
        let head = format!("dn: {}\n", super::complete(entry, &self.base));
        let (before, rest) = self.seed.split_once(&head).unwrap_or_else(|| panic!("there is no {entry}"));
        let (own, after) = rest.split_once("\n\n").unwrap_or((rest, ""));
        self.seed = format!("{before}{head}objectClass: {class}\n{own}\n{lines}\n{after}");
        self
    }

    /// Every entry was created years ago, and not when the server was started.
    pub fn aged(mut self) -> Self {
        let mut aged = String::with_capacity(self.seed.len() * 2);
        for line in self.seed.lines() {
            aged.push_str(line);
            aged.push('\n');
            if line.starts_with("dn:") {
                aged.push_str("createTimestamp: 20200101000000Z\n");
            }
        }
        self.seed = aged;
        self
    }

    /// syncprov remembers this many changes, deletions among them, until the server stops.
    pub fn session_log(mut self, changes: u32) -> Self {
        self.session_log = Some(changes);
        self
    }

    /// syncprov stores how far it is with each change, and not after each hundredth: a server that is killed does
    /// not forget that it deleted something.
    pub fn remembers_deletions(mut self) -> Self {
        self.checkpoint = "1 1";
        self
    }

    /// What the service account may read in one search.
    pub fn service_limit(mut self, limit: ServiceLimit) -> Self {
        self.service_limit = limit;
        self
    }

    /// An access rule that goes before all others, as slapd.access(5) writes it, without the word `access`.
    pub fn access(mut self, rule: &str) -> Self {
        self.access.push_str("access ");
        self.access.push_str(rule);
        self.access.push('\n');
        self
    }

    /// For whom the server's certificate is valid; `localhost` and `127.0.0.1` unless said otherwise.
    pub fn server_names(mut self, names: &[&'static str]) -> Self {
        self.server_names = names.to_vec();
        self
    }

    /// The most that the database may hold, in bytes.
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = bytes;
        self
    }

    /// Starts the server and waits until it answers.
    pub fn start(self) -> Slapd {
        let slapd = self.prepare();
        slapd.load(|stdin| stdin.write_all(self.seed.as_bytes()));
        slapd.started()
    }

    /// Starts a server with what `write` writes as LDIF, for data that should not lie in memory.
    pub fn start_with(self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Slapd {
        let slapd = self.prepare();
        slapd.load(|stdin| write(stdin));
        slapd.started()
    }

    fn prepare(&self) -> Slapd {
        let dir = tempfile::Builder::new().prefix("dirherald-slapd-").tempdir().expect("a directory");
        fs::create_dir(dir.path().join("db")).expect("a directory for the database");
        fs::write(dir.path().join("dirherald-test.schema"), format!("{SCHEMA}\n{}", self.more_schema))
            .expect("writing the schema");
        certificates::write(&dir.path().join("tls"), &self.server_names);
        fs::write(dir.path().join("slapd.conf"), self.configuration(dir.path()))
            .expect("writing the configuration");
        Slapd { program: process::program(dir.path()), dir, base: self.base.clone(), port: 0, running: None }
    }

    fn configuration(&self, dir: &Path) -> String {
        let owner = fs::metadata(dir).expect("looking at our own directory");
        let session_log = self.session_log.map(|changes| format!("syncprov-sessionlog {changes}\n"));
        let overlays = self.overlays.iter().copied().map(Overlay::configuration);
        let overlays: String = session_log.into_iter().chain(overlays).collect();
        let path = dir.to_str().expect("a temporary path in UTF-8");
        CONFIGURATION
            .replace("@OVERLAYS@", &overlays)
            .replace("syncprov-checkpoint 100 10", &format!("syncprov-checkpoint {}", self.checkpoint))
            .replace("@LIMITS@", &self.service_limit.configuration())
            .replace("@ACCESS@", &self.access)
            .replace("@DIR@", path)
            .replace("@UID@", &owner.uid().to_string())
            .replace("@GID@", &owner.gid().to_string())
            .replace("@SUFFIX@", &self.base)
            .replace("@ADMIN@", Slapd::ADMIN_PASSWORD)
            .replace("@MAX_SIZE@", &self.max_size.to_string())
    }
}

impl Overlay {
    fn configuration(self) -> String {
        match self {
            Self::Refint => "overlay refint\n\
                 refint_attributes member uniqueMember owner manager secretary managedBy \
                 msExchCoManagedByLink\n\
                 refint_nothing cn=nobody,@SUFFIX@\n"
                .to_owned(),
            Self::MemberOf => ["groupOfNames", "groupOfMembers"]
                .map(|class| {
                    format!(
                        "overlay memberof\nmemberof-group-oc {class}\nmemberof-member-ad member\n\
                         memberof-memberof-ad memberOf\nmemberof-dangling ignore\nmemberof-refint true\n"
                    )
                })
                .concat(),
        }
    }
}

impl ServiceLimit {
    fn configuration(self) -> String {
        let size = match self {
            Self::None => "unlimited".to_owned(),
            Self::Entries(count) => count.to_string(),
            Self::ServerDefault => return String::new(),
        };
        format!("limits dn.exact=\"cn=dirherald,ou=services,@SUFFIX@\" size={size} time=unlimited\n")
    }
}
