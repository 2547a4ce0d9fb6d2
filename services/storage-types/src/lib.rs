//! Values that replication, its messages and every store share: places in the log, batches,
//! digests, replicas, failures.
//!
//! Plain data: no trait of a store, no async, no database.

mod digest;
mod error;
mod log;
mod remote;
mod replica;
mod row;
mod shard;

pub use digest::{RangeDigest, TableDigest};
pub use error::StoreError;
pub use log::{Backlog, LogFilter, LogPage, LogPosition};
pub use remote::{Acknowledged, Applied, RemoteBatch, RemoteKind};
pub use replica::{Replica, ReplicaStatus};
pub use row::RawRow;
pub use shard::ShardKey;
