//! The regions of a drill: their control services, the addresses of their endpoints, and the means
//! to carry out actions.

use std::{collections::BTreeMap, net::Ipv4Addr, path::Path, sync::Arc, time::Duration};

use beringia_host::{Deployment, Listen, Ports, RegionLimits, Running, ShiftPolicy, all, fleet::Fleet};
use beringia_node::Authentication;
use beringia_scenario::{Action, Scenario};
use beringia_workload::{HttpTargets, TcpDial};
use tonic::Request;

use crate::{
    error::{DrillError, NoMeans},
    hook::Hook,
    lease::Lease,
    progress::DrillProgress,
};

/// The regions of a drill, and the means to act on them.
pub struct Stage {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) hook: Option<Hook>,
    /// The receiver of the drill's progress.
    pub(crate) progress: Arc<dyn DrillProgress>,
    /// By region, the `host:port` of its DynamoDB endpoint.
    addresses: BTreeMap<String, String>,
    /// The regions that the drill has started; `None` when attached.
    own: Option<Running>,
    /// The lease of the drill's changes; `None` in regions of its own, which end with it.
    pub(crate) lease: Option<Lease>,
}

/// The means to carry out an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// The regions' control services.
    Control,
    /// The hook, a program of the user.
    Hook,
    /// Requests to the DynamoDB API.
    Api,
    /// The drill's own load.
    Load,
}

impl Stage {
    /// Attaches to running regions. `elsewhere` has, as `NAME=HOST:PORT`, the endpoints whose
    /// address differs from the one that their region reports.
    ///
    /// # Errors
    /// [`DrillError::NotHosted`], if the fleet does not have all regions;
    /// [`DrillError::EndpointForm`] or [`DrillError::UnknownEndpoint`], if `elsewhere` has no valid
    /// address or an unknown region.
    pub fn attach(
        fleet: Fleet,
        elsewhere: &[String],
        hook: Option<Hook>,
        progress: Arc<dyn DrillProgress>,
    ) -> Result<Self, DrillError> {
        let unwatched = fleet.not_hosted();
        if !unwatched.is_empty() {
            return Err(DrillError::NotHosted(unwatched.join(", ")));
        }
        let mut addresses = fleet.dynamodb();
        for flag in elsewhere {
            let (name, address) = flag
                .split_once('=')
                .ok_or_else(|| DrillError::EndpointForm(flag.clone()))?;
            let known = addresses.get_mut(name);
            let known = known.ok_or_else(|| DrillError::UnknownEndpoint {
                flag: flag.clone(),
                name: name.to_owned(),
            })?;
            address.clone_into(known);
        }
        Ok(Self {
            fleet: Arc::new(fleet),
            hook,
            progress,
            addresses,
            own: None,
            lease: None,
        })
    }

    /// Makes the regions undo the drill's changes when they have not heard from it for this time,
    /// [`beringia_host::LEASE_MIN`] to [`beringia_host::LEASE_MAX`].
    #[must_use]
    pub fn leased(self, lasts: Duration) -> Self {
        Self {
            lease: Some(Lease::new(lasts)),
            ..self
        }
    }

    /// A request that changes the regions, under the drill's lease.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        match &self.lease {
            Some(lease) => lease.request(message),
            None => Request::new(message),
        }
    }

    /// Starts regions for the drill, on free ports.
    ///
    /// # Errors
    /// [`DrillError`], if the regions cannot be started or reached.
    pub async fn start(
        scenario: &Scenario,
        data: Option<&Path>,
        hook: Option<Hook>,
        progress: Arc<dyn DrillProgress>,
    ) -> Result<Self, DrillError> {
        let deployment = Deployment {
            topology: scenario.topology.clone(),
            data: data.map(Path::to_path_buf),
            authentication: Authentication::default(),
            limits: RegionLimits::from(&scenario.behaviour),
            shift_policy: ShiftPolicy::default(),
        };
        let own = all(deployment, Listen::Address(Ipv4Addr::LOCALHOST.into()), &Ports::FREE).await?;
        let fleet = Fleet::connect(std::slice::from_ref(&own.addresses().control)).await;
        let stage = fleet.map_err(DrillError::from);
        let mut stage = match stage.and_then(|fleet| Self::attach(fleet, &[], hook, progress)) {
            Ok(stage) => stage,
            Err(failure) => {
                own.shutdown().await;
                return Err(failure);
            }
        };
        stage.own = Some(own);
        Ok(stage)
    }

    /// Whether the drill has started the regions, and stops them.
    pub(crate) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Targets for the drill's clients.
    pub(crate) fn targets(&self) -> HttpTargets<TcpDial> {
        HttpTargets::new(TcpDial {
            addresses: self.addresses.clone(),
        })
    }

    /// The means to carry out an action here.
    pub(crate) fn means(&self, action: &Action) -> Result<Means, NoMeans> {
        let modelled = self.fleet.has_network();
        match action {
            Action::Shift { .. } | Action::Rate { .. } => Ok(Means::Load),
            Action::AddReplica { .. } | Action::RemoveReplica { .. } => Ok(Means::Api),
            // Only simulated disks can be copied while their regions run, or fail on purpose.
            Action::CopyDisk { .. }
            | Action::RestoreDisk { .. }
            | Action::LosePower { .. }
            | Action::FailingDisk { .. }
            | Action::FlipBits { .. } => Err(NoMeans::Simulated),
            Action::PauseReplication { .. }
            | Action::ResumeReplication { .. }
            | Action::Drain { .. }
            | Action::Undrain { .. }
            | Action::SlowDisk { .. }
            | Action::DiskFull { .. }
            | Action::ClockStep { .. }
            | Action::ClockDrift { .. } => Ok(Means::Control),
            Action::Delay { .. }
            | Action::Loss { .. }
            | Action::Bandwidth { .. }
            | Action::Cut { .. }
            | Action::Isolate { .. }
            | Action::Heal(_)
            | Action::Crash { .. }
            | Action::Restart { .. }
                if modelled =>
            {
                Ok(Means::Control)
            }
            _ if self.hook.is_some() => Ok(Means::Hook),
            _ => Err(NoMeans::NoHook),
        }
    }

    /// Stops the regions that were started for the drill.
    pub async fn close(self) {
        if let Some(own) = self.own {
            own.shutdown().await;
        }
    }
}
