//! The part that all starts have in common: open the databases, start the regions, and clean up
//! after a failed start.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicBool},
};

use beringia_clock::{SkewedClock, SystemClock, SystemRandomness};
use beringia_endpoint::{Regions, SharedService, ShiftPolicy};
use beringia_fis::{FaultInjection, Fis};
use beringia_gateway::CREDENTIAL_SCOPE;
use beringia_item::Region;
use beringia_network::Network;
use beringia_node::{Authentication, Peer};
use beringia_regions::Topology;
use beringia_storage::{Store as _, logging_panics};
use beringia_storage_sqlite::{Database, DiskFaults, MemoryDisk, RegionStore};
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Addresses, Deployment, RegionAddresses, RegionLimits, Running};
use crate::{
    advice::Advice,
    control::{self, links::EstimatedDelays},
    directory::{Created, DataDirectory},
    error::{NotUp, StartError},
    faults::HostFaults,
    host::Host,
    leases::Leases,
    ports::ClientListeners,
    region::{Hosted, RegionConfig, RegionListeners},
    supervision,
    tap::Tap,
};

/// All listeners of a start, bound before anything is changed.
pub(super) struct Listeners {
    /// In the order of the regions.
    pub(super) regions: Vec<RegionListeners>,
    pub(super) control: ClientListeners,
    /// For all regions; `None` if there is only one region.
    pub(super) endpoint: Option<ClientListeners>,
}

/// Settings that were checked before anything is changed.
pub(super) struct StartupPlan {
    pub(super) topology: Topology,
    pub(super) regions: Vec<Region>,
    authentication: Authentication,
    directory: Option<DataDirectory>,
    limits: RegionLimits,
    keeps_log: Arc<AtomicBool>,
    shift_policy: ShiftPolicy,
    serving: Arc<Regions>,
    /// The services of every region's endpoint besides DynamoDB.
    services: Vec<SharedService>,
    /// Gives these services access to the regions.
    faults: Arc<HostFaults>,
    tap: Tap,
}

impl StartupPlan {
    /// Checks everything that can be checked without changing anything.
    pub(super) fn new(deployment: Deployment) -> Result<Self, StartError> {
        let Deployment {
            topology,
            data,
            authentication,
            limits,
            shift_policy,
        } = deployment;
        let directory = data
            .map(|data| DataDirectory::inspect(&data, &topology.identity()))
            .transpose()?;
        let regions = topology.names().map(Region::new).collect::<Result<Vec<_>, _>>();
        let regions = regions.map_err(StartError::RegionName)?;
        let serving = Arc::new(Regions::new(topology.names()));
        let faults = Arc::new(HostFaults::default());
        let injection = FaultInjection::new(faults.clone(), Arc::new(SystemClock), Arc::new(SystemRandomness));
        Ok(Self {
            topology,
            regions,
            authentication,
            directory,
            limits,
            keeps_log: Arc::new(AtomicBool::new(limits.keeps_log)),
            shift_policy,
            serving,
            services: vec![SharedService::new(Arc::new(Fis::new(Arc::new(injection))))],
            faults,
            tap: Tap::new(),
        })
    }

    /// Makes the endpoint for all regions refuse names of AWS regions that are not in the topology,
    /// and follow moves of clients. `first_port` is the DynamoDB port of the first region.
    pub(super) fn serve_all_regions(&mut self, first_port: u16) {
        let advice = Advice {
            regions: self.topology.names().map(str::to_owned).collect(),
            first_port,
            has_directory: self.directory.is_some(),
            verifies: matches!(self.authentication, Authentication::Verify(_)),
        };
        let regions = Regions::new(self.topology.names())
            .advising(move |asked| advice.on(asked))
            .following(self.shift_policy, nearest(&self.topology), [CREDENTIAL_SCOPE]);
        self.serving = Arc::new(regions);
    }

    pub(super) fn config(&self, region: &Region, peers: Vec<Peer>, network: Option<Network>) -> RegionConfig {
        RegionConfig {
            region: region.clone(),
            database: match &self.directory {
                None => Database::Memory(MemoryDisk::default()),
                Some(directory) => Database::File(directory.database(region.as_str())),
            },
            identity: self.topology.identity(),
            peers,
            authentication: self.authentication.clone(),
            services: self.services.clone(),
            max_clock_offset_ms: self.limits.max_clock_offset_ms,
            stream_shard_age_ms: self.limits.stream_shard_age_ms,
            conflict_retention_ms: self.limits.conflict_retention_ms,
            max_unreachable_ms: self.limits.max_unreachable_ms,
            given_up: BTreeSet::new(),
            keeps_log: self.keeps_log.clone(),
            behaviour: self.limits.behaviour,
            network,
            serving: self.serving.clone(),
            clock: Arc::new(SkewedClock::new(SystemClock)),
            disk_faults: DiskFaults::default(),
            tap: self.tap.clone(),
        }
    }

    /// Opens the databases and serves. This is the first step that changes anything; a start that
    /// fails removes what it created.
    pub(super) async fn open(
        self,
        configs: Vec<RegionConfig>,
        listeners: Listeners,
        network: Option<Network>,
    ) -> Result<Running, StartError> {
        let mut created = match &self.directory {
            None => Created::default(),
            Some(directory) => directory.create()?,
        };
        let stores = open_all(&configs, &mut created).await?;
        if let Some(directory) = &self.directory {
            directory.mark(&mut created)?;
        }
        let mut regions = Vec::new();
        for ((config, store), listeners) in configs.into_iter().zip(stores).zip(listeners.regions) {
            regions.push(Hosted::prepared(config, store, listeners)?);
        }
        let endpoint = listeners.endpoint.as_ref().map(ClientListeners::url).transpose()?;
        let addresses = Addresses {
            control: listeners.control.url()?,
            endpoint,
            regions: regions.iter().map(RegionAddresses::of).collect(),
            verifies: matches!(self.authentication, Authentication::Verify(_)),
        };
        let estimated = EstimatedDelays::of(&self.topology);
        let host = Arc::new(Host::new(
            self.regions,
            regions,
            network,
            estimated,
            self.serving,
            self.tap,
            Leases::new(self.keeps_log, self.limits.keeps_log),
        ));
        self.faults.attach(&host);
        if let Err(failure) = host.start(listeners.endpoint).await {
            host.shutdown().await;
            return Err(failure);
        }
        created.keep();
        let mut tasks = if host.restarts_regions() {
            supervision::supervise(&host)
        } else {
            JoinSet::new()
        };
        let control_ended = CancellationToken::new();
        let ended = control_ended.clone().drop_guard();
        let control = control::server::serve(listeners.control, host.clone());
        tasks.spawn(async move {
            let _ended = ended;
            logging_panics("the control service", control).await;
        });
        Ok(Running {
            host,
            tasks,
            control_ended,
            addresses,
        })
    }
}

/// For each region the others, by the delay of the link to them.
fn nearest(topology: &Topology) -> BTreeMap<String, Vec<String>> {
    let of = |region: &str| {
        let delay_ms = |other: &str| topology.link(region, other).map_or(f64::MAX, |link| link.delay_ms);
        let mut others: Vec<&str> = topology.names().filter(|other| *other != region).collect();
        others.sort_by(|one, other| delay_ms(one).total_cmp(&delay_ms(other)));
        others.into_iter().map(str::to_owned).collect()
    };
    topology.names().map(|region| (region.to_owned(), of(region))).collect()
}

/// Opens existing databases before it creates new ones, so that one that belongs to another region
/// is found first.
async fn open_all(configs: &[RegionConfig], created: &mut Created) -> Result<Vec<Arc<RegionStore>>, StartError> {
    let exists = |config: &&RegionConfig| matches!(&config.database, Database::File(path) if path.exists());
    let (old, new): (Vec<&RegionConfig>, Vec<&RegionConfig>) = configs.iter().partition(exists);
    let mut stores: BTreeMap<Region, Arc<RegionStore>> = BTreeMap::new();
    let mut problems = Vec::new();
    for group in [old, new] {
        if !problems.is_empty() {
            break;
        }
        for config in &group {
            if let Database::File(path) = &config.database {
                created.database(path);
            }
        }
        for (config, result) in group
            .iter()
            .zip(join_all(group.iter().map(|config| config.open())).await)
        {
            match result {
                Ok(store) => {
                    stores.insert(config.region.clone(), store);
                }
                Err(source) => problems.push(NotUp {
                    region: config.region.clone(),
                    source,
                }),
            }
        }
    }
    if problems.is_empty() {
        return Ok(configs
            .iter()
            .filter_map(|config| stores.remove(&config.region))
            .collect());
    }
    for store in stores.values() {
        store.close().await;
    }
    Err(StartError::NotUp(problems))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_region_is_that_with_the_least_delay() {
        let nearest = nearest(&Topology::three());
        assert_eq!(nearest["eu-west-1"], ["us-east-1", "ap-northeast-1"]);
        assert_eq!(nearest["ap-northeast-1"], ["us-east-1", "eu-west-1"]);
    }
}
