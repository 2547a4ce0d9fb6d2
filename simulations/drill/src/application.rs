//! The requests of applications, which the regions count: sampled during a drill, apart from the
//! requests of the drill's own clients.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    time::Duration,
};

use beringia_host::fleet::Client;
use beringia_proto::v1::{ControlTrafficReply, ControlTrafficRequest, ReroutedReport, TrafficReport};
use beringia_report::{FaultKind, LoadSource, RequestCounts, Run, TrafficSample, TrafficSamples};
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use tonic::{Response, Status};

/// The note in a drill in which applications made no request.
const NO_REQUESTS: &str = "no application made a request: availability and RTO are those of the drill's probes alone";
/// The note in a drill that took a region down while applications used it.
const REFUSED: &str = "not measured: the connections of applications that a killed region refused; the \
                       requests that are missing are estimated from the rate before the first event, where \
                       that is known";

/// Samples the counts of applications' requests, with one question at a time: an answer that a
/// later one overtook would be taken for that of a process that was restarted.
pub(super) struct TrafficSampler {
    asking: AsyncMutex<()>,
    counts: Mutex<ApplicationCounts>,
}

impl TrafficSampler {
    pub(super) fn new(counts: ApplicationCounts) -> Self {
        Self {
            asking: AsyncMutex::new(()),
            counts: Mutex::new(counts),
        }
    }

    /// Asks, and adds what was counted since the last sample; nothing without an answer.
    pub(super) async fn sample(
        &self,
        ask: impl Future<Output = Option<Vec<ControlTrafficReply>>>,
        now: impl FnOnce() -> Duration,
    ) {
        let _turn = self.asking.lock().await;
        if let Some(replies) = ask.await {
            self.counts.lock().counted(replies, now());
        }
    }

    /// Looks at the samples so far.
    pub(super) fn look<T>(&self, at: impl FnOnce(&TrafficSamples) -> T) -> T {
        at(&self.counts.lock().samples)
    }

    pub(super) fn into_samples(self) -> TrafficSamples {
        self.counts.into_inner().samples
    }
}

/// The counts of applications' requests since the last sample.
#[derive(Debug, Default)]
pub(super) struct ApplicationCounts {
    /// The drill's own tables, whose requests do not count.
    own: BTreeSet<String>,
    /// By region, identity and table, the counts of the last sample.
    last: BTreeMap<(String, String, String), TrafficReport>,
    /// By the region called and the one that answered, the rerouted requests until the last sample.
    rerouted_before: BTreeMap<(String, String), u64>,
    /// When the last sample was taken, since the load began.
    sampled: Duration,
    samples: TrafficSamples,
}

impl ApplicationCounts {
    /// Counts the requests to all tables but the drill's own.
    pub(super) fn of(own: &BTreeSet<String>) -> Self {
        Self {
            own: own.clone(),
            ..Self::default()
        }
    }

    /// Counts from here on: these requests were made before.
    pub(super) fn begin(&mut self, replies: Vec<ControlTrafficReply>) {
        for reply in replies {
            self.last
                .extend(reply.traffic.into_iter().map(|report| (key(&report), report)));
            self.rerouted_before.extend(reply.rerouted.into_iter().map(of_regions));
        }
    }

    /// Adds what was counted since the last sample.
    pub(super) fn counted(&mut self, replies: Vec<ControlTrafficReply>, now: Duration) {
        let during = self.sampled..now;
        for reply in replies {
            let of_applications = |report: &TrafficReport| !self.own.contains(&report.table);
            for report in reply.traffic.into_iter().filter(of_applications) {
                let before = self.last.insert(key(&report), report.clone());
                // A process that was restarted counts from zero.
                let before = before.filter(|before| all(before) <= all(&report)).unwrap_or_default();
                self.samples.add(difference(&before, report, during.clone()));
            }
            for ((called, served_by), all) in reply.rerouted.into_iter().map(of_regions) {
                let before = self.rerouted_before.insert((called.clone(), served_by.clone()), all);
                let before = before.filter(|before| *before <= all).unwrap_or_default();
                self.samples.rerouted(&during, called, served_by, all - before);
            }
        }
        self.sampled = now;
    }
}

fn key(report: &TrafficReport) -> (String, String, String) {
    (report.region.clone(), report.identity.clone(), report.table.clone())
}

/// The regions of rerouted requests, with their number.
fn of_regions(report: ReroutedReport) -> ((String, String), u64) {
    ((report.called, report.served_by), report.requests)
}

const fn counts(report: &TrafficReport) -> RequestCounts {
    RequestCounts {
        answered: report.answered,
        condition_failed: report.condition_failed,
        invalid: report.invalid,
        throttled: report.throttled,
        failed: report.failed,
        abandoned: report.abandoned,
        undelivered: report.undelivered,
    }
}

fn all(report: &TrafficReport) -> u64 {
    counts(report).all()
}

fn difference(before: &TrafficReport, now: TrafficReport, during: Range<Duration>) -> TrafficSample {
    let (was, is) = (counts(before), counts(&now));
    let known: BTreeMap<u64, u64> = before.latencies.iter().map(|one| (one.at_most_us, one.count)).collect();
    let more = |at_most_us: u64, count: u64| count.saturating_sub(known.get(&at_most_us).copied().unwrap_or(0));
    TrafficSample {
        since: during.start,
        until: during.end,
        latencies: now
            .latencies
            .iter()
            .map(|one| (one.at_most_us, more(one.at_most_us, one.count)))
            .collect(),
        region: now.region,
        identity: now.identity,
        table: now.table,
        requests: RequestCounts {
            answered: is.answered.saturating_sub(was.answered),
            condition_failed: is.condition_failed.saturating_sub(was.condition_failed),
            invalid: is.invalid.saturating_sub(was.invalid),
            throttled: is.throttled.saturating_sub(was.throttled),
            failed: is.failed.saturating_sub(was.failed),
            abandoned: is.abandoned.saturating_sub(was.abandoned),
            undelivered: is.undelivered.saturating_sub(was.undelivered),
        },
    }
}

/// What the counts of applications do not show, for the report of a drill beside them.
pub(super) fn note(run: &Run) -> Option<String> {
    if run.clients == LoadSource::Scenario {
        return None;
    }
    if run.applications.is_empty() {
        let is_probed = run.clients == LoadSource::ApplicationsAndProbes;
        return is_probed.then(|| NO_REQUESTS.to_owned());
    }
    let is_used = |region: &String| run.applications.iter().any(|one| one.region == *region);
    let mut killed = run.faults.iter().filter(|fault| fault.kind == FaultKind::Region);
    killed
        .any(|fault| fault.regions.iter().any(is_used))
        .then(|| REFUSED.to_owned())
}

/// Asks a control service for the counts of requests.
pub(super) async fn traffic(mut client: Client) -> Result<Response<ControlTrafficReply>, Status> {
    client.traffic(ControlTrafficRequest {}).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use beringia_proto::v1::LatencyBucket;
    use beringia_report::{Player, Recorder};
    use beringia_scenario::{Plan, Scenario};
    use tokio::time::sleep;

    use super::*;

    fn report(table: &str, answered: u64, failed: u64) -> TrafficReport {
        TrafficReport {
            region: "us-east-1".to_owned(),
            identity: "shop".to_owned(),
            table: table.to_owned(),
            answered,
            failed,
            latencies: vec![LatencyBucket {
                at_most_us: 2_000,
                count: answered,
            }],
            ..TrafficReport::default()
        }
    }

    /// The first question is answered after the second one would be.
    #[tokio::test]
    async fn answers_do_not_overtake_each_other() {
        let sampler = TrafficSampler::new(ApplicationCounts::default());
        let answered = AtomicU64::new(0);
        let sample = async |delay| {
            let ask = async {
                let answered = answered.fetch_add(10, Ordering::Relaxed) + 10;
                sleep(Duration::from_millis(delay)).await;
                let traffic = vec![report("carts", answered, 0)];
                Some(vec![ControlTrafficReply {
                    traffic,
                    rerouted: Vec::new(),
                }])
            };
            sampler.sample(ask, || Duration::from_secs(1)).await;
        };
        tokio::join!(sample(50), sample(0));
        assert_eq!(
            sampler.look(|samples| samples.recent(Duration::from_secs(1), 9)),
            (0, 20)
        );
    }

    /// Requests from before the drill and to its own tables do not count. After a restart of the
    /// region's process, everything that it reports is new.
    #[test]
    fn requests_of_applications_are_counted_by_second() {
        let plan = Plan::draw(&Scenario::shipped("region-loss").unwrap(), 1);
        let mut run = Recorder::new(&plan, Player::Drill).finish(Duration::from_secs(60), "");
        let mut counted = ApplicationCounts::of(&BTreeSet::from(["probes".to_owned()]));
        let reply = |traffic: Vec<TrafficReport>, requests| {
            let rerouted = ReroutedReport {
                called: "eu-west-1".to_owned(),
                served_by: "us-east-1".to_owned(),
                requests,
            };
            vec![ControlTrafficReply {
                traffic,
                rerouted: vec![rerouted],
            }]
        };
        counted.begin(reply(vec![report("carts", 100, 7)], 50));
        let mut sample = |second: u64, answered, failed| {
            let reports = vec![report("carts", answered, failed), report("probes", 10 * answered, 0)];
            counted.counted(reply(reports, answered - 50), Duration::from_secs(second));
        };
        sample(1, 110, 7);
        sample(2, 110, 12);
        sample(3, 54, 0);
        run.used_by_applications(&counted.samples);
        let rerouted = run.rerouted.iter();
        let numbers: Vec<_> = rerouted.map(|one| (one.called.as_str(), one.requests)).collect();
        assert_eq!(numbers, [("eu-west-1", 14)]);
        let traffic = &run.applications;
        assert_eq!(traffic.len(), 1);
        let seconds: Vec<_> = traffic[0]
            .seconds
            .iter()
            .filter(|one| one.requests.all() > 0)
            .map(|one| (one.second, one.requests.served(), one.requests.errors()))
            .collect();
        assert_eq!(seconds, [(0, 10, 0), (1, 0, 5), (2, 54, 0)]);
        let table = &traffic[0].tables[0];
        assert_eq!((table.requests.answered, table.requests.failed), (64, 5));
        assert_eq!((table.table.as_str(), table.latency_ms_p99), ("carts", Some(2.0)));
    }
}
