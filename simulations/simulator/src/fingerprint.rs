//! The fingerprint of a run: a hash over everything that happened in it.

use std::io;

use beringia_history::{History, Operation};
use xxhash_rust::xxh3::Xxh3;

/// A hash that does not depend on the machine: numbers are added as eight bytes, the least
/// significant first, and texts and bytes with their lengths.
#[derive(Default)]
pub(crate) struct RunHash(Xxh3);

impl RunHash {
    /// Adds a number.
    pub(crate) fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    /// Adds bytes, so that the end of one part cannot look like the beginning of the next.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
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

    /// Adds an operation as JSON, which has every field.
    #[expect(
        clippy::expect_used,
        reason = "a hash takes all bytes, and an operation has no map that JSON lacks"
    )]
    fn operation(&mut self, operation: &Operation) {
        serde_json::to_writer(self, operation).expect("an operation can be written");
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

impl io::Write for RunHash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
