//! The log: where to start reading it, its records, and how much of it a peer lacks.

use std::collections::BTreeMap;

use beringia_clock::HybridTime;
use beringia_item::{Mutation, Region, TableId, VersionVector};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{Reading, at_one_moment};
use crate::{
    Backlog, LogFilter, LogPage, LogPosition, LogRecord,
    sqlite::{
        fail::{Fail, Result},
        layout::{RegionNames, RegionNumber, TableNumber, flag, sql, unsigned},
        records::{RECORD_COLUMNS, RecordHead, mutation},
        shared::Shared,
        state::Progress,
        view::View,
    },
};

/// Records that one page looks at, wanted or not.
const SCAN_MAX: usize = 4_096;

/// A row of the log's sparse index.
struct Mark {
    position: u64,
    sequence: u64,
    /// The sequence of the record before it, of the same origin and table.
    previous: u64,
    records: u64,
    bytes: u64,
}

impl Mark {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            position: unsigned(row, 0)?,
            sequence: unsigned(row, 1)?,
            previous: unsigned(row, 2)?,
            records: unsigned(row, 3)?,
            bytes: unsigned(row, 4)?,
        })
    }

    /// The first mark above `sequence`.
    fn after(connection: &Connection, t: TableNumber, o: RegionNumber, sequence: u64) -> Result<Option<Self>> {
        let mut statement = connection.prepare_cached(
            "SELECT pos, seq, prev_seq, records, bytes FROM mark WHERE t = ?1 AND o = ?2 AND seq > ?3 ORDER BY seq LIMIT 1",
        )?;
        Ok(statement.query_row((t, o, sql(sequence)), Self::read).optional()?)
    }

    /// The last mark at or below `sequence`.
    fn until(connection: &Connection, t: TableNumber, o: RegionNumber, sequence: u64) -> Result<Option<Self>> {
        let mut statement = connection.prepare_cached(
            "SELECT pos, seq, prev_seq, records, bytes FROM mark WHERE t = ?1 AND o = ?2 AND seq <= ?3
             ORDER BY seq DESC LIMIT 1",
        )?;
        Ok(statement.query_row((t, o, sql(sequence)), Self::read).optional()?)
    }
}

/// What was applied of a table, as the database says at this moment; `None` where the table is not held.
fn progress(reading: &Reading<'_>, table: TableId) -> Result<Option<(TableNumber, Progress)>> {
    let Ok(table) = reading.view.tables.table(table) else {
        return Ok(None);
    };
    let mut statement = reading
        .connection
        .prepare_cached("SELECT progress FROM tables WHERE n = ?1 AND purging = 0")?;
    let blob: Option<Vec<u8>> = statement.query_row([table.number], |row| row.get(0)).optional()?;
    blob.map(|blob| Ok((table.number, Progress::decode(&blob, &reading.names())?)))
        .transpose()
}

fn number_of(names: &RegionNames, region: &Region) -> Option<RegionNumber> {
    let place = names.iter().position(|name| name == region)?;
    RegionNumber::try_from(place).ok()
}

/// The position from which on a filter's records are, or what the log cannot serve of it.
pub(in crate::sqlite) fn log_position(
    reading: &Reading<'_>,
    filter: &LogFilter,
) -> Result<Result<LogPosition, Vec<(TableId, Region)>>> {
    at_one_moment(reading.connection, || {
        let mut start = reading.view.end + 1;
        let mut lacking = Vec::new();
        for (id, wanted) in &filter.tables {
            let held = progress(reading, *id)?.filter(|_| *id != TableId::LOCAL);
            for region in &filter.origins {
                let Some((number, progress)) = &held else {
                    lacking.push((*id, region.clone()));
                    continue;
                };
                let Some(origin) = number_of(&reading.names(), region) else {
                    continue;
                };
                let (applied, above) = (progress.origin(origin), wanted.get(region));
                if above >= applied.applied {
                    continue;
                }
                if above < applied.floor {
                    lacking.push((*id, region.clone()));
                    continue;
                }
                start = start.min(start_above(reading.connection, *number, origin, above)?);
            }
        }
        Ok(if lacking.is_empty() {
            Ok(LogPosition(start))
        } else {
            Err(lacking)
        })
    })
}

/// A position at or before the first record of an origin and table above `sequence`, and not long before it.
fn start_above(connection: &Connection, table: TableNumber, origin: RegionNumber, sequence: u64) -> Result<u64> {
    let next = Mark::after(connection, table, origin, sequence)?;
    if let Some(next) = next.filter(|next| next.previous <= sequence) {
        return Ok(next.position);
    }
    Ok(Mark::until(connection, table, origin, sequence)?.map_or(1, |last| last.position + 1))
}

/// Which numbers a filter means, and above which sequences.
struct Wanted {
    /// In the order of their numbers: few as a rule, and made for each read.
    tables: Vec<WantedTable>,
}

struct WantedTable {
    number: TableNumber,
    id: TableId,
    /// What of which origin.
    above: Vec<(RegionNumber, u64)>,
}

impl Wanted {
    fn new(view: &View, names: &RegionNames, filter: &LogFilter) -> Self {
        let origins: Vec<(RegionNumber, &Region)> = filter
            .origins
            .iter()
            .filter_map(|region| Some((number_of(names, region)?, region)))
            .collect();
        let mut tables = Vec::with_capacity(filter.tables.len());
        for (id, above) in &filter.tables {
            let Ok(table) = view.tables.table(*id) else {
                continue;
            };
            if *id != TableId::LOCAL {
                let above = origins
                    .iter()
                    .map(|(number, region)| (*number, above.get(region)))
                    .collect();
                tables.push(WantedTable {
                    number: table.number,
                    id: *id,
                    above,
                });
            }
        }
        tables.sort_unstable_by_key(|table| table.number);
        Self { tables }
    }

    /// The table of a record that is wanted.
    fn table_of(&self, head: &RecordHead) -> Option<TableId> {
        if head.flags & flag::UNORDERED != 0 {
            return None;
        }
        let place = self.tables.binary_search_by_key(&head.table, |table| table.number);
        let table = self.tables.get(place.ok()?)?;
        let (_, above) = table.above.iter().find(|(origin, _)| *origin == head.origin)?;
        (head.sequence > *above).then_some(table.id)
    }
}

/// A page under way.
struct Filling<'f> {
    wanted: &'f Wanted,
    max_bytes: usize,
    page: LogPage,
    scanned: usize,
    bytes: usize,
    last_unit: Option<(RegionNumber, u64)>,
}

impl Filling<'_> {
    /// Looks at the next record; false where the page ends before it.
    fn offer(&mut self, head: &RecordHead, mutation: impl FnOnce(TableId) -> Result<Mutation>) -> Result<bool> {
        let unit = (head.origin, head.unit.first);
        if (self.scanned >= SCAN_MAX || self.bytes >= self.max_bytes) && self.last_unit != Some(unit) {
            self.page.next = LogPosition(head.position);
            return Ok(false);
        }
        self.scanned += 1;
        self.last_unit = Some(unit);
        if let Some(table) = self.wanted.table_of(head) {
            let mutation = mutation(table)?;
            self.bytes += mutation.bytes();
            self.page.records.push(LogRecord {
                position: LogPosition(head.position),
                mutation,
            });
        }
        Ok(true)
    }
}

/// Records that pass the filter. They end with the view, whose vectors belong to exactly that point.
pub(in crate::sqlite) fn read_log(
    reading: &Reading<'_>,
    from: LogPosition,
    filter: &LogFilter,
    max_bytes: usize,
) -> Result<LogPage> {
    fill(reading.view, &reading.names(), from, filter, max_bytes, |filling| {
        let mut statement = reading.connection.prepare_cached(&format!(
            "SELECT {RECORD_COLUMNS} FROM log WHERE pos >= ?1 AND pos <= ?2 ORDER BY pos"
        ))?;
        let mut rows = statement.query((sql(from.0), sql(reading.view.end)))?;
        while let Some(row) = rows.next()? {
            let head = RecordHead::read(row)?;
            if !filling.offer(&head, |table| mutation(row, &head, table, &reading.names()))? {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

/// The same from memory, where that holds all that there could be: of readers that keep up and want this region's own writes.
pub(in crate::sqlite) fn read_recent(
    shared: &Shared,
    from: LogPosition,
    filter: &LogFilter,
    max_bytes: usize,
) -> Result<Option<LogPage>> {
    if filter.origins != [shared.region.clone()] {
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

/// A page of what `records` offers, which says whether it came to the end of the view.
fn fill(
    view: &View,
    names: &RegionNames,
    from: LogPosition,
    filter: &LogFilter,
    max_bytes: usize,
    records: impl FnOnce(&mut Filling<'_>) -> Result<bool>,
) -> Result<LogPage> {
    let wanted = Wanted::new(view, names, filter);
    let mut filling = Filling {
        wanted: &wanted,
        max_bytes,
        page: LogPage::default(),
        scanned: 0,
        bytes: 0,
        last_unit: None,
    };
    let at_end = records(&mut filling)?;
    let mut page = filling.page;
    page.at_end = at_end;
    if at_end {
        page.next = LogPosition(from.0.max(view.end + 1));
        let tables = filter.tables.keys().filter(|id| **id != TableId::LOCAL);
        let vectors = tables.filter_map(|id| Some((*id, view.vectors.get(id)?.clone())));
        page.vectors = vectors.collect();
    }
    Ok(page)
}

/// What of this region's own writes a peer lacks, as far as memory knows; and of which tables it does not.
pub(in crate::sqlite) fn recent_backlog(
    shared: &Shared,
    peer: &BTreeMap<TableId, VersionVector>,
) -> (Backlog, BTreeMap<TableId, VersionVector>) {
    let view = shared.view.load();
    let mut backlog = Backlog::default();
    let mut unknown = BTreeMap::new();
    for (id, vector) in peer {
        let Ok(table) = view.tables.table(*id) else {
            continue;
        };
        match shared.recent.above(table.number, vector.get(&shared.region)) {
            Some(lacks) => backlog.add(&lacks),
            None => {
                unknown.insert(*id, vector.clone());
            }
        }
    }
    (backlog, unknown)
}

/// The same as the database says.
pub(in crate::sqlite) fn backlog(
    reading: &Reading<'_>,
    own: &Region,
    peer: &BTreeMap<TableId, VersionVector>,
) -> Result<Backlog> {
    let Some(origin) = number_of(&reading.names(), own) else {
        return Err(Fail::damaged("it does not name its own region"));
    };
    at_one_moment(reading.connection, || {
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
            let lacks = lacking(reading.connection, number, origin, above, totals)?;
            backlog.add(&lacks);
        }
        Ok(backlog)
    })
}

/// The records of an origin and table above `sequence`: those before the next mark are counted, the others known from the sums in
/// the marks. `totals` are the records and bytes up to now.
fn lacking(
    connection: &Connection,
    table: TableNumber,
    origin: RegionNumber,
    sequence: u64,
    totals: (u64, u64),
) -> Result<Backlog> {
    let next = Mark::after(connection, table, origin, sequence)?;
    let from = start_above(connection, table, origin, sequence)?;
    let until = next.as_ref().map_or(u64::MAX >> 1, |mark| mark.position);
    let mut statement = connection.prepare_cached(
        "SELECT seq, time, length(k) + ifnull(length(image), 0) + ifnull(length(metadata), 0) FROM log
         WHERE pos >= ?1 AND pos <= ?2 AND t = ?3 AND o = ?4 AND flags & ?5 = 0 ORDER BY pos",
    )?;
    let mut rows = statement.query((sql(from), sql(until), table, origin, flag::UNORDERED))?;
    let mut backlog = Backlog::default();
    while let Some(row) = rows.next()? {
        if unsigned(row, 0)? <= sequence {
            continue;
        }
        backlog.mutations += 1;
        backlog.bytes += unsigned(row, 2)?;
        let time = HybridTime::from_u64(unsigned(row, 1)?);
        backlog.oldest = Some(backlog.oldest.map_or(time, |oldest| oldest.min(time)));
    }
    if let Some(mark) = next {
        debug_assert!(mark.sequence > sequence, "the next mark lies above");
        backlog.mutations += totals.0.saturating_sub(mark.records);
        backlog.bytes += totals.1.saturating_sub(mark.bytes);
    }
    Ok(backlog)
}
