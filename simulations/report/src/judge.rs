//! Judges a run: the expectations of its scenario, and what every run promises.

use std::time::Duration;

use beringia_scenario::{Count, Expectations};

use crate::{
    Convergence, LoadSource, Pair, Player, ReportedBacklog, Run, Verdict,
    allowance::{allowed, bound_in_words},
    application_service,
    format::{and_unshipped, and_with_disk, bytes, count, duration, duration_ms, percent},
    recorder::whole_millis,
    served::{of_availability, of_recovery},
};

/// The precision of times in simulation: a microsecond.
const SAME_SECONDS: f64 = 1e-6;
/// The precision of times in a drill: commits, and the beginning of the load, have milliseconds of
/// one clock each.
pub(crate) const CLOCK_SECONDS: f64 = 0.002;

/// The RPO if applications lost writes with a disk, and the region did not report its backlog.
pub(crate) const UNKNOWN_LOSS: &str = "unknown: the region did not report its backlog";

/// Adds the verdicts to the run, and returns whether all hold. An expectation of something that did
/// not happen in the run (a convergence, an operation, a replicated write) does not hold. Bounds of
/// the RPO and of the RTO are the exception: where no disk was lost, nothing was lost, and where no
/// operation failed, nobody waited; they hold.
pub fn judge(expected: &Expectations, run: &mut Run) -> bool {
    for convergence in &mut run.convergences {
        convergence.is_late = latest_ms(expected, convergence).is_some_and(|most_ms| convergence.took_longer(most_ms));
    }
    let mut verdicts = always(run);
    verdicts.extend(of_disks(expected, run));
    verdicts.extend(of_recovery(expected, run));
    verdicts.extend(of_drains(expected, run));
    verdicts.extend(of_convergence(expected, run));
    verdicts.extend(of_availability(expected, run));
    verdicts.extend(application_service::verdicts(expected, run));
    verdicts.extend(of_lag(expected, run));
    verdicts.extend(of_conflicts_and_anomalies(expected, run));
    run.verdicts = verdicts;
    run.allowance_ms = whole_millis(expected.allowance);
    run.holds()
}

impl Run {
    /// Whether all expectations hold; `false` for a run that was not judged.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.verdicts.is_empty() && self.verdicts.iter().all(|verdict| verdict.holds)
    }

    /// The convergence that took longest, of those that are judged: nothing else kept regions apart
    /// meanwhile, or they were late already when it began to. One that did not end comes first.
    #[must_use]
    pub fn slowest_convergence(&self) -> Option<&Convergence> {
        let judged = self
            .convergences
            .iter()
            .filter(|one| one.disturbed_after_ms.is_none() || one.is_late);
        judged.max_by_key(|one| one.elapsed_ms.unwrap_or(u64::MAX))
    }

    /// The convergences during which nothing else kept regions apart.
    pub fn undisturbed(&self) -> impl Iterator<Item = &Convergence> {
        self.convergences
            .iter()
            .filter(|convergence| convergence.disturbed_after_ms.is_none())
    }

    /// The number of conflicts, each counted once.
    #[must_use]
    pub fn conflict_count(&self) -> u64 {
        self.conflicts.iter().map(|cell| cell.count).sum()
    }

    /// How often an anomaly was visible to clients.
    #[must_use]
    pub fn anomaly_count(&self, name: &str) -> u64 {
        let named = self.anomalies.iter().filter(|anomaly| anomaly.name == name);
        named.map(|anomaly| anomaly.count).sum()
    }
}

/// What every run promises.
fn always(run: &Run) -> Vec<Verdict> {
    let mut verdicts = of_promises(run);
    verdicts.extend(of_completeness(run));
    verdicts.extend(of_reported_backlogs(run));
    verdicts
}

fn of_promises(run: &Run) -> Vec<Verdict> {
    let writes = &run.writes;
    vec![
        Verdict {
            expected: if writes.lost_with_disk == 0 {
                "no durability loss".to_owned()
            } else {
                "no durability loss except with a disk".to_owned()
            },
            measured: format!(
                "{} of {} acknowledged writes{} lost{}{}; {} ({}) overwritten by concurrent writes",
                count(writes.lost),
                count(writes.acknowledged),
                whose(run.clients),
                and_with_disk(writes.lost_with_disk),
                and_unshipped(writes.unshipped),
                count(writes.lost_to_conflicts),
                percent(writes.lost_to_conflicts as f64 * 100.0 / writes.acknowledged.max(1) as f64),
            ),
            holds: writes.lost == 0,
        },
        Verdict {
            expected: "no promise broken".to_owned(),
            measured: match run.violations.as_slice() {
                [] => "none broken".to_owned(),
                [one] => one.clone(),
                [first, others @ ..] => format!("{first} (and {} more)", count(others.len() as u64)),
            },
            holds: run.violations.is_empty(),
        },
    ]
}

/// Whether the run did what it was to do, and everything in it could be judged.
fn of_completeness(run: &Run) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    // Nothing can break in a run without operations, so it proves nothing.
    let due: u64 = run.seconds.iter().map(|second| second.due).sum();
    if due == 0 {
        verdicts.push(Verdict {
            expected: "operations were sent".to_owned(),
            measured: "none were due, so nothing was tested".to_owned(),
            holds: false,
        });
    } else if run.seconds.iter().all(|second| second.answered == 0) {
        verdicts.push(Verdict {
            expected: "operations were answered".to_owned(),
            measured: format!("none of {}, so nothing was tested", count(due)),
            holds: false,
        });
    }
    if run.undecided > 0 {
        verdicts.push(Verdict {
            expected: "consistency inside every region decided".to_owned(),
            measured: format!(
                "not decided for {} keys of regions: the search took too long",
                count(run.undecided)
            ),
            holds: false,
        });
    }
    if let Some(first) = run.not_played.first() {
        verdicts.push(Verdict {
            expected: "every event of the timeline happened".to_owned(),
            measured: format!("{} did not, the first: {first}", run.not_played.len()),
            holds: false,
        });
    }
    verdicts
}

fn of_reported_backlogs(run: &Run) -> impl Iterator<Item = Verdict> {
    // A backlog that was read from outside is slightly older than the loss; what arrived in between
    // makes it an upper bound.
    let exact = run.player == Player::Sim;
    // Where a region did not report a backlog, there is nothing to compare with.
    let reports = run
        .disk_losses
        .iter()
        .filter_map(|loss| Some((loss, loss.reported_backlog?)));
    reports.map(move |(loss, reported)| Verdict {
        expected: if exact {
            format!("RPO of {} is the backlog that it reported", loss.region)
        } else {
            format!(
                "loss{} with {} is at most the backlog that it reported",
                whose(run.clients),
                loss.region
            )
        },
        measured: format!(
            "{} lost; {} reported",
            loss_in_words(loss.writes, loss.bytes, loss.seconds),
            loss_in_words(reported.writes, reported.bytes, reported.seconds)
        ),
        holds: if exact {
            loss.writes == reported.writes
                && loss.bytes == reported.bytes
                && (loss.seconds - reported.seconds).abs() < SAME_SECONDS
        } else {
            // The bytes of requests and those of the records in a log cannot be compared.
            loss.writes <= reported.writes && loss.seconds <= reported.seconds + CLOCK_SECONDS
        },
    })
}

/// The clients whose operations a number counts, if not all.
pub(crate) fn whose(clients: LoadSource) -> &'static str {
    match clients {
        LoadSource::Scenario => "",
        LoadSource::ScenarioAndApplications => " of the scenario's own",
        LoadSource::ApplicationsAndProbes => " of the probes' own",
    }
}

/// A loss as text: writes, bytes and the age of the oldest write.
fn loss_in_words(writes: u64, lost_bytes: u64, seconds: f64) -> String {
    format!(
        "{}, {}, {}",
        writes_in_words(writes),
        bytes(lost_bytes),
        duration_ms(seconds * 1000.0)
    )
}

fn of_disks(expected: &Expectations, run: &Run) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    // `None`: for one of the disks, what only it had is unknown.
    let losses: Option<Vec<ReportedBacklog>> = run.disk_losses.iter().map(|loss| loss.rpo(run.clients)).collect();
    if let Some(most) = expected.rpo_writes_max {
        let worst = losses
            .as_ref()
            .map(|losses| losses.iter().map(|loss| loss.writes).max().unwrap_or(0));
        verdicts.push(Verdict {
            expected: format!("RPO at most {}", writes_in_words(most)),
            measured: worst.map_or_else(|| UNKNOWN_LOSS.to_owned(), writes_in_words),
            holds: worst.is_some_and(|worst| worst <= most),
        });
    }
    if let Some(most) = expected.rpo_max {
        let worst = losses.map(|losses| losses.iter().map(|loss| loss.seconds).fold(0.0, f64::max));
        verdicts.push(Verdict {
            expected: format!("RPO at most {}", duration(most)),
            measured: worst.map_or_else(|| UNKNOWN_LOSS.to_owned(), |worst| duration_ms(worst * 1000.0)),
            holds: worst.is_some_and(|worst| worst <= most.as_secs_f64()),
        });
    }
    verdicts
}

/// Checks that regions were drained in time, and that traffic left none before.
fn of_drains(expected: &Expectations, run: &Run) -> Vec<Verdict> {
    let Some(most) = expected.drained_within else {
        return Vec::new();
    };
    let times: Vec<Option<u64>> = run.drains.iter().map(crate::DrainTimes::elapsed_ms).collect();
    let mut verdicts = vec![within(
        &format!("drained within {}", bound_in_words(expected, most)),
        &times,
        most,
        "nothing was drained",
    )];
    verdicts.extend(
        run.drains
            .iter()
            .filter(|drain| drain.left_ms.is_some())
            .map(|drain| Verdict {
                expected: format!("{} left only after it was drained", drain.region),
                measured: drain_in_words(drain),
                holds: !drain.was_left_early(),
            }),
    );
    verdicts
}

/// When a drain was proven, and whether traffic left the region before.
pub(crate) fn drain_in_words(drain: &crate::DrainTimes) -> String {
    let since = |at_ms: u64| duration_ms(at_ms.saturating_sub(drain.from_ms) as f64);
    let proven = match drain.proven_ms {
        Some(proven_ms) => format!("proven {} after it was closed", since(proven_ms)),
        None => "never proven".to_owned(),
    };
    match drain.left_ms {
        Some(left_ms) if drain.was_left_early() => {
            format!("left too early, {} after it was closed; {proven}", since(left_ms))
        }
        Some(left_ms) => format!("{proven}, left {} after", since(left_ms)),
        None => proven,
    }
}

fn of_convergence(expected: &Expectations, run: &Run) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let nothing = "nothing had to converge";
    // Of those that something else interrupted, the ones whose time had run out before.
    let judged = |most_ms: &dyn Fn(&Convergence) -> f64| -> Vec<&Convergence> {
        let is_judged = |one: &&Convergence| one.disturbed_after_ms.is_none() || one.took_longer(most_ms(one));
        run.convergences.iter().filter(is_judged).collect()
    };
    let never = run.undisturbed().find(|convergence| convergence.elapsed_ms.is_none());
    if let (Some(never), None) = (never, expected.converged_within) {
        verdicts.push(Verdict {
            expected: "all tables converged".to_owned(),
            measured: format!("not before the run ended, after {}", never.after),
            holds: false,
        });
    }
    if let Some(most) = expected.converged_within {
        let judged = judged(&|_| most.as_secs_f64() * 1000.0);
        let times: Vec<Option<u64>> = judged.iter().map(|convergence| convergence.elapsed_ms).collect();
        verdicts.push(within(
            &format!("converged within {}", bound_in_words(expected, most)),
            &times,
            most,
            nothing,
        ));
    }
    if let Some(most) = expected.converged_ratio_max {
        // Where nothing had to be sent, there is no bound to compare with.
        let allowance = expected.allowance;
        let judged = judged(&|convergence| latest_by_ratio_ms(most, allowance, convergence));
        let bounded = judged.into_iter().filter(|convergence| convergence.bound_ms > 0.0);
        let ratios: Vec<Option<f64>> = bounded.map(|one| one.ratio_beyond(allowance)).collect();
        let worst = ratios.iter().flatten().copied().fold(0.0, f64::max);
        verdicts.push(Verdict {
            expected: format!("converged within {most} times the lower bound{}", allowed(expected)),
            measured: match ratios.as_slice() {
                [] => nothing.to_owned(),
                ratios if ratios.contains(&None) => "did not converge".to_owned(),
                _ => format!("{worst:.2} times"),
            },
            holds: !ratios.is_empty() && !ratios.contains(&None) && worst <= most,
        });
    }
    verdicts
}

/// The longest time that a convergence may take by the scenario, in milliseconds; `None`: any.
fn latest_ms(expected: &Expectations, convergence: &Convergence) -> Option<f64> {
    let within = expected.converged_within.map(|most| most.as_secs_f64() * 1000.0);
    let ratio = expected.converged_ratio_max.filter(|_| convergence.bound_ms > 0.0);
    let by_ratio = ratio.map(|most| latest_by_ratio_ms(most, expected.allowance, convergence));
    within.into_iter().chain(by_ratio).reduce(f64::min)
}

fn latest_by_ratio_ms(most: f64, allowance: Duration, convergence: &Convergence) -> f64 {
    convergence.bound_ms * most + allowance.as_secs_f64() * 1000.0
}

/// Checks that the greatest of some times is within a bound, and that none is missing.
fn within(expected: &str, times: &[Option<u64>], most: Duration, nothing: &str) -> Verdict {
    let worst = times.iter().flatten().max().copied();
    let (measured, holds) = match worst {
        _ if times.is_empty() => (nothing.to_owned(), false),
        _ if times.contains(&None) => ("not before the run ended".to_owned(), false),
        worst => {
            let worst = Duration::from_millis(worst.unwrap_or(0));
            (duration(worst), worst <= most)
        }
    };
    Verdict {
        expected: expected.to_owned(),
        measured,
        holds,
    }
}

fn of_lag(expected: &Expectations, run: &Run) -> Vec<Verdict> {
    let bound = |name: &str, most: Duration, lag: fn(&Pair) -> f64| {
        let busy = run.pairs.iter().filter(|pair| pair.lag_ms.count > 0);
        let worst = busy.max_by(|one, other| lag(one).total_cmp(&lag(other)));
        // Writes that never arrived have no lag, however good the lag of the others is.
        let absent = run.pairs.iter().find_map(absent_in_words);
        Verdict {
            expected: format!("{name} at most {}", bound_in_words(expected, most)),
            holds: absent.is_none() && worst.is_some_and(|pair| lag(pair) <= most.as_secs_f64() * 1000.0),
            measured: absent.unwrap_or_else(|| {
                worst.map_or_else(
                    || "nothing was replicated".to_owned(),
                    |pair| format!("{} ({} → {})", duration_ms(lag(pair)), pair.from, pair.to),
                )
            }),
        }
    };
    let greatest = expected.lag_max.map(|most| bound("lag", most, |pair| pair.lag_ms.max));
    let p99 = expected
        .lag_p99_max
        .map(|most| bound("p99 of lag", most, |pair| pair.lag_ms.p99));
    greatest.into_iter().chain(p99).collect()
}

/// The writes of a pair of regions that never arrived, as text; `None`: all that were due did.
pub(crate) fn absent_in_words(pair: &Pair) -> Option<String> {
    let Pair { from, to, .. } = pair;
    if pair.missing > 0 {
        let (writes, age) = (writes_in_words(pair.missing), duration_ms(pair.missing_ms as f64));
        return Some(format!("{writes} never arrived in {age} ({from} → {to})"));
    }
    let is_silent = pair.due > 0 && pair.lag_ms.count == 0;
    is_silent.then(|| format!("none of {} arrived ({from} → {to})", writes_in_words(pair.due)))
}

fn of_conflicts_and_anomalies(expected: &Expectations, run: &Run) -> Vec<Verdict> {
    let conflicts = expected
        .conflicts
        .iter()
        .map(|bounds| of_count("conflicts", *bounds, run.conflict_count()));
    let anomalies = expected.anomalies.iter();
    conflicts
        .chain(anomalies.map(|(name, bounds)| of_count(name, *bounds, run.anomaly_count(name))))
        .collect()
}

fn of_count(name: &str, bounds: Count, measured: u64) -> Verdict {
    let expected = match (bounds.min, bounds.max) {
        (min, Some(max)) if min == max => format!("{name} exactly {}", count(min)),
        (0, Some(max)) => format!("{name} at most {}", count(max)),
        (min, Some(max)) => format!("{name} {} to {}", count(min), count(max)),
        (min, None) => format!("{name} at least {}", count(min)),
    };
    Verdict {
        expected,
        measured: count(measured),
        holds: measured >= bounds.min && bounds.max.is_none_or(|max| measured <= max),
    }
}

pub(crate) fn writes_in_words(writes: u64) -> String {
    if writes == 1 {
        "1 write".to_owned()
    } else {
        format!("{} writes", count(writes))
    }
}
