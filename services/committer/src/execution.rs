//! What drives the committer.

/// What drives the committer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// A thread of its own; long reads run on tokio's blocking threads.
    Threads,
    /// A task on the current tokio runtime, reads on the caller's: one order of events for one order of calls, as
    /// a simulation needs it.
    Inline,
}
