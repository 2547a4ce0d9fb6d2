//! What each region lacked of the others when they had to become equal, and the least time in which it could come.

use std::{collections::BTreeMap, time::Duration};

use crate::{Shipment, least_convergence};

/// A moment from which regions have to become equal.
#[derive(Debug)]
pub(crate) struct Lacking {
    /// The moment, since the load began.
    at: Duration,
    /// Every pair of regions at that moment. What the origin has not heard to be acknowledged is more than what the receiver lacks: some
    /// is under way, some came through a third region.
    links: Vec<Shipment>,
    /// By origin and receiver, as they are numbered in the run.
    pairs: BTreeMap<(usize, usize), Lack>,
}

/// What became visible in one region, of another, later than that moment, though it was written before.
#[derive(Debug, Default)]
struct Lack {
    mutations: u64,
    /// When the newest was committed, and when the last was visible, since the load began.
    newest: Duration,
    visible: Duration,
}

impl Lacking {
    pub(crate) fn new(at: Duration, links: Vec<Shipment>) -> Self {
        Self {
            at,
            links,
            pairs: BTreeMap::new(),
        }
    }

    /// The moment, since the load began.
    pub(crate) fn at(&self) -> Duration {
        self.at
    }

    /// A mutation of one region became visible in another.
    pub(crate) fn arrived(&mut self, pair: (usize, usize), committed: Duration, visible: Duration) {
        if committed > self.at || visible <= self.at {
            return;
        }
        let lack = self.pairs.entry(pair).or_default();
        lack.mutations += 1;
        lack.newest = lack.newest.max(committed);
        lack.visible = lack.visible.max(visible);
    }

    /// The least time in which all that was lacking can have come, however it went. `names`: of the regions. `rates`: mutations per second
    /// that a region was seen to apply; where it applied what it lacked faster than that, it could. `wire`: bytes on the wire of a pair, and
    /// of how many mutations.
    pub(crate) fn least(
        &self,
        names: &[String],
        rates: &BTreeMap<String, f64>,
        wire: impl Fn((usize, usize)) -> Option<(u64, u64)>,
    ) -> Duration {
        let shipments: Vec<Shipment> = self
            .pairs
            .iter()
            .filter_map(|(pair, lack)| {
                let (from, to) = (names.get(pair.0)?, names.get(pair.1)?);
                let one_way = (lack.newest + self.least_delay(from, to)?).saturating_sub(self.at);
                let link = self.links.iter().find(|link| link.from == *from && link.to == *to)?;
                let logged = (link.mutations > 0).then_some((link.bytes, link.mutations));
                let of_all = |(bytes, mutations): (u64, u64)| bytes.saturating_mul(lack.mutations) / mutations.max(1);
                let bytes = [logged, wire(*pair)].into_iter().flatten().map(of_all).min();
                Some(Shipment {
                    mutations: lack.mutations,
                    bytes: bytes.unwrap_or_default(),
                    one_way,
                    ..link.clone()
                })
            })
            .collect();
        least_convergence(&shipments, |region| {
            let own = self.applied_per_second(names, region, &shipments);
            let seen = rates.get(region).copied().unwrap_or_default();
            Some(own.map_or(0.0, |own| own.max(seen)))
        })
    }

    /// At what rate a region applied what it lacked, from the first that can have come to the last that did; `None`: at once.
    fn applied_per_second(&self, names: &[String], region: &str, shipments: &[Shipment]) -> Option<f64> {
        let mine = || shipments.iter().filter(|shipment| shipment.to == region);
        let mutations: u64 = mine().map(|shipment| shipment.mutations).sum();
        let first = mine().map(|shipment| shipment.one_way).min()?;
        let lacks = self
            .pairs
            .iter()
            .filter(|((_, to), _)| names.get(*to).is_some_and(|name| name == region));
        let last = lacks.map(|(_, lack)| lack.visible).max()?.saturating_sub(self.at);
        let took = last.saturating_sub(first);
        (!took.is_zero()).then(|| mutations as f64 / took.as_secs_f64())
    }

    /// The least delay from a region to another, through a third where that is shorter; `None` where there is no way.
    fn least_delay(&self, from: &str, to: &str) -> Option<Duration> {
        let mut reached = BTreeMap::from([(from, Duration::ZERO)]);
        // A shortest way has fewer hops than there are links.
        for _ in &self.links {
            let mut shorter = false;
            for link in &self.links {
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
}
