//! What a table is: the settings that follow it to every replica, each an aspect with a version of its own, and the local ones.
//!
//! A definition is not one value but several aspects (core, throughput, billing, stream, time to live, each global index, conflict
//! policy, each replica), each stored as an item of [`TableId::CATALOG`](beringia_item::TableId::CATALOG) (global tables) or
//! [`TableId::LOCAL`](beringia_item::TableId::LOCAL) (regional tables) with key (table id, aspect). So two regions that change
//! different aspects at once do not undo each other, and the settings replicate, converge, are digested and repaired by the very
//! mechanism that serves items.

mod aspect;
mod table;

pub use aspect::{
    Aspect, AspectName, Billing, Capacity, Core, EXPIRY_INDEX, Edit, GlobalIndex, LocalIndex, LocalSettings,
    Projection, Stream, StreamView, TableClass, Throughput, ThroughputChanges, Units, expiry_keys,
};
pub use table::{Catalog, IndexState, Table, TableSize};
