//! The state that decisions are based on, besides rows: a region's tables, definitions, streams,
//! digests and clock, in memory. It is read from the backend once and changes with each group. It
//! is cheap to clone: a group works on a clone, which replaces the original when the group is
//! committed.

mod catalog;
mod definitions;
mod digests;
mod holds;
mod index;
mod job;
mod log;
mod origins;
mod progress;
mod region;
mod streams;
mod table;
mod tip;

pub(crate) use self::{
    definitions::{Definition, Home},
    index::{IndexSize, Recount, table_of_index},
    job::Job,
    streams::ShardSummary,
    table::table_number,
};
pub use self::{
    digests::Digests,
    holds::{Hold, LogHolds},
    index::{Index, IndexDefinition, projected_size},
    log::{Log, LogCheckpoint, LogTimes, Retention},
    origins::Origins,
    progress::{OriginProgress, TableProgress},
    region::{HeldTables, State, first_rows},
    streams::{KeptStream, KeptStreams, StreamStates},
    table::{LocalReplica, TableRow, TableState},
    tip::{RegionRow, Tip},
};
