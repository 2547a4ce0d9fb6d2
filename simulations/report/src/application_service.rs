//! Adds the requests of applications to a run, and judges how applications were served.

use std::{collections::BTreeSet, time::Duration};

use beringia_scenario::{Availability, Expectations};

use crate::{
    ApplicationRecovery, LoadSource, RequestCounts, Run, TrafficSamples, Verdict,
    allowance::{allowed, bound_in_words, least_percent},
    application::name_of,
    application_recovery,
    format::{count, duration_ms, percent},
    missing,
};

/// The resolution of the counts, milliseconds: a time that is bounded may be this much longer, and
/// the expectation says so.
const RESOLUTION_MS: u64 = 1_000;
/// The end of a verdict about applications of which one has no usual rate.
const NOT_ESTIMATED: &str = "; not measured: requests that no region counted (the usual rate is not known)";

impl Run {
    /// Adds the traffic of applications during the load, with an estimate of what is missing, and
    /// their outages. Afterwards faults are undone, so later requests would flatter. The run must
    /// have its faults.
    pub fn used_by_applications(&mut self, samples: &TrafficSamples) {
        let load_end = self.load_ms.div_ceil(1000);
        self.rerouted = samples.rerouted_requests(load_end);
        let mut traffic = samples.traffic(self.objective.p99_ms * 1000.0, load_end);
        missing::estimate(self, &mut traffic);
        self.applications = traffic;
        self.application_recoveries = application_recovery::of(self);
    }
}

/// The access key ids of all applications.
pub(crate) fn identities(run: &Run) -> BTreeSet<&str> {
    run.applications.iter().map(|one| one.identity.as_str()).collect()
}

/// The verdicts about applications: that each was answered at all, their availability in each
/// region, and how long each was not served within the objective.
pub(crate) fn verdicts(expected: &Expectations, run: &Run) -> Vec<Verdict> {
    let mut verdicts = never_answered(run);
    for region in &run.regions {
        let least = expected.availability.get(region).or(expected.availability.get("*"));
        if let Some(least) = least
            && run.applications.iter().any(|one| one.region == *region)
        {
            verdicts.push(availability(expected, run, region, least));
        }
    }
    let Some(most) = expected.rto_max else {
        return verdicts;
    };
    if run.clients == LoadSource::ApplicationsAndProbes && run.applications.is_empty() {
        verdicts.push(Verdict {
            expected: format!("applications {}", served_again(expected, most)),
            measured: "not measured: no application made a request".to_owned(),
            holds: true,
        });
    }
    let of_each = identities(run).into_iter();
    verdicts.extend(of_each.map(|identity| recovery(expected, run, identity, most)));
    verdicts
}

/// A broken promise for every application of which no request was answered.
fn never_answered(run: &Run) -> Vec<Verdict> {
    let overall = run.application_recoveries.iter().filter(|one| one.region.is_none());
    let is_served = |recovery: &ApplicationRecovery| {
        let mut of_application = run.applications.iter().filter(|one| one.identity == recovery.identity);
        of_application.any(|one| one.requests().served() > 0)
    };
    let never = overall.filter(|recovery| !is_served(recovery));
    never
        .map(|recovery| Verdict {
            expected: format!("application {} answered", name_of(&recovery.identity)),
            measured: format!("none of {} requests", count(recovery.requests)),
            holds: false,
        })
        .collect()
}

/// Checks the share of the requests to a region that succeeded within the objective's latency.
fn availability(expected: &Expectations, run: &Run, region: &str, least: &Availability) -> Verdict {
    let of_region = || run.applications.iter().filter(|one| one.region == region);
    let mut requests = RequestCounts::default();
    of_region().for_each(|one| requests.add(&one.requests()));
    let within: u64 = of_region()
        .flat_map(|one| &one.seconds)
        .map(|second| second.within)
        .sum();
    let missing: u64 = of_region().filter_map(|one| one.missing).sum();
    let all = requests.all() + missing;
    let share = 100.0 * within as f64 / all.max(1) as f64;
    let part = |number: u64, what: &str| match number {
        0 => String::new(),
        number => format!(", {}{what}", count(number)),
    };
    let unknown = if of_region().any(|one| one.missing.is_none()) {
        NOT_ESTIMATED
    } else {
        ""
    };
    Verdict {
        expected: format!(
            "applications in {region} answered at least {} within {}{}",
            percent(least.percent_min),
            run.objective_in_words(),
            allowed(expected)
        ),
        measured: format!(
            "{}: {} failed{}{} of {}{unknown}",
            percent(share),
            count(requests.errors()),
            part(requests.served().saturating_sub(within), " late"),
            part(missing, " missing (estimated)"),
            count(all)
        ),
        holds: share >= least_percent(expected, run, least.percent_min),
    }
}

/// The bound of the times in which applications are not served, as text.
fn served_again(expected: &Expectations, most: Duration) -> String {
    format!(
        "served again within {} (plus {}: counted in whole seconds)",
        bound_in_words(expected, most),
        duration_ms(RESOLUTION_MS as f64)
    )
}

/// Checks the longest time in which an application was not served, in one region or in all.
fn recovery(expected: &Expectations, run: &Run, identity: &str, most: Duration) -> Verdict {
    let recoveries = run.application_recoveries.iter().filter(|one| one.identity == identity);
    // Of equal ones the last, which is that of all regions.
    let worst = recoveries.max_by_key(|one| one.longest_ms().unwrap_or(u64::MAX));
    let place = match worst.and_then(|worst| worst.region.as_ref()) {
        Some(region) => format!(" in {region}"),
        None => String::new(),
    };
    let longest_ms = worst.map_or(Some(0), ApplicationRecovery::longest_ms);
    let mut measured = match longest_ms {
        Some(0) => "always served".to_owned(),
        Some(longest_ms) => format!("not served for {}{place}", duration_ms(longest_ms as f64)),
        None => format!("not served until the load ended{place}"),
    };
    let mut of_application = run.applications.iter().filter(|one| one.identity == identity);
    if of_application.any(|one| one.missing.is_none()) {
        measured.push_str(NOT_ESTIMATED);
    }
    let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Verdict {
        expected: format!("application {} {}", name_of(identity), served_again(expected, most)),
        measured,
        holds: longest_ms.is_some_and(|longest_ms| longest_ms <= most_ms.saturating_add(RESOLUTION_MS)),
    }
}
