//! The lifecycle of replicas during a run, which decides what their logs and journals can show.

use std::collections::BTreeSet;

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
