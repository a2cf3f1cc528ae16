//! What the administrator asked for: one TOML file, overridden by the environment, checked as a whole
//! before anything starts.
//!
//! figment merges the two; everything after that is driven by the table of keys: unknown keys
//! and their nearest neighbours, mistyped values, the types that environment values take, and the test that
//! keeps `config/dirherald.example.toml` true. All errors are reported at once, each names its key and what
//! to write instead, and none repeats a value: the value may be a secret in the wrong place.
//!
//! Below a store lie two further layers: the `[defaults]` table, and the defaults of the key table. Each
//! key is taken from the first of store, `[defaults]` and key table that gives it.

mod duration;
mod environment;
mod error;
mod keys;
mod kind;
mod layers;
mod mailbox;
mod nearest;
mod not_yet;
mod places;
mod report;
mod server_url;
mod store;
mod top;
mod typed;
mod values;
mod walk;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ops::Deref,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::tz::TimeZone;

pub(crate) use self::duration::parse_duration;
use self::kind::NamedFiles;
pub use self::{
    error::{ConfigError, ConfigErrors},
    places::SecretPlace,
};
use crate::{
    change::guard::GuardSettings,
    connector::settings::ConnectorSettings,
    directory::{schema::Schema, store_name::StoreName},
    notify::options::Options,
    outbox::settings::MailSettings,
    telemetry::LogFormat,
};

/// Reads the file, lays the environment over it and checks everything. Secrets in files of their own are
/// read now. Variables that do not begin with `DIRHERALD_` are passed over.
pub fn load(
    file: &Path,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Complete, ConfigErrors> {
    top::read(layers::merge(file, environment)?, NamedFiles::Opened).map(Complete)
}

/// [`load`], for whoever only looks at the state: everything is checked but the files that the configuration
/// names. They are not touched, so secrets in files are not known.
pub fn load_for_looking(
    file: &Path,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigErrors> {
    top::read(layers::merge(file, environment)?, NamedFiles::LeftAlone)
}

/// The environment of this process, for [`load`]. What is not UTF-8 is passed on with U+FFFD in it.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// A whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where dirherald remembers.
    pub state: StateSettings,
    /// How it speaks to the operator.
    pub log: LogSettings,
    /// At least one.
    pub stores: BTreeMap<StoreName, StoreSettings>,
    /// Where their secrets lie, but for those of the environment.
    pub secrets: Vec<SecretPlace>,
}

/// A configuration with all its secrets, and whose files could be opened: with it one can connect.
#[derive(Debug, Clone)]
pub struct Complete(Config);

impl Complete {
    /// The settings alone.
    pub fn into_config(self) -> Config {
        self.0
    }
}

impl Deref for Complete {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.0
    }
}

/// `[state]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSettings {
    /// The SQLite file; its directory must exist.
    pub path: PathBuf,
    /// Events and delivered mail older than this are pruned.
    pub keep: Duration,
}

/// `[log]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// What a line looks like.
    pub format: LogFormat,
    /// The least severe level that is written.
    pub level: tracing::Level,
}

/// One `[identity_store.NAME]`.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The NAME.
    pub name: StoreName,
    /// What the server is said to be.
    pub kind: StoreKind,
    /// Which feed is asked for.
    pub watch: Watch,
    /// How to reach the directory, and where the watched tree begins.
    pub connector: ConnectorSettings,
    /// How often everything is read and compared. `None`: never by itself.
    pub full_comparison: Option<Duration>,
    /// Which attributes mean what.
    pub schema: Schema,
    /// How mail leaves.
    pub mail: MailSettings,
    /// Who is told what.
    pub notify: Options,
    /// When too much changes at once.
    pub guard: GuardSettings,
    /// In which times are shown.
    pub timezone: TimeZone,
}

/// What the server is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// Found out from the root DSE.
    Auto,
    /// OpenLDAP's slapd.
    OpenLdap,
}

/// Which feed is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// The best the server offers.
    Auto,
    /// RFC 4533 refreshAndPersist, which is its own bell.
    Syncrepl,
}
