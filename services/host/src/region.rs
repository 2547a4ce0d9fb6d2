//! One region of this process: prepared, running or failed.

use std::{collections::BTreeMap, io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use beringia_clock::{SkewedClock, SystemClock, SystemRandomness};
use beringia_endpoint::{Regions, SharedService};
use beringia_item::{Region, Version};
use beringia_network::Network;
use beringia_node::{
    ApiError, Authentication, Behaviour, Drain, Flow, LostWrite, Node, NodeConfig, NodeError, NodeStatus, Peer, Tuning,
};
use beringia_storage::{Store, StoreOptions};
use beringia_storage_sqlite::{Database, DiskFaults, Execution, Options, RegionStore};
use tokio::{net::TcpListener, sync::RwLock};

use crate::{
    accept,
    error::{BootError, NotUp, StartError},
    ports,
    tap::Tap,
};

/// Everything that a region is started with, and started with again after a failure.
pub(crate) struct Blueprint {
    /// Its name.
    pub(crate) region: Region,
    /// Where its state is.
    pub(crate) database: Database,
    /// The names of the topology's regions, which the database remembers.
    pub(crate) identity: String,
    /// All other regions and the ways to them.
    pub(crate) peers: Vec<Peer>,
    /// Whose requests it takes.
    pub(crate) authentication: Authentication,
    /// What it serves besides DynamoDB.
    pub(crate) services: Vec<SharedService>,
    /// How far ahead another region's clock may be.
    pub(crate) max_clock_offset_ms: u64,
    /// How old a shard of a stream gets.
    pub(crate) stream_shard_age_ms: u64,
    /// How long another region may be out of reach before its replicas are dropped.
    pub(crate) max_unreachable_ms: u64,
    /// What of DynamoDB's behaviour clients see.
    pub(crate) behaviour: Behaviour,
    /// The modelled links; None where the network is the real one.
    pub(crate) network: Option<Network>,
    /// Where the endpoint for all regions finds this one while it runs.
    pub(crate) serving: Arc<Regions>,
    /// Its wall clock, which drills make wrong; it stays so over a crash.
    pub(crate) clock: Arc<SkewedClock<SystemClock>>,
    /// What drills make wrong with its disk; it stays so over a crash.
    pub(crate) disk_faults: DiskFaults,
    /// Who hears of what arrives here.
    pub(crate) tap: Tap,
}

/// One region of this process.
pub(crate) struct Hosted {
    blueprint: Blueprint,
    dynamodb: SocketAddr,
    replication: SocketAddr,
    state: RwLock<State>,
}

/// A region's two listeners.
pub(crate) struct Listeners {
    pub(crate) dynamodb: TcpListener,
    pub(crate) replication: TcpListener,
}

enum State {
    /// Opened, listening, and not yet serving.
    Prepared(Arc<RegionStore>, Listeners),
    Running(Arc<RegionStore>, Node),
    Down,
}

/// What a region does with writes.
pub(crate) enum DrainState {
    /// It does not run.
    Down,
    /// It takes them.
    TakesWrites,
    /// It is closed for them; how far its last ones are.
    Drains(Drain),
}

/// Why a region cannot be failed or recovered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    /// It is down already.
    #[error("{0} is down already")]
    Down(Region),
    /// It is running.
    #[error("{0} is running")]
    Running(Region),
    /// Its database cannot be removed.
    #[error("{region} was killed, but its disk could not be taken away: {source}")]
    DiskKept {
        /// The region.
        region: Region,
        /// Why not.
        source: io::Error,
    },
    /// It cannot be started again.
    #[error("{region} cannot be started again: {source}")]
    Unrecoverable {
        /// The region.
        region: Region,
        /// Why not.
        source: BootError,
    },
}

impl Blueprint {
    /// Opens the region's store; SQLite blocks, so this runs aside.
    pub(crate) async fn open(&self) -> Result<Arc<RegionStore>, BootError> {
        let store = StoreOptions {
            max_offset_ms: self.max_clock_offset_ms,
            shard_age_ms: self.stream_shard_age_ms,
            look_back: self.behaviour.stale_reads,
            topology: Some(self.identity.clone()),
            ..StoreOptions::new(self.region.clone(), self.clock.clone())
        };
        let mut options = Options::new(store, self.database.clone(), Execution::Threads);
        options.disk_faults = self.disk_faults.clone();
        let opened = tokio::task::spawn_blocking(move || beringia_storage_sqlite::open(&options)).await?;
        Ok(Arc::new(opened?))
    }

    /// Removes everything that the region wrote down, after its store was abandoned.
    async fn lose_disk(&self) -> Result<(), RecoveryError> {
        // The next disk is well.
        self.disk_faults.set_commit_delay(Duration::ZERO);
        self.disk_faults.set_full(false);
        let path = match &self.database {
            Database::Memory(disk) => {
                disk.erase();
                return Ok(());
            }
            Database::File(path) => path.clone(),
        };
        let removed = tokio::task::spawn_blocking(move || remove_database(&path)).await;
        removed
            .map_err(io::Error::from)
            .flatten()
            .map_err(|source| RecoveryError::DiskKept {
                region: self.region.clone(),
                source,
            })
    }

    fn tuning(&self) -> Tuning {
        let mut tuning = Tuning::default();
        tuning.replication.unreachable_ms_max = self.max_unreachable_ms;
        tuning
    }

    async fn start(&self, store: &Arc<RegionStore>, listeners: Listeners) -> Result<Node, NodeError> {
        let config = NodeConfig {
            region: self.region.clone(),
            peers: self.peers.clone(),
            clock: self.clock.clone(),
            randomness: Arc::new(SystemRandomness),
            authentication: self.authentication.clone(),
            services: self.services.clone(),
            tuning: self.tuning(),
            behaviour: self.behaviour,
            observer: Some(self.tap.of(&self.region)),
        };
        let dynamodb = accept::plain(listeners.dynamodb);
        let replication = match &self.network {
            Some(network) => accept::shaped(listeners.replication, network.clone(), self.region.to_string()),
            None => accept::plain(listeners.replication),
        };
        let node = Node::start(config, store.clone(), dynamodb, replication).await?;
        node.gateway().tell(self.tap.of(&self.region));
        self.serving.up(node.services());
        Ok(node)
    }
}

impl Hosted {
    /// A region whose store is open and whose ports are taken.
    pub(crate) fn prepared(
        blueprint: Blueprint,
        store: Arc<RegionStore>,
        listeners: Listeners,
    ) -> Result<Self, StartError> {
        Ok(Self {
            dynamodb: ports::local(&listeners.dynamodb)?,
            replication: ports::local(&listeners.replication)?,
            blueprint,
            state: RwLock::new(State::Prepared(store, listeners)),
        })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &Region {
        &self.blueprint.region
    }

    /// Its wall clock.
    pub(crate) fn clock(&self) -> &SkewedClock<SystemClock> {
        &self.blueprint.clock
    }

    /// What is made wrong with its disk.
    pub(crate) const fn disk_faults(&self) -> &DiskFaults {
        &self.blueprint.disk_faults
    }

    /// Where its DynamoDB endpoint is.
    pub(crate) fn dynamodb_url(&self) -> String {
        format!("http://{}", ports::reachable(self.dynamodb))
    }

    /// Where its replication endpoint is.
    pub(crate) fn replication_url(&self) -> String {
        format!("http://{}", ports::reachable(self.replication))
    }

    /// What of DynamoDB's behaviour clients see.
    pub(crate) const fn behaviour(&self) -> Behaviour {
        self.blueprint.behaviour
    }

    /// How long another region may be out of reach before its replicas are dropped.
    pub(crate) const fn max_unreachable_ms(&self) -> u64 {
        self.blueprint.max_unreachable_ms
    }

    /// Its store; None while it is down.
    pub(crate) async fn store(&self) -> Option<Arc<dyn Store>> {
        match &*self.state.read().await {
            State::Prepared(store, _) | State::Running(store, _) => Some(store.clone()),
            State::Down => None,
        }
    }

    /// What it says of itself; None while it does not run.
    pub(crate) async fn status(&self) -> Option<NodeStatus> {
        match &*self.state.read().await {
            State::Running(_, node) => Some(node.status().await),
            State::Prepared(..) | State::Down => None,
        }
    }

    /// What flows from it to every other; None while it does not run.
    pub(crate) async fn flows(&self) -> Option<BTreeMap<Region, Flow>> {
        match &*self.state.read().await {
            State::Running(_, node) => Some(node.flows().await),
            State::Prepared(..) | State::Down => None,
        }
    }

    /// Does something with the node that needs no waiting; None while it does not run.
    pub(crate) async fn with_node<T>(&self, act: impl FnOnce(&Node) -> T + Send) -> Option<T> {
        match &*self.state.read().await {
            State::Running(_, node) => Some(act(node)),
            State::Prepared(..) | State::Down => None,
        }
    }

    /// Whether it runs and is closed for clients' writes.
    pub(crate) async fn drains(&self) -> bool {
        self.with_node(Node::is_draining).await == Some(true)
    }

    /// Has it write back what a conflict lost; None while it does not run.
    pub(crate) async fn restore(&self, table: &str, lost: LostWrite) -> Option<Result<Option<Version>, ApiError>> {
        match &*self.state.read().await {
            State::Running(_, node) => Some(node.restore(table, lost).await),
            State::Prepared(..) | State::Down => None,
        }
    }

    /// Whether it takes writes, and how far its drain is where it does not.
    pub(crate) async fn drain_state(&self) -> DrainState {
        match &*self.state.read().await {
            State::Running(_, node) => node
                .drain_state()
                .await
                .map_or(DrainState::TakesWrites, DrainState::Drains),
            State::Prepared(..) | State::Down => DrainState::Down,
        }
    }

    /// Starts a prepared region.
    pub(crate) async fn start(&self) -> Result<(), NotUp> {
        let mut state = self.state.write().await;
        match std::mem::replace(&mut *state, State::Down) {
            State::Prepared(store, listeners) => {
                let node = self.blueprint.start(&store, listeners).await.map_err(|error| NotUp {
                    region: self.name().clone(),
                    source: error.into(),
                })?;
                *state = State::Running(store, node);
            }
            other => *state = other,
        }
        Ok(())
    }

    /// Kills it as a crash would, and takes its disk away where that is lost too. Gives what the others had not acknowledged then.
    pub(crate) async fn fail(&self, lose_disk: bool) -> Result<BTreeMap<Region, Flow>, RecoveryError> {
        let mut state = self.state.write().await;
        match std::mem::replace(&mut *state, State::Down) {
            State::Running(store, node) => {
                if lose_disk {
                    close(&node).await;
                }
                let flows = node.flows().await;
                // First the state, so that no task that is still about to end can write; then the links, which carry off what the
                // region had sent; then the tasks and listeners. It waits for a commit under way, so it runs aside.
                let abandoned = tokio::task::spawn_blocking(move || store.abandon()).await;
                if let Err(error) = abandoned {
                    tracing::error!(%error, region = %self.name(), "its store was not taken away");
                }
                self.blueprint.serving.down(self.name().as_str());
                if let Some(network) = &self.blueprint.network {
                    // It fails for unknown regions only, and this one is of the topology that the network was made of.
                    let _ = network.kill_region(self.name().as_str());
                }
                node.kill();
                if lose_disk {
                    self.blueprint.lose_disk().await?;
                }
                tracing::info!(region = %self.name(), lose_disk, "killed");
                Ok(flows)
            }
            other => {
                *state = other;
                Err(RecoveryError::Down(self.name().clone()))
            }
        }
    }

    /// Starts it again, on the same database and ports.
    pub(crate) async fn recover(&self) -> Result<(), RecoveryError> {
        let mut state = self.state.write().await;
        if !matches!(*state, State::Down) {
            return Err(RecoveryError::Running(self.name().clone()));
        }
        let unrecoverable = |source| RecoveryError::Unrecoverable {
            region: self.name().clone(),
            source,
        };
        let bind = async |address| {
            rebind(address)
                .await
                .map_err(|source| unrecoverable(BootError::Port { address, source }))
        };
        let listeners = Listeners {
            dynamodb: bind(self.dynamodb).await?,
            replication: bind(self.replication).await?,
        };
        let store = self.blueprint.open().await.map_err(unrecoverable)?;
        let started = self.blueprint.start(&store, listeners).await;
        let node = started.map_err(|error| unrecoverable(error.into()))?;
        *state = State::Running(store, node);
        tracing::info!(region = %self.name(), "recovered");
        Ok(())
    }

    /// Ends it cleanly.
    pub(crate) async fn shutdown(&self) {
        let mut state = self.state.write().await;
        match std::mem::replace(&mut *state, State::Down) {
            State::Running(_, node) => {
                self.blueprint.serving.down(self.name().as_str());
                node.shutdown().await;
            }
            State::Prepared(store, _) => store.close().await,
            State::Down => {}
        }
    }
}

/// Takes no more writes, and waits a moment for those under way: then what the others have not acknowledged is what will be lost.
async fn close(node: &Node) {
    node.drain();
    for _ in 0..50 {
        let state = node.drain_state().await;
        if state.is_none_or(|state| state.writes_under_way == 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Removes a database with the files that SQLite keeps beside it.
fn remove_database(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Listens where a killed region listened: its tasks drop their listeners soon after they are aborted, not at once.
async fn rebind(address: SocketAddr) -> io::Result<TcpListener> {
    let mut attempts_left = 100;
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts_left > 0 => {
                attempts_left -= 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            result => return result,
        }
    }
}
