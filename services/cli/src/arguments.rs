//! The command line: commands, flags, and the help that explains them.

mod drain;
mod record;

use std::{net::IpAddr, path::PathBuf, time::Duration};

use beringia_node::DEFAULT_UNREACHABLE_MS_MAX;
use beringia_store::DEFAULT_SHARD_AGE_MS;
use clap::{Args, Parser, Subcommand};

pub(crate) use self::{
    drain::{DrainArguments, UndrainArguments},
    record::RecordArguments,
};
use crate::{drill::arguments::DrillArguments, output::Format, sim::arguments::SimArguments};

/// DynamoDB Global Tables that anyone can run.
#[derive(Debug, Parser)]
#[command(
    name = "beringia",
    version,
    about = "DynamoDB Global Tables that anyone can run: regions that all accept writes, replicate and converge",
    long_about = "DynamoDB Global Tables that anyone can run.\n\n\
        `beringia up` starts the regions of a topology in one process. Every region speaks the DynamoDB API and accepts writes; \
        each ships its writes to the others, and conflicts are decided by last-writer-wins on hybrid logical clocks. Between the \
        regions stands a network model: every directed link can be delayed, throttled, made lossy or cut while it runs, by the \
        `net` commands from another terminal.",
    after_help = "A first tour, in two terminals:\n  \
        beringia up                                start three regions\n  \
        beringia net isolate eu-west-1             cut one off from the others\n  \
        beringia status                            see the backlog grow while applications write on both sides\n  \
        beringia net heal                          join them again\n  \
        beringia converge --timeout 30             wait until all regions hold the same\n  \
        beringia conflicts                         see which writes met, and which won\n\n\
        Without anything running:\n  \
        beringia sim run partition                 the same in virtual time, judged and measured\n\n\
        Exit codes: 0 done; 1 what was asked about is not so (not converged in time); 2 wrong input, or cannot start."
)]
pub(crate) struct Arguments {
    /// The form of the output: for people, or one JSON object per line for programs.
    #[arg(long, value_enum, default_value = "text", global = true)]
    pub(crate) format: Format,
    /// What to log to standard error: a level, or a filter such as `warn,beringia_node=debug`. [default: warn; for sim: off]
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", global = true)]
    pub(crate) log: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands; what each is for stands at its arguments, where clap takes it from.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(UpArguments),
    Region(RegionArguments),
    Status(StatusArguments),
    Net(NetArguments),
    Drain(DrainArguments),
    Undrain(UndrainArguments),
    RegionFail(RegionFailArguments),
    RegionRecover(RegionRecoverArguments),
    Converge(ConvergeArguments),
    Conflicts(ConflictsArguments),
    Explain(ExplainArguments),
    Record(RecordArguments),
    Sim(SimArguments),
    Drill(DrillArguments),
}

/// Where the control services are.
#[derive(Debug, Clone, Args)]
pub(crate) struct ControlArguments {
    /// Address of a control service. Give one per process where the regions run as processes of their own: several times, or
    /// separated by commas.
    #[arg(
        long = "control",
        value_name = "URL",
        env = "BERINGIA_CONTROL",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:9090",
        global = true
    )]
    pub(crate) addresses: Vec<String>,
}

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

/// Start all regions of a topology in this process.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Start all regions of a topology in this process.\n\n\
        Each region has its own database file, DynamoDB port and replication port. Besides there is one endpoint for all, where the \
        region in the request's credentials chooses: an application sets one endpoint and keeps its region names. Each of these endpoints \
        answers DynamoDB, DynamoDB Streams and AWS Fault Injection Service (experiments that pause the replication of tables). The regions \
        reach each other over real TCP connections that are delayed as the topology says.\n\n\
        Ctrl-C or SIGTERM ends it cleanly; a second one at once.",
    after_help = "Examples:\n  \
        beringia up\n  \
        beringia up --ephemeral --format json\n  \
        beringia up --topology regions/two.toml --data /var/lib/beringia\n  \
        beringia up --dynamodb-port 0 --replication-port 0 --control-port 0 --endpoint-port 0    any free ports\n\n\
        Then:\n  \
        aws dynamodb list-tables --endpoint-url http://127.0.0.1:8000 --region eu-west-1"
)]
pub(crate) struct UpArguments {
    #[command(flatten)]
    pub(crate) serve: ServeArguments,
    /// The first region's DynamoDB port; the others follow. 0: any free ones.
    #[arg(long, value_name = "PORT", default_value_t = 8001)]
    pub(crate) dynamodb_port: u16,
    /// The first region's replication port; the others follow. 0: any free ones.
    #[arg(long, value_name = "PORT", default_value_t = 9001)]
    pub(crate) replication_port: u16,
    /// The port of the control service, to which the other commands talk. 0: any free one.
    #[arg(long, value_name = "PORT", default_value_t = 9090)]
    pub(crate) control_port: u16,
    /// The port of the endpoint that serves all regions. 0: any free one.
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub(crate) endpoint_port: u16,
}

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

/// Show how far each region is behind each other, and which tables differ.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Show, for each pair of regions, how far one is behind the other: the age of its oldest write that the other has not \
        confirmed (lag), how many such writes and bytes there are (backlog), what those took to arrive that came in the last five \
        minutes (p50, p99), and the state of link and connection. For each table: in how many of its 256 ranges its replicas differ.",
    after_help = "Examples:\n  beringia status\n  beringia status --format json | jq .pairs"
)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
}

/// Show or change the network between the regions of a running `up`.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Show or change the network between the regions of a running `up`. Every pair of regions has two directed links; a \
        change applies to both unless --one-way is given. Changes last until the process ends.\n\n\
        `net pause` leaves the links alone and stops the replication of one table in one region, as AWS Fault Injection Service does: the \
        region's clients go on reading and writing the table, the other regions go on among themselves, and nothing of the table goes in \
        or out. After `net resume` everything catches up. A restart of the region ends its pauses.",
    after_help = "Examples:\n  \
        beringia net show\n  \
        beringia net cut us-east-1 eu-west-1                 both ways, silently: bytes vanish, as when a cable breaks\n  \
        beringia net cut us-east-1 eu-west-1 --one-way       only from us-east-1 to eu-west-1\n  \
        beringia net cut us-east-1 eu-west-1 --reset         connections are reset at once, as by a firewall\n  \
        beringia net heal us-east-1 eu-west-1\n  \
        beringia net heal                                    all links\n  \
        beringia net delay us-east-1 eu-west-1 120 --jitter 15\n  \
        beringia net loss us-east-1 eu-west-1 0.5\n  \
        beringia net bandwidth us-east-1 eu-west-1 10\n  \
        beringia net isolate ap-northeast-1\n  \
        beringia net pause --table Carts --region eu-west-1\n  \
        beringia net resume --table Carts --region eu-west-1\n  \
        beringia net resume                                  all tables in all regions"
)]
pub(crate) struct NetArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    #[command(subcommand)]
    pub(crate) action: NetAction,
}

/// What `net` can do.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum NetAction {
    /// Show every directed link, and which replication is paused.
    Show,
    #[command(flatten)]
    Change(LinkChange),
    /// Pause the replication of a global table in a region: nothing of it goes out or comes in.
    Pause {
        /// The table's name.
        #[arg(long, value_name = "TABLE")]
        table: String,
        /// The region.
        #[arg(long, value_name = "REGION")]
        region: String,
    },
    /// Resume the replication of a table in a region; both sides catch up.
    Resume {
        /// The table's name; without it, all that are paused.
        #[arg(long, value_name = "TABLE")]
        table: Option<String>,
        /// The region; without it, all.
        #[arg(long, value_name = "REGION")]
        region: Option<String>,
    },
}

/// What can be changed about links.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LinkChange {
    /// Cut the links between two regions.
    Cut {
        #[command(flatten)]
        pair: PairArguments,
        /// Reset the connections, and every later attempt, at once; without it the links fall silent.
        #[arg(long)]
        reset: bool,
    },
    /// Open the links between two regions, or all links, again; delay, loss and bandwidth stay as they are.
    Heal {
        /// One region; with none, all links are opened.
        #[arg(value_name = "A", requires = "to")]
        from: Option<String>,
        /// The other region.
        #[arg(value_name = "B")]
        to: Option<String>,
        /// Only the link from A to B, not its opposite.
        #[arg(long, requires = "to")]
        one_way: bool,
    },
    /// Set the delay of the links between two regions.
    Delay {
        #[command(flatten)]
        pair: PairArguments,
        /// Delay of one way, in milliseconds; fractions are allowed.
        #[arg(value_name = "MS", value_parser = parse_milliseconds)]
        delay: Duration,
        /// Up to so many milliseconds more, at random. Without it the jitter stays as it is.
        #[arg(long, value_name = "MS", value_parser = parse_milliseconds)]
        jitter: Option<Duration>,
    },
    /// Set how many packets the links between two regions lose.
    Loss {
        #[command(flatten)]
        pair: PairArguments,
        /// Lost packets in percent, 0 to 99; they are sent again, as TCP does, so loss shows as delay.
        #[arg(value_name = "PERCENT", value_parser = parse_percent)]
        loss_millionths: u32,
    },
    /// Set the bandwidth of the links between two regions.
    Bandwidth {
        #[command(flatten)]
        pair: PairArguments,
        /// Megabits per second of one way, or `unlimited`.
        #[arg(value_name = "MBIT", value_parser = parse_bandwidth)]
        bits_per_second: u64,
    },
    /// Cut all links of a region, to it and from it.
    Isolate {
        /// The region.
        #[arg(value_name = "A")]
        region: String,
        /// Reset the connections at once; without it the links fall silent.
        #[arg(long)]
        reset: bool,
    },
}

/// Two regions, and whether both directions are meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct PairArguments {
    /// One region.
    #[arg(value_name = "A")]
    pub(crate) from: String,
    /// The other region.
    #[arg(value_name = "B")]
    pub(crate) to: String,
    /// Only the link from A to B.
    #[arg(long)]
    pub(crate) one_way: bool,
}

/// Kill a region of a running `up` as a crash would.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Kill a region of a running `up` as a crash would: its listeners, connections and tasks vanish at once, no answer under \
        way is completed, and its database is left as it is. The other regions and the process go on.\n\nWith --lose-disk its database \
        is gone too: it comes back empty, and the others fill it with what had reached them.",
    after_help = "Examples:\n  beringia region-fail us-east-1\n  beringia region-fail us-east-1 --lose-disk\n  beringia region-recover us-east-1"
)]
pub(crate) struct RegionFailArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The region to kill.
    #[arg(value_name = "NAME")]
    pub(crate) region: String,
    /// Delete its database too.
    #[arg(long)]
    pub(crate) lose_disk: bool,
}

/// Start a failed region again, on what its disk holds.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Start a failed region again, on the database that it left and on the same ports. With `up --ephemeral` \
        what it had committed is still in memory.",
    after_help = "Examples:\n  beringia region-fail us-east-1\n  beringia region-recover us-east-1"
)]
pub(crate) struct RegionRecoverArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The region to start again.
    #[arg(value_name = "NAME")]
    pub(crate) region: String,
}

/// Wait until all regions hold the same.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Wait until all regions hold the same: until, for every table and for the catalog of tables, all replicas have applied the same \
        writes and their digests over (key, version) of all items are equal. Prints {\"converged\":true,\"elapsed_ms\":…,\"digest\":\"…\"}. \
        When time runs out the exit code is 1 and the tables and ranges that differ are named.",
    after_help = "Examples:\n  beringia converge\n  beringia converge --timeout 30 && echo safe to fail over\n  \
        beringia converge --verify --timeout 60      recompute the digests from the rows first"
)]
pub(crate) struct ConvergeArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// Give up after so many seconds; without it, never. Fractions are allowed; 0 looks once.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) timeout: Option<Duration>,
    /// First recompute every digest from the rows, so that damage behind the server's back is seen too.
    #[arg(long)]
    pub(crate) verify: bool,
}

/// List the conflicts: concurrent writes to one item, and which won.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "List the conflicts: two writes to one item neither of which knew of the other. For each, both writes with their version \
        (hybrid time, region, sequence) and image, which attributes were lost where it was not the whole item, the rule that decided, and which regions saw it when. A conflict that several \
        regions saw is listed once.",
    after_help = "Examples:\n  beringia conflicts\n  beringia conflicts --table Carts --format json | jq .loser.image\n  beringia conflicts --follow\n  beringia conflicts restore 1f0c9a3be27d",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct ConflictsArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// Only conflicts in this table.
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Option<String>,
    /// Go on, and show conflicts as they happen.
    #[arg(long)]
    pub(crate) follow: bool,
    /// What to do instead of listing them.
    #[command(subcommand)]
    pub(crate) action: Option<ConflictsAction>,
}

/// What can be done about a conflict.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ConflictsAction {
    /// Write what lost back, as a new write.
    #[command(
        long_about = "Write what lost a conflict back as a new write of a region, whatever stands now: the whole item, or, where single attributes \
            were lost, those; where the loser was a delete, the item is deleted. Prints the version of the new write, which replicates like \
            any other.",
        after_help = "Examples:\n  beringia conflicts restore 1f0c9a3be27d\n  beringia conflicts restore 1f0c9a3be27d --region eu-west-1"
    )]
    Restore {
        /// The conflict, as `beringia conflicts` names it.
        #[arg(value_name = "ID")]
        id: String,
        /// Where to write; without it, in the region that saw the conflict first.
        #[arg(long, value_name = "REGION")]
        region: Option<String>,
    },
}

/// Show an item in every region, and why it is what it is.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Show an item in every region, with its version (hybrid time, region, sequence), and say why that version won, or where regions \
        differ, what the newer write is still waiting for.",
    after_help = "Examples:\n  beringia explain --table Carts --key '{\"pk\":{\"S\":\"customer#7\"},\"sk\":{\"S\":\"cart\"}}'"
)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The table's name.
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: String,
    /// The item's key in DynamoDB's JSON.
    #[arg(long, value_name = "JSON")]
    pub(crate) key: String,
}

/// A duration in milliseconds, fractions allowed, up to an hour.
fn parse_milliseconds(text: &str) -> Result<Duration, String> {
    let value: f64 = text
        .parse()
        .map_err(|_| "expected a number of milliseconds".to_owned())?;
    if (0.0..=3_600_000.0).contains(&value) {
        Ok(Duration::from_secs_f64(value / 1000.0))
    } else {
        Err("expected 0 to 3600000 milliseconds".to_owned())
    }
}

/// A duration in seconds, fractions allowed.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let value: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    if (0.0..=31_536_000.0).contains(&value) {
        Ok(Duration::from_secs_f64(value))
    } else {
        Err("expected 0 to 31536000 seconds".to_owned())
    }
}

/// A percentage, as millionths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked first"
)]
fn parse_percent(text: &str) -> Result<u32, String> {
    let value: f64 = text.parse().map_err(|_| "expected a percentage".to_owned())?;
    if (0.0..=99.0).contains(&value) {
        Ok((value * 10_000.0).round() as u32)
    } else {
        Err("expected 0 to 99 percent; to lose everything, cut the link".to_owned())
    }
}

/// A bandwidth in Mbit/s, as bits per second; 0 stands for no limit.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked first"
)]
fn parse_bandwidth(text: &str) -> Result<u64, String> {
    if text == "unlimited" {
        return Ok(0);
    }
    let value: f64 = text
        .parse()
        .map_err(|_| "expected megabits per second, or `unlimited`".to_owned())?;
    if (0.001..=1_000_000.0).contains(&value) {
        Ok((value * 1_000_000.0).round() as u64)
    } else {
        Err("expected 0.001 to 1000000 megabits per second, or `unlimited`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself_with_an_example() {
        for command in Arguments::command().get_subcommands() {
            let name = command.get_name();
            assert!(command.get_long_about().is_some(), "{name} has no long help");
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains(&format!("beringia {name}")), "{name} has no example");
        }
    }

    #[test]
    fn quantities_are_read_with_their_units_and_bounds() {
        assert_eq!(parse_milliseconds("1.5"), Ok(Duration::from_micros(1500)));
        assert!(parse_milliseconds("-1").is_err());
        assert!(parse_milliseconds("NaN").is_err());
        assert_eq!(parse_percent("0.5"), Ok(5000));
        assert!(parse_percent("99.5").is_err());
        assert_eq!(parse_bandwidth("10"), Ok(10_000_000));
        assert_eq!(parse_bandwidth("unlimited"), Ok(0));
        assert!(parse_bandwidth("0").is_err());
        assert_eq!(parse_seconds("0"), Ok(Duration::ZERO));
        assert!(parse_seconds("soon").is_err());
    }

    #[test]
    fn control_addresses_may_be_separated_by_commas_or_repeated() {
        let arguments = Arguments::parse_from([
            "beringia",
            "status",
            "--control",
            "http://a:1,http://b:2",
            "--control",
            "http://c:3",
        ]);
        let Command::Status(status) = arguments.command else {
            panic!("another command")
        };
        assert_eq!(status.control.addresses, ["http://a:1", "http://b:2", "http://c:3"]);
    }
}
