//! Names that entries gave up while the feed was live.
//!
//! slapd's refint follows a rename in its own time and says nothing of it. A group that is changed in between is shown
//! with the former name; where the entry was renamed twice, with one that the mirror never saw in this group.

use std::collections::BTreeMap;

use super::{DbError, Ingest};
use crate::{
    change::finding::Finding,
    db::mirror::{Stands, StoreMirror},
    directory::{
        dn::NameKey,
        mirror::{EntryNo, Mirror},
    },
};

/// The oldest of more are forgotten. refint is some milliseconds behind, seldom seconds; a container has many below it.
const MOST: usize = 10_000;

/// Who bore which name. In memory: after a restart a refresh shows what became of it.
#[derive(Debug, Default)]
pub(super) struct GivenUp {
    bore: BTreeMap<NameKey, (u64, EntryNo)>,
    order: BTreeMap<u64, NameKey>,
    next: u64,
}

impl GivenUp {
    /// To be called before the move.
    pub(super) fn note(
        &mut self,
        mirror: &StoreMirror<'_>,
        no: EntryNo,
        stands: Stands<'_>,
    ) -> Result<(), DbError> {
        mirror.each_that_moves(no, stands, &mut |key, no| {
            self.add(key, no);
            Ok(())
        })
    }

    fn add(&mut self, key: NameKey, no: EntryNo) {
        if let Some((at, _)) = self.bore.insert(key, (self.next, no)) {
            self.order.remove(&at);
        }
        self.order.insert(self.next, key);
        self.next += 1;
        if self.order.len() > MOST
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.bore.remove(&oldest);
        }
    }

    fn bearer(&self, key: NameKey) -> Option<EntryNo> {
        self.bore.get(&key).map(|(_, no)| *no)
    }
}

impl Ingest<'_> {
    /// A value that came by a name which somebody gave up, where a value went that meant the same, is that value.
    pub(super) fn mean_by_names_given_up(
        &self,
        finding: &Finding,
        given_up: &GivenUp,
    ) -> Result<(), DbError> {
        let mirror = self.mirror();
        for came in &finding.came {
            let Some(no) = given_up.bearer(came.key) else { continue };
            let Some(entry) = mirror.by_no(no)? else { continue };
            let went = finding.went.iter().filter(|went| went.relation == came.relation);
            if went.into_iter().any(|went| went.was.id == Some(entry.id)) {
                mirror.mean_if_nobodys(finding.no, came.role(), came.key, no)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_the_last_bearer_counts() {
        let mut given_up = GivenUp::default();
        let most = i64::try_from(MOST).unwrap();
        given_up.add(NameKey(-1), EntryNo(1));
        given_up.add(NameKey(-2), EntryNo(1));
        given_up.add(NameKey(-1), EntryNo(2));
        assert_eq!(given_up.bearer(NameKey(-1)), Some(EntryNo(2)));
        (0..most - 1).for_each(|key| given_up.add(NameKey(key), EntryNo(3)));
        assert_eq!(given_up.bearer(NameKey(-2)), None);
        assert_eq!(given_up.bearer(NameKey(-1)), Some(EntryNo(2)), "named again since");
        given_up.add(NameKey(most), EntryNo(3));
        assert_eq!(given_up.bearer(NameKey(-1)), None);
        assert_eq!((given_up.bore.len(), given_up.order.len()), (MOST, MOST));
    }
}
