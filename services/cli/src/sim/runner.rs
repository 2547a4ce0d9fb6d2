//! Runs of plans, each on a thread of its own, as many at once as there are processors.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::exit,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use beringia_scenario::Plan;
use beringia_simulator::{Outcome, Stuck, in_virtual_time};

use crate::{failure::Failure, output};

/// How long virtual time may stand still: far longer than anything takes between two timers.
const STUCK_AFTER: Duration = Duration::from_secs(300);

/// A run that is to be done.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// What happens.
    pub(crate) plan: Plan,
    /// The command that does it again.
    pub(crate) replay: String,
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
    let run = || in_virtual_time(&name, STUCK_AFTER, on_stuck, beringia_simulator::run(&job.plan));
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

/// Plays all, at most `at_once` at a time, and hands over what came of each in the order of the jobs: it does not depend on which was done
/// first. `begun` is called as runs are taken up, with how many are done.
pub(crate) fn play_all(
    jobs: &[Job],
    at_once: usize,
    done: impl Fn(usize) + Sync,
    mut take: impl FnMut(usize, Played) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let finished = AtomicUsize::new(0);
    thread::scope(|scope| {
        // Bounded: what is played far ahead of a slow run would only fill the memory with outcomes.
        let (send, receive) = mpsc::sync_channel::<(usize, Played)>(at_once);
        for _ in 0..at_once.min(jobs.len()) {
            let (send, next, finished, done) = (send.clone(), &next, &finished, &done);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { return };
                    let played = play(job);
                    done(finished.fetch_add(1, Ordering::Relaxed) + 1);
                    if send.send((index, played)).is_err() {
                        // Nobody takes any more.
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut early = std::collections::BTreeMap::new();
        let mut expected = 0;
        for (index, played) in receive {
            early.insert(index, played);
            while let Some(played) = early.remove(&expected) {
                take(expected, played)?;
                expected += 1;
            }
        }
        Ok(())
    })
}
