//! Replication's reads of a snapshot and a state, without a store: for callers that keep regions as
//! values.

use std::ops::RangeInclusive;

use arc_swap::ArcSwap;
use beringia_decisions::{State, layout::OriginNames};
use beringia_item::{KeyBytes, Mutation, Origin, TableId, VersionVector};
use beringia_storage::{
    LogFilter, LogPage, LogPosition, OwnSequences, RawRow, SharedVectors, StoreError, TableDigest, backend::Snapshot,
};

use super::{digests, log, reading::Reading, rows};
use crate::view::View;

/// Reads what replication asks of a store, as [`RegionStore`](crate::RegionStore) reads it.
pub struct SnapshotReader<'a> {
    snapshot: &'a dyn Snapshot,
    view: View,
    names: ArcSwap<OriginNames>,
}

impl<'a> SnapshotReader<'a> {
    /// A reader of a snapshot and the state that was committed with it.
    #[must_use]
    pub fn new(snapshot: &'a dyn Snapshot, state: &State) -> Self {
        Self {
            snapshot,
            view: View::of(state),
            names: ArcSwap::new(state.origins.names().clone()),
        }
    }

    const fn reading(&self) -> Reading<'_> {
        Reading {
            snapshot: self.snapshot,
            view: &self.view,
            names: &self.names,
        }
    }

    /// The position from which to read a filter's records, or the parts of it that the log cannot
    /// serve.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if the contents are damaged.
    pub fn log_position(&self, filter: &LogFilter) -> Result<Result<LogPosition, Vec<(TableId, Origin)>>, StoreError> {
        log::log_position(&self.reading(), filter)
    }

    /// Records that pass the filter, from a position on.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if the contents are damaged.
    pub fn read_log(&self, from: LogPosition, filter: &LogFilter, max_bytes: usize) -> Result<LogPage, StoreError> {
        log::read_log(&self.reading(), from, filter, max_bytes)
    }

    /// The digests of a table, and its vector.
    ///
    /// # Errors
    /// [`StoreError::UnknownTable`]; [`StoreError::Unreadable`] if the contents are damaged.
    pub fn digest(&self, table: TableId) -> Result<TableDigest, StoreError> {
        digests::digest(&self.reading(), table)
    }

    /// The digests of a table as of the greatest vector that both `wanted` and its own vector
    /// cover.
    ///
    /// # Errors
    /// [`StoreError::UnknownTable`]; [`StoreError::Unreadable`] if the contents are damaged.
    pub fn digest_as_of(&self, table: TableId, wanted: &VersionVector) -> Result<TableDigest, StoreError> {
        digests::digest_as_of(&self.reading(), table, wanted)
    }

    /// At most `max` rows of consecutive ranges after a key, tombstones too.
    ///
    /// # Errors
    /// [`StoreError::UnknownTable`]; [`StoreError::Unreadable`] if the contents are damaged.
    pub fn raw_rows(
        &self,
        table: TableId,
        ranges: RangeInclusive<u16>,
        after: Option<&KeyBytes>,
        max: usize,
    ) -> Result<Vec<RawRow>, StoreError> {
        rows::raw_rows(&self.reading(), table, ranges, after, max)
    }

    /// The vectors of all tables.
    #[must_use]
    pub fn vectors(&self) -> SharedVectors {
        self.view.vectors.clone()
    }

    /// What the database knows about the region's own sequences.
    #[must_use]
    pub fn own_sequences(&self) -> OwnSequences {
        self.view.own_sequences()
    }

    /// The rows under these keys, as mutations.
    ///
    /// # Errors
    /// [`StoreError::UnknownTable`]; [`StoreError::Corrupt`] if a row's record is missing.
    pub fn mutations(&self, table: TableId, keys: &[KeyBytes]) -> Result<Vec<Mutation>, StoreError> {
        rows::mutations_of(&self.reading(), table, keys)
    }
}
