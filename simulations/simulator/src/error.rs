//! Why a simulation could not go on. What it finds out about the regions is a result, not an error.

use beringia_item::RegionError;
use beringia_network::NetworkError;
use beringia_node::NodeError;
use beringia_storage::StoreError;
use beringia_workload::{CallError, WorkloadError};
use thiserror::Error;

/// Why a simulation could not go on.
#[derive(Debug, Error)]
pub enum SimulationError {
    /// A command to a region that the topology does not have.
    #[error("the simulated topology has no region {0:?}")]
    UnknownRegion(String),
    /// A command that needs a running region.
    #[error("region {0} is not running")]
    NotRunning(String),
    /// A name in the topology that no region can have.
    #[error(transparent)]
    RegionName(#[from] RegionError),
    /// A command that the network refused.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A region that did not start.
    #[error("region {region} did not start: {source}")]
    Start {
        /// Which.
        region: String,
        /// Why.
        source: NodeError,
    },
    /// A region's state that could not be read.
    #[error("the state of region {region} cannot be read: {source}")]
    Store {
        /// Which.
        region: String,
        /// Why.
        source: StoreError,
    },
    /// A request of the set-up that failed.
    #[error("{operation} in {region} failed: {source}")]
    Call {
        /// Where.
        region: String,
        /// What.
        operation: &'static str,
        /// Why.
        source: Box<CallError>,
    },
    /// A load that cannot begin.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// A table that a region does not hold.
    #[error("region {region} holds no table {table}")]
    NoTable {
        /// Which region.
        region: String,
        /// The table's name.
        table: String,
    },
    /// What a record or a row holds is not what the workload writes.
    #[error("region {region} holds something that no workload wrote: {what}")]
    Foreign {
        /// Where.
        region: String,
        /// What.
        what: String,
    },
    /// Something that had to happen did not, in virtual time.
    #[error("after {virtual_ms} ms of virtual time: {what}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        virtual_ms: u64,
    },
}
