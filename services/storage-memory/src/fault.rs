//! Faults that tests inject into commits.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use parking_lot::Mutex;

/// The longest time that [`HeldCommit::wait`] waits.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A fault of one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The lease is lost before the commit, and no other store takes it. Nothing is written.
    LostLease,
    /// The backend fails before it can tell whether the commit is durable.
    UnknownOutcome {
        /// Whether the commit is in fact durable.
        durable: bool,
    },
    /// The commit fails to serialize, although nothing else was committed. Nothing is written.
    SerializationFailure,
}

/// The faults that the next commits will meet.
#[derive(Debug, Default)]
struct Planned {
    next: VecDeque<Fault>,
    held: VecDeque<Stop>,
    tolerates_former_holders: bool,
}

/// The point at which a held commit reports its arrival, and waits.
#[derive(Debug)]
struct Stop {
    come: Sender<()>,
    resume: Receiver<()>,
}

/// A commit that stops before it is made, like that of a slow lease holder. Dropping this lets it
/// continue.
#[derive(Debug)]
pub struct HeldCommit {
    come: Receiver<()>,
    _resume: Sender<()>,
}

impl HeldCommit {
    /// Waits until the commit has arrived. Returns false if it has not within a minute. Blocks the
    /// thread.
    #[must_use]
    pub fn wait(&self) -> bool {
        self.come.recv_timeout(WAIT_MAX).is_ok()
    }
}

/// The faults of a state. Clones share the same faults.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Planned>>);

impl Faults {
    /// Makes the next commit fail in this way. If several faults are planned, each commit takes
    /// one, in the order of planning.
    pub fn plan(&self, fault: Fault) {
        self.0.lock().next.push_back(fault);
    }

    /// Stops the next commit before it is made, while others may commit. Use it only for a
    /// committer with its own thread.
    #[must_use]
    pub fn hold(&self) -> HeldCommit {
        let ((come, is_come), (resumed, resume)) = (channel(), channel());
        self.0.lock().held.push_back(Stop { come, resume });
        HeldCommit {
            come: is_come,
            _resume: resumed,
        }
    }

    /// Waits if the current commit is held.
    pub(crate) fn stop_if_held(&self) {
        let held = self.0.lock().held.pop_front();
        if let Some(stop) = held {
            // If the other end is gone, the commit continues immediately.
            let _ = stop.come.send(());
            let _ = stop.resume.recv();
        }
    }

    /// Sets whether a holder may still commit after another one took its lease: a slow one that has
    /// not noticed, so that there are two at once. Only the condition of commits keeps the two
    /// apart then.
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
