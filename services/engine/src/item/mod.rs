//! PutItem, GetItem, UpdateItem and DeleteItem.

mod get;
mod write;

pub(crate) use write::collection_metrics;
