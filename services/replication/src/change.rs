//! State changes of replication that an operator should know of, as plain values: the driver logs
//! them.

use beringia_item::{Origin, Region, TableId};

/// What changed while an event was handled ([`crate::Replicator::changes`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateChange {
    /// Of a stream to or from a peer.
    Stream {
        /// The other side.
        peer: Region,
        /// Which of the two streams.
        side: StreamSide,
        /// What.
        change: StreamChange,
    },
    /// Of the way by which an origin's writes come.
    Origin {
        /// Whose writes.
        origin: Origin,
        /// What.
        change: OriginChange,
    },
    /// Of filling a replica of this region.
    Bootstrap {
        /// The table.
        table: TableId,
        /// What.
        change: BootstrapChange,
    },
    /// Of the repair of a table, whose digests differed from a peer's while the vectors were equal.
    Repair {
        /// The table.
        table: TableId,
        /// From whom.
        peer: Region,
        /// What.
        change: RepairChange,
    },
    /// Of the replicas of a table.
    Replica {
        /// The table.
        table: TableId,
        /// What.
        change: ReplicaChange,
    },
}

/// Which of the two streams between this region and a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamSide {
    /// The one that brings the peer's writes; this region dialled it.
    Receiving,
    /// The one that takes this region's writes to the peer, which dialled it.
    Sending,
}

/// What changed about a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamChange {
    /// Both sides said hello.
    Connected {
        /// The peer's wall clock minus this region's, milliseconds.
        clock_ahead_ms: i64,
    },
    /// It ended after both sides had said hello.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// It was dialled and did not open. It is dialled again.
    Failed {
        /// Why.
        reason: String,
    },
    /// One side does not talk to the other.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What changed about the way by which an origin's writes come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginChange {
    /// They have to wait, since the origin's clock is too far ahead.
    Quarantined {
        /// How far the first of them is ahead, milliseconds.
        ahead_ms: u64,
        /// How far is allowed, milliseconds.
        limit_ms: u64,
    },
    /// The store took some, and none of them has to wait.
    QuarantineEnded,
    /// Another peer relays them from now on.
    RelayBegan {
        /// Who.
        via: Region,
    },
    /// A peer does not relay them any more.
    RelayEnded {
        /// Who.
        via: Region,
    },
}

/// What changed about the filling of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootstrapChange {
    /// It is copied, from the beginning or from where that was interrupted.
    Began {
        /// From whom.
        source: Region,
        /// Whether the replica is active and stays so while rows are copied that no log holds.
        in_place: bool,
        /// Whether it goes on where it was interrupted.
        is_resumed: bool,
    },
    /// The stream to the source ended, or the table was paused; it goes on later.
    Interrupted,
    /// What was copied is void, and it begins again.
    Restarted {
        /// Why.
        reason: String,
    },
    /// All rows are copied; the streams bring what was written meanwhile.
    Copied {
        /// How many rows, tombstones too.
        rows: u64,
    },
    /// The replica is complete.
    Ended,
    /// It is not wanted any more: the replica was removed, or needs no copy.
    Cancelled,
}

/// What changed about a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepairChange {
    /// The rows of the ranges that differ are fetched.
    Began {
        /// How many ranges differ.
        ranges: usize,
    },
    /// It is done.
    Ended {
        /// How many rows it brought that were newer than those here.
        rows: u64,
    },
    /// It ended before it was done.
    Interrupted {
        /// Why.
        reason: String,
    },
}

/// What changed about the replicas of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplicaChange {
    /// This region asks its store to drop another region's replica, which was unreachable for too
    /// long.
    Dropping {
        /// Whose replica.
        region: Region,
        /// For how long, milliseconds.
        unreachable_ms: u64,
    },
    /// The catalog says that another region's replica is dropped.
    Dropped {
        /// Whose replica.
        region: Region,
    },
    /// This region's replica is started over with a full copy.
    Rebootstrapped {
        /// Why.
        cause: RebootstrapCause,
    },
    /// The replication of the table is paused in this region.
    Paused,
    /// The replication of the table goes on in this region.
    Resumed,
}

/// Why a replica is re-bootstrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebootstrapCause {
    /// Other regions dropped it while this region was unreachable.
    Dropped,
    /// The catalog says that it is complete, and its rows are gone: the disk was lost.
    LostRows,
}
