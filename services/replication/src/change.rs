//! State changes of replication that matter to an operator, as plain values, which the driver logs.

use beringia_item::{Origin, Region, TableId};

/// A state change made by an event ([`crate::Replicator::changes`]).
#[expect(missing_docs, reason = "the variants and the fields' types say it all")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateChange {
    /// A change of a stream to or from a peer.
    Stream {
        /// The region at the other end.
        peer: Region,
        /// Whether the stream brings the peer's writes or takes ours.
        side: StreamSide,
        change: SessionChange,
    },
    /// A change of how an origin's writes arrive in this region.
    Origin { origin: Origin, change: OriginChange },
    /// A change of the bootstrap of this region's replica.
    Bootstrap { table: TableId, change: BootstrapChange },
    /// A change of the repair of a table whose digests differed from a peer's while the vectors
    /// were equal.
    Repair {
        table: TableId,
        /// The region that the rows come from.
        peer: Region,
        change: RepairChange,
    },
    /// A change of the replicas of a table.
    Replica { table: TableId, change: ReplicaChange },
}

/// One of the two streams between this region and a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamSide {
    /// The stream that brings the peer's writes. This region dials it.
    Receiving,
    /// The stream that takes this region's writes to the peer. The peer dials it.
    Sending,
}

/// What happened to a stream between two regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionChange {
    /// Both sides exchanged their hellos.
    Connected {
        /// The peer's wall clock minus this region's, in milliseconds.
        clock_ahead_ms: i64,
    },
    /// The stream ended after both sides had exchanged their hellos.
    Disconnected {
        /// The reason, as text for people.
        reason: String,
    },
    /// The stream was dialled and did not open. It is dialled again.
    Failed {
        /// The reason, as text for people.
        reason: String,
    },
    /// One side refuses the other, for example because it does not know the other region.
    Refused {
        /// The reason, as text for people.
        reason: String,
    },
}

/// A change of how an origin's writes arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginChange {
    /// The writes have to wait, since the origin's clock is too far ahead.
    Quarantined {
        /// By how much the first write is ahead, in milliseconds.
        ahead_ms: u64,
        /// The greatest allowed value of `ahead_ms`.
        limit_ms: u64,
    },
    /// The store accepted writes, and none has to wait any more.
    QuarantineEnded,
    /// Another peer begins to relay the writes.
    RelayBegan {
        /// The region that sends the writes in place of their origin.
        via: Region,
    },
    /// A peer no longer relays the writes.
    RelayEnded {
        /// The region that sent the writes in place of their origin.
        via: Region,
    },
}

/// What happened to the bootstrap of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootstrapChange {
    /// The copy began, or continues after an interruption.
    Began {
        /// The region that the rows come from.
        source: Region,
        /// Whether this is a copy in place: the replica stays active while rows are copied that no
        /// log contains.
        in_place: bool,
        /// Whether the copy continues after an interruption.
        is_resumed: bool,
    },
    /// The stream to the source ended, or the table was paused. The copy continues later.
    Interrupted,
    /// The rows copied so far are void, and the copy starts over.
    Restarted {
        /// The reason, as text for people.
        reason: String,
    },
    /// The store refused rows of a span as too far ahead. They are tried again until they are due,
    /// while the other spans go on.
    Held {
        /// The origin of the first of these rows.
        origin: Origin,
        /// By how much that row is ahead, in milliseconds.
        ahead_ms: u64,
        /// The greatest allowed value of `ahead_ms`.
        limit_ms: u64,
    },
    /// All rows are copied. The streams bring the writes made in the meantime.
    Copied {
        /// The number of rows, including tombstones.
        rows: u64,
    },
    /// The replica also has everything that was written during the copy.
    Ended,
    /// The replica was removed, or needs no copy any more.
    Cancelled,
}

/// What happened to the repair of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepairChange {
    /// Rows of the ranges that differ are being fetched.
    Began {
        /// The number of ranges that differ.
        ranges: usize,
    },
    /// The ranges that differed were fetched.
    Ended {
        /// The number of fetched rows that were newer than this region's.
        rows: u64,
    },
    /// The repair ended before it was complete.
    Interrupted {
        /// The reason, as text for people.
        reason: String,
    },
}

/// A change of the replicas of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplicaChange {
    /// This region asks its store to drop another region's replica, which was unreachable for too
    /// long.
    Dropping {
        /// The region whose replica is dropped.
        region: Region,
        /// How long it has been unreachable, in milliseconds.
        unreachable_ms: u64,
    },
    /// The catalog records that another region's replica is dropped.
    Dropped {
        /// The region whose replica is dropped.
        region: Region,
    },
    /// This region's replica starts over with a full copy.
    Rebootstrapped {
        /// Why a full copy is needed.
        cause: RebootstrapCause,
    },
    /// This region takes no more writes to the table, since it cannot apply one of them. It tries
    /// again later.
    SetAside {
        /// The origin of the write that cannot be applied.
        origin: Origin,
        /// The reason, as text for people.
        reason: String,
    },
    /// This region takes writes to the table again: the one that could not be applied was replaced,
    /// or can be applied now.
    TakenBack,
    /// The replication of the table is paused in this region.
    Paused,
    /// The replication of the table continues in this region.
    Resumed,
}

/// Why a replica is re-bootstrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebootstrapCause {
    /// Other regions dropped it while this region was unreachable.
    Dropped,
    /// The catalog records it as complete, but its rows are gone: the disk was lost.
    LostRows,
    /// The database is an older copy: another region has own writes of this region that it is
    /// missing.
    OlderCopy,
}
