//! What the SQLite store promises, as seen through the `Store` trait.

mod support;
mod writes;
