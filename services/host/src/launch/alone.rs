//! Starts one region of a topology in this process; the others are elsewhere on a real network.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
};

use beringia_node::{Connector, Peer};
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

/// The ports of the first region of a topology whose regions are processes of their own.
const FIRST_DYNAMODB_PORT: u16 = 8001;
const FIRST_REPLICATION_PORT: u16 = 9001;
const FIRST_CONTROL_PORT: u16 = 9090;

/// One region of a topology, as a process of its own.
#[derive(Debug)]
pub struct SingleRegion {
    /// The region's name in the topology.
    pub name: String,
    /// The replication endpoints of other regions, as `NAME=HOST:PORT`.
    pub peers: Vec<String>,
    /// The DynamoDB port; 0 for any free one. `None`: as in the topology, else 8001 for the first
    /// region, 8002 for the second, and so on.
    pub dynamodb_port: Option<u16>,
    /// The replication port; likewise, from 9001.
    pub replication_port: Option<u16>,
    /// The regions that the operator gives up: this region drops their replicas although it is no
    /// quorum without them.
    pub given_up: Vec<String>,
    /// The port of the control service; 0 for any free one. `None`: 9090 for the first region, and
    /// so on.
    pub control_port: Option<u16>,
}

/// Starts one region of a topology.
///
/// # Errors
/// As for [`all`](super::all), and if the topology has no such region or peers.
pub fn one(
    deployment: Deployment,
    listen: Listen,
    arguments: &SingleRegion,
) -> BoxFuture<'_, Result<Running, StartError>> {
    Box::pin(start(deployment, listen, arguments))
}

async fn start(deployment: Deployment, listen: Listen, arguments: &SingleRegion) -> Result<Running, StartError> {
    let plan = StartupPlan::new(deployment)?;
    let named = plan
        .regions
        .iter()
        .enumerate()
        .find(|(_, region)| region.as_str() == arguments.name);
    let unknown = |name: &str| {
        let known: Vec<&str> = plan.topology.names().collect();
        StartError::UnknownRegion {
            name: name.to_owned(),
            known: known.join(", "),
        }
    };
    let Some((place, region)) = named.map(|(place, region)| (place, region.clone())) else {
        return Err(unknown(&arguments.name));
    };
    let mut given_up = BTreeSet::new();
    for name in &arguments.given_up {
        let other = plan
            .regions
            .iter()
            .find(|other| other.as_str() == name && **other != region);
        given_up.insert(other.ok_or_else(|| unknown(name))?.clone());
    }
    let connectors = peer_connectors(&plan.topology, &arguments.peers, &arguments.name, listen.ip())?;
    let site = plan.topology.region(&arguments.name);
    let choose = |flag: Option<u16>, of_file: Option<u16>, first, name| match flag.or(of_file) {
        Some(port) => Ok(port),
        None => ports::nth(first, place, name),
    };
    let port = choose(arguments.control_port, None, FIRST_CONTROL_PORT, CONTROL_PORT)?;
    let control = ports::listen_for_clients(listen, port, "the control service", CONTROL_PORT).await?;
    let port = choose(
        arguments.dynamodb_port,
        site.and_then(|s| s.dynamodb_port),
        FIRST_DYNAMODB_PORT,
        DYNAMODB_PORT,
    )?;
    let dynamodb = ports::listen_for_clients(listen, port, "the DynamoDB endpoint", DYNAMODB_PORT).await?;
    let port = choose(
        arguments.replication_port,
        site.and_then(|s| s.replication_port),
        FIRST_REPLICATION_PORT,
        REPLICATION_PORT,
    )?;
    let replication = ports::listen(listen.ip(), port, "replication", REPLICATION_PORT).await?;
    let peers = plan
        .regions
        .iter()
        .filter_map(|peer| {
            Some(Peer {
                region: peer.clone(),
                connector: connectors.get(peer.as_str())?.clone(),
            })
        })
        .collect();
    for lost in &given_up {
        tracing::warn!(
            %region, %lost,
            "a region is given up: while it is unreachable, its replicas are dropped without a quorum"
        );
    }
    let configs = vec![RegionConfig {
        given_up,
        ..plan.config(&region, peers, None)
    }];
    let listeners = Listeners {
        regions: vec![RegionListeners { dynamodb, replication }],
        control,
        endpoint: None,
    };
    plan.open(configs, listeners, None).await
}

/// Connectors to every other region: to the address in `--peer`, else in the topology, else on this
/// machine at its default port.
fn peer_connectors(
    topology: &Topology,
    flags: &[String],
    own: &str,
    ip: IpAddr,
) -> Result<BTreeMap<String, Connector>, StartError> {
    peer_addresses(topology, flags, own, ip).map(|addresses| {
        addresses
            .into_iter()
            .map(|(name, address)| (name, accept::direct(address)))
            .collect()
    })
}

/// The `host:port` of every other region. Those on this machine listen on ::1 if this one does, as
/// `ip` tells, and else on 127.0.0.1.
fn peer_addresses(
    topology: &Topology,
    flags: &[String],
    own: &str,
    ip: IpAddr,
) -> Result<BTreeMap<String, String>, StartError> {
    let here = if ip == Ipv6Addr::LOCALHOST { "::1" } else { "127.0.0.1" };
    let mut addresses = BTreeMap::new();
    for (place, site) in topology
        .regions()
        .iter()
        .enumerate()
        .filter(|(_, site)| site.name != own)
    {
        let port = match site.replication_port {
            Some(port) => port,
            None => ports::nth(FIRST_REPLICATION_PORT, place, REPLICATION_PORT)?,
        };
        let host = site.host.as_deref().unwrap_or(here);
        let address = match host.parse::<Ipv6Addr>() {
            Ok(ip) => format!("[{ip}]:{port}"),
            Err(_) => format!("{host}:{port}"),
        };
        addresses.insert(site.name.clone(), address);
    }
    for flag in flags {
        let (name, address) = flag
            .split_once('=')
            .filter(|(_, address)| {
                address
                    .rsplit_once(':')
                    .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
            })
            .ok_or_else(|| StartError::PeerForm(flag.clone()))?;
        let Some(known) = addresses.get_mut(name) else {
            let known: Vec<&str> = addresses.keys().map(String::as_str).collect();
            return Err(StartError::UnknownPeer {
                flag: flag.clone(),
                known: known.join(", "),
            });
        };
        address.clone_into(known);
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, path::Path};

    use super::*;

    #[test]
    fn peer_addresses_come_from_flag_then_topology_then_default() {
        let text = "[defaults]\ndelay_ms = 1\n[[region]]\nname = \"a\"\n[[region]]\nname = \"b\"\nhost = \"b.example\"\n\
                    replication_port = 7\n[[region]]\nname = \"c\"\n[[region]]\nname = \"d\"\n";
        let topology = Topology::parse(text, Path::new("t.toml")).unwrap();
        let flags = ["d=10.0.0.1:99".to_owned()];
        let addresses = peer_addresses(&topology, &flags, "a", IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
        let pairs: Vec<_> = addresses
            .iter()
            .map(|(name, address)| (name.as_str(), address.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [("b", "b.example:7"), ("c", "127.0.0.1:9003"), ("d", "10.0.0.1:99")]
        );
    }

    #[test]
    fn peer_addresses_may_be_of_ipv6() {
        let text = "[defaults]\ndelay_ms = 1\n[[region]]\nname = \"a\"\n[[region]]\nname = \"b\"\nhost = \"fd00::7\"\n\
                    [[region]]\nname = \"c\"\nhost = \"[fd00::8]\"\n[[region]]\nname = \"d\"\n";
        let topology = Topology::parse(text, Path::new("t.toml")).unwrap();
        let addresses = peer_addresses(&topology, &[], "a", IpAddr::V6(Ipv6Addr::LOCALHOST)).unwrap();
        let addresses: Vec<_> = addresses.values().map(String::as_str).collect();
        assert_eq!(addresses, ["[fd00::7]:9002", "[fd00::8]:9003", "[::1]:9004"]);
    }

    #[test]
    fn malformed_and_unknown_peers_are_refused() {
        let topology = Topology::two();
        for flag in [
            "eu-west-1",
            "eu-west-1=host",
            "eu-west-1=:1",
            "mars-1=host:1",
            "us-east-1=host:1",
        ] {
            assert!(
                peer_addresses(&topology, &[flag.to_owned()], "us-east-1", Ipv4Addr::LOCALHOST.into()).is_err(),
                "{flag}"
            );
        }
    }
}
