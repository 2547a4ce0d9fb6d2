//! The source of what clients of the control service observe in the regions of this process: for
//! measurements, every write of another region as it arrives; for recordings, what clients do and
//! what is done to regions and links.

use std::sync::Arc;

use beringia_clock::{SystemClock, WallClock as _};
use beringia_gateway::{Call, Listener, Meter, MeteredRequest, Plane};
use beringia_item::{Region, TableId};
use beringia_node::{Arrival, Observer, Way};
use beringia_proto::v1::{RecordedCall, control_recorded::What};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, broadcast},
    time::Instant,
};

use crate::{
    arrival_groups::{Commit, CommittedWrite, WriteRun},
    commit_times::CommitTimes,
    traffic::Traffic,
};

/// Commits that a client may be behind. Older ones are dropped for it, and it learns their number.
const COMMITS_MAX: usize = 4096;
/// Operations and events that a client may be behind, likewise. An operation can have megabytes;
/// most have hundreds of bytes.
const EVENTS_MAX: usize = 8192;
/// Hands the arrivals of all regions to listeners. Without listeners, a commit costs one read of a
/// counter.
#[derive(Debug, Clone)]
pub(crate) struct Tap {
    arrivals: broadcast::Sender<Arc<Commit>>,
    /// Is notified of every new listener to commits.
    listening: Arc<Notify>,
    events: broadcast::Sender<Arc<Heard>>,
    /// Counts the requests of clients.
    traffic: Arc<Traffic>,
    /// When the regions committed their own writes.
    commit_times: Arc<Mutex<CommitTimes>>,
}

/// An entry of a recording.
#[derive(Debug)]
pub(crate) struct Heard {
    /// When the operation or event began.
    pub(crate) at: Instant,
    pub(crate) what: What,
}

impl Tap {
    pub(crate) fn new() -> Self {
        Self {
            arrivals: broadcast::channel(COMMITS_MAX).0,
            listening: Arc::default(),
            events: broadcast::channel(EVENTS_MAX).0,
            traffic: Arc::default(),
            commit_times: Arc::default(),
        }
    }

    /// The counts of clients' requests.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The times at which the regions committed their own writes.
    pub(crate) fn commit_times(&self) -> &Arc<Mutex<CommitTimes>> {
        &self.commit_times
    }

    /// Whether anybody listens to commits.
    pub(crate) fn has_listeners(&self) -> bool {
        self.arrivals.receiver_count() > 0
    }

    /// Subscribes to all further commits.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<Commit>> {
        let heard = self.arrivals.subscribe();
        self.listening.notify_waiters();
        heard
    }

    /// Is notified when a client begins to listen to commits.
    pub(crate) fn listening(&self) -> &Notify {
        &self.listening
    }

    /// Subscribes to all further operations of clients, and changes of regions and links.
    pub(crate) fn record(&self) -> broadcast::Receiver<Arc<Heard>> {
        self.events.subscribe()
    }

    /// Records a change of a region or a link.
    pub(crate) fn note(&self, what: What) {
        // Sending fails if there are no listeners.
        let _ = self.events.send(Arc::new(Heard {
            at: Instant::now(),
            what,
        }));
    }

    /// The tap for one region, which receives its arrivals and requests.
    pub(crate) fn of(&self, region: &Region) -> Arc<RegionTap> {
        Arc::new(RegionTap {
            region: region.clone(),
            tap: self.clone(),
        })
    }
}

/// The tap for one region.
pub(crate) struct RegionTap {
    region: Region,
    tap: Tap,
}

impl Observer for RegionTap {
    fn arrived(&self, arrivals: &[Arrival]) {
        if !self.tap.has_listeners() {
            return;
        }
        let runs = runs(arrivals);
        if runs.is_empty() {
            return;
        }
        // Sending fails if the last listener has just gone.
        let _ = self.tap.arrivals.send(Arc::new(Commit {
            region: self.region.clone(),
            visible_ms: SystemClock.now_ms(),
            runs,
        }));
    }
}

/// Groups a commit's writes of tables. Writes that arrive together usually have one origin and
/// belong to one table.
fn runs(arrivals: &[Arrival]) -> Vec<WriteRun> {
    let kind = |arrival: &Arrival| (arrival.table, arrival.way == Way::Stream);
    let alike = arrivals.chunk_by(|one, next| kind(one) == kind(next) && one.origin() == next.origin());
    let write = |arrival: &Arrival| CommittedWrite {
        sequence: arrival.version.sequence,
        committed_ms: arrival.committed().millis(),
    };
    alike
        .filter_map(|alike| alike.first().map(|first| (first, alike)))
        .filter(|(first, _)| first.table != TableId::CATALOG)
        .map(|(first, alike)| WriteRun {
            table: first.table,
            origin: first.origin().clone(),
            by_log: first.way == Way::Stream,
            writes: alike.iter().map(write).collect(),
        })
        .collect()
}

impl Meter for RegionTap {
    fn ended(&self, request: &MeteredRequest<'_>) {
        self.tap.traffic.ended(&self.region, request);
    }
}

impl Listener for RegionTap {
    fn listens(&self) -> bool {
        self.tap.events.receiver_count() > 0
    }

    fn answered(&self, call: Call) {
        // A replay creates no tables, and reads no streams.
        if call.plane != Plane::Data {
            return;
        }
        let recorded = RecordedCall {
            region: self.region.to_string(),
            operation: call.operation,
            parameters_json: serde_json::Value::Object(call.parameters).to_string(),
            status: u32::from(call.status),
        };
        // Sending fails if the last listener has just gone.
        let _ = self.tap.events.send(Arc::new(Heard {
            at: call.began,
            what: What::Call(recorded),
        }));
    }
}
