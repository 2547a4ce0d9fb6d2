//! Carries out the actions of a timeline, and undoes what is still done at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use beringia_proto::v1::{
    ControlClockRequest, ControlDiskRequest, ControlDrainReport, ControlDrainRequest, ControlFailRegionRequest,
    ControlFlowsRequest, ControlNetworkRequest, ControlRecoverRegionRequest, ControlReplicationRequest,
    ControlStatusRequest, ControlUndrainRequest, FlowReport, LinkPair, LinkReport, NetworkBandwidth, NetworkCut,
    NetworkDelay, NetworkHeal, NetworkIsolate, NetworkLoss, NetworkShow, PausedTable, ReplicationPause,
    ReplicationResume, ReplicationShow, control_clock_request::Action as Clock, control_disk_request::Action as Disk,
    control_network_request::Action as Change, control_replication_request::Action as Replication,
};
use beringia_scenario::{Action, ClockError, Ends};
use beringia_workload::{Load, Table};
use tokio::time::sleep;
use tonic::Streaming;

use super::{
    stage::{Means, Stage},
    tables,
};
use crate::error::DrillError;

/// How long writes that had begun may take to end, where a region was closed for them.
const UNDER_WAY: Duration = Duration::from_millis(50);

/// A directed link.
type Way = (String, String);

/// What was done and not undone yet.
#[derive(Debug, Default)]
pub(crate) struct Performer {
    /// The links before the drill, where they are modelled.
    before: Vec<LinkReport>,
    /// Links that are cut, and whether with resets.
    cut: BTreeMap<Way, bool>,
    shaped: bool,
    down: BTreeSet<String>,
    /// By region, the tables whose replication was going on before it was paused.
    paused: BTreeMap<String, BTreeSet<String>>,
    /// Regions that took writes before they were drained.
    drained: BTreeSet<String>,
    /// Regions whose clocks are wrong.
    skewed: BTreeSet<String>,
    /// Regions whose disks were changed.
    bad_disks: BTreeSet<String>,
    hooked: bool,
}

/// The tables that actions are about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach<'a> {
    /// The drill's own, whose replicas may come and go: an application's would be gone, or there, for good.
    pub(crate) own: &'a [Table],
    /// Those that pauses are about.
    pub(crate) replicated: &'a [String],
}

/// What came of an action that others have to know of.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// The links after it, where it changed them.
    pub(crate) links: Option<Vec<LinkReport>>,
    /// What others had not acknowledged of a region that was killed; empty where it did not say.
    pub(crate) unshipped: Vec<FlowReport>,
    /// How far a region's clock is ahead now, milliseconds, where it was changed.
    pub(crate) ahead: Option<(String, i64)>,
    /// What a region that was closed for writes says of how far its last ones are.
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

    /// The links before the drill.
    pub(crate) fn links_before(&self) -> &[LinkReport] {
        &self.before
    }

    /// Makes clocks as wrong as the scenario has them from the beginning; gives how far each is ahead then, milliseconds.
    pub(crate) async fn skew(
        &mut self,
        stage: &Stage,
        clocks: &BTreeMap<String, ClockError>,
    ) -> Result<Vec<(String, i64)>, DrillError> {
        let mut ahead = Vec::new();
        for (region, error) in clocks {
            self.skewed.insert(region.clone());
            set_clock(stage, region, Clock::StepMs(error.offset_ms)).await?;
            ahead.push(set_clock(stage, region, Clock::DriftPpm(error.drift_ppm)).await?);
        }
        Ok(ahead)
    }

    /// Carries out an action.
    pub(crate) async fn perform(
        &mut self,
        stage: &Stage,
        action: &Action,
        tables: &Reach<'_>,
        load: Option<&Load>,
    ) -> Result<Done, DrillError> {
        // Noted first: if this is interrupted, it counts as done.
        let was_cut = self.cut.clone();
        self.note(stage, action);
        match stage.means(action)? {
            Means::Load => {
                if let Some(load) = load {
                    load.steer(action);
                }
                Ok(Done::default())
            }
            Means::Api => {
                change_replicas(stage, action, tables.own);
                Ok(Done::default())
            }
            Means::Hook => {
                self.hooked = true;
                let mut done = Done::default();
                if let Action::Crash {
                    region,
                    lose_disk: true,
                } = action
                {
                    // A region that does not answer may be what the drill is about.
                    done.unshipped = self.close(stage, region).await.unwrap_or_default();
                }
                if let Some(hook) = &stage.hook {
                    hook.act(action).await?;
                }
                Ok(done)
            }
            Means::Control => self.control(stage, action, tables.replicated, &was_cut).await,
        }
    }

    /// Keeps account of what has to be undone.
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
                done.unshipped = stage
                    .fleet
                    .hosting(region)?
                    .fail_region(request)
                    .await?
                    .into_inner()
                    .flows;
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
                let us = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
                set_disk(stage, region, Disk::SlowerUs(us)).await?;
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

    /// The tables whose replication somebody else than the drill has paused in some region.
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

    /// Pauses tables in a region, except those that somebody else has paused there: that is not the drill's to end.
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

    /// Ends the drill's own pauses in a region, or that of one table.
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

    /// Closes a region for writes, unless it is already. It ships what it has while the timeline goes on, and says how far that is.
    async fn drain(&mut self, stage: &Stage, region: &str) -> Result<Streaming<ControlDrainReport>, DrillError> {
        let mut client = stage.fleet.hosting(region)?;
        let status = client.status(ControlStatusRequest {}).await?.into_inner();
        if !status.regions.iter().any(|one| one.name == region && one.draining) {
            self.drained.insert(region.to_owned());
        }
        let request = ControlDrainRequest {
            region: region.to_owned(),
        };
        // With the answer the region is closed; it stays closed when nobody listens any more.
        Ok(client.drain(request).await?.into_inner())
    }

    /// Closes a region for writes that is about to lose its disk, and asks it what the others lack then: so that this is what will be lost.
    async fn close(&mut self, stage: &Stage, region: &str) -> Result<Vec<FlowReport>, DrillError> {
        drop(self.drain(stage, region).await?);
        sleep(UNDER_WAY).await;
        let flows = stage
            .fleet
            .hosting(region)?
            .flows(ControlFlowsRequest {})
            .await?
            .into_inner()
            .flows;
        Ok(flows.into_iter().filter(|flow| flow.from == region).collect())
    }

    /// Opens a region that the drill has closed.
    async fn undrain(&mut self, stage: &Stage, region: &str) -> Result<(), DrillError> {
        if self.drained.contains(region) {
            let request = ControlUndrainRequest {
                region: region.to_owned(),
            };
            stage.fleet.hosting(region)?.undrain(request).await?;
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

    /// Undoes everything that is still done: opens links, gives them their settings back, starts regions, resumes and undrains. What cannot be
    /// undone is said on standard error.
    pub(crate) async fn undo(&mut self, stage: &Stage) {
        let mut problems = Vec::new();
        let mut note =
            |result: Result<(), DrillError>| problems.extend(result.err().map(|failure| failure.to_string()));
        if self.hooked
            && let Some(hook) = &stage.hook
        {
            note(hook.undo().await.map_err(DrillError::from));
        }
        if stage.fleet.has_network() && (self.shaped || !self.cut.is_empty()) {
            note(self.restore_links(stage).await);
        }
        for region in &self.bad_disks {
            note(set_disk(stage, region, Disk::SlowerUs(0)).await);
            note(set_disk(stage, region, Disk::Full(false)).await);
        }
        if stage.fleet.has_network() {
            for region in &self.down {
                note(recover(stage, region).await);
            }
        }
        for region in self.paused.keys().cloned().collect::<Vec<_>>() {
            note(self.resume(stage, &region, None).await);
        }
        for region in self.drained.clone() {
            note(self.undrain(stage, &region).await);
        }
        for region in &self.skewed {
            note(set_clock(stage, region, Clock::Correct(true)).await.map(drop));
        }
        for problem in problems {
            stage.progress.note(&format!("could not undo: {problem}"));
        }
        *self = Self {
            before: std::mem::take(&mut self.before),
            ..Self::default()
        };
    }

    /// Gives every link back what it had before.
    async fn restore_links(&self, stage: &Stage) -> Result<(), DrillError> {
        let now = change(stage, Change::Show(NetworkShow {})).await?;
        let differ = |link: &&LinkReport| !now.contains(link);
        for link in self.before.iter().filter(differ) {
            change(stage, heal_one_way(&(link.from.clone(), link.to.clone()))).await?;
        }
        for link in &self.before {
            let pair = || {
                Some(LinkPair {
                    from: link.from.clone(),
                    to: link.to.clone(),
                    one_way: true,
                })
            };
            let delay = NetworkDelay {
                pair: pair(),
                delay_us: link.delay_us,
                jitter_us: Some(link.jitter_us),
            };
            change(stage, Change::Delay(delay)).await?;
            let loss_millionths = link.loss_millionths;
            change(
                stage,
                Change::Loss(NetworkLoss {
                    pair: pair(),
                    loss_millionths,
                }),
            )
            .await?;
            let bandwidth_bits = link.bandwidth_bits;
            change(
                stage,
                Change::Bandwidth(NetworkBandwidth {
                    pair: pair(),
                    bandwidth_bits,
                }),
            )
            .await?;
            if link.state != "open" {
                change(
                    stage,
                    cut_one_way(&(link.from.clone(), link.to.clone()), link.state == "reset"),
                )
                .await?;
            }
        }
        Ok(())
    }
}

fn ways(ends: &Ends) -> impl Iterator<Item = Way> {
    ends.ways().map(|(from, to)| (from.to_owned(), to.to_owned()))
}

fn one_way((from, to): &Way) -> LinkPair {
    LinkPair {
        from: from.clone(),
        to: to.clone(),
        one_way: true,
    }
}

fn cut_one_way(way: &Way, reset: bool) -> Change {
    let pair = Some(one_way(way));
    Change::Cut(NetworkCut { pair, reset })
}

fn heal_one_way(way: &Way) -> Change {
    let pair = Some(one_way(way));
    Change::Heal(NetworkHeal { pair })
}

/// An action on links in the words of the control protocol.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "scenarios have percentages up to 99 and bandwidths up to 10^6 Mbit/s, neither negative"
)]
fn as_change(action: &Action) -> Option<Change> {
    let pair = |ends: &Ends| {
        Some(LinkPair {
            from: ends.from.clone(),
            to: ends.to.clone(),
            one_way: ends.one_way,
        })
    };
    let micros = |length: &Duration| u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
    Some(match action {
        Action::Delay { ends, delay, jitter } => Change::Delay(NetworkDelay {
            pair: pair(ends),
            delay_us: micros(delay),
            jitter_us: Some(micros(jitter)),
        }),
        Action::Loss { ends, percent } => Change::Loss(NetworkLoss {
            pair: pair(ends),
            loss_millionths: (percent * 1e4).round() as u32,
        }),
        Action::Bandwidth { ends, mbit } => Change::Bandwidth(NetworkBandwidth {
            pair: pair(ends),
            bandwidth_bits: mbit.map_or(0, |mbit| (mbit * 1e6).round() as u64),
        }),
        Action::Cut { ends, reset } => Change::Cut(NetworkCut {
            pair: pair(ends),
            reset: *reset,
        }),
        Action::Isolate { region, reset } => Change::Isolate(NetworkIsolate {
            region: region.clone(),
            reset: *reset,
        }),
        _ => return None,
    })
}

/// Has the network changed; gives the links after it.
async fn change(stage: &Stage, action: Change) -> Result<Vec<LinkReport>, DrillError> {
    let request = ControlNetworkRequest { action: Some(action) };
    let reply = stage.fleet.modelling_links()?.network(request).await?;
    Ok(reply.into_inner().links)
}

/// Changes a region's clock; gives how far it is ahead then, milliseconds.
async fn set_clock(stage: &Stage, region: &str, action: Clock) -> Result<(String, i64), DrillError> {
    let request = ControlClockRequest {
        region: region.to_owned(),
        action: Some(action),
    };
    let reply = stage.fleet.hosting(region)?.clock(request).await?.into_inner();
    Ok((region.to_owned(), reply.ahead_ms))
}

/// Makes a region's disk slow or full, or well again.
async fn set_disk(stage: &Stage, region: &str, action: Disk) -> Result<(), DrillError> {
    let request = ControlDiskRequest {
        region: region.to_owned(),
        action: Some(action),
    };
    stage.fleet.hosting(region)?.disk(request).await?;
    Ok(())
}

async fn recover(stage: &Stage, region: &str) -> Result<(), DrillError> {
    let request = ControlRecoverRegionRequest {
        region: region.to_owned(),
    };
    stage.fleet.hosting(region)?.recover_region(request).await?;
    Ok(())
}

/// Has the replication of tables in a region changed; gives what is paused after it.
async fn replication(stage: &Stage, region: &str, action: Replication) -> Result<Vec<PausedTable>, DrillError> {
    let request = ControlReplicationRequest { action: Some(action) };
    let reply = stage.fleet.hosting(region)?.replication(request).await?;
    Ok(reply.into_inner().paused)
}

/// Has another region add or remove the replicas of a region. It takes its time; the timeline goes on.
fn change_replicas(stage: &Stage, action: &Action, own: &[Table]) {
    let (region, update): (_, fn(&str, &str) -> serde_json::Value) = match action {
        Action::AddReplica { region } => (region, tables::adding),
        Action::RemoveReplica { region } => (region, tables::removing),
        _ => return,
    };
    let Some(through) = stage.fleet.topology().into_iter().find(|other| other != region) else {
        return;
    };
    for table in own {
        let (targets, through, update) = (stage.targets(), through.clone(), update(&table.name, region));
        let progress = Arc::clone(&stage.progress);
        tokio::spawn(async move {
            if let Err(failure) = tables::insist(&targets, &through, &update).await {
                progress.note(&failure.to_string());
            }
        });
    }
}
