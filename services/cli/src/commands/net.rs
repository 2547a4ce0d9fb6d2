//! `net`: shows and changes the links between the regions of a running `up`.

use std::time::Duration;

use beringia_proto::v1::{
    ControlNetworkRequest, LinkPair, LinkReport, NetworkBandwidth, NetworkCut, NetworkDelay, NetworkHeal,
    NetworkIsolate, NetworkLoss, NetworkShow, RegionPair, control_network_request::Action,
};
use serde::Serialize;

use crate::{
    arguments::{NetAction, NetArguments, PairArguments},
    control::fleet::Fleet,
    failure::Failure,
    output::{self, Format},
};

/// A directed link as programs read it.
#[derive(Debug, Serialize)]
struct LinkJson<'a> {
    from: &'a str,
    to: &'a str,
    /// `open`, `cut` or `reset`.
    state: &'a str,
    delay_ms: f64,
    jitter_ms: f64,
    loss_percent: f64,
    /// Null for no limit.
    bandwidth_mbit: Option<f64>,
}

/// Does what `net` was asked, then shows all links as they are now: one JSON object per link.
pub(crate) async fn run(arguments: NetArguments, format: Format) -> Result<(), Failure> {
    let mut client = Fleet::connect(&arguments.control).await?.modelling_links()?;
    let request = ControlNetworkRequest {
        action: Some(action(arguments.action)),
    };
    let links = client.network(request).await?.into_inner().links;
    show(&links, format)
}

fn action(action: NetAction) -> Action {
    match action {
        NetAction::Show => Action::Show(NetworkShow {}),
        NetAction::Cut { pair, reset } => Action::Cut(NetworkCut {
            pair: Some(link_pair(pair)),
            reset,
        }),
        NetAction::Heal { from, to } => Action::Heal(NetworkHeal {
            pair: from.zip(to).map(|(one, other)| RegionPair { one, other }),
        }),
        NetAction::Delay { pair, delay, jitter } => Action::Delay(NetworkDelay {
            pair: Some(link_pair(pair)),
            delay_us: microseconds(delay),
            jitter_us: jitter.map(microseconds),
        }),
        NetAction::Loss { pair, loss_millionths } => Action::Loss(NetworkLoss {
            pair: Some(link_pair(pair)),
            loss_millionths,
        }),
        NetAction::Bandwidth { pair, bits_per_second } => Action::Bandwidth(NetworkBandwidth {
            pair: Some(link_pair(pair)),
            bandwidth_bits: bits_per_second,
        }),
        NetAction::Isolate { region, reset } => Action::Isolate(NetworkIsolate { region, reset }),
    }
}

fn link_pair(pair: PairArguments) -> LinkPair {
    LinkPair {
        from: pair.from,
        to: pair.to,
        one_way: pair.one_way,
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn show(links: &[LinkReport], format: Format) -> Result<(), Failure> {
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
                    format!("{} ms", link.delay_ms),
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
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of minutes and bits per second of links are far below 2^52"
    )]
    fn from(link: &'a LinkReport) -> Self {
        Self {
            from: &link.from,
            to: &link.to,
            state: &link.state,
            delay_ms: link.delay_us as f64 / 1e3,
            jitter_ms: link.jitter_us as f64 / 1e3,
            loss_percent: f64::from(link.loss_millionths) / 1e4,
            bandwidth_mbit: (link.bandwidth_bits > 0).then_some(link.bandwidth_bits as f64 / 1e6),
        }
    }
}
