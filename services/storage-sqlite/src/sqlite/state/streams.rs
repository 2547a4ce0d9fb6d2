//! Streams in memory: which stretches of the log are the shards of which streams.

use std::{collections::BTreeMap, sync::Arc};

use beringia_item::TableId;
use rusqlite::{Connection, Row};

use super::State;
use crate::{
    LogPosition, Shard, ShardEnd, Stream, TableStream,
    sqlite::{
        fail::{Fail, Result},
        layout::{TableNumber, sql, unsigned},
    },
};

/// A stream's place in its table of the database.
pub(in crate::sqlite) type StreamNumber = i64;

/// A stream, and which records are its.
#[derive(Debug, Clone)]
pub(in crate::sqlite) struct KeptStream {
    number: StreamNumber,
    pub(in crate::sqlite) shown: Arc<TableStream>,
    /// For each shard, the number that the table had: a replica that goes and comes back has another.
    pub(in crate::sqlite) tables: Vec<TableNumber>,
}

/// By table and time of enabling.
pub(in crate::sqlite) type KeptStreams = BTreeMap<(TableId, u64), KeptStream>;

/// All streams that can be read. Each change is written at once, as part of the group's transaction.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct StreamStates {
    kept: Arc<KeptStreams>,
}

impl StreamStates {
    pub(super) fn load(connection: &Connection) -> Result<Self> {
        let mut kept = KeptStreams::new();
        let mut streams = connection.prepare("SELECT n, id, name, keys, definition FROM stream ORDER BY n")?;
        let mut shards = connection
            .prepare("SELECT t, opened, parent, first, last, closed FROM shard WHERE stream = ?1 ORDER BY opened")?;
        let mut rows = streams.query([])?;
        while let Some(row) = rows.next()? {
            let damaged = |error: serde_json::Error| Fail::damaged(&error.to_string());
            let number = row.get(0)?;
            let numbered = shards
                .query_map([number], |row| Ok((row.get::<_, TableNumber>(0)?, read_shard(row)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let (tables, shards): (Vec<_>, Vec<_>) = numbered.into_iter().unzip();
            let shown = TableStream {
                table: TableId(u128::from_be_bytes(row.get(1)?)),
                table_name: row.get(2)?,
                keys: serde_json::from_str(&row.get::<_, String>(3)?).map_err(damaged)?,
                stream: serde_json::from_str(&row.get::<_, String>(4)?).map_err(damaged)?,
                shards,
            };
            let key = (shown.table, shown.stream.enabled_ms);
            let shown = Arc::new(shown);
            kept.insert(key, KeptStream { number, shown, tables });
        }
        Ok(Self { kept: Arc::new(kept) })
    }

    pub(in crate::sqlite) const fn kept(&self) -> &Arc<KeptStreams> {
        &self.kept
    }

    /// The streams of a table, the oldest first.
    pub(in crate::sqlite) fn of(&self, table: TableId) -> impl DoubleEndedIterator<Item = &TableStream> {
        let kept = self.kept.range((table, 0)..=(table, u64::MAX));
        kept.map(|(_, kept)| &*kept.shown)
    }

    /// The stream of a table that is on.
    pub(in crate::sqlite) fn open(&self, table: TableId) -> Option<Stream> {
        let mut streams = self.of(table);
        streams.find(|shown| shown.is_enabled()).map(|shown| shown.stream)
    }

    /// Makes room for a stream, where there is none yet.
    pub(in crate::sqlite) fn add(&mut self, connection: &Connection, stream: TableStream) -> Result<()> {
        let key = (stream.table, stream.stream.enabled_ms);
        if self.kept.contains_key(&key) {
            return Ok(());
        }
        let text = |value: serde_json::Result<String>| value.map_err(|error| Fail::damaged(&error.to_string()));
        connection
            .prepare_cached("INSERT INTO stream (id, name, keys, definition) VALUES (?1, ?2, ?3, ?4)")?
            .execute((
                stream.table.0.to_be_bytes(),
                &stream.table_name,
                text(serde_json::to_string(&stream.keys))?,
                text(serde_json::to_string(&stream.stream))?,
            ))?;
        let number = connection.last_insert_rowid();
        let kept = KeptStream {
            number,
            shown: Arc::new(stream),
            tables: Vec::new(),
        };
        Arc::make_mut(&mut self.kept).insert(key, kept);
        Ok(())
    }

    /// Opens the next shard of a stream, behind `last`.
    pub(in crate::sqlite) fn open_shard(
        &mut self,
        connection: &Connection,
        key: (TableId, u64),
        table: TableNumber,
        last: u64,
        now_ms: u64,
    ) -> Result<()> {
        let Some(kept) = Arc::make_mut(&mut self.kept).get_mut(&key) else {
            return Ok(());
        };
        let parent = kept.shown.shards.last().map(|shard| shard.opened_ms);
        // Sequence numbers begin with it, and are never short.
        let after = parent.map_or(1, |parent| parent + 1);
        let shard = Shard {
            opened_ms: now_ms.max(after),
            first: LogPosition(last + 1),
            end: None,
            parent_ms: parent,
        };
        connection
            .prepare_cached("INSERT INTO shard (stream, opened, t, parent, first) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute((
                kept.number,
                sql(shard.opened_ms),
                table,
                shard.parent_ms.map(sql),
                sql(shard.first.0),
            ))?;
        Arc::make_mut(&mut kept.shown).shards.push(shard);
        kept.tables.push(table);
        Ok(())
    }

    /// Closes the open shard of a stream at `last`; the number that its table has.
    pub(in crate::sqlite) fn close_shard(
        &mut self,
        connection: &Connection,
        key: (TableId, u64),
        last: u64,
        now_ms: u64,
    ) -> Result<Option<TableNumber>> {
        let Some(kept) = Arc::make_mut(&mut self.kept).get_mut(&key) else {
            return Ok(None);
        };
        let open = Arc::make_mut(&mut kept.shown).shards.last_mut();
        let Some(open) = open.filter(|shard| shard.end.is_none()) else {
            return Ok(None);
        };
        open.end = Some(ShardEnd {
            last: LogPosition(last),
            closed_ms: now_ms,
        });
        connection
            .prepare_cached("UPDATE shard SET last = ?3, closed = ?4 WHERE stream = ?1 AND opened = ?2")?
            .execute((kept.number, sql(open.opened_ms), sql(last), sql(now_ms)))?;
        Ok(kept.tables.last().copied())
    }

    /// Forgets the shards that were closed until `until_ms`, and streams without shards; the tables whose streams went.
    pub(in crate::sqlite) fn forget(&mut self, connection: &Connection, until_ms: u64) -> Result<Vec<TableId>> {
        let past = |shard: &Shard| shard.end.is_some_and(|end| end.closed_ms <= until_ms);
        let affected: Vec<_> = self
            .kept
            .iter()
            .filter(|(_, kept)| kept.shown.shards.iter().any(past))
            .collect();
        let affected: Vec<_> = affected.into_iter().map(|(key, _)| *key).collect();
        let mut gone = Vec::new();
        for key in affected {
            let streams = Arc::make_mut(&mut self.kept);
            let Some(kept) = streams.get_mut(&key) else { continue };
            let shown = Arc::make_mut(&mut kept.shown);
            // Shards close in their order.
            let count = shown.shards.iter().take_while(|shard| past(shard)).count();
            shown.shards.drain(..count);
            kept.tables.drain(..count);
            connection
                .prepare_cached("DELETE FROM shard WHERE stream = ?1 AND closed <= ?2")?
                .execute((kept.number, sql(until_ms)))?;
            if shown.shards.is_empty() {
                connection
                    .prepare_cached("DELETE FROM stream WHERE n = ?1")?
                    .execute([kept.number])?;
                streams.remove(&key);
                gone.push(key.0);
            }
        }
        Ok(gone)
    }
}

/// From the columns opened, parent, first, last, closed, beginning with the second.
fn read_shard(row: &Row<'_>) -> rusqlite::Result<Shard> {
    let optional = |column: usize| {
        row.get::<_, Option<i64>>(column)
            .map(|value| value.map(i64::cast_unsigned))
    };
    let end = optional(4)?.zip(optional(5)?);
    Ok(Shard {
        opened_ms: unsigned(row, 1)?,
        parent_ms: optional(2)?,
        first: LogPosition(unsigned(row, 3)?),
        end: end.map(|(last, closed_ms)| ShardEnd {
            last: LogPosition(last),
            closed_ms,
        }),
    })
}

impl State {
    /// The stream of a table that is on, or else the last one that was and can still be read.
    pub(super) fn latest_stream(&self, table: TableId) -> Option<Stream> {
        self.streams.of(table).next_back().map(|shown| shown.stream)
    }
}
