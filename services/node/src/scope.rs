//! The tasks of one region, which end together.

use std::sync::Arc;

use futures_util::FutureExt as _;
use hyper::rt::Executor;
use parking_lot::{Mutex, MutexGuard};
use tokio::task::JoinSet;

/// Where a region's tasks are spawned. Clones are the same scope.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope(Arc<Mutex<Tasks>>);

#[derive(Debug, Default)]
struct Tasks {
    ended: bool,
    running: JoinSet<()>,
}

impl Scope {
    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.0.lock()
    }

    /// Runs the task until it is done or the scope ends, whichever is first. After the end it is dropped.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.lock();
        if tasks.ended {
            // What the task holds may spawn too when it goes.
            drop(tasks);
            return drop(task);
        }
        // Those that are done are let go here, so that there are never many more than run.
        while tasks.running.try_join_next().is_some() {}
        tasks.running.spawn(task);
    }

    /// Ends all tasks: none of them gets any further than where it waits now.
    pub(crate) fn end(&self) {
        let mut tasks = self.lock();
        tasks.ended = true;
        tasks.running.abort_all();
    }

    /// Waits until all tasks are gone. Only after [`Scope::end`].
    pub(crate) async fn gone(&self) {
        let mut running = std::mem::take(&mut self.lock().running);
        while running.join_next().await.is_some() {}
    }
}

/// So that the tasks of hyper and tonic end with the region too.
impl<F> Executor<F> for Scope
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
    async fn tasks_that_are_done_are_let_go() {
        let scope = Scope::default();
        for _ in 0..100 {
            scope.spawn(async {});
            yield_now().await;
        }
        assert!(scope.lock().running.len() < 10, "{}", scope.lock().running.len());
    }

    #[tokio::test]
    async fn an_end_drops_every_task_where_it_waits_and_none_begins_after_it() {
        let scope = Scope::default();
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
        // It is ready to go on, and does not.
        to.send(()).unwrap();
        scope.end();
        scope.gone().await;
        let counted = Arc::clone(&steps);
        scope.spawn(async move {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        yield_now().await;
        assert_eq!(steps.load(Ordering::Relaxed), 0);
        assert_eq!(Arc::strong_count(&steps), 1, "whatever they held is gone");
    }
}
