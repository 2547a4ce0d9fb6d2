//! BatchGetItem and BatchWriteItem.

use std::collections::BTreeMap;

use beringia_item::Item;

use super::{
    ConsumedCapacity, ExpressionNames, ItemCollectionMetrics, ReturnConsumedCapacity, ReturnItemCollectionMetrics,
};

/// What BatchGetItem wants of one table; also the form in which keys come back unprocessed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeysAndAttributes {
    /// Primary keys, no two alike.
    pub keys: Vec<Item>,
    /// Whether the reads must see every earlier write of this region; changes the price only.
    pub consistent_read: Option<bool>,
    /// Which attributes to return, in the form before expressions.
    pub attributes_to_get: Option<Vec<String>>,
    /// Which attributes to return.
    pub projection_expression: Option<String>,
    /// `#names` of the expression.
    pub expression_attribute_names: ExpressionNames,
}

/// Reads up to 100 items of several tables.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchGetItemInput {
    /// By table name or ARN.
    pub request_items: BTreeMap<String, KeysAndAttributes>,
    /// Whether to answer with capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// What BatchGetItem found. Items that are not there are absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchGetItemOutput {
    /// By table, as the request named it.
    pub responses: BTreeMap<String, Vec<Item>>,
    /// What did not fit into 16 MB.
    pub unprocessed_keys: BTreeMap<String, KeysAndAttributes>,
    /// One per table, where it was asked for.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

/// One write of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteRequest {
    /// Put a whole item.
    Put {
        /// The item.
        item: Item,
    },
    /// Delete an item.
    Delete {
        /// Its primary key.
        key: Item,
    },
}

/// Up to 25 puts and deletes, each on its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchWriteItemInput {
    /// By table name or ARN.
    pub request_items: BTreeMap<String, Vec<WriteRequest>>,
    /// Whether to answer with capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether to answer with collection metrics.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
}

/// What became of a batch of writes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchWriteItemOutput {
    /// What was not written.
    pub unprocessed_items: BTreeMap<String, Vec<WriteRequest>>,
    /// By table; where it was asked for.
    pub item_collection_metrics: Option<BTreeMap<String, Vec<ItemCollectionMetrics>>>,
    /// One per table, where it was asked for.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}
