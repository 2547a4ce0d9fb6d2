//! Applying other regions' mutations: newer ones replace, concurrent ones are journalled, nothing is applied twice.

use std::{borrow::Cow, cell::OnceCell, collections::BTreeSet};

use beringia_clock::{ClockError, HybridClock, HybridTime};
use beringia_item::{
    CodecError, Item, ItemState, KeyBytes, KeySchema, Mutation, Stamp, StateError, TableId, Unit, VersionVector,
    decode_item, encoded_item_size,
};

use super::{
    Group,
    meet::Union,
    write::{NewVersion, live_size, row_size},
};
use crate::{
    Applied, RemoteBatch, RemoteKind, StoreError,
    sqlite::{
        fail::{Fail, Result},
        layout::{RegionNumber, cause_flags, encode_vector, flag},
        records::{self, ItemRow, NewRecord},
        state::{Home, TableState},
    },
};

/// What a mutation is to the item that it meets.
pub(super) enum Meeting {
    /// What it left in its region becomes what stands here.
    Newer,
    /// It and what stands become something else.
    Joined(Box<Union>),
    /// It changes nothing of what stands.
    Stale,
    /// It is what stands.
    Same,
}

/// A mutation that was read, before it is applied.
pub(super) struct Incoming<'a> {
    pub(super) mutation: &'a Mutation,
    pub(super) origin: RegionNumber,
    /// Of the item that its image holds, as rows keep it; 0 for a delete.
    size: u64,
    /// The decoded image, once somebody wanted it.
    item: OnceCell<Item>,
    pub(super) vector: Vec<u8>,
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

    /// The same once the batch is being written. That it cannot be read now means that the batch itself defined the table; then all
    /// of it is undone.
    pub(super) fn known_state(&self, keys: &KeySchema) -> Result<ItemState> {
        self.state(keys)
            .map_err(|error| Fail::Group(malformed(self.mutation, &error).into()))
    }

    /// The decoded image once the batch is being written, as [`Incoming::known_state`] has the state.
    fn known_item(&self) -> Result<Option<&Item>> {
        self.item()
            .map_err(|error| Fail::Group(malformed(self.mutation, &error).into()))
    }
}

fn malformed(mutation: &Mutation, what: &dyn std::fmt::Display) -> Fail {
    Fail::Command(StoreError::Malformed {
        origin: mutation.origin().clone(),
        what: what.to_string(),
    })
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
        for incoming in &incoming {
            self.apply_one(incoming, batch.kind, &mut applied)?;
            if Home::of(incoming.mutation.table).is_some() {
                redefined.push((incoming.mutation.table, &incoming.mutation.key));
            }
            if incoming.mutation.unit.last == incoming.mutation.version.sequence {
                self.reinterpret(redefined.drain(..))?;
            }
        }
        if batch.kind == RemoteKind::Copy {
            for (table, key, stamp) in &batch.obsolete {
                self.remove_obsolete(*table, key, stamp)?;
                redefined.push((*table, key));
            }
        }
        self.reinterpret(redefined.drain(..))?;
        if batch
            .mutations
            .iter()
            .any(|mutation| mutation.table == TableId::CATALOG)
            || !batch.obsolete.is_empty()
        {
            self.begin_dropped_anew()?;
        }
        self.advance(batch)?;
        Ok(applied)
    }

    /// The batch without what its sender must not send, since the others dropped its replica: it may be older than what they forgot.
    fn without_dropped<'b>(&self, batch: &'b RemoteBatch) -> Cow<'b, RemoteBatch> {
        let Some(from) = &batch.from else {
            return Cow::Borrowed(batch);
        };
        let is_dropped = |table: &TableId| {
            let definition = self.state.definitions.get(table);
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

    /// Whether this region still wants the mutation, as far as that can be said without looking at its item.
    fn wants(&self, mutation: &Mutation, kind: RemoteKind) -> bool {
        let Some(table) = self.state.tables.get(&mutation.table) else {
            return false;
        };
        let covered = table.progress.vector().covers(&mutation.version);
        mutation.table != TableId::LOCAL
            && match kind {
                // What is under way when a table begins anew follows on rows that went.
                RemoteKind::Stream => !covered && table.joined,
                RemoteKind::Repair => covered,
                RemoteKind::Copy => true,
            }
    }

    /// Refuses the whole batch where one of its writes is from too far in the future.
    fn check_clocks(&self, batch: &RemoteBatch) -> Result<()> {
        for mutation in &batch.mutations {
            let known = self.state.tables.contains_key(&mutation.table);
            if known && batch.kind == RemoteKind::Stream && !self.wants(mutation, batch.kind) {
                continue;
            }
            let Err(error) = self.state.clock.check(mutation.version.time) else {
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

    /// Decodes what this region wants of the batch, so that nothing is written where something cannot be read. Tables that the
    /// batch itself defines are not known yet; their mutations are kept and looked at again in their turn.
    fn read_batch<'b>(&mut self, batch: &'b RemoteBatch) -> Result<Vec<Incoming<'b>>> {
        let defines = batch
            .mutations
            .iter()
            .any(|mutation| mutation.table == TableId::CATALOG);
        let mut incoming = Vec::with_capacity(batch.mutations.len());
        for mutation in &batch.mutations {
            if !defines && !self.wants(mutation, batch.kind) {
                continue;
            }
            let size = mutation.image.as_deref().map(encoded_item_size).transpose();
            let size = size.map_err(|error| malformed(mutation, &error))?;
            let read = Incoming {
                mutation,
                origin: 0,
                size: size.map_or(0, live_size),
                item: OnceCell::new(),
                vector: Vec::new(),
            };
            if !(mutation.unit.first..=mutation.unit.last).contains(&mutation.version.sequence) {
                return Err(malformed(mutation, &"its unit does not contain it"));
            }
            // Without metadata the image says everything.
            if let Some(table) = self.state.tables.get(&mutation.table)
                && mutation.metadata.is_some()
            {
                read.state(&table.keys).map_err(|error| malformed(mutation, &error))?;
            }
            incoming.push(read);
        }
        // Regions get their numbers only now that nothing can be refused any more.
        for incoming in &mut incoming {
            incoming.origin = self.region_number(incoming.mutation.origin())?;
            incoming.vector = self.encode_vector(&incoming.mutation.vector)?;
        }
        Ok(incoming)
    }

    fn apply_one(&mut self, incoming: &Incoming<'_>, kind: RemoteKind, applied: &mut Applied) -> Result<()> {
        let mutation = incoming.mutation;
        if !self.wants(mutation, kind) {
            applied.skipped += 1;
            return Ok(());
        }
        let row_key = self.table_mut(mutation.table)?.row_key(&mutation.key);
        if self.is_ignored(mutation, kind, &row_key)? {
            return self.count(incoming, kind);
        }
        self.witness(mutation.version.time);
        let current = ItemRow::find(self.connection, &row_key)?;
        let (meeting, conflicts) = self.meet(incoming, current.as_ref())?;
        match meeting {
            Meeting::Newer | Meeting::Joined(_) => applied.newer += 1,
            Meeting::Stale => applied.stale += 1,
            Meeting::Same => applied.skipped += 1,
        }
        applied.conflicts += conflicts;
        let ordered = if kind == RemoteKind::Stream { 0 } else { flag::UNORDERED };
        let flags = cause_flags(mutation.cause) | ordered;
        match meeting {
            Meeting::Newer => self.put_incoming(incoming, &row_key, flags, current.as_ref(), None)?,
            Meeting::Joined(union) => self.put_incoming(incoming, &row_key, flags, current.as_ref(), Some(&union))?,
            // The vector will cover it, so those that this region relays to must be able to get it here.
            Meeting::Stale | Meeting::Same if kind == RemoteKind::Stream => self.append_stale(incoming, flags)?,
            Meeting::Stale | Meeting::Same => {}
        }
        self.count(incoming, kind)
    }

    /// Writes a mutation that changes what stands: to what it says itself, or to its union with what stood.
    fn put_incoming(
        &mut self,
        incoming: &Incoming<'_>,
        row_key: &[u8],
        flags: i64,
        current: Option<&ItemRow>,
        union: Option<&Union>,
    ) -> Result<()> {
        let mutation = incoming.mutation;
        let (size, after) = match union {
            Some(union) => (row_size(union.item.as_ref()), union.item.as_ref()),
            None if self.table(mutation.table)?.indexes.is_empty() => (incoming.size, None),
            None => (incoming.size, incoming.known_item()?),
        };
        let state = match union {
            Some(union) => union.state,
            None if mutation.metadata.is_none() => 0,
            None => incoming.known_state(&self.table(mutation.table)?.keys)?.hash(),
        };
        self.put_version(
            mutation.table,
            &NewVersion {
                key: &mutation.key,
                row_key,
                origin: incoming.origin,
                sequence: mutation.version.sequence,
                time: mutation.version.time.as_u64(),
                flags,
                unit: mutation.unit,
                vector: &incoming.vector,
                image: mutation.image.as_ref(),
                metadata: mutation.metadata.as_ref(),
                joined: union.map(|union| &union.joined),
                size,
                after,
                state,
                current,
                before: None,
            },
        )
    }

    /// Takes in a time that [`Group::check_clocks`] let pass. It is not checked again: were the wall clock set back meanwhile,
    /// a later local write could get a version below the one that it replaces.
    fn witness(&mut self, time: HybridTime) {
        let clock = &mut self.state.clock;
        if time > clock.upper_bound() {
            *clock = HybridClock::restore(clock.wall().clone(), time, clock.max_offset_ms());
        }
    }

    /// Logs a mutation that does not become current.
    fn append_stale(&mut self, incoming: &Incoming<'_>, flags: i64) -> Result<()> {
        let mutation = incoming.mutation;
        let Self { connection, state, .. } = self;
        let Some(table) = state.tables.get_mut(&mutation.table) else {
            return Ok(());
        };
        let record = NewRecord {
            origin: incoming.origin,
            sequence: mutation.version.sequence,
            time: mutation.version.time.as_u64(),
            flags: flags | flag::STALE,
            unit: mutation.unit,
            previous: None,
            key: &mutation.key,
            vector: &incoming.vector,
            image: mutation.image.as_ref(),
            metadata: mutation.metadata.as_ref(),
            joined: None,
        };
        state.log.append(connection, &state.regions, table, &record)?;
        Ok(())
    }

    /// Moves the vector over a mutation of a stream. A region that lost its disk meets its own old writes here, whose numbers it
    /// must not use again.
    fn count(&mut self, incoming: &Incoming<'_>, kind: RemoteKind) -> Result<()> {
        let sequence = incoming.mutation.version.sequence;
        if incoming.origin == self.state.regions.own() {
            self.state.sequence = self.state.sequence.max(sequence);
        }
        let state = &mut *self.state;
        if let (RemoteKind::Stream, Some(table)) = (kind, state.tables.get_mut(&incoming.mutation.table)) {
            table.progress.advance(&state.regions, incoming.origin, sequence)?;
        }
        Ok(())
    }

    /// Removes a row that a copy's source deleted and forgot, where it still has the stamp that the source knew of. Its record in
    /// the log goes when the log is trimmed, if it is not below the trimmed part already.
    fn remove_obsolete(&mut self, id: TableId, key: &KeyBytes, stamp: &Stamp) -> Result<()> {
        let Some(table) = self.state.tables.get(&id).filter(|_| id != TableId::LOCAL) else {
            return Ok(());
        };
        let row_key = table.row_key(key);
        let Some(row) = ItemRow::find(self.connection, &row_key)? else {
            return Ok(());
        };
        if row.stamp(self.state.regions.names())? == *stamp {
            self.remove_row(id, key, &row_key, &row)?;
            if row.live() && self.state.streams.open(id).is_some() {
                self.append_removal(id, key, &row)?;
            } else if row.position <= self.state.log.trimmed {
                records::delete_record(self.connection, row.position)?;
            }
        }
        Ok(())
    }

    /// Logs that an item went without a delete, for streams alone.
    fn append_removal(&mut self, id: TableId, key: &KeyBytes, row: &ItemRow) -> Result<()> {
        let Self { connection, state, .. } = self;
        let now_ms = state.clock.wall().now_ms();
        let Some(table) = state.tables.get_mut(&id) else {
            return Ok(());
        };
        let record = NewRecord {
            origin: row.origin,
            sequence: row.sequence,
            time: HybridTime::from_parts(now_ms, 0).as_u64(),
            flags: flag::UNORDERED | flag::REMOVAL,
            unit: Unit {
                first: row.sequence,
                last: row.sequence,
            },
            previous: Some(row.position),
            key,
            vector: &[],
            image: None,
            metadata: None,
            joined: None,
        };
        state.log.append(connection, &state.regions, table, &record)?;
        Ok(())
    }

    /// Takes in what the batch says beyond its rows.
    fn advance(&mut self, batch: &RemoteBatch) -> Result<()> {
        for (id, region, sequence) in &batch.progress {
            let held = self.state.tables.get(id).filter(|_| *id != TableId::LOCAL);
            if held.is_none_or(|table| !table.joined && batch.kind != RemoteKind::Copy) {
                continue;
            }
            let is_former = |table: &TableState| batch.holding.is_some_and(|holding| holding != table.number);
            if held.is_some_and(is_former) {
                tracing::info!(region = %self.shared.region, table = %id, "the end of a copy is not taken: the table is held anew since it began");
                continue;
            }
            let origin = self.region_number(region)?;
            let state = &mut *self.state;
            if origin == state.regions.own() {
                state.sequence = state.sequence.max(*sequence);
            }
            let Some(table) = state.tables.get_mut(id) else {
                continue;
            };
            table.progress.advance(&state.regions, origin, *sequence)?;
            if batch.kind != RemoteKind::Copy {
                continue;
            }
            table.progress.raise_floor(origin, *sequence);
            if !table.joined {
                table.joined = true;
                tracing::info!(region = %self.shared.region, table = %id, "the copy of a table is complete");
                self.reconcile_stream(*id)?;
                self.state.refresh_catalog(*id);
            }
        }
        Ok(())
    }

    pub(super) fn table(&self, id: TableId) -> Result<&TableState> {
        self.state
            .tables
            .get(&id)
            .ok_or(Fail::Command(StoreError::UnknownTable(id)))
    }

    pub(super) fn table_mut(&mut self, id: TableId) -> Result<&mut TableState> {
        self.state
            .tables
            .get_mut(&id)
            .ok_or(Fail::Command(StoreError::UnknownTable(id)))
    }

    /// A vector as records hold it.
    pub(super) fn encode_vector(&mut self, vector: &VersionVector) -> Result<Vec<u8>> {
        let mut entries = Vec::new();
        for (region, sequence) in vector.iter() {
            entries.push((self.region_number(region)?, sequence));
        }
        Ok(encode_vector(entries.into_iter()))
    }

    /// A region's number. Readers learn a new one before the first row that uses it.
    pub(super) fn region_number(&mut self, region: &beringia_item::Region) -> Result<RegionNumber> {
        let known = self.state.regions.names().len();
        let number = self.state.regions.number(self.connection, region)?;
        if self.state.regions.names().len() > known {
            self.shared.names.store(self.state.regions.names().clone());
        }
        Ok(number)
    }
}
