//! Who made a change.

use crate::directory::dn::Dn;

/// A name that a person or their tool can bear: not one that the server's own machinery writes into
/// modifiersName, and not ours.
pub fn actor(modifier: &Dn, ourselves: Option<&Dn>) -> Option<Dn> {
    let is_ours = ourselves.is_some_and(|ours| ours.key() == modifier.key());
    if is_ours || is_machinery(modifier) { None } else { Some(modifier.clone()) }
}

/// `cn=Referential Integrity Overlay` and its like stand alone; plugins live under `cn=plugins,cn=config`.
fn is_machinery(name: &Dn) -> bool {
    let text = name.as_str().to_ascii_lowercase();
    let stands_alone = !text.contains(',');
    let overlay = stands_alone && text.starts_with("cn=") && text.ends_with(" overlay");
    overlay || text == "cn=config" || text.ends_with(",cn=config") || text.ends_with(",cn=plugins")
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
        check("cn=config", false);
        check("cn=MemberOf Plugin,cn=plugins,cn=config", false);
        check("CN=DirHerald,DC=x", false);
        assert!(actor(&ours, None).is_some());
    }
}
