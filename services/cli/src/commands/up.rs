//! `up`: runs all regions of a topology.

use beringia_host::{Deployment, Ports, ShiftPolicy};
use beringia_regions::{Topology, TopologyProblem};
use clap::Args;

use super::serve::{ServeArguments, deployment, serve, topology};
use crate::{error::CommandError, output::Format, signals::Signals};

/// Start all regions of a topology in this process.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Start all regions of a topology in this process.\n\n\
        Each region has its own database file, DynamoDB port and replication port. One more \
        endpoint serves all regions: the region in a request's credentials chooses the region that \
        answers, so that an application sets one endpoint and keeps its region names. For names \
        that are no AWS region's, such as `local`, the first region answers; AWS regions that are \
        not started are refused. Each of \
        these endpoints answers DynamoDB, DynamoDB Streams and AWS Fault Injection Service \
        (experiments that pause the replication of tables). The regions reach each other over real \
        TCP connections, which the network model delays as the topology says. A region that fails is \
        started again.\n\n\
        Ctrl-C or SIGTERM shuts everything down cleanly; a second one ends the process at once.",
    after_help = "Examples:\n  \
        beringia up\n  \
        beringia up --ephemeral --format json\n  \
        beringia up --regions us-east-1,eu-central-1 --data .beringia-two\n  \
        beringia up --topology regions/two.toml --data /var/lib/beringia\n  \
        beringia up --dynamodb-port 0 --replication-port 0 --control-port 0 --endpoint-port 0    pick free ports\n\n\
        Then:\n  \
        beringia aws dynamodb list-tables --region eu-west-1\n  \
        eval \"$(beringia env)\"                                              for programs with an AWS SDK"
)]
pub(crate) struct UpArguments {
    #[command(flatten)]
    pub(crate) serve: ServeArguments,
    /// The regions, by the names of AWS regions, instead of a topology file. The delays between
    /// them are those that were measured in AWS, or estimates from their distance. The first region
    /// also answers clients that name none of them, such as `local`.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "topology")]
    pub(crate) regions: Vec<String>,
    /// The first region's DynamoDB port; the other regions use the following ports. 0: pick free
    /// ports.
    #[arg(long, value_name = "PORT", default_value_t = 8001)]
    pub(crate) dynamodb_port: u16,
    /// The first region's replication port; the other regions use the following ports. 0: pick free
    /// ports.
    #[arg(long, value_name = "PORT", default_value_t = 9001)]
    pub(crate) replication_port: u16,
    /// The port of the control service, which the other commands talk to. 0: pick a free port.
    #[arg(long, value_name = "PORT", default_value_t = 9090)]
    pub(crate) control_port: u16,
    /// The port of the endpoint that serves all regions. 0: pick a free port.
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub(crate) endpoint_port: u16,
    /// How the endpoint that serves all regions follows the moves of clients (`shift`) of drills.
    /// `none`: applications stay in their region. `dns[=TTL]`: they follow once the time to live of
    /// DNS records has passed. `health-check[=[Nx]INTERVAL]`: the endpoint checks every region
    /// (`GET /`); after N failures in a row the nearest healthy region answers, or the one that
    /// clients were moved to, until N checks pass (default: 3x10s). A region that is only cut off
    /// from other regions passes.
    #[arg(long, value_name = "POLICY", default_value_t = ShiftPolicy::default())]
    pub(crate) shift_policy: ShiftPolicy,
}

/// Runs all regions of a topology until a signal ends it.
pub(crate) async fn run(arguments: UpArguments, format: Format) -> Result<(), CommandError> {
    let signals = Signals::new()?;
    let listen = arguments.serve.listen;
    let ports = Ports {
        dynamodb: arguments.dynamodb_port,
        replication: arguments.replication_port,
        control: arguments.control_port,
        endpoint: arguments.endpoint_port,
    };
    let topology = if arguments.regions.is_empty() {
        topology(arguments.serve.topology.as_deref())?
    } else {
        named(&arguments.regions)?
    };
    let deployment = Deployment {
        shift_policy: arguments.shift_policy,
        ..deployment(arguments.serve, topology)?
    };
    let has_estimates = deployment.topology.has_estimated_delays();
    let running = beringia_host::all(deployment, listen, &ports).await?;
    serve(running, signals, has_estimates, format).await
}

/// The topology of the AWS regions in `--regions`, with the delays between them. Unknown and
/// repeated names are refused as errors of usage.
fn named(names: &[String]) -> Result<Topology, CommandError> {
    Topology::named(names.iter().map(|name| name.trim())).map_err(|problem| {
        let hint = match problem {
            TopologyProblem::UnknownAwsRegion { .. } => " (for other names, write a topology file: --topology)",
            _ => "",
        };
        CommandError::usage(format!("--regions: {problem}{hint}"))
    })
}
