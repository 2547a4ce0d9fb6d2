//! ExecuteStatement, BatchExecuteStatement and ExecuteTransaction.

use beringia_item::{AttributeValue, Item};

use super::{ConsumedCapacity, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};

/// Carries out one PartiQL statement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecuteStatementInput {
    /// The statement; 1 to 8192 characters.
    pub statement: String,
    /// What its `?` stand for.
    pub parameters: Option<Vec<AttributeValue>>,
    /// Whether a read must see every earlier write of this region; refused on global indexes.
    pub consistent_read: bool,
    /// Where an earlier page of the same statement ended; 1 to 32768 characters.
    pub next_token: Option<String>,
    /// How many items a read looks at, at most; at least 1.
    pub limit: Option<i64>,
    /// Whether to answer with capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether the error of a failed condition carries the item.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

/// What a statement gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecuteStatementOutput {
    /// What was selected, or what RETURNING asked for.
    pub items: Vec<Item>,
    /// With which the statement reads on; `None` at the end.
    pub next_token: Option<String>,
    /// The last key that was read; `None` at the end.
    pub last_evaluated_key: Option<Item>,
    /// Where it was asked for.
    pub consumed_capacity: Option<ConsumedCapacity>,
}

/// One statement of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchStatement {
    /// The statement; 1 to 8192 characters.
    pub statement: String,
    /// What its `?` stand for.
    pub parameters: Option<Vec<AttributeValue>>,
    /// Whether a read must see every earlier write of this region. It always does; this only changes the price.
    pub consistent_read: bool,
    /// Whether the error of a failed condition carries the item.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

/// Up to 25 statements, all reads or all writes, each on its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchExecuteStatementInput {
    /// The statements, each about one item.
    pub statements: Vec<BatchStatement>,
    /// Whether to answer with capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// Why a statement of a batch failed.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchStatementError {
    /// `ConditionalCheckFailed`, `DuplicateItem`, `ValidationError`, `ResourceNotFound` and so on.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// The item as it was, where it was asked for.
    pub item: Option<Item>,
}

/// What became of a statement of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchStatementResponse {
    /// Why it failed, if it did.
    pub error: Option<BatchStatementError>,
    /// Its table, as far as it is known.
    pub table_name: Option<String>,
    /// What was selected, or what RETURNING asked for.
    pub item: Option<Item>,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchExecuteStatementOutput {
    /// One per statement, in their order.
    pub responses: Vec<BatchStatementResponse>,
    /// One per statement that succeeded, in their order; where it was asked for.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

/// One statement of a transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TransactStatement {
    /// The statement; 1 to 8192 characters.
    pub statement: String,
    /// What its `?` stand for.
    pub parameters: Option<Vec<AttributeValue>>,
    /// Whether the cancellation reason of a failed condition carries the item.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

/// Up to 100 statements, all reads or all writes, all carried out or none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecuteTransactionInput {
    /// The statements, no two about one item.
    pub transact_statements: Vec<TransactStatement>,
    /// Makes a repeated request within ten minutes do nothing more; 1 to 36 characters.
    pub client_request_token: Option<String>,
    /// Whether to answer with capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// The answer to a transaction that was carried out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecuteTransactionOutput {
    /// Per statement the item, `None` where there is none or it writes (an empty element of `Responses`).
    pub responses: Vec<Option<Item>>,
    /// One per statement, where it was asked for.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}
