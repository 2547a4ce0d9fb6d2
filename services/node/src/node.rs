//! A running region: the handle that starts and stops all of its tasks.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use beringia_endpoint::{ConnectionLimits, OneRegion, RegionServices, Server, SharedService, serve};
use beringia_engine::{ApiError, Engine, LostWrite, Refused};
use beringia_gateway::Gateway;
use beringia_item::{Region, TableId, Version};
use beringia_replication::Event;
use beringia_storage::{Backlog, Store, StoreError};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error_span};

use crate::{
    Flow, Incoming, NodeConfig, NodeStatus, background,
    calls::Calls,
    drain::{Drain, DrainRequest, DrainWatch},
    driver::{Driver, Parts},
    lag::Lag,
    scope::TaskScope,
    status, transport,
};

/// The reason why a region does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The database belongs to another region.
    #[error("the database belongs to region {database}, not to {region}")]
    WrongRegion {
        /// The region that the database belongs to.
        database: String,
        /// The region that was to be started.
        region: String,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Replication cannot be paused, because the region has no replica of a global table with this id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("region {region} has no replica of a global table {table}")]
pub struct NotReplicated {
    /// The region that was to pause the table.
    pub region: Region,
    /// The table that was to be paused.
    pub table: TableId,
}

/// A running region. Dropping it stops it at once, as [`Node::kill`] does.
pub struct Node {
    driver: Arc<Driver>,
    engine: Arc<Engine>,
    gateway: Arc<Gateway>,
    services: Arc<RegionServices>,
    scope: TaskScope,
    drain: Arc<DrainRequest>,
    stopping: CancellationToken,
    stopped: CancellationToken,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("region", self.driver.store().region())
            .finish_non_exhaustive()
    }
}

impl Node {
    /// Starts every task of the region on the current runtime. The futures of a node are boxed, so
    /// that their code is compiled in this crate, and not again in each crate that awaits them.
    ///
    /// # Errors
    /// [`NodeError`] if the store belongs to another region or cannot be read.
    pub fn start(
        config: NodeConfig,
        store: Arc<dyn Store>,
        clients: Incoming,
        replication: Incoming,
    ) -> BoxFuture<'static, Result<Self, NodeError>> {
        Box::pin(Self::start_tasks(config, store, clients, replication))
    }

    async fn start_tasks(
        config: NodeConfig,
        store: Arc<dyn Store>,
        clients: Incoming,
        replication: Incoming,
    ) -> Result<Self, NodeError> {
        let NodeConfig {
            region,
            peers,
            clock,
            randomness,
            authentication,
            services,
            tuning,
            behaviour,
            observer,
        } = config;
        if *store.region() != region {
            return Err(NodeError::WrongRegion {
                database: store.region().to_string(),
                region: region.to_string(),
            });
        }
        let unreachable_ms = store.unreachable().await?;
        let scope = TaskScope::new(error_span!(parent: None, "region", %region));
        let connectors: BTreeMap<_, _> = peers.into_iter().map(|peer| (peer.region, peer.connector)).collect();
        let regions: Vec<_> = connectors.keys().cloned().chain([region.clone()]).collect();
        let engine = Engine::new(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&randomness), regions);
        let engine = Arc::new(engine.behaving(behaviour));
        let gateway = Arc::new(Gateway::new(Arc::clone(&engine)));
        let table = RegionServices::new(
            region.as_str(),
            authentication,
            Arc::clone(&clock),
            Arc::clone(&randomness),
            SharedService::new(Arc::clone(&gateway)),
        );
        let services = Arc::new(services.iter().fold(table, RegionServices::with));
        let resolver = Arc::new(OneRegion(Arc::clone(&services)));
        let server = Server::new(
            resolver,
            Arc::clone(&clock),
            Arc::clone(&randomness),
            ConnectionLimits::default(),
        );

        let calls = Calls {
            store,
            clock,
            lag: Lag::new(),
            observer,
        };
        let parts = Parts {
            scope: scope.clone(),
            tuning,
            calls,
            connectors,
            randomness,
            unreachable_ms,
        };
        let driver = Arc::new(Driver::new(parts));
        let (stopping, stopped) = (CancellationToken::new(), CancellationToken::new());
        scope.spawn(transport::serve(Arc::clone(&driver), replication));
        scope.spawn(serve_clients(server, clients, stopping.clone(), stopped.clone()));
        background::start(&driver, &engine);
        Ok(Self {
            driver,
            engine,
            gateway,
            services,
            scope,
            drain: Arc::default(),
            stopping,
            stopped,
        })
    }

    /// The region's DynamoDB API, for callers within the process.
    #[must_use]
    pub fn gateway(&self) -> Arc<Gateway> {
        Arc::clone(&self.gateway)
    }

    /// Everything that the region serves, for an endpoint that serves several regions.
    #[must_use]
    pub fn services(&self) -> Arc<RegionServices> {
        Arc::clone(&self.services)
    }

    /// The store of the region.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(self.driver.store())
    }

    /// Writes back a write that was lost to a conflict, as a new write of this region
    /// ([`Engine::restore`]).
    ///
    /// # Errors
    /// The error that a client would get for the write.
    pub fn restore<'n>(
        &'n self,
        table_name: &'n str,
        lost: LostWrite,
    ) -> BoxFuture<'n, Result<Option<Version>, ApiError>> {
        Box::pin(
            self.engine
                .restore(table_name, lost)
                .instrument(self.scope.span().clone()),
        )
    }

    /// The current status of the region and of its peers.
    pub fn status(&self) -> BoxFuture<'_, NodeStatus> {
        Box::pin(status::of(&self.driver))
    }

    /// Why the region has failed and must be started again: its store cannot commit, or one of its
    /// tasks panicked. `None` if it has not failed.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        self.driver.store().failed().or_else(|| self.scope.failed())
    }

    /// Waits until the region fails, and returns the reason. The future may outlive the node, and
    /// waits for ever if the node stops before that.
    pub fn failure(&self) -> BoxFuture<'static, String> {
        let (store, scope) = (self.store(), self.scope.clone());
        Box::pin(async move {
            tokio::select! {
                biased;
                reason = store.failure() => reason,
                reason = scope.failure() => reason,
            }
        })
    }

    /// The refusals to clients since the start, counted per item or page.
    #[must_use]
    pub fn refused(&self) -> Refused {
        self.engine.refused()
    }

    /// The backlog and traffic of each peer, without the rest of the status. Cheap enough to be
    /// sampled ten times a second.
    pub fn flows(&self) -> BoxFuture<'_, BTreeMap<Region, Flow>> {
        Box::pin(status::flows(&self.driver))
    }

    /// This region's own writes to global tables that no other region has acknowledged, counted by
    /// table: a write is missing if none of the other replicas of its table has it. These are the
    /// most that would be lost with the region's disk. Tables without another replica do not count.
    /// `None` if no other replica of a written table has reported what it has. As cheap as
    /// [`Node::flows`].
    pub fn unacknowledged(&self) -> BoxFuture<'_, Option<Backlog>> {
        Box::pin(status::unacknowledged(&self.driver))
    }

    /// Pauses the replication of a global table in this region: the region neither takes the
    /// table's writes from peers nor sends any. Its clients continue to read and write, and the
    /// other regions continue among themselves. All regions keep their logs and tombstones, so that
    /// both sides catch up from the log after [`Node::resume_replication`]. Writes that are on
    /// their way may still arrive at the peers, and batches that the store already has are still
    /// applied. The pause lasts until it is resumed or the region stops; a restart ends every
    /// pause. Pausing a paused table has no effect.
    ///
    /// # Errors
    /// [`NotReplicated`] if the table is not a global table with a replica here.
    pub fn pause_replication(&self, table: TableId) -> Result<(), NotReplicated> {
        self.driver.dispatch(Event::Pause(table));
        if self.driver.look(|replicator| replicator.paused().contains(&table)) {
            Ok(())
        } else {
            let region = self.driver.store().region().clone();
            Err(NotReplicated { region, table })
        }
    }

    /// The tables whose replication is paused in this region.
    #[must_use]
    pub fn paused_replication(&self) -> BTreeSet<TableId> {
        self.driver.look(|replicator| replicator.paused().clone())
    }

    /// Ends the pause of a table's replication in this region. Has no effect on a table that is not
    /// paused.
    pub fn resume_replication(&self, table: TableId) {
        self.driver.dispatch(Event::Resume(table));
    }

    /// Closes the region for clients' writes, so that it can be taken out of service: writes are
    /// refused with ServiceUnavailable (503), which clients retry, and reads continue. Returns at
    /// once; [`Node::drain_state`] reports the progress. Draining a draining region has no effect.
    /// A restart opens the region again.
    pub fn drain(&self) {
        self.drain.begin(&self.engine, self.driver.wall_ms());
    }

    /// Opens the region for writes again.
    pub fn undrain(&self) {
        self.drain.end(&self.engine);
    }

    /// Whether the region is closed for clients' writes.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        !self.engine.takes_writes()
    }

    /// The progress of the drain; `None` if the region accepts writes.
    pub fn drain_state(&self) -> BoxFuture<'static, Option<Drain>> {
        let watch = self.drain_watch();
        Box::pin(async move { watch.state().await })
    }

    /// A handle that reports the drain's progress and may outlive the node.
    #[must_use]
    pub fn drain_watch(&self) -> DrainWatch {
        DrainWatch {
            request: Arc::clone(&self.drain),
            engine: Arc::clone(&self.engine),
            driver: Arc::clone(&self.driver),
        }
    }

    /// Stops accepting requests, finishes those in progress, and closes the store.
    pub fn shutdown(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.stopping.cancel();
            self.stopped.cancelled().await;
            self.halt().await;
            self.driver.store().close().await;
        })
    }

    /// Ends every task of the region at once: from now on it accepts no connection, answers nobody
    /// and ships nothing. The returned future is ready when all tasks are gone, with their
    /// connections and listeners. What the region knows, such as [`Node::flows`], can still be
    /// read, and its store works until it is closed.
    pub fn halt(&self) -> BoxFuture<'static, ()> {
        self.scope.end();
        let scope = self.scope.clone();
        Box::pin(async move { scope.gone().await })
    }

    /// Stops at once, as a crash would: no answer is completed, nothing is flushed. If the store is
    /// to lose its unfinished commits, detach it first.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.scope.end();
    }
}

/// Answers clients until the node stops, then signals that no request is being answered any more.
async fn serve_clients(server: Server, clients: Incoming, stopping: CancellationToken, stopped: CancellationToken) {
    // Also after a panic, so that a shutdown does not wait for ever.
    let _stopped = stopped.drop_guard();
    serve(Arc::new(server), clients, Box::pin(stopping.cancelled_owned())).await;
}
