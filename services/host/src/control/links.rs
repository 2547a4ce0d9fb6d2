//! The network model, in the form of the control protocol.

use std::{collections::BTreeMap, time::Duration};

use beringia_network::{Direction, LinkMode, LinkSettings, LinkSnapshot, Network, NetworkError};
use beringia_proto::v1::{LinkPair, LinkReport, control_network_request::Action};
use beringia_regions::Topology;
use tonic::Status;

use crate::units::{bits_per_second, mbit, microseconds, millionths, percent};

/// The delays, in microseconds, that a topology estimates, by the two ends of each link. A link
/// whose current delay differs was changed since.
pub(crate) struct EstimatedDelays(BTreeMap<(String, String), u64>);

impl EstimatedDelays {
    pub(crate) fn of(topology: &Topology) -> Self {
        let estimated = topology.links().iter().filter(|link| link.is_delay_estimated);
        let delay_us = |link| microseconds(LinkSettings::from(link).delay);
        Self(
            estimated
                .map(|link| ((link.from.clone(), link.to.clone()), delay_us(link)))
                .collect(),
        )
    }

    fn has(&self, link: &LinkSnapshot) -> bool {
        let estimated_us = self.0.get(&(link.from.clone(), link.to.clone()));
        estimated_us.is_some_and(|delay_us| *delay_us == microseconds(link.settings.delay))
    }
}

/// The current state of every directed link.
pub(crate) fn show(network: &Network, estimated: &EstimatedDelays) -> Vec<LinkReport> {
    let links = network.show();
    links.iter().map(|link| report(link, estimated.has(link))).collect()
}

fn report(link: &LinkSnapshot, is_delay_estimated: bool) -> LinkReport {
    LinkReport {
        from: link.from.clone(),
        to: link.to.clone(),
        state: match link.mode {
            LinkMode::Open => "open",
            LinkMode::Cut => "cut",
            LinkMode::Reset => "reset",
        }
        .to_owned(),
        delay_us: microseconds(link.settings.delay),
        jitter_us: microseconds(link.settings.jitter),
        bandwidth_bits: bits_per_second(link.settings.bandwidth_mbit),
        loss_millionths: millionths(link.settings.loss_percent),
        is_delay_estimated,
    }
}

/// Applies the action to the network model.
pub(crate) fn apply(network: &Network, action: Action) -> Result<(), Status> {
    let done = match action {
        Action::Show(_) => Ok(()),
        Action::Cut(cut) => {
            let (from, to, direction) = pair(cut.pair)?;
            if cut.reset {
                network.reset(&from, &to, direction)
            } else {
                network.cut(&from, &to, direction)
            }
        }
        Action::Heal(heal) => match heal.pair {
            None => {
                network.heal_all();
                Ok(())
            }
            pair => {
                let (from, to, direction) = self::pair(pair)?;
                network.heal(&from, &to, direction)
            }
        },
        Action::Delay(delay) => {
            let (from, to, direction) = pair(delay.pair)?;
            network.change(&from, &to, direction, |settings| {
                settings.delay = Duration::from_micros(delay.delay_us);
                if let Some(jitter) = delay.jitter_us {
                    settings.jitter = Duration::from_micros(jitter);
                }
            })
        }
        Action::Loss(loss) => {
            let (from, to, direction) = pair(loss.pair)?;
            network.loss(&from, &to, direction, percent(loss.loss_millionths))
        }
        Action::Bandwidth(bandwidth) => {
            let (from, to, direction) = pair(bandwidth.pair)?;
            network.bandwidth(&from, &to, direction, mbit(bandwidth.bandwidth_bits))
        }
        Action::Isolate(isolate) => isolate_region(network, &isolate.region, isolate.reset),
    };
    done.map_err(|error| Status::invalid_argument(error.to_string()))
}

fn isolate_region(network: &Network, region: &str, reset: bool) -> Result<(), NetworkError> {
    if !reset {
        return network.isolate(region);
    }
    let links = network.show();
    let peers: Vec<&str> = links
        .iter()
        .filter(|link| link.from == region)
        .map(|link| link.to.as_str())
        .collect();
    if peers.is_empty() {
        // Returns the network's own error for an unknown region.
        return network.isolate(region);
    }
    peers
        .into_iter()
        .try_for_each(|peer| network.reset(region, peer, Direction::Both))
}

fn pair(pair: Option<LinkPair>) -> Result<(String, String, Direction), Status> {
    let pair = pair.ok_or_else(|| Status::invalid_argument("the request names no pair of regions"))?;
    let direction = if pair.one_way {
        Direction::OneWay
    } else {
        Direction::Both
    };
    Ok((pair.from, pair.to, direction))
}
