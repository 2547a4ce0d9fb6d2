//! The result of an operation, as clients record it.

use beringia_history::{FailureCause, NOT_SENT, OperationOutcome, Seen, Write};

use crate::{
    CallError,
    replay::{Part, outcome},
    request::cancellations,
};

/// The result of one operation.
pub(super) struct Done {
    pub(super) name: String,
    pub(super) outcome: OperationOutcome,
    pub(super) cancellations: Vec<String>,
    pub(super) failure: Option<FailureCause>,
    pub(super) reads: Vec<Seen>,
    pub(super) writes: Vec<Write>,
    pub(super) checked: Vec<String>,
}

impl Done {
    /// The result of one table's part of a recorded operation, with the table.
    pub(super) fn of_part(operation: &str, part: Part) -> (String, Self) {
        let Part {
            table,
            outcome,
            failure,
            reads,
            writes,
        } = part;
        let done = Self {
            name: operation.to_owned(),
            outcome,
            cancellations: Vec::new(),
            failure,
            reads,
            writes,
            checked: Vec::new(),
        };
        (table, done)
    }

    pub(super) fn not_sent() -> Self {
        Self {
            name: NOT_SENT.to_owned(),
            outcome: OperationOutcome::Unreachable,
            cancellations: Vec::new(),
            failure: Some(FailureCause::NotSent),
            reads: Vec::new(),
            writes: Vec::new(),
            checked: Vec::new(),
        }
    }

    pub(super) fn read(name: &'static str, reads: Vec<Seen>) -> Self {
        Self {
            name: name.to_owned(),
            outcome: OperationOutcome::Ok,
            cancellations: Vec::new(),
            failure: None,
            reads,
            writes: Vec::new(),
            checked: Vec::new(),
        }
    }

    pub(super) fn failed(name: &'static str, error: &CallError) -> Self {
        Self {
            name: name.to_owned(),
            outcome: outcome(error),
            cancellations: cancellations(error),
            failure: error.failure(),
            reads: Vec::new(),
            writes: Vec::new(),
            checked: Vec::new(),
        }
    }

    pub(super) fn wrote(name: &'static str, answer: Result<(), CallError>, writes: Vec<Write>) -> Self {
        let error = answer.err();
        Self {
            name: name.to_owned(),
            cancellations: error.as_ref().map(cancellations).unwrap_or_default(),
            outcome: error.as_ref().map_or(OperationOutcome::Ok, outcome),
            failure: error.as_ref().and_then(CallError::failure),
            reads: Vec::new(),
            writes,
            checked: Vec::new(),
        }
    }

    /// Names the items that the transaction used and did not write.
    pub(super) fn checking(self, checked: Vec<String>) -> Self {
        Self { checked, ..self }
    }
}
