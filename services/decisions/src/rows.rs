//! The rows that a group's decisions are based on: which ones are needed, and those that were read.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use beringia_item::{KeyBytes, TableId};
use beringia_storage::{
    StoreError,
    backend::{Checked, Damaged, Detail, ItemRow, KeyRange, Keyspace, RecordHead, Snapshot, StoredRecord},
};
use bytes::Bytes;

use crate::{
    current::CurrentRecord,
    state::State,
    verify::{self, Damage, EntryCount, EntryScan},
};

/// A bounded section of a keyspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scan {
    pub(crate) keyspace: Keyspace,
    pub(crate) range: KeyRange,
    pub(crate) rows_max: usize,
}

/// A bounded section of the items.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ItemScan {
    pub(crate) range: KeyRange,
    pub(crate) detail: Detail,
    /// Whether tombstones are left out.
    pub(crate) live_only: bool,
    pub(crate) rows_max: usize,
}

/// A bounded section of the log: `first..=last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogScan {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) records_max: usize,
}

/// An item's row and the parts of its record that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CurrentRow {
    pub(crate) row: ItemRow,
    /// The record that the row points to, if it was asked for and exists.
    pub(crate) record: Option<CurrentRecord>,
    /// The image, if only that was asked for.
    image: Option<Bytes>,
}

impl CurrentRow {
    /// Combines a row with its record.
    pub(crate) const fn new(row: ItemRow, record: Option<CurrentRecord>) -> Self {
        Self {
            row,
            record,
            image: None,
        }
    }

    /// Combines a row with the image of its item.
    pub(crate) const fn with_image(row: ItemRow, image: Option<Bytes>) -> Self {
        Self {
            row,
            record: None,
            image,
        }
    }

    fn read(
        row: Checked<&ItemRow>,
        record: Option<&dyn StoredRecord>,
        detail: Detail,
    ) -> Result<Checked<Self>, StoreError> {
        let row = match row {
            Ok(row) => *row,
            Err(damaged) => return Ok(Err(damaged)),
        };
        let Some(record) = record else {
            return Ok(Ok(Self::new(row, None)));
        };
        Ok(Ok(match detail {
            Detail::Row => Self::new(row, None),
            Detail::Item => Self::with_image(row, record.current_image()?.map(Bytes::copy_from_slice)),
            Detail::Context | Detail::Record => Self::new(row, Some(CurrentRecord::read(record, detail)?)),
        }))
    }

    /// The image; `None` for a delete, if it was not asked for, and if the record is missing.
    pub(crate) fn image(&self) -> Option<&Bytes> {
        let of_record = self.record.as_ref().and_then(|record| record.image.as_ref());
        self.image.as_ref().or(of_record)
    }
}

/// A row that a scan found: its key and its value.
pub(crate) type ScannedRow = (Vec<u8>, Vec<u8>);

/// An item that a scan found: its row key and its row.
pub(crate) type ScannedItem = (Vec<u8>, Checked<CurrentRow>);

/// The rows that a decision needs, with the ranges to check and the indexes to count.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ReadSet {
    pub(crate) items: BTreeMap<Vec<u8>, Detail>,
    pub(crate) rows: BTreeSet<(Keyspace, Vec<u8>)>,
    pub(crate) scans: BTreeSet<Scan>,
    pub(crate) item_scans: BTreeSet<ItemScan>,
    pub(crate) logs: BTreeSet<LogScan>,
    pub(crate) checks: BTreeSet<(TableId, u16)>,
    pub(crate) counts: BTreeSet<EntryScan>,
}

impl ReadSet {
    /// Whether there is nothing to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn item(&mut self, row_key: Vec<u8>, detail: Detail) {
        let wanted = self.items.entry(row_key).or_insert(detail);
        *wanted = wanted.with(detail);
    }
}

/// Rows that a decision assumes to exist, or not to exist, without having read them. The assumption
/// is nearly always right, so it is not worth deciding twice for them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Assumptions(BTreeMap<(Keyspace, Vec<u8>), bool>);

impl Assumptions {
    /// Assumes that a row exists or not as `expected`, or as it was first assumed; returns the
    /// assumption.
    pub(crate) fn assume(&mut self, row: (Keyspace, Vec<u8>), expected: bool) -> bool {
        *self.0.entry(row).or_insert(expected)
    }

    /// The rows that are assumed to exist or not.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Keyspace, Vec<u8>)> {
        self.0.keys().cloned()
    }

    /// The rows to read to check the assumptions.
    #[must_use]
    pub fn reads(&self) -> ReadSet {
        ReadSet {
            rows: self.rows().collect(),
            ..ReadSet::default()
        }
    }

    /// Whether all assumptions hold in these rows.
    #[must_use]
    pub fn hold(&self, rows: &Rows) -> bool {
        self.0.iter().all(|(row, expected)| match rows.row(row) {
            Lookup::Found(_) => *expected,
            Lookup::Absent => !expected,
            Lookup::NotRead | Lookup::Damaged => false,
        })
    }
}

/// The result of looking up a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup<T> {
    /// The row has not been read yet.
    NotRead,
    /// The row does not exist.
    Absent,
    /// The row exists, but its contents are unknown.
    Damaged,
    /// The row that was read.
    Found(T),
}

/// Rows that were read, possibly by several reads. A decision based on them is valid only if its
/// commit finds that nothing was committed since the first read.
#[derive(Debug, Default)]
pub struct Rows {
    items: BTreeMap<Vec<u8>, (Detail, Option<Checked<CurrentRow>>)>,
    rows: BTreeMap<(Keyspace, Vec<u8>), Option<Vec<u8>>>,
    scans: BTreeMap<Scan, Vec<ScannedRow>>,
    item_scans: BTreeMap<ItemScan, Vec<ScannedItem>>,
    logs: BTreeMap<LogScan, Vec<(RecordHead, KeyBytes)>>,
    checks: BTreeMap<(TableId, u16), Damage>,
    counts: BTreeMap<EntryScan, EntryCount>,
}

impl Rows {
    /// Reads more rows. `state` is that of the snapshot.
    ///
    /// # Errors
    /// If the backend fails, or a row is damaged.
    pub fn fetch(&mut self, snapshot: &dyn Snapshot, state: &State, wanted: ReadSet) -> Result<(), StoreError> {
        let items = self.with_earlier_detail(wanted.items);
        self.fetch_items(snapshot, items)?;
        let wanted_rows: Vec<(Keyspace, &[u8])> =
            wanted.rows.iter().map(|(keyspace, key)| (*keyspace, &**key)).collect();
        let mut found = vec![None; wanted_rows.len()];
        snapshot.rows(&wanted_rows, &mut |place, row| {
            // Of an entry only the existence matters.
            let is_entry = wanted_rows[place].0 == Keyspace::Entries;
            found[place] = Some(if is_entry { Vec::new() } else { row?.to_vec() });
            Ok(())
        })?;
        self.rows.extend(wanted.rows.into_iter().zip(found));
        for scan in wanted.scans {
            let mut found = Vec::new();
            snapshot.scan(scan.keyspace, &scan.range, &mut |key, row| {
                if found.len() >= scan.rows_max {
                    return Ok(ControlFlow::Break(()));
                }
                // A journal is removed with its damaged rows. An empty row is unreadable, too.
                let is_journal = matches!(scan.keyspace, Keyspace::Conflicts | Keyspace::Unshipped);
                let row = if is_journal { row.unwrap_or_default() } else { row? };
                found.push((key.to_vec(), row.to_vec()));
                Ok(ControlFlow::Continue(()))
            })?;
            self.scans.insert(scan, found);
        }
        for scan in wanted.item_scans {
            let found = scan_items(snapshot, &scan)?;
            self.item_scans.insert(scan, found);
        }
        for scan in wanted.logs {
            let mut found = Vec::new();
            snapshot.log(scan.first, scan.last, false, &mut |record| {
                if found.len() >= scan.records_max {
                    return Ok(ControlFlow::Break(()));
                }
                found.push((record.head()?, KeyBytes(Bytes::copy_from_slice(record.key()?))));
                Ok(ControlFlow::Continue(()))
            })?;
            self.logs.insert(scan, found);
        }
        for (table, range) in wanted.checks {
            let held = state.tables().get(&table);
            let damage = held.map(|held| verify::check_table(snapshot, held, state.origins.names(), range));
            let damage = damage.transpose()?.unwrap_or_default();
            self.checks.insert((table, range), damage);
        }
        for scan in wanted.counts {
            let count = verify::count_entries(snapshot, state, &scan)?;
            self.counts.insert(scan, count);
        }
        Ok(())
    }

    /// The wanted items, with all the detail that earlier reads of them had. Otherwise two commands
    /// of a group that need different details of an item would replace each other's forever.
    fn with_earlier_detail(&self, mut wanted: BTreeMap<Vec<u8>, Detail>) -> BTreeMap<Vec<u8>, Detail> {
        for (key, detail) in &mut wanted {
            if let Some((read, _)) = self.items.get(key) {
                *detail = detail.with(*read);
            }
        }
        wanted
    }

    fn fetch_items(&mut self, snapshot: &dyn Snapshot, wanted: BTreeMap<Vec<u8>, Detail>) -> Result<(), StoreError> {
        let mut found: Vec<Option<Checked<CurrentRow>>> = vec![None; wanted.len()];
        for detail in Detail::ALL {
            let of_detail = wanted.iter().enumerate().filter(|(_, (_, wanted))| **wanted == detail);
            let (places, keys): (Vec<usize>, Vec<&[u8]>) = of_detail.map(|(place, (key, _))| (place, &**key)).unzip();
            if keys.is_empty() {
                continue;
            }
            snapshot.items(&keys, detail, &mut |place, row, record| {
                found[places[place]] = Some(CurrentRow::read(row, record, detail)?);
                Ok(())
            })?;
        }
        let found = wanted.into_iter().zip(found);
        self.items
            .extend(found.map(|((key, detail), current)| (key, (detail, current))));
        Ok(())
    }

    /// An item's row, with its record as far as `detail` asks for it.
    pub(crate) fn item(&self, row_key: &[u8], detail: Detail) -> Lookup<&CurrentRow> {
        match self.items.get(row_key) {
            Some((_, None)) => Lookup::Absent,
            Some((_, Some(Err(Damaged)))) => Lookup::Damaged,
            Some((read, Some(Ok(current)))) if read.covers(detail) => Lookup::Found(current),
            _ => Lookup::NotRead,
        }
    }

    pub(crate) fn row(&self, row: &(Keyspace, Vec<u8>)) -> Lookup<&[u8]> {
        match self.rows.get(row) {
            None => Lookup::NotRead,
            Some(None) => Lookup::Absent,
            Some(Some(row)) => Lookup::Found(row),
        }
    }

    pub(crate) fn scan(&self, scan: &Scan) -> Option<&[ScannedRow]> {
        self.scans.get(scan).map(Vec::as_slice)
    }

    pub(crate) fn item_scan(&self, scan: &ItemScan) -> Option<&[ScannedItem]> {
        self.item_scans.get(scan).map(Vec::as_slice)
    }

    pub(crate) fn log(&self, scan: LogScan) -> Option<&[(RecordHead, KeyBytes)]> {
        self.logs.get(&scan).map(Vec::as_slice)
    }

    pub(crate) fn check(&self, table: TableId, range: u16) -> Option<&Damage> {
        self.checks.get(&(table, range))
    }

    pub(crate) fn count(&self, scan: &EntryScan) -> Option<&EntryCount> {
        self.counts.get(scan)
    }
}

fn scan_items(snapshot: &dyn Snapshot, scan: &ItemScan) -> Result<Vec<ScannedItem>, StoreError> {
    let mut found = Vec::new();
    snapshot.scan_items(&scan.range, scan.detail, &mut |key, row, record| {
        if found.len() >= scan.rows_max {
            return Ok(ControlFlow::Break(()));
        }
        if !scan.live_only || row.is_ok_and(ItemRow::is_live) {
            found.push((key.to_vec(), CurrentRow::read(row, record, scan.detail)?));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One command of a group needs the context of an item, another one the image.
    #[test]
    fn later_reads_of_an_item_keep_its_detail() {
        let mut rows = Rows::default();
        rows.items.insert(vec![1], (Detail::Context, None));
        let wanted = [(vec![1], Detail::Item), (vec![2], Detail::Item)].into();
        let expected = [(vec![1], Detail::Record), (vec![2], Detail::Item)].into();
        assert_eq!(rows.with_earlier_detail(wanted), expected);
    }
}
