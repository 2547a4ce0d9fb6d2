//! The lower bound of the time in which regions can converge.

use std::{collections::BTreeMap, time::Duration};

/// The mutations that one region has to send to another before they are equal, and the link between
/// them.
#[derive(Debug, Clone, PartialEq)]
pub struct Shipment {
    /// The region that sends the mutations.
    pub from: String,
    /// The region that receives them.
    pub to: String,
    /// How many mutations have to be sent.
    pub mutations: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
    /// The link's one-way delay; for mutations in transit already, the rest of it.
    pub one_way: Duration,
    /// The link's bandwidth in megabits (10^6 bits) per second; `None`: unlimited.
    pub bandwidth_mbit: Option<f64>,
}

/// The least time in which all shipments can arrive and be applied.
///
/// For each region, this is the greater of two times: the time that a link needs for its bytes and
/// its delay; and the time that the region needs to apply everything that it receives at
/// `applied_per_second`, after the first of it can arrive. With `None`, or a rate that is not above
/// zero, applying takes no time. Links and regions work in parallel, so the bound is the greatest
/// over all regions.
#[must_use]
pub fn least_convergence(shipments: &[Shipment], applied_per_second: impl Fn(&str) -> Option<f64>) -> Duration {
    let mut by_receiver: BTreeMap<&str, Vec<&Shipment>> = BTreeMap::new();
    for shipment in shipments.iter().filter(|shipment| shipment.mutations > 0) {
        by_receiver.entry(&shipment.to).or_default().push(shipment);
    }
    let receivers = by_receiver.into_iter().map(|(receiver, shipments)| {
        let wires = shipments.iter().map(|shipment| on_the_wire(shipment)).max();
        let mutations: u64 = shipments.iter().map(|shipment| shipment.mutations).sum();
        let first = shipments.iter().map(|shipment| shipment.one_way).min();
        let applying = applied_per_second(receiver)
            .filter(|rate| *rate > 0.0)
            .and_then(|rate| Duration::try_from_secs_f64(mutations as f64 / rate).ok());
        wires
            .unwrap_or_default()
            .max(first.unwrap_or_default() + applying.unwrap_or_default())
    });
    receivers.max().unwrap_or_default()
}

fn on_the_wire(shipment: &Shipment) -> Duration {
    let bits = shipment.bytes as f64 * 8.0;
    let sending = shipment
        .bandwidth_mbit
        .filter(|mbit| *mbit > 0.0)
        .and_then(|mbit| Duration::try_from_secs_f64(bits / (mbit * 1e6)).ok());
    shipment.one_way + sending.unwrap_or_default()
}
