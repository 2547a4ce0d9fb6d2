//! What can be made wrong with commits.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

/// What goes wrong with a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The lease is lost before the commit, and taken by nobody. Nothing is written.
    LostLease,
    /// The backend fails before it can tell whether the commit is durable.
    UnknownOutcome {
        /// Whether it is.
        durable: bool,
    },
    /// The commit fails to serialize, though nothing else was committed. Nothing is written.
    SerializationFailure,
}

/// What commits are to come across.
#[derive(Debug, Default)]
struct Planned {
    next: VecDeque<Fault>,
    tolerates_former_holders: bool,
}

/// The faults of a state. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Planned>>);

impl Faults {
    /// The next commit goes wrong so; of several, each takes one in the order in which they were planned.
    pub fn plan(&self, fault: Fault) {
        self.0.lock().next.push_back(fault);
    }

    /// Whether a holder whose lease another one took commits all the same: one that is slow to hear of it, so
    /// that there are two at once. Only the condition of commits keeps the two apart then.
    pub fn tolerate_former_holders(&self, tolerated: bool) {
        self.0.lock().tolerates_former_holders = tolerated;
    }

    pub(crate) fn next(&self) -> Option<Fault> {
        self.0.lock().next.pop_front()
    }

    pub(crate) fn tolerates_former_holders(&self) -> bool {
        self.0.lock().tolerates_former_holders
    }
}
