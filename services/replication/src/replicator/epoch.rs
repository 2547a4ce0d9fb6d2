//! The request to the store to begin a store epoch.

/// The store epoch that is to begin.
#[derive(Debug, Clone, Default)]
pub(super) struct EpochRequest {
    /// The greatest own sequence for which the store was asked to begin an epoch.
    pub(super) asked: u64,
    /// Whether the store has not answered yet.
    pub(super) is_asking: bool,
    /// When all reports are looked at again.
    pub(super) watch_at_ms: u64,
}

impl EpochRequest {
    /// Handles the store's answer. A call that failed is made again.
    pub(super) fn on_answer(&mut self, is_done: bool) {
        self.is_asking = false;
        if !is_done {
            self.asked = 0;
        }
    }
}
