//! The digests of a table's ranges, in memory and in the database.
//!
//! They have rows of their own, of several ranges each. A few ranges may be ahead of these: then they are in the table's row,
//! which a commit writes anyway, and go into their own rows when they become too many.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};

use crate::sqlite::{
    fail::{Fail, Result},
    layout::{Fields, LATE_RANGES_MAX, PARTS, RANGES_PER_PART, RangeSum, TableNumber, digest_rows},
};

/// Where the table's row has no range. There are fewer ranges than this.
const NO_RANGE: u16 = u16::MAX;

/// Bytes of a range and its digest in the table's row.
const LATE_BYTES: usize = 2 + RangeSum::BYTES;

/// The ranges that are ahead of their rows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Late {
    /// In the order in which they became so.
    ranges: Vec<u16>,
    /// The first of them with their digests, as the table's row has them: always as many bytes, since a row that keeps its length is
    /// overwritten in place.
    row: Vec<u8>,
}

impl Default for Late {
    fn default() -> Self {
        let mut nothing = [0; LATE_BYTES];
        nothing[..2].copy_from_slice(&NO_RANGE.to_be_bytes());
        Self {
            ranges: Vec::new(),
            row: nothing.repeat(LATE_RANGES_MAX),
        }
    }
}

impl Late {
    fn set(&mut self, range: u16, sum: &RangeSum) {
        let known = self.ranges.iter().position(|late| *late == range);
        let place = known.unwrap_or_else(|| {
            self.ranges.push(range);
            self.ranges.len() - 1
        });
        // Too many for the row go into rows of their own at the end of the group.
        if let Some(slot) = self.row.chunks_exact_mut(LATE_BYTES).nth(place) {
            slot[..2].copy_from_slice(&range.to_be_bytes());
            slot[2..].copy_from_slice(&sum.encode());
        }
    }
}

/// The digests of all ranges of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sqlite) struct Digests {
    ranges: Vec<RangeSum>,
    /// Live items of all ranges, and their bytes.
    totals: (u64, u64),
    late: Late,
    /// Whether this group changed any.
    changed: bool,
}

impl Default for Digests {
    /// Those of an empty table.
    fn default() -> Self {
        Self {
            ranges: vec![RangeSum::default(); PARTS * RANGES_PER_PART],
            totals: (0, 0),
            late: Late::default(),
            changed: false,
        }
    }
}

impl Digests {
    /// What the database says of a table; of one that is gone, that it is empty.
    ///
    /// # Errors
    /// Where it cannot be read, or is damaged.
    pub(in crate::sqlite) fn load(connection: &Connection, table: TableNumber) -> Result<Self> {
        let mut digests = Self::default();
        let own = digest_rows(table);
        let mut statement =
            connection.prepare_cached("SELECT n - ?1, ranges FROM digest WHERE n >= ?1 AND n < ?2 ORDER BY n")?;
        let mut rows = statement.query((own.start, own.end))?;
        while let Some(row) = rows.next()? {
            let part: usize = row.get::<_, u16>(0)?.into();
            let blob = row
                .get_ref(1)?
                .as_blob()
                .map_err(|_| Fail::damaged("a digest is no blob"))?;
            let mut fields = Fields(blob);
            let ranges = digests.ranges.iter_mut().skip(part * RANGES_PER_PART);
            for range in ranges.take(RANGES_PER_PART) {
                *range = RangeSum::decode(&mut fields)?;
            }
        }
        let late: Option<Vec<u8>> = connection
            .prepare_cached("SELECT late FROM tables WHERE n = ?1")?
            .query_row([table], |row| row.get(0))
            .optional()?;
        digests.decode_late(&late.unwrap_or_default())?;
        digests.totals = digests.ranges.iter().fold((0, 0), |(items, bytes), range| {
            (items.wrapping_add(range.items), bytes.wrapping_add(range.bytes))
        });
        Ok(digests)
    }

    pub(in crate::sqlite) fn get(&self, range: u16) -> RangeSum {
        self.ranges[usize::from(range)]
    }

    /// Changes a range's sum; it is written with the group.
    pub(in crate::sqlite) fn change(&mut self, range: u16, change: impl FnOnce(&mut RangeSum)) {
        self.changed = true;
        let sum = &mut self.ranges[usize::from(range)];
        let before = *sum;
        change(sum);
        self.late.set(range, sum);
        let (items, bytes) = &mut self.totals;
        *items = items.wrapping_add(sum.items).wrapping_sub(before.items);
        *bytes = bytes.wrapping_add(sum.bytes).wrapping_sub(before.bytes);
    }

    pub(in crate::sqlite) fn ranges(&self) -> &[RangeSum] {
        &self.ranges
    }

    /// Live items and their bytes.
    pub(in crate::sqlite) const fn totals(&self) -> (u64, u64) {
        self.totals
    }

    /// At the end of a group: writes the rows of those that are late, where they are too many for the table's row. True where this
    /// group changed any, so that the table's row is to be written with [`Digests::late`].
    pub(super) fn settle(&mut self, connection: &Connection, table: TableNumber) -> Result<bool> {
        if self.late.ranges.len() > LATE_RANGES_MAX {
            let mut statement =
                connection.prepare_cached("INSERT OR REPLACE INTO digest (n, ranges) VALUES (?1, ?2)")?;
            let late = std::mem::take(&mut self.late);
            let part_of = |range: &u16| usize::from(*range) / RANGES_PER_PART;
            let parts: BTreeSet<usize> = late.ranges.iter().map(part_of).collect();
            for (part, (row, ranges)) in digest_rows(table).zip(self.ranges.chunks(RANGES_PER_PART)).enumerate() {
                if parts.contains(&part) {
                    let mut blob = Vec::with_capacity(RANGES_PER_PART * RangeSum::BYTES);
                    ranges.iter().for_each(|range| blob.extend_from_slice(&range.encode()));
                    statement.execute((row, blob))?;
                }
            }
        }
        Ok(std::mem::take(&mut self.changed))
    }

    /// The late ranges as the table's row has them.
    pub(super) fn late(&self) -> &[u8] {
        &self.late.row
    }

    fn decode_late(&mut self, blob: &[u8]) -> Result<()> {
        let mut fields = Fields(blob);
        while !fields.0.is_empty() {
            let range = u16::from_be_bytes(fields.take()?);
            let sum = RangeSum::decode(&mut fields)?;
            if range == NO_RANGE {
                continue;
            }
            *self
                .ranges
                .get_mut(usize::from(range))
                .ok_or_else(|| Fail::damaged("a digest is of no range"))? = sum;
            self.late.set(range, &sum);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::sqlite::layout::SCHEMA;

    const TABLE: TableNumber = 16;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection
            .execute(
                "INSERT INTO tables VALUES (?1, x'', 0, 1, x'', x'', 0, 0, 0, NULL)",
                [TABLE],
            )
            .unwrap();
        connection
    }

    /// The end of a group, as the table has it.
    fn flush(digests: &mut Digests, connection: &Connection) -> bool {
        let written = digests.settle(connection, TABLE).unwrap();
        if written {
            connection
                .execute("UPDATE tables SET late = ?2 WHERE n = ?1", (TABLE, digests.late()))
                .unwrap();
        }
        written
    }

    proptest! {
        #[test]
        fn whatever_is_late_the_database_says_what_memory_says(
            groups in vec(vec((0..beringia_item::RANGES, any::<u128>(), 0..9_u64), 0..60), 1..30)
        ) {
            let connection = database();
            let mut digests = Digests::default();
            let mut lengths = BTreeSet::new();
            for group in groups {
                for (range, hash, size) in &group {
                    digests.change(*range, |sum| sum.add(*hash, *size));
                }
                prop_assert_eq!(flush(&mut digests, &connection), !group.is_empty());
                prop_assert!(digests.late.ranges.len() <= LATE_RANGES_MAX);
                if !group.is_empty() {
                    lengths.insert(digests.late().len());
                }
                prop_assert_eq!(&Digests::load(&connection, TABLE).unwrap(), &digests);
            }
            prop_assert!(lengths.len() <= 1, "the row keeps its length");
        }
    }

    #[test]
    fn a_few_changes_write_no_row_of_digests() {
        let connection = database();
        let rows = || {
            connection
                .query_row("SELECT count(*) FROM digest", [], |row| row.get::<_, u32>(0))
                .unwrap()
        };
        let mut digests = Digests::default();
        for place in 0..32 {
            digests.change(place * 8, |sum| sum.add(1, 1));
            flush(&mut digests, &connection);
        }
        assert_eq!(rows(), 0);
        digests.change(1, |sum| sum.add(1, 1));
        flush(&mut digests, &connection);
        assert_eq!(rows() as usize, PARTS, "one more than the table's row holds");
        assert_eq!(digests.late, Late::default());
    }

    #[test]
    fn damage_to_the_tables_row_is_found() {
        let connection = database();
        let mut late = 256_u16.to_be_bytes().to_vec();
        late.extend([0; RangeSum::BYTES]);
        for blob in [late, vec![0; 7]] {
            connection
                .execute("UPDATE tables SET late = ?2 WHERE n = ?1", (TABLE, blob))
                .unwrap();
            assert!(Digests::load(&connection, TABLE).is_err());
        }
    }
}
