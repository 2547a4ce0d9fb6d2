//! Origins whose clock is too far ahead: their writes wait, and are retried as time passes.

use std::collections::BTreeMap;

use beringia_item::{Mutation, Origin};
use beringia_storage_types::RemoteBatch;

use crate::{
    context::{Context, QuarantinedOrigin},
    status::Quarantine,
};

/// The shortest pause before a retry, milliseconds. At every retry the source sends again what
/// still has to wait.
const RETRY_MS_MIN: u64 = 1000;

/// Origins with writes that have to wait, each with how far ahead the first of those writes is.
pub(crate) type TooFarAhead = BTreeMap<Origin, Quarantine>;

impl Context {
    /// Puts the origin in quarantine, or keeps it there; `seen` describes the first of its writes
    /// that have to wait.
    pub(crate) fn hold(&mut self, origin: Origin, seen: Quarantine) {
        self.limit_ms = Some(seen.limit_ms);
        let retry_at_ms = self.retry_at_ms(seen);
        self.quarantine.insert(origin, QuarantinedOrigin { seen, retry_at_ms });
    }

    /// When to try such a write again, on the monotonic clock: when it is due, within bounds.
    pub(crate) fn retry_at_ms(&self, seen: Quarantine) -> u64 {
        let missing_ms = seen.ahead_ms.saturating_sub(seen.limit_ms);
        let pause_ms = missing_ms.clamp(RETRY_MS_MIN, self.tuning.quarantine_retry_ms_max.max(RETRY_MS_MIN));
        self.now.elapsed_ms + pause_ms
    }

    /// Removes from the batch what the store would refuse as too far ahead, so that it accepts the
    /// rest: of each origin, whole transactions from the first that has to wait. Progress of those
    /// origins is removed too, since it assumes the removed writes. The writes of one origin to one
    /// table arrive in the order of their sequence, so no gap arises.
    ///
    /// The store decides how far ahead is too far; nothing is removed until it has refused a batch.
    /// The first refused batch is then filtered in the same way, so that it delays no more writes
    /// than a later one would.
    pub(crate) fn take_out(&self, apply: &mut RemoteBatch) -> TooFarAhead {
        let Some(limit_ms) = self.limit_ms else {
            return TooFarAhead::new();
        };
        // For each origin, the first sequence of the earliest transaction that has to wait. A relay
        // may send an origin's writes to two tables out of sequence order.
        let mut firsts: BTreeMap<Origin, (u64, Quarantine)> = BTreeMap::new();
        for mutation in &apply.mutations {
            let ahead_ms = mutation.version.time.millis().saturating_sub(self.now.wall_ms);
            if ahead_ms <= limit_ms || self.is_here(mutation) {
                continue;
            }
            let transaction = mutation.transaction.first;
            let is_first = firsts
                .get(mutation.origin())
                .is_none_or(|(first, _)| transaction < *first);
            if is_first {
                firsts.insert(
                    mutation.origin().clone(),
                    (transaction, Quarantine { ahead_ms, limit_ms }),
                );
            }
        }
        if firsts.is_empty() {
            return TooFarAhead::new();
        }
        apply.mutations.retain(|mutation| {
            let first = firsts.get(mutation.origin());
            first.is_none_or(|(first, _)| mutation.version.sequence < *first)
        });
        apply.progress.retain(|(_, origin, _)| !firsts.contains_key(origin));
        firsts.into_iter().map(|(origin, (_, seen))| (origin, seen)).collect()
    }

    /// Whether the write has been applied already, by another path: the store skips it regardless
    /// of its time.
    fn is_here(&self, mutation: &Mutation) -> bool {
        let vector = self.local.get(&mutation.table);
        vector.is_some_and(|vector| vector.covers(&mutation.version))
    }

    /// Whether the origin's writes are currently not requested.
    pub(crate) fn is_held(&self, origin: &Origin) -> bool {
        self.quarantine
            .get(origin)
            .is_some_and(|held| held.retry_at_ms > self.now.elapsed_ms)
    }
}
