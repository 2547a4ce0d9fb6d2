//! The lifecycle of replicas during a run, which decides what their logs and journals can show.

use std::collections::{BTreeMap, BTreeSet};

/// The epoch of each replica, by region and table. It rises when the other regions drop the
/// replica.
pub type ReplicaEpochs = BTreeMap<(String, String), u32>;

/// The lifecycle of the replicas of the tables during a run.
#[derive(Debug, Default)]
pub struct ReplicaHistory {
    /// Regions that lost their disk at any time.
    pub lost_disk: Vec<String>,
    /// Regions that had the replicas from the beginning to the end.
    pub always_held: Vec<String>,
    /// Replicas that the other regions dropped and that were re-bootstrapped, by region and table.
    pub rebootstrapped: BTreeSet<(String, String)>,
}

impl ReplicaHistory {
    /// Finds the replicas that were dropped and re-bootstrapped, by the epochs of all replicas at
    /// the beginning and now: those with another one now, of regions that had them all the time
    /// and kept their disk.
    pub fn compare_epochs(&mut self, before: &ReplicaEpochs, now: &ReplicaEpochs) {
        let is_other = |(place, epoch): &(&(String, String), &u32)| {
            self.always_held.contains(&place.0) && !self.lost_disk.contains(&place.0) && now.get(place) != Some(epoch)
        };
        let others = before.iter().filter(is_other);
        self.rebootstrapped = others.map(|(place, _)| place.clone()).collect();
    }

    /// Returns whether a region's own log of a table has everything that the region wrote there. If
    /// it does not, the logs of other regions may have more of it.
    #[must_use]
    pub fn has_whole_log(&self, region: &str, table: &str) -> bool {
        let replica = (region.to_owned(), table.to_owned());
        !self.lost_disk.iter().any(|lost| lost == region)
            && self.always_held.iter().any(|held| held == region)
            && !self.rebootstrapped.contains(&replica)
    }

    /// Returns whether a region's replica of a table may have been bootstrapped or removed during
    /// the run, apart from what a lost disk entails.
    #[must_use]
    pub fn may_be_bootstrapped(&self, region: &str, table: &str) -> bool {
        let replica = (region.to_owned(), table.to_owned());
        !self.always_held.iter().any(|held| held == region) || self.rebootstrapped.contains(&replica)
    }

    /// Returns whether a region's journal must have every conflict of a table that the region could
    /// see.
    #[must_use]
    pub fn has_complete_journal(&self, region: &str, table: &str) -> bool {
        self.has_whole_log(region, table)
    }
}
