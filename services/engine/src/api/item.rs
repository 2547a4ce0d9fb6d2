//! Requests and answers of PutItem, GetItem, UpdateItem and DeleteItem.

use std::collections::BTreeMap;

use beringia_item::Item;

use super::{
    AttributeValueUpdate, ConditionalOperator, ConsumedCapacity, ExpectedAttributeValue, ExpressionNames,
    ExpressionValues, ItemCollectionMetrics, ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValues,
    ReturnValuesOnConditionCheckFailure,
};

/// Options that all writes of one item share.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WriteOptions {
    /// The condition that the stored item must meet.
    pub condition_expression: Option<String>,
    /// The legacy form of the parameter above.
    pub expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    /// How the conditions in `expected` combine.
    pub conditional_operator: Option<ConditionalOperator>,
    /// Attribute names for the `#name` placeholders of all expressions.
    pub expression_attribute_names: ExpressionNames,
    /// Values for the `:name` placeholders of all expressions.
    pub expression_attribute_values: ExpressionValues,
    /// What to return: `NONE` or `ALL_OLD`; an update accepts every variant.
    pub return_values: ReturnValues,
    /// How much the answer says about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether the answer describes the item collections written to.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
    /// Whether the error of a failed condition contains the item.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

/// Puts a whole item, replacing an existing one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PutItemInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The whole item, key attributes included.
    pub item: Item,
    /// The write's condition and what the answer contains.
    pub options: WriteOptions,
}

/// Reads one item by its key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GetItemInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The primary key: the table's key attributes and no others.
    pub key: Item,
    /// Whether the read must see every earlier write of this region. Without stale reads it always
    /// does, and the parameter affects only the price.
    pub consistent_read: bool,
    /// The attributes to return, in the legacy form.
    pub attributes_to_get: Option<Vec<String>>,
    /// The attributes to return; `None` returns all.
    pub projection_expression: Option<String>,
    /// Attribute names for the projection's `#name` placeholders.
    pub expression_attribute_names: ExpressionNames,
    /// How much the answer says about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// The answer to GetItem, also where there is no such item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GetItemOutput {
    /// The item; `None` if it does not exist.
    pub item: Option<Item>,
    /// Present if the request asked for it.
    pub consumed_capacity: Option<ConsumedCapacity>,
}

/// Changes attributes of an item, or creates the item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UpdateItemInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The primary key: the table's key attributes and no others.
    pub key: Item,
    /// The changes; `None` only creates the item if it does not exist.
    pub update_expression: Option<String>,
    /// The legacy form of `update_expression`.
    pub attribute_updates: Option<BTreeMap<String, AttributeValueUpdate>>,
    /// The write's condition and what the answer contains.
    pub options: WriteOptions,
}

/// Deletes an item. Deleting an item that does not exist is not an error.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeleteItemInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The primary key: the table's key attributes and no others.
    pub key: Item,
    /// The write's condition and what the answer contains.
    pub options: WriteOptions,
}

/// The answer to PutItem, UpdateItem and DeleteItem.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WriteItemOutput {
    /// The attributes that `ReturnValues` asked for; `None` leaves the field out of the answer.
    pub attributes: Option<Item>,
    /// Present if the request asked for it.
    pub consumed_capacity: Option<ConsumedCapacity>,
    /// Present if the request asked for it and the table has local indexes.
    pub item_collection_metrics: Option<ItemCollectionMetrics>,
}

/// The answer to PutItem. Its attributes are the replaced item, if `ALL_OLD` asked for it.
pub type PutItemOutput = WriteItemOutput;
/// The answer to UpdateItem. Its attributes are those before or after the update, all or only the
/// written ones.
pub type UpdateItemOutput = WriteItemOutput;
/// The answer to DeleteItem. Its attributes are the deleted item, if `ALL_OLD` asked for it.
pub type DeleteItemOutput = WriteItemOutput;
