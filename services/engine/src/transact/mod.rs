//! TransactWriteItems, TransactGetItems and ExecuteTransaction.

mod fingerprint;
mod get;
mod statements;
mod token;
mod write;

pub(crate) use write::{Parsed, action_key};

use crate::{ApiError, CancellationReason, constraint::Constraints};

/// How many actions a transaction can hold (developer guide, "Amazon DynamoDB Transactions").
const ACTIONS_MAX: usize = 100;
/// The greatest size of what a transaction writes or reads, bytes.
const TRANSACTION_BYTES: usize = 4 * 1024 * 1024;

fn check_count(member: &str, actions: usize) -> Result<(), ApiError> {
    let mut constraints = Constraints::default();
    constraints.list_length(member, actions, (1, ACTIONS_MAX));
    constraints.finish()
}

fn repeated_item() -> ApiError {
    ApiError::validation("Transaction request cannot include multiple operations on one item")
}

fn too_large() -> ApiError {
    ApiError::Validation(format!(
        "Transaction payload size cannot exceed {TRANSACTION_BYTES} bytes"
    ))
}

/// The action at `index` is invalid. DynamoDB looks no further then, so the others have no reason.
fn invalid_action(actions: usize, index: usize, error: ApiError) -> ApiError {
    let ApiError::Validation(message) = error else {
        return error;
    };
    let mut reasons = vec![CancellationReason::none(); actions];
    if let Some(reason) = reasons.get_mut(index) {
        *reason = CancellationReason {
            code: "ValidationError",
            message: Some(message),
            item: None,
        };
    }
    ApiError::TransactionCanceled { reasons }
}
