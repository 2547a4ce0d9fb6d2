//! What a region is started with.

use std::{io, sync::Arc, time::Duration};

use beringia_clock::{Randomness, WallClock};
use beringia_endpoint::{Authentication, BoxedIo, SharedService};
use beringia_engine::Behaviour;
use beringia_item::Region;
use futures_util::future::BoxFuture;

use crate::Observer;

/// Opens a connection to a peer's replication endpoint.
pub type Connector = Arc<dyn Fn() -> BoxFuture<'static, io::Result<BoxedIo>> + Send + Sync>;

/// Another region, and the way to it.
#[derive(Clone)]
pub struct Peer {
    /// Its name, which it must confirm.
    pub region: Region,
    /// Opens a connection to its replication endpoint.
    pub connector: Connector,
}

/// What a region is started with.
#[derive(Clone)]
pub struct NodeConfig {
    /// This region's name.
    pub region: Region,
    /// All other regions.
    pub peers: Vec<Peer>,
    /// Wall time.
    pub clock: Arc<dyn WallClock>,
    /// Randomness, for the jitter of retries.
    pub randomness: Arc<dyn Randomness>,
    /// Whose requests the region's services take.
    pub authentication: Authentication,
    /// What the region serves besides DynamoDB.
    pub services: Vec<SharedService>,
    /// Bounds and intervals.
    pub tuning: Tuning,
    /// What of DynamoDB's behaviour clients see.
    pub behaviour: Behaviour,
    /// Is told of every write of others as it becomes visible here.
    pub observer: Option<Arc<dyn Observer>>,
}

/// Bounds and intervals of a region. The defaults suit regions tens to hundreds of milliseconds apart.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// How often an idle replication connection is probed, and how long an answer may take: a silent cut is noticed
    /// after the sum of both.
    pub keepalive_interval: Duration,
    /// See `keepalive_interval`.
    pub keepalive_timeout: Duration,
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
    /// How often counters and acknowledgements that nothing else triggers are brought up to date.
    pub tick_interval: Duration,
    /// The pause between two ranges of the scrub, which recomputes stored digests from rows. None: no scrub.
    pub scrub_pause: Option<Duration>,
    /// How often log records and tombstones that nobody needs are forgotten. None: never.
    pub forget_interval: Option<Duration>,
    /// How often items whose time to live ran out are looked for. None: never.
    pub expiry_interval: Option<Duration>,
    /// How long the expired item that another region wrote last is left to that region; whole seconds.
    pub expiry_grace: Duration,
    /// Bytes that may wait to be sent on a stream. A peer that keeps within its windows never comes near it; one that asks and does
    /// not read is cut off.
    pub outbox_bytes_max: usize,
    /// Bounds and intervals of the protocol.
    pub replication: beringia_replication::Tuning,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            keepalive_interval: Duration::from_secs(2),
            keepalive_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(3),
            tick_interval: Duration::from_millis(100),
            scrub_pause: Some(Duration::from_millis(500)),
            forget_interval: Some(Duration::from_secs(1)),
            expiry_interval: Some(Duration::from_secs(2)),
            expiry_grace: Duration::from_secs(30),
            outbox_bytes_max: 32 << 20,
            replication: beringia_replication::Tuning::default(),
        }
    }
}
