//! What a region's storage is to its callers: the [`Store`] trait, the only door to a region's state, and the definitions of
//! tables.
//!
//! Callers find the types that replication shares with stores (`beringia-storage-types`) here, too.

mod contract;
mod definition;
mod planted;

pub use beringia_storage_types::*;
pub use contract::*;
pub use definition::*;
pub use planted::PlantedBug;
