//! Trims the log: scans it once, from its oldest record, and removes records without a reader.
//!
//! A record is passed when every peer has acknowledged it and it is older than the retention for
//! streams. Passing a record removes the one that it replaced. The record itself stays while its
//! item's row points to it, and is removed when its successor is passed. The image of every live
//! item, and the old image of every record that is not passed, are therefore always there. A
//! tombstone is passed, and collected with its row, when no write concurrent with it can arrive any
//! more (docs/replication.md, "Garbage collection of tombstones").

use std::collections::BTreeMap;

use beringia_item::{Region, TableId, VersionVector};
use beringia_storage::{
    Acknowledged, ReplicaStatus,
    backend::{ItemRow, Keyspace, OriginNumber, RecordFlags, RecordHead, TableNumber},
};

use super::workspace::{Group, Misses, Result};
use crate::{
    layout::row_key,
    rows::{LogScan, Scan},
    state::{Job, LogCheckpoint},
};

/// The number of records that one step passes.
const STEP_RECORDS: usize = 512;

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

impl<'a> Known<'a> {
    const fn all(&self) -> Option<&Peers<'a>> {
        match self {
            Self::All(peers) => Some(peers),
            Self::NotAll => None,
        }
    }
}

impl Group<'_> {
    /// Passes some records; returns true if there may be more to pass.
    pub(super) fn trim(&mut self, acknowledged: &Acknowledged) -> Result<bool> {
        self.collect_tombstones_at_once()?;
        self.trim_shards();
        let retention = self.environment.retention();
        let Some(limit) = retention.expired(self.state.log.times(), self.state.log.last) else {
            return Ok(false);
        };
        let peers = self.peers(acknowledged);
        let scan = LogScan {
            first: self.state.log.trimmed + 1,
            last: limit,
            records_max: STEP_RECORDS,
        };
        let records = self.scan_log(scan)?.to_vec();
        let mut misses = Misses::default();
        for (head, key) in &records {
            misses.note(self.item_row(&row_key(head.table, &key.0)))?;
        }
        misses.check()?;
        let mut low_watermarks = BTreeMap::new();
        let mut passed = 0;
        for (head, key) in &records {
            let row_key = row_key(head.table, &key.0);
            let found = self.item_row(&row_key)?;
            let current = found.filter(|row| row.position == head.position);
            let known = peers.get(&head.table);
            match known {
                Some(Known::All(peers)) if self.may_pass(head, current.as_ref(), peers)? => {}
                Some(_) => break,
                None if self.keeps_rows_of(head.table) => break,
                // The table is gone, and its rows are gone or will be soon.
                None => drop(self.writes.trimmed.insert(head.position)),
            }
            if found.is_none() {
                // Its row was removed from outside the store, so no successor would ever remove the
                // record.
                self.writes.trimmed.insert(head.position);
            }
            let peers = known.and_then(Known::all);
            self.pass(head, row_key, current.as_ref(), peers);
            if let Some(peers) = peers.filter(|_| !head.flags.has(RecordFlags::UNORDERED)) {
                let watermark = low_watermarks.entry((peers.id, head.origin)).or_default();
                *watermark = head.sequence.max(*watermark);
            }
            passed += 1;
        }
        for ((id, origin), sequence) in low_watermarks {
            self.raise_low_watermark(id, origin, sequence)?;
        }
        let full = records.len() >= STEP_RECORDS;
        let all = passed == records.len();
        if all && !full {
            // The positions between were trimmed already.
            self.state.log.trimmed = self.state.log.trimmed.max(limit);
        }
        self.state.log.drop_times(&mut self.writes);
        Ok(all && full)
    }

    /// Whether the table is gone, but its unshipped writes have not been kept yet.
    fn keeps_rows_of(&self, number: TableNumber) -> bool {
        let keeps = |job: &Job| matches!(job, Job::PurgeTable { table, unshipped: Some(_), .. } if *table == number);
        self.state.jobs.iter().any(keeps)
    }

    /// The acknowledgements for each held table.
    fn peers<'a>(&self, acknowledged: &'a Acknowledged) -> BTreeMap<TableNumber, Known<'a>> {
        let tables = self.state.tables().values();
        tables
            .map(|table| {
                let peers = self.peers_of(table.id, acknowledged);
                (table.number, peers.map_or(Known::NotAll, Known::All))
            })
            .collect()
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

    fn may_pass(&self, head: &RecordHead, current: Option<&ItemRow>, peers: &Peers<'_>) -> Result<bool> {
        let origin = self.state.origins.name(head.origin)?;
        let acknowledged = peers
            .acknowledged
            .iter()
            .all(|(_, vector)| vector.get(origin) >= head.sequence);
        let is_unordered = head.flags.has(RecordFlags::UNORDERED);
        let Some(row) = current else {
            return Ok(acknowledged || is_unordered);
        };
        if row.is_live() || peers.keeps_tombstones {
            return Ok(acknowledged || is_unordered);
        }
        let table = self.table(peers.id)?;
        let arrived = peers
            .acknowledged
            .iter()
            .flat_map(|(peer, vector)| vector.of_region(peer))
            .all(|(origin, sequence)| table.progress.vector().get(origin) >= sequence);
        let agreed = peers.acknowledged.iter().all(|(peer, _)| {
            let agreed = peers.agreed.and_then(|agreed| agreed.get(*peer));
            agreed.is_some_and(|vector| vector.get(origin) >= head.sequence)
        });
        Ok(acknowledged && arrived && agreed && !peers.creating)
    }

    fn pass(&mut self, head: &RecordHead, row_key: Vec<u8>, current: Option<&ItemRow>, peers: Option<&Peers<'_>>) {
        self.writes.trimmed.extend(head.previous);
        let keeps_tombstones = peers.is_some_and(|peers| peers.keeps_tombstones);
        let tombstone = current.is_some_and(|row| !row.is_live()) && !keeps_tombstones;
        if tombstone && peers.is_some() {
            self.delete_item(row_key);
        }
        if tombstone || head.flags.has(RecordFlags::STALE.with(RecordFlags::REMOVAL)) {
            self.writes.trimmed.insert(head.position);
        }
        debug_assert!(
            self.state.log.trimmed < head.position,
            "records are passed in log order"
        );
        self.state.log.trimmed = head.position;
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
