//! Own writes of this region that a peer has and its database never made: the database is an older
//! copy (docs/decisions/0019). The tables concerned are neither served nor trimmed until a copy
//! from that peer brings those writes.

use beringia_item::{Region, TableId};

use super::Replicator;
use crate::{
    context::{Context, MissingOwn},
    event::{Event, LinkEvent, StoreCall, TableView},
    message::{TableVectors, ToReceiver, ToSource},
    out::Purpose,
    receiver::Receiver,
};

impl Replicator {
    /// Looks at the vectors that a peer reports in a message, before anything is sent to it.
    pub(super) fn watch_report(&mut self, event: &Event) {
        let (peer, vectors) = match event {
            Event::Accepted(link, LinkEvent::Message(message)) => {
                let vectors = match message {
                    ToSource::Subscribe(subscription) => &subscription.tables,
                    ToSource::Acknowledge(acknowledgement) => &acknowledgement.tables,
                    ToSource::Hello(_) | ToSource::Request(_) | ToSource::Goodbye(_) => return,
                };
                (self.accepted.peer_of(*link), vectors)
            }
            Event::Dialled(link, LinkEvent::Message(ToReceiver::Vectors(vectors))) => {
                (self.dialled.peer_of(*link), vectors)
            }
            _ => return,
        };
        let Some(peer) = peer.cloned() else { return };
        let own = &self.context.origin;
        let skipped = |sequence: &u64| self.context.own.has_skipped(*sequence);
        let found: Vec<(TableId, u64)> = vectors
            .iter()
            .map(|(table, vector)| (*table, vector.get(own)))
            .filter(|(_, sequence)| skipped(sequence))
            .collect();
        for (table, sequence) in found {
            self.note_missing_own(&peer, table, sequence);
        }
    }

    /// Looks at everything that connected peers have reported, some time after this region's
    /// vectors were updated: a table may have become complete since the report, and only now it is
    /// certain that this region did not make a write beyond its own last one.
    pub(super) fn watch_own_writes(&mut self) {
        let now_ms = self.context.now.elapsed_ms;
        if now_ms < self.epoch.watch_at_ms {
            return;
        }
        self.epoch.watch_at_ms = now_ms + self.context.tuning.announce_ms;
        for (peer, table, sequence) in self.foreign_own_writes() {
            self.note_missing_own(&peer, table, sequence);
        }
        self.ask_for_epoch();
    }

    fn foreign_own_writes(&self) -> Vec<(Region, TableId, u64)> {
        let sessions = self.dialled.receivers.values().filter_map(Receiver::session);
        let announced = sessions.map(|session| (session.region(), &session.announced.vectors));
        let sources = self.accepted.sources();
        let acknowledged = sources.filter_map(|source| Some((source.peer.as_ref()?, &source.acknowledged)));
        let reports = announced.chain(acknowledged);
        let of_peer = |(peer, vectors): (&Region, &TableVectors)| {
            let entries = vectors
                .iter()
                .map(|(table, vector)| (*table, vector.get(&self.context.origin)));
            let foreign = entries.filter(|(table, sequence)| is_foreign(&self.context, *table, *sequence));
            foreign
                .map(|(table, sequence)| (peer.clone(), table, sequence))
                .collect::<Vec<_>>()
        };
        reports.flat_map(of_peer).collect()
    }

    /// Records that the peer has own writes of this region up to `sequence`, which another life of
    /// the database made, unless they were copied since.
    fn note_missing_own(&mut self, peer: &Region, table: TableId, sequence: u64) {
        let context = &mut self.context;
        let is_active = |view: &TableView| view.bootstrapped && view.is_active(&context.region);
        let is_active = table == TableId::CATALOG || context.catalog.get(&table).is_some_and(is_active);
        let is_copied = context.own.copied.get(&table).is_some_and(|copied| sequence <= *copied);
        let is_known = context
            .missing_own
            .get(&table)
            .is_some_and(|known| sequence <= known.sequence);
        if is_copied || is_known || !is_active {
            return;
        }
        let holder = peer.clone();
        context.missing_own.insert(table, MissingOwn { sequence, holder });
        self.dirty = true;
        self.ask_for_epoch();
    }

    /// Has the store begin an epoch, once for all writes that are missing.
    fn ask_for_epoch(&mut self) {
        let missing = self.context.missing_own.values().map(|missing| missing.sequence);
        let known = missing.max().unwrap_or(0);
        if known > self.epoch.asked && !self.epoch.is_asking {
            self.epoch.asked = known;
            self.epoch.is_asking = true;
            self.out.call(Purpose::BeginEpoch, StoreCall::BeginEpoch(known));
        }
    }

    /// Records that a copy made the table complete up to this own sequence. If its source had less
    /// than the holder, and the holder is gone, the copy has to do until the holder is back.
    pub(super) fn on_own_writes_copied(&mut self, table: TableId, sequence: u64) {
        let copied = self.context.own.copied.entry(table).or_default();
        *copied = (*copied).max(sequence);
        let dialled = &self.dialled;
        let is_over = |missing: &MissingOwn| missing.sequence <= sequence || dialled.session(&missing.holder).is_none();
        if self.context.missing_own.get(&table).is_some_and(is_over) {
            self.context.missing_own.remove(&table);
            self.dirty = true;
        }
    }

    /// Drops the tables of which this region has no replica any more, or that it copies anyway.
    pub(super) fn forget_own_writes(&mut self) {
        let catalog = &self.context.catalog;
        self.context
            .missing_own
            .retain(|table, _| *table == TableId::CATALOG || catalog.get(table).is_some_and(|view| view.bootstrapped));
    }
}

/// Whether another life of the database made the own write to the table with this sequence: this
/// one skipped the sequence, or has not come that far.
fn is_foreign(context: &Context, table: TableId, sequence: u64) -> bool {
    let reached = context.own_reached.get(&table).copied().unwrap_or(0);
    context.own.has_skipped(sequence) || (sequence > context.own.opened && sequence > reached)
}
