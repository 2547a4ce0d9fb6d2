//! Verification: recomputes a range's digest and index entries from rows and log.
//!
//! Readers use it to find out whether a repair is needed, and the committer to carry it out. A
//! range of the table is checked together with the same range of each index: the entries must lead
//! to items that have them.

use std::ops::ControlFlow;

use beringia_item::{Item, KeyBytes, KeySchema, TableId, content_hash, decode_item};
use beringia_storage::{
    IndexState, StoreError,
    backend::{Checked, Detail, IndexNumber, ItemRow, Keyspace, Snapshot, StoredRecord},
};
use bytes::Bytes;

use crate::{
    current::CurrentRecord,
    layout::{OriginNames, RangeSum, above, all_keys, range_keys, row_hash, row_key, stored_key},
    state::{Digests, State, TableState},
};

/// The parts of a table or an index that verification needs.
#[derive(Debug, Clone, Copy)]
struct Target<'a> {
    number: u32,
    keys: &'a KeySchema,
}

/// The damage to a range.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Row keys of items that are damaged, or whose log record is damaged, missing, or another's.
    /// With the position of the record, if it is damaged or missing.
    pub(crate) rows: Vec<(Vec<u8>, Option<u64>)>,
    /// Entries that items should have but do not.
    pub(crate) missing_entries: Vec<Vec<u8>>,
    /// Entries that no item has.
    pub(crate) stray_entries: Vec<Vec<u8>>,
    /// The correct digest, without the damaged rows.
    pub(crate) sum: RangeSum,
    /// The digest in the stored rows.
    pub(crate) stored: RangeSum,
}

impl Damage {
    /// Whether the range is intact, if its digest in memory is `digest`.
    #[must_use]
    pub fn is_none(&self, digest: &RangeSum) -> bool {
        self.rows.is_empty() && self.missing_entries.is_empty() && self.stray_entries.is_empty() && self.sum == *digest
    }

    /// Whether the range is intact, by its stored digest.
    #[must_use]
    pub fn is_none_stored(&self) -> bool {
        self.is_none(&self.stored)
    }
}

/// A bounded section of an index's entries, whose items are to be weighed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryScan {
    pub(crate) table: TableId,
    pub(crate) index: IndexNumber,
    /// The entry after which the section begins; `None` for the first of the index.
    pub(crate) after: Option<Vec<u8>>,
    pub(crate) entries_max: usize,
}

/// The number of some entries of an index that belong to items, and the size of their projections.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct EntryCount {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    /// The number of entries that were read.
    pub(crate) read: usize,
    /// The last one; `None` if there are no more.
    pub(crate) last: Option<Vec<u8>>,
}

/// Compares a range of a table, and of its complete indexes, with its rows and their records.
///
/// # Errors
/// If the backend fails, or a row of digests is damaged.
pub fn check_table(
    snapshot: &dyn Snapshot,
    table: &TableState,
    names: &OriginNames,
    range: u16,
) -> Result<Damage, StoreError> {
    // The entries of an index that is being filled are incomplete, which is not damage.
    let complete = table.indexes.iter().filter(|index| index.state == IndexState::Active);
    let indexes: Vec<_> = complete
        .map(|index| Target {
            number: index.number,
            keys: &index.definition.keys,
        })
        .collect();
    let checked = Target {
        number: table.number,
        keys: &table.keys,
    };
    let digests = stored_digests(snapshot, table.number)?;
    check_range(snapshot, &checked, &indexes, range, names, &digests)
}

/// The digests of a table as its rows have them.
///
/// # Errors
/// If the backend fails, or a row is damaged.
pub fn stored_digests(snapshot: &dyn Snapshot, table: u32) -> Result<Digests, StoreError> {
    let row = snapshot.get(Keyspace::Tables, &crate::layout::number_key(table.into()))?;
    let row = row.map(|row| crate::state::TableRow::decode(&row)).transpose()?;
    Digests::load(snapshot, table, &row.map(|row| row.pending).unwrap_or_default())
}

/// Compares a range, given the stored digests.
fn check_range(
    snapshot: &dyn Snapshot,
    table: &Target<'_>,
    indexes: &[Target<'_>],
    range: u16,
    names: &OriginNames,
    digests: &Digests,
) -> Result<Damage, StoreError> {
    let mut damage = Damage {
        stored: digests.get(range),
        ..Damage::default()
    };
    snapshot.scan_items(
        &range_keys(table.number, range..=range),
        Detail::Record,
        &mut |key, row, record| {
            check_item(snapshot, table, (key, row, record), indexes, names, &mut damage)?;
            Ok(ControlFlow::Continue(()))
        },
    )?;
    for index in indexes {
        check_entries(snapshot, table.number, index, range, &mut damage)?;
    }
    Ok(damage)
}

fn check_item(
    snapshot: &dyn Snapshot,
    table: &Target<'_>,
    (row_key, row, record): (&[u8], Checked<&ItemRow>, Option<&dyn StoredRecord>),
    indexes: &[Target<'_>],
    names: &OriginNames,
    damage: &mut Damage,
) -> Result<(), StoreError> {
    let Ok(row) = row else {
        damage.rows.push((row_key.to_vec(), None));
        return Ok(());
    };
    let key = stored_key(row_key);
    let item = match recorded(table, row, record, &key, names)? {
        Recorded::Tombstone => return Ok(()),
        Recorded::Image(image) => decode_item(&image).ok(),
        Recorded::Another => None,
    };
    let Some(item) = item else {
        damage
            .rows
            .push((row_key.to_vec(), record.is_none().then_some(row.position)));
        return Ok(());
    };
    damage.sum.add(row_hash(&key.0, row, names)?, row.size);
    for index in indexes {
        let Some(entry) = entry_of(index, &item, &key) else {
            continue;
        };
        if snapshot.get(Keyspace::Entries, &entry)?.is_none() {
            damage.missing_entries.push(entry);
        }
    }
    Ok(())
}

/// The record that a row points to.
enum Recorded {
    /// There is no record, or it belongs to something else.
    Another,
    /// A delete, as the row says.
    Tombstone,
    /// The encoded image of the item.
    Image(Bytes),
}

fn recorded(
    table: &Target<'_>,
    row: &ItemRow,
    record: Option<&dyn StoredRecord>,
    key: &KeyBytes,
    names: &OriginNames,
) -> Result<Recorded, StoreError> {
    let Some(record) = record else {
        return Ok(Recorded::Another);
    };
    let same_key = *record.key()? == *key.0;
    let current = CurrentRecord::read(record, Detail::Record)?;
    let hash = match &current.metadata {
        None => Some(0),
        Some(_) => current.state(table.keys, key, names).ok().map(|state| state.hash()),
    };
    let content = content_hash(current.image.as_deref());
    let same = same_key && current.is_of(row) && hash == Some(row.state) && content == row.content;
    Ok(match current.image {
        None if same && !row.is_live() => Recorded::Tombstone,
        Some(image) if same && row.is_live() => Recorded::Image(image),
        _ => Recorded::Another,
    })
}

/// Looks for entries in a range of the index that lead to no item, or to an item with another
/// entry.
fn check_entries(
    snapshot: &dyn Snapshot,
    table: u32,
    index: &Target<'_>,
    range: u16,
    damage: &mut Damage,
) -> Result<(), StoreError> {
    snapshot.scan(
        Keyspace::Entries,
        &range_keys(index.number, range..=range),
        &mut |entry, value| {
            let base = index.keys.split_index_key(&stored_key(entry)).map(|(_, base)| base);
            let justified = match base.filter(|_| value.is_ok()) {
                None => false,
                Some(base) => item_of(snapshot, &row_key(table, &base.0))?
                    .is_some_and(|item| entry_of(index, &item, &base).as_deref() == Some(entry)),
            };
            if !justified {
                damage.stray_entries.push(entry.to_vec());
            }
            Ok(ControlFlow::Continue(()))
        },
    )
}

fn entry_of(index: &Target<'_>, item: &Item, base: &KeyBytes) -> Option<Vec<u8>> {
    index
        .keys
        .index_key_of(item, base)
        .ok()
        .map(|key| row_key(index.number, &key.0))
}

/// The live item under a row key; `None` also if its record is missing or damaged.
fn item_of(snapshot: &dyn Snapshot, row_key: &[u8]) -> Result<Option<Item>, StoreError> {
    let mut item = None;
    snapshot.items(&[row_key], Detail::Item, &mut |_, row, record| {
        let record = record.filter(|_| row.is_ok_and(ItemRow::is_live));
        let image = record.map(|record| record.current_image()).transpose()?.flatten();
        item = image.and_then(|image| decode_item(image).ok());
        Ok(())
    })?;
    Ok(item)
}

/// Counts the next entries of an index that belong to items. One that is not that of its item is
/// left out.
pub(crate) fn count_entries(
    snapshot: &dyn Snapshot,
    state: &State,
    wanted: &EntryScan,
) -> Result<EntryCount, StoreError> {
    let mut count = EntryCount::default();
    let table = state.tables().get(&wanted.table);
    let Some((table, index)) = table.and_then(|table| {
        let index = table.indexes.iter().find(|found| found.number == wanted.index)?;
        Some((table, index))
    }) else {
        return Ok(count);
    };
    let mut range = all_keys(index.number);
    if let Some(after) = &wanted.after {
        range.from = above(after.clone());
    }
    snapshot.scan(Keyspace::Entries, &range, &mut |entry, _| {
        let base = index.definition.keys.split_index_key(&stored_key(entry));
        if let Some((_, base)) = base
            && let Some(item) = item_of(snapshot, &row_key(table.number, &base.0))?
            && index.entry(&item, &base).as_deref() == Some(entry)
        {
            count.entries += 1;
            count.bytes += index.weight(&item);
        }
        count.read += 1;
        if count.read < wanted.entries_max {
            return Ok(ControlFlow::Continue(()));
        }
        count.last = Some(entry.to_vec());
        Ok(ControlFlow::Break(()))
    })?;
    Ok(count)
}
