//! Starting regions: the configuration of a start, and the running regions that it returns.

mod alone;
mod prepare;
#[cfg(test)]
mod tests;
mod together;

use std::{path::PathBuf, sync::Arc};

use beringia_clock::DEFAULT_MAX_OFFSET_MS;
use beringia_endpoint::ShiftPolicy;
use beringia_node::{Authentication, Behaviour, DEFAULT_UNREACHABLE_MS_MAX};
use beringia_regions::Topology;
use beringia_storage::{DEFAULT_CONFLICT_RETENTION_MS, DEFAULT_SHARD_AGE_MS};
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::{
    alone::{SingleRegion, one},
    together::{Ports, all},
};
use crate::{host::Host, region::Hosted};

const DYNAMODB_PORT: &str = "--dynamodb-port";
const REPLICATION_PORT: &str = "--replication-port";
const CONTROL_PORT: &str = "--control-port";

/// The configuration of a start.
#[derive(Debug)]
pub struct Deployment {
    /// The regions and the links between them.
    pub topology: Topology,
    /// The directory of the databases; `None` keeps everything in memory.
    pub data: Option<PathBuf>,
    /// Which requests the regions accept.
    pub authentication: Authentication,
    /// Settings that apply to every region.
    pub limits: RegionLimits,
    /// How the endpoint for all regions follows moves of clients.
    pub shift_policy: ShiftPolicy,
}

/// Settings that apply to every region.
#[derive(Debug, Clone, Copy)]
pub struct RegionLimits {
    /// How far ahead another region's clock may be, milliseconds.
    pub max_clock_offset_ms: u64,
    /// The age at which a shard of a stream is closed, milliseconds.
    pub stream_shard_age_ms: u64,
    /// How long conflicts and unshipped writes are kept, milliseconds.
    pub conflict_retention_ms: u64,
    /// How long another region may be unreachable before its replicas are dropped, milliseconds.
    pub max_unreachable_ms: u64,
    /// Whether log records stay although nobody is missing them, and conflicts whatever their age;
    /// otherwise they do so only while someone, such as a drill, holds a lease.
    pub keeps_log: bool,
    /// Which behaviour of DynamoDB clients see.
    pub behaviour: Behaviour,
}

impl From<&beringia_scenario::RegionOptions> for RegionLimits {
    /// The limits of a scenario, with defaults for what it does not set.
    fn from(behaviour: &beringia_scenario::RegionOptions) -> Self {
        Self {
            max_clock_offset_ms: DEFAULT_MAX_OFFSET_MS,
            stream_shard_age_ms: DEFAULT_SHARD_AGE_MS,
            conflict_retention_ms: DEFAULT_CONFLICT_RETENTION_MS,
            max_unreachable_ms: behaviour.max_unreachable_ms().unwrap_or(DEFAULT_UNREACHABLE_MS_MAX),
            // The oracle reads it at the end.
            keeps_log: true,
            behaviour: Behaviour {
                throttling: behaviour.throttling,
                stale_reads: behaviour.stale_reads,
                slow_changes: behaviour.slow_changes,
            },
        }
    }
}

/// The URLs of the running regions of this process.
#[derive(Debug)]
pub struct Addresses {
    /// The URL of their control service.
    pub control: String,
    /// The URL of the endpoint for all regions; `None` if there is only one region.
    pub endpoint: Option<String>,
    /// The URLs of each region, in the order of the topology.
    pub regions: Vec<RegionAddresses>,
    /// Whether requests must be signed with a known access key.
    pub verifies: bool,
}

/// The URLs of one region.
#[derive(Debug)]
pub struct RegionAddresses {
    /// The region's name in the topology.
    pub name: String,
    /// The URL of its DynamoDB endpoint.
    pub dynamodb: String,
    /// The URL of its replication endpoint.
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

/// Running regions of this process.
pub struct Running {
    host: Arc<Host>,
    /// The control service and, with all regions of a topology, what starts failed ones again.
    tasks: JoinSet<()>,
    /// Cancelled when the control service has ended.
    control_ended: CancellationToken,
    addresses: Addresses,
}

impl Running {
    /// The URLs at which the regions serve.
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Waits until this process cannot do its work any more, and returns the reason: its only
    /// region failed, or the control service ended. With all regions of a topology, a region that
    /// fails is started again instead.
    pub fn failure(&self) -> BoxFuture<'static, String> {
        let (host, control_ended) = (Arc::clone(&self.host), self.control_ended.clone());
        Box::pin(async move {
            let alone = host.regions().first().filter(|_| !host.restarts_regions());
            let fails = async {
                match alone {
                    Some(region) => format!("{} failed: {}", region.name(), region.fails().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                reason = fails => reason,
                () = control_ended.cancelled() => "the control service ended".to_owned(),
            }
        })
    }

    /// Stops the control service at once, and the regions cleanly.
    pub fn shutdown(mut self) -> BoxFuture<'static, ()> {
        self.tasks.abort_all();
        Box::pin(async move { self.host.shutdown().await })
    }
}
