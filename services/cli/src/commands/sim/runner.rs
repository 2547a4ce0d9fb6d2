//! Plays plans, each on a thread of its own, as many at once as there are processors.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    process::exit,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use beringia_scenario::Plan;
use beringia_simulator::{
    Conditions, SimulationError, SimulationOutcome, StoreKind, Stuck, in_virtual_time, run_under,
};
use parking_lot::Mutex;

use crate::{error::CommandError, output};

/// How long, in real time, virtual time may stand still: far longer than any computation between
/// two timers.
const STUCK_AFTER: Duration = Duration::from_secs(300);

/// How many jobs per thread may be running or done while an earlier one is not: enough to keep the
/// threads busy beside a slow run, and few enough to keep their results in memory.
const AHEAD: usize = 8;

/// A run to play, on any of the threads.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// The scenario with everything drawn from the seed.
    pub(crate) plan: Plan,
    /// The command that repeats the run.
    pub(crate) replay: String,
    /// The values of the settings that vary, where runs are compared by them.
    pub(crate) values: Vec<String>,
    /// The storage backend of every region.
    pub(crate) store: StoreKind,
    /// Whether to record the trace, which is long.
    pub(crate) is_traced: bool,
}

/// Why a run has no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSimulated {
    /// The simulation stopped with an error.
    #[error(transparent)]
    Stopped(#[from] SimulationError),
    /// The run panicked. The panic hook has printed the message.
    #[error("the run panicked")]
    Panicked,
}

/// The result of a run: its outcome, or why it has none.
pub(crate) type Played = Result<SimulationOutcome, NotSimulated>;

/// Plays a plan on this thread.
pub(crate) fn play(job: &Job) -> Played {
    let replay = job.replay.clone();
    let on_stuck = move |stuck: Stuck| {
        let Stuck {
            name,
            virtual_ms,
            for_at_least,
        } = stuck;
        let seconds = for_at_least.as_secs();
        // The stuck thread cannot be interrupted, so nothing orderly can follow.
        output::failure(&CommandError::CheckFailed(format!(
            "{name}: virtual time has not advanced from {virtual_ms} ms for {seconds} s: a task computes without end or blocks the \
             thread\nagain: {replay}"
        )));
        exit(1);
    };
    let name = format!("{}, seed {}", job.plan.scenario.name, job.plan.seed);
    let conditions = Conditions {
        store: job.store,
        is_traced: job.is_traced,
        ..Conditions::default()
    };
    let run = || in_virtual_time(&name, STUCK_AFTER, on_stuck, run_under(&job.plan, conditions));
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(mut outcome)) => {
            outcome.run.replay.clone_from(&job.replay);
            Ok(outcome)
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(NotSimulated::Panicked),
    }
}

/// Plays jobs one after the other, until it is stopped.
pub(crate) struct OneByOne {
    sender: mpsc::Sender<Option<Played>>,
    results: mpsc::Receiver<Option<Played>>,
}

impl OneByOne {
    /// Passes to `stoppable` a function that stops the runs.
    pub(crate) fn new<E>(stoppable: impl FnOnce(Box<dyn Fn() + Send>) -> Result<(), E>) -> Result<Self, E> {
        let (sender, results) = mpsc::channel();
        let stop = sender.clone();
        // Fails if the receiver is gone: then no run is in progress.
        stoppable(Box::new(move || drop(stop.send(None))))?;
        Ok(Self { sender, results })
    }

    /// Plays a job and returns its result; `None` once stopped. A run in progress is not awaited
    /// then; its thread ends with the process.
    pub(crate) fn play(&self, job: Job) -> Option<Played> {
        let sender = self.sender.clone();
        // Fails if the receiver is gone: then the result is not needed.
        thread::spawn(move || drop(sender.send(Some(play(&job)))));
        self.results.recv().ok().flatten()
    }
}

/// Whether [`in_order`] finished all jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Every job is done, and its result was passed on.
    Done,
    /// It was stopped; the jobs that were done by then were passed on.
    Stopped,
}

/// A message to the thread that passes results on.
enum RunnerMessage<J, P> {
    Played(u64, J, P),
    Stop,
}

/// Plays all jobs on `threads` threads, and passes each job with its result to `take`, in the order
/// of the jobs, whichever is done first. Jobs are drawn from the iterator when a thread can take
/// them, at most [`AHEAD`] per thread before an earlier result is passed on, so that neither their
/// number nor a slow one fills the memory. `stoppable` gets a function that stops it: then the
/// finished results are passed on, and jobs in progress are not awaited; their threads end with the
/// process. `done` is called with the number of finished jobs.
pub(crate) fn in_order<J: Send + 'static, P: Send + 'static, E>(
    mut jobs: impl Iterator<Item = J>,
    threads: usize,
    play: impl Fn(&J) -> P + Send + Sync + 'static,
    stoppable: impl FnOnce(Box<dyn Fn() + Send>) -> Result<(), E>,
    done: impl Fn(u64),
    mut take: impl FnMut(&J, P) -> Result<(), E>,
) -> Result<Ending, E> {
    let room = threads.saturating_mul(AHEAD) as u64;
    let (send, receive) = mpsc::channel();
    let stop = send.clone();
    // Fails if the receiver is gone: then all jobs are done.
    stoppable(Box::new(move || drop(stop.send(RunnerMessage::Stop))))?;
    // The threads end when this sender is dropped, however the loop ends.
    let mut give = Some(on_threads(threads, play, &send));
    let mut early = BTreeMap::new();
    let (mut drawn, mut finished, mut expected) = (0_u64, 0_u64, 0_u64);
    loop {
        while let Some(open) = give.as_ref().filter(|_| drawn < expected + room) {
            match jobs.next() {
                // Cannot fail: the threads end after this.
                Some(job) => drop(open.send((drawn, job))),
                None => {
                    give = None;
                    break;
                }
            }
            drawn += 1;
        }
        if give.is_none() && finished == drawn {
            return Ok(Ending::Done);
        }
        // Cannot fail: this thread has a sender itself.
        let Ok(RunnerMessage::Played(number, job, played)) = receive.recv() else {
            for (job, played) in early.into_values() {
                take(&job, played)?;
            }
            return Ok(Ending::Stopped);
        };
        finished += 1;
        done(finished);
        early.insert(number, (job, played));
        while let Some((job, played)) = early.remove(&expected) {
            take(&job, played)?;
            expected += 1;
        }
    }
}

/// Starts threads that play the jobs they are given and send back the results. They end when the
/// returned sender is dropped.
fn on_threads<J: Send + 'static, P: Send + 'static>(
    threads: usize,
    play: impl Fn(&J) -> P + Send + Sync + 'static,
    results: &mpsc::Sender<RunnerMessage<J, P>>,
) -> mpsc::Sender<(u64, J)> {
    let (give, given) = mpsc::channel::<(u64, J)>();
    let shared = Arc::new((Mutex::new(given), play));
    for _ in 0..threads {
        let (results, shared) = (results.clone(), Arc::clone(&shared));
        thread::spawn(move || {
            let (given, play) = &*shared;
            loop {
                let next = given.lock().recv();
                let Ok((number, job)) = next else { return };
                let played = play(&job);
                if results.send(RunnerMessage::Played(number, job, played)).is_err() {
                    // The receiver is gone: no result is needed any more.
                    return;
                }
            }
        });
    }
    give
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        convert::Infallible,
        sync::atomic::{AtomicBool, Ordering},
    };

    use super::*;

    fn never<E>(_: Box<dyn Fn() + Send>) -> Result<(), E> {
        Ok(())
    }

    #[test]
    fn passes_results_on_in_the_order_of_the_jobs() {
        let mut taken = Vec::new();
        // The first job ends only after the second.
        let (second, first) = mpsc::channel();
        let first = Mutex::new(first);
        let play = move |job: &u64| {
            match job {
                0 => first.lock().recv().unwrap(),
                1 => second.send(()).unwrap(),
                _ => {}
            }
            job * 10
        };
        let take = |job: &u64, played| {
            taken.push((*job, played));
            Ok::<(), Infallible>(())
        };
        let ending = in_order(0..4, 2, play, never, |_| {}, take);
        assert_eq!(ending, Ok(Ending::Done));
        assert_eq!(taken, [(0, 0), (1, 10), (2, 20), (3, 30)]);
    }

    /// A job that is still running at the stop is not awaited.
    #[test]
    fn passes_finished_results_on_when_stopped() {
        let taken = RefCell::new(Vec::new());
        let stop = RefCell::new(None);
        let stoppable = |asked: Box<dyn Fn() + Send>| {
            *stop.borrow_mut() = Some(asked);
            Ok::<(), Infallible>(())
        };
        // The second job does not end while the test runs.
        let (_never, second) = mpsc::channel::<()>();
        let second = Mutex::new(second);
        let play = move |job: &u64| {
            if *job == 1 {
                let _ = second.lock().recv();
            }
            job * 10
        };
        let enough = 5;
        let stop_then = |done| {
            if done == enough {
                stop.borrow().as_ref().unwrap()();
            }
        };
        let take = |job: &u64, played| {
            taken.borrow_mut().push((*job, played));
            Ok(())
        };
        assert_eq!(
            in_order(0..u64::MAX, 2, play, stoppable, stop_then, take),
            Ok(Ending::Stopped)
        );
        let taken = taken.into_inner();
        let jobs: Vec<u64> = taken.iter().map(|(job, _)| *job).collect();
        assert!(jobs.starts_with(&[0, 2, 3, 4, 5]) && jobs.is_sorted(), "{jobs:?}");
        assert!(taken.iter().all(|(job, played)| *played == job * 10));
    }

    #[test]
    fn draws_a_bounded_number_of_jobs_ahead() {
        let (drawn, taken) = (Cell::new(0_u64), Cell::new(0_u64));
        let jobs = (0..u64::MAX).inspect(|_| drawn.set(drawn.get() + 1));
        let (threads, enough) = (3, 100);
        // The first job is slow: it ends only when as many jobs as may be ahead of it have begun.
        let last_ahead = threads as u64 * AHEAD as u64 - 1;
        let is_ahead = AtomicBool::new(false);
        let play = move |job: &u64| match *job {
            0 => {
                while !is_ahead.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
            }
            job if job == last_ahead => is_ahead.store(true, Ordering::Relaxed),
            _ => {}
        };
        let result = in_order(
            jobs,
            threads,
            play,
            never,
            |_| {},
            |_, ()| {
                assert!(
                    drawn.get() <= taken.get() + last_ahead + 1,
                    "{} drawn, {} taken",
                    drawn.get(),
                    taken.get()
                );
                taken.set(taken.get() + 1);
                if taken.get() < enough { Ok(()) } else { Err("enough") }
            },
        );
        assert_eq!((result, taken.get()), (Err("enough"), enough));
    }
}
