//! Why a load cannot begin.

use beringia_scenario::RecordingError;
use thiserror::Error;

use crate::CallError;

/// Why a load cannot begin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WorkloadError {
    /// A recording that cannot be read.
    #[error("the workload {workload} cannot be played: {source}")]
    Recording {
        /// Which workload has it.
        workload: String,
        /// Which line, and what is wrong with it.
        source: RecordingError,
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
