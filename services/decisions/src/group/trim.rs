//! Trims the log: scans it once, from its oldest record, and removes records without a reader.
//!
//! A record is passed when every peer has acknowledged it, unless a stream of its table can be
//! read: then it must also be older than the retention for streams. Passing a record removes the
//! one that it replaced. The record itself stays while its item's row points to it, and is removed
//! when its successor is passed. The image of every live item, and the old image of every record
//! that is not passed, are therefore always there. A tombstone is passed, and collected with its
//! row, when no write concurrent with it can arrive any more (docs/replication.md, "Garbage
//! collection of tombstones").
//!
//! A record that must stay for long does not stop the trim: it goes on with the other tables, and
//! later passes the records of this one from there (`LogHolds`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use beringia_clock::HybridTime;
use beringia_item::{KeyBytes, Region, TableId, VersionVector};
use beringia_storage::{
    Acknowledged, HoldReason, ReplicaStatus,
    backend::{ItemRow, Keyspace, OriginNumber, RecordFlags, RecordHead, TableNumber},
};

use super::workspace::{Group, Misses, Result};
use crate::{
    layout::row_key,
    rows::{LogScan, Scan},
    state::{Job, LogCheckpoint, ShardSummary},
};

/// The age from which a record that may not be passed is left behind, in ms. The trim waits for
/// younger ones, since most are acknowledged within a second.
const HOLD_AFTER_MS: u64 = 10_000;
/// How long a record that was left behind waits until it is tried again, in ms.
const RETRY_AFTER_MS: u64 = 1_000;

/// The acknowledgements of a table's peers.
struct Peers<'a> {
    id: TableId,
    acknowledged: Vec<(&'a Region, &'a VersionVector)>,
    /// By peer, a vector as of which the digests agree.
    agreed: Option<&'a BTreeMap<Region, VersionVector>>,
    /// Whether a replica is being created anywhere.
    creating: bool,
    /// Whether a region that is not listed may not have applied all deletes.
    keeps_tombstones: bool,
}

/// Whether the acknowledgements of a table's peers are complete.
enum Known<'a> {
    /// At least one peer is missing from the acknowledgements.
    NotAll,
    /// All peers are among the acknowledgements.
    All(Peers<'a>),
}

/// What a step of the trim knows of the tables whose records it comes across.
struct Tables<'a> {
    acknowledged: &'a Acknowledged,
    /// The acknowledgements for those of the tables that this region holds; `None` for the others.
    peers: BTreeMap<TableNumber, Option<Known<'a>>>,
    /// All shards, with the first positions of the tables that have a readable stream.
    shards: Arc<ShardSummary>,
    /// Up to here the records of streams are older than the retention.
    expired: u64,
    /// The tables that are gone, but whose unshipped writes are not saved yet.
    unshipped: BTreeSet<TableNumber>,
}

impl Tables<'_> {
    /// Why no record of the table at this position or above may be passed, if a reader other than
    /// its peers is the reason.
    fn reader(&self, table: TableNumber, position: u64) -> Option<HoldReason> {
        let is_readable = |first: &u64| position >= *first && position > self.expired;
        if self.shards.first_positions.get(&table).is_some_and(is_readable) {
            return Some(HoldReason::Stream);
        }
        self.unshipped.contains(&table).then_some(HoldReason::Unshipped)
    }

    /// The acknowledgements for a table that was examined, if they are complete; `None` also if the
    /// table is gone.
    fn known(&self, table: TableNumber) -> Option<&Peers<'_>> {
        match self.peers.get(&table)? {
            Some(Known::All(peers)) => Some(peers),
            Some(Known::NotAll) | None => None,
        }
    }
}

/// The greatest sequences that were passed, by table and origin.
type Passed = BTreeMap<(TableId, OriginNumber), u64>;

impl Group<'_> {
    /// Passes some records, and removes aged conflicts and unshipped writes; returns true if there
    /// may be more.
    pub(super) fn trim(&mut self, acknowledged: &Acknowledged) -> Result<bool> {
        self.collect_tombstones_at_once()?;
        self.trim_shards();
        let log = &mut self.state.log;
        let expired = self.environment.retention().expired(log.times(), log.last);
        log.expired = log.expired.max(expired.unwrap_or(0));
        if self.environment.keeps_log {
            return Ok(false);
        }
        let mut tables = self.known_tables(acknowledged);
        let mut passed = Passed::new();
        let mut misses = Misses::default();
        // Both passes note their missing rows, so that these are read together.
        let held = misses.note(self.pass_held(&mut tables, &mut passed))?;
        let new = misses.note(self.pass_new(&mut tables, &mut passed))?;
        let aged = misses.note(self.prune_aged())?;
        misses.check()?;
        for ((id, origin), sequence) in passed {
            self.raise_low_watermark(id, origin, sequence)?;
        }
        self.state.log.drop_times(&mut self.writes);
        Ok([held, new, aged].contains(&Some(true)))
    }

    /// Passes records that no pass has reached yet. Those of held up tables are left to
    /// [`Self::pass_held`]. Returns true if there may be more.
    fn pass_new(&mut self, tables: &mut Tables<'_>, passed: &mut Passed) -> Result<bool> {
        let scan = LogScan {
            first: self.state.log.trimmed + 1,
            last: self.state.log.last.min(self.environment.past_from),
            records_max: self.environment.trim_records_max,
        };
        if scan.first > scan.last {
            return Ok(false);
        }
        let records = self.scan_log(scan)?.to_vec();
        self.read_rows(records.iter().filter(|(head, _)| {
            self.state.log.holds.get(head.table).is_none() && self.obstacle(tables, head.table, head.position).is_none()
        }))?;
        let now_ms = self.environment.now_ms;
        for (head, key) in &records {
            if self.state.log.holds.get(head.table).is_none()
                && let Some(reason) = self.try_pass(head, key, tables, passed)?
            {
                let age_ms = now_ms.saturating_sub(HybridTime::from_u64(head.time).millis());
                if reason != HoldReason::Stream && age_ms < HOLD_AFTER_MS {
                    return Ok(false);
                }
                self.hold(head, reason);
            }
            debug_assert!(
                self.state.log.trimmed < head.position,
                "records are passed in log order"
            );
            self.state.log.trimmed = head.position;
        }
        let is_full = records.len() >= scan.records_max;
        if !is_full {
            // The positions between were trimmed already.
            self.state.log.trimmed = scan.last;
        }
        Ok(is_full)
    }

    /// Passes records of held up tables that may go on, in one scan for all of them. Returns true
    /// if there may be more.
    fn pass_held(&mut self, tables: &mut Tables<'_>, passed: &mut Passed) -> Result<bool> {
        let mut due = BTreeMap::new();
        let holds = self.state.log.holds.clone();
        for (table, hold) in holds.due(self.environment.now_ms) {
            match self.obstacle(tables, table, hold.position) {
                Some(reason) => self.state.log.holds.explain(table, &reason),
                None => drop(due.insert(table, hold.position)),
            }
        }
        let Some(first) = due.values().min().copied() else {
            return Ok(false);
        };
        let scan = LogScan {
            first,
            last: self.state.log.trimmed,
            records_max: self.environment.trim_records_max,
        };
        let records = self.scan_log(scan)?.to_vec();
        let is_due = |due: &BTreeMap<TableNumber, u64>, head: &RecordHead| {
            due.get(&head.table).is_some_and(|first| *first <= head.position)
        };
        self.read_rows(
            records
                .iter()
                .filter(|(head, _)| is_due(&due, head) && self.obstacle(tables, head.table, head.position).is_none()),
        )?;
        let mut last = None;
        for (head, key) in &records {
            if is_due(&due, head)
                && let Some(reason) = self.try_pass(head, key, tables, passed)?
            {
                self.hold(head, reason);
                due.remove(&head.table);
            }
            last = Some(head.position);
            if due.values().all(|first| *first > head.position) {
                break;
            }
        }
        let is_at_end = records.len() < scan.records_max && last == records.last().map(|(head, _)| head.position);
        for (table, first) in &due {
            if is_at_end {
                self.state.log.holds.release(*table, &mut self.writes);
            } else if let Some(last) = last.filter(|last| first <= last) {
                self.state.log.holds.advance(*table, last + 1, &mut self.writes);
            }
        }
        Ok(!due.is_empty() && !is_at_end)
    }

    fn hold(&mut self, head: &RecordHead, reason: HoldReason) {
        let now_ms = self.environment.now_ms;
        let retry_ms = match reason {
            HoldReason::Peers(_) | HoldReason::Tombstone => now_ms + RETRY_AFTER_MS,
            // This is examined without reading the record.
            HoldReason::Stream | HoldReason::Replicas | HoldReason::Unshipped => 0,
        };
        let Self { state, writes, .. } = self;
        state
            .log
            .holds
            .hold(head.table, (head.position, reason), (now_ms, retry_ms), writes);
    }

    /// Has the rows of these records' items read.
    fn read_rows<'r>(&self, records: impl Iterator<Item = &'r (RecordHead, KeyBytes)>) -> Result<()> {
        let mut misses = Misses::default();
        for (head, key) in records {
            misses.note(self.item_row(&row_key(head.table, &key.0)))?;
        }
        misses.check()
    }

    /// Passes a record, or returns why it must stay.
    fn try_pass(
        &mut self,
        head: &RecordHead,
        key: &KeyBytes,
        tables: &mut Tables<'_>,
        passed: &mut Passed,
    ) -> Result<Option<HoldReason>> {
        if let Some(reason) = self.obstacle(tables, head.table, head.position) {
            return Ok(Some(reason));
        }
        let Some(peers) = tables.known(head.table) else {
            // The table is gone, and its rows are gone or will be soon.
            self.writes.trimmed.extend(head.previous);
            self.writes.trimmed.insert(head.position);
            return Ok(None);
        };
        let row_key = row_key(head.table, &key.0);
        let found = self.item_row(&row_key)?;
        let current = found.filter(|row| row.position == head.position);
        if let Some(reason) = self.reason_to_stay(head, current.as_ref(), peers)? {
            return Ok(Some(reason));
        }
        if found.is_none() {
            // Its row was removed from outside the store, so no successor would ever remove the
            // record.
            self.writes.trimmed.insert(head.position);
        }
        self.pass(head, row_key, current.as_ref(), peers);
        if !head.flags.has(RecordFlags::UNORDERED) {
            let watermark = passed.entry((peers.id, head.origin)).or_default();
            *watermark = head.sequence.max(*watermark);
        }
        Ok(None)
    }

    /// Why no record of the table at this position or above may be passed, if that is so.
    fn obstacle(&self, tables: &mut Tables<'_>, table: TableNumber, position: u64) -> Option<HoldReason> {
        if let Some(reason) = tables.reader(table, position) {
            return Some(reason);
        }
        let acknowledged = tables.acknowledged;
        let known = tables.peers.entry(table).or_insert_with(|| {
            let id = *self.state.numbers().get(&table)?;
            Some(self.peers_of(id, acknowledged).map_or(Known::NotAll, Known::All))
        });
        matches!(known, Some(Known::NotAll)).then_some(HoldReason::Replicas)
    }

    fn known_tables<'a>(&mut self, acknowledged: &'a Acknowledged) -> Tables<'a> {
        let unshipped: BTreeSet<TableNumber> = self
            .state
            .jobs
            .iter()
            .filter_map(|job| match job {
                Job::PurgeTable {
                    table,
                    unshipped: Some(_),
                    ..
                } => Some(*table),
                _ => None,
            })
            .collect();
        Tables {
            acknowledged,
            peers: BTreeMap::new(),
            shards: Arc::clone(self.state.streams.summary()),
            expired: self.state.log.expired,
            unshipped,
        }
    }

    /// The acknowledgements for one table; `None` if one of its peers is missing from them.
    fn peers_of<'a>(&self, id: TableId, acknowledged: &'a Acknowledged) -> Option<Peers<'a>> {
        let own = &self.environment.region;
        let acked = acknowledged.vectors.get(&id);
        let mut peers = Peers {
            id,
            acknowledged: Vec::new(),
            agreed: acknowledged.agreed.get(&id),
            creating: false,
            keeps_tombstones: acknowledged.keeps_tombstones.contains(&id),
        };
        let all = || acked.into_iter().flatten().filter(|(peer, _)| *peer != own).collect();
        if id == TableId::LOCAL {
            return Some(peers);
        }
        if id == TableId::CATALOG {
            acked?;
            peers.acknowledged = all();
            return Some(peers);
        }
        let definition = self.state.definitions().get(&id)?;
        if !definition.is_global() {
            return Some(peers);
        }
        let acked = acked?;
        for (region, replica) in definition.replicas() {
            peers.creating |= matches!(replica.status, ReplicaStatus::Creating { .. });
            if region != own && replica.status.is_member() && !acked.contains_key(region) {
                return None;
            }
        }
        peers.acknowledged = all();
        Some(peers)
    }

    /// Why a record of a table with these peers must stay.
    fn reason_to_stay(
        &self,
        head: &RecordHead,
        current: Option<&ItemRow>,
        peers: &Peers<'_>,
    ) -> Result<Option<HoldReason>> {
        let origin = self.state.origins.name(head.origin)?;
        let is_behind = |(_, vector): &&(&Region, &VersionVector)| vector.get(origin) < head.sequence;
        let behind = || {
            let behind = peers.acknowledged.iter().filter(is_behind);
            let behind: BTreeSet<Region> = behind.map(|(region, _)| (*region).clone()).collect();
            (!behind.is_empty()).then_some(HoldReason::Peers(behind))
        };
        let tombstone = current.filter(|row| !row.is_live() && !peers.keeps_tombstones);
        if tombstone.is_none() {
            let is_unordered = head.flags.has(RecordFlags::UNORDERED);
            return Ok(if is_unordered { None } else { behind() });
        }
        let behind = behind();
        if behind.is_some() {
            return Ok(behind);
        }
        let table = self.table(peers.id)?;
        let have_arrived = peers
            .acknowledged
            .iter()
            .flat_map(|(peer, vector)| vector.of_region(peer))
            .all(|(origin, sequence)| table.progress.vector().get(origin) >= sequence);
        let agreed = peers.acknowledged.iter().all(|(peer, _)| {
            let agreed = peers.agreed.and_then(|agreed| agreed.get(*peer));
            agreed.is_some_and(|vector| vector.get(origin) >= head.sequence)
        });
        Ok((!have_arrived || !agreed || peers.creating).then_some(HoldReason::Tombstone))
    }

    fn pass(&mut self, head: &RecordHead, row_key: Vec<u8>, current: Option<&ItemRow>, peers: &Peers<'_>) {
        self.writes.trimmed.extend(head.previous);
        let is_tombstone = current.is_some_and(|row| !row.is_live()) && !peers.keeps_tombstones;
        if is_tombstone {
            self.delete_item(row_key);
        }
        if is_tombstone || head.flags.has(RecordFlags::STALE.with(RecordFlags::REMOVAL)) {
            self.writes.trimmed.insert(head.position);
        }
    }

    /// From now on the log serves this origin's writes only above `sequence`. Checkpoints below are
    /// useless, except the last one.
    fn raise_low_watermark(&mut self, id: TableId, origin: OriginNumber, sequence: u64) -> Result<()> {
        let number = self.table(id)?.number;
        let below = Scan {
            keyspace: Keyspace::LogCheckpoints,
            range: LogCheckpoint::keys(number, origin, 0, sequence),
            rows_max: usize::MAX,
        };
        let keys: Vec<Vec<u8>> = self.scan(below)?.iter().map(|(key, _)| key.clone()).collect();
        if let Some((_last, others)) = keys.split_last() {
            for key in others {
                self.writes.rows.insert((Keyspace::LogCheckpoints, key.clone()), None);
            }
        }
        let table = self.table_mut(id)?;
        table.progress.raise_low_watermark(origin, sequence);
        Ok(())
    }
}
