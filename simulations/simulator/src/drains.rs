//! Looks at the drains of regions until each is proven.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use beringia_node::DrainWatch;
use beringia_report::DrainSample;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::Trace;

/// How often a drain is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// Whoever looks, and what was seen. Dropping it ends the looking.
#[derive(Default)]
pub(crate) struct Drains {
    seen: Arc<Mutex<Vec<DrainSample>>>,
    tasks: JoinSet<()>,
}

impl Drains {
    /// Looks at a region's drain until it is proven, or over. `began`: from when times count.
    pub(crate) fn watch(&mut self, region: String, watch: DrainWatch, began: Instant, trace: Arc<Trace>) {
        let seen = Arc::clone(&self.seen);
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
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
                }
                if is_proven {
                    return;
                }
                sleep(PAUSE).await;
            }
        });
    }

    /// Ends the looking, and gives what was seen.
    pub(crate) async fn end(&mut self) -> Vec<DrainSample> {
        self.tasks.shutdown().await;
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
