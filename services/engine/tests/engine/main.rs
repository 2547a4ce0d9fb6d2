//! The engine's operations, from request to answer.
#![expect(clippy::unwrap_used, reason = "in a test that is how it fails")]

mod attributes;
mod batch;
mod billing;
mod capacity;
mod create_table;
mod fake;
mod gate;
mod items;
mod page;
mod ranges;
mod statements;
mod streams;
mod support;
mod table;
mod tags;
mod transact;
mod ttl;
mod update_table;
