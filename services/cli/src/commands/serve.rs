//! What `up` and `region` have in common: their arguments, and serving until a signal ends it.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use beringia_host::{Deployment, Limits, Running, authentication};
use beringia_node::{Behaviour, DEFAULT_UNREACHABLE_MS_MAX};
use beringia_regions::Topology;
use beringia_storage::DEFAULT_SHARD_AGE_MS;
use clap::Args;

use super::ready::Ready;
use crate::{failure::Failure, output::Format, signals::Signals};

/// What `up` and `region` have in common.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArguments {
    /// The topology file: which regions, and the delays between them. Without one: us-east-1, eu-west-1 and ap-northeast-1.
    #[arg(long, value_name = "FILE")]
    pub(crate) topology: Option<PathBuf>,
    /// The directory of the database files, one `REGION.db` per region. It belongs to the regions that first used it.
    #[arg(long, value_name = "DIR", default_value = ".beringia")]
    pub(crate) data: PathBuf,
    /// Keep everything in memory; it is gone when the process ends.
    #[arg(long, conflicts_with = "data")]
    pub(crate) ephemeral: bool,
    /// The address to listen on. Containers use 0.0.0.0.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) listen: IpAddr,
    /// Verify signatures (SigV4) against the keys in this file, written as the AWS tools do: `[profile]`,
    /// `aws_access_key_id = …`, `aws_secret_access_key = …`. Without keys any signature is accepted (development mode).
    #[arg(long, value_name = "FILE")]
    pub(crate) credentials: Option<PathBuf>,
    /// Verify signatures against this key, too. May be given several times. Other users of the machine can read command lines: prefer
    /// a file where the secret matters.
    #[arg(
        long = "access-key",
        value_name = "ID=SECRET",
        env = "BERINGIA_ACCESS_KEY",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) access_keys: Vec<String>,
    /// How far ahead of this region's clock another region's may be, in milliseconds, before its writes are held back.
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub(crate) max_clock_offset_ms: u64,
    /// How old a shard of a stream gets, in milliseconds, before it is closed and a child goes on: four hours, about as in DynamoDB.
    /// Make it short to see whether an application follows.
    #[arg(long, value_name = "MS", default_value_t = DEFAULT_SHARD_AGE_MS, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) stream_shard_age_ms: u64,
    /// How long a region may be out of reach of all others, in milliseconds, before they drop its replicas: 20 hours, as in DynamoDB.
    /// Until then they keep for it what they delete and log. One that comes back later is filled by a full copy; what it had not shipped
    /// is among the `conflicts`.
    #[arg(long, value_name = "MS", default_value_t = DEFAULT_UNREACHABLE_MS_MAX, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_unreachable_ms: u64,
    /// Hold tables and global indexes to their provisioned throughput, or to the maxima of on-demand tables, as DynamoDB does: each may
    /// take what 300 seconds bring at once, and then what comes. Without this nothing is throttled, so that an application with small
    /// tables can be worked on; on-demand tables without maxima never are.
    #[arg(long)]
    pub(crate) throttling: bool,
    /// Let reads that are not consistent, and global indexes, show what was up to so many milliseconds ago, at random: what an
    /// application takes for granted it may not find in DynamoDB. Consistent reads and transactions see the newest. Off by default;
    /// at most a minute.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) stale_reads: Option<u64>,
    /// Let tables, indexes, streams and time to live show for so many milliseconds what a change does to them (CREATING, UPDATING,
    /// DELETING, ENABLING, DISABLING), and refuse meanwhile what DynamoDB refuses: a new table is not found by reads and writes, one that changes
    /// cannot be changed again, the name of one that goes is taken. So it is seen whether an application waits for its tables. Without
    /// this only the answer to the request shows it, and the table can be used at once. At most an hour.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) slow_changes: Option<u64>,
}

/// Reads the files that the arguments name.
pub(super) fn deployment(arguments: ServeArguments) -> Result<Deployment, Failure> {
    let topology = match &arguments.topology {
        None => Topology::three(),
        Some(file) => Topology::load(file)?,
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
pub(super) async fn serve(running: Running, mut signals: Signals, format: Format) -> Result<(), Failure> {
    Ready::of(running.addresses()).announce(format)?;
    signals.next().await;
    tracing::info!("shutting down; another signal ends the process at once");
    tokio::select! {
        biased;
        () = signals.next() => Err(Failure::Interrupted),
        () = running.shutdown() => Ok(()),
    }
}
