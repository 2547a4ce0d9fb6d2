//! Removing conflicts and unshipped writes: those older than the retention with each trim, and
//! those that an operator names.

use beringia_storage::{
    PruneFilter, Pruned,
    backend::{KeyRange, Keyspace},
};

use super::{
    command::{PrunePlace, PruneStep},
    workspace::{Group, Misses, Result},
};
use crate::{
    journal,
    layout::{number_key, number_of},
    prune::PruneMatch,
    rows::{Scan, ScannedRow},
    unshipped,
};

/// How many conflicts, and how many unshipped writes, one step reads. Each can have two images of
/// 400 KB, and clients may have to wait for the step.
const STEP_ROWS: usize = 32;
/// After how long the oldest ones are read again, in ms, however young they were: the wall clock
/// may have gone back since.
const READ_AGAIN_MS: u64 = 60 * 60 * 1000;

impl Group<'_> {
    /// Removes some of those that are older than the retention, oldest first; returns true if there
    /// may be more.
    pub(super) fn prune_aged(&mut self) -> Result<bool> {
        let (now_ms, retention_ms) = (self.environment.now_ms, self.environment.conflict_retention_ms);
        if now_ms < self.state.prune_ms {
            return Ok(false);
        }
        let Some(until_ms) = now_ms.checked_sub(retention_ms) else {
            return Ok(false);
        };
        let filter = PruneFilter {
            until_ms,
            table: None,
            dry_run: false,
        };
        let step = self.prune(&filter, PrunePlace::default())?;
        if step.pruned != Pruned::default() && step.next.is_some() {
            return Ok(true);
        }
        let [conflicts, unshipped] = self.journals(PrunePlace::default())?;
        let conflict_ms = conflicts.iter().filter_map(|(_, row)| journal::seen_ms_of(row).ok());
        let unshipped_ms = unshipped
            .iter()
            .filter_map(|(_, row)| Some(unshipped::seen_of(row).ok()?.0));
        let oldest_ms = conflict_ms
            .chain(unshipped_ms)
            .filter(|seen_ms| *seen_ms > until_ms)
            .min();
        let due_ms = oldest_ms.map_or(u64::MAX, |seen_ms| seen_ms.saturating_add(retention_ms));
        self.state.prune_ms = due_ms.min(now_ms.saturating_add(retention_ms.min(READ_AGAIN_MS)));
        Ok(false)
    }

    /// Removes those among the next ones that the filter matches.
    pub(super) fn prune(&mut self, filter: &PruneFilter, place: PrunePlace) -> Result<PruneStep> {
        let tables = self.state.tables();
        let matches = PruneMatch::new(filter, |id| tables.get(&id).map(|table| table.journal));
        let [conflicts, unshipped] = self.journals(place)?.map(<[ScannedRow]>::to_vec);
        let mut pruned = Pruned::default();
        for (key, row) in conflicts.iter().filter(|(_, row)| matches.has_conflict(row)) {
            // What a damaged row was about is not known. Its key stays, and leads to nothing.
            if let Ok(conflict) = journal::conflict_key_of(row) {
                self.writes.rows.insert((Keyspace::ConflictKeys, conflict), None);
            }
            self.writes.rows.insert((Keyspace::Conflicts, key.clone()), None);
            pruned.conflicts += 1;
            pruned.bytes += row.len() as u64;
        }
        for (key, row) in unshipped.iter().filter(|(_, row)| matches.has_unshipped(row)) {
            self.writes.rows.insert((Keyspace::Unshipped, key.clone()), None);
            pruned.unshipped += 1;
            pruned.bytes += row.len() as u64;
        }
        let after = |rows: &[ScannedRow], from: u64| match rows.last() {
            Some((key, _)) => number_of(key).map(|last| last + 1),
            None => Ok(from),
        };
        let next = PrunePlace {
            conflict: after(&conflicts, place.conflict)?,
            unshipped: after(&unshipped, place.unshipped)?,
        };
        let is_more = conflicts.len() == STEP_ROWS || unshipped.len() == STEP_ROWS;
        Ok(PruneStep {
            pruned,
            next: is_more.then_some(next),
        })
    }

    /// The next conflicts and the next unshipped writes.
    fn journals(&self, place: PrunePlace) -> Result<[&[ScannedRow]; 2]> {
        let scan = |keyspace, from| {
            self.scan(Scan {
                keyspace,
                range: KeyRange {
                    from: number_key(from),
                    to: None,
                    reverse: false,
                },
                rows_max: STEP_ROWS,
            })
        };
        let mut misses = Misses::default();
        let conflicts = misses.note(scan(Keyspace::Conflicts, place.conflict))?;
        let unshipped = misses.note(scan(Keyspace::Unshipped, place.unshipped))?;
        misses.check()?;
        Ok([conflicts.unwrap_or_default(), unshipped.unwrap_or_default()])
    }
}
