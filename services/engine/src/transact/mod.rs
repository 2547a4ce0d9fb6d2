//! The TransactWriteItems, TransactGetItems and ExecuteTransaction operations.

mod fingerprint;
mod get;
mod statements;
mod token;
mod write;

use beringia_storage::Table;

pub(crate) use write::{Parsed, action_key};

use crate::{ApiError, CancellationReason, Engine, capacity::Units, constraint::Constraints, throttle::Use};

/// The maximum number of actions in a transaction (developer guide, "Amazon DynamoDB
/// Transactions").
const ACTIONS_MAX: usize = 100;
/// The maximum size of what a transaction writes or reads, in bytes.
const TRANSACTION_BYTES: usize = 4 * 1024 * 1024;

impl Engine {
    /// Reserves the minimum cost of each action, or cancels the transaction with a reason for each
    /// action that is throttled.
    fn reserve_all<'a>(
        &self,
        usage: Use,
        actions: impl Iterator<Item = (&'a Table, Units)>,
    ) -> Result<Vec<Option<Units>>, ApiError> {
        let mut tables = Vec::new();
        let (mut reserved, mut reasons) = (Vec::new(), Vec::new());
        let mut is_refused = false;
        for (table, least) in actions {
            match self.throttle.reserve(table, usage, || least) {
                Ok(units) => {
                    tables.push(table);
                    reserved.push(units);
                    reasons.push(CancellationReason::none());
                }
                Err(throttled) => {
                    is_refused = true;
                    reasons.push(CancellationReason::from(&throttled));
                }
            }
        }
        if !is_refused {
            return Ok(reserved);
        }
        for (table, reserved) in tables.into_iter().zip(reserved) {
            self.throttle.charge_actual(table, usage, reserved, Units::default);
        }
        Err(ApiError::TransactionCanceled { reasons })
    }
}

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

/// How many invalid actions a cancellation reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyErrors {
    /// Only the first, as in TransactWriteItems.
    First,
    /// All of them, as in ExecuteTransaction.
    Every,
}

/// Cancels the transaction for the invalid action at `index`. DynamoDB stops there, so the other
/// actions have no reason.
fn invalid_action(actions: usize, index: usize, error: ApiError) -> ApiError {
    let mut wrong: Vec<Option<ApiError>> = (0..actions).map(|_| None).collect();
    match wrong.get_mut(index) {
        Some(place) => *place = Some(error),
        None => return error,
    }
    invalid_actions(wrong)
}

/// Cancels the transaction for all actions that have an error in `wrong`.
fn invalid_actions(wrong: Vec<Option<ApiError>>) -> ApiError {
    let mut reasons = Vec::with_capacity(wrong.len());
    for error in wrong {
        reasons.push(match error {
            None => CancellationReason::none(),
            Some(ApiError::Validation(message)) => CancellationReason {
                code: "ValidationError",
                message: Some(message),
                item: None,
            },
            Some(other) => return other,
        });
    }
    ApiError::TransactionCanceled { reasons }
}
