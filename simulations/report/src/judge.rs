//! Judges a run: the expectations of its scenario, and what every run promises.

use std::time::Duration;

use beringia_scenario::{Count, Expectations};

use crate::{
    FaultKind, FaultSpan, LoadSource, Player, RegionSecond, ReportedBacklog, Run, Verdict,
    format::{and_unshipped, and_with_disk, bytes, count, duration, duration_ms, percent},
};

/// The precision of times in simulation: a microsecond.
const SAME_SECONDS: f64 = 1e-6;
/// The precision of times in a drill: commits, and the beginning of the load, have milliseconds of
/// one clock each.
const CLOCK_SECONDS: f64 = 0.002;

/// The RPO if applications lost writes with a disk, and the region did not report its backlog.
pub(crate) const UNKNOWN_LOSS: &str = "unknown: the region did not report its backlog";

/// Adds the verdicts to the run, and returns whether all hold. An expectation of something that did
/// not happen in the run (a convergence, a moved client, a replicated write) does not hold. Bounds
/// of the RPO are the exception: where no disk was lost, nothing was lost, and they hold.
pub fn judge(expected: &Expectations, run: &mut Run) -> bool {
    let mut verdicts = always(run);
    verdicts.extend(of_disks_and_failovers(expected, run));
    verdicts.extend(of_drains(expected, run));
    verdicts.extend(of_convergence(expected, run));
    verdicts.extend(of_availability(expected, run));
    verdicts.extend(of_lag(expected, run));
    verdicts.extend(of_conflicts_and_anomalies(expected, run));
    run.verdicts = verdicts;
    run.holds()
}

impl Run {
    /// Whether all expectations hold; `false` for a run that was not judged.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.verdicts.is_empty() && self.verdicts.iter().all(|verdict| verdict.holds)
    }

    /// The convergences during which nothing else kept regions apart.
    pub fn undisturbed(&self) -> impl Iterator<Item = &crate::Convergence> {
        self.convergences.iter().filter(|convergence| !convergence.disturbed)
    }

    /// The number of conflicts, each counted once.
    #[must_use]
    pub fn conflict_count(&self) -> u64 {
        self.conflicts.iter().map(|cell| cell.count).sum()
    }

    /// The share of the operations due in a region that were answered, in percent; `None` where
    /// none were due.
    #[must_use]
    pub fn availability(&self, region: &str) -> Option<f64> {
        let seconds = self.seconds.iter().filter(|second| second.region == region);
        let (due, answered) = seconds.fold((0, 0), |(due, answered), second| {
            (due + second.due, answered + second.answered)
        });
        (due > 0).then(|| answered as f64 * 100.0 / due as f64)
    }

    /// Whether a region's process and disk had no fault in a second, in the one before and in the
    /// one after: an operation that was due just before a fault may fail because of it, and one
    /// that waited for its end may take some time. Regions that operators drain, pause or otherwise
    /// operate on count as faulty.
    fn is_healthy(&self, region: &str, second: u64) -> bool {
        let (from_ms, until_ms) = (second.saturating_sub(1) * 1000, (second + 2) * 1000);
        let touches = |fault: &&FaultSpan| {
            let is_meant = match fault.kind {
                FaultKind::Region | FaultKind::Disk | FaultKind::Operation => true,
                FaultKind::Partition | FaultKind::Network | FaultKind::Clock | FaultKind::Traffic => false,
            };
            is_meant && fault.regions.iter().any(|touched| touched == region)
        };
        let mut touching = self.faults.iter().filter(touches);
        touching.all(|fault| fault.from_ms >= until_ms || fault.until_ms.is_some_and(|until| until <= from_ms))
    }

    /// How often an anomaly was visible to clients.
    #[must_use]
    pub fn anomaly_count(&self, name: &str) -> u64 {
        let named = self.anomalies.iter().filter(|anomaly| anomaly.name == name);
        named.map(|anomaly| anomaly.count).sum()
    }
}

fn always(run: &Run) -> Vec<Verdict> {
    let writes = &run.writes;
    let mut verdicts = vec![
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
    ];
    // Nothing can break in a run without operations, so it proves nothing.
    let due: u64 = run.seconds.iter().map(|second| second.due).sum();
    if due == 0 {
        verdicts.push(Verdict {
            expected: "operations were sent".to_owned(),
            measured: "none were due, so nothing was tested".to_owned(),
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
    // A backlog that was read from outside is slightly older than the loss; what arrived in between
    // makes it an upper bound.
    let exact = run.player == Player::Sim;
    // Where a region did not report a backlog, there is nothing to compare with.
    let reports = run
        .disk_losses
        .iter()
        .filter_map(|loss| Some((loss, loss.reported_backlog?)));
    verdicts.extend(reports.map(|(loss, reported)| Verdict {
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
    }));
    verdicts
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

fn of_disks_and_failovers(expected: &Expectations, run: &Run) -> Vec<Verdict> {
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
    if let Some(most) = expected.rto_max {
        let times: Vec<Option<u64>> = run.failovers.iter().map(crate::Failover::rto_ms).collect();
        verdicts.push(within(
            &format!("RTO at most {}", duration(most)),
            &times,
            most,
            "no traffic was moved",
        ));
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
        &format!("drained within {}", duration(most)),
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
    if let Some(most) = expected.converged_within {
        let times: Vec<Option<u64>> = run.undisturbed().map(|convergence| convergence.elapsed_ms).collect();
        verdicts.push(within(
            &format!("converged within {}", duration(most)),
            &times,
            most,
            nothing,
        ));
    }
    if let Some(most) = expected.converged_ratio_max {
        // Where nothing had to be sent, there is no bound to compare with.
        let bounded = run.undisturbed().filter(|convergence| convergence.bound_ms > 0.0);
        let ratios: Vec<Option<f64>> = bounded.map(crate::Convergence::ratio).collect();
        let worst = ratios.iter().flatten().copied().fold(0.0, f64::max);
        verdicts.push(Verdict {
            expected: format!("converged within {most} times the lower bound"),
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

fn of_availability(expected: &Expectations, run: &Run) -> Vec<Verdict> {
    let of_all = expected.availability.get("*");
    let mut verdicts = Vec::new();
    for region in &run.regions {
        let named = expected.availability.get(region);
        let measured = run.availability(region);
        // `*` stands for all regions that have clients.
        let Some(least) = named.or(of_all.filter(|_| measured.is_some())) else {
            continue;
        };
        verdicts.push(Verdict {
            expected: format!("{region} available at least {}", percent(least.percent_min)),
            measured: measured.map_or_else(|| "no operations were due".to_owned(), percent),
            holds: measured.is_some_and(|measured| measured >= least.percent_min),
        });
    }
    let least = expected.available_when_healthy;
    verdicts.extend(least.map(|least| available_when_healthy(run, least)));
    verdicts
}

/// Checks the availability of every region in the seconds in which its process and its disk had no
/// fault.
fn available_when_healthy(run: &Run, least: f64) -> Verdict {
    let worst = run.regions.iter().filter_map(|region| {
        let was_healthy = |second: &&RegionSecond| second.region == *region && run.is_healthy(region, second.second);
        let (due, answered) = run
            .seconds
            .iter()
            .filter(was_healthy)
            .fold((0, 0), |(due, answered), second| {
                (due + second.due, answered + second.answered)
            });
        (due > 0).then(|| (answered as f64 * 100.0 / due as f64, region))
    });
    let worst = worst.min_by(|one, other| one.0.total_cmp(&other.0));
    Verdict {
        expected: format!("regions without faults available at least {}", percent(least)),
        measured: worst.map_or_else(
            || "no region was without faults while operations were due".to_owned(),
            |(share, region)| format!("{} ({region})", percent(share)),
        ),
        holds: worst.is_some_and(|(share, _)| share >= least),
    }
}

fn of_lag(expected: &Expectations, run: &Run) -> Vec<Verdict> {
    let busy = || run.pairs.iter().filter(|pair| pair.lag_ms.count > 0);
    let bound = |name: &str, most: Duration, lag: fn(&crate::Pair) -> f64| {
        let worst = busy().max_by(|one, other| lag(one).total_cmp(&lag(other)));
        Verdict {
            expected: format!("{name} at most {}", duration(most)),
            measured: worst.map_or_else(
                || "nothing was replicated".to_owned(),
                |pair| format!("{} ({} → {})", duration_ms(lag(pair)), pair.from, pair.to),
            ),
            holds: worst.is_some_and(|pair| lag(pair) <= most.as_secs_f64() * 1000.0),
        }
    };
    let greatest = expected.lag_max.map(|most| bound("lag", most, |pair| pair.lag_ms.max));
    let p99 = expected
        .lag_p99_max
        .map(|most| bound("p99 of lag", most, |pair| pair.lag_ms.p99));
    greatest.into_iter().chain(p99).collect()
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
