//! Why someone gets a mail, by the names of `X-Dirherald-Reasons`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One reason to write to someone. Ordered by name, as the header wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Reason {
    /// The member who came.
    AddedMembers,
    /// The operator is told that something needs a hand.
    Alert,
    /// Who made the change.
    LoggedInUsers,
    /// A manager of the user or contact.
    Manager,
    /// The user or contact that was changed; of a group, its members.
    ObjectModified,
    /// An owner of the group.
    Owner,
    /// An owner of a public group whose members changed.
    PublicGroupOwner,
    /// Listed under To or Cc.
    Recipients,
    /// The member who went.
    RemovedMembers,
    /// Somebody pressed the Test button.
    Test,
}

/// A name that no reason has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no reason is called {0:?}")]
pub struct UnknownReason(String);

impl Reason {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::AddedMembers,
        Self::Alert,
        Self::LoggedInUsers,
        Self::Manager,
        Self::ObjectModified,
        Self::Owner,
        Self::PublicGroupOwner,
        Self::Recipients,
        Self::RemovedMembers,
        Self::Test,
    ];

    /// The name of the contract; for an option also its key under `notify`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AddedMembers => "added_members",
            Self::Alert => "alert",
            Self::LoggedInUsers => "logged_in_users",
            Self::Manager => "manager",
            Self::ObjectModified => "object_modified",
            Self::Owner => "owner",
            Self::PublicGroupOwner => "public_group_owner",
            Self::Recipients => "recipients",
            Self::RemovedMembers => "removed_members",
            Self::Test => "test",
        }
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(name: &str) -> Result<Self, UnknownReason> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == name)
            .ok_or_else(|| UnknownReason(name.to_owned()))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl TryFrom<String> for Reason {
    type Error = UnknownReason;

    fn try_from(name: String) -> Result<Self, UnknownReason> {
        name.parse()
    }
}

impl From<Reason> for &'static str {
    fn from(reason: Reason) -> Self {
        reason.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_names() {
        let names: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        let mut sorted = Reason::ALL;
        sorted.sort();
        assert_eq!(sorted, Reason::ALL);
        assert!(names.is_sorted(), "{names:?}");
    }

    #[test]
    fn a_reason_reads_back_as_it_was_written() {
        for reason in Reason::ALL {
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(json, format!("\"{reason}\""));
            assert_eq!(serde_json::from_str::<Reason>(&json).unwrap(), reason);
        }
        assert!(serde_json::from_str::<Reason>("\"Owner\"").is_err());
    }
}
