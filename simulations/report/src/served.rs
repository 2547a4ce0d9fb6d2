//! What users saw of a run: how available regions were, and how long users were without service.

use std::time::Duration;

use beringia_history::FailureCause;
use beringia_scenario::Expectations;

use crate::{
    FaultKind, FaultSpan, LoadSource, Outage, RegionSecond, Run, Users, Verdict,
    allowance::{allowed, bound_in_words, least_percent},
    format::{duration_ms, percent},
};

/// How many operations were due, and what became of them.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    due: u64,
    within: u64,
    answered: u64,
}

impl Share {
    fn of<'a>(seconds: impl Iterator<Item = &'a RegionSecond>) -> Self {
        seconds.fold(Self::default(), |share, second| Self {
            due: share.due + second.due,
            within: share.within + second.within,
            answered: share.answered + second.answered,
        })
    }

    /// The shares within the objective and answered, in percent; `None` where none were due.
    fn percents(self) -> Option<(f64, f64)> {
        let of_due = |number: u64| number as f64 * 100.0 / self.due as f64;
        (self.due > 0).then(|| (of_due(self.within), of_due(self.answered)))
    }
}

impl Run {
    /// The share of the operations due in a region that were answered within the objective's
    /// latency, in percent; `None` where none were due.
    #[must_use]
    pub fn availability(&self, region: &str) -> Option<f64> {
        self.shares(region).map(|(within, _)| within)
    }

    /// The share of the operations due in a region that were answered at all, however late, in
    /// percent; `None` where none were due.
    #[must_use]
    pub fn answered_percent(&self, region: &str) -> Option<f64> {
        self.shares(region).map(|(_, answered)| answered)
    }

    fn shares(&self, region: &str) -> Option<(f64, f64)> {
        let seconds = self.seconds.iter().filter(|second| second.region == region);
        Share::of(seconds).percents()
    }

    /// Whether a region's process and disk had no fault in a second, in the one before and in the
    /// one after: an operation that was due just before a fault may fail because of it, and one
    /// that waited for its end may take some time. Operations on regions, such as pauses and
    /// drains, excuse nothing.
    fn is_healthy(&self, region: &str, second: u64) -> bool {
        let (from_ms, until_ms) = (second.saturating_sub(1) * 1000, (second + 2) * 1000);
        let touches = |fault: &&FaultSpan| {
            let is_meant = match fault.kind {
                FaultKind::Region | FaultKind::Disk => true,
                FaultKind::Operation
                | FaultKind::Partition
                | FaultKind::Network
                | FaultKind::Clock
                | FaultKind::Traffic => false,
            };
            is_meant && fault.regions.iter().any(|touched| touched == region)
        };
        let mut touching = self.faults.iter().filter(touches);
        touching.all(|fault| fault.from_ms >= until_ms || fault.until_ms.is_some_and(|until| until <= from_ms))
    }

    /// Why most of the operations of these users did not succeed in an outage: the name of a cause
    /// of failures, or `late` for answers beyond the objective's latency.
    pub(crate) fn cause(&self, users: &Users, outage: &Outage) -> &'static str {
        let (from, until) = (
            outage.from_ms / 1000,
            outage.until_ms.unwrap_or(u64::MAX).div_ceil(1000),
        );
        let seconds = self.seconds.iter().filter(|second| {
            let is_meant = match users {
                Users::Home(region) => second.region == *region,
                Users::Caller(region) => second.called == *region,
                Users::All => true,
            };
            is_meant && (from..until).contains(&second.second)
        });
        let (mut late, mut failed) = (0, FailureCause::ALL.map(|cause| (cause.name(), 0)));
        for second in seconds {
            late += second.answered.saturating_sub(second.within);
            for (cause, (_, number)) in FailureCause::ALL.into_iter().zip(&mut failed) {
                *number += second.causes.of(cause);
            }
        }
        let causes = failed.into_iter().chain([("late", late)]);
        causes
            .max_by_key(|(_, number)| *number)
            .map_or("late", |(cause, _)| cause)
    }

    /// The longest time with which an answer is within the objective, as text.
    pub(crate) fn objective_in_words(&self) -> String {
        duration_ms(self.objective.p99_ms)
    }
}

/// The users of a recovery, as text.
pub(crate) fn users_in_words(run: &Run, users: &Users) -> String {
    let who = match run.clients {
        LoadSource::Scenario | LoadSource::ScenarioAndApplications => "users",
        LoadSource::ApplicationsAndProbes => "probes",
    };
    match users {
        Users::Home(region) => format!("{who} in {region}"),
        Users::Caller(region) => format!("{who} calling {region}"),
        Users::All => format!("all {who}"),
    }
}

/// Shares as text: the second only where it differs.
pub(crate) fn shares_in_words(within: f64, answered: f64) -> String {
    if within < answered {
        format!("{}, {} answered", percent(within), percent(answered))
    } else {
        percent(within)
    }
}

/// Checks the recovery time of the users who waited longest.
pub(crate) fn of_recovery(expected: &Expectations, run: &Run) -> Option<Verdict> {
    let most = expected.rto_max?;
    let (measured, holds) = match run.slowest_recovery() {
        None => ("no operations were due".to_owned(), false),
        Some(slowest) => match slowest.longest_ms() {
            _ if slowest.outages.is_empty() => ("no failure seen".to_owned(), true),
            None => {
                let users = users_in_words(run, &slowest.users);
                (format!("not recovered before the load ended ({users})"), false)
            }
            Some(ms) => {
                let text = format!("{} ({})", duration_ms(ms as f64), users_in_words(run, &slowest.users));
                (text, Duration::from_millis(ms) <= most)
            }
        },
    };
    Some(Verdict {
        expected: format!("RTO at most {}", bound_in_words(expected, most)),
        measured,
        holds,
    })
}

pub(crate) fn of_availability(expected: &Expectations, run: &Run) -> Vec<Verdict> {
    let of_all = expected.availability.get("*");
    let mut verdicts = Vec::new();
    for region in &run.regions {
        let named = expected.availability.get(region);
        let measured = run.shares(region);
        // `*` stands for all regions that have clients.
        let Some(least) = named.or(of_all.filter(|_| measured.is_some())) else {
            continue;
        };
        verdicts.push(Verdict {
            expected: format!(
                "{region} available at least {} within {}{}",
                percent(least.percent_min),
                run.objective_in_words(),
                allowed(expected)
            ),
            measured: measured.map_or_else(
                || "no operations were due".to_owned(),
                |(within, answered)| shares_in_words(within, answered),
            ),
            holds: measured.is_some_and(|(within, _)| within >= least_percent(expected, run, least.percent_min)),
        });
    }
    let least = expected.available_when_healthy;
    verdicts.extend(least.map(|least| available_when_healthy(expected, run, least)));
    verdicts
}

/// Checks the availability of every region to those who call it, in the seconds in which its
/// process and its disk had no fault.
fn available_when_healthy(expected: &Expectations, run: &Run, least: f64) -> Verdict {
    let shares = run.regions.iter().filter_map(|region| {
        let seconds = run.seconds.iter().filter(|second| second.called == *region);
        let healthy = seconds.filter(|second| run.is_healthy(region, second.second));
        Some((Share::of(healthy).percents()?, region))
    });
    let worst = shares.min_by(|one, other| one.0.0.total_cmp(&other.0.0));
    Verdict {
        expected: format!(
            "regions without faults available at least {} within {}{}",
            percent(least),
            run.objective_in_words(),
            allowed(expected)
        ),
        measured: worst.map_or_else(
            || "no region was without faults while operations were due".to_owned(),
            |((within, answered), region)| format!("{} ({region})", shares_in_words(within, answered)),
        ),
        holds: worst.is_some_and(|((within, _), _)| within >= least_percent(expected, run, least)),
    }
}
