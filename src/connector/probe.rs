//! What there is to know about a server before it is followed.

use std::sync::Arc;

use ldap3::Scope;

use super::{
    Connector, ConnectorError,
    controls::SYNC_REQUEST,
    decode::Entry,
    error::{Answer, Problem, code},
    session::{Event, Search, Session},
    wanted::WantedAttributes,
};
use crate::directory::{attribute::AttributeName, dn::Dn};

const ROOT_DSE: [&str; 7] = [
    "objectclass",
    "namingcontexts",
    "supportedcontrol",
    "supportedextension",
    "structuralobjectclass",
    "vendorname",
    "vendorversion",
];

const COUNT: &str = "count of entries";

/// Which server software answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// slapd.
    OpenLdap,
    /// Anything else, or a root DSE that we may not read.
    Other,
}

impl ServerKind {
    /// The word of the configuration's `kind`, and of `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenLdap => "openldap",
            Self::Other => "generic",
        }
    }
}

/// Whether one search shows the whole tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// It does.
    Whole {
        /// Entries there are now.
        entries: usize,
    },
    /// A limit of the server hides the rest.
    CutOff {
        /// Entries shown.
        entries: usize,
        /// What the server says.
        answer: Answer,
        /// What `olcLimits` begins with for our account, for example `dn.exact="cn=dirherald,dc=acme"`.
        who: String,
    },
    /// The base cannot be read.
    Nothing,
}

/// Facts about one server, as far as the account may see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// As configured.
    pub url: String,
    /// By the root DSE.
    pub kind: ServerKind,
    /// Empty where the server does not say.
    pub vendor: String,
    /// Whom the server takes us for. `None`: anonymous, or it does not say.
    pub identity: Option<Dn>,
    /// As the root DSE has them.
    pub naming_contexts: Vec<String>,
    /// OIDs.
    pub supported_controls: Vec<String>,
    /// OIDs.
    pub supported_extensions: Vec<String>,
    /// RFC 4533, in the root DSE.
    pub offers_sync: bool,
    /// What the server says when the base is read. `None`: it can be read.
    pub base_refused: Option<Answer>,
    /// On the base: without it an entry found by DN cannot be told apart from others.
    pub entry_uuid_visible: bool,
    /// On the base: without it replays cannot be told apart from changes, and nobody is known as actor.
    pub entry_csn_visible: bool,
    /// Whether some group shows a member. `None`: no group with members is to be seen.
    pub members_visible: Option<bool>,
    /// Found by a search of the whole tree: some seconds for a million entries.
    pub completeness: Completeness,
}

impl Connector {
    /// Looks at the first server that can be reached. `members` are the attributes that hold members.
    pub async fn probe(&self, members: &[AttributeName]) -> Result<Probe, ConnectorError> {
        let (mut session, index) = self.open_any(0).await?;
        let url = self.url(index);
        let probed = self.look_around(&mut session, members).await;
        session.close().await;
        match probed {
            Ok(probe) => Ok(Probe { url: url.to_string(), ..probe }),
            Err(problem) => Err(self.failed(url.clone(), problem)),
        }
    }

    async fn look_around(&self, session: &mut Session, members: &[AttributeName]) -> Result<Probe, Problem> {
        let root = session.root_dse().await?;
        let base = session.base(&self.settings().base_dn).await?;
        let (base_refused, base) = match base {
            Ok(entry) => (None, Some(entry)),
            Err(answer) => (Some(answer), None),
        };
        Ok(Probe {
            url: String::new(),
            kind: root.kind(),
            vendor: root.vendor(),
            identity: session.identity().cloned(),
            naming_contexts: root.values("namingcontexts"),
            offers_sync: root.offers_sync(),
            supported_controls: root.values("supportedcontrol"),
            supported_extensions: root.values("supportedextension"),
            entry_uuid_visible: base.as_ref().is_some_and(|entry| entry.uuid.is_some()),
            entry_csn_visible: base.as_ref().is_some_and(|entry| entry.csn.is_some()),
            members_visible: self.members_visible(session, members).await?,
            completeness: self.completeness(session).await?,
            base_refused: base_refused.map(|answer| answer.without(&self.shared.withheld)),
        })
    }

    /// A filter on presence may find what cannot be read.
    async fn members_visible(
        &self,
        session: &mut Session,
        members: &[AttributeName],
    ) -> Result<Option<bool>, Problem> {
        if members.is_empty() {
            return Ok(None);
        }
        let names: Vec<&str> = members.iter().map(AttributeName::as_str).collect();
        let present = format!("({}=*)", names.join("=*)("));
        let wanted = WantedAttributes::new(members.to_vec());
        let search = Search {
            scope: Scope::Subtree,
            filter: format!("(|{present})"),
            size_limit: 1,
            ..Search::entry(self.settings().base_dn.as_str(), wanted.requested())
        };
        let found = session.find("search for a group", search).await?;
        let Some(item) = found.entry else { return Ok(None) };
        Ok(Some(!Entry::decode(item.0, &wanted)?.attributes.0.is_empty()))
    }

    /// Without attributes, but else as the feed searches.
    async fn completeness(&self, session: &mut Session) -> Result<Completeness, Problem> {
        let no_attributes: Arc<[String]> = Arc::from(["1.1".to_owned()]);
        let search = Search {
            scope: Scope::Subtree,
            size_limit: i32::MAX,
            ..Search::entry(self.settings().base_dn.as_str(), no_attributes)
        };
        let mut stream = session.follow(COUNT, search).await?;
        let mut entries = 0;
        loop {
            match session.next_entry(&mut stream, COUNT).await? {
                Event::Item(_) => entries += 1,
                Event::End(answer) => return Ok(self.counted(session, entries, &answer)),
            }
        }
    }

    fn counted(&self, session: &Session, entries: usize, answer: &Answer) -> Completeness {
        match answer.code {
            code::SUCCESS => Completeness::Whole { entries },
            code::TIME_LIMIT_EXCEEDED | code::SIZE_LIMIT_EXCEEDED | code::ADMIN_LIMIT_EXCEEDED => {
                let answer = answer.without(&self.shared.withheld);
                Completeness::CutOff { entries, answer, who: session.who(&self.settings().bind) }
            }
            _ => Completeness::Nothing,
        }
    }
}

/// The root DSE (RFC 4512, section 5.1).
struct RootDse(Entry);

impl RootDse {
    fn values(&self, name: &str) -> Vec<String> {
        let values = self.0.attributes.values(name);
        values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    fn has(&self, name: &str, value: &str) -> bool {
        self.values(name).iter().any(|known| known.eq_ignore_ascii_case(value))
    }

    fn kind(&self) -> ServerKind {
        let marked = |name| self.has(name, "OpenLDAProotDSE");
        if marked("structuralobjectclass") || marked("objectclass") {
            ServerKind::OpenLdap
        } else {
            ServerKind::Other
        }
    }

    fn vendor(&self) -> String {
        [self.values("vendorname"), self.values("vendorversion")].concat().join(" ")
    }

    fn offers_sync(&self) -> bool {
        self.has("supportedcontrol", SYNC_REQUEST)
    }

    fn contexts(&self) -> Vec<Dn> {
        self.values("namingcontexts").iter().filter_map(|context| Dn::parse(context).ok()).collect()
    }

    /// A server that hides its root DSE says nothing.
    fn is_hidden(&self) -> bool {
        self.0.attributes.0.is_empty()
    }
}

/// A server that can be followed.
pub(super) struct Offer {
    pub kind: ServerKind,
    /// Roots of its databases, as far as it names them.
    contexts: Vec<Dn>,
}

impl Offer {
    /// The root of the database that holds `base`.
    pub fn context_of(&self, base: &Dn) -> Option<&Dn> {
        let above = self.contexts.iter().filter(|context| base.is_within(context));
        above.max_by_key(|context| context.as_str().len())
    }
}

impl Session {
    async fn root_dse(&mut self) -> Result<RootDse, Problem> {
        let wanted = WantedAttributes::new(ROOT_DSE.map(AttributeName::new).into());
        let found = self.find("root DSE", Search::entry("", wanted.requested())).await?;
        let entry = match found.entry {
            Some(item) => Entry::decode(item.0, &wanted)?,
            None => Entry::empty(),
        };
        Ok(RootDse(entry))
    }

    /// By the root DSE; none where that is hidden.
    pub(super) async fn naming_contexts(&mut self) -> Result<Vec<Dn>, Problem> {
        Ok(self.root_dse().await?.contexts())
    }

    /// The base, or what the server says instead.
    async fn base(&mut self, base: &Dn) -> Result<Result<Entry, Answer>, Problem> {
        let wanted = WantedAttributes::new(Vec::new());
        let found = self.find("search base", Search::entry(base.as_str(), wanted.requested())).await?;
        match found.entry {
            Some(item) => Ok(Ok(Entry::decode(item.0, &wanted)?)),
            None => Ok(Err(found.answer)),
        }
    }

    /// Fails early, and with the right words, where the sync control is not offered.
    pub(super) async fn require_sync(&mut self) -> Result<Offer, Problem> {
        let root = self.root_dse().await?;
        let contexts = root.contexts();
        if contexts.is_empty() {
            tracing::warn!(
                "the server does not show its naming contexts: an entry that moves out of base_dn is told as deleted"
            );
        }
        if root.offers_sync() || root.is_hidden() {
            Ok(Offer { kind: root.kind(), contexts })
        } else {
            Err(Problem::SyncUnavailable(None))
        }
    }

    /// M25: an unreadable base must never look like an empty one.
    pub(super) async fn require_base(&mut self, base: &Dn) -> Result<(), Problem> {
        match self.base(base).await? {
            Ok(_) => Ok(()),
            Err(answer) => Err(match answer.code {
                code::SUCCESS => Problem::BaseUnreadable { base: base.to_string(), answer: None },
                code::NO_SUCH_OBJECT | code::INSUFFICIENT_ACCESS_RIGHTS | code::INVALID_DN_SYNTAX => {
                    Problem::BaseUnreadable { base: base.to_string(), answer: Some(answer) }
                }
                code::REFERRAL => Problem::Referral,
                _ => Problem::Refused { request: "search base", answer },
            }),
        }
    }
}
