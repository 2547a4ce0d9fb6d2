//! Which conflicts and unshipped writes a [`PruneFilter`] matches.

use beringia_item::TableId;
use beringia_storage::{PruneFilter, backend::TableNumber};

use crate::{journal, unshipped};

/// A filter, with the table's journal in this region.
#[derive(Debug, Clone, Copy)]
pub struct PruneMatch<'a> {
    filter: &'a PruneFilter,
    /// The journal of the filter's table; `None` if this region does not hold it.
    journal: Option<TableNumber>,
}

impl<'a> PruneMatch<'a> {
    /// The filter in a region whose tables have the journals that `journal_of` returns.
    pub fn new(filter: &'a PruneFilter, journal_of: impl FnOnce(TableId) -> Option<TableNumber>) -> Self {
        let id = filter.table.as_ref().and_then(|table| table.id);
        Self {
            filter,
            journal: id.and_then(journal_of),
        }
    }

    /// Whether the filter matches this row of [`Keyspace::Conflicts`]. It matches a damaged row if
    /// it has no table.
    ///
    /// [`Keyspace::Conflicts`]: beringia_storage::backend::Keyspace::Conflicts
    #[must_use]
    pub fn has_conflict(&self, row: &[u8]) -> bool {
        match (journal::journal_of(row), journal::seen_ms_of(row)) {
            (Ok(journal), Ok(seen_ms)) => {
                seen_ms <= self.filter.until_ms && (self.filter.table.is_none() || self.journal == Some(journal))
            }
            _ => self.filter.table.is_none(),
        }
    }

    /// Whether the filter matches this row of [`Keyspace::Unshipped`]. It matches a damaged row if
    /// it has no table.
    ///
    /// [`Keyspace::Unshipped`]: beringia_storage::backend::Keyspace::Unshipped
    #[must_use]
    pub fn has_unshipped(&self, row: &[u8]) -> bool {
        let table = self.filter.table.as_ref();
        match unshipped::seen_of(row) {
            Ok((seen_ms, name)) => seen_ms <= self.filter.until_ms && table.is_none_or(|table| table.name == name),
            Err(_) => table.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use beringia_item::KeyBytes;
    use beringia_storage::{
        PruneTable,
        backend::{Keyspace, WriteSet},
    };

    use super::*;
    use crate::journal::Side;

    const TABLE: TableId = TableId(7);
    const JOURNAL: TableNumber = 16;

    /// The row of a conflict in the journal, with its key.
    fn conflict(seen_ms: u64) -> (Vec<u8>, Vec<u8>) {
        let side = |sequence| Side {
            time: 1,
            origin: 0,
            sequence,
            image: Some(&[1, 2, 3][..]),
        };
        let mut writes = WriteSet::default();
        let key = KeyBytes(bytes::Bytes::from_static(b"key"));
        journal::write(1, (JOURNAL, &key), (&side(2), &side(1)), &[], seen_ms, &mut writes);
        let of = |wanted| {
            let found = writes
                .rows
                .iter()
                .find(|((keyspace, _), _)| *keyspace == wanted)
                .unwrap();
            (found.0.1.clone(), found.1.clone().unwrap())
        };
        (of(Keyspace::Conflicts).1, of(Keyspace::ConflictKeys).0)
    }

    fn filter(until_ms: u64, id: Option<TableId>) -> PruneFilter {
        let name = "T".to_owned();
        PruneFilter {
            until_ms,
            table: id.map(|id| PruneTable { id: Some(id), name }),
            dry_run: false,
        }
    }

    fn matches(filter: &PruneFilter, row: &[u8]) -> bool {
        let journal_of = |id| (id == TABLE).then_some(JOURNAL);
        PruneMatch::new(filter, journal_of).has_conflict(row)
    }

    #[test]
    fn a_conflict_matches_by_its_time_and_journal() {
        let (row, key) = conflict(10);
        assert_eq!(journal::conflict_key_of(&row).unwrap(), key);
        assert!(matches(&filter(10, None), &row) && !matches(&filter(9, None), &row));
        assert!(matches(&filter(10, Some(TABLE)), &row));
        assert!(!matches(&filter(10, Some(TableId(8))), &row), "another table");
    }

    /// It cannot be listed, and its table and age are unknown.
    #[test]
    fn a_damaged_row_matches_only_without_a_table() {
        assert!(matches(&filter(0, None), &[]));
        assert!(!matches(&filter(0, Some(TABLE)), &[]));
        let unshipped = |filter: &PruneFilter| PruneMatch::new(filter, |_| None).has_unshipped(&[]);
        assert!(unshipped(&filter(0, None)) && !unshipped(&filter(0, Some(TABLE))));
    }
}
