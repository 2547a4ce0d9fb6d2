//! The regions and tables that a drill watches, and whether they have converged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use beringia_host::{
    convergence::{self, DigestComparison},
    fleet::Fleet,
};
use beringia_proto::v1::{ControlDigestsRequest, RegionDigests};
use tokio::time::{Instant, sleep};

use crate::error::DrillError;

/// How often regions are compared while the drill waits for them.
const POLL: Duration = Duration::from_millis(25);

/// The regions, and the tables that the drill watches.
#[derive(Clone)]
pub(crate) struct DrillScope {
    pub(crate) fleet: Arc<Fleet>,
    /// The drill's own tables. Nothing writes to them after the load, and they must become equal.
    pub(crate) own: BTreeSet<String>,
    /// The tables of applications, which may continue to write: what they wrote until a given time
    /// must arrive everywhere.
    pub(crate) others: BTreeSet<String>,
}

/// By table id and origin, the sequence of the last write.
pub(super) type LastWrites = BTreeMap<(String, String), u64>;

/// By table id and region, the replicas whose replication is paused, but not by the drill.
pub(super) type Apart = BTreeSet<(String, String)>;

impl DrillScope {
    /// Waits until all regions hold the same data in the drill's tables, at most `patience`.
    /// Returns the differences that are left, one line each.
    pub(crate) async fn converge(&self, patience: Duration) -> Result<Vec<String>, DrillError> {
        let (before, apart) = (LastWrites::new(), Apart::new());
        let missing = async || Ok(self.missing(&self.digests().await?, &before, &apart));
        until_nothing(patience, missing).await
    }

    /// The differences between the drill's tables, and the replicas that have not applied all
    /// writes in `last` to other tables; one line each.
    pub(super) fn missing(&self, digests: &[RegionDigests], last: &LastWrites, apart: &Apart) -> Vec<String> {
        let comparison = self.compare(digests);
        let is_apart = |id: &str| apart.iter().any(|(table, _)| table == id);
        let own = comparison
            .divergent()
            .filter(|table| self.own.contains(&table.table) && !is_apart(&table.table_id));
        let mut missing: Vec<String> = own
            .map(|table| format!("{}: {}", table.table, table.reasons.join("; ")))
            .collect();
        let behind = behind(last, digests, apart);
        for table in comparison
            .tables
            .iter()
            .filter(|table| self.others.contains(&table.table))
        {
            let regions = behind.iter().filter(|(id, _)| *id == table.table_id);
            let regions: Vec<&str> = regions.map(|(_, region)| *region).collect();
            if !regions.is_empty() {
                let regions = regions.join(", ");
                missing.push(format!(
                    "{}: some writes from before have not arrived in {regions}",
                    table.table
                ));
            }
        }
        missing
    }

    pub(super) async fn digests(&self) -> Result<Vec<RegionDigests>, DrillError> {
        let request = ControlDigestsRequest {
            verify: false,
            ranges: true,
        };
        let mut digests = self.fleet.digests(request).await?.replies;
        for region in &mut digests {
            region
                .tables
                .retain(|table| self.own.contains(&table.table) || self.others.contains(&table.table));
        }
        Ok(digests)
    }

    pub(super) fn compare(&self, digests: &[RegionDigests]) -> DigestComparison {
        convergence::compare(&self.fleet.topology(), digests)
    }
}

/// Checks repeatedly until nothing is missing, at most `patience`; returns what is still missing.
pub(super) async fn until_nothing(
    patience: Duration,
    missing: impl AsyncFn() -> Result<Vec<String>, DrillError>,
) -> Result<Vec<String>, DrillError> {
    let deadline = Instant::now() + patience;
    loop {
        match missing().await {
            Ok(missing) if missing.is_empty() || Instant::now() >= deadline => return Ok(missing),
            Err(failure) if Instant::now() >= deadline => return Err(failure),
            _ => sleep(POLL).await,
        }
    }
}

/// The last write of every region to every table, by the version vectors of all regions.
pub(super) fn last_writes(digests: &[RegionDigests]) -> LastWrites {
    let mut last = LastWrites::new();
    for table in digests.iter().flat_map(|region| &region.tables) {
        for known in &table.vector {
            let sequence = last.entry((table.table_id.clone(), known.origin.clone())).or_default();
            *sequence = (*sequence).max(known.sequence);
        }
    }
    last
}

/// The replicas, by table id and region, that have not applied all of these writes. Writes that
/// replicas in `apart` are missing or made do not count.
pub(super) fn behind<'a>(
    last: &'a LastWrites,
    digests: &'a [RegionDigests],
    apart: &Apart,
) -> BTreeSet<(&'a str, &'a str)> {
    let tables = || digests.iter().flat_map(|region| &region.tables);
    let replicas: BTreeMap<&str, BTreeSet<&str>> = tables()
        .map(|table| {
            (
                table.table_id.as_str(),
                table.replicas.iter().map(String::as_str).collect(),
            )
        })
        .collect();
    let has_applied = |table: &str, origin: &str, sequence: u64, replica: &str| {
        let region = digests.iter().find(|region| region.running && region.region == replica);
        let report = region.and_then(|region| region.tables.iter().find(|report| report.table_id == table));
        let applied = report.and_then(|report| report.vector.iter().find(|known| known.origin == origin));
        applied.is_some_and(|applied| applied.sequence >= sequence)
    };
    let is_apart = |table: &str, region: &str| apart.iter().any(|(id, name)| id == table && name == region);
    let mut behind = BTreeSet::new();
    for ((table, origin), sequence) in last.iter().filter(|((table, origin), _)| !is_apart(table, origin)) {
        let replicas = replicas.get(table.as_str()).into_iter().flatten();
        let replicas = replicas.filter(|replica| !is_apart(table, replica));
        let late = replicas.filter(|replica| !has_applied(table, origin, *sequence, replica));
        behind.extend(late.map(|replica| (table.as_str(), *replica)));
    }
    behind
}

#[cfg(test)]
mod tests {
    use beringia_proto::v1::{OriginSequence, TableDigestReport};

    use super::*;

    fn region(name: &str, running: bool, applied: &[(&str, u64)]) -> RegionDigests {
        let vector = applied.iter().map(|(origin, sequence)| OriginSequence {
            origin: (*origin).to_owned(),
            sequence: *sequence,
        });
        RegionDigests {
            region: name.to_owned(),
            running,
            tables: vec![TableDigestReport {
                table_id: "t".to_owned(),
                replicas: vec!["a".to_owned(), "b".to_owned()],
                vector: vector.collect(),
                ..TableDigestReport::default()
            }],
        }
    }

    /// A replica that is down or does not answer counts as behind; one that is paused, but not by
    /// the drill, does not count.
    #[test]
    fn writes_arrived_when_every_replica_has_applied_them() {
        let last = last_writes(&[region("a", true, &[("a", 7)]), region("b", true, &[("a", 5), ("b", 3)])]);
        assert_eq!(last.into_values().collect::<Vec<_>>(), [7, 3]);
        let last = last_writes(&[region("a", true, &[("a", 7)])]);
        let behind = [region("a", true, &[("a", 9)]), region("b", true, &[("a", 6)])];
        let nobody = Apart::new();
        let have = |digests: &[RegionDigests]| super::behind(&last, digests, &nobody).is_empty();
        assert!(!have(&behind));
        let level = [region("a", true, &[("a", 9)]), region("b", true, &[("a", 7)])];
        assert!(have(&level));
        let down = [region("a", true, &[("a", 9)]), region("b", false, &[("a", 7)])];
        assert!(!have(&down));
        assert!(!have(&level[..1]), "a replica that does not answer");
        for paused in ["a", "b"] {
            let apart = Apart::from([("t".to_owned(), paused.to_owned())]);
            assert!(super::behind(&last, &behind, &apart).is_empty(), "paused in {paused}");
        }
    }
}
