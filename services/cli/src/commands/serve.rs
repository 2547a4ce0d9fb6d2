//! `up` and `region`: runs regions until a signal ends them.

use std::time::Duration;

use beringia_host::{Deployment, Limits, OneRegion, Ports, Running, authentication};
use beringia_node::Behaviour;
use beringia_regions::Topology;

use super::ready::Ready;
use crate::{
    arguments::{RegionArguments, ServeArguments, UpArguments},
    failure::Failure,
    output::Format,
    signals::Signals,
};

/// Runs all regions of a topology until a signal ends it.
pub(crate) async fn up(arguments: UpArguments, format: Format) -> Result<(), Failure> {
    let signals = Signals::new()?;
    let listen = arguments.serve.listen;
    let ports = Ports {
        dynamodb: arguments.dynamodb_port,
        replication: arguments.replication_port,
        control: arguments.control_port,
        endpoint: arguments.endpoint_port,
        fis: Some(arguments.fis_port),
    };
    let running = beringia_host::all(deployment(arguments.serve)?, listen, &ports).await?;
    serve(running, signals, format).await
}

/// Runs one region of a topology until a signal ends it.
pub(crate) async fn region(arguments: RegionArguments, format: Format) -> Result<(), Failure> {
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

/// Reads the files that the arguments name.
fn deployment(arguments: ServeArguments) -> Result<Deployment, Failure> {
    let topology = match &arguments.topology {
        None => Topology::three(),
        Some(file) => Topology::load(file).map_err(|error| Failure::wrong(error.to_string()))?,
    };
    Ok(Deployment {
        topology,
        authentication: authentication(arguments.credentials.as_deref(), &arguments.access_keys)?,
        data: (!arguments.ephemeral).then_some(arguments.data),
        limits: Limits {
            max_clock_offset_ms: arguments.max_clock_offset_ms,
            stream_shard_age_ms: arguments.stream_shard_age_ms,
            max_unreachable_ms: arguments.max_unreachable_ms,
            behaviour: Behaviour {
                throttling: arguments.throttling,
                stale_reads: Duration::from_millis(arguments.stale_reads.unwrap_or(0)),
                slow_changes: Duration::from_millis(arguments.slow_changes.unwrap_or(0)),
            },
        },
    })
}

/// Says where they are, and ends them at a signal.
async fn serve(running: Running, mut signals: Signals, format: Format) -> Result<(), Failure> {
    Ready::of(running.addresses()).announce(format)?;
    signals.next().await;
    tracing::info!("shutting down; another signal ends the process at once");
    tokio::select! {
        biased;
        () = signals.next() => Err(Failure::Interrupted),
        () = running.shutdown() => Ok(()),
    }
}
