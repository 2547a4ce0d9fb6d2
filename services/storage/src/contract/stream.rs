//! Streams: the changes of a table's items as its log records them, in shards that open and close.

use std::sync::Arc;

use beringia_clock::HybridTime;
use beringia_item::{Cause, Item, KeySchema, Origin, TableId, item_size};

use crate::{LogPosition, ShardKey, Stream, StreamView};

/// The end of a closed shard, in the log and in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardEnd {
    /// The last position that belongs to the shard; below its first one if it is empty.
    pub last: LogPosition,
    /// When the shard was closed, in ms since the Unix epoch.
    pub closed_ms: u64,
}

/// A section of the log that is one shard of a stream. A stream has one open shard at a time. The
/// shard closes when it is old enough (its child continues with the next position) or when the
/// stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// When the shard was opened, in ms since the Unix epoch. It is greater than that of all
    /// earlier shards of the stream, so it identifies the shard.
    pub opened_ms: u64,
    /// The first position that belongs to the shard.
    pub first: LogPosition,
    /// Where the shard ends; `None` while it is open.
    pub end: Option<ShardEnd>,
    /// `opened_ms` of the shard that it continues; `None` for a stream's first.
    pub parent_ms: Option<u64>,
}

/// A stream of a table in this region: one that is enabled, or one that was and can still be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableStream {
    /// The table, which may have been deleted.
    pub table: TableId,
    /// The name of the table.
    pub table_name: String,
    /// The key schema of the table.
    pub keys: KeySchema,
    /// The view of the stream, and when it was enabled.
    pub stream: Stream,
    /// The shards, oldest first; never empty.
    pub shards: Vec<Shard>,
}

impl TableStream {
    /// Whether the stream still receives records.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.shards.last().is_some_and(|shard| shard.end.is_none())
    }
}

/// All readable streams of a region, from one snapshot.
#[derive(Debug, Clone, Default)]
pub struct Streams {
    /// The streams, without shards whose records are all older than the retention.
    pub streams: Vec<Arc<TableStream>>,
    /// Records up to this position cannot be read any more.
    pub trimmed: LogPosition,
    /// The last position of the log.
    pub end: LogPosition,
}

/// Which records of a shard to read.
#[derive(Debug, Clone, Copy)]
pub struct StreamRead {
    /// The shard, by its table and the time when it was opened.
    pub shard: ShardKey,
    /// The position from which to read; `None` for the oldest record that is kept.
    pub from: Option<LogPosition>,
    /// The number of records after which to stop, at least 1.
    pub max_records: usize,
    /// The total size in bytes ([`StreamRecord::size_bytes`]) that the records must not exceed. The
    /// first record is returned regardless of its size.
    pub max_bytes: usize,
}

/// How a write changed an item, by its images before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamChange {
    /// There was no item before.
    Insert,
    /// There was a different item before.
    Modify,
    /// There is no item any more.
    Remove,
}

/// A change of an item, with what the stream's view shows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamRecord {
    /// The record's position in the log.
    pub position: LogPosition,
    /// Whether the item was created, changed or deleted.
    pub change: StreamChange,
    /// The attributes of the item's key.
    pub keys: Item,
    /// The item before the change; `None` also if the view does not show it, or its log record is
    /// damaged or missing.
    pub before: Option<Item>,
    /// The item after the change; `None` also if the view does not show it.
    pub after: Option<Item>,
    /// Hybrid time of the write at its origin.
    pub time: HybridTime,
    /// The region, and its shard, that first committed the write.
    pub origin: Origin,
    /// The cause of the write: a client or expiry.
    pub cause: Cause,
}

impl StreamRecord {
    /// The kind of the change from `before` to `after`; `None` if nothing changed, which makes no
    /// record.
    #[must_use]
    pub fn change_of(before: Option<&Item>, after: Option<&Item>) -> Option<StreamChange> {
        let is_change = before != after;
        let change = is_change.then(|| Self::change_without_before(before.is_some(), after.is_some()));
        change.flatten()
    }

    /// The kind of a change whose image before is lost; `None` if there was no item and is none.
    /// Two equal images count as a change.
    #[must_use]
    pub const fn change_without_before(was_there: bool, is_there: bool) -> Option<StreamChange> {
        match (was_there, is_there) {
            (false, true) => Some(StreamChange::Insert),
            (true, false) => Some(StreamChange::Remove),
            (true, true) => Some(StreamChange::Modify),
            (false, false) => None,
        }
    }

    /// Removes the images that a view does not show.
    #[must_use]
    pub fn seen_by(mut self, view: StreamView) -> Self {
        if !matches!(view, StreamView::OldImage | StreamView::NewAndOldImages) {
            self.before = None;
        }
        if !matches!(view, StreamView::NewImage | StreamView::NewAndOldImages) {
            self.after = None;
        }
        self
    }

    /// The size of key and images in bytes, as DynamoDB counts items.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let images = self.before.iter().chain(&self.after);
        item_size(&self.keys) + images.map(item_size).sum::<usize>()
    }
}

/// A page of a shard's records.
#[derive(Debug, Clone, Default)]
pub struct StreamPage {
    /// The records in log order, the order in which this region applied them. May be empty before
    /// the end.
    pub records: Vec<StreamRecord>,
    /// The position of the next page; `None` if the shard is closed and has been read to its end.
    pub next: Option<LogPosition>,
}
