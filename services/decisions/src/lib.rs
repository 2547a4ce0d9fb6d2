//! The decisions of a region's committer: conditions, versions, reconciliation of concurrent
//! writes, tombstones, digests, index entries, the catalog, streams, version vectors, and trimming.
//!
//! Nothing here depends on a database, runs a task, or reads a clock. [`decide`] is a function: it
//! takes the region's [`State`], a group of [`StoreCommand`]s and the [`Rows`] that were read for
//! them in bulk, and returns the next state, one [`WriteSet`](beringia_storage::backend::WriteSet)
//! and the answers. [`needs`] names the rows that a group needs at least. If the group turns out to
//! need others, [`Undecided::Needs`] names these, and the group is decided again. For some rows
//! only their existence matters, and it is nearly always as expected: the decision records what it
//! assumed ([`Decision::assumptions`]), and the committer checks that before it commits. A group
//! may always be decided again, on newer rows too: a store does so if its commit finds that the
//! rows have changed.
//!
//! The format of the rows ([`layout`], [`journal`], [`unshipped`]) is defined here too, and readers
//! use the same code.

mod aspects;
mod current;
mod group;
pub mod journal;
pub mod layout;
mod prune;
mod rows;
mod state;
mod take_back;
pub mod unshipped;
mod verify;

pub use self::{
    current::CurrentRecord,
    group::{
        CommandAnswer, Decision, Environment, OwnRecord, PrunePlace, PruneStep, StoreCommand, StoreEvent, Undecided,
        decide, needs,
    },
    prune::PruneMatch,
    rows::{Assumptions, ReadSet, Rows},
    state::{
        Digests, HeldTables, Hold, Index, IndexDefinition, KeptStream, KeptStreams, LocalReplica, Log, LogCheckpoint,
        LogHolds, LogTimes, OriginProgress, Origins, RegionRow, Retention, State, StreamStates, TableProgress,
        TableRow, TableState, Tip, first_rows, projected_size,
    },
    take_back::{TakenBack, take_back},
    verify::{Damage, check_table, stored_digests},
};
