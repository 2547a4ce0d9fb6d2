//! The `Store` trait and what goes in and out of it.

mod change;
mod conflict;
mod error;
mod log;
mod read;
mod remote;
mod store;
mod stream;

pub use change::{Change, CommitError, Effect, ItemWrite, Outcome, Refusal, SchemaChange, SchemaError};
pub use conflict::{Conflict, ConflictRule, ConflictSide, Explained, Unshipped};
pub use error::StoreError;
pub use log::{Backlog, LogFilter, LogPage, LogPosition, LogRecord};
pub use read::{RangeDigest, RangePage, RangeRead, RawRow, Row, TableDigest};
pub use remote::{Acknowledged, Applied, RemoteBatch, RemoteKind};
pub use store::Store;
pub use stream::{Shard, ShardEnd, ShardKey, StreamChange, StreamPage, StreamRead, StreamRecord, Streams, TableStream};
