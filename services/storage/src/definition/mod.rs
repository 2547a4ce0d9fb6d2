//! Table definitions: the settings that are replicated, each an aspect with its own version, and
//! the local ones.
//!
//! A definition is not one value but several aspects: core, throughput, billing, stream, time to
//! live, encryption, each global index, conflict policy, each replica. Each aspect is stored as an
//! item of [`TableId::CATALOG`](beringia_item::TableId::CATALOG) (global tables) or
//! [`TableId::LOCAL`](beringia_item::TableId::LOCAL) (regional tables), with the key (table id,
//! aspect). Two regions that concurrently change different aspects therefore do not undo each
//! other, and definitions replicate, converge, are digested and are repaired by the same mechanism
//! as items.

mod aspect;
mod table;

pub use aspect::{
    Aspect, AspectName, Billing, Capacity, Core, EXPIRY_INDEX, Edit, EncryptionKey, GlobalIndex, IndexProjection,
    LocalIndex, LocalSettings, Stream, StreamView, TableClass, Throughput, ThroughputChanges, Units, expiry_keys,
};
pub use table::{Catalog, IndexState, Table, TableSize};
