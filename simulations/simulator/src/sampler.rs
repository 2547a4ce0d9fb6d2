//! Samples of a running cluster: the backlogs between regions, and their divergence.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use beringia_item::{KeyBytes, RANGES, RowFingerprint, TableId};
use beringia_storage::{Backlog, Store, StoreError};

use crate::{Cluster, SimulationError};

/// The number of rows in one read of a range.
const PAGE_ROWS: usize = 1_000;

/// The writes of running regions that others have not acknowledged, as the regions report them:
/// from, to, backlog.
pub(crate) async fn backlogs(cluster: &Cluster) -> Result<Vec<(String, String, Backlog)>, SimulationError> {
    let mut backlogs = Vec::new();
    for from in cluster.names().into_iter().filter(|name| cluster.is_running(name)) {
        for (to, flow) in cluster.node(&from)?.flows().await {
            if let Some(backlog) = flow.backlog {
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
        let pairs = (0..RANGES).zip(first.ranges.iter().zip(&other.ranges));
        ranges.extend(pairs.filter(|(_, (one, other))| one != other).map(|(range, _)| range));
    }
    let mut divergent = 0;
    let mut spans: Vec<RangeInclusive<u16>> = Vec::new();
    for range in ranges {
        match spans.last_mut() {
            Some(span) if *span.end() + 1 == range => *span = *span.start()..=range,
            _ => spans.push(range..=range),
        }
    }
    for span in spans {
        // By key: how many regions have the row, what the first of them has, and whether all have
        // the same.
        let mut seen: BTreeMap<KeyBytes, (usize, RowFingerprint, bool)> = BTreeMap::new();
        for region in digests.keys() {
            // The replica can have been removed since its digest was read.
            let Ok(id) = cluster.table_id(region, table) else {
                continue;
            };
            for (key, fingerprint) in live_rows(&*cluster.store(region)?, region, id, &span).await? {
                match seen.get_mut(&key) {
                    Some((holders, first, is_equal)) => {
                        *holders += 1;
                        *is_equal &= *first == fingerprint;
                    }
                    None => drop(seen.insert(key, (1, fingerprint, true))),
                }
            }
        }
        let differs = |(holders, _, is_equal): &&(usize, _, bool)| *holders < digests.len() || !is_equal;
        divergent += seen.values().filter(differs).count() as u64;
    }
    Ok(divergent)
}

async fn live_rows(
    store: &dyn Store,
    region: &str,
    table: TableId,
    span: &RangeInclusive<u16>,
) -> Result<Vec<(KeyBytes, RowFingerprint)>, SimulationError> {
    let mut live = Vec::new();
    let mut after = None;
    loop {
        let rows = match store.raw_rows(table, span.clone(), after, PAGE_ROWS).await {
            Ok(rows) => rows,
            Err(StoreError::UnknownTable(_)) => return Ok(live),
            Err(source) => {
                let region = region.to_owned();
                return Err(SimulationError::Store { region, source });
            }
        };
        let Some(last) = rows.last() else { return Ok(live) };
        after = Some(last.key.clone());
        let of_page = rows.into_iter().filter(|row| row.live);
        live.extend(of_page.map(|row| (row.key, row.fingerprint)));
    }
}
