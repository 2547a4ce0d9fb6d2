//! Scenarios: a topology, a load, a timeline of faults; then convergence, and the oracle's judgement.

use std::{collections::BTreeMap, fmt, time::Duration};

use beringia_node::Tuning;
use beringia_regions::Topology;
use tokio::time::{Instant, sleep_until};

use crate::{
    Convergence, SimulationError, World, WorldConfig,
    evidence::gather,
    fault::{Fault, Timeline},
    oracle::{Fate, Violation},
    table,
    workload::{Workload, WorkloadConfig, locked},
};

/// What happens in a run. Together with the code it determines the run.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// Everything random follows from it.
    pub seed: u64,
    /// Which regions, and what the links between them do.
    pub topology: Topology,
    /// The load.
    pub workload: WorkloadConfig,
    /// What goes wrong. At its end every region must be running.
    pub faults: Timeline,
    /// When all links are healed, since the load began; not before the last fault.
    pub heal_at: Duration,
    /// When the load ends; not before the healing.
    pub stop_at: Duration,
    /// How long convergence may take after that.
    pub patience: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// The scenario's name.
    pub name: String,
    /// The seed.
    pub seed: u64,
    /// Writes acknowledged, by region.
    pub acknowledged: BTreeMap<String, usize>,
    /// Of those, from the first fault to the healing.
    pub acknowledged_under_faults: BTreeMap<String, usize>,
    /// Writes whose answer never came, by region.
    pub unknown: BTreeMap<String, usize>,
    /// Entries in the journal of conflicts, by region.
    pub conflicts: BTreeMap<String, usize>,
    /// From the end of the load to equal digests.
    pub convergence: Convergence,
    /// Broken promises; empty, or something is wrong with Beringia.
    pub violations: Vec<Violation>,
    /// What happened, line by line.
    pub trace: Vec<String>,
}

impl Scenario {
    /// Runs it; to be called in virtual time.
    ///
    /// # Errors
    /// [`SimulationError`] if the regions do not get ready, or do not converge. What they promised and did not keep is in the
    /// report.
    pub async fn run(&self) -> Result<Report, SimulationError> {
        // The oracle wants all that ever was: logs and tombstones.
        let tuning = Tuning {
            forget_interval: None,
            ..Tuning::default()
        };
        let topology = self.topology.clone();
        let mut world = World::start(WorldConfig {
            topology,
            seed: self.seed,
            tuning,
        })
        .await?;
        table::create(&world, &self.workload.table).await?;
        let load = Workload::start(&world, &self.workload)?;
        let began = Instant::now();

        sleep_until(began + self.faults.first().unwrap_or(self.heal_at)).await;
        let before = acknowledged(&world, &load);
        self.faults.play(&mut world, began).await?;
        Timeline::new(vec![(self.heal_at, Fault::Heal)])
            .play(&mut world, began)
            .await?;
        let after = acknowledged(&world, &load);
        sleep_until(began + self.stop_at).await;

        let oracle = load.stop().await;
        world.trace.note(format_args!("the load ended"));
        let convergence = world.converged(&self.workload.table, self.patience).await?;
        let evidence = gather(&world, &self.workload.table).await?;
        let oracle = locked(&oracle);
        let count = |fate| {
            world
                .names()
                .into_iter()
                .map(|name| (name.clone(), oracle.count(&name, fate)))
                .collect()
        };
        Ok(Report {
            name: self.name.clone(),
            seed: self.seed,
            acknowledged: count(Fate::Acknowledged),
            acknowledged_under_faults: after
                .into_iter()
                .map(|(name, after)| (name.clone(), after - before[&name]))
                .collect(),
            unknown: count(Fate::Unknown),
            conflicts: evidence
                .journals
                .iter()
                .map(|(name, journal)| (name.clone(), journal.len()))
                .collect(),
            convergence,
            violations: oracle.judge(&evidence),
            trace: world.trace.lines(),
        })
    }
}

fn acknowledged(world: &World, load: &Workload) -> BTreeMap<String, usize> {
    world
        .names()
        .into_iter()
        .map(|name| (name.clone(), load.count(&name, Fate::Acknowledged)))
        .collect()
}

impl fmt::Display for Report {
    /// The trace, then what came of it. It says nothing that depends on anything but the seed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "{}, seed {}", self.name, self.seed)?;
        for (region, acknowledged) in &self.acknowledged {
            let under_faults = self.acknowledged_under_faults.get(region).unwrap_or(&0);
            let unknown = self.unknown.get(region).unwrap_or(&0);
            writeln!(
                f,
                "{region}: {acknowledged} writes acknowledged, {under_faults} of them under faults; {unknown} without an answer"
            )?;
        }
        for (region, conflicts) in &self.conflicts {
            writeln!(f, "{region}: {conflicts} conflicts")?;
        }
        writeln!(f, "converged {} ms after the load ended", self.convergence.elapsed_ms)?;
        for violation in &self.violations {
            writeln!(f, "VIOLATION: {violation}")?;
        }
        Ok(())
    }
}
