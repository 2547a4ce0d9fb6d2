//! Identifiers of stream shards.

use beringia_item::TableId;

/// Identifies a shard of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardKey {
    /// The table that the stream belongs to.
    pub table: TableId,
    /// When the stream was enabled, in ms since the Unix epoch.
    pub enabled_ms: u64,
    /// When the shard was opened, in ms since the Unix epoch.
    pub opened_ms: u64,
}
