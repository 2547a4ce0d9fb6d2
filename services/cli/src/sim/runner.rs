//! Runs of plans, each on a thread of its own, as many at once as there are processors.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    process::exit,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use beringia_scenario::Plan;
use beringia_simulator::{Conditions, Outcome, Stuck, in_virtual_time, run_under};

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
    /// Whether somebody wants the trace, which is long.
    pub(crate) is_traced: bool,
}

/// What came of a run: its outcome, or in words why it has none.
pub(crate) type Played = Result<Outcome, String>;

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
        is_traced: job.is_traced,
        ..Conditions::default()
    };
    let run = || in_virtual_time(&name, STUCK_AFTER, on_stuck, run_under(&job.plan, conditions));
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(mut outcome)) => {
            outcome.run.replay.clone_from(&job.replay);
            Ok(outcome)
        }
        Ok(Err(error)) => Err(error.to_string()),
        // The panic itself was printed where it happened.
        Err(_) => Err("the run panicked".to_owned()),
    }
}

/// Plays all on so many threads, and hands over each with what came of it in the order of the jobs: it does not depend on which was done
/// first. Jobs are drawn from the iterator as they are taken up, at most [`AHEAD`] per thread before an earlier one is handed over; so
/// neither their number nor a slow one fills the memory. `done` is called with how many are done.
pub(crate) fn in_order<J: Send, P: Send, E>(
    mut jobs: impl Iterator<Item = J>,
    threads: usize,
    play: impl Fn(&J) -> P + Sync,
    done: impl Fn(u64),
    mut take: impl FnMut(&J, P) -> Result<(), E>,
) -> Result<(), E> {
    let room = threads.saturating_mul(AHEAD) as u64;
    let (give, given) = mpsc::channel::<(u64, J)>();
    let given = Mutex::new(given);
    thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        for _ in 0..threads {
            let (send, given, play) = (send.clone(), &given, &play);
            scope.spawn(move || {
                loop {
                    let next = given.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((number, job)) = next else { return };
                    let played = play(&job);
                    if send.send((number, job, played)).is_err() {
                        // Nobody takes any more.
                        return;
                    }
                }
            });
        }
        drop(send);
        // The threads end when this is gone, however the loop is left.
        let mut give = Some(give);
        let mut early = BTreeMap::new();
        let (mut drawn, mut finished, mut expected) = (0_u64, 0_u64, 0_u64);
        loop {
            while let Some(open) = give.as_ref().filter(|_| drawn < expected + room) {
                match jobs.next() {
                    // Cannot fail: the other end outlives the threads.
                    Some(job) => drop(open.send((drawn, job))),
                    None => {
                        give = None;
                        break;
                    }
                }
                drawn += 1;
            }
            // Ends when all threads have, which is when all jobs are done.
            let Ok((number, job, played)) = receive.recv() else {
                return Ok(());
            };
            finished += 1;
            done(finished);
            early.insert(number, (job, played));
            while let Some((job, played)) = early.remove(&expected) {
                take(&job, played)?;
                expected += 1;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        sync::atomic::{AtomicBool, Ordering},
    };

    use super::*;

    #[test]
    fn what_came_of_jobs_is_handed_over_in_their_order() {
        let mut taken = Vec::new();
        // The first is done only after the second.
        let (second, first) = mpsc::channel();
        let first = Mutex::new(first);
        let play = |job: &u64| {
            match job {
                0 => first.lock().unwrap().recv().unwrap(),
                1 => second.send(()).unwrap(),
                _ => {}
            }
            job * 10
        };
        let take = |job: &u64, played| {
            taken.push((*job, played));
            Ok::<(), ()>(())
        };
        in_order(0..4, 2, play, |_| {}, take).unwrap();
        assert_eq!(taken, [(0, 0), (1, 10), (2, 20), (3, 30)]);
    }

    #[test]
    fn jobs_without_end_are_drawn_only_a_little_ahead_of_what_is_handed_over() {
        let (drawn, taken) = (Cell::new(0_u64), Cell::new(0_u64));
        let jobs = (0..u64::MAX).inspect(|_| drawn.set(drawn.get() + 1));
        let (threads, enough) = (3, 100);
        // The first is slow: it is done only when as many as may be ahead of it are taken up.
        let last_ahead = threads as u64 * AHEAD as u64 - 1;
        let is_ahead = AtomicBool::new(false);
        let play = |job: &u64| match *job {
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
