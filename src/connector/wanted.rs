//! Which attributes are asked for, and which of those that come are passed on.

use std::sync::Arc;

use crate::directory::attribute::AttributeName;

/// Read for ourselves, and passed on only if they were asked for.
pub const ENTRY_UUID: &str = "entryuuid";
pub const ENTRY_CSN: &str = "entrycsn";
pub const MODIFIERS_NAME: &str = "modifiersname";
pub const CREATE_TIMESTAMP: &str = "createtimestamp";

/// As OpenLDAP spells them.
const OPERATIONAL: [&str; 4] = ["entryUUID", "entryCSN", "modifiersName", "createTimestamp"];

/// The allow-list of attributes.
#[derive(Debug, Clone)]
pub struct WantedAttributes {
    passed_on: Vec<AttributeName>,
    requested: Arc<[String]>,
}

impl WantedAttributes {
    /// Attributes named here are passed on, with their options (`cn;lang-de` where `cn` was asked for).
    pub fn new(passed_on: Vec<AttributeName>) -> Self {
        let mut requested: Vec<String> = OPERATIONAL.map(str::to_owned).into();
        for name in &passed_on {
            if !requested.iter().any(|known| known.eq_ignore_ascii_case(name.as_str())) {
                requested.push(name.as_str().to_owned());
            }
        }
        Self { passed_on, requested: requested.into() }
    }

    /// What a search asks for. Never empty, which would mean all.
    pub fn requested(&self) -> Arc<[String]> {
        Arc::clone(&self.requested)
    }

    /// The name under which an attribute is passed on. `None`: it is not.
    pub fn name_of(&self, description: &str) -> Option<AttributeName> {
        if let Some(name) = self.find(description) {
            return Some(name.clone());
        }
        let (base, _options) = description.split_once(';')?;
        self.find(base).map(|_| AttributeName::new(description))
    }

    fn find(&self, description: &str) -> Option<&AttributeName> {
        self.passed_on.iter().find(|name| name.as_str().eq_ignore_ascii_case(description))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_is_passed_on() {
        let wanted = WantedAttributes::new(["cn", "entryuuid"].map(AttributeName::new).into());
        let check = |description: &str, expected: Option<&str>| {
            assert_eq!(wanted.name_of(description), expected.map(AttributeName::new), "{description}");
        };
        check("cn", Some("cn"));
        check("CN", Some("cn"));
        check("cn;lang-DE", Some("cn;lang-de"));
        check("entryUUID", Some("entryuuid"));
        check("entryCSN", None);
        check("userPassword", None);
        check("sn;lang-de", None);
        check("", None);
        assert_eq!(&*wanted.requested(), ["entryUUID", "entryCSN", "modifiersName", "createTimestamp", "cn"]);
    }
}
