//! Clients next to their regions. They call the regions' gateways directly, without HTTP in
//! between.
//!
//! The distance between a client and its region is a millisecond: time enough for the region to
//! crash with a write committed and its answer on the way. A client can know as much as over TCP: a
//! region that is down refuses the connection, and one that crashes breaks it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use beringia_gateway::{Gateway, HttpAnswer};
use beringia_history::FailureCause;
use beringia_network::Tap as _;
use beringia_workload::{CallError, PATIENCE, Target, Targets, understand};
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Map, Value};
use tokio::time::{error::Elapsed, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Trace;

/// The clients' name in traces.
const CLIENTS: &str = "clients";
/// The delay between a region and its clients, one way.
const CLIENT_DELAY: Duration = Duration::from_millis(1);

/// The clients next to every region. Clones are handles to the same clients.
#[derive(Clone)]
pub struct Clients(Arc<Shared>);

struct Shared {
    /// The running regions, by name.
    running: Mutex<BTreeMap<String, RunningRegion>>,
    connections: AtomicU64,
    trace: Arc<Trace>,
}

/// A running region, as its clients reach it.
#[derive(Clone)]
struct RunningRegion {
    gateway: Arc<Gateway>,
    /// Cancelled when the region crashes.
    shut: CancellationToken,
}

/// One client's connection to one region.
struct Near {
    region: String,
    clients: Clients,
    connection: Option<Connection>,
}

struct Connection {
    number: u64,
    running: RunningRegion,
}

impl Clients {
    /// Creates clients while no region runs yet.
    pub(crate) fn new(trace: &Arc<Trace>) -> Self {
        Self(Arc::new(Shared {
            running: Mutex::default(),
            connections: AtomicU64::new(0),
            trace: Arc::clone(trace),
        }))
    }

    /// Connects a region's clients to it when it starts.
    pub(crate) fn open(&self, region: &str, gateway: Arc<Gateway>) {
        let shut = CancellationToken::new();
        self.running()
            .insert(region.to_owned(), RunningRegion { gateway, shut });
    }

    /// Disconnects a region that crashed. It abandons its requests, and no answer arrives.
    pub(crate) fn shut(&self, region: &str) {
        if let Some(running) = self.running().remove(region) {
            running.shut.cancel();
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, RunningRegion>> {
        self.0.running.lock()
    }
}

impl Targets for Clients {
    fn target(&self, region: &str) -> Box<dyn Target> {
        Box::new(Near {
            region: region.to_owned(),
            clients: self.clone(),
            connection: None,
        })
    }
}

#[async_trait]
impl Target for Near {
    async fn call(&mut self, operation: &str, parameters: Value) -> Result<Value, CallError> {
        let connection = match self.connection.take() {
            Some(connection) if !connection.running.shut.is_cancelled() => connection,
            _ => self.connect().await?,
        };
        let parameters = match parameters {
            Value::Object(parameters) => parameters,
            _ => Map::new(),
        };
        match connection.exchange(operation, parameters).await {
            Some(Ok(answer)) => {
                let trace = &self.clients.0.trace;
                trace.delivered(&self.region, CLIENTS, connection.number, &answer.body);
                self.connection = Some(connection);
                understand(answer.status.as_u16(), &answer.body)
            }
            Some(Err(_)) => Err(CallError::Unknown(
                FailureCause::Timeout,
                format!("none within {PATIENCE:?}"),
            )),
            None => Err(CallError::Unknown(
                FailureCause::Reset,
                "the connection broke".to_owned(),
            )),
        }
    }
}

impl Near {
    /// Connects after a delay in each direction, as TCP does.
    async fn connect(&self) -> Result<Connection, CallError> {
        sleep(CLIENT_DELAY).await;
        let running = self.clients.running().get(&self.region).cloned();
        sleep(CLIENT_DELAY).await;
        let refused = || CallError::Unreachable(FailureCause::Refused, "connection refused".to_owned());
        let running = running.ok_or_else(refused)?;
        let number = self.clients.0.connections.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Connection { number, running })
    }
}

impl Connection {
    /// Calls an operation and waits for the answer; `None` if the region crashes meanwhile. After
    /// [`PATIENCE`] the region abandons the request, whose write may or may not have happened.
    async fn exchange(&self, operation: &str, parameters: Map<String, Value>) -> Option<Result<HttpAnswer, Elapsed>> {
        let exchange = async {
            sleep(CLIENT_DELAY).await;
            let answer = timeout(PATIENCE, self.running.gateway.ask(operation, parameters)).await;
            sleep(CLIENT_DELAY).await;
            answer
        };
        self.running.shut.run_until_cancelled(exchange).await
    }
}
