//! What can be seen of a region's store: its vectors, rows, digests and journal, and a fingerprint
//! of everything that the store's behaviour depends on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    ops::ControlFlow,
};

use beringia_decisions::{journal, layout::named_context};
use beringia_item::{Item, KeyBytes, Mutation, RANGES, RowFingerprint, TableId, Version, VersionVector, decode_item};
use beringia_storage::{LogFilter, LogPosition, StoreError, backend::Keyspace};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    site::Site,
    table::{TABLE, everything},
};

/// The current row of an item.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) fingerprint: RowFingerprint,
    /// The item; `None` for a tombstone.
    pub(crate) item: Option<Item>,
}

/// What can be seen of a region's store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown {
    /// A hash of everything that the store's behaviour depends on besides the clock, and of the
    /// record of what the region wrote and received.
    pub(crate) fingerprint: u128,
    /// The vectors of the catalog and the table.
    pub(crate) vectors: BTreeMap<TableId, VersionVector>,
    /// The rows of the table, tombstones too.
    pub(crate) rows: BTreeMap<KeyBytes, Row>,
    /// A hash of the table's digests.
    pub(crate) digest: u128,
    /// A hash of the live rows, computed from the rows themselves.
    pub(crate) contents: u128,
    /// The records of the table that the region could send.
    pub(crate) records: Vec<Mutation>,
    /// The conflict journal, as pairs of winner and loser.
    pub(crate) journal: BTreeSet<(Version, Version)>,
}

fn malformed(error: &impl ToString) -> StoreError {
    StoreError::damaged(&error.to_string())
}

impl Shown {
    /// Reads everything from the store.
    pub(crate) fn of(site: &Site) -> Result<Self, StoreError> {
        let mut shown = Self::default();
        let state = &site.store.state;
        for (id, table) in state.tables().iter().filter(|(id, _)| **id != TableId::LOCAL) {
            shown.vectors.insert(*id, table.progress.vector().clone());
        }
        if state.tables().contains_key(&TABLE) {
            shown.read_rows(site)?;
            shown.digest = digest(site)?;
            shown.records = records(site)?;
        }
        shown.journal = conflicts(site)?;
        shown.fingerprint = xxh3_128(description(site, &shown)?.as_bytes());
        Ok(shown)
    }

    fn read_rows(&mut self, site: &Site) -> Result<(), StoreError> {
        let reader = site.store.reader();
        let rows = reader.raw_rows(TABLE, 0..=RANGES - 1, None, usize::MAX)?;
        let keys: Vec<KeyBytes> = rows.iter().map(|row| row.key.clone()).collect();
        let mut live = String::new();
        for (row, mutation) in rows.into_iter().zip(reader.mutations(TABLE, &keys)?) {
            if row.live {
                let _ = write!(live, "{:?} {:?};", row.key, row.fingerprint);
            }
            let item = mutation.image.as_deref().map(decode_item).transpose();
            let item = item.map_err(|error| malformed(&error))?;
            let fingerprint = row.fingerprint;
            self.rows.insert(row.key, Row { fingerprint, item });
        }
        self.contents = xxh3_128(live.as_bytes());
        Ok(())
    }

    /// The vector of a table; empty if the region does not hold it.
    pub(crate) fn vector(&self, table: TableId) -> VersionVector {
        self.vectors.get(&table).cloned().unwrap_or_default()
    }
}

fn digest(site: &Site) -> Result<u128, StoreError> {
    let digest = site.store.reader().digest(TABLE)?;
    let mut bytes = Vec::new();
    for (range, sum) in digest.ranges.iter().enumerate() {
        if sum.items != 0 || sum.sum != 0 {
            bytes.extend(range.to_be_bytes());
            bytes.extend(sum.sum.to_be_bytes());
            bytes.extend(sum.items.to_be_bytes());
        }
    }
    Ok(xxh3_128(&bytes))
}

fn records(site: &Site) -> Result<Vec<Mutation>, StoreError> {
    let filter = LogFilter {
        origins: site.store.state.origins.names().to_vec(),
        tables: [(TABLE, VersionVector::default())].into(),
    };
    let page = site.store.reader().read_log(LogPosition(1), &filter, usize::MAX)?;
    Ok(page.mutations)
}

fn conflicts(site: &Site) -> Result<BTreeSet<(Version, Version)>, StoreError> {
    let names = site.store.state.origins.names();
    let mut found = BTreeSet::new();
    site.store
        .snapshot()
        .scan(Keyspace::Conflicts, &everything(), &mut |_, row| {
            let conflict = journal::read(0, row?, TABLE, names)?;
            found.insert((conflict.winner.version, conflict.loser.version));
            Ok(ControlFlow::Continue(()))
        })?;
    Ok(found)
}

/// Everything that [`Shown::fingerprint`] is a hash of.
fn description(site: &Site, shown: &Shown) -> Result<String, StoreError> {
    let state = &site.store.state;
    let names = state.origins.names();
    let mut text = format!(
        "{} {:?} {:?} {:?} {} ",
        site.place,
        site.received,
        site.conflicts,
        state.clock().upper_bound(),
        site.took_rows
    );
    for written in &site.written {
        let _ = write!(text, "{};", written.fingerprint);
    }
    for (id, table) in state.tables().iter() {
        let _ = write!(text, "{id:?} {} {}", table.bootstrapped, table.number);
        for (number, name) in (0_u16..).zip(names.iter()) {
            let progress = table.progress.origin(number);
            let _ = write!(text, " {name} {} {}", progress.applied, progress.low_watermark);
        }
    }
    let _ = write!(text, "{:?} {:?} {} ", shown.rows, shown.journal, shown.digest);
    describe_log(site, &mut text)?;
    Ok(text)
}

/// The records of the log.
fn describe_log(site: &Site, text: &mut String) -> Result<(), StoreError> {
    let state = &site.store.state;
    let names = state.origins.names();
    let _ = write!(text, "{} {} ", state.log.last, state.log.trimmed);
    site.store.snapshot().log(1, state.log.last, false, &mut |record| {
        let head = record.head()?;
        let context: Option<VersionVector> = match record.context()? {
            [] => None,
            context => Some(named_context(context, names)?),
        };
        let version = head.version(names)?;
        let _ = write!(
            text,
            "{} {} {version:?} {:?} {:?} {:?} {:?} {context:?} {:?} {:?} {:?};",
            head.position,
            head.table,
            head.flags,
            head.transaction,
            head.previous,
            xxh3_128(record.key()?),
            record.image()?.map(xxh3_128),
            record.metadata()?.map(xxh3_128),
            record.merged()?.map(xxh3_128),
        );
        Ok(ControlFlow::Continue(()))
    })
}
