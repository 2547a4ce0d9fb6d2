//! What regions send each other: batches of the log, copies, repairs, acknowledgements; and what a
//! region makes of them.

use std::collections::BTreeMap;

use beringia_decisions::{CommandAnswer, StoreCommand};
use beringia_item::{KeyBytes, Origin, Region, TableId, VersionVector};
use beringia_storage::{Acknowledged, LogFilter, RemoteBatch, RemoteKind, ReplicaStatus, SharedVectors, StoreError};

use crate::{
    site::Site,
    table::{TABLE, replica},
    written::{Ledger, Writes, Written},
};

/// Above every sequence: nothing is wanted of this origin.
const BEYOND: u64 = u64::MAX;

/// The vectors that a region reports: of the catalog and the table.
pub(crate) type Vectors = BTreeMap<TableId, VersionVector>;

/// What a region would send to another one next.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// The batch; `None` if the other one has everything that is wanted.
    pub(crate) batch: Option<RemoteBatch>,
    /// The tables of which the log does not have everything that the other one is missing.
    pub(crate) refused: Vec<TableId>,
}

/// The next transaction that `from` has for `to`, above the vectors of `to`.
pub(crate) fn page(from: &Site, to: &Site, relay: bool) -> Result<Page, StoreError> {
    let mut filter = LogFilter {
        origins: if relay {
            from.store.state.origins.names().to_vec()
        } else {
            vec![from.origin.clone()]
        },
        tables: [(TableId::CATALOG, to.shown.vector(TableId::CATALOG))].into(),
    };
    if from.is_complete() && to.is_bootstrapped() {
        filter.tables.insert(TABLE, to.shown.vector(TABLE));
    }
    let reader = from.store.reader();
    let mut refused = Vec::new();
    let position = loop {
        match reader.log_position(&filter)? {
            Ok(position) => break position,
            Err(missing) => {
                for (table, origin) in missing {
                    refused.push(table);
                    if let Some(vector) = filter.tables.get_mut(&table) {
                        vector.advance(&origin, BEYOND);
                    }
                }
            }
        }
    };
    let page = reader.read_log(position, &filter, 1)?;
    let mut sent = filter.tables.clone();
    for mutation in &page.mutations {
        let vector = sent.entry(mutation.table).or_default();
        vector.advance(mutation.origin(), mutation.version.sequence);
    }
    let progress = page
        .end
        .map_or_else(Vec::new, |end| progress(&filter.origins, &sent, &end));
    let is_empty = page.mutations.is_empty() && progress.is_empty();
    let batch = RemoteBatch {
        mutations: page.mutations,
        progress,
        from: Some(from.region.clone()),
        ..RemoteBatch::default()
    };
    Ok(Page {
        batch: (!is_empty).then_some(batch),
        refused,
    })
}

/// The vector entries that the receiver may advance although it gets no mutation for them.
fn progress(origins: &[Origin], sent: &Vectors, end: &SharedVectors) -> Vec<(TableId, Origin, u64)> {
    let mut progress = Vec::new();
    for (table, sent) in sent {
        let Some(vector) = end.get(table) else { continue };
        for origin in origins {
            let sequence = vector.get(origin);
            if sequence > sent.get(origin) {
                progress.push((*table, origin.clone(), sequence));
            }
        }
    }
    progress
}

/// The region after a batch of a stream; `None` if it refuses the batch.
pub(crate) fn deliver(to: &Site, batch: &RemoteBatch, ledger: &Ledger) -> Result<Option<Site>, StoreError> {
    let (mut site, answer) = to.carry_out(StoreCommand::Apply(batch.clone()))?;
    match answer {
        CommandAnswer::Apply(Ok(_)) => {}
        CommandAnswer::Apply(Err(StoreError::Quarantined { .. })) => return Ok(None),
        other => return Err(StoreError::Database(format!("a batch was not applied: {other:?}"))),
    }
    let takes = to.is_bootstrapped();
    for mutation in batch
        .mutations
        .iter()
        .filter(|mutation| mutation.table == TABLE && takes)
    {
        let Some(written) = ledger.find(&mutation.version) else {
            continue;
        };
        if !to.shown.vector(TABLE).covers(&mutation.version) {
            note_received(&mut site, written, ledger);
        }
    }
    Ok(Some(site))
}

/// Records that the region has received a write, and the conflict that it must journal.
fn note_received(site: &mut Site, written: &Written, ledger: &Ledger) {
    let has_row = site.shown.rows.contains_key(&written.mutation.key);
    let current = ledger.greatest(site.received, written.key).filter(|_| has_row);
    if let Some(current) = current.filter(|current| current.is_concurrent(written)) {
        let (winner, loser) = if current.version() > written.version() {
            (current.id, written.id)
        } else {
            (written.id, current.id)
        };
        site.conflicts.insert((winner, loser));
    }
    site.received = site.received.with(written.id);
}

/// All rows of a table as a copy brings them, with the source's vector. Rows that the vector covers
/// and the source does not have are obsolete.
fn rows_for(from: &Site, to: &Site, table: TableId) -> Result<RemoteBatch, StoreError> {
    let reader = from.store.reader();
    let rows = reader.raw_rows(table)?;
    let keys: Vec<KeyBytes> = rows.iter().map(|row| row.key.clone()).collect();
    let vector = from.shown.vector(table);
    let own = to.shown.vector(table);
    let mut obsolete = Vec::new();
    for row in to.store.reader().raw_rows(table)? {
        let version = &row.fingerprint.version;
        let is_known = vector.covers(version) || !own.covers(version);
        if !keys.contains(&row.key) && is_known {
            obsolete.push((table, row.key, row.fingerprint));
        }
    }
    let epoch = to
        .store
        .state
        .catalog
        .by_id
        .get(&table)
        .map(|table| table.replica_epoch);
    Ok(RemoteBatch {
        mutations: reader.mutations(table, &keys)?,
        progress: vector
            .iter()
            .map(|(origin, sequence)| (table, origin.clone(), sequence))
            .collect(),
        obsolete,
        kind: RemoteKind::Copy,
        replica_epoch: epoch,
        from: Some(from.region.clone()),
    })
}

/// The region after a copy of a table from another one.
pub(crate) fn copy(from: &Site, to: &Site, table: TableId) -> Result<Site, StoreError> {
    let mut batch = rows_for(from, to, table)?;
    if table == TABLE && batch.progress.is_empty() {
        // A copy of a table without writes ends with the source's own entry, which is 0.
        batch.progress.push((table, from.origin.clone(), 0));
    }
    let (mut site, answer) = to.carry_out(StoreCommand::Apply(batch))?;
    if !matches!(answer, CommandAnswer::Apply(Ok(_))) {
        return Err(StoreError::Database(format!("a copy was not applied: {answer:?}")));
    }
    if table == TABLE {
        site.received = site.received.with(from.received);
        site.took_rows = true;
    }
    Ok(site)
}

/// The region after it repaired the table from another one with the same vector.
pub(crate) fn repair(from: &Site, to: &Site, ledger: &Ledger) -> Result<Site, StoreError> {
    let mut batch = rows_for(from, to, TABLE)?;
    batch.kind = RemoteKind::Repair;
    batch.progress.clear();
    batch.obsolete.clear();
    let versions: Vec<_> = batch
        .mutations
        .iter()
        .map(|mutation| mutation.version.clone())
        .collect();
    let (mut site, answer) = to.carry_out(StoreCommand::Apply(batch))?;
    if !matches!(answer, CommandAnswer::Apply(Ok(_))) {
        return Err(StoreError::Database(format!("a repair was not applied: {answer:?}")));
    }
    for written in versions.iter().filter_map(|version| ledger.find(version)) {
        site.received = site.received.with(written.id);
    }
    site.took_rows = true;
    Ok(site)
}

/// The region after it found that its rows are gone although the catalog calls its replica active.
/// It sets the replica to be created from `source`.
pub(crate) fn rejoin(site: &Site, source: &Site) -> Result<Option<Site>, StoreError> {
    let lost_rows = !site.is_bootstrapped() && site.status_of(&site.region) == Some(&ReplicaStatus::Active);
    if !lost_rows || site.status_of(&source.region) != Some(&ReplicaStatus::Active) {
        return Ok(None);
    }
    let from = source.region.clone();
    let status = ReplicaStatus::Creating { from };
    Ok(Some(site.redefined(vec![replica(&site.region, status)])?))
}

/// Whether a region may copy the table from another one: its replica is being created, or the log
/// of the other one does not have everything any more.
pub(crate) fn may_copy(source: &Site, site: &Site, is_refused: bool) -> bool {
    let status = site.status_of(&site.region);
    let is_creating = !site.is_bootstrapped() && status.is_some_and(|status| !status.is_whole());
    source.is_complete() && (is_creating || is_refused)
}

/// Whether a region finds, at equal vectors, that its digests differ from those of another one.
pub(crate) fn differ(source: &Site, site: &Site) -> bool {
    let are_complete = source.is_complete() && site.is_complete();
    let same_vectors = source.shown.vector(TABLE) == site.shown.vector(TABLE);
    are_complete && same_vectors && source.shown.digest != site.shown.digest
}

/// The region after its replica has become active; `None` if it still waits for writes.
pub(crate) fn activate(site: &Site) -> Result<Option<Site>, StoreError> {
    let is_creating = matches!(site.status_of(&site.region), Some(ReplicaStatus::Creating { .. }));
    let vector = site.shown.vector(TABLE);
    let covered = site
        .shown
        .rows
        .values()
        .all(|row| vector.covers(&row.fingerprint.version));
    if !is_creating || !site.is_bootstrapped() || !covered {
        return Ok(None);
    }
    Ok(Some(
        site.redefined(vec![replica(&site.region, ReplicaStatus::Active)])?,
    ))
}

/// The region after a step of trimming, given what the others acknowledged.
pub(crate) fn trimmed(site: &Site, others: &[(&Region, Option<&Vectors>)]) -> Result<Site, StoreError> {
    let acknowledged = acknowledged(site, others);
    let (site, answer) = site.carry_out(StoreCommand::Trim(acknowledged.into()))?;
    match answer {
        CommandAnswer::More(Ok(_)) => Ok(site),
        other => Err(StoreError::Database(format!("the trim failed: {other:?}"))),
    }
}

/// What all other replicas have acknowledged to a region, by the rule of
/// `Replicator::acknowledged`; tables of which that is not known of every replica are left out.
fn acknowledged(site: &Site, others: &[(&Region, Option<&Vectors>)]) -> Acknowledged {
    let catalog = site.shown.vector(TableId::CATALOG);
    let is_active = |region| site.status_of(region) == Some(&ReplicaStatus::Active);
    let is_settled = site.is_complete() && others.iter().all(|(other, _)| is_active(other));
    let mut vectors = BTreeMap::new();
    for table in [TableId::CATALOG, TABLE] {
        if table == TABLE && !is_settled {
            continue;
        }
        let mut acked = BTreeMap::new();
        for (other, reported) in others {
            let known = reported.filter(|reported| {
                let theirs = reported.get(&TableId::CATALOG);
                theirs.is_some_and(|theirs| catalog.dominates(theirs))
            });
            if let Some(vector) = known.and_then(|reported| reported.get(&table)) {
                acked.insert(Region::clone(other), vector.clone());
            }
        }
        if acked.len() == others.len() {
            vectors.insert(table, acked);
        }
    }
    vectors.into()
}

/// The writes that only the region's disk has.
pub(crate) fn only_on(site: &Site, others: &[&Site]) -> Writes {
    let elsewhere = others
        .iter()
        .fold(Writes::default(), |all, other| all.with(other.received));
    site.received.without(elsewhere)
}
