//! Which part of a directory is watched.

use super::{dn::Dn, mirror::Scope};

/// What lies under the base and not under an excluded name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedTree {
    base: Dn,
    exclude: Vec<Dn>,
}

impl WatchedTree {
    /// `exclude` lies below `base`.
    pub fn new(base: Dn, exclude: Vec<Dn>) -> Self {
        Self { base, exclude }
    }

    /// Where it begins: what a feed shows.
    pub fn base(&self) -> &Dn {
        &self.base
    }

    /// Whether `dn` lies in it.
    pub fn holds(&self, dn: &Dn) -> bool {
        dn.is_within(&self.base) && !self.excludes(dn)
    }

    /// Whether `dn` is left out, below the base or not.
    pub fn excludes(&self, dn: &Dn) -> bool {
        self.exclude.iter().any(|left_out| dn.is_within(left_out))
    }

    /// Whether something below the base is left out.
    pub fn has_gaps(&self) -> bool {
        !self.exclude.is_empty()
    }

    /// Excluded names below `dn`.
    pub fn gaps_below<'a>(&'a self, dn: &'a Dn) -> impl Iterator<Item = &'a Dn> {
        self.exclude.iter().filter(|left_out| left_out.is_below(dn))
    }

    /// Where an entry of this name is.
    pub fn scope_of(&self, dn: &Dn) -> Scope {
        if self.holds(dn) { Scope::Inside } else { Scope::Outside }
    }

    /// As one text: two trees that hold the same names, written alike, have the same.
    pub fn fingerprint(&self) -> String {
        let mut exclude: Vec<&str> = self.exclude.iter().map(Dn::as_str).collect();
        exclude.sort_unstable();
        let mut text = self.base.to_string();
        for left_out in exclude {
            text.push_str("\n-");
            text.push_str(left_out);
        }
        text
    }
}

/// All of it.
impl From<Dn> for WatchedTree {
    fn from(base: Dn) -> Self {
        Self::new(base, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(exclude: &[&str]) -> WatchedTree {
        let dn = |text: &&str| Dn::parse(text).unwrap();
        WatchedTree::new(dn(&"dc=acme"), exclude.iter().map(dn).collect())
    }

    #[test]
    fn what_is_below_the_base_and_not_excluded_is_held() {
        let check = |dn: &str, held: bool| {
            let tree = tree(&["ou=old,dc=acme", "ou=x, OU=People,dc=acme"]);
            assert_eq!(tree.holds(&Dn::parse(dn).unwrap()), held, "{dn}");
        };
        check("dc=acme", true);
        check("uid=a,ou=people,dc=acme", true);
        check("uid=a,ou=older,dc=acme", true);
        check("ou=old,dc=acme", false);
        check("uid=a,OU=Old , dc=acme", false);
        check("uid=a,ou=x,ou=people,dc=acme", false);
        check("dc=other", false);
        check("ou=old,dc=other", false);
        check("", false);
    }

    #[test]
    fn gaps_are_found_below_a_name() {
        let tree = tree(&["ou=x,ou=people,dc=acme"]);
        let below = |dn: &str| tree.gaps_below(&Dn::parse(dn).unwrap()).count();
        assert_eq!((below("dc=acme"), below("ou=people,dc=acme")), (1, 1));
        assert_eq!((below("ou=x,ou=people,dc=acme"), below("ou=groups,dc=acme")), (0, 0));
    }

    #[test]
    fn m26_another_exclusion_is_another_tree_and_another_order_is_not() {
        assert_eq!(tree(&[]).fingerprint(), "dc=acme");
        assert_ne!(tree(&["ou=a,dc=acme"]).fingerprint(), tree(&[]).fingerprint());
        assert_eq!(
            tree(&["ou=a,dc=acme", "ou=b,dc=acme"]).fingerprint(),
            tree(&["ou=b,dc=acme", "ou=a,dc=acme"]).fingerprint()
        );
    }
}
