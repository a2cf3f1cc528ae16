//! Modifications of RFC 4511, section 4.6, applied to what the mirror keeps.

use crate::directory::{
    attribute::{AttributeName, RawAttributes},
    batch::{Modification, Operation},
    dn::NameKey,
    entry::Relation,
    mirror::{KnownEntry, KnownLink, MirroredAttributes},
    schema::{Link, MappedEntry, Role, Schema},
};

/// The links of an entry while modifications are applied.
#[derive(Debug, Clone)]
pub enum Held {
    /// In the mirror.
    Known(KnownLink),
    /// Not yet.
    New(Link),
}

impl Held {
    fn relation(&self) -> Relation {
        match self {
            Self::Known(link) => link.role.relation,
            Self::New(link) => link.role.relation,
        }
    }

    fn key(&self) -> NameKey {
        match self {
            Self::Known(link) => link.key,
            Self::New(link) => link.key,
        }
    }
}

/// A known entry after `modifications`, read through the schema as an image would be, but for its links,
/// whose names the mirror does not keep, and its kind: a feed that sees another objectClass sends an image.
pub fn modified(schema: &Schema, known: &KnownEntry, modifications: &[Modification]) -> MappedEntry {
    let mut raw = as_raw(&known.attributes);
    for modification in modifications {
        let values = take(&mut raw, &modification.attribute);
        raw.0.push((modification.attribute.clone(), apply(modification, values)));
    }
    raw.0.retain(|(_, values)| !values.is_empty());
    schema.map_as(known.kind, &known.dn, &raw)
}

/// Applies `modification` to the links of an entry. The rank of an owner that comes this way is that of its
/// attribute alone; the next image of the entry corrects it.
pub fn modify_links(schema: &Schema, known: &KnownEntry, modification: &Modification, held: &mut Vec<Held>) {
    let Some((relation, _)) = schema.link(known.kind, &modification.attribute) else { return };
    let raw = RawAttributes(vec![(modification.attribute.clone(), modification.values.clone())]);
    let named = schema.map_as(known.kind, &known.dn, &raw).links;
    match modification.operation {
        Operation::Add => add(held, named),
        Operation::Delete if modification.values.is_empty() => held.retain(|h| h.relation() != relation),
        Operation::Delete => held.retain(|h| h.relation() != relation || !names(&named, h.key())),
        Operation::Replace => {
            held.retain(|h| h.relation() != relation || names(&named, h.key()));
            add(held, named);
        }
    }
}

fn names(links: &[Link], key: NameKey) -> bool {
    links.iter().any(|link| link.key == key)
}

fn add(held: &mut Vec<Held>, links: Vec<Link>) {
    for link in links {
        let Role { relation, .. } = link.role;
        if !held.iter().any(|h| h.relation() == relation && h.key() == link.key) {
            held.push(Held::New(link));
        }
    }
}

fn as_raw(attributes: &MirroredAttributes) -> RawAttributes {
    let bytes = |values: &Vec<String>| values.iter().map(|value| value.clone().into_bytes()).collect();
    RawAttributes(attributes.iter().map(|(name, values)| (name.clone(), bytes(values))).collect())
}

fn take(raw: &mut RawAttributes, name: &AttributeName) -> Vec<Vec<u8>> {
    match raw.0.iter().position(|(n, _)| n == name) {
        Some(at) => raw.0.swap_remove(at).1,
        None => Vec::new(),
    }
}

fn apply(modification: &Modification, mut values: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let named = &modification.values;
    match modification.operation {
        Operation::Add => {
            values.extend(named.iter().filter(|v| !values.contains(v)).cloned().collect::<Vec<_>>());
        }
        Operation::Delete if named.is_empty() => values.clear(),
        Operation::Delete => values.retain(|value| !named.contains(value)),
        Operation::Replace => values.clone_from(named),
    }
    values
}
