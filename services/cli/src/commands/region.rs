//! `region`: runs one region of a topology as a process of its own.

use beringia_host::OneRegion;
use clap::Args;

use super::serve::{ServeArguments, deployment, serve};
use crate::{failure::Failure, output::Format, signals::Signals};

/// Start one region of a topology as a process of its own.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Start one region of a topology as a process of its own: on its own host, in its own container.\n\n\
        The network between such processes is the real one; nothing is delayed or cut by beringia. The other regions are looked for \
        where --peer says, else where the topology file says (`replication = \"host:port\"` of a region), else on this machine at the \
        ports that they take by default. By default the n-th region of the topology takes ports 8000 + n, 9000 + n and 9089 + n, so that \
        all regions of a topology can run on one machine without a flag.",
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
    /// Which region of the topology.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// Where another region's replication endpoint is. May be given several times.
    #[arg(long = "peer", value_name = "NAME=HOST:PORT", value_delimiter = ',')]
    pub(crate) peers: Vec<String>,
    /// The DynamoDB port; 0: any free one. [default: 8000 + place in the topology]
    #[arg(long, value_name = "PORT")]
    pub(crate) dynamodb_port: Option<u16>,
    /// The replication port; 0: any free one. [default: 9000 + place in the topology]
    #[arg(long, value_name = "PORT")]
    pub(crate) replication_port: Option<u16>,
    /// The port of the control service; 0: any free one. [default: 9089 + place in the topology]
    #[arg(long, value_name = "PORT")]
    pub(crate) control_port: Option<u16>,
}

/// Runs one region of a topology until a signal ends it.
pub(crate) async fn run(arguments: RegionArguments, format: Format) -> Result<(), Failure> {
    let signals = Signals::new()?;
    let listen = arguments.serve.listen;
    let region = OneRegion {
        name: arguments.name,
        peers: arguments.peers,
        dynamodb_port: arguments.dynamodb_port,
        replication_port: arguments.replication_port,
        control_port: arguments.control_port,
    };
    let running = beringia_host::one(deployment(arguments.serve)?, listen, &region).await?;
    serve(running, signals, format).await
}
