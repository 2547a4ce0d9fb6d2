//! `net`: shows and changes the links between the regions of a running `up`.

use std::time::Duration;

use beringia_host::fleet::Fleet;
use beringia_proto::v1::{
    ControlNetworkRequest, LinkPair, LinkReport, NetworkBandwidth, NetworkCut, NetworkDelay, NetworkHeal,
    NetworkIsolate, NetworkLoss, NetworkShow, control_network_request::Action,
};
use serde::Serialize;

use super::replication;
use crate::{
    arguments::{LinkChange, NetAction, NetArguments, PairArguments},
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

/// Does what `net` was asked, then shows all links as they are now: one JSON object per link. Of pauses it shows the pauses.
pub(crate) async fn run(arguments: NetArguments, format: Format) -> Result<(), Failure> {
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
