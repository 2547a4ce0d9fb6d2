//! The part that all starts have in common: open the databases, start the regions, and clean up
//! after a failed start.

use std::{collections::BTreeMap, sync::Arc};

use beringia_clock::{SkewedClock, SystemClock, SystemRandomness};
use beringia_endpoint::{Regions, SharedService};
use beringia_fis::{FaultInjection, Fis};
use beringia_item::Region;
use beringia_network::Network;
use beringia_node::{Authentication, Peer};
use beringia_regions::Topology;
use beringia_storage::Store as _;
use beringia_storage_sqlite::{Database, DiskFaults, MemoryDisk, RegionStore};
use futures_util::future::join_all;
use tokio::net::TcpListener;

use super::{Addresses, Deployment, Limits, RegionAddresses, Running};
use crate::{
    control,
    directory::{Created, DataDirectory},
    error::{NotUp, StartError},
    faults::HostFaults,
    host::Host,
    ports,
    region::{Blueprint, Hosted, Listeners},
    tap::Tap,
};

/// All listeners of a start, bound before anything is changed.
pub(super) struct Doors {
    /// In the order of the regions.
    pub(super) regions: Vec<Listeners>,
    pub(super) control: TcpListener,
    /// For all regions; `None` if there is only one region.
    pub(super) endpoint: Option<TcpListener>,
}

/// Settings that were checked before anything is changed.
pub(super) struct Preparation {
    pub(super) topology: Topology,
    pub(super) regions: Vec<Region>,
    authentication: Authentication,
    directory: Option<DataDirectory>,
    limits: Limits,
    serving: Arc<Regions>,
    /// The services of every region's endpoint besides DynamoDB.
    services: Vec<SharedService>,
    /// Gives these services access to the regions.
    faults: Arc<HostFaults>,
    tap: Tap,
}

impl Preparation {
    /// Checks everything that can be checked without changing anything.
    pub(super) fn new(deployment: Deployment) -> Result<Self, StartError> {
        let Deployment {
            topology,
            data,
            authentication,
            limits,
        } = deployment;
        let directory = data
            .map(|data| DataDirectory::inspect(&data, &topology.identity()))
            .transpose()?;
        let regions = topology.names().map(Region::new).collect::<Result<Vec<_>, _>>();
        let regions = regions.map_err(StartError::RegionName)?;
        let faults = Arc::new(HostFaults::default());
        let injection = FaultInjection::new(faults.clone(), Arc::new(SystemClock), Arc::new(SystemRandomness));
        Ok(Self {
            topology,
            regions,
            authentication,
            directory,
            limits,
            serving: Arc::new(Regions::new()),
            services: vec![SharedService::new(Arc::new(Fis::new(Arc::new(injection))))],
            faults,
            tap: Tap::new(),
        })
    }

    pub(super) fn blueprint(&self, region: &Region, peers: Vec<Peer>, network: Option<Network>) -> Blueprint {
        Blueprint {
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
            max_unreachable_ms: self.limits.max_unreachable_ms,
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
        blueprints: Vec<Blueprint>,
        doors: Doors,
        network: Option<Network>,
    ) -> Result<Running, StartError> {
        let mut created = match &self.directory {
            None => Created::default(),
            Some(directory) => directory.create()?,
        };
        let stores = open_all(&blueprints, &mut created).await?;
        if let Some(directory) = &self.directory {
            directory.mark(&mut created)?;
        }
        let mut regions = Vec::new();
        for ((blueprint, store), listeners) in blueprints.into_iter().zip(stores).zip(doors.regions) {
            regions.push(Hosted::prepared(blueprint, store, listeners)?);
        }
        let endpoint = doors.endpoint.as_ref().map(ports::url).transpose()?;
        let addresses = Addresses {
            control: ports::url(&doors.control)?,
            endpoint,
            regions: regions.iter().map(RegionAddresses::of).collect(),
            verifies: matches!(self.authentication, Authentication::Verify(_)),
        };
        let host = Arc::new(Host::new(self.regions, regions, network, self.serving, self.tap));
        self.faults.attach(&host);
        if let Err(failure) = host.start(doors.endpoint).await {
            host.shutdown().await;
            return Err(failure);
        }
        created.keep();
        let control = control::server::start(doors.control, host.clone());
        Ok(Running {
            host,
            control,
            addresses,
        })
    }
}

/// Opens existing databases before it creates new ones, so that one that belongs to another region
/// is found first.
async fn open_all(blueprints: &[Blueprint], created: &mut Created) -> Result<Vec<Arc<RegionStore>>, StartError> {
    let exists = |blueprint: &&Blueprint| matches!(&blueprint.database, Database::File(path) if path.exists());
    let (old, new): (Vec<&Blueprint>, Vec<&Blueprint>) = blueprints.iter().partition(exists);
    let mut stores: BTreeMap<Region, Arc<RegionStore>> = BTreeMap::new();
    let mut problems = Vec::new();
    for group in [old, new] {
        if !problems.is_empty() {
            break;
        }
        for blueprint in &group {
            if let Database::File(path) = &blueprint.database {
                created.database(path);
            }
        }
        for (blueprint, result) in group
            .iter()
            .zip(join_all(group.iter().map(|blueprint| blueprint.open())).await)
        {
            match result {
                Ok(store) => {
                    stores.insert(blueprint.region.clone(), store);
                }
                Err(source) => problems.push(NotUp {
                    region: blueprint.region.clone(),
                    source,
                }),
            }
        }
    }
    if problems.is_empty() {
        return Ok(blueprints
            .iter()
            .filter_map(|blueprint| stores.remove(&blueprint.region))
            .collect());
    }
    for store in stores.values() {
        store.close().await;
    }
    Err(StartError::NotUp(problems))
}
