//! Applies the actions of a timeline to a simulated cluster.

use beringia_network::Direction;
use beringia_scenario::{Action, Ends};

use crate::{Cluster, SimulationError};

impl Cluster {
    /// Applies an action to regions and links. Actions on clients and replicas change nothing here.
    ///
    /// # Errors
    /// [`SimulationError`] for an action that is impossible now, such as the crash of a region that
    /// is down.
    pub async fn act(&mut self, action: &Action, tables: &[String]) -> Result<(), SimulationError> {
        let network = self.network().clone();
        match action {
            Action::Delay { ends, delay, jitter } => {
                network.delay(&ends.from, &ends.to, direction(ends), *delay, *jitter)?;
            }
            Action::Loss { ends, percent } => network.loss(&ends.from, &ends.to, direction(ends), *percent)?,
            Action::Bandwidth { ends, mbit } => network.bandwidth(&ends.from, &ends.to, direction(ends), *mbit)?,
            Action::Cut { ends, reset: false } => network.cut(&ends.from, &ends.to, direction(ends))?,
            Action::Cut { ends, reset: true } => network.reset(&ends.from, &ends.to, direction(ends))?,
            Action::Isolate { region, reset: false } => network.isolate(region)?,
            Action::Isolate { region, reset: true } => {
                for other in self.names().iter().filter(|other| *other != region) {
                    network.reset(region, other, Direction::Both)?;
                }
            }
            Action::Heal(Some(ends)) => network.heal(&ends.from, &ends.to, direction(ends))?,
            Action::Heal(None) => network.heal_all(),
            Action::Crash { region, lose_disk } => self.crash_region(region, *lose_disk)?,
            Action::CopyDisk { region } => self.copy_disk(region)?,
            Action::RestoreDisk { region } => self.restore_disk(region)?,
            Action::Restart { region } => self.restart_region(region).await?,
            Action::LosePower { region } => self.lose_power(region).await?,
            Action::FailingDisk { region, failing } => self.fail_disk(region, *failing)?,
            Action::FlipBits { region, bits } => self.flip_bits(region, *bits)?,
            Action::SlowDisk { region, by } => self.slow_disk(region, *by)?,
            Action::DiskFull { region, full } => self.fill_disk(region, *full)?,
            Action::ClockStep { region, by_ms } => self.clock(region)?.step(*by_ms),
            Action::ClockDrift { region, ppm } => self.clock(region)?.set_drift(*ppm),
            Action::PauseReplication { region, table } => {
                self.pause_replication(region, table.as_ref().map_or(tables, std::slice::from_ref), true)?;
            }
            Action::ResumeReplication { region, table } => {
                self.pause_replication(region, table.as_ref().map_or(tables, std::slice::from_ref), false)?;
            }
            Action::Drain { region } => self.drain(region, true)?,
            Action::Undrain { region } => self.drain(region, false)?,
            Action::AddReplica { .. } | Action::RemoveReplica { .. } | Action::Shift { .. } | Action::Rate { .. } => {}
        }
        Ok(())
    }
}

const fn direction(ends: &Ends) -> Direction {
    if ends.one_way {
        Direction::OneWay
    } else {
        Direction::Both
    }
}
