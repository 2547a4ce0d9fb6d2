//! Names of stream shards.

use beringia_item::TableId;

/// Names a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardKey {
    /// The stream's table.
    pub table: TableId,
    /// When the stream was switched on, ms since the epoch.
    pub enabled_ms: u64,
    /// When the shard was opened, ms since the epoch.
    pub opened_ms: u64,
}
