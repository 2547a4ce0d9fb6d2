//! Streams in memory: which sections of the log are the shards of which streams.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use beringia_item::{KeySchema, TableId};
use beringia_storage::{
    LogPosition, Shard, ShardEnd, StoreError, Stream, TableStream,
    backend::{KeyRange, Keyspace, Snapshot, TableNumber, WriteSet},
};
use serde::{Deserialize, Serialize};

use crate::layout::{Fields, number_key, number_of};

/// A stream, and the tables' numbers that identify its records.
#[derive(Debug, Clone)]
pub struct KeptStream {
    number: u64,
    /// The stream as clients see it.
    pub shown: Arc<TableStream>,
    /// For each shard, the number that the table had: a replica that is removed and returns gets
    /// another.
    pub tables: Vec<TableNumber>,
}

/// Streams by table and time of enabling.
pub type KeptStreams = BTreeMap<(TableId, u64), KeptStream>;

/// A row of [`Keyspace::Streams`].
#[derive(Serialize, Deserialize)]
struct StreamRow {
    table: [u8; 16],
    name: String,
    keys: KeySchema,
    stream: Stream,
}

/// A row of [`Keyspace::Shards`]. Its key is the stream's number and the time when the shard was
/// opened.
#[derive(Serialize, Deserialize)]
struct ShardRow {
    table: TableNumber,
    parent_ms: Option<u64>,
    first: u64,
    /// The last position, and when the shard was closed.
    end: Option<(u64, u64)>,
}

fn shard_key(stream: u64, opened_ms: u64) -> Vec<u8> {
    [stream.to_be_bytes(), opened_ms.to_be_bytes()].concat()
}

fn encode<T: Serialize>(row: &T) -> Result<Option<Vec<u8>>, StoreError> {
    let row = serde_json::to_vec(row).map_err(|error| StoreError::damaged(&error.to_string()))?;
    Ok(Some(row))
}

fn decode<'r, T: Deserialize<'r>>(row: &'r [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(row).map_err(|error| StoreError::damaged(&error.to_string()))
}

/// All streams that can be read. Each change is added to the group's write set immediately.
#[derive(Debug, Default, Clone)]
pub struct StreamStates {
    kept: Arc<KeptStreams>,
    /// The number of the next stream.
    next: u64,
    /// What groups ask of all shards; `None` after a change of them.
    summary: Option<Arc<ShardSummary>>,
}

/// What groups ask of all shards, so that they need not visit them.
#[derive(Debug, Default)]
pub(crate) struct ShardSummary {
    /// By the table's number, the first position that a readable shard has.
    pub(crate) first_positions: BTreeMap<TableNumber, u64>,
    /// When the oldest open shard was opened, in ms; `None` if none is open.
    pub(crate) oldest_open_ms: Option<u64>,
}

impl ShardSummary {
    fn of(streams: &KeptStreams) -> Self {
        let mut first_positions = BTreeMap::new();
        for kept in streams.values() {
            for (shard, table) in kept.shown.shards.iter().zip(&kept.tables) {
                let first = first_positions.entry(*table).or_insert(shard.first.0);
                *first = shard.first.0.min(*first);
            }
        }
        let newest = streams.values().filter_map(|kept| kept.shown.shards.last());
        let open = newest.filter(|shard| shard.end.is_none());
        Self {
            first_positions,
            oldest_open_ms: open.map(|shard| shard.opened_ms).min(),
        }
    }
}

impl StreamStates {
    pub(crate) fn load(snapshot: &dyn Snapshot) -> Result<Self, StoreError> {
        let mut by_number = BTreeMap::new();
        snapshot.scan(Keyspace::Streams, &KeyRange::all(), &mut |key, row| {
            let row: StreamRow = decode(row?)?;
            let shown = TableStream {
                table: TableId(u128::from_be_bytes(row.table)),
                table_name: row.name,
                keys: row.keys,
                stream: row.stream,
                shards: Vec::new(),
            };
            by_number.insert(number_of(key)?, (shown, Vec::new()));
            Ok(ControlFlow::Continue(()))
        })?;
        snapshot.scan(Keyspace::Shards, &KeyRange::all(), &mut |key, row| {
            let mut fields = Fields(key);
            let (stream, opened_ms) = (fields.u64()?, fields.u64()?);
            let row: ShardRow = decode(row?)?;
            if let Some((shown, tables)) = by_number.get_mut(&stream) {
                shown.shards.push(Shard {
                    opened_ms,
                    first: LogPosition(row.first),
                    end: row.end.map(|(last, closed_ms)| ShardEnd {
                        last: LogPosition(last),
                        closed_ms,
                    }),
                    parent_ms: row.parent_ms,
                });
                tables.push(row.table);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let next = by_number.keys().next_back().map_or(1, |last| last + 1);
        let kept = by_number.into_iter().map(|(number, (shown, tables))| {
            let shown = Arc::new(shown);
            let key = (shown.table, shown.stream.enabled_ms);
            (key, KeptStream { number, shown, tables })
        });
        Ok(Self {
            kept: Arc::new(kept.collect()),
            next,
            summary: None,
        })
    }

    /// All streams, enabled or still readable.
    #[must_use]
    pub const fn kept(&self) -> &Arc<KeptStreams> {
        &self.kept
    }

    /// The streams of a table, oldest first.
    pub(crate) fn of(&self, table: TableId) -> impl DoubleEndedIterator<Item = &TableStream> {
        let kept = self.kept.range((table, 0)..=(table, u64::MAX));
        kept.map(|(_, kept)| &*kept.shown)
    }

    /// What groups ask of all shards.
    pub(crate) fn summary(&mut self) -> &Arc<ShardSummary> {
        let kept = &self.kept;
        self.summary.get_or_insert_with(|| Arc::new(ShardSummary::of(kept)))
    }

    /// The streams, to change them.
    fn kept_mut(&mut self) -> &mut KeptStreams {
        self.summary = None;
        Arc::make_mut(&mut self.kept)
    }

    /// The enabled stream of a table.
    pub(crate) fn open(&self, table: TableId) -> Option<Stream> {
        let mut streams = self.of(table);
        streams.find(|shown| shown.is_enabled()).map(|shown| shown.stream)
    }

    /// Adds a stream, if it does not exist yet.
    pub(crate) fn add(&mut self, stream: TableStream, writes: &mut WriteSet) -> Result<(), StoreError> {
        let key = (stream.table, stream.stream.enabled_ms);
        if self.kept.contains_key(&key) {
            return Ok(());
        }
        let row = encode(&StreamRow {
            table: stream.table.0.to_be_bytes(),
            name: stream.table_name.clone(),
            keys: stream.keys.clone(),
            stream: stream.stream,
        })?;
        let number = self.next;
        self.next += 1;
        writes.rows.insert((Keyspace::Streams, number_key(number)), row);
        let kept = KeptStream {
            number,
            shown: Arc::new(stream),
            tables: Vec::new(),
        };
        self.kept_mut().insert(key, kept);
        Ok(())
    }

    /// Opens the next shard of a stream, after position `last`.
    pub(crate) fn open_shard(
        &mut self,
        key: (TableId, u64),
        table: TableNumber,
        last: u64,
        now_ms: u64,
        writes: &mut WriteSet,
    ) -> Result<(), StoreError> {
        let Some(kept) = self.kept_mut().get_mut(&key) else {
            return Ok(());
        };
        let parent = kept.shown.shards.last().map(|shard| shard.opened_ms);
        // Sequence numbers begin with this time, so it must be positive: otherwise they would be
        // too short.
        let after = parent.map_or(1, |parent| parent + 1);
        let shard = Shard {
            opened_ms: now_ms.max(after),
            first: LogPosition(last + 1),
            end: None,
            parent_ms: parent,
        };
        Arc::make_mut(&mut kept.shown).shards.push(shard);
        kept.tables.push(table);
        debug_assert_eq!(
            kept.tables.len(),
            kept.shown.shards.len(),
            "every shard has its table's number"
        );
        write_shard(kept.number, table, &shard, writes)
    }

    /// Closes the open shard of a stream at `last`. Returns the number of its table.
    pub(crate) fn close_shard(
        &mut self,
        key: (TableId, u64),
        last: u64,
        now_ms: u64,
        writes: &mut WriteSet,
    ) -> Result<Option<TableNumber>, StoreError> {
        let Some(kept) = self.kept_mut().get_mut(&key) else {
            return Ok(None);
        };
        let open = Arc::make_mut(&mut kept.shown).shards.last_mut();
        let (Some(open), Some(table)) = (open.filter(|shard| shard.end.is_none()), kept.tables.last().copied()) else {
            return Ok(None);
        };
        open.end = Some(ShardEnd {
            last: LogPosition(last),
            closed_ms: now_ms,
        });
        write_shard(kept.number, table, open, writes)?;
        Ok(Some(table))
    }

    /// Drops the shards that were closed up to `until_ms`, and streams without shards. Returns the
    /// tables whose streams were dropped.
    pub(crate) fn trim(&mut self, until_ms: u64, writes: &mut WriteSet) -> Vec<TableId> {
        let past = |shard: &Shard| shard.end.is_some_and(|end| end.closed_ms <= until_ms);
        let affected = self.kept.iter().filter(|(_, kept)| kept.shown.shards.iter().any(past));
        let affected: Vec<_> = affected.map(|(key, _)| *key).collect();
        let mut gone = Vec::new();
        for key in affected {
            let streams = self.kept_mut();
            let Some(kept) = streams.get_mut(&key) else { continue };
            let shown = Arc::make_mut(&mut kept.shown);
            // Shards close in order.
            let count = shown.shards.iter().take_while(|shard| past(shard)).count();
            for shard in shown.shards.drain(..count) {
                let key = shard_key(kept.number, shard.opened_ms);
                writes.rows.insert((Keyspace::Shards, key), None);
            }
            kept.tables.drain(..count);
            if shown.shards.is_empty() {
                writes.rows.insert((Keyspace::Streams, number_key(kept.number)), None);
                streams.remove(&key);
                gone.push(key.0);
            }
        }
        gone
    }
}

fn write_shard(stream: u64, table: TableNumber, shard: &Shard, writes: &mut WriteSet) -> Result<(), StoreError> {
    let row = encode(&ShardRow {
        table,
        parent_ms: shard.parent_ms,
        first: shard.first.0,
        end: shard.end.map(|end| (end.last.0, end.closed_ms)),
    })?;
    writes
        .rows
        .insert((Keyspace::Shards, shard_key(stream, shard.opened_ms)), row);
    Ok(())
}
