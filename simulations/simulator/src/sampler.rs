//! What is looked at again and again while a run goes on: backlogs between regions, and how much regions differ.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{KeyBytes, TableId, Version};
use beringia_report::{Backlog, Divergence};
use beringia_store::Store;

use crate::{SimulationError, World};

/// Rows in one read of a range; a workload has far fewer keys in each.
const PAGE_ROWS: usize = 10_000;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// By where writes were made and where they are to go.
    pub(crate) backlog: BTreeMap<(String, String), Vec<Backlog>>,
    pub(crate) divergence: Vec<Divergence>,
}

impl Samples {
    /// Looks at all running regions.
    pub(crate) async fn take(&mut self, world: &World, tables: &[String], at_ms: u64) -> Result<(), SimulationError> {
        for from in world.names().into_iter().filter(|name| world.is_running(name)) {
            for (to, peer) in world.node(&from)?.status().await.peers {
                let Some(backlog) = peer.backlog else { continue };
                let seen = self.backlog.entry((from.clone(), to.to_string())).or_default();
                seen.push(Backlog {
                    at_ms,
                    mutations: backlog.mutations,
                    bytes: backlog.bytes,
                });
            }
        }
        let mut keys = 0;
        for table in tables {
            keys += divergent_keys(world, table).await?;
        }
        self.divergence.push(Divergence { at_ms, keys });
        Ok(())
    }
}

/// How many keys of a table are not equal in all running regions that hold an active replica.
pub(crate) async fn divergent_keys(world: &World, table: &str) -> Result<u64, SimulationError> {
    let digests = world.digests(table).await?;
    let mut digests_of = digests.values();
    let Some(first) = digests_of.next() else { return Ok(0) };
    let mut ranges = BTreeSet::new();
    for other in digests_of {
        let pairs = first.ranges.iter().zip(&other.ranges).enumerate();
        ranges.extend(pairs.filter(|(_, (one, other))| one != other).map(|(range, _)| range));
    }
    let mut divergent = 0;
    for range in ranges {
        let range = u16::try_from(range).unwrap_or(u16::MAX);
        let mut seen: BTreeMap<KeyBytes, (usize, BTreeSet<Version>)> = BTreeMap::new();
        for region in digests.keys() {
            let id = world.table_id(region, table)?;
            for (key, version) in live_rows(&*world.store(region)?, region, id, range).await? {
                let (holders, versions) = seen.entry(key).or_default();
                *holders += 1;
                versions.insert(version);
            }
        }
        let differs = |(holders, versions): &&(usize, BTreeSet<Version>)| *holders < digests.len() || versions.len() > 1;
        divergent += seen.values().filter(differs).count() as u64;
    }
    Ok(divergent)
}

async fn live_rows(
    store: &dyn Store,
    region: &str,
    table: TableId,
    range: u16,
) -> Result<Vec<(KeyBytes, Version)>, SimulationError> {
    let rows = store.raw_rows(table, range, None, PAGE_ROWS).await;
    let rows = rows.map_err(|source| SimulationError::Store {
        region: region.to_owned(),
        source,
    })?;
    Ok(rows.into_iter().filter(|row| row.live).map(|row| (row.key, row.version)).collect())
}
