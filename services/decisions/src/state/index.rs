//! The secondary indexes of a table, in memory and in rows.

use std::sync::Arc;

use beringia_item::{Item, KeyBytes, KeySchema, item_size, value_size};
use beringia_storage::{
    GlobalIndex, IndexProjection, IndexState, StoreError, TableSize,
    backend::{IndexNumber, Keyspace, TableNumber, WriteSet},
};
use serde::{Deserialize, Serialize};

use crate::layout::{Fields, number_key, put_bytes, put_optional, row_key};

/// The part of an index that its definition fixes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDefinition {
    /// The name of the index, unique within its table.
    pub name: String,
    /// The key of the index.
    pub keys: KeySchema,
    /// The definition of a global index; `None` for a local one and for the one by expiry time.
    pub global: Option<GlobalIndex>,
}

/// An index of a table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Index {
    /// The number of the index in this region.
    pub number: IndexNumber,
    pub(crate) table: TableNumber,
    /// Its name, key and global definition, shared by all copies.
    pub definition: Arc<IndexDefinition>,
    pub(crate) state: IndexState,
    /// The progress of the backfill: the row key of the last item that it processed.
    pub(crate) cursor: Option<Vec<u8>>,
    /// The attributes that the index projects; `None` for all.
    pub projected: Option<Arc<[String]>>,
    pub(crate) size: IndexSize,
    /// The count in progress, which replaces the size when it is complete.
    pub(crate) recount: Option<Recount>,
    /// The size as catalogs show it.
    pub(crate) shown: Arc<TableSize>,
}

/// A count of an index's entries after damage. The index's row records only that one is in
/// progress: after a restart it begins at the first entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recount {
    /// The last entry that was counted.
    pub(crate) cursor: Option<Vec<u8>>,
    /// The size of the entries up to the cursor.
    size: IndexSize,
}

/// The number of entries of an index, and their size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct IndexSize {
    entries: u64,
    bytes: u64,
    pub(super) changed: bool,
}

impl IndexSize {
    /// Adds an entry of this size.
    pub(crate) const fn add(&mut self, bytes: u64) {
        self.entries += 1;
        self.bytes += bytes;
        self.changed = true;
    }

    /// Subtracts an entry of this size.
    pub(crate) const fn remove(&mut self, bytes: u64) {
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.changed = true;
    }

    /// Adds the size of several entries.
    const fn add_all(&mut self, entries: u64, bytes: u64) {
        self.entries += entries;
        self.bytes += bytes;
        self.changed = true;
    }
}

impl Recount {
    /// Whether the entry, if it exists, was counted.
    fn has_passed(&self, entry: &[u8]) -> bool {
        self.cursor.as_deref().is_some_and(|cursor| entry <= cursor)
    }
}

/// The sizes that change with one entry: that of the index, and that of a count which has passed
/// the entry's key.
pub(crate) struct SizesOfEntry<'a> {
    size: &'a mut IndexSize,
    counted: Option<&'a mut IndexSize>,
}

impl SizesOfEntry<'_> {
    /// Adds the entry to both.
    pub(crate) const fn add(&mut self, bytes: u64) {
        self.size.add(bytes);
        self.add_counted(bytes);
    }

    /// Adds an entry that existed without an item, so that no count has included it. Whether the
    /// size of the index includes it is unknown.
    pub(crate) const fn add_counted(&mut self, bytes: u64) {
        if let Some(counted) = &mut self.counted {
            counted.add(bytes);
        }
    }

    /// Subtracts the entry from both.
    pub(crate) const fn remove(&mut self, bytes: u64) {
        self.size.remove(bytes);
        if let Some(counted) = &mut self.counted {
            counted.remove(bytes);
        }
    }
}

impl Index {
    /// The row key of an item's entry; `None` if the item has no such key, or one of another type.
    pub(crate) fn entry(&self, item: &Item, base: &KeyBytes) -> Option<Vec<u8>> {
        let key = self.definition.keys.index_key_of(item, base).ok()?;
        Some(row_key(self.number, &key.0))
    }

    /// The size in bytes of what the index projects of an item.
    pub(crate) fn weight(&self, item: &Item) -> u64 {
        projected_size(item, self.projected.as_deref()) as u64
    }

    /// The change of the sizes by an entry of this key.
    pub(crate) fn sizes_of(&mut self, entry: &[u8]) -> SizesOfEntry<'_> {
        let recount = self.recount.as_mut().filter(|recount| recount.has_passed(entry));
        SizesOfEntry {
            size: &mut self.size,
            counted: recount.map(|recount| &mut recount.size),
        }
    }

    /// Adds entries that were counted after damage, up to and including `last`; `None` if there are
    /// no more, so that the size of the index is known again.
    pub(crate) fn add_counted(&mut self, entries: u64, bytes: u64, last: Option<Vec<u8>>) {
        let Some(recount) = &mut self.recount else { return };
        recount.size.add_all(entries, bytes);
        if last.is_some() {
            recount.cursor = last;
        } else {
            self.size = recount.size;
            self.recount = None;
        }
    }

    /// Publishes the size to catalogs.
    pub fn show_size(&self) {
        self.shown.set(self.size.entries, self.size.bytes);
    }

    /// Writes the row of the index.
    pub(crate) fn write(&self, writes: &mut WriteSet) -> Result<(), StoreError> {
        let mut row = Vec::new();
        row.extend_from_slice(&self.size.entries.to_be_bytes());
        row.extend_from_slice(&self.size.bytes.to_be_bytes());
        row.extend_from_slice(&self.table.to_be_bytes());
        row.push(encode_state(self.state));
        row.push(u8::from(self.recount.is_some()));
        put_optional(&mut row, self.cursor.as_deref());
        let definition = serde_json::to_vec(&*self.definition);
        put_bytes(
            &mut row,
            &definition.map_err(|error| StoreError::damaged(&error.to_string()))?,
        );
        writes
            .rows
            .insert((Keyspace::Indexes, number_key(self.number.into())), Some(row));
        Ok(())
    }

    /// Reads what [`Index::write`] wrote. The row does not contain the projected attributes.
    pub(super) fn read(number: IndexNumber, row: &[u8]) -> Result<Self, StoreError> {
        let mut fields = Fields(row);
        let (entries, bytes) = (fields.u64()?, fields.u64()?);
        let index = Self {
            number,
            table: fields.u32()?,
            state: decode_state(fields.u8()?)?,
            recount: (fields.u8()? != 0).then(Recount::default),
            cursor: fields.optional()?.map(<[u8]>::to_vec),
            definition: Arc::new(
                serde_json::from_slice(fields.bytes()?).map_err(|error| StoreError::damaged(&error.to_string()))?,
            ),
            projected: None,
            size: IndexSize {
                entries,
                bytes,
                changed: false,
            },
            shown: Arc::default(),
        };
        index.show_size();
        Ok(index)
    }
}

/// The attributes that an index over a table projects; `None` for all.
pub(crate) fn projected(projection: &IndexProjection, table: &KeySchema, index: &KeySchema) -> Option<Arc<[String]>> {
    let others = match projection {
        IndexProjection::All => return None,
        IndexProjection::KeysOnly => &[][..],
        IndexProjection::Include(names) => names.as_slice(),
    };
    let keys = table.parts().chain(index.parts()).map(|part| &part.name);
    let mut names: Vec<String> = keys.chain(others).cloned().collect();
    names.sort_unstable();
    names.dedup();
    Some(names.into())
}

/// The size in bytes of an item's projection to these attributes.
#[must_use]
pub fn projected_size(item: &Item, projected: Option<&[String]>) -> usize {
    let Some(names) = projected else { return item_size(item) };
    names
        .iter()
        .filter_map(|name| item.get(name).map(|value| name.len() + value_size(value)))
        .sum()
}

const fn encode_state(state: IndexState) -> u8 {
    match state {
        IndexState::Backfilling => 0,
        IndexState::Active => 1,
        IndexState::Deleting => 2,
    }
}

fn decode_state(state: u8) -> Result<IndexState, StoreError> {
    match state {
        0 => Ok(IndexState::Backfilling),
        1 => Ok(IndexState::Active),
        2 => Ok(IndexState::Deleting),
        _ => Err(StoreError::damaged("an index has an unknown state")),
    }
}

/// The table of an index, from its row.
pub(crate) fn table_of_index(row: &[u8]) -> Result<TableNumber, StoreError> {
    Index::read(0, row).map(|index| index.table)
}
