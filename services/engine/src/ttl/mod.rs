//! Time to live: the setting of a table, and the sweep that deletes expired items.

mod setting;
mod sweep;
