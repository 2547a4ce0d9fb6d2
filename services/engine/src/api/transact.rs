//! Requests and answers of TransactWriteItems and TransactGetItems.

use std::collections::BTreeMap;

use beringia_item::Item;

use super::{
    ConsumedCapacity, ExpressionNames, ExpressionValues, ItemCollectionMetrics, ReturnConsumedCapacity,
    ReturnItemCollectionMetrics, ReturnValuesOnConditionCheckFailure,
};

/// The action of a transaction on one item. If an element of `TransactItems` contains none or
/// several of them, the gateway answers with [`crate::ApiError::one_transact_action`].
#[derive(Debug, Clone, PartialEq)]
pub enum TransactAction {
    /// Checks a condition and writes nothing.
    ConditionCheck {
        /// The attributes of the item's primary key, and no others.
        key: Item,
        /// The condition that the stored item must meet.
        condition_expression: String,
    },
    /// Creates an item, or replaces all of it.
    Put {
        /// All attributes of the new item, those of its key included.
        item: Item,
        /// The condition that the stored item must meet.
        condition_expression: Option<String>,
    },
    /// Deletes the item with this key.
    Delete {
        /// The attributes of the item's primary key, and no others.
        key: Item,
        /// The condition that the stored item must meet.
        condition_expression: Option<String>,
    },
    /// Changes attributes of an item, and creates it if there is none.
    Update {
        /// The attributes of the item's primary key, and no others.
        key: Item,
        /// The changes, in the syntax of update expressions.
        update_expression: String,
        /// The condition that the stored item must meet.
        condition_expression: Option<String>,
    },
}

/// An action of a transaction, and the table of its item.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactWriteItem {
    /// Name or ARN of the table.
    pub table_name: String,
    /// What to do with one item of the table.
    pub action: TransactAction,
    /// `#names` of the action's expressions.
    pub expression_attribute_names: ExpressionNames,
    /// `:values` of the action's expressions.
    pub expression_attribute_values: ExpressionValues,
    /// Whether the cancellation reason of a failed condition contains the item.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

/// Up to 100 actions, which take effect together or not at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransactWriteItemsInput {
    /// The actions, no two of which concern the same item.
    pub transact_items: Vec<TransactWriteItem>,
    /// Makes the transaction idempotent for ten minutes; 1 to 36 characters.
    pub client_request_token: Option<String>,
    /// How much the answer says about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether the answer describes the item collections written to.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
}

/// The answer to a transaction that was committed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransactWriteItemsOutput {
    /// One entry per table, if the request asked for capacity.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
    /// Metrics by table, if the request asked for them.
    pub item_collection_metrics: Option<BTreeMap<String, Vec<ItemCollectionMetrics>>>,
}

/// One read of a transaction (the `Get` of an element of `TransactItems`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransactGetItem {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The attributes of the item's primary key, and no others.
    pub key: Item,
    /// The attributes to return; `None` returns all.
    pub projection_expression: Option<String>,
    /// Attribute names for the projection's `#name` placeholders.
    pub expression_attribute_names: ExpressionNames,
}

/// Up to 100 reads from one snapshot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransactGetItemsInput {
    /// The keys to read, of one or several tables.
    pub transact_items: Vec<TransactGetItem>,
    /// How much the answer says about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// The items that the reads found, in the order of the request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransactGetItemsOutput {
    /// One entry per read: the item, or `None` if it does not exist (an empty element of
    /// `Responses`).
    pub responses: Vec<Option<Item>>,
    /// One entry per table, if the request asked for capacity.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}
