//! Query and Scan: pages of items of a table or an index.

mod query;
mod read;
mod scan;
mod source;
