//! What requests and answers of several operations share.

use std::collections::BTreeMap;

use beringia_item::{AttributeValue, Item};

use super::wire::wire_enum;

/// `ExpressionAttributeNames`: `#name` to attribute name.
pub type ExpressionNames = Option<BTreeMap<String, String>>;
/// `ExpressionAttributeValues`: `:name` to value.
pub type ExpressionValues = Option<BTreeMap<String, AttributeValue>>;

wire_enum! {
    /// Which attributes a write gives back.
    ReturnValues {
        /// All attributes after the write.
        AllNew = "ALL_NEW",
        /// What the written paths held before.
        UpdatedOld = "UPDATED_OLD",
        /// All attributes before the write.
        AllOld = "ALL_OLD",
        /// Nothing.
        None = "NONE",
        /// What the written paths hold now.
        UpdatedNew = "UPDATED_NEW",
    }
}

wire_enum! {
    /// Whether a failed condition gives the item back.
    ReturnValuesOnConditionCheckFailure {
        /// The item as it was.
        AllOld = "ALL_OLD",
        /// Nothing.
        None = "NONE",
    }
}

wire_enum! {
    /// How much an answer says about consumed capacity.
    ReturnConsumedCapacity {
        /// The total, and what each table and index took.
        Indexes = "INDEXES",
        /// The total.
        Total = "TOTAL",
        /// Nothing.
        None = "NONE",
    }
}

wire_enum! {
    /// Whether an answer describes the item collection that was written.
    ReturnItemCollectionMetrics {
        /// The collection's key and estimated size.
        Size = "SIZE",
        /// Nothing.
        None = "NONE",
    }
}

/// The default of every such parameter is its `NONE`.
macro_rules! default_none {
    ($($name:ident),+) => { $(impl Default for $name { fn default() -> Self { Self::None } })+ };
}
default_none!(
    ReturnValues,
    ReturnValuesOnConditionCheckFailure,
    ReturnConsumedCapacity,
    ReturnItemCollectionMetrics
);

/// Capacity units that one table or index took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Capacity {
    /// Units in all.
    pub capacity_units: f64,
    /// Read units; only transactions tell them apart.
    pub read_capacity_units: Option<f64>,
    /// Write units; only transactions tell them apart.
    pub write_capacity_units: Option<f64>,
}

/// Capacity units that a request took of one table and its indexes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConsumedCapacity {
    /// The table's name.
    pub table_name: String,
    /// The sum over table and indexes.
    pub total: Capacity,
    /// The table's own share; only for `INDEXES`.
    pub table: Option<Capacity>,
    /// The local indexes' shares; only for `INDEXES`, and only where there are some.
    pub local_secondary_indexes: Option<BTreeMap<String, Capacity>>,
    /// The global indexes' shares; only for `INDEXES`, and only where there are some.
    pub global_secondary_indexes: Option<BTreeMap<String, Capacity>>,
}

/// The item collection that a write changed. Only tables with local indexes have them.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemCollectionMetrics {
    /// The partition key's attribute.
    pub item_collection_key: Item,
    /// Lower and upper estimate of the collection's size, GB.
    pub size_estimate_range_gb: [f64; 2],
}
