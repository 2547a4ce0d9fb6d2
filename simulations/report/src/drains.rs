//! The drains of a plan, and when each was proven.

use beringia_scenario::{Action, Plan};
use serde::{Deserialize, Serialize};

use crate::{DrainSample, recorder::whole_millis};

/// A drain: a region was closed for writes, until its peers had them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainTimes {
    /// The region that was closed for writes.
    pub region: String,
    /// When it was closed, in milliseconds since the load began.
    pub from_ms: u64,
    /// When every other region was known to have its last write of every table; `None`: not before
    /// it was opened again, or the run ended.
    pub proven_ms: Option<u64>,
    /// When traffic left it: its clients were moved, or it was taken down; `None`: neither.
    pub left_ms: Option<u64>,
    /// When each other region had acknowledged its last write of every table.
    pub peers: Vec<DrainedPeer>,
}

/// Another region's part in the proof of a drain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainedPeer {
    /// One of the other regions.
    pub peer: String,
    /// When it had acknowledged the last write of every table; `None`: never seen.
    pub proven_ms: Option<u64>,
}

impl DrainTimes {
    /// The time from closing the region to the proof; `None`: there was no proof.
    #[must_use]
    pub fn elapsed_ms(&self) -> Option<u64> {
        Some(self.proven_ms?.saturating_sub(self.from_ms))
    }

    /// Whether traffic left the region before the drain was proven.
    #[must_use]
    pub fn was_left_early(&self) -> bool {
        self.left_ms
            .is_some_and(|left| self.proven_ms.is_none_or(|proven| proven > left))
    }
}

/// The drains of a plan, with the time at which clients left each region; and for each, when it
/// ends in milliseconds.
pub(crate) fn planned(plan: &Plan) -> Vec<(DrainTimes, u64)> {
    let mut drains: Vec<(DrainTimes, u64)> = Vec::new();
    for planned in &plan.timeline {
        let at_ms = whole_millis(planned.at);
        match &planned.action {
            Action::Drain { region } => {
                let others = plan.scenario.topology.names().filter(|name| name != region);
                let peer = |name: &str| DrainedPeer {
                    peer: name.to_owned(),
                    proven_ms: None,
                };
                let drain = DrainTimes {
                    region: region.clone(),
                    from_ms: at_ms,
                    proven_ms: None,
                    left_ms: None,
                    peers: others.map(peer).collect(),
                };
                drains.push((drain, u64::MAX));
            }
            Action::Shift { from: region, to } if region != to => {
                if let Some((drain, _)) = open(&mut drains, region) {
                    drain.left_ms.get_or_insert(at_ms);
                }
            }
            Action::Crash { region, .. } | Action::RestoreDisk { region } | Action::LosePower { region } => {
                if let Some((drain, until)) = open(&mut drains, region) {
                    drain.left_ms.get_or_insert(at_ms);
                    // A region is open for writes when it starts.
                    *until = at_ms;
                }
            }
            Action::Undrain { region } => {
                if let Some((_, until)) = open(&mut drains, region) {
                    *until = at_ms;
                }
            }
            _ => {}
        }
    }
    drains
}

/// Records the progress of a drain. `until` has, for each drain, when it ends.
pub(crate) fn seen(drains: &mut [DrainTimes], until: &[u64], sample: &DrainSample) {
    let at_ms = whole_millis(sample.at);
    // An action is carried out shortly after it is due, so a sample of a drain is never before it.
    let meant = |(drain, until): &(&mut DrainTimes, &u64)| {
        drain.region == sample.region && (drain.from_ms..=**until).contains(&at_ms)
    };
    let Some((drain, _)) = drains.iter_mut().zip(until).rev().find(meant) else {
        return;
    };
    for peer in drain.peers.iter_mut().filter(|peer| sample.peers.contains(&peer.peer)) {
        peer.proven_ms.get_or_insert(at_ms);
    }
    if sample.is_proven {
        drain.proven_ms.get_or_insert(at_ms);
    }
}

/// The drain of a region that has not ended.
fn open<'a>(drains: &'a mut [(DrainTimes, u64)], region: &str) -> Option<&'a mut (DrainTimes, u64)> {
    drains
        .iter_mut()
        .find(|(drain, until)| drain.region == region && *until == u64::MAX)
}
