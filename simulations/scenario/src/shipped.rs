//! The scenarios that are built in: the files in `simulations/scenarios`.

use std::path::Path;

use crate::{Scenario, ScenarioError, form};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../scenarios/", $name, ".toml")))),*]
    };
}

/// Names and texts, from the calmest to the wildest.
const SHIPPED: [(&str, &str); 23] = built_in![
    "steady",
    "partition",
    "asymmetric-partition",
    "flapping-link",
    "region-loss",
    "region-loss-with-data",
    "snapshot-restored",
    "failover-and-failback",
    "split-brain",
    "slow-link-backlog",
    "fast-clock",
    "clock-jump-back",
    "hot-key",
    "delete-vs-update",
    "late-write-after-tombstone",
    "replica-added-under-load",
    "relay-around-a-cut",
    "rolling-restart",
    "power-loss",
    "failing-disk",
    "thundering-recovery",
    "ten-regions",
    "swarm",
];

impl Scenario {
    /// The built-in scenario of that name.
    ///
    /// # Errors
    /// [`ScenarioError::Unknown`] with the names of all built-in scenarios.
    pub fn shipped(name: &str) -> Result<Self, ScenarioError> {
        let text = Self::shipped_text(name)?;
        form::parse(text, Path::new(&format!("{name}.toml")))
    }

    /// The file of the built-in scenario of that name, as it was written.
    ///
    /// # Errors
    /// The same as those of [`Scenario::shipped`].
    pub fn shipped_text(name: &str) -> Result<&'static str, ScenarioError> {
        let found = SHIPPED.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| *text).ok_or_else(|| ScenarioError::Unknown {
            name: name.to_owned(),
            known: Self::shipped_names().map(str::to_owned).collect(),
        })
    }

    /// The names of the built-in scenarios, from the calmest to the wildest.
    pub fn shipped_names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }
}
