//! What the committer and the readers share: the view of the last commit, and the signals that follow one.

use std::sync::Arc;

use arc_swap::ArcSwap;
use beringia_item::Region;
use tokio::sync::Notify;

use super::{layout::RegionNames, state::State, view::View};

/// The meeting place of committer and readers.
pub(super) struct Shared {
    pub(super) region: Region,
    pub(super) log_retention_ms: u64,
    /// Regions by number. Ahead of `view`, never behind the rows.
    pub(super) names: ArcSwap<RegionNames>,
    pub(super) view: ArcSwap<View>,
    pub(super) log_appended: Notify,
    pub(super) catalog_changed: Notify,
}

impl Shared {
    pub(super) fn new(region: Region, log_retention_ms: u64, state: &mut State) -> Self {
        Self {
            region,
            log_retention_ms,
            names: ArcSwap::new(state.regions.names().clone()),
            view: ArcSwap::from_pointee(View::of(state, None)),
            log_appended: Notify::new(),
            catalog_changed: Notify::new(),
        }
    }

    /// Shows what was committed.
    pub(super) fn publish(&self, state: &mut State) {
        let redefined = state.definitions_changed;
        let before = self.view.load();
        self.names.store(state.regions.names().clone());
        self.view.store(Arc::new(View::of(state, Some(&before))));
        if redefined {
            self.catalog_changed.notify_waiters();
        }
    }
}
