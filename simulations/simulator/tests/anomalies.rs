//! The matrix of docs/anomalies.md: what each conflict policy permits is seen with the named seed,
//! and what it does not permit is not.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::{collections::BTreeMap, fs, io::Write, path::Path, process::abort, time::Duration};

use beringia_scenario::{Plan, Scenario};
use beringia_simulator::{Conditions, StoreKind, in_virtual_time, run_under};

/// The seed of the commands in docs/anomalies.md.
const SEED: u64 = 1;

const POLICIES: [&str; 3] = ["item", "attribute", "merge"];

/// The row that is played by a scenario of its own, since other tables have lost updates too.
const OF_NUMBERS: &str = "lost update of a number";

/// The columns of the matrix after the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    OneRegion,
    BetweenRegions,
    AfterMove,
}

/// A row of the matrix: what it says of one region, of each policy, and of clients that move;
/// `None` where it refers to the columns before.
#[derive(Debug)]
struct Row {
    name: String,
    anomaly: String,
    cells: Vec<Option<bool>>,
}

impl Row {
    fn permits(&self, column: Column, policy: usize) -> Option<bool> {
        match column {
            Column::OneRegion => self.cells[0],
            Column::BetweenRegions => self.cells[1 + policy],
            Column::AfterMove => self.cells[4],
        }
    }
}

/// Reads the matrix of the page.
fn matrix() -> Vec<Row> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/anomalies.md");
    let page = fs::read_to_string(page).expect("the page");
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.split('|').map(str::trim).collect();
        let [name, anomaly, says @ .., ""] = cells.as_slice() else {
            return None;
        };
        let cell = |says: &&str| match *says {
            "yes" => Some(Some(true)),
            "no" => Some(Some(false)),
            "as before" => Some(None),
            _ => None,
        };
        Some(Row {
            name: (*name).to_owned(),
            anomaly: anomaly.strip_prefix('`')?.strip_suffix('`')?.to_owned(),
            cells: says
                .iter()
                .map(cell)
                .collect::<Option<Vec<_>>>()
                .filter(|cells| cells.len() == 5)?,
        })
    };
    page.lines().filter_map(row).collect()
}

/// Plays a scenario of the page, and returns how often each anomaly was seen.
fn played(file: &str, policy: &str) -> BTreeMap<String, u64> {
    let name = format!("{file} under {policy}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenarios/anomalies")
        .join(file);
    let scenario = Scenario::load(&path).expect("a scenario");
    let scenario = scenario.with([("policy", policy)]).expect("a policy");
    let on_stuck = |stuck| {
        // The stuck thread can be neither interrupted nor made to fail its test.
        let _ = writeln!(std::io::stderr(), "{stuck:?}");
        abort();
    };
    let conditions = Conditions {
        store: StoreKind::Memory,
        ..Conditions::default()
    };
    let plan = Plan::draw(&scenario, SEED);
    let played = in_virtual_time(&name, Duration::from_secs(300), on_stuck, run_under(&plan, conditions));
    let outcome = played.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(outcome.violations, [], "{name}");
    assert!(outcome.run.holds(), "{name}: {:?}", outcome.run.verdicts);
    let anomalies = outcome.run.anomalies.into_iter();
    anomalies.map(|anomaly| (anomaly.name, anomaly.count)).collect()
}

/// Compares these rows of the matrix with what a scenario shows under each policy.
fn compare(file: &str, column: Column, is_meant: impl Fn(&Row) -> bool) {
    let rows = matrix();
    let rows: Vec<&Row> = rows.iter().filter(|row| is_meant(row)).collect();
    assert!(!rows.is_empty(), "the page has rows for {file}");
    for (index, policy) in POLICIES.into_iter().enumerate() {
        let seen = played(file, policy);
        for row in &rows {
            let Some(permitted) = row.permits(column, index) else {
                continue;
            };
            let count = seen.get(&row.anomaly).copied().expect("every anomaly is counted");
            assert_eq!(count > 0, permitted, "{file} under {policy}: {} {}", count, row.name);
        }
    }
}

#[test]
fn one_region_permits_what_the_matrix_says() {
    compare("one-region.toml", Column::OneRegion, |_| true);
}

#[test]
fn regions_permit_what_the_matrix_says() {
    compare("between-regions.toml", Column::BetweenRegions, |row| {
        row.name != OF_NUMBERS
    });
}

#[test]
fn counters_lose_what_the_matrix_says() {
    compare("counters.toml", Column::BetweenRegions, |row| row.name == OF_NUMBERS);
}

#[test]
fn moved_clients_see_what_the_matrix_says() {
    compare("moved-clients.toml", Column::AfterMove, |_| true);
}

/// Every anomaly of Hermitage's kind is in the matrix; the rest are of applications.
#[test]
fn the_matrix_has_every_anomaly_of_reads_and_writes() {
    let rows = matrix();
    for anomaly in beringia_scenario::ANOMALIES {
        let is_of_applications = ["oversold", "sum-not-constant"].contains(&anomaly);
        let in_matrix = rows.iter().any(|row| row.anomaly == anomaly);
        assert_eq!(in_matrix, !is_of_applications, "{anomaly}");
    }
}
