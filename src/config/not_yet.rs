//! What the configuration knows and this version does not do yet. A feature that comes takes its line out.

use super::keys::Table;

/// Something that is refused.
#[derive(Debug, Clone, Copy)]
pub enum NotYet {
    /// The key, unless it says what holds anyway.
    Key(&'static str),
    /// One word among those the key takes.
    Word(&'static str, &'static str),
}

use NotYet::{Key, Word};

/// Outside the stores.
pub const GLOBAL: &[NotYet] = &[];

/// Below a store.
pub const STORE: &[NotYet] = &[
    Word("kind", "active-directory"),
    Word("kind", "389ds"),
    Word("kind", "generic"),
    Word("watch", "accesslog"),
    Word("watch", "changelog"),
    Word("watch", "usn"),
    Word("watch", "dirsync"),
    Word("watch", "modify-timestamp"),
    Word("watch", "persistent-search"),
    Word("bell", "off"),
    Key("poll_interval"),
    Word("bind.method", "gssapi"),
    Key("accesslog.base_dn"),
    Key("notify.password_portal_url"),
    Key("notify.membership_lifecycle.joins"),
    Key("notify.membership_lifecycle.leaves"),
    Key("notify.membership_lifecycle.days_before_leaving"),
    Key("notify.managed_by.same_as_membership_lifecycle"),
    Key("notify.managed_by.added"),
    Key("notify.managed_by.removed"),
    Key("notify.managed_by.days_before_removal"),
    Key("notify.language"),
    Key("lifecycle.enabled"),
    Key("lifecycle.interval"),
    Key("lifecycle.writable_filter"),
    Key("lifecycle.bind.method"),
    Key("lifecycle.bind.dn"),
    Key("lifecycle.bind.password"),
    Key("lifecycle.bind.password_file"),
    Key("lifecycle.policy"),
    Key("password_expiry.enabled"),
    Key("password_expiry.warn_days"),
    Key("password_expiry.at"),
    Key("password_expiry.default_policy_dn"),
    Key("audit.samba_json"),
    Key("audit.windows_json"),
    Key("audit.wait"),
];

impl Table {
    /// Whether the key as a whole waits for its feature.
    pub fn lacks_key(&self, path: &str) -> bool {
        self.not_yet.iter().any(|not_yet| matches!(not_yet, Key(key) if *key == path))
    }

    /// Whether this word of the key waits for its feature.
    pub fn lacks_word(&self, path: &str, word: &str) -> bool {
        self.not_yet
            .iter()
            .any(|not_yet| matches!(not_yet, Word(key, lacked) if (*key, *lacked) == (path, word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        keys::{Fallback, GLOBAL_KEYS, STORE_KEYS},
        kind::Kind,
    };

    #[test]
    fn what_waits_is_in_the_table_and_no_default() {
        for (keys, not_yet) in [(GLOBAL_KEYS, GLOBAL), (STORE_KEYS, STORE)] {
            let table = Table { keys, not_yet };
            for waiting in not_yet {
                match waiting {
                    Key(path) => assert!(table.find(path).is_some(), "{path}"),
                    Word(path, word) => {
                        let key = table.find(path).unwrap();
                        assert!(
                            matches!(key.kind, Kind::Word(words) if words.contains(word)),
                            "{path} {word}"
                        );
                        let is_default =
                            matches!(key.fallback, Fallback::Default(value) if value == format!("{word:?}"));
                        assert!(!is_default, "{path} {word}");
                    }
                }
            }
        }
    }
}
