//! Local transactions: decided as a whole, then written as a whole.

use std::sync::Arc;

use beringia_clock::ClockError;
use beringia_item::{
    Cause, ConflictPolicy, Item, ItemState, KeyBytes, TableId, Touched, Transaction, Version, VersionVector,
    decode_item, encode_item,
};
use beringia_storage::{
    CommitError, ItemEffect, ItemWrite, Refusal, StoreError, WriteResult,
    backend::{Detail, LogRecord, OriginNumber, RecordHead},
};
use bytes::Bytes;

use super::{
    workspace::{Fail, Group, Misses, Result},
    write::{NewRow, row_size},
};
use crate::{rows::CurrentRow, state::TableState};

/// A write that has been decided.
pub(super) struct LocalWrite {
    pub(super) table: TableId,
    pub(super) key: KeyBytes,
    pub(super) row_key: Vec<u8>,
    pub(super) cause: Cause,
    pub(super) current: Option<CurrentRow>,
    /// The current item, if its image was read.
    pub(super) before: Option<Item>,
    /// The item after the write; `None` for a delete.
    pub(super) after: Option<Arc<Item>>,
    /// The changes of attributes by an update; `None` for a put or a delete.
    pub(super) touched: Option<Touched>,
}

/// The decision about one write of a transaction, before anything is written.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are writes, and a transaction has few"
)]
enum Decided {
    Write(LocalWrite),
    Nothing { before: Option<Item> },
}

/// The metadata and causal context that are written with this region's own write.
struct VersionedWrite {
    metadata: Option<Bytes>,
    /// The hash of the metadata.
    state: u64,
    /// The causal context in the format of records, and by names.
    context: (Bytes, VersionVector),
}

/// A refused write: the reason, and the current item.
type Refused = (Refusal, Option<Item>);

/// How much of a current row a write of this region needs.
pub(super) fn detail_of(table: &TableState, needs_current: bool, knows_others: bool) -> Detail {
    let needs_image = needs_current || !table.indexes.is_empty();
    // A region that has never received from another need not read causal contexts.
    match (needs_image, knows_others) {
        _ if table.policy != ConflictPolicy::Item => Detail::Record,
        (true, true) => Detail::Record,
        (true, false) => Detail::Item,
        (false, true) => Detail::Context,
        (false, false) => Detail::Row,
    }
}

impl Group<'_> {
    /// Carries out a client's transaction.
    pub(super) fn commit_transaction(
        &mut self,
        writes: &mut [ItemWrite],
    ) -> Result<std::result::Result<Vec<WriteResult>, CommitError>> {
        let mut decisions = Vec::with_capacity(writes.len());
        let mut refusals: Vec<Option<Refused>> = Vec::with_capacity(writes.len());
        let mut misses = Misses::default();
        for write in writes {
            let repeated = decisions.iter().any(|decision| match decision {
                Decided::Write(earlier) => earlier.table == write.table && earlier.key == write.key,
                Decided::Nothing { .. } => false,
            });
            if repeated {
                refusals.push(Some((Refusal::Repeated, None)));
                continue;
            }
            match misses.note(self.decide(write))? {
                None => {}
                Some(Ok(decision)) => {
                    decisions.push(decision);
                    refusals.push(None);
                }
                Some(Err(refused)) => refusals.push(Some(refused)),
            }
        }
        misses.check()?;
        if refusals.iter().any(Option::is_some) {
            return Ok(Err(CommitError::Refused(refusals)));
        }
        self.write_decided(decisions).map(Ok)
    }

    /// Decides one write without writing anything.
    fn decide(&self, write: &mut ItemWrite) -> Result<std::result::Result<Decided, Refused>> {
        let id = write.table;
        if id == TableId::CATALOG || id == TableId::LOCAL {
            return Err(Fail::Command(StoreError::UnknownTable(id)));
        }
        let table = self.table(id)?;
        // The rows that it was accepted for may be gone, and those of the next copy not be there.
        if write.replica_epoch.is_some_and(|epoch| epoch != table.number) {
            return Err(Fail::Command(StoreError::UnknownTable(id)));
        }
        let row_key = table.row_key(&write.key);
        let needs_current = write.change.needs_current();
        let knows_others = self.state.origins.names().len() > 1;
        let current = self.current(&row_key, detail_of(table, needs_current, knows_others))?;
        let live = current.as_ref().filter(|current| current.row.is_live());
        let before = match live {
            Some(current) if needs_current => Some(item_of(current, id, &write.key)?),
            _ => None,
        };
        if let Some(refusal) = self.refusal_without_item(write) {
            return Ok(Err((refusal, before)));
        }
        let mut decided = write.change.decide(before.as_ref());
        if let Ok(effect) = &mut decided {
            self.ignore_addition(before.as_ref(), effect);
        }
        let (after, touched) = match decided {
            Err(refusal) => return Ok(Err((refusal, before))),
            Ok(ItemEffect::Put(item)) => (Some(item), None),
            Ok(ItemEffect::Update { item, touched }) => (Some(Arc::new(item)), Some(touched)),
            Ok(ItemEffect::Delete) if live.is_some() => (None, None),
            Ok(ItemEffect::Delete | ItemEffect::Keep) => return Ok(Ok(Decided::Nothing { before })),
        };
        debug_assert!(
            after
                .as_ref()
                .is_none_or(|item| table.keys.key_of(item).as_ref() == Ok(&write.key)),
            "the item that is put has another key than it is put under"
        );
        Ok(Ok(Decided::Write(LocalWrite {
            table: id,
            key: write.key.clone(),
            row_key,
            cause: write.cause,
            current,
            before,
            after,
            touched,
        })))
    }

    fn write_decided(&mut self, decisions: Vec<Decided>) -> Result<Vec<WriteResult>> {
        let mut outcomes = Vec::with_capacity(decisions.len());
        let mut writes = Vec::with_capacity(decisions.len());
        for decision in decisions {
            match decision {
                Decided::Write(write) => {
                    writes.push((outcomes.len(), write));
                    outcomes.push(WriteResult::default());
                }
                Decided::Nothing { before } => outcomes.push(WriteResult {
                    before,
                    ..WriteResult::default()
                }),
            }
        }
        let versions = self.write_transaction(writes.iter().map(|(_, write)| write))?;
        for ((place, write), version) in writes.into_iter().zip(versions) {
            outcomes[place] = WriteResult {
                before: write.before,
                after: write.after,
                version: Some(version),
            };
        }
        Ok(outcomes)
    }

    /// Writes a transaction of this region: one time for all writes, consecutive sequences.
    pub(super) fn write_transaction<'w>(
        &mut self,
        writes: impl ExactSizeIterator<Item = &'w LocalWrite>,
    ) -> Result<Vec<Version>> {
        let count = writes.len() as u64;
        if count == 0 {
            return Ok(Vec::new());
        }
        let ticked = self.state.clock.tick(self.environment.now_ms);
        let time = ticked.map_err(|error| {
            Fail::Command(match error {
                ClockError::WallClockBehind(offset) => StoreError::ClockBehind(offset),
                ClockError::TooFarAhead { .. } | ClockError::Exhausted => StoreError::Database(error.to_string()),
            })
        })?;
        let own = self.state.origins.own();
        let origin = self.state.origins.name(own)?.clone();
        let transaction = Transaction {
            first: self.state.sequence + 1,
            last: self.state.sequence + count,
        };
        self.state.sequence = transaction.last;
        let mut versions = Vec::with_capacity(writes.len());
        let mut misses = Misses::default();
        for (sequence, write) in (transaction.first..).zip(writes) {
            let version = Version {
                time,
                origin: origin.clone(),
                sequence,
            };
            let versioned = self.fingerprint(write, &version)?;
            let record = LogRecord {
                head: RecordHead {
                    position: 0,
                    table: 0,
                    origin: own,
                    sequence,
                    time: time.as_u64(),
                    flags: write.cause.into(),
                    transaction,
                    previous: write.current.as_ref().map(|current| current.row.position),
                    replaced: 0,
                },
                key: write.key.clone(),
                context: versioned.context.0,
                image: write.after.as_deref().map(encode_item),
                metadata: versioned.metadata,
                merged: None,
            };
            let put = self.put_version(
                write.table,
                &write.row_key,
                record,
                &versioned.context.1,
                &NewRow {
                    size: row_size(write.after.as_deref()),
                    state: versioned.state,
                    after: write.after.as_deref(),
                    current: write.current.as_ref().map(|current| &current.row),
                    before: write.before.as_ref(),
                },
            );
            misses.note(put)?;
            let origins = self.state.origins.clone();
            let table = self.table_mut(write.table)?;
            table.progress.advance(&origins, own, sequence)?;
            versions.push(version);
        }
        misses.check()?;
        Ok(versions)
    }

    /// The metadata and causal context of this region's write under the table's policy.
    fn fingerprint(&mut self, write: &LocalWrite, version: &Version) -> Result<VersionedWrite> {
        let table = self.table(write.table)?;
        let policy = table.policy;
        let overwrites = policy == ConflictPolicy::Item || write.touched.is_none();
        let names = self.state.origins.names();
        let current = write.current.as_ref();
        let record = current.and_then(|current| current.record.as_ref().filter(|record| record.is_of(&current.row)));
        let (metadata, state) = if overwrites {
            (None, 0)
        } else {
            let before = record
                .map(|record| record.state(&table.keys, &write.key, names))
                .transpose()?;
            let state = ItemState::written(
                policy,
                before.as_ref(),
                version,
                self.state.own.opened,
                write.after.as_deref(),
                write.touched.as_ref(),
            );
            (state.metadata(), state.hash())
        };
        // The current row may consist of writes, or have replaced writes, that this region has not
        // received from their origins yet. The new write causally depends on them all the same.
        let mut replaced = current.map(covered).transpose()?.unwrap_or_default();
        self.foresee(write.table, &mut replaced);
        let origins = self.state.origins.clone();
        let mut context = self.table_mut(write.table)?.progress.context(&origins, &replaced)?;
        self.forget(write.table, &mut context)?;
        Ok(VersionedWrite {
            metadata,
            state,
            context,
        })
    }
}

/// The causal context of the writes that a row consists of, those writes included. If the record is
/// missing or is another's, only the row's version is known.
fn covered(current: &CurrentRow) -> Result<Vec<(OriginNumber, u64)>> {
    let CurrentRow { row, record, .. } = current;
    match record.as_ref().filter(|record| record.is_of(row)) {
        Some(record) => Ok(record.covered_numbers()?),
        None => Ok(vec![(row.origin, row.sequence)]),
    }
}

/// The current item, which is live and whose image was asked for.
fn item_of(current: &CurrentRow, table: TableId, key: &KeyBytes) -> Result<Item> {
    let Some(image) = current.image() else {
        let key = key.clone();
        return Err(Fail::Command(StoreError::Corrupt { table, key }));
    };
    decode_item(image).map_err(|error| Fail::Command(StoreError::Database(error.to_string())))
}
