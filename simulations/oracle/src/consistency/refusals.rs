//! Refusals because of a conflict: a transaction cancels others, and other writes, only while it is
//! in progress, and a write cancels the transactional reads of its item.

use std::collections::BTreeMap;

use beringia_history::{Operation, OperationOutcome};

use crate::{index::Table, violation::Violation};

/// Finds operations that were refused because of a conflict where there was none, or for no reason.
pub(super) fn compare(table: &Table<'_>, violations: &mut Vec<Violation>) {
    let refused: Vec<&Operation> = table.operations.iter().copied().filter(|one| is_refused(one)).collect();
    if refused.is_empty() {
        return;
    }
    let writers = Writers::of(table);
    for operation in refused {
        let places = places(operation);
        let is_whole = operation.cancellations.is_empty();
        let reason = |place: usize| operation.cancellations.get(place).map_or("", String::as_str);
        let conflicting = places
            .iter()
            .enumerate()
            .filter(|(place, _)| is_whole || reason(*place) == "TransactionConflict");
        let mut unjustified = conflicting.filter(|(_, key)| !writers.contend_with(operation, key));
        let has_reason = is_whole || operation.cancellations.iter().any(|code| code != "None");
        let first = || places.first().filter(|_| !has_reason);
        if let Some(key) = unjustified.next().map(|(_, key)| key).or_else(first) {
            violations.push(Violation::CancelledWithoutConflict {
                table: table.name.to_owned(),
                region: operation.region.clone(),
                key: (*key).to_owned(),
                sent_ms: operation.sent_us / 1_000,
                operation: operation.name.clone(),
            });
        }
    }
}

/// Returns whether an operation was refused because of a transaction, or was one and cancelled.
fn is_refused(operation: &Operation) -> bool {
    match &operation.outcome {
        OperationOutcome::Refused(kind) if kind == "TransactionConflictException" => true,
        // A recorded transaction has no reasons, so nothing is known of them.
        OperationOutcome::Refused(kind) => {
            kind == "TransactionCanceledException" && !operation.cancellations.is_empty()
        }
        _ => false,
    }
}

/// The keys of an operation, in the order of its reasons for a cancellation.
fn places(operation: &Operation) -> Vec<&str> {
    let written = operation.writes.iter().map(|write| write.key.as_str());
    written.chain(operation.checked.iter().map(String::as_str)).collect()
}

/// The operations that can hold the items of each region, by key and region, in the order in which
/// they were sent.
struct Writers<'a>(BTreeMap<(&'a str, &'a str), Vec<&'a Operation>>);

impl<'a> Writers<'a> {
    fn of(table: &Table<'a>) -> Self {
        let mut by_place: BTreeMap<_, Vec<&Operation>> = BTreeMap::new();
        let reached = table.operations.iter().copied();
        for operation in reached.filter(|operation| operation.outcome != OperationOutcome::Unreachable) {
            // A transaction that only reads holds nothing; a delete that found nothing did.
            let is_delete = operation.name == "DeleteItem";
            let deleted = operation.reads.iter().filter(|_| is_delete);
            let written = places(operation).into_iter().filter(|_| !operation.writes.is_empty());
            for key in written.chain(deleted.map(|seen| seen.key.as_str())) {
                let of_place = by_place.entry((key, operation.region.as_str())).or_default();
                of_place.push(operation);
            }
        }
        Self(by_place)
    }

    /// Returns whether another operation that makes this one be refused for this key was in
    /// progress in the same region, at any time between its call and its answer: a transaction or,
    /// for transactional reads, any write. One without an answer may still have been in progress.
    fn contend_with(&self, operation: &Operation, key: &str) -> bool {
        let place = (key, operation.region.as_str());
        let all = self.0.get(&place).map_or(&[][..], Vec::as_slice);
        let before = all.partition_point(|other| other.sent_us <= operation.done_us);
        let is_read = operation.writes.is_empty();
        let in_progress = |other: &&Operation| {
            !std::ptr::eq(*other, operation)
                && (is_read || is_transaction(other))
                && (other.outcome == OperationOutcome::Unknown || other.done_us >= operation.sent_us)
        };
        all[..before].iter().rev().any(in_progress)
    }
}

/// Returns whether an operation writes in a transaction. One that checks other items than it writes
/// does so.
fn is_transaction(operation: &Operation) -> bool {
    matches!(operation.name.as_str(), "TransactWriteItems" | "ExecuteTransaction") || !operation.checked.is_empty()
}
