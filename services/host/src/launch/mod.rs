//! Starting regions: what is to be started, and what runs then.

mod alone;
mod prepare;
mod together;

use std::{path::PathBuf, sync::Arc};

use beringia_clock::DEFAULT_MAX_OFFSET_MS;
use beringia_node::{Authentication, Behaviour, DEFAULT_UNREACHABLE_MS_MAX};
use beringia_regions::Topology;
use beringia_storage::DEFAULT_SHARD_AGE_MS;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

pub use self::{
    alone::{OneRegion, one},
    together::{Ports, all},
};
use crate::{host::Host, region::Hosted};

const DYNAMODB_PORT: &str = "--dynamodb-port";
const REPLICATION_PORT: &str = "--replication-port";
const CONTROL_PORT: &str = "--control-port";

/// What is to be started.
#[derive(Debug)]
pub struct Deployment {
    /// Its regions and the links between them.
    pub topology: Topology,
    /// The directory of the databases; without one everything is in memory.
    pub data: Option<PathBuf>,
    /// Whose requests are taken.
    pub authentication: Authentication,
    /// What holds for every region.
    pub limits: Limits,
}

/// What can be set on every region.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How far ahead another region's clock may be, milliseconds.
    pub max_clock_offset_ms: u64,
    /// How old a shard of a stream gets, milliseconds.
    pub stream_shard_age_ms: u64,
    /// How long another region may be out of reach before its replicas are dropped, milliseconds.
    pub max_unreachable_ms: u64,
    /// What of DynamoDB's behaviour clients see.
    pub behaviour: Behaviour,
}

impl From<&beringia_scenario::Behaviour> for Limits {
    /// As a scenario has them; what it does not say is as by default.
    fn from(behaviour: &beringia_scenario::Behaviour) -> Self {
        Self {
            max_clock_offset_ms: DEFAULT_MAX_OFFSET_MS,
            stream_shard_age_ms: DEFAULT_SHARD_AGE_MS,
            max_unreachable_ms: behaviour.max_unreachable_ms().unwrap_or(DEFAULT_UNREACHABLE_MS_MAX),
            behaviour: Behaviour {
                throttling: behaviour.throttling,
                stale_reads: behaviour.stale_reads,
                slow_changes: behaviour.slow_changes,
            },
        }
    }
}

/// Where regions of this process that serve are, as URLs.
#[derive(Debug)]
pub struct Addresses {
    /// Their control service.
    pub control: String,
    /// The endpoint for all regions; none where there is but one.
    pub endpoint: Option<String>,
    /// In the order of the topology.
    pub regions: Vec<RegionAddresses>,
    /// Whether requests must be signed with an access key that is known.
    pub verifies: bool,
}

/// Where one region is.
#[derive(Debug)]
pub struct RegionAddresses {
    /// Its name.
    pub name: String,
    /// Its DynamoDB endpoint.
    pub dynamodb: String,
    /// Its replication endpoint.
    pub replication: String,
}

impl RegionAddresses {
    fn of(region: &Hosted) -> Self {
        Self {
            name: region.name().to_string(),
            dynamodb: region.dynamodb_url(),
            replication: region.replication_url(),
        }
    }
}

/// Regions of this process that serve.
pub struct Running {
    host: Arc<Host>,
    control: JoinHandle<()>,
    addresses: Addresses,
}

impl Running {
    /// Where they are.
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Ends them cleanly.
    pub fn shutdown(self) -> BoxFuture<'static, ()> {
        self.control.abort();
        Box::pin(async move { self.host.shutdown().await })
    }
}
