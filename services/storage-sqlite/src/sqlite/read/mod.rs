//! Reads: functions of a connection and a view. Nothing here writes.

mod items;
mod journal;
mod log;
mod past;
mod reach;
mod rows;
mod streams;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use rusqlite::Connection;

pub(super) use self::{
    items::{get, get_many, range},
    journal::{conflicts, explain, unshipped},
    log::{backlog, log_position, read_log, read_recent, recent_backlog},
    past::get_many_at,
    reach::away,
    rows::{digest, is_damaged, mutations_of, raw_rows},
    streams::{read_stream, streams},
};
use super::{fail::Result, layout::RegionNames, view::View};

/// What a read works with.
pub(super) struct Reading<'a> {
    pub(super) connection: &'a Connection,
    pub(super) view: &'a View,
    pub(super) names: &'a ArcSwap<RegionNames>,
}

impl Reading<'_> {
    /// Regions by number. They are published before the commit of the first row that uses them: take them after the row, or after
    /// the first read of a moment, and none is missing.
    fn names(&self) -> Guard<Arc<RegionNames>> {
        self.names.load()
    }
}

/// Runs `work` on one moment of the database.
fn at_one_moment<T>(connection: &Connection, work: impl FnOnce() -> Result<T>) -> Result<T> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let result = work();
    connection.prepare_cached("COMMIT")?.execute([])?;
    result
}
