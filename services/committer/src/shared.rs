//! The state that committer and readers share: the view of the last commit, and the signals after
//! one.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

use arc_swap::ArcSwap;
use beringia_clock::WallClock;
use beringia_decisions::{OwnRecord, Retention, State, layout::OriginNames};
use beringia_item::{Item, KeyBytes, Origin, TableId};
use beringia_storage::{PlantedBug, StoreOptions};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::Span;

use crate::{as_of::AsOfPositions, damage::DamagedRanges, recent::Recent, trail, view::View};

/// The state that committer and readers share.
pub(crate) struct Shared {
    /// The origin of the writes that are committed here.
    pub(crate) origin: Origin,
    /// The region's span, for records that are in no narrower one.
    pub(crate) span: Span,
    pub(crate) clock: Arc<dyn WallClock>,
    pub(crate) max_offset_ms: u64,
    pub(crate) log_retention_ms: u64,
    /// How long conflicts and unshipped writes are kept, in ms.
    pub(crate) conflict_retention_ms: u64,
    /// Whether log records stay although nobody is missing them, and conflicts and unshipped writes
    /// whatever their age.
    pub(crate) keeps_log: Arc<AtomicBool>,
    /// The age at which a stream's open shard is closed, in ms.
    pub(crate) shard_age_ms: u64,
    pub(crate) planted_bug: Option<PlantedBug>,
    /// The puts that wait for their commit, for the planted bug that shows them to readers.
    pub(crate) waiting: Mutex<BTreeMap<(TableId, KeyBytes), Arc<Item>>>,
    /// Origins by number. They may be ahead of `view`, but never behind the rows.
    pub(crate) names: ArcSwap<OriginNames>,
    pub(crate) view: ArcSwap<View>,
    pub(crate) as_of: AsOfPositions,
    pub(crate) recent: Recent,
    pub(crate) damage: DamagedRanges,
    pub(crate) log_appended: Notify,
    pub(crate) catalog_changed: Notify,
}

impl Shared {
    pub(crate) fn new(options: &StoreOptions, state: &State) -> Self {
        Self {
            origin: options.origin(),
            span: trail::region_span(&options.region),
            clock: options.clock.clone(),
            max_offset_ms: options.max_offset_ms,
            log_retention_ms: options.log_retention_ms,
            conflict_retention_ms: options.conflict_retention_ms,
            keeps_log: options.keeps_log.clone(),
            shard_age_ms: options.shard_age_ms.max(1),
            planted_bug: options.planted_bug,
            waiting: Mutex::default(),
            names: ArcSwap::new(state.origins.names().clone()),
            view: ArcSwap::from_pointee(View::of(state)),
            as_of: AsOfPositions::new(options.look_back, state.log.last),
            recent: Recent::default(),
            damage: DamagedRanges::default(),
            log_appended: Notify::new(),
            catalog_changed: Notify::new(),
        }
    }

    /// The retention for streams, and the current time.
    pub(crate) fn retention(&self) -> Retention {
        Retention {
            retention_ms: self.log_retention_ms,
            now_ms: self.clock.now_ms(),
        }
    }

    /// Publishes all origins that rows of this state may refer to. Must be called before the rows
    /// are committed.
    pub(crate) fn publish_names(&self, state: &State) {
        if !Arc::ptr_eq(&self.names.load(), state.origins.names()) {
            self.names.store(state.origins.names().clone());
        }
    }

    /// Publishes what was committed. `own` are this region's records among it, if they were wanted.
    pub(crate) fn publish(&self, state: &State, own: Option<Vec<OwnRecord>>) {
        let before = self.view.load();
        let view = before.after(state);
        self.publish_view(state, own, view);
    }

    /// Publishes a state that was read again.
    pub(crate) fn publish_again(&self, state: &State) {
        self.publish_view(state, None, View::of(state));
    }

    fn publish_view(&self, state: &State, own: Option<Vec<OwnRecord>>, view: View) {
        let before = self.view.load();
        self.publish_names(state);
        self.as_of.note(state.log.last);
        if let Some(own) = own {
            self.recent.take(before.end, state.log.last, own.into_iter());
        }
        let redefined = !Arc::ptr_eq(&before.catalog, &state.catalog);
        self.view.store(Arc::new(view));
        if redefined {
            self.catalog_changed.notify_waiters();
        }
    }
}
