//! The runtime of a simulation: one thread, virtual time, and a watchdog in real time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// How often, in virtual time, a run shows that it makes progress. A run that waits for nothing but
/// this heartbeat still makes progress; its own time limits end it.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// A run whose virtual time does not advance because a task computes without end or blocks the
/// thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The name of the run.
    pub name: String,
    /// The virtual time that the run reached, in milliseconds.
    pub virtual_ms: u64,
    /// The real time for which it has not advanced.
    pub for_at_least: Duration,
}

/// Runs a future to its end on a thread with virtual time. If virtual time does not advance for
/// `patience` of real time, `on_stuck` is called from another thread. It should end the process,
/// because the stuck thread cannot be interrupted.
///
/// # Panics
/// If the system provides no thread, and if the future panics.
pub fn in_virtual_time<T>(
    name: &str,
    patience: Duration,
    on_stuck: impl FnOnce(Stuck) + Send + 'static,
    future: impl Future<Output = T>,
) -> T {
    let virtual_ms = Arc::new(AtomicU64::new(0));
    let (running, stopped) = channel::<()>();
    let watched = Arc::clone(&virtual_ms);
    let name = name.to_owned();
    let watchdog = thread::spawn(move || {
        let mut seen = None;
        while stopped.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            let now = watched.load(Ordering::Relaxed);
            if seen.replace(now) == Some(now) {
                on_stuck(Stuck {
                    name,
                    virtual_ms: now,
                    for_at_least: patience,
                });
                return;
            }
        }
    });
    let result = run(virtual_ms, future);
    drop(running);
    // The watchdog only waits for the end of the run. A panic in `on_stuck` concerns only its
    // caller.
    let _ = watchdog.join();
    result
}

#[expect(
    clippy::expect_used,
    reason = "a runtime with a clock and no drivers needs nothing that could be missing"
)]
fn run<T>(virtual_ms: Arc<AtomicU64>, future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime in this thread").block_on(async {
        let began = Instant::now();
        let heart = tokio::spawn(async move {
            loop {
                let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                virtual_ms.store(elapsed_ms, Ordering::Relaxed);
                sleep(HEARTBEAT).await;
            }
        });
        let result = future.await;
        heart.abort();
        result
    })
}
