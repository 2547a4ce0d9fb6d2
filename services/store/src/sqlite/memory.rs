//! A database in memory that outlives the store: the disk of a simulated region, and of an ephemeral one.

/// Memory that keeps a region's state when its store is gone. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk {}
