//! Reads: pages of rows.

use std::ops::Bound;

use beringia_item::{Item, KeyBytes, TableId, Version};

/// Which rows to read, in key order.
#[derive(Debug, Clone)]
pub struct RangeRead {
    /// The id of the table, or of the table that has the index.
    pub table: TableId,
    /// The name of the index to read; `None` for the table itself.
    pub index: Option<String>,
    /// The lower bound, as a stored key (the hash comes first; in an index the base key follows).
    pub from: Bound<Vec<u8>>,
    /// The upper bound, as a stored key.
    pub to: Bound<Vec<u8>>,
    /// Whether to read from `to` down to `from`.
    pub reverse: bool,
    /// The number of rows after which to stop.
    pub max_rows: usize,
    /// The size in bytes at which to stop, as DynamoDB counts items (in an index only what it
    /// projects). The row that reaches it is included.
    pub max_bytes: usize,
}

/// A live item with its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The stored key; in an index, the index's stored key.
    pub key: KeyBytes,
    /// The current version of the item.
    pub version: Version,
    /// The whole item, also in an index (the engine projects).
    pub item: Item,
}

/// The result of a range read.
#[derive(Debug, Clone, Default)]
pub struct RangePage {
    /// The rows, in the requested order.
    pub rows: Vec<Row>,
    /// Whether a limit ended the read, so that there may be more rows.
    pub limited: bool,
}
