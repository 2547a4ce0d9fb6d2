//! Seeds of swarms that failed once, where the regions or the oracle were wrong. Changes of what a
//! swarm draws make them other runs; smaller tests check the same rules.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::{io::Write, process::abort, time::Duration};

use beringia_scenario::{Plan, Scenario};
use beringia_simulator::{Conditions, StoreKind, in_virtual_time, run_under};

/// Under `merge`, a region is put back to a copy of its disk. Before it learns of that, it adds to
/// numbers to which it had added after the copy, and updates an item that it had deleted.
#[test]
fn numbers_merge_after_a_snapshot_is_restored() {
    assert_eq!(violations("disks", 1), Vec::<String>::new());
}

/// The replication of a region is paused while the region has no replicas.
#[test]
fn a_region_is_paused_while_its_replicas_are_away() {
    assert_eq!(violations("tables", 17), Vec::<String>::new());
}

/// Replicas are removed and added in quick succession, and regions accept these changes late.
#[test]
fn replicas_are_changed_in_the_order_of_the_timeline() {
    assert_eq!(violations("tables", 60), Vec::<String>::new());
}

/// A region deletes an item in a replica that is dropped, and deletes the item again later.
#[test]
fn a_discarded_delete_is_not_taken_for_a_later_one() {
    assert_eq!(violations("tables", 250), Vec::<String>::new());
}

/// A region expires an item before it receives a later write, whose origin lost its disk.
#[test]
fn an_item_expires_although_a_lost_write_is_covered() {
    assert_eq!(violations("everything", 8), Vec::<String>::new());
}

/// A table is deleted and created again while regions are cut off.
#[test]
fn a_recreated_table_is_not_left_half_deleted() {
    assert_eq!(violations("tables", 186), Vec::<String>::new());
}

/// A region whose replica is being dropped is back, and one of the others takes its writes before it
/// learns of the drop. The replica is copied from another region, which does not have these writes.
#[test]
fn a_dropped_replica_gets_its_own_writes_back() {
    assert_eq!(violations("tables", 192), Vec::<String>::new());
}

/// Under `merge`, a replica is dropped in which items had merged with other regions' writes and
/// then lost parts to conflicts.
#[test]
fn merged_losers_do_not_hide_unshipped_writes() {
    assert_eq!(violations("everything", 2), Vec::<String>::new());
}

/// Plays the shipped swarm with a profile and a seed, and returns the broken promises.
fn violations(profile: &str, seed: u64) -> Vec<String> {
    let swarm = Scenario::shipped("swarm").expect("it is built in");
    let swarm = swarm.with([("event.1.profile", profile)]).expect("a profile");
    let plan = Plan::draw(&swarm, seed);
    let conditions = Conditions {
        store: StoreKind::Memory,
        ..Conditions::default()
    };
    let on_stuck = |stuck| {
        let _ = writeln!(std::io::stderr(), "{stuck:?}");
        abort();
    };
    let run = run_under(&plan, conditions);
    let outcome = in_virtual_time("kept", Duration::from_secs(300), on_stuck, run).expect("a run");
    outcome.run.violations
}
