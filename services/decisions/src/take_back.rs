//! Digests of a table as of an earlier vector: takes back from the current digests what the log has
//! applied since.
//!
//! An item's state is the merge of all writes to it that a replica has applied. So its state as of
//! a vector is the merge of the writes that the vector covers, in whatever order they arrived.
//! Usually the first write that the vector does not cover replaced exactly that state, and its
//! record says what the state contributed to the digest. Where writes that the vector covers
//! arrived after it, the item is merged again from its records.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use beringia_item::{ItemState, KeyBytes, RowFingerprint, VersionVector, content_hash, encode_item, range_of};
use beringia_storage::{
    StoreError,
    backend::{Detail, ItemRow, RecordFlags, Snapshot},
};
use bytes::Bytes;

use crate::{
    current::CurrentRecord,
    layout::{OriginNames, item_hash, row_hash, row_key},
    state::TableState,
};

/// The number of log records that are read at most.
const RECORDS_MAX: usize = 65_536;

/// The difference between the digests as of a vector and the current ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TakenBack {
    /// By range, what to add to the sum (mod 2^128) and to the number of items (mod 2^64).
    pub changes: BTreeMap<u16, (u128, u64)>,
    /// The ranges of which the difference is not known.
    pub unknown: BTreeSet<u16>,
}

/// What has happened to an item since the first write to it that the vector does not cover.
struct Changed {
    /// What the item had contributed to the digest before.
    before: u128,
    /// The position of the record that was current before.
    previous: Option<u64>,
    /// The positions of later records that the vector covers.
    covered: Vec<u64>,
}

/// Returns the difference between the digests of `table` as of `vector`, which the table's own
/// vector covers, and those in the snapshot. The records that `vector` does not cover begin at the
/// position `from`, or later. `None` if there are too many.
///
/// # Errors
/// If the backend fails, or a record is damaged.
pub fn take_back(
    snapshot: &dyn Snapshot,
    table: &TableState,
    names: &OriginNames,
    vector: &VersionVector,
    from: u64,
) -> Result<Option<TakenBack>, StoreError> {
    let mut taken = TakenBack::default();
    let Some(changed) = changed_since(snapshot, table, names, (vector, from), &mut taken.unknown)? else {
        return Ok(None);
    };
    let row_keys: Vec<Vec<u8>> = changed.keys().map(|key| row_key(table.number, &key.0)).collect();
    let row_keys: Vec<&[u8]> = row_keys.iter().map(Vec::as_slice).collect();
    let mut now: Vec<Option<ItemRow>> = vec![None; row_keys.len()];
    snapshot.items(&row_keys, Detail::Row, &mut |place, row, _| {
        now[place] = Some(*row?);
        Ok(())
    })?;
    for ((key, changed), row) in changed.iter().zip(now) {
        let range = range_of(key);
        let then = if changed.covered.is_empty() {
            Some(changed.before)
        } else {
            merged_again(snapshot, table, names, (key, changed))?
        };
        let Some(then) = then else {
            taken.unknown.insert(range);
            continue;
        };
        let now = row.map_or(Ok(0), |row| row_hash(&key.0, &row, names))?;
        let (sum, items) = taken.changes.entry(range).or_default();
        *sum = sum.wrapping_add(then).wrapping_sub(now);
        *items = items
            .wrapping_add(u64::from(then != 0))
            .wrapping_sub(u64::from(now != 0));
    }
    Ok(Some(taken))
}

/// The items that were changed by writes that the vector does not cover. `None` if there are too
/// many records.
fn changed_since(
    snapshot: &dyn Snapshot,
    table: &TableState,
    names: &OriginNames,
    (vector, from): (&VersionVector, u64),
    unknown: &mut BTreeSet<u16>,
) -> Result<Option<BTreeMap<KeyBytes, Changed>>, StoreError> {
    let covered: Vec<u64> = names.iter().map(|name| vector.get(name)).collect();
    let mut changed: BTreeMap<KeyBytes, Changed> = BTreeMap::new();
    let mut records = 0;
    snapshot.log(from, u64::MAX >> 1, false, &mut |record| {
        records += 1;
        if records > RECORDS_MAX {
            return Ok(ControlFlow::Break(()));
        }
        let head = record.head()?;
        if head.table != table.number {
            return Ok(ControlFlow::Continue(()));
        }
        let key = KeyBytes(Bytes::copy_from_slice(record.key()?));
        let is_covered = covered
            .get(usize::from(head.origin))
            .is_some_and(|last| *last >= head.sequence);
        if head.flags.has(RecordFlags::REMOVAL) {
            unknown.insert(range_of(&key));
        } else if is_covered {
            if let Some(changed) = changed.get_mut(&key) {
                changed.covered.push(head.position);
            }
        } else if !head.flags.has(RecordFlags::STALE) {
            changed.entry(key).or_insert(Changed {
                before: head.replaced,
                previous: head.previous,
                covered: Vec::new(),
            });
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((records <= RECORDS_MAX).then_some(changed))
}

/// What an item contributes to the digest if the covered writes alone are merged. `None` if one of
/// their records is gone.
fn merged_again(
    snapshot: &dyn Snapshot,
    table: &TableState,
    names: &OriginNames,
    (key, changed): (&KeyBytes, &Changed),
) -> Result<Option<u128>, StoreError> {
    let mut merged: Option<ItemState> = None;
    let previous = changed.previous.map(|position| (position, true));
    let covered = changed.covered.iter().map(|position| (*position, false));
    for (position, is_current) in previous.into_iter().chain(covered) {
        let mut state = None;
        snapshot.record(position, &mut |record| {
            let current = if is_current {
                CurrentRecord::read(record, Detail::Record)?
            } else {
                CurrentRecord::as_written(record)?
            };
            state = Some(current.state(&table.keys, key, names)?);
            Ok(())
        })?;
        let Some(state) = state else {
            return Ok(None);
        };
        merged = Some(match merged {
            Some(merged) => merged.merge(&state),
            None => state,
        });
    }
    let Some(merged) = merged else { return Ok(Some(0)) };
    let keys = table.keys.attributes_of(key).unwrap_or_default();
    let Some(item) = merged.image(&keys) else {
        return Ok(Some(0));
    };
    let fingerprint = RowFingerprint {
        version: merged.version().clone(),
        state: merged.hash(),
        content: content_hash(Some(&encode_item(&item))),
    };
    Ok(Some(item_hash(&key.0, &fingerprint)))
}
