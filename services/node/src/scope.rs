//! The tasks of one region, which all end together. A panic of one of them is a failure of the
//! region.

use std::{panic::AssertUnwindSafe, sync::Arc};

use beringia_storage::panic_message;
use futures_util::FutureExt as _;
use hyper::rt::Executor;
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::SetOnce, task::JoinSet};
use tracing::{Instrument as _, Span};

/// Spawns a region's tasks. Clones share the same tasks.
#[derive(Debug, Clone)]
pub(crate) struct TaskScope {
    tasks: Arc<Mutex<Tasks>>,
    /// The first panic of a task.
    failure: Arc<SetOnce<String>>,
    /// The span in which every task runs, so that its records name the region.
    span: Span,
}

#[derive(Debug, Default)]
struct Tasks {
    ended: bool,
    running: JoinSet<()>,
}

impl TaskScope {
    /// A scope whose tasks run in the span.
    pub(crate) fn new(span: Span) -> Self {
        Self {
            tasks: Arc::default(),
            failure: Arc::default(),
            span,
        }
    }

    /// Why the region failed: one of its tasks panicked. `None` if none did.
    pub(crate) fn failed(&self) -> Option<String> {
        self.failure.get().cloned()
    }

    /// Waits until a task panics, and returns the reason of the failure.
    pub(crate) async fn failure(&self) -> String {
        self.failure.wait().await.clone()
    }

    pub(crate) const fn span(&self) -> &Span {
        &self.span
    }

    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock()
    }

    /// Runs the task until it is done or the scope ends. After the end, the task is dropped without
    /// being run.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.lock();
        if tasks.ended {
            // Dropping the task may itself spawn tasks, so the lock is released first.
            drop(tasks);
            return drop(task);
        }
        // Finished tasks are removed here, so that few of them accumulate.
        while tasks.running.try_join_next().is_some() {}
        let failure = Arc::clone(&self.failure);
        let watched = async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                let panic = panic_message(&*panic);
                tracing::error!(panic, "a task of the region panicked");
                // The first one stays.
                let _ = failure.set(format!("a task panicked: {panic}"));
            }
        };
        tasks.running.spawn(watched.instrument(self.span.clone()));
    }

    /// Ends all tasks: each is dropped where it currently waits.
    pub(crate) fn end(&self) {
        let mut tasks = self.lock();
        tasks.ended = true;
        tasks.running.abort_all();
    }

    /// Waits until all tasks are gone. Call it only after [`TaskScope::end`].
    pub(crate) async fn gone(&self) {
        let mut running = std::mem::take(&mut self.lock().running);
        while running.join_next().await.is_some() {}
    }
}

/// Makes the tasks of hyper and tonic end with the region, too.
impl<F> Executor<F> for TaskScope
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        self.spawn(task.map(drop));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::{sync::oneshot, task::yield_now};

    use super::*;

    #[tokio::test]
    async fn finished_tasks_are_removed() {
        let scope = TaskScope::new(Span::none());
        for _ in 0..100 {
            scope.spawn(async {});
            yield_now().await;
        }
        assert!(scope.lock().running.len() < 10, "{}", scope.lock().running.len());
    }

    #[tokio::test]
    async fn panic_of_a_task_is_a_failure_of_the_region() {
        let scope = TaskScope::new(Span::none());
        assert_eq!(scope.failed(), None);
        scope.spawn(async { panic!("a planted panic") });
        let reason = scope.failure().await;
        assert_eq!(reason, "a task panicked: a planted panic");
        scope.spawn(async { panic!("another one") });
        yield_now().await;
        assert_eq!(scope.failed(), Some(reason), "the first panic is the reason");
    }

    #[tokio::test]
    async fn end_drops_waiting_tasks_and_prevents_new_ones() {
        let scope = TaskScope::new(Span::none());
        let steps = Arc::new(AtomicU32::new(0));
        let (to, from) = oneshot::channel::<()>();
        for wait in [from.map(drop).boxed(), std::future::pending().boxed()] {
            let steps = Arc::clone(&steps);
            scope.spawn(async move {
                wait.await;
                steps.fetch_add(1, Ordering::Relaxed);
            });
        }
        yield_now().await;
        // It is ready to continue, and does not.
        to.send(()).unwrap();
        scope.end();
        scope.gone().await;
        let counted = Arc::clone(&steps);
        scope.spawn(async move {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        yield_now().await;
        assert_eq!(steps.load(Ordering::Relaxed), 0);
        assert_eq!(Arc::strong_count(&steps), 1, "what the tasks held is dropped");
    }
}
