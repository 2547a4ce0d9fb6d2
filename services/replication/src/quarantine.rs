//! Origins whose clock is too far ahead: their writes wait, and are tried again as time passes.

use beringia_item::Region;

use crate::{status::Quarantine, world::World};

/// An origin in quarantine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) seen: Quarantine,
    /// When its writes are asked for again; they stay in quarantine until the store takes one.
    pub(crate) retry_at_ms: u64,
}

/// The shortest pause before another try, milliseconds.
const RETRY_MS_MIN: u64 = 100;

impl World {
    /// Puts the origin in quarantine, or keeps it there.
    pub(crate) fn hold(&mut self, origin: Region, seen: Quarantine) {
        let missing_ms = seen.ahead_ms.saturating_sub(seen.limit_ms);
        let pause_ms = missing_ms.clamp(RETRY_MS_MIN, self.tuning.quarantine_retry_ms_max.max(RETRY_MS_MIN));
        let retry_at_ms = self.now.elapsed_ms + pause_ms;
        self.quarantine.insert(origin, Held { seen, retry_at_ms });
    }

    /// Whether the origin's writes are not to be asked for now.
    pub(crate) fn is_held(&self, origin: &Region) -> bool {
        self.quarantine
            .get(origin)
            .is_some_and(|held| held.retry_at_ms > self.now.elapsed_ms)
    }
}
