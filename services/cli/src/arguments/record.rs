//! The arguments of `record`.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{ControlArguments, parse_seconds};

/// Write down what clients do and what happens to the network, as a scenario.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Write down what the clients of running regions do to items (in which region, when, with which parameters) and what is done to \
        the regions and the links between them meanwhile (`net`, `drain`, `region-fail` and so on), as a scenario that `beringia sim run` \
        plays again in virtual time. The tables are taken as they are when the recording begins, with their items.\n\n\
        It ends after --duration, or with Ctrl-C. Operations that are not on items (CreateTable, UpdateTable and so on) are left out; tables \
        that appear meanwhile are there from the beginning of the scenario. The operations go to a file of their own beside the scenario as they \
        come (monday.jsonl beside monday.toml), which may be longer than memory. A recording holds what the clients sent: keep it as carefully as the tables \
        themselves.",
    after_help = "Examples:\n  beringia record --out monday.toml --duration 60\n  beringia sim run monday.toml\n  \
        beringia sim run monday.toml --set policy=merge      what would have become of it with another policy"
)]
pub(crate) struct RecordArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The scenario file to write, and beside it one with the extension jsonl; what is there already is not touched.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// How long, in seconds; without it, until Ctrl-C.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) duration: Option<Duration>,
    /// Of each table at most so many items are taken.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) items: u64,
}
