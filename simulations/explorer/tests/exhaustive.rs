//! Every order of events in small worlds, without a violation. Each test prints how much it visited
//! (`--nocapture`). With `BERINGIA_LONG=1` the larger ones run as well.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the size of a search is part of its result")]

use beringia_explorer::{Bounds, ConflictPolicy, Kind, explore};

const PUTS_AND_DELETES: [Kind; 2] = [Kind::Put, Kind::Delete];
/// The number of worlds after which the searches end that are not known to be exhausted.
const WORLDS_MAX: usize = 4_000_000;
const ALL_KINDS: [Kind; 4] = [Kind::Put, Kind::Delete, Kind::Add, Kind::Set];

/// Visits everything within the bounds, and expects no violation.
fn assert_exhausted(name: &str, bounds: &Bounds) {
    assert!(visit(name, bounds), "{name} was not exhausted");
}

/// Visits what is within the bounds, and expects no violation. Returns whether that was everything.
fn visit(name: &str, bounds: &Bounds) -> bool {
    let explored = explore(bounds).unwrap();
    println!(
        "{name}: {} worlds, {} steps, {} states of regions, {} deep",
        explored.worlds, explored.steps, explored.region_states, explored.depth
    );
    if let Some(found) = explored.counterexample {
        panic!("{name}: {found}");
    }
    explored.is_exhausted
}

fn is_long() -> bool {
    std::env::var_os("BERINGIA_LONG").is_some()
}

/// Batches wait on their way, are lost, come twice and past each other; processes crash.
#[test]
fn all_deliveries_with_losses_duplicates_and_crashes() {
    let bounds = Bounds {
        in_flight: true,
        duplicates: 1,
        crashes: 1,
        ..Bounds::default()
    };
    assert_exhausted("deliveries", &bounds);
    let relay = Bounds {
        keys: 2,
        relay: true,
        duplicates: 1,
        ..Bounds::default()
    };
    assert_exhausted("relay, two keys", &relay);
}

/// A clock jumps ahead, back, or so far that the others hold the region's writes back.
#[test]
fn all_jumps_of_a_clock() {
    let bounds = Bounds {
        clock_steps: 1,
        jumps_ms: vec![100, -100, 2000],
        ..Bounds::default()
    };
    assert_exhausted("clocks", &bounds);
}

/// Tombstones are collected while writes from before the delete are still on their way.
#[test]
fn all_trims() {
    for trimmer in 0..3 {
        let bounds = Bounds {
            kinds: PUTS_AND_DELETES.to_vec(),
            relay: trimmer == 1,
            trims: 1,
            trimmers: vec![trimmer],
            ..Bounds::default()
        };
        assert_exhausted("trims", &bounds);
    }
}

#[test]
fn all_merges() {
    for (name, policy) in [
        ("attribute", ConflictPolicy::Attribute),
        ("merge", ConflictPolicy::Merge),
    ] {
        let bounds = Bounds {
            kinds: vec![Kind::Add, Kind::Set],
            policy,
            ..Bounds::default()
        };
        assert_exhausted(name, &bounds);
        let with_whole_writes = Bounds {
            kinds: ALL_KINDS.to_vec(),
            writes: if is_long() { 3 } else { 2 },
            ..bounds
        };
        assert_exhausted(&format!("{name}, with puts and deletes"), &with_whole_writes);
    }
}

/// A disk is lost; its region copies the catalog and the table, and writes again.
#[test]
fn all_losses_of_a_disk() {
    let bounds = Bounds {
        writes: 2,
        kinds: if is_long() {
            PUTS_AND_DELETES.to_vec()
        } else {
            vec![Kind::Put]
        },
        relay: true,
        lost_disks: 1,
        ..Bounds::default()
    };
    assert_exhausted("lost disks", &bounds);
}

/// What takes too long for every run.
#[test]
fn all_of_the_larger_worlds() {
    if !is_long() {
        return;
    }
    let together = Bounds {
        writes: 2,
        kinds: PUTS_AND_DELETES.to_vec(),
        in_flight: true,
        relay: true,
        duplicates: 1,
        crashes: 1,
        clock_steps: 1,
        ..Bounds::default()
    };
    assert_exhausted("two writes, all but trims and disks", &together);
    let three = Bounds { writes: 3, ..together };
    let is_exhausted = visit(
        "three writes, all but trims and disks",
        &Bounds {
            worlds_max: WORLDS_MAX,
            ..three
        },
    );
    println!("three writes, all but trims and disks: exhausted: {is_exhausted}");
    let disks = Bounds {
        relay: true,
        lost_disks: 1,
        worlds_max: WORLDS_MAX,
        ..Bounds::default()
    };
    println!(
        "three puts and a lost disk: exhausted: {}",
        visit("three puts and a lost disk", &disks)
    );
    let disks_and_trims = Bounds {
        writes: 2,
        kinds: PUTS_AND_DELETES.to_vec(),
        trims: 1,
        trimmers: vec![0],
        ..disks
    };
    let name = "a lost disk and a trim";
    println!("{name}: exhausted: {}", visit(name, &disks_and_trims));
}
