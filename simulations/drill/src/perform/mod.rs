//! Carries out the actions of a timeline, and records what has to be undone.

mod calls;
mod last_report;
mod undo;

use std::collections::{BTreeMap, BTreeSet};

use beringia_host::units::microseconds;
use beringia_proto::v1::{
    ControlDrainReport, ControlDrainRequest, ControlFailRegionRequest, ControlFlowsRequest, ControlReplicationRequest,
    ControlStatusRequest, ControlUndrainRequest, LinkReport, NetworkShow, PausedTable, ReplicationPause,
    ReplicationResume, ReplicationShow, control_clock_request::Action as Clock, control_disk_request::Action as Disk,
    control_network_request::Action as Change, control_replication_request::Action as Replication,
};
use beringia_scenario::{Action, ClockDeviation, Ends};
use beringia_workload::{Load, WorkloadTable};
use tonic::Streaming;

pub(crate) use self::last_report::LastReport;
use self::{
    calls::{
        Way, as_change, change, change_replicas, heal_one_way, recover, replication, reroute, set_clock, set_disk, ways,
    },
    last_report::until_killed,
};
use crate::{
    error::DrillError,
    hook::Hook,
    stage::{Means, Stage},
};

/// The actions that are in effect and have to be undone.
#[derive(Debug, Default)]
pub(crate) struct Performer {
    /// The links before the drill; empty without a network model.
    before: Vec<LinkReport>,
    /// The cut links, and whether they reset connections.
    cut: BTreeMap<Way, bool>,
    shaped: bool,
    down: BTreeSet<String>,
    /// By region, the tables whose replication the drill has paused.
    paused: BTreeMap<String, BTreeSet<String>>,
    /// The regions that the drill has drained.
    drained: BTreeSet<String>,
    /// The regions whose clocks were changed.
    skewed: BTreeSet<String>,
    /// The regions whose disks were made slow or full.
    bad_disks: BTreeSet<String>,
    /// The regions whose clients were moved.
    moved: BTreeSet<String>,
    hooked: bool,
}

/// The tables that actions apply to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ActionTables<'a> {
    /// The drill's own tables. Only their replicas are added and removed: for an application's
    /// table that could not be undone.
    pub(crate) own: &'a [WorkloadTable],
    /// The tables that pauses apply to.
    pub(crate) replicated: &'a [String],
}

/// The results of an action that the measurements need.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// The links after the action, if it changed them.
    pub(crate) links: Option<Vec<LinkReport>>,
    /// The writes of a killed region that no other region had acknowledged; `None` where it did not
    /// report them.
    pub(crate) unshipped: Option<LastReport>,
    /// The region whose clock the action changed, and how far it is ahead now, in milliseconds.
    pub(crate) ahead: Option<(String, i64)>,
    /// The reports of a region that was closed for writes about its drain.
    pub(crate) drain: Option<Streaming<ControlDrainReport>>,
}

impl Performer {
    pub(crate) async fn new(stage: &Stage) -> Result<Self, DrillError> {
        let before = if stage.fleet.has_network() {
            change(stage, Change::Show(NetworkShow {})).await?
        } else {
            Vec::new()
        };
        Ok(Self {
            before,
            ..Self::default()
        })
    }

    /// The links as they were before the drill.
    pub(crate) fn links_before(&self) -> &[LinkReport] {
        &self.before
    }

    /// Sets the clocks' errors at the beginning of the scenario; returns how far each clock is
    /// ahead then, in milliseconds.
    pub(crate) async fn skew(
        &mut self,
        stage: &Stage,
        clocks: &BTreeMap<String, ClockDeviation>,
    ) -> Result<Vec<(String, i64)>, DrillError> {
        let mut ahead = Vec::new();
        for (region, error) in clocks {
            self.skewed.insert(region.clone());
            set_clock(stage, region, Clock::StepMs(error.offset_ms)).await?;
            ahead.push(set_clock(stage, region, Clock::DriftPpm(error.drift_ppm)).await?);
        }
        Ok(ahead)
    }

    /// Carries out an action by the means that the stage has for it. From here on it counts as
    /// done, and is undone at the end even if it fails.
    pub(crate) async fn perform(
        &mut self,
        stage: &Stage,
        action: &Action,
        tables: &ActionTables<'_>,
        load: Option<&Load>,
    ) -> Result<Done, DrillError> {
        // Noted first: if the action is interrupted, it counts as done.
        let was_cut = self.cut.clone();
        self.note(stage, action);
        match stage.means(action)? {
            Means::Load => {
                if let Some(load) = load {
                    load.steer(action);
                }
                // Applications that use the endpoint for all regions move, too.
                if let Action::Shift { from, to } = action {
                    reroute(stage, from, to, false).await?;
                }
                Ok(Done::default())
            }
            Means::Api => {
                change_replicas(stage, action, tables.own);
                Ok(Done::default())
            }
            Means::Hook => {
                self.hooked = true;
                let Some(hook) = &stage.hook else {
                    return Ok(Done::default());
                };
                if let Action::Crash {
                    region,
                    lose_disk: true,
                } = action
                {
                    return killed_by_hook(stage, hook, action, region).await;
                }
                hook.act(action).await?;
                Ok(Done::default())
            }
            Means::Control => self.control(stage, action, tables.replicated, &was_cut).await,
        }
    }

    /// Records what has to be undone.
    fn note(&mut self, stage: &Stage, action: &Action) {
        match action {
            Action::Cut { ends, reset } => self.cut.extend(ways(ends).map(|way| (way, *reset))),
            Action::Isolate { region, reset } => {
                for other in stage.fleet.topology().into_iter().filter(|other| other != region) {
                    self.cut.insert((region.clone(), other.clone()), *reset);
                    self.cut.insert((other, region.clone()), *reset);
                }
            }
            Action::Heal(None) => self.cut.clear(),
            Action::Heal(Some(ends)) => self.cut.retain(|way, _| !ways(ends).any(|healed| healed == *way)),
            Action::Delay { .. } | Action::Loss { .. } | Action::Bandwidth { .. } => self.shaped = true,
            Action::Crash { region, .. } => drop(self.down.insert(region.clone())),
            Action::Restart { region } => drop(self.down.remove(region)),
            Action::ClockStep { region, .. } | Action::ClockDrift { region, .. } => {
                self.skewed.insert(region.clone());
            }
            Action::SlowDisk { region, .. } | Action::DiskFull { region, .. } => {
                self.bad_disks.insert(region.clone());
            }
            Action::Shift { from, .. } => {
                self.moved.insert(from.clone());
            }
            _ => {}
        }
    }

    async fn control(
        &mut self,
        stage: &Stage,
        action: &Action,
        replicated: &[String],
        was_cut: &BTreeMap<Way, bool>,
    ) -> Result<Done, DrillError> {
        let mut done = Done::default();
        match action {
            Action::Crash { region, lose_disk } => {
                let request = ControlFailRegionRequest {
                    region: region.clone(),
                    lose_disk: *lose_disk,
                };
                let failed = stage.fleet.hosting(region)?.fail_region(stage.request(request)).await?;
                done.unshipped = failed.into_inner().unacknowledged.map(LastReport::final_one);
            }
            Action::Restart { region } => recover(stage, region).await?,
            Action::PauseReplication { region, table } => {
                let tables = table.as_ref().map_or(replicated, std::slice::from_ref);
                self.pause(stage, region, tables).await?;
            }
            Action::ResumeReplication { region, table } => self.resume(stage, region, table.as_deref()).await?,
            Action::Drain { region } => done.drain = Some(self.drain(stage, region).await?),
            Action::Undrain { region } => self.undrain(stage, region).await?,
            Action::ClockStep { region, by_ms } => {
                done.ahead = Some(set_clock(stage, region, Clock::StepMs(*by_ms)).await?);
            }
            Action::ClockDrift { region, ppm } => {
                done.ahead = Some(set_clock(stage, region, Clock::DriftPpm(*ppm)).await?);
            }
            Action::SlowDisk { region, by } => {
                set_disk(stage, region, Disk::SlowerUs(microseconds(*by))).await?;
            }
            Action::DiskFull { region, full } => set_disk(stage, region, Disk::Full(*full)).await?,
            Action::Heal(ends) => done.links = Some(self.heal(stage, ends.as_ref(), was_cut).await?),
            other => {
                if let Some(wanted) = as_change(other) {
                    done.links = Some(change(stage, wanted).await?);
                }
            }
        }
        Ok(done)
    }

    /// The tables whose replication is paused in some region, but not by the drill.
    pub(crate) async fn paused_by_others(&self, stage: &Stage) -> Result<Vec<PausedTable>, DrillError> {
        let show = ControlReplicationRequest {
            action: Some(Replication::Show(ReplicationShow {})),
        };
        let answers = stage
            .fleet
            .ask(|mut client| {
                let show = show.clone();
                async move { client.replication(show).await }
            })
            .await?;
        let mut paused: Vec<PausedTable> = answers.replies.into_iter().flat_map(|reply| reply.paused).collect();
        paused.retain(|one| {
            let own = self.paused.get(&one.region);
            !own.is_some_and(|tables| tables.contains(&one.table))
        });
        Ok(paused)
    }

    /// Pauses tables in a region, except those that are paused already: the drill must not end
    /// those pauses.
    async fn pause(&mut self, stage: &Stage, region: &str, tables: &[String]) -> Result<(), DrillError> {
        let paused = replication(stage, region, Replication::Show(ReplicationShow {})).await?;
        let is_going_on = |table: &&String| !paused.iter().any(|one| one.region == region && one.table == **table);
        for table in tables.iter().filter(is_going_on) {
            let of_region = self.paused.entry(region.to_owned()).or_default();
            of_region.insert(table.clone());
            let action = Replication::Pause(ReplicationPause {
                region: region.to_owned(),
                table: table.clone(),
            });
            replication(stage, region, action).await?;
        }
        Ok(())
    }

    /// Ends the drill's own pauses in a region, of all tables or of one.
    async fn resume(&mut self, stage: &Stage, region: &str, table: Option<&str>) -> Result<(), DrillError> {
        let mut ended = self.paused.get(region).cloned().unwrap_or_default();
        ended.retain(|paused| table.is_none_or(|table| table == paused));
        for table in ended {
            let action = Replication::Resume(ReplicationResume {
                region: region.to_owned(),
                table: table.clone(),
            });
            replication(stage, region, action).await?;
            self.paused.entry(region.to_owned()).or_default().remove(&table);
        }
        Ok(())
    }

    /// Closes a region for writes, unless it is closed already. It ships its writes while the
    /// timeline continues, and reports its progress.
    async fn drain(&mut self, stage: &Stage, region: &str) -> Result<Streaming<ControlDrainReport>, DrillError> {
        let mut client = stage.fleet.hosting(region)?;
        let status = client.status(ControlStatusRequest {}).await?.into_inner();
        if !status.regions.iter().any(|one| one.name == region && one.draining) {
            self.drained.insert(region.to_owned());
        }
        let request = ControlDrainRequest {
            region: region.to_owned(),
        };
        // The region is closed once it answers, and stays closed if the stream is dropped.
        Ok(client.drain(stage.request(request)).await?.into_inner())
    }

    /// Opens a region for writes if the drill has closed it.
    async fn undrain(&mut self, stage: &Stage, region: &str) -> Result<(), DrillError> {
        if self.drained.contains(region) {
            let request = ControlUndrainRequest {
                region: region.to_owned(),
            };
            stage.fleet.hosting(region)?.undrain(stage.request(request)).await?;
            self.drained.remove(region);
        }
        Ok(())
    }

    /// Opens links that this drill has cut, and no others.
    async fn heal(
        &self,
        stage: &Stage,
        ends: Option<&Ends>,
        was_cut: &BTreeMap<Way, bool>,
    ) -> Result<Vec<LinkReport>, DrillError> {
        let opened: Vec<Way> = match ends {
            Some(ends) => ways(ends).collect(),
            None => was_cut.keys().cloned().collect(),
        };
        let mut links = change(stage, Change::Show(NetworkShow {})).await?;
        for way in &opened {
            links = change(stage, heal_one_way(way)).await?;
        }
        Ok(links)
    }
}

/// Has a hook take a region and its disk away, without a warning: the region takes writes and ships
/// them until it is dead. Until then it is asked again and again for its unshipped writes; the last
/// answer counts.
async fn killed_by_hook(stage: &Stage, hook: &Hook, action: &Action, region: &str) -> Result<Done, DrillError> {
    let client = stage.fleet.hosting(region)?;
    let ask = || {
        let mut client = client.clone();
        async move {
            let flows = client.flows(ControlFlowsRequest {}).await?.into_inner();
            let mut reports = flows.unacknowledged.into_iter();
            Ok(reports.find(|report| report.region == region))
        }
    };
    Ok(Done {
        unshipped: until_killed(hook.act(action), ask).await?,
        ..Done::default()
    })
}
