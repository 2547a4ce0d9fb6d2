//! Reads: functions of a snapshot and a view. Nothing here writes.

mod items;
mod journal;
mod log;
mod past;
mod rows;
mod streams;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use beringia_decisions::layout::RegionNames;
use beringia_storage::backend::Snapshot;

pub(crate) use self::{
    items::{get, get_many, range},
    journal::{conflicts, explain, unreachable, unshipped},
    log::{backlog, log_position, read_log, read_recent, recent_backlog},
    past::get_many_at,
    rows::{digest, is_damaged, mutations_of, raw_rows},
    streams::{read_stream, streams},
};
use crate::view::View;

/// What a read works with.
pub(crate) struct Reading<'a> {
    pub(crate) snapshot: &'a dyn Snapshot,
    pub(crate) view: &'a View,
    pub(crate) names: &'a ArcSwap<RegionNames>,
}

impl Reading<'_> {
    /// Regions by number. They are published before the commit of the first row that uses them: take them after
    /// the row, or after the first read of a snapshot, and none is missing.
    fn names(&self) -> Guard<Arc<RegionNames>> {
        self.names.load()
    }
}
