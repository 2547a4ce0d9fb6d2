//! The tasks of one region, which end together.

use hyper::rt::Executor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Where a region's tasks are spawned. Clones are the same scope.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    ended: CancellationToken,
    tasks: TaskTracker,
}

impl Scope {
    /// Runs the task until it is done or the scope ends, whichever is first.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let ended = self.ended.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = ended.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Ends all tasks: none of them gets any further than where it waits now.
    pub(crate) fn end(&self) {
        self.ended.cancel();
        self.tasks.close();
    }

    /// Waits until all tasks are gone. Only after [`Scope::end`].
    pub(crate) async fn gone(&self) {
        self.tasks.wait().await;
    }
}

/// So that the tasks of hyper and tonic end with the region too.
impl<F> Executor<F> for Scope
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        self.spawn(async move {
            task.await;
        });
    }
}
