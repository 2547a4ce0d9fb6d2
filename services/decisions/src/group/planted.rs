//! The effects of planted bugs on decisions. Without the feature `planted-bugs` there are none.

use beringia_item::{AttributeValue, Item, ItemState, Loss, Mutation, TableId, VersionVector};
use beringia_storage::{
    Aspect, ItemEffect, ItemWrite, PlantedBug, Refusal, RemoteKind, ReplicaStatus,
    backend::{Detail, ItemRow, KeyRange, LogRecord, OriginNumber, RecordHead},
};
use bytes::Bytes;

use super::workspace::{Group, Result};
use crate::{
    layout::{FIRST_TABLE, row_key},
    rows::ItemScan,
    state::Home,
};

impl Group<'_> {
    /// Whether a mutation is counted as applied without being applied.
    pub(super) fn is_ignored(&self, mutation: &Mutation, kind: RemoteKind, current: Option<&ItemRow>) -> bool {
        let bug = self.environment.planted_bug;
        let Some(bug) = bug.filter(|_| Home::of(mutation.table).is_none()) else {
            return false;
        };
        if bug.prefers_local() {
            return current.is_some_and(|row| row.time == mutation.version.time.as_u64());
        }
        kind == RemoteKind::Stream && bug.skips(mutation.version.sequence)
    }

    /// Whether a change of a definition is left out: the one that makes a replica with items
    /// active.
    pub(super) fn never_activates(&self, id: TableId, aspect: &Aspect) -> bool {
        if !self.environment.planted_bug.is_some_and(PlantedBug::never_activates) {
            return false;
        }
        let has_items = self
            .state
            .catalog
            .by_id
            .get(&id)
            .is_some_and(|table| table.size.items() > 0);
        has_items && matches!(aspect, Aspect::Replica { replica, .. } if replica.status == ReplicaStatus::Active)
    }

    /// Takes the image out of a stale write's record, as if the write were a delete.
    pub(super) fn alter_stale_copy(&self, mutation: &Mutation, record: &mut LogRecord) {
        let is_of_client = Home::of(mutation.table).is_none();
        if is_of_client
            && self
                .environment
                .planted_bug
                .is_some_and(PlantedBug::alters_stale_copies)
        {
            record.image = None;
            record.metadata = None;
        }
    }

    /// Restores the numbers that an update changed.
    pub(super) fn ignore_addition(&self, before: Option<&Item>, effect: &mut ItemEffect) {
        let bug = self.environment.planted_bug;
        if !bug.is_some_and(|bug| bug.ignores_addition(self.state.sequence)) {
            return;
        }
        if let (Some(before), ItemEffect::Update { item, .. }) = (before, effect) {
            for (name, value) in before {
                if matches!(value, AttributeValue::N(_)) {
                    item.insert(name.clone(), value.clone());
                }
            }
        }
    }

    /// Whether the loss of a part of an item stays out of the journal.
    pub(super) fn hides_loss(&self, loss: &Loss) -> bool {
        let bug = self.environment.planted_bug;
        !loss.attributes.is_empty() && bug.is_some_and(|bug| bug.hides_loss(loss.loser.sequence))
    }

    /// Whether a replicated write changes the row without its index entries.
    pub(super) fn omits_entries(&self, head: &RecordHead) -> bool {
        let bug = self.environment.planted_bug;
        head.origin != self.state.origins.own() && bug.is_some_and(|bug| bug.omits_entries(head.sequence))
    }

    /// The later of two states, where they should merge.
    pub(super) fn merged_as_whole(&self, ours: &ItemState, theirs: &ItemState) -> Option<ItemState> {
        let bug = self.environment.planted_bug;
        let later = if theirs.version() > ours.version() {
            theirs
        } else {
            ours
        };
        bug.is_some_and(PlantedBug::merges_as_whole).then(|| later.clone())
    }

    /// The refusal of a change that does not see its item.
    pub(super) fn refusal_without_item(&self, write: &mut ItemWrite) -> Option<Refusal> {
        let is_missed = self
            .environment
            .planted_bug
            .is_some_and(|bug| bug.misses_item(self.state.sequence + 1));
        is_missed.then(|| write.change.decide(None).err()).flatten()
    }

    /// Makes a write causally depend on more writes of other regions than it does.
    pub(super) fn foresee(&self, table: TableId, replaced: &mut [(OriginNumber, u64)]) {
        let bug = self.environment.planted_bug;
        let Some(bug) = bug.filter(|_| Home::of(table).is_none()) else {
            return;
        };
        let own = self.state.origins.own();
        for (_, sequence) in replaced.iter_mut().filter(|(origin, _)| *origin != own) {
            *sequence += bug.foresees();
        }
    }

    /// Takes the writes of other regions out of the causal context of a write.
    pub(super) fn forget(&mut self, table: TableId, context: &mut (Bytes, VersionVector)) -> Result<()> {
        let bug = self.environment.planted_bug;
        let is_of_client = Home::of(table).is_none();
        if is_of_client && bug.is_some_and(|bug| bug.forgets(self.state.sequence)) {
            let nothing = VersionVector::default();
            *context = (self.encode_vector(&nothing)?, nothing);
        }
        Ok(())
    }

    /// Collects all tombstones of items.
    pub(super) fn collect_tombstones_at_once(&mut self) -> Result<()> {
        if !self
            .environment
            .planted_bug
            .is_some_and(PlantedBug::collects_tombstones)
        {
            return Ok(());
        }
        let scan = ItemScan {
            range: KeyRange {
                from: row_key(FIRST_TABLE, &[]),
                to: None,
                reverse: false,
            },
            detail: Detail::Row,
            live_only: false,
            rows_max: usize::MAX,
        };
        let dead = self
            .scan_items(scan)?
            .iter()
            .filter(|(_, current)| current.as_ref().is_ok_and(|current| !current.row.is_live()));
        let dead: Vec<Vec<u8>> = dead.map(|(row_key, _)| row_key.clone()).collect();
        dead.into_iter().for_each(|row_key| self.delete_item(row_key));
        Ok(())
    }
}
