//! The applied writes of a table, by origin.

use std::collections::BTreeMap;

use beringia_item::{Origin, VersionVector};
use beringia_storage::{StoreError, backend::OriginNumber};
use bytes::Bytes;

use super::origins::Origins;
use crate::layout::{Fields, encode_context};

/// The applied writes of one origin to a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OriginProgress {
    /// Everything up to this sequence has been applied.
    pub applied: u64,
    /// The low watermark: the log serves only what is above this sequence.
    pub low_watermark: u64,
    /// The sequence of the origin's last record in the log.
    pub last_record: u64,
    /// The number of records that were ever in the log.
    pub records: u64,
    /// The size of those records, in bytes.
    pub bytes: u64,
    /// The position of the last log checkpoint; 0 if there is none.
    pub(crate) checkpoint: u64,
}

/// The applied writes of a table, by origin.
#[derive(Debug, Clone, Default)]
pub struct TableProgress {
    origins: BTreeMap<OriginNumber, OriginProgress>,
    /// The `applied` of all origins, as other regions see it.
    vector: VersionVector,
    /// The causal context of a local write that replaces nothing: the vector without the own
    /// origin, in the format of records and by names. It is cached until it changes.
    context: Option<(Bytes, VersionVector)>,
    pub(super) changed: bool,
}

impl TableProgress {
    /// Reads the progress from its field of a table's row.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if it is damaged.
    pub fn decode(row: &[u8], names: &[Origin]) -> Result<Self, StoreError> {
        let mut progress = Self::default();
        let mut fields = Fields(row);
        while !fields.is_empty() {
            let number = fields.u16()?;
            let origin = OriginProgress {
                applied: fields.u64()?,
                low_watermark: fields.u64()?,
                last_record: fields.u64()?,
                records: fields.u64()?,
                bytes: fields.u64()?,
                checkpoint: fields.u64()?,
            };
            let name = names
                .get(usize::from(number))
                .ok_or_else(|| StoreError::damaged("a vector names an unknown origin"))?;
            progress.vector.advance(name, origin.applied);
            progress.origins.insert(number, origin);
        }
        Ok(progress)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.origins.len() * 50);
        for (number, origin) in &self.origins {
            out.extend_from_slice(&number.to_be_bytes());
            for field in [
                origin.applied,
                origin.low_watermark,
                origin.last_record,
                origin.records,
                origin.bytes,
                origin.checkpoint,
            ] {
                out.extend_from_slice(&field.to_be_bytes());
            }
        }
        out
    }

    /// The progress of one origin.
    #[must_use]
    pub fn origin(&self, number: OriginNumber) -> OriginProgress {
        self.origins.get(&number).copied().unwrap_or_default()
    }

    /// The progress of an origin for modification. It is written with the group.
    pub(crate) fn origin_mut(&mut self, number: OriginNumber) -> &mut OriginProgress {
        self.changed = true;
        self.origins.entry(number).or_default()
    }

    /// The greatest sequence of each origin up to which everything has been applied.
    #[must_use]
    pub const fn vector(&self) -> &VersionVector {
        &self.vector
    }

    /// Records that everything up to `sequence` has been applied.
    pub(crate) fn advance(&mut self, origins: &Origins, origin: OriginNumber, sequence: u64) -> Result<(), StoreError> {
        let name = origins.name(origin)?;
        let entry = self.origin_mut(origin);
        if sequence > entry.applied {
            entry.applied = sequence;
            self.vector.advance(name, sequence);
            if origin != origins.own() {
                self.context = None;
            }
        }
        debug_assert!(self.vector.get(name) >= sequence, "the vector follows the progress");
        Ok(())
    }

    /// Records that the log does not contain everything up to `sequence`.
    pub(crate) fn raise_low_watermark(&mut self, origin: OriginNumber, sequence: u64) {
        let entry = self.origin_mut(origin);
        entry.low_watermark = entry.low_watermark.max(sequence);
    }

    /// The causal context of a local write that replaces writes with the causal context `replaced`:
    /// in the format of records, and by names.
    pub(crate) fn context(
        &mut self,
        origins: &Origins,
        replaced: &[(OriginNumber, u64)],
    ) -> Result<(Bytes, VersionVector), StoreError> {
        let own = origins.own();
        let held = &self.origins;
        let applied = |number: &OriginNumber| held.get(number).map_or(0, |origin| origin.applied);
        let ahead = |(number, sequence): &&(OriginNumber, u64)| *number != own && *sequence > applied(number);
        let others = || {
            let others = held.iter().map(|(number, origin)| (*number, origin.applied));
            others.filter(|(number, applied)| *number != own && *applied > 0)
        };
        let by_name = |entries: &BTreeMap<OriginNumber, u64>| -> Result<VersionVector, StoreError> {
            let named = entries
                .iter()
                .map(|(number, sequence)| Ok((origins.name(*number)?.clone(), *sequence)));
            named.collect()
        };
        let mut ahead = replaced.iter().filter(ahead).peekable();
        if ahead.peek().is_none() {
            if self.context.is_none() {
                let entries = others().collect();
                self.context = Some((encode_context(others()), by_name(&entries)?));
            }
            return Ok(self.context.clone().unwrap_or_default());
        }
        let mut entries: BTreeMap<OriginNumber, u64> = others().collect();
        for (number, sequence) in ahead {
            let entry = entries.entry(*number).or_default();
            *entry = (*entry).max(*sequence);
        }
        let named = by_name(&entries)?;
        Ok((encode_context(entries.into_iter()), named))
    }
}
