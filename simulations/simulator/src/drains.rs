//! Looks at the drains of regions until each is proven.

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

/// How often a drain is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// Whoever looks, and what was seen. Dropping it ends the looking.
pub(crate) struct Drains {
    seen: Arc<Mutex<Vec<DrainSample>>>,
    /// Where a proof is told, with its region and its time.
    told: UnboundedSender<(String, Duration)>,
    heard: UnboundedReceiver<(String, Duration)>,
    tasks: JoinSet<()>,
}

impl Default for Drains {
    fn default() -> Self {
        let (told, heard) = unbounded_channel();
        Self {
            seen: Arc::default(),
            told,
            heard,
            tasks: JoinSet::new(),
        }
    }
}

impl Drains {
    /// Looks at a region's drain until it is proven, or over. `began`: from when times count.
    pub(crate) fn watch(&mut self, region: String, watch: DrainWatch, began: Instant, trace: Arc<Trace>) {
        let (seen, told) = (Arc::clone(&self.seen), self.told.clone());
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
                    // It fails where the run is over.
                    told.send((region, began.elapsed())).ok();
                    return;
                }
                sleep(PAUSE).await;
            }
        });
    }

    /// The next drain that is proven, and when; waits for it.
    pub(crate) async fn proven(&mut self) -> (String, Duration) {
        match self.heard.recv().await {
            Some(proven) => proven,
            // Never: the other end is here.
            None => std::future::pending().await,
        }
    }

    /// Ends the looking, and gives what was seen.
    pub(crate) async fn end(&mut self) -> Vec<DrainSample> {
        self.tasks.shutdown().await;
        std::mem::take(&mut *self.seen.lock())
    }
}
