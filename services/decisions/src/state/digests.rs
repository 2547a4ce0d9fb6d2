//! The digests of a table's ranges, in memory and in rows.
//!
//! Digests have rows of their own, several ranges per row. A few digests may be pending, that is
//! ahead of these rows. Pending digests are stored in the table's row, which a commit writes
//! anyway, and move to their own rows when there are too many of them.

use std::{collections::BTreeSet, sync::Arc};

use beringia_storage::{
    StoreError,
    backend::{Keyspace, Snapshot, TableNumber, WriteSet},
};

use crate::layout::{Fields, PARTS, PENDING_RANGES_MAX, RANGES_PER_PART, RangeSum, digest_key, digest_keys, number_of};

/// Marks an unused slot in the table's row. All ranges are less than this.
const NO_RANGE: u16 = u16::MAX;

/// The number of bytes of a range and its digest in the table's row.
const PENDING_BYTES: usize = 2 + RangeSum::BYTES;

/// The pending digests of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pending {
    /// The ranges, in the order in which they became pending.
    ranges: Vec<u16>,
    /// The first of them with their digests, in the format of the table's row. The length is
    /// constant, since a row that keeps its length can be overwritten in place.
    row: Vec<u8>,
}

impl Default for Pending {
    fn default() -> Self {
        let mut nothing = [0; PENDING_BYTES];
        nothing[..2].copy_from_slice(&NO_RANGE.to_be_bytes());
        Self {
            ranges: Vec::new(),
            row: nothing.repeat(PENDING_RANGES_MAX),
        }
    }
}

impl Pending {
    fn set(&mut self, range: u16, sum: &RangeSum) {
        let known = self.ranges.iter().position(|pending| *pending == range);
        let place = known.unwrap_or_else(|| {
            self.ranges.push(range);
            self.ranges.len() - 1
        });
        // Digests beyond the row's slots move to their own rows at the end of the group.
        if let Some(slot) = self.row.chunks_exact_mut(PENDING_BYTES).nth(place) {
            slot[..2].copy_from_slice(&range.to_be_bytes());
            slot[2..].copy_from_slice(&sum.encode());
        }
    }
}

type Part = [RangeSum; RANGES_PER_PART];

/// The digests of all ranges of a table. Cheap to clone: parts are shared until they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    parts: [Arc<Part>; PARTS],
    /// The number of live items of all ranges, and their size in bytes.
    totals: (u64, u64),
    pending: Pending,
    /// Whether this group changed any digest.
    changed: bool,
}

impl Default for Digests {
    /// The digests of an empty table.
    fn default() -> Self {
        let empty = Arc::new(Part::default());
        Self {
            parts: std::array::from_fn(|_| Arc::clone(&empty)),
            totals: (0, 0),
            pending: Pending::default(),
            changed: false,
        }
    }
}

impl Digests {
    /// Reads the digests of a table whose own row has `pending`. Without rows the table is empty.
    ///
    /// # Errors
    /// If they cannot be read, or are damaged.
    pub fn load(snapshot: &dyn Snapshot, table: TableNumber, pending: &[u8]) -> Result<Self, StoreError> {
        let mut digests = Self::default();
        snapshot.scan(Keyspace::Digests, &digest_keys(table), &mut |key, row| {
            let part = number_of(key)? % PARTS as u64;
            // A scrub recomputes what is damaged.
            let Ok(row) = row else {
                return Ok(std::ops::ControlFlow::Continue(()));
            };
            let mut fields = Fields(row);
            // The remainder is less than the number of parts.
            let part = Arc::make_mut(&mut digests.parts[usize::try_from(part).unwrap_or_default()]);
            for range in part {
                *range = RangeSum::decode(&mut fields)?;
            }
            Ok(std::ops::ControlFlow::Continue(()))
        })?;
        digests.decode_pending(pending)?;
        digests.totals = digests.ranges().fold((0, 0), |(items, bytes), range| {
            (items.wrapping_add(range.items), bytes.wrapping_add(range.bytes))
        });
        Ok(digests)
    }

    /// The digest of a range.
    #[must_use]
    pub fn get(&self, range: u16) -> RangeSum {
        let range = usize::from(range);
        self.parts[range / RANGES_PER_PART][range % RANGES_PER_PART]
    }

    /// The digests of all ranges, in order.
    pub fn ranges(&self) -> impl Iterator<Item = RangeSum> {
        self.parts.iter().flat_map(|part| part.iter().copied())
    }

    /// The number of live items, and their size in bytes.
    #[must_use]
    pub const fn totals(&self) -> (u64, u64) {
        self.totals
    }

    /// Changes a range's digest; it is written with the group.
    pub(crate) fn change(&mut self, range: u16, change: impl FnOnce(&mut RangeSum)) {
        self.changed = true;
        let place = usize::from(range);
        let sum = &mut Arc::make_mut(&mut self.parts[place / RANGES_PER_PART])[place % RANGES_PER_PART];
        let before = *sum;
        change(sum);
        self.pending.set(range, sum);
        let (items, bytes) = &mut self.totals;
        *items = items.wrapping_add(sum.items).wrapping_sub(before.items);
        *bytes = bytes.wrapping_add(sum.bytes).wrapping_sub(before.bytes);
    }

    /// At the end of a group: writes the rows of pending digests if there are too many for the
    /// table's row. Returns true if this group changed any digest, so that the table's row has to
    /// be written with [`Digests::pending`].
    pub(crate) fn flush(&mut self, table: TableNumber, writes: &mut WriteSet) -> bool {
        if self.pending.ranges.len() > PENDING_RANGES_MAX {
            let pending = std::mem::take(&mut self.pending);
            let part_of = |range: &u16| usize::from(*range) / RANGES_PER_PART;
            let parts: BTreeSet<usize> = pending.ranges.iter().map(part_of).collect();
            for part in parts {
                let row = self.parts[part].iter().flat_map(RangeSum::encode).collect();
                writes
                    .rows
                    .insert((Keyspace::Digests, digest_key(table, part)), Some(row));
            }
        }
        debug_assert!(
            self.pending.ranges.len() <= PENDING_RANGES_MAX,
            "all pending digests are in the table's row"
        );
        std::mem::take(&mut self.changed)
    }

    /// The pending digests in the format of the table's row.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.pending.row
    }

    fn decode_pending(&mut self, row: &[u8]) -> Result<(), StoreError> {
        let mut fields = Fields(row);
        while !fields.is_empty() {
            let range = fields.u16()?;
            let sum = RangeSum::decode(&mut fields)?;
            if range == NO_RANGE {
                continue;
            }
            let place = usize::from(range);
            let part = self.parts.get_mut(place / RANGES_PER_PART);
            let part = part.ok_or_else(|| StoreError::damaged("a digest has an invalid range"))?;
            Arc::make_mut(part)[place % RANGES_PER_PART] = sum;
            self.pending.set(range, &sum);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use beringia_clock::ManualClock;
    use beringia_item::{RANGES, Region};
    use beringia_storage::{
        StoreOptions,
        backend::{KeyRange, ReadScope, StorageBackend, Writer},
    };
    use beringia_storage_memory::{Execution, MemoryBackend, MemoryState, Options};
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const TABLE: TableNumber = 16;

    /// A backend, and the pending digests of the table's row, which is not stored in it.
    struct Table {
        backend: MemoryBackend,
        writer: Box<dyn Writer>,
        pending: Vec<u8>,
    }

    impl Table {
        fn new() -> Self {
            let region = Region::new("us-east-1").unwrap();
            let options = StoreOptions::new(region, Arc::new(ManualClock::new(0)));
            let options = Options::new(options, MemoryState::new(), Execution::Inline);
            let backend = MemoryBackend::open(&options).unwrap();
            let writer = backend.lease().unwrap();
            Self {
                backend,
                writer,
                pending: Vec::new(),
            }
        }

        /// Ends a group as the table does.
        fn flush(&mut self, digests: &mut Digests) -> bool {
            let mut writes = WriteSet {
                based_on: self.writer.committed().unwrap(),
                ..WriteSet::default()
            };
            let written = digests.flush(TABLE, &mut writes);
            self.writer.commit(&writes).unwrap();
            if written {
                self.pending = digests.pending().to_vec();
            }
            written
        }

        fn load(&self) -> Result<Digests, StoreError> {
            let mut loaded = None;
            self.backend.read(ReadScope::Snapshot, &mut |snapshot| {
                loaded = Some(Digests::load(snapshot, TABLE, &self.pending)?);
                Ok(())
            })?;
            Ok(loaded.unwrap())
        }

        fn rows(&self) -> usize {
            let mut rows = 0;
            let count = |_: &[u8], _: beringia_storage::backend::Checked<&[u8]>| {
                rows += 1;
                Ok(std::ops::ControlFlow::Continue(()))
            };
            let mut count = count;
            let read = self.backend.read(ReadScope::Snapshot, &mut |snapshot| {
                snapshot.scan(Keyspace::Digests, &KeyRange::all(), &mut count)
            });
            read.unwrap();
            rows
        }
    }

    proptest! {
        #[test]
        fn rows_and_pending_digests_equal_the_digests_in_memory(
            groups in vec(vec((0..RANGES, any::<u128>(), 0..9_u64), 0..60), 1..30)
        ) {
            let mut table = Table::new();
            let mut digests = Digests::default();
            let mut lengths = BTreeSet::new();
            for group in groups {
                for (range, hash, size) in &group {
                    digests.change(*range, |sum| sum.add(*hash, *size));
                }
                prop_assert_eq!(table.flush(&mut digests), !group.is_empty());
                prop_assert!(digests.pending.ranges.len() <= PENDING_RANGES_MAX);
                if !group.is_empty() {
                    lengths.insert(digests.pending().len());
                }
                prop_assert_eq!(&table.load().unwrap(), &digests);
            }
            prop_assert!(lengths.len() <= 1, "the row keeps its length");
        }
    }

    #[test]
    fn few_changes_write_no_row_of_digests() {
        let mut table = Table::new();
        let mut digests = Digests::default();
        for place in 0..32 {
            digests.change(place * 8, |sum| sum.add(1, 1));
            table.flush(&mut digests);
        }
        assert_eq!(table.rows(), 0);
        digests.change(1, |sum| sum.add(1, 1));
        table.flush(&mut digests);
        assert_eq!(table.rows(), PARTS, "one more than the table's row holds");
        assert_eq!(digests.pending, Pending::default());
    }

    #[test]
    fn damage_to_the_tables_row_is_detected() {
        let mut pending = 256_u16.to_be_bytes().to_vec();
        pending.extend([0; RangeSum::BYTES]);
        for pending in [pending, vec![0; 7]] {
            let table = Table {
                pending,
                ..Table::new()
            };
            assert!(table.load().is_err());
        }
    }
}
