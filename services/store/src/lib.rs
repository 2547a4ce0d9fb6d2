//! Where a region keeps its state: the `Store` trait, the only door to storage, and the SQLite store behind it.

mod definition;
mod contract;

pub use contract::*;
pub use definition::*;
