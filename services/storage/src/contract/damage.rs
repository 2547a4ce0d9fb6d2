//! What a store knows of damage to its database.

use beringia_item::TableId;

/// Damage to a database that was found since the store was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreDamage {
    /// The number of log records that were found damaged or missing. If one was an item's current
    /// record, the item is repaired from another replica; any other is only gone.
    pub records: u64,
    /// The ranges that are damaged and not repaired yet, by table and range.
    pub ranges: Vec<DamagedRange>,
}

/// A range of a table that is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRange {
    /// The table whose rows, or index entries, are damaged.
    pub table: TableId,
    /// The range, as in [`beringia_item::range_of`].
    pub range: u16,
    /// What was found, or why it cannot be repaired.
    pub what: String,
}
