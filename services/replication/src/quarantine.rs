//! Origins whose clock is too far ahead: their writes wait, and are tried again as time passes.

use std::collections::BTreeMap;

use beringia_item::{Mutation, Origin};
use beringia_storage_types::RemoteBatch;

use crate::{
    status::Quarantine,
    world::{Held, World},
};

/// The shortest pause before another try, milliseconds. With every try the source sends again what still has to wait.
const RETRY_MS_MIN: u64 = 1000;

/// Origins with writes that have to wait, each with how far ahead the first of these is.
pub(crate) type TooFarAhead = BTreeMap<Origin, Quarantine>;

impl World {
    /// Puts the origin in quarantine, or keeps it there; `seen` is of the first of its writes that have to wait.
    pub(crate) fn hold(&mut self, origin: Origin, seen: Quarantine) {
        self.limit_ms = Some(seen.limit_ms);
        let missing_ms = seen.ahead_ms.saturating_sub(seen.limit_ms);
        let pause_ms = missing_ms.clamp(RETRY_MS_MIN, self.tuning.quarantine_retry_ms_max.max(RETRY_MS_MIN));
        let retry_at_ms = self.now.elapsed_ms + pause_ms;
        self.quarantine.insert(origin, Held { seen, retry_at_ms });
    }

    /// Takes out what the store would refuse as too far ahead, so that it takes the rest: of each origin whole units up to the first
    /// that has to wait. What the origin says is complete goes too, since it was to follow on what is taken out. Of one origin and
    /// table writes come in the order of their sequence, so that no hole arises.
    ///
    /// The store decides how far ahead is too far: until it refused something, nothing is taken out. What it refuses first is looked
    /// through again, so that no more has to wait than of any later batch.
    pub(crate) fn take_out(&self, apply: &mut RemoteBatch) -> TooFarAhead {
        let Some(limit_ms) = self.limit_ms else {
            return TooFarAhead::new();
        };
        // By origin, where the first unit that has to wait begins. A relay may send an origin's writes to two tables out of their order.
        let mut firsts: BTreeMap<Origin, (u64, Quarantine)> = BTreeMap::new();
        for mutation in &apply.mutations {
            let ahead_ms = mutation.version.time.millis().saturating_sub(self.now.wall_ms);
            if ahead_ms <= limit_ms || self.is_here(mutation) {
                continue;
            }
            let unit = mutation.unit.first;
            let is_first = firsts.get(mutation.origin()).is_none_or(|(first, _)| unit < *first);
            if is_first {
                firsts.insert(mutation.origin().clone(), (unit, Quarantine { ahead_ms, limit_ms }));
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

    /// Whether the write came before, by another way: the store skips it whatever its time.
    fn is_here(&self, mutation: &Mutation) -> bool {
        let vector = self.local.get(&mutation.table);
        vector.is_some_and(|vector| vector.covers(&mutation.version))
    }

    /// Whether the origin's writes are not to be asked for now.
    pub(crate) fn is_held(&self, origin: &Origin) -> bool {
        self.quarantine
            .get(origin)
            .is_some_and(|held| held.retry_at_ms > self.now.elapsed_ms)
    }
}
