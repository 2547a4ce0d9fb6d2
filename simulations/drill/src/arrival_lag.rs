//! Receives the arrivals of writes in other regions, and measures their lag.

use std::{collections::BTreeMap, time::Duration};

use beringia_host::{arrival_groups::arrived_writes, fleet::Client, units::mbit};
use beringia_proto::v1::{ArrivalGroup, ControlArrivals, ControlArrivalsRequest, LinkReport};
use beringia_report::{ArrivalSample, Recorder};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{
    mpsc::{UnboundedSender, unbounded_channel},
    oneshot,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;

use crate::error::DrillError;

/// The state by which arrivals are measured.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// When the drill began, by the wall clock, milliseconds since the Unix epoch.
    began_ms: u64,
    /// The links, by origin and receiver.
    links: BTreeMap<(String, String), Link>,
    /// How far each region's clock is ahead, in milliseconds.
    ahead_ms: BTreeMap<String, i64>,
    seen: Seen,
    missed_commits: u64,
}

/// The current delay and bandwidth of a link.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Link {
    pub(super) one_way: Duration,
    pub(super) bandwidth_mbit: Option<f64>,
}

/// By receiver, table id and origin, the sequence up to which writes have arrived through a log,
/// which has them in order. A write that arrives again, in a region that lost its disk, was
/// measured before.
#[derive(Debug, Default)]
struct Seen(BTreeMap<(String, String, String), u64>);

impl Seen {
    /// A function that says, for each write of a group in order, whether it arrives for the first
    /// time.
    fn is_first(&mut self, group: &ArrivalGroup) -> impl FnMut(u64) -> bool {
        let kind = (group.region.clone(), group.table_id.clone(), group.origin.clone());
        let (until, by_log) = (self.0.entry(kind).or_default(), group.by_log);
        move |sequence| {
            let is_first = sequence > *until;
            if is_first && by_log {
                *until = sequence;
            }
            is_first
        }
    }
}

impl Arrivals {
    /// The arrivals of a drill that began at this time, milliseconds since the Unix epoch.
    pub(super) fn since(began_ms: u64) -> Self {
        Self {
            began_ms,
            ..Self::default()
        }
    }

    /// Sets the delay and bandwidth of links from now on.
    pub(super) fn links_changed(&mut self, links: &[LinkReport]) {
        for link in links {
            let state = Link {
                one_way: Duration::from_micros(link.delay_us),
                bandwidth_mbit: mbit(link.bandwidth_bits),
            };
            self.links.insert((link.from.clone(), link.to.clone()), state);
        }
    }

    /// Sets how far a region's clock is ahead from now on, in milliseconds.
    pub(super) fn clock_changed(&mut self, region: String, ahead_ms: i64) {
        self.ahead_ms.insert(region, ahead_ms);
    }

    pub(super) fn link(&self, from: &str, to: &str) -> Link {
        let pair = (from.to_owned(), to.to_owned());
        self.links.get(&pair).copied().unwrap_or_default()
    }

    /// Converts a time of a region's clock to one of a correct clock.
    pub(super) fn right_ms(&self, region: &str, shown_ms: u64) -> u64 {
        shown_ms.saturating_add_signed(-self.ahead_ms(region))
    }

    /// The number of commits whose arrivals the control services could not report.
    pub(super) fn missed_commits(&self) -> u64 {
        self.missed_commits
    }

    /// Measures the arrivals in a message of a control service.
    pub(super) fn heard(&mut self, message: &ControlArrivals, recorder: &mut Recorder) {
        self.missed_commits += message.missed_commits;
        for group in &message.groups {
            self.measure(group, recorder);
        }
    }

    fn measure(&mut self, group: &ArrivalGroup, recorder: &mut Recorder) {
        let began_ms = self.began_ms;
        let origin_ahead = self.ahead_ms(&group.origin);
        let one_way = self.link(&group.origin, &group.region).one_way;
        let mut is_first = self.seen.is_first(group);
        let samples = arrived_writes(group)
            .filter(|arrived_writes| is_first(arrived_writes.sequence))
            .filter_map(|arrived_writes| {
                let hybrid_ms = arrived_writes.committed_ms.saturating_add_signed(-origin_ahead);
                // A hybrid clock follows the clock that is furthest ahead, and is never behind. The
                // commit was seen a little later than it happened.
                let committed_ms = match arrived_writes.seen_ms {
                    0 => hybrid_ms,
                    seen_ms => hybrid_ms.min(seen_ms),
                };
                let visible_ms = arrived_writes.visible_ms;
                Some(ArrivalSample {
                    committed: Duration::from_millis(committed_ms.checked_sub(began_ms)?),
                    lag: Duration::from_millis(visible_ms.saturating_sub(committed_ms)),
                    one_way,
                })
            });
        recorder.arrivals(&group.origin, &group.region, samples);
    }

    fn ahead_ms(&self, region: &str) -> i64 {
        self.ahead_ms.get(region).copied().unwrap_or(0)
    }
}

/// A subscription to the arrivals of one control service.
#[derive(Debug, Default)]
pub(super) struct ArrivalSubscription {
    /// The open stream; `None` while the control service is away.
    line: Mutex<Option<Line>>,
}

#[derive(Debug)]
struct Line {
    requests: UnboundedSender<ControlArrivalsRequest>,
    last_request: u64,
    /// The tasks that wait for a message, by the number of its request.
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

impl ArrivalSubscription {
    /// Subscribes to the arrivals of a control service. Once this returns, every later arrival is
    /// reported.
    pub(super) async fn hear(&self, client: &mut Client) -> Result<Streaming<ControlArrivals>, DrillError> {
        let (requests, asked) = unbounded_channel();
        let asked = UnboundedReceiverStream::new(asked);
        let mut messages = client.arrivals(asked).await?.into_inner();
        messages.message().await?;
        self.connected(requests);
        Ok(messages)
    }

    fn connected(&self, requests: UnboundedSender<ControlArrivalsRequest>) {
        *self.line() = Some(Line {
            requests,
            last_request: 0,
            waiting: BTreeMap::new(),
        });
    }

    /// Notes that a message was measured, and wakes the task that waits for it.
    pub(super) fn heard(&self, message: &ControlArrivals) {
        if let Some(waits) = self
            .line()
            .as_mut()
            .and_then(|line| line.waiting.remove(&message.request))
        {
            // Fails if the task no longer waits.
            let _ = waits.send(());
        }
    }

    /// Notes that the control service went away. No task waits for it any more.
    pub(super) fn lost(&self) {
        *self.line() = None;
    }

    /// Waits until everything that is visible by now was measured, or the control service is away.
    pub(super) async fn has_heard_all(&self) {
        let heard = {
            let mut line = self.line();
            let Some(line) = line.as_mut() else { return };
            line.last_request += 1;
            let (waits, heard) = oneshot::channel();
            line.waiting.insert(line.last_request, waits);
            let request = ControlArrivalsRequest {
                request: line.last_request,
            };
            if line.requests.send(request).is_err() {
                return;
            }
            heard
        };
        // Fails if the control service went away.
        heard.await.ok();
    }

    fn line(&self) -> MutexGuard<'_, Option<Line>> {
        self.line.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use beringia_host::{
        arrival_groups::{Commit, CommittedWrite, Gathered, WriteRun},
        control::arrival_stream::stream,
    };
    use beringia_item::{Origin, Region, TableId};
    use beringia_report::Player;
    use beringia_scenario::{Plan, Scenario};
    use futures_util::StreamExt as _;
    use tokio::sync::broadcast;

    use super::*;

    const BEGAN_MS: u64 = 1_000_000;

    /// The recorder of a built-in scenario, and the names of two of its regions.
    fn recorder() -> (Recorder, Region, Region) {
        let plan = Plan::draw(&Scenario::shipped("partition").unwrap(), 1);
        let names: Vec<Region> = plan
            .scenario
            .topology
            .names()
            .map(|name| Region::new(name).unwrap())
            .collect();
        (Recorder::new(&plan, Player::Drill), names[0].clone(), names[1].clone())
    }

    /// A write that was committed `after_ms` after the beginning and visible 40 ms later, by the
    /// two wall clocks.
    fn commit(from: &Region, to: &Region, sequence: u64, after_ms: u64) -> Commit {
        Commit {
            region: to.clone(),
            visible_ms: BEGAN_MS + after_ms + 40,
            runs: vec![WriteRun {
                table: TableId(7),
                origin: Origin::of_only_shard(from),
                by_log: true,
                writes: vec![CommittedWrite {
                    sequence,
                    committed_ms: BEGAN_MS + after_ms,
                    seen_ms: 0,
                }],
            }],
        }
    }

    #[tokio::test(start_paused = true)]
    async fn measures_all_arrivals_before_the_end() {
        let (recorder, from, to) = recorder();
        let (commits, heard) = broadcast::channel(64);
        let (requests, asked) = unbounded_channel();
        let mut messages = Box::pin(stream(heard, UnboundedReceiverStream::new(asked).map(Ok)));
        let subscription = Arc::new(ArrivalSubscription::default());
        subscription.has_heard_all().await;
        subscription.connected(requests);
        let measured = Arc::new(Mutex::new((Arrivals::since(BEGAN_MS), recorder)));
        let (subscriptions, measures) = (Arc::clone(&subscription), Arc::clone(&measured));
        let listening = tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                {
                    let (arrivals, recorder) = &mut *measures.lock();
                    arrivals.heard(&message, recorder);
                }
                subscriptions.heard(&message);
            }
        });
        for sequence in 1..=9 {
            commits.send(Arc::new(commit(&from, &to, sequence, 5))).unwrap();
        }
        subscription.has_heard_all().await;
        listening.abort();
        assert!(listening.await.is_err());
        subscription.lost();
        subscription.has_heard_all().await;
        let (_, recorder) = Arc::into_inner(measured).unwrap().into_inner();
        let run = recorder.finish(Duration::from_secs(1), "");
        let pair = run
            .pairs
            .iter()
            .find(|pair| pair.from == from.as_str() && pair.to == to.as_str());
        assert_eq!(pair.map(|pair| pair.mutations), Some(9));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_when_a_control_service_goes_away() {
        let subscription = ArrivalSubscription::default();
        let (requests, _asked) = unbounded_channel();
        subscription.connected(requests);
        tokio::join!(subscription.has_heard_all(), async { subscription.lost() });
    }

    /// A write from before the drill has no lag.
    #[test]
    fn measures_lag_by_the_clocks_at_the_time() {
        let (mut recorder, from, to) = recorder();
        let mut arrivals = Arrivals::since(BEGAN_MS);
        let mut hear = |arrivals: &mut Arrivals, sequence, after_ms| {
            let mut gathered = Gathered::default();
            gathered.add(&commit(&from, &to, sequence, after_ms));
            let message = ControlArrivals {
                groups: gathered.into_groups(),
                missed_commits: 1,
                request: 0,
            };
            arrivals.heard(&message, &mut recorder);
        };
        hear(&mut arrivals, 1, 500);
        // The origin's clock is ten seconds ahead.
        arrivals.clock_changed(from.to_string(), 10_000);
        hear(&mut arrivals, 2, 9_000);
        hear(&mut arrivals, 3, 10_600);
        assert_eq!(arrivals.missed_commits(), 3);
        let run = recorder.finish(Duration::from_secs(20), "");
        let pair = run.pairs.iter().find(|pair| pair.mutations > 0).unwrap();
        assert_eq!((pair.mutations, pair.lag_ms.min, pair.lag_ms.max), (2, 40.0, 10_040.0));
        assert!(pair.lag.iter().all(|point| point.second == 0), "{:?}", pair.lag);
    }

    /// The hybrid clock of the origin follows one that is 30 ms ahead, its own wall clock is right.
    #[test]
    fn lag_does_not_shrink_under_a_fast_clock() {
        let (mut recorder, from, to) = recorder();
        let mut arrivals = Arrivals::since(BEGAN_MS);
        let mut commit = commit(&from, &to, 1, 500);
        commit.runs[0].writes[0].committed_ms += 30;
        commit.runs[0].writes[0].seen_ms = BEGAN_MS + 501;
        let mut gathered = Gathered::default();
        gathered.add(&commit);
        let groups = gathered.into_groups();
        let message = ControlArrivals {
            groups,
            ..ControlArrivals::default()
        };
        arrivals.heard(&message, &mut recorder);
        let run = recorder.finish(Duration::from_secs(20), "");
        let pair = run.pairs.iter().find(|pair| pair.mutations > 0).unwrap();
        assert_eq!(pair.lag_ms.max, 39.0);
    }

    #[test]
    fn measures_a_write_once_after_a_lost_disk() {
        let mut seen = Seen::default();
        let mut first = |region: &str, by_log, sequences: &[u64]| -> Vec<bool> {
            let group = ArrivalGroup {
                region: region.to_owned(),
                origin: "a".to_owned(),
                table_id: "t".to_owned(),
                by_log,
                ..ArrivalGroup::default()
            };
            let is_first = seen.is_first(&group);
            sequences.iter().copied().map(is_first).collect()
        };
        assert_eq!(first("b", true, &[1, 3]), [true, true]);
        assert_eq!(first("c", true, &[2]), [true]);
        // Rows of a copy are not in order: the newest may arrive before others that this region
        // never had.
        assert_eq!(first("b", false, &[3, 9]), [false, true], "rows of a copy");
        assert_eq!(first("b", true, &[2, 5, 5]), [false, true, false], "the log after it");
    }
}
