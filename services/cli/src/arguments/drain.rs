//! The arguments of `drain` and `undrain`.

use std::time::Duration;

use clap::Args;

use super::{ControlArguments, parse_seconds};

/// Stop a region's writes, and wait until every other region has the last one.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Close a region for writes and wait until every other region has acknowledged the last one of every table, so that \
        the region can be left and nothing is lost. Clients' writes are refused with ServiceUnavailable (HTTP 503), which SDKs repeat; \
        reads go on. It ends with the proof: for each other region and table the sequence of the last write here, the sequence that was \
        acknowledged there, and when. A region that is out of reach cannot be proved to have anything, whatever a relay brought there.\n\n\
        When time runs out the exit code is 1 and what is missing where is named. The region stays closed either way, until `beringia \
        undrain` or its restart.",
    after_help = "Examples:\n  beringia drain us-east-1\n  beringia drain us-east-1 --timeout 30 && echo safe to fail over\n  \
        beringia drain us-east-1 --format json | tail -1 | jq .watermarks\n  beringia undrain us-east-1"
)]
pub(crate) struct DrainArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The region to leave.
    #[arg(value_name = "REGION")]
    pub(crate) region: String,
    /// Give up waiting after so many seconds; without it, never. Fractions are allowed; 0 looks once.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) timeout: Option<Duration>,
}

/// Open a drained region for writes again.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Open a region that was drained for writes again. One that takes writes stays as it is.",
    after_help = "Examples:\n  beringia undrain us-east-1"
)]
pub(crate) struct UndrainArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
    /// The region to open.
    #[arg(value_name = "REGION")]
    pub(crate) region: String,
}
