//! The fingerprint of a run: a hash over everything that happened in it.

use beringia_history::{History, Operation, OperationOutcome};
use xxhash_rust::xxh3::Xxh3;

/// A hash that does not depend on the machine: numbers are added as eight bytes, the least
/// significant first, and texts and bytes with their lengths.
#[derive(Default)]
pub(crate) struct RunHash(Xxh3);

impl RunHash {
    /// Adds a number to the hash.
    pub(crate) fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    /// Adds bytes, so that the end of one part cannot look like the beginning of the next.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn texts(&mut self, texts: &[String]) {
        self.number(texts.len() as u64);
        for text in texts {
            self.bytes(text.as_bytes());
        }
    }

    /// Adds the operations of clients, and the writes from before the load.
    pub(crate) fn history(&mut self, history: &History) {
        for operations in [&history.loaded, &history.operations] {
            self.number(operations.len() as u64);
            for operation in operations {
                self.operation(operation);
            }
        }
    }

    /// Adds what a client sent and saw. What its writes asked for follows from the plan, and what
    /// they changed is in the deliveries.
    fn operation(&mut self, operation: &Operation) {
        for text in [&operation.workload, &operation.home, &operation.region, &operation.name] {
            self.bytes(text.as_bytes());
        }
        for number in [operation.due_us, operation.sent_us, operation.done_us] {
            self.number(number);
        }
        self.number(operation.client.into());
        self.number(operation.part.into());
        let (outcome, refusal) = match &operation.outcome {
            OperationOutcome::Ok => (0, ""),
            OperationOutcome::Refused(kind) => (1, kind.as_str()),
            OperationOutcome::Unreachable => (2, ""),
            OperationOutcome::Unknown => (3, ""),
            OperationOutcome::Unreported => (4, ""),
        };
        self.number(outcome);
        self.bytes(refusal.as_bytes());
        self.texts(&operation.cancellations);
        self.bytes(operation.failure.map_or("", |cause| cause.name()).as_bytes());
        self.number(operation.reads.len() as u64);
        for seen in &operation.reads {
            self.bytes(seen.key.as_bytes());
            self.number(u64::from(seen.marker.is_some()));
            self.bytes(seen.marker.as_deref().unwrap_or_default().as_bytes());
            self.number(u64::from(seen.number.is_some()));
            self.number(seen.number.unwrap_or_default().cast_unsigned());
            self.number(seen.list.is_some().into());
            self.texts(seen.list.as_deref().unwrap_or_default());
            self.number(seen.image_hash.unwrap_or_default());
            self.number(seen.is_consistent.into());
        }
        self.number(operation.writes.len() as u64);
        for write in &operation.writes {
            self.bytes(write.key.as_bytes());
            self.bytes(write.marker.as_bytes());
            self.number(write.bytes.into());
        }
    }

    /// The hash as 32 hexadecimal digits.
    pub(crate) fn text(&self) -> String {
        format!("{:032x}", self.0.digest128())
    }

    /// The hash so far.
    pub(crate) fn digest(&self) -> u128 {
        self.0.digest128()
    }
}
