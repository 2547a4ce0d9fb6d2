//! What a read works with.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use beringia_decisions::layout::OriginNames;
use beringia_storage::backend::Snapshot;

use crate::view::View;

/// A snapshot, and what is known of it without looking into it.
pub(crate) struct Reading<'a> {
    pub(crate) snapshot: &'a dyn Snapshot,
    pub(crate) view: &'a View,
    pub(crate) names: &'a ArcSwap<OriginNames>,
}

impl Reading<'_> {
    /// Origins by number. They are published before the commit of the first row that uses them: take them after
    /// the row, or after the first read of a snapshot, and none is missing.
    pub(super) fn names(&self) -> Guard<Arc<OriginNames>> {
        self.names.load()
    }
}
