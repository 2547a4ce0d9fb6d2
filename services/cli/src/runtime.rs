//! The runtimes that commands run on.

use crate::error::CommandError;

/// Further workers only cost memory: each region commits on one thread of its own.
const WORKERS_MAX: usize = 8;
/// The most long reads that run at once, over all regions; further ones wait. Three regions with
/// reads in all of their slots need 66.
const BLOCKING_THREADS_MAX: usize = 80;

/// Runs a command that only talks to control services.
pub(crate) fn ask<T>(command: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::usage(format!("cannot start: {error}")))?;
    runtime.block_on(command)
}

/// Runs regions until a signal ends them.
pub(crate) fn serve(command: impl Future<Output = Result<(), CommandError>>) -> Result<(), CommandError> {
    let workers = std::thread::available_parallelism()
        .map_or(2, std::num::NonZero::get)
        .clamp(2, WORKERS_MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build()
        .map_err(|error| CommandError::usage(format!("cannot start: {error}")))?;
    let result = runtime.block_on(command);
    // The shutdown has waited for the tasks that matter; the others are abandoned.
    runtime.shutdown_background();
    result
}
