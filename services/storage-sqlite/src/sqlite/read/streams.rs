//! Streams: a shard's records, read off the log with the images before and after.

use std::sync::Arc;

use beringia_item::{Item, decode_item};
use rusqlite::Row;

use super::{Reading, at_one_moment};
use crate::{
    LogPosition, Shard, StoreError, StreamPage, StreamRead, StreamRecord, Streams, TableStream,
    sqlite::{
        fail::{Fail, Result},
        layout::{TableNumber, cause, flag, sql, unsigned, version},
        retention::{Retention, trimmed},
    },
};

/// Positions of the log that one page looks at, of this table or another.
const SCAN_MAX: u64 = 16_384;

/// The streams whose records are not all older than the retention.
pub(in crate::sqlite) fn streams(reading: &Reading<'_>, retention: Retention) -> Result<Streams> {
    let trimmed = trimmed(reading.connection, retention, reading.view.end)?;
    let current = |shard: &Shard| !retention.is_over(shard);
    let mut streams = Vec::new();
    for kept in reading.view.streams.values() {
        if kept.shown.shards.iter().all(current) {
            streams.push(kept.shown.clone());
            continue;
        }
        let mut shown = TableStream::clone(&kept.shown);
        shown.shards.retain(current);
        if !shown.shards.is_empty() {
            streams.push(Arc::new(shown));
        }
    }
    Ok(Streams {
        streams,
        trimmed: LogPosition(trimmed),
        end: LogPosition(reading.view.end),
    })
}

/// A shard, the stream that it is of, and the number that the table had.
struct Found<'a> {
    stream: &'a TableStream,
    shard: Shard,
    table: TableNumber,
}

fn find<'a>(reading: &'a Reading<'_>, read: &StreamRead, retention: Retention) -> Option<Found<'a>> {
    let kept = reading.view.streams.get(&(read.shard.table, read.shard.enabled_ms))?;
    let mut shards = kept.shown.shards.iter().zip(&kept.tables);
    let (shard, table) = shards.find(|(shard, _)| shard.opened_ms == read.shard.opened_ms)?;
    (!retention.is_over(shard)).then_some(Found {
        stream: &kept.shown,
        shard: *shard,
        table: *table,
    })
}

/// Some records of a shard.
pub(in crate::sqlite) fn read_stream(
    reading: &Reading<'_>,
    read: &StreamRead,
    retention: Retention,
) -> Result<StreamPage> {
    let found = find(reading, read, retention).ok_or(Fail::Command(StoreError::UnknownShard(read.shard)))?;
    at_one_moment(reading.connection, || {
        let trimmed = trimmed(reading.connection, retention, reading.view.end)?;
        let from = match read.from {
            Some(from) if from.0 <= trimmed && from >= found.shard.first => {
                return Err(Fail::Command(StoreError::Trimmed(from)));
            }
            Some(from) => from.max(found.shard.first),
            None => found.shard.first.max(LogPosition(trimmed + 1)),
        };
        page(reading, read, &found, from)
    })
}

fn page(reading: &Reading<'_>, read: &StreamRead, found: &Found<'_>, from: LogPosition) -> Result<StreamPage> {
    let end = found.shard.end;
    let last = end.map_or(reading.view.end, |end| end.last.0);
    let scanned = last.min(from.0.saturating_add(SCAN_MAX - 1));
    let mut page = StreamPage::default();
    let mut bytes = 0;
    let mut statement = reading.connection.prepare_cached(
        "SELECT l.pos, l.time, l.o, l.seq, l.flags, ifnull(l.joined, l.image), ifnull(p.joined, p.image), l.prev IS NOT p.pos
         FROM log l LEFT JOIN log p ON p.pos = l.prev
         WHERE l.pos >= ?1 AND l.pos <= ?2 AND l.t = ?3 AND l.flags & ?4 = 0 ORDER BY l.pos",
    )?;
    let mut rows = statement.query((sql(from.0), sql(scanned), found.table, flag::STALE))?;
    while let Some(row) = rows.next()? {
        let Some(record) = record(reading, row, found.stream)? else {
            continue;
        };
        let position = record.position;
        let record = record.seen_by(found.stream.stream.view);
        bytes += record.size_bytes();
        if !page.records.is_empty() && bytes > read.max_bytes {
            page.next = Some(position);
            return Ok(page);
        }
        page.records.push(record);
        if page.records.len() >= read.max_records && position.0 < last {
            page.next = Some(LogPosition(position.0 + 1));
            return Ok(page);
        }
    }
    let ended = end.is_some() && scanned >= last;
    page.next = (!ended).then_some(from.max(LogPosition(scanned + 1)));
    Ok(page)
}

/// A row of the log as a stream tells it; `None` where the item stayed what it was.
fn record(reading: &Reading<'_>, row: &Row<'_>, stream: &TableStream) -> Result<Option<StreamRecord>> {
    let position = LogPosition(unsigned(row, 0)?);
    let (after, before) = (image(row, 5)?, image(row, 6)?);
    if row.get(7)? {
        tracing::error!(table = %stream.table, position = position.0, "the record of an item's version before is missing");
    }
    let Some(change) = StreamRecord::change_of(before.as_ref(), after.as_ref()) else {
        return Ok(None);
    };
    let known = after.as_ref().or(before.as_ref());
    let keys = stream.keys.parts().filter_map(|part| {
        let value = known?.get(&part.name)?;
        Some((part.name.clone(), value.clone()))
    });
    let keys = keys.collect();
    let flags = row.get(4)?;
    let version = version(&reading.names(), unsigned(row, 1)?, row.get(2)?, unsigned(row, 3)?)?;
    Ok(Some(StreamRecord {
        position,
        change,
        keys,
        before,
        after,
        time: version.time,
        origin: version.origin,
        cause: cause(flags),
    }))
}

fn image(row: &Row<'_>, column: usize) -> Result<Option<Item>> {
    let image = row
        .get_ref(column)?
        .as_blob_or_null()
        .map_err(|_| Fail::damaged("a record's image is no blob"))?;
    image
        .map(|image| decode_item(image).map_err(|error| Fail::damaged(&error.to_string())))
        .transpose()
}
