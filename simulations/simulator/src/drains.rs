//! Watches the drains of regions until each is proven.

use std::{sync::Arc, time::Duration};

use beringia_node::DrainWatch;
use beringia_report::DrainSample;
use parking_lot::Mutex;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::Trace;

/// The interval at which a drain is checked.
const PAUSE: Duration = Duration::from_millis(20);

/// The tasks that watch drains, and their observations. Dropping it stops the tasks.
pub(crate) struct Drains {
    seen: Arc<Mutex<Vec<DrainSample>>>,
    /// Reports each proof with its region and its time.
    reported: UnboundedSender<(String, Duration)>,
    heard: UnboundedReceiver<(String, Duration)>,
    tasks: JoinSet<()>,
}

impl Default for Drains {
    fn default() -> Self {
        let (reported, heard) = unbounded_channel();
        Self {
            seen: Arc::default(),
            reported,
            heard,
            tasks: JoinSet::new(),
        }
    }
}

impl Drains {
    /// Watches a region's drain until it is proven or over. Times count from `began`.
    pub(crate) fn watch(&mut self, region: String, watch: DrainWatch, began: Instant, trace: Arc<Trace>) {
        let (seen, reported) = (Arc::clone(&self.seen), self.reported.clone());
        self.tasks.spawn(async move {
            let mut known = 0;
            while let Some(drain) = watch.state().await {
                let peers: Vec<String> = drain.complete_peers().into_iter().map(ToString::to_string).collect();
                let is_proven = drain.is_complete();
                if peers.len() > known || is_proven {
                    known = peers.len();
                    trace.note(format_args!("drain of {region}: {} have all", peers.join(", ")));
                    let sample = DrainSample {
                        region: region.clone(),
                        at: began.elapsed(),
                        is_proven,
                        peers,
                    };
                    seen.lock().push(sample);
                }
                if is_proven {
                    // This fails only if the run is over.
                    reported.send((region, began.elapsed())).ok();
                    return;
                }
                sleep(PAUSE).await;
            }
        });
    }

    /// Waits for the next proven drain, and returns its region and time.
    pub(crate) async fn proven(&mut self) -> (String, Duration) {
        match self.heard.recv().await {
            Some(proven) => proven,
            // Unreachable: this structure holds the other end.
            None => std::future::pending().await,
        }
    }

    /// Stops watching, and returns the observations.
    pub(crate) async fn end(&mut self) -> Vec<DrainSample> {
        self.tasks.shutdown().await;
        std::mem::take(&mut *self.seen.lock())
    }
}
