//! What was changed under a lease, and how it is undone.

use std::collections::{BTreeMap, BTreeSet};

use beringia_network::{LinkMode, LinkSettings, LinkSnapshot, Network};
use beringia_proto::v1::{
    ControlDrainRequest, ControlNetworkRequest, ControlRecoverRegionRequest, ControlRerouteRequest,
    ControlUndrainRequest, LinkPair, NetworkBandwidth, NetworkCut, NetworkDelay, NetworkHeal, NetworkLoss,
    ReplicationPause, ReplicationResume, control_network_request::Action as LinkAction, control_recorded::What,
    control_replication_request::Action as ReplicationAction,
};
use tonic::Status;

use super::Undone;
use crate::{
    control::{drain, links, pauses},
    host::Host,
    region::RecoveryError,
    units::{bits_per_second, microseconds, millionths},
};

/// What was changed under a lease and has to be undone if it expires. Everything that was so before
/// the lease stays as it was.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// By both ends, the state of each changed link from before its first change.
    links: BTreeMap<(String, String), LinkBefore>,
    /// The region and the table of each pause.
    paused: BTreeSet<(String, String)>,
    drained: BTreeSet<String>,
    killed: BTreeSet<String>,
    /// The regions whose clocks are wrong.
    skewed: BTreeSet<String>,
    /// The regions whose disks are slow or full.
    bad_disks: BTreeSet<String>,
    /// The regions whose clients were moved, and where they had been moved before.
    moved: BTreeMap<String, Option<String>>,
}

/// The mode and the settings of a link before a lease changed it.
type LinkBefore = (LinkMode, LinkSettings);

impl Changes {
    /// Whether there is nothing to undo.
    pub(super) fn is_empty(&self) -> bool {
        self.names().is_empty()
    }

    /// The changes, a few words each.
    pub(super) fn names(&self) -> Vec<String> {
        let links = self.links.keys().map(|(from, to)| format!("link {from} -> {to}"));
        let paused = self.paused.iter();
        let paused = paused.map(|(region, table)| format!("replication of {table} paused in {region}"));
        let of = |regions: &BTreeSet<String>, what: &str| -> Vec<String> {
            regions.iter().map(|region| format!("{region} {what}")).collect()
        };
        let mut names: Vec<String> = links.chain(paused).collect();
        names.extend(of(&self.drained, "drained"));
        names.extend(of(&self.killed, "killed"));
        names.extend(of(&self.bad_disks, "with a slow or full disk"));
        names.extend(of(&self.skewed, "with a wrong clock"));
        names.extend(self.moved.keys().map(|region| format!("clients of {region} moved")));
        names
    }

    /// Changes links, and keeps their state from before.
    pub(crate) fn link(&mut self, network: &Network, action: LinkAction) -> Result<(), Status> {
        let before = network.show();
        let done = links::apply(network, action);
        let after = network.show();
        let state = |link: &LinkSnapshot| (link.mode, link.settings);
        for (was, is) in before.iter().zip(&after).filter(|(was, is)| state(was) != state(is)) {
            let ends = (was.from.clone(), was.to.clone());
            debug_assert_eq!((&was.from, &was.to), (&is.from, &is.to), "links are shown in one order");
            self.links.entry(ends).or_insert_with(|| state(was));
        }
        done
    }

    /// Notes a pause that is about to begin, or the end of pauses. One that began before stays.
    pub(crate) async fn replication(&mut self, host: &Host, action: &ReplicationAction) {
        match action {
            ReplicationAction::Show(_) => {}
            ReplicationAction::Pause(ReplicationPause { region, table }) => {
                let Some(hosted) = host.region(region) else { return };
                if !pauses::of(hosted).await.iter().any(|paused| paused.table == *table) {
                    self.paused.insert((region.clone(), table.clone()));
                }
            }
            ReplicationAction::Resume(resume) => self.paused.retain(|(region, table)| {
                let is_in = resume.region.is_empty() || resume.region == *region;
                !(is_in && (resume.table.is_empty() || resume.table == *table))
            }),
        }
    }

    /// Notes that a region is about to be drained, unless it is.
    pub(crate) async fn drain(&mut self, host: &Host, request: &ControlDrainRequest) {
        let Some(hosted) = host.region(&request.region) else {
            return;
        };
        if !hosted.drains().await {
            self.drained.insert(request.region.clone());
        }
    }

    /// Notes that a region accepts writes again.
    pub(crate) fn undrained(&mut self, region: &str) {
        self.drained.remove(region);
    }

    /// Notes that a running region is about to be killed. Its pauses and its drain end with it.
    pub(crate) async fn kill(&mut self, host: &Host, region: &str) {
        let Some(hosted) = host.region(region) else { return };
        if hosted.store().await.is_some() {
            self.killed.insert(region.to_owned());
            self.drained.remove(region);
            self.paused.retain(|(of, _)| of != region);
        }
    }

    /// Notes that a region was started again.
    pub(crate) fn recovered(&mut self, region: &str) {
        self.killed.remove(region);
    }

    /// Notes that a region's clock is about to be wrong, or right again.
    pub(crate) fn clock(&mut self, region: &str, is_right: bool) {
        if is_right {
            self.skewed.remove(region);
        } else {
            self.skewed.insert(region.to_owned());
        }
    }

    /// Notes that a region's disk is about to be slow or full.
    pub(crate) fn disk(&mut self, region: &str) {
        self.bad_disks.insert(region.to_owned());
    }

    /// Notes that the clients of a region are about to be moved, or come back.
    pub(crate) fn rerouted(&mut self, host: &Host, request: &ControlRerouteRequest) {
        let ControlRerouteRequest { region, to, at_once } = request;
        if *at_once && to.is_empty() {
            self.moved.remove(region);
        } else {
            let before = || host.serving().moved_to(region);
            self.moved.entry(region.clone()).or_insert_with(before);
        }
    }

    /// Undoes everything, in the order in which a drill does: links, disks, regions, replication,
    /// clocks, moves of clients.
    pub(super) async fn undo(&mut self, host: &Host) -> Undone {
        let changes = std::mem::take(self);
        let mut undone = Undone::default();
        if let Some(network) = host.network() {
            for ((from, to), before) in &changes.links {
                undone.note(
                    format!("link {from} -> {to}"),
                    restore_link(host, network, (from, to), before),
                );
            }
        }
        for region in &changes.bad_disks {
            undone.note(
                format!("disk of {region}"),
                host.hosted(region).map(crate::region::Hosted::repair_disk),
            );
        }
        for region in &changes.killed {
            undone.note(format!("{region} was down"), recover(host, region).await);
        }
        for (region, table) in &changes.paused {
            let what = format!("pause of {table} in {region}");
            undone.note(what, resume(host, region, table).await);
        }
        for region in &changes.drained {
            undone.note(format!("drain of {region}"), undrain(host, region).await);
        }
        for region in &changes.skewed {
            undone.note(
                format!("clock of {region}"),
                host.hosted(region).map(|region| region.clock().correct()),
            );
        }
        for (region, before) in &changes.moved {
            host.serving().undo_shift(region);
            if before.is_some() {
                host.serving().shift(region, before.as_deref());
            }
            undone.note(format!("move of the clients of {region}"), Ok(()));
        }
        undone
    }
}

impl Undone {
    fn note(&mut self, what: String, result: Result<(), Status>) {
        match result {
            Ok(()) => self.changes.push(what),
            Err(failure) => self.problems.push(format!("{what}: {}", failure.message())),
        }
    }
}

/// Restores a link by the requests that a client would make, so that recordings have them.
fn restore_link(host: &Host, network: &Network, ends: (&str, &str), before: &LinkBefore) -> Result<(), Status> {
    let (mode, settings) = *before;
    let pair = || {
        Some(LinkPair {
            from: ends.0.to_owned(),
            to: ends.1.to_owned(),
            one_way: true,
        })
    };
    let mut actions = vec![
        LinkAction::Heal(NetworkHeal { pair: pair() }),
        LinkAction::Delay(NetworkDelay {
            pair: pair(),
            delay_us: microseconds(settings.delay),
            jitter_us: Some(microseconds(settings.jitter)),
        }),
        LinkAction::Loss(NetworkLoss {
            pair: pair(),
            loss_millionths: millionths(settings.loss_percent),
        }),
        LinkAction::Bandwidth(NetworkBandwidth {
            pair: pair(),
            bandwidth_bits: bits_per_second(settings.bandwidth_mbit),
        }),
    ];
    if mode != LinkMode::Open {
        let reset = mode == LinkMode::Reset;
        actions.push(LinkAction::Cut(NetworkCut { pair: pair(), reset }));
    }
    for action in actions {
        links::apply(network, action.clone())?;
        let action = Some(action);
        host.tap().note(What::Network(ControlNetworkRequest { action }));
    }
    Ok(())
}

/// Starts a region again. One that runs already needs no start.
async fn recover(host: &Host, region: &str) -> Result<(), Status> {
    match host.hosted(region)?.recover().await {
        Ok(()) => {
            let region = region.to_owned();
            host.tap().note(What::Recover(ControlRecoverRegionRequest { region }));
            Ok(())
        }
        Err(RecoveryError::Running(_)) => Ok(()),
        Err(failure) => Err(Status::internal(failure.to_string())),
    }
}

async fn resume(host: &Host, region: &str, table: &str) -> Result<(), Status> {
    let resume = ReplicationResume {
        region: region.to_owned(),
        table: table.to_owned(),
    };
    pauses::apply(host, ReplicationAction::Resume(resume.clone())).await?;
    host.tap().note(What::Resume(resume));
    Ok(())
}

/// Opens a region for writes. One that is down opens when it starts.
async fn undrain(host: &Host, region: &str) -> Result<(), Status> {
    if host.hosted(region)?.store().await.is_none() {
        return Ok(());
    }
    drain::end(host, region).await?;
    let region = region.to_owned();
    host.tap().note(What::Undrain(ControlUndrainRequest { region }));
    Ok(())
}
