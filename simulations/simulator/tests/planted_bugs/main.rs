//! The oracle finds bugs that other systems had, or that an earlier oracle missed: in the store, in
//! replication, on the wire, in the engine, in conflict policies, and on the disk. Each is planted,
//! and must be found within 200 seeds of a scenario that is made for it; the seed is printed.
//!
//! `cargo test -p beringia-simulator --features planted-bugs --test planted_bugs`

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]
#![expect(clippy::print_stdout, reason = "the seed that finds a bug is part of the result")]

mod disks;

use std::{io::Write, path::Path, process::abort, time::Duration};

use beringia_scenario::{Plan, Scenario};
use beringia_simulator::{Conditions, SimulationError, SimulationOutcome, in_virtual_time, run_under};
use beringia_storage::PlantedBug;

const SEEDS_MAX: u64 = 200;
/// The number of seeds that are played without the bug.
const SEEDS_WITHOUT: u64 = 5;

/// Plays that seed with the bug.
fn played(scenario: &Scenario, seed: u64, bug: Option<PlantedBug>) -> Result<SimulationOutcome, SimulationError> {
    let plan = Plan::draw(scenario, seed);
    let on_stuck = |stuck| {
        // The stuck thread can be neither interrupted nor made to fail its test.
        let _ = writeln!(std::io::stderr(), "{stuck:?}");
        abort();
    };
    let conditions = Conditions {
        patience: Duration::from_secs(20),
        planted_bug: bug,
        ..Conditions::default()
    };
    in_virtual_time(
        "planted",
        Duration::from_secs(300),
        on_stuck,
        run_under(&plan, conditions),
    )
}

/// The violations in a run of that seed, in words.
fn violations(scenario: &Scenario, seed: u64, bug: Option<PlantedBug>) -> Vec<String> {
    played(scenario, seed, bug).expect("a run").run.violations
}

/// Plays one seed after another until a violation says what it must. Before that, the first seeds
/// must show no violation without the bug.
fn assert_found(bug: PlantedBug, scenario: &str, says: impl Fn(&str) -> bool) {
    let scenario = Scenario::parse(scenario, Path::new("planted.toml")).expect("a scenario");
    for seed in 1..=SEEDS_WITHOUT {
        let found = violations(&scenario, seed, None);
        assert_eq!(found, Vec::<String>::new(), "seed {seed} without the bug");
    }
    let found = (1..=SEEDS_MAX).find(|seed| {
        let found = violations(&scenario, *seed, Some(bug));
        found.iter().any(|violation| says(violation))
    });
    let found = found.unwrap_or_else(|| panic!("{bug:?} is not found within {SEEDS_MAX} seeds"));
    println!("{bug:?} is found by seed {found}");
}

/// Two regions write the same items, one of them cut off for a while.
fn cut_off(policy: &str) -> String {
    format!(
        r#"
        about = "Two regions write the same items, one of them cut off for a while."
        topology = "two"
        policy = "{policy}"
        duration = "4s"
        [[workload]]
        kind = "ycsb-a"
        rate = 100
        keys = 50
        choice = "uniform"
        value_bytes = 8
        [[event]]
        at = "500ms..1s"
        lasts = "1s"
        isolate = "us-east-1"
    "#
    )
}

/// In the policy: two regions update different attributes of an item, and one of them loses all.
#[test]
fn finds_updates_that_win_as_whole_items() {
    let says = |violation: &str| violation.contains("should hold") || violation.contains("did not journal");
    assert_found(PlantedBug::MergedAsWhole, &cut_off("attribute"), says);
}

/// In replication: the receiver goes on after a gap.
#[test]
fn finds_batches_that_are_dropped() {
    let says = |violation: &str| violation.contains("did not journal") || violation.contains("should hold");
    assert_found(PlantedBug::BatchDropped, &cut_off("item"), says);
}

/// In replication: the receiver discarded writes of a clock that was ahead, and asks again.
#[test]
fn finds_sources_that_skip_what_was_discarded() {
    let scenario = r#"
        about = "The clock of a region is ahead for a while, beyond the allowed offset."
        topology = "two"
        duration = "8s"
        [[workload]]
        kind = "ycsb-a"
        rate = 50
        keys = 50
        choice = "uniform"
        value_bytes = 8
        [[event]]
        at = "1s..2s"
        lasts = "1s"
        clock_step = "us-east-1"
        by = "2s"
    "#;
    let says = |violation: &str| violation.contains("did not journal") || violation.contains("should hold");
    assert_found(PlantedBug::SentTakenForAcknowledged, scenario, says);
}

/// On the wire: the write itself arrives.
#[test]
fn finds_causal_contexts_that_are_lost_on_the_wire() {
    let says = |violation: &str| violation.contains("a log record of") && violation.contains("differs in");
    assert_found(PlantedBug::ContextLostOnWire, &cut_off("item"), says);
}

/// On the wire: an update of one attribute arrives as a write of the whole item.
#[test]
fn finds_metadata_that_is_lost_on_the_wire() {
    let says = |violation: &str| violation.contains("a log record of") && violation.contains("differs in");
    assert_found(PlantedBug::MetadataLostOnWire, &cut_off("attribute"), says);
}

/// In the engine: the client is told that its condition held.
#[test]
fn finds_conditions_that_are_ignored() {
    let scenario = r#"
        about = "Clients of two regions sell from stocks."
        topology = "two"
        duration = "4s"
        [[workload]]
        kind = "counters"
        rate = 60
        keys = 6
        choice = "uniform"
        value_bytes = 8
    "#;
    let says = |violation: &str| violation.contains("on the condition that");
    assert_found(PlantedBug::ConditionIgnored, scenario, says);
}

/// In the engine: the client gets its answer.
#[test]
fn finds_updates_that_are_answered_and_not_made() {
    let says = |violation: &str| violation.contains("acknowledged") || violation.contains("lost");
    assert_found(PlantedBug::UpdateSkipped, &cut_off("item"), says);
}

#[test]
fn finds_regions_that_prefer_their_own_equal_versions() {
    let scenario = r#"
        about = "Two regions write the same few keys in the same milliseconds."
        topology = "two"
        duration = "4s"
        [[workload]]
        kind = "ycsb-a"
        rate = 200
        keys = 2
        choice = "uniform"
        value_bytes = 8
    "#;
    let says = |violation: &str| violation.contains("and should hold");
    assert_found(PlantedBug::EqualVersionsPreferredLocally, scenario, says);
}

/// Deleted items come back.
#[test]
fn finds_tombstones_that_are_collected_too_early() {
    let scenario = r#"
        about = "A region deletes while another, cut off, still writes."
        topology = "two"
        duration = "6s"
        [[workload]]
        kind = "mixed"
        put_percent = 40
        update_percent = 0
        delete_percent = 40
        rate = 40
        keys = 40
        choice = "uniform"
        value_bytes = 8
        [[event]]
        at = "500ms..1s"
        lasts = "3s"
        isolate = "us-east-1"
    "#;
    // The region holds an older item, not nothing.
    let says = |violation: &str| violation.contains("holds Some(") && violation.contains("and should hold Some(");
    assert_found(PlantedBug::TombstonesCollectedAtOnce, scenario, says);
}

#[test]
fn finds_a_skipped_log_record() {
    let scenario = r#"
        about = "Two regions write all keys while they are cut off, so that each of them ends in a conflict."
        topology = "two"
        duration = "4s"
        [[workload]]
        kind = "ycsb-a"
        rate = 100
        keys = 100
        choice = "uniform"
        value_bytes = 8
        [[event]]
        at = "200ms..500ms"
        isolate = "us-east-1"
    "#;
    let says = |violation: &str| violation.contains("did not journal");
    assert_found(PlantedBug::LogRecordSkipped, scenario, says);
}

/// The condition is checked before the write has its turn.
#[test]
fn finds_conditions_that_are_checked_too_early() {
    let scenario = r#"
        about = "Clients of a region with a slow disk count on the same counters."
        topology = "two"
        duration = "4s"
        [[workload]]
        kind = "counters"
        rate = 60
        keys = 3
        choice = "uniform"
        value_bytes = 8
        [[event]]
        at = "500ms..1s"
        lasts = "2s"
        slow_disk = "us-east-1"
        by = "50ms"
    "#;
    let says = |violation: &str| violation.contains("on the condition that");
    assert_found(PlantedBug::ConditionBeforeLock, scenario, says);
}

#[test]
fn finds_an_added_replica_that_never_becomes_active() {
    let scenario = r#"
        about = "A replica is added while clients use the table."
        topology = "two"
        replicas = ["us-east-1"]
        duration = "4s"
        [[workload]]
        kind = "ycsb-a"
        rate = 40
        keys = 20
        value_bytes = 8
        [[event]]
        at = "500ms..1s"
        add_replica = "eu-west-1"
    "#;
    let says = |violation: &str| violation.contains("shows the replica of") && violation.ends_with("as CREATING");
    assert_found(PlantedBug::AddedReplicaNeverActive, scenario, says);
}

/// Both regions hold the right items.
#[test]
fn finds_a_copy_of_a_stale_write_that_was_altered() {
    let scenario = r#"
        about = "Two regions write the same few keys at the same time."
        topology = "two"
        duration = "4s"
        [[workload]]
        kind = "ycsb-a"
        rate = 200
        keys = 2
        choice = "uniform"
        value_bytes = 8
    "#;
    let says = |violation: &str| violation.contains("a log record of") && violation.contains("differs in");
    assert_found(PlantedBug::StaleCopyAltered, scenario, says);
}

/// Both regions hold the right items, and return them by their keys.
#[test]
fn finds_an_omitted_index_entry() {
    let scenario = r#"
        about = "Sessions are created and looked up by their user."
        topology = "two"
        duration = "4s"
        [[workload]]
        kind = "sessions"
        rate = 40
        keys = 40
        value_bytes = 8
    "#;
    let says = |violation: &str| violation.contains("Scan of by-user") && violation.contains("did not return the item");
    assert_found(PlantedBug::IndexEntryOmitted, scenario, says);
}

/// The log shows the number that the region left, so only what clients asked for shows the fault.
#[test]
fn finds_an_update_that_leaves_a_number_as_it_was() {
    let scenario = r#"
        about = "Two regions count, and attributes win or lose by themselves."
        topology = "two"
        policy = "attribute"
        duration = "4s"
        [[workload]]
        kind = "counters"
        rate = 40
        keys = 20
        value_bytes = 8
    "#;
    let says = |violation: &str| violation.contains("with a wrong result");
    assert_found(PlantedBug::AdditionIgnored, scenario, says);
}

#[test]
fn finds_a_lost_attribute_that_is_not_journalled() {
    let scenario = r#"
        about = "Two regions update attributes of the same items while they are cut off."
        topology = "two"
        policy = "attribute"
        duration = "4s"
        [[workload]]
        kind = "ycsb-a"
        rate = 100
        keys = 100
        choice = "uniform"
        value_bytes = 8
        [[event]]
        at = "200ms..500ms"
        isolate = "us-east-1"
    "#;
    let says = |violation: &str| violation.contains("did not journal");
    assert_found(PlantedBug::PartialLossUnjournalled, scenario, says);
}

#[test]
fn finds_consistent_reads_of_an_earlier_state() {
    let scenario = r#"
        about = "Clients write and read few keys in regions whose eventually consistent reads are stale."
        topology = "two"
        duration = "4s"
        [behaviour]
        stale_reads = "500ms"
        [[workload]]
        kind = "ycsb-a"
        rate = 50
        keys = 5
        choice = "uniform"
        value_bytes = 8
    "#;
    let says = |violation: &str| violation.contains("answered a consistent read");
    assert_found(PlantedBug::ConsistentReadsStale, scenario, says);
}

#[test]
fn finds_conditions_that_are_refused_without_cause() {
    let scenario = r#"
        about = "Clients count on many counters, so that hardly any two meet."
        topology = "two"
        duration = "4s"
        [[workload]]
        kind = "counters"
        rate = 60
        keys = 60
        choice = "uniform"
        value_bytes = 8
    "#;
    let says = |violation: &str| violation.contains("without cause");
    assert_found(PlantedBug::ConditionWithoutItem, scenario, says);
}

#[test]
fn finds_causal_contexts_that_are_too_large() {
    let scenario = r#"
        about = "Two regions put whole items under the same keys, one of them cut off for a while."
        topology = "two"
        duration = "4s"
        [[workload]]
        kind = "mixed"
        put_percent = 80
        update_percent = 0
        delete_percent = 0
        rate = 50
        keys = 20
        choice = "uniform"
        value_bytes = 8
        [[event]]
        at = "1s"
        lasts = "1s"
        isolate = "us-east-1"
    "#;
    let says = |violation: &str| violation.contains("which came later");
    assert_found(PlantedBug::CausalContextTooLarge, scenario, says);
}

/// A disk that a third region loses excuses that region's own writes only.
#[test]
fn finds_an_unjournalled_loss_beside_a_lost_disk() {
    let scenario = r#"
        about = "Two regions update the same items while they are cut off, and a third loses its disk."
        topology = "three"
        policy = "attribute"
        duration = "5s"
        [[workload]]
        kind = "ycsb-a"
        rate = 60
        keys = 60
        choice = "uniform"
        value_bytes = 8
        [[event]]
        at = "200ms..500ms"
        isolate = "us-east-1"
        [[event]]
        at = "3s"
        lasts = "1s"
        crash = "ap-northeast-1"
        lose_disk = true
    "#;
    let says = |violation: &str| violation.contains("-1 did not journal") && !violation.starts_with("ap-northeast-1");
    assert_found(PlantedBug::PartialLossUnjournalled, scenario, says);
}

/// The other regions' journals agree that the two writes were concurrent.
#[test]
fn finds_causal_contexts_that_are_too_small() {
    let scenario = r#"
        about = "Two regions append to the same lists, and read them."
        topology = "two"
        duration = "4s"
        [[workload]]
        kind = "mixed"
        put_percent = 10
        update_percent = 0
        delete_percent = 0
        append_percent = 50
        rate = 50
        keys = 20
        choice = "uniform"
        value_bytes = 8
    "#;
    let says = |violation: &str| violation.contains("which it followed");
    assert_found(PlantedBug::CausalContextTooSmall, scenario, says);
}

#[test]
fn finds_reads_of_writes_that_never_become_durable() {
    let scenario = r#"
        about = "A region with a slow disk crashes while clients put and read the same few items."
        topology = "two"
        duration = "5s"
        [[workload]]
        kind = "mixed"
        put_percent = 50
        update_percent = 0
        delete_percent = 0
        rate = 60
        keys = 3
        choice = "uniform"
        value_bytes = 8
        [[event]]
        at = "200ms"
        slow_disk = "us-east-1"
        by = "100ms"
        [[event]]
        at = "1s..2s"
        lasts = "500ms"
        crash = "us-east-1"
    "#;
    let says = |violation: &str| violation.contains("that never became durable");
    assert_found(PlantedBug::WaitingWritesRead, scenario, says);
}

/// The regions hold the right lists.
#[test]
fn finds_lists_that_reads_show_in_another_order() {
    let scenario = r#"
        about = "Two regions append to the same lists, and read them."
        topology = "two"
        policy = "attribute"
        duration = "4s"
        [[workload]]
        kind = "carts"
        rate = 50
        keys = 10
        choice = "uniform"
        value_bytes = 8
    "#;
    let says = |violation: &str| violation.contains(" before ") && violation.contains(" in the list of ");
    assert_found(PlantedBug::ListsReadSorted, scenario, says);
}

/// The rows hold the right items, and reads show the right markers.
#[test]
fn finds_reads_that_leave_out_an_attribute() {
    let scenario = r#"
        about = "Two regions update and read the same items."
        topology = "two"
        duration = "4s"
        [[workload]]
        kind = "ycsb-a"
        rate = 40
        keys = 20
        value_bytes = 8
    "#;
    let says = |violation: &str| violation.contains("another item than that write left");
    assert_found(PlantedBug::AttributesOmitted, scenario, says);
}

/// The items that a read returns are right.
#[test]
fn finds_consistent_scans_that_leave_out_an_item() {
    let scenario = r#"
        about = "Two regions insert and scan items."
        topology = "two"
        duration = "4s"
        [[workload]]
        kind = "ycsb-e"
        rate = 40
        keys = 60
        value_bytes = 8
    "#;
    let says = |violation: &str| violation.contains("answered a consistent read") && violation.contains("with nothing");
    assert_found(PlantedBug::RowsOmitted, scenario, says);
}
