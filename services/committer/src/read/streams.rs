//! Reads of streams: a shard's records, built from the log with the images before and after.

use std::{ops::ControlFlow, sync::Arc};

use beringia_decisions::{RegionRow, Retention};
use beringia_item::{Item, KeyBytes, decode_item};
use beringia_storage::{
    LogPosition, Shard, StoreError, StreamPage, StreamRead, StreamRecord, Streams, TableStream,
    backend::{RecordFlags, StoredRecord, TableNumber},
};
use bytes::Bytes;

use super::reading::Reading;

/// The number of log positions that one page scans, of all tables.
const SCAN_MAX: u64 = 16_384;

/// The streams whose records are not all older than the retention.
pub(crate) fn streams(reading: &Reading<'_>, retention: Retention) -> Result<Streams, StoreError> {
    let trimmed = trimmed(reading, retention)?;
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

/// The last position that streams cannot read any more.
fn trimmed(reading: &Reading<'_>, retention: Retention) -> Result<u64, StoreError> {
    let row = RegionRow::read(reading.snapshot)?.ok_or_else(|| StoreError::damaged("it has no state"))?;
    let expired = retention.expired(&reading.view.log_times, reading.view.end);
    Ok(expired.unwrap_or(0).max(row.expired))
}

/// A shard, its stream, and the number that the table had.
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

/// Reads records of a shard.
pub(crate) fn read_stream(
    reading: &Reading<'_>,
    read: &StreamRead,
    retention: Retention,
) -> Result<StreamPage, StoreError> {
    let found = find(reading, read, retention).ok_or(StoreError::UnknownShard(read.shard))?;
    let trimmed = trimmed(reading, retention)?;
    let from = match read.from {
        Some(from) if from.0 <= trimmed && from >= found.shard.first => {
            return Err(StoreError::Trimmed(from));
        }
        Some(from) => from.max(found.shard.first),
        None => found.shard.first.max(LogPosition(trimmed + 1)),
    };
    page(reading, read, &found, from)
}

fn page(
    reading: &Reading<'_>,
    read: &StreamRead,
    found: &Found<'_>,
    from: LogPosition,
) -> Result<StreamPage, StoreError> {
    let end = found.shard.end;
    let last = end.map_or(reading.view.end, |end| end.last.0);
    let scanned = last.min(from.0.saturating_add(SCAN_MAX - 1));
    let mut page = StreamPage::default();
    let mut bytes = 0;
    reading.snapshot.log(from.0, scanned, false, &mut |stored| {
        let Some(record) = record(reading, stored, found)? else {
            return Ok(ControlFlow::Continue(()));
        };
        let position = record.position;
        let record = record.seen_by(found.stream.stream.view);
        bytes += record.size_bytes();
        if !page.records.is_empty() && bytes > read.max_bytes {
            page.next = Some(position);
            return Ok(ControlFlow::Break(()));
        }
        page.records.push(record);
        if page.records.len() >= read.max_records && position.0 < last {
            page.next = Some(LogPosition(position.0 + 1));
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if page.next.is_none() {
        let ended = end.is_some() && scanned >= last;
        page.next = (!ended).then_some(from.max(LogPosition(scanned + 1)));
    }
    Ok(page)
}

/// Converts a log record for a stream; `None` if it is of another table, or the item did not
/// change. If the record of the item's previous version is damaged or missing, the change has no
/// image before.
fn record(
    reading: &Reading<'_>,
    stored: &dyn StoredRecord,
    found: &Found<'_>,
) -> Result<Option<StreamRecord>, StoreError> {
    let head = stored.head()?;
    if head.table != found.table || head.flags.has(RecordFlags::STALE) {
        return Ok(None);
    }
    let after = decode(stored.current_image()?)?;
    let mut before = None;
    let mut is_there = true;
    if let Some(previous) = head.previous {
        is_there = reading.snapshot.record(previous, &mut |previous| {
            before = decode(previous.current_image()?)?;
            Ok(())
        })?;
        if !is_there {
            // The trim keeps it as long as this record can be read, so this is damage.
            reading.snapshot.miss_record(previous);
        }
    }
    let change = if is_there {
        StreamRecord::change_of(before.as_ref(), after.as_ref())
    } else {
        StreamRecord::change_without_before(head.replaced_item(), after.is_some())
    };
    let Some(change) = change else {
        return Ok(None);
    };
    let key = KeyBytes(Bytes::copy_from_slice(stored.key()?));
    let keys = found.stream.keys.attributes_of(&key);
    let keys = keys.ok_or_else(|| StoreError::damaged("a record's key does not fit its table"))?;
    let version = head.version(&reading.names())?;
    Ok(Some(StreamRecord {
        position: LogPosition(head.position),
        change,
        keys,
        before,
        after,
        time: version.time,
        origin: version.origin,
        cause: head.flags.cause(),
    }))
}

fn decode(image: Option<&[u8]>) -> Result<Option<Item>, StoreError> {
    let item = image.map(decode_item).transpose();
    item.map_err(|error| StoreError::damaged(&error.to_string()))
}
