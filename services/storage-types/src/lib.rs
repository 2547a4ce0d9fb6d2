//! Plain data types that replication, its messages and every store share: log positions, batches,
//! digests, replicas, errors.
//!
//! There is no store trait, no async code and no database here.

mod digest;
mod error;
mod log;
mod planted;
mod remote;
mod replica;
mod row;
mod sequences;
mod shard;
mod vectors;

pub use digest::{RangeDigest, TableDigest};
pub use error::StoreError;
pub use log::{Backlog, LogFilter, LogPage, LogPosition};
pub use planted::{PlantedBug, plant, planted};
pub use remote::{Acknowledged, Applied, RemoteBatch, RemoteKind};
pub use replica::{Replica, ReplicaStatus};
pub use row::RawRow;
pub use sequences::{OwnSequences, SequenceGap};
pub use shard::ShardKey;
pub use vectors::{SharedVectors, changed_vectors};
