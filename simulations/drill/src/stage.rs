//! Where a drill takes place: the control services of the regions, the ways to their clients' endpoints, and who does what to them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
};

use beringia_host::{Deployment, Limits, Ports, Running, all, fleet::Fleet};
use beringia_node::Authentication;
use beringia_scenario::{Action, Scenario};
use beringia_workload::{HttpTargets, TcpDial};

use crate::{
    error::{DrillError, NoMeans},
    hook::Hook,
    progress::Progress,
};

/// The regions of a drill.
pub struct Stage {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) hook: Option<Hook>,
    /// Who is told how it goes.
    pub(crate) progress: Arc<dyn Progress>,
    /// By region: `host:port` of its DynamoDB endpoint.
    addresses: BTreeMap<String, String>,
    /// The regions that were started for the drill.
    own: Option<Running>,
}

/// Who carries out an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// The regions' control services.
    Control,
    /// The user's program.
    Hook,
    /// The DynamoDB API.
    Api,
    /// The drill's own load.
    Load,
}

impl Stage {
    /// Regions that run. `elsewhere`: `NAME=HOST:PORT` of endpoints that are not where their region thinks.
    ///
    /// # Errors
    /// Where the fleet has not all regions, or `elsewhere` names one that it has not.
    pub fn attach(
        fleet: Fleet,
        elsewhere: &[String],
        hook: Option<Hook>,
        progress: Arc<dyn Progress>,
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
        })
    }

    /// Regions that are started for the drill.
    ///
    /// # Errors
    /// Where they cannot be started.
    pub async fn start(
        scenario: &Scenario,
        data: Option<&Path>,
        hook: Option<Hook>,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, DrillError> {
        let deployment = Deployment {
            topology: scenario.topology.clone(),
            data: data.map(Path::to_path_buf),
            authentication: Authentication::default(),
            limits: Limits::from(&scenario.behaviour),
        };
        let own = all(deployment, IpAddr::V4(Ipv4Addr::LOCALHOST), &Ports::FREE).await?;
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

    /// Whether the regions end with the drill.
    pub(crate) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Clients of the regions.
    pub(crate) fn targets(&self) -> HttpTargets<TcpDial> {
        HttpTargets::new(TcpDial {
            addresses: self.addresses.clone(),
        })
    }

    /// Who can carry out an action here; an error says why nobody can.
    pub(crate) fn means(&self, action: &Action) -> Result<Means, NoMeans> {
        let modelled = self.fleet.has_network();
        match action {
            Action::Shift { .. } | Action::Rate { .. } => Ok(Means::Load),
            Action::AddReplica { .. } | Action::RemoveReplica { .. } => Ok(Means::Api),
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
            _ => Err(NoMeans),
        }
    }

    /// Ends the regions that were started for the drill.
    pub async fn close(self) {
        if let Some(own) = self.own {
            own.shutdown().await;
        }
    }
}
