//! Invariants that hold at all times, and conditions that hold once everything has been quiet for a
//! while.

use std::collections::BTreeMap;

use beringia_item::{KeyBytes, Mutation, Region, RowFingerprint, TableId, Version};
use beringia_replication::{
    Command, Replicator, StoreCall,
    message::{PeerAnswer, ToReceiver, ToSource},
};

use super::{
    fleet::{Fleet, Write},
    policy::fingerprint_of,
};

/// At all times: for every write that a vector covers, the row has that write or a newer one.
/// Therefore nothing that was applied is lost, nothing deleted comes back, and transactions are
/// whole.
pub fn vectors_tell_the_truth(fleet: &Fleet) {
    for site in 0..fleet.len() {
        let store = fleet.store(site);
        for (id, table) in store
            .tables
            .iter()
            .filter(|(id, table)| **id != TableId::CATALOG && table.bootstrapped)
        {
            let covered = |write: &&Write| {
                write.mutation.table == *id
                    && !write.may_be_lost
                    && !write.orphaned
                    && table.vector.covers(&write.mutation.version)
            };
            let mut greatest: BTreeMap<&KeyBytes, &Mutation> = BTreeMap::new();
            for write in fleet.writes.iter().filter(covered) {
                let mutation = &write.mutation;
                let entry = greatest.entry(&mutation.key).or_insert(mutation);
                if mutation.version > entry.version {
                    *entry = mutation;
                }
                let last = Version {
                    sequence: mutation.transaction.last,
                    ..mutation.version.clone()
                };
                assert!(
                    table.vector.covers(&last),
                    "{} has half of a transaction: {mutation:?}",
                    store.region
                );
            }
            for (key, write) in greatest {
                match table.rows.get(key) {
                    Some(row) => assert!(
                        row.version >= write.version,
                        "{} reports that it applied {:?} but has {:?}",
                        store.region,
                        write.version,
                        row.version
                    ),
                    None => assert!(
                        write.image.is_none() || deleted_later(fleet, write),
                        "{} reports that it applied {:?} but has nothing under {key:?}",
                        store.region,
                        write.version
                    ),
                }
            }
        }
    }
}

/// Whether a delete came after the write that may or may not be lost, or that a region may be
/// missing for now.
fn deleted_later(fleet: &Fleet, write: &Mutation) -> bool {
    fleet
        .writes
        .iter()
        .filter(|other| other.may_be_lost || other.orphaned || other.taken_back)
        .any(|Write { mutation, .. }| {
            mutation.table == write.table
                && mutation.key == write.key
                && mutation.image.is_none()
                && mutation.version > write.version
        })
}

/// At all times: an active replica has no row that its vector does not cover, so that the causal
/// contexts of its clients' writes are true. Rows from a copy in place are the exception: the
/// vector covers them when the copy is complete, and a write over such a row names it in its causal
/// context.
pub fn active_replicas_know_their_rows(fleet: &Fleet) {
    if fleet.lost_disk {
        return;
    }
    for site in 0..fleet.len() {
        let store = fleet.store(site);
        for (id, table) in store.tables.iter().filter(|(id, _)| store.is_active(**id)) {
            for row in table.rows.values() {
                assert!(
                    table.vector.covers(&row.version) || table.copied_in_place.contains(&row.version),
                    "{} is active in {id} and holds {:?}, which its vector does not cover",
                    store.region,
                    row.version
                );
            }
        }
    }
}

/// At all times: nothing of a paused table is sent, and nothing received of it is applied.
pub fn nothing_of_paused_tables(replicator: &Replicator, commands: &[Command]) {
    let paused = replicator.paused();
    if paused.is_empty() {
        return;
    }
    for command in commands {
        let tables: Vec<TableId> = match command {
            Command::Call(_, StoreCall::Apply(apply)) => {
                let mutations = apply.mutations.iter().map(|mutation| mutation.table);
                mutations.chain(apply.progress.iter().map(|part| part.0)).collect()
            }
            Command::SendToReceiver(_, ToReceiver::Batch(batch)) => {
                let mutations = batch.mutations.iter().map(|mutation| mutation.table);
                mutations.chain(batch.progress.iter().map(|part| part.0)).collect()
            }
            Command::SendToReceiver(_, ToReceiver::Vectors(vectors)) => vectors.keys().copied().collect(),
            Command::SendToReceiver(_, ToReceiver::Reply(reply)) => match &reply.answer {
                PeerAnswer::Rows(page) => page.mutations.iter().map(|mutation| mutation.table).collect(),
                _ => Vec::new(),
            },
            Command::SendToSource(_, ToSource::Subscribe(subscription)) => {
                subscription.tables.keys().copied().collect()
            }
            Command::SendToSource(_, ToSource::Request(request)) => vec![request.table],
            _ => Vec::new(),
        };
        assert!(
            tables.iter().all(|table| !paused.contains(table)),
            "a paused table is replicated: {command:?}"
        );
    }
}

/// Whether all active replicas are equal.
pub fn converged(fleet: &Fleet, tables: &[TableId]) -> bool {
    tables.iter().all(|table| {
        let mut held = replicas(fleet, *table).map(|site| {
            let table = &fleet.store(site).tables[table];
            let live: Vec<(&KeyBytes, RowFingerprint)> = table
                .rows
                .iter()
                .filter(|(_, row)| row.image.is_some())
                .map(|(key, row)| (key, fingerprint_of(row)))
                .collect();
            (live, table.vector.clone())
        });
        let Some(first) = held.next() else { return true };
        held.all(|other| other == first)
    })
}

/// Whether every replica in any region's catalog is active.
pub fn all_active(fleet: &Fleet) -> bool {
    (0..fleet.len()).all(|site| {
        let view = fleet.store(site).view();
        view.iter().all(|(table, view)| {
            fleet.store(site).is_active(*table)
                && view
                    .replicas
                    .values()
                    .all(|status| *status == beringia_storage_types::ReplicaStatus::Active)
        })
    })
}

/// The regions whose replica is active.
pub fn replicas(fleet: &Fleet, table: TableId) -> impl Iterator<Item = usize> + '_ {
    (0..fleet.len()).filter(move |site| fleet.store(*site).is_active(table))
}

/// At the end: every item has the greatest version that was acknowledged for it.
pub fn greatest_version_is_current(fleet: &Fleet, table: TableId) {
    for site in replicas(fleet, table) {
        let rows = &fleet.store(site).tables[&table].rows;
        let mut by_key: BTreeMap<&KeyBytes, Vec<&Write>> = BTreeMap::new();
        for write in fleet.writes.iter().filter(|write| write.mutation.table == table) {
            by_key.entry(&write.mutation.key).or_default().push(write);
        }
        for (key, writes) in by_key {
            let certain = writes
                .iter()
                .filter(|write| !write.may_be_lost)
                .map(|write| &write.mutation);
            let Some(greatest) = certain.max_by_key(|mutation| &mutation.version) else {
                continue;
            };
            match rows.get(key) {
                Some(row) if row.version == greatest.version => assert_eq!(row.image, greatest.image),
                Some(row) => assert!(
                    row.version > greatest.version
                        && writes
                            .iter()
                            .any(|write| write.may_be_lost && write.mutation.version == row.version),
                    "{} holds {:?} under {key:?}, but {:?} was acknowledged",
                    fleet.region(site),
                    row.version,
                    greatest.version
                ),
                None => assert!(
                    greatest.image.is_none() || deleted_later(fleet, greatest),
                    "{} holds nothing under {key:?}, but {:?} was acknowledged",
                    fleet.region(site),
                    greatest.version
                ),
            }
        }
    }
}

/// At the end: journalled writes were concurrent, and neither replaced the other, even indirectly;
/// and a write that lost to one that does not causally depend on it is journalled where it was
/// made.
pub fn journals_hold_the_conflicts_and_no_others(fleet: &Fleet, table: TableId) {
    let writes: BTreeMap<&Version, &Write> = fleet
        .writes
        .iter()
        .map(|write| (&write.mutation.version, write))
        .collect();
    for site in replicas(fleet, table) {
        let state = &fleet.store(site).tables[&table];
        for (winner, loser) in &state.journal {
            assert!(winner > loser);
            let came_of = std::iter::successors(Some(winner), |version| writes.get(version)?.replaced.as_ref());
            assert!(
                came_of.into_iter().all(|version| version != loser),
                "{} journals {loser:?} as lost to {winner:?}, which had replaced it",
                fleet.region(site)
            );
            let (winner, loser) = (&writes[winner].mutation, &writes[loser].mutation);
            assert_eq!(winner.key, loser.key);
            assert!(
                !winner.depends_on(&loser.version) && !loser.depends_on(&winner.version),
                "{} journals a conflict between writes that are not concurrent: {winner:?} over {loser:?}",
                fleet.region(site)
            );
        }
        if fleet.newcomers.contains(fleet.region(site)) {
            continue;
        }
        lost_writes_are_journalled(fleet, table, fleet.region(site), state);
    }
}

fn lost_writes_are_journalled(fleet: &Fleet, table: TableId, region: &Region, state: &super::store::Table) {
    let of_table = || fleet.writes.iter().filter(|write| write.mutation.table == table);
    for write in of_table().filter(|write| write.mutation.origin().region() == region) {
        let mutation = &write.mutation;
        let same_key = || {
            of_table()
                .map(|other| &other.mutation)
                .filter(|other| other.key == mutation.key)
        };
        let is_known = same_key().any(|other| other.depends_on(&mutation.version) && other.version != mutation.version);
        let is_final = same_key().all(|other| other.version <= mutation.version);
        if is_known || is_final {
            continue;
        }
        let is_journalled = state
            .journal
            .iter()
            .any(|(winner, loser)| *winner == mutation.version || *loser == mutation.version);
        let lost_ones = of_table().any(|write| write.may_be_lost);
        assert!(is_journalled || lost_ones, "{region} lost {mutation:?} without a trace");
    }
}
