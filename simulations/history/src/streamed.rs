//! The records of a table's DynamoDB stream in one region, as a client read them.

/// What a client read of a region's stream, from the first record to the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadStream {
    /// The records, in the order in which they were read.
    pub records: Vec<StreamedRecord>,
    /// The refusals of requests that must succeed, as texts.
    pub refusals: Vec<String>,
}

/// A record of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamedRecord {
    /// The key of the item, as [`crate::key_text`] gives it.
    pub key: String,
    /// The name of the event: `INSERT`, `MODIFY` or `REMOVE`.
    pub event: String,
    /// The item before the change; `None` for no item.
    pub old: Option<StreamedImage>,
    /// The item after the change; `None` for no item.
    pub new: Option<StreamedImage>,
}

/// An item in a record of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamedImage {
    /// The marker of the write that the item shows; empty if it has none.
    pub marker: String,
    /// A hash of the whole item, like [`crate::Content::image_hash`].
    pub hash: u64,
}
