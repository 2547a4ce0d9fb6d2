//! The times in which applications were not served within the scenario's objective.

use beringia_scenario::Objective;
use serde::{Deserialize, Serialize};

use crate::{
    ApplicationSecond, ApplicationTraffic, Outage, Run,
    application_service::identities,
    recovery::{Request, Success},
};

const SECOND_US: u64 = 1_000_000;

/// How an application was served in a region, or in all together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApplicationRecovery {
    /// The application's access key id; empty for requests without one.
    pub identity: String,
    /// The region that was called; `None`: all together.
    pub region: Option<String>,
    /// Its requests, with those that are missing ([`ApplicationTraffic::missing`]).
    pub requests: u64,
    /// How many of them succeeded within the objective's latency.
    pub within: u64,
    /// The outages, in the order of time.
    pub outages: Vec<ApplicationOutage>,
}

/// A time in which an application was not served within the objective. The counts are those of
/// whole seconds, so the times have an error of up to one second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationOutage {
    /// From the first failure to the first success after which success stayed above the threshold
    /// for the objective's window. In one region it also ends when the application calls that
    /// region no more.
    #[serde(flatten)]
    pub times: Outage,
    /// Why most of its requests did not succeed: `throttled`, `failed`, `abandoned`, `undelivered`
    /// (as in [`RequestCounts`](crate::RequestCounts)), `late` for answers beyond the objective's
    /// latency, or `missing` for requests that nobody counted.
    pub cause: String,
}

impl ApplicationRecovery {
    /// The length of the longest outage, in milliseconds: 0 if there was none, `None` if one did
    /// not end.
    #[must_use]
    pub fn longest_ms(&self) -> Option<u64> {
        let mut lengths = self.outages.iter().map(|outage| outage.times.length_ms());
        lengths.try_fold(0, |longest, length| Some(length?.max(longest)))
    }
}

/// The recoveries of every application, in each region that it called and in all. The traffic must
/// have its estimates.
pub(crate) fn of(run: &Run) -> Vec<ApplicationRecovery> {
    let objective = Objective::from(&run.objective);
    let mut recoveries = Vec::new();
    for identity in identities(run) {
        let traffic: Vec<_> = run.applications.iter().filter(|one| one.identity == identity).collect();
        let mut add = |region: Option<&String>, traffic: &[&ApplicationTraffic]| {
            let seconds = together(traffic);
            if seconds.is_empty() {
                return;
            }
            recoveries.push(ApplicationRecovery {
                identity: identity.to_owned(),
                region: region.cloned(),
                requests: seconds.iter().map(ApplicationSecond::due).sum(),
                within: seconds.iter().map(|second| second.within).sum(),
                outages: outages(run, &objective, &seconds, region.is_some()),
            });
        };
        for one in &traffic {
            add(Some(&one.region), &[one]);
        }
        add(None, &traffic);
    }
    recoveries
}

/// The requests of all of this traffic in each second that had any.
fn together(traffic: &[&ApplicationTraffic]) -> Vec<ApplicationSecond> {
    let mut seconds = std::collections::BTreeMap::new();
    for one in traffic.iter().flat_map(|one| &one.seconds) {
        let sum: &mut ApplicationSecond = seconds.entry(one.second).or_default();
        sum.second = one.second;
        sum.requests.add(&one.requests);
        sum.within += one.within;
        sum.missing += one.missing;
    }
    seconds.into_values().collect()
}

fn outages(run: &Run, objective: &Objective, seconds: &[ApplicationSecond], in_region: bool) -> Vec<ApplicationOutage> {
    let load_end = std::time::Duration::from_millis(run.load_ms);
    let success = Success::new(seconds.iter().flat_map(requests).collect(), objective, load_end);
    let last = seconds.last().map_or(0, |last| last.second + 1);
    let has_left = in_region && last * 1000 + run.objective.window_ms < run.load_ms;
    let outage = |mut times: Outage| {
        if has_left && times.until_ms.is_none() {
            times.until_ms = Some(last * 1000);
        }
        ApplicationOutage {
            times,
            cause: cause(seconds, &times).to_owned(),
        }
    };
    success.outages().into_iter().map(outage).collect()
}

/// The requests of a second, spread over it; when exactly each was made, nobody counted. Failures
/// and successes alternate in proportion.
fn requests(second: &ApplicationSecond) -> impl Iterator<Item = Request> {
    let (all, within, from_us) = (second.due(), second.within, second.second * SECOND_US);
    (0..all).map(move |number| Request {
        due_us: from_us + number * SECOND_US / all,
        is_served: (number + 1) * within / all > number * within / all,
    })
}

/// Why most requests did not succeed in an outage.
fn cause(seconds: &[ApplicationSecond], times: &Outage) -> &'static str {
    let (from, until) = (times.from_ms / 1000, times.until_ms.unwrap_or(u64::MAX).div_ceil(1000));
    let mut all = ApplicationSecond::default();
    for one in seconds.iter().filter(|one| (from..until).contains(&one.second)) {
        all.requests.add(&one.requests);
        all.within += one.within;
        all.missing += one.missing;
    }
    let requests = &all.requests;
    let causes = [
        ("throttled", requests.throttled),
        ("failed", requests.failed),
        ("abandoned", requests.abandoned),
        ("undelivered", requests.undelivered),
        ("late", requests.served().saturating_sub(all.within)),
        ("missing", all.missing),
    ];
    let most = causes.into_iter().max_by_key(|(_, number)| *number);
    most.map_or("missing", |(cause, _)| cause)
}
