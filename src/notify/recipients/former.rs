//! A change of somebody's own address is told at the old one too: whoever reads there, perhaps still the
//! owner, learns that mail goes elsewhere now.

use std::rc::Rc;

use super::{Resolved, Resolver, Told, Untold};
use crate::{
    change::{
        event::{AttributeChange, Change, ChangeEvent},
        resolve::same,
    },
    directory::mirror::{MirroredAttributes, Profile},
    notify::{
        hindsight::Hindsight,
        notification::{Via, WhyNot},
    },
};

impl<P: Hindsight> Resolver<'_, P> {
    /// Whoever of `resolved` is the changed entry itself, once more, at the address that the event took away.
    pub(super) fn at_former_address(
        &self,
        event: &ChangeEvent,
        resolved: &[Rc<Resolved>],
    ) -> Result<Option<Resolved>, P::Error> {
        let Change::AttributesChanged { attributes } = &event.change else { return Ok(None) };
        let ways: Vec<Via> = resolved
            .iter()
            .flat_map(|resolved| {
                let told = resolved.told.iter().map(|told| (&told.who, told.via.clone()));
                told.chain(resolved.untold.iter().map(|untold| (&untold.who, way_of(untold))))
            })
            .filter(|(who, _)| same(who, &event.entry))
            .map(|(_, via)| via)
            .collect();
        let Some(id) = event.entry.id.filter(|_| !ways.is_empty()) else { return Ok(None) };
        let Some(profile) = self.people.profile(id)?.filter(|profile| self.barred(profile).is_none()) else {
            return Ok(None);
        };
        let former = self.people.mail(&before(&profile, attributes));
        let Ok(address) = self.usable(&former) else { return Ok(None) };
        if self.usable(&profile.mail).is_ok_and(|now| now.same_as(&address)) {
            return Ok(None);
        }
        let (who, language) = (&profile.entry, &profile.language);
        let told = |via| Told { who: who.clone(), address: address.clone(), language: language.clone(), via };
        Ok(Some(Resolved { told: ways.into_iter().map(told).collect(), untold: Vec::new() }))
    }
}

/// How somebody who has no address now came to be asked for one.
fn way_of(untold: &Untold) -> Via {
    match untold.why {
        WhyNot::OverLimit | WhyNot::NobodyToTell => Via::InPlaceOfMembers(untold.why),
        WhyNot::Deleted
        | WhyNot::OutOfScope
        | WhyNot::Disabled
        | WhyNot::Expired
        | WhyNot::DoNotNotify
        | WhyNot::NotInPilot
        | WhyNot::NoAddress
        | WhyNot::InvalidAddress
        | WhyNot::DomainNotAllowed => untold.via.clone(),
    }
}

/// The attributes as they were before `changes`.
fn before(profile: &Profile, changes: &[AttributeChange]) -> MirroredAttributes {
    let mut attributes = profile.attributes.clone();
    for AttributeChange { name, old, .. } in changes {
        attributes.insert(name.clone(), old.clone());
    }
    attributes
}
