//! Undoes the actions of a drill.

use beringia_proto::v1::{
    LinkReport, NetworkBandwidth, NetworkDelay, NetworkLoss, NetworkShow, control_clock_request::Action as Clock,
    control_disk_request::Action as Disk, control_network_request::Action as Change,
};

use super::{
    Performer,
    calls::{change, cut_one_way, heal_one_way, one_way, recover, reroute, set_clock, set_disk},
};
use crate::{error::DrillError, stage::Stage};

impl Performer {
    /// Undoes everything that is still in effect: opens links and restores their settings, starts
    /// regions, resumes and undrains, and has applications come back. Problems are printed to
    /// standard error. Returns whether everything was undone.
    pub(crate) async fn undo(&mut self, stage: &Stage) -> bool {
        let mut problems = Vec::new();
        let mut note = |result: Result<(), DrillError>| {
            // Regions where the lease has expired have undone it themselves.
            let failure = result.err().filter(|failure| !failure.is_lease_lost());
            problems.extend(failure.map(|failure| failure.to_string()));
        };
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
        for region in &self.moved {
            note(reroute(stage, region, "", true).await);
        }
        for problem in &problems {
            stage.progress.note(&format!("could not undo: {problem}"));
        }
        *self = Self {
            before: std::mem::take(&mut self.before),
            ..Self::default()
        };
        problems.is_empty()
    }

    /// Restores the settings of every link from before the drill.
    async fn restore_links(&self, stage: &Stage) -> Result<(), DrillError> {
        let now = change(stage, Change::Show(NetworkShow {})).await?;
        let differ = |link: &&LinkReport| !now.contains(link);
        for link in self.before.iter().filter(differ) {
            change(stage, heal_one_way(&(link.from.clone(), link.to.clone()))).await?;
        }
        for link in &self.before {
            let way = (link.from.clone(), link.to.clone());
            let pair = || Some(one_way(&way));
            let delay = NetworkDelay {
                pair: pair(),
                delay_us: link.delay_us,
                jitter_us: Some(link.jitter_us),
            };
            change(stage, Change::Delay(delay)).await?;
            let loss = NetworkLoss {
                pair: pair(),
                loss_millionths: link.loss_millionths,
            };
            change(stage, Change::Loss(loss)).await?;
            let bandwidth = NetworkBandwidth {
                pair: pair(),
                bandwidth_bits: link.bandwidth_bits,
            };
            change(stage, Change::Bandwidth(bandwidth)).await?;
            if link.state != "open" {
                change(stage, cut_one_way(&way, link.state == "reset")).await?;
            }
        }
        Ok(())
    }
}
