//! The PutItem, GetItem, UpdateItem and DeleteItem operations.

mod get;
mod restore;
mod write;

pub(crate) use get::OneItem;
pub use restore::LostWrite;
pub(crate) use write::{collection_metrics, taken};
