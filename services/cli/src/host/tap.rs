//! What clients of the control service hear of the regions of this process: every write of another region as it arrives, for those that
//! measure; what clients do and what is done to regions and links, for those that record.

use std::sync::Arc;

use beringia_gateway::{Call, Listener};
use beringia_item::{Region, TableId};
use beringia_node::{Arrival, Observer, Way};
use beringia_proto::v1::{ArrivalReport, ControlArrivals, RecordedCall, control_recorded::What};
use tokio::{sync::broadcast, time::Instant};

/// Commits that a client may be behind; older ones it misses, and is told how many.
const COMMITS_MAX: usize = 4096;
/// Operations and events that a client may be behind; likewise. An operation can have megabytes, most have hundreds of bytes.
const EVENTS_MAX: usize = 8192;
/// What a recording has of what clients do.
const RECORDED: [&str; 13] = [
    "BatchExecuteStatement",
    "BatchGetItem",
    "BatchWriteItem",
    "DeleteItem",
    "ExecuteStatement",
    "ExecuteTransaction",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "TransactGetItems",
    "TransactWriteItems",
    "UpdateItem",
];

/// Hands the arrivals of all regions to whoever listens. Where nobody does, a commit costs one look at a counter.
#[derive(Debug, Clone)]
pub(crate) struct Tap {
    arrivals: broadcast::Sender<Arc<ControlArrivals>>,
    events: broadcast::Sender<Arc<Heard>>,
}

/// Something that a recording has.
#[derive(Debug)]
pub(crate) struct Heard {
    /// When it began.
    pub(crate) at: Instant,
    pub(crate) what: What,
}

impl Tap {
    pub(crate) fn new() -> Self {
        Self {
            arrivals: broadcast::channel(COMMITS_MAX).0,
            events: broadcast::channel(EVENTS_MAX).0,
        }
    }

    /// Hears of every commit from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<ControlArrivals>> {
        self.arrivals.subscribe()
    }

    /// Hears from now on of what clients do, and what is done to regions and links.
    pub(crate) fn record(&self) -> broadcast::Receiver<Arc<Heard>> {
        self.events.subscribe()
    }

    /// Something was done to a region or a link.
    pub(crate) fn note(&self, what: What) {
        // It fails where nobody listens.
        let _ = self.events.send(Arc::new(Heard {
            at: Instant::now(),
            what,
        }));
    }

    /// The end of it at a region, which hears of arrivals and of requests.
    pub(crate) fn of(&self, region: &Region) -> Arc<RegionTap> {
        Arc::new(RegionTap {
            region: region.to_string(),
            tap: self.clone(),
        })
    }
}

/// The tap at one region.
pub(crate) struct RegionTap {
    region: String,
    tap: Tap,
}

impl Observer for RegionTap {
    fn arrived(&self, arrivals: &[Arrival]) {
        if self.tap.arrivals.receiver_count() == 0 {
            return;
        }
        let of_tables = arrivals.iter().filter(|arrival| arrival.table != TableId::CATALOG);
        let reports: Vec<ArrivalReport> = of_tables
            .map(|arrival| ArrivalReport {
                origin: arrival.origin().to_string(),
                committed_ms: arrival.committed().millis(),
                table_id: arrival.table.to_string(),
                sequence: arrival.version.sequence,
                by_log: arrival.way == Way::Stream,
            })
            .collect();
        let Some(last) = arrivals.last().filter(|_| !reports.is_empty()) else {
            return;
        };
        // It fails where the last listener has just gone.
        let _ = self.tap.arrivals.send(Arc::new(ControlArrivals {
            region: self.region.clone(),
            visible_ms: last.applied_ms,
            arrivals: reports,
            missed_commits: 0,
        }));
    }
}

impl Listener for RegionTap {
    fn listens(&self) -> bool {
        self.tap.events.receiver_count() > 0
    }

    fn answered(&self, call: Call) {
        if !RECORDED.contains(&call.operation.as_str()) {
            return;
        }
        let recorded = RecordedCall {
            region: self.region.clone(),
            operation: call.operation,
            parameters_json: serde_json::Value::Object(call.parameters).to_string(),
            status: u32::from(call.status),
        };
        // It fails where the last listener has just gone.
        let _ = self.tap.events.send(Arc::new(Heard {
            at: call.began,
            what: What::Call(recorded),
        }));
    }
}
