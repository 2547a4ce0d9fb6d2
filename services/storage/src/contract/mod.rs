//! The `Store` trait, its arguments and its results.

mod change;
mod conflict;
mod damage;
mod log_state;
mod prune;
mod read;
mod store;
mod stream;

pub use change::{
    Change, CommitError, ItemEffect, ItemWrite, Refusal, SchemaChange, SchemaError, SchemaRefusal, WriteResult,
};
pub use conflict::{Conflict, ConflictRule, ConflictSide, Explained, Unshipped};
pub use damage::{DamagedRange, StoreDamage};
pub use log_state::{HoldReason, LogHold, LogState};
pub use prune::{PruneFilter, PruneTable, Pruned};
pub use read::{RangePage, RangeRead, Row};
pub use store::Store;
pub use stream::{Shard, ShardEnd, StreamChange, StreamPage, StreamRead, StreamRecord, Streams, TableStream};
