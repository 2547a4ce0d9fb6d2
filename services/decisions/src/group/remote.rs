//! Applies other regions' mutations: newer ones replace the current version, conflicts are
//! journalled, and nothing is applied twice.

use std::{borrow::Cow, cell::OnceCell, collections::BTreeSet};

use beringia_clock::ClockError;
use beringia_item::{KeyBytes, KeySchema, Mutation, Origin, RowFingerprint, TableId, Transaction, VersionVector};
use beringia_storage::{
    Applied, RemoteBatch, RemoteKind, StoreError,
    backend::{ItemRow, LogRecord, OriginNumber, RecordFlags, RecordHead},
};
use bytes::Bytes;

use super::{
    event::StoreEvent,
    incoming::{self, Incoming, malformed},
    reconcile::{Merged, Reconciled},
    workspace::{Fail, Group, Misses, Result},
    write::{NewRow, row_size},
};
use crate::{
    layout::encode_context,
    state::{Home, State, TableState},
};

/// Whether a region in this state still needs a mutation, as far as can be decided without its
/// item.
pub(super) fn wants(state: &State, mutation: &Mutation, kind: RemoteKind) -> bool {
    let Some(table) = state.tables().get(&mutation.table) else {
        return false;
    };
    let covered = table.progress.vector().covers(&mutation.version);
    mutation.table != TableId::LOCAL
        && match kind {
            // Mutations in transit when a table is re-bootstrapped refer to rows that are gone.
            RemoteKind::Stream => !covered && table.bootstrapped,
            RemoteKind::Repair => covered,
            RemoteKind::Copy => true,
        }
}

impl Group<'_> {
    /// Applies a batch of other regions' mutations, wholly or not at all. Refuses it if one of its
    /// writes is from too far in the future, cannot be read, or is written to another key than its
    /// item has.
    pub(super) fn apply(&mut self, batch: &RemoteBatch) -> Result<Applied> {
        let batch = &*self.without_dropped(batch);
        self.check_clocks(batch)?;
        let incoming = self.read_batch(batch)?;
        let mut applied = Applied {
            skipped: batch.mutations.len() - incoming.len(),
            ..Applied::default()
        };
        let mut redefined = Vec::new();
        let mut misses = Misses::default();
        for incoming in &incoming {
            misses.note(self.apply_one(incoming, batch.kind, &mut applied))?;
            if misses.any() {
                continue;
            }
            if Home::of(incoming.mutation.table).is_some() {
                redefined.push((incoming.mutation.table, &incoming.mutation.key));
            }
            if incoming.mutation.transaction.last == incoming.mutation.version.sequence {
                self.reinterpret(redefined.drain(..))?;
            }
        }
        if batch.kind == RemoteKind::Copy {
            for (table, key, fingerprint) in &batch.obsolete {
                misses.note(self.remove_obsolete(*table, key, fingerprint))?;
                redefined.push((*table, key));
            }
        }
        misses.check()?;
        self.reinterpret(redefined.drain(..))?;
        let redefines = |mutation: &Mutation| mutation.table == TableId::CATALOG;
        if batch.mutations.iter().any(redefines) || !batch.obsolete.is_empty() {
            self.restart_dropped()?;
        }
        self.advance(batch)?;
        Ok(applied)
    }

    /// The batch without the tables for which the sender's replica was dropped: its mutations may
    /// be older than tombstones that the others have collected.
    fn without_dropped<'b>(&self, batch: &'b RemoteBatch) -> Cow<'b, RemoteBatch> {
        let Some(from) = &batch.from else {
            return Cow::Borrowed(batch);
        };
        let mutated = batch.mutations.iter().map(|mutation| mutation.table);
        let advanced = batch.progress.iter().map(|(table, _, _)| *table);
        let emptied = batch.obsolete.iter().map(|(table, _, _)| *table);
        let mut dropped: BTreeSet<TableId> = mutated.chain(advanced).chain(emptied).collect();
        let definitions = self.state.definitions();
        dropped.retain(|table| {
            let definition = definitions.get(table);
            definition.is_some_and(|definition| definition.is_dropped(from))
        });
        if dropped.is_empty() {
            return Cow::Borrowed(batch);
        }
        let mut batch = batch.clone();
        batch.mutations.retain(|mutation| !dropped.contains(&mutation.table));
        batch.progress.retain(|(table, _, _)| !dropped.contains(table));
        batch.obsolete.retain(|(table, _, _)| !dropped.contains(table));
        Cow::Owned(batch)
    }

    /// Refuses the whole batch if one of its writes is from too far in the future.
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
                ClockError::WallClockBehind(_) | ClockError::Exhausted => StoreError::Database(error.to_string()),
            }));
        }
        Ok(())
    }

    /// Checks the mutations of the batch that this region needs, so that nothing is written if one
    /// cannot be read. Tables that the batch itself defines are not known yet; their mutations are
    /// kept and checked again in their turn.
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
            let table = self.state.tables().get(&mutation.table);
            let size = self.checked_size(mutation, table.map(|table| &*table.keys));
            let read = Incoming {
                mutation,
                origin: 0,
                size: size.map_err(|error| refused(&error))?,
                has_checked_key: table.is_some(),
                item: OnceCell::new(),
                context: Bytes::new(),
            };
            if !(mutation.transaction.first..=mutation.transaction.last).contains(&mutation.version.sequence) {
                return Err(refused(&"its transaction does not contain its sequence"));
            }
            // Without metadata the image is the whole state.
            if let Some(table) = table
                && mutation.metadata.is_some()
            {
                read.state(&table.keys).map_err(|error| refused(&error))?;
            }
            incoming.push(read);
        }
        // Origins get their numbers only now, when nothing can be refused any more.
        for incoming in &mut incoming {
            incoming.origin = self.origin_number(incoming.mutation.origin())?;
            incoming.context = self.encode_vector(&incoming.mutation.causal_context)?;
        }
        Ok(incoming)
    }

    /// As [`incoming::checked_size`]; the reason for a failure names the table.
    fn checked_size(&self, mutation: &Mutation, keys: Option<&KeySchema>) -> Result<u64, String> {
        incoming::checked_size(mutation, keys).map_err(|what| {
            let id = mutation.table;
            let definition = self.state.definitions().get(&id);
            let core = definition.and_then(|definition| definition.core());
            let table = core.map_or_else(|| id.to_string(), |core| core.name.clone());
            format!("in table {table}, {what}")
        })
    }

    fn apply_one(&mut self, incoming: &Incoming<'_>, kind: RemoteKind, applied: &mut Applied) -> Result<()> {
        let mutation = incoming.mutation;
        if !wants(&self.state, mutation, kind) {
            applied.skipped += 1;
            return Ok(());
        }
        let table = self.table(mutation.table)?;
        if !incoming.has_checked_key {
            self.checked_size(mutation, Some(&table.keys))
                .map_err(|error| Fail::Written(malformed(mutation, &error)))?;
        }
        let row_key = table.row_key(&mutation.key);
        let current = self.item_row(&row_key)?;
        if self.is_ignored(mutation, kind, current.as_ref()) {
            return self.count(incoming, kind);
        }
        // The time has passed the check before. It is not checked again: a later local write must
        // not get a version below the one that it replaces.
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
            // The vector will cover the mutation, so the regions that this region relays to must be
            // able to get it here.
            Reconciled::Stale | Reconciled::Same if kind == RemoteKind::Stream => {
                let mut record = incoming.record(flags.with(RecordFlags::STALE), None, None);
                self.alter_stale_copy(mutation, &mut record);
                self.append(mutation.table, record, &mutation.causal_context)?;
            }
            Reconciled::Stale | Reconciled::Same => {}
        }
        self.count(incoming, kind)
    }

    /// Writes a mutation that changes the current row, either to its own state or to the merged
    /// one.
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
        let record = incoming.record(flags, current.map(|row| row.position), merged.map(|merged| &merged.row));
        self.put_version(
            mutation.table,
            row_key,
            record,
            &mutation.causal_context,
            &NewRow {
                size,
                state,
                after,
                current,
                before: None,
            },
        )
    }

    /// Advances the vector over a mutation of a stream. A region that lost its disk receives its
    /// own earlier writes here, and must not reuse their sequences.
    fn count(&mut self, incoming: &Incoming<'_>, kind: RemoteKind) -> Result<()> {
        let sequence = incoming.mutation.version.sequence;
        if incoming.origin == self.state.origins.own() {
            self.state.sequence = self.state.sequence.max(sequence);
        }
        let origins = self.state.origins.clone();
        if let (RemoteKind::Stream, Some(table)) = (kind, self.state.table_mut(incoming.mutation.table)) {
            table.progress.advance(&origins, incoming.origin, sequence)?;
        }
        Ok(())
    }

    /// Removes a row that a copy's source deleted and collected, if it still has the version that
    /// the source covers. Its log record is removed by trimming, or now if it is below the trimmed
    /// part already.
    fn remove_obsolete(&mut self, id: TableId, key: &KeyBytes, fingerprint: &RowFingerprint) -> Result<()> {
        let Some(table) = self.state.tables().get(&id).filter(|_| id != TableId::LOCAL) else {
            return Ok(());
        };
        let row_key = table.row_key(key);
        let Some(row) = self.item_row(&row_key)? else {
            return Ok(());
        };
        let number = table.number;
        if row.fingerprint(self.state.origins.names())? == *fingerprint {
            self.remove_row(id, key, &row_key, &row)?;
            if row.is_live() && self.state.streams.open(id).is_some() {
                self.append_removal(id, key, &row)?;
            } else if self.state.log.has_passed(number, row.position) {
                self.writes.trimmed.insert(row.position);
            }
        }
        Ok(())
    }

    /// Logs, for streams alone, that an item was removed without a delete.
    fn append_removal(&mut self, id: TableId, key: &KeyBytes, row: &ItemRow) -> Result<()> {
        let time = beringia_clock::HybridTime::from_parts(self.environment.now_ms, 0);
        let record = LogRecord {
            head: RecordHead {
                position: 0,
                table: 0,
                origin: row.origin,
                sequence: row.sequence,
                time: time.as_u64(),
                flags: RecordFlags::UNORDERED.with(RecordFlags::REMOVAL),
                transaction: Transaction {
                    first: row.sequence,
                    last: row.sequence,
                },
                previous: Some(row.position),
                replaced: 0,
            },
            key: key.clone(),
            context: Bytes::new(),
            image: None,
            metadata: None,
            merged: None,
        };
        self.append(id, record, &VersionVector::default()).map(drop)
    }

    /// Applies the progress of a batch.
    fn advance(&mut self, batch: &RemoteBatch) -> Result<()> {
        for (id, origin, sequence) in &batch.progress {
            let held = self.state.tables().get(id).filter(|_| *id != TableId::LOCAL);
            if held.is_none_or(|table| !table.bootstrapped && batch.kind != RemoteKind::Copy) {
                continue;
            }
            let is_former = |table: &TableState| {
                batch
                    .replica_epoch
                    .is_some_and(|replica_epoch| replica_epoch != table.number)
            };
            if held.is_some_and(|table| is_former(table)) {
                self.events.push(StoreEvent::FormerCopyIgnored(*id));
                continue;
            }
            let number = self.origin_number(origin)?;
            if number == self.state.origins.own() {
                self.state.sequence = self.state.sequence.max(*sequence);
            }
            let origins = self.state.origins.clone();
            let table = self.table_mut(*id)?;
            table.progress.advance(&origins, number, *sequence)?;
            if batch.kind != RemoteKind::Copy {
                continue;
            }
            table.progress.raise_low_watermark(number, *sequence);
            if !table.bootstrapped {
                table.bootstrapped = true;
                table.changed = true;
                self.events.push(StoreEvent::Bootstrapped(*id));
                self.reconcile_stream(*id)?;
                self.state.refresh_catalog(*id);
            }
        }
        Ok(())
    }

    /// A vector in the format of records.
    pub(super) fn encode_vector(&mut self, vector: &VersionVector) -> Result<Bytes> {
        let mut entries = Vec::new();
        for (origin, sequence) in vector.iter() {
            entries.push((self.origin_number(origin)?, sequence));
        }
        Ok(encode_context(entries.into_iter()))
    }

    /// An origin's number, assigned now if it has none.
    pub(super) fn origin_number(&mut self, origin: &Origin) -> Result<OriginNumber> {
        Ok(self.state.origins.number(origin, &mut self.writes)?)
    }
}
