//! Applying other regions' mutations: newer ones replace, concurrent ones are journalled, nothing is
//! applied twice.

use std::{borrow::Cow, cell::OnceCell, collections::BTreeSet};

use beringia_clock::ClockError;
use beringia_item::{
    CodecError, Item, ItemState, KeyBytes, KeySchema, Mutation, Stamp, StateError, TableId, Unit, VersionVector,
    decode_item, encoded_item_size,
};
use beringia_storage::{
    Applied, RemoteBatch, RemoteKind, StoreError,
    backend::{ItemRow, Record, RecordFlags, RecordHead, RegionNumber},
};
use bytes::Bytes;

use super::{
    Fail, Group, Result,
    reconcile::{Merged, Reconciled},
    write::{NewRow, live_size, row_size},
};
use crate::{
    layout::encode_context,
    state::{Home, State, TableState},
};

/// A mutation that was read, before it is applied.
pub(super) struct Incoming<'a> {
    pub(super) mutation: &'a Mutation,
    pub(super) origin: RegionNumber,
    /// Of the item that its image holds, as rows keep it; 0 for a delete.
    size: u64,
    /// The decoded image, once it was wanted.
    item: OnceCell<Item>,
    /// Its causal context as records hold it.
    context: Bytes,
}

impl Incoming<'_> {
    /// The decoded image; `None` for a delete.
    fn item(&self) -> Result<Option<&Item>, CodecError> {
        let Some(image) = self.mutation.image.as_deref() else {
            return Ok(None);
        };
        if self.item.get().is_none() {
            let item = decode_item(image)?;
            self.item.get_or_init(|| item);
        }
        Ok(self.item.get())
    }

    /// The state that the mutation left in its region, by the key schema of its table.
    fn state(&self, keys: &KeySchema) -> Result<ItemState, StateError> {
        let mutation = self.mutation;
        let attributes = keys.attributes_of(&mutation.key).unwrap_or_default();
        ItemState::read(
            &mutation.version,
            self.item()?,
            mutation.metadata.as_deref(),
            &attributes,
        )
    }

    /// The same once the batch is being written. That it cannot be read now means that the batch itself
    /// defined the table; then all of the group is undone.
    pub(super) fn known_state(&self, keys: &KeySchema) -> Result<ItemState> {
        self.state(keys)
            .map_err(|error| Fail::Group(malformed(self.mutation, &error)))
    }

    /// The decoded image once the batch is being written, as [`Incoming::known_state`] has the state.
    fn known_item(&self) -> Result<Option<&Item>> {
        self.item()
            .map_err(|error| Fail::Group(malformed(self.mutation, &error)))
    }

    fn record(&self, flags: RecordFlags, previous: Option<u64>, merged: Option<&Merged>) -> Record {
        let mutation = self.mutation;
        Record {
            head: RecordHead {
                position: 0,
                table: 0,
                origin: self.origin,
                sequence: mutation.version.sequence,
                time: mutation.version.time.as_u64(),
                flags,
                unit: mutation.unit,
                previous,
            },
            key: mutation.key.clone(),
            context: self.context.clone(),
            image: mutation.image.clone(),
            metadata: mutation.metadata.clone(),
            merged: merged.map(|merged| merged.row.clone()),
        }
    }
}

fn malformed(mutation: &Mutation, what: &dyn std::fmt::Display) -> StoreError {
    StoreError::Malformed {
        origin: mutation.origin().clone(),
        what: what.to_string(),
    }
}

/// Whether a region in that state still wants a mutation, as far as that can be said without its item.
pub(super) fn wants(state: &State, mutation: &Mutation, kind: RemoteKind) -> bool {
    let Some(table) = state.tables().get(&mutation.table) else {
        return false;
    };
    let covered = table.progress.vector().covers(&mutation.version);
    mutation.table != TableId::LOCAL
        && match kind {
            // What is under way when a table is re-bootstrapped follows on rows that went.
            RemoteKind::Stream => !covered && table.bootstrapped,
            RemoteKind::Repair => covered,
            RemoteKind::Copy => true,
        }
}

impl Group<'_> {
    /// Applies a batch: all of it or nothing.
    pub(super) fn apply(&mut self, batch: &RemoteBatch) -> Result<Applied> {
        let batch = &*self.without_dropped(batch);
        self.check_clocks(batch)?;
        let incoming = self.read_batch(batch)?;
        let mut applied = Applied {
            skipped: batch.mutations.len() - incoming.len(),
            ..Applied::default()
        };
        let mut redefined = Vec::new();
        let mut is_missing = false;
        for incoming in &incoming {
            match self.apply_one(incoming, batch.kind, &mut applied) {
                // The next may need something, too.
                Err(Fail::Missing) => is_missing = true,
                done => done?,
            }
            if is_missing {
                continue;
            }
            if Home::of(incoming.mutation.table).is_some() {
                redefined.push((incoming.mutation.table, &incoming.mutation.key));
            }
            if incoming.mutation.unit.last == incoming.mutation.version.sequence {
                self.reinterpret(redefined.drain(..))?;
            }
        }
        if batch.kind == RemoteKind::Copy {
            for (table, key, stamp) in &batch.obsolete {
                match self.remove_obsolete(*table, key, stamp) {
                    Err(Fail::Missing) => is_missing = true,
                    done => done?,
                }
                redefined.push((*table, key));
            }
        }
        if is_missing {
            return Err(Fail::Missing);
        }
        self.reinterpret(redefined.drain(..))?;
        let redefines = |mutation: &Mutation| mutation.table == TableId::CATALOG;
        if batch.mutations.iter().any(redefines) || !batch.obsolete.is_empty() {
            self.restart_dropped()?;
        }
        self.advance(batch)?;
        Ok(applied)
    }

    /// The batch without what its sender must not send, since the others dropped its replica: it may be older
    /// than what they collected.
    fn without_dropped<'b>(&self, batch: &'b RemoteBatch) -> Cow<'b, RemoteBatch> {
        let Some(from) = &batch.from else {
            return Cow::Borrowed(batch);
        };
        let is_dropped = |table: &TableId| {
            let definition = self.state.definitions().get(table);
            definition.is_some_and(|definition| definition.is_dropped(from))
        };
        let tables = batch.mutations.iter().map(|mutation| mutation.table);
        let tables = tables.chain(batch.progress.iter().map(|(table, _, _)| *table));
        let dropped: BTreeSet<TableId> = tables.filter(is_dropped).collect();
        if dropped.is_empty() {
            return Cow::Borrowed(batch);
        }
        let mut batch = batch.clone();
        batch.mutations.retain(|mutation| !dropped.contains(&mutation.table));
        batch.progress.retain(|(table, _, _)| !dropped.contains(table));
        batch.obsolete.retain(|(table, _, _)| !dropped.contains(table));
        Cow::Owned(batch)
    }

    /// Refuses the whole batch where one of its writes is from too far in the future.
    fn check_clocks(&self, batch: &RemoteBatch) -> Result<()> {
        for mutation in &batch.mutations {
            let known = self.state.tables().contains_key(&mutation.table);
            if known && batch.kind == RemoteKind::Stream && !wants(&self.state, mutation, batch.kind) {
                continue;
            }
            let checked = self.state.clock.check(mutation.version.time, self.environment.now_ms);
            let Err(error) = checked else {
                continue;
            };
            let origin = mutation.origin().clone();
            return Err(Fail::Command(match error {
                ClockError::TooFarAhead { ahead_ms, limit_ms } => StoreError::Quarantined {
                    origin,
                    ahead_ms,
                    limit_ms,
                },
                ClockError::Exhausted => StoreError::Database(error.to_string()),
            }));
        }
        Ok(())
    }

    /// Decodes what this region wants of the batch, so that nothing is written where something cannot be
    /// read. Tables that the batch itself defines are not known yet; their mutations are kept and looked at
    /// again in their turn.
    fn read_batch<'b>(&mut self, batch: &'b RemoteBatch) -> Result<Vec<Incoming<'b>>> {
        let defines = batch
            .mutations
            .iter()
            .any(|mutation| mutation.table == TableId::CATALOG);
        let mut incoming = Vec::with_capacity(batch.mutations.len());
        for mutation in &batch.mutations {
            if !defines && !wants(&self.state, mutation, batch.kind) {
                continue;
            }
            let refused = |what: &dyn std::fmt::Display| Fail::Command(malformed(mutation, what));
            let size = mutation.image.as_deref().map(encoded_item_size).transpose();
            let size = size.map_err(|error| refused(&error))?;
            let read = Incoming {
                mutation,
                origin: 0,
                size: size.map_or(0, live_size),
                item: OnceCell::new(),
                context: Bytes::new(),
            };
            if !(mutation.unit.first..=mutation.unit.last).contains(&mutation.version.sequence) {
                return Err(refused(&"its unit does not contain it"));
            }
            // Without metadata the image says everything.
            if let Some(table) = self.state.tables().get(&mutation.table)
                && mutation.metadata.is_some()
            {
                read.state(&table.keys).map_err(|error| refused(&error))?;
            }
            incoming.push(read);
        }
        // Regions get their numbers only now that nothing can be refused any more.
        for incoming in &mut incoming {
            incoming.origin = self.region_number(incoming.mutation.origin())?;
            incoming.context = self.encode_vector(&incoming.mutation.vector)?;
        }
        Ok(incoming)
    }

    fn apply_one(&mut self, incoming: &Incoming<'_>, kind: RemoteKind, applied: &mut Applied) -> Result<()> {
        let mutation = incoming.mutation;
        if !wants(&self.state, mutation, kind) {
            applied.skipped += 1;
            return Ok(());
        }
        let row_key = self.table(mutation.table)?.row_key(&mutation.key);
        let current = self.item_row(&row_key)?;
        if self.is_ignored(mutation, kind, current.as_ref()) {
            return self.count(incoming, kind);
        }
        // It passed the check. It is not checked again: a later local write must not get a version below the
        // one that it replaces.
        self.state.clock.take_in(mutation.version.time);
        let (reconciled, conflicts) = self.reconcile_with(incoming, &row_key, current.as_ref())?;
        match reconciled {
            Reconciled::Newer | Reconciled::Merged(_) => applied.newer += 1,
            Reconciled::Stale => applied.stale += 1,
            Reconciled::Same => applied.skipped += 1,
        }
        applied.conflicts += conflicts;
        let mut flags = RecordFlags::from(mutation.cause);
        if kind != RemoteKind::Stream {
            flags = flags.with(RecordFlags::UNORDERED);
        }
        match reconciled {
            Reconciled::Newer => self.put_incoming(incoming, &row_key, flags, current.as_ref(), None)?,
            Reconciled::Merged(merged) => {
                self.put_incoming(incoming, &row_key, flags, current.as_ref(), Some(&merged))?;
            }
            // The vector will cover it, so those that this region relays to must be able to get it here.
            Reconciled::Stale | Reconciled::Same if kind == RemoteKind::Stream => {
                let record = incoming.record(flags.with(RecordFlags::STALE), None, None);
                self.append(mutation.table, record, &mutation.vector)?;
            }
            Reconciled::Stale | Reconciled::Same => {}
        }
        self.count(incoming, kind)
    }

    /// Writes a mutation that changes the current row: to what it says itself, or to what both were merged
    /// into.
    fn put_incoming(
        &mut self,
        incoming: &Incoming<'_>,
        row_key: &[u8],
        flags: RecordFlags,
        current: Option<&ItemRow>,
        merged: Option<&Merged>,
    ) -> Result<()> {
        let mutation = incoming.mutation;
        let (size, after) = match merged {
            Some(merged) => (row_size(merged.item.as_ref()), merged.item.as_ref()),
            None if self.table(mutation.table)?.indexes.is_empty() => (incoming.size, None),
            None => (incoming.size, incoming.known_item()?),
        };
        let state = match merged {
            Some(merged) => merged.state,
            None if mutation.metadata.is_none() => 0,
            None => incoming.known_state(&self.table(mutation.table)?.keys)?.hash(),
        };
        let record = incoming.record(flags, current.map(|row| row.position), merged);
        self.put_version(
            mutation.table,
            row_key,
            record,
            &mutation.vector,
            &NewRow {
                size,
                state,
                after,
                current,
                before: None,
            },
        )
    }

    /// Moves the vector over a mutation of a stream. A region that lost its disk meets its own old writes
    /// here, whose numbers it must not use again.
    fn count(&mut self, incoming: &Incoming<'_>, kind: RemoteKind) -> Result<()> {
        let sequence = incoming.mutation.version.sequence;
        if incoming.origin == self.state.regions.own() {
            self.state.sequence = self.state.sequence.max(sequence);
        }
        let regions = self.state.regions.clone();
        if let (RemoteKind::Stream, Some(table)) = (kind, self.state.table_mut(incoming.mutation.table)) {
            table.progress.advance(&regions, incoming.origin, sequence)?;
        }
        Ok(())
    }

    /// Removes a row that a copy's source deleted and collected, where it still has the version that the
    /// source covers. Its record in the log goes when the log is trimmed, if it is not below the trimmed part
    /// already.
    fn remove_obsolete(&mut self, id: TableId, key: &KeyBytes, stamp: &Stamp) -> Result<()> {
        let Some(table) = self.state.tables().get(&id).filter(|_| id != TableId::LOCAL) else {
            return Ok(());
        };
        let row_key = table.row_key(key);
        let Some(row) = self.item_row(&row_key)? else {
            return Ok(());
        };
        if row.stamp(self.state.regions.names())? == *stamp {
            self.remove_row(id, key, &row_key, &row)?;
            if row.is_live() && self.state.streams.open(id).is_some() {
                self.append_removal(id, key, &row)?;
            } else if row.position <= self.state.log.trimmed {
                self.writes.trimmed.insert(row.position);
            }
        }
        Ok(())
    }

    /// Logs that an item went without a delete, for streams alone.
    fn append_removal(&mut self, id: TableId, key: &KeyBytes, row: &ItemRow) -> Result<()> {
        let time = beringia_clock::HybridTime::from_parts(self.environment.now_ms, 0);
        let record = Record {
            head: RecordHead {
                position: 0,
                table: 0,
                origin: row.origin,
                sequence: row.sequence,
                time: time.as_u64(),
                flags: RecordFlags::UNORDERED.with(RecordFlags::REMOVAL),
                unit: Unit {
                    first: row.sequence,
                    last: row.sequence,
                },
                previous: Some(row.position),
            },
            key: key.clone(),
            context: Bytes::new(),
            image: None,
            metadata: None,
            merged: None,
        };
        self.append(id, record, &VersionVector::default()).map(drop)
    }

    /// Takes in what the batch says beyond its rows.
    fn advance(&mut self, batch: &RemoteBatch) -> Result<()> {
        for (id, region, sequence) in &batch.progress {
            let held = self.state.tables().get(id).filter(|_| *id != TableId::LOCAL);
            if held.is_none_or(|table| !table.bootstrapped && batch.kind != RemoteKind::Copy) {
                continue;
            }
            let is_former = |table: &TableState| batch.holding.is_some_and(|holding| holding != table.number);
            if held.is_some_and(|table| is_former(table)) {
                tracing::info!(
                    region = %self.environment.region, table = %id,
                    "the end of a copy is not taken: the replica was re-bootstrapped since it began"
                );
                continue;
            }
            let origin = self.region_number(region)?;
            if origin == self.state.regions.own() {
                self.state.sequence = self.state.sequence.max(*sequence);
            }
            let regions = self.state.regions.clone();
            let table = self.table_mut(*id)?;
            table.progress.advance(&regions, origin, *sequence)?;
            if batch.kind != RemoteKind::Copy {
                continue;
            }
            table.progress.raise_low_watermark(origin, *sequence);
            if !table.bootstrapped {
                table.bootstrapped = true;
                table.changed = true;
                tracing::info!(region = %self.environment.region, table = %id, "the copy of a table is complete");
                self.reconcile_stream(*id)?;
                self.state.refresh_catalog(*id);
            }
        }
        Ok(())
    }

    /// A vector as records hold it.
    pub(super) fn encode_vector(&mut self, vector: &VersionVector) -> Result<Bytes> {
        let mut entries = Vec::new();
        for (region, sequence) in vector.iter() {
            entries.push((self.region_number(region)?, sequence));
        }
        Ok(encode_context(entries.into_iter()))
    }

    /// A region's number, given now where it has none.
    pub(super) fn region_number(&mut self, region: &beringia_item::Region) -> Result<RegionNumber> {
        Ok(self.state.regions.number(region, &mut self.writes)?)
    }
}
