//! The queue of due operations: filled by a schedule, emptied by clients.

use std::{collections::VecDeque, sync::Arc};

use beringia_scenario::Recorded;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::job::Job;

/// An operation that is due.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Due {
    /// When it became due, in microseconds since the load began.
    pub(crate) at_us: u64,
    pub(crate) work: Work,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    /// An operation of the workload's kind.
    Job(Job),
    /// An operation of a recording.
    Recorded(Arc<Recorded>),
}

/// Operations that wait for a client. Patience bounds the queue: a client does not send an
/// operation that has waited too long.
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

    /// Closes the queue: nothing is added any more, and what still waits is not sent.
    pub(crate) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.changed.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.waiting.lock().is_closed
    }

    /// Waits for the next operation; `None` when the queue is closed and empty.
    pub(crate) async fn next(&self) -> Option<Due> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no notification is missed.
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
