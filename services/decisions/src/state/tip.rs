//! The counters that nearly every group advances, and the row of the region as a whole.

use std::sync::Arc;

use beringia_storage::{
    OwnSequences, SequenceGap, StoreError,
    backend::{IndexNumber, Keyspace, Snapshot, TableNumber, WriteSet},
};

use crate::layout::{Fields, number_key};

/// The counters that nearly every group advances. They only grow; the row with the greatest tip has
/// the last one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tip {
    /// The last own sequence that was assigned.
    pub sequence: u64,
    /// The upper bound of the clock.
    pub clock: u64,
    /// The last position of the log.
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

/// The key of the only row of [`Keyspace::Region`].
const REGION_ROW: u64 = 1;

/// The row of [`Keyspace::Region`]: the tip, and the next free numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionRow {
    /// The tip when the row was written; a table's row may have a later one.
    pub(super) tip: Tip,
    /// The trimmed part of the log, as [`Log::trimmed`](crate::Log::trimmed).
    pub trimmed: u64,
    /// The expired part of the log, as [`Log::expired`](crate::Log::expired).
    pub expired: u64,
    pub(super) next_table: TableNumber,
    pub(super) next_index: IndexNumber,
    pub(super) next_conflict: u64,
    pub(super) next_unshipped: u64,
    /// The store epoch and the gaps of the own sequences. The rest is not stored here.
    pub(super) own: Arc<OwnSequences>,
}

impl RegionRow {
    /// Reads the row; `None` if there is none, as in a new database.
    ///
    /// # Errors
    /// If the backend fails, or the row is damaged.
    pub fn read(snapshot: &dyn Snapshot) -> Result<Option<Self>, StoreError> {
        let Some(row) = snapshot.get(Keyspace::Region, &number_key(REGION_ROW))? else {
            return Ok(None);
        };
        let mut fields = Fields(&row);
        Ok(Some(Self {
            tip: Tip::decode(&mut fields)?,
            trimmed: fields.u64()?,
            expired: fields.u64()?,
            next_table: fields.u32()?,
            next_index: fields.u32()?,
            next_conflict: fields.u64()?,
            next_unshipped: fields.u64()?,
            own: Arc::new(decode_own(&mut fields)?),
        }))
    }

    pub(super) fn write(&self, writes: &mut WriteSet) {
        let mut row = Vec::with_capacity(80 + 16 * self.own.gaps.len());
        self.tip.encode(&mut row);
        row.extend_from_slice(&self.trimmed.to_be_bytes());
        row.extend_from_slice(&self.expired.to_be_bytes());
        row.extend_from_slice(&self.next_table.to_be_bytes());
        row.extend_from_slice(&self.next_index.to_be_bytes());
        row.extend_from_slice(&self.next_conflict.to_be_bytes());
        row.extend_from_slice(&self.next_unshipped.to_be_bytes());
        encode_own(&self.own, &mut row);
        writes
            .rows
            .insert((Keyspace::Region, number_key(REGION_ROW)), Some(row));
    }
}

fn encode_own(own: &OwnSequences, row: &mut Vec<u8>) {
    let gaps = own.gaps.iter().flat_map(|gap| [gap.after, gap.until]);
    for field in [own.epoch, own.epoch_start].into_iter().chain(gaps) {
        row.extend_from_slice(&field.to_be_bytes());
    }
}

/// Reads the rest of the region's row.
fn decode_own(fields: &mut Fields<'_>) -> Result<OwnSequences, StoreError> {
    let mut own = OwnSequences {
        epoch: fields.u64()?,
        epoch_start: fields.u64()?,
        ..OwnSequences::default()
    };
    while !fields.is_empty() {
        let (after, until) = (fields.u64()?, fields.u64()?);
        own.gaps.push(SequenceGap { after, until });
    }
    Ok(own)
}
