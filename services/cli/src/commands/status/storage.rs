//! The space that regions take, and what their trims wait for.

use beringia_proto::v1::{HeldUpTable, RegionReport, StorageReport};
use serde::Serialize;

use super::name_or_id;
use crate::{error::CommandError, output, presentation::iso};

/// The space that a region takes, in bytes.
#[derive(Debug, Clone, Serialize)]
pub(super) struct StorageJson {
    region: String,
    /// The database file, its free part, and its write-ahead log.
    database_bytes: u64,
    free_bytes: u64,
    wal_bytes: u64,
    /// Whether only deletes and upkeep go on, since the database or its disk is full.
    reserve_in_use: bool,
    /// The positions of the log that the trim has not reached.
    untrimmed: u64,
    /// The tables whose records the trim may not remove, and left behind.
    held_up: Vec<HeldUpJson>,
}

/// A table whose records the trim left behind.
#[derive(Debug, Clone, Serialize)]
struct HeldUpJson {
    /// The table's name, or its id where the region does not know the name.
    table: String,
    since_ms: u64,
    /// The positions of the log since its first record, of all tables.
    positions: u64,
    /// Why the records must stay.
    reason: String,
    /// The regions that have not acknowledged the first of them, if that is the reason.
    peers: Vec<String>,
}

impl StorageJson {
    pub(super) fn of(report: &RegionReport) -> Option<Self> {
        report.storage.as_ref().map(|storage| Self {
            region: report.name.clone(),
            database_bytes: storage.database_bytes,
            free_bytes: storage.free_bytes,
            wal_bytes: storage.wal_bytes,
            reserve_in_use: storage.reserve_in_use,
            untrimmed: storage.untrimmed,
            held_up: held_up(storage),
        })
    }
}

fn held_up(storage: &StorageReport) -> Vec<HeldUpJson> {
    let of = |table: &HeldUpTable| HeldUpJson {
        table: name_or_id(&table.table, &table.table_id),
        since_ms: table.since_ms,
        positions: table.positions,
        reason: table.reason.clone(),
        peers: table.peers.clone(),
    };
    storage.held_up.iter().map(of).collect()
}

/// Prints the sizes, and the tables that are held up if there are any.
pub(super) fn print(regions: &[StorageJson]) -> Result<(), CommandError> {
    if regions.is_empty() {
        return Ok(());
    }
    output::line("")?;
    output::table(
        ["STORAGE OF", "DATABASE BYTES", "FREE BYTES", "WAL BYTES", "UNTRIMMED"],
        regions.iter().map(|of| {
            let sizes = [of.database_bytes, of.free_bytes, of.wal_bytes, of.untrimmed];
            let [database, free, wal, untrimmed] = sizes.map(|size| size.to_string());
            [of.region.clone(), database, free, wal, untrimmed]
        }),
    )?;
    for region in regions.iter().filter(|of| of.reserve_in_use) {
        output::line(&format!(
            "{}: the database or its disk is full. Only deletes, trimming and drains go on, in the space kept back for \
             them, until there is space again.",
            region.region
        ))?;
    }
    let held_up: Vec<[String; 5]> = regions
        .iter()
        .flat_map(|of| of.held_up.iter().map(|table| table.row(&of.region)))
        .collect();
    if held_up.is_empty() {
        return Ok(());
    }
    output::line("")?;
    output::table(["LOG HELD UP IN", "TABLE", "SINCE", "POSITIONS", "WAITS FOR"], held_up)
}

impl HeldUpJson {
    fn row(&self, region: &str) -> [String; 5] {
        let peers = self.peers.join(", ");
        let separator = if peers.is_empty() { "" } else { " " };
        [
            region.to_owned(),
            self.table.clone(),
            iso(self.since_ms),
            self.positions.to_string(),
            format!("{}{separator}{peers}", self.reason),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_up_table_names_its_reason_and_peers() {
        let report = RegionReport {
            name: "us-east-1".to_owned(),
            storage: Some(StorageReport {
                database_bytes: 8_192,
                held_up: vec![HeldUpTable {
                    table: "carts".to_owned(),
                    positions: 7,
                    reason: "acknowledgements of".to_owned(),
                    peers: vec!["eu-west-1".to_owned()],
                    ..HeldUpTable::default()
                }],
                ..StorageReport::default()
            }),
            ..RegionReport::default()
        };
        let storage = StorageJson::of(&report).expect("the region reports its storage");
        let [region, table, _, positions, waits_for] = storage.held_up[0].row(&storage.region);
        assert_eq!(
            [region, table, positions, waits_for],
            ["us-east-1", "carts", "7", "acknowledgements of eu-west-1"]
        );
        assert!(StorageJson::of(&RegionReport::default()).is_none());
    }
}
