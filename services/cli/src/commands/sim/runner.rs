//! Runs of plans, each on a thread of its own, as many at once as there are processors.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    process::exit,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use beringia_scenario::Plan;
use beringia_simulator::{Conditions, Outcome, SimulationError, StoreKind, Stuck, in_virtual_time, run_under};
use parking_lot::Mutex;

use crate::output;

/// How long virtual time may stand still: far longer than anything takes between two timers.
const STUCK_AFTER: Duration = Duration::from_secs(300);

/// How many jobs per thread may be under way or done while an earlier one is not: enough to keep the threads busy beside a slow run, and few
/// enough to hold in memory what came of them.
const AHEAD: usize = 8;

/// A run that is to be done.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// What happens.
    pub(crate) plan: Plan,
    /// The command that does it again.
    pub(crate) replay: String,
    /// The values of the settings that vary, where runs are compared by them.
    pub(crate) values: Vec<String>,
    /// In which storage backend regions keep their state.
    pub(crate) store: StoreKind,
    /// Whether somebody wants the trace, which is long.
    pub(crate) is_traced: bool,
}

/// Why a run has no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoOutcome {
    /// It could not go on.
    #[error(transparent)]
    Stopped(#[from] SimulationError),
    /// The panic itself was printed where it happened.
    #[error("the run panicked")]
    Panicked,
}

/// What came of a run: its outcome, or why it has none.
pub(crate) type Played = Result<Outcome, NoOutcome>;

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
        output::note(&format!(
            "error: {name}: virtual time stands still at {virtual_ms} ms for {seconds} s: a task computes without end or blocks the \
             thread\nagain: {replay}"
        ));
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
        Err(_) => Err(NoOutcome::Panicked),
    }
}

/// Plays one after the other, until it is stopped.
pub(crate) struct OneByOne {
    tell: mpsc::Sender<Option<Played>>,
    told: mpsc::Receiver<Option<Played>>,
}

impl OneByOne {
    /// `stoppable` gets what stops it.
    pub(crate) fn new<E>(stoppable: impl FnOnce(Box<dyn Fn() + Send>) -> Result<(), E>) -> Result<Self, E> {
        let (tell, told) = mpsc::channel();
        let stop = tell.clone();
        // Fails where nobody plays any more.
        stoppable(Box::new(move || drop(stop.send(None))))?;
        Ok(Self { tell, told })
    }

    /// What comes of it; `None` once it is stopped. What is under way then is not waited for; its thread ends with the process.
    pub(crate) fn play(&self, job: Job) -> Option<Played> {
        let tell = self.tell.clone();
        // Fails where nobody waits for it any more.
        thread::spawn(move || drop(tell.send(Some(play(&job)))));
        self.told.recv().ok().flatten()
    }
}

/// How [`in_order`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All jobs are done.
    Done,
    /// It was stopped; what was done by then was handed over.
    Stopped,
}

/// What comes to the thread that hands over.
enum Told<J, P> {
    Played(u64, J, P),
    Stop,
}

/// Plays all on so many threads, and hands over each with what came of it in the order of the jobs: it does not depend on which was done
/// first. Jobs are drawn from the iterator as they are taken up, at most [`AHEAD`] per thread before an earlier one is handed over; so
/// neither their number nor a slow one fills the memory. `stoppable` gets what stops it: then what is done is handed over, and what is under
/// way is not waited for; its threads end with the process. `done` is called with how many are done.
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
    // Fails where all is done already.
    stoppable(Box::new(move || drop(stop.send(Told::Stop))))?;
    // The threads end when this is gone, however the loop is left.
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
        let Ok(Told::Played(number, job, played)) = receive.recv() else {
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

/// Starts threads that play what they are given, and say what came of it. They end when nothing more can be given.
fn on_threads<J: Send + 'static, P: Send + 'static>(
    threads: usize,
    play: impl Fn(&J) -> P + Send + Sync + 'static,
    told: &mpsc::Sender<Told<J, P>>,
) -> mpsc::Sender<(u64, J)> {
    let (give, given) = mpsc::channel::<(u64, J)>();
    let shared = Arc::new((Mutex::new(given), play));
    for _ in 0..threads {
        let (told, shared) = (told.clone(), Arc::clone(&shared));
        thread::spawn(move || {
            let (given, play) = &*shared;
            loop {
                let next = given.lock().recv();
                let Ok((number, job)) = next else { return };
                let played = play(&job);
                if told.send(Told::Played(number, job, played)).is_err() {
                    // Nobody takes any more.
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
    fn what_came_of_jobs_is_handed_over_in_their_order() {
        let mut taken = Vec::new();
        // The first is done only after the second.
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

    #[test]
    fn what_is_done_when_it_is_stopped_is_handed_over_and_what_is_under_way_is_not_waited_for() {
        let taken = RefCell::new(Vec::new());
        let stop = RefCell::new(None);
        let stoppable = |asked: Box<dyn Fn() + Send>| {
            *stop.borrow_mut() = Some(asked);
            Ok::<(), Infallible>(())
        };
        // The second never ends while the test runs.
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
    fn jobs_without_end_are_drawn_only_a_little_ahead_of_what_is_handed_over() {
        let (drawn, taken) = (Cell::new(0_u64), Cell::new(0_u64));
        let jobs = (0..u64::MAX).inspect(|_| drawn.set(drawn.get() + 1));
        let (threads, enough) = (3, 100);
        // The first is slow: it is done only when as many as may be ahead of it are taken up.
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
