//! Chooses which peer relays an origin's writes while the origin itself is unreachable.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{Origin, Region};

use crate::{context::Context, receiver::Receiver, session::Session};

/// For each origin that needs one, the peer that relays its writes. An origin needs a relay if it
/// is unreachable, if it refuses because of its low watermark, or if it lost writes
/// (`missing_own`). The current relay is kept, unless it has nothing that is missing here and
/// another peer does.
pub(crate) fn assign(
    context: &Context,
    receivers: &BTreeMap<Region, Receiver>,
    missing_own: &BTreeSet<Origin>,
    previous: &BTreeMap<Origin, Region>,
) -> BTreeMap<Origin, Region> {
    let sessions: BTreeMap<&Region, &Session> = receivers
        .iter()
        .filter_map(|(region, receiver)| Some((region, receiver.session()?)))
        .collect();
    let announced = sessions.values().flat_map(|session| session.announced.origins());
    let mut origins: BTreeSet<Origin> = announced.cloned().collect();
    origins.extend(receivers.keys().map(Origin::of_only_shard));

    let mut relays = BTreeMap::new();
    for origin in &origins {
        let is_direct = |receiver: &Receiver| is_direct(context, origin, receiver) && !missing_own.contains(origin);
        if receivers.get(origin.region()).is_some_and(is_direct) {
            continue;
        }
        let can = |via: &&Region| {
            *via != origin.region()
                && sessions
                    .get(*via)
                    .is_some_and(|session| !session.refusals.concern(origin))
        };
        let has_more = |via: &&Region| {
            sessions
                .get(*via)
                .is_some_and(|session| session.announced.has_more(context, origin))
        };
        // Our own writes come back only if this region lost them, so a relay with nothing more to
        // send is not kept.
        let present = previous
            .get(origin)
            .filter(can)
            .filter(|via| *origin != context.origin || has_more(via));
        let better = || sessions.keys().copied().find(|via| can(via) && has_more(via));
        let via = match present {
            Some(present) if has_more(&present) => Some(present),
            Some(present) => better().or(Some(present)),
            None => better(),
        };
        if let Some(via) = via {
            relays.insert(origin.clone(), via.clone());
        }
    }
    relays
}

/// Whether the origin's region sends its writes itself, or stopped only a short time ago.
fn is_direct(context: &Context, origin: &Origin, receiver: &Receiver) -> bool {
    match receiver.session() {
        Some(session) => !session.refusals.concern(origin),
        None => context.now.elapsed_ms < receiver.down_since_ms + context.tuning.relay_after_ms,
    }
}
