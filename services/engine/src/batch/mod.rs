//! The BatchGetItem and BatchWriteItem operations.

mod get;
mod write;

/// The maximum size of the items in a batch, in bytes (API reference, BatchGetItem).
const BATCH_BYTES: usize = 16 * 1024 * 1024;

const DUPLICATES: &str = "Provided list of item keys contains duplicates";
