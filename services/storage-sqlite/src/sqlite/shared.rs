//! What the committer and the readers share: the view of the last commit, and the signals that follow one.

use std::sync::Arc;

use arc_swap::ArcSwap;
use beringia_clock::WallClock;
use beringia_item::Region;
use tokio::sync::Notify;

use crate::{PlantedBug, StoreOptions};

use super::{layout::RegionNames, moments::Moments, recent::Recent, retention::Retention, state::State, view::View};

/// The meeting place of committer and readers.
pub(super) struct Shared {
    pub(super) region: Region,
    clock: Arc<dyn WallClock>,
    pub(super) log_retention_ms: u64,
    /// How old a stream's open shard gets, ms.
    pub(super) shard_age_ms: u64,
    pub(super) planted_bug: Option<PlantedBug>,
    /// Regions by number. Ahead of `view`, never behind the rows.
    pub(super) names: ArcSwap<RegionNames>,
    pub(super) view: ArcSwap<View>,
    pub(super) moments: Moments,
    pub(super) recent: Recent,
    pub(super) log_appended: Notify,
    pub(super) catalog_changed: Notify,
}

impl Shared {
    pub(super) fn new(options: StoreOptions, state: &mut State) -> Self {
        Self {
            region: options.region,
            clock: options.clock,
            log_retention_ms: options.log_retention_ms,
            shard_age_ms: options.shard_age_ms.max(1),
            planted_bug: options.planted_bug,
            names: ArcSwap::new(state.regions.names().clone()),
            view: ArcSwap::from_pointee(View::of(state, None)),
            moments: Moments::new(options.look_back, state.log.last),
            recent: Recent::default(),
            log_appended: Notify::new(),
            catalog_changed: Notify::new(),
        }
    }

    /// What streams may ask for now.
    pub(super) fn retention(&self) -> Retention {
        Retention {
            retention_ms: self.log_retention_ms,
            now_ms: self.clock.now_ms(),
        }
    }

    /// Shows what was committed.
    pub(super) fn publish(&self, state: &mut State) {
        let redefined = state.definitions_changed;
        let before = self.view.load();
        if !Arc::ptr_eq(&self.names.load(), state.regions.names()) {
            self.names.store(state.regions.names().clone());
        }
        self.moments.note(state.log.last);
        if let Some(own) = state.log.own.take() {
            self.recent.take(before.end, state.log.last, own.into_iter());
        }
        self.view.store(Arc::new(View::of(state, Some(&before))));
        if redefined {
            self.catalog_changed.notify_waiters();
        }
    }
}
