//! Starts all regions of a topology in this process, with a model of the links between them.

use beringia_clock::{Randomness as _, SeededRandomness, SystemRandomness};
use beringia_item::Region;
use beringia_network::{Direction, LinkSettings, Network};
use beringia_node::Peer;
use beringia_regions::Topology;
use futures_util::future::BoxFuture;

use super::{
    CONTROL_PORT, DYNAMODB_PORT, Deployment, REPLICATION_PORT, Running,
    prepare::{Listeners, StartupPlan},
};
use crate::{
    accept,
    error::StartError,
    ports::{self, Listen},
    region::{RegionConfig, RegionListeners},
};

const ENDPOINT_PORT: &str = "--endpoint-port";

/// The ports of a process with all regions: the first regional ports, and the shared ones. 0 stands
/// for any free port.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// The port of the first region's DynamoDB endpoint; the next regions have the ports that
    /// follow.
    pub dynamodb: u16,
    /// The port of the first region's replication endpoint; the next regions have the ports that
    /// follow.
    pub replication: u16,
    /// The port of the control service.
    pub control: u16,
    /// The port of the endpoint for all regions.
    pub endpoint: u16,
}

impl Ports {
    /// Any free port for each of them.
    pub const FREE: Self = Self {
        dynamodb: 0,
        replication: 0,
        control: 0,
        endpoint: 0,
    };
}

/// Starts all regions of a topology.
///
/// # Errors
/// If a port cannot be bound, or a database or the data directory cannot be used.
pub fn all(deployment: Deployment, listen: Listen, ports: &Ports) -> BoxFuture<'_, Result<Running, StartError>> {
    Box::pin(start(deployment, listen, ports))
}

async fn start(deployment: Deployment, listen: Listen, ports: &Ports) -> Result<Running, StartError> {
    let mut plan = StartupPlan::new(deployment)?;
    let control = ports::listen_for_clients(listen, ports.control, "the control service", CONTROL_PORT).await?;
    let endpoint =
        ports::listen_for_clients(listen, ports.endpoint, "the endpoint for all regions", ENDPOINT_PORT).await?;
    let listeners = listen_to_all(&plan.regions, listen, ports).await?;
    if let Some(first) = listeners.first() {
        plan.serve_all_regions(first.dynamodb.addresses()?.shown().port());
    }
    let network = network(&plan.topology)?;
    let configs = configs(&plan, &listeners, &network)?;
    let listeners = Listeners {
        regions: listeners,
        control,
        endpoint: Some(endpoint),
    };
    plan.open(configs, listeners, Some(network)).await
}

/// Binds the ports of every region, in the order of the topology.
async fn listen_to_all(regions: &[Region], listen: Listen, ports: &Ports) -> Result<Vec<RegionListeners>, StartError> {
    let mut listeners = Vec::new();
    for (place, region) in regions.iter().enumerate() {
        let port = ports::nth(ports.dynamodb, place, DYNAMODB_PORT)?;
        let dynamodb = ports::listen_for_clients(
            listen,
            port,
            &format!("the DynamoDB endpoint of {region}"),
            DYNAMODB_PORT,
        )
        .await?;
        let port = ports::nth(ports.replication, place, REPLICATION_PORT)?;
        let replication = ports::listen(
            listen.ip(),
            port,
            &format!("the replication of {region}"),
            REPLICATION_PORT,
        )
        .await?;
        listeners.push(RegionListeners { dynamodb, replication });
    }
    Ok(listeners)
}

/// The configuration of every region, in the order of the topology.
fn configs(
    plan: &StartupPlan,
    listeners: &[RegionListeners],
    network: &Network,
) -> Result<Vec<RegionConfig>, StartError> {
    let mut configs = Vec::new();
    for region in &plan.regions {
        let mut peers = Vec::new();
        for (peer, listeners) in plan.regions.iter().zip(listeners).filter(|(peer, _)| *peer != region) {
            let address = ports::reachable(ports::local(&listeners.replication)?);
            let connector = accept::through(network.clone(), region.to_string(), peer.to_string(), address);
            peers.push(Peer {
                region: peer.clone(),
                connector,
            });
        }
        configs.push(plan.config(region, peers, Some(network.clone())));
    }
    Ok(configs)
}

/// The model of the links that the topology describes.
fn network(topology: &Topology) -> Result<Network, StartError> {
    let network = Network::new(topology.names(), &SeededRandomness::new(SystemRandomness.next_u64()));
    for link in topology.links() {
        let wanted = LinkSettings::from(link);
        network
            .change(&link.from, &link.to, Direction::OneWay, |settings| *settings = wanted)
            .map_err(|source| StartError::Link {
                from: link.from.clone(),
                to: link.to.clone(),
                source,
            })?;
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_modelled_as_in_the_topology() {
        let topology = Topology::three();
        let shown = network(&topology).unwrap().show();
        assert_eq!(shown.len(), 6);
        for link in shown {
            let expected = topology.link(&link.from, &link.to).unwrap();
            assert!((link.settings.delay.as_secs_f64() * 1000.0 - expected.delay_ms).abs() < 1e-6);
            assert!(expected.delay_ms > 0.0);
        }
    }
}
