//! Where a feed stands.

/// Opaque to everyone but the feed that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The feed that wrote `bytes`; another feed does not read them.
    pub mechanism: Mechanism,
    /// syncrepl: the cookie of RFC 4533, section 2.1.2, as the server sent it.
    pub bytes: Vec<u8>,
}

/// The feed that a checkpoint belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4533 on the watched database.
    Syncrepl,
}

impl Mechanism {
    /// The name used in the configuration, in `status` and in the state file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syncrepl => "syncrepl",
        }
    }

    /// The reverse of [`Mechanism::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        (name == "syncrepl").then_some(Self::Syncrepl)
    }
}
