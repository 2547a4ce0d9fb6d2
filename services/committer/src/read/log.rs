//! Reads of the log: the position to start from, records, and the backlog of a peer.

use std::{collections::BTreeMap, ops::ControlFlow};

use beringia_decisions::{
    LogCheckpoint, TableProgress, TableRow,
    layout::{OriginNames, named_context, number_key},
};
use beringia_item::{KeyBytes, Mutation, Origin, TableId, VersionVector};
use beringia_storage::{
    Backlog, LogFilter, LogPage, LogPosition, StoreError,
    backend::{Keyspace, OriginNumber, RecordFlags, RecordHead, StoredRecord, TableNumber},
};
use bytes::Bytes;

use super::reading::{Reading, while_wanted};
use crate::{shared::Shared, view::View};

/// The number of records that one page examines, wanted or not.
const SCAN_MAX: usize = 4_096;

/// The stored progress of a table; `None` if the table is not held.
fn progress(reading: &Reading<'_>, table: TableId) -> Result<Option<(TableNumber, TableProgress)>, StoreError> {
    let Ok(table) = reading.view.table(table) else {
        return Ok(None);
    };
    let row = reading
        .snapshot
        .get(Keyspace::Tables, &number_key(table.number.into()))?;
    let row = row.map(|row| TableRow::decode(&row)).transpose()?;
    row.filter(TableRow::is_held)
        .map(|row| Ok((table.number, TableProgress::decode(&row.progress, &reading.names())?)))
        .transpose()
}

fn number_of(names: &OriginNames, origin: &Origin) -> Option<OriginNumber> {
    let place = names.iter().position(|name| name == origin)?;
    OriginNumber::try_from(place).ok()
}

/// The position from which to read a filter's records, or the parts of it that the log cannot
/// serve.
pub(crate) fn log_position(
    reading: &Reading<'_>,
    filter: &LogFilter,
) -> Result<Result<LogPosition, Vec<(TableId, Origin)>>, StoreError> {
    let mut start = reading.view.end + 1;
    let mut missing = Vec::new();
    for (id, wanted) in &filter.tables {
        let held = progress(reading, *id)?.filter(|_| *id != TableId::LOCAL);
        for origin in &filter.origins {
            let Some((table, progress)) = &held else {
                missing.push((*id, origin.clone()));
                continue;
            };
            let Some(number) = number_of(&reading.names(), origin) else {
                continue;
            };
            let (applied, above) = (progress.origin(number), wanted.get(origin));
            if above >= applied.applied {
                continue;
            }
            if above < applied.low_watermark {
                missing.push((*id, origin.clone()));
                continue;
            }
            start = start.min(start_above(reading, *table, number, above)?);
        }
    }
    Ok(if missing.is_empty() {
        Ok(LogPosition(start))
    } else {
        Err(missing)
    })
}

/// A position at or shortly before the first record of an origin and table above `sequence`.
fn start_above(
    reading: &Reading<'_>,
    table: TableNumber,
    origin: OriginNumber,
    sequence: u64,
) -> Result<u64, StoreError> {
    let next = LogCheckpoint::after(reading.snapshot, table, origin, sequence)?;
    if let Some(next) = next.filter(|next| next.previous <= sequence) {
        return Ok(next.position);
    }
    let last = LogCheckpoint::until(reading.snapshot, table, origin, sequence)?;
    Ok(last.map_or(1, |last| last.position + 1))
}

/// A filter in numbers of tables and origins. It looks up only the tables that a read comes across:
/// a reader may want thousands, and usually the records of one.
struct Wanted<'f> {
    view: &'f View,
    filter: &'f LogFilter,
    origins: Vec<(OriginNumber, &'f Origin)>,
    /// The tables that were looked up; `None` if the reader wants nothing of them.
    known: BTreeMap<TableNumber, Option<WantedTable>>,
}

/// The records of a table that a reader wants.
struct WantedTable {
    id: TableId,
    /// The origins, each with the sequence above which its records are wanted.
    above: Vec<(OriginNumber, u64)>,
}

impl<'f> Wanted<'f> {
    fn new(view: &'f View, names: &OriginNames, filter: &'f LogFilter) -> Self {
        let origins = filter.origins.iter();
        Self {
            view,
            filter,
            origins: origins
                .filter_map(|origin| Some((number_of(names, origin)?, origin)))
                .collect(),
            known: BTreeMap::new(),
        }
    }

    /// The table of a record, if the record is wanted.
    fn table_of(&mut self, head: &RecordHead) -> Option<TableId> {
        if head.flags.has(RecordFlags::UNORDERED) || !self.origins.iter().any(|(origin, _)| *origin == head.origin) {
            return None;
        }
        if !self.known.contains_key(&head.table) {
            self.known.insert(head.table, self.look_up(head.table));
        }
        let table = self.known.get(&head.table)?.as_ref()?;
        let (_, above) = table.above.iter().find(|(origin, _)| *origin == head.origin)?;
        (head.sequence > *above).then_some(table.id)
    }

    fn look_up(&self, number: TableNumber) -> Option<WantedTable> {
        let id = *self.view.numbers.get(&number)?;
        let above = self.filter.tables.get(&id).filter(|_| id != TableId::LOCAL)?;
        let origins = self.origins.iter();
        Some(WantedTable {
            id,
            above: origins.map(|(number, origin)| (*number, above.get(origin))).collect(),
        })
    }
}

/// A page that is filled record by record.
struct Filling<'f> {
    wanted: Wanted<'f>,
    max_bytes: usize,
    page: LogPage,
    scanned: usize,
    bytes: usize,
    last_transaction: Option<(OriginNumber, u64)>,
}

impl Filling<'_> {
    /// Offers the next record to the page. Returns false if the page ends before it.
    fn offer(
        &mut self,
        head: &RecordHead,
        mutation: impl FnOnce(TableId) -> Result<Mutation, StoreError>,
    ) -> Result<bool, StoreError> {
        let transaction = (head.origin, head.transaction.first);
        if (self.scanned >= SCAN_MAX || self.bytes >= self.max_bytes) && self.last_transaction != Some(transaction) {
            self.page.next = LogPosition(head.position);
            return Ok(false);
        }
        self.scanned += 1;
        self.last_transaction = Some(transaction);
        if let Some(table) = self.wanted.table_of(head) {
            let mutation = mutation(table)?;
            self.bytes += mutation.bytes();
            self.page.mutations.push(mutation);
        }
        Ok(true)
    }
}

/// Reads records that pass the filter. They end with the view, whose vectors belong to exactly that
/// position.
pub(crate) fn read_log(
    reading: &Reading<'_>,
    from: LogPosition,
    filter: &LogFilter,
    max_bytes: usize,
) -> Result<LogPage, StoreError> {
    fill(reading.view, &reading.names(), from, filter, max_bytes, |filling| {
        let mut at_end = true;
        reading.snapshot.log(from.0, reading.view.end, false, &mut |record| {
            let head = record.head()?;
            at_end = filling.offer(&head, |table| mutation(record, &head, table, &reading.names()))?;
            Ok(while_wanted(at_end))
        })?;
        Ok(at_end)
    })
}

/// The whole record as a mutation, as its origin wrote it.
fn mutation(
    record: &dyn StoredRecord,
    head: &RecordHead,
    table: TableId,
    names: &OriginNames,
) -> Result<Mutation, StoreError> {
    let copy = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
    Ok(Mutation {
        table,
        key: KeyBytes(Bytes::copy_from_slice(record.key()?)),
        version: head.version(names)?,
        causal_context: named_context(record.context()?, names)?,
        image: copy(record.image()?),
        metadata: copy(record.metadata()?),
        cause: head.flags.cause(),
        transaction: head.transaction,
    })
}

/// Reads the same from memory, if that contains all possible records: for readers that keep up and
/// want this region's own writes.
pub(crate) fn read_recent(
    shared: &Shared,
    from: LogPosition,
    filter: &LogFilter,
    max_bytes: usize,
) -> Result<Option<LogPage>, StoreError> {
    if filter.origins != [shared.origin.clone()] {
        return Ok(None);
    }
    let view = shared.view.load();
    let names = shared.names.load();
    let page = shared.recent.read(from.0, view.end, |records| {
        fill(&view, &names, from, filter, max_bytes, |filling| {
            for record in records {
                if !filling.offer(&record.head, |_| Ok(record.mutation.clone()))? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    });
    page.transpose()
}

/// Fills a page from `records`, which also returns whether it reached the end of the view.
fn fill(
    view: &View,
    names: &OriginNames,
    from: LogPosition,
    filter: &LogFilter,
    max_bytes: usize,
    records: impl FnOnce(&mut Filling<'_>) -> Result<bool, StoreError>,
) -> Result<LogPage, StoreError> {
    let mut filling = Filling {
        wanted: Wanted::new(view, names, filter),
        max_bytes,
        page: LogPage::default(),
        scanned: 0,
        bytes: 0,
        last_transaction: None,
    };
    let at_end = records(&mut filling)?;
    let mut page = filling.page;
    if at_end {
        page.next = LogPosition(from.0.max(view.end + 1));
        page.end = Some(view.vectors.clone());
    }
    Ok(page)
}

/// This region's own writes that a peer is missing, as far as memory knows, and the tables for
/// which it does not know them.
pub(crate) fn recent_backlog(
    shared: &Shared,
    peer: &BTreeMap<TableId, VersionVector>,
) -> (Backlog, BTreeMap<TableId, VersionVector>) {
    let view = shared.view.load();
    let mut backlog = Backlog::default();
    let mut unknown = BTreeMap::new();
    for (id, vector) in peer {
        let Ok(table) = view.table(*id) else {
            continue;
        };
        match shared.recent.above(table.number, vector.get(&shared.origin)) {
            Some(missing) => backlog.add(&missing),
            None => {
                unknown.insert(*id, vector.clone());
            }
        }
    }
    (backlog, unknown)
}

/// This region's own writes that a peer is missing, from the stored rows.
pub(crate) fn backlog(
    reading: &Reading<'_>,
    own: &Origin,
    peer: &BTreeMap<TableId, VersionVector>,
) -> Result<Backlog, StoreError> {
    let Some(origin) = number_of(&reading.names(), own) else {
        return Err(StoreError::damaged("its own origin is missing"));
    };
    let mut backlog = Backlog::default();
    for (id, vector) in peer {
        let Some((number, progress)) = progress(reading, *id)? else {
            continue;
        };
        let (applied, above) = (progress.origin(origin), vector.get(own));
        if above >= applied.last_record {
            continue;
        }
        let totals = (applied.records, applied.bytes);
        backlog.add(&missing_above(reading, (number, origin), above, totals)?);
    }
    Ok(backlog)
}

/// The records of an origin and table above `sequence`. Those before the next checkpoint are
/// counted, and the others follow from the sums in the checkpoints. `totals` are the records and
/// bytes so far.
fn missing_above(
    reading: &Reading<'_>,
    (table, origin): (TableNumber, OriginNumber),
    sequence: u64,
    totals: (u64, u64),
) -> Result<Backlog, StoreError> {
    let next = LogCheckpoint::after(reading.snapshot, table, origin, sequence)?;
    let from = start_above(reading, table, origin, sequence)?;
    let until = next.as_ref().map_or(u64::MAX >> 1, |next| next.position);
    let mut backlog = Backlog::default();
    reading.snapshot.log(from, until, false, &mut |record| {
        let head = record.head()?;
        let is_wanted = head.table == table
            && head.origin == origin
            && head.sequence > sequence
            && !head.flags.has(RecordFlags::UNORDERED);
        if is_wanted {
            backlog.add(&Backlog {
                mutations: 1,
                bytes: record.bytes()?,
                oldest: Some(head.hybrid_time()),
                first_sequence: Some(head.sequence),
            });
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if let Some(next) = next {
        debug_assert!(next.sequence > sequence, "the next checkpoint lies above");
        backlog.mutations += totals.0.saturating_sub(next.records);
        backlog.bytes += totals.1.saturating_sub(next.bytes);
    }
    Ok(backlog)
}
