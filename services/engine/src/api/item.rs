//! PutItem, GetItem, UpdateItem, DeleteItem.

use std::collections::BTreeMap;

use beringia_item::Item;

use super::{
    AttributeValueUpdate, ConditionalOperator, ConsumedCapacity, ExpectedAttributeValue, ExpressionNames,
    ExpressionValues, ItemCollectionMetrics, ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValues,
    ReturnValuesOnConditionCheckFailure,
};

/// What all writes of one item can ask for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WriteOptions {
    /// What must hold of the item now stored.
    pub condition_expression: Option<String>,
    /// The same in the form before expressions.
    pub expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    /// How `expected` combines.
    pub conditional_operator: Option<ConditionalOperator>,
    /// `#names` of all expressions.
    pub expression_attribute_names: ExpressionNames,
    /// `:values` of all expressions.
    pub expression_attribute_values: ExpressionValues,
    /// `NONE` or `ALL_OLD`; for an update any value.
    pub return_values: ReturnValues,
    /// Whether to answer with capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether to answer with collection metrics.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
    /// Whether the error of a failed condition carries the item.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

/// Writes a whole item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PutItemInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The item.
    pub item: Item,
    /// Condition and answer.
    pub options: WriteOptions,
}

/// Reads one item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GetItemInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The primary key, exactly.
    pub key: Item,
    /// Whether the read must see every earlier write of this region. It always does; this only changes the price.
    pub consistent_read: bool,
    /// Which attributes to return, in the form before expressions.
    pub attributes_to_get: Option<Vec<String>>,
    /// Which attributes to return.
    pub projection_expression: Option<String>,
    /// `#names` of the expression.
    pub expression_attribute_names: ExpressionNames,
    /// Whether to answer with capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// What GetItem found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GetItemOutput {
    /// The item; `None` where there is none.
    pub item: Option<Item>,
    /// Where it was asked for.
    pub consumed_capacity: Option<ConsumedCapacity>,
}

/// Changes attributes of an item, or makes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UpdateItemInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The primary key, exactly.
    pub key: Item,
    /// What to change; `None` only makes the item where there is none.
    pub update_expression: Option<String>,
    /// The same in the form before expressions.
    pub attribute_updates: Option<BTreeMap<String, AttributeValueUpdate>>,
    /// Condition and answer.
    pub options: WriteOptions,
}

/// Deletes an item; one that is not there is no error.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeleteItemInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The primary key, exactly.
    pub key: Item,
    /// Condition and answer.
    pub options: WriteOptions,
}

/// The answer to PutItem, UpdateItem and DeleteItem.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WriteItemOutput {
    /// What `ReturnValues` asked for; `None` where that is nothing (then the answer has no such field).
    pub attributes: Option<Item>,
    /// Where it was asked for.
    pub consumed_capacity: Option<ConsumedCapacity>,
    /// Where it was asked for and the table has local indexes.
    pub item_collection_metrics: Option<ItemCollectionMetrics>,
}

/// The answer to PutItem.
pub type PutItemOutput = WriteItemOutput;
/// The answer to UpdateItem.
pub type UpdateItemOutput = WriteItemOutput;
/// The answer to DeleteItem.
pub type DeleteItemOutput = WriteItemOutput;
