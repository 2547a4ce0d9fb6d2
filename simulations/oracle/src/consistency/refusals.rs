//! Refusals because of a conflict: a transaction cancels others, and other writes, only while it is
//! in progress.

use std::collections::{BTreeMap, BTreeSet};

use beringia_history::{Operation, OperationOutcome, READ_MODIFY_WRITE};

use crate::{index::Table, violation::Violation};

/// The transactions that write each key of each region, and the operations that were refused
/// because of one.
#[derive(Default)]
pub(super) struct Transactions<'a> {
    /// In the order in which they were sent.
    by_place: BTreeMap<(&'a str, &'a str), Vec<&'a Operation>>,
    refused: Vec<&'a Operation>,
}

impl<'a> Transactions<'a> {
    pub(super) fn note(&mut self, operation: &'a Operation) {
        if operation.outcome != OperationOutcome::Unreachable {
            for key in keys_of_transaction(operation) {
                self.by_place
                    .entry((key, &operation.region))
                    .or_default()
                    .push(operation);
            }
        }
        let is_refused = match &operation.outcome {
            OperationOutcome::Refused(kind) if kind == "TransactionConflictException" => true,
            OperationOutcome::Refused(kind) => {
                // A recorded transaction has no reasons, so nothing is known of them.
                kind == "TransactionCanceledException" && !operation.cancellations.is_empty()
            }
            _ => false,
        };
        if is_refused {
            self.refused.push(operation);
        }
    }

    /// Returns whether another transaction on this key was in progress in the operation's region at
    /// any time between its call and its answer. One without an answer may still have been.
    fn is_contended(&self, operation: &Operation, key: &str) -> bool {
        let place = (key, operation.region.as_str());
        let all = self.by_place.get(&place).map_or(&[][..], Vec::as_slice);
        let before = all.partition_point(|other| other.sent_us <= operation.done_us);
        let in_progress = |other: &&&Operation| {
            !std::ptr::eq(**other, operation)
                && (other.outcome == OperationOutcome::Unknown || other.done_us >= operation.sent_us)
        };
        all[..before].iter().rev().any(|other| in_progress(&other))
    }
}

/// The keys that an operation writes or checks in a transaction; none if it is not one. A rewrite
/// that reads other keys than it writes checks them in a transaction with its write.
fn keys_of_transaction(operation: &Operation) -> BTreeSet<&str> {
    let written = operation.writes.iter().map(|write| write.key.as_str());
    let read = operation.reads.iter().map(|seen| seen.key.as_str());
    match operation.name.as_str() {
        "TransactWriteItems" | "ExecuteTransaction" => written.collect(),
        READ_MODIFY_WRITE if operation.reads.len() > operation.writes.len() => written.chain(read).collect(),
        _ => BTreeSet::new(),
    }
}

/// Finds operations that were refused because of a conflict where there was none, or for no reason.
pub(super) fn compare(table: &Table<'_>, transactions: &Transactions<'_>, violations: &mut Vec<Violation>) {
    for operation in &transactions.refused {
        let is_whole = operation.cancellations.is_empty();
        let of_write = operation.writes.iter().enumerate();
        let reason = |place: usize| operation.cancellations.get(place).map_or("", String::as_str);
        let mut conflicting = of_write.filter(|(place, _)| is_whole || reason(*place) == "TransactionConflict");
        let unjustified = conflicting.find(|(_, write)| !transactions.is_contended(operation, &write.key));
        let has_reason = is_whole || operation.cancellations.iter().any(|code| code != "None");
        let first = || operation.writes.first().filter(|_| !has_reason);
        if let Some(write) = unjustified.map(|(_, write)| write).or_else(first) {
            violations.push(Violation::CancelledWithoutConflict {
                table: table.name.to_owned(),
                region: operation.region.clone(),
                key: write.key.clone(),
                sent_ms: operation.sent_us / 1_000,
                marker: write.marker.clone(),
            });
        }
    }
}
