//! The group in progress: the rows that it reads, and its writes so far.

use std::cell::RefCell;

use beringia_item::{KeyBytes, Mutation, TableId};
use beringia_storage::{
    StoreError,
    backend::{Damaged, Detail, ItemChange, ItemRow, Keyspace, LogRecord, RecordHead, WriteSet},
};

use super::{command::Environment, event::StoreEvent};
use crate::{
    current::CurrentRecord,
    layout::{number_of_row, stored_key},
    rows::{Assumptions, CurrentRow, ItemScan, LogScan, Lookup, ReadSet, Rows, Scan, ScannedItem, ScannedRow},
    state::{State, TableState},
};

/// One of this region's own records, as replication reads it.
#[derive(Debug, Clone)]
pub struct OwnRecord {
    /// The part by which a reader decides whether it wants the record.
    pub head: RecordHead,
    /// The whole record as a mutation.
    pub mutation: Mutation,
}

/// A failure, and its scope.
#[derive(Debug)]
pub(crate) enum Fail {
    /// Only the current command fails. It has not written anything yet.
    Command(StoreError),
    /// Only the current command fails, but it may have written. The group is decided again without
    /// it.
    Written(StoreError),
    /// No command of the group can be carried out.
    Group(StoreError),
    /// A row has to be read first; it has been noted.
    Missing,
}

pub(crate) type Result<T, E = Fail> = std::result::Result<T, E>;

/// Whether rows were missing at several steps of a command. The steps continue, so that all missing
/// rows are noted and read together.
#[derive(Debug, Default)]
pub(super) struct Misses(bool);

impl Misses {
    /// Notes whether a step missed a row, and then returns `None`.
    ///
    /// # Errors
    /// All other failures.
    pub(super) fn note<T>(&mut self, step: Result<T>) -> Result<Option<T>> {
        match step {
            Err(Fail::Missing) => {
                self.0 = true;
                Ok(None)
            }
            step => step.map(Some),
        }
    }

    /// Whether any step missed a row.
    pub(super) const fn any(&self) -> bool {
        self.0
    }

    /// Ends the steps of a command.
    ///
    /// # Errors
    /// [`Fail::Missing`] if one of them missed a row.
    pub(super) fn check(&self) -> Result<()> {
        if self.0 { Err(Fail::Missing) } else { Ok(()) }
    }
}

impl From<StoreError> for Fail {
    /// A row that is inconsistent, or that cannot be encoded.
    fn from(error: StoreError) -> Self {
        Self::Group(error)
    }
}

/// The group in progress: the state and the writes so far, and the rows that its commands used,
/// assumed and missed.
pub(crate) struct Group<'a> {
    pub(crate) state: State,
    pub(crate) writes: WriteSet,
    pub(super) rows: &'a Rows,
    pub(super) missing: RefCell<ReadSet>,
    pub(super) assumptions: RefCell<Assumptions>,
    pub(crate) environment: &'a Environment,
    pub(super) own: Option<Vec<OwnRecord>>,
    pub(super) events: Vec<StoreEvent>,
}

impl Group<'_> {
    pub(crate) fn table(&self, id: TableId) -> Result<&TableState> {
        let table = self.state.tables().get(&id);
        table
            .map(|table| &**table)
            .ok_or(Fail::Command(StoreError::UnknownTable(id)))
    }

    pub(crate) fn table_mut(&mut self, id: TableId) -> Result<&mut TableState> {
        self.state
            .table_mut(id)
            .ok_or(Fail::Command(StoreError::UnknownTable(id)))
    }

    pub(super) fn need(&self, note: impl FnOnce(&mut ReadSet)) -> Fail {
        note(&mut self.missing.borrow_mut());
        Fail::Missing
    }

    /// The row of an item as the group left it.
    pub(crate) fn item_row(&self, row_key: &[u8]) -> Result<Option<ItemRow>> {
        match self.writes.items.get(row_key) {
            Some(ItemChange::Insert(row) | ItemChange::Update(row)) => return Ok(Some(*row)),
            Some(ItemChange::Delete) => return Ok(None),
            None => {}
        }
        match self.rows.item(row_key, Detail::Row) {
            Lookup::Found(current) => Ok(Some(current.row)),
            Lookup::Absent => Ok(None),
            Lookup::Damaged => Err(self.corrupt(row_key)),
            Lookup::NotRead => Err(self.need(|missing| missing.item(row_key.to_vec(), Detail::Row))),
        }
    }

    /// The row of an item as the group left it, with its record or image.
    pub(crate) fn current(&self, row_key: &[u8], detail: Detail) -> Result<Option<CurrentRow>> {
        if self.writes.items.contains_key(row_key) {
            return match self.item_row(row_key)? {
                Some(row) => self.with_record(row_key, row, detail).map(Some),
                None => Ok(None),
            };
        }
        match self.rows.item(row_key, detail) {
            Lookup::Found(current) => Ok(Some(current.clone())),
            Lookup::Absent => Ok(None),
            Lookup::Damaged => Err(self.corrupt(row_key)),
            Lookup::NotRead => Err(self.need(|missing| missing.item(row_key.to_vec(), detail))),
        }
    }

    /// Reads the record or image that `row`, the row of this item, points to.
    pub(crate) fn with_record(&self, row_key: &[u8], row: ItemRow, detail: Detail) -> Result<CurrentRow> {
        if let Some(record) = self.appended(row.position) {
            return Ok(CurrentRow::new(row, Some(CurrentRecord::of(record))));
        }
        match self.rows.item(row_key, detail) {
            Lookup::Found(current) if current.row.position == row.position => Ok(current.clone()),
            // The group wrote the row itself, so what it reads of the record does not count.
            Lookup::Found(_) | Lookup::Absent | Lookup::Damaged => Ok(CurrentRow::new(row, None)),
            Lookup::NotRead => Err(self.need(|missing| missing.item(row_key.to_vec(), detail))),
        }
    }

    /// The failure of a command that needs a damaged row.
    fn corrupt(&self, row_key: &[u8]) -> Fail {
        match self.state.numbers().get(&number_of_row(row_key)) {
            Some(table) => Fail::Written(StoreError::Corrupt {
                table: *table,
                key: stored_key(row_key),
            }),
            None => Fail::Written(Damaged.into()),
        }
    }

    /// The record that this group appended at this position.
    fn appended(&self, position: u64) -> Option<&LogRecord> {
        let first = self.writes.records.first()?.head.position;
        let place = usize::try_from(position.checked_sub(first)?).ok()?;
        self.writes.records.get(place)
    }

    /// Whether a row exists, as the group left it. A row that was not read is assumed to exist or
    /// not as `expected`, which [`Decision::assumptions`](super::Decision) records.
    pub(super) fn has_row(&self, keyspace: Keyspace, key: &[u8], expected: bool) -> bool {
        let row = (keyspace, key.to_vec());
        if let Some(written) = self.writes.rows.get(&row) {
            return written.is_some();
        }
        match self.rows.row(&row) {
            Lookup::Found(_) | Lookup::Damaged => true,
            Lookup::Absent => false,
            Lookup::NotRead => self.assumptions.borrow_mut().assume(row, expected),
        }
    }

    /// Scans rows as they were before the group.
    pub(crate) fn scan(&self, scan: Scan) -> Result<&[ScannedRow]> {
        match self.rows.scan(&scan) {
            Some(rows) => Ok(rows),
            None => Err(self.need(|missing| {
                missing.scans.insert(scan);
            })),
        }
    }

    /// Scans items as they were before the group.
    pub(crate) fn scan_items(&self, scan: ItemScan) -> Result<&[ScannedItem]> {
        match self.rows.item_scan(&scan) {
            Some(items) => Ok(items),
            None => Err(self.need(|missing| {
                missing.item_scans.insert(scan);
            })),
        }
    }

    /// Scans log records as they were before the group.
    pub(crate) fn scan_log(&self, scan: LogScan) -> Result<&[(RecordHead, KeyBytes)]> {
        match self.rows.log(scan) {
            Some(records) => Ok(records),
            None => Err(self.need(|missing| {
                missing.logs.insert(scan);
            })),
        }
    }

    /// Writes the row of an item.
    pub(crate) fn put_item(&mut self, row_key: Vec<u8>, row: ItemRow, replaces: bool) {
        // The state before the group decides between insert and update, not the group's own writes.
        let was_there = match self.writes.items.get(&row_key) {
            Some(ItemChange::Insert(_)) => false,
            Some(ItemChange::Update(_) | ItemChange::Delete) => true,
            None => replaces,
        };
        let change = if was_there {
            ItemChange::Update(row)
        } else {
            ItemChange::Insert(row)
        };
        self.writes.items.insert(row_key, change);
    }

    /// Removes the existing row of an item.
    pub(crate) fn delete_item(&mut self, row_key: Vec<u8>) {
        if let Some(ItemChange::Insert(_)) = self.writes.items.get(&row_key) {
            self.writes.items.remove(&row_key);
        } else {
            self.writes.items.insert(row_key, ItemChange::Delete);
        }
    }
}
