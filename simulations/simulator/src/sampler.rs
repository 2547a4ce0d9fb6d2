//! Samples of a running cluster: the backlogs between regions, and their divergence.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{KeyBytes, RowFingerprint, TableId};
use beringia_storage::{Backlog, Store};

use crate::{Cluster, SimulationError};

/// The number of rows in one read of a range.
const PAGE_ROWS: usize = 1_000;

/// The writes of running regions that others have not acknowledged, as the regions report them:
/// from, to, backlog.
pub(crate) async fn backlogs(cluster: &Cluster) -> Result<Vec<(String, String, Backlog)>, SimulationError> {
    let mut backlogs = Vec::new();
    for from in cluster.names().into_iter().filter(|name| cluster.is_running(name)) {
        for (to, peer) in cluster.node(&from)?.status().await.peers {
            if let Some(backlog) = peer.backlog {
                backlogs.push((from.clone(), to.to_string(), backlog));
            }
        }
    }
    Ok(backlogs)
}

/// The number of keys of a table that differ between running regions with an active replica.
pub(crate) async fn divergent_keys(cluster: &Cluster, table: &str) -> Result<u64, SimulationError> {
    let digests = cluster.digests(table).await?;
    let mut all = digests.values();
    let Some(first) = all.next() else { return Ok(0) };
    let mut ranges = BTreeSet::new();
    for other in all {
        let pairs = first.ranges.iter().zip(&other.ranges).enumerate();
        ranges.extend(pairs.filter(|(_, (one, other))| one != other).map(|(range, _)| range));
    }
    let mut divergent = 0;
    for range in ranges {
        let range = u16::try_from(range).unwrap_or(u16::MAX);
        let mut seen: BTreeMap<KeyBytes, (usize, BTreeSet<RowFingerprint>)> = BTreeMap::new();
        for region in digests.keys() {
            let id = cluster.table_id(region, table)?;
            for (key, fingerprint) in live_rows(&*cluster.store(region)?, region, id, range).await? {
                let (holders, fingerprints) = seen.entry(key).or_default();
                *holders += 1;
                fingerprints.insert(fingerprint);
            }
        }
        let differs = |(holders, fingerprints): &&(usize, BTreeSet<RowFingerprint>)| {
            *holders < digests.len() || fingerprints.len() > 1
        };
        divergent += seen.values().filter(differs).count() as u64;
    }
    Ok(divergent)
}

async fn live_rows(
    store: &dyn Store,
    region: &str,
    table: TableId,
    range: u16,
) -> Result<Vec<(KeyBytes, RowFingerprint)>, SimulationError> {
    let mut live = Vec::new();
    let mut after = None;
    loop {
        let rows = store.raw_rows(table, range, after, PAGE_ROWS).await;
        let rows = rows.map_err(|source| SimulationError::Store {
            region: region.to_owned(),
            source,
        })?;
        let Some(last) = rows.last() else { return Ok(live) };
        after = Some(last.key.clone());
        let of_page = rows.into_iter().filter(|row| row.live);
        live.extend(of_page.map(|row| (row.key, row.fingerprint)));
    }
}
