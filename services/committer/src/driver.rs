//! Drives the committer: a queue in front of it, and a thread or a task that takes groups from it.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use beringia_storage::{StoreError, backend::Maintenance, panic_message};
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::{Notify, Semaphore, SetOnce};

use crate::{
    committer::{Committer, Priority, Request, Submitted},
    disk_faults::DiskFaults,
    trail,
};

/// How many commands may wait in each queue. Further callers wait outside, without using the
/// store's memory.
const CLIENTS_WAITING_MAX: usize = 1024;
const REMOTES_WAITING_MAX: usize = 16;
const UPKEEP_WAITING_MAX: usize = 4;
/// The greatest number of clients' commands in one group.
const GROUP_CLIENTS_MAX: usize = 512;
/// The greatest number of remote batches in one group. There is only one if clients wait too, so
/// that neither starves the other.
const GROUP_REMOTES_MAX: usize = 8;
/// How long the store must be idle before it releases memory.
const REST_AFTER: Duration = Duration::from_secs(5);
/// The number of groups of upkeep alone, one after the other, after which it also does. A region
/// trims every second, so it is never without commands for longer.
const REST_AFTER_UPKEEP: usize = 5;
/// How long failed background work waits for a retry.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Waiting {
    clients: VecDeque<Submitted>,
    remotes: VecDeque<Submitted>,
    upkeep: VecDeque<Submitted>,
    /// Whether the committer's thread is waiting for the signal.
    is_parked: bool,
    /// Set when no more commands are accepted. With `Some(true)` the waiting ones are still carried
    /// out.
    stopping: Option<bool>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.remotes.is_empty() && self.upkeep.is_empty()
    }

    fn take_all(&mut self) -> Vec<Submitted> {
        self.clients
            .drain(..)
            .chain(self.remotes.drain(..))
            .chain(self.upkeep.drain(..))
            .collect()
    }
}

/// The bounded queues in front of the committer.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    /// Signals a committer on a thread.
    ready: Condvar,
    /// Signals a committer in a task.
    wake: Notify,
    clients: Semaphore,
    remotes: Semaphore,
    upkeep: Semaphore,
    /// Why the committer failed, if it did.
    failure: SetOnce<String>,
    /// Whether it failed by a panic.
    panicked: AtomicBool,
    finished: AtomicBool,
    end: Notify,
}

/// The next step of the committer.
enum Next {
    Commit(Vec<Submitted>),
    /// The queues are empty: background work can be done.
    Idle,
    Stop,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            ready: Condvar::new(),
            wake: Notify::new(),
            clients: Semaphore::new(CLIENTS_WAITING_MAX),
            remotes: Semaphore::new(REMOTES_WAITING_MAX),
            upkeep: Semaphore::new(UPKEEP_WAITING_MAX),
            failure: SetOnce::new(),
            panicked: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            end: Notify::new(),
        }
    }

    const fn slots(&self, priority: Priority) -> &Semaphore {
        match priority {
            Priority::Client => &self.clients,
            Priority::Remote => &self.remotes,
            Priority::Upkeep => &self.upkeep,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }

    /// Puts a command into its queue, after waiting for a slot.
    pub(crate) async fn submit(&self, priority: Priority, command: Request) -> Result<(), StoreError> {
        let slot = self.slots(priority).acquire().await.map_err(|_| self.refusal())?;
        let command = Submitted {
            request: command,
            priority,
            asked_by: trail::requester(),
        };
        let is_parked = {
            let mut waiting = self.lock();
            if waiting.stopping.is_some() {
                return Err(self.refusal());
            }
            match priority {
                Priority::Client => waiting.clients.push_back(command),
                Priority::Remote => waiting.remotes.push_back(command),
                Priority::Upkeep => waiting.upkeep.push_back(command),
            }
            waiting.is_parked
        };
        // The slot is returned when the command is taken.
        slot.forget();
        // A signal costs a system call, even if no thread waits for it.
        if is_parked {
            self.ready.notify_one();
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Takes the next group: of upkeep one command, then clients, then remote batches.
    fn next(&self, waiting: &mut Waiting) -> Next {
        if waiting.stopping == Some(false) || (waiting.stopping.is_some() && waiting.is_empty()) {
            return Next::Stop;
        }
        if waiting.is_empty() {
            return Next::Idle;
        }
        // A change of definitions is the last of its group: commands under the new definitions come
        // after it.
        let until_end = waiting.clients.iter().position(Submitted::ends_group);
        let clients = until_end
            .map_or(waiting.clients.len(), |last| last + 1)
            .min(GROUP_CLIENTS_MAX);
        let remotes = waiting
            .remotes
            .len()
            .min(if clients > 0 { 1 } else { GROUP_REMOTES_MAX });
        let upkeep = waiting.upkeep.len().min(1);
        let mut group = Vec::with_capacity(clients + remotes + upkeep);
        // Upkeep reads rows as they are before the group.
        group.extend(waiting.upkeep.drain(..upkeep));
        group.extend(waiting.clients.drain(..clients));
        let last = group.pop_if(|last| last.ends_group());
        group.extend(waiting.remotes.drain(..remotes));
        group.extend(last);
        self.clients.add_permits(clients);
        self.remotes.add_permits(remotes);
        self.upkeep.add_permits(upkeep);
        debug_assert!(
            self.clients.available_permits() <= CLIENTS_WAITING_MAX
                && self.remotes.available_permits() <= REMOTES_WAITING_MAX
                && self.upkeep.available_permits() <= UPKEEP_WAITING_MAX,
            "more slots were returned than taken"
        );
        Next::Commit(group)
    }

    /// Stops the committer. `drain` says whether waiting commands are still carried out.
    pub(crate) fn stop(&self, drain: bool) {
        let dropped = {
            let mut waiting = self.lock();
            waiting.stopping = Some(drain && waiting.stopping.unwrap_or(true));
            if drain { Vec::new() } else { waiting.take_all() }
        };
        for command in dropped {
            command.fail(self.refusal());
        }
        for slots in [&self.clients, &self.remotes, &self.upkeep] {
            slots.close();
        }
        self.ready.notify_all();
        self.wake.notify_one();
    }

    /// Parks the committer's thread until the signal, or until the limit. Returns true if the time
    /// ran out.
    fn park(&self, waiting: &mut MutexGuard<'_, Waiting>, limit: Option<Duration>) -> bool {
        waiting.is_parked = true;
        let timed_out = match limit {
            Some(limit) => self.ready.wait_for(waiting, limit).timed_out(),
            None => {
                self.ready.wait(waiting);
                false
            }
        };
        waiting.is_parked = false;
        timed_out
    }

    /// Ends the queue because the committer failed.
    fn fail(&self, reason: String) {
        tracing::error!(
            reason,
            "the committer failed; the region cannot commit until its store is opened again"
        );
        // The first reason stays.
        let _ = self.failure.set(reason);
        self.stop(false);
    }

    /// The error of a command that is not carried out.
    fn refusal(&self) -> StoreError {
        self.failed().map_or(StoreError::Closed, StoreError::CannotCommit)
    }

    /// Why the committer failed, if it did.
    pub(crate) fn failed(&self) -> Option<String> {
        self.failure.get().cloned()
    }

    /// Whether the committer failed by a panic.
    pub(crate) fn has_panicked(&self) -> bool {
        self.panicked.load(Ordering::Acquire)
    }

    /// Waits until the committer fails, and returns the reason.
    pub(crate) async fn failure(&self) -> String {
        self.failure.wait().await.clone()
    }

    /// Marks the driver as ended; no more commands are taken.
    fn finish(&self) {
        self.stop(false);
        self.finished.store(true, Ordering::Release);
        self.end.notify_waiters();
    }

    /// Waits until the driver has ended.
    pub(crate) async fn finished(&self) {
        loop {
            let mut end = std::pin::pin!(self.end.notified());
            end.as_mut().enable();
            if self.finished.load(Ordering::Acquire) {
                return;
            }
            end.await;
        }
    }
}

/// The committer, in a place from which the store can take it away from its driver.
pub(crate) type CommitterSlot = Arc<Mutex<Option<Committer>>>;

/// Finishes the queue on drop, so that callers never wait for a driver that has ended.
struct Finish(Arc<Queue>);

impl Drop for Finish {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Commits one group, then does a step of background work. Returns `None` if the committer was
/// taken away or fails, otherwise whether there is more background work and whether the last step
/// failed.
fn turn(queue: &Queue, slot: &CommitterSlot, group: Option<Vec<Submitted>>) -> Option<Background> {
    with_committer(queue, slot, group, |committer, group| {
        let when = if group.is_some() {
            Maintenance::AfterCommit
        } else {
            Maintenance::Idle
        };
        if let Some(group) = group {
            committer.commit(group);
        }
        let worked = committer.failure().is_some() || !committer.has_jobs() || committer.work();
        let is_more = committer.maintain(when);
        match (committer.has_jobs() || is_more, worked) {
            (false, _) => Background::None,
            (true, true) => Background::More,
            (true, false) => Background::Failed,
        }
    })
}

/// Runs `work` with the committer. Returns `None` if the committer was taken away. If it panics,
/// its state may be inconsistent, and the queue fails; also if its backend cannot tell what is
/// durable. The committer then stays in its place, unused, since readers may depend on its hold on
/// the database.
fn with_committer<T>(
    queue: &Queue,
    slot: &CommitterSlot,
    group: Option<Vec<Submitted>>,
    work: impl FnOnce(&mut Committer, Option<Vec<Submitted>>) -> T,
) -> Option<T> {
    let mut slot = slot.lock();
    let Some(committer) = slot.as_mut() else {
        for command in group.into_iter().flatten() {
            command.fail(queue.refusal());
        }
        return None;
    };
    match catch_unwind(AssertUnwindSafe(|| work(committer, group))) {
        Ok(done) => match committer.failure() {
            None => return Some(done),
            Some(reason) => queue.fail(reason.to_owned()),
        },
        Err(panic) => {
            queue.panicked.store(true, Ordering::Release);
            queue.fail(format!("the committer panicked: {}", panic_message(&*panic)));
        }
    }
    None
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Background {
    None,
    More,
    Failed,
}

/// Drives the committer on the current thread until it is stopped.
pub(crate) fn run(queue: Arc<Queue>, slot: &CommitterSlot, disk_faults: &DiskFaults) {
    let finish = Finish(queue);
    let queue = &finish.0;
    let mut background = turn(queue, slot, None);
    let mut rested = false;
    let mut upkeep = 0;
    while let Some(state) = background {
        let mut waiting = queue.lock();
        let next = queue.next(&mut waiting);
        match next {
            Next::Stop => break,
            Next::Commit(group) => {
                drop(waiting);
                rested = false;
                let is_upkeep = group.iter().all(|command| command.priority == Priority::Upkeep);
                upkeep = if is_upkeep { upkeep + 1 } else { 0 };
                wait(disk_faults.commit_delay());
                background = turn(queue, slot, Some(group));
            }
            Next::Idle if state == Background::More => {
                drop(waiting);
                background = turn(queue, slot, None);
            }
            Next::Idle if state == Background::Failed => {
                queue.park(&mut waiting, Some(RETRY_AFTER));
                drop(waiting);
                background = turn(queue, slot, None);
            }
            Next::Idle if rested => drop(queue.park(&mut waiting, None)),
            Next::Idle => {
                let is_due = upkeep >= REST_AFTER_UPKEEP || queue.park(&mut waiting, Some(REST_AFTER));
                if is_due && waiting.is_empty() {
                    drop(waiting);
                    upkeep = 0;
                    if with_committer(queue, slot, None, |committer, _| committer.rest()).is_none() {
                        break;
                    }
                    rested = true;
                }
            }
        }
    }
}

/// Sleeps as long as the slow disk delays a commit.
#[expect(
    clippy::disallowed_methods,
    reason = "the committer's own thread has no timer; simulations drive the committer in a task"
)]
fn wait(delay: Duration) {
    if !delay.is_zero() {
        std::thread::sleep(delay);
    }
}

/// Drives the committer in a task of the current runtime until it is stopped.
pub(crate) async fn run_inline(queue: Arc<Queue>, slot: CommitterSlot, disk_faults: DiskFaults) {
    let finish = Finish(queue);
    let queue = &finish.0;
    let mut background = turn(queue, &slot, None);
    while let Some(state) = background {
        let next = queue.next(&mut queue.lock());
        match next {
            Next::Stop => break,
            Next::Commit(group) => {
                let delay = disk_faults.commit_delay();
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                background = turn(queue, &slot, Some(group));
            }
            Next::Idle if state == Background::More => {
                tokio::task::yield_now().await;
                background = turn(queue, &slot, None);
            }
            Next::Idle if state == Background::Failed => {
                // Whichever comes first: a command, or the time for a retry.
                let _ = tokio::time::timeout(RETRY_AFTER, queue.wake.notified()).await;
                background = turn(queue, &slot, None);
            }
            Next::Idle => {
                queue.wake.notified().await;
                // Commands that arrive at the same instant join the same group, like commands that
                // arrive during a commit.
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use beringia_storage::{CommitError, RemoteBatch};
    use tokio::sync::oneshot;

    use super::*;

    fn transaction() -> Request {
        Request::Transaction(Vec::new(), oneshot::channel().0)
    }

    fn batch() -> Request {
        Request::Apply(RemoteBatch::default(), oneshot::channel().0)
    }

    /// Takes the next group. Returns the number of clients' commands at its start, and of the other
    /// commands.
    fn next_group(queue: &Queue) -> (usize, usize) {
        let Next::Commit(group) = queue.next(&mut queue.lock()) else {
            return (0, 0);
        };
        let clients = group
            .iter()
            .take_while(|command| matches!(command.request, Request::Transaction(..)))
            .count();
        assert!(
            group[clients..]
                .iter()
                .all(|command| !matches!(command.request, Request::Transaction(..))),
            "clients go first"
        );
        (clients, group.len() - clients)
    }

    #[tokio::test]
    async fn group_has_clients_first_and_a_remote_batch() {
        let queue = Queue::new();
        for _ in 0..10 {
            queue.submit(Priority::Remote, batch()).await.unwrap();
        }
        for _ in 0..GROUP_CLIENTS_MAX + 7 {
            queue.submit(Priority::Client, transaction()).await.unwrap();
        }
        assert_eq!(next_group(&queue), (GROUP_CLIENTS_MAX, 1));
        assert_eq!(next_group(&queue), (7, 1));
        assert_eq!(next_group(&queue), (0, GROUP_REMOTES_MAX));
        assert_eq!(next_group(&queue), (0, 0));
    }

    #[tokio::test]
    async fn full_queue_makes_callers_wait_until_a_group_is_taken() {
        let queue = Queue::new();
        for _ in 0..REMOTES_WAITING_MAX {
            queue.submit(Priority::Remote, batch()).await.unwrap();
        }
        let mut outside = std::pin::pin!(queue.submit(Priority::Remote, batch()));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(outside.as_mut().poll(&mut context).is_pending());
        assert_eq!(next_group(&queue), (0, GROUP_REMOTES_MAX));
        outside.await.unwrap();
    }

    /// Without draining, waiting commands are answered with [`StoreError::Closed`].
    #[tokio::test]
    async fn only_a_draining_stop_keeps_waiting_commands() {
        let queue = Queue::new();
        let (to, answer) = oneshot::channel();
        queue.submit(Priority::Client, transaction()).await.unwrap();
        queue.stop(true);
        assert_eq!(
            queue.submit(Priority::Client, transaction()).await,
            Err(StoreError::Closed)
        );
        assert_eq!(next_group(&queue), (1, 0));
        let queue = Queue::new();
        queue
            .submit(Priority::Client, Request::Transaction(Vec::new(), to))
            .await
            .unwrap();
        queue.stop(false);
        assert!(matches!(queue.next(&mut queue.lock()), Next::Stop));
        assert!(matches!(answer.await, Ok(Err(CommitError::Store(StoreError::Closed)))));
    }
}
