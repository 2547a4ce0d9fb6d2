//! Counts how many of several seeds drew each feature of a swarm.

use std::collections::BTreeMap;

use beringia_scenario::{Plan, SwarmFeature, SwarmProfile};

/// For each profile, the number of swarms with each of its features.
#[derive(Debug, Default)]
pub(super) struct FeatureCounts(BTreeMap<&'static str, BTreeMap<SwarmFeature, u64>>);

impl FeatureCounts {
    /// Counts the features of a plan's swarms. Those of `basic` are left out: all of its swarms
    /// have all of them.
    pub(super) fn count(&mut self, plan: &Plan) {
        for swarm in plan.swarms() {
            if swarm.profile == SwarmProfile::Basic {
                continue;
            }
            let counts = self.0.entry(swarm.profile.name()).or_default();
            for feature in swarm.profile.features() {
                *counts.entry(*feature).or_default() += u64::from(swarm.features.contains(feature));
            }
        }
    }

    /// A line for each profile, such as `disks: 4 links, 6 crashes`.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(profile, counts): (&&str, &BTreeMap<SwarmFeature, u64>)| {
            let counts = counts
                .iter()
                .map(|(feature, count)| format!("{count} {}", feature.name()));
            format!("{profile}: {}", counts.collect::<Vec<_>>().join(", "))
        };
        self.0.iter().map(line).collect()
    }
}
