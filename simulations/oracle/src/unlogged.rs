//! Unlogged writes: versions that are in a region's own record but in no log. They are unshipped
//! rows and losers in the region's conflict journal.

use std::collections::BTreeMap;

use beringia_history::{ConflictEntry, Effect, Merging, UnshippedWrite};
use beringia_item::Version;

use crate::index::{Key, Missing, Table};

/// A write that is in the region's record but in no log.
pub(crate) struct UnloggedWrite<'a> {
    pub(crate) version: &'a Version,
    pub(crate) maker: Maker<'a>,
    pub(crate) outcome: Missing,
}

/// What the record says of the operation that made a version.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker<'a> {
    /// The operation with this write marker.
    Marked(&'a str),
    /// A delete. Tombstones have no marker.
    Delete,
    /// Nothing: the version is a part of a merged item, which has another write's marker.
    Unknown,
}

impl<'a> Maker<'a> {
    fn of(marker: Option<&'a str>) -> Self {
        marker.map_or(Self::Delete, Self::Marked)
    }

    /// Returns the write marker of the operation, if the record has it.
    pub(crate) const fn marker(self) -> Option<&'a str> {
        match self {
            Self::Marked(marker) => Some(marker),
            Self::Delete | Self::Unknown => None,
        }
    }
}

/// Unlogged writes by key, unshipped rows first.
pub(crate) type UnloggedWrites<'a> = BTreeMap<&'a str, Vec<UnloggedWrite<'a>>>;

impl UnloggedWrite<'_> {
    /// Returns whether the region that has the record made the version.
    pub(crate) fn is_of(&self, region: &str) -> bool {
        self.version.origin.region().as_str() == region
    }
}

/// Reads a region's unshipped rows and its journal.
pub(crate) fn of<'a>(table: &Table<'a>, region: &str, kept: &'a [UnshippedWrite]) -> UnloggedWrites<'a> {
    let mut unlogged = UnloggedWrites::new();
    for UnshippedWrite { key, held } in kept {
        unlogged.entry(key).or_default().push(UnloggedWrite {
            version: &held.version,
            maker: Maker::of(held.marker()),
            outcome: Missing::UnshippedWrite,
        });
    }
    let journal = table.evidence.journals.get(region);
    for entry in journal.into_iter().flat_map(|journal| &journal.entries) {
        let key = table.keys.get(entry.key.as_str());
        let is_logged = || key.and_then(|key| key.position_of(&entry.loser));
        if entry.loser.origin.region().as_str() == region && is_logged().is_none() {
            unlogged.entry(&entry.key).or_default().push(UnloggedWrite {
                version: &entry.loser,
                maker: maker_of_loser(entry, key, table.rules.merging),
                outcome: Missing::LostToConflict,
            });
        }
    }
    unlogged
}

/// Returns what an entry of a journal says of the operation that made the loser. Where writes merge,
/// the item that lost has the marker of the last one that entered it, of whatever region. The loser
/// is that write if it lost the marker, or if all was lost that a write of the whole item had left.
fn maker_of_loser<'a>(entry: &'a ConflictEntry, key: Option<&Key<'_>>, merging: Merging) -> Maker<'a> {
    let maker = Maker::of(entry.loser_marker.as_deref());
    let Some(marker) = maker.marker() else { return maker };
    let effect = key
        .and_then(|key| key.of_marker(marker))
        .map(|asked| &asked.write.effect);
    let is_of_whole = entry.attributes.is_empty() && effect.is_some_and(Effect::is_whole);
    if merging == Merging::Item || entry.lost_marker() || is_of_whole {
        maker
    } else {
        Maker::Unknown
    }
}
