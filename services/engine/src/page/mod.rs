//! Query, Scan and SELECT: pages of items of a table or an index.

mod query;
mod read;
mod scan;
mod select;
mod source;

pub(crate) use select::SelectOptions;
