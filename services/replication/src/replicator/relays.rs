//! Which origins' writes arrive through other regions, and which origins lost writes of their own.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Origin, Region, TableId};

use crate::{
    change::{OriginChange, StateChange},
    context::Context,
    out::Out,
    receiver::Receiver,
    relay::assign,
};

/// Which region relays which origin's writes to this one.
#[derive(Debug, Clone, Default)]
pub(super) struct Relays {
    by_origin: BTreeMap<Origin, Region>,
    /// Origins that seem to be missing writes of their own.
    missing_own: BTreeMap<Origin, MissingOwnWrites>,
    /// When they are checked again.
    watch_at_ms: u64,
}

/// An origin that has fewer of its own writes to a table than another region.
#[derive(Debug, Clone)]
struct MissingOwnWrites {
    since_ms: u64,
    table: TableId,
    /// This region's sequence of the origin when that was noticed.
    here: u64,
}

impl Relays {
    /// Chooses the relays from now on.
    pub(super) fn tick(&mut self, context: &Context, out: &mut Out, receivers: &BTreeMap<Region, Receiver>) {
        self.watch_origins(context, receivers);
        let assigned = assign(context, receivers, &self.missing_own(context), &self.by_origin);
        let before = std::mem::replace(&mut self.by_origin, assigned);
        self.report_changes(out, &before);
        debug_assert!(
            self.by_origin
                .iter()
                .all(|(origin, via)| via != origin.region() && receivers.contains_key(via)),
            "a relay is a peer other than the origin: {:?}",
            self.by_origin
        );
    }

    fn report_changes(&self, out: &mut Out, before: &BTreeMap<Origin, Region>) {
        let mut report = |relays: &BTreeMap<Origin, Region>,
                          others: &BTreeMap<Origin, Region>,
                          change: fn(Region) -> OriginChange| {
            for (origin, via) in relays.iter().filter(|(origin, via)| others.get(*origin) != Some(*via)) {
                let (origin, change) = (origin.clone(), change(via.clone()));
                out.report(StateChange::Origin { origin, change });
            }
        };
        report(before, &self.by_origin, |via| OriginChange::RelayEnded { via });
        report(&self.by_origin, before, |via| OriginChange::RelayBegan { via });
    }

    /// The region that relays the origin's writes.
    pub(super) fn relay_of(&self, origin: &Origin) -> Option<&Region> {
        self.by_origin.get(origin)
    }

    /// The origins whose writes that region relays.
    pub(super) fn relayed_by(&self, region: &Region) -> impl Iterator<Item = &Origin> {
        let relays = self.by_origin.iter().filter(move |(_, via)| *via == region);
        relays.map(|(origin, _)| origin)
    }

    /// Notices reachable origins that lost writes of their own which other regions have; those
    /// regions then relay them.
    fn watch_origins(&mut self, context: &Context, receivers: &BTreeMap<Region, Receiver>) {
        let now_ms = context.now.elapsed_ms;
        if now_ms < self.watch_at_ms {
            return;
        }
        self.watch_at_ms = now_ms + context.tuning.announce_ms;
        let mut suspects = BTreeMap::new();
        for (region, receiver) in receivers {
            let Some(session) = receiver.session() else { continue };
            let origin = &Origin::of_only_shard(region);
            let others = receivers.values().filter(|other| other.region != *region);
            for other in others.filter_map(Receiver::session) {
                if let Some(table) = session.announced.missing_own(context, origin, &other.announced) {
                    let here = context.vector(table).get(origin);
                    let since_ms = match self.missing_own.get(origin) {
                        Some(known) if (known.table, known.here) == (table, here) => known.since_ms,
                        _ => now_ms,
                    };
                    let missing_own = MissingOwnWrites { since_ms, table, here };
                    suspects.entry(origin.clone()).or_insert(missing_own);
                }
            }
        }
        debug_assert!(
            suspects.values().all(|suspect| suspect.since_ms <= now_ms),
            "gaps are noticed in the past: {suspects:?}"
        );
        self.missing_own = suspects;
    }

    /// Origins that have been missing writes of their own for longer than delayed announcements
    /// explain.
    fn missing_own(&self, context: &Context) -> BTreeSet<Origin> {
        let since_ms = context.now.elapsed_ms.saturating_sub(4 * context.tuning.announce_ms);
        let is_sure = |(_, missing_own): &(&Origin, &MissingOwnWrites)| missing_own.since_ms <= since_ms;
        self.missing_own
            .iter()
            .filter(is_sure)
            .map(|(origin, _)| origin.clone())
            .collect()
    }
}
