//! `net`: shows and changes the links between the regions of a running `up`.

use std::time::Duration;

use beringia_host::units::{bits_per_second, mbit, microseconds, millionths, percent};
use beringia_proto::v1::{
    ControlNetworkRequest, LinkPair, LinkReport, NetworkBandwidth, NetworkCut, NetworkDelay, NetworkHeal,
    NetworkIsolate, NetworkLoss, NetworkShow, control_network_request::Action,
};
use beringia_regions::{BANDWIDTH_MBIT_MAX, BANDWIDTH_MBIT_MIN, DELAY_MS_MAX, LOSS_PERCENT_MAX};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{control::ControlArguments, quantity::Expected, replication};
use crate::{
    error::CommandError,
    output::{self, Format},
};

/// Show or change the network between the regions of a running `up`.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Show or change the network between the regions of a running `up`. Every pair of \
        regions has two directed links; a change applies to both unless --one-way is given. \
        Changes last until the process ends. Delays that are not measured, but estimated from the \
        distance of two AWS regions, are marked as estimated.\n\n\
        `net pause` leaves the links alone and stops the replication of one table in one region, \
        as AWS Fault Injection Service does: the region's clients continue to read and write the \
        table, the other regions continue to replicate it among themselves, and the region neither \
        sends nor receives writes to it. After `net resume` all regions catch up. A restart of the \
        region ends its pauses.",
    after_help = "Examples:\n  \
        beringia net show\n  \
        beringia net cut us-east-1 eu-west-1                 both ways, silently: bytes vanish, as if a cable broke\n  \
        beringia net cut us-east-1 eu-west-1 --one-way       only from us-east-1 to eu-west-1\n  \
        beringia net cut us-east-1 eu-west-1 --reset         connections are reset at once, as a firewall does\n  \
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

/// The subcommands of `net`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum NetAction {
    /// Show every directed link, and which replication is paused.
    Show,
    #[command(flatten)]
    Change(LinkChange),
    /// Pause the replication of a global table in a region: the region neither sends nor receives
    /// writes to it.
    Pause {
        /// The name of the table.
        #[arg(long, value_name = "TABLE")]
        table: String,
        /// The name of the region.
        #[arg(long, value_name = "REGION")]
        region: String,
    },
    /// Resume the replication of a table in a region; both sides catch up.
    Resume {
        /// The name of the table; without it, all paused tables.
        #[arg(long, value_name = "TABLE")]
        table: Option<String>,
        /// The region; without it, all regions.
        #[arg(long, value_name = "REGION")]
        region: Option<String>,
    },
}

/// The changes to links.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LinkChange {
    /// Cut the links between two regions.
    Cut {
        #[command(flatten)]
        pair: PairArguments,
        /// Reset the connections and every later attempt at once; without it, bytes vanish
        /// silently.
        #[arg(long)]
        reset: bool,
    },
    /// Open the links between two regions, or all links; delay, loss and bandwidth stay as they
    /// are.
    Heal {
        /// The region at one end of the links; without it, all links are opened.
        #[arg(value_name = "A", requires = "to")]
        from: Option<String>,
        /// The region at the other end.
        #[arg(value_name = "B")]
        to: Option<String>,
        /// Only the link from A to B, not the one from B to A.
        #[arg(long, requires = "to")]
        one_way: bool,
    },
    /// Set the delay of the links between two regions.
    Delay {
        #[command(flatten)]
        pair: PairArguments,
        /// One-way delay in milliseconds; fractions are allowed.
        #[arg(value_name = "MS", value_parser = parse_milliseconds)]
        delay: Duration,
        /// Random extra delay of up to this many milliseconds; without it, the jitter stays as it
        /// is.
        #[arg(long, value_name = "MS", value_parser = parse_milliseconds)]
        jitter: Option<Duration>,
    },
    /// Set the packet loss of the links between two regions.
    Loss {
        #[command(flatten)]
        pair: PairArguments,
        /// Packet loss in percent, 0 to 99. Lost packets are sent again, as TCP does, so loss shows
        /// as delay.
        #[arg(value_name = "PERCENT", value_parser = parse_percent)]
        loss_millionths: u32,
    },
    /// Set the bandwidth of the links between two regions.
    Bandwidth {
        #[command(flatten)]
        pair: PairArguments,
        /// Bandwidth of each direction in megabits per second, or `unlimited`.
        #[arg(value_name = "MBIT", value_parser = parse_bandwidth)]
        bits_per_second: u64,
    },
    /// Cut all links of a region, to it and from it.
    Isolate {
        /// The name of the region.
        #[arg(value_name = "A")]
        region: String,
        /// Reset the connections at once; without it, bytes vanish silently.
        #[arg(long)]
        reset: bool,
    },
}

/// A pair of regions, and whether both directions between them change.
#[derive(Debug, Clone, Args)]
pub(crate) struct PairArguments {
    /// The region at one end.
    #[arg(value_name = "A")]
    pub(crate) from: String,
    /// The region at the other end.
    #[arg(value_name = "B")]
    pub(crate) to: String,
    /// Only the link from A to B, not the one from B to A.
    #[arg(long)]
    pub(crate) one_way: bool,
}

/// A duration in milliseconds, fractions allowed, within the bounds of links.
fn parse_milliseconds(text: &str) -> Result<Duration, Expected> {
    let value: f64 = text.parse().map_err(|_| Expected("a number of milliseconds"))?;
    if (0.0..=DELAY_MS_MAX).contains(&value) {
        Ok(Duration::from_secs_f64(value / 1000.0))
    } else {
        Err(Expected("0 to 600000 milliseconds"))
    }
}

/// Parses the percentage of lost packets, at most [`LOSS_PERCENT_MAX`], into millionths.
fn parse_percent(text: &str) -> Result<u32, Expected> {
    let value: f64 = text.parse().map_err(|_| Expected("a percentage"))?;
    if (0.0..=LOSS_PERCENT_MAX).contains(&value) {
        Ok(millionths(value))
    } else {
        Err(Expected("0 to 99 percent; to lose everything, cut the link"))
    }
}

/// A bandwidth in Mbit/s, as bits per second; 0 means no limit.
fn parse_bandwidth(text: &str) -> Result<u64, Expected> {
    if text == "unlimited" {
        return Ok(0);
    }
    let value: f64 = text
        .parse()
        .map_err(|_| Expected("megabits per second, or `unlimited`"))?;
    if (BANDWIDTH_MBIT_MIN..=BANDWIDTH_MBIT_MAX).contains(&value) {
        Ok(bits_per_second(Some(value)))
    } else {
        Err(Expected("0.001 to 1000000 megabits per second, or `unlimited`"))
    }
}

/// A directed link as programs read it.
#[derive(Debug, Serialize)]
struct LinkJson<'a> {
    from: &'a str,
    to: &'a str,
    /// `open`, `cut` or `reset`.
    state: &'a str,
    delay_ms: f64,
    /// Whether the delay was estimated from the distance of the regions.
    delay_estimated: bool,
    jitter_ms: f64,
    loss_percent: f64,
    /// Megabits per second; null if unlimited.
    bandwidth_mbit: Option<f64>,
}

/// Runs the subcommand, then prints all links as they are now, one JSON object per link. `pause`
/// and `resume` print the pauses instead.
pub(crate) async fn run(arguments: NetArguments, format: Format) -> Result<(), CommandError> {
    let fleet = arguments.control.connect().await?;
    let (action, pauses_too) = match arguments.action {
        NetAction::Pause { table, region } => return replication::pause(&fleet, table, region, format).await,
        NetAction::Resume { table, region } => return replication::resume(&fleet, table, region, format).await,
        NetAction::Show => (Action::Show(NetworkShow {}), true),
        NetAction::Change(change) => (action(change), false),
    };
    let request = ControlNetworkRequest { action: Some(action) };
    let links = fleet.modelling_links()?.network(request).await?.into_inner().links;
    show(&links, format)?;
    if pauses_too {
        replication::show_any(&fleet, format).await?;
    }
    Ok(())
}

fn action(change: LinkChange) -> Action {
    match change {
        LinkChange::Cut { pair, reset } => Action::Cut(NetworkCut {
            pair: Some(link_pair(pair)),
            reset,
        }),
        LinkChange::Heal { from, to, one_way } => Action::Heal(NetworkHeal {
            pair: from.zip(to).map(|(from, to)| LinkPair { from, to, one_way }),
        }),
        LinkChange::Delay { pair, delay, jitter } => Action::Delay(NetworkDelay {
            pair: Some(link_pair(pair)),
            delay_us: microseconds(delay),
            jitter_us: jitter.map(microseconds),
        }),
        LinkChange::Loss { pair, loss_millionths } => Action::Loss(NetworkLoss {
            pair: Some(link_pair(pair)),
            loss_millionths,
        }),
        LinkChange::Bandwidth { pair, bits_per_second } => Action::Bandwidth(NetworkBandwidth {
            pair: Some(link_pair(pair)),
            bandwidth_bits: bits_per_second,
        }),
        LinkChange::Isolate { region, reset } => Action::Isolate(NetworkIsolate { region, reset }),
    }
}

fn link_pair(pair: PairArguments) -> LinkPair {
    LinkPair {
        from: pair.from,
        to: pair.to,
        one_way: pair.one_way,
    }
}

fn show(links: &[LinkReport], format: Format) -> Result<(), CommandError> {
    let links = links.iter().map(LinkJson::from);
    match format {
        Format::Json => links.into_iter().try_for_each(|link| output::json(&link)),
        Format::Text => output::table(
            ["FROM", "TO", "STATE", "DELAY", "JITTER", "LOSS", "BANDWIDTH"],
            links.map(|link| {
                [
                    link.from.to_owned(),
                    link.to.to_owned(),
                    link.state.to_owned(),
                    link.delay_text(),
                    format!("{} ms", link.jitter_ms),
                    format!("{} %", link.loss_percent),
                    link.bandwidth_mbit
                        .map_or_else(|| "unlimited".to_owned(), |mbit| format!("{mbit} Mbit/s")),
                ]
            }),
        ),
    }
}

impl<'a> From<&'a LinkReport> for LinkJson<'a> {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of minutes are far below 2^52")]
    fn from(link: &'a LinkReport) -> Self {
        Self {
            from: &link.from,
            to: &link.to,
            state: &link.state,
            delay_ms: link.delay_us as f64 / 1e3,
            delay_estimated: link.is_delay_estimated,
            jitter_ms: link.jitter_us as f64 / 1e3,
            loss_percent: percent(link.loss_millionths),
            bandwidth_mbit: mbit(link.bandwidth_bits),
        }
    }
}

impl LinkJson<'_> {
    fn delay_text(&self) -> String {
        let mark = if self.delay_estimated { " estimated" } else { "" };
        format!("{} ms{mark}", self.delay_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_quantities_within_their_bounds() {
        assert_eq!(parse_milliseconds("1.5"), Ok(Duration::from_micros(1500)));
        assert!(parse_milliseconds("-1").is_err());
        assert!(parse_milliseconds("NaN").is_err());
        assert_eq!(parse_percent("0.5"), Ok(5000));
        assert!(parse_percent("99.5").is_err());
        assert_eq!(parse_bandwidth("10"), Ok(10_000_000));
        assert_eq!(parse_bandwidth("unlimited"), Ok(0));
        assert!(parse_bandwidth("0").is_err());
    }
}
