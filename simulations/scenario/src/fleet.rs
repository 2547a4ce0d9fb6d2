//! The state that a timeline changes: which regions run, which links are open, and so on. It tells
//! whether the next action makes sense.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::{Action, DiskFailures, Ends, Scenario};

/// The reason why an action is impossible in the present state.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Senseless {
    /// A crash, or another action that needs a running region, names one that is down.
    #[error("{0} is down by then; expected a region that runs")]
    Down(String),
    /// A restart names a region that is up.
    #[error("{0} is up by then; expected a region that crashed before")]
    Up(String),
    /// A heal finds no cut link.
    #[error("nothing is cut there by then; expected a cut or an isolation before")]
    NothingCut,
    /// A pause names a region whose replication is paused.
    #[error("the replication of {0} is already paused by then; expected a region whose replication is not")]
    Paused(String),
    /// A resumption names a region whose replication is not paused.
    #[error("the replication of {0} is not paused by then; expected a pause before")]
    NotPaused(String),
    /// A drain names a region that is drained.
    #[error("{0} is already drained by then; expected a region that takes writes")]
    Drained(String),
    /// The end of a drain names a region that is not drained.
    #[error("{0} is not drained by then; expected a drain before")]
    NotDrained(String),
    /// A replica is added to a region that has one.
    #[error("{0} already has a replica by then; expected a region that is not among the replicas")]
    Replica(String),
    /// A replica is removed from a region that has none.
    #[error("{0} has no replica by then; expected a region that has one")]
    NoReplica(String),
    /// A disk is put back of which there is no copy.
    #[error("there is no copy of the disk of {0} by then; expected a copy before")]
    NotCopied(String),
    /// The last replica would be removed.
    #[error("{0} has the only replica by then; expected that another remains")]
    LastReplica(String),
    /// A shift names the region that the clients call already.
    #[error("the clients of {0} already call that region by then; expected another region")]
    Shifted(String),
}

/// A directed link: the region where bytes enter, and the region where they leave.
pub(crate) type Way = (String, String);

/// The state that a timeline has brought about.
#[derive(Debug, Clone)]
pub(crate) struct Fleet {
    regions: Vec<String>,
    down: BTreeSet<String>,
    cut: BTreeSet<Way>,
    /// The regions with a copy of their disk.
    copied: BTreeSet<String>,
    full: BTreeSet<String>,
    slow: BTreeSet<String>,
    failing: BTreeSet<String>,
    /// The tables whose replication is paused, by region; `None` for all tables.
    paused: BTreeMap<String, BTreeSet<Option<String>>>,
    drained: BTreeSet<String>,
    replicas: BTreeSet<String>,
    /// The region that shifted clients call, by their home region.
    shifted: BTreeMap<String, String>,
}

impl Fleet {
    /// The state when the load begins.
    pub(crate) fn at_the_beginning(scenario: &Scenario) -> Self {
        Self {
            regions: scenario.topology.names().map(str::to_owned).collect(),
            down: BTreeSet::new(),
            cut: BTreeSet::new(),
            copied: BTreeSet::new(),
            full: BTreeSet::new(),
            slow: BTreeSet::new(),
            failing: BTreeSet::new(),
            paused: BTreeMap::new(),
            drained: BTreeSet::new(),
            replicas: scenario.replicas.iter().cloned().collect(),
            shifted: BTreeMap::new(),
        }
    }

    /// Returns whether the region's process runs, its replication is not paused, and it takes
    /// writes.
    pub(crate) fn is_healthy(&self, region: &str) -> bool {
        !self.down.contains(region) && !self.paused.contains_key(region) && !self.drained.contains(region)
    }

    /// Returns whether the link is cut.
    pub(crate) fn is_cut(&self, way: &Way) -> bool {
        self.cut.contains(way)
    }

    /// The directed links that touch a region.
    pub(crate) fn ways_of<'a>(&'a self, region: &'a str) -> impl Iterator<Item = Way> + 'a {
        let others = self.regions.iter().filter(move |other| *other != region);
        others.flat_map(move |other| {
            let (region, other) = (region.to_owned(), other.clone());
            [(region.clone(), other.clone()), (other, region)]
        })
    }

    /// Applies an action to the state.
    ///
    /// # Errors
    /// [`Senseless`] if the action is impossible now. Then nothing has changed.
    pub(crate) fn apply(&mut self, action: &Action) -> Result<(), Senseless> {
        match action {
            Action::Cut { ends, .. } => self.cut.extend(ways(ends)),
            Action::Isolate { region, .. } => {
                let ways: Vec<Way> = self.ways_of(region).collect();
                self.cut.extend(ways);
            }
            Action::Heal(ends) => self.heal(ends.as_ref())?,
            Action::Crash { region, .. } | Action::LosePower { region } => {
                self.expect_up(region)?;
                self.down.insert(region.clone());
            }
            Action::CopyDisk { region } => {
                self.expect_up(region)?;
                self.copied.insert(region.clone());
            }
            Action::RestoreDisk { region } => {
                self.expect_up(region)?;
                if !self.copied.contains(region) {
                    return Err(Senseless::NotCopied(region.clone()));
                }
                self.down.insert(region.clone());
            }
            Action::Restart { region } => leave(&mut self.down, region, Senseless::Up)?,
            Action::SlowDisk { region, by } => set(&mut self.slow, region, !by.is_zero()),
            Action::DiskFull { region, full } => set(&mut self.full, region, *full),
            Action::FailingDisk { region, failing } => set(&mut self.failing, region, !failing.is_none()),
            Action::PauseReplication { region, table } => {
                self.expect_up(region)?;
                self.pause(region, table.as_ref())?;
            }
            Action::ResumeReplication { region, table } => {
                self.expect_up(region)?;
                self.resume(region, table.as_ref())?;
            }
            Action::AddReplica { region } => enter(&mut self.replicas, region, Senseless::Replica)?,
            Action::RemoveReplica { region } => {
                if self.replicas.len() == 1 && self.replicas.contains(region) {
                    return Err(Senseless::LastReplica(region.clone()));
                }
                leave(&mut self.replicas, region, Senseless::NoReplica)?;
            }
            Action::Shift { from, to } => {
                if self.shifted.get(from).unwrap_or(from) == to {
                    return Err(Senseless::Shifted(from.clone()));
                }
                if from == to {
                    self.shifted.remove(from);
                } else {
                    self.shifted.insert(from.clone(), to.clone());
                }
            }
            Action::Drain { region } => {
                self.expect_up(region)?;
                enter(&mut self.drained, region, Senseless::Drained)?;
            }
            Action::Undrain { region } => {
                self.expect_up(region)?;
                leave(&mut self.drained, region, Senseless::NotDrained)?;
            }
            Action::Delay { .. }
            | Action::Loss { .. }
            | Action::Bandwidth { .. }
            | Action::FlipBits { .. }
            | Action::ClockStep { .. }
            | Action::ClockDrift { .. }
            | Action::Rate { .. } => {}
        }
        Ok(())
    }

    /// The actions that open every link, start every region, repair every disk, and resume all
    /// replication.
    pub(crate) fn what_puts_right(&self) -> Vec<Action> {
        let heal = (!self.cut.is_empty()).then_some(Action::Heal(None));
        let disks = self.full.iter().map(|region| Action::DiskFull {
            region: region.clone(),
            full: false,
        });
        let speeds = self.slow.iter().map(|region| Action::SlowDisk {
            region: region.clone(),
            by: std::time::Duration::ZERO,
        });
        let failures = self.failing.iter().map(|region| Action::FailingDisk {
            region: region.clone(),
            failing: DiskFailures::default(),
        });
        let starts = self
            .down
            .iter()
            .map(|region| Action::Restart { region: region.clone() });
        let resumptions = self.paused.keys().map(|region| Action::ResumeReplication {
            region: region.clone(),
            table: None,
        });
        heal.into_iter()
            .chain(disks)
            .chain(speeds)
            .chain(failures)
            .chain(starts)
            .chain(resumptions)
            .collect()
    }

    fn heal(&mut self, ends: Option<&Ends>) -> Result<(), Senseless> {
        let before = self.cut.len();
        match ends {
            Some(ends) => ways(ends).for_each(|way| {
                self.cut.remove(&way);
            }),
            None => self.cut.clear(),
        }
        if self.cut.len() == before {
            Err(Senseless::NothingCut)
        } else {
            Ok(())
        }
    }

    /// All tables can be paused only if none is, and one table only if neither it nor all tables
    /// are.
    fn pause(&mut self, region: &str, table: Option<&String>) -> Result<(), Senseless> {
        let paused = self.paused.entry(region.to_owned()).or_default();
        let meets = |other: &Option<String>| table.is_none() || other.is_none() || other.as_ref() == table;
        if paused.iter().any(meets) {
            return Err(Senseless::Paused(region.to_owned()));
        }
        paused.insert(table.cloned());
        Ok(())
    }

    fn resume(&mut self, region: &str, table: Option<&String>) -> Result<(), Senseless> {
        let not_paused = || Senseless::NotPaused(region.to_owned());
        let paused = self.paused.get_mut(region).ok_or_else(not_paused)?;
        if table.is_none() {
            paused.clear();
        } else if !paused.remove(&table.cloned()) {
            return Err(not_paused());
        }
        if paused.is_empty() {
            self.paused.remove(region);
        }
        Ok(())
    }

    fn expect_up(&self, region: &str) -> Result<(), Senseless> {
        if self.down.contains(region) {
            return Err(Senseless::Down(region.to_owned()));
        }
        Ok(())
    }
}

/// The directed links between a pair of regions.
pub(crate) fn ways(ends: &Ends) -> impl Iterator<Item = Way> + '_ {
    ends.ways().map(|(from, to)| (from.to_owned(), to.to_owned()))
}

fn enter(set: &mut BTreeSet<String>, region: &str, already: fn(String) -> Senseless) -> Result<(), Senseless> {
    if set.insert(region.to_owned()) {
        Ok(())
    } else {
        Err(already(region.to_owned()))
    }
}

fn leave(set: &mut BTreeSet<String>, region: &str, already: fn(String) -> Senseless) -> Result<(), Senseless> {
    if set.remove(region) {
        Ok(())
    } else {
        Err(already(region.to_owned()))
    }
}

fn set(set: &mut BTreeSet<String>, region: &str, is: bool) {
    if is {
        set.insert(region.to_owned());
    } else {
        set.remove(region);
    }
}
