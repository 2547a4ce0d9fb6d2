//! Ways to drive the committer.

/// Whether a thread or a task drives the committer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// A thread of its own drives the committer; long reads run on tokio's blocking threads.
    Threads,
    /// A task on the current tokio runtime drives the committer, and reads run on the caller's: the
    /// same order of calls gives the same order of events, as simulations need.
    Inline,
}
