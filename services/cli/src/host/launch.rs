//! `up` and `region`: check everything, take every port, open every database, serve, say so, and end when told to.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use beringia_clock::{
    DEFAULT_MAX_OFFSET_MS, Randomness as _, SeededRandomness, SkewedClock, SystemClock, SystemRandomness,
};
use beringia_endpoint::{Regions, SharedService};
use beringia_fis::{FaultInjection, Fis};
use beringia_item::Region;
use beringia_network::{Direction, Network};
use beringia_node::{Authentication, Behaviour, Connector, DEFAULT_UNREACHABLE_MS_MAX, Peer};
use beringia_regions::{Link, Topology};
use beringia_store::{DEFAULT_SHARD_AGE_MS, Database, DiskFaults, MemoryDisk, SqliteStore, Store as _};
use futures_util::future::join_all;
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    Host, accept, credentials,
    directory::{Created, DataDirectory},
    faults::HostFaults,
    ports,
    ready::Ready,
    region::{Blueprint, Hosted, Listeners},
    shutdown::Signals,
    tap::Tap,
};
use crate::{
    arguments::{RegionArguments, ServeArguments, UpArguments},
    control,
    failure::Failure,
    output::Format,
};

const DYNAMODB_PORT: &str = "--dynamodb-port";
const REPLICATION_PORT: &str = "--replication-port";
const CONTROL_PORT: &str = "--control-port";
const ENDPOINT_PORT: &str = "--endpoint-port";
/// The first ports of a topology whose regions are processes of their own.
const FIRST_DYNAMODB_PORT: u16 = 8001;
const FIRST_REPLICATION_PORT: u16 = 9001;
const FIRST_CONTROL_PORT: u16 = 9090;

/// Every port of a start, taken before anything is changed.
struct Doors {
    /// By the order of the regions.
    regions: Vec<Listeners>,
    control: TcpListener,
    /// For all regions; None where there is but one.
    endpoint: Option<TcpListener>,
}

/// What `up` and `region` prepare alike.
struct Preparation {
    topology: Topology,
    regions: Vec<Region>,
    authentication: Authentication,
    directory: Option<DataDirectory>,
    max_clock_offset_ms: u64,
    stream_shard_age_ms: u64,
    max_unreachable_ms: u64,
    behaviour: Behaviour,
    serving: Arc<Regions>,
    /// What every region serves besides DynamoDB.
    services: Vec<SharedService>,
    /// How these reach the regions.
    faults: Arc<HostFaults>,
    tap: Tap,
}

/// What can be set on every region.
#[derive(Debug, Clone, Copy)]
struct Limits {
    max_clock_offset_ms: u64,
    stream_shard_age_ms: u64,
    max_unreachable_ms: u64,
    behaviour: Behaviour,
}

/// The ports of an `up`: the first of the regions', and the others. 0: any free ones.
struct Ports {
    dynamodb: u16,
    replication: u16,
    control: u16,
    endpoint: u16,
}

/// Runs all regions of a topology until a signal ends it.
pub(crate) async fn up(arguments: &UpArguments, format: Format) -> Result<(), Failure> {
    let signals = Signals::new()?;
    let preparation = Preparation::new(&arguments.serve)?;
    let ports = Ports {
        dynamodb: arguments.dynamodb_port,
        replication: arguments.replication_port,
        control: arguments.control_port,
        endpoint: arguments.endpoint_port,
    };
    let running = all(preparation, arguments.serve.listen, &ports).await?;
    running.serve(signals, format).await
}

/// Starts all regions of a topology on free ports of this machine, in memory or with their databases in a directory.
pub(crate) async fn up_aside(
    topology: Topology,
    data: Option<&Path>,
    behaviour: &beringia_scenario::Behaviour,
) -> Result<Running, Failure> {
    let directory = data
        .map(|data| DataDirectory::inspect(data, &topology.identity()))
        .transpose()?;
    let limits = Limits {
        max_clock_offset_ms: DEFAULT_MAX_OFFSET_MS,
        stream_shard_age_ms: DEFAULT_SHARD_AGE_MS,
        max_unreachable_ms: behaviour.max_unreachable.map_or(DEFAULT_UNREACHABLE_MS_MAX, |most| {
            u64::try_from(most.as_millis()).unwrap_or(u64::MAX)
        }),
        behaviour: Behaviour {
            throttling: behaviour.throttling,
            stale_reads: behaviour.stale_reads,
            slow_changes: behaviour.slow_changes,
        },
    };
    let preparation = Preparation::of(topology, directory, Authentication::default(), limits)?;
    let ports = Ports {
        dynamodb: 0,
        replication: 0,
        control: 0,
        endpoint: 0,
    };
    all(preparation, IpAddr::V4(Ipv4Addr::LOCALHOST), &ports).await
}

/// Starts all regions of a topology.
async fn all(preparation: Preparation, ip: IpAddr, ports: &Ports) -> Result<Running, Failure> {
    let control = ports::listen(ip, ports.control, "the control service", CONTROL_PORT).await?;
    let endpoint = ports::listen(ip, ports.endpoint, "the endpoint for all regions", ENDPOINT_PORT).await?;
    let mut listeners = Vec::new();
    for (place, region) in preparation.regions.iter().enumerate() {
        let port = ports::nth(ports.dynamodb, place, DYNAMODB_PORT)?;
        let dynamodb = ports::listen(ip, port, &format!("the DynamoDB endpoint of {region}"), DYNAMODB_PORT).await?;
        let port = ports::nth(ports.replication, place, REPLICATION_PORT)?;
        let replication = ports::listen(ip, port, &format!("the replication of {region}"), REPLICATION_PORT).await?;
        listeners.push(Listeners { dynamodb, replication });
    }
    let network = network(&preparation.topology)?;
    let mut blueprints = Vec::new();
    for region in &preparation.regions {
        let mut peers = Vec::new();
        for (peer, listeners) in preparation
            .regions
            .iter()
            .zip(&listeners)
            .filter(|(peer, _)| *peer != region)
        {
            let address = ports::reachable(ports::local(&listeners.replication)?);
            let connector = accept::through(network.clone(), region.to_string(), peer.to_string(), address);
            peers.push(Peer {
                region: peer.clone(),
                connector,
            });
        }
        blueprints.push(preparation.blueprint(region, peers, Some(network.clone())));
    }
    let doors = Doors {
        regions: listeners,
        control,
        endpoint: Some(endpoint),
    };
    preparation.open(blueprints, doors, Some(network)).await
}

/// Runs one region of a topology until a signal ends it.
pub(crate) async fn region(arguments: &RegionArguments, format: Format) -> Result<(), Failure> {
    let signals = Signals::new()?;
    let preparation = Preparation::new(&arguments.serve)?;
    let named = preparation
        .regions
        .iter()
        .enumerate()
        .find(|(_, region)| region.as_str() == arguments.name);
    let Some((place, region)) = named.map(|(place, region)| (place, region.clone())) else {
        let known: Vec<&str> = preparation.topology.names().collect();
        return Err(Failure::wrong(format!(
            "the topology has no region `{}`: there are {}",
            arguments.name,
            known.join(", ")
        )));
    };
    let connectors = peer_connectors(&preparation.topology, &arguments.peers, &arguments.name)?;
    let site = preparation.topology.region(&arguments.name);
    let ip = arguments.serve.listen;
    let choose = |flag: Option<u16>, of_file: Option<u16>, first, name| match flag.or(of_file) {
        Some(port) => Ok(port),
        None => ports::nth(first, place, name),
    };
    let port = choose(arguments.control_port, None, FIRST_CONTROL_PORT, CONTROL_PORT)?;
    let control = ports::listen(ip, port, "the control service", CONTROL_PORT).await?;
    let port = choose(
        arguments.dynamodb_port,
        site.and_then(|s| s.dynamodb_port),
        FIRST_DYNAMODB_PORT,
        DYNAMODB_PORT,
    )?;
    let dynamodb = ports::listen(ip, port, "the DynamoDB endpoint", DYNAMODB_PORT).await?;
    let port = choose(
        arguments.replication_port,
        site.and_then(|s| s.replication_port),
        FIRST_REPLICATION_PORT,
        REPLICATION_PORT,
    )?;
    let replication = ports::listen(ip, port, "replication", REPLICATION_PORT).await?;
    let peers = preparation
        .regions
        .iter()
        .filter_map(|peer| {
            Some(Peer {
                region: peer.clone(),
                connector: connectors.get(peer.as_str())?.clone(),
            })
        })
        .collect();
    let blueprints = vec![preparation.blueprint(&region, peers, None)];
    let doors = Doors {
        regions: vec![Listeners { dynamodb, replication }],
        control,
        endpoint: None,
    };
    let running = preparation.open(blueprints, doors, None).await?;
    running.serve(signals, format).await
}

impl Preparation {
    /// Reads and checks everything that can be without changing anything.
    fn new(arguments: &ServeArguments) -> Result<Self, Failure> {
        let topology = match &arguments.topology {
            None => Topology::three(),
            Some(file) => Topology::load(file).map_err(|error| Failure::wrong(error.to_string()))?,
        };
        let authentication = credentials::authentication(arguments.credentials.as_deref(), &arguments.access_keys)?;
        let directory = if arguments.ephemeral {
            None
        } else {
            Some(DataDirectory::inspect(&arguments.data, &topology.identity())?)
        };
        let limits = Limits {
            max_clock_offset_ms: arguments.max_clock_offset_ms,
            stream_shard_age_ms: arguments.stream_shard_age_ms,
            max_unreachable_ms: arguments.max_unreachable_ms,
            behaviour: Behaviour {
                throttling: arguments.throttling,
                stale_reads: Duration::from_millis(arguments.stale_reads.unwrap_or(0)),
                slow_changes: Duration::from_millis(arguments.slow_changes.unwrap_or(0)),
            },
        };
        Self::of(topology, directory, authentication, limits)
    }

    fn of(
        topology: Topology,
        directory: Option<DataDirectory>,
        authentication: Authentication,
        limits: Limits,
    ) -> Result<Self, Failure> {
        let regions = topology.names().map(Region::new).collect::<Result<Vec<_>, _>>();
        let regions = regions.map_err(|error| Failure::wrong(format!("the topology: {error}")))?;
        let faults = Arc::new(HostFaults::default());
        let injection = FaultInjection::new(faults.clone(), Arc::new(SystemClock), Arc::new(SystemRandomness));
        Ok(Self {
            topology,
            regions,
            authentication,
            directory,
            max_clock_offset_ms: limits.max_clock_offset_ms,
            stream_shard_age_ms: limits.stream_shard_age_ms,
            max_unreachable_ms: limits.max_unreachable_ms,
            behaviour: limits.behaviour,
            serving: Arc::new(Regions::new()),
            services: vec![SharedService::new(Arc::new(Fis::new(Arc::new(injection))))],
            faults,
            tap: Tap::new(),
        })
    }

    fn blueprint(&self, region: &Region, peers: Vec<Peer>, network: Option<Network>) -> Blueprint {
        Blueprint {
            region: region.clone(),
            database: match &self.directory {
                None => Database::Memory(MemoryDisk::default()),
                Some(directory) => Database::File(directory.database(region.as_str())),
            },
            identity: self.topology.identity(),
            peers,
            authentication: self.authentication.clone(),
            services: self.services.clone(),
            max_clock_offset_ms: self.max_clock_offset_ms,
            stream_shard_age_ms: self.stream_shard_age_ms,
            max_unreachable_ms: self.max_unreachable_ms,
            behaviour: self.behaviour,
            network,
            serving: self.serving.clone(),
            clock: Arc::new(SkewedClock::new(SystemClock)),
            disk_faults: DiskFaults::default(),
            tap: self.tap.clone(),
        }
    }

    /// Opens the databases and serves. From here on something may be changed; what a start that fails has made is taken back.
    async fn open(
        self,
        blueprints: Vec<Blueprint>,
        doors: Doors,
        network: Option<Network>,
    ) -> Result<Running, Failure> {
        let mut created = match &self.directory {
            None => Created::default(),
            Some(directory) => directory.create()?,
        };
        let stores = open_all(&blueprints, &mut created).await?;
        if let Some(directory) = &self.directory {
            directory.mark(&mut created)?;
        }
        let mut regions = Vec::new();
        for ((blueprint, store), listeners) in blueprints.into_iter().zip(stores).zip(doors.regions) {
            regions.push(Hosted::prepared(blueprint, store, listeners)?);
        }
        let endpoint = doors.endpoint.as_ref().map(ports::url).transpose()?;
        let ready = Ready::new(&regions, ports::url(&doors.control)?, endpoint, &self.authentication);
        let host = Arc::new(Host::new(self.regions, regions, network, self.serving, self.tap));
        self.faults.attach(&host);
        if let Err(failure) = host.start(doors.endpoint).await {
            host.shutdown().await;
            return Err(failure);
        }
        created.keep();
        let control = control::server::start(doors.control, host.clone());
        Ok(Running { host, control, ready })
    }
}

/// Regions of this process that serve.
pub(crate) struct Running {
    host: Arc<Host>,
    control: JoinHandle<()>,
    ready: Ready,
}

impl Running {
    /// Where their control service is.
    pub(crate) fn control_url(&self) -> &str {
        self.ready.control()
    }

    /// Ends them cleanly.
    pub(crate) async fn shutdown(self) {
        self.control.abort();
        self.host.shutdown().await;
    }

    /// Says where they are, and ends them at a signal.
    async fn serve(self, mut signals: Signals, format: Format) -> Result<(), Failure> {
        self.ready.announce(format)?;
        signals.next().await;
        tracing::info!("shutting down; another signal ends the process at once");
        tokio::select! {
            biased;
            () = signals.next() => Err(Failure::Interrupted),
            () = self.shutdown() => Ok(()),
        }
    }
}

/// Opens the databases that are there before making those that are not, so that one that is not ours is found first.
async fn open_all(blueprints: &[Blueprint], created: &mut Created) -> Result<Vec<Arc<SqliteStore>>, Failure> {
    let exists = |blueprint: &&Blueprint| matches!(&blueprint.database, Database::File(path) if path.exists());
    let (old, new): (Vec<&Blueprint>, Vec<&Blueprint>) = blueprints.iter().partition(exists);
    let mut stores: BTreeMap<Region, Arc<SqliteStore>> = BTreeMap::new();
    let mut problems = Vec::new();
    for group in [old, new] {
        if !problems.is_empty() {
            break;
        }
        for blueprint in &group {
            if let Database::File(path) = &blueprint.database {
                created.database(path);
            }
        }
        for (blueprint, result) in group
            .iter()
            .zip(join_all(group.iter().map(|blueprint| blueprint.open())).await)
        {
            match result {
                Ok(store) => {
                    stores.insert(blueprint.region.clone(), store);
                }
                Err(problem) => problems.push(format!("cannot start {}: {problem}", blueprint.region)),
            }
        }
    }
    if problems.is_empty() {
        return Ok(blueprints
            .iter()
            .filter_map(|blueprint| stores.remove(&blueprint.region))
            .collect());
    }
    for store in stores.values() {
        store.close().await;
    }
    Err(Failure::wrong(problems.join("\n")))
}

/// The model of the links, as the topology describes them.
fn network(topology: &Topology) -> Result<Network, Failure> {
    let network = Network::new(topology.names(), &SeededRandomness::new(SystemRandomness.next_u64()));
    for Link {
        from,
        to,
        delay_ms,
        jitter_ms,
        bandwidth_mbit,
        loss_percent,
    } in topology.links()
    {
        let milliseconds = |ms: f64| Duration::from_secs_f64(ms / 1000.0);
        network
            .change(from, to, Direction::OneWay, |settings| {
                settings.delay = milliseconds(*delay_ms);
                settings.jitter = milliseconds(*jitter_ms);
                settings.bandwidth_mbit = *bandwidth_mbit;
                settings.loss_percent = *loss_percent;
            })
            .map_err(|error| Failure::wrong(format!("the link from {from} to {to}: {error}")))?;
    }
    Ok(network)
}

/// How to reach every other region: as `--peer` says, else as the topology says, else on this machine at its usual port.
fn peer_connectors(topology: &Topology, flags: &[String], own: &str) -> Result<BTreeMap<String, Connector>, Failure> {
    peer_addresses(topology, flags, own).map(|addresses| {
        addresses
            .into_iter()
            .map(|(name, address)| (name, accept::direct(address)))
            .collect()
    })
}

/// The `host:port` of every other region.
fn peer_addresses(topology: &Topology, flags: &[String], own: &str) -> Result<BTreeMap<String, String>, Failure> {
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
        let host = site.host.as_deref().unwrap_or("127.0.0.1");
        addresses.insert(site.name.clone(), format!("{host}:{port}"));
    }
    for flag in flags {
        let (name, address) = flag
            .split_once('=')
            .filter(|(_, address)| {
                address
                    .rsplit_once(':')
                    .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
            })
            .ok_or_else(|| Failure::wrong(format!("--peer {flag}: expected NAME=HOST:PORT")))?;
        let Some(known) = addresses.get_mut(name) else {
            let known: Vec<&str> = addresses.keys().map(String::as_str).collect();
            return Err(Failure::wrong(format!(
                "--peer {flag}: the other regions of the topology are {}",
                known.join(", ")
            )));
        };
        address.clone_into(known);
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_do_what_the_topology_says() {
        let topology = Topology::three();
        let shown = network(&topology).unwrap().show();
        assert_eq!(shown.len(), 6);
        for link in shown {
            let said = topology.link(&link.from, &link.to).unwrap();
            assert!((link.settings.delay.as_secs_f64() * 1000.0 - said.delay_ms).abs() < 1e-6);
            assert!(said.delay_ms > 0.0);
        }
    }

    #[test]
    fn peers_are_where_the_flag_says_else_the_file_else_on_this_machine() {
        let text = "[defaults]\ndelay_ms = 1\n[[region]]\nname = \"a\"\n[[region]]\nname = \"b\"\nhost = \"b.example\"\n\
                    replication_port = 7\n[[region]]\nname = \"c\"\n[[region]]\nname = \"d\"\n";
        let topology = Topology::parse(text, Path::new("t.toml")).unwrap();
        let addresses = peer_addresses(&topology, &["d=10.0.0.1:99".to_owned()], "a").unwrap();
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
    fn a_peer_that_is_none_is_refused() {
        let topology = Topology::two();
        for flag in [
            "eu-west-1",
            "eu-west-1=host",
            "eu-west-1=:1",
            "mars-1=host:1",
            "us-east-1=host:1",
        ] {
            assert!(
                peer_addresses(&topology, &[flag.to_owned()], "us-east-1").is_err(),
                "{flag}"
            );
        }
    }
}
