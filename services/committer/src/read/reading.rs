//! The context of a read: a snapshot and a view.

use std::{ops::ControlFlow, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use beringia_decisions::layout::OriginNames;
use beringia_storage::backend::Snapshot;

use crate::view::View;

/// Ends a scan unless more rows are wanted.
pub(super) const fn while_wanted(more: bool) -> ControlFlow<()> {
    if more {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

/// A snapshot, with facts about it that need no read.
pub(crate) struct Reading<'a> {
    pub(crate) snapshot: &'a dyn Snapshot,
    pub(crate) view: &'a View,
    pub(crate) names: &'a ArcSwap<OriginNames>,
}

impl Reading<'_> {
    /// Origins by number. They are published before the commit of the first row that uses them.
    /// Take them after reading the row, or after the first read of a snapshot; then none is
    /// missing.
    pub(super) fn names(&self) -> Guard<Arc<OriginNames>> {
        self.names.load()
    }
}
