//! Forgetting: the log is walked once, from its old end on, and what nobody can ask for any more is removed.
//!
//! A record is passed when every peer has acknowledged it and it is older than streams may ask for. Passing a record removes the
//! one that it replaced; itself it stays while its item's row points to it, and goes when its successor is passed. So the image of
//! every live item and the old image of every record that is not passed are always there. A tombstone is passed, and goes with its
//! row, when no write can arrive that did not know of it (docs/architecture.md, "Replication").

use std::collections::BTreeMap;

use beringia_item::{Region, TableId, VersionVector};

use super::Group;
use crate::{
    Acknowledged, ReplicaStatus,
    sqlite::{
        fail::Result,
        layout::{RegionNumber, TableNumber, flag, row_key, sql},
        records::{self, ItemRow, RECORD_COLUMNS, RecordHead},
        state::Job,
    },
};

/// Records that one step passes.
const STEP_RECORDS: u32 = 512;

/// What a table's peers have acknowledged.
struct Peers<'a> {
    id: TableId,
    acknowledged: Vec<(&'a Region, &'a VersionVector)>,
    /// Whether a replica is being made somewhere.
    creating: bool,
    /// Whether somebody is not listed who may not have heard of deletes.
    keeps_tombstones: bool,
}

impl Group<'_> {
    /// Passes some records; true where there may be more to pass.
    pub(super) fn forget(&mut self, acknowledged: &Acknowledged) -> Result<bool> {
        self.collect_tombstones_at_once()?;
        self.forget_shards()?;
        let retention = self.shared.retention();
        let Some(limit) = retention.expired(self.connection, self.state.log.last)? else {
            return Ok(false);
        };
        let peers = self.peers(acknowledged);
        let records = self.oldest_records(limit)?;
        let full = records.len() >= STEP_RECORDS as usize;
        let mut passed = 0;
        for (head, key) in &records {
            let row_key = row_key(head.table, key);
            let found = ItemRow::find(self.connection, &row_key)?;
            let current = found.filter(|row| row.position == head.position);
            match peers.get(&head.table) {
                Some(Some(peers)) if self.may_pass(head, current.as_ref(), peers)? => {}
                Some(_) => break,
                None if self.keeps_rows_of(head.table) => break,
                // The table is gone; its rows too, or soon.
                None => records::delete_record(self.connection, head.position)?,
            }
            if found.is_none() {
                // Its row was removed behind the store's back; no successor would ever remove the record.
                records::delete_record(self.connection, head.position)?;
            }
            self.pass(
                head,
                &row_key,
                current.as_ref(),
                peers.get(&head.table).and_then(Option::as_ref),
            )?;
            passed += 1;
        }
        let all = passed == records.len();
        if all && !full {
            // What lies between is gone already.
            self.state.log.trimmed = self.state.log.trimmed.max(limit);
        }
        self.connection
            .execute("DELETE FROM moment WHERE pos < ?1", [sql(self.state.log.trimmed)])?;
        Ok(all && full)
    }

    /// Whether the table is gone, and what is to be kept of its rows is not kept yet.
    fn keeps_rows_of(&self, number: TableNumber) -> bool {
        let keeps = |job: &Job| matches!(job, Job::PurgeTable { table, kept: Some(_) } if *table == number);
        self.state.jobs.iter().any(keeps)
    }

    fn oldest_records(&self, limit: u64) -> Result<Vec<(RecordHead, Vec<u8>)>> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {RECORD_COLUMNS} FROM log WHERE pos > ?1 AND pos <= ?2 ORDER BY pos LIMIT ?3"
        ))?;
        let rows = statement.query_map((sql(self.state.log.trimmed), sql(limit), STEP_RECORDS), |row| {
            Ok((RecordHead::read(row)?, row.get(9)?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// For each held table what its peers acknowledged; `None` where one of them did not say.
    fn peers<'a>(&self, acknowledged: &'a Acknowledged) -> BTreeMap<TableNumber, Option<Peers<'a>>> {
        let own = &self.shared.region;
        let peers_of = |id: TableId| -> Option<Peers<'a>> {
            let said = acknowledged.vectors.get(&id);
            let keeps_tombstones = acknowledged.keeps_tombstones.contains(&id);
            let all = || said.into_iter().flatten().filter(|(peer, _)| *peer != own).collect();
            if id == TableId::LOCAL {
                return Some(Peers {
                    id,
                    acknowledged: Vec::new(),
                    creating: false,
                    keeps_tombstones,
                });
            }
            if id == TableId::CATALOG {
                return said.map(|_| Peers {
                    id,
                    acknowledged: all(),
                    creating: false,
                    keeps_tombstones,
                });
            }
            let definition = self.state.definitions.get(&id)?;
            if !definition.is_global() {
                return Some(Peers {
                    id,
                    acknowledged: Vec::new(),
                    creating: false,
                    keeps_tombstones,
                });
            }
            let said = said?;
            let mut creating = false;
            for (region, replica) in definition.replicas() {
                creating |= matches!(replica.status, ReplicaStatus::Creating { .. });
                if region != own && replica.status.is_member() && !said.contains_key(region) {
                    return None;
                }
            }
            Some(Peers {
                id,
                acknowledged: all(),
                creating,
                keeps_tombstones,
            })
        };
        self.state
            .tables
            .values()
            .map(|table| (table.number, peers_of(table.id)))
            .collect()
    }

    fn may_pass(&self, head: &RecordHead, current: Option<&ItemRow>, peers: &Peers<'_>) -> Result<bool> {
        let origin = self.state.regions.name(head.origin)?;
        let acknowledged = peers
            .acknowledged
            .iter()
            .all(|(_, vector)| vector.get(origin) >= head.sequence);
        let Some(row) = current else {
            return Ok(acknowledged || head.flags & flag::UNORDERED != 0);
        };
        if row.live() || peers.keeps_tombstones {
            return Ok(acknowledged || head.flags & flag::UNORDERED != 0);
        }
        let table = self.table(peers.id)?;
        let arrived = peers
            .acknowledged
            .iter()
            .all(|(peer, vector)| table.progress.vector().get(peer) >= vector.get(peer));
        Ok(acknowledged && arrived && !peers.creating)
    }

    fn pass(
        &mut self,
        head: &RecordHead,
        row_key: &[u8],
        current: Option<&ItemRow>,
        peers: Option<&Peers<'_>>,
    ) -> Result<()> {
        if let Some(previous) = head.previous {
            records::delete_record(self.connection, previous)?;
        }
        let keeps_tombstones = peers.is_some_and(|peers| peers.keeps_tombstones);
        let tombstone = current.is_some_and(|row| !row.live()) && !keeps_tombstones;
        if tombstone && peers.is_some() {
            ItemRow::delete(self.connection, row_key)?;
        }
        if tombstone || head.flags & (flag::STALE | flag::REMOVAL) != 0 {
            records::delete_record(self.connection, head.position)?;
        }
        self.state.log.trimmed = head.position;
        let Some(peers) = peers.filter(|_| head.flags & flag::UNORDERED == 0) else {
            return Ok(());
        };
        self.raise_floor(peers.id, head.origin, head.sequence)
    }

    /// The log serves this origin's writes only above `sequence` from now on; marks below are of no use but the last.
    fn raise_floor(&mut self, id: TableId, origin: RegionNumber, sequence: u64) -> Result<()> {
        let table = self.table_mut(id)?;
        table.progress.raise_floor(origin, sequence);
        let number = table.number;
        self.connection
            .prepare_cached(
                "DELETE FROM mark WHERE t = ?1 AND o = ?2 AND seq <
                 (SELECT max(seq) FROM mark WHERE t = ?1 AND o = ?2 AND seq <= ?3)",
            )?
            .execute((number, origin, sql(sequence)))?;
        Ok(())
    }
}
