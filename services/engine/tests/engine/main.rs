//! The engine's operations, from request to answer.
#![expect(clippy::unwrap_used, reason = "in a test that is how it fails")]

mod attributes;
mod batch;
mod billing;
mod capacity;
mod contention;
mod create_table;
mod fake;
mod gate;
mod index_keys;
mod items;
mod key_schemas;
mod lifecycle;
mod multi_key;
mod page;
mod ranges;
mod stale;
mod statements;
mod streams;
mod support;
mod table;
mod tags;
mod throttle;
mod transact;
mod ttl;
mod update_combinations;
mod update_indexes;
mod update_table;
