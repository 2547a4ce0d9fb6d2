//! What a region's committer decides: conditions, versions, reconciliation of concurrent writes,
//! tombstones, digests, index entries, the catalog, streams, version vectors, and what may be trimmed.
//!
//! Nothing here knows a database, runs a task, or reads a clock. [`decide`] is a function: it takes the
//! region's [`State`], a group of [`Command`]s and the [`Rows`] that were read for them in bulk, and
//! returns the state after them, one [`WriteSet`](beringia_storage::backend::WriteSet) and the answers.
//! [`needs`] names the rows that a group needs at least; where it turns out to need others,
//! [`Undecided::Needs`] names these, and it is decided again. Of some rows it only matters whether they are
//! there, and that is nearly always as expected: a decision says what it assumed
//! ([`Decision::assumptions`]), which is checked before it is committed. It may always be decided again, on newer rows
//! too: so does a store whose commit found that its rows had changed.
//!
//! What the rows look like ([`layout`], [`journal`], [`unshipped`]) is decided here too, and readers use the
//! same code.

mod aspects;
mod current;
mod group;
pub mod journal;
pub mod layout;
mod rows;
mod state;
pub mod unshipped;
mod verify;

pub use self::{
    current::CurrentRecord,
    group::{Answer, Command, Decision, Environment, Event, OwnRecord, Undecided, decide, needs},
    rows::{Assumptions, ReadSet, Rows},
    state::{
        Digests, Holding, Index, IndexDefinition, KeptStream, KeptStreams, Log, LogCheckpoint, LogTimes,
        OriginProgress, Origins, Progress, RegionRow, Retention, State, StreamStates, TableRow, TableState, Tip,
        first_rows, projected_size,
    },
    verify::{Damage, check_table, stored_digests},
};
