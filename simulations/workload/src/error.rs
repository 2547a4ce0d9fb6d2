//! Why a load cannot begin.

use thiserror::Error;

use crate::CallError;

/// Why a load cannot begin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WorkloadError {
    /// A workload that cannot be played.
    #[error("the workload {workload} cannot be played: {problem}")]
    Unusable {
        /// Which.
        workload: String,
        /// Why.
        problem: String,
    },
    /// A region does not take what is to be in a table when the load begins.
    #[error("the table {table} could not be filled through {region}: {source}")]
    NotLoaded {
        /// Which table.
        table: String,
        /// Through which region.
        region: String,
        /// What the last request came to.
        source: Box<CallError>,
    },
}
