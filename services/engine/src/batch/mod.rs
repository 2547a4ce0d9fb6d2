//! BatchGetItem and BatchWriteItem.

mod get;
mod write;

/// The greatest size of a batch's items, bytes (API reference, BatchGetItem).
const BATCH_BYTES: usize = 16 * 1024 * 1024;

const DUPLICATES: &str = "Provided list of item keys contains duplicates";
