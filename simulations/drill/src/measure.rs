//! What a drill measures while it goes on: arrivals as they come, backlogs ten times a second, digests five times a second.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use beringia_clock::{SystemClock, WallClock as _};
use beringia_proto::v1::{
    ControlArrivals, ControlDigestsRequest, ControlDrainReport, ControlFlowsRequest, FlowReport, LinkReport,
    PausedTable, RegionDigests,
};
use beringia_report::{Awaited, Backlog, DrainSample, Recorder, ReportedBacklog, Shipment};
use beringia_scenario::{Action, Course};
use futures_util::future::join_all;
use tokio::{
    sync::mpsc::UnboundedSender,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tonic::Streaming;

use super::arrivals::{Arrivals, Ear};
use crate::error::DrillError;
use beringia_host::{
    convergence::{self, Comparison},
    fleet::{Client, Fleet},
};

/// Where a drain that is proven is told, with its region and its time.
pub(crate) type Proofs = UnboundedSender<(String, Duration)>;

/// How often backlogs are looked at.
const FLOWS_EVERY: Duration = Duration::from_millis(100);
/// How often digests are compared while the load goes on.
const DIGESTS_EVERY: Duration = Duration::from_millis(200);
/// The same while regions are waited for, when each look counts.
const POLL: Duration = Duration::from_millis(25);
/// The pause before a control service that went away is asked again.
const RETRY: Duration = Duration::from_millis(200);
/// What a report says where a clock was changed.
const DRAGGED: &str = "a write's lag is counted from its hybrid time, and hybrid clocks follow the one that is furthest ahead: after a clock was \
                       changed, the lag of writes from regions behind it shows too small, until their clocks have caught up";
/// How long a control service may take to tell what has arrived, before something is done and in the end.
const HEARD_BEFORE: Duration = Duration::from_millis(100);
const HEARD_IN_THE_END: Duration = Duration::from_secs(5);

/// The regions, and those of their tables that are watched.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) fleet: Arc<Fleet>,
    /// The drill's own tables, which rest when its load is over, and have to become equal.
    pub(crate) own: BTreeSet<String>,
    /// Tables of applications, which may go on writing: what they wrote until some moment has to come everywhere.
    pub(crate) others: BTreeSet<String>,
}

/// By table id and origin, the sequence of the last write.
type LastWrites = BTreeMap<(String, String), u64>;

/// By table id and region: replicas whose replication is paused by somebody else than the drill.
type Apart = BTreeSet<(String, String)>;

/// The measurements of one drill.
pub(crate) struct Measure {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    scope: Scope,
    recorder: Mutex<Recorder>,
    began: Instant,
    /// The same by the wall clock, milliseconds since the Unix epoch.
    began_ms: u64,
    arrivals: Mutex<Arrivals>,
    /// For each control service.
    ears: Vec<Ear>,
    /// From and to: bytes, at the last look.
    bytes_sent: Mutex<BTreeMap<(String, String), u64>>,
    heals: Mutex<Vec<Heal>>,
    /// By table id and region: replicas that somebody else keeps from the others.
    apart: Mutex<Apart>,
}

/// A moment after which everything that was written until then has to come everywhere.
struct Heal {
    awaited: Awaited,
    last: LastWrites,
}

impl Measure {
    /// Begins: time is counted from now.
    pub(crate) async fn begin(scope: Scope, recorder: Recorder, links: &[LinkReport]) -> Result<Self, DrillError> {
        // Bytes from before the load do not count.
        let before = scope.fleet.ask(flows).await?;
        let mut listening = Vec::new();
        let mut ears = Vec::new();
        for mut client in scope.fleet.clients() {
            let ear = Ear::default();
            let messages = ear.hear(&mut client).await?;
            listening.push((client, messages));
            ears.push(ear);
        }
        let began_ms = SystemClock.now_ms();
        let shared = Arc::new(Shared {
            scope,
            recorder: Mutex::new(recorder),
            began: Instant::now(),
            began_ms,
            arrivals: Mutex::new(Arrivals::since(began_ms)),
            ears,
            bytes_sent: Mutex::default(),
            heals: Mutex::default(),
            apart: Mutex::default(),
        });
        let mut measure = Self {
            shared,
            tasks: JoinSet::new(),
        };
        measure.links_changed(links);
        let flows = before.replies.into_iter().flat_map(|reply| reply.flows);
        let flows = flows.map(|flow| ((flow.from.clone(), flow.to.clone()), flow.bytes_sent));
        locked(&measure.shared.bytes_sent).extend(flows);
        for (index, (client, messages)) in listening.into_iter().enumerate() {
            measure
                .tasks
                .spawn(Arc::clone(&measure.shared).listen(index, client, messages));
        }
        measure.tasks.spawn(Arc::clone(&measure.shared).watch_flows());
        measure.tasks.spawn(Arc::clone(&measure.shared).watch_digests());
        Ok(measure)
    }

    /// Since it began.
    pub(crate) fn now(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// When it began.
    pub(crate) fn began(&self) -> Instant {
        self.shared.began
    }

    /// The same by the wall clock, milliseconds since the Unix epoch.
    pub(crate) fn began_ms(&self) -> u64 {
        self.shared.began_ms
    }

    /// What links do from now on.
    pub(crate) fn links_changed(&self, links: &[LinkReport]) {
        locked(&self.shared.arrivals).links_changed(links);
    }

    /// How far a region's clock is ahead from now on, milliseconds. A drift shows in the lag, and a write that was committed before and
    /// arrives after is measured wrongly by the step.
    pub(crate) fn clock_changed(&self, region: String, ahead_ms: i64) {
        locked(&self.shared.recorder).note(DRAGGED.to_owned());
        locked(&self.shared.arrivals).clock_changed(region, ahead_ms);
    }

    /// Until all that is visible by now was measured, by what links and clocks are until now; a moment at most.
    pub(crate) async fn has_heard_all(&self) {
        self.shared.has_heard_all(HEARD_BEFORE).await;
    }

    /// Follows what a region says of how far its drain is.
    pub(crate) fn drained(&mut self, region: String, reports: Streaming<ControlDrainReport>, told: Proofs) {
        self.tasks
            .spawn(Arc::clone(&self.shared).watch_drain(region, reports, told));
    }

    /// The times of the timeline are known better than they were.
    pub(crate) fn rescheduled(&self, course: &Course) {
        locked(&self.shared.recorder).rescheduled(&course.plan());
    }

    /// The timeline is over: what happened, and when.
    pub(crate) fn played(&self, course: &Course, end: Duration) {
        let mut recorder = locked(&self.shared.recorder);
        recorder.rescheduled(&course.played());
        recorder.not_played(&course.overdue(end));
    }

    /// These replicas are kept from the others by somebody else than the drill: nothing that they lack or have is waited for.
    pub(crate) fn kept_apart(&self, paused: Vec<PausedTable>) {
        let paused = paused
            .into_iter()
            .filter(|one| self.shared.scope.own.contains(&one.table) || self.shared.scope.others.contains(&one.table));
        let mut apart = Apart::new();
        for one in paused {
            locked(&self.shared.recorder).note(format!(
                "the replication of {} is paused in {}, not by the drill: what it lacks there, or only there, was not waited for",
                one.table, one.region
            ));
            apart.insert((one.table_id, one.region));
        }
        *locked(&self.shared.apart) = apart;
    }

    /// Something was put right: what was written until now has to come everywhere.
    pub(crate) async fn healed(&self, by: &Action) -> Result<(), DrillError> {
        let at = self.now();
        let digests = self.shared.scope.digests().await?;
        let last = last_writes(&digests);
        let awaited = self.shared.must_converge(&by.to_string(), at).await?;
        locked(&self.shared.heals).push(Heal { awaited, last });
        Ok(())
    }

    /// What a region had alone that lost its disk just now, of what it said that each other lacked; `None` where it said nothing.
    pub(crate) fn reported(&self, unshipped: &[FlowReport]) -> Option<ReportedBacklog> {
        // What the others lack differs; the least is what all of them do.
        let least = unshipped
            .iter()
            .filter(|flow| flow.backlog_mutations.is_some())
            .min_by_key(|flow| flow.backlog_mutations)?;
        let now_ms = self.shared.began_ms + u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX);
        let age_ms = least.backlog_oldest_ms.map_or(0, |oldest_ms| {
            now_ms.saturating_sub(locked(&self.shared.arrivals).right_ms(&least.from, oldest_ms))
        });
        Some(ReportedBacklog {
            writes: least.backlog_mutations.unwrap_or(0),
            bytes: least.backlog_bytes.unwrap_or(0),
            seconds: Duration::from_millis(age_ms).as_secs_f64(),
        })
    }

    /// The load is over: waits until all regions hold the same of the drill's tables and what was written to others until now, at most so
    /// long. Gives what is missing where they do not, a line each.
    pub(crate) async fn converge(&self, patience: Duration) -> Result<Vec<String>, DrillError> {
        let at = self.now();
        let awaited = self.shared.must_converge("the end of the load", at).await?;
        let scope = &self.shared.scope;
        let last = last_writes(&scope.digests().await?);
        let apart = locked(&self.shared.apart).clone();
        let missing = async || Ok(scope.missing(&self.shared.look().await?, &last, &apart));
        let missing = until_nothing(patience, missing).await?;
        if missing.is_empty() {
            locked(&self.shared.recorder).converged(awaited, self.now());
        }
        Ok(missing)
    }

    /// Ends measuring, when all that arrived until now is measured. Gives the recorder, and how many commits' arrivals went by unmeasured.
    pub(crate) async fn end(mut self) -> Option<(Recorder, u64)> {
        let has_all = self.shared.has_heard_all(HEARD_IN_THE_END).await;
        self.tasks.shutdown().await;
        let shared = Arc::into_inner(self.shared)?;
        let mut recorder = shared.recorder.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !has_all {
            recorder
                .note("the last arrivals were not measured: a control service did not tell of them in time".to_owned());
        }
        let missed_commits = locked(&shared.arrivals).missed_commits();
        Some((recorder, missed_commits))
    }
}

impl Shared {
    /// Takes a control service's arrivals, also after it was away.
    async fn listen(self: Arc<Self>, index: usize, mut client: Client, first: Streaming<ControlArrivals>) {
        let ear = &self.ears[index];
        let mut messages = Ok(first);
        loop {
            if let Ok(mut messages) = messages {
                while let Ok(Some(message)) = messages.message().await {
                    locked(&self.arrivals).heard(&message, &mut locked(&self.recorder));
                    ear.heard(&message);
                }
            }
            ear.lost();
            sleep(RETRY).await;
            messages = ear.hear(&mut client).await;
        }
    }

    /// Until all that is visible by now was measured, at most so long; whether it was.
    async fn has_heard_all(&self, patience: Duration) -> bool {
        let ears = self.ears.iter().map(Ear::has_heard_all);
        timeout(patience, join_all(ears)).await.is_ok()
    }

    /// Notes which others have all of a region that is drained, until the region is opened or gone, or all have.
    async fn watch_drain(self: Arc<Self>, region: String, mut reports: Streaming<ControlDrainReport>, told: Proofs) {
        let mut known = Vec::new();
        while let Ok(Some(report)) = reports.message().await {
            let (at, is_proven, peers) = (self.began.elapsed(), report.drained, complete_peers(&report));
            if is_proven || peers != known {
                known.clone_from(&peers);
                let region = region.clone();
                locked(&self.recorder).drain(DrainSample {
                    region,
                    at,
                    is_proven,
                    peers,
                });
            }
            if is_proven {
                // It fails where the drill is over.
                told.send((region.clone(), at)).ok();
            }
        }
    }

    async fn watch_flows(self: Arc<Self>) {
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

    fn flowed(&self, flow: &FlowReport, at_ms: u64) {
        let mut recorder = locked(&self.recorder);
        if let (Some(mutations), Some(bytes)) = (flow.backlog_mutations, flow.backlog_bytes) {
            let sample = Backlog {
                at_ms,
                mutations,
                bytes,
            };
            recorder.backlog(&flow.from, &flow.to, sample);
        }
        let mut bytes_sent = locked(&self.bytes_sent);
        let before = bytes_sent
            .insert((flow.from.clone(), flow.to.clone()), flow.bytes_sent)
            .unwrap_or(0);
        // A region that started again counts from zero.
        let more = flow.bytes_sent.checked_sub(before).unwrap_or(flow.bytes_sent);
        recorder.wire_bytes(&flow.from, &flow.to, more);
    }

    async fn watch_digests(self: Arc<Self>) {
        let mut ticks = interval(DIGESTS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            // A look that fails is one sample less.
            self.look().await.ok();
        }
    }

    /// Compares all regions now, and notes what it sees.
    async fn look(&self) -> Result<Vec<RegionDigests>, DrillError> {
        let digests = self.scope.digests().await?;
        let at = self.began.elapsed();
        let comparison = self.scope.compare(&digests);
        let ranges: usize = comparison.tables.iter().map(|table| table.divergent_ranges.len()).sum();
        let apart = locked(&self.apart).clone();
        let mut recorder = locked(&self.recorder);
        recorder.divergence(at, ranges as u64);
        locked(&self.heals).retain(|heal| {
            let everywhere = behind(&heal.last, &digests, &apart).is_empty();
            if everywhere {
                recorder.converged(heal.awaited, at);
            }
            !everywhere
        });
        Ok(digests)
    }

    async fn must_converge(&self, after: &str, at: Duration) -> Result<Awaited, DrillError> {
        let answers = self.scope.fleet.ask(flows).await?;
        let flows = answers.replies.into_iter().flat_map(|reply| reply.flows);
        let shipments: Vec<Shipment> = {
            let arrivals = locked(&self.arrivals);
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
        Ok(locked(&self.recorder).must_converge(after, at, shipments))
    }
}

impl Scope {
    /// Waits until all regions hold the same of the drill's tables, at most so long. Gives what differs where they do not, a line each.
    pub(crate) async fn converge(&self, patience: Duration) -> Result<Vec<String>, DrillError> {
        let (before, apart) = (LastWrites::new(), Apart::new());
        let missing = async || Ok(self.missing(&self.digests().await?, &before, &apart));
        until_nothing(patience, missing).await
    }

    /// What differs between the drill's tables, and who has not applied all of these writes to others; a line each.
    fn missing(&self, digests: &[RegionDigests], last: &LastWrites, apart: &Apart) -> Vec<String> {
        let comparison = self.compare(digests);
        let is_apart = |id: &str| apart.iter().any(|(table, _)| table == id);
        let own = comparison
            .divergent()
            .filter(|table| self.own.contains(&table.table) && !is_apart(&table.table_id));
        let mut missing: Vec<String> = own
            .map(|table| format!("{}: {}", table.table, table.reasons.join("; ")))
            .collect();
        let behind = behind(last, digests, apart);
        for table in comparison
            .tables
            .iter()
            .filter(|table| self.others.contains(&table.table))
        {
            let regions = behind.iter().filter(|(id, _)| *id == table.table_id);
            let regions: Vec<&str> = regions.map(|(_, region)| *region).collect();
            if !regions.is_empty() {
                let regions = regions.join(", ");
                missing.push(format!(
                    "{}: what was written until then is not all in {regions}",
                    table.table
                ));
            }
        }
        missing
    }

    async fn digests(&self) -> Result<Vec<RegionDigests>, DrillError> {
        let request = ControlDigestsRequest {
            verify: false,
            ranges: true,
        };
        let answers = self
            .fleet
            .ask(|mut client| async move { client.digests(request).await })
            .await?;
        let mut digests: Vec<RegionDigests> = answers.replies.into_iter().flat_map(|reply| reply.regions).collect();
        for region in &mut digests {
            region
                .tables
                .retain(|table| self.own.contains(&table.table) || self.others.contains(&table.table));
        }
        Ok(digests)
    }

    fn compare(&self, digests: &[RegionDigests]) -> Comparison {
        convergence::compare(&self.fleet.topology(), digests)
    }
}

/// Looks until nothing is missing, at most so long; gives what still is.
async fn until_nothing(
    patience: Duration,
    missing: impl AsyncFn() -> Result<Vec<String>, DrillError>,
) -> Result<Vec<String>, DrillError> {
    let deadline = Instant::now() + patience;
    loop {
        match missing().await {
            Ok(missing) if missing.is_empty() || Instant::now() >= deadline => return Ok(missing),
            Err(failure) if Instant::now() >= deadline => return Err(failure),
            _ => sleep(POLL).await,
        }
    }
}

/// The regions that have all of one that is drained.
fn complete_peers(report: &ControlDrainReport) -> Vec<String> {
    let mut peers: BTreeMap<&str, bool> = BTreeMap::new();
    for watermark in &report.watermarks {
        *peers.entry(&watermark.peer).or_insert(report.writes_under_way == 0) &= watermark.obstacle.is_empty();
    }
    let complete = peers.into_iter().filter(|(_, has_all)| *has_all);
    complete.map(|(peer, _)| peer.to_owned()).collect()
}

async fn flows(mut client: Client) -> Result<tonic::Response<beringia_proto::v1::ControlFlowsReply>, tonic::Status> {
    client.flows(ControlFlowsRequest {}).await
}

/// The last write of every region to every table, as anybody knows of it.
fn last_writes(digests: &[RegionDigests]) -> LastWrites {
    let mut last = LastWrites::new();
    for table in digests.iter().flat_map(|region| &region.tables) {
        for known in &table.vector {
            let sequence = last.entry((table.table_id.clone(), known.origin.clone())).or_default();
            *sequence = (*sequence).max(known.sequence);
        }
    }
    last
}

/// The replicas, by table id and region, that have not applied all of these writes; but for what replicas that are kept apart lack, or
/// wrote.
fn behind<'a>(last: &'a LastWrites, digests: &'a [RegionDigests], apart: &Apart) -> BTreeSet<(&'a str, &'a str)> {
    let tables = || digests.iter().flat_map(|region| &region.tables);
    let replicas: BTreeMap<&str, BTreeSet<&str>> = tables()
        .map(|table| {
            (
                table.table_id.as_str(),
                table.replicas.iter().map(String::as_str).collect(),
            )
        })
        .collect();
    let has_applied = |table: &str, origin: &str, sequence: u64, replica: &str| {
        let region = digests.iter().find(|region| region.running && region.region == replica);
        let report = region.and_then(|region| region.tables.iter().find(|report| report.table_id == table));
        let applied = report.and_then(|report| report.vector.iter().find(|known| known.origin == origin));
        applied.is_some_and(|applied| applied.sequence >= sequence)
    };
    let is_apart = |table: &str, region: &str| apart.iter().any(|(id, name)| id == table && name == region);
    let mut behind = BTreeSet::new();
    for ((table, origin), sequence) in last.iter().filter(|((table, origin), _)| !is_apart(table, origin)) {
        let replicas = replicas.get(table.as_str()).into_iter().flatten();
        let replicas = replicas.filter(|replica| !is_apart(table, replica));
        let late = replicas.filter(|replica| !has_applied(table, origin, *sequence, replica));
        behind.extend(late.map(|replica| (table.as_str(), *replica)));
    }
    behind
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use beringia_proto::v1::{OriginSequence, TableDigestReport, WatermarkReport};

    use super::*;

    fn region(name: &str, running: bool, applied: &[(&str, u64)]) -> RegionDigests {
        let vector = applied.iter().map(|(origin, sequence)| OriginSequence {
            origin: (*origin).to_owned(),
            sequence: *sequence,
        });
        RegionDigests {
            region: name.to_owned(),
            running,
            tables: vec![TableDigestReport {
                table_id: "t".to_owned(),
                replicas: vec!["a".to_owned(), "b".to_owned()],
                vector: vector.collect(),
                ..TableDigestReport::default()
            }],
        }
    }

    #[test]
    fn writes_have_come_everywhere_when_every_running_replica_has_applied_them() {
        let last = last_writes(&[region("a", true, &[("a", 7)]), region("b", true, &[("a", 5), ("b", 3)])]);
        assert_eq!(last.into_values().collect::<Vec<_>>(), [7, 3]);
        let last = last_writes(&[region("a", true, &[("a", 7)])]);
        let behind = [region("a", true, &[("a", 9)]), region("b", true, &[("a", 6)])];
        let nobody = Apart::new();
        let have = |digests: &[RegionDigests]| super::behind(&last, digests, &nobody).is_empty();
        assert!(!have(&behind));
        let level = [region("a", true, &[("a", 9)]), region("b", true, &[("a", 7)])];
        assert!(have(&level));
        let down = [region("a", true, &[("a", 9)]), region("b", false, &[("a", 7)])];
        assert!(!have(&down));
        assert!(!have(&level[..1]), "a replica that does not answer");
        for paused in ["a", "b"] {
            let apart = Apart::from([("t".to_owned(), paused.to_owned())]);
            assert!(super::behind(&last, &behind, &apart).is_empty(), "paused in {paused}");
        }
    }

    #[test]
    fn a_region_has_all_of_another_when_it_has_all_tables_and_no_write_is_under_way() {
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
