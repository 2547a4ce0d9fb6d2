//! Parts of requests and answers that several operations share.

use std::collections::BTreeMap;

use beringia_item::{AttributeValue, Item};

use super::wire::wire_enum;

/// `ExpressionAttributeNames`: attribute names by `#name`.
pub type ExpressionNames = Option<BTreeMap<String, String>>;
/// `ExpressionAttributeValues`: values by `:name`.
pub type ExpressionValues = Option<BTreeMap<String, AttributeValue>>;

wire_enum! {
    /// Which attributes a write returns.
    ReturnValues {
        /// All attributes after the write.
        AllNew = "ALL_NEW",
        /// The previous values of the written paths.
        UpdatedOld = "UPDATED_OLD",
        /// All attributes before the write.
        AllOld = "ALL_OLD",
        /// No attributes; the default.
        None = "NONE",
        /// The new values of the written paths.
        UpdatedNew = "UPDATED_NEW",
    }
}

wire_enum! {
    /// Whether a failed condition returns the item.
    ReturnValuesOnConditionCheckFailure {
        /// The item as it is stored.
        AllOld = "ALL_OLD",
        /// No item; the default.
        None = "NONE",
    }
}

wire_enum! {
    /// How much an answer says about consumed capacity.
    ReturnConsumedCapacity {
        /// The total, and the share of each table and index.
        Indexes = "INDEXES",
        /// The total per table only.
        Total = "TOTAL",
        /// Nothing about capacity; the default.
        None = "NONE",
    }
}

wire_enum! {
    /// Whether an answer describes the item collection that was written to.
    ReturnItemCollectionMetrics {
        /// The collection's key and estimated size.
        Size = "SIZE",
        /// No metrics; the default.
        None = "NONE",
    }
}

/// Makes `NONE` the default of the parameter.
macro_rules! default_none {
    ($($name:ident),+) => { $(impl Default for $name { fn default() -> Self { Self::None } })+ };
}
default_none!(
    ReturnValues,
    ReturnValuesOnConditionCheckFailure,
    ReturnConsumedCapacity,
    ReturnItemCollectionMetrics
);

/// Capacity units that one table or index consumed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ConsumedUnits {
    /// Read and write units together.
    pub capacity_units: f64,
    /// Read units; given only for transactions.
    pub read_capacity_units: Option<f64>,
    /// Write units; given only for transactions.
    pub write_capacity_units: Option<f64>,
}

/// Capacity units that a request consumed of one table and its indexes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConsumedCapacity {
    /// The name of the table.
    pub table_name: String,
    /// The sum over table and indexes.
    pub total: ConsumedUnits,
    /// The table's own share; given only for `INDEXES`.
    pub table: Option<ConsumedUnits>,
    /// The shares of local indexes; given only for `INDEXES`, and only if there are any.
    pub local_secondary_indexes: Option<BTreeMap<String, ConsumedUnits>>,
    /// The shares of global indexes; given only for `INDEXES`, and only if there are any.
    pub global_secondary_indexes: Option<BTreeMap<String, ConsumedUnits>>,
}

/// The item collection that a write changed. Only tables with local indexes have collections.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemCollectionMetrics {
    /// The attribute of the partition key.
    pub item_collection_key: Item,
    /// Lower and upper estimate of the collection's size, in GB.
    pub size_estimate_range_gb: [f64; 2],
}
