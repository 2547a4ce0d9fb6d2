//! What is due and not yet taken: filled by a schedule, emptied by clients.

use std::{collections::VecDeque, sync::Arc};

use beringia_scenario::Recorded;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::job::Job;

/// An operation that is due.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Due {
    /// Since when, microseconds since the load began.
    pub(crate) at_us: u64,
    pub(crate) work: Work,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    /// Of a workload's own kind.
    Job(Job),
    /// As it was recorded.
    Recorded(Arc<Recorded>),
}

/// Operations that wait for a client. It is bounded by patience: whoever takes one that has waited too long does not send it.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    due: VecDeque<Due>,
    is_closed: bool,
}

impl Queue {
    pub(crate) fn push(&self, due: Due) {
        self.waiting.lock().due.push_back(due);
        self.changed.notify_one();
    }

    /// Nothing comes any more, and what waits still is not sent.
    pub(crate) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.changed.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.waiting.lock().is_closed
    }

    /// The next one, when there is one; `None` when the queue is closed and empty.
    pub(crate) async fn next(&self) -> Option<Due> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            {
                let mut waiting = self.waiting.lock();
                if let Some(due) = waiting.due.pop_front() {
                    return Some(due);
                }
                if waiting.is_closed {
                    return None;
                }
            }
            changed.await;
        }
    }
}
