//! The tables whose records the trim may not pass at present, and where it continues with each.
//!
//! The log is one sequence of positions, and the trim goes through it once. A record that must
//! stay for long would hold up the records of all tables behind it. Instead its table is *held up*:
//! the trim goes on without it, and later passes its records from the first one that had to stay.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use beringia_storage::{
    HoldReason, StoreError,
    backend::{KeyRange, Keyspace, Snapshot, TableNumber, WriteSet},
};

use crate::layout::{Fields, number_key, number_of};

/// A table that is held up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The position of the first record that was not passed.
    pub position: u64,
    /// The wall time since which the table is held up, in ms.
    pub since_ms: u64,
    /// Why; `None` after a start, until the trim has looked again.
    pub reason: Option<HoldReason>,
    /// When the record is tried again, in ms. Not stored.
    retry_ms: u64,
}

/// The tables that are held up, by number.
#[derive(Debug, Default, Clone)]
pub struct LogHolds(Arc<BTreeMap<TableNumber, Hold>>);

impl LogHolds {
    pub(super) fn load(snapshot: &dyn Snapshot) -> Result<Self, StoreError> {
        let mut holds = BTreeMap::new();
        snapshot.scan(Keyspace::LogHolds, &KeyRange::all(), &mut |key, row| {
            let number = TableNumber::try_from(number_of(key)?).map_err(|_| StoreError::damaged("a table's number"))?;
            let mut fields = Fields(row?);
            let hold = Hold {
                position: fields.u64()?,
                since_ms: fields.u64()?,
                reason: None,
                retry_ms: 0,
            };
            holds.insert(number, hold);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Self(Arc::new(holds)))
    }

    /// The tables that are held up.
    pub fn iter(&self) -> impl Iterator<Item = (TableNumber, &Hold)> {
        self.0.iter().map(|(number, hold)| (*number, hold))
    }

    /// The hold of a table, if it is held up.
    #[must_use]
    pub fn get(&self, table: TableNumber) -> Option<&Hold> {
        self.0.get(&table)
    }

    /// The first position that is not passed in one of these tables.
    pub(crate) fn first(&self) -> Option<u64> {
        self.0.values().map(|hold| hold.position).min()
    }

    /// The tables whose record is due to be tried.
    pub(crate) fn due(&self, now_ms: u64) -> impl Iterator<Item = (TableNumber, &Hold)> {
        self.iter().filter(move |(_, hold)| hold.retry_ms <= now_ms)
    }

    /// Holds a table up at a record, which is tried again at `retry_ms`.
    pub(crate) fn hold(
        &mut self,
        table: TableNumber,
        (position, reason): (u64, HoldReason),
        (now_ms, retry_ms): (u64, u64),
        writes: &mut WriteSet,
    ) {
        let before = self.0.get(&table);
        let since_ms = before.map_or(now_ms, |hold| hold.since_ms);
        if before.is_none_or(|hold| hold.position != position) {
            write(table, Some((position, since_ms)), writes);
        }
        let hold = Hold {
            position,
            since_ms,
            reason: Some(reason),
            retry_ms,
        };
        Arc::make_mut(&mut self.0).insert(table, hold);
    }

    /// Notes that all records of a table before `position` were passed.
    pub(crate) fn advance(&mut self, table: TableNumber, position: u64, writes: &mut WriteSet) {
        if self.0.get(&table).is_some_and(|hold| hold.position < position)
            && let Some(hold) = Arc::make_mut(&mut self.0).get_mut(&table)
        {
            hold.position = position;
            write(table, Some((position, hold.since_ms)), writes);
        }
    }

    /// Notes why a table is held up, without having tried its record.
    pub(crate) fn explain(&mut self, table: TableNumber, reason: &HoldReason) {
        if self
            .0
            .get(&table)
            .is_some_and(|hold| hold.reason.as_ref() != Some(reason))
            && let Some(hold) = Arc::make_mut(&mut self.0).get_mut(&table)
        {
            hold.reason = Some(reason.clone());
        }
    }

    /// Ends the hold of a table: its records up to the trimmed position were passed.
    pub(crate) fn release(&mut self, table: TableNumber, writes: &mut WriteSet) {
        if self.0.contains_key(&table) {
            Arc::make_mut(&mut self.0).remove(&table);
            write(table, None, writes);
        }
    }
}

fn write(table: TableNumber, row: Option<(u64, u64)>, writes: &mut WriteSet) {
    let row = row.map(|(position, since_ms)| [position.to_be_bytes(), since_ms.to_be_bytes()].concat());
    writes.rows.insert((Keyspace::LogHolds, number_key(table.into())), row);
}
