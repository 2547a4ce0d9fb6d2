//! Requests and answers of BatchGetItem and BatchWriteItem.

use std::collections::BTreeMap;

use beringia_item::Item;

use super::{
    ConsumedCapacity, ExpressionNames, ItemCollectionMetrics, ReturnConsumedCapacity, ReturnItemCollectionMetrics,
};

/// The keys that BatchGetItem reads from one table. Unprocessed keys are returned in the same form.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeysAndAttributes {
    /// Primary keys, without duplicates.
    pub keys: Vec<Item>,
    /// Whether the reads must see every earlier write of this region. Without stale reads they
    /// always do, and the parameter affects only the price.
    pub consistent_read: Option<bool>,
    /// The attributes to return, in the legacy form.
    pub attributes_to_get: Option<Vec<String>>,
    /// The attributes to return; `None` returns all.
    pub projection_expression: Option<String>,
    /// Attribute names for the `#name` placeholders of the expression.
    pub expression_attribute_names: ExpressionNames,
}

/// Reads up to 100 items of several tables.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchGetItemInput {
    /// Keys by table name or ARN.
    pub request_items: BTreeMap<String, KeysAndAttributes>,
    /// How much the answer says about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// The items that BatchGetItem found. Items that do not exist are absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchGetItemOutput {
    /// Items by table, named as in the request.
    pub responses: BTreeMap<String, Vec<Item>>,
    /// The keys that were not read: the answer reached 16 MB, or the throughput was used up.
    pub unprocessed_keys: BTreeMap<String, KeysAndAttributes>,
    /// One entry per table, if the request asked for capacity.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

/// One write of a batch. It has no condition.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteRequest {
    /// Creates an item, or replaces all of it.
    Put {
        /// All attributes of the new item, those of its key included.
        item: Item,
    },
    /// Deletes the item with this key.
    Delete {
        /// The attributes of the item's primary key, and no others.
        key: Item,
    },
}

/// Up to 25 puts and deletes, which succeed or fail independently.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchWriteItemInput {
    /// Writes by table name or ARN.
    pub request_items: BTreeMap<String, Vec<WriteRequest>>,
    /// How much the answer says about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether the answer describes the item collections written to.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
}

/// The outcome of a batch of writes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchWriteItemOutput {
    /// The writes that were not carried out; the client sends them again.
    pub unprocessed_items: BTreeMap<String, Vec<WriteRequest>>,
    /// Metrics by table, if the request asked for them.
    pub item_collection_metrics: Option<BTreeMap<String, Vec<ItemCollectionMetrics>>>,
    /// One entry per table, if the request asked for capacity.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}
