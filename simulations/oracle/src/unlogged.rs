//! Unlogged writes: versions that are in a region's own record but in no log. They are unshipped
//! rows and losers in the region's conflict journal.

use std::collections::BTreeMap;

use beringia_history::UnshippedWrite;
use beringia_item::Version;

use crate::index::{Missing, Table};

/// A write that is in the region's record but in no log.
pub(crate) struct UnloggedWrite<'a> {
    pub(crate) version: &'a Version,
    /// The write marker; `None` for a delete.
    pub(crate) marker: Option<&'a str>,
    pub(crate) outcome: Missing,
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
            marker: held.marker(),
            outcome: Missing::UnshippedWrite,
        });
    }
    let journal = table.evidence.journals.get(region);
    for entry in journal.into_iter().flat_map(|journal| &journal.entries) {
        let is_logged = || {
            table
                .keys
                .get(entry.key.as_str())
                .and_then(|key| key.position_of(&entry.loser))
        };
        if entry.loser.origin.region().as_str() == region && is_logged().is_none() {
            unlogged.entry(&entry.key).or_default().push(UnloggedWrite {
                version: &entry.loser,
                marker: entry.loser_marker.as_deref(),
                outcome: Missing::LostToConflict,
            });
        }
    }
    unlogged
}
