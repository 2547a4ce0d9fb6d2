//! What goes into the state machine and what comes out of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use beringia_item::{KeyBytes, Origin, Region, TableId, VersionVector};
use beringia_storage_types::{LogFilter, LogPage, LogPosition, RemoteBatch, ReplicaStatus, StoreError, TableDigest};

use crate::message::{KeyPage, RowPage, Span, TableVectors, ToReceiver, ToSource};

/// The moment of an event.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Milliseconds of a clock that never goes back.
    pub elapsed_ms: u64,
    /// Milliseconds since the Unix epoch.
    pub wall_ms: u64,
}

/// A stream that this region dialled: it receives there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DialId(pub u64);

/// A stream that this region accepted: it is the source there. Numbered by the driver, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AcceptId(pub u64);

/// A call to the store whose answer is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Time passed. To be told at least every few hundred milliseconds.
    Tick {
        /// The region's vectors now, all of one moment.
        vectors: TableVectors,
    },
    /// The global tables that this region holds, after a change, and at the start.
    Catalog(BTreeMap<TableId, TableView>),
    /// The log grew.
    LogAppended {
        /// The region's vectors since, all of one moment.
        vectors: Arc<TableVectors>,
    },
    /// From now on nothing of this table goes to any peer or comes from one, but what is under way with the store. What this region does
    /// not hold, and the catalog, is left alone.
    Pause(TableId),
    /// The table's replication goes on from what each side has.
    Resume(TableId),
    /// Of a dialled stream.
    Dialled(DialId, LinkEvent<ToReceiver>),
    /// Of an accepted stream.
    Accepted(AcceptId, LinkEvent<ToSource>),
    /// The store answered.
    Answered(Ticket, Result<StoreAnswer, StoreError>),
}

/// What happens to a stream.
#[derive(Debug, Clone)]
pub enum LinkEvent<M> {
    /// It is open. For an accepted stream the first event of all.
    Opened,
    /// A message came.
    Message(M),
    /// It is over, or could not be opened; the last event.
    Closed(String),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Open a stream to a peer.
    Dial(DialId, Region),
    /// Send on a dialled stream, in order.
    SendToSource(DialId, ToSource),
    /// Send on an accepted stream, in order.
    SendToReceiver(AcceptId, ToReceiver),
    /// End a dialled stream after what was sent; no event of it is wanted any more.
    HangUp(DialId),
    /// The same for an accepted stream.
    TurnAway(AcceptId),
    /// Call the store and answer with [`Event::Answered`], whatever happens.
    Call(Ticket, StoreCall),
}

/// A table, as far as replication is concerned. Only global tables of which this region has a replica, and never the
/// catalog, which every region holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableView {
    /// All replicas that are members ([`ReplicaStatus::is_member`]), this region's too.
    pub replicas: BTreeMap<Region, ReplicaStatus>,
    /// Whether this region's rows were complete once. A replica that is not joined is copied, whatever its state says.
    pub joined: bool,
    /// Which of this region's holdings of the table this is; another one when the rows were let go and it is filled anew.
    pub holding: u32,
    /// Regions whose replicas were dropped, because they were out of reach for too long. They are not among the replicas.
    pub dropped: BTreeSet<Region>,
    /// Those of the dropped that somebody removed since, so that nobody counts on their return.
    pub removed: BTreeSet<Region>,
}

impl TableView {
    /// Whether these may go on without all others: they are more than half of the members, or the first of two. Who was dropped is a
    /// member until it is removed, so that any two such groups have somebody in common.
    pub(crate) fn is_quorum<'r>(&self, group: impl IntoIterator<Item = &'r Region>) -> bool {
        let away = self.dropped.difference(&self.removed);
        let members: BTreeSet<&Region> = self.replicas.keys().chain(away).collect();
        let group: BTreeSet<&Region> = group.into_iter().filter(|region| members.contains(region)).collect();
        2 * group.len() > members.len() || (members.len() == 2 && group.first() == members.first())
    }
}

/// What the store is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreCall {
    /// Apply mutations in one commit. Answered by [`StoreAnswer::Applied`].
    Apply(RemoteBatch),
    /// Where to begin reading the log. [`StoreAnswer::Position`].
    Position(LogFilter),
    /// Read the log. [`StoreAnswer::Log`].
    Read {
        /// Where to begin.
        from: LogPosition,
        /// What to read.
        filter: LogFilter,
        /// How many bytes of images, about.
        max_bytes: usize,
    },
    /// [`StoreAnswer::Digest`].
    Digest(TableId),
    /// Keys of neighbouring ranges, tombstones too, in order. [`StoreAnswer::Keys`].
    Keys {
        /// The table.
        table: TableId,
        /// The ranges.
        span: Span,
        /// Begin after this key.
        after: Option<KeyBytes>,
        /// How many at most.
        max: usize,
    },
    /// Rows by key. [`StoreAnswer::Rows`].
    Rows {
        /// The table.
        table: TableId,
        /// The keys, ascending.
        keys: Vec<KeyBytes>,
        /// Stop when the rows reach so many bytes.
        max_bytes: usize,
    },
    /// Set the status of this region's own replica, where the table still has one. [`StoreAnswer::Done`].
    SetReplica {
        /// The table.
        table: TableId,
        /// The new status.
        status: ReplicaStatus,
    },
    /// Drop another region's replica, where it is still one: it is out of reach, for all who are left. [`StoreAnswer::Done`].
    Drop {
        /// The table.
        table: TableId,
        /// Whose.
        region: Region,
        /// What of the table those who are left have.
        has: VersionVector,
        /// For how long it has been out of reach, milliseconds.
        away_ms: u64,
    },
    /// Drop this region's replica of a table, where it is on its way out and wrote nothing beyond `sequence`.
    /// [`StoreAnswer::Done`].
    Leave {
        /// The table.
        table: TableId,
        /// Up to where all other replicas have this region's writes.
        sequence: u64,
    },
}

/// What the store answers.
#[derive(Debug, Clone)]
pub enum StoreAnswer {
    /// To [`StoreCall::Apply`], when it is durable.
    Applied {
        /// This region's vectors afterwards, own writes included, all of one moment: of the tables that occur, and of the
        /// catalog.
        vectors: TableVectors,
        /// How many mutations became the current version of their item.
        newer: usize,
    },
    /// To [`StoreCall::Position`]: where to begin, or what the log no longer holds.
    Position(Result<LogPosition, Vec<(TableId, Origin)>>),
    /// To [`StoreCall::Read`].
    Log(LogPage),
    /// To [`StoreCall::Digest`].
    Digest(TableDigest),
    /// To [`StoreCall::Keys`].
    Keys(KeyPage),
    /// To [`StoreCall::Rows`].
    Rows(RowPage),
    /// To [`StoreCall::SetReplica`], [`StoreCall::Drop`] and [`StoreCall::Leave`].
    Done,
}
