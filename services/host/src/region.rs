//! One region of this process, in one of the states prepared, running and down.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use beringia_clock::{SkewedClock, SystemClock, SystemRandomness};
use beringia_endpoint::{Regions, SharedService};
use beringia_item::{Region, Version};
use beringia_network::Network;
use beringia_node::{
    ApiError, Authentication, Behaviour, Drain, Flow, LostWrite, Node, NodeConfig, NodeError, NodeStatus, NodeTuning,
    Peer,
};
use beringia_storage::{Backlog, COMPARISON_LOOK_BACK, Store, StoreOptions, logging_panics};
use beringia_storage_sqlite::{Database, DiskFaults, Execution, Options, RegionStore};
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::{Notify, RwLock},
    task::JoinSet,
};

use crate::{
    accept, commit_times,
    error::{BootError, NotUp, StartError},
    ports::{self, ClientAddresses, ClientListeners},
    tap::Tap,
};

/// The configuration of a region, from which it is started, and started again after a failure.
pub(crate) struct RegionConfig {
    /// The region that is started.
    pub(crate) region: Region,
    /// The database of the region's state.
    pub(crate) database: Database,
    /// The names of the topology's regions, which the database stores and checks.
    pub(crate) identity: String,
    /// All other regions, and how to connect to them.
    pub(crate) peers: Vec<Peer>,
    /// Which requests the region accepts.
    pub(crate) authentication: Authentication,
    /// The services of the region's endpoint besides DynamoDB.
    pub(crate) services: Vec<SharedService>,
    /// How far ahead another region's clock may be, milliseconds.
    pub(crate) max_clock_offset_ms: u64,
    /// The age at which a shard of a stream is closed, milliseconds.
    pub(crate) stream_shard_age_ms: u64,
    /// How long conflicts and unshipped writes are kept, milliseconds.
    pub(crate) conflict_retention_ms: u64,
    /// How long another region may be unreachable before its replicas are dropped, milliseconds.
    pub(crate) max_unreachable_ms: u64,
    /// The regions that the operator has given up: they are dropped without a quorum.
    pub(crate) given_up: BTreeSet<Region>,
    /// Whether log records stay although nobody is missing them.
    pub(crate) keeps_log: Arc<AtomicBool>,
    /// Which behaviour of DynamoDB clients see.
    pub(crate) behaviour: Behaviour,
    /// The model of the links; `None` on a real network.
    pub(crate) network: Option<Network>,
    /// Where the endpoint for all regions finds this one while it is running.
    pub(crate) serving: Arc<Regions>,
    /// The region's wall clock, which drills skew. The skew survives a crash.
    pub(crate) clock: Arc<SkewedClock<SystemClock>>,
    /// The faults that drills inject into the region's disk. They survive a crash.
    pub(crate) disk_faults: DiskFaults,
    /// Passes on what this region applies.
    pub(crate) tap: Tap,
}

/// One region of this process.
pub(crate) struct Hosted {
    config: RegionConfig,
    dynamodb: ClientAddresses,
    replication: SocketAddr,
    state: RwLock<State>,
    /// Notified after every change of the state.
    changed: Notify,
    /// Why the region failed, while it is down for that reason.
    failure: Mutex<Option<String>>,
    /// Notes when the region commits its own writes, while it is running.
    commits: Mutex<JoinSet<()>>,
}

/// Whether a region runs, and whether it does what it should.
pub(crate) enum Health {
    /// It was stopped, or not started yet.
    Down,
    /// It runs, and nothing in it has failed.
    Running,
    /// It has failed, for this reason: it runs without commits or without replication, or it is
    /// down because it could not be started again.
    Failed(String),
}

/// The listeners of a region: for clients, and for other regions.
pub(crate) struct RegionListeners {
    pub(crate) dynamodb: ClientListeners,
    pub(crate) replication: TcpListener,
}

enum State {
    /// The store is open and the ports are bound, but the region is not serving yet.
    Prepared(Arc<RegionStore>, RegionListeners),
    Running(Arc<RegionStore>, Node),
    Down,
}

/// The treatment of clients' writes by a region.
pub(crate) enum DrainState {
    /// The region is not running.
    Down,
    /// The region accepts writes.
    TakesWrites,
    /// The region is closed for writes; holds the progress of the drain.
    Drains(Drain),
}

/// The reason why a region cannot be failed or recovered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    /// The region is down already.
    #[error("{0} is down already")]
    Down(Region),
    /// The region is running, so there is nothing to recover.
    #[error("{0} is running")]
    Running(Region),
    /// The region was killed, but its database could not be removed.
    #[error("{region} was killed, but its disk could not be removed: {source}")]
    DiskKept {
        /// The region that was killed.
        region: Region,
        /// The error from the file system.
        source: io::Error,
    },
    /// The region cannot be started again.
    #[error("{region} cannot be started again: {source}")]
    Unrecoverable {
        /// The region that was to be recovered.
        region: Region,
        /// The reason why it cannot be started.
        source: BootError,
    },
}

impl RegionConfig {
    /// Opens the region's store on a blocking thread, because SQLite blocks.
    pub(crate) async fn open(&self) -> Result<Arc<RegionStore>, BootError> {
        let store = StoreOptions {
            max_offset_ms: self.max_clock_offset_ms,
            shard_age_ms: self.stream_shard_age_ms,
            conflict_retention_ms: self.conflict_retention_ms,
            look_back: self.behaviour.stale_reads.max(COMPARISON_LOOK_BACK),
            keeps_log: self.keeps_log.clone(),
            topology: Some(self.identity.clone()),
            ..StoreOptions::new(self.region.clone(), self.clock.clone())
        };
        let mut options = Options::new(store, self.database.clone(), Execution::Threads);
        options.disk_faults = self.disk_faults.clone();
        let opened = tokio::task::spawn_blocking(move || beringia_storage_sqlite::open(&options)).await?;
        Ok(Arc::new(opened?))
    }

    /// Ends the faults that were injected into the region's disk.
    fn repair_disk(&self) {
        self.disk_faults.set_commit_delay(Duration::ZERO);
        self.disk_faults.set_full(false);
    }

    /// Removes everything that the region has stored, after its store was abandoned.
    async fn lose_disk(&self) -> Result<(), RecoveryError> {
        // The next disk has no faults.
        self.repair_disk();
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

    fn tuning(&self) -> NodeTuning {
        let mut tuning = NodeTuning::default();
        tuning.replication.unreachable_ms_max = self.max_unreachable_ms;
        tuning.replication.given_up.clone_from(&self.given_up);
        tuning
    }

    async fn start(&self, store: &Arc<RegionStore>, listeners: RegionListeners) -> Result<Node, NodeError> {
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
        let name = self.region.to_string();
        let dynamodb = accept::clients(listeners.dynamodb, Some(&name));
        let replication = match &self.network {
            Some(network) => accept::shaped(listeners.replication, network.clone(), name),
            None => accept::plain(listeners.replication, Some(name)),
        };
        let node = Node::start(config, store.clone(), dynamodb, replication).await?;
        node.gateway().set_listener(self.tap.of(&self.region));
        node.gateway().set_meter(self.tap.of(&self.region));
        self.serving.up(node.services());
        Ok(node)
    }
}

impl Hosted {
    /// A region whose store is open and whose ports are bound.
    pub(crate) fn prepared(
        config: RegionConfig,
        store: Arc<RegionStore>,
        listeners: RegionListeners,
    ) -> Result<Self, StartError> {
        Ok(Self {
            dynamodb: listeners.dynamodb.addresses()?,
            replication: ports::local(&listeners.replication)?,
            config,
            state: RwLock::new(State::Prepared(store, listeners)),
            changed: Notify::new(),
            failure: Mutex::default(),
            commits: Mutex::default(),
        })
    }

    /// The name of the region.
    pub(crate) fn name(&self) -> &Region {
        &self.config.region
    }

    /// The wall clock of the region.
    pub(crate) fn clock(&self) -> &SkewedClock<SystemClock> {
        &self.config.clock
    }

    /// The faults injected into the region's disk.
    pub(crate) const fn disk_faults(&self) -> &DiskFaults {
        &self.config.disk_faults
    }

    /// Ends the faults that were injected into the region's disk.
    pub(crate) fn repair_disk(&self) {
        self.config.repair_disk();
    }

    /// The URL of the region's DynamoDB endpoint.
    pub(crate) fn dynamodb_url(&self) -> String {
        format!("http://{}", ports::reachable(self.dynamodb.shown()))
    }

    /// The URL of the region's replication endpoint.
    pub(crate) fn replication_url(&self) -> String {
        format!("http://{}", ports::reachable(self.replication))
    }

    /// Which behaviour of DynamoDB clients see.
    pub(crate) const fn behaviour(&self) -> Behaviour {
        self.config.behaviour
    }

    /// How long another region may be unreachable before its replicas are dropped, milliseconds.
    pub(crate) const fn max_unreachable_ms(&self) -> u64 {
        self.config.max_unreachable_ms
    }

    /// The region's store; `None` while the region is down.
    pub(crate) async fn store(&self) -> Option<Arc<dyn Store>> {
        match &*self.state.read().await {
            State::Prepared(store, _) | State::Running(store, _) => Some(store.clone()),
            State::Down => None,
        }
    }

    /// The region's status; `None` while it is not running.
    pub(crate) async fn status(&self) -> Option<NodeStatus> {
        match &*self.state.read().await {
            State::Running(_, node) => Some(node.status().await),
            State::Prepared(..) | State::Down => None,
        }
    }

    /// The backlog and traffic of each peer; `None` while the region is not running.
    pub(crate) async fn flows(&self) -> Option<BTreeMap<Region, Flow>> {
        match &*self.state.read().await {
            State::Running(_, node) => Some(node.flows().await),
            State::Prepared(..) | State::Down => None,
        }
    }

    /// Calls `act` with the node, which must not block; `None` while the region is not running.
    pub(crate) async fn with_node<T>(&self, act: impl FnOnce(&Node) -> T + Send) -> Option<T> {
        match &*self.state.read().await {
            State::Running(_, node) => Some(act(node)),
            State::Prepared(..) | State::Down => None,
        }
    }

    /// Whether the region is running and closed for clients' writes.
    pub(crate) async fn drains(&self) -> bool {
        self.with_node(Node::is_draining).await == Some(true)
    }

    /// Writes back a write that was lost to a conflict; `None` while the region is not running.
    pub(crate) async fn restore(&self, table: &str, lost: LostWrite) -> Option<Result<Option<Version>, ApiError>> {
        match &*self.state.read().await {
            State::Running(_, node) => Some(node.restore(table, lost).await),
            State::Prepared(..) | State::Down => None,
        }
    }

    /// Whether the region accepts writes, and if not, the progress of its drain.
    pub(crate) async fn drain_state(&self) -> DrainState {
        match &*self.state.read().await {
            State::Running(_, node) => node
                .drain_state()
                .await
                .map_or(DrainState::TakesWrites, DrainState::Drains),
            State::Prepared(..) | State::Down => DrainState::Down,
        }
    }

    /// Starts a prepared region; does nothing if it was started before. If the start fails, the
    /// region is down.
    pub(crate) async fn start(&self) -> Result<(), NotUp> {
        let mut state = self.state.write().await;
        match std::mem::replace(&mut *state, State::Down) {
            State::Prepared(store, listeners) => {
                let node = self.config.start(&store, listeners).await.map_err(|error| NotUp {
                    region: self.name().clone(),
                    source: error.into(),
                })?;
                self.note_commits(&store);
                *state = State::Running(store, node);
                self.changed.notify_waiters();
            }
            other => *state = other,
        }
        Ok(())
    }

    /// Whether the region runs, and whether it has failed.
    pub(crate) async fn health(&self) -> Health {
        let state = self.state.read().await;
        let failed = match &*state {
            State::Running(_, node) => node.failed(),
            State::Prepared(..) | State::Down => self.failure.lock().clone(),
        };
        match (failed, &*state) {
            (Some(reason), _) => Health::Failed(reason),
            (None, State::Running(..)) => Health::Running,
            (None, _) => Health::Down,
        }
    }

    /// Waits until the region fails while it runs, and returns the reason.
    pub(crate) async fn fails(&self) -> String {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let failure = self.with_node(Node::failure).await;
            match failure {
                Some(failure) => tokio::select! {
                    biased;
                    reason = failure => return reason,
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }

    /// Starts a region that has failed again. Does nothing if it has not failed, for example
    /// because it was stopped meanwhile.
    pub(crate) async fn restart(&self) -> Result<(), RecoveryError> {
        let Health::Failed(reason) = self.health().await else {
            return Ok(());
        };
        if self.store().await.is_some() {
            // If this fails, the region was stopped meanwhile.
            if self.fail(false).await.is_err() {
                return Ok(());
            }
            *self.failure.lock() = Some(reason);
        }
        match self.recover().await {
            // It was recovered meanwhile.
            Err(RecoveryError::Running(_)) => Ok(()),
            Err(error) => {
                *self.failure.lock() = Some(error.to_string());
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    /// What no other region has acknowledged of the region's writes; `None` while it is not
    /// running, and if it is not known.
    pub(crate) async fn unacknowledged(&self) -> Option<Backlog> {
        match &*self.state.read().await {
            State::Running(_, node) => node.unacknowledged().await,
            State::Prepared(..) | State::Down => None,
        }
    }

    /// Kills the region as a crash would, and removes its disk if `lose_disk` is set. Returns what
    /// no other region had acknowledged at that time, if it is known.
    pub(crate) async fn fail(&self, lose_disk: bool) -> Result<Option<Backlog>, RecoveryError> {
        let mut state = self.state.write().await;
        // A region that is stopped on request stays down.
        *self.failure.lock() = None;
        self.changed.notify_waiters();
        match std::mem::replace(&mut *state, State::Down) {
            State::Running(store, node) => {
                // Nobody reaches the region from here on, and it ships nothing, even if its disk is
                // slow.
                self.config.serving.down(self.name().as_str());
                let halted = node.halt();
                self.disconnect();
                halted.await;
                if lose_disk {
                    finish_writes(&node).await;
                }
                let unacknowledged = node.unacknowledged().await;
                // Abandoning the store waits for a commit in progress, so it runs on a blocking
                // thread.
                let abandoned = tokio::task::spawn_blocking(move || store.abandon()).await;
                if let Err(error) = abandoned {
                    tracing::error!(%error, region = %self.name(), "its store was not taken away");
                }
                self.commits.lock().abort_all();
                node.kill();
                if lose_disk {
                    self.config.lose_disk().await?;
                }
                tracing::info!(region = %self.name(), lose_disk, "killed");
                Ok(unacknowledged)
            }
            other => {
                *state = other;
                Err(RecoveryError::Down(self.name().clone()))
            }
        }
    }

    fn note_commits(&self, store: &Arc<RegionStore>) {
        let (store, tap): (Arc<dyn Store>, _) = (store.clone(), self.config.tap.clone());
        let watching = logging_panics("noting commits", commit_times::watch(store, tap));
        self.commits.lock().spawn(watching);
    }

    /// Breaks the connections of the region to its peers. What it had sent still arrives.
    fn disconnect(&self) {
        if let Some(network) = &self.config.network {
            // This fails only for unknown regions, and this one is in the topology that the network
            // was built from.
            let _ = network.kill_region(self.name().as_str());
        }
    }

    /// Starts the region again, on the same database and ports.
    pub(crate) async fn recover(&self) -> Result<(), RecoveryError> {
        let mut state = self.state.write().await;
        if !matches!(*state, State::Down) {
            return Err(RecoveryError::Running(self.name().clone()));
        }
        let unrecoverable = |source| RecoveryError::Unrecoverable {
            region: self.name().clone(),
            source,
        };
        let unbound = |(address, source)| unrecoverable(BootError::Port { address, source });
        let listeners = RegionListeners {
            dynamodb: self.dynamodb.listen_again().await.map_err(unbound)?,
            replication: ports::listen_again(self.replication).await.map_err(unbound)?,
        };
        let store = self.config.open().await.map_err(unrecoverable)?;
        let started = self.config.start(&store, listeners).await;
        let node = started.map_err(|error| unrecoverable(error.into()))?;
        self.note_commits(&store);
        *state = State::Running(store, node);
        *self.failure.lock() = None;
        self.changed.notify_waiters();
        tracing::info!(region = %self.name(), "recovered");
        Ok(())
    }

    /// Stops the region: takes it from the endpoint, ends its node or closes its store. A region
    /// that is down stays so.
    pub(crate) async fn shutdown(&self) {
        let mut state = self.state.write().await;
        self.changed.notify_waiters();
        match std::mem::replace(&mut *state, State::Down) {
            State::Running(_, node) => {
                self.commits.lock().abort_all();
                self.config.serving.down(self.name().as_str());
                node.shutdown().await;
            }
            State::Prepared(store, _) => store.close().await,
            State::Down => {}
        }
    }
}

/// Refuses further writes and briefly waits for those in progress, such as those of the endpoint
/// for all regions, so that no more is lost with the disk than what is unacknowledged afterwards.
/// The region was halted, so it ships nothing meanwhile.
async fn finish_writes(node: &Node) {
    node.drain();
    for _ in 0..50 {
        let state = node.drain_state().await;
        if state.is_none_or(|state| state.writes_under_way == 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Removes a database and the files that are kept beside it.
fn remove_database(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-reserve"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
