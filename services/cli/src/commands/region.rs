//! `region`: runs one region of a topology in a process of its own.

use beringia_host::SingleRegion;
use clap::Args;

use super::serve::{ServeArguments, deployment, serve, topology};
use crate::{error::CommandError, output::Format, signals::Signals};

/// Start one region of a topology in a process of its own.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Start one region of a topology in a process of its own: on its own host or in \
        its own container.\n\n\
        The network between such processes is the real one; beringia neither delays nor cuts \
        anything. The address of another region comes from --peer, else from `host` and \
        `replication_port` of the region in the topology file; without them it is this machine and \
        the region's default port. By default the n-th region of the topology uses the ports 8000 \
        + n (DynamoDB), 9000 + n (replication) and 9089 + n (control), so that all regions of a \
        topology can run on one machine without options.\n\n\
        If the region fails, the process ends with exit code 3, so that whatever runs it starts it \
        again.",
    after_help = "Examples:\n  \
        beringia region --topology regions/two.toml --name us-east-1 --data /var/lib/beringia\n  \
        beringia region --topology t.toml --name eu-west-1 --data /data --listen 0.0.0.0 \\\n      \
            --dynamodb-port 8000 --replication-port 9000 --control-port 9090 \\\n      \
            --peer us-east-1=virginia:9000 --peer ap-northeast-1=tokyo:9000\n\n\
        Watch them together:\n  \
        beringia status --control http://virginia:9090,http://ireland:9090,http://tokyo:9090"
)]
pub(crate) struct RegionArguments {
    #[command(flatten)]
    pub(crate) serve: ServeArguments,
    /// The name of the region in the topology.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// The replication endpoint of another region. May be given several times.
    #[arg(long = "peer", value_name = "NAME=HOST:PORT", value_delimiter = ',')]
    pub(crate) peers: Vec<String>,
    /// Drop the replicas of this other region, once it was unreachable for ten seconds, even if
    /// this region is no quorum without it: of two regions, the one that is not first by name waits
    /// otherwise. Give it to all remaining regions, and to no region that is cut off from them:
    /// regions that give each other up can lose deletes. What the lost region has not shipped is
    /// kept there, if it returns. May be given several times.
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "confirm_give_up")]
    pub(crate) give_up: Vec<String>,
    /// Confirms --give-up: no other part of the topology gives this region up meanwhile.
    #[arg(long, requires = "give_up")]
    pub(crate) confirm_give_up: bool,
    /// The DynamoDB port; 0: pick a free port. [default: `dynamodb_port` in the topology, else 8000
    /// + position]
    #[arg(long, value_name = "PORT")]
    pub(crate) dynamodb_port: Option<u16>,
    /// The replication port; 0: pick a free port. [default: `replication_port` in the topology,
    /// else 9000 + position]
    #[arg(long, value_name = "PORT")]
    pub(crate) replication_port: Option<u16>,
    /// The port of the control service; 0: pick a free port. [default: 9089 + position in the
    /// topology]
    #[arg(long, value_name = "PORT")]
    pub(crate) control_port: Option<u16>,
}

/// Runs one region of a topology until a signal ends it.
pub(crate) async fn run(arguments: RegionArguments, format: Format) -> Result<(), CommandError> {
    let signals = Signals::new()?;
    let listen = arguments.serve.listen;
    let region = SingleRegion {
        name: arguments.name,
        peers: arguments.peers,
        given_up: arguments.give_up,
        dynamodb_port: arguments.dynamodb_port,
        replication_port: arguments.replication_port,
        control_port: arguments.control_port,
    };
    let topology = topology(arguments.serve.topology.as_deref())?;
    let deployment = deployment(arguments.serve, topology)?;
    let running = beringia_host::one(deployment, listen, &region).await?;
    // The network is real: the topology's delays do not apply.
    serve(running, signals, false, format).await
}
