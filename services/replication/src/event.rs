//! The events that go into the state machine and the commands that come out of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use beringia_item::{KeyBytes, Origin, Region, TableId, VersionVector};
use beringia_storage_types::{
    LogFilter, LogPage, LogPosition, RemoteBatch, Replica, ReplicaStatus, SharedVectors, StoreError, TableDigest,
};

use crate::message::{KeyPage, RangeSpan, RowPage, TableVectors, ToReceiver, ToSource};

/// The time of an event, on two clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Milliseconds on a monotonic clock.
    pub elapsed_ms: u64,
    /// Milliseconds since the Unix epoch.
    pub wall_ms: u64,
}

/// A stream that this region dialled and on which it is the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DialId(pub u64);

/// A stream that this region accepted and on which it is the source. The driver numbers these
/// streams and never reuses a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AcceptId(pub u64);

/// A call to the store whose answer is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// An input of the state machine.
#[derive(Debug, Clone)]
pub enum Event {
    /// Time passed. The driver sends one at least every few hundred milliseconds.
    Tick {
        /// The vectors of all tables of the region's store, as one consistent snapshot.
        vectors: SharedVectors,
    },
    /// The global tables of which this region has a replica. Sent at the start and after every
    /// change.
    Catalog(BTreeMap<TableId, TableView>),
    /// Records were appended to the region's log.
    LogAppended {
        /// The vectors of all tables of the region's store after the append, as one consistent
        /// snapshot.
        vectors: SharedVectors,
    },
    /// Stop sending the table to peers and taking it from them; calls to the store that are under
    /// way complete. Ignored for the catalog and for tables of which this region has no replica.
    Pause(TableId),
    /// Resume the table's replication. Each side continues from what it has.
    Resume(TableId),
    /// An event of a dialled stream.
    Dialled(DialId, LinkEvent<ToReceiver>),
    /// An event of an accepted stream.
    Accepted(AcceptId, LinkEvent<ToSource>),
    /// The store answered the call with this ticket.
    Answered(Ticket, Result<StoreAnswer, StoreError>),
}

/// An event of a stream that carries messages of type `M`.
#[derive(Debug, Clone)]
pub enum LinkEvent<M> {
    /// The stream is open. For an accepted stream this is its first event.
    Opened,
    /// A message arrived; messages arrive in the order in which they were sent.
    Message(M),
    /// The stream ended or could not be opened, for this reason. This is its last event.
    Closed(String),
}

/// An output of the state machine, which the driver carries out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Open a stream to a peer.
    Dial(DialId, Region),
    /// Send on a dialled stream, in order.
    SendToSource(DialId, ToSource),
    /// Send on an accepted stream, in order.
    SendToReceiver(AcceptId, ToReceiver),
    /// End a dialled stream once everything sent on it has gone out. The driver reports no more
    /// events of it.
    HangUp(DialId),
    /// As [`Command::HangUp`], for an accepted stream.
    TurnAway(AcceptId),
    /// Call the store and report its answer with [`Event::Answered`], also when the call fails.
    Call(Ticket, StoreCall),
}

/// A table as replication sees it. Only global tables of which this region has a replica appear,
/// and never the catalog, of which every region has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableView {
    /// All replicas that are members ([`ReplicaStatus::is_member`]), including this region's.
    pub replicas: BTreeMap<Region, ReplicaStatus>,
    /// Whether this region's replica has been bootstrapped. A replica that has not is copied,
    /// regardless of its status.
    pub bootstrapped: bool,
    /// This region's replica epoch of the table. It changes when the rows are discarded and the
    /// replica is re-bootstrapped.
    pub replica_epoch: u32,
    /// Regions whose replicas were dropped because they were unreachable for too long. They are not
    /// among `replicas`.
    pub dropped: BTreeSet<Region>,
    /// The dropped regions that have been removed from the table since, and are not expected back.
    pub removed: BTreeSet<Region>,
}

impl TableView {
    /// The view of a table with these replicas. Replicas that could not be created, and those that
    /// were dropped, hold nothing and are no members. `None` if the region has none.
    #[must_use]
    pub fn of(
        replicas: &BTreeMap<Region, Replica>,
        region: &Region,
        bootstrapped: bool,
        replica_epoch: u32,
    ) -> Option<Self> {
        let mut view = Self {
            replicas: BTreeMap::new(),
            bootstrapped,
            replica_epoch,
            dropped: BTreeSet::new(),
            removed: BTreeSet::new(),
        };
        for (region, replica) in replicas {
            if let ReplicaStatus::Dropped { returns, .. } = replica.status {
                view.dropped.insert(region.clone());
                if !returns {
                    view.removed.insert(region.clone());
                }
            } else if replica.status.is_member() {
                view.replicas.insert(region.clone(), replica.status.clone());
            }
        }
        view.replicas.contains_key(region).then_some(view)
    }

    /// Whether the region has an active replica.
    pub(crate) fn is_active(&self, region: &Region) -> bool {
        self.replicas.get(region) == Some(&ReplicaStatus::Active)
    }

    /// Whether the group may proceed without all other members: it is more than half of the
    /// members, or the first of two. A dropped region counts as a member until it is removed, so
    /// that any two quorums overlap. Regions that an operator has given up count as part of the
    /// group.
    pub(crate) fn is_quorum<'r>(
        &'r self,
        group: impl IntoIterator<Item = &'r Region>,
        given_up: &'r BTreeSet<Region>,
    ) -> bool {
        let unreachable = self.dropped.difference(&self.removed);
        let members: BTreeSet<&Region> = self.replicas.keys().chain(unreachable).collect();
        let group: BTreeSet<&Region> = group
            .into_iter()
            .chain(given_up)
            .filter(|region| members.contains(region))
            .collect();
        2 * group.len() > members.len() || (members.len() == 2 && group.first() == members.first())
    }
}

/// A call to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreCall {
    /// Apply mutations in one commit. Answered with [`StoreAnswer::Applied`].
    Apply(RemoteBatch),
    /// Find the position at which reading the log begins. Answered with [`StoreAnswer::Position`].
    Position(LogFilter),
    /// Read the log. Answered with [`StoreAnswer::Log`].
    Read {
        /// The first position to read.
        from: LogPosition,
        /// Which tables and origins to read, and above which vectors.
        filter: Arc<LogFilter>,
        /// Approximate limit on the bytes of images in the answer.
        max_bytes: usize,
    },
    /// Compute the digests of a table's ranges. Answered with [`StoreAnswer::Digest`].
    Digest {
        /// The table to compute the digests of.
        table: TableId,
        /// As of which vector, with the meaning that it has in
        /// [`Question::Digest`](crate::message::Question::Digest).
        as_of: Option<VersionVector>,
    },
    /// List the keys of neighbouring ranges in ascending order, including tombstones. Answered with
    /// [`StoreAnswer::Keys`].
    Keys {
        /// The table whose keys are listed.
        table: TableId,
        /// The ranges whose keys are listed.
        span: RangeSpan,
        /// The page begins after this key.
        after: Option<KeyBytes>,
        /// The largest number of keys in the page.
        max: usize,
    },
    /// Read rows by key. Answered with [`StoreAnswer::Rows`].
    Rows {
        /// The table whose rows are read.
        table: TableId,
        /// The keys to read, in ascending order.
        keys: Vec<KeyBytes>,
        /// Stop once the rows reach this many bytes.
        max_bytes: usize,
    },
    /// Set the status of this region's own replica, if the table still has one. Answered with
    /// [`StoreAnswer::Done`].
    SetReplica {
        /// The table of which this region has the replica.
        table: TableId,
        /// The new status, which the catalog tells the other regions.
        status: ReplicaStatus,
    },
    /// Begin a store epoch: a peer has the own write of this region with this sequence, which its
    /// database never made. Answered with [`StoreAnswer::Done`].
    BeginEpoch(u64),
    /// Drop another region's replica, if the table still has it: all remaining replicas find that
    /// region unreachable. Answered with [`StoreAnswer::Done`].
    Drop {
        /// The table whose replica is dropped.
        table: TableId,
        /// The region whose replica is dropped.
        region: Region,
        /// The vector of what the remaining replicas have of the table.
        has: VersionVector,
        /// How long the region has been unreachable, milliseconds.
        unreachable_ms: u64,
    },
    /// Remove this region's replica of a table, provided that it is being deleted and has written
    /// nothing beyond `sequence`, or that it is being filled and no other region has the table.
    /// Answered with [`StoreAnswer::Done`].
    Leave {
        /// The table whose replica is removed.
        table: TableId,
        /// The sequence up to which all other replicas have this region's writes.
        sequence: u64,
    },
}

/// An answer of the store.
#[derive(Debug, Clone)]
pub enum StoreAnswer {
    /// The answer to [`StoreCall::Apply`], given once the commit is durable.
    Applied {
        /// This region's vectors after the commit, including its own writes, as one consistent
        /// snapshot: of the tables in the batch, and of the catalog.
        vectors: TableVectors,
        /// How many mutations became the current version of their item.
        newer: usize,
    },
    /// The answer to [`StoreCall::Position`]: where reading begins, or the tables and origins whose
    /// writes the log no longer has in full.
    Position(Result<LogPosition, Vec<(TableId, Origin)>>),
    /// The answer to [`StoreCall::Read`]: mutations in log order, and where to read on.
    Log(LogPage),
    /// The answer to [`StoreCall::Digest`]: the digests of all ranges, and the table's vector at
    /// the same time.
    Digest(TableDigest),
    /// The answer to [`StoreCall::Keys`]: keys with their row fingerprints, in ascending order.
    Keys(KeyPage),
    /// The answer to [`StoreCall::Rows`]: the current rows under the keys, as far as the limit
    /// allows.
    Rows(RowPage),
    /// The answer to [`StoreCall::SetReplica`], [`StoreCall::BeginEpoch`], [`StoreCall::Drop`]
    /// and [`StoreCall::Leave`].
    Done,
}

impl StoreAnswer {
    /// The answer to [`StoreCall::Apply`]: `touched` are the batch's tables
    /// ([`RemoteBatch::tables`]), `now` all vectors after the commit.
    #[must_use]
    pub fn applied(touched: &BTreeSet<TableId>, now: &SharedVectors, newer: usize) -> Self {
        let vectors = touched
            .iter()
            .chain([&TableId::CATALOG])
            .filter_map(|table| Some((*table, now.get(table)?.clone())))
            .collect();
        Self::Applied { vectors, newer }
    }
}
