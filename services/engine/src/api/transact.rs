//! TransactWriteItems and TransactGetItems.

use std::collections::BTreeMap;

use beringia_item::Item;

use super::{
    ConsumedCapacity, ExpressionNames, ExpressionValues, ItemCollectionMetrics, ReturnConsumedCapacity,
    ReturnItemCollectionMetrics, ReturnValuesOnConditionCheckFailure,
};

/// What a transaction does to one item. Where an element of `TransactItems` holds none or several of them, the gateway
/// answers with [`crate::ApiError::one_transact_action`].
#[derive(Debug, Clone, PartialEq)]
pub enum TransactAction {
    /// Only check a condition.
    ConditionCheck {
        /// The item's primary key.
        key: Item,
        /// What must hold.
        condition_expression: String,
    },
    /// Write a whole item.
    Put {
        /// The item.
        item: Item,
        /// What must hold of the item now stored.
        condition_expression: Option<String>,
    },
    /// Delete an item.
    Delete {
        /// The item's primary key.
        key: Item,
        /// What must hold of the item now stored.
        condition_expression: Option<String>,
    },
    /// Change attributes.
    Update {
        /// The item's primary key.
        key: Item,
        /// What to change.
        update_expression: String,
        /// What must hold of the item now stored.
        condition_expression: Option<String>,
    },
}

/// One action of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactWriteItem {
    /// Name or ARN of the table.
    pub table_name: String,
    /// What to do.
    pub action: TransactAction,
    /// `#names` of the action's expressions.
    pub expression_attribute_names: ExpressionNames,
    /// `:values` of the action's expressions.
    pub expression_attribute_values: ExpressionValues,
    /// Whether the cancellation reason of a failed condition carries the item.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

/// Up to 100 actions, all or none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransactWriteItemsInput {
    /// The actions, no two on one item.
    pub transact_items: Vec<TransactWriteItem>,
    /// Makes a repeated request within ten minutes do nothing more; 1 to 36 characters.
    pub client_request_token: Option<String>,
    /// Whether to answer with capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether to answer with collection metrics.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
}

/// The answer to a transaction that was committed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransactWriteItemsOutput {
    /// One per table, where it was asked for.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
    /// By table; where it was asked for.
    pub item_collection_metrics: Option<BTreeMap<String, Vec<ItemCollectionMetrics>>>,
}

/// One read of a transaction (the `Get` of an element of `TransactItems`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransactGetItem {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The item's primary key.
    pub key: Item,
    /// Which attributes to return.
    pub projection_expression: Option<String>,
    /// `#names` of the expression.
    pub expression_attribute_names: ExpressionNames,
}

/// Up to 100 reads as of one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransactGetItemsInput {
    /// The reads.
    pub transact_items: Vec<TransactGetItem>,
    /// Whether to answer with capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// What the reads found, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransactGetItemsOutput {
    /// Per read the item, `None` where there is none (an empty element of `Responses`).
    pub responses: Vec<Option<Item>>,
    /// One per table, where it was asked for.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}
