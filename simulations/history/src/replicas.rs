//! The lifecycle of replicas during a run, which decides what their logs and journals can show.

use std::collections::{BTreeMap, BTreeSet};

/// The epoch of each replica, by region and table. It rises when the other regions drop the
/// replica.
pub type ReplicaEpochs = BTreeMap<(String, String), u32>;

/// The lifecycle of the replicas of the tables during a run.
#[derive(Debug)]
pub struct ReplicaHistory {
    /// Regions that lost their disk at any time.
    pub lost_disk: Vec<String>,
    /// Regions that had the replicas from the beginning to the end.
    pub always_held: Vec<String>,
    /// Replicas that the other regions dropped and that were re-bootstrapped, by region and table.
    pub rebootstrapped: BTreeSet<(String, String)>,
}

impl ReplicaHistory {
    /// Describes a run that began with replicas in these regions, some of which came or went. A
    /// replica was dropped and re-bootstrapped if its epoch at the end is another than at the
    /// beginning, and its region had it all the time and kept its disk.
    #[must_use]
    pub fn new(
        replicas: &[String],
        came_or_went: &[String],
        lost_disk: Vec<String>,
        [first, last]: [&ReplicaEpochs; 2],
    ) -> Self {
        let stayed = replicas.iter().filter(|region| !came_or_went.contains(region));
        let always_held: Vec<String> = stayed.cloned().collect();
        let is_other = |(place, epoch): &(&(String, String), &u32)| {
            always_held.contains(&place.0) && !lost_disk.contains(&place.0) && last.get(place) != Some(epoch)
        };
        let others = first.iter().filter(is_other);
        Self {
            rebootstrapped: others.map(|(place, _)| place.clone()).collect(),
            lost_disk,
            always_held,
        }
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
