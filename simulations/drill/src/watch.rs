//! Measures in the background of a drill: arrivals as they happen, backlogs ten times a second,
//! digests five times a second, the clocks of machines every second.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use beringia_host::fleet::Client;
use beringia_proto::v1::{
    ControlArrivals, ControlDrainReport, ControlFlowsReply, ControlFlowsRequest, FlowReport, RegionDigests,
};
use beringia_report::{Awaited, BacklogSample, DrainSample, Recorder, Shipment};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::{
    sync::mpsc::UnboundedSender,
    time::{Instant, MissedTickBehavior, interval, interval_at, sleep, timeout},
};
use tonic::{Response, Status, Streaming};

use crate::{
    application::{TrafficSampler, traffic},
    arrival_lag::Arrivals,
    arrival_subscription::ArrivalSubscription,
    error::DrillError,
    scope::{Apart, DrillScope, LastWrites, behind},
};

/// The channel for drains that are proven, with their region and time.
pub(crate) type Proofs = UnboundedSender<(String, Duration)>;

/// How often backlogs are read.
const FLOWS_EVERY: Duration = Duration::from_millis(100);
/// How often digests are compared during the load.
const DIGESTS_EVERY: Duration = Duration::from_millis(200);
/// How often the requests of applications are sampled.
const TRAFFIC_EVERY: Duration = Duration::from_secs(1);
/// How often the clocks of machines are compared.
const CLOCKS_EVERY: Duration = Duration::from_secs(1);
/// The pause before a lost connection to a control service is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// The state that the measuring tasks share.
pub(super) struct Shared {
    pub(super) scope: DrillScope,
    pub(super) recorder: Mutex<Recorder>,
    pub(super) began: Instant,
    /// When measuring began by the wall clock, milliseconds since the Unix epoch.
    pub(super) began_ms: u64,
    pub(super) arrivals: Mutex<Arrivals>,
    /// One subscription for each control service.
    pub(super) subscriptions: Vec<ArrivalSubscription>,
    /// By sending and receiving region, the bytes sent at the last reading.
    pub(super) bytes_sent: Mutex<BTreeMap<(String, String), u64>>,
    pub(super) heals: Mutex<Vec<Heal>>,
    /// By table id and region, the replicas that are paused, but not by the drill.
    pub(super) apart: Mutex<Apart>,
    /// The requests of applications.
    pub(super) traffic: TrafficSampler,
}

/// A time by which everything written before has to arrive everywhere eventually.
pub(super) struct Heal {
    pub(super) awaited: Awaited,
    pub(super) last: LastWrites,
}

impl Shared {
    /// Receives a control service's arrivals, and subscribes again after it was away.
    pub(super) async fn listen(self: Arc<Self>, index: usize, mut client: Client, first: Streaming<ControlArrivals>) {
        let subscription = &self.subscriptions[index];
        let mut messages = Ok(first);
        loop {
            if let Ok(mut messages) = messages {
                while let Ok(Some(message)) = messages.message().await {
                    let answered = subscription.answered(&message);
                    {
                        let mut arrivals = self.arrivals.lock();
                        if let Some(answered) = &answered {
                            arrivals.answered(index, answered.trip);
                        }
                        arrivals.heard(index, &message, &mut self.recorder.lock());
                    }
                    if let Some(answered) = answered {
                        answered.measured();
                    }
                }
            }
            subscription.lost();
            self.arrivals.lock().interrupted(index);
            sleep(RETRY).await;
            messages = subscription.hear(&mut client).await;
        }
    }

    /// Waits until everything that is visible by now was measured, at most `patience`; returns
    /// whether it was.
    pub(super) async fn has_heard_all(&self, patience: Duration) -> bool {
        let subscriptions = self.subscriptions.iter().map(ArrivalSubscription::has_heard_all);
        timeout(patience, join_all(subscriptions)).await.is_ok()
    }

    /// Compares the clocks of the machines again and again, since the fastest answer tells most.
    pub(super) async fn watch_clocks(self: Arc<Self>) {
        let mut ticks = interval(CLOCKS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            // A control service that does not answer now is asked again.
            self.has_heard_all(CLOCKS_EVERY).await;
        }
    }

    /// Records which peers have all writes of a drained region, until the region is opened or
    /// stops, or all have them.
    pub(super) async fn watch_drain(
        self: Arc<Self>,
        region: String,
        mut reports: Streaming<ControlDrainReport>,
        reported: Proofs,
    ) {
        let mut known = Vec::new();
        while let Ok(Some(report)) = reports.message().await {
            let (at, is_proven, peers) = (self.began.elapsed(), report.drained, complete_peers(&report));
            if is_proven || peers != known {
                known.clone_from(&peers);
                let region = region.clone();
                self.recorder.lock().drain(DrainSample {
                    region,
                    at,
                    is_proven,
                    peers,
                });
            }
            if is_proven {
                // Fails if the drill has ended.
                reported.send((region.clone(), at)).ok();
            }
        }
    }

    pub(super) async fn watch_flows(self: Arc<Self>) {
        let mut ticks = interval(FLOWS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let Ok(answers) = self.scope.fleet.ask(flows).await else {
                continue;
            };
            let at_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            for flow in answers.replies.into_iter().flat_map(|reply| reply.flows) {
                self.flowed(&flow, at_ms);
            }
        }
    }

    pub(super) fn flowed(&self, flow: &FlowReport, at_ms: u64) {
        let mut recorder = self.recorder.lock();
        if let (Some(mutations), Some(bytes)) = (flow.backlog_mutations, flow.backlog_bytes) {
            let sample = BacklogSample {
                at_ms,
                mutations,
                bytes,
            };
            recorder.backlog(&flow.from, &flow.to, sample);
        }
        let mut bytes_sent = self.bytes_sent.lock();
        let before = bytes_sent
            .insert((flow.from.clone(), flow.to.clone()), flow.bytes_sent)
            .unwrap_or(0);
        // A region that was restarted counts from zero.
        let more = flow.bytes_sent.checked_sub(before).unwrap_or(flow.bytes_sent);
        recorder.wire_bytes(&flow.from, &flow.to, more);
    }

    /// Samples the requests of applications every second.
    pub(super) async fn watch_traffic(self: Arc<Self>) {
        let mut ticks = interval_at(self.began + TRAFFIC_EVERY, TRAFFIC_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            self.sample_traffic().await;
        }
    }

    /// Adds the requests of applications since the last sample. A control service that does not
    /// answer reports them later.
    pub(super) async fn sample_traffic(&self) {
        let answers = async { self.scope.fleet.ask(traffic).await.ok().map(|answers| answers.replies) };
        self.traffic.sample(answers, || self.began.elapsed()).await;
    }

    pub(super) async fn watch_digests(self: Arc<Self>) {
        let mut ticks = interval(DIGESTS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            // A failed comparison is one sample less.
            self.look().await.ok();
        }
    }

    /// Compares all regions now, and records the divergence and what has converged.
    pub(super) async fn look(&self) -> Result<Vec<RegionDigests>, DrillError> {
        let digests = self.scope.digests().await?;
        let at = self.began.elapsed();
        let comparison = self.scope.compare(&digests);
        let ranges: usize = comparison.tables.iter().map(|table| table.divergent_ranges.len()).sum();
        let apart = self.apart.lock().clone();
        let mut recorder = self.recorder.lock();
        recorder.divergence(at, ranges as u64);
        self.heals.lock().retain(|heal| {
            let everywhere = behind(&heal.last, &digests, &apart).is_empty();
            if everywhere {
                recorder.converged(heal.awaited, at);
            }
            !everywhere
        });
        Ok(digests)
    }

    pub(super) async fn must_converge(&self, after: &str, at: Duration) -> Result<Awaited, DrillError> {
        let answers = self.scope.fleet.ask(flows).await?;
        let flows = answers.replies.into_iter().flat_map(|reply| reply.flows);
        let shipments: Vec<Shipment> = {
            let arrivals = self.arrivals.lock();
            let shipment = |flow: FlowReport| {
                let link = arrivals.link(&flow.from, &flow.to);
                Shipment {
                    mutations: flow.backlog_mutations.unwrap_or(0),
                    bytes: flow.backlog_bytes.unwrap_or(0),
                    one_way: link.one_way,
                    bandwidth_mbit: link.bandwidth_mbit,
                    from: flow.from,
                    to: flow.to,
                }
            };
            flows.map(shipment).collect()
        };
        Ok(self.recorder.lock().must_converge(after, at, shipments))
    }
}

/// The peers that have all writes of a drained region.
fn complete_peers(report: &ControlDrainReport) -> Vec<String> {
    let mut peers: BTreeMap<&str, bool> = BTreeMap::new();
    for watermark in &report.watermarks {
        *peers.entry(&watermark.peer).or_insert(report.writes_under_way == 0) &= watermark.obstacle.is_empty();
    }
    let complete = peers.into_iter().filter(|(_, has_all)| *has_all);
    complete.map(|(peer, _)| peer.to_owned()).collect()
}

/// Asks a control service for the flows between its regions and the others.
pub(super) async fn flows(mut client: Client) -> Result<Response<ControlFlowsReply>, Status> {
    client.flows(ControlFlowsRequest {}).await
}

#[cfg(test)]
mod tests {
    use beringia_proto::v1::WatermarkReport;

    use super::*;

    #[test]
    fn a_peer_is_complete_with_all_tables_and_no_write_pending() {
        let watermark = |peer: &str, obstacle: &str| WatermarkReport {
            peer: peer.to_owned(),
            obstacle: obstacle.to_owned(),
            ..WatermarkReport::default()
        };
        let mut report = ControlDrainReport {
            watermarks: vec![
                watermark("a", ""),
                watermark("b", ""),
                watermark("b", "behind"),
                watermark("a", ""),
            ],
            ..ControlDrainReport::default()
        };
        assert_eq!(complete_peers(&report), ["a"]);
        report.writes_under_way = 1;
        assert_eq!(complete_peers(&report), Vec::<String>::new());
    }
}
