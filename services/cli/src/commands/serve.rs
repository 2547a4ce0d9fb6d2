//! The common parts of `up` and `region`: their arguments, and serving until a signal arrives.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use beringia_host::{Deployment, Listen, RegionLimits, Running, ShiftPolicy, authentication};
use beringia_node::{Behaviour, DEFAULT_UNREACHABLE_MS_MAX};
use beringia_regions::Topology;
use beringia_storage::{DEFAULT_CONFLICT_RETENTION_MS, DEFAULT_SHARD_AGE_MS};
use clap::Args;

use super::ready::Ready;
use crate::{error::CommandError, output::Format, signals::Signals};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// The default of `--conflict-retention-days`.
const CONFLICT_RETENTION_DAYS: u64 = DEFAULT_CONFLICT_RETENTION_MS / DAY_MS;

/// The arguments that `up` and `region` share.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArguments {
    /// The topology file: the regions, and the delays between them. Without it: us-east-1,
    /// eu-west-1 and ap-northeast-1.
    #[arg(long, value_name = "FILE")]
    pub(crate) topology: Option<PathBuf>,
    /// The directory of the database files, one `REGION.db` per region. A directory can only be
    /// used with the topology's regions that first used it.
    #[arg(long, value_name = "DIR", default_value = ".beringia")]
    pub(crate) data: PathBuf,
    /// Keep everything in memory; the data is lost when the process ends.
    #[arg(long, conflicts_with = "data")]
    pub(crate) ephemeral: bool,
    /// The address to listen on. `localhost` is 127.0.0.1 and, for clients, also ::1 where the
    /// machine has it. Use 0.0.0.0 in containers.
    #[arg(long, value_name = "ADDRESS", default_value = "localhost")]
    pub(crate) listen: Listen,
    /// Verify signatures (SigV4) against the keys in this file, in the format of the AWS
    /// credentials file: `[profile]`, `aws_access_key_id = …`, `aws_secret_access_key = …`. Without
    /// keys any signature is accepted (development mode).
    #[arg(long, value_name = "FILE")]
    pub(crate) credentials: Option<PathBuf>,
    /// Verify signatures against this key, too. May be given several times. Other users of the
    /// machine can read command lines: use --credentials where the secret matters.
    #[arg(
        long = "access-key",
        value_name = "ID=SECRET",
        env = "BERINGIA_ACCESS_KEY",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) access_keys: Vec<String>,
    /// How far another region's clock may be ahead of this region's, in milliseconds, before its
    /// writes are quarantined; and how far this region's clock may be behind its own latest writes
    /// before it accepts no more. The same in all regions.
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub(crate) max_clock_offset_ms: u64,
    /// The age at which a shard of a stream is closed and a child shard continues, in milliseconds:
    /// four hours, about as in DynamoDB. Use a short age to test whether an application follows the
    /// children.
    #[arg(long, value_name = "MS", default_value_t = DEFAULT_SHARD_AGE_MS, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) stream_shard_age_ms: u64,
    /// For how many days each region keeps its conflicts, and its unshipped writes, since it
    /// recorded them. Then it removes them, a few at a time; `beringia conflicts prune` removes
    /// them earlier. Export what you need for longer: `beringia conflicts --format json`.
    #[arg(long, value_name = "DAYS", default_value_t = CONFLICT_RETENTION_DAYS, value_parser = clap::value_parser!(u64).range(1..=3650))]
    pub(crate) conflict_retention_days: u64,
    /// How long a replica may be without sessions in both directions with any other replica, in
    /// milliseconds, before the others drop it: 20 hours, as in DynamoDB. Until then they keep the
    /// log records and tombstones that it needs. If its region comes back later, the replica is
    /// re-bootstrapped with a full copy, and `conflicts` lists its unshipped writes.
    #[arg(long, value_name = "MS", default_value_t = DEFAULT_UNREACHABLE_MS_MAX, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_unreachable_ms: u64,
    /// Throttle tables and global indexes at their provisioned throughput, or at the maxima of
    /// on-demand tables, as DynamoDB does, with a burst of up to 300 seconds of unused throughput.
    /// Without this option nothing is throttled; on-demand tables without maxima never are.
    #[arg(long)]
    pub(crate) throttling: bool,
    /// Let eventually consistent reads, and reads of global indexes, return data that is up to this
    /// many milliseconds old, at random, to find applications that rely on fresh reads. Strongly
    /// consistent reads and transactions return the newest data. Off by default; at most a minute.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) stale_reads: Option<u64>,
    /// Let changes to tables, indexes, streams and time to live take this many milliseconds, to
    /// find applications that do not wait for their tables. Meanwhile the descriptions show
    /// CREATING, UPDATING, DELETING, ENABLING or DISABLING, and the region refuses what DynamoDB
    /// refuses: reads and writes do not find a new table, a table that is changing cannot be
    /// changed again, the name of a table that is being deleted is taken. Without this option a
    /// table can be used as soon as the request is answered. At most an hour.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) slow_changes: Option<u64>,
}

/// The topology of a file; without one, the built-in one.
pub(super) fn topology(file: Option<&Path>) -> Result<Topology, CommandError> {
    Ok(match file {
        None => Topology::three(),
        Some(file) => Topology::load(file)?,
    })
}

/// The deployment of a topology. Reads the credentials that the arguments name.
pub(super) fn deployment(arguments: ServeArguments, topology: Topology) -> Result<Deployment, CommandError> {
    Ok(Deployment {
        topology,
        authentication: authentication(arguments.credentials.as_deref(), &arguments.access_keys)?,
        data: (!arguments.ephemeral).then_some(arguments.data),
        limits: RegionLimits {
            max_clock_offset_ms: arguments.max_clock_offset_ms,
            stream_shard_age_ms: arguments.stream_shard_age_ms,
            conflict_retention_ms: arguments.conflict_retention_days * DAY_MS,
            max_unreachable_ms: arguments.max_unreachable_ms,
            keeps_log: false,
            behaviour: Behaviour {
                throttling: arguments.throttling,
                stale_reads: Duration::from_millis(arguments.stale_reads.unwrap_or(0)),
                slow_changes: Duration::from_millis(arguments.slow_changes.unwrap_or(0)),
            },
        },
        shift_policy: ShiftPolicy::default(),
    })
}

/// How long the shutdown may take after a failure: answers in progress are sent.
const FAILED_SHUTDOWN_MAX: Duration = Duration::from_secs(5);

/// Prints the addresses, serves until a signal arrives or the process cannot go on, then shuts
/// down.
pub(super) async fn serve(
    running: Running,
    mut signals: Signals,
    has_estimates: bool,
    format: Format,
) -> Result<(), CommandError> {
    Ready::of(running.addresses(), has_estimates).announce(format)?;
    let failure = tokio::select! {
        biased;
        () = signals.next() => None,
        reason = running.failure() => Some(reason),
    };
    if let Some(reason) = failure {
        tokio::select! {
            biased;
            () = signals.next() => {}
            () = tokio::time::sleep(FAILED_SHUTDOWN_MAX) => {}
            () = running.shutdown() => {}
        }
        return Err(CommandError::RegionFailed(reason));
    }
    tracing::info!("shutting down all regions of this process; another signal ends it at once");
    tokio::select! {
        biased;
        () = signals.next() => Err(CommandError::Interrupted),
        () = running.shutdown() => Ok(()),
    }
}
