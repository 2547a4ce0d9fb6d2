//! What can be made wrong with commits.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use parking_lot::Mutex;

/// How long [`HeldCommit::wait`] waits at most.
const WAIT_MAX: Duration = Duration::from_secs(60);

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
    held: VecDeque<Stop>,
    tolerates_former_holders: bool,
}

/// Where a commit says that it has come, and waits.
#[derive(Debug)]
struct Stop {
    come: Sender<()>,
    resume: Receiver<()>,
}

/// A commit that stops before it is made, as that of a slow holder of the lease does. It goes on when this is
/// dropped.
#[derive(Debug)]
pub struct HeldCommit {
    come: Receiver<()>,
    _resume: Sender<()>,
}

impl HeldCommit {
    /// Waits until the commit has come; false where it has not within a minute. Blocks the thread.
    #[must_use]
    pub fn wait(&self) -> bool {
        self.come.recv_timeout(WAIT_MAX).is_ok()
    }
}

/// The faults of a state. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Planned>>);

impl Faults {
    /// The next commit goes wrong so; of several, each takes one in the order in which they were planned.
    pub fn plan(&self, fault: Fault) {
        self.0.lock().next.push_back(fault);
    }

    /// The next commit stops before it is made, while others may commit. Only for a committer with a thread of
    /// its own.
    #[must_use]
    pub fn hold(&self) -> HeldCommit {
        let ((come, is_come), (resumed, resume)) = (channel(), channel());
        self.0.lock().held.push_back(Stop { come, resume });
        HeldCommit {
            come: is_come,
            _resume: resumed,
        }
    }

    /// Waits where the commit at hand is held.
    pub(crate) fn stop_if_held(&self) {
        let held = self.0.lock().held.pop_front();
        if let Some(stop) = held {
            // Where the other end is gone, the commit goes on at once.
            let _ = stop.come.send(());
            let _ = stop.resume.recv();
        }
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
