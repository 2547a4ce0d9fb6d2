//! Reasons why a load cannot start.

use beringia_scenario::RecordingError;
use thiserror::Error;

use crate::CallError;

/// A reason why a load cannot start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WorkloadError {
    /// A recording cannot be read.
    #[error("the workload {workload} cannot be played: {source}")]
    Recording {
        /// The workload that replays the recording.
        workload: String,
        /// The line, and what is wrong with it.
        source: RecordingError,
    },
    /// A region does not accept the initial items of a table.
    #[error("the table {table} could not be filled through {region}: {source}")]
    NotLoaded {
        /// The name of the table.
        table: String,
        /// The region through which the table was filled.
        region: String,
        /// The error of the last attempt.
        source: Box<CallError>,
    },
}
