//! The least time in which regions can become equal.

use std::{collections::BTreeMap, time::Duration};

/// What one region has to send another before they are equal, and the link that it goes over.
#[derive(Debug, Clone, PartialEq)]
pub struct Shipment {
    /// Whose mutations.
    pub from: String,
    /// Where they have to go.
    pub to: String,
    /// How many.
    pub mutations: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The link's delay, one way; of what is under way already, what is left of it.
    pub one_way: Duration,
    /// The link's megabits (10^6 bits) per second; `None`: without limit.
    pub bandwidth_mbit: Option<f64>,
}

/// The least time in which all shipments can have arrived and be applied.
///
/// For each region the greatest of: what a link takes for its bytes, and its delay; and what the region takes to apply everything
/// that is for it at `applied_per_second`, after the first of it can have come. `None`, or a rate that is not above zero: applying
/// takes no time. Links work at the same time, and so do regions, so the bound is the greatest of all.
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
