//! Reads: pages of rows.

use std::ops::Bound;

use beringia_item::{Item, KeyBytes, TableId, Version};

/// Which rows to read, in key order.
#[derive(Debug, Clone)]
pub struct RangeRead {
    /// The table.
    pub table: TableId,
    /// The index's name; `None` for the table itself.
    pub index: Option<String>,
    /// Where to begin, over stored keys (with the hash in front; in an index the base key behind).
    pub from: Bound<Vec<u8>>,
    /// Where to end.
    pub to: Bound<Vec<u8>>,
    /// From `to` down to `from`.
    pub reverse: bool,
    /// Stop after so many rows.
    pub max_rows: usize,
    /// Stop when the rows' sizes (as DynamoDB counts items; in an index only what it projects) reach this; the row that reaches
    /// it is included.
    pub max_bytes: usize,
}

/// A live item with its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The stored key; in an index the index's stored key.
    pub key: KeyBytes,
    /// The item's version.
    pub version: Version,
    /// The whole item, also in an index (the engine projects).
    pub item: Item,
}

/// What a range read found.
#[derive(Debug, Clone, Default)]
pub struct RangePage {
    /// In the order asked for.
    pub rows: Vec<Row>,
    /// Whether a limit ended the read (there may be more rows).
    pub limited: bool,
}
