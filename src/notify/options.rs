//! The notification options of one store, checked.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use crate::directory::mail_address::MailAddress;

/// What is on. Everything is off by default.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a box of its own on the page of options")]
pub struct Options {
    /// Notify logged-in users about changes being made to objects.
    pub logged_in_users: bool,
    /// Notify owner (of groups).
    pub owner: bool,
    /// Notify manager (of users/contacts).
    pub manager: bool,
    /// Notify object being modified.
    pub object_modified: bool,
    /// Notify public group owner of membership change.
    pub public_group_owner: bool,
    /// Notify newly added group members on addition.
    pub added_members: bool,
    /// Notify removed group member on removal.
    pub removed_members: bool,
    /// To and Cc.
    pub recipients: Recipients,
    /// How long the mail of one recipient gathers further change sets, from the first on. Zero: not at all.
    pub digest_window: Duration,
    /// Mails by role to one address within any hour, at least 1; what is more is told in a summary.
    pub max_messages_per_hour: u32,
    /// A group recipient of more people than this is not expanded.
    pub group_expansion_limit: usize,
    /// Write to disabled and expired accounts too.
    pub notify_disabled_accounts: bool,
    /// Lower-case; empty: all domains.
    pub recipient_domains: BTreeSet<String>,
    /// Whether members read who did it.
    pub show_actor: bool,
    /// Mails are written and not sent.
    pub dry_run: bool,
    /// Who gets every mail instead of those it is for. Empty: nobody.
    pub redirect_to: Vec<MailAddress>,
    /// Who hears of what needs a hand. Empty: the `To` of `recipients`.
    pub alerts_to: Vec<MailAddress>,
}

impl Options {
    /// Who hears of what needs a hand, each once. Empty: nobody does.
    pub fn alerted(&self) -> Vec<MailAddress> {
        let listed = if self.alerts_to.is_empty() { &self.recipients.to } else { &self.alerts_to };
        let mut known = BTreeSet::new();
        listed.iter().filter(|address| known.insert(address.key())).cloned().collect()
    }
}

/// The listed addresses that get copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipients {
    /// `To`.
    pub to: Vec<MailAddress>,
    /// `Cc`.
    pub cc: Vec<MailAddress>,
    /// Of which change sets.
    pub copy: Copies,
}

/// Which change sets To and Cc hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Copies {
    /// Those in which at least one option fired.
    Notifications,
    /// All.
    AllChanges,
}
