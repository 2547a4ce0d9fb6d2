//! A text of everything that a replicator's future depends on, for searches that visit equal states
//! once.

use std::{collections::BTreeMap, fmt::Write as _};

use beringia_item::Region;

use super::Replicator;
use crate::{context::Context, event::DialId};

/// The room for a text, in bytes: those of three regions mostly fit.
const CAPACITY: usize = 12 * 1024;

impl Replicator {
    /// Everything that the replicator's answers to future events depend on. Two replicators with
    /// the same configuration and equal descriptions answer equal events with equal commands,
    /// except for the numbers of dialled streams, store calls and requests. Call it between events,
    /// when the store has answered every call.
    ///
    /// It leaves out what only saves work (vectors that were compared before), what only counts it,
    /// and the time, which every event brings.
    #[must_use]
    pub fn description(&self) -> String {
        let Self {
            context,
            out,
            dialled,
            accepted,
            relays,
            bootstraps,
            comparisons,
            epoch,
            served,
            dirty,
        } = self;
        let peers = dialled.receivers.keys().cloned();
        let numbers: BTreeMap<Region, DialId> = peers.zip((0..).map(DialId)).collect();
        let (mut dialled, mut accepted, mut comparisons) = (dialled.clone(), accepted.clone(), comparisons.clone());
        dialled.normalize(&numbers);
        accepted.normalize();
        comparisons.normalize(&numbers);
        debug_assert!(
            out.purposes.is_empty() && !dirty,
            "the store has answered, and no change waits for its consequences"
        );
        let mut text = String::with_capacity(CAPACITY);
        let _ = write!(
            text,
            "{dialled:?} {accepted:?} {relays:?} {bootstraps:?} {comparisons:?} {epoch:?} {served:?} "
        );
        describe_context(context, &mut text);
        text
    }
}

/// The fields are named one by one, so that a new one is not forgotten.
fn describe_context(context: &Context, text: &mut String) {
    let Context {
        region: _,
        origin: _,
        incarnation,
        tuning: _,
        peers: _,
        now: _,
        catalog,
        local,
        learned: _,
        quarantine,
        limit_ms,
        catching_up,
        finishing,
        own,
        own_reached,
        missing_own,
        unreachable,
        paused,
        set_aside,
    } = context;
    let _ = write!(
        text,
        "{incarnation} {catalog:?} {local:?} {quarantine:?} {limit_ms:?} {catching_up:?} {finishing:?} {own:?} \
         {own_reached:?} {missing_own:?} {unreachable:?} {paused:?} {set_aside:?}"
    );
}
