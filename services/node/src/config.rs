//! The configuration of a region.

use std::{io, sync::Arc, time::Duration};

use beringia_clock::{Randomness, WallClock};
use beringia_endpoint::{Authentication, BoxedIo, SharedService};
use beringia_engine::Behaviour;
use beringia_item::Region;
use futures_util::future::BoxFuture;

use crate::Observer;

/// Opens a connection to a peer's replication endpoint.
pub type Connector = Arc<dyn Fn() -> BoxFuture<'static, io::Result<BoxedIo>> + Send + Sync>;

/// Another region, and how to connect to it.
#[derive(Clone)]
pub struct Peer {
    /// The peer's name, which it has to confirm in its hello.
    pub region: Region,
    /// Opens a connection to its replication endpoint.
    pub connector: Connector,
}

/// The configuration of a region.
#[derive(Clone)]
pub struct NodeConfig {
    /// The region's name, which the store has to confirm.
    pub region: Region,
    /// All other regions, and how to connect to each.
    pub peers: Vec<Peer>,
    /// The source of wall time.
    pub clock: Arc<dyn WallClock>,
    /// The source of randomness, for the jitter of retries.
    pub randomness: Arc<dyn Randomness>,
    /// Which requests the region's services accept.
    pub authentication: Authentication,
    /// The services of the region's endpoint besides DynamoDB.
    pub services: Vec<SharedService>,
    /// Bounds and intervals of the region's tasks.
    pub tuning: NodeTuning,
    /// Which behaviour of DynamoDB clients see, such as throttling and stale reads.
    pub behaviour: Behaviour,
    /// Is notified of every write of another region when it becomes visible here.
    pub observer: Option<Arc<dyn Observer>>,
}

/// Bounds and intervals of a region. The defaults suit regions that are tens to hundreds of
/// milliseconds apart.
#[derive(Debug, Clone)]
pub struct NodeTuning {
    /// How often an idle replication connection is probed. A silent cut is noticed after this
    /// interval plus `keepalive_timeout`.
    pub keepalive_interval: Duration,
    /// How long the answer to a probe may take.
    pub keepalive_timeout: Duration,
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
    /// How often the state machine ticks, which updates counters and acknowledgements that nothing
    /// else triggers.
    pub tick_interval: Duration,
    /// The longest pause between two ranges of the scrub, which recomputes stored digests from
    /// rows. With many tables, and in the first round after a restart, it pauses for less. `None`
    /// disables the scrub.
    pub scrub_pause: Option<Duration>,
    /// How often unneeded log records are trimmed and unneeded tombstones collected. `None`
    /// disables both.
    pub garbage_interval: Option<Duration>,
    /// How often items whose time to live has passed are looked for. `None` disables expiry.
    pub expiry_interval: Option<Duration>,
    /// How long an expired item is left to the region that wrote it last, in whole seconds.
    pub expiry_grace: Duration,
    /// Bytes that may wait to be sent on a stream. A peer that respects its windows never comes
    /// near this limit; one that sends requests and does not read the answers is disconnected.
    pub outbox_bytes_max: usize,
    /// Bounds and intervals of the replication protocol.
    pub replication: beringia_replication::Tuning,
}

impl Default for NodeTuning {
    fn default() -> Self {
        Self {
            keepalive_interval: Duration::from_secs(2),
            keepalive_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(3),
            tick_interval: Duration::from_millis(100),
            scrub_pause: Some(Duration::from_millis(500)),
            garbage_interval: Some(Duration::from_secs(1)),
            expiry_interval: Some(Duration::from_secs(2)),
            expiry_grace: Duration::from_secs(30),
            outbox_bytes_max: 32 << 20,
            replication: beringia_replication::Tuning::default(),
        }
    }
}
