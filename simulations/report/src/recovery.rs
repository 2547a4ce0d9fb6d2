//! The times in which users were not served within the objective of their application.

use std::{collections::BTreeMap, time::Duration};

use beringia_scenario::Objective;
use serde::{Deserialize, Serialize};

use crate::{quantiles::micros, run::Run};

/// The users whose operations are judged together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of", content = "region")]
pub enum Users {
    /// The users who live in a region, whichever region they call.
    Home(String),
    /// The users who call a region, wherever they live.
    Caller(String),
    /// All users, wherever they live and call.
    All,
}

/// The outages that some users saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The users that saw them.
    #[serde(flatten)]
    pub users: Users,
    /// The outages, in the order of time; none where success stayed above the threshold.
    pub outages: Vec<Outage>,
}

/// A time in which users were not served within the objective. Times are in milliseconds since the
/// load began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// When the first operation was due that failed, or was answered too late.
    pub from_ms: u64,
    /// When the first operation was due from which success stayed above the threshold for the
    /// objective's window; `None`: that did not happen before the load ended.
    pub until_ms: Option<u64>,
}

impl Outage {
    /// How long it lasted, in milliseconds; `None`: it did not end.
    #[must_use]
    pub fn length_ms(&self) -> Option<u64> {
        Some(self.until_ms?.saturating_sub(self.from_ms))
    }
}

impl Recovery {
    /// The length of the longest outage, in milliseconds: 0 if there was none, `None` if one did
    /// not end.
    #[must_use]
    pub fn longest_ms(&self) -> Option<u64> {
        let mut lengths = self.outages.iter().map(Outage::length_ms);
        lengths.try_fold(0, |longest, length| Some(length?.max(longest)))
    }
}

impl Run {
    /// The recovery of the users who waited longest among those of all regions: an outage that did
    /// not end comes first. `None` where no operations were due.
    #[must_use]
    pub fn slowest_recovery(&self) -> Option<&Recovery> {
        let of_homes = self
            .recoveries
            .iter()
            .filter(|recovery| matches!(recovery.users, Users::Home(_)));
        of_homes.max_by_key(|recovery| recovery.longest_ms().unwrap_or(u64::MAX))
    }
}

/// The operations of all users, by the region where they live and the region that they called, as
/// indexes into the run's regions.
#[derive(Debug, Default)]
pub(crate) struct Requests(BTreeMap<(usize, usize), Vec<Request>>);

impl Requests {
    pub(crate) fn add(&mut self, home: usize, called: usize, due: Duration, is_served: bool) {
        let due_us = micros(due);
        let requests = self.0.entry((home, called)).or_default();
        requests.push(Request { due_us, is_served });
    }

    /// The success of the users of each region, and the outages of all users. `end` is the end of
    /// the load.
    pub(crate) fn finish(
        self,
        regions: &[String],
        objective: &Objective,
        end: Duration,
    ) -> (BTreeMap<String, Success>, Vec<Recovery>) {
        let success = |is_meant: &dyn Fn(&(usize, usize)) -> bool| {
            let meant = self.0.iter().filter(|(place, _)| is_meant(place));
            let requests: Vec<Request> = meant.flat_map(|(_, requests)| requests).copied().collect();
            (!requests.is_empty()).then(|| Success::new(requests, objective, end))
        };
        let (mut homes, mut recoveries) = (BTreeMap::new(), Vec::new());
        let recovery = |users, success: &Success| Recovery {
            users,
            outages: success.outages(),
        };
        for (index, region) in regions.iter().enumerate() {
            if let Some(success) = success(&|(home, _)| *home == index) {
                recoveries.push(recovery(Users::Home(region.clone()), &success));
                homes.insert(region.clone(), success);
            }
            if let Some(success) = success(&|(_, called)| *called == index) {
                recoveries.push(recovery(Users::Caller(region.clone()), &success));
            }
        }
        if let Some(success) = success(&|_| true) {
            recoveries.push(recovery(Users::All, &success));
        }
        (homes, recoveries)
    }
}

/// An operation as its user saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Request {
    /// When it was due, in microseconds since the load began.
    pub(crate) due_us: u64,
    /// Whether it was answered within the objective's latency.
    pub(crate) is_served: bool,
}

/// The operations of some users in the order in which they were due, and the spans in which success
/// was below the threshold.
#[derive(Debug)]
pub(crate) struct Success {
    requests: Vec<Request>,
    /// For each operation, the next one (itself included) from which the share of the operations
    /// that succeed within a window is below the threshold.
    next_low: Vec<Option<usize>>,
    window_us: u64,
    /// When the load ended.
    end_us: u64,
}

impl Success {
    /// `requests` in any order; `end` is the end of the load.
    pub(crate) fn new(mut requests: Vec<Request>, objective: &Objective, end: Duration) -> Self {
        requests.sort_unstable();
        let window_us = micros(objective.window);
        let mut next_low = vec![None; requests.len()];
        let (mut next, mut past, mut served) = (None, requests.len(), 0_u64);
        // From the last operation to the first, `served` counts those of `index..past`.
        for index in (0..requests.len()).rev() {
            served += u64::from(requests[index].is_served);
            while requests[past - 1].due_us >= requests[index].due_us.saturating_add(window_us) && past - 1 > index {
                past -= 1;
                served -= u64::from(requests[past].is_served);
            }
            let share = served as f64 * 100.0 / (past - index) as f64;
            if share < objective.success_percent_min {
                next = Some(index);
            }
            next_low[index] = next;
        }
        Self {
            requests,
            next_low,
            window_us,
            end_us: micros(end),
        }
    }

    /// All outages. Each begins with a failure, and ends with the first success from which on the
    /// share stays above the threshold for a window.
    pub(crate) fn outages(&self) -> Vec<Outage> {
        let mut outages = Vec::new();
        let mut next = 0;
        while let Some(low) = self.next_low.get(next).copied().flatten() {
            let Some(first) = (low..self.requests.len()).find(|index| !self.requests[*index].is_served) else {
                break;
            };
            let until = self.stable_from(first);
            outages.push(Outage {
                from_ms: self.requests[first].due_us / 1000,
                until_ms: until.map(|until| self.requests[until].due_us / 1000),
            });
            match until {
                Some(until) => next = until,
                None => break,
            }
        }
        outages
    }

    /// When the first operation at `from_ms` or later was due from which success stayed above the
    /// threshold for a window, in milliseconds; `None`: that did not happen before the load ended.
    pub(crate) fn served_from_ms(&self, from_ms: u64) -> Option<u64> {
        let first = self
            .requests
            .partition_point(|request| request.due_us < from_ms.saturating_mul(1000));
        self.stable_from(first).map(|index| self.requests[index].due_us / 1000)
    }

    /// The first success at `index` or later after which, for a window, no span has too few
    /// successes.
    fn stable_from(&self, mut index: usize) -> Option<usize> {
        while let Some(request) = self.requests.get(index) {
            let until_us = request.due_us.saturating_add(self.window_us);
            let low = self.next_low[index].filter(|low| self.requests[*low].due_us < until_us);
            match low {
                _ if !request.is_served => index += 1,
                Some(low) => index = low + 1,
                None => return (until_us <= self.end_us).then_some(index),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OBJECTIVE: Objective = Objective {
        success_percent_min: 90.0,
        latency_max: Duration::from_secs(1),
        window: Duration::from_secs(2),
    };

    /// A minute with ten operations in a second, of which those fail that are due in these spans of
    /// milliseconds.
    fn minute(failing: &[(u64, u64)]) -> Success {
        let requests = (0..600).map(|number| Request {
            due_us: number * 100_000,
            is_served: !failing
                .iter()
                .any(|(from, until)| (*from..*until).contains(&(number * 100))),
        });
        Success::new(requests.collect(), &OBJECTIVE, Duration::from_secs(60))
    }

    fn outages(failing: &[(u64, u64)]) -> Vec<(u64, Option<u64>)> {
        let outages = minute(failing).outages();
        outages.iter().map(|outage| (outage.from_ms, outage.until_ms)).collect()
    }

    #[test]
    fn an_outage_ends_when_success_stays_for_a_window() {
        assert_eq!(outages(&[]), []);
        assert_eq!(outages(&[(5_000, 9_000)]), [(5_000, Some(9_000))]);
        // Success in between that does not last for the window ends nothing.
        assert_eq!(outages(&[(5_000, 9_000), (10_500, 12_000)]), [(5_000, Some(12_000))]);
        let apart = [(5_000, Some(9_000)), (15_000, Some(16_000))];
        assert_eq!(outages(&[(5_000, 9_000), (15_000, 16_000)]), apart);
        // Two of the twenty operations of a window may fail.
        assert_eq!(outages(&[(5_000, 5_200), (30_000, 30_100)]), []);
        assert_eq!(outages(&[(5_000, 5_300)]), [(5_000, Some(5_300))]);
    }

    #[test]
    fn an_outage_without_a_whole_window_before_the_end_lasts() {
        assert_eq!(outages(&[(50_000, 60_000)]), [(50_000, None)]);
        assert_eq!(outages(&[(50_000, 58_100)]), [(50_000, None)]);
        assert_eq!(outages(&[(50_000, 58_000)]), [(50_000, Some(58_000))]);
        let recovery = Recovery {
            users: Users::All,
            outages: minute(&[(5_000, 9_000), (50_000, 60_000)]).outages(),
        };
        assert_eq!(recovery.longest_ms(), None);
        assert_eq!(minute(&[(5_000, 9_000)]).served_from_ms(6_000), Some(9_000));
        assert_eq!(minute(&[(5_000, 9_000)]).served_from_ms(9_050), Some(9_100));
    }

    proptest! {
        #[test]
        fn every_span_below_the_threshold_is_in_an_outage(served in prop::collection::vec(prop::bool::weighted(0.9), 1..200)) {
            let requests: Vec<Request> = (0..).zip(&served).map(|(number, is_served)| Request {
                due_us: number * 250_000,
                is_served: *is_served,
            }).collect();
            let success = Success::new(requests.clone(), &OBJECTIVE, Duration::from_secs(60));
            let outages = success.outages();
            for request in requests.iter().filter(|request| !request.is_served) {
                let window = request.due_us..request.due_us + 2_000_000;
                let span = requests.iter().filter(|other| window.contains(&other.due_us));
                let (all, good) = span.fold((0, 0), |(all, good), other| (all + 1, good + u32::from(other.is_served)));
                let is_low = f64::from(good) * 100.0 / f64::from(all) < 90.0;
                let at_ms = request.due_us / 1000;
                let is_covered = outages
                    .iter()
                    .any(|outage| outage.from_ms <= at_ms && outage.until_ms.is_none_or(|until| at_ms < until));
                prop_assert!(!is_low || is_covered, "{at_ms} is low in {outages:?}");
            }
            for pair in outages.windows(2) {
                prop_assert!(pair[0].until_ms.is_some_and(|until| until < pair[1].from_ms));
            }
        }
    }
}
