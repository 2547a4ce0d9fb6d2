//! Streams: the changes of a table's items as its log tells them, in shards that open and close.

use std::sync::Arc;

use beringia_clock::HybridTime;
use beringia_item::{Cause, Item, KeySchema, Origin, TableId, item_size};

use crate::{LogPosition, ShardKey, Stream, StreamView};

/// Where a shard ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardEnd {
    /// The last position that belongs to it; below its first one where it is empty.
    pub last: LogPosition,
    /// When it was closed, ms since the epoch.
    pub closed_ms: u64,
}

/// A stretch of the log that is one shard of a stream. A stream has one open shard at a time, which closes when it is old enough
/// (its child goes on with the next position) or when the stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// When it was opened, ms since the epoch. Each shard of a stream has a greater one than those before, so this names it.
    pub opened_ms: u64,
    /// The first position that belongs to it.
    pub first: LogPosition,
    /// Where it ends; `None` while it is open.
    pub end: Option<ShardEnd>,
    /// `opened_ms` of the shard that it goes on from; `None` for a stream's first.
    pub parent_ms: Option<u64>,
}

/// A stream of a table in this region: one that is on, or one that was and can still be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableStream {
    /// The table. It may be gone.
    pub table: TableId,
    /// The table's name.
    pub table_name: String,
    /// The table's key.
    pub keys: KeySchema,
    /// What was switched on, and when.
    pub stream: Stream,
    /// Oldest first, never empty.
    pub shards: Vec<Shard>,
}

impl TableStream {
    /// Whether it still takes records.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.shards.last().is_some_and(|shard| shard.end.is_none())
    }
}

/// All streams of a region that can be read, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Streams {
    /// Without shards whose records are all older than the retention.
    pub streams: Vec<Arc<TableStream>>,
    /// Records up to here cannot be read any more.
    pub trimmed: LogPosition,
    /// The log's last position.
    pub end: LogPosition,
}

/// Which records of a shard to read.
#[derive(Debug, Clone, Copy)]
pub struct StreamRead {
    /// The shard.
    pub shard: ShardKey,
    /// From here on; `None` for the oldest record that is still there.
    pub from: Option<LogPosition>,
    /// Stop after so many records, at least 1.
    pub max_records: usize,
    /// Stop before the records' sizes ([`StreamRecord::size_bytes`]) exceed this; the first record is returned whatever its size.
    pub max_bytes: usize,
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamChange {
    /// There was no item.
    Insert,
    /// There was another item.
    Modify,
    /// There is no item any more.
    Remove,
}

/// A change of an item, with what the stream's view shows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamRecord {
    /// Where it stands in the log.
    pub position: LogPosition,
    /// What it did.
    pub change: StreamChange,
    /// The item's key.
    pub keys: Item,
    /// The item before; `None` also where the view does not show it.
    pub before: Option<Item>,
    /// The item after; `None` also where the view does not show it.
    pub after: Option<Item>,
    /// When its origin wrote it.
    pub time: HybridTime,
    /// Whose write it is.
    pub origin: Origin,
    /// Why it was written.
    pub cause: Cause,
}

impl StreamRecord {
    /// What becoming `after` means for an item that was `before`; `None` where nothing changed, which makes no record.
    #[must_use]
    pub fn change_of(before: Option<&Item>, after: Option<&Item>) -> Option<StreamChange> {
        match (before, after) {
            (None, Some(_)) => Some(StreamChange::Insert),
            (Some(_), None) => Some(StreamChange::Remove),
            (Some(before), Some(after)) if before != after => Some(StreamChange::Modify),
            _ => None,
        }
    }

    /// Takes away the images that a view does not show.
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

    /// The sizes of key and images as DynamoDB counts items, bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let images = self.before.iter().chain(&self.after);
        item_size(&self.keys) + images.map(item_size).sum::<usize>()
    }
}

/// Some records of a shard, and where to read on.
#[derive(Debug, Clone, Default)]
pub struct StreamPage {
    /// In log order, which is the order in which this region applied them. May be empty before the end.
    pub records: Vec<StreamRecord>,
    /// Where to read on; `None` where the shard is closed and nothing of it is left.
    pub next: Option<LogPosition>,
}
