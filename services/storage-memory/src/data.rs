//! The ordered maps: reading and writing.

use std::{
    collections::{BTreeMap, btree_map},
    ops::{Bound, ControlFlow},
};

use beringia_storage::{
    StoreError,
    backend::{
        Detail, ItemChange, ItemRow, ItemScanner, ItemVisitor, KeyRange, Keyspace, LogRecord, RecordHead, RowVisitor,
        Snapshot, StoredRecord, Visit, WriteSet,
    },
};

type Map<V> = BTreeMap<Vec<u8>, V>;

/// A record, with its merged row in encoded form.
#[derive(Debug, Clone)]
struct StoredLogRecord {
    record: LogRecord,
    merged: Option<Vec<u8>>,
}

/// The whole contents of the memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Data {
    items: Map<ItemRow>,
    rows: [Map<Vec<u8>>; Keyspace::ALL.len()],
    log: BTreeMap<u64, StoredLogRecord>,
}

impl Data {
    /// Applies the writes of one commit: items, other rows, new and trimmed log records.
    pub(crate) fn write(&mut self, writes: &WriteSet) {
        for (key, change) in &writes.items {
            match change {
                ItemChange::Insert(row) => {
                    let replaced = self.items.insert(key.clone(), *row);
                    debug_assert!(replaced.is_none(), "a row that is inserted was not there");
                }
                ItemChange::Update(row) => {
                    let replaced = self.items.insert(key.clone(), *row);
                    debug_assert!(replaced.is_some(), "a row that is updated was there");
                }
                ItemChange::Delete => drop(self.items.remove(key)),
            }
        }
        for ((keyspace, key), row) in &writes.rows {
            let rows = &mut self.rows[*keyspace as usize];
            match row {
                Some(row) => drop(rows.insert(key.clone(), row.clone())),
                None => drop(rows.remove(key)),
            }
        }
        for record in &writes.records {
            let kept = StoredLogRecord {
                record: record.clone(),
                merged: record.merged.as_ref().map(beringia_storage::backend::MergedRow::encode),
            };
            let position = record.head.position;
            debug_assert!(
                self.log.last_key_value().is_none_or(|(last, _)| *last < position),
                "positions grow"
            );
            self.log.insert(position, kept);
        }
        for position in &writes.trimmed {
            self.log.remove(position);
        }
    }

    fn record_of(&self, row: &ItemRow, detail: Detail) -> Option<&dyn StoredRecord> {
        let kept = self.log.get(&row.position).filter(|_| detail != Detail::Row)?;
        Some(kept)
    }
}

fn range<'m, V>(map: &'m Map<V>, range: &KeyRange) -> Option<btree_map::Range<'m, Vec<u8>, V>> {
    let to = range.to.as_ref();
    // The maps panic on a range that ends before it begins.
    let is_sound = to.is_none_or(|to| range.from <= *to);
    let bounds = (
        Bound::Included(&range.from),
        to.map_or(Bound::Unbounded, Bound::Excluded),
    );
    is_sound.then(|| map.range::<Vec<u8>, _>(bounds))
}

fn visit_all<T>(
    rows: impl DoubleEndedIterator<Item = T>,
    reverse: bool,
    mut visit: impl FnMut(T) -> Visit,
) -> Result<(), StoreError> {
    let mut visit_next = |row| match visit(row) {
        Ok(ControlFlow::Continue(())) => ControlFlow::Continue(()),
        Ok(ControlFlow::Break(())) => ControlFlow::Break(Ok(())),
        Err(error) => ControlFlow::Break(Err(error)),
    };
    let mut rows = rows;
    let ended = if reverse {
        rows.rev().try_for_each(&mut visit_next)
    } else {
        rows.try_for_each(&mut visit_next)
    };
    ended.break_value().unwrap_or(Ok(()))
}

impl Snapshot for Data {
    fn items(&self, keys: &[&[u8]], detail: Detail, visit: &mut ItemVisitor<'_>) -> Result<(), StoreError> {
        for (place, key) in keys.iter().enumerate() {
            if let Some(row) = self.items.get(*key) {
                visit(place, row, self.record_of(row, detail))?;
            }
        }
        Ok(())
    }

    fn scan_items(&self, keys: &KeyRange, detail: Detail, visit: &mut ItemScanner<'_>) -> Result<(), StoreError> {
        let rows = range(&self.items, keys).into_iter().flatten();
        visit_all(rows, keys.reverse, |(key, row)| {
            visit(key, row, self.record_of(row, detail))
        })
    }

    fn rows(&self, keys: &[(Keyspace, &[u8])], visit: &mut RowVisitor<'_>) -> Result<(), StoreError> {
        for (place, (keyspace, key)) in keys.iter().enumerate() {
            if let Some(row) = self.rows[*keyspace as usize].get(*key) {
                visit(place, row)?;
            }
        }
        Ok(())
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        keys: &KeyRange,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StoreError> {
        let rows = range(&self.rows[keyspace as usize], keys).into_iter().flatten();
        visit_all(rows, keys.reverse, |(key, row)| visit(key, row))
    }

    fn log(
        &self,
        first: u64,
        last: u64,
        reverse: bool,
        visit: &mut dyn FnMut(&dyn StoredRecord) -> Visit,
    ) -> Result<(), StoreError> {
        if first > last {
            return Ok(());
        }
        visit_all(self.log.range(first..=last), reverse, |(_, kept)| visit(kept))
    }
}

impl StoredRecord for StoredLogRecord {
    fn head(&self) -> Result<RecordHead, StoreError> {
        Ok(self.record.head)
    }

    fn key(&self) -> Result<&[u8], StoreError> {
        Ok(&self.record.key.0)
    }

    fn context(&self) -> Result<&[u8], StoreError> {
        Ok(&self.record.context)
    }

    fn image(&self) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.record.image.as_deref())
    }

    fn metadata(&self) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.record.metadata.as_deref())
    }

    fn merged(&self) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.merged.as_deref())
    }

    fn current_image(&self) -> Result<Option<&[u8]>, StoreError> {
        let merged = self.record.merged.as_ref().and_then(|merged| merged.image.as_deref());
        Ok(merged.or(self.record.image.as_deref()))
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        Ok(self.record.bytes())
    }
}
