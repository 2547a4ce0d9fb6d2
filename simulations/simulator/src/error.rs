//! Reasons why a simulation could not continue. A finding about the regions is a result, not an
//! error.

use beringia_item::RegionError;
use beringia_network::NetworkError;
use beringia_node::NodeError;
use beringia_storage::StoreError;
use beringia_workload::{CallError, WorkloadError};
use thiserror::Error;

/// The reason why a simulation could not continue.
#[derive(Debug, Error)]
pub enum SimulationError {
    /// A command names a region that the topology does not have.
    #[error("the simulated topology has no region {0:?}")]
    UnknownRegion(String),
    /// A command needs a running region, and this one is down.
    #[error("region {0} is not running")]
    NotRunning(String),
    /// A name in the topology is not valid for a region.
    #[error(transparent)]
    RegionName(#[from] RegionError),
    /// The network refused a command.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A region did not start.
    #[error("region {region} did not start: {source}")]
    Start {
        /// The region that should have started.
        region: String,
        /// The error that the node reported.
        source: NodeError,
    },
    /// A region failed: its committer or one of its tasks panicked.
    #[error("region {region} failed: {reason}")]
    Failed {
        /// The region that failed.
        region: String,
        /// What failed, with the message of the panic.
        reason: String,
    },
    /// The scenario asks for faulty disks, and the regions are to be kept in ordered maps.
    #[error("the scenario asks for faulty disks, which only SQLite has: play it without `--store memory`")]
    FaultyMemory,
    /// An action needs a disk that can fail.
    #[error("the disk of {0} cannot fail: the scenario needs disks = \"faulty\"")]
    ReliableDisk(String),
    /// The state of a region could not be read.
    #[error("the state of region {region} cannot be read: {source}")]
    Store {
        /// The region whose store was read.
        region: String,
        /// The error that the store reported.
        source: StoreError,
    },
    /// A request of the set-up failed.
    #[error("{operation} in {region} failed: {source}")]
    Call {
        /// The region that was called.
        region: String,
        /// The API operation, such as `CreateTable`.
        operation: &'static str,
        /// The refusal, or why there was no answer.
        source: Box<CallError>,
    },
    /// The load could not start.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// A region does not have a table.
    #[error("region {region} holds no table {table}")]
    NoTable {
        /// The region in which the table was expected.
        region: String,
        /// The table that the workload needs.
        table: String,
    },
    /// A log record or a row contains something that no workload writes.
    #[error("region {region} holds something that no workload wrote: {what}")]
    Foreign {
        /// The region whose log or rows contain it.
        region: String,
        /// The foreign content, in words.
        what: String,
    },
    /// Something required did not happen within its limit of virtual time.
    #[error("after {virtual_ms} ms of virtual time: {what}")]
    TimedOut {
        /// The expected state, and the last state that was seen.
        what: String,
        /// The virtual time that passed, in milliseconds.
        virtual_ms: u64,
    },
}
