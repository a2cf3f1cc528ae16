//! Who made a change.

use crate::directory::dn::Dn;

/// A name that a person or their tool can bear: not one that the server's own machinery writes into
/// modifiersName, and not ours.
pub fn actor(modifier: &Dn, ourselves: Option<&Dn>) -> Option<Dn> {
    let is_ours = ourselves.is_some_and(|ours| ours.key() == modifier.key());
    if is_ours || is_machinery(modifier) { None } else { Some(modifier.clone()) }
}

/// An overlay writes as `cn=Referential Integrity Overlay` or the like, a name of one part that no database
/// holds; plugins of 389 DS write as entries below `cn=plugins,cn=config`, and the server itself as `cn=config`.
fn is_machinery(name: &Dn) -> bool {
    let stands_alone = name.parent().is_some_and(|above| above.is_root());
    let is_called = |what: &str| name.rdn_attribute().is_some_and(|attribute| attribute.as_str() == what);
    let overlay = stands_alone
        && is_called("cn")
        && name.rdn_value().trim_end().to_ascii_lowercase().ends_with(" overlay");
    overlay || Dn::parse("cn=config").is_ok_and(|config| name.is_within(&config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w01_overlays_plugins_and_dirherald_are_no_actors() {
        let ours = Dn::parse("cn=dirherald,dc=x").unwrap();
        let check = |name: &str, is_actor: bool| {
            let name = Dn::parse(name).unwrap();
            assert_eq!(actor(&name, Some(&ours)), is_actor.then_some(name));
        };
        check("cn=helpdesk,dc=x", true);
        check("cn=admin,dc=x", true);
        check("cn=slide overlay,dc=x", true);
        check("cn=Referential Integrity Overlay", false);
        check("CN = referential integrity OVERLAY", false);
        check("ou=Referential Integrity Overlay", true);
        check("cn=overlay", true);
        check("cn=config", false);
        check("cn=server, cn=plugins, CN=Config", false);
        check("cn=configuration,dc=x", true);
        check("cn=MemberOf Plugin,cn=plugins,cn=config", false);
        check("CN=DirHerald,DC=x", false);
        assert!(actor(&ours, None).is_some());
    }
}
