//! One table in memory: what was applied of it, its digests, its indexes, its size.

use std::{collections::BTreeMap, sync::Arc};

use beringia_item::{ConflictPolicy, Item, KeyBytes, KeySchema, Region, TableId, VersionVector, item_size, value_size};
use rusqlite::Connection;

use super::{Digests, Job, Regions, State, Tip};
use crate::{
    GlobalIndex, IndexState, Projection, TableSize,
    sqlite::{
        committer::Kept,
        fail::{Fail, Result},
        layout::{Fields, IndexNumber, RegionNumber, TableNumber, encode_vector, row_key, sql, unsigned},
    },
};

/// What was applied of one origin's writes to a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::sqlite) struct OriginProgress {
    /// Everything up to this sequence.
    pub(in crate::sqlite) applied: u64,
    /// The log serves only what is above this sequence.
    pub(in crate::sqlite) floor: u64,
    /// The sequence of the last record in the log.
    pub(in crate::sqlite) last_record: u64,
    /// How many records there ever were in the log, and their bytes.
    pub(in crate::sqlite) records: u64,
    pub(in crate::sqlite) bytes: u64,
    /// The position of the last mark; 0 where there is none.
    pub(in crate::sqlite) mark: u64,
}

/// What was applied of a table, by origin.
#[derive(Debug, Clone, Default)]
pub(in crate::sqlite) struct Progress {
    origins: BTreeMap<RegionNumber, OriginProgress>,
    /// `applied` of all origins, as others see it.
    vector: VersionVector,
    /// The vector without the own region, as a local write's record holds it; kept until it changes.
    known: Option<Vec<u8>>,
    changed: bool,
}

impl Progress {
    /// Reads what [`Progress::encode`] wrote.
    pub(in crate::sqlite) fn decode(blob: &[u8], names: &[Region]) -> Result<Self> {
        let mut progress = Self::default();
        let mut fields = Fields(blob);
        while !fields.0.is_empty() {
            let number = u16::from_be_bytes(fields.take()?);
            let origin = OriginProgress {
                applied: fields.u64()?,
                floor: fields.u64()?,
                last_record: fields.u64()?,
                records: fields.u64()?,
                bytes: fields.u64()?,
                mark: fields.u64()?,
            };
            let name = names
                .get(usize::from(number))
                .ok_or_else(|| Fail::damaged("a vector names an unknown region"))?;
            progress.vector.advance(name, origin.applied);
            progress.origins.insert(number, origin);
        }
        Ok(progress)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.origins.len() * 50);
        for (number, origin) in &self.origins {
            out.extend_from_slice(&number.to_be_bytes());
            for field in [
                origin.applied,
                origin.floor,
                origin.last_record,
                origin.records,
                origin.bytes,
                origin.mark,
            ] {
                out.extend_from_slice(&field.to_be_bytes());
            }
        }
        out
    }

    pub(in crate::sqlite) fn origin(&self, number: RegionNumber) -> OriginProgress {
        self.origins.get(&number).copied().unwrap_or_default()
    }

    /// For a change; the progress is written with the group.
    pub(in crate::sqlite) fn origin_mut(&mut self, number: RegionNumber) -> &mut OriginProgress {
        self.changed = true;
        self.origins.entry(number).or_default()
    }

    pub(in crate::sqlite) const fn vector(&self) -> &VersionVector {
        &self.vector
    }

    /// Everything up to `sequence` has been applied.
    pub(in crate::sqlite) fn advance(&mut self, regions: &Regions, origin: RegionNumber, sequence: u64) -> Result<()> {
        let entry = self.origin_mut(origin);
        if sequence > entry.applied {
            entry.applied = sequence;
            self.vector.advance(regions.name(origin)?, sequence);
            if origin != regions.own() {
                self.known = None;
            }
        }
        Ok(())
    }

    /// The log does not hold everything up to `sequence`.
    pub(in crate::sqlite) fn raise_floor(&mut self, origin: RegionNumber, sequence: u64) {
        let entry = self.origin_mut(origin);
        entry.floor = entry.floor.max(sequence);
    }

    /// What a local write knows of other regions, as its record holds it, where it replaces something that knew of `replaced`.
    pub(in crate::sqlite) fn known(&mut self, own: RegionNumber, replaced: &[(RegionNumber, u64)]) -> Vec<u8> {
        let origins = &self.origins;
        let applied = |number: &RegionNumber| origins.get(number).map_or(0, |origin| origin.applied);
        let ahead = |(number, sequence): &&(RegionNumber, u64)| *number != own && *sequence > applied(number);
        let others = || {
            let others = origins.iter().map(|(number, origin)| (*number, origin.applied));
            others.filter(|(number, applied)| *number != own && *applied > 0)
        };
        let mut ahead = replaced.iter().filter(ahead).peekable();
        if ahead.peek().is_none() {
            return self.known.get_or_insert_with(|| encode_vector(others())).clone();
        }
        let mut known: BTreeMap<RegionNumber, u64> = others().collect();
        for (number, sequence) in ahead {
            let entry = known.entry(*number).or_default();
            *entry = (*entry).max(*sequence);
        }
        encode_vector(known.into_iter())
    }
}

/// An index of a table.
#[derive(Debug, Clone)]
pub(in crate::sqlite) struct Index {
    pub(in crate::sqlite) number: IndexNumber,
    pub(in crate::sqlite) name: String,
    pub(in crate::sqlite) keys: KeySchema,
    pub(in crate::sqlite) state: IndexState,
    /// What a global index was defined as; `None` for a local one and for the one by expiry time.
    pub(in crate::sqlite) global: Option<GlobalIndex>,
    /// Where the backfill stands: the row key of the last item that it looked at.
    pub(in crate::sqlite) cursor: Option<Vec<u8>>,
    /// The attributes that it projects; `None` for all.
    pub(in crate::sqlite) projected: Option<Vec<String>>,
    pub(in crate::sqlite) size: IndexSize,
    /// The size as catalogs show it.
    pub(in crate::sqlite) shown: Arc<TableSize>,
}

/// How much an index shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::sqlite) struct IndexSize {
    entries: u64,
    bytes: u64,
    changed: bool,
}

impl IndexSize {
    /// What the database holds.
    pub(in crate::sqlite) const fn stored(entries: u64, bytes: u64) -> Self {
        Self {
            entries,
            bytes,
            changed: false,
        }
    }

    /// Counts an entry in.
    pub(in crate::sqlite) const fn add(&mut self, bytes: u64) {
        self.entries += 1;
        self.bytes += bytes;
        self.changed = true;
    }

    /// Counts an entry out.
    pub(in crate::sqlite) const fn remove(&mut self, bytes: u64) {
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.changed = true;
    }

    /// Counts anew from nothing.
    pub(in crate::sqlite) const fn clear(&mut self) {
        *self = Self {
            entries: 0,
            bytes: 0,
            changed: true,
        };
    }
}

impl Index {
    /// The row key of an item's entry; `None` where the item has no such key, or one of another type.
    pub(in crate::sqlite) fn entry(&self, item: &Item, base: &KeyBytes) -> Option<Vec<u8>> {
        let key = self.keys.index_key_of(item, base).ok()?;
        Some(row_key(self.number, &key.0))
    }

    /// Bytes of what it shows of an item.
    pub(in crate::sqlite) fn weight(&self, item: &Item) -> u64 {
        projected_size(item, self.projected.as_deref()) as u64
    }

    /// Lets catalogs show the size.
    pub(in crate::sqlite) fn show_size(&self) {
        self.shown.set(self.size.entries, self.size.bytes);
    }
}

/// The attributes that an index over a table projects; `None` for all.
pub(in crate::sqlite) fn projected(
    projection: &Projection,
    table: &KeySchema,
    index: &KeySchema,
) -> Option<Vec<String>> {
    let others = match projection {
        Projection::All => return None,
        Projection::KeysOnly => &[][..],
        Projection::Include(names) => names.as_slice(),
    };
    let keys = table.parts().chain(index.parts()).map(|part| &part.name);
    let mut names: Vec<String> = keys.chain(others).cloned().collect();
    names.sort_unstable();
    names.dedup();
    Some(names)
}

/// Bytes of what an index that projects these attributes shows of an item.
pub(in crate::sqlite) fn projected_size(item: &Item, projected: Option<&[String]>) -> usize {
    let Some(names) = projected else { return item_size(item) };
    names
        .iter()
        .filter_map(|name| item.get(name).map(|value| name.len() + value_size(value)))
        .sum()
}

/// A table that this region holds.
pub(in crate::sqlite) struct TableState {
    pub(in crate::sqlite) id: TableId,
    pub(in crate::sqlite) number: TableNumber,
    pub(in crate::sqlite) joined: bool,
    pub(in crate::sqlite) keys: KeySchema,
    /// How the writes of this region are stamped.
    pub(in crate::sqlite) policy: ConflictPolicy,
    pub(in crate::sqlite) indexes: Vec<Index>,
    pub(in crate::sqlite) progress: Progress,
    pub(in crate::sqlite) digests: Digests,
    pub(in crate::sqlite) size: Arc<TableSize>,
    /// Whether readers must be told of a new vector or size.
    pub(in crate::sqlite) moved: bool,
}

impl TableState {
    pub(in crate::sqlite) fn new(id: TableId, number: TableNumber, keys: KeySchema) -> Self {
        Self {
            id,
            number,
            joined: true,
            keys,
            policy: ConflictPolicy::default(),
            indexes: Vec::new(),
            progress: Progress::default(),
            digests: Digests::default(),
            size: Arc::default(),
            moved: true,
        }
    }

    /// Makes the rows of a new table.
    pub(in crate::sqlite) fn insert(&self, connection: &Connection) -> Result<()> {
        connection.execute(
            "INSERT INTO tables (n, id, purging, joined, progress, late, sequence, clock, last_position)
             VALUES (?1, ?2, 0, ?3, ?4, ?5, 0, 0, 0)",
            (
                self.number,
                self.id.0.to_be_bytes(),
                self.joined,
                self.progress.encode(),
                self.digests.late(),
            ),
        )?;
        Ok(())
    }

    pub(in crate::sqlite) fn row_key(&self, key: &KeyBytes) -> Vec<u8> {
        row_key(self.number, &key.0)
    }

    /// Lets catalogs show the size.
    pub(in crate::sqlite) fn show_size(&self) {
        let (items, bytes) = self.digests.totals();
        self.size.set(items, bytes);
    }

    /// Writes what the group moved. True where the table's row, and so `tip`, was written.
    pub(super) fn flush(&mut self, connection: &Connection, tip: &Tip) -> Result<bool> {
        let digested = self.digests.settle(connection, self.number)?;
        let written = std::mem::take(&mut self.progress.changed) || digested;
        if written {
            connection
                .prepare_cached(
                    "UPDATE tables SET joined = ?2, progress = ?3, late = ?4, sequence = ?5, clock = ?6, last_position = ?7
                     WHERE n = ?1",
                )?
                .execute((
                    self.number,
                    self.joined,
                    self.progress.encode(),
                    self.digests.late(),
                    sql(tip.sequence),
                    sql(tip.clock),
                    sql(tip.position),
                ))?;
            self.moved = true;
        }
        for index in self.indexes.iter_mut().filter(|index| index.size.changed) {
            connection
                .prepare_cached("UPDATE indexes SET entries = ?2, bytes = ?3 WHERE n = ?1")?
                .execute((index.number, sql(index.size.entries), sql(index.size.bytes)))?;
            index.size.changed = false;
            self.moved = true;
        }
        Ok(written)
    }
}

impl State {
    /// The tables that are held, and the jobs of those that are going. Their keys come with the definitions.
    pub(super) fn load_tables(&mut self, connection: &Connection) -> Result<()> {
        let mut statement =
            connection.prepare("SELECT n, id, purging, joined, progress, keep FROM tables ORDER BY n")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let number: TableNumber = row.get(0)?;
            if row.get(2)? {
                let kept = row.get::<_, Option<String>>(5)?.map(|text| serde_json::from_str(&text));
                let kept: Option<Kept> = kept.transpose().map_err(|error| Fail::damaged(&error.to_string()))?;
                self.jobs.push(Job::PurgeTable {
                    table: number,
                    kept: kept.map(Arc::new),
                });
                continue;
            }
            let id = TableId(u128::from_be_bytes(row.get(1)?));
            let mut table = TableState::new(id, number, crate::sqlite::aspects::KEYS.clone());
            table.joined = row.get(3)?;
            let blob = row
                .get_ref(4)?
                .as_blob()
                .map_err(|_| Fail::damaged("a vector is no blob"))?;
            table.progress = Progress::decode(blob, self.regions.names())?;
            table.digests = Digests::load(connection, number)?;
            table.show_size();
            self.tables.insert(id, table);
        }
        Ok(())
    }

    /// The indexes of the tables, and the jobs of those that are being filled or removed.
    pub(super) fn load_indexes(&mut self, connection: &Connection) -> Result<()> {
        let by_number: BTreeMap<TableNumber, TableId> =
            self.tables.values().map(|table| (table.number, table.id)).collect();
        let mut statement = connection
            .prepare("SELECT n, t, name, state, cursor, keys, definition, entries, bytes FROM indexes ORDER BY n")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let number: IndexNumber = row.get(0)?;
            let damaged = |error: serde_json::Error| Fail::damaged(&error.to_string());
            // The indexes of a table that is going go with it.
            let Some(table) = by_number.get(&row.get(1)?) else {
                continue;
            };
            let (name, global): (String, Option<GlobalIndex>) = (
                row.get(2)?,
                serde_json::from_str(&row.get::<_, String>(6)?).map_err(damaged)?,
            );
            let keys = serde_json::from_str(&row.get::<_, String>(5)?).map_err(damaged)?;
            let index = Index {
                number,
                state: decode_state(row.get(3)?)?,
                cursor: row.get(4)?,
                projected: self.projected_by(*table, &name, &keys, global.as_ref()),
                size: IndexSize::stored(unsigned(row, 7)?, unsigned(row, 8)?),
                shown: Arc::default(),
                name,
                keys,
                global,
            };
            index.show_size();
            match index.state {
                IndexState::Deleting => {
                    self.jobs.push(Job::PurgeIndex { index: number });
                    self.leaving.push((*table, index));
                    continue;
                }
                IndexState::Backfilling => self.jobs.push(Job::Backfill {
                    table: *table,
                    index: number,
                }),
                IndexState::Active => {}
            }
            if let Some(table) = self.tables.get_mut(table) {
                table.indexes.push(index);
            }
        }
        Ok(())
    }

    /// The attributes that an index of that name projects; `None` for all.
    pub(in crate::sqlite) fn projected_by(
        &self,
        table: TableId,
        name: &str,
        keys: &KeySchema,
        global: Option<&GlobalIndex>,
    ) -> Option<Vec<String>> {
        let core = self.definitions.get(&table)?.core()?;
        let local = core.local_indexes.get(name).map(|index| &index.projection);
        let projection = global.map(|index| &index.projection).or(local)?;
        projected(projection, &core.keys, keys)
    }
}

/// An index's state as a number.
pub(in crate::sqlite) const fn encode_state(state: IndexState) -> i64 {
    match state {
        IndexState::Backfilling => 0,
        IndexState::Active => 1,
        IndexState::Deleting => 2,
    }
}

fn decode_state(state: i64) -> Result<IndexState> {
    match state {
        0 => Ok(IndexState::Backfilling),
        1 => Ok(IndexState::Active),
        2 => Ok(IndexState::Deleting),
        _ => Err(Fail::damaged("an index is in no known state")),
    }
}
