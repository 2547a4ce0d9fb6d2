//! Requests and answers of ExecuteStatement, BatchExecuteStatement and ExecuteTransaction.

use beringia_item::{AttributeValue, Item};

use super::{ConsumedCapacity, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};

/// Executes one PartiQL statement: a read, or a write of one item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecuteStatementInput {
    /// The statement; 1 to 8192 characters.
    pub statement: String,
    /// The values of the statement's `?` placeholders, in order.
    pub parameters: Option<Vec<AttributeValue>>,
    /// Whether a read must see every earlier write of this region; rejected for global indexes.
    pub consistent_read: bool,
    /// The token of the previous page of the same statement; 1 to 32768 characters.
    pub next_token: Option<String>,
    /// The maximum number of items that a read evaluates; at least 1.
    pub limit: Option<i64>,
    /// How much the answer says about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether the error of a failed condition contains the item.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

/// The result of one statement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecuteStatementOutput {
    /// The selected items, or the item that RETURNING asked for.
    pub items: Vec<Item>,
    /// The token of the next page; `None` on the last page.
    pub next_token: Option<String>,
    /// The last key that was read; `None` on the last page.
    pub last_evaluated_key: Option<Item>,
    /// Present if the request asked for it.
    pub consumed_capacity: Option<ConsumedCapacity>,
}

/// One statement of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchStatement {
    /// The statement; 1 to 8192 characters.
    pub statement: String,
    /// The values of the statement's `?` placeholders, in order.
    pub parameters: Option<Vec<AttributeValue>>,
    /// Whether a read must see every earlier write of this region. Without stale reads it always
    /// does, and the parameter affects only the price.
    pub consistent_read: bool,
    /// Whether the error of a failed condition contains the item.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

/// Up to 25 statements, all reads or all writes, which succeed or fail independently.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchExecuteStatementInput {
    /// The statements, each of which concerns one item.
    pub statements: Vec<BatchStatement>,
    /// How much the answer says about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// Why a statement of a batch failed.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchStatementError {
    /// `ConditionalCheckFailed`, `DuplicateItem`, `ValidationError`, `ResourceNotFound` and so on.
    pub code: &'static str,
    /// The message of the exception.
    pub message: String,
    /// The item as it is stored, if the request asked for it.
    pub item: Option<Item>,
}

/// The outcome of one statement of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchStatementResponse {
    /// The error, if the statement failed.
    pub error: Option<BatchStatementError>,
    /// The name of the statement's table, if known.
    pub table_name: Option<String>,
    /// The selected item, or the item that RETURNING asked for.
    pub item: Option<Item>,
}

/// The outcomes of a batch's statements.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchExecuteStatementOutput {
    /// One response per statement, in the order of the request.
    pub responses: Vec<BatchStatementResponse>,
    /// One entry per statement that succeeded, in the order of the request, if the request asked
    /// for capacity.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

/// One statement of a transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransactStatement {
    /// The statement; 1 to 8192 characters.
    pub statement: String,
    /// The values of the statement's `?` placeholders, in order.
    pub parameters: Option<Vec<AttributeValue>>,
    /// Whether the cancellation reason of a failed condition contains the item.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

/// Up to 100 statements, all reads or all writes, which take effect together or not at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecuteTransactionInput {
    /// The statements, no two of which concern the same item.
    pub transact_statements: Vec<TransactStatement>,
    /// Makes the transaction idempotent for ten minutes; 1 to 36 characters.
    pub client_request_token: Option<String>,
    /// How much the answer says about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// The answer to a transaction that was committed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecuteTransactionOutput {
    /// One entry per statement: the item, or `None` for a write and for an item that does not exist
    /// (an empty element of `Responses`).
    pub responses: Vec<Option<Item>>,
    /// One entry per statement, if the request asked for capacity.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}
