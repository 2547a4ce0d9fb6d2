//! Whether regions have converged: compares their reports, without any requests.

use std::collections::{BTreeMap, BTreeSet};

use beringia_proto::v1::{RegionDigests, TableDigestReport};
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

/// Bytes that a report has for each range.
pub const RANGE_BYTES: usize = 24;
/// The name by which the catalog of tables is shown.
pub const CATALOG_NAME: &str = "(catalog)";

/// The result of comparing all reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestComparison {
    /// Every table that any region has, ordered by name, with the catalog first.
    pub tables: Vec<TableComparison>,
    /// One digest over all tables, as 32 hexadecimal digits. Meaningful only if all tables are
    /// equal.
    pub digest: String,
}

/// How the replicas of one table compare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableComparison {
    /// The name of the table.
    pub table: String,
    /// The id of the table. It changes when a table is deleted and created again.
    pub table_id: String,
    /// The conflict policy: `item`, `attribute` or `merge`. Several while a change has not reached
    /// every region.
    pub conflict_policies: Vec<String>,
    /// The regions that have, or should have, a replica.
    pub replicas: Vec<String>,
    /// Whether all replicas are equal and have applied the same writes.
    pub equal: bool,
    /// The ranges (of 256, by hash of the partition key) whose digests differ; empty if the reports
    /// have no ranges.
    pub divergent_ranges: Vec<usize>,
    /// Why the replicas are not equal, one sentence each.
    pub reasons: Vec<String>,
}

impl DigestComparison {
    /// Whether all tables are equal in all regions.
    pub fn converged(&self) -> bool {
        self.tables.iter().all(|table| table.equal)
    }

    /// The tables that are not equal.
    pub fn divergent(&self) -> impl Iterator<Item = &TableComparison> {
        self.tables.iter().filter(|table| !table.equal)
    }
}

/// Compares the reports of all regions of a topology.
pub fn compare(topology: &[String], regions: &[RegionDigests]) -> DigestComparison {
    let by_name: BTreeMap<&str, &RegionDigests> = regions.iter().map(|r| (r.region.as_str(), r)).collect();
    let mut ids: BTreeMap<(String, &str), BTreeSet<&str>> = BTreeMap::new();
    for table in regions.iter().flat_map(|region| &region.tables) {
        let replicas = ids.entry((shown_name(table), table.table_id.as_str())).or_default();
        if table.table.is_empty() {
            replicas.extend(topology.iter().map(String::as_str));
        } else {
            replicas.extend(table.replicas.iter().map(String::as_str));
        }
    }
    let mut overall = Xxh3::new();
    let mut tables = Vec::with_capacity(ids.len());
    for ((name, id), replicas) in ids {
        let held: Vec<(&str, Result<&TableDigestReport, NoReport>)> = replicas
            .iter()
            .map(|replica| (*replica, report_of(by_name.get(replica).copied(), id)))
            .collect();
        if let Some(table) = held.iter().find_map(|(_, report)| report.as_ref().ok()) {
            overall.update(id.as_bytes());
            overall.update(&table.digest);
        }
        tables.push(compare_table(name, id, &held));
    }
    DigestComparison {
        tables,
        digest: format!("{:032x}", overall.digest128()),
    }
}

/// The reason why there is no report of a region about a table.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum NoReport {
    #[error("does not answer")]
    Silent,
    #[error("is down")]
    Down,
    #[error("does not have the table yet")]
    NoTable,
}

/// The report of a region about a table, or the reason why there is none.
fn report_of<'a>(region: Option<&'a RegionDigests>, id: &str) -> Result<&'a TableDigestReport, NoReport> {
    match region {
        None => Err(NoReport::Silent),
        Some(region) if !region.running => Err(NoReport::Down),
        Some(region) => region
            .tables
            .iter()
            .find(|table| table.table_id == id)
            .ok_or(NoReport::NoTable),
    }
}

/// Compares the reports of one table.
fn compare_table(table: String, id: &str, held: &[(&str, Result<&TableDigestReport, NoReport>)]) -> TableComparison {
    let mut reasons = Vec::new();
    let mut reports: Vec<(&str, &TableDigestReport)> = Vec::new();
    for (region, report) in held {
        match report {
            Err(reason) => reasons.push(format!("{region} {reason}")),
            Ok(report) => {
                if !report.replica_status.is_empty() {
                    reasons.push(format!("the replica in {region} is {}", report.replica_status));
                }
                if !report.damaged.is_empty() {
                    reasons.push(format!(
                        "{} of the table's ranges in {region} are damaged on disk",
                        report.damaged.len()
                    ));
                }
                reports.push((region, report));
            }
        }
    }
    let mut divergent_ranges = Vec::new();
    if let Some(((first_region, first), others)) = reports.split_first() {
        for (region, other) in others {
            if other.digest != first.digest {
                reasons.push(format!(
                    "{first_region} ({} items) and {region} ({} items) differ",
                    first.items, other.items
                ));
            } else if vector(other) != vector(first) {
                reasons.push(behind(first_region, first, region, other));
            }
        }
        divergent_ranges = ranges_that_differ(&reports);
    }
    let policies: BTreeSet<&String> = reports.iter().map(|(_, report)| &report.conflict_policy).collect();
    TableComparison {
        table,
        table_id: id.to_owned(),
        conflict_policies: policies.into_iter().cloned().collect(),
        replicas: held.iter().map(|(region, _)| (*region).to_owned()).collect(),
        equal: reasons.is_empty(),
        divergent_ranges,
        reasons,
    }
}

/// The vector of a report without entries of 0, which mean the same as no entry.
fn vector(report: &TableDigestReport) -> BTreeMap<&str, u64> {
    report
        .vector
        .iter()
        .filter(|entry| entry.sequence > 0)
        .map(|entry| (entry.origin.as_str(), entry.sequence))
        .collect()
}

/// Says which region has not yet applied which region's writes, for equal digests (as after
/// deletes, or writes that lost).
fn behind(first_region: &str, first: &TableDigestReport, region: &str, other: &TableDigestReport) -> String {
    let (ours, theirs) = (vector(first), vector(other));
    let missing = |mine: &BTreeMap<&str, u64>, more: &BTreeMap<&str, u64>| -> Vec<String> {
        more.iter()
            .filter(|(origin, sequence)| mine.get(*origin).copied().unwrap_or(0) < **sequence)
            .map(|(origin, _)| (*origin).to_owned())
            .collect()
    };
    let mut parts = Vec::new();
    for (name, origins) in [
        (first_region, missing(&ours, &theirs)),
        (region, missing(&theirs, &ours)),
    ] {
        if !origins.is_empty() {
            parts.push(format!(
                "{name} has not yet applied all writes of {}",
                origins.join(", ")
            ));
        }
    }
    parts.join("; ")
}

/// The ranges in which any two of the reports differ.
fn ranges_that_differ(reports: &[(&str, &TableDigestReport)]) -> Vec<usize> {
    let most = reports.iter().map(|(_, report)| report.ranges.len()).max().unwrap_or(0);
    (0..most.div_ceil(RANGE_BYTES))
        .filter(|number| {
            reports
                .windows(2)
                .any(|pair| range(pair[0].1, *number) != range(pair[1].1, *number))
        })
        .collect()
}

/// A range of a report, if it has that range.
fn range(report: &TableDigestReport, number: usize) -> Option<&[u8]> {
    report.ranges.chunks(RANGE_BYTES).nth(number)
}

/// The name by which a table is shown.
fn shown_name(table: &TableDigestReport) -> String {
    if table.table.is_empty() {
        CATALOG_NAME.to_owned()
    } else {
        table.table.clone()
    }
}

#[cfg(test)]
mod tests {
    use beringia_proto::v1::OriginSequence;

    use super::*;

    fn topology() -> Vec<String> {
        ["a", "b", "c"].map(str::to_owned).to_vec()
    }

    /// A table's report with these sums in its ranges.
    fn table(name: &str, replicas: &[&str], sums: &[u8], applied: &[(&str, u64)]) -> TableDigestReport {
        TableDigestReport {
            table_id: format!("id-{name}"),
            table: name.to_owned(),
            conflict_policy: "item".to_owned(),
            replicas: replicas.iter().map(|r| (*r).to_owned()).collect(),
            vector: applied
                .iter()
                .map(|(origin, sequence)| OriginSequence {
                    origin: (*origin).to_owned(),
                    sequence: *sequence,
                })
                .collect(),
            digest: sums.to_vec().into(),
            items: sums.len() as u64,
            ranges: sums.iter().flat_map(|sum| [*sum; RANGE_BYTES]).collect(),
            repaired: Vec::new(),
            replica_status: String::new(),
            replica_epoch: 0,
            damaged: Vec::new(),
        }
    }

    fn region(name: &str, tables: Vec<TableDigestReport>) -> RegionDigests {
        RegionDigests {
            region: name.to_owned(),
            running: true,
            tables,
        }
    }

    #[test]
    fn equal_digests_and_vectors_mean_convergence() {
        let t = || table("T", &["a", "b"], &[1, 2], &[("a", 5)]);
        let comparison = compare(
            &topology(),
            &[region("a", vec![t()]), region("b", vec![t()]), region("c", vec![])],
        );
        assert!(comparison.converged(), "{comparison:?}");
        assert_eq!(comparison.digest.len(), 32);
    }

    #[test]
    fn the_overall_digest_changes_with_any_table() {
        let of = |sum| compare(&topology(), &[region("a", vec![table("T", &["a"], &[sum], &[])])]).digest;
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn ranges_that_differ_are_named() {
        let comparison = compare(
            &topology(),
            &[
                region("a", vec![table("T", &["a", "b", "c"], &[1, 2, 3, 4], &[])]),
                region("b", vec![table("T", &["a", "b", "c"], &[1, 9, 3, 4], &[])]),
                region("c", vec![table("T", &["a", "b", "c"], &[1, 2, 3, 8], &[])]),
            ],
        );
        assert!(!comparison.converged());
        assert_eq!(comparison.tables[0].divergent_ranges, [1, 3]);
    }

    #[test]
    fn equal_digests_do_not_suffice_while_vectors_differ() {
        let comparison = compare(
            &topology(),
            &[
                region("a", vec![table("T", &["a", "b"], &[], &[("a", 5), ("b", 0)])]),
                region("b", vec![table("T", &["a", "b"], &[], &[("a", 4)])]),
            ],
        );
        assert_eq!(comparison.tables[0].reasons, ["b has not yet applied all writes of a"]);
    }

    #[test]
    fn replica_that_is_down_missing_or_creating_is_not_equal() {
        let t = || table("T", &["a", "b", "c"], &[1], &[]);
        let mut filling = t();
        filling.replica_status = "CREATING".into();
        let down = RegionDigests {
            region: "b".into(),
            running: false,
            tables: vec![],
        };
        let comparison = compare(&topology(), &[region("a", vec![t()]), down, region("c", vec![filling])]);
        assert_eq!(
            comparison.tables[0].reasons,
            ["b is down", "the replica in c is CREATING"]
        );
        let comparison = compare(&topology(), &[region("a", vec![t()]), region("b", vec![])]);
        assert_eq!(
            comparison.tables[0].reasons,
            ["b does not have the table yet", "c does not answer"]
        );
    }

    #[test]
    fn damaged_replica_is_not_equal() {
        let t = || table("T", &["a", "b"], &[1], &[]);
        let mut damaged = t();
        damaged.damaged = vec![7, 9];
        let comparison = compare(&topology(), &[region("a", vec![t()]), region("b", vec![damaged])]);
        assert_eq!(
            comparison.tables[0].reasons,
            ["2 of the table's ranges in b are damaged on disk"]
        );
    }

    #[test]
    fn the_catalog_must_be_equal_in_every_region_of_the_topology() {
        let comparison = compare(&topology(), &[region("a", vec![table("", &["a"], &[1], &[])])]);
        assert_eq!(comparison.tables[0].table, CATALOG_NAME);
        assert_eq!(comparison.tables[0].replicas, topology());
        assert!(!comparison.converged());
    }

    #[test]
    fn regional_table_needs_no_other_region() {
        let regions: Vec<_> = ["a", "b", "c"]
            .iter()
            .map(|name| {
                let mut t = table("T", &[name], &[1], &[]);
                t.table_id = format!("id-{name}");
                region(name, vec![t])
            })
            .collect();
        assert!(compare(&topology(), &regions).converged());
    }
}
