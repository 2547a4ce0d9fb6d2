//! A group of regions in one thread: networks, clocks, disks, nodes, and the operations on them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use beringia_clock::{SeededRandomness, TokioClock};
use beringia_history::ReplicaEpochs;
use beringia_item::{Region, TableId};
use beringia_network::{Direction, LinkSettings, MemoryTransport, Network};
use beringia_node::{Authentication, Behaviour, BoxedIo, Connector, Incoming, Node, NodeConfig, NodeTuning, Peer};
use beringia_regions::Topology;
use beringia_scenario::{ClockDeviation, Disks};
use beringia_storage::{PlantedBug, ReplicaStatus, Store, StoreError, Table, TableDigest};
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use crate::{
    SimulatedClock, SimulationError, Trace,
    clients::Clients,
    clock::{STARTS_MS, skewed},
    disk::{DiskSource, StoreKind},
    recorder::Recorder,
    site::{Running, Site},
};

/// The regions of a simulation, and the conditions that they run in.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// The regions, and the links between them.
    pub topology: Topology,
    /// The seed from which everything random follows.
    pub seed: u64,
    /// The bounds and intervals of every node.
    pub tuning: NodeTuning,
    /// Options that every region is started with.
    pub behaviour: beringia_scenario::RegionOptions,
    /// The time that a correct clock shows at the beginning, in milliseconds since the Unix epoch;
    /// `None` for the beginning of 2025.
    pub starts_ms: Option<u64>,
    /// How wrong the clocks are from the beginning, by region.
    pub clocks: BTreeMap<String, ClockDeviation>,
    /// A bug that is planted in every region, to see whether it is found.
    pub planted_bug: Option<PlantedBug>,
    /// The storage backend of the regions.
    pub store: StoreKind,
    /// The disks of the regions.
    pub disks: Disks,
    /// Whether the trace has every delivery.
    pub is_traced: bool,
}

impl ClusterConfig {
    /// The configuration of a topology's regions with default options and correct clocks.
    #[must_use]
    pub fn new(topology: Topology, seed: u64) -> Self {
        Self {
            topology,
            seed,
            tuning: NodeTuning::default(),
            behaviour: beringia_scenario::RegionOptions::default(),
            starts_ms: None,
            clocks: BTreeMap::new(),
            planted_bug: None,
            store: StoreKind::default(),
            disks: Disks::default(),
            is_traced: false,
        }
    }
}

/// Whole regions in one thread, with the network model between them.
pub struct Cluster {
    /// The trace of what happens in the cluster.
    pub trace: Arc<Trace>,
    /// Randomness for its users; derive one for each purpose.
    pub randomness: SeededRandomness,
    /// The simulated connections between the regions, which pass through the links.
    pub(crate) transport: MemoryTransport,
    /// Where the clients of each region connect.
    pub(crate) clients: Clients,
    /// Records when each region had applied which writes.
    pub(crate) recorder: Recorder,
    /// A correct clock without offset or drift.
    pub(crate) clock: Arc<TokioClock>,
    tuning: NodeTuning,
    behaviour: Behaviour,
    planted_bug: Option<PlantedBug>,
    /// The regions, in the order of the topology.
    pub(crate) sites: Vec<Site>,
}

impl Cluster {
    /// Creates a cluster and starts all of its regions.
    ///
    /// # Errors
    /// [`SimulationError`] if a region does not start.
    pub async fn start(config: ClusterConfig) -> Result<Self, SimulationError> {
        let ClusterConfig {
            topology,
            seed,
            mut tuning,
            behaviour,
            starts_ms,
            clocks,
            planted_bug,
            store,
            disks,
            is_traced,
        } = config;
        if let Some(most) = behaviour.max_unreachable_ms() {
            tuning.replication.unreachable_ms_max = most;
        }
        let randomness = SeededRandomness::new(seed);
        let network = Network::new(topology.names(), &randomness.derive("network"));
        let trace = Arc::new(Trace::new(is_traced));
        network.set_tap(trace.clone());
        for link in topology.links() {
            let settings = LinkSettings::from(link);
            network.change(&link.from, &link.to, Direction::OneWay, |current| *current = settings)?;
        }
        let began = Instant::now();
        let right = TokioClock::new(starts_ms.unwrap_or(STARTS_MS));
        let site = |name| -> Result<Site, SimulationError> {
            let clock = skewed(right, clocks.get(name).copied().unwrap_or_default());
            let disks = DiskSource::new(store, disks, randomness.derive(&format!("disks of {name}")))?;
            Ok(Site::new(Region::new(name)?, disks, clock))
        };
        let sites = topology.names().map(site).collect::<Result<Vec<_>, _>>()?;
        let transport = MemoryTransport::new(network);
        let clients = Clients::new(&trace);
        let mut cluster = Self {
            trace,
            randomness,
            transport,
            clients,
            recorder: Recorder::new(began),
            clock: Arc::new(right),
            tuning,
            behaviour: Behaviour {
                throttling: behaviour.throttling,
                stale_reads: behaviour.stale_reads,
                slow_changes: behaviour.slow_changes,
            },
            planted_bug,
            sites,
        };
        for name in cluster.names() {
            cluster.start_region(&name).await?;
        }
        Ok(cluster)
    }

    /// The regions' names, in the order of the topology.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.sites.iter().map(|site| site.region.to_string()).collect()
    }

    /// Pauses a region's replication of these tables in both directions, or resumes it. Leaves out
    /// those of which the region has no replica now: replicas come and go in the background.
    ///
    /// # Errors
    /// [`SimulationError::UnknownRegion`] or [`SimulationError::NotRunning`].
    pub fn pause_replication(&mut self, name: &str, tables: &[String], paused: bool) -> Result<(), SimulationError> {
        let catalog = self.store(name)?.catalog();
        let node = self.node(name)?;
        let mut now_paused = Vec::new();
        for (table, held) in tables
            .iter()
            .filter_map(|table| Some((table, catalog.by_name.get(table)?)))
        {
            if !paused {
                node.resume_replication(held.id);
            } else if node.pause_replication(held.id).is_ok() {
                now_paused.push(table.clone());
            }
        }
        let of_site = &mut self.site_mut(name)?.paused;
        of_site.retain(|table| !tables.contains(table));
        of_site.extend(now_paused);
        Ok(())
    }

    /// Starts or ends a drain. A drained region takes no writes from clients, so that all it has
    /// can go to the others.
    ///
    /// # Errors
    /// [`SimulationError::UnknownRegion`] or [`SimulationError::NotRunning`] if the region is
    /// unknown or down.
    pub fn drain(&self, name: &str, drained: bool) -> Result<(), SimulationError> {
        let node = self.node(name)?;
        if drained {
            node.drain();
        } else {
            node.undrain();
        }
        Ok(())
    }

    /// Returns whether a region runs, its disk has room and works, and its replication is not
    /// paused.
    #[must_use]
    pub fn is_healthy(&self, name: &str) -> bool {
        self.site(name).is_ok_and(Site::is_healthy)
    }

    /// Opens all links, gives all disks room and makes them work, starts all regions, resumes
    /// replication, and scrubs what was damaged.
    ///
    /// # Errors
    /// [`SimulationError`] if a region does not start.
    pub async fn put_right(&mut self, tables: &[String]) -> Result<(), SimulationError> {
        self.network().heal_all();
        for name in self.names() {
            self.slow_disk(&name, Duration::ZERO)?;
            self.fill_disk(&name, false)?;
            self.make_readable(&name).await?;
            if !self.is_running(&name) {
                self.start_region(&name).await?;
            }
            self.scrub_damaged(&name).await?;
            if !self.is_healthy(&name) {
                self.pause_replication(&name, tables, false)?;
            }
            self.drain(&name, false)?;
        }
        Ok(())
    }

    /// The regions in the order of the topology.
    pub(crate) fn regions(&self) -> impl Iterator<Item = &Region> {
        self.sites.iter().map(|site| &site.region)
    }

    /// The links between the regions.
    #[must_use]
    pub fn network(&self) -> &Network {
        self.transport.network()
    }

    /// A region's wall clock.
    ///
    /// # Errors
    /// [`SimulationError::UnknownRegion`] if the topology does not have it.
    pub fn clock(&self, name: &str) -> Result<Arc<SimulatedClock>, SimulationError> {
        Ok(Arc::clone(&self.site(name)?.clock))
    }

    /// The clients next to the regions.
    #[must_use]
    pub const fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Returns whether a region's process runs.
    #[must_use]
    pub fn is_running(&self, name: &str) -> bool {
        self.site(name).is_ok_and(|site| site.running.is_some())
    }

    /// Returns whether a region that is down lost its disk when it crashed.
    #[must_use]
    pub fn disk_is_new(&self, name: &str) -> bool {
        self.site(name).is_ok_and(|site| site.disk_new)
    }

    /// A running region's store.
    ///
    /// # Errors
    /// [`SimulationError::UnknownRegion`] or [`SimulationError::NotRunning`] if the region is
    /// unknown or down.
    pub fn store(&self, name: &str) -> Result<Arc<dyn Store>, SimulationError> {
        Ok(self.site(name)?.running()?.store.clone())
    }

    /// A running region's node.
    ///
    /// # Errors
    /// [`SimulationError::UnknownRegion`] or [`SimulationError::NotRunning`] if the region is
    /// unknown or down.
    pub fn node(&self, name: &str) -> Result<&Node, SimulationError> {
        Ok(&self.site(name)?.running()?.node)
    }

    /// Starts a region that is down, with the disk that it had.
    ///
    /// # Errors
    /// [`SimulationError`] if the region does not start.
    pub async fn start_region(&mut self, name: &str) -> Result<(), SimulationError> {
        let others = self
            .sites
            .iter()
            .map(|site| site.region.clone())
            .filter(|region| region.as_str() != name);
        let peers = others
            .map(|region| Peer {
                connector: self.connector(name, region.as_str()),
                region,
            })
            .collect();
        let (tuning, replication) = (self.tuning.clone(), incoming(self.transport.listen(name)));
        let seed = &self.randomness;
        let index = self.site_index(name)?;
        let site = &mut self.sites[index];
        let store = site.open(self.planted_bug, self.behaviour.stale_reads)?;
        let config = NodeConfig {
            region: site.region.clone(),
            peers,
            clock: site.clock.clone(),
            randomness: Arc::new(seed.derive(&format!("node {name}, start {}", site.starts))),
            authentication: Authentication::AcceptAny,
            services: Vec::new(),
            tuning,
            behaviour: self.behaviour,
            observer: None,
        };
        // The endpoint gets no connections: clients call the gateway directly.
        let started = Node::start(config, store.clone(), Box::pin(stream::pending()), replication).await;
        let node = started.map_err(|source| SimulationError::Start {
            region: name.to_owned(),
            source,
        })?;
        self.clients.open(name, node.gateway());
        let recording = self.recorder.follow(store.clone());
        site.running = Some(Running { node, store, recording });
        site.restarts.started();
        self.trace.note(format_args!("{name} started"));
        Ok(())
    }

    /// Checks that no running region has failed, except by a fault of its disk. Nothing else
    /// notices a panic in one of its tasks.
    ///
    /// # Errors
    /// [`SimulationError::Failed`] if one has.
    pub fn check(&self) -> Result<(), SimulationError> {
        for site in self.sites.iter().filter(|site| site.disk_failed().is_none()) {
            if let Some(reason) = site.running.as_ref().and_then(|running| running.node.failed()) {
                return Err(SimulationError::Failed {
                    region: site.region.to_string(),
                    reason,
                });
            }
        }
        Ok(())
    }

    /// The id of the table of that name in a region.
    ///
    /// # Errors
    /// [`SimulationError::NoTable`], and the errors of [`Cluster::store`].
    pub fn table_id(&self, region: &str, table: &str) -> Result<TableId, SimulationError> {
        let catalog = self.store(region)?.catalog();
        let found = catalog.by_name.get(table).map(|table| table.id);
        found.ok_or_else(|| SimulationError::NoTable {
            region: region.to_owned(),
            table: table.to_owned(),
        })
    }

    /// A table's digest in each running region with an active replica of it, if its disk works.
    ///
    /// # Errors
    /// [`SimulationError::Store`] if a store cannot be read.
    pub async fn digests(&self, table: &str) -> Result<BTreeMap<String, TableDigest>, SimulationError> {
        let mut digests = BTreeMap::new();
        let is_running = |site: &&Site| site.running.is_some() && site.is_readable();
        for site in self.sites.iter().filter(is_running) {
            let name = site.region.as_str();
            let Some(id) = self.held_table(name, table)? else {
                continue;
            };
            match self.store(name)?.digest(id).await {
                Ok(digest) => drop(digests.insert(name.to_owned(), digest)),
                // The replica was removed meanwhile.
                Err(StoreError::UnknownTable(_)) => {}
                Err(source) => {
                    let region = name.to_owned();
                    return Err(SimulationError::Store { region, source });
                }
            }
        }
        Ok(digests)
    }

    /// Whether the regions that have digests of a table ([`Cluster::digests`]) have equal ones.
    ///
    /// # Errors
    /// [`SimulationError::Store`] if a store cannot be read.
    pub(crate) async fn has_equal_digests(&self, table: &str) -> Result<bool, SimulationError> {
        Ok(are_equal(&self.digests(table).await?))
    }

    /// The replica epochs of every running region ([`Table::replica_epoch`]), by region and table.
    pub(crate) fn replica_epochs(&self, tables: &[String]) -> ReplicaEpochs {
        let mut replica_epochs = ReplicaEpochs::new();
        for site in &self.sites {
            let Some(running) = &site.running else { continue };
            let catalog = running.store.catalog();
            for table in tables {
                if let Some(held) = catalog.by_name.get(table) {
                    replica_epochs.insert((site.region.to_string(), table.clone()), held.replica_epoch);
                }
            }
        }
        replica_epochs
    }

    /// Returns the table of that name if a running region holds an active, complete replica of it.
    fn held_table(&self, region: &str, table: &str) -> Result<Option<TableId>, SimulationError> {
        let catalog = self.store(region)?.catalog();
        let here = |table: &&Arc<Table>| {
            let replica = table.replicas.iter().find(|(name, _)| name.as_str() == region);
            table.bootstrapped && replica.is_none_or(|(_, replica)| replica.status == ReplicaStatus::Active)
        };
        Ok(catalog.by_name.get(table).filter(here).map(|table| table.id))
    }

    fn connector(&self, from: &str, to: &str) -> Connector {
        let (transport, from, to) = (self.transport.clone(), from.to_owned(), to.to_owned());
        Arc::new(move || {
            let (transport, from, to) = (transport.clone(), from.clone(), to.clone());
            Box::pin(async move { Ok(Box::new(transport.dial(&from, &to).await?) as BoxedIo) })
        })
    }

    pub(crate) fn site(&self, name: &str) -> Result<&Site, SimulationError> {
        Ok(&self.sites[self.site_index(name)?])
    }

    pub(crate) fn site_mut(&mut self, name: &str) -> Result<&mut Site, SimulationError> {
        let index = self.site_index(name)?;
        Ok(&mut self.sites[index])
    }

    fn site_index(&self, name: &str) -> Result<usize, SimulationError> {
        let index = self.sites.iter().position(|site| site.region.as_str() == name);
        index.ok_or_else(|| SimulationError::UnknownRegion(name.to_owned()))
    }
}

fn incoming<S, C>(connections: S) -> Incoming
where
    S: futures_util::Stream<Item = std::io::Result<C>> + Send + 'static,
    C: beringia_node::Io,
{
    Box::pin(connections.map(|connection| connection.map(|connection| Box::new(connection) as BoxedIo)))
}

/// Whether all digests of a table are equal.
pub(crate) fn are_equal(digests: &BTreeMap<String, TableDigest>) -> bool {
    let mut digests = digests.values();
    let first = digests.next();
    digests.all(|other| Some(other) == first)
}
