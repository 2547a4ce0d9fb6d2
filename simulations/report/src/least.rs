//! Computes the lower bound of a convergence from the mutations that arrived in it.

use std::{collections::BTreeMap, time::Duration};

use crate::{Shipment, least_convergence, outstanding::Outstanding};

/// The least time in which all missing mutations could have arrived. `names` are the regions.
/// `rates` has the mutations per second that each region can apply, measured in another run or
/// stated; for a region without a rate, applying takes no time. `wire` returns the bytes on the
/// wire of a pair, and the number of mutations in them.
pub(crate) fn least(
    outstanding: &Outstanding,
    names: &[String],
    rates: &BTreeMap<String, f64>,
    wire: impl Fn((usize, usize)) -> Option<(u64, u64)>,
) -> Duration {
    let shipments: Vec<Shipment> = outstanding
        .pairs
        .iter()
        .filter_map(|(pair, late)| {
            let (from, to) = (names.get(pair.0)?, names.get(pair.1)?);
            let one_way = (late.newest + least_delay(&outstanding.links, from, to)?).saturating_sub(outstanding.at);
            let link = outstanding
                .links
                .iter()
                .find(|link| link.from == *from && link.to == *to)?;
            let logged = (link.mutations > 0).then_some((link.bytes, link.mutations));
            let of_all = |(bytes, mutations): (u64, u64)| bytes.saturating_mul(late.mutations) / mutations.max(1);
            let bytes = [logged, wire(*pair)].into_iter().flatten().map(of_all).min();
            Some(Shipment {
                mutations: late.mutations,
                bytes: bytes.unwrap_or_default(),
                one_way,
                ..link.clone()
            })
        })
        .collect();
    least_convergence(&shipments, |region| rates.get(region).copied())
}

/// The least one-way delay from a region to another, through other regions where that is shorter;
/// `None` where there is no path.
fn least_delay(links: &[Shipment], from: &str, to: &str) -> Option<Duration> {
    let mut reached = BTreeMap::from([(from, Duration::ZERO)]);
    // A shortest path has fewer hops than there are links (Bellman-Ford).
    for _ in links {
        let mut shorter = false;
        for link in links {
            let Some(through) = reached.get(link.from.as_str()).map(|delay| *delay + link.one_way) else {
                continue;
            };
            let known = reached.entry(&link.to).or_insert(Duration::MAX);
            shorter |= through < *known;
            *known = through.min(*known);
        }
        if !shorter {
            break;
        }
    }
    reached.get(to).copied()
}
