//! What nearly every group moves, and the row of the region as a whole.

use beringia_storage::{
    StoreError,
    backend::{IndexNumber, Keyspace, Snapshot, TableNumber, WriteSet},
};

use crate::layout::{Fields, number_key};

/// What nearly every group moves. It only grows, and whatever row has the greatest of it has it last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tip {
    /// The own sequence's last number.
    pub sequence: u64,
    /// The clock's upper bound.
    pub clock: u64,
    /// The log's last position.
    pub position: u64,
}

impl Tip {
    pub(super) fn encode(self, row: &mut Vec<u8>) {
        for field in [self.sequence, self.clock, self.position] {
            row.extend_from_slice(&field.to_be_bytes());
        }
    }

    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            sequence: fields.u64()?,
            clock: fields.u64()?,
            position: fields.u64()?,
        })
    }

    pub(super) fn max(self, other: Self) -> Self {
        Self {
            sequence: self.sequence.max(other.sequence),
            clock: self.clock.max(other.clock),
            position: self.position.max(other.position),
        }
    }
}

/// The key of the one row of [`Keyspace::Region`].
const REGION_ROW: u64 = 1;

/// The row of [`Keyspace::Region`]: the tip, and the next free numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionRow {
    /// At least one row of tables may be ahead of it.
    pub(super) tip: Tip,
    /// [`Log::trimmed`](crate::Log::trimmed).
    pub trimmed: u64,
    pub(super) next_table: TableNumber,
    pub(super) next_index: IndexNumber,
    pub(super) next_conflict: u64,
    pub(super) next_unshipped: u64,
}

impl RegionRow {
    /// Reads the row; `None` where there is none, as in a new database.
    ///
    /// # Errors
    /// Where the backend fails, or the row is damaged.
    pub fn read(snapshot: &dyn Snapshot) -> Result<Option<Self>, StoreError> {
        let Some(row) = snapshot.get(Keyspace::Region, &number_key(REGION_ROW))? else {
            return Ok(None);
        };
        let mut fields = Fields(&row);
        Ok(Some(Self {
            tip: Tip::decode(&mut fields)?,
            trimmed: fields.u64()?,
            next_table: fields.u32()?,
            next_index: fields.u32()?,
            next_conflict: fields.u64()?,
            next_unshipped: fields.u64()?,
        }))
    }

    pub(super) fn write(&self, writes: &mut WriteSet) {
        let mut row = Vec::with_capacity(56);
        self.tip.encode(&mut row);
        row.extend_from_slice(&self.trimmed.to_be_bytes());
        row.extend_from_slice(&self.next_table.to_be_bytes());
        row.extend_from_slice(&self.next_index.to_be_bytes());
        row.extend_from_slice(&self.next_conflict.to_be_bytes());
        row.extend_from_slice(&self.next_unshipped.to_be_bytes());
        writes
            .rows
            .insert((Keyspace::Region, number_key(REGION_ROW)), Some(row));
    }
}
