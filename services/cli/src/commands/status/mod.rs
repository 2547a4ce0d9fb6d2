//! `status`: shows how far each region is behind each other region, and which tables differ.

mod pair;
mod storage;

use std::collections::BTreeMap;

use beringia_host::convergence::{self, DigestComparison, TableComparison};
use beringia_proto::v1::{
    BootstrapReport, ControlDigestsRequest, ControlStatusReply, ControlStatusRequest, LinkReport, PausedTable,
    PeerReport, RegionReport,
};
use clap::Args;
use serde::Serialize;

use self::{
    pair::{PairJson, dash},
    storage::StorageJson,
};
use super::{
    control::ControlArguments,
    leases::{self, LeaseJson},
    replication,
    reroutes::{self, RerouteJson},
};
use crate::{
    error::CommandError,
    output::{self, Format},
    presentation::spans,
};

/// Show how far each region is behind each other region, and which tables differ.
#[derive(Debug, Clone, Args)]
#[command(
    long_about = "Show, for each pair of regions, how far one is behind the other: the age of the \
        oldest write that it has not acknowledged (lag), the number and bytes of such writes \
        (backlog), how long the writes of the last five minutes took to arrive (p50, p99), and the \
        state of the link and the connection. For each table, show in how many of its 256 ranges \
        its replicas differ. For each region, show the bytes of its database, and which tables \
        must keep their log records, since when and for whom.",
    after_help = "Examples:\n  beringia status\n  beringia status --format json | jq .pairs"
)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) control: ControlArguments,
}

/// The output of `status --format json`, from all control services together.
#[derive(Debug, Serialize)]
struct StatusJson {
    /// Whether all replicas of all tables are equal.
    converged: bool,
    regions: Vec<RegionJson>,
    pairs: Vec<PairJson>,
    tables: Vec<TableComparison>,
    bootstraps: Vec<BootstrapJson>,
    /// Tables whose replication is paused in a region.
    paused: Vec<PauseJson>,
    /// Tables whose writes a region does not take for now, since it cannot apply one of them.
    set_aside: Vec<SetAsideJson>,
    /// Ranges of tables that are damaged in a region's database and not repaired yet.
    damaged: Vec<DamagedJson>,
    /// The space that regions take, and the tables that hold up their logs.
    storage: Vec<StorageJson>,
    /// The leases of drills: those that are held, and the last ones that expired.
    leases: Vec<LeaseJson>,
    /// The regions whose clients were moved, and those that fail the health checks of the endpoint
    /// for all regions.
    reroutes: Vec<RerouteJson>,
}

#[derive(Debug, Serialize)]
struct RegionJson {
    name: String,
    /// `running`, `down`, or `unknown` where no control service hosts it.
    state: &'static str,
    /// Why the region failed, such as a panic of its committer; null if it did not.
    failure: Option<String>,
    /// Whether the region is closed for clients' writes.
    draining: bool,
    /// While the region accepts no writes because its clock went back: how far the clock is behind
    /// the region's latest writes, and how far it may be, in milliseconds.
    clock_behind_ms: Option<u64>,
    clock_limit_ms: Option<u64>,
    /// The log records that were found damaged or missing in the region's database since its start.
    damaged_records: u64,
    /// The number of the database's life; null if the region cannot be asked.
    store_epoch: Option<u64>,
    /// The number of tables in which the region is missing own writes that another region has,
    /// since its database is an older copy.
    tables_missing_own_writes: u32,
    /// The requests that the region has refused since its start; null if it cannot be asked.
    refused: Option<RefusedJson>,
}

/// Refusals of a region, counted per item or page.
#[derive(Debug, Clone, Copy, Serialize)]
struct RefusedJson {
    /// Refused because the throughput of a table or index was exceeded.
    throttled_reads: u64,
    throttled_writes: u64,
    /// Refused because a transaction was using the item.
    transaction_conflicts: u64,
}

#[derive(Debug, Serialize)]
struct PauseJson {
    region: String,
    table: String,
}

#[derive(Debug, Serialize)]
struct SetAsideJson {
    region: String,
    /// The table's name, or its id where the region does not know the name.
    table: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct DamagedJson {
    region: String,
    /// The table's name, or its id where the region does not know the name.
    table: String,
    /// One of the table's 256 ranges.
    range: u32,
    /// What was found, or why it cannot be repaired.
    what: String,
}

#[derive(Debug, Serialize)]
struct BootstrapJson {
    region: String,
    table: String,
    source: Option<String>,
    stage: String,
    ranges_done: u32,
    rows: u64,
}

/// Prints one JSON object, or up to eight tables.
pub(crate) async fn run(arguments: &StatusArguments, format: Format) -> Result<(), CommandError> {
    let fleet = arguments.control.connect().await?;
    let topology = fleet.topology();
    let replies = fleet
        .ask(|mut client| async move { client.status(ControlStatusRequest {}).await })
        .await?
        .replies;
    let request = ControlDigestsRequest {
        verify: false,
        ranges: true,
    };
    let digests = fleet.digests(request).await?.replies;
    let comparison = convergence::compare(&topology, &digests);
    let status = StatusJson::of(&topology, &replies, comparison);
    match format {
        Format::Json => output::json(&status),
        Format::Text => status.print(),
    }
}

impl StatusJson {
    fn of(topology: &[String], replies: &[ControlStatusReply], comparison: DigestComparison) -> Self {
        let reports: BTreeMap<&str, &RegionReport> = replies
            .iter()
            .flat_map(|reply| &reply.regions)
            .map(|region| (region.name.as_str(), region))
            .collect();
        let links: Vec<&LinkReport> = replies.iter().flat_map(|reply| &reply.links).collect();
        let state = |name: &str| match reports.get(name) {
            None => "unknown",
            Some(report) if report.running => "running",
            Some(_) => "down",
        };
        let mut pairs = Vec::new();
        for from in topology {
            for to in topology.iter().filter(|to| *to != from) {
                let link = links.iter().find(|link| link.from == *from && link.to == *to).copied();
                pairs.push(PairJson::of(
                    from,
                    to,
                    peer_of(&reports, from, to),
                    peer_of(&reports, to, from),
                    link,
                ));
            }
        }
        Self {
            converged: comparison.converged(),
            regions: topology
                .iter()
                .map(|name| RegionJson::of(name, state(name), reports.get(name.as_str()).copied()))
                .collect(),
            pairs,
            bootstraps: reports
                .values()
                .flat_map(|report| {
                    report
                        .bootstraps
                        .iter()
                        .map(|bootstrap| BootstrapJson::of(&report.name, bootstrap))
                })
                .collect(),
            tables: comparison.tables,
            paused: reports
                .values()
                .flat_map(|report| &report.paused)
                .map(PauseJson::of)
                .collect(),
            set_aside: reports.values().flat_map(|report| SetAsideJson::of(report)).collect(),
            damaged: reports.values().flat_map(|report| DamagedJson::of(report)).collect(),
            storage: reports.values().filter_map(|report| StorageJson::of(report)).collect(),
            leases: replies
                .iter()
                .flat_map(|reply| &reply.leases)
                .map(LeaseJson::of)
                .collect(),
            reroutes: replies
                .iter()
                .flat_map(|reply| {
                    reply
                        .reroutes
                        .iter()
                        .map(|one| RerouteJson::of(one, &reply.shift_policy))
                })
                .collect(),
        }
    }

    fn print(&self) -> Result<(), CommandError> {
        output::table(
            ["REGION", "STATE", "REFUSED"],
            self.regions
                .iter()
                .map(|region| [region.name.clone(), region.state_text(), region.refused_text()]),
        )?;
        output::line("")?;
        output::table(
            [
                "FROM",
                "TO",
                "LAG",
                "P50",
                "P99",
                "BACKLOG",
                "BYTES",
                "LINK",
                "CONNECTION",
                "",
            ],
            self.pairs.iter().map(PairJson::row),
        )?;
        output::line("")?;
        output::table(
            ["TABLE", "REPLICAS", "CONFLICT POLICY", "DIVERGENT RANGES", ""],
            self.tables.iter().map(table_row),
        )?;
        if !self.bootstraps.is_empty() {
            output::line("")?;
            output::table(
                ["FILLING", "OF TABLE", "FROM", "STAGE", "RANGES", "ROWS"],
                self.bootstraps.iter().map(BootstrapJson::row),
            )?;
        }
        if !self.paused.is_empty() {
            output::line("")?;
            replication::table(
                self.paused
                    .iter()
                    .map(|pause| [pause.region.clone(), pause.table.clone()]),
            )?;
        }
        if !self.set_aside.is_empty() {
            output::line("")?;
            output::table(
                ["SET ASIDE IN", "TABLE", "REASON"],
                self.set_aside
                    .iter()
                    .map(|aside| [aside.region.clone(), aside.table.clone(), aside.reason.clone()]),
            )?;
        }
        if !self.damaged.is_empty() {
            output::line("")?;
            output::table(
                ["DAMAGED IN", "TABLE", "RANGE", "WHAT"],
                self.damaged.iter().map(DamagedJson::row),
            )?;
        }
        storage::print(&self.storage)?;
        leases::print_any(&self.leases)?;
        reroutes::print_any(&self.reroutes)
    }
}

impl RegionJson {
    fn of(name: &str, state: &'static str, report: Option<&RegionReport>) -> Self {
        Self {
            name: name.to_owned(),
            state,
            failure: report
                .map(|report| report.failure.clone())
                .filter(|reason| !reason.is_empty()),
            draining: report.is_some_and(|report| report.draining),
            clock_behind_ms: report.and_then(|report| report.clock_behind_ms),
            clock_limit_ms: report.and_then(|report| report.clock_limit_ms),
            damaged_records: report.map_or(0, |report| report.damaged_records),
            store_epoch: report.filter(|report| report.running).map(|report| report.store_epoch),
            tables_missing_own_writes: report.map_or(0, |report| report.tables_missing_own_writes),
            refused: report.and_then(|report| report.refused).map(|refused| RefusedJson {
                throttled_reads: refused.throttled_reads,
                throttled_writes: refused.throttled_writes,
                transaction_conflicts: refused.transaction_conflicts,
            }),
        }
    }

    fn state_text(&self) -> String {
        let mut text = self.state.to_owned();
        if let Some(reason) = &self.failure {
            text.push_str(&format!(", failed: {reason}"));
        } else if self.draining {
            text.push_str(", closed for writes");
        }
        if let (Some(behind), Some(limit)) = (self.clock_behind_ms, self.clock_limit_ms) {
            text.push_str(&format!(
                ", accepts no writes: its clock is {behind} ms behind its latest writes, the limit is {limit} ms"
            ));
        }
        match self.damaged_records {
            0 => {}
            1 => text.push_str(", 1 log record was found damaged or missing"),
            records => text.push_str(&format!(", {records} log records were found damaged or missing")),
        }
        if let Some(epoch) = self.store_epoch.filter(|epoch| *epoch > 1) {
            text.push_str(&format!(", store epoch {epoch}"));
        }
        if self.tables_missing_own_writes > 0 {
            text.push_str(&format!(
                ": its database is an older copy, and {} tables are missing own writes",
                self.tables_missing_own_writes
            ));
        }
        text
    }

    /// The requests that the region has refused; empty if there are none.
    fn refused_text(&self) -> String {
        let counts = self.refused.iter().flat_map(|refused| {
            [
                (refused.throttled_reads, "throttled reads"),
                (refused.throttled_writes, "throttled writes"),
                (refused.transaction_conflicts, "transaction conflicts"),
            ]
        });
        let parts: Vec<String> = counts
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        parts.join(", ")
    }
}

impl PauseJson {
    fn of(paused: &PausedTable) -> Self {
        Self {
            region: paused.region.clone(),
            table: paused.table.clone(),
        }
    }
}

impl SetAsideJson {
    fn of(report: &RegionReport) -> impl Iterator<Item = Self> {
        report.set_aside.iter().map(|aside| Self {
            region: report.name.clone(),
            table: name_or_id(&aside.table, &aside.table_id),
            reason: aside.reason.clone(),
        })
    }
}

impl DamagedJson {
    fn of(report: &RegionReport) -> impl Iterator<Item = Self> {
        report.damaged.iter().map(|damaged| Self {
            region: report.name.clone(),
            table: name_or_id(&damaged.table, &damaged.table_id),
            range: damaged.range,
            what: damaged.what.clone(),
        })
    }

    fn row(&self) -> [String; 4] {
        [
            self.region.clone(),
            self.table.clone(),
            self.range.to_string(),
            self.what.clone(),
        ]
    }
}

/// The report of `region` about `peer`.
fn peer_of<'a>(reports: &BTreeMap<&str, &'a RegionReport>, region: &str, peer: &str) -> Option<&'a PeerReport> {
    reports.get(region)?.peers.iter().find(|report| report.peer == peer)
}

fn name_or_id(name: &str, id: &str) -> String {
    if name.is_empty() {
        id.to_owned()
    } else {
        name.to_owned()
    }
}

impl BootstrapJson {
    fn of(region: &str, bootstrap: &BootstrapReport) -> Self {
        Self {
            region: region.to_owned(),
            table: name_or_id(&bootstrap.table, &bootstrap.table_id),
            source: Some(bootstrap.source.clone()).filter(|source| !source.is_empty()),
            stage: bootstrap.stage.clone(),
            ranges_done: bootstrap.ranges_done,
            rows: bootstrap.rows,
        }
    }

    fn row(&self) -> [String; 6] {
        [
            self.region.clone(),
            self.table.clone(),
            self.source.clone().unwrap_or_else(dash),
            self.stage.clone(),
            format!("{} of 256", self.ranges_done),
            self.rows.to_string(),
        ]
    }
}

fn table_row(table: &TableComparison) -> [String; 5] {
    let ranges = if table.divergent_ranges.is_empty() {
        "0".to_owned()
    } else {
        format!("{} ({})", table.divergent_ranges.len(), spans(&table.divergent_ranges))
    };
    [
        table.table.clone(),
        table.replicas.join(", "),
        table.conflict_policies.join(", "),
        ranges,
        table.reasons.join("; "),
    ]
}

#[cfg(test)]
mod tests {
    use beringia_proto::v1::{DamagedRange, SetAsideTable, StorageReport};

    use super::*;

    #[test]
    fn figures_of_an_unknown_region_are_null() {
        let status = StatusJson::of(&["a".into(), "b".into()], &[], convergence::compare(&[], &[]));
        assert_eq!(status.regions[0].state, "unknown");
        assert_eq!(status.pairs.len(), 2);
        assert_eq!(status.pairs[0].lag_ms, None);
        assert_eq!(status.pairs[0].row()[2], "-");
    }

    /// A region to which everything happened at once.
    #[test]
    fn all_that_is_wrong_with_a_region_is_shown() {
        let carts = || "carts".to_owned();
        let report = RegionReport {
            name: "a".to_owned(),
            running: true,
            failure: "a task panicked: x".to_owned(),
            clock_behind_ms: Some(9_000),
            clock_limit_ms: Some(500),
            set_aside: vec![SetAsideTable {
                table: carts(),
                reason: "a write of b cannot be read: y".to_owned(),
                ..SetAsideTable::default()
            }],
            store_epoch: 2,
            tables_missing_own_writes: 3,
            damaged_records: 4,
            damaged: vec![DamagedRange {
                table: carts(),
                range: 17,
                what: "z".to_owned(),
                ..DamagedRange::default()
            }],
            storage: Some(StorageReport {
                database_bytes: 5,
                reserve_in_use: true,
                ..StorageReport::default()
            }),
            ..RegionReport::default()
        };
        let reply = ControlStatusReply {
            regions: vec![report],
            ..ControlStatusReply::default()
        };
        let status = StatusJson::of(&["a".to_owned()], &[reply], convergence::compare(&[], &[]));
        assert_eq!(
            status.regions[0].state_text(),
            "running, failed: a task panicked: x, accepts no writes: its clock is 9000 ms behind its latest writes, \
             the limit is 500 ms, 4 log records were found damaged or missing, store epoch 2: its database is an older \
             copy, and 3 tables are missing own writes"
        );
        assert_eq!(status.damaged[0].row(), ["a", "carts", "17", "z"]);
        let json = serde_json::to_value(&status).expect("it is written as JSON");
        let region = &json["regions"][0];
        assert_eq!(region["failure"], "a task panicked: x");
        assert_eq!(
            (&region["clock_behind_ms"], &region["clock_limit_ms"]),
            (&9_000.into(), &500.into())
        );
        assert_eq!(
            (&region["damaged_records"], &region["store_epoch"]),
            (&4.into(), &2.into())
        );
        let aside = serde_json::json!({"region": "a", "table": "carts", "reason": "a write of b cannot be read: y"});
        assert_eq!(json["set_aside"][0], aside);
        assert_eq!(json["damaged"][0]["range"], 17);
        assert_eq!(json["storage"][0]["reserve_in_use"], true);
    }
}
